/*
 * Replays many recordings, each in a process of its own: what goes wrong with one cannot hurt another.
 *
 * A process prints its result, one JSON document, on its standard output, and messages on its standard error; both are
 * pipes here, and what comes out of them is not trusted.
 */
#ifndef HWACCL_CORPUS_JOBS_H
#define HWACCL_CORPUS_JOBS_H

#include "hwaccl/error.h"
#include "replay/corpus/corpus_list.h"

#include <stdbool.h>
#include <stdint.h>

#define CORPUS_JOBS_MAX 1024u

struct corpus_jobs {
        unsigned count;        /* processes at a time, 1 to CORPUS_JOBS_MAX */
        uint64_t time_limit;   /* nanoseconds for one recording; 0: none */
        uint64_t memory_limit; /* bytes of address space for one recording, beside the program's own; 0: none */
        bool fail_fast;        /* end when one is not clean; the others stay CORPUS_NOT_RUN */
        /* In the process of one recording. Returns the exit status: 0 or 1 with a document, else a message was printed
         */
        int (*replay)(void *opaque, const char *path);
        /* A recording has its result; may be NULL */
        void (*finished)(void *opaque, const struct corpus_file *file);
        void *opaque;
};

/**
 * corpus_jobs_run - replay all recordings that have no result yet
 *
 * The process must have one thread. Flushes the standard streams. False with *error set if it could not wait for the
 * processes; what a recording's process did is in its result.
 */
bool corpus_jobs_run(struct corpus_list *list, const struct corpus_jobs *jobs, struct hwaccl_error *error);

/** corpus_jobs_processors - how many this process may use, at least 1 */
unsigned corpus_jobs_processors(void);

#endif
