/* The database file of a recording that is being made: from an empty file to the row that says how the run ended. */
#ifndef HWACCL_TRACER_WRITER_DATABASE_H
#define HWACCL_TRACER_WRITER_DATABASE_H

#include "hwaccl/recording.h"

#include "tracer/database/database.h"

/** writer_database_create - a new database with its schema, empty; NULL with *error set. @force: replace a file; @mode:
 * hwaccl_file_create() */
sqlite3 *writer_database_create(const char *path, bool force, unsigned mode, struct hwaccl_error *error);

/** writer_database_create_whole - the same for one that nobody sees before it is whole: without a log, which would take
 * as much space and time again, and without bringing it to the disk. When it fails it is to be removed */
sqlite3 *writer_database_create_whole(const char *path, bool force, unsigned mode, struct hwaccl_error *error);

/* What a recording says before its first exit. */
struct recording_head {
        uint32_t vcpu; /* number of the first one */
        unsigned vcpu_count;
        uint32_t keyframe_interval; /* exits */
        const struct hwaccl_recording_option *options;
        size_t option_count;
};

/** writer_database_fill - options, status and vCPUs: with these, in one transaction, it is a recording */
bool writer_database_fill(sqlite3 *db, const struct recording_head *head, struct hwaccl_error *error);

/** writer_database_add_vcpu - the row of one that appeared later */
bool writer_database_add_vcpu(sqlite3 *db, uint32_t vcpu, struct hwaccl_error *error);

/** writer_database_add_lane - the row of a thread that appeared, of which nothing else is known */
bool writer_database_add_lane(sqlite3 *db, uint32_t lane, struct hwaccl_error *error);

/** writer_database_add - either of the two, by the lane's number */
bool writer_database_add(sqlite3 *db, uint32_t lane, struct hwaccl_error *error);

/** writer_database_remove - one that was just made, and could not be filled */
void writer_database_remove(const char *path);

/** writer_database_place - give the closed @made its name; a log or journal that another database of that name left,
 * and that SQLite would apply to this one, is removed. Without @replace there must be no such file */
bool writer_database_place(const char *made, const char *path, bool replace, struct hwaccl_error *error);

/** writer_database_close - leave write-ahead logging, so that the recording is one file, and close */
bool writer_database_close(sqlite3 *db, struct hwaccl_error *error);

struct hwaccl_guest_memory;

/* How the run ended. */
struct recording_end {
        unsigned end; /* enum hwaccl_end */
        uint64_t code;
        const char *message; /* one line, or NULL */
        /* writes the guest's memory as it is then; NULL: it is not kept */
        bool (*write_memory)(const struct hwaccl_guest_memory *memory, sqlite3 *db, struct hwaccl_error *error);
        const struct hwaccl_guest_memory *memory;
};

/**
 * writer_database_status - the row of the status table
 * @problem: why it is incomplete, or NULL
 * @finished: everything is in it; else the checkpoint stays, so that it can be recovered
 */
bool writer_database_status(sqlite3 *db, const struct recording_end *end, const char *problem, bool finished,
                            struct hwaccl_error *error);

/** writer_database_memory - after the status: the guest's memory, if it is kept. When it fails, nothing of it is there
 */
bool writer_database_memory(sqlite3 *db, const struct recording_end *end, struct hwaccl_error *error);

#endif
