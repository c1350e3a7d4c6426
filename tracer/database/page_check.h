/*
 * Whether a private view is a well-formed database: what PRAGMA quick_check finds out, in a tenth of its time. That is
 * for a file whose pages are as hwaccl's are; of any other this says "not known", and SQLite's own check has to be
 * asked.
 */
#ifndef HWACCL_TRACER_DATABASE_PAGE_CHECK_H
#define HWACCL_TRACER_DATABASE_PAGE_CHECK_H

#include "tracer/database/database.h"

/**
 * page_check - look at every page of @db
 * @well: set where each page belongs to one tree or to the free list, cells lie within their pages and apart from each
 *      other, keys ascend, and rows have the types that their table declares. Else it is not known
 *
 * Returns false with *error set when out of memory, or when the schema cannot be read.
 */
bool page_check(sqlite3 *db, bool *well, struct hwaccl_error *error);

#endif
