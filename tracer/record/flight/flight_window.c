/* Keeping the window: what the rings hold goes into segments, of which the oldest go. */
#include "tracer/record/flight/flight_internal.h"

#include "core/assert.h"
#include "tracer/ring/record_tap.h"

#include <inttypes.h>

static bool share_reached(const struct flight *flight, const struct flight_lane *lane)
{
        const struct hwaccl_flight_window *window = &flight->window;
        const struct flight_segment *last = &lane->segment[lane->segment_count - 1];
        uint64_t bytes = last->bytes + lane->position - lane->written;

        return (window->exits && lane->events - last->event >= window->exits / FLIGHT_SHARES) ||
               bytes >= FLIGHT_SEGMENT_MOST || (window->bytes && bytes >= window->bytes / FLIGHT_SHARES) ||
               (window->ns && flight_age(flight, last) >= window->ns / FLIGHT_SHARES);
}

/* A decoder may start at the first record of a keyframe: a snapshot, the thread's time, an entry with all words; of a
 * thread that runs no vCPU, at any call. */
static bool is_start(struct flight_lane *lane, const struct ring_record *record)
{
        if (lane->vcpu >= LANE_THREAD_FIRST)
                return record->type == RING_RECORD_CALL;
        bool begun = lane->keyframe_begun;
        bool before = (record->type == RING_RECORD_SNAPSHOT && record->extra == 0) ||
                      (record->type == RING_RECORD_THREAD_TIME && record->extra == RING_THREAD_KEYFRAME);

        lane->keyframe_begun = before;
        return !begun && (before || (record->type == RING_RECORD_ENTRY &&
                                     ((const struct ring_entry *)(const void *)record)->bitmap == ~UINT64_C(0)));
}

/* Uses the times of the exits: this thread may lag, and a guest may sleep for longer than the window. */
static void count(struct flight *flight, struct flight_lane *lane, uint64_t stamp, uint64_t order)
{
        lane->events++;
        lane->order = order;
        if (stamp > flight->newest)
                flight->newest = stamp;
        if (lane->segment_count == 0)
                return; /* a call of a vCPU's thread before its first entry */
        struct flight_segment *last = &lane->segment[lane->segment_count - 1];
        if (!last->begun) {
                last->begun = stamp;
                last->order = order;
        }
}

static void count_event(struct flight *flight, struct flight_lane *lane, const struct ring_record *record)
{
        const void *body = record;

        if (record->type == RING_RECORD_EXIT) {
                const struct ring_exit *exit = body;
                hwaccl_assert(lane->segment_count > 0); /* the first entry is a start */
                lane->exits++;
                count(flight, lane, exit->entry_stamp, ring_exit_order(exit));
        } else if (record->type == RING_RECORD_CALL) {
                const struct ring_call *call = body;
                count(flight, lane, call->stamp, call->sequence);
        }
}

static void note_time(struct flight_lane *lane, const struct ring_record *record)
{
        const void *body = record;
        uint64_t time = 0;

        if (record->type == RING_RECORD_EXIT)
                time = ((const struct ring_exit *)body)->exit_stamp;
        else if (record->type == RING_RECORD_HANDLED)
                time = ((const struct ring_handled *)body)->stamp;
        else if (record->type == RING_RECORD_CALL)
                time = ((const struct ring_call *)body)->stamp;
        if (time > lane->time)
                lane->time = time;
}

static bool take(struct flight *flight, struct flight_lane *lane, const struct ring_record *record)
{
        if (is_start(lane, record) && (lane->segment_count == 0 || share_reached(flight, lane)) &&
            !((lane->segment_count == 0 || flight_segment_write(flight, lane, lane->position)) &&
              flight_segment_begin(flight, lane, lane->position)))
                return false;
        if (flight->config.tap)
                flight->config.tap->record(flight->config.tap, lane->vcpu, record, &flight->clock);
        lane->position += (uint64_t)record->words * 8;
        count_event(flight, lane, record);
        if (ring_record_is_kept(record) && !flight_keep(flight, lane, record))
                return false;
        note_time(lane, record);
        lane->due = flight_trigger_look(flight, lane, record);
        return true;
}

/* The lane that is the furthest behind, of those that hold more. */
static struct flight_lane *earliest(const struct flight *flight)
{
        struct flight_lane *found = NULL;

        for (unsigned i = 0; i < flight->lane_count; i++) {
                struct flight_lane *lane = &flight->lane[i];
                if (lane->position < lane->head && !lane->due && (!found || lane->time < found->time))
                        found = lane;
        }
        return found;
}

/* A lane's records up to the next one with a time. */
static bool absorb(struct flight *flight, struct flight_lane *lane)
{
        const uint64_t before = lane->time;

        while (lane->position < lane->head && lane->time == before && !lane->due) {
                const struct ring_record *record = ring_at(lane->ring, lane->position, lane->head);
                if (!record)
                        return hwaccl_error_set(&flight->error, "ring: a torn record at %" PRIu64, lane->position);
                if (!take(flight, lane, record))
                        return false;
        }
        /* a quarter of the ring at a time, so that the producer can continue */
        return lane->segment_count == 0 || lane->position - lane->written < lane->ring->size / 4 ||
               flight_segment_write(flight, lane, lane->position);
}

/* In the order of time, so that a trigger finds all lanes at its exit. Only up to the current heads, so that
 * continuously running producers cannot delay a dump. @through: a trigger stops its own lane only */
static bool absorb_all(struct flight *flight, bool through)
{
        struct flight_lane *lane;

        for (unsigned i = 0; i < flight->lane_count; i++)
                flight->lane[i].head = ring_head(flight->lane[i].ring);
        while ((lane = earliest(flight)) && (through || !flight_trigger_due(flight)))
                if (!absorb(flight, lane))
                        return false;
        for (unsigned i = 0; i < flight->lane_count; i++)
                if (flight->lane[i].segment_count > 0 &&
                    !flight_segment_write(flight, &flight->lane[i], flight->lane[i].position))
                        return false;
        return true;
}

/* During a dump, evicted segments that were already written make room. Until then let the rings fill and the vCPUs
 * wait: the producers are faster than the dump. */
bool flight_absorb(struct flight *flight)
{
        if (flight->dumping && !flight_segments_trim(flight))
                return false;
        if (flight_trigger_due(flight) || (flight->dumping && flight_segments_crowded(flight)))
                return true;
        return absorb_all(flight, false);
}

bool flight_catch_up(struct flight *flight)
{
        flight->dumping = true;
        for (unsigned i = 0; i < flight->lane_count; i++)
                flight->lane[i].dumped = 0;
        return absorb_all(flight, true);
}
