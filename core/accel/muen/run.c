/* One run: hand over the state, wait for the exit, take back the interrupt if it was not delivered. */
#include "core/accel/muen/muen.h"
#include "core/subject/transfer.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define PENDING_WORDS         (HWACCL_VECTOR_COUNT / 64)
#define NANOSECONDS_PER_MILLI 1000000.0 /* kHz are ticks a millisecond */

struct muen_accel {
        struct hwaccl_accel accel;
        struct hwaccl_muen *muen;
        uint64_t (*clock)(void *opaque);
        void *opaque;
        bool armed;           /* the trigger in the page stands for deadline_ns */
        uint64_t deadline_ns; /* UINT64_MAX: none */
};

static struct hwaccl_subject_state *state_page(const struct muen_accel *accel)
{
        return (void *)accel->muen->mapping[MUEN_STATE].address;
}

static struct hwaccl_pending_interrupts *pending_page(const struct muen_accel *accel)
{
        return (void *)accel->muen->mapping[MUEN_INTERRUPTS].address;
}

static struct hwaccl_muen_timed_event *timed_event_page(const struct muen_accel *accel)
{
        return (void *)accel->muen->mapping[MUEN_TIMED_EVENT].address;
}

/* The guest clock and the TSC are compared anew for each deadline, so that no error in the TSC's frequency adds up. */
static uint64_t trigger_for(const struct muen_accel *accel, uint64_t deadline_ns)
{
        uint64_t now_ns = accel->clock(accel->opaque);
        uint64_t tsc = __rdtsc();

        if (deadline_ns <= now_ns)
                return tsc;
        double ticks = (double)(deadline_ns - now_ns) * (double)accel->muen->subject.tsc_khz / NANOSECONDS_PER_MILLI;
        return ticks < (double)(UINT64_MAX / 2 - tsc) ? tsc + (uint64_t)ticks : UINT64_MAX;
}

static void put_request(struct muen_accel *accel, const struct hwaccl_run_request *request)
{
        struct hwaccl_muen_timed_event *page = timed_event_page(accel);

        if (!accel->armed || request->deadline_ns != accel->deadline_ns) {
                uint64_t trigger =
                        request->deadline_ns == UINT64_MAX ? UINT64_MAX : trigger_for(accel, request->deadline_ns);
                atomic_store_explicit(&page->tsc_trigger, trigger, memory_order_relaxed);
                accel->deadline_ns = request->deadline_ns;
                accel->armed = true;
        }
        page->event = HWACCL_MUEN_EVENT_PREEMPT;
        page->processor_controls = request->interrupt_window ? HWACCL_MUEN_INTERRUPT_WINDOW : 0;
}

static void hand_over(struct muen_accel *accel, const struct hwaccl_subject_state *state,
                      const struct hwaccl_pending_interrupts *pending)
{
        struct hwaccl_subject_state *page = state_page(accel);

        memcpy(page, state, sizeof(*page));
        page->exit_reason = HWACCL_MUEN_RUNNING;
        for (unsigned i = 0; i < PENDING_WORDS; i++) {
                uint64_t ours = atomic_load_explicit(&pending->bits[i], memory_order_relaxed);
                if (ours)
                        (void)atomic_fetch_or_explicit(&pending_page(accel)->bits[i], ours, memory_order_relaxed);
        }
        atomic_thread_fence(memory_order_release);
}

/* Bits that others have set in the page are left alone. */
static void take_back_pending(struct muen_accel *accel, struct hwaccl_pending_interrupts *pending)
{
        for (unsigned i = 0; i < PENDING_WORDS; i++) {
                uint64_t ours = atomic_load_explicit(&pending->bits[i], memory_order_relaxed);
                if (!ours)
                        continue;
                uint64_t left = atomic_fetch_and_explicit(&pending_page(accel)->bits[i], ~ours, memory_order_relaxed);
                atomic_store_explicit(&pending->bits[i], left & ours, memory_order_relaxed);
        }
}

/* A copy, of which everything is then checked: the other side can write to the page at any time. */
static bool take_state(struct muen_accel *accel, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        struct hwaccl_subject_state copy;

        memcpy(&copy, state_page(accel), sizeof(copy));
        __asm__ volatile("" : : "r"(&copy) : "memory"); /* the copy is one, also to the compiler */
        if (!hwaccl_muen_check(accel->muen, error))
                return false; /* what was copied may be zeros instead */
        if (copy.exit_reason == HWACCL_MUEN_RUNNING)
                return hwaccl_error_set(error,
                                        "the subject's side rang doorbell_exit without an exit: it has written no "
                                        "exit reason");
        if (!hwaccl_subject_state_check_owner(&copy, error))
                return hwaccl_error_prefix(error, "the subject's side broke the subject-state ABI");
        *state = copy;
        return true;
}

static bool run(struct hwaccl_accel *interface, struct hwaccl_subject_state *state,
                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                struct hwaccl_error *error)
{
        struct muen_accel *accel = (struct muen_accel *)interface;
        struct muen_bells *bells = &accel->muen->bells;

        put_request(accel, request);
        hand_over(accel, state, pending);
        bool good = hwaccl_muen_check(accel->muen, error) && muen_bells_ring_run(bells, error) &&
                    muen_bells_await_exit(bells, request->deadline_ns, accel->clock, accel->opaque, error);
        atomic_thread_fence(memory_order_acquire);
        take_back_pending(accel, pending);
        if (!good || !take_state(accel, state, error))
                return hwaccl_error_prefix(error, "muen");
        /* the next trigger is computed anew: this one may have come too early */
        if (state->exit_reason == HWACCL_EXIT_PREEMPTION_TIMER)
                accel->armed = false;
        return true;
}

static void kick(struct hwaccl_accel *interface)
{
        muen_bells_kick(&((struct muen_accel *)interface)->muen->bells);
}

static uint64_t virtual_ns(const struct hwaccl_accel *interface)
{
        (void)interface;
        return UINT64_MAX; /* not supported: the other side does not report how much the guest has executed */
}

static void destroy(struct hwaccl_accel *interface)
{
        free(interface);
}

static const struct hwaccl_accel_ops ops = {
        .name = "muen",
        .run = run,
        .kick = kick,
        .virtual_ns = virtual_ns,
        .destroy = destroy,
};

struct hwaccl_accel *hwaccl_accel_muen_create(struct hwaccl_muen *muen, uint64_t (*clock)(void *opaque), void *opaque,
                                              struct hwaccl_error *error)
{
        struct muen_accel *accel = calloc(1, sizeof(*accel));

        if (!accel) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        accel->accel.ops = &ops;
        accel->muen = muen;
        accel->clock = clock;
        accel->opaque = opaque;
        return &accel->accel;
}
