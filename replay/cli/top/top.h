/* hwaccl top: what is counted (top_sample.c) and how it is shown (top_print.c). */
#ifndef HWACCL_CLI_TOP_H
#define HWACCL_CLI_TOP_H

#include "hwaccl/error.h"
#include "tracer/ring/ring_status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Times in ns, in classes that are at most 1/32 wide: percentiles of any number of exits in 16 KiB. */
#define TOP_CLASSES 1888

struct top_times {
        uint64_t count;
        uint64_t max;
        uint64_t class[TOP_CLASSES];
};

/** top_times_percentile - the upper bound of the class in which the time lies that @percent of the times do not exceed;
 * 0 when there are none */
uint64_t top_times_percentile(const struct top_times *times, unsigned percent);

#define TOP_REASON_UNKNOWN UINT64_MAX

struct top_reason {
        uint64_t reason; /* basic exit reason, or TOP_REASON_UNKNOWN */
        uint64_t total;
        uint64_t recent; /* in the last interval */
        struct top_times guest;
        struct top_times handler;
};

enum top_irq { TOP_OFFERED, TOP_TAKEN, TOP_RETURNED, TOP_IRQ_COUNT };

struct top_vector {
        uint64_t total[TOP_IRQ_COUNT];
        uint64_t recent[TOP_IRQ_COUNT];
};

#define TOP_REASON_MAX 256u /* the last one counts all the others */
#define TOP_VCPU_MAX   64u

struct top_vcpu {
        uint32_t number;
        int64_t exit; /* ids of the rows that were counted last */
        int64_t handoff;
        bool ring_there;
        struct hwaccl_ring_status ring;
};

struct top {
        const char *path;
        bool one_vcpu; /* sample only the vCPU of this number */
        uint32_t only;
        struct top_vcpu vcpu[TOP_VCPU_MAX];
        uint32_t vcpu_count;
        struct top_reason *reason[TOP_REASON_MAX];
        size_t reason_count;
        struct top_reason all;
        struct top_vector vector[256];
        uint64_t span_ns;  /* host time from the recording's beginning to its last exit */
        uint64_t start_ns; /* CLOCK_MONOTONIC of the sample before; 0: there was none */
        double seconds;    /* that recent counts are of */
        bool running;
        bool alive;           /* the recorder is there, as far as its ring says */
        const char *end;      /* how the guest ended; valid when not running */
        uint64_t last_window; /* samples taken */
        struct hwaccl_error ring_problem;
};

/** top_now - CLOCK_MONOTONIC, ns */
uint64_t top_now(void);

/**
 * top_sample - count what is new in the recording, and look at the rings
 *
 * Opens and closes the recording; each read transaction is short. False with *error set.
 */
bool top_sample(struct top *top, struct hwaccl_error *error);

void top_free(struct top *top);

/** top_print - print the sample as text of at most @lines lines that are @columns wide; 0: no limit */
void top_print(const struct top *top, FILE *out, unsigned lines, unsigned columns);

/** top_print_json - the same as one JSON object on stdout; false when memory ran out */
bool top_print_json(const struct top *top);

#endif
