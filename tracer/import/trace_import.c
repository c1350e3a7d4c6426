#include "tracer/import/trace_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSACTION_EVENTS 131072u

static bool malformed(const struct trace_event *event, struct hwaccl_error *error)
{
        return hwaccl_error_prefix(error, "event %s of exit %" PRIu64 " (number %" PRIu64 ")",
                                   trace_event_name(event->kind), event->exit, event->sequence);
}

bool import_init(struct trace_import *import, sqlite3 *db, const struct survey_stream *stream,
                 struct hwaccl_error *error)
{
        import_hold_init(import);
        import->stream = stream;
        import->db = db;
        import->device_known = stream->begun && stream->fields_known == stream->field_count;
        struct survey_devices *devices = NULL;
        if (import->device_known) {
                devices = survey_devices_create(stream, error);
                if (!devices)
                        return false;
        }
        stamp_clock_fix(&import->decoder.clock, stream->time); /* all times of a trace are from one clock */
        bool good = decoder_init(&import->decoder, db, stream->vcpu, stream->keyframe_interval, error) &&
                    decoder_declare_devices(&import->decoder, devices ? devices->list : NULL,
                                            devices ? devices->count : 0, error);
        if (!good)
                survey_devices_free(devices);
        else
                import->devices = devices;
        return good && database_execute(db, "BEGIN", error);
}

void import_free(struct trace_import *import)
{
        decoder_finish(&import->decoder);
        survey_devices_free(import->devices);
        record_buffer_free(&import->held);
        free(import->device_state);
}

static uint64_t next_exit(const struct trace_import *import)
{
        return import->decoder.state.exits;
}

static bool put_gap(struct trace_import *import, uint64_t first, uint64_t last, struct hwaccl_error *error)
{
        const uint32_t vcpu = import->stream->vcpu;
        const uint64_t events = import->lost_here;

        import->gaps++;
        import->missing += last - first + 1;
        import->lost_here = 0;
        return rows_gap(&import->decoder.rows, exit_id(vcpu, first), exit_id(vcpu, last), events, error);
}

/* Discard an incomplete exit. The state of its entry is the closing state of the previous exit. */
static bool lose(struct trace_import *import, uint64_t count, struct hwaccl_error *error)
{
        bool entered =
                import->phase == IMPORT_ENTERED || import->phase == IMPORT_LEFT || import->phase == IMPORT_HANDLING;

        import->lost += count;
        import->lost_here += count;
        import->device_waits = false;
        import->phase = IMPORT_LOST;
        if (entered && !import_feed(import, true, error))
                return false;
        record_buffer_clear(&import->lane.producer);
        return true;
}

static bool keep_device_state(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        const struct trace_device_state *state = &event->as.device_state;

        if (!import->device_known)
                return true;
        if (state->size != import->stream->state_bytes)
                return hwaccl_error_set(error, "%" PRIu32 " bytes, not %" PRIu64, state->size,
                                        import->stream->state_bytes);
        if (!import->device_state)
                import->device_state = malloc(state->size + 1u);
        if (!import->device_state)
                return hwaccl_error_set(error, "out of memory");
        memcpy(import->device_state, state->data, state->size);
        import->device_size = state->size;
        import->device_exit = event->exit;
        import->device_waits = true;
        return true;
}

/* A keyframe at the beginning, or after a loss: the whole state is known again. */
static bool resume(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        uint64_t number = event->exit;
        uint64_t first = next_exit(import);

        if (number < first || number > EXIT_NUMBER_MAX)
                return hwaccl_error_set(error, "it comes after exit %" PRIu64, first);
        if (number > first) {
                if (!put_gap(import, first, number - 1, error) || !decoder_flush(&import->decoder, error))
                        return false;
                decoder_start_at(&import->decoder, number);
                import->decoder.state.clock = event->as.keyframe.clock;
        }
        import->lost_here = 0;
        bool snapshot = import->device_waits && number > 0 && import->device_exit == number - 1;
        import->snapshots_lost |= number > 0 && !snapshot;
        import->device_waits = false;
        if (snapshot && !import_hold_snapshot(import, import->device_state, import->device_size, error))
                return false;
        import->phase = IMPORT_BETWEEN;
        return import_hold_keyframe(import, event->as.keyframe.state, error) && import_feed(import, false, error);
}

static bool out_of_place(struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "out of order");
}

static bool take_transfer_in(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        import->offered = false;
        if (import->phase != IMPORT_BETWEEN && import->phase != IMPORT_ENTERED)
                return out_of_place(error);
        import->phase = IMPORT_ENTERED;
        return import_feed(import, false, error) && import_hold_entry(import, &event->as.transfer, error);
}

static bool take_vm_exit(struct trace_import *import, const struct trace_vm_exit *exit, struct hwaccl_error *error)
{
        if (import->phase != IMPORT_ENTERED || (exit->pending_count != 0 && exit->pending_count != 4))
                return out_of_place(error);
        import->left = *exit;
        memcpy(import->pending, exit->pending, exit->pending_count * sizeof(uint64_t));
        import->phase = IMPORT_LEFT;
        return true;
}

static bool take_handled(struct trace_import *import, const struct trace_handled *handled, struct hwaccl_error *error)
{
        if (!import_hold_handled(import, handled, error) || !import_feed(import, false, error))
                return false;
        import->phase = IMPORT_BETWEEN;
        return true;
}

static bool take_device_state(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        if (!import->device_known) {
                import->snapshots_lost = true;
                return true;
        }
        return keep_device_state(import, event, error) &&
               import_hold_snapshot(import, import->device_state, import->device_size, error) &&
               import_feed(import, false, error);
}

static bool take_thread_time(struct trace_import *import, const struct trace_thread_time *time,
                             struct hwaccl_error *error)
{
        bool waits = time->moment == RING_THREAD_WAIT || time->moment == RING_THREAD_RESUMED;

        if (import->phase == IMPORT_LEFT || waits != (import->phase == IMPORT_HANDLING))
                return out_of_place(error);
        return import_hold_thread_time(import, time, error) && (waits || import_feed(import, false, error));
}

/* An event of the current exit. */
static bool take_in_exit(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        bool handling = import->phase == IMPORT_HANDLING;

        switch (event->kind) {
        case TRACE_TRANSFER_IN: return take_transfer_in(import, event, error);
        case TRACE_IRQ_OFFER:
                return import->phase == IMPORT_ENTERED ? import_hold_irq(import, false, &event->as.irq, error)
                                                       : out_of_place(error);
        case TRACE_VM_EXIT: return take_vm_exit(import, &event->as.vm_exit, error);
        case TRACE_TRANSFER_OUT:
                if (import->phase != IMPORT_LEFT)
                        return out_of_place(error);
                import->phase = IMPORT_HANDLING;
                return import_hold_exit(import, &event->as.transfer, error);
        case TRACE_CONTROL_REGISTER:
        case TRACE_EMULATE: return handling || out_of_place(error);
        case TRACE_INPUT:
        case TRACE_EFFECT:
                return handling ? import_hold_value(import, event->kind == TRACE_EFFECT, &event->as.value, error)
                                : out_of_place(error);
        case TRACE_FAULT: return handling ? import_hold_fault(import, &event->as.fault, error) : out_of_place(error);
        case TRACE_IRQ_RECLAIM:
                return handling ? import_hold_irq(import, true, &event->as.irq, error) : out_of_place(error);
        case TRACE_HANDLED: return handling ? take_handled(import, &event->as.handled, error) : out_of_place(error);
        default: return out_of_place(error);
        }
}

static void take_end(struct trace_import *import, const struct trace_end *end)
{
        import->ended = true;
        import->end = *end;
        (void)snprintf(import->end_message, sizeof(import->end_message), "%s", end->message);
        import->end.message = import->end_message;
}

static bool take(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        switch (event->kind) {
        case TRACE_BEGIN:
        case TRACE_MARKER:
        case TRACE_DEVICE_FIELD: return true; /* seen by the survey */
        case TRACE_END: take_end(import, &event->as.end); return true;
        case TRACE_KEYFRAME:
                if (import->phase == IMPORT_LOST)
                        return resume(import, event, error);
                return import->phase == IMPORT_BETWEEN || import->phase == IMPORT_ENTERED || out_of_place(error);
        case TRACE_DEVICE_STATE:
                if (import->phase == IMPORT_LOST)
                        return keep_device_state(import, event, error);
                if ((import->phase != IMPORT_BETWEEN && import->phase != IMPORT_ENTERED) ||
                    event->exit != next_exit(import) - (next_exit(import) > 0))
                        return out_of_place(error);
                return take_device_state(import, event, error);
        case TRACE_THREAD_TIME:
                return import->phase == IMPORT_LOST || take_thread_time(import, &event->as.thread_time, error);
        default: break;
        }
        if (import->phase == IMPORT_LOST)
                return true;
        uint64_t exit = next_exit(import);
        if (event->exit != exit)
                return hwaccl_error_set(error, "exit %" PRIu64 " comes next", exit);
        return take_in_exit(import, event, error);
}

bool import_take(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        if (import->ended || event->sequence < import->expected) {
                hwaccl_error_set(error, import->ended ? "it comes after the end" : "it comes after number %" PRIu64,
                                 import->expected - 1);
                return malformed(event, error);
        }
        if (event->sequence != import->expected && !lose(import, event->sequence - import->expected, error))
                return false;
        import->expected = event->sequence + 1;
        if (!take(import, event, error))
                return malformed(event, error);
        if (++import->taken % TRANSACTION_EVENTS == 0)
                return database_execute(import->db, "COMMIT; BEGIN", error);
        return true;
}

/* The last exit may end during its handling; it is kept without an outcome, as after a crash. */
bool import_close(struct trace_import *import, struct hwaccl_error *error)
{
        const struct trace_handled never = {TRACE_UNKNOWN, TRACE_UNKNOWN, import->left.left};

        if (import->phase == IMPORT_HANDLING && !import_hold_handled(import, &never, error))
                return false;
        if (!import_feed(import, false, error) || !decoder_flush(&import->decoder, error))
                return false;
        uint64_t exits = next_exit(import);
        if (import->ended && import->end.exits > EXIT_NUMBER_MAX)
                return hwaccl_error_set(error, "event end: more than 2^%u exits", VCPU_SHIFT);
        if (import->ended && import->end.exits > exits && !put_gap(import, exits, import->end.exits - 1, error))
                return false;
        return database_execute(import->db, "COMMIT", error);
}
