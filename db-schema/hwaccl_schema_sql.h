/* The SQL files of this directory, as the build embeds them. Placeholders in them are expanded by tracer/schema.c. */
#ifndef HWACCL_SCHEMA_SQL_H
#define HWACCL_SCHEMA_SQL_H

struct hwaccl_schema_migration {
        const char *name; /* "0001_recording" */
        const char *sql;
};

/* In order; the one at index i brings a database from user_version i to i + 1. */
extern const struct hwaccl_schema_migration hwaccl_schema_migrations[];
extern const unsigned hwaccl_schema_migration_count;

/* Dropped and made again after every migration. */
extern const char *const hwaccl_schema_views;

#endif
