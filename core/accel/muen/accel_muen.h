/*
 * The Muen accelerator: this side of the contract in hwaccl/accel_muen.h.
 */
#ifndef HWACCL_ACCEL_MUEN_CREATE_H
#define HWACCL_ACCEL_MUEN_CREATE_H

#include "core/accel/accel.h"
#include "hwaccl/accel_muen.h"
#include "hwaccl/error.h"

struct hwaccl_muen_doorbells {
        int run;  /* this side rings it: the state is the subject's */
        int exit; /* this side waits for it: the state is the VMM's */
        int poke; /* this side rings it: the subject is to exit soon */
        /* becomes readable or hangs up when the other side is gone, such as a pidfd or the reading end of a pipe that
         * it holds open; -1: the end of the file at the exit doorbell says so, which an eventfd does not have */
        int alive;
};

struct hwaccl_muen_config {
        const char *directory;
        /* descriptors that this process was handed over; NULL: those of the directory. They stay the caller's. Ringing
         * a pipe without a reader raises SIGPIPE, if that is not ignored */
        const struct hwaccl_muen_doorbells *doorbells;
        uint64_t answer_timeout_ns; /* 0: 10 seconds */
};

#define HWACCL_MUEN_ANSWER_TIMEOUT_NS UINT64_C(10000000000)

struct hwaccl_muen;

/* What the subject is, as the directory says; pointers are valid until hwaccl_muen_close(). */
struct hwaccl_muen_subject {
        uint64_t tsc_khz;
        uint8_t *ram; /* page aligned */
        uint64_t ram_size;
        const uint8_t *firmware; /* page aligned, read only; NULL: none */
        size_t firmware_size;
        uint64_t image_address; /* without firmware: where the guest starts */
        uint64_t image_size;    /* 0: there is no image either */
};

/**
 * hwaccl_muen_open - map the subject's pages and open its doorbells
 *
 * Returns NULL with *error set, which names the file and what is wrong with it.
 */
struct hwaccl_muen *hwaccl_muen_open(const struct hwaccl_muen_config *config, struct hwaccl_error *error);
const struct hwaccl_muen_subject *hwaccl_muen_subject(const struct hwaccl_muen *muen);

/**
 * hwaccl_muen_replace_page - a mapped page is no longer backed: for the program's SIGBUS handler
 * @address: of the access that failed (si_addr)
 *
 * Puts a page of zeros in its place, so that the access goes on when the handler returns; hwaccl_muen_check() and the
 * next run, if not the one under way, then fail with what happened. False: @address is not in a mapping of the subject,
 * or no page can be mapped there; the signal has another cause. Safe in a signal handler and in any thread, while
 * @muen is open.
 *
 * A library does not install signal handlers. Without one that calls this, the other side can end the process. To look
 * at the files' sizes before each access would not help: they may change after that.
 */
bool hwaccl_muen_replace_page(struct hwaccl_muen *muen, const void *address);

/** hwaccl_muen_check - false with *error set, which names the file, when a page was replaced */
bool hwaccl_muen_check(const struct hwaccl_muen *muen, struct hwaccl_error *error);

/** hwaccl_muen_close - NULL is allowed. The machine that has the memory, and the accelerator, must be gone */
void hwaccl_muen_close(struct hwaccl_muen *muen);

/**
 * hwaccl_accel_muen_create - the accelerator
 * @muen: not owned; one accelerator at a time
 * @clock: guest clock in ns; it must run as CLOCK_MONOTONIC does
 *
 * A run makes the system calls that ring and await doorbells, and no others. Returns NULL with *error set when memory
 * is short.
 */
struct hwaccl_accel *hwaccl_accel_muen_create(struct hwaccl_muen *muen, uint64_t (*clock)(void *opaque), void *opaque,
                                              struct hwaccl_error *error);

#endif
