/* Events of a trace through a lane, checked: the decoder trusts the records. */
#include "tracer/import/trace_import.h"

#include "core/host/inputs.h"
#include "core/host/probe.h"

#include <inttypes.h>
#include <string.h>

#define HELD_MAX (64u << 20) /* bytes of one exit */

/* Maximum time; a power of two, so that the decoder's conversion is exact. */
#define TIME_SPAN (UINT64_C(1) << 52)

static bool held(const struct trace_import *import, bool written, struct hwaccl_error *error)
{
        if (written)
                return true;
        if (import->lane.producer.head + RING_RECORD_SIZE_MAX > HELD_MAX)
                return hwaccl_error_set(error, "the events of one exit are larger than %u bytes", HELD_MAX);
        return hwaccl_error_set(error, "out of memory");
}

bool import_feed(struct trace_import *import, bool first_only, struct hwaccl_error *error)
{
        const struct ring_record *record;
        uint64_t position = 0;

        while ((record = record_buffer_at(&import->lane.producer, position))) {
                if (!decoder_take(&import->decoder, record, error))
                        return false;
                position += (uint64_t)record->words * 8;
                if (first_only)
                        break;
        }
        record_buffer_clear(&import->lane.producer);
        return true;
}

void import_hold_init(struct trace_import *import)
{
        lane_init(&import->lane, STAMP_MONOTONIC, 1, UINT64_MAX);
        record_buffer_init(&import->held, &import->lane.producer, HELD_MAX);
}

/* A clock that went back before the recording's beginning is clamped by the decoder. */
static bool check_time(const struct trace_import *import, const char *what, uint64_t time, struct hwaccl_error *error)
{
        uint64_t zero = import->stream->time;

        return time < zero || time - zero < TIME_SPAN ||
               hwaccl_error_set(error, "%s: time %" PRIu64 " is too far after %" PRIu64 ", where the recording begins",
                                what, time, zero);
}

/* A trace says what changed, a lane takes the whole state. */
static bool transfer(struct trace_import *import, const struct trace_transfer *transfer, struct hwaccl_error *error)
{
        if (transfer->count != (unsigned)state_delta_count(transfer->bitmap))
                return hwaccl_error_set(error, "%u words with the bitmap 0x%" PRIx64, transfer->count,
                                        transfer->bitmap);
        (void)state_delta_apply(transfer->bitmap, transfer->words, &import->now);
        return true;
}

bool import_hold_entry(struct trace_import *import, const struct trace_transfer *in, struct hwaccl_error *error)
{
        return transfer(import, in, error) &&
               held(import, lane_entry(&import->lane, (struct hwaccl_known_state){&import->now.state, NULL}), error);
}

bool import_hold_keyframe(struct trace_import *import, const struct hwaccl_subject_state *state,
                          struct hwaccl_error *error)
{
        import->now.state = *state;
        import->lane.whole_entry = true;
        return held(import, lane_entry(&import->lane, (struct hwaccl_known_state){state, NULL}), error);
}

bool import_hold_irq(struct trace_import *import, bool reclaim, const struct trace_irq *irq, struct hwaccl_error *error)
{
        if (reclaim && (!import->offered || irq->taken > 1))
                return hwaccl_error_set(error, "no vector was offered, or taken is %u", irq->taken);
        import->offered = !reclaim;
        return check_time(import, "vector", irq->time, error) &&
               held(import,
                    reclaim ? lane_reclaim(&import->lane, irq->taken, irq->time)
                            : lane_offer(&import->lane, irq->vector, irq->time),
                    error);
}

bool import_hold_exit(struct trace_import *import, const struct trace_transfer *out, struct hwaccl_error *error)
{
        const struct trace_vm_exit *left = &import->left;

        if (!transfer(import, out, error) || !check_time(import, "entry", left->entered, error) ||
            !check_time(import, "exit", left->left, error))
                return false;
        import->lane.entry_stamp = left->entered;
        return held(import,
                    lane_exit(&import->lane, (struct hwaccl_known_state){&import->now.state, NULL},
                              left->pending_count ? import->pending : NULL, left->left),
                    error);
}

bool import_hold_value(struct trace_import *import, bool effect, const struct trace_value *value,
                       struct hwaccl_error *error)
{
        const unsigned kinds = effect ? HWACCL_EFFECT_KIND_COUNT : HWACCL_INPUT_KIND_COUNT;
        const uint32_t limit = effect ? HWACCL_EFFECT_SIZE_MAX : HWACCL_INPUT_SIZE_MAX;
        const void *data = !value->has_data ? NULL : value->size ? value->data : (const void *)"";

        if (value->kind >= kinds || value->size > limit || value->has_data > 1 || (value->size && !value->has_data))
                return hwaccl_error_set(error, "invalid kind %u with %" PRIu32 " bytes", value->kind, value->size);
        const struct hwaccl_input in = {(enum hwaccl_input_kind)value->kind, value->address, value->value, data,
                                        value->size};
        const struct hwaccl_effect out = {(enum hwaccl_effect_kind)value->kind, value->address, value->value, data,
                                          value->size};
        return held(import, effect ? lane_effect(&import->lane, &out) : lane_input(&import->lane, &in), error);
}

bool import_hold_fault(struct trace_import *import, const struct trace_fault *fault, struct hwaccl_error *error)
{
        if (fault->index >= HWACCL_FAULT_CHAIN_MAX || !hwaccl_fault_link_is_valid(&fault->link))
                return hwaccl_error_set(error, "invalid link %u of a fault chain", fault->index);
        return held(import, lane_fault(&import->lane, fault->index, &fault->link), error);
}

bool import_hold_handled(struct trace_import *import, const struct trace_handled *handled, struct hwaccl_error *error)
{
        struct lane *lane = &import->lane;
        bool finished = handled->outcome != TRACE_UNKNOWN;
        bool verdict = handled->verdict != TRACE_UNKNOWN;

        if ((verdict && handled->verdict >= HWACCL_VERDICT_COUNT) ||
            (finished && (handled->outcome >= HWACCL_OUTCOME_COUNT || !verdict)))
                return hwaccl_error_set(error, "invalid verdict %u or outcome %u", handled->verdict, handled->outcome);
        if (!check_time(import, "handled", handled->time, error))
                return false;
        if (verdict)
                lane_verdict(lane, (enum hwaccl_verdict)handled->verdict);
        return held(import,
                    finished ? lane_handled(lane, handled->outcome, handled->time)
                             : lane_unhandled(lane, handled->time),
                    error);
}

bool import_hold_thread_time(struct trace_import *import, const struct trace_thread_time *time,
                             struct hwaccl_error *error)
{
        if (time->moment > RING_THREAD_END || time->cpu > INT64_MAX / 4)
                return hwaccl_error_set(error, "invalid moment %u or processor time %" PRIu64, time->moment, time->cpu);
        return check_time(import, "thread", time->time, error) &&
               held(import,
                    lane_put_thread_time(&import->lane, (enum ring_thread_moment)time->moment, time->time, time->cpu),
                    error);
}

bool import_hold_snapshot(struct trace_import *import, const uint8_t *data, uint32_t size, struct hwaccl_error *error)
{
        uint8_t *to = lane_snapshot(&import->lane, size, false);

        if (to && size)
                memcpy(to, data, size);
        return held(import, to != NULL, error);
}
