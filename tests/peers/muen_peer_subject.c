/* Running the subject: a state comes from the page, the processor runs it, its exit goes to the page. */
#include "core/accel/soft/accel_soft.h"
#include "core/host/guest_memory.h"

#include "tests/fixtures/abort_fixture.h"
#include "tests/peers/muen_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define RUNNING          UINT64_MAX
#define INTERRUPT_WINDOW 4u
#define EPT_VIOLATION    48u
#define PAGE             4096u
#define UNUSABLE         0x10000u

/* monitor_state, as documented: offsets in bytes. */
struct page_segment {
        uint64_t selector;
        uint64_t base;
        uint32_t limit;
        uint32_t rights;
};

enum { CS, SS, DS, ES, FS, GS, TR, LDTR, GDTR, IDTR, SEGMENTS };

struct state_page {
        uint64_t cr2;
        uint64_t rax, rbx, rcx, rdx, rdi, rsi, rbp;
        uint64_t r8_to_r15[8];
        _Atomic uint64_t reason;
        uint64_t qualification, physical_address, interruptibility, interrupt_information, instruction_length;
        uint64_t rip, rsp;
        uint64_t cr0, cr0_shadow, cr3, cr4, cr4_shadow, rflags, efer;
        uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
        struct page_segment segment[SEGMENTS];
};

_Static_assert(offsetof(struct state_page, r8_to_r15) == 64, "R8 is at 64");
_Static_assert(offsetof(struct state_page, reason) == 128, "the exit reason is at 128");
_Static_assert(offsetof(struct state_page, rip) == 176, "RIP is at 176");
_Static_assert(offsetof(struct state_page, rflags) == 232, "RFLAGS is at 232");
_Static_assert(offsetof(struct state_page, segment) == 272, "CS is at 272");
_Static_assert(sizeof(struct state_page) == 512, "the state has 512 bytes");

/* monitor_timed_event */
struct timed_event_page {
        _Atomic uint64_t trigger;
        uint64_t event;
        uint32_t controls;
};

struct subject {
        struct peer *peer;
        struct state_page *state;
        _Atomic uint64_t *interrupts; /* four words: vector v is bit v % 64 of word v / 64 */
        struct timed_event_page *timed_event;
        struct hwaccl_guest_memory memory;
        struct hwaccl_accel *processor;
        uint64_t exits;
};

uint64_t peer_tsc(void)
{
        return __rdtsc();
}

static void *map(const struct peer *peer, const char *name)
{
        const char *path = peer_path(peer, name);
        int file = open(path, O_RDWR | O_CLOEXEC);
        void *page = file < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

        if (page == MAP_FAILED)
                die("%s: cannot map: %s", path, strerror(errno));
        (void)close(file);
        return page;
}

static struct hwaccl_segment *processor_segment(struct hwaccl_subject_state *to, unsigned index)
{
        switch (index) {
        case CS: return &to->cs;
        case SS: return &to->ss;
        case DS: return &to->ds;
        case ES: return &to->es;
        case FS: return &to->fs;
        case GS: return &to->gs;
        case TR: return &to->tr;
        case LDTR: return &to->ldtr;
        case GDTR: return &to->gdtr;
        default: return &to->idtr;
        }
}

/* BOTH(page's member, processor's member): copied on the way in and on the way out. */
#define BOTH_WAYS(BOTH)                                                                                                \
        BOTH(cr2, cr2)                                                                                                 \
        BOTH(rax, rax)                                                                                                 \
        BOTH(rbx, rbx)                                                                                                 \
        BOTH(rcx, rcx)                                                                                                 \
        BOTH(rdx, rdx)                                                                                                 \
        BOTH(rdi, rdi)                                                                                                 \
        BOTH(rsi, rsi)                                                                                                 \
        BOTH(rbp, rbp)                                                                                                 \
        BOTH(r8_to_r15[0], r8)                                                                                         \
        BOTH(r8_to_r15[1], r9)                                                                                         \
        BOTH(r8_to_r15[2], r10)                                                                                        \
        BOTH(r8_to_r15[3], r11)                                                                                        \
        BOTH(r8_to_r15[4], r12)                                                                                        \
        BOTH(r8_to_r15[5], r13)                                                                                        \
        BOTH(r8_to_r15[6], r14)                                                                                        \
        BOTH(r8_to_r15[7], r15)                                                                                        \
        BOTH(qualification, exit_qualification)                                                                        \
        BOTH(physical_address, guest_physical_address)                                                                 \
        BOTH(interruptibility, interruptibility)                                                                       \
        BOTH(interrupt_information, interrupt_information)                                                             \
        BOTH(instruction_length, instruction_length)                                                                   \
        BOTH(rip, rip)                                                                                                 \
        BOTH(rsp, rsp)                                                                                                 \
        BOTH(cr0, cr0)                                                                                                 \
        BOTH(cr0_shadow, cr0_shadow)                                                                                   \
        BOTH(cr3, cr3)                                                                                                 \
        BOTH(cr4, cr4)                                                                                                 \
        BOTH(cr4_shadow, cr4_shadow)                                                                                   \
        BOTH(rflags, rflags)                                                                                           \
        BOTH(efer, efer)                                                                                               \
        BOTH(sysenter_cs, sysenter_cs)                                                                                 \
        BOTH(sysenter_esp, sysenter_esp)                                                                               \
        BOTH(sysenter_eip, sysenter_eip)

static void load_state(const struct state_page *page, struct hwaccl_subject_state *state)
{
#define X(from, to) state->to = page->from;
        BOTH_WAYS(X)
#undef X
        for (unsigned i = 0; i < SEGMENTS; i++) {
                const struct page_segment *from = &page->segment[i];
                *processor_segment(state, i) =
                        (struct hwaccl_segment){from->selector, from->base, from->limit, from->rights};
        }
        state->exit_reason = 0;
}

static void store_state(struct state_page *page, struct hwaccl_subject_state *state)
{
#define X(to, from) page->to = state->from;
        BOTH_WAYS(X)
#undef X
        for (unsigned i = 0; i < SEGMENTS; i++) {
                const struct hwaccl_segment *from = processor_segment(state, i);
                page->segment[i] = (struct page_segment){from->selector, from->base, from->limit, from->access_rights};
        }
}

static void ring(int bell, const char *name)
{
        const uint64_t one = 1;
        if (write(bell, &one, sizeof(one)) != (ssize_t)sizeof(one))
                die("%s: cannot ring: %s", name, strerror(errno));
}

/* False when the other side is gone. */
static bool await(int bell)
{
        for (;;) {
                struct pollfd watched = {bell, POLLIN, 0};
                uint64_t count;
                if (poll(&watched, 1, -1) < 0 && errno != EINTR)
                        die("waiting for a doorbell: %s", strerror(errno));
                if (!watched.revents)
                        continue;
                ssize_t got = read(bell, &count, sizeof(count));
                if (got == (ssize_t)sizeof(count))
                        return true;
                if (got == 0)
                        return false;
                if (got > 0 || (errno != EINTR && errno != EAGAIN))
                        die("a doorbell gave %zd bytes: %s", got, got < 0 ? strerror(errno) : "not a number");
        }
}

static void *hear_kicks(void *opaque)
{
        struct subject *subject = opaque;

        while (await(subject->peer->bell_poke))
                subject->processor->ops->kick(subject->processor);
        return NULL;
}

/* What goes wrong while the subject runs. */
static void fail_run(const struct subject *subject)
{
        switch (subject->peer->fault) {
        case FAULT_DIE: (void)raise(SIGKILL); break;
        case FAULT_SILENT:
                for (;;)
                        (void)pause();
        case FAULT_RING_EARLY: ring(subject->peer->bell_exit, "doorbell_exit"); break;
        case FAULT_OTHER_INTERRUPTS:
                for (unsigned i = 0; i < 4; i++)
                        atomic_fetch_or(&subject->interrupts[i], UINT64_C(0xaa55aa55aa55aa55));
                break;
        default: break;
        }
}

static uint64_t next_random(uint64_t *number)
{
        *number = *number * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *number >> 32 | *number << 32;
}

static void fill_with_garbage(struct state_page *page, uint64_t *random, uint64_t *reason)
{
        uint8_t *bytes = (uint8_t *)page;

        for (size_t i = 0; i < sizeof(*page); i++)
                if (i < offsetof(struct state_page, reason) || i >= offsetof(struct state_page, qualification))
                        bytes[i] = (uint8_t)next_random(random);
        *reason = next_random(random) % 70;
}

/* Some of the state is garbage, within what the ABI allows; small numbers are the likelier ones. */
static void fill_with_likely_garbage(struct state_page *page, uint64_t *random, uint64_t *reason)
{
        static const uint8_t handled[] = {1, 7, 9, 10, 12, 13, 14, 16, 18, 28, 29, 30, 31, 32, 40, 48, 51, 52, 54};
        uint64_t *const words[] = {&page->rax,
                                   &page->rcx,
                                   &page->rdx,
                                   &page->rsi,
                                   &page->rdi,
                                   &page->rip,
                                   &page->rsp,
                                   &page->cr3,
                                   &page->efer,
                                   &page->qualification,
                                   &page->physical_address,
                                   &page->interrupt_information,
                                   &page->sysenter_cs};

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (next_random(random) % 3 == 0)
                        *words[i] = next_random(random) >> (next_random(random) % 64);
        for (unsigned i = 0; i < SEGMENTS; i++) {
                struct page_segment *segment = &page->segment[i];
                if (next_random(random) % 3)
                        continue;
                segment->selector = next_random(random) & 0xffff;
                segment->base = next_random(random) >> (next_random(random) % 64);
                segment->limit = (uint32_t)(next_random(random) & (i < GDTR ? UINT32_MAX : 0xffff));
                if (i != CS && i != TR && i < GDTR)
                        segment->rights = (uint32_t)next_random(random) & 0x1f0ff;
        }
        page->cr0 ^= next_random(random) & 0x8000000f;
        page->cr4 ^= next_random(random) & 0x3f;
        page->rflags ^= next_random(random) & 0xfd5;
        page->interruptibility = next_random(random) % 3;
        page->instruction_length = next_random(random) % 16;
        if (next_random(random) % 3)
                *reason = handled[next_random(random) % sizeof(handled)];
}

/* What is wrong with the state that it leaves. */
static void spoil_state(struct subject *subject, uint64_t *reason)
{
        struct state_page *page = subject->state;

        switch (subject->peer->fault) {
        case FAULT_RESERVED_RIGHTS: page->segment[DS].rights |= 0x100; break;
        case FAULT_BOTH_BLOCKINGS: page->interruptibility = 3; break;
        case FAULT_SMI_BLOCKING: page->interruptibility = 4; break;
        case FAULT_UNUSABLE_CS: page->segment[CS].rights |= UNUSABLE; break;
        case FAULT_UNUSABLE_TR: page->segment[TR].rights |= UNUSABLE; break;
        case FAULT_AVAILABLE_TSS: page->segment[TR].rights = 0x89; break;
        case FAULT_WIDE_SELECTOR: page->segment[ES].selector |= 0x10000; break;
        case FAULT_WIDE_LIMIT: page->segment[IDTR].limit = 0x10000; break;
        case FAULT_LONG_INSTRUCTION: page->instruction_length = 16; break;
        case FAULT_WRONG_CR0: page->cr0 &= ~UINT64_C(0x20); break;
        case FAULT_WRONG_CR4: page->cr4 &= ~UINT64_C(0x2000); break;
        case FAULT_WRONG_RFLAGS: page->rflags &= ~UINT64_C(2); break;
        case FAULT_UNKNOWN_REASON: *reason = 35; break;
        case FAULT_WILD_REASON: *reason = UINT64_C(0xdeadbeef5aa5); break;
        case FAULT_ENTRY_FAILURE: *reason = UINT64_C(0x80000021); break;
        case FAULT_GARBAGE: fill_with_garbage(page, &subject->peer->seed, reason); break;
        case FAULT_LIKELY_GARBAGE: fill_with_likely_garbage(page, &subject->peer->seed, reason); break;
        case FAULT_OTHER_REASON: *reason = subject->exits % 70; break;
        default: break;
        }
}

static void cut(const struct peer *peer, const char *name)
{
        if (truncate(peer_path(peer, name), 0) != 0)
                die("%s: cannot cut: %s", name, strerror(errno));
}

/* What goes wrong when the state is written, but for the exit reason, and before the other side is told. */
static void fail_exit(const struct subject *subject)
{
        switch (subject->peer->fault) {
        case FAULT_DIE_WRITING:
                memset(&subject->state->rip, 0x5a, sizeof(*subject->state) - offsetof(struct state_page, rip));
                (void)raise(SIGKILL);
                break;
        case FAULT_CUT_STATE: cut(subject->peer, "monitor_state"); break;
        case FAULT_CUT_TIMED_EVENT: cut(subject->peer, "monitor_timed_event"); break;
        case FAULT_CUT_RAM: cut(subject->peer, "vm_ram_1"); break;
        default: break;
        }
}

/* The subject's exit is there: tell the other side. */
static void ring_exit(const struct subject *subject, bool faulty)
{
        enum muen_peer_fault fault = faulty ? subject->peer->fault : FAULT_NONE;
        int bell = subject->peer->bell_exit;

        if (fault == FAULT_DIE_UNRUNG)
                (void)raise(SIGKILL);
        if (fault == FAULT_HALF_RING)
                (void)!write(bell, "half", 4);
        else
                ring(bell, "doorbell_exit");
        if (fault == FAULT_RING_TWICE)
                ring(bell, "doorbell_exit");
        if (fault == FAULT_DIE_RUNG)
                (void)raise(SIGKILL);
}

/* From the ring of doorbell_run to that of doorbell_exit. */
static void run(struct subject *subject)
{
        struct peer *peer = subject->peer;
        struct hwaccl_subject_state state;
        struct hwaccl_pending_interrupts pending;
        struct hwaccl_error error;
        uint64_t exit = subject->exits++;
        bool goes_on = peer->fault == FAULT_OTHER_REASON || peer->fault == FAULT_LIKELY_GARBAGE;
        bool faulty = peer->fault > FAULT_RUN && (exit == peer->fault_exit || (goes_on && exit > peer->fault_exit));

        if (atomic_load_explicit(&subject->state->reason, memory_order_acquire) != RUNNING)
                die("doorbell_run was rung, but monitor_state is not the subject's");
        memset(&state, 0, sizeof(state));
        load_state(subject->state, &state);
        struct hwaccl_run_request request = {
                .interrupt_window = subject->timed_event->controls & INTERRUPT_WINDOW,
                .deadline_ns = atomic_load(&subject->timed_event->trigger), /* the processor's clock is the TSC */
        };
        for (unsigned i = 0; i < 4; i++)
                atomic_init(&pending.bits[i], atomic_load(&subject->interrupts[i]));
        if (faulty)
                fail_run(subject);
        if (!subject->processor->ops->run(subject->processor, &state, &pending, &request, &error))
                die("%s", error.message);
        for (unsigned i = 0; i < 4; i++)
                atomic_fetch_and(&subject->interrupts[i], atomic_load(&pending.bits[i]));

        /* where a processor leaves the length undefined, it is anything: that of two fused instructions, for one */
        if (state.exit_reason == EPT_VIOLATION)
                state.instruction_length = exit * 5 % 31;
        store_state(subject->state, &state);
        uint64_t reason = state.exit_reason;
        if (faulty)
                spoil_state(subject, &reason);
        if (faulty)
                fail_exit(subject);
        if (!faulty || peer->fault != FAULT_CUT_STATE) /* there is no page any more */
                atomic_store_explicit(&subject->state->reason, reason, memory_order_release);
        ring_exit(subject, faulty);
}

static uint64_t read_clock(void *opaque)
{
        (void)opaque;
        return peer_tsc();
}

/* What the guest sees of its memory. */
static void lend_memory(struct subject *subject)
{
        const struct peer *peer = subject->peer;
        struct hwaccl_guest_memory *memory = &subject->memory;
        struct hwaccl_error error;

        hwaccl_guest_memory_init(memory, true);
        if (!hwaccl_guest_memory_lend(memory, 0, 0xa0000, peer->ram, true, &error) ||
            !hwaccl_guest_memory_lend(memory, 0xc0000, peer->memory_size - 0xc0000, peer->ram + 0xc0000, true,
                                      &error) ||
            (peer->firmware_size &&
             !hwaccl_guest_memory_lend(memory, UINT64_C(0x100000000) - peer->firmware_size, peer->firmware_size,
                                       peer->firmware_bytes, false, &error)))
                die("%s", error.message);
}

void subject_serve(struct peer *peer)
{
        struct subject subject = {.peer = peer};
        struct hwaccl_error error;
        pthread_t kicks;

        subject.state = map(peer, "monitor_state");
        subject.interrupts = map(peer, "monitor_interrupts");
        subject.timed_event = map(peer, "monitor_timed_event");
        lend_memory(&subject);
        subject.processor = hwaccl_accel_soft_create(&subject.memory, read_clock, NULL, &error);
        if (!subject.processor)
                die("%s", error.message);
        abort_fixture_watch(subject.processor);
        if (pthread_create(&kicks, NULL, hear_kicks, &subject) != 0)
                die("cannot start a thread");
        while (await(peer->bell_run))
                run(&subject);
        _exit(0);
}
