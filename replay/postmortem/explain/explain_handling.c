/* What handling read, wrote and decided. */
#include "replay/postmortem/explain/explain_internal.h"

#include "hwaccl/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const stop_requests[] = {"none", "interrupted", "the timeout", "the number of exits",
                                            "the text of --until"};

static const char *channel_name(uint64_t channel)
{
        static const char *const names[HWACCL_CHANNEL_COUNT] = {
#define X(number, identifier, name) [number] = (name),
                HWACCL_CHANNELS(X)
#undef X
        };
        return channel < HWACCL_CHANNEL_COUNT ? names[channel] : "an unknown channel";
}

static void say_input(struct explained *explained, const struct hwaccl_input *input)
{
        const enum hwaccl_topic topic = HWACCL_TOPIC_READ;
        char bytes[80];

        explain_bytes(input->data, input->size, bytes, sizeof(bytes));
        switch (input->kind) {
        case HWACCL_INPUT_CLOCK:
                explain_say(explained, topic, "the guest's clock: %" PRIu64 " ns", input->value);
                return;
        case HWACCL_INPUT_WAIT:
                if (input->address == UINT64_MAX)
                        explain_say(explained, topic, "waited in HLT, without a deadline, until %" PRIu64 " ns",
                                    input->value);
                else
                        explain_say(explained, topic,
                                    "waited in HLT until %" PRIu64 " ns of the guest's clock (deadline: %" PRIu64
                                    " ns)",
                                    input->value, input->address);
                return;
        case HWACCL_INPUT_INSTRUCTION:
                explain_say(explained, topic, "the instruction at guest-physical %" PRIx64 ": %s", input->address,
                            bytes);
                return;
        case HWACCL_INPUT_MEMORY:
                explain_say(explained, topic, "%" PRIu32 " byte(s) of guest memory at %" PRIx64 ": %s", input->size,
                            input->address, bytes);
                return;
        case HWACCL_INPUT_CONSOLE:
                explain_say(explained, topic, "%" PRIu32 " typed byte(s) of %s: %s", input->size,
                            channel_name(input->address), bytes);
                return;
        case HWACCL_INPUT_WALL_TIME:
                explain_say(explained, topic, "the wall time: %" PRIu64 " s since 1970", input->value);
                return;
        case HWACCL_INPUT_STOP:
                explain_say(explained, topic, "a request to stop: %s",
                            input->value <= HWACCL_STOP_UNTIL ? stop_requests[input->value] : "unknown");
                return;
        case HWACCL_INPUT_DISK:
        case HWACCL_INPUT_DISK_FAULT:
                explain_say(explained, topic, "%s %" PRIu64 " at byte %" PRIu64 "%s%s",
                            input->kind == HWACCL_INPUT_DISK ? "disk" : "a failure of disk", input->value,
                            input->address, *bytes ? ": " : "", bytes);
                return;
        case HWACCL_INPUT_PORT_WRITE:
                explain_say(explained, topic, "what the guest wrote to port %" PRIx64 ": %s", input->address, bytes);
                return;
        case HWACCL_INPUT_MMIO_WRITE:
                explain_say(explained, topic, "what the guest wrote to the device at %" PRIx64 ": %s", input->address,
                            bytes);
                return;
        case HWACCL_INPUT_COALESCED_PORT_WRITE:
                explain_say(explained, topic, "what the guest wrote to port %" PRIx64 " before (coalesced): %s",
                            input->address, bytes);
                return;
        case HWACCL_INPUT_COALESCED_MMIO_WRITE:
                explain_say(explained, topic,
                            "what the guest wrote to the device at %" PRIx64 " before (coalesced): %s", input->address,
                            bytes);
                return;
        case HWACCL_INPUT_KVM_EXIT:
                explain_say(explained, topic, "field %" PRIu64 " of KVM exit %" PRIu64 ": 0x%" PRIx64,
                            input->address & 0xff, input->address >> 8, input->value);
                return;
        default: explain_say(explained, topic, "%s", hwaccl_input_kind_name(input->kind));
        }
}

void explain_inputs(struct explained *explained)
{
        for (size_t i = 0; i < explained->exit->input_count; i++)
                say_input(explained, &explained->exit->inputs[i]);
}

static void say_effect(struct explained *explained, const struct hwaccl_effect *effect)
{
        const enum hwaccl_topic topic = HWACCL_TOPIC_WROTE;
        char bytes[80];

        explain_bytes(effect->data, effect->size, bytes, sizeof(bytes));
        switch (effect->kind) {
        case HWACCL_EFFECT_MEMORY:
                explain_say(explained, topic, "%" PRIu32 " byte(s) of guest memory at %" PRIx64 ": %s", effect->size,
                            effect->address, bytes);
                return;
        case HWACCL_EFFECT_CONSOLE:
                explain_say(explained, topic, "printed '%.*s' on %s (%s)", (int)(effect->size < 80 ? effect->size : 80),
                            effect->data ? (const char *)effect->data : "", channel_name(effect->address), bytes);
                return;
        case HWACCL_EFFECT_IRQ_LINE:
                explain_say(explained, topic, "%s interrupt line %" PRIu64, effect->value ? "raised" : "lowered",
                            effect->address);
                return;
        case HWACCL_EFFECT_STOP:
                explain_say(explained, topic, "ended the guest: %s (%" PRIu64 ")",
                            hwaccl_end_name((unsigned)effect->address), effect->value);
                return;
        case HWACCL_EFFECT_DISK_WRITE:
                explain_say(explained, topic, "disk %" PRIu64 " at byte %" PRIu64 ": %" PRIu32 " bytes: %s",
                            effect->value, effect->address, effect->size, bytes);
                return;
        case HWACCL_EFFECT_PORT_READ:
                explain_say(explained, topic, "answered the read of port %" PRIx64 ": %s", effect->address, bytes);
                return;
        case HWACCL_EFFECT_MMIO_READ:
                explain_say(explained, topic, "answered the read of the device at %" PRIx64 ": %s", effect->address,
                            bytes);
                return;
        case HWACCL_EFFECT_KVM_EXIT:
                explain_say(explained, topic, "answered KVM exit %" PRIu64 " in field %" PRIu64 ": 0x%" PRIx64,
                            effect->address >> 8, effect->address & 0xff, effect->value);
                return;
        default:
                explain_say(explained, topic, "%s, disk %" PRIu64, hwaccl_effect_kind_name(effect->kind),
                            effect->value);
        }
}

void explain_effects(struct explained *explained)
{
        for (size_t i = 0; i < explained->exit->effect_count; i++)
                say_effect(explained, &explained->exit->effects[i]);
}

static bool changed(const struct explained *explained, enum hwaccl_field_index field, uint64_t *before, uint64_t *after)
{
        if (!explained->after || !hwaccl_known_fields_has(&explained->exit->exit_known, field) ||
            !hwaccl_known_fields_has(&explained->after_known, field))
                return false;
        *before = hwaccl_field_get(explained->exit->exit, field);
        *after = hwaccl_field_get(explained->after, field);
        return *before != *after;
}

static void advance_text(const struct explained *explained, char *text, size_t room)
{
        const struct hwaccl_recorded_exit *exit = explained->exit;
        uint64_t before, after, length = exit->exit->instruction_length;
        bool has_length = hwaccl_known_fields_has(&exit->exit_known, HWACCL_FIELD_INDEX_instruction_length) &&
                          hwaccl_known_fields_has(&exit->exit_known, HWACCL_FIELD_INDEX_exit_reason) &&
                          hwaccl_exit_reason_has_length(exit->exit->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK) &&
                          length;

        if (!explained->after || !hwaccl_known_fields_has(&explained->after_known, HWACCL_FIELD_INDEX_rip))
                (void)snprintf(text, room, "the RIP that it left is not known");
        else if (!changed(explained, HWACCL_FIELD_INDEX_rip, &before, &after))
                (void)snprintf(text, room, "RIP stays");
        else if (has_length && after - before == length)
                (void)snprintf(text, room, "RIP advances by the instruction's %" PRIu64 " byte%s to %" PRIx64, length,
                               length == 1 ? "" : "s", after);
        else if (has_length && after - before == 2 * length)
                (void)snprintf(text, room, "RIP advances by twice the instruction's %" PRIu64 " byte%s to %" PRIx64,
                               length, length == 1 ? "" : "s", after);
        else
                (void)snprintf(text, room, "RIP goes from %" PRIx64 " to %" PRIx64, before, after);
}

void explain_decision(struct explained *explained)
{
        const struct hwaccl_recorded_exit *exit = explained->exit;
        char advance[96];

        advance_text(explained, advance, sizeof(advance));
        explain_say(explained, HWACCL_TOPIC_DECIDED, "verdict %s, outcome %s; %s",
                    exit->verdict_known ? hwaccl_verdict_name(exit->verdict) : "not known",
                    exit->outcome_known ? hwaccl_outcome_name(exit->outcome) : "not known", advance);
        for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++) {
                uint64_t before, after;
                if (field != HWACCL_FIELD_INDEX_rip &&
                    changed(explained, (enum hwaccl_field_index)field, &before, &after))
                        explain_say(explained, HWACCL_TOPIC_REGISTER, "%s: %" PRIx64 " -> %" PRIx64,
                                    hwaccl_subject_fields[field].name, before, after);
        }
}
