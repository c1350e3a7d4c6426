#include "tracer/database/schema.h"

#include "core/exit/svm_reasons.h"

#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "tracer/database/field_sets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned schema_version(void)
{
        return hwaccl_schema_migration_count;
}

static void expand_field(FILE *out, const char *text, const char *end, const char *name, size_t length)
{
        for (; text < end; text++) {
                if (*text == '$')
                        (void)fwrite(name, 1, length, out);
                else
                        (void)fputc(*text, out);
        }
}

/* [text, end) once for each name in @fields. */
static void expand_list(FILE *out, const char *text, const char *end, const char *fields)
{
        for (size_t length; *fields; fields += length) {
                fields += strspn(fields, " ");
                length = strcspn(fields, " ");
                expand_field(out, text, end, fields, length);
                if (fields[length])
                        (void)fputs(",\n  ", out);
        }
}

static void expand_set(FILE *out, const char *text, const char *end, enum field_set_name name)
{
        struct field_set sets[FIELD_SET_COUNT];

        field_sets_init(sets);
        for (unsigned i = 0; i < sets[name].count; i++) {
                const char *field = hwaccl_subject_fields[sets[name].index[i]].name;
                if (i)
                        (void)fputs(",\n  ", out);
                expand_field(out, text, end, field, strlen(field));
        }
}

/* The newest list that a migration of that version may use. */
static const char *list_of(const char *set, size_t length, unsigned version)
{
        const char *fields = NULL;

        for (size_t i = 0; i < hwaccl_schema_field_list_count; i++) {
                const struct hwaccl_schema_field_list *list = &hwaccl_schema_field_lists[i];
                if (list->version <= version && strlen(list->set) == length && memcmp(list->set, set, length) == 0)
                        fields = list->fields;
        }
        return fields;
}

/* "@set(text)@" at @from: writes its expansion and returns what follows it; NULL when it is no placeholder. */
static const char *expand_placeholder(FILE *out, const char *from, unsigned version)
{
        const char *open = strchr(from, '(');
        const char *close = open ? strstr(open, ")@") : NULL;

        if (!close)
                return NULL;
        size_t length = (size_t)(open - from) - 1;
        if (version == SCHEMA_FIELDS_NOW) {
                enum field_set_name set = field_set_by_name(from + 1, length);
                if (set == FIELD_SET_COUNT)
                        return NULL;
                expand_set(out, open + 1, close, set);
        } else {
                const char *fields = list_of(from + 1, length, version);
                if (!fields)
                        return NULL;
                expand_list(out, open + 1, close, fields);
        }
        return close + 2;
}

char *schema_expand(const char *sql, unsigned version)
{
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        bool good = true;
        bool comment = false;
        while (good && *sql) {
                if (sql[0] == '-' && sql[1] == '-')
                        comment = true;
                else if (*sql == '\n')
                        comment = false;
                if (*sql == '@' && !comment) {
                        sql = expand_placeholder(out, sql, version);
                        good = sql != NULL;
                } else {
                        (void)fputc(*sql++, out);
                }
        }
        good = !ferror(out) && good;
        if (fclose(out) != 0 || !good) {
                free(text);
                return NULL;
        }
        return text;
}

static bool execute_expanded(sqlite3 *db, const char *sql, unsigned version, struct hwaccl_error *error)
{
        char *text = schema_expand(sql, version);

        if (!text)
                return hwaccl_error_set(error, "out of memory");
        bool good = database_execute(db, text, error);
        free(text);
        return good;
}

/* Rows of table names for the numbers that the core declares. */
static const struct {
        const char *kind;
        int number;
        const char *name;
} core_names[] = {
#define REASON(number, identifier, name, verdict) {"exit_reason", number, name},
#define SVM(code, name)                           {"exit_reason", SVM_REASON(code), name},
#define KVM_EXIT(number, identifier, name)        {"exit_reason", HWACCL_EXIT_KVM_FIRST + (number), name},
#define VERDICT(number, identifier, name)         {"verdict", number, name},
#define OUTCOME(number, identifier, name)         {"outcome", number, name},
#define END(number, identifier, name)             {"end_status", number, name},
#define INPUT(number, identifier, name)           {"input_kind", number, name},
#define EFFECT(number, identifier, name)          {"effect_kind", number, name},
#define CHANNEL(number, identifier, name)         {"channel", number, name},
        HWACCL_EXIT_REASONS(REASON) SVM_REASONS(SVM) HWACCL_KVM_EXITS(KVM_EXIT) HWACCL_VERDICTS(VERDICT)
                HWACCL_OUTCOMES(OUTCOME) HWACCL_ENDS(END) HWACCL_INPUT_KINDS(INPUT) HWACCL_EFFECT_KINDS(EFFECT)
                        HWACCL_CHANNELS(CHANNEL)};

static bool put_names(sqlite3 *db, struct hwaccl_error *error)
{
        sqlite3_stmt *insert;

        if (!database_prepare(db, "INSERT OR REPLACE INTO names(kind, number, name) VALUES (?1, ?2, ?3)", &insert,
                              error))
                return false;
        bool good = true;
        for (size_t i = 0; good && i < sizeof(core_names) / sizeof(core_names[0]); i++) {
                int result = sqlite3_bind_text(insert, 1, core_names[i].kind, -1, SQLITE_STATIC) |
                             sqlite3_bind_int(insert, 2, core_names[i].number) |
                             sqlite3_bind_text(insert, 3, core_names[i].name, -1, SQLITE_STATIC);
                good = result == SQLITE_OK ? database_step_done(db, insert, error)
                                           : database_error(db, error, "cannot bind a value");
        }
        (void)sqlite3_finalize(insert);
        return good;
}

/* The first column of every row, each put into @format and executed. */
static bool for_each_name(sqlite3 *db, const char *query, const char *format, struct hwaccl_error *error)
{
        sqlite3_stmt *names;
        char *all = NULL;

        if (!database_prepare(db, query, &names, error))
                return false;
        int result;
        while ((result = sqlite3_step(names)) == SQLITE_ROW) {
                char *one = sqlite3_mprintf(format, sqlite3_column_text(names, 0));
                char *more = one ? sqlite3_mprintf("%z%s;", all, one) : NULL;
                sqlite3_free(one);
                if (!more) {
                        (void)sqlite3_finalize(names);
                        return hwaccl_error_set(error, "out of memory");
                }
                all = more;
        }
        (void)sqlite3_finalize(names);
        bool good = result == SQLITE_DONE ? !all || database_execute(db, all, error)
                                          : database_error(db, error, "cannot read its schema");
        sqlite3_free(all);
        return good;
}

static bool upgrade(sqlite3 *db, unsigned from, const struct hwaccl_schema_migration *migrations, unsigned count,
                    struct hwaccl_error *error)
{
        char sql[96];

        if (!for_each_name(db, "SELECT name FROM sqlite_schema WHERE type = 'view'", "DROP VIEW \"%w\"", error))
                return false;
        for (unsigned i = from; i < count; i++) {
                if (!execute_expanded(db, migrations[i].sql, i + 1, error)) {
                        (void)hwaccl_error_prefix(error, "migration %s", migrations[i].name);
                        return false;
                }
        }
        (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %u",
                       DATABASE_APPLICATION_ID, count);
        return put_names(db, error) && execute_expanded(db, hwaccl_schema_views, SCHEMA_FIELDS_NOW, error) &&
               database_execute(db, sql, error);
}

bool schema_upgrade(sqlite3 *db, const struct hwaccl_schema_migration *migrations, unsigned count,
                    struct hwaccl_error *error)
{
        int64_t version = 0;

        if (!database_integer(db, "PRAGMA user_version", 0, &version, error))
                return false;
        if (version < 0 || version > (int64_t)count)
                return hwaccl_error_set(error, "schema version %" PRId64 " is newer than this build's %u", version,
                                        count);
        if (!database_execute(db, "BEGIN IMMEDIATE", error))
                return false;
        if (upgrade(db, (unsigned)version, migrations, count, error) && database_execute(db, "COMMIT", error))
                return true;
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return false;
}
