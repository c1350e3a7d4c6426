/* What threads of a VMM do beside exits: lanes and calls through the decoder into rows, and records that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/trace_fixture.h"

#include "tracer/database/decoder.h"
#include "tracer/database/writer_database.h"
#include "tracer/ring/lane.h"
#include "tracer/ring/record_buffer.h"

#define BUFFER (UINT64_C(64) << 20)

static struct writing {
        struct lane lane;
        struct lane_masks masks;
        struct record_buffer buffer;
        _Atomic uint64_t sequence;
} writing;

static struct lane *begin(void)
{
        memset(&writing, 0, sizeof(writing));
        lane_init(&writing.lane, STAMP_MONOTONIC, 8, UINT64_MAX);
        writing.lane.masks = &writing.masks;
        writing.lane.sequence = &writing.sequence;
        record_buffer_init(&writing.buffer, &writing.lane.producer, BUFFER);
        return &writing.lane;
}

static struct decoder *start_decoder(uint32_t lane, sqlite3 **db)
{
        static const struct hwaccl_recording_option vmm = {HWACCL_OPTION_VMM, "test"};
        const struct recording_head head = {0, 1, 8, &vmm, 1};
        struct decoder *decoder = aligned_alloc(64, (sizeof(*decoder) + 63) & ~(size_t)63);
        struct hwaccl_error error = {""};

        assert_non_null(decoder);
        memset(decoder, 0, sizeof(*decoder));
        stamp_clock_start(&decoder->clock, STAMP_MONOTONIC);
        decoder->clock.origin_stamp = decoder->clock.stamp[0] = decoder->clock.latest_stamp = 0;
        decoder->clock.stamp[1] = decoder->clock.ns[1] = UINT64_C(1) << 40;
        *db = writer_database_create(path, true, 0, &error);
        if (!*db || !database_execute(*db, "BEGIN", &error) || !writer_database_fill(*db, &head, &error) ||
            !decoder_init(decoder, *db, lane, 8, &error) || !decoder_declare_devices(decoder, NULL, 0, &error))
                fail_msg("%s", error.message);
        return decoder;
}

/* All records up to one with a problem, which is returned. */
static const char *take_all(struct decoder *decoder)
{
        struct hwaccl_error error = {""};

        for (uint64_t at = 0; at < writing.lane.producer.head;) {
                const struct ring_record *record = record_buffer_at(&writing.lane.producer, at);
                assert_non_null(record);
                const char *problem = ring_record_problem(decoder, record);
                if (problem)
                        return problem;
                if (!decoder_take(decoder, record, &error))
                        fail_msg("%s", error.message);
                at += (uint64_t)record->words * 8;
        }
        return NULL;
}

static const char *finish(struct decoder *decoder, sqlite3 *db, const char *problem)
{
        const struct recording_end end = {.end = HWACCL_TRACE_END_STOPPED};
        struct hwaccl_error error = {""};
        bool good = decoder_flush(decoder, &error) && database_execute(db, "COMMIT", &error) &&
                    writer_database_status(db, &end, NULL, true, &error);

        decoder_finish(decoder);
        free(decoder);
        record_buffer_free(&writing.buffer);
        if (!good || !writer_database_close(db, &error))
                fail_msg("%s", error.message);
        return problem;
}

/* What is wrong with the records; NULL when they are in the recording. */
static const char *decode(uint32_t lane)
{
        sqlite3 *db;
        struct decoder *decoder = start_decoder(lane, &db);

        return finish(decoder, db, take_all(decoder));
}

static struct lane_call call_of(uint32_t request)
{
        return (struct lane_call){.sequence = lane_next(&writing.lane),
                                  .request = request,
                                  .object = RING_CALL_OBJECT_NONE,
                                  .role = RING_CALL_SYSTEM};
}

static bool returned(uint64_t sequence, int64_t result, uint32_t error, const void *data, size_t size, uint64_t stamp)
{
        const struct lane_called called = {sequence, result, error, RING_CALL_OUTPUT};

        return lane_called(&writing.lane, &called, data, size, stamp);
}

static void put_exit(struct lane *lane, uint64_t time)
{
        static const struct hwaccl_subject_state nothing;
        static const struct hwaccl_known_fields none;

        assert_true(lane_entry(lane, (struct hwaccl_known_state){NULL, NULL}));
        lane->entry_stamp = time;
        lane->exit_sequence = lane_next(lane);
        assert_true(lane_exit(lane, (struct hwaccl_known_state){&nothing, &none}, NULL, time + 1));
        assert_true(lane_handled(lane, HWACCL_OUTCOME_COMPLETED, time + 2));
        (void)lane_keyframe_due(lane);
        lane_complete(lane);
}

static void calls_stand_between_the_exits_of_their_lane(void **state)
{
        struct lane *lane = begin();
        struct lane_call first = call_of(1), second, third;

        (void)state;
        assert_true(lane_thread(lane, 12, 34, "vCPU 0"));
        first.number = true;
        first.argument = 7;
        assert_true(lane_call(lane, &first, NULL, 0, 100));
        assert_true(returned(first.sequence, 5, 0, NULL, 0, 130));
        put_exit(lane, 200);
        second = call_of(0x80000000u);
        second.role = RING_CALL_VCPU;
        second.object = 0;
        assert_true(lane_call(lane, &second, "ab", 2, 300));
        third = call_of(3); /* in a signal handler */
        assert_true(lane_call(lane, &third, NULL, 0, 310));
        assert_true(returned(third.sequence, -1, 22, NULL, 0, 320));
        assert_true(returned(second.sequence, 0, 0, "cde", 3, 350));
        put_exit(lane, 400);
        third = call_of(4); /* does not return */
        assert_true(lane_call(lane, &third, NULL, 0, 500));
        assert_null(decode(0));
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording,
                                "SELECT group_concat(quote(sequence) || ' ' || quote(exit) || ' ' || role || ' ' || "
                                "quote(object) || ' ' || request || ' ' || quote(argument) || ' ' || quote(input) || "
                                "' ' || quote(output) || ' ' || quote(result) || ' ' || quote(error) || ' ' || "
                                "host_time || ' ' || quote(host_duration), char(10)) FROM vmm_call"),
                            "1 NULL 1 NULL 1 7 NULL NULL 5 NULL 100 30\n"
                            "3 0 3 0 2147483648 NULL X'6162' X'636465' 0 NULL 300 50\n"
                            "4 0 1 NULL 3 NULL NULL NULL -1 22 310 10\n"
                            "6 1 1 NULL 4 NULL NULL NULL NULL NULL 500 NULL");
        assert_string_equal(ask(recording, "SELECT group_concat(sequence) FROM exit"), "2,5");
        assert_string_equal(ask(recording, "SELECT id || ' ' || host_process || ' ' || host_thread || ' ' || name "
                                           "FROM lane"),
                            "0 12 34 vCPU 0");
        hwaccl_recording_close(recording);
}

static void long_data_is_recorded_in_pieces_and_truncated_at_a_limit(void **state)
{
        static const size_t sizes[] = {1,
                                       RING_CALL_PIECE,
                                       RING_CALL_PIECE + 1,
                                       3 * RING_CALL_PIECE + 5,
                                       RING_CALL_DATA_MAX,
                                       RING_CALL_DATA_MAX + 1};
        uint8_t *data = malloc(RING_CALL_DATA_MAX + 1);

        (void)state;
        assert_non_null(data);
        for (size_t i = 0; i <= RING_CALL_DATA_MAX; i++)
                data[i] = (uint8_t)(i * 7 + i / 251);
        struct lane *lane = begin();
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                const struct lane_call call = call_of(1);
                assert_true(lane_call(lane, &call, data, sizes[i], 1));
                assert_true(returned(call.sequence, 0, 0, data + 1, sizes[i] - 1, 2));
        }
        assert_null(decode(LANE_THREAD_FIRST));
        struct hwaccl_recording *recording = open_recording(path);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                size_t size = sizes[i] < RING_CALL_DATA_MAX ? sizes[i] : RING_CALL_DATA_MAX;
                size_t output = sizes[i] - 1;
                sqlite3_stmt *row;
                char sql[128];
                (void)snprintf(sql, sizeof(sql),
                               "SELECT input, input_size, output, output_size FROM vmm_call WHERE sequence = %zu",
                               i + 1);
                assert_int_equal(sqlite3_prepare_v2(hwaccl_recording_database(recording), sql, -1, &row, NULL),
                                 SQLITE_OK);
                assert_int_equal(sqlite3_step(row), SQLITE_ROW);
                assert_int_equal(sqlite3_column_bytes(row, 0), size);
                assert_memory_equal(sqlite3_column_blob(row, 0), data, size);
                assert_int_equal(sqlite3_column_int64(row, 1), sizes[i]);
                assert_int_equal(sqlite3_column_bytes(row, 2), output);
                if (output)
                        assert_memory_equal(sqlite3_column_blob(row, 2), data + 1, output);
                assert_int_equal(sqlite3_column_int64(row, 3), output);
                (void)sqlite3_finalize(row);
        }
        hwaccl_recording_close(recording);
        free(data);
}

/* One record that is written as @type with @size bytes behind its header, filled in by the test. */
static void *put_raw(enum ring_record_type type, uint8_t extra, size_t size)
{
        void *record = lane_reserve(&writing.lane, size, type, extra);

        assert_non_null(record);
        memset((uint8_t *)record + sizeof(struct ring_record), 0, size - sizeof(struct ring_record));
        return record;
}

static void put_called(uint64_t sequence)
{
        struct ring_called *called = put_raw(RING_RECORD_CALLED, 0, sizeof(*called));

        called->sequence = sequence;
}

static void an_input_may_come_with_the_end_of_its_call(void **state)
{
        struct lane *lane = begin();
        const struct lane_call call = call_of(1);
        const struct lane_called called = {.sequence = call.sequence, .side = RING_CALL_INPUT};

        (void)state;
        assert_true(lane_call(lane, &call, NULL, 0, 1));
        assert_true(lane_called(lane, &called, "ab", 2, 3));
        assert_null(decode(0));
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording, "SELECT quote(input) || input_size || quote(output) || output_size || "
                                           "host_duration FROM vmm_call"),
                            "X'6162'2NULL02");
        hwaccl_recording_close(recording);
}

static void ends_of_calls_that_were_not_made_are_refused(void **state)
{
        (void)state;
        (void)begin();
        put_called(1);
        assert_string_equal(decode(0), "the end of a call that was not made");
        struct lane *lane = begin();
        const struct lane_call call = call_of(1);
        assert_true(lane_call(lane, &call, NULL, 0, 1));
        put_called(0);
        assert_string_equal(decode(0), "the end of a call that was not made");
        lane = begin();
        const struct lane_call other = call_of(1);
        assert_true(lane_call(lane, &other, NULL, 0, 1));
        assert_true(returned(other.sequence, 0, 0, NULL, 0, 1));
        put_called(other.sequence);
        assert_string_equal(decode(0), "the end of a call that was not made");
}

static const char *decode_call(uint8_t extra, uint64_t sequence, uint64_t total, uint64_t size, uint64_t stamp)
{
        (void)begin();
        struct ring_call *call = put_raw(RING_RECORD_CALL, extra, sizeof(*call) + 8);

        call->sequence = sequence;
        call->total = total;
        call->size = size;
        call->stamp = stamp;
        return decode(0);
}

static void calls_that_cannot_be_are_refused(void **state)
{
        (void)state;
        assert_null(decode_call(RING_CALL_DEVICE | RING_CALL_NUMBER, 1, 8, 8, 1));
        assert_string_equal(decode_call(RING_CALL_ROLE_COUNT, 1, 8, 8, 1), "a call that there is not");
        assert_string_equal(decode_call(0, 0, 8, 8, 1), "a call that there is not");
        assert_string_equal(decode_call(0, UINT64_MAX, 8, 8, 1), "a call that there is not");
        assert_string_equal(decode_call(0, 1, 8, 9, 1), "a call of another length");
        assert_string_equal(decode_call(0, 1, 7, 8, 1), "a call of another length");
        assert_string_equal(decode_call(0, 1, 9, 8, 1), "a call of another length");
        assert_string_equal(decode_call(0, 1, UINT64_MAX, RING_CALL_PIECE, 1), "a call of another length");
        assert_string_equal(decode_call(0, 1, UINT64_MAX - 7, UINT64_MAX - 7, 1), "a call of another length");
        assert_string_equal(decode_call(0, 1, 8, 8, UINT64_MAX), "a time that cannot be");
}

static const char *decode_data(uint64_t sequence, uint64_t offset, uint64_t size)
{
        static uint8_t bytes[RING_CALL_PIECE];
        (void)begin();
        const struct lane_call call = call_of(1);
        struct ring_call *head;

        head = put_raw(RING_RECORD_CALL, 0, sizeof(*head) + sizeof(bytes));
        head->sequence = call.sequence;
        head->size = sizeof(bytes);
        head->total = sizeof(bytes) + 16;
        struct ring_call_data *data = put_raw(RING_RECORD_CALL_DATA, RING_CALL_INPUT, sizeof(*data) + 16);
        data->sequence = sequence;
        data->offset = offset;
        data->size = size;
        assert_true(returned(call.sequence, 0, 0, NULL, 0, 1));
        return decode(0);
}

static void data_without_its_call_is_refused(void **state)
{
        (void)state;
        assert_null(decode_data(1, RING_CALL_PIECE, 16));
        assert_string_equal(decode_data(2, RING_CALL_PIECE, 16), "data without its call");
        assert_string_equal(decode_data(1, RING_CALL_PIECE + 8, 16), "data without its call");
        assert_string_equal(decode_data(1, RING_CALL_PIECE, 17), "a call's data of another length");
        assert_string_equal(decode_data(1, RING_CALL_PIECE, 0), "a call's data of another length");
        (void)begin();
        struct ring_call_data *data = put_raw(RING_RECORD_CALL_DATA, RING_CALL_OUTPUT, sizeof(*data) + 8);
        data->size = 8;
        assert_string_equal(decode(0), "data without its call");
}

static void a_thread_that_runs_no_vcpu_has_no_exits(void **state)
{
        (void)state;
        put_exit(begin(), 100);
        assert_string_equal(decode(LANE_THREAD_FIRST), "an exit of a thread that runs no vCPU");
        (void)begin();
        struct ring_lane *lane = put_raw(RING_RECORD_LANE, 0, sizeof(*lane) + 8);
        lane->size = 9;
        assert_string_equal(decode(LANE_THREAD_FIRST), "a lane's thread of another length");
        (void)begin();
        lane = put_raw(RING_RECORD_LANE, 0, sizeof(*lane) + 8);
        lane->size = 8;
        lane->thread = UINT64_MAX;
        assert_string_equal(decode(LANE_THREAD_FIRST), "a lane's thread that cannot be");
}

static void numbers_of_exits_that_cannot_be_are_refused(void **state)
{
        struct lane *lane = begin();

        (void)state;
        writing.sequence = UINT64_MAX - 1;
        put_exit(lane, 100);
        assert_string_equal(decode(0), "a number in the sequence that cannot be");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(calls_stand_between_the_exits_of_their_lane, remove_files),
                cmocka_unit_test_teardown(long_data_is_recorded_in_pieces_and_truncated_at_a_limit, remove_files),
                cmocka_unit_test_teardown(an_input_may_come_with_the_end_of_its_call, remove_files),
                cmocka_unit_test_teardown(ends_of_calls_that_were_not_made_are_refused, remove_files),
                cmocka_unit_test_teardown(calls_that_cannot_be_are_refused, remove_files),
                cmocka_unit_test_teardown(data_without_its_call_is_refused, remove_files),
                cmocka_unit_test_teardown(a_thread_that_runs_no_vcpu_has_no_exits, remove_files),
                cmocka_unit_test_teardown(numbers_of_exits_that_cannot_be_are_refused, remove_files),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
