/* One exit of a recording as the records that led to it. */
#include "tracer/derive/transcript_internal.h"

#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <string.h>

bool transcript_feed(struct transcript_lane *to, struct hwaccl_error *error)
{
        const struct ring_record *record;
        uint64_t position = 0;

        while ((record = record_buffer_at(&to->lane.producer, position))) {
                if (!decoder_take(&to->decoder, record, error))
                        return false;
                position += (uint64_t)record->words * 8;
        }
        record_buffer_clear(&to->lane.producer);
        return true;
}

static bool written(bool good, struct hwaccl_error *error)
{
        return good || hwaccl_error_set(error, "out of memory for the records of one exit");
}

static const struct hwaccl_recorded_device_field *
find_field(const struct transcript_field *wanted, const struct hwaccl_recorded_device_field *field, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (field[i].size == wanted->size && strcmp(field[i].device, wanted->device) == 0 &&
                    strcmp(field[i].field, wanted->field) == 0)
                        return &field[i];
        return NULL;
}

/* A snapshot is the state of all devices. One that lacks a field cannot be written; nothing can start there. */
bool transcript_devices(struct transcript_lane *to, const struct hwaccl_recorded_device_field *field, size_t count,
                        struct hwaccl_error *error)
{
        const struct transcript *transcript = to->transcript;
        uint8_t *data;

        for (size_t i = 0; i < transcript->field_count; i++)
                if (!find_field(&transcript->field[i], field, count))
                        return true;
        data = lane_snapshot(&to->lane, to->decoder.device_bytes, false);
        for (size_t i = 0; data && i < transcript->field_count; i++) {
                const struct transcript_field *wanted = &transcript->field[i];
                memcpy(data, find_field(wanted, field, count)->data, wanted->size);
                data += wanted->size;
        }
        return written(data != NULL, error);
}

/* Times of the thread at @exit from moment @from to @to. */
static bool thread_times(struct transcript_lane *to, int64_t exit, uint64_t first, uint64_t last,
                         struct hwaccl_error *error)
{
        struct side_rows *rows = &to->side[SIDE_THREAD_TIME];
        uint64_t moment, time, cpu;

        while (side_rows_at(rows, exit)) {
                if (!side_rows_number(rows, 1, RING_THREAD_END, &moment, error) ||
                    !side_rows_number(rows, 2, INT64_MAX / 4, &time, error) ||
                    !side_rows_number(rows, 3, INT64_MAX / 4, &cpu, error))
                        return false;
                if (moment < first || moment > last)
                        return true;
                if (!written(lane_put_thread_time(&to->lane, (enum ring_thread_moment)moment, time, cpu), error) ||
                    !side_rows_next(rows, error))
                        return false;
        }
        return true;
}

/* Parts of the VMM's own state before the entry to @exit. */
static bool vmm_state(struct transcript_lane *to, int64_t exit, struct hwaccl_error *error)
{
        struct side_rows *rows = &to->side[SIDE_VMM_STATE];
        struct hwaccl_recorded_vmm_state state;
        bool good = true;

        if (!side_rows_at(rows, exit))
                return true;
        if (!hwaccl_recording_vmm_state(to->transcript->source, to->range->vcpu, exit_number(exit), &state, error))
                return false;
        for (size_t i = 0; good && i < state.count; i++)
                good = written(lane_vmm_state(&to->lane, state.part[i].name, strlen(state.part[i].name),
                                              state.part[i].data, state.part[i].size),
                               error);
        hwaccl_recorded_vmm_state_free(&state);
        return good && side_rows_next(rows, error);
}

static bool entry(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        const struct hwaccl_known_state given = {
                hwaccl_known_fields_any(exit->entry_known) ? exit->entry : NULL,
                &exit->entry_known,
        };
        struct side_rows *rows = &to->side[SIDE_HANDOFF];
        uint64_t offered;

        if (!written(lane_entry(&to->lane, given), error))
                return false;
        if (!exit->offered)
                return true;
        if (!side_rows_at(rows, exit_id(exit->vcpu, exit->number)))
                return hwaccl_error_set(error, "no row for the vector offered at exit %" PRIu64, exit->number);
        return side_rows_number(rows, 1, INT64_MAX / 4, &offered, error) &&
               written(lane_offer(&to->lane, exit->offered_vector, offered), error);
}

static bool leave(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        const struct hwaccl_known_state given = {exit->exit, &exit->exit_known};
        struct side_rows *rows = &to->side[SIDE_SEQUENCE];
        struct transcript *transcript = to->transcript;
        const uint64_t *pending = exit->pending;

        to->lane.exit_sequence = 0;
        if (side_rows_at(rows, exit_id(exit->vcpu, exit->number))) {
                if (!side_rows_number(rows, 1, INT64_MAX - 1, &to->lane.exit_sequence, error) ||
                    !side_rows_next(rows, error))
                        return false;
                uint64_t sequence = to->lane.exit_sequence;
                if (!transcript->first_sequence || sequence < transcript->first_sequence)
                        transcript->first_sequence = sequence;
                if (sequence > transcript->last_sequence)
                        transcript->last_sequence = sequence;
        }
        if (!exit->pending_known || !(pending[0] | pending[1] | pending[2] | pending[3]))
                pending = NULL;
        to->lane.entry_stamp = exit->entry_time_ns;
        return written(lane_exit(&to->lane, given, pending, exit->entry_time_ns + exit->guest_ns), error);
}

static bool faults(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        struct side_rows *rows = &to->side[SIDE_FAULT];
        struct hwaccl_fault_chain chain;

        if (!side_rows_at(rows, exit_id(exit->vcpu, exit->number)))
                return true;
        if (!hwaccl_recording_faults(to->transcript->source, exit->vcpu, exit->number, &chain, error))
                return false;
        for (unsigned i = 0; i < chain.count; i++)
                if (!written(lane_fault(&to->lane, i, &chain.link[i]), error))
                        return false;
        return side_rows_next(rows, error);
}

static bool settle(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        struct side_rows *rows = &to->side[SIDE_HANDOFF];
        uint64_t settled;

        if (!exit->offered)
                return true;
        if (exit->settled && (!side_rows_number(rows, 2, INT64_MAX / 4, &settled, error) ||
                              !written(lane_reclaim(&to->lane, exit->taken, settled), error)))
                return false;
        return side_rows_next(rows, error);
}

static bool handle(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        const uint64_t end = exit->entry_time_ns + exit->guest_ns + exit->handler_ns;
        const struct hwaccl_recording_info *info = hwaccl_recording_info(to->transcript->source);
        struct lane *lane = &to->lane;
        bool good = true;

        for (size_t i = 0; good && i < exit->input_count; i++)
                good = lane_input(lane, &exit->inputs[i]);
        for (size_t i = 0; good && i < exit->effect_count; i++)
                good = lane_effect(lane, &exit->effects[i]);
        if (good && exit->kvm_run_known)
                good = lane_kvm_run(lane, &exit->kvm_run);
        if (!written(good, error) || !faults(to, exit, error) ||
            !thread_times(to, exit_id(exit->vcpu, exit->number), RING_THREAD_WAIT, RING_THREAD_RESUMED, error) ||
            !settle(to, exit, error))
                return false;
        if (exit->verdict_known)
                lane_verdict(lane, exit->verdict);
        /* only the last one of hwaccl's own exits may have no outcome: its handling was not finished */
        if (!exit->outcome_known && !info->vmm)
                return written(lane_unhandled(lane, end), error);
        return written(lane_handled(lane, exit->outcome_known ? (unsigned)exit->outcome : RING_OUTCOME_UNKNOWN, end),
                       error);
}

bool transcript_marks(struct transcript_lane *to, int64_t exit, struct hwaccl_error *error)
{
        struct side_rows *rows = &to->side[SIDE_MARK];
        uint64_t time;

        while (side_rows_at(rows, exit)) {
                const unsigned char *text = sqlite3_column_text(rows->row, 2);
                int size = sqlite3_column_bytes(rows->row, 2);
                if (!text || (unsigned)size > RING_RECORD_SIZE_MAX / 2)
                        return hwaccl_error_set(error, "a mark behind exit %" PRIu64 " has no text, or too much",
                                                exit_number(exit));
                if (!side_rows_number(rows, 1, INT64_MAX / 4, &time, error) ||
                    !written(lane_mark(&to->lane, (const char *)text, (size_t)size, time), error) ||
                    !side_rows_next(rows, error))
                        return false;
        }
        return true;
}

bool transcript_exit(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        const int64_t id = exit_id(exit->vcpu, exit->number);

        return vmm_state(to, id, error) && thread_times(to, id, RING_THREAD_KEYFRAME, RING_THREAD_KEYFRAME, error) &&
               entry(to, exit, error) && leave(to, exit, error) && handle(to, exit, error) &&
               (!exit->keyframe || transcript_devices(to, exit->device_fields, exit->device_field_count, error)) &&
               transcript_marks(to, id, error) && transcript_feed(to, error);
}

bool transcript_close(struct transcript_lane *to, const struct hwaccl_subject_state *state,
                      const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        const struct hwaccl_known_state given = {state, known};
        const int64_t last = exit_id(to->range->vcpu, to->decoder.state.exits) - 1;

        return (!state || !hwaccl_known_fields_any(*known) || written(lane_entry(&to->lane, given), error)) &&
               thread_times(to, last, RING_THREAD_END, RING_THREAD_END, error) && vmm_state(to, last + 1, error) &&
               transcript_feed(to, error);
}
