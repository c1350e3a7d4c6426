/* The small tables of an exit: pending page, interrupt handoff, devices at a snapshot. */
#include "tracer/read/exit_cursor.h"

#include "core/subject/pending_interrupts.h"

#include <inttypes.h>
#include <string.h>

bool cursor_load_pending(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        struct integer_stream *stream = &cursor->pending;
        uint64_t *words = cursor->result.pending;

        memset(words, 0, sizeof(cursor->result.pending));
        if (!stream->waiting || stream->key > id)
                return true;
        if (!integer_stream_has(stream, cursor->recording, 0x1f, error))
                return false;
        for (int i = 0; i < 4; i++)
                words[i] = (uint64_t)stream->row.value[1 + i];
        if (stream->key < id)
                return recording_error(cursor->recording, error, "pending %" PRIu64 " belongs to no exit",
                                       exit_number(stream->key));
        return integer_stream_next(stream, cursor->recording, error);
}

bool cursor_load_handoff(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        struct integer_stream *stream = &cursor->handoff;
        struct hwaccl_recorded_exit *result = &cursor->result;

        result->offered = stream->waiting && stream->key <= id;
        result->taken = false;
        result->settled = false;
        result->offered_vector = 0;
        if (!result->offered)
                return true;
        if (stream->key < id)
                return recording_error(cursor->recording, error, "irq_handoff %" PRIu64 " belongs to no exit",
                                       exit_number(stream->key));
        if (!integer_stream_has(stream, cursor->recording, 3, error) ||
            !integer_stream_ranged(stream, cursor->recording, 1, 0, HWACCL_VECTOR_COUNT - 1, error) ||
            !integer_stream_ranged(stream, cursor->recording, 2, 0, 1, error))
                return false;
        result->offered_vector = (uint8_t)stream->row.value[1];
        result->settled = stream->row.known >> 2 & 1;
        result->taken = stream->row.value[2] == 1;
        return integer_stream_next(stream, cursor->recording, error);
}

bool cursor_open_kvm_run(struct hwaccl_exit_cursor *cursor, int64_t first, int64_t last, struct hwaccl_error *error)
{
#define COLUMN(member) ", " #member
        static const char columns[] =
                "SELECT id" HWACCL_KVM_RUN_FIELDS(COLUMN) " FROM kvm_run WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
#undef COLUMN
        char sql[160];
        int64_t valid = first;

        (void)sqlite3_snprintf(sizeof(sql), sql, "SELECT max(id) FROM kvm_run WHERE id BETWEEN %lld AND %lld",
                               (long long)(first & ~(int64_t)EXIT_NUMBER_MAX), (long long)first);
        return database_integer(cursor->recording->db, sql, first, &valid, error) &&
               stream_prepare(&cursor->kvm_run, cursor->recording, "kvm_run", columns, true, error) &&
               stream_start(&cursor->kvm_run, cursor->recording, valid, last, error);
}

/* All columns of the row, or none. */
static bool take_kvm_run(struct hwaccl_exit_cursor *cursor, struct hwaccl_error *error)
{
        const struct stream *stream = &cursor->kvm_run;
        struct hwaccl_kvm_run *run = &cursor->result.kvm_run;
        int64_t value = 0;
        int column = 1;

        cursor->result.kvm_run_known = sqlite3_column_type(stream->statement, 1) != SQLITE_NULL;
        if (!cursor->result.kvm_run_known)
                return true;
        memset(run, 0, sizeof(*run));
#define TAKE(member)                                                                                                   \
        if (!stream_integer(stream, cursor->recording, column++, sizeof(run->member) == 1 ? 0 : INT64_MIN,             \
                            sizeof(run->member) == 1 ? UINT8_MAX : INT64_MAX, &value, error))                          \
                return false;                                                                                          \
        run->member = (__typeof__(run->member))value;
        HWACCL_KVM_RUN_FIELDS(TAKE)
#undef TAKE
        return true;
}

bool cursor_load_kvm_run(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        struct stream *stream = &cursor->kvm_run;

        while (stream->waiting && stream->key <= id)
                if (!take_kvm_run(cursor, error) || !stream_next(stream, cursor->recording, error))
                        return false;
        return true;
}

bool cursor_load_devices(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        struct hwaccl_recorded_exit *result = &cursor->result;
        struct stream *rows = &cursor->device_state;

        while (result->missing && cursor->snapshot.waiting &&
               cursor->snapshot.key < id) /* of the exit before the gap */
                if (!integer_stream_next(&cursor->snapshot, cursor->recording, error))
                        return false;
        result->keyframe = cursor->snapshot.waiting && cursor->snapshot.key == id;
        result->device_fields = NULL;
        result->device_field_count = 0;
        if (!result->keyframe)
                return true;
        if (!cursor->devices_loaded) {
                /* the first snapshot of this cursor: unchanged fields have older rows */
                if (!device_values_load(cursor->devices, id, error))
                        return false;
                cursor->devices_loaded = true;
                while (rows->waiting && rows->key <= id)
                        if (!stream_next(rows, cursor->recording, error))
                                return false;
        } else {
                while (rows->waiting && rows->key <= id)
                        if (!device_values_put(cursor->devices, rows->statement, 1, error) ||
                            !stream_next(rows, cursor->recording, error))
                                return false;
                device_values_gather(cursor->devices);
        }
        result->device_fields = cursor->devices->field;
        result->device_field_count = cursor->devices->field_count;
        return integer_stream_next(&cursor->snapshot, cursor->recording, error);
}
