/* The other side of the Muen accelerator within a test: it acts in the guest clock's callback, at which a run looks
 * before it waits. */
#ifndef HWACCL_TESTS_MUEN_OTHER_SIDE_H
#define HWACCL_TESTS_MUEN_OTHER_SIDE_H

#include "hwaccl/exit_reason.h"
#include "hwaccl/transfer.h"

#include "muen_fixture.h"

#define FOREVER UINT64_MAX

/* What the other side does at the next looks at the clock. */
static struct {
        void (*act)(void);

        uint64_t now_ns;
        unsigned rings; /* of doorbell_exit */
        struct hwaccl_subject_state left;
        struct hwaccl_subject_state seen;
} other;

static inline uint64_t word(const uint8_t *page, size_t at)
{
        uint64_t value;
        memcpy(&value, page + at, sizeof(value));
        return value;
}

static inline bool was_rung(int bell)
{
        uint64_t count;
        return read(bell, &count, sizeof(count)) == (ssize_t)sizeof(count) && count == 1;
}

static inline void ring(int bell)
{
        const uint64_t one = 1;
        assert_int_equal(write(bell, &one, sizeof(one)), sizeof(one));
}

static inline uint64_t look_at_clock(void *opaque)
{
        (void)opaque;
        /* only between doorbell_run and doorbell_exit */
        if (other.act && word(state_page, 128) == UINT64_MAX && was_rung(run_bell)) {
                memcpy(&other.seen, state_page, sizeof(other.seen));
                other.act();
        }
        return other.now_ns;
}

static inline void leave_exit(void)
{
        memcpy(state_page, &other.left, sizeof(other.left));
        for (unsigned i = 0; i < other.rings; i++)
                ring(exit_bell);
}

static inline uint8_t *map(const char *name)
{
        int file = open(path_of(name), O_RDWR);
        uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        assert_ptr_not_equal(page, MAP_FAILED);
        (void)close(file);
        return page;
}

static inline void attach(const struct hwaccl_muen_config *wanted)
{
        muen = hwaccl_muen_open(wanted, &error);
        if (!muen)
                fail_msg("%s", error.message);
        accel = hwaccl_accel_muen_create(muen, look_at_clock, NULL, &error);
        assert_non_null(accel);
        assert_string_equal(accel->ops->name, "muen");
        state_page = map("monitor_state");
        interrupts_page = map("monitor_interrupts");
        timed_event_page = map("monitor_timed_event");
}

static struct hwaccl_subject_state subject;
static struct hwaccl_pending_interrupts pending;
static struct hwaccl_run_request request;

/* A subject in real mode, each word of its state another one. */
static inline void fill_state(struct hwaccl_subject_state *state, uint64_t seed)
{
        uint8_t *bytes = (uint8_t *)state;
        for (size_t at = 0; at < sizeof(*state); at += 8) {
                uint64_t value = seed + at;
                memcpy(bytes + at, &value, 8);
        }
        state->exit_reason = HWACCL_EXIT_CPUID;
        state->interruptibility = 0;
        state->instruction_length = 2;
        state->rflags = 2;
        hwaccl_cr0_put(state, 0x10);
        hwaccl_cr4_put(state, 0);
}

static inline int make_subject(void **state)
{
        (void)make_directory(state);
        memset(&other, 0, sizeof(other));
        memset(&pending, 0, sizeof(pending));
        other.rings = 1;
        other.act = leave_exit;
        request = (struct hwaccl_run_request){.deadline_ns = FOREVER};
        fill_state(&subject, UINT64_C(0x1111111100000000));
        fill_state(&other.left, UINT64_C(0x2222222200000000));
        attach(config());
        return 0;
}

static inline bool run(void)
{
        return accel->ops->run(accel, &subject, &pending, &request, &error);
}

static inline void fails(const char *mention)
{
        struct hwaccl_subject_state before = subject;
        assert_false(run());
        if (!strstr(error.message, mention) || strncmp(error.message, "muen: ", 6) != 0)
                fail_msg("another error than \"%s\": %s", mention, error.message);
        assert_memory_equal(&subject, &before, sizeof(before));
}

#endif
