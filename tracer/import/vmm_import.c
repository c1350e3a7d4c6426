#include "tracer/import/vmm_import.h"

#include "tracer/database/writer_database.h"
#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX           (64u << 20) /* bytes of the records of one exit */
#define TRANSACTION_EVENTS 131072u

struct vmm_lane {
        const struct survey_stream *stream;
        struct decoder *decoder;
        uint64_t expected;  /* sequence number of the next event */
        bool lost;          /* waits for a record at which a decoder can start */
        bool lost_any;      /* events before the current one */
        uint64_t lost_here; /* since the last gap */
        /* the record that is put together: pieces of it were there up to @pieces bytes */
        uint64_t record[RING_RECORD_SIZE_MAX / 8];
        uint32_t pieces, total;
        /* records of an exit that is not complete */
        bool open;
        uint8_t *held;
        size_t held_size, held_room;
};

bool vmm_import_init(struct vmm_import *import, sqlite3 *db, const struct survey *survey,
                     const struct survey_stream *first, struct hwaccl_error *error)
{
        import->db = db;
        import->survey = survey;
        import->pid = first->pid;
        import->lane = calloc(survey->stream_count, sizeof(*import->lane));
        if (!import->lane)
                return hwaccl_error_set(error, "out of memory");
        for (size_t i = 0; i < survey->stream_count; i++) {
                const struct survey_stream *stream = &survey->stream[i];
                struct vmm_lane *lane = &import->lane[i];
                if (stream->pid != import->pid)
                        continue;
                lane->stream = stream;
                const size_t size = (sizeof(*lane->decoder) + 63) & ~(size_t)63;
                lane->decoder = aligned_alloc(64, size);
                if (!lane->decoder)
                        return hwaccl_error_set(error, "out of memory");
                memset(lane->decoder, 0, size);
                stamp_clock_fix(&lane->decoder->clock, first->time);
                if ((stream != first && !writer_database_add(db, stream->vcpu, error)) ||
                    !decoder_init(lane->decoder, db, stream->vcpu, first->keyframe_interval, error) ||
                    !decoder_declare_devices(lane->decoder, NULL, 0, error))
                        return false;
        }
        return database_execute(db, "BEGIN", error);
}

void vmm_import_free(struct vmm_import *import)
{
        for (size_t i = 0; import->lane && i < import->survey->stream_count; i++) {
                if (import->lane[i].decoder)
                        decoder_finish(import->lane[i].decoder);
                free(import->lane[i].decoder);
                free(import->lane[i].held);
        }
        free(import->lane);
}

static bool is_thread(const struct vmm_lane *lane)
{
        return lane->stream->vcpu >= LANE_THREAD_FIRST;
}

static bool has_call(const struct decoder_state *state, uint64_t sequence)
{
        for (unsigned i = 0; i < RING_CALL_NESTED_MAX; i++)
                if (state->call[i] == sequence)
                        return true;
        return false;
}

/* The beginning of a call was lost with what came before. */
static bool is_orphan(const struct vmm_lane *lane, const struct ring_record *record)
{
        const struct decoder_state *state = &lane->decoder->state;
        const void *body = record;

        if (!lane->lost_any)
                return false;
        if (record->type == RING_RECORD_CALLED && record->words * 8u >= sizeof(struct ring_called))
                return !has_call(state, ((const struct ring_called *)body)->sequence);
        if (record->type == RING_RECORD_CALL_DATA && record->words * 8u >= sizeof(struct ring_call_data))
                return state->call_data.sequence != ((const struct ring_call_data *)body)->sequence ||
                       state->call_data.rest == 0;
        return false;
}

static bool decode(struct vmm_lane *lane, const struct ring_record *record, struct hwaccl_error *error)
{
        if (is_orphan(lane, record))
                return true;
        const char *problem = ring_record_problem(lane->decoder, record);
        return problem ? hwaccl_error_set(error, "%s", problem) : decoder_take(lane->decoder, record, error);
}

static bool feed(struct vmm_lane *lane, struct hwaccl_error *error)
{
        for (size_t at = 0; at < lane->held_size;) {
                const struct ring_record *record = (const struct ring_record *)(const void *)(lane->held + at);
                if (!decode(lane, record, error))
                        return false;
                at += record->words * (size_t)8;
        }
        lane->held_size = 0;
        return true;
}

static bool hold(struct vmm_lane *lane, const struct ring_record *record, struct hwaccl_error *error)
{
        const size_t size = record->words * (size_t)8;

        if (size > lane->held_room - lane->held_size) {
                size_t room = lane->held_room ? 2 * lane->held_room : 65536;
                while (room - lane->held_size < size)
                        room *= 2;
                uint8_t *more = room <= HELD_MAX ? realloc(lane->held, room) : NULL;
                if (!more)
                        return room > HELD_MAX
                                       ? hwaccl_error_set(error, "the records of one exit are larger than %u bytes",
                                                          HELD_MAX)
                                       : hwaccl_error_set(error, "out of memory");
                lane->held = more;
                lane->held_room = room;
        }
        memcpy(lane->held + lane->held_size, record, size);
        lane->held_size += size;
        return true;
}

static bool put_gap(struct vmm_import *import, struct vmm_lane *lane, uint64_t end, struct hwaccl_error *error)
{
        const uint32_t vcpu = lane->stream->vcpu;
        const uint64_t first = lane->decoder->state.exits;

        import->gaps++;
        import->missing += end - first;
        bool good =
                rows_gap(&lane->decoder->rows, exit_id(vcpu, first), exit_id(vcpu, end - 1), lane->lost_here, error);
        lane->lost_here = 0;
        return good;
}

static void lose(struct vmm_import *import, struct vmm_lane *lane, uint64_t count)
{
        import->lost += count;
        lane->lost_here += count;
        lane->lost = lane->lost_any = true;
        lane->open = false;
        lane->held_size = 0;
        lane->total = lane->pieces = 0;
}

/* Whether a decoder can start with this record. */
static bool is_start(const struct vmm_lane *lane, const struct ring_record *record)
{
        const void *body = record;

        if (is_thread(lane))
                return record->type == RING_RECORD_CALL;
        return record->type == RING_RECORD_ENTRY && record->words * 8u >= sizeof(struct ring_entry) &&
               ((const struct ring_entry *)body)->bitmap == ~UINT64_C(0);
}

static bool resume(struct vmm_import *import, struct vmm_lane *lane, uint64_t number, struct hwaccl_error *error)
{
        struct decoder *decoder = lane->decoder;
        struct decoder_state *state = &decoder->state;

        lane->lost = false;
        if (is_thread(lane))
                return true;
        if (number < state->exits || number > EXIT_NUMBER_MAX)
                return hwaccl_error_set(error, "it comes after exit %" PRIu64, state->exits);
        if (number > state->exits && (!put_gap(import, lane, number, error) || !decoder_flush(decoder, error)))
                return false;
        if (number > state->exits)
                decoder_start_at(decoder, number);
        state->phase = DECODER_BETWEEN;
        state->handoff_open = false;
        memset(state->call, 0, sizeof(state->call));
        state->call_data.rest = 0;
        return true;
}

static bool take_record(struct vmm_import *import, struct vmm_lane *lane, uint64_t exit, struct hwaccl_error *error)
{
        const struct ring_record *record = (const struct ring_record *)(const void *)lane->record;

        if (record->words * 8u != lane->total)
                return hwaccl_error_set(error, "a record of %" PRIu32 " bytes says %u", lane->total,
                                        record->words * 8u);
        if (lane->lost && ring_record_is_kept(record))
                return decode(lane, record, error);
        if (lane->lost && !is_start(lane, record))
                return true;
        if (lane->lost && !resume(import, lane, exit, error))
                return false;
        lane->open |= record->type == RING_RECORD_ENTRY;
        if (!lane->open)
                return decode(lane, record, error);
        lane->open = record->type != RING_RECORD_HANDLED && record->type != RING_RECORD_UNHANDLED;
        return hold(lane, record, error) && (lane->open || feed(lane, error));
}

static bool take_piece(struct vmm_import *import, struct vmm_lane *lane, const struct trace_event *event,
                       struct hwaccl_error *error)
{
        const struct trace_record *piece = &event->as.record;

        if (lane->lost && lane->pieces == 0 && piece->offset != 0)
                return true; /* the rest of a record that began before */
        if (piece->offset != lane->pieces || (piece->offset != 0 && piece->total != lane->total) ||
            piece->total < sizeof(struct ring_record) || piece->total > sizeof(lane->record) || piece->total % 8 != 0 ||
            piece->size == 0 || piece->size > piece->total - piece->offset)
                return hwaccl_error_set(error, "bytes %" PRIu32 " to %" PRIu64 " of a record of %" PRIu32 " bytes",
                                        piece->offset, (uint64_t)piece->offset + piece->size, piece->total);
        memcpy((uint8_t *)lane->record + piece->offset, piece->data, piece->size);
        lane->total = piece->total;
        lane->pieces += piece->size;
        if (lane->pieces < lane->total)
                return true;
        lane->pieces = 0;
        return take_record(import, lane, event->exit, error);
}

static void take_end(struct vmm_import *import, const struct trace_end *end)
{
        import->ended = true;
        import->end = *end;
        (void)snprintf(import->end_message, sizeof(import->end_message), "%s", end->message);
        import->end.message = import->end_message;
}

/* Exits behind the last one that is there. */
static bool close_lane(struct vmm_import *import, struct vmm_lane *lane, uint64_t exits, struct hwaccl_error *error)
{
        if (!feed(lane, error) || !decoder_flush(lane->decoder, error))
                return false;
        if (exits > EXIT_NUMBER_MAX)
                return hwaccl_error_set(error, "more than 2^%u exits", VCPU_SHIFT);
        return is_thread(lane) || exits <= lane->decoder->state.exits || put_gap(import, lane, exits, error);
}

static struct vmm_lane *find_lane(const struct vmm_import *import, uint32_t number)
{
        for (size_t i = 0; i < import->survey->stream_count; i++)
                if (import->lane[i].stream && import->lane[i].stream->vcpu == number)
                        return &import->lane[i];
        return NULL;
}

bool vmm_import_take(struct vmm_import *import, const struct trace_event *event, struct hwaccl_error *error)
{
        struct vmm_lane *lane = find_lane(import, event->vcpu);
        bool good = true;

        if (!lane)
                return hwaccl_error_set(error, "an event of vCPU %" PRIu32 ", which had none", event->vcpu);
        if (event->sequence < lane->expected) {
                hwaccl_error_set(error, "it comes after number %" PRIu64, lane->expected - 1);
                good = false;
        } else if (event->sequence > lane->expected) {
                lose(import, lane, event->sequence - lane->expected);
        }
        lane->expected = event->sequence + 1;
        if (good && event->kind == TRACE_RECORD)
                good = take_piece(import, lane, event, error);
        else if (good && event->kind == TRACE_END) {
                take_end(import, &event->as.end);
                good = close_lane(import, lane, event->as.end.exits, error);
        }
        if (!good)
                return hwaccl_error_prefix(error, "event %s of vCPU %" PRIu32 ", exit %" PRIu64 " (number %" PRIu64 ")",
                                           trace_event_name(event->kind), event->vcpu, event->exit, event->sequence);
        if (++import->taken % TRANSACTION_EVENTS == 0)
                return database_execute(import->db, "COMMIT; BEGIN", error);
        return true;
}

/* A check of the recording then knows why numbers of the sequence are missing. */
static bool note_loss(struct vmm_import *import, struct hwaccl_error *error)
{
        return import->lost == 0 ||
               database_execute_format(import->db, error,
                                       "INSERT OR REPLACE INTO option(name, value) VALUES ('host_trace_events_lost', "
                                       "'%lld')",
                                       (long long)import->lost);
}

bool vmm_import_close(struct vmm_import *import, struct hwaccl_error *error)
{
        for (size_t i = 0; i < import->survey->stream_count; i++)
                if (import->lane[i].stream && !close_lane(import, &import->lane[i], 0, error))
                        return false;
        return note_loss(import, error) && database_execute(import->db, "COMMIT", error);
}
