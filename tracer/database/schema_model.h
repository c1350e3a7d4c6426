/* The schema that this build makes, to compare with that of a file. The build writes it (model/write_model.c): making
 * it anew for each file that is opened would take longer than everything else there. */
#ifndef HWACCL_TRACER_DATABASE_SCHEMA_MODEL_H
#define HWACCL_TRACER_DATABASE_SCHEMA_MODEL_H

#include "tracer/database/database.h"

#include <stddef.h>

/* A row of sqlite_schema: a table, index or view with its definition. */
struct schema_object {
        const char *type;
        const char *name;
        const char *sql;
};

/* In the order of strcmp() of their names. */
extern const struct schema_object schema_model[];
extern const size_t schema_model_count;
#define SCHEMA_MODEL_MAX 256u /* it is at most this */

/** schema_model_find - the object of that name, or NULL */
const struct schema_object *schema_model_find(const char *name);

/**
 * schema_verify - whether the tables and indexes are defined exactly as this build defines them
 * @views: the views too
 *
 * Further tables are ignored. The text of the definitions is compared, so that nothing can replace a table.
 */
bool schema_verify(sqlite3 *db, bool views, struct hwaccl_error *error);

#endif
