#include "tracer/database/schema_model.h"

#include "core/assert.h"
#include "tracer/database/schema.h"

#include <string.h>

const struct schema_object *schema_model_find(const char *name)
{
        size_t low = 0, high = schema_model_count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(name, schema_model[middle].name);
                if (order == 0)
                        return &schema_model[middle];
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

static bool is_expected(const struct schema_object *object, bool views)
{
        return views || strcmp(object->type, "view") != 0;
}

/* One object of the file; those that are as expected are marked in @seen. */
static bool verify_object(sqlite3_stmt *row, bool views, bool *seen, struct hwaccl_error *error)
{
        const char *type = (const char *)sqlite3_column_text(row, 0);
        const char *name = (const char *)sqlite3_column_text(row, 1);
        const char *sql = (const char *)sqlite3_column_text(row, 2);

        if (!type || !name || !sql)
                return hwaccl_error_set(error, "out of memory");
        const struct schema_object *own = schema_model_find(name);
        if (!own || !is_expected(own, views))
                return true;
        if (strcmp(own->type, type) != 0 || strcmp(own->sql, sql) != 0)
                return hwaccl_error_set(error, "%s %s differs from its definition in schema version %u", own->type,
                                        name, schema_version());
        seen[own - schema_model] = true;
        return true;
}

bool schema_verify(sqlite3 *db, bool views, struct hwaccl_error *error)
{
        bool seen[SCHEMA_MODEL_MAX] = {false};
        sqlite3_stmt *row;
        int result = SQLITE_DONE;

        hwaccl_assert(schema_model_count <= SCHEMA_MODEL_MAX);
        if (!database_prepare(db, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL", &row, error))
                return false;
        bool good = true;
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW)
                good = verify_object(row, views, seen, error);
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read its schema");
        (void)sqlite3_finalize(row);
        for (size_t i = 0; good && i < schema_model_count; i++)
                if (!seen[i] && is_expected(&schema_model[i], views))
                        good = hwaccl_error_set(error, "%s %s is missing", schema_model[i].type, schema_model[i].name);
        return good;
}
