/*
 * What a file's schema holds beyond hwaccl's own: views, triggers, indexes and tables that somebody added or altered.
 * Nothing of it is ever executed. Unless the views of a file are hwaccl's own, to the letter, queries use views that
 * are made here, in the connection's temporary schema, where they come before those of the same name in the file.
 */
#ifndef HWACCL_TRACER_DATABASE_SCHEMA_GUARD_H
#define HWACCL_TRACER_DATABASE_SCHEMA_GUARD_H

#include "tracer/database/database.h"

/**
 * schema_find_foreign - look for what is not hwaccl's
 * @found: called for each with one line: "view exits is altered", "trigger x is not hwaccl's"
 *
 * Views of older schema versions are not judged. Returns false with *error set when the schema cannot be read.
 */
bool schema_find_foreign(sqlite3 *db, void (*found)(void *opaque, const char *text), void *opaque,
                         struct hwaccl_error *error);

/** schema_hide_foreign - in a private view: views, triggers, indexes and statistics that are not hwaccl's are gone, and
 * all views of another version. Tables of others stay: nothing reads them */
bool schema_hide_foreign(sqlite3 *db, struct hwaccl_error *error);

/** schema_create_own_views - the documented views, as temporary ones */
bool schema_create_own_views(sqlite3 *db, struct hwaccl_error *error);

/* How long a statement may run; ns of the thread's processor time. */
struct query_budget {
        int64_t limit_ns;
        int64_t begun_ns; /* of the statement that runs; 0: not looked yet */
};

/**
 * schema_guard_queries - from now on only reading statements can be prepared, and none may run for ever
 * @size: bytes of the file, to which the time is in proportion
 * @budget: must outlive the connection
 */
void schema_guard_queries(sqlite3 *db, int64_t size, struct query_budget *budget);

#endif
