/*
 * A connection to a private view of a database: nothing on the way to it, nor anything that SQLite does later, changes
 * the file, its log, its journal or its directory. Writes (a migration, say) go to memory and end with the connection.
 */
#ifndef HWACCL_TRACER_DATABASE_PRIVATE_VIEW_H
#define HWACCL_TRACER_DATABASE_PRIVATE_VIEW_H

#include "tracer/database/database.h"

/**
 * database_open_private - connect to the view of @path that private_file.h describes
 *
 * The settings are those of database_open(); temporary tables and journals are in memory. Returns NULL with *error set
 * when the file, its log or its journal cannot be read.
 */
sqlite3 *database_open_private(const char *path, struct hwaccl_error *error);

struct private_file;

/** database_private_file - the view that @db is a connection to; NULL: it is an ordinary connection */
struct private_file *database_private_file(sqlite3 *db);

#endif
