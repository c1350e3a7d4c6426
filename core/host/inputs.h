/*
 * Inputs: every value that exit handling reads and that is not a function of the subject state, the pending page and
 * the devices' own state. Live runs read the host and the guest's memory; the replay engine reads the recording.
 * Handlers never call this interface themselves: they go through host.h, which records what was read.
 */
#ifndef HWACCL_INPUTS_H
#define HWACCL_INPUTS_H

#include "hwaccl/error.h"
#include "hwaccl/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An entry of a page table, as a walk read it. */
struct hwaccl_table_entry {
        uint64_t address; /* guest-physical */
        uint64_t value;   /* entries of 4 bytes: zero-extended */
};

struct hwaccl_inputs;

/* Each returns false with *error set when the value cannot be had; for the replay engine that is a divergence. */
struct hwaccl_inputs_ops {
        /* guest clock, ns since the guest started, never going backwards */
        bool (*clock)(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *error);
        /* sleep until the guest clock reaches deadline_ns (UINT64_MAX: for ever), console input arrives or a stop is
         * asked for */
        bool (*wait)(struct hwaccl_inputs *inputs, uint64_t deadline_ns, uint64_t *now_ns, struct hwaccl_error *error);
        /* guest RAM or ROM; the caller has checked with the memory map that the range is one or the other */
        bool (*memory_read)(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                            size_t size, struct hwaccl_error *error);
        /* what has been typed since the last call, without waiting; *size is the room before, the count after */
        bool (*console_read)(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                             struct hwaccl_error *error);
        bool (*wall_time)(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error);
        /* has someone asked the guest to stop? Asked once per exit, after the clock, and again before each further
         * wait of a halted guest that woke for nothing */
        bool (*stop_requested)(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request,
                               struct hwaccl_error *error);
        /* a disk's contents: whole sectors, at most HWACCL_INPUT_SIZE_MAX bytes. *fault: the host could not; that is
         * the guest's trouble and no error */
        bool (*disk_read)(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer, size_t size,
                          bool *fault, struct hwaccl_error *error);
        /* carry out an effect on a disk, and say whether it worked; a replay says what it did then */
        bool (*disk_write)(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data, size_t size,
                           bool *fault, struct hwaccl_error *error);
        bool (*disk_flush)(struct hwaccl_inputs *inputs, unsigned disk, bool *fault, struct hwaccl_error *error);
};

/* Implementations embed this as their first member. */
struct hwaccl_inputs {
        const struct hwaccl_inputs_ops *ops;
};

#endif
