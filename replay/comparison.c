#include "replay/comparison.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void replay_comparison_begin(struct replay_comparison *comparison, const struct hwaccl_recorded_exit *exit, bool ended)
{
        comparison->exit = exit;
        comparison->ended = ended;
        comparison->input_next = 0;
        comparison->effect_next = 0;
        comparison->inputs_lost = false;
        comparison->cut_short = false;
        replay_report_open(&comparison->report);
}

const struct hwaccl_input *replay_comparison_peek(const struct replay_comparison *comparison)
{
        const struct hwaccl_recorded_exit *exit = comparison->exit;
        return comparison->input_next < exit->input_count ? &exit->inputs[comparison->input_next] : NULL;
}

static void describe_input(char *text, size_t room, enum hwaccl_input_kind kind, uint64_t address, size_t size)
{
        const char *name = hwaccl_input_kind_name(kind);
        switch (kind) {
        case HWACCL_INPUT_INSTRUCTION:
        case HWACCL_INPUT_PORT_WRITE:
        case HWACCL_INPUT_MMIO_WRITE:
        case HWACCL_INPUT_COALESCED_PORT_WRITE:
        case HWACCL_INPUT_COALESCED_MMIO_WRITE:
        case HWACCL_INPUT_MEMORY: (void)snprintf(text, room, "%s 0x%" PRIx64 "+%zu", name, address, size); break;
        case HWACCL_INPUT_WAIT: (void)snprintf(text, room, "%s until %" PRIu64 " ns", name, address); break;
        case HWACCL_INPUT_DISK:
        case HWACCL_INPUT_DISK_FAULT: (void)snprintf(text, room, "%s at 0x%" PRIx64 "+%zu", name, address, size); break;
        case HWACCL_INPUT_CONSOLE: (void)snprintf(text, room, "%s %" PRIu64 "+%zu", name, address, size); break;
        default: (void)snprintf(text, room, "%s", name); break;
        }
}

void replay_comparison_lost(struct replay_comparison *comparison, enum hwaccl_input_kind kind, uint64_t address,
                            size_t size)
{
        const struct hwaccl_input *recorded = replay_comparison_peek(comparison);

        if (!recorded && !comparison->ended)
                comparison->cut_short = true; /* the recording ends before this read */
        if (comparison->inputs_lost || comparison->cut_short)
                return;
        comparison->inputs_lost = true;

        const char *name = replay_report_name(&comparison->report, "input %zu", comparison->input_next);
        struct hwaccl_difference *difference = replay_report_add(&comparison->report, name);
        if (!difference)
                return;
        (void)snprintf(difference->recorded, sizeof(difference->recorded), "none");
        if (recorded)
                describe_input(difference->recorded, sizeof(difference->recorded), recorded->kind, recorded->address,
                               recorded->size);
        describe_input(difference->replayed, sizeof(difference->replayed), kind, address, size);
}

const struct hwaccl_input *replay_comparison_take(struct replay_comparison *comparison, enum hwaccl_input_kind kind,
                                                  uint64_t address, size_t size)
{
        const struct hwaccl_input *input = replay_comparison_peek(comparison);

        if (!input || input->kind != kind) {
                replay_comparison_lost(comparison, kind, address, size);
                return NULL;
        }
        if (input->address != address || (input->size != size && kind != HWACCL_INPUT_INSTRUCTION))
                replay_comparison_lost(comparison, kind, address, size);
        comparison->input_next++;
        return input;
}

size_t replay_comparison_give(const struct hwaccl_input *input, void *buffer, size_t size)
{
        size_t known = 0;

        if (input && input->data) {
                known = input->size < size ? input->size : size;
                memcpy(buffer, input->data, known);
        }
        if (known < size)
                memset((uint8_t *)buffer + known, 0, size - known);
        return known;
}

static bool same_effect(const struct hwaccl_effect *a, const struct hwaccl_effect *b)
{
        return a->kind == b->kind && a->address == b->address && a->value == b->value && a->size == b->size &&
               (!a->size || memcmp(a->data, b->data, a->size) == 0);
}

/* "write 0x500+4: 01 02 03 04", the bytes from @from on. */
static void describe_effect(char *text, size_t room, const struct hwaccl_effect *effect, size_t from)
{
        int used = 0;
        switch (effect->kind) {
        case HWACCL_EFFECT_MEMORY:
                used = snprintf(text, room, "memory 0x%" PRIx64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_CONSOLE:
                used = snprintf(text, room, "console %" PRIu64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_IRQ_LINE:
                (void)snprintf(text, room, "IRQ line %" PRIu64 " %s", effect->address, effect->value ? "up" : "down");
                return;
        case HWACCL_EFFECT_STOP:
                (void)snprintf(text, room, "guest ends: %s (%" PRIu64 ")", hwaccl_end_name((unsigned)effect->address),
                               effect->value);
                return;
        case HWACCL_EFFECT_DISK_WRITE:
                used = snprintf(text, room, "disk %" PRIu64 " at 0x%" PRIx64 "+%" PRIu32 ":", effect->value,
                                effect->address, effect->size);
                break;
        case HWACCL_EFFECT_PORT_READ:
                used = snprintf(text, room, "port 0x%" PRIx64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_MMIO_READ:
                used = snprintf(text, room, "device 0x%" PRIx64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_KVM_EXIT:
                (void)snprintf(text, room, "field %" PRIu64 " of KVM exit %" PRIu64 ": 0x%" PRIx64,
                               effect->address & 0xff, effect->address >> 8, effect->value);
                return;
        case HWACCL_EFFECT_FLOATING_POINT: used = snprintf(text, room, "floating point:"); break;
        case HWACCL_EFFECT_DISK_FLUSH: (void)snprintf(text, room, "disk %" PRIu64 " flushed", effect->value); return;
        default: (void)snprintf(text, room, "kind %u", (unsigned)effect->kind); return;
        }
        if (from)
                used += snprintf(text + used, room - (size_t)used, " from byte %zu:", from);
        used += snprintf(text + used, room - (size_t)used, " ");
        replay_format_bytes(text + used, room - (size_t)used, (const uint8_t *)effect->data + from,
                            effect->size - from);
}

static void report_effect(struct replay_comparison *comparison, size_t number, const struct hwaccl_effect *recorded,
                          const struct hwaccl_effect *replayed)
{
        const char *name = replay_report_name(&comparison->report, "effect %zu", number);
        struct hwaccl_difference *difference = replay_report_add(&comparison->report, name);
        if (!difference)
                return;

        /* of two long writes to the same address, show the bytes that differ */
        size_t from = 0;
        if (recorded && replayed && recorded->kind == replayed->kind && recorded->size == replayed->size) {
                const uint8_t *a = recorded->data, *b = replayed->data;
                while (from < recorded->size && a[from] == b[from])
                        from++;
                if (from < 16 || from == recorded->size)
                        from = 0;
        }
        (void)snprintf(difference->recorded, sizeof(difference->recorded), "none");
        (void)snprintf(difference->replayed, sizeof(difference->replayed), "none");
        if (recorded)
                describe_effect(difference->recorded, sizeof(difference->recorded), recorded, from);
        if (replayed)
                describe_effect(difference->replayed, sizeof(difference->replayed), replayed, from);
}

void replay_comparison_effect(struct replay_comparison *comparison, const struct hwaccl_effect *replayed)
{
        const struct hwaccl_recorded_exit *exit = comparison->exit;

        if (comparison->cut_short)
                return;
        size_t next = comparison->effect_next;
        if (next >= exit->effect_count) {
                if (!comparison->ended)
                        comparison->cut_short = true;
                else
                        report_effect(comparison, next, NULL, replayed);
                return;
        }
        comparison->effect_next++;
        if (same_effect(&exit->effects[next], replayed))
                return;
        if (next + 1 < exit->effect_count && same_effect(&exit->effects[next + 1], replayed)) {
                report_effect(comparison, next, &exit->effects[next], NULL);
                comparison->effect_next++;
                return;
        }
        report_effect(comparison, next, &exit->effects[next], replayed);
}

void replay_comparison_effects_end(struct replay_comparison *comparison)
{
        const struct hwaccl_recorded_exit *exit = comparison->exit;

        for (; comparison->ended && comparison->effect_next < exit->effect_count; comparison->effect_next++)
                report_effect(comparison, comparison->effect_next, &exit->effects[comparison->effect_next], NULL);
}

void replay_comparison_inputs_end(struct replay_comparison *comparison)
{
        const struct hwaccl_recorded_exit *exit = comparison->exit;
        char unread[64];

        if (comparison->input_next >= exit->input_count || comparison->inputs_lost)
                return;
        (void)snprintf(unread, sizeof(unread), "%zu more", exit->input_count - comparison->input_next);
        replay_report_texts(&comparison->report,
                            replay_report_name(&comparison->report, "input %zu", comparison->input_next), unread,
                            "not read");
}

void replay_comparison_outcome(struct replay_comparison *comparison, enum hwaccl_outcome replayed)
{
        const struct hwaccl_recorded_exit *exit = comparison->exit;

        if (exit->outcome_known && exit->outcome != replayed)
                replay_report_texts(&comparison->report, "outcome", hwaccl_outcome_name(exit->outcome),
                                    hwaccl_outcome_name(replayed));
}

void replay_comparison_offer(struct replay_comparison *comparison, bool offered, uint8_t vector)
{
        const struct hwaccl_recorded_exit *exit = comparison->exit;
        char recorded[16] = "none", replayed[16] = "none";

        if (exit->offered == offered && (!offered || exit->offered_vector == vector))
                return;
        if (exit->offered)
                (void)snprintf(recorded, sizeof(recorded), "0x%02x", exit->offered_vector);
        if (offered)
                (void)snprintf(replayed, sizeof(replayed), "0x%02x", vector);
        replay_report_texts(&comparison->report, "offered vector", recorded, replayed);
}

bool replay_comparison_fields(struct replay_comparison *comparison, const struct hwaccl_subject_state *recorded,
                              const struct hwaccl_known_fields *known, const struct hwaccl_subject_state *replayed,
                              const char *suffix)
{
        struct replay_report *report = &comparison->report;
        bool same = true;

        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                uint64_t a = hwaccl_field_get(recorded, (enum hwaccl_field_index)i);
                uint64_t b = hwaccl_field_get(replayed, (enum hwaccl_field_index)i);
                if (a == b || !hwaccl_known_fields_has(known, i))
                        continue;
                same = false;
                replay_report_numbers(
                        report,
                        *suffix ? replay_report_name(report, "%s%s", hwaccl_subject_fields[i].name, suffix)
                                : hwaccl_subject_fields[i].name,
                        a, b);
        }
        return same;
}
