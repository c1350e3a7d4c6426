/*
 * Inputs: every value that exit handling reads and that is not determined by the subject state, the pending page and
 * the devices' own state. Live runs read the host and the guest's memory; the replay engine reads the recording.
 * Handlers use host.h, which records what is read, and never call this interface directly.
 */
#ifndef HWACCL_INPUTS_H
#define HWACCL_INPUTS_H

#include "hwaccl/error.h"
#include "hwaccl/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A page-table entry read during a page walk. */
struct hwaccl_table_entry {
        uint64_t address; /* guest-physical */
        uint64_t value;   /* entries of 4 bytes: zero-extended */
};

struct hwaccl_inputs;

/* Each returns false with *error set if the value is not available; in a replay that is a divergence. */
struct hwaccl_inputs_ops {
        /* guest clock, ns since the guest started, never decreases */
        bool (*clock)(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *error);
        /* sleep until the guest clock reaches deadline_ns (UINT64_MAX: no deadline), console input arrives or a stop is
         * asked for */
        bool (*wait)(struct hwaccl_inputs *inputs, uint64_t deadline_ns, uint64_t *now_ns, struct hwaccl_error *error);
        /* guest RAM or ROM; the caller has checked the range with the memory map */
        bool (*memory_read)(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                            size_t size, struct hwaccl_error *error);
        /* characters typed since the last call, without waiting; *size: capacity on call, count on return */
        bool (*console_read)(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                             struct hwaccl_error *error);
        bool (*wall_time)(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error);
        /* whether the guest is to stop. Read once per exit, after the clock, and again before each further
         * wait of a halted guest after a spurious wake-up */
        bool (*stop_requested)(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request,
                               struct hwaccl_error *error);
        /* contents of a disk: whole sectors, at most HWACCL_INPUT_SIZE_MAX bytes. *fault: host I/O error, which is
         * reported to the guest and is no failure */
        bool (*disk_read)(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer, size_t size,
                          bool *fault, struct hwaccl_error *error);
        /* perform an effect on a disk, and return whether it succeeded; a replay returns the recorded result */
        bool (*disk_write)(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data, size_t size,
                           bool *fault, struct hwaccl_error *error);
        bool (*disk_flush)(struct hwaccl_inputs *inputs, unsigned disk, bool *fault, struct hwaccl_error *error);
};

/* Implementations embed this as their first member. */
struct hwaccl_inputs {
        const struct hwaccl_inputs_ops *ops;
        bool sleeps; /* wait() lets the host's time pass */
};

#endif
