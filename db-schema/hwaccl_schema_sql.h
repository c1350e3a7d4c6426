/* The SQL files of this directory, as the build embeds them. tracer/database/schema.c expands their placeholders. */
#ifndef HWACCL_SCHEMA_SQL_H
#define HWACCL_SCHEMA_SQL_H

#include <stddef.h>

struct hwaccl_schema_migration {
        const char *name; /* "0001_recording" */
        const char *sql;
};

/* In order; the one at index i brings a database from user_version i to i + 1. */
extern const struct hwaccl_schema_migration hwaccl_schema_migrations[];
extern const unsigned hwaccl_schema_migration_count;

/* Dropped and made again after every migration. */
extern const char *const hwaccl_schema_views;

/* The fields that a placeholder stands for in migrations of @version and later, up to the next list of the same set. */
struct hwaccl_schema_field_list {
        unsigned version;
        const char *set;
        const char *fields; /* names with single spaces between, in the order of the columns */
};

/* In order of versions. */
extern const struct hwaccl_schema_field_list hwaccl_schema_field_lists[];
extern const size_t hwaccl_schema_field_list_count;

#endif
