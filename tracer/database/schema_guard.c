#include "tracer/database/schema_guard.h"

#include "core/assert.h"
#include "tracer/database/schema.h"
#include "tracer/database/schema_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A statement may take this long, and a second for each megabyte more: a hundred times what one over everything takes.
 */
#define QUERY_SECONDS      60
#define QUERY_BYTES        (INT64_C(1) << 20)
#define QUERY_LOOK_OPCODES 1000000 /* between two looks at the clock */

enum verdict { OWN, ALTERED, FOREIGN };

/* What the model has under that name. */
static enum verdict judge(const char *type, const char *name, const char *sql)
{
        const struct schema_object *own = schema_model_find(name);

        if (!own || strcmp(own->type, type) != 0)
                return FOREIGN;
        return strcmp(own->sql, sql) == 0 ? OWN : ALTERED;
}

/* Calls @see for every object of the file. */
static bool for_each_object(sqlite3 *db,
                            bool (*see)(void *opaque, enum verdict verdict, const char *type, const char *name),
                            void *opaque, struct hwaccl_error *error)
{
        sqlite3_stmt *objects = NULL;
        int result = SQLITE_DONE;
        bool good = database_prepare(db, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL", &objects,
                                     error);

        while (good && (result = sqlite3_step(objects)) == SQLITE_ROW) {
                const char *type = (const char *)sqlite3_column_text(objects, 0);
                const char *name = (const char *)sqlite3_column_text(objects, 1);
                const char *sql = (const char *)sqlite3_column_text(objects, 2);
                good = type && name && sql ? see(opaque, judge(type, name, sql), type, name)
                                           : hwaccl_error_set(error, "out of memory");
        }
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read its schema");
        (void)sqlite3_finalize(objects);
        return good;
}

struct finder {
        void (*found)(void *opaque, const char *text);
        void *opaque;
        bool current; /* the file's version is this build's: its views can be judged */
        bool seen[SCHEMA_MODEL_MAX];
};

static bool report(void *opaque, enum verdict verdict, const char *type, const char *name)
{
        struct finder *finder = opaque;
        const struct schema_object *own = schema_model_find(name);
        char text[256];

        if (own)
                finder->seen[own - schema_model] = true;
        if (verdict == OWN || (verdict == ALTERED && (!finder->current || strcmp(type, "table") == 0)))
                return true; /* tables are schema_verify()'s */
        (void)snprintf(text, sizeof(text), "%s %s %s", type, name,
                       verdict == ALTERED ? "is altered" : "is not hwaccl's");
        finder->found(finder->opaque, text);
        return true;
}

/* Views of this version that the file lacks. */
static void report_missing(const struct finder *finder)
{
        hwaccl_assert(schema_model_count <= SCHEMA_MODEL_MAX);
        for (size_t i = 0; i < schema_model_count; i++) {
                char text[256];
                if (finder->seen[i] || strcmp(schema_model[i].type, "view") != 0)
                        continue;
                (void)snprintf(text, sizeof(text), "view %s is missing", schema_model[i].name);
                finder->found(finder->opaque, text);
        }
}

static bool is_current(sqlite3 *db, bool *current, struct hwaccl_error *error)
{
        int64_t version = 0;

        if (!database_integer(db, "PRAGMA user_version", 0, &version, error))
                return false;
        *current = version == (int64_t)schema_version();
        return true;
}

bool schema_find_foreign(sqlite3 *db, void (*found)(void *opaque, const char *text), void *opaque,
                         struct hwaccl_error *error)
{
        struct finder finder = {.found = found, .opaque = opaque};

        if (!is_current(db, &finder.current, error) || !for_each_object(db, report, &finder, error))
                return false;
        if (finder.current)
                report_missing(&finder);
        return true;
}

struct hider {
        char **name;
        size_t count;
        bool current; /* a view of another version goes, whatever it is */
        struct hwaccl_error *error;
};

static bool remember(void *opaque, enum verdict verdict, const char *type, const char *name)
{
        struct hider *hider = opaque;
        bool statistics = strncmp(name, "sqlite_stat", 11) == 0;
        bool view = strcmp(type, "view") == 0;

        if (!statistics && (view ? verdict == OWN && hider->current : verdict == OWN || strcmp(type, "table") == 0))
                return true;
        char **more = realloc(hider->name, (hider->count + 1) * sizeof(*more));
        if (more)
                hider->name = more;
        char *copy = more ? strdup(name) : NULL;
        if (!copy)
                return hwaccl_error_set(hider->error, "out of memory");
        hider->name[hider->count++] = copy;
        return true;
}

static bool forget(sqlite3 *db, const struct hider *hider, struct hwaccl_error *error)
{
        sqlite3_stmt *remove = NULL;
        bool good = database_execute(db, "PRAGMA writable_schema = ON", error) &&
                    database_prepare(db, "DELETE FROM sqlite_schema WHERE name = ?1", &remove, error);

        for (size_t i = 0; good && i < hider->count; i++)
                good = sqlite3_bind_text(remove, 1, hider->name[i], -1, SQLITE_STATIC) == SQLITE_OK
                               ? database_step_done(db, remove, error)
                               : hwaccl_error_set(error, "out of memory");
        (void)sqlite3_finalize(remove);
        return good && database_execute(db, "PRAGMA writable_schema = RESET", error);
}

bool schema_hide_foreign(sqlite3 *db, struct hwaccl_error *error)
{
        struct hider hider = {.error = error};
        bool good = is_current(db, &hider.current, error) && for_each_object(db, remember, &hider, error);

        if (good && hider.count) {
                (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
                good = forget(db, &hider, error);
                (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        }
        for (size_t i = 0; i < hider.count; i++)
                free(hider.name[i]);
        free(hider.name);
        return good;
}

/* The text of views.sql with its views made temporary. */
static char *temporary(const char *sql)
{
        static const char create[] = "CREATE VIEW ";
        char *text = sqlite3_mprintf("%s", "");

        for (const char *at; text && (at = strstr(sql, create)); sql = at + strlen(create))
                text = sqlite3_mprintf("%z%.*sCREATE TEMP VIEW ", text, (int)(at - sql), sql);
        return text ? sqlite3_mprintf("%z%s", text, sql) : NULL;
}

bool schema_create_own_views(sqlite3 *db, struct hwaccl_error *error)
{
        char *expanded = schema_expand(hwaccl_schema_views, SCHEMA_FIELDS_NOW);
        char *text = expanded ? temporary(expanded) : NULL;
        bool good = text ? database_execute(db, text, error) : hwaccl_error_set(error, "out of memory");

        sqlite3_free(text);
        free(expanded);
        return good;
}

/* The statements are all ours; should one not be, it reads, and reads only. */
static int authorize(void *opaque, int action, const char *first, const char *second, const char *database,
                     const char *inner)
{
        (void)opaque;
        (void)database;
        (void)inner;
        switch (action) {
        case SQLITE_SELECT:
        case SQLITE_READ:
        case SQLITE_RECURSIVE:
        case SQLITE_TRANSACTION: return SQLITE_OK;
        case SQLITE_FUNCTION: return second && strcmp(second, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
        case SQLITE_PRAGMA:
                return strcmp(first, "integrity_check") == 0 || strcmp(first, "quick_check") == 0 ||
                                       (!second &&
                                        (strcmp(first, "user_version") == 0 || strcmp(first, "application_id") == 0 ||
                                         strcmp(first, "data_version") == 0))
                               ? SQLITE_OK
                               : SQLITE_DENY;
        default: return SQLITE_DENY;
        }
}

static int64_t thread_ns(void)
{
        struct timespec time;

        return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 ? time.tv_sec * INT64_C(1000000000) + time.tv_nsec
                                                                  : 0;
}

static int statement_starts(unsigned event, void *opaque, void *statement, void *text)
{
        struct query_budget *budget = opaque;

        (void)event;
        (void)statement;
        (void)text;
        budget->begun_ns = 0;
        return 0;
}

/* Nonzero ends the statement: SQLITE_INTERRUPT. What the caller does between rows counts, too. */
static int look_at_clock(void *opaque)
{
        struct query_budget *budget = opaque;
        int64_t now = thread_ns();

        if (budget->begun_ns == 0)
                budget->begun_ns = now;
        return now - budget->begun_ns > budget->limit_ns;
}

void schema_guard_queries(sqlite3 *db, int64_t size, struct query_budget *budget)
{
        *budget = (struct query_budget){.limit_ns = (QUERY_SECONDS + size / QUERY_BYTES) * INT64_C(1000000000)};
        (void)sqlite3_set_authorizer(db, authorize, NULL);
        (void)sqlite3_trace_v2(db, SQLITE_TRACE_STMT, statement_starts, budget);
        sqlite3_progress_handler(db, QUERY_LOOK_OPCODES, look_at_clock, budget);
}
