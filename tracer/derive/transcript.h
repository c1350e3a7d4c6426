/*
 * A recording that is made of the exits of another one. The exits go through lane and decoder, as those of a recorder:
 * the rows are what a recorder would have written, from the first exit of the range on.
 *
 * What belongs to no exit comes along: options, lanes and calls of the VMM, and the guest's memory at the end, where
 * the range contains the end. Times stay those of the original, ns since its recording began.
 */
#ifndef HWACCL_TRACER_TRANSCRIPT_H
#define HWACCL_TRACER_TRANSCRIPT_H

#include "hwaccl/recording.h"

#include <stdbool.h>
#include <stdint.h>

struct transcript;

/**
 * transcript_create - an empty recording with the options of @source
 * @path: of the new file, which must not exist; @mode: its permissions
 * @source: must outlive the transcript; belongs to the calling thread
 *
 * Returns NULL with *error set, and leaves no file. */
struct transcript *transcript_create(struct hwaccl_recording *source, const char *path, unsigned mode,
                                     struct hwaccl_error *error);

/** transcript_option - set an option beside those of the source */
bool transcript_option(struct transcript *transcript, const char *name, const char *value, struct hwaccl_error *error);

/* @count exits of one vCPU, from @first on; those in a gap of the recording count too. */
struct transcript_range {
        uint32_t vcpu;
        uint64_t first;
        uint64_t count; /* 0: none, but it is one of the recording's vCPUs */
        /* state of the devices before the first exit, all that the recording declares; NULL: not known, or that of the
         * machine at reset, where first is 0 */
        const struct hwaccl_recorded_device_field *device;
        size_t device_count;
};

/** transcript_take - the exits of a range; once for each vCPU */
bool transcript_take(struct transcript *transcript, const struct transcript_range *range, struct hwaccl_error *error);

/**
 * transcript_finish - write the end, close the file, and free the transcript
 *
 * The end is that of the source if all vCPUs were taken up to theirs; else the guest was still running. When it fails
 * there is no file.
 */
bool transcript_finish(struct transcript *transcript, struct hwaccl_error *error);

/** transcript_abandon - remove the file; NULL is allowed */
void transcript_abandon(struct transcript *transcript);

#endif
