#include "tracer/ring/timestamps.h"

#include <cpuid.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The kernel uses the TSC as clock source only while it has one rate on all processors, even where CPUID does not say
 * so.
 */
static bool kernel_takes_tsc(void)
{
        static const char tsc[] = "tsc\n";
        char name[sizeof(tsc)];
        int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return false;
        ssize_t size = read(fd, name, sizeof(name));
        (void)close(fd);
        return size == (ssize_t)strlen(tsc) && memcmp(name, tsc, strlen(tsc)) == 0;
}

enum stamp_kind stamp_kind_detect(void)
{
        unsigned a;
        unsigned b;
        unsigned c;
        unsigned d;

        if ((__get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8))) || kernel_takes_tsc())
                return STAMP_TSC;
        return STAMP_MONOTONIC;
}

/* Read both clocks at the same time; retry if the thread was preempted in between. */
static uint64_t read_clocks(enum stamp_kind kind, uint64_t *monotonic)
{
        uint64_t least = UINT64_MAX;
        uint64_t best = 0;

        if (kind == STAMP_MONOTONIC)
                return *monotonic = stamp_monotonic();
        for (unsigned i = 0; i < 3; i++) {
                uint64_t before = stamp_now(kind);
                uint64_t ns = stamp_monotonic();
                uint64_t took = stamp_now(kind) - before;
                if (took < least) {
                        least = took;
                        best = before + took / 2;
                        *monotonic = ns;
                }
        }
        return best;
}

void stamp_clock_start(struct stamp_clock *clock, enum stamp_kind kind)
{
        clock->kind = kind;
        clock->origin_stamp = read_clocks(kind, &clock->origin_ns);
        clock->stamp[0] = clock->stamp[1] = clock->origin_stamp;
        clock->ns[0] = clock->ns[1] = 0;
        clock->latest_stamp = clock->origin_stamp;
        clock->latest_ns = 0;
}

void stamp_clock_fix(struct stamp_clock *clock, uint64_t zero)
{
        const uint64_t span = UINT64_C(1) << 52;

        clock->kind = STAMP_MONOTONIC;
        clock->origin_ns = clock->origin_stamp = clock->stamp[0] = clock->latest_stamp = zero;
        clock->ns[0] = clock->latest_ns = 0;
        clock->stamp[1] = zero + span;
        clock->ns[1] = span;
}

void stamp_clock_sample(struct stamp_clock *clock)
{
        uint64_t now = 0;
        uint64_t stamp = read_clocks(clock->kind, &now);
        uint64_t ns = now > clock->origin_ns ? now - clock->origin_ns : 0;

        /* a clock may go back (a virtual machine that was moved, a broken TSC): time stands still until it is where it
         * was */
        if (ns < clock->ns[1]) {
                stamp_clock_note(clock, clock->ns[1] - ns);
                ns = clock->ns[1];
        }
        if (stamp < clock->stamp[1]) {
                stamp_clock_note(clock, stamp_clock_span(clock, stamp, clock->stamp[1]));
                stamp = clock->stamp[1];
        }

        /* In less than 100 us the cost of reading the clocks would distort the rate. */
        if (ns - clock->ns[1] >= 100000) {
                clock->stamp[0] = clock->stamp[1];
                clock->ns[0] = clock->ns[1];
        }
        clock->stamp[1] = stamp;
        clock->ns[1] = ns;
}

void stamp_clock_resume(struct stamp_clock *clock, uint64_t khz)
{
        const uint64_t unknown = 1000000;
        uint64_t per_second = (clock->kind == STAMP_MONOTONIC || !khz ? unknown : khz) * 1000;

        clock->stamp[0] = clock->stamp[1];
        clock->ns[0] = clock->ns[1];
        clock->stamp[1] += STAMP_SECONDS_MAX * per_second;
        clock->ns[1] += STAMP_SECONDS_MAX * UINT64_C(1000000000);
}

static uint64_t interpolate(const struct stamp_clock *clock, uint64_t stamp)
{
        uint64_t width = clock->stamp[1] - clock->stamp[0];

        if (stamp >= clock->stamp[1])
                return clock->ns[1];
        if (stamp >= clock->stamp[0]) {
                double part = (double)(stamp - clock->stamp[0]) / (double)width;
                return clock->ns[0] + (uint64_t)(part * (double)(clock->ns[1] - clock->ns[0]));
        }
        /* no sample encloses the stamp: extrapolate with the mean rate since time 0 */
        if (stamp <= clock->origin_stamp)
                return 0;
        double part = (double)(stamp - clock->origin_stamp) / (double)(clock->stamp[0] - clock->origin_stamp);
        return (uint64_t)(part * (double)clock->ns[0]);
}

uint64_t stamp_clock_ns(struct stamp_clock *clock, uint64_t stamp)
{
        uint64_t ns = interpolate(clock, stamp);

        /* each sample changes the line slightly: never return less than before */
        if (stamp < clock->latest_stamp)
                return ns < clock->latest_ns ? ns : clock->latest_ns;
        clock->latest_stamp = stamp;
        if (ns > clock->latest_ns)
                clock->latest_ns = ns;
        return clock->latest_ns;
}

uint64_t stamp_clock_span(const struct stamp_clock *clock, uint64_t from, uint64_t to)
{
        uint64_t width = clock->stamp[1] - clock->origin_stamp;

        if (clock->kind == STAMP_MONOTONIC)
                return to > from ? to - from : 0;
        if (to <= from || !width)
                return 0;
        return (uint64_t)((double)(to - from) * (double)clock->ns[1] / (double)width);
}

uint64_t stamp_clock_khz(const struct stamp_clock *clock)
{
        uint64_t ns = clock->ns[1];

        return ns ? (uint64_t)((double)(clock->stamp[1] - clock->origin_stamp) * 1e6 / (double)ns) : 0;
}
