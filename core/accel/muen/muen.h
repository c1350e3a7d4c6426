/* What the parts of the Muen accelerator share. */
#ifndef HWACCL_ACCEL_MUEN_MUEN_H
#define HWACCL_ACCEL_MUEN_MUEN_H

#include "core/accel/muen/accel_muen.h"

#include <stdatomic.h>

#define MUEN_RAM_REGIONS 4

/* Files of the subject directory that are mapped while the subject is open. */
enum muen_page {
        MUEN_STATE,
        MUEN_INTERRUPTS,
        MUEN_TIMED_EVENT,
        MUEN_FIRMWARE,
        MUEN_RAM, /* and the other parts of VM RAM, within one reservation of addresses */
        MUEN_MAPPINGS = MUEN_RAM + MUEN_RAM_REGIONS
};

struct muen_mapping {
        const char *name;
        uint8_t *address; /* NULL: not mapped */
        size_t size;      /* whole pages */
};

/* The doorbells, and what this side needs to wait for one. */
struct muen_bells {
        struct hwaccl_muen_doorbells fd;
        bool owned;
        int wake; /* eventfd: this side kicked, so that the wait has a limit from now on */
        uint64_t timeout_ns;
};

struct hwaccl_muen {
        struct hwaccl_muen_subject subject;
        char *directory; /* owned */
        struct muen_mapping mapping[MUEN_MAPPINGS];
        struct muen_bells bells;
        atomic_uintptr_t lost; /* the first page that hwaccl_muen_replace_page() replaced; 0: none */
};

/* layout.c */

extern const char *const muen_ram_name[MUEN_RAM_REGIONS];

/** muen_layout_read - the TSC, sizes and the start; pointers stay as they are. False with *error set */
bool muen_layout_read(const struct hwaccl_subject_info *info, struct hwaccl_muen_subject *subject,
                      struct hwaccl_error *error);

/* bells.c */

/** muen_bells_open - those of @directory, or @handed_over; false with *error set. Close in either case */
bool muen_bells_open(struct muen_bells *bells, const char *directory, const struct hwaccl_muen_doorbells *handed_over,
                     struct hwaccl_error *error);
void muen_bells_close(struct muen_bells *bells);

bool muen_bells_ring_run(struct muen_bells *bells, struct hwaccl_error *error);

/** muen_bells_kick - safe in a signal handler */
void muen_bells_kick(struct muen_bells *bells);

/**
 * muen_bells_await_exit - until doorbell_exit is rung
 * @due_ns: guest clock at which the subject was asked to exit; UINT64_MAX: it was not
 * @clock: the guest clock
 *
 * False with *error set when it was rung more than once, the other side is gone or does not answer.
 */
bool muen_bells_await_exit(struct muen_bells *bells, uint64_t due_ns, uint64_t (*clock)(void *opaque), void *opaque,
                           struct hwaccl_error *error);

#endif
