/*
 * Time stamps of the vCPU thread: the processor's time-stamp counter where it runs at a constant rate (7 ns), else
 * CLOCK_MONOTONIC. The writer converts them: it periodically samples both clocks and interpolates between samples, so
 * that times never decrease.
 */
#ifndef HWACCL_TRACER_TIMESTAMPS_H
#define HWACCL_TRACER_TIMESTAMPS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

enum stamp_kind {
        STAMP_TSC = 0,
        STAMP_MONOTONIC = 1, /* ns of CLOCK_MONOTONIC */
};

static inline uint64_t stamp_monotonic(void)
{
        struct timespec now = {0, 0};

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint64_t stamp_now(enum stamp_kind kind)
{
        return __builtin_expect(kind == STAMP_TSC, 1) ? __rdtsc() : stamp_monotonic();
}

/** stamp_kind_detect - TSC if it is invariant (CPUID 80000007h, EDX bit 8) or the kernel's clock source; else
 * CLOCK_MONOTONIC */
enum stamp_kind stamp_kind_detect(void);

struct stamp_clock {
        enum stamp_kind kind;
        uint64_t origin_ns; /* CLOCK_MONOTONIC at time 0 */
        uint64_t origin_stamp;
        /* the interval between the last two samples */
        uint64_t stamp[2];
        uint64_t ns[2]; /* since time 0 */
        /* the latest converted stamp and its time */
        uint64_t latest_stamp;
        uint64_t latest_ns;
        uint64_t went_back_ns; /* the furthest that a clock went back; times are clamped then */
};

/** stamp_clock_start - time 0 is now */
void stamp_clock_start(struct stamp_clock *clock, enum stamp_kind kind);

/** stamp_clock_fix - stamps are ns of one clock, and time 0 is @zero: a linear conversion through two distant points is
 * exact. Stamps are less than 2^52 after it */
void stamp_clock_fix(struct stamp_clock *clock, uint64_t zero);

/** stamp_clock_note - a clock went back by @ns: for the recording's options */
static inline void stamp_clock_note(struct stamp_clock *clock, uint64_t ns)
{
        if (ns > clock->went_back_ns)
                clock->went_back_ns = ns;
}

/** stamp_clock_sample - stamps taken until now can be converted */
void stamp_clock_sample(struct stamp_clock *clock);

/**
 * stamp_clock_resume - continue after another process: stamps after its last sample use its rate
 * @khz: rate of the stamps, at most STAMP_KHZ_MAX; 0: unknown
 */
void stamp_clock_resume(struct stamp_clock *clock, uint64_t khz);

/* Recovery rejects stamps that are later than this after the beginning of the recording. */
#define STAMP_SECONDS_MAX UINT64_C(315360000) /* ten years */
#define STAMP_KHZ_MAX     UINT64_C(20000000)

/** stamp_clock_ns - ns since time 0 of a stamp taken before the last sample; monotonic */
uint64_t stamp_clock_ns(struct stamp_clock *clock, uint64_t stamp);

/**
 * stamp_clock_span - ns from one stamp to a later one, at the mean rate since time 0; 0 when @to is not later
 *
 * Each sample changes the conversion of single stamps slightly; the difference of two converted stamps would include
 * that.
 */
uint64_t stamp_clock_span(const struct stamp_clock *clock, uint64_t from, uint64_t to);

/** stamp_clock_khz - measured rate of the stamps */
uint64_t stamp_clock_khz(const struct stamp_clock *clock);

#endif
