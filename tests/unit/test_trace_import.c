/* The LTTng probe's events and what an import makes of them, without LTTng and Babeltrace: a provider that keeps them.
 */
#include "tests/fixtures/kept_trace.h"

static int64_t ask(sqlite3 *db, const char *sql)
{
        struct hwaccl_error error = {""};
        int64_t value = -1;

        if (!database_integer(db, sql, -1, &value, &error))
                fail_msg("%s: %s", sql, error.message);
        return value;
}

/* "a, b": the columns of a table that are no times of the host. */
static void list_columns(sqlite3 *db, const char *table, char *list, size_t room)
{
        char sql[128];
        sqlite3_stmt *row;
        size_t used = 0;

        (void)snprintf(sql, sizeof(sql), "SELECT name FROM pragma_table_info('%s') WHERE name NOT LIKE 'host%%'",
                       table);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
        while (sqlite3_step(row) == SQLITE_ROW)
                used += (size_t)snprintf(list + used, room - used, "%s\"%s\"", used ? ", " : "",
                                         (const char *)sqlite3_column_text(row, 0));
        (void)sqlite3_finalize(row);
}

static void recording_both_ways_gives_the_same_rows(void **state)
{
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;
        sqlite3 *db;
        sqlite3_stmt *table;
        char sql[8192];
        char columns[2048];
        unsigned tables = 0;

        (void)state;
        trace(7, 1500, 64, 0);
        import_well(&all, &result);
        assert_true(result.complete);
        assert_int_equal(result.exits, 1500);
        assert_int_equal(result.events, kept_count);
        hwaccl_recording_close(open_imported());
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        (void)snprintf(sql, sizeof(sql), "ATTACH '%s' AS other", imported);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(
                sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1, &table, NULL),
                SQLITE_OK);
        while (sqlite3_step(table) == SQLITE_ROW) {
                const char *name = (const char *)sqlite3_column_text(table, 0);
                list_columns(db, name, columns, sizeof(columns));
                (void)snprintf(sql, sizeof(sql),
                               "SELECT count(*) FROM (SELECT %s FROM main.%s EXCEPT SELECT %s FROM other.%s)", columns,
                               name, columns, name);
                assert_int_equal(ask(db, sql), 0);
                (void)snprintf(sql, sizeof(sql),
                               "SELECT (SELECT count(*) FROM main.%s) - (SELECT count(*) FROM other.%s)", name, name);
                assert_int_equal(ask(db, sql), 0);
                tables++;
        }
        (void)sqlite3_finalize(table);
        assert_true(tables > 15);
        assert_int_equal(ask(db, "SELECT count(*) FROM other.exit WHERE host_guest IS NULL OR host_handler IS NULL"),
                         0);
        assert_int_equal(ask(db, "SELECT max(host_entry) > 0 FROM other.keyframe"), 1);
        (void)sqlite3_close(db);
        forget();
}

/* Every exit of the import is the recorder's exit of that number. Returns how many there are. */
static uint64_t compare_exits(struct hwaccl_recording *other)
{
        struct hwaccl_recording *recording = open_recording();
        struct hwaccl_error error = {""};
        uint64_t first, end, count = 0;

        assert_true(hwaccl_recording_range(other, 0, &first, &end, &error));
        if (first == end) {
                hwaccl_recording_close(recording);
                return 0;
        }
        struct hwaccl_exit_cursor *a = hwaccl_exit_cursor_open(recording, 0, first, &error);
        struct hwaccl_exit_cursor *b = hwaccl_exit_cursor_open(other, 0, first, &error);
        const struct hwaccl_recorded_exit *x;
        const struct hwaccl_recorded_exit *y;
        int more;
        assert_non_null(a);
        if (!b)
                fail_msg("%s", error.message);
        while ((more = hwaccl_exit_cursor_next(b, &y, &error)) == 1) {
                do
                        assert_int_equal(hwaccl_exit_cursor_next(a, &x, &error), 1);
                while (x->number < y->number);
                assert_int_equal(x->number, y->number);
                assert_memory_equal(x->entry, y->entry, sizeof(*x->entry));
                assert_memory_equal(x->exit, y->exit, sizeof(*x->exit));
                assert_memory_equal(x->pending, y->pending, sizeof(x->pending));
                assert_states_at(other, b, y);
                count++;
                assert_int_equal(x->offered, y->offered);
                if (!y->outcome_known) /* the trace ends here */
                        continue;
                assert_int_equal(x->taken, y->taken);
                assert_int_equal(x->verdict, y->verdict);
                assert_int_equal(x->outcome, y->outcome);
                assert_int_equal(x->input_count, y->input_count);
                assert_int_equal(x->effect_count, y->effect_count);
                for (size_t i = 0; i < x->input_count; i++)
                        assert_int_equal(x->inputs[i].value, y->inputs[i].value);
        }
        if (more < 0)
                fail_msg("%s", error.message);
        hwaccl_exit_cursor_close(a);
        hwaccl_exit_cursor_close(b);
        hwaccl_recording_close(recording);
        return count;
}

static uint64_t lost_seed;
static unsigned lost_run; /* events in a row */

static bool lose_runs(size_t index)
{
        uint64_t hash = (index / lost_run + lost_seed) * UINT64_C(0x9e3779b97f4a7c15);

        return (hash >> 32) % 40 == 0;
}

static void lost_events_are_gaps_and_the_rest_is_right(void **state)
{
        struct selection some = {SIZE_MAX, lose_runs};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};
        uint64_t gaps = 0;

        (void)state;
        trace(11, 1200, 16, 0);
        for (lost_seed = 1; lost_seed <= 12; lost_seed++) {
                lost_run = (unsigned)(1 + lost_seed * 23 % 300);
                import_well(&some, &result);
                struct hwaccl_recording *recording = open_imported();
                assert_int_equal(compare_exits(recording), result.exits);
                struct hwaccl_recording_gap gap;
                uint64_t missing = 0;
                for (uint64_t from = 0; hwaccl_recording_gap(recording, 0, from, UINT64_MAX, &gap); from = gap.last + 1)
                        missing += gap.last - gap.first + 1;
                assert_int_equal(missing, result.missing);
                if (!result.complete)
                        assert_int_equal(hwaccl_recording_info(recording)->status, HWACCL_RECORDING_INCOMPLETE);
                if (result.gaps && hwaccl_recording_gap(recording, 0, 0, UINT64_MAX, &gap)) {
                        uint64_t start = 0;
                        assert_null(hwaccl_exit_cursor_open(recording, 0, gap.first, &error));
                        assert_non_null(strstr(error.message, "lost"));
                        if (hwaccl_recording_replay_after(recording, 0, gap.last, &start, &error))
                                assert_true(start > gap.last);
                }
                gaps += result.gaps;
                if (!lose_runs(kept_count - 1)) /* the end is there: all exits are accounted for */
                        assert_int_equal(result.exits + result.missing, 1200);
                hwaccl_recording_close(recording);
        }
        assert_true(gaps > 20);
        forget();
}

static bool lose_a_device_state(size_t index)
{
        return kept[index].kind == TRACE_DEVICE_STATE && kept[index].exit == 31;
}

/* No exit is missing, so there is no gap. */
static void a_lost_state_of_the_devices_is_said_once_by_the_import(void **state)
{
        struct selection some = {SIZE_MAX, lose_a_device_state};
        struct hwaccl_import_result result;

        (void)state;
        trace(17, 60, 16, 0);
        import_well(&some, &result);
        assert_false(result.complete);
        assert_int_equal(result.exits, 60);
        assert_int_equal(result.lost, 1);
        assert_non_null(strstr(result.problem, "a device state"));
        hwaccl_recording_close(open_imported());
        forget();
}

static void a_session_that_starts_in_the_middle_gives_a_recording_from_there(void **state)
{
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};
        uint64_t first, end, start;

        (void)state;
        trace(3, 400, 64, 101);
        import_well(&all, &result);
        assert_false(result.complete);
        struct hwaccl_recording *recording = open_imported();
        assert_int_equal(compare_exits(recording), 299);
        assert_true(hwaccl_recording_range(recording, 0, &first, &end, &error));
        assert_int_equal(first, 101);
        assert_true(hwaccl_recording_replay_start(recording, 0, 101, &start, &error));
        assert_int_equal(start, 101);
        assert_string_equal(option_of(recording, "clock"), "virtual");
        hwaccl_recording_close(recording);
        forget();
}

static void a_trace_that_ends_anywhere_is_a_recording_up_to_there(void **state)
{
        struct hwaccl_import_result result;
        uint64_t exits = 0;

        (void)state;
        trace(5, 40, 16, 0);
        size_t end = kept_count;
        for (size_t cut = 40; cut < 120; cut++) {
                struct selection begin = {end - cut, NULL};
                import_well(&begin, &result);
                assert_false(result.complete);
                assert_non_null(strstr(result.problem, "ends before the guest"));
                struct hwaccl_recording *recording = open_imported();
                uint64_t count = compare_exits(recording);
                assert_true(exits == 0 || count == exits || count == exits - 1);
                exits = count;
                hwaccl_recording_close(recording);
        }
        assert_true(exits < 40);
        forget();
}

static void observe(struct synthetic *synthetic, struct hwaccl_lttng *lttng, unsigned exits)
{
        struct hwaccl_error error;

        for (unsigned i = 0; i < exits; i++) {
                synthetic_next(synthetic);
                assert_true(synthetic_observe(synthetic, hwaccl_lttng_probe(lttng), true, &error));
        }
}

static void events_that_nobody_traces_are_not_made_and_their_absence_is_seen(void **state)
{
        struct synthetic synthetic;

        (void)state;
        forget();
        enable(0);
        synthetic_start(&synthetic, 1);
        struct hwaccl_lttng *lttng = attach(&synthetic, 0, 8);
        assert_false(hwaccl_lttng_traced(lttng));
        observe(&synthetic, lttng, 20);
        assert_int_equal(kept_count, 0);
        enabled[TRACE_VM_EXIT] = 1; /* this alone is found out now and then */
        observe(&synthetic, lttng, TRACE_EVENT_COUNT);
        assert_in_range(kept_count, 1, TRACE_EVENT_COUNT);
        assert_true(kept[0].exit >= 20 && kept[0].sequence > kept[0].exit);
        enable(0);
        observe(&synthetic, lttng, 5);
        uint64_t last = kept[kept_count - 1].sequence;
        size_t before = kept_count;
        enable(1);
        observe(&synthetic, lttng, 1); /* this at once */
        assert_true(kept_count > before + 5);
        assert_true(kept[before].sequence > last + 5);
        uint64_t emitted = hwaccl_lttng_finish(lttng, HWACCL_END_HALTED, 0, NULL);
        assert_int_equal(emitted, kept_count);
        forget();
}

static void a_trace_of_other_programs_is_refused(void **state)
{
        struct selection none = {0, NULL};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};

        (void)state;
        assert_false(import(&none, &result, &error));
        assert_non_null(strstr(error.message, "contains no events of hwaccl"));
        assert_int_equal(access(imported, F_OK), -1);
}

static void several_virtual_cpus_are_refused_with_their_list(void **state)
{
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};

        (void)state;
        trace(9, 10, 8, 0);
        size_t half = kept_count;
        for (size_t i = 0; i < half; i++)
                keep(&kept[i]);
        for (size_t i = half; i < kept_count; i++)
                kept[i].pid = 77;
        assert_false(import(&all, &result, &error));
        assert_non_null(strstr(error.message, "--pid"));
        assert_non_null(strstr(error.message, "process 77 vCPU 0"));
        const struct import_source source = {&all, read_kept};
        const struct hwaccl_import_config config = {
                .directory = "kept", .output = imported, .force = true, .pid_given = true, .pid = 77};
        assert_true(import_from(&source, &config, &result, &error));
        assert_int_equal(result.exits, 10);
        for (size_t i = half; i < kept_count; i++)
                kept[i].pid = kept[0].pid;
        assert_false(import(&all, &result, &error));
        assert_non_null(strstr(error.message, "2 times"));
        forget();
}

/* One number of one event is another; whatever it is, the import says so, or makes a recording that can be read. */
static void a_damaged_event_is_an_error_or_a_readable_recording(void **state)
{
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;
        uint64_t random = 88172645463325252u;
        unsigned refused = 0;

        (void)state;
        trace(13, 30, 8, 0);
        for (unsigned run = 0; run < 150; run++) {
                struct hwaccl_error error = {""};
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                size_t index = (random >> 8) % kept_count;
                const struct trace_event good = kept[index];
                uint64_t word = random >> (random & 63);
                switch (run % 6) {
                case 0: kept[index].exit += word; break;
                case 1: kept[index].sequence += word; break;
                case 2: kept[index].kind = (enum trace_event_kind)((random >> 20) % TRACE_EVENT_COUNT); break;
                case 3: kept[index].vcpu += (uint32_t)word; break;
                case 4: kept[index].as.handled.verdict ^= (uint8_t)word; break;
                default: kept[index].as.irq.time ^= word; break;
                }
                /* another kind has other pointers: those that are there stay, none is made up */
                struct trace_part before[TRACE_PART_MAX], after[TRACE_PART_MAX];
                struct trace_event original = good;
                unsigned parts = trace_event_parts(&original, before);
                bool same = kept[index].kind == good.kind && parts == trace_event_parts(&kept[index], after);
                for (unsigned i = 0; same && i < parts; i++)
                        same = *before[i].pointer == *after[i].pointer && before[i].size == after[i].size;
                if (same || (parts == 0 && trace_event_parts(&kept[index], after) == 0)) {
                        if (import(&all, &result, &error)) {
                                struct hwaccl_recording *recording = hwaccl_recording_open(imported, &error);
                                if (!recording)
                                        fail_msg("%s", error.message);
                                hwaccl_recording_close(recording);
                        } else {
                                assert_true(error.message[0]);
                                refused++;
                        }
                }
                kept[index] = good;
        }
        assert_true(refused > 20);
        forget();
}

static void options_of_a_trace_have_a_limit(void **state)
{
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};
        size_t marker = 0;
        char value[60001];

        (void)state;
        trace(6, 5, 8, 0);
        while (kept[marker].kind != TRACE_MARKER)
                marker++;
        memset(value, 'x', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        for (unsigned i = 0; i < 18; i++) {
                struct trace_event event = kept[marker];
                value[0] = (char)('a' + i);
                event.as.marker.value = value;
                keep(&event);
        }
        assert_false(import(&all, &result, &error));
        if (!strstr(error.message, "options"))
                fail_msg("the message is: %s", error.message);
        forget();
}

static int remove_both(void **state)
{
        (void)unlink(imported);
        return remove_recording(state);
}

/* Opened with them, the new recording would become a mixture of both. */
static void a_log_that_another_recording_left_is_not_kept_beside_an_import(void **state)
{
        static const char *const suffix[] = {"-wal", "-shm", "-journal"};
        char name[sizeof(imported) + 16];
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;

        (void)state;
        trace(8, 5, 16, 0);
        import_well(&all, &result);
        for (unsigned i = 0; i < 3; i++) {
                (void)snprintf(name, sizeof(name), "%s%s", imported, suffix[i]);
                assert_int_equal(symlink("/nowhere", name), 0);
        }
        import_well(&all, &result);
        for (unsigned i = 0; i < 3; i++) {
                (void)snprintf(name, sizeof(name), "%s%s", imported, suffix[i]);
                if (unlink(name) == 0)
                        fail_msg("%s is still there", name);
        }
        forget();
}

/* All events from @first on are earlier by @by. */
static void turn_back(size_t first, uint64_t by)
{
        for (size_t i = first; i < kept_count; i++)
                switch (kept[i].kind) {
                case TRACE_IRQ_OFFER:
                case TRACE_IRQ_RECLAIM: kept[i].as.irq.time -= by; break;
                case TRACE_VM_EXIT:
                        kept[i].as.vm_exit.entered -= by;
                        kept[i].as.vm_exit.left -= by;
                        break;
                case TRACE_HANDLED: kept[i].as.handled.time -= by; break;
                default: break;
                }
}

/* From the first event on, all times are before the beginning of the recording. */
static void a_clock_that_goes_back_in_a_trace_is_clamped_and_noted(void **state)
{
        static const char wrong[] =
                "SELECT count(*) FROM (SELECT entry_ns < lag(entry_ns) OVER (ORDER BY id) AS less, *"
                " FROM exits) WHERE less OR entry_ns < 0 OR guest_ns < 0 OR handler_ns < 0";
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;
        sqlite3 *db;

        (void)state;
        for (unsigned part = 0; part < 3; part++) {
                trace(8, 300, 16, 0);
                turn_back(kept_count / 2 * part, UINT64_C(2000000000));
                import_well(&all, &result);
                assert_int_equal(result.exits, 300);
                hwaccl_recording_close(open_imported());
                assert_int_equal(sqlite3_open(imported, &db), SQLITE_OK);
                assert_int_equal(ask(db, wrong), 0);
                assert_int_equal(ask(db, "SELECT count(*) FROM option WHERE name = 'host_clock_went_back'"), part < 2);
                (void)sqlite3_close(db);
                (void)remove_both(state);
                forget();
        }
}

/* A ring held or left, of the first vCPU or of another one, beside a database or without. */
static void an_import_takes_the_place_of_no_recorder_and_leaves_no_ring_of_a_dead_one(void **state)
{
        struct selection all = {SIZE_MAX, NULL};
        struct hwaccl_import_result result;
        const struct import_source source = {&all, read_kept};
        struct hwaccl_import_config config = {.directory = "kept", .output = imported, .force = true};

        (void)state;
        trace(9, 10, 8, 0);
        (void)snprintf(imported, sizeof(imported), "%s-imported", path);
        for (unsigned index = 0; index < 3; index++) {
                struct hwaccl_error error = {""};
                struct ring ring;
                char *name = ring_file_path(imported, index);
                assert_non_null(name);
                assert_true(ring_create(&ring, name, RING_SIZE_MIN, 0600, &error));
                ring_announce(&ring);
                config.force = true;
                assert_false(import_from(&source, &config, &result, &error));
                assert_non_null(strstr(error.message, "is being recorded"));
                ring_destroy(&ring, false);
                assert_int_equal(access(name, F_OK), 0);
                (void)unlink(imported);
                config.force = false;
                assert_false(import_from(&source, &config, &result, &error));
                assert_non_null(strstr(error.message, "--force discards them"));
                assert_int_equal(access(name, F_OK), 0);
                config.force = true;
                assert_true(import_from(&source, &config, &result, &error));
                assert_int_equal(access(name, F_OK), -1);
                free(name);
        }
        forget();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(recording_both_ways_gives_the_same_rows, remove_both),
                cmocka_unit_test_teardown(lost_events_are_gaps_and_the_rest_is_right, remove_both),
                cmocka_unit_test_teardown(a_lost_state_of_the_devices_is_said_once_by_the_import, remove_both),
                cmocka_unit_test_teardown(a_session_that_starts_in_the_middle_gives_a_recording_from_there,
                                          remove_both),
                cmocka_unit_test_teardown(a_trace_that_ends_anywhere_is_a_recording_up_to_there, remove_both),
                cmocka_unit_test(events_that_nobody_traces_are_not_made_and_their_absence_is_seen),
                cmocka_unit_test_teardown(a_trace_of_other_programs_is_refused, remove_both),
                cmocka_unit_test_teardown(several_virtual_cpus_are_refused_with_their_list, remove_both),
                cmocka_unit_test_teardown(a_clock_that_goes_back_in_a_trace_is_clamped_and_noted, remove_both),
                cmocka_unit_test_teardown(a_log_that_another_recording_left_is_not_kept_beside_an_import, remove_both),
                cmocka_unit_test_teardown(an_import_takes_the_place_of_no_recorder_and_leaves_no_ring_of_a_dead_one,
                                          remove_both),
                cmocka_unit_test_teardown(options_of_a_trace_have_a_limit, remove_both),
                cmocka_unit_test_teardown(a_damaged_event_is_an_error_or_a_readable_recording, remove_both),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
