/*
 * Importing: a CTF trace of the LTTng provider's events becomes a recording. The events go through the recorder's own
 * decoder, so the rows are the same as those of a direct recording.
 */
#ifndef HWACCL_IMPORT_H
#define HWACCL_IMPORT_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hwaccl_import_config {
        const char *directory; /* searched for traces at any depth; kernel traces are skipped */
        const char *output;    /* path of the recording */
        bool force;            /* replace an existing file when the import has succeeded */
        unsigned mode;         /* permissions of the recording: hwaccl_file_create() */
        bool pid_given;        /* otherwise the trace must have a single process */
        uint32_t pid;
        bool vcpu_given; /* otherwise the process must have a single virtual CPU */
        uint32_t vcpu;
        /* or NULL; number of imported exits, and of all exits */
        void (*progress)(void *opaque, uint64_t done, uint64_t total);
        /* or NULL; called when the processes that read the trace have been started, and before anything of what they
         * read is looked at: from here on nothing is needed but to wait for them and to kill them, and to write the
         * output and files beside it. False with *error set: do not go on */
        bool (*started)(void *opaque, const pid_t *process, size_t count, struct hwaccl_error *error);
        void *opaque; /* for both */
};

struct hwaccl_import_result {
        uint32_t pid;
        uint32_t vcpu;
        uint64_t events;            /* of that virtual CPU in the trace */
        uint64_t lost;              /* its events that are missing in the trace */
        uint64_t exits;             /* in the recording */
        uint64_t gaps;              /* ranges of exits that are missing: rows of table gap */
        uint64_t missing;           /* exits in these */
        uint64_t discarded_events;  /* counted by LTTng, of all programs in the trace's buffers */
        uint64_t discarded_packets; /* likewise, whole packets */
        bool complete;
        char problem[256]; /* one line, when it is not complete */
};

/**
 * hwaccl_import_ctf - make a recording of a trace
 *
 * Lost events are gaps in the sequence numbers. Exits between two keyframes without a gap are complete and
 * replay; the recording is marked incomplete and lists the missing exits.
 *
 * Returns false with *error set, and no new file, if there is no such trace, it is malformed, it contains several
 * virtual CPUs and none was selected, hwaccl-ctf is not available, or the recording cannot be written.
 */
bool hwaccl_import_ctf(const struct hwaccl_import_config *config, struct hwaccl_import_result *result,
                       struct hwaccl_error *error);

#endif
