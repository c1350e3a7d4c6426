/* Inputs of a live run: the guest's real memory, the host's clock or a virtual one, a terminal, disk images, stop
 * requests. */
#ifndef HWACCL_LIVE_INPUTS_H
#define HWACCL_LIVE_INPUTS_H

#include "core/accel/accel.h"
#include "core/host/inputs.h"
#include "core/host/live_disk.h"

struct hwaccl_live_inputs;

enum hwaccl_clock {
        HWACCL_CLOCK_HOST, /* CLOCK_MONOTONIC since the accelerator was attached; the C library reads it through the TSC
                              where that is invariant */
        HWACCL_CLOCK_VIRTUAL, /* the accelerator's virtual_ns times a rate, plus waits, which end at their deadline at
                                 once */
};

#define HWACCL_VIRTUAL_RATE_MAX 1000u

struct hwaccl_live_inputs_config {
        enum hwaccl_clock clock;
        uint64_t virtual_rate; /* guest ns per ns of the virtual clock, up to HWACCL_VIRTUAL_RATE_MAX; 0: 1 */
        struct hwaccl_guest_memory *memory; /* not owned */
        uint64_t wall_time;                 /* seconds since 1970 UTC at the guest's start */
        int console_fd;     /* descriptor of console input, or -1. A file with the virtual clock is available
                              from the start, other input when it arrives */
        uint64_t max_exits; /* stop after this many exits; 0: no limit */
        struct hwaccl_live_disk *const *disk; /* the machine's disks; not owned */
        size_t disk_count;
        uint64_t timeout_ns; /* host time after which to stop, from when the host clock starts; 0: no limit */
};

/** hwaccl_live_inputs_create - NULL with *error set if memory, a timer or an eventfd is not available */
struct hwaccl_live_inputs *hwaccl_live_inputs_create(const struct hwaccl_live_inputs_config *config,
                                                     struct hwaccl_error *error);
void hwaccl_live_inputs_destroy(struct hwaccl_live_inputs *live);

/**
 * hwaccl_live_inputs_attach - the accelerator to kick when something asynchronous comes up, and whose virtual_ns to
 * read
 * @accel: NULL to detach: when that returns, no call kicks the accelerator any more, and it may be destroyed
 *
 * The host clock starts at 0 when the first accelerator is attached.
 */
void hwaccl_live_inputs_attach(struct hwaccl_live_inputs *live, struct hwaccl_accel *accel);

/** hwaccl_live_inputs_interface - the interface to attach to a machine; valid as long as @live */
struct hwaccl_inputs *hwaccl_live_inputs_interface(struct hwaccl_live_inputs *live);

/** hwaccl_live_inputs_stop - ask the guest to stop; from any thread or signal handler. The first request is kept */
void hwaccl_live_inputs_stop(struct hwaccl_live_inputs *live, enum hwaccl_stop_request request);

/** hwaccl_live_inputs_stopping - whether the guest was asked to stop */
bool hwaccl_live_inputs_stopping(const struct hwaccl_live_inputs *live);

/** hwaccl_live_inputs_clock - the guest clock, host or virtual, in the form that hwaccl_accel_soft_create() takes
 * (@opaque: the live inputs); 0 while no accelerator is attached */
uint64_t hwaccl_live_inputs_clock(void *opaque);

#endif
