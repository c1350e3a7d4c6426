/* The process that replays one recording of many: its pipes, its limits, how it ended. */
#ifndef HWACCL_CORPUS_PROCESS_H
#define HWACCL_CORPUS_PROCESS_H

#include "replay/corpus/corpus_jobs.h"

#include <stddef.h>
#include <sys/types.h>

/* What came through a pipe; fd is -1 when it has ended. */
struct corpus_pipe {
        int fd;
        char *text; /* ends with a zero; NULL: nothing yet */
        size_t size;
        size_t room;
};

struct corpus_process {
        struct corpus_file *file;
        pid_t process;
        struct corpus_pipe pipe[2]; /* standard output and standard error */
        uint64_t start;             /* nanoseconds of the monotonic clock */
        uint64_t time_limit;
        bool limited_memory;
        enum corpus_status killed; /* why this process ended it; CORPUS_NOT_RUN: it did not */
};

/** corpus_process_start - false with *error set if there can be no such process */
bool corpus_process_start(struct corpus_process *process, struct corpus_file *file, const struct corpus_jobs *jobs,
                          struct hwaccl_error *error);

/** corpus_process_pipe - descriptor to poll(2); 0: output, 1: messages; -1 when it has ended */
int corpus_process_pipe(const struct corpus_process *process, unsigned which);

/** corpus_process_time_left - milliseconds until it is over its time, or has to be looked at again; INT_MAX: no limit
 */
int corpus_process_time_left(const struct corpus_process *process);

/** corpus_process_continue - read what is there, enforce the limits. False: it has ended, and the file has its result
 */
bool corpus_process_continue(struct corpus_process *process);

/** corpus_process_abandon - kill it; the file has no result */
void corpus_process_abandon(struct corpus_process *process);

#endif
