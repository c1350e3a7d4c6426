/* The database schema: creation, and migration of older versions. */
#ifndef HWACCL_TRACER_SCHEMA_H
#define HWACCL_TRACER_SCHEMA_H

#include "tracer/database/database.h"

#include "db-schema/hwaccl_schema_sql.h"

/** schema_version - the version that this build writes and reads: the number of migrations */
unsigned schema_version(void);

/**
 * schema_upgrade - run the missing migrations, create the views anew, set user_version
 * @migrations, @count: normally hwaccl_schema_migrations; tests bring their own
 *
 * A new database has version 0. All or nothing, in one transaction.
 */
bool schema_upgrade(sqlite3 *db, const struct hwaccl_schema_migration *migrations, unsigned count,
                    struct hwaccl_error *error);

#define SCHEMA_FIELDS_NOW 0u /* the fields of the field table: for views and queries */

/**
 * schema_expand - SQL with its placeholders expanded: @version: of a migration, or SCHEMA_FIELDS_NOW
 *
 * Returns text to be freed; NULL when out of memory, or a set is unknown.
 */
char *schema_expand(const char *sql, unsigned version);

#endif
