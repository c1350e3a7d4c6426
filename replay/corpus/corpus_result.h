/* What the replay of one recording of many said. It comes from a process that read an untrusted file: it is checked. */
#ifndef HWACCL_CORPUS_RESULT_H
#define HWACCL_CORPUS_RESULT_H

#include "hwaccl/replay.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum corpus_status {
        CORPUS_NOT_RUN, /* another one failed before, and that was enough */
        CORPUS_CLEAN,
        CORPUS_DIVERGED,
        CORPUS_UNREADABLE, /* cannot be opened or replayed */
        CORPUS_CRASHED,
        CORPUS_TIME_LIMIT,
        CORPUS_MEMORY_LIMIT,
};
#define CORPUS_STATUS_COUNT (CORPUS_MEMORY_LIMIT + 1)

struct corpus_result {
        enum corpus_status status;
        char *error;      /* one line: why it is neither clean nor diverged, or why the replay of one that diverged
                             went no further; NULL: there is no reason, or out of memory */
        json_t *document; /* what 'hwaccl replay --json' printed; NULL: nothing */
        uint64_t exits;
        uint64_t divergences;
        uint64_t first;   /* exit that diverged first */
        uint64_t allowed; /* exits that differ only in what rules allow */
        double seconds;   /* from the start of the process to its end */
};

/** corpus_status_name - "clean", "diverged", "unreadable", "crashed", "time limit" … */
const char *corpus_status_name(enum corpus_status status);

/** corpus_result_fail - neither clean nor diverged; @text is copied, one safe line of it */
void corpus_result_fail(struct corpus_result *result, enum corpus_status status, const char *text);

/** corpus_result_read - clean or diverged, as a document of 'hwaccl replay --json' says; unreadable if it is none */
void corpus_result_read(struct corpus_result *result, const char *text, size_t size);

/** corpus_result_read_part - of a process that failed with the message @error: diverged if it printed divergences
 * before (these are the count then, and .exits is 0). False if it is not, and nothing has changed */
bool corpus_result_read_part(struct corpus_result *result, const char *text, size_t size, const char *error);

/** corpus_result_error - the line, never NULL */
const char *corpus_result_error(const struct corpus_result *result);

/** corpus_result_details - number of divergences that the document shows */
size_t corpus_result_details(const struct corpus_result *result);

/** corpus_result_divergence - one of them, valid as long as the result is; texts are not safe for a terminal */
void corpus_result_divergence(const struct corpus_result *result, size_t index, struct hwaccl_divergence *divergence);

void corpus_result_release(struct corpus_result *result);

#endif
