/*
 * Synthetic exits: drives a probe with pseudo-random states, inputs and effects, the same for the same seed, and keeps
 * nothing, so that a second generator can tell what a reader must give back.
 */
#ifndef HWACCL_TESTS_SYNTHETIC_EXITS_H
#define HWACCL_TESTS_SYNTHETIC_EXITS_H

#include "hwaccl/device.h"
#include "hwaccl/probe.h"
#include "hwaccl/subject_fields.h"

#include <stdlib.h>
#include <string.h>

#define SYNTHETIC_EVENT_MAX 12
#define SYNTHETIC_DATA_MAX  HWACCL_EFFECT_SIZE_MAX

struct synthetic_device {
        struct hwaccl_device device;
        uint8_t byte;
        uint16_t word;
        uint32_t count;
        uint64_t wide;
        uint8_t array[24];
};

static const struct hwaccl_device_field synthetic_fields[] = {
        HWACCL_DEVICE_FIELD(struct synthetic_device, byte),  HWACCL_DEVICE_FIELD(struct synthetic_device, word),
        HWACCL_DEVICE_FIELD(struct synthetic_device, count), HWACCL_DEVICE_FIELD(struct synthetic_device, wide),
        HWACCL_DEVICE_FIELD(struct synthetic_device, array),
};

static const struct hwaccl_device_ops synthetic_device_ops[2] = {
        {.name = "first", .fields = synthetic_fields, .field_count = 5},
        {.name = "second", .fields = synthetic_fields, .field_count = 5},
};

/* One exit, everything that a probe sees of it. */
struct synthetic_exit {
        struct hwaccl_subject_state entry;
        struct hwaccl_subject_state exit;
        uint64_t pending[4];
        bool offered;
        uint8_t vector;
        bool taken;
        enum hwaccl_verdict verdict;
        enum hwaccl_outcome outcome;
        struct hwaccl_input input[SYNTHETIC_EVENT_MAX];
        size_t input_count;
        struct hwaccl_effect effect[SYNTHETIC_EVENT_MAX];
        size_t effect_count;
        uint8_t data[2 * SYNTHETIC_EVENT_MAX][SYNTHETIC_DATA_MAX];
};

struct synthetic {
        bool plain;        /* small exits: few changes, few events */
        bool walk_by_walk; /* page-table entries in a row are told with table_walk(), not one by one */
        uint64_t random;
        uint64_t clock;
        struct hwaccl_subject_state state;
        struct synthetic_exit current;
        struct synthetic_device device[2];
};

static inline uint64_t synthetic_random(struct synthetic *synthetic)
{
        uint64_t x = synthetic->random;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        return synthetic->random = x;
}

static inline unsigned synthetic_below(struct synthetic *synthetic, unsigned limit)
{
        return (unsigned)((synthetic_random(synthetic) >> 20) % limit);
}

/* Values of every size, the extremes among them. */
static inline uint64_t synthetic_value(struct synthetic *synthetic)
{
        switch (synthetic_below(synthetic, 8)) {
        case 0: return 0;
        case 1: return UINT64_MAX;
        case 2: return UINT64_C(1) << 63;
        case 3: return UINT64_C(0x7fffffffffffffff);
        case 4: return synthetic_random(synthetic) & 0xff;
        case 5: return synthetic_random(synthetic) & 0xffffffff;
        default: return synthetic_random(synthetic);
        }
}

static inline void synthetic_change(struct synthetic *synthetic, unsigned fields)
{
        if (synthetic->plain && fields > 2)
                fields = 2;
        for (unsigned i = 0; i < fields; i++) {
                unsigned field = synthetic->plain ? HWACCL_FIELD_INDEX_rax + synthetic_below(synthetic, 7)
                                                  : synthetic_below(synthetic, HWACCL_FIELD_COUNT);
                hwaccl_field_put(&synthetic->state, (enum hwaccl_field_index)field,
                                 synthetic->plain ? synthetic_below(synthetic, 65536) : synthetic_value(synthetic));
        }
}

static inline void synthetic_start(struct synthetic *synthetic, uint64_t seed)
{
        memset(synthetic, 0, sizeof(*synthetic));
        synthetic->random = seed * 2 + 1;
        synthetic->walk_by_walk = true;
        synthetic->device[0].device.ops = &synthetic_device_ops[0];
        synthetic->device[1].device.ops = &synthetic_device_ops[1];
        synthetic_change(synthetic, 200);
}

static inline const void *synthetic_data(struct synthetic *synthetic, size_t slot, uint32_t *size)
{
        struct synthetic_exit *exit = &synthetic->current;

        *size = synthetic_below(synthetic, 20);
        if (synthetic_below(synthetic, 50) == 0)
                *size = SYNTHETIC_DATA_MAX;
        if (synthetic_below(synthetic, 4) == 0) {
                *size = 0;
                return NULL;
        }
        for (uint32_t i = 0; i < *size; i++)
                exit->data[slot][i] = (uint8_t)synthetic_random(synthetic);
        return exit->data[slot];
}

/* Reads of page tables, the same few in most exits; at times one that is none, or more than any walk has. */
static inline unsigned synthetic_walk(struct synthetic *synthetic)
{
        struct synthetic_exit *exit = &synthetic->current;
        unsigned reads = synthetic->plain || synthetic_below(synthetic, 3) ? 0 : synthetic_below(synthetic, 10);
        unsigned table = synthetic_below(synthetic, 5);

        for (unsigned i = 0; i < reads && exit->input_count < SYNTHETIC_EVENT_MAX - 1; i++) {
                size_t slot = exit->input_count++;
                uint32_t size = table & 1 ? 4 : 8;
                memset(exit->data[slot], (int)(table + i), 8);
                exit->input[slot] = (struct hwaccl_input){HWACCL_INPUT_MEMORY, UINT64_C(0x1000) * table + i * 8,
                                                          synthetic_below(synthetic, 40) == 0, exit->data[slot], size};
        }
        return reads;
}

static inline void synthetic_inputs(struct synthetic *synthetic)
{
        struct synthetic_exit *exit = &synthetic->current;

        exit->input_count = 0;
        if (synthetic_below(synthetic, 20)) {
                synthetic->clock += synthetic_below(synthetic, 100000);
                exit->input[exit->input_count++] =
                        (struct hwaccl_input){HWACCL_INPUT_CLOCK, 0, synthetic->clock, NULL, 0};
        }
        bool walked = synthetic_walk(synthetic) != 0;
        unsigned more = walked || synthetic->plain || synthetic_below(synthetic, 4) ? 0 : synthetic_below(synthetic, 9);
        unsigned instruction = synthetic_below(synthetic, 3) ? 0 : synthetic_below(synthetic, 5);
        for (unsigned i = 0; i <= more; i++) {
                struct hwaccl_input *input = &exit->input[exit->input_count++];
                memset(input, 0, sizeof(*input));
                if (i == instruction) {
                        size_t slot = exit->input_count - 1;
                        input->kind = HWACCL_INPUT_INSTRUCTION;
                        input->address = 0xf0000 + synthetic_below(synthetic, 40);
                        input->size = 1 + synthetic_below(synthetic, 15);
                        memset(exit->data[slot], (int)(input->address & 0xff), input->size);
                        input->data = exit->data[slot];
                        continue;
                }
                input->kind = (enum hwaccl_input_kind)synthetic_below(synthetic, HWACCL_INPUT_KIND_COUNT);
                if (exit->input_count == 1 && input->kind == HWACCL_INPUT_CLOCK)
                        input->kind = HWACCL_INPUT_WALL_TIME; /* the exit's own clock never goes back */
                input->address = synthetic_value(synthetic);
                input->value = synthetic_value(synthetic);
                input->data = synthetic_data(synthetic, exit->input_count - 1, &input->size);
        }
}

static inline void synthetic_effects(struct synthetic *synthetic)
{
        struct synthetic_exit *exit = &synthetic->current;

        exit->effect_count =
                synthetic->plain || synthetic_below(synthetic, 3) ? 0 : synthetic_below(synthetic, SYNTHETIC_EVENT_MAX);
        for (size_t i = 0; i < exit->effect_count; i++) {
                struct hwaccl_effect *effect = &exit->effect[i];
                effect->kind = (enum hwaccl_effect_kind)synthetic_below(synthetic, HWACCL_EFFECT_KIND_COUNT);
                effect->address = synthetic_value(synthetic);
                effect->value = synthetic_value(synthetic);
                effect->data = synthetic_data(synthetic, SYNTHETIC_EVENT_MAX + i, &effect->size);
        }
}

/* The next exit into synthetic->current; devices are then as after its handling. */
static inline void synthetic_next(struct synthetic *synthetic)
{
        struct synthetic_exit *exit = &synthetic->current;

        exit->entry = synthetic->state;
        exit->offered = synthetic_below(synthetic, 10) == 0;
        exit->vector = (uint8_t)synthetic_random(synthetic);
        exit->taken = exit->offered && synthetic_below(synthetic, 2);
        synthetic_change(synthetic, synthetic_below(synthetic, 10) ? 5 : 60);
        synthetic->state.exit_reason = synthetic_below(synthetic, 70);
        exit->exit = synthetic->state;
        memset(exit->pending, 0, sizeof(exit->pending));
        if (exit->offered && !exit->taken)
                exit->pending[exit->vector / 64] = UINT64_C(1) << (exit->vector % 64);
        synthetic_inputs(synthetic);
        synthetic_effects(synthetic);
        exit->verdict = (enum hwaccl_verdict)synthetic_below(synthetic, HWACCL_VERDICT_COUNT);
        exit->outcome = (enum hwaccl_outcome)synthetic_below(synthetic, HWACCL_OUTCOME_COUNT);
        synthetic_change(synthetic, synthetic_below(synthetic, 10) ? 2 : 30);
        struct synthetic_device *device = &synthetic->device[synthetic_below(synthetic, 2)];
        device->byte++;
        device->wide = synthetic_value(synthetic);
        device->array[synthetic_below(synthetic, 24)] = (uint8_t)synthetic_random(synthetic);
}

/* Inputs from number @first on that one walk may have read. */
static inline size_t synthetic_walk_length(const struct synthetic_exit *exit, size_t first)
{
        const struct hwaccl_input *input = &exit->input[first];
        size_t count = 0;

        for (; first + count < exit->input_count; count++, input++)
                if (input->kind != HWACCL_INPUT_MEMORY || input->value || !input->data ||
                    (input->size != 4 && input->size != 8) || input->size != exit->input[first].size)
                        break;
        return count;
}

static inline void synthetic_observe_inputs(const struct synthetic *synthetic, struct hwaccl_probe *probe)
{
        const struct synthetic_exit *exit = &synthetic->current;

        for (size_t i = 0; i < exit->input_count;) {
                struct hwaccl_table_entry entry[SYNTHETIC_EVENT_MAX] = {{0, 0}};
                size_t count = synthetic->walk_by_walk ? synthetic_walk_length(exit, i) : 0;
                if (count == 0) {
                        probe->ops->input(probe, &exit->input[i++]);
                        continue;
                }
                for (size_t k = 0; k < count; k++) {
                        entry[k].address = exit->input[i + k].address;
                        memcpy(&entry[k].value, exit->input[i + k].data, exit->input[i + k].size);
                }
                hwaccl_probe_table_walk(probe, entry, count, exit->input[i].size);
                i += count;
        }
}

/* Give the current exit to a probe, in the order of the run loop. @handled: to the end. */
static inline bool synthetic_observe(const struct synthetic *synthetic, struct hwaccl_probe *probe, bool handled,
                                     struct hwaccl_error *error)
{
        const struct synthetic_exit *exit = &synthetic->current;
        struct hwaccl_pending_interrupts pending;

        for (unsigned i = 0; i < 4; i++)
                pending.bits[i] = exit->pending[i];
        probe->ops->transfer_in(probe, &exit->entry);
        if (exit->offered)
                probe->ops->irq_offer(probe, exit->vector);
        hwaccl_probe_entry(probe);
        probe->ops->exit(probe, &exit->exit, &pending);
        synthetic_observe_inputs(synthetic, probe);
        probe->ops->verdict(probe, exit->verdict);
        if (exit->offered)
                probe->ops->irq_reclaim(probe, exit->vector, exit->taken);
        for (size_t i = 0; i < exit->effect_count; i++)
                probe->ops->effect(probe, &exit->effect[i]);
        return !handled || probe->ops->handled(probe, exit->outcome, error);
}

#endif
