/*
 * Stepping through a recording: one exit at a time, its states and all other tables merged in by key. Nothing is
 * allocated per exit once the buffers have grown.
 */
#include "tracer/read/exit_cursor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put_columns(struct hwaccl_exit_cursor *cursor)
{
        const struct state_place *at = &cursor->reader.at;
        struct hwaccl_recorded_exit *result = &cursor->result;

        result->number = exit_number(at->id);
        result->missing = at->missing;
        result->entry_known = at->entry_known;
        result->exit_known = at->exit_known;
        result->verdict_known = at->known[EXIT_VERDICT];
        result->verdict = (enum hwaccl_verdict)at->column[EXIT_VERDICT];
        result->outcome_known = at->known[EXIT_OUTCOME];
        result->outcome = (enum hwaccl_outcome)at->column[EXIT_OUTCOME];
        int64_t entry = (int64_t)(at->base_host_entry + (uint64_t)at->column[EXIT_HOST_ENTRY]);
        result->entry_time_ns = entry > 0 ? (uint64_t)entry : 0; /* negative: of a clock that went back */
        result->guest_ns = (uint64_t)at->column[EXIT_HOST_GUEST];
        result->handler_ns = (uint64_t)at->column[EXIT_HOST_HANDLER];
}

static bool put_events(struct hwaccl_exit_cursor *cursor, struct hwaccl_error *error)
{
        const struct state_place *at = &cursor->reader.at;
        struct hwaccl_recorded_exit *result = &cursor->result;
        const struct cursor_inputs inputs = {
                .clock_known = at->known[EXIT_CLOCK],
                .clock = at->base_clock + (uint64_t)at->column[EXIT_CLOCK],
                .walk = at->column[EXIT_WALK],
                .instruction = at->column[EXIT_INSTRUCTION],
                .instruction_input =
                        at->known[EXIT_INSTRUCTION_INPUT] ? (uint64_t)at->column[EXIT_INSTRUCTION_INPUT] : UINT64_MAX,
        };

        if (!cursor_events_gather(&cursor->events, cursor->recording, at->id, &inputs, error))
                return false;
        result->inputs = cursor->events.inputs;
        result->input_count = cursor->events.input_count;
        result->effects = cursor->events.effects;
        result->effect_count = cursor->events.effect_count;
        return true;
}

static bool open_streams(struct hwaccl_exit_cursor *cursor, int64_t first, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = cursor->recording;
        const int64_t last = first | (int64_t)EXIT_NUMBER_MAX;
        const struct {
                struct integer_stream *stream;
                const char *table;
                const char *columns;
        } tables[] = {
                {&cursor->pending, "pending", "id, word0, word1, word2, word3"},
                {&cursor->handoff, "irq_handoff", "id, vector, taken"},
                {&cursor->snapshot, "device_snapshot", "exit"},
        };

        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
                if (!integer_stream_prepare(tables[i].stream, recording, tables[i].table, tables[i].columns, false,
                                            error) ||
                    !integer_stream_start(tables[i].stream, recording, first, last, error))
                        return false;
        if (!stream_prepare(&cursor->device_state, recording, "device_state",
                            "SELECT exit, field, value FROM device_state WHERE exit BETWEEN ?1 AND ?2 ORDER BY exit",
                            false, error) ||
            !stream_start(&cursor->device_state, recording, first, last, error))
                return false;
        return cursor_open_kvm_run(cursor, first, last, error) &&
               cursor_events_open(&cursor->events, recording, first, last, error);
}

struct hwaccl_exit_cursor *hwaccl_exit_cursor_open(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t first,
                                                   struct hwaccl_error *error)
{
        const struct recorded_vcpu *found = recording_vcpu(recording, vcpu, error);

        if (!found)
                return NULL;
        if (!recording_has_exit(recording, found, first, error))
                return NULL;
        struct hwaccl_exit_cursor *cursor = aligned_alloc(64, (sizeof(*cursor) + 63) & ~(size_t)63);
        if (!cursor) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(cursor, 0, sizeof(*cursor));
        cursor->recording = recording;
        cursor->result.vcpu = vcpu;
        cursor->result.pending_known = !recording->info.vmm;
        cursor->result.entry = &cursor->reader.at.entry.state;
        cursor->result.exit = &cursor->reader.at.at_exit.state;
        cursor->devices = device_values_create(recording, error);
        if (cursor->devices && open_streams(cursor, exit_id(vcpu, first), error) &&
            state_reader_prepare(&cursor->reader, recording, error) &&
            state_reader_seek(&cursor->reader, exit_id(vcpu, first), error))
                return cursor;
        hwaccl_exit_cursor_close(cursor);
        return NULL;
}

void hwaccl_exit_cursor_close(struct hwaccl_exit_cursor *cursor)
{
        if (!cursor)
                return;
        state_reader_close(&cursor->reader);
        integer_stream_close(&cursor->pending);
        integer_stream_close(&cursor->handoff);
        integer_stream_close(&cursor->snapshot);
        stream_close(&cursor->kvm_run);
        stream_close(&cursor->device_state);
        cursor_events_close(&cursor->events);
        device_values_destroy(cursor->devices);
        free(cursor);
}

int hwaccl_exit_cursor_next(struct hwaccl_exit_cursor *cursor, const struct hwaccl_recorded_exit **exit,
                            struct hwaccl_error *error)
{
        int found = state_reader_next(&cursor->reader, error);

        if (found <= 0)
                return found;
        const int64_t id = cursor->reader.at.id;
        put_columns(cursor);
        if (!cursor_load_pending(cursor, id, error) || !cursor_load_handoff(cursor, id, error) ||
            !cursor_load_kvm_run(cursor, id, error) || !cursor_load_devices(cursor, id, error) ||
            !put_events(cursor, error))
                return -1;
        *exit = &cursor->result;
        return 1;
}

bool hwaccl_exit_cursor_after(struct hwaccl_exit_cursor *cursor, const struct hwaccl_subject_state **state,
                              struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        const struct state_place *at = &cursor->reader.at;

        if (!state_reader_complete(&cursor->reader, error))
                return false;
        *state = at->next_there ? &at->next.state : NULL;
        *known = at->next_there ? at->next_known : hwaccl_known_fields_none();
        return true;
}
