/* The schema: its expansion from the field table, migrations, and the names that it gives to the core's numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/database/schema.h"
#include "tracer/database/schema_model.h"
#include "tracer/interpose/kvm_exit_fields.h"

#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"
#include "hwaccl/subject_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *open_empty(void)
{
        sqlite3 *db;

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        return db;
}

static void assert_is_current(sqlite3 *db)
{
        struct hwaccl_error error = {""};

        if (!schema_verify(db, true, &error))
                fail_msg("%s", error.message);
}

static int64_t ask(sqlite3 *db, const char *sql)
{
        struct hwaccl_error error = {""};
        int64_t value = -1;

        if (!database_integer(db, sql, -1, &value, &error))
                fail_msg("%s: %s", sql, error.message);
        return value;
}

static void every_field_of_the_state_has_its_columns(void **state)
{
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &error));
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                static const char *const views[] = {"registers", "register_values", "closing_registers"};
                char sql[256];
                for (size_t v = 0; v < 3; v++) {
                        (void)snprintf(sql, sizeof(sql),
                                       "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'", views[v],
                                       hwaccl_subject_fields[i].name);
                        assert_int_equal(ask(db, sql), 1);
                }
                (void)snprintf(
                        sql, sizeof(sql),
                        "SELECT count(*) FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.name IN ('exit',"
                        " 'system_registers', 'segment_registers') AND c.name = '%s'",
                        hwaccl_subject_fields[i].name);
                assert_int_equal(ask(db, sql), 1);
        }
        assert_int_equal(ask(db, "PRAGMA application_id"), DATABASE_APPLICATION_ID);
        assert_int_equal(ask(db, "PRAGMA user_version"), schema_version());
        (void)sqlite3_close(db);
}

static void expect_name(sqlite3 *db, const char *kind, unsigned number, const char *name)
{
        char sql[160];

        (void)snprintf(sql, sizeof(sql), "SELECT name = '%s' FROM names WHERE kind = '%s' AND number = %u", name, kind,
                       number);
        if (ask(db, sql) != 1)
                fail_msg("%s %u is not '%s'", kind, number, name);
}

static void names_are_those_of_the_core(void **state)
{
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &error));
        for (unsigned i = 0; i < HWACCL_END_COUNT; i++)
                expect_name(db, "end_status", i, hwaccl_end_name(i));
        for (unsigned i = 0; i < HWACCL_INPUT_KIND_COUNT; i++)
                expect_name(db, "input_kind", i, hwaccl_input_kind_name(i));
        for (unsigned i = 0; i < HWACCL_EFFECT_KIND_COUNT; i++)
                expect_name(db, "effect_kind", i, hwaccl_effect_kind_name(i));
        for (unsigned i = 0; i < HWACCL_VERDICT_COUNT; i++)
                expect_name(db, "verdict", i, hwaccl_verdict_name((enum hwaccl_verdict)i));
        for (unsigned i = 0; i < HWACCL_OUTCOME_COUNT; i++)
                expect_name(db, "outcome", i, hwaccl_outcome_name((enum hwaccl_outcome)i));
        for (unsigned i = 0; i < HWACCL_EVENT_SOURCE_COUNT; i++)
                expect_name(db, "event_source", i, hwaccl_event_source_name(i));
        for (unsigned i = 0; i < HWACCL_DELIVERY_STEP_COUNT; i++)
                expect_name(db, "delivery_step", i, hwaccl_delivery_step_name(i));
        for (unsigned i = 0; i < 70; i++)
                if (hwaccl_exit_reason_name(i))
                        expect_name(db, "exit_reason", i, hwaccl_exit_reason_name(i));
        assert_int_equal(ask(db, "SELECT count(*) FROM names WHERE kind = 'channel'"), HWACCL_CHANNEL_COUNT);
        expect_name(db, "input_kind", HWACCL_INPUT_STOP, "stop request");
        expect_name(db, "end_status", HWACCL_END_RECORDER_DIED, "recorder died");
        assert_string_equal(hwaccl_input_kind_name(HWACCL_INPUT_KIND_COUNT), "unknown");
        /* a line of SQL that was wrapped inside a string */
        assert_int_equal(ask(db, "SELECT count(*) FROM names WHERE instr(name, char(10))"), 0);
        (void)sqlite3_close(db);
}

static void fields_of_kvms_exits_have_names(void **state)
{
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};
        size_t count, elements = 0;
        const struct kvm_exit_field *field = kvm_exit_fields(&count);
        char name[64];

        (void)state;
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &error));
        for (size_t i = 0; i < count; i++)
                for (unsigned k = 0; k < field[i].count; k++, elements++) {
                        (void)kvm_exit_field_name(&field[i], k, name, sizeof(name));
                        expect_name(db, "kvm_exit_field",
                                    (unsigned)KVM_EXIT_FIELD_ADDRESS(field[i].reason, field[i].number + k), name);
                }
        assert_int_equal(ask(db, "SELECT count(*) FROM names WHERE kind = 'kvm_exit_field'"), elements);
        assert_int_equal(ask(db, "SELECT count(*) FROM names f WHERE kind = 'kvm_exit_field' AND NOT EXISTS (SELECT 1 "
                                 "FROM names e WHERE e.kind = 'kvm_exit' AND e.number = f.number >> 8)"),
                         0);
        (void)sqlite3_close(db);
}

#define MIGRATIONS_MAX 64

/* Today's migrations and one more; the number of today's. */
static unsigned with_another(struct hwaccl_schema_migration *migrations, const char *name, const char *sql)
{
        unsigned count = hwaccl_schema_migration_count;

        assert_true(count < MIGRATIONS_MAX);
        memcpy(migrations, hwaccl_schema_migrations, count * sizeof(*migrations));
        migrations[count] = (struct hwaccl_schema_migration){name, sql};
        return count;
}

/* The machinery with another migration: rows stay, views are those of today. */
static void an_older_database_migrates_with_its_rows(void **state)
{
        struct hwaccl_schema_migration migrations[MIGRATIONS_MAX];
        unsigned count = with_another(migrations, "9999_test",
                                      "ALTER TABLE vcpu ADD COLUMN colour TEXT; UPDATE vcpu SET colour = 'red'");
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(schema_upgrade(db, migrations, count, &error));
        assert_true(database_execute(db, "INSERT INTO vcpu VALUES (0); DROP VIEW exits", &error));
        assert_true(schema_upgrade(db, migrations, count + 1, &error));
        assert_int_equal(ask(db, "PRAGMA user_version"), count + 1);
        assert_int_equal(ask(db, "SELECT count(*) FROM vcpu WHERE colour = 'red'"), 1);
        assert_int_equal(ask(db, "SELECT count(*) FROM exits"), 0);
        assert_true(schema_upgrade(db, migrations, count + 1, &error)); /* nothing is left to do */
        assert_false(schema_upgrade(db, migrations, count, &error));
        assert_non_null(strstr(error.message, "newer"));
        (void)sqlite3_close(db);
}

/* Version 1 had no disks: what it has stays, and the names of what came later are there. */
static void a_database_of_version_1_gets_the_names_of_disks(void **state)
{
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, 1, &error));
        assert_true(database_execute(db,
                                     "DELETE FROM names WHERE name LIKE 'disk%'; DROP VIEW disk_accesses;"
                                     "INSERT INTO input VALUES (0, 0, 4, 0, 0, x'41')",
                                     &error));
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &error));
        assert_is_current(db);
        assert_int_equal(ask(db, "SELECT number FROM names WHERE kind = 'input_kind' AND name = 'disk fault'"),
                         HWACCL_INPUT_DISK_FAULT);
        assert_int_equal(ask(db, "SELECT number FROM names WHERE kind = 'effect_kind' AND name = 'disk flush'"),
                         HWACCL_EFFECT_DISK_FLUSH);
        assert_int_equal(ask(db, "SELECT count(*) FROM inputs WHERE text = 'A'"), 1);
        assert_int_equal(ask(db, "SELECT count(*) FROM disk_accesses"), 0);
        (void)sqlite3_close(db);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
        struct hwaccl_schema_migration migrations[MIGRATIONS_MAX];
        unsigned count = with_another(migrations, "9999_broken",
                                      "CREATE TABLE new_one (x); INSERT INTO no_such_table VALUES (1)");
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(schema_upgrade(db, migrations, count, &error));
        assert_false(schema_upgrade(db, migrations, count + 1, &error));
        assert_non_null(strstr(error.message, "9999_broken"));
        assert_int_equal(ask(db, "PRAGMA user_version"), count);
        assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'new_one'"), 0);
        assert_is_current(db);
        (void)sqlite3_close(db);
}

static void placeholders_expand_from_the_field_table(void **state)
{
        char *text = schema_expand("SELECT @information(a.$ AS $)@ -- @information(x)@", SCHEMA_FIELDS_NOW);

        (void)state;
        assert_non_null(text);
        assert_non_null(strstr(text, "a.exit_reason AS exit_reason,"));
        assert_non_null(strstr(text, "a.instruction_length AS instruction_length -- @information(x)@"));
        free(text);
        assert_null(schema_expand("SELECT @no_such_set($)@", SCHEMA_FIELDS_NOW));
        assert_null(schema_expand("SELECT @no_such_set($)@", 1));
        assert_null(schema_expand("SELECT @page($", SCHEMA_FIELDS_NOW));
}

/* FNV-1a of the first column of all rows, each with its zero. */
static uint64_t digest(sqlite3 *db, const char *sql)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        sqlite3_stmt *rows;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW) {
                const unsigned char *text = sqlite3_column_text(rows, 0);
                assert_non_null(text);
                do
                        hash = (hash ^ *text) * UINT64_C(0x100000001b3);
                while (*text++);
        }
        (void)sqlite3_finalize(rows);
        return hash;
}

static void expect_digest(sqlite3 *db, const char *what, unsigned version, const char *sql, uint64_t expected)
{
        uint64_t found = digest(db, sql);

        if (found != expected)
                fail_msg("%s of schema version %u are not as released: 0x%016llx", what, version,
                         (unsigned long long)found);
}

static void released_versions_make_the_same_tables_for_ever(void **state)
{
        static const uint64_t released[] = {
                UINT64_C(0x42588cf45e31b268), UINT64_C(0x42588cf45e31b268), UINT64_C(0x148400ba3b6e643f),
                UINT64_C(0x6504675f30a57b49), UINT64_C(0xe35d93ab9df88e0b), UINT64_C(0xf828da585a3dbe07),
                UINT64_C(0x21ad5e404d9943de), UINT64_C(0xff5ae66e7de985a6), UINT64_C(0x2a08df520030a4d5),
        };

        (void)state;
        assert_int_equal(sizeof(released) / sizeof(released[0]), hwaccl_schema_migration_count);
        for (unsigned version = 1; version <= hwaccl_schema_migration_count; version++) {
                sqlite3 *db = open_empty();
                struct hwaccl_error error = {""};
                assert_true(schema_upgrade(db, hwaccl_schema_migrations, version, &error));
                expect_digest(db, "tables", version,
                              "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type <> 'view' ORDER BY name",
                              released[version - 1]);
                (void)sqlite3_close(db);
        }
}

/* 'hwaccl check' compares them with those of a recording: views that change need a migration, if an empty one. */
static void views_change_with_a_new_version_only(void **state)
{
        const unsigned version = 9;
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_int_equal(schema_version(), version);
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, version, &error));
        expect_digest(db, "views", version, "SELECT sql FROM sqlite_schema WHERE type = 'view' ORDER BY name",
                      UINT64_C(0x6ededae175fa4bb4));
        (void)sqlite3_close(db);
}

/* Readers take rows from pages (tracer/database/page_rows.h): a column that a row lacks is NULL there, never a default.
 */
static void tables_that_are_read_from_pages_have_a_key_and_no_defaults(void **state)
{
        static const char *const tables[] = {"exit",        "keyframe",         "handler_change",
                                             "entry_state", "system_registers", "segment_registers",
                                             "pending",     "irq_handoff",      "device_snapshot"};
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &error));
        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
                char sql[256];
                (void)snprintf(sql, sizeof(sql),
                               "SELECT count(*) FROM pragma_table_xinfo('%s') WHERE dflt_value IS NOT NULL OR hidden "
                               "OR type <> 'INTEGER' OR (cid = 0) <> pk",
                               tables[i]);
                assert_int_equal(ask(db, sql), 0);
                (void)snprintf(sql, sizeof(sql), "SELECT wr + count(*) - 1 FROM pragma_table_list WHERE name = '%s'",
                               tables[i]);
                assert_int_equal(ask(db, sql), 0);
        }
        (void)sqlite3_close(db);
}

/* The build wrote down what the migrations make. */
static void the_model_is_what_the_migrations_make(void **state)
{
        sqlite3 *db = open_empty();
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &error));
        assert_is_current(db);
        assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema WHERE sql IS NOT NULL"), schema_model_count);
        assert_null(schema_model_find("exit "));
        assert_string_equal(schema_model_find("exit")->type, "table");
        assert_true(database_execute(db, "DROP VIEW exits", &error));
        assert_true(schema_verify(db, false, &error));
        assert_false(schema_verify(db, true, &error));
        assert_string_equal(error.message, "view exits is missing");
        (void)sqlite3_close(db);
}

/* A new field needs a migration: it is in no table before. */
static void the_newest_field_lists_are_those_of_the_field_table(void **state)
{
        static const char *const sets[] = {"@page($)@", "@handled($)@", "@system($)@", "@segment($)@"};

        (void)state;
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
                char *listed = schema_expand(sets[i], hwaccl_schema_migration_count);
                char *now = schema_expand(sets[i], SCHEMA_FIELDS_NOW);
                assert_non_null(listed);
                assert_non_null(now);
                if (strcmp(listed, now) != 0)
                        fail_msg("the field table has other fields than db-schema/field_lists.c: %s %s", now, listed);
                free(listed);
                free(now);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_field_of_the_state_has_its_columns),
                cmocka_unit_test(fields_of_kvms_exits_have_names),
                cmocka_unit_test(names_are_those_of_the_core),
                cmocka_unit_test(an_older_database_migrates_with_its_rows),
                cmocka_unit_test(a_database_of_version_1_gets_the_names_of_disks),
                cmocka_unit_test(a_migration_that_fails_changes_nothing),
                cmocka_unit_test(placeholders_expand_from_the_field_table),
                cmocka_unit_test(released_versions_make_the_same_tables_for_ever),
                cmocka_unit_test(views_change_with_a_new_version_only),
                cmocka_unit_test(the_model_is_what_the_migrations_make),
                cmocka_unit_test(tables_that_are_read_from_pages_have_a_key_and_no_defaults),
                cmocka_unit_test(the_newest_field_lists_are_those_of_the_field_table),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
