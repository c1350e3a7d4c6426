/* The local APIC's timer (SDM 3A, 11.5.4): what it counts is computed from the moment at which it was started. */
#include "core/machine/board/clock.h"
#include "core/machine/devices/local_apic_internal.h"

#define TIMER_MODE     0x60000u
#define TIMER_PERIODIC 0x20000u
#define TIMER_TSC      0x40000u
#define DIVIDE_BY_1    7u

/* Interrupts of a periodic timer that follow each other closer than this coalesce, as those of the PIT do. */
_Static_assert(HWACCL_CRYSTAL_HZ == HWACCL_NS_PER_SECOND, "the timer's ticks, undivided, are nanoseconds");
#define PERIOD_MIN_NS UINT64_C(20000)

static uint64_t now_ns(const struct hwaccl_local_apic *apic)
{
        return hwaccl_host_clock(apic->device.board->host);
}

static uint32_t mode_of(const struct hwaccl_local_apic *apic)
{
        return apic->lvt[HWACCL_LVT_TIMER] & TIMER_MODE;
}

static uint64_t divisor(const struct hwaccl_local_apic *apic)
{
        unsigned choice = (apic->timer_divide & 3) | (apic->timer_divide >> 1 & 4);

        return choice == DIVIDE_BY_1 ? 1 : UINT64_C(2) << choice;
}

/* At most 2^39. */
static uint64_t period_of(const struct hwaccl_local_apic *apic)
{
        return apic->timer_initial * divisor(apic);
}

/* Guest clock at which the TSC, which has not reached the deadline, does. */
static uint64_t tsc_deadline_ns(const struct hwaccl_local_apic *apic)
{
        const struct hwaccl_processor *processor = apic->processor;
        uint64_t tsc = hwaccl_processor_tsc(processor);
        uint64_t ticks = tsc - processor->tsc_offset; /* since the guest started */
        uint64_t khz = processor->tsc_khz;

        if (apic->tsc_deadline <= tsc)
                return now_ns(apic);
        uint64_t rest = apic->tsc_deadline - tsc;
        if (rest > UINT64_MAX - ticks || (ticks + rest) / khz > INT64_MAX / 1000000 || khz > UINT32_MAX)
                return UINT64_MAX;
        ticks += rest;
        return ticks / khz * 1000000 + (ticks % khz * 1000000 + khz - 1) / khz;
}

static void settle_tsc(struct hwaccl_local_apic *apic)
{
        if (!apic->tsc_deadline || hwaccl_processor_tsc(apic->processor) < apic->tsc_deadline)
                return;
        apic->tsc_deadline = 0;
        hwaccl_local_apic_signal(apic, HWACCL_LVT_TIMER);
}

static void settle_count(struct hwaccl_local_apic *apic, uint64_t now)
{
        uint64_t period = period_of(apic);
        uint64_t elapsed = now - apic->timer_start;

        if (!apic->timer_running || elapsed < period)
                return;
        if (mode_of(apic) == TIMER_PERIODIC)
                apic->timer_start += elapsed / period * period;
        else
                apic->timer_running = 0;
        hwaccl_local_apic_signal(apic, HWACCL_LVT_TIMER);
}

void hwaccl_apic_timer_settle(struct hwaccl_local_apic *apic)
{
        uint64_t now = now_ns(apic);

        if (mode_of(apic) == TIMER_TSC)
                settle_tsc(apic);
        else
                settle_count(apic, now);
        apic->timer_settled = now;
        hwaccl_board_deadline_changed(apic->device.board);
}

uint64_t hwaccl_apic_timer_deadline(const struct hwaccl_local_apic *apic)
{
        uint64_t period = period_of(apic);
        uint64_t end = apic->timer_start + period;

        if (apic->lvt[HWACCL_LVT_TIMER] & HWACCL_LVT_MASKED)
                return UINT64_MAX; /* what it does meanwhile is seen when it is read */
        if (mode_of(apic) == TIMER_TSC)
                return apic->tsc_deadline ? tsc_deadline_ns(apic) : UINT64_MAX;
        if (!apic->timer_running)
                return UINT64_MAX;
        if (mode_of(apic) == TIMER_PERIODIC && period < PERIOD_MIN_NS && end < apic->timer_settled + PERIOD_MIN_NS)
                end = apic->timer_settled + PERIOD_MIN_NS;
        return end;
}

/* Between TSC-deadline mode and the others the timer is disarmed. */
void hwaccl_apic_timer_set_lvt(struct hwaccl_local_apic *apic, uint32_t value)
{
        hwaccl_apic_timer_settle(apic);
        bool tsc = mode_of(apic) == TIMER_TSC;
        apic->lvt[HWACCL_LVT_TIMER] = value;
        if (tsc != (mode_of(apic) == TIMER_TSC)) {
                apic->timer_running = 0;
                apic->timer_initial = 0;
                apic->tsc_deadline = 0;
        }
}

void hwaccl_apic_timer_set_initial(struct hwaccl_local_apic *apic, uint32_t count)
{
        if (mode_of(apic) == TIMER_TSC)
                return;
        hwaccl_apic_timer_settle(apic);
        apic->timer_initial = count;
        apic->timer_running = count != 0;
        apic->timer_start = apic->timer_settled;
}

/* The count goes on from where it is, at the new rate. */
void hwaccl_apic_timer_set_divide(struct hwaccl_local_apic *apic, uint32_t value)
{
        hwaccl_apic_timer_settle(apic);
        uint64_t counted = apic->timer_initial - hwaccl_apic_timer_current(apic);

        apic->timer_divide = value;
        apic->timer_start = apic->timer_settled - counted * divisor(apic);
}

uint32_t hwaccl_apic_timer_current(const struct hwaccl_local_apic *apic)
{
        if (mode_of(apic) == TIMER_TSC || !apic->timer_running)
                return 0;
        uint64_t counted = (now_ns(apic) - apic->timer_start) / divisor(apic);

        if (mode_of(apic) == TIMER_PERIODIC)
                counted %= apic->timer_initial;
        return counted >= apic->timer_initial ? 0 : (uint32_t)(apic->timer_initial - counted);
}

uint64_t hwaccl_apic_timer_tsc_deadline(struct hwaccl_local_apic *apic)
{
        hwaccl_apic_timer_settle(apic);
        return apic->tsc_deadline;
}

void hwaccl_apic_timer_set_tsc_deadline(struct hwaccl_local_apic *apic, uint64_t deadline)
{
        if (mode_of(apic) != TIMER_TSC)
                return;
        hwaccl_apic_timer_settle(apic);
        apic->tsc_deadline = deadline;
        hwaccl_apic_timer_settle(apic);
}
