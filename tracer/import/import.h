/*
 * Importing: a CTF trace of the LTTng provider's events becomes a recording. The events go through the recorder's own
 * decoder, so that the rows are those that recording into a database gives.
 */
#ifndef HWACCL_IMPORT_H
#define HWACCL_IMPORT_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stdint.h>

struct hwaccl_import_config {
        const char *directory; /* where traces are, at any depth; those of the kernel are left out */
        const char *output;    /* path of the recording */
        bool force;            /* replace an existing file; it stands until the import has succeeded */
        bool pid_given;        /* else the trace has one process only */
        uint32_t pid;
        bool vcpu_given; /* else that process has one virtual CPU only */
        uint32_t vcpu;
        /* or NULL; exits that are done, of so many, once it is known how many there are */
        void (*progress)(void *opaque, uint64_t done, uint64_t total);
        void *opaque;
};

struct hwaccl_import_result {
        uint32_t pid;
        uint32_t vcpu;
        uint64_t events;            /* of that virtual CPU in the trace */
        uint64_t lost;              /* events of it that the trace does not have */
        uint64_t exits;             /* in the recording */
        uint64_t gaps;              /* ranges of exits that are missing: rows of table gap */
        uint64_t missing;           /* exits in these */
        uint64_t discarded_events;  /* that LTTng counted, of all programs in the trace's buffers */
        uint64_t discarded_packets; /* the same of whole packets */
        bool complete;
        char problem[256]; /* one line, when it is not complete */
};

/**
 * hwaccl_import_ctf - make a recording of a trace
 *
 * Lost events show as gaps in the events' sequence numbers. What is between two keyframes without a gap is good, and is
 * replayed as any other; the recording is marked incomplete and lists the exits that are missing.
 *
 * Returns false with *error set, and no new file, when there is no such trace, it is malformed, it holds several
 * virtual CPUs and none was chosen, this build has no Babeltrace, or the recording cannot be written.
 */
bool hwaccl_import_ctf(const struct hwaccl_import_config *config, struct hwaccl_import_result *result,
                       struct hwaccl_error *error);

#endif
