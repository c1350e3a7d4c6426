#include "tracer/interpose/library/vcpu.h"

#include "hwaccl/trace_kvm.h"
#include "tracer/interpose/futex.h"
#include "tracer/interpose/guest_code.h"
#include "tracer/interpose/library/coalesced.h"
#include "tracer/interpose/library/exit_data.h"
#include "tracer/interpose/library/exit_text.h"
#include "tracer/interpose/library/interrupt.h"
#include "tracer/interpose/library/memory_slots.h"
#include "tracer/interpose/library/process.h"
#include "tracer/interpose/library/slot.h"
#include "tracer/interpose/library/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOOK_INTERVAL   64u /* exits after which the recorder's life is checked again */
#define TAKE_OVER_TRIES (1u << 26)
#define ANNOUNCE_NS     UINT64_C(1000000000) /* a recorder that does not answer is not waited for */

struct interpose_vcpu {
        _Atomic(const void *) owner;  /* address of a variable of the thread that is in KVM_RUN; NULL: none */
        _Atomic(const void *) thread; /* the same of the one that writes the lane: it was there last */
        _Atomic uint32_t calling;     /* calls that this thread makes, in the lane */
        _Atomic(struct kvm_run *) run;
        size_t run_size;
        uint64_t sync_registers; /* KVM_SYNC_X86_*: what KVM_RUN leaves in struct kvm_run; 0: KVM_GET_* is needed */
        unsigned until_look;
        bool announces;    /* the recorder wants to know which thread runs it */
        int32_t announced; /* the thread that it was told */
        struct interpose_slot *slot;
        struct interpose_object *vm; /* NULL: not known */
        struct guest_code_last last_code;
        struct interrupt_offer offer;    /* that is not settled */
        bool shares_events;              /* KVM_RUN can leave KVM_GET_VCPU_EVENTS' data in struct kvm_run */
        uint32_t reason;                 /* KVM's, of the last exit */
        struct hwaccl_trace_state state; /* at the last exit */
        struct kvm_sregs sregs;          /* in it; they seldom change, and are costly to convert */
        uint64_t sregs_known[2];         /* the words of state.known for them; 0: none was converted */
        struct lane lane;
        struct ring ring;
        struct lane_masks masks;
        uint8_t buffer[RING_CALL_DATA_MAX]; /* for data of calls */
};

struct vcpus {
        _Atomic(struct interpose_vcpu *) all[INTERPOSE_SLOT_MAX];
        _Alignas(64) struct interpose_vcpu room[INTERPOSE_SLOT_MAX]; /* a vCPU has the place of its slot */
};

static _Atomic(struct vcpus *) vcpus;
THREAD_LOCAL char this_thread;
THREAD_LOCAL struct interpose_vcpu *running; /* whose lane this thread writes, unless another one has taken it */
THREAD_LOCAL int32_t this_number;            /* as the recorder sees it; 0: not asked for yet */

static struct vcpus *get_vcpus(void)
{
        struct vcpus *known = atomic_load_explicit(&vcpus, memory_order_acquire);

        if (known)
                return known;
        struct vcpus *made = map_zeros(sizeof(*made));
        if (!made || atomic_compare_exchange_strong(&vcpus, &known, made))
                return made;
        (void)next_munmap(made, sizeof(*made));
        return known;
}

struct interpose_vcpu *vcpu_find(int fd)
{
        struct interpose_object *object = descriptor_find(fd);

        return object ? atomic_load_explicit(&object->vcpu, memory_order_acquire) : NULL;
}

void vcpu_mapped(struct interpose_vcpu *vcpu, void *run, size_t size)
{
        vcpu->run_size = size;
        atomic_store_explicit(&vcpu->run, run, memory_order_release);
}

void vcpu_unmapped(const void *address, size_t size)
{
        struct vcpus *known = atomic_load_explicit(&vcpus, memory_order_acquire);

        for (unsigned i = 0; known && i < INTERPOSE_SLOT_MAX; i++) {
                struct interpose_vcpu *vcpu = atomic_load_explicit(&known->all[i], memory_order_acquire);
                struct kvm_run *run = vcpu ? atomic_load_explicit(&vcpu->run, memory_order_relaxed) : NULL;
                if (run && (uintptr_t)run - (uintptr_t)address < size)
                        (void)atomic_compare_exchange_strong(&vcpu->run, &run, NULL);
        }
}

static void describe(struct interpose_vcpu *vcpu, int vm, const struct interpose_object *object)
{
        char name[32], text[96];

        (void)snprintf(name, sizeof(name), "host_vcpu_%u", vcpu->ring.header->vcpu);
        (void)snprintf(text, sizeof(text), "process %ld, VM of descriptor %d, KVM vCPU %lu",
                       (long)atomic_load(&vcpu->slot->pid), vm, object->id);
        (void)lane_annotation(&vcpu->lane, name, text);
}

static bool create(struct interpose_control *control, int vm, struct interpose_object *object)
{
        struct vcpus *known = get_vcpus();

        if (!known || !object || process_recorder_gone())
                return false;
        uint32_t number = slot_take(control, &control->wanted);
        if (number >= INTERPOSE_SLOT_MAX)
                return false;
        struct interpose_slot *slot = &control->slot[number];
        struct interpose_vcpu *vcpu = &known->room[number];
        if (!slot_attach(slot, control, &vcpu->ring, &vcpu->lane))
                return false;
        vcpu->lane.masks = &vcpu->masks;
        int sync = next_ioctl(vm, KVM_CHECK_EXTENSION, (void *)(uintptr_t)KVM_CAP_SYNC_REGS);
        const uint64_t wanted = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
        vcpu->sync_registers = sync > 0 && ((uint64_t)sync & wanted) == wanted ? wanted : 0;
        vcpu->shares_events = sync > 0 && (unsigned)sync & KVM_SYNC_X86_EVENTS;
        vcpu->until_look = LOOK_INTERVAL;
        vcpu->announces = control->kernel_exits;
        vcpu->slot = slot;
        vcpu->vm = object->vm;
        describe(vcpu, vm, object);
        atomic_store_explicit(&known->all[number], vcpu, memory_order_release);
        atomic_store_explicit(&object->vcpu, vcpu, memory_order_release);
        return true;
}

void vcpu_create(int vm, struct interpose_object *object)
{
        struct interpose_control *control = process_control();
        int before = errno;

        if (!create(control, vm, object))
                atomic_fetch_add(&control->unrecorded, 1);
        errno = before;
}

/* A signal handler may leave KVM_RUN with siglongjmp(3); then the thread still is the owner. */
static bool enter(struct interpose_vcpu *vcpu)
{
        const void *owner = NULL;

        return atomic_compare_exchange_strong_explicit(&vcpu->owner, &owner, &this_thread, memory_order_acquire,
                                                       memory_order_relaxed) ||
               owner == &this_thread;
}

static void leave(struct interpose_vcpu *vcpu)
{
        atomic_store_explicit(&vcpu->owner, NULL, memory_order_release);
}

/* Another thread ran it last, or none did: the lane is this one's from now on, when that one has ended its call. */
static __attribute__((noinline)) bool take_over(struct interpose_vcpu *vcpu)
{
        atomic_store(&vcpu->thread, &this_thread);
        for (unsigned tries = 0; atomic_load(&vcpu->calling); tries++) {
                if (tries == TAKE_OVER_TRIES)
                        return false;
                __builtin_ia32_pause();
        }
        running = vcpu;
        thread_introduce(&vcpu->lane);
        return true;
}

static bool is_mine(struct interpose_vcpu *vcpu)
{
        return atomic_load_explicit(&vcpu->thread, memory_order_relaxed) == &this_thread || take_over(vcpu);
}

/* A store and a load in this order, here and in take_over(): at least one of two threads sees the other. */
struct interpose_vcpu *vcpu_begin_call(struct lane **lane, uint8_t **buffer)
{
        struct interpose_vcpu *vcpu = running;

        if (!vcpu)
                return NULL;
        atomic_fetch_add(&vcpu->calling, 1);
        if (atomic_load(&vcpu->thread) != &this_thread) {
                atomic_fetch_sub(&vcpu->calling, 1);
                return NULL;
        }
        *lane = lane_failed(&vcpu->lane) || process_recorder_gone() ? NULL : &vcpu->lane;
        *buffer = vcpu->buffer;
        return vcpu;
}

void vcpu_end_call(struct interpose_vcpu *vcpu)
{
        atomic_fetch_sub(&vcpu->calling, 1);
}

uint32_t vcpu_number(const struct interpose_vcpu *vcpu)
{
        return vcpu ? vcpu->slot->number : RING_CALL_OBJECT_NONE;
}

/* False when nothing is recorded any more. */
static bool is_recording(struct interpose_vcpu *vcpu)
{
        if (lane_failed(&vcpu->lane))
                return false;
        if (--vcpu->until_look == 0) {
                vcpu->until_look = LOOK_INTERVAL;
                if (process_recorder_gone())
                        vcpu->lane.stopped = true;
        }
        return !vcpu->lane.stopped;
}

/* The recorder opens the kernel's events of this thread: milliseconds, before its first exit. Where system calls are
 * restricted there is none here; the recorder looks by itself. */
static void announce(struct interpose_vcpu *vcpu)
{
        struct interpose_control *control = process_control();
        const uint64_t begin = stamp_monotonic();

        if (!this_number)
                this_number = process_thread_number();
        vcpu->announced = this_number;
        if (!this_number) {
                vcpu->announces = false;
                return;
        }
        atomic_store_explicit(&vcpu->slot->thread, this_number, memory_order_release);
        atomic_fetch_add(&control->asked, 1);
        if (process_may_sleep())
                futex_wake(&control->asked);
        uint32_t watched;
        while ((watched = atomic_load_explicit(&vcpu->slot->watched, memory_order_acquire)) != (uint32_t)this_number &&
               !process_recorder_gone() && stamp_monotonic() - begin < ANNOUNCE_NS) {
                if (process_may_sleep())
                        futex_wait(&vcpu->slot->watched, watched, 100);
                else
                        __builtin_ia32_pause();
        }
}

/* The VMM enters again: the handling of the last exit has ended. */
static void record_entry(struct interpose_vcpu *vcpu, const struct kvm_run *run)
{
        struct lane *lane = &vcpu->lane;

        if (lane->phase == LANE_HANDLING) {
                const struct exit_place place = {run, vcpu->run_size, vcpu->reason};
                exit_data_answered(lane, &place);
                (void)lane_handled(lane,
                                   vcpu->reason == KVM_EXIT_HLT ? HWACCL_OUTCOME_HALTED : HWACCL_OUTCOME_COMPLETED,
                                   lane_now(lane));
                (void)lane_keyframe_due(lane);
                lane_complete(lane);
        }
        if (lane->phase == LANE_BETWEEN)
                (void)lane_entry(lane, (struct hwaccl_known_state){NULL, NULL});
        if (__builtin_expect(vcpu->offer.open, 0))
                interrupt_offered(lane, &vcpu->offer);
}

void vcpu_interrupt(struct interpose_vcpu *vcpu, uint32_t vector, bool split)
{
        const struct kvm_run *run = atomic_load_explicit(&vcpu->run, memory_order_acquire);

        if (!run || vector > UINT8_MAX)
                return;
        vcpu->offer = (struct interrupt_offer){
                .open = true,
                .vector = (uint8_t)vector,
                .direct = !split || run->ready_for_interrupt_injection,
                .stamp = lane_now(&vcpu->lane),
        };
}

/* In the exit that KVM_RUN has returned. */
static __attribute__((noinline)) void settle_offer(struct interpose_vcpu *vcpu, int fd, const struct kvm_run *run,
                                                   uint64_t stamp)
{
        struct kvm_vcpu_events events;

        if (vcpu->shares_events)
                interrupt_settle(&vcpu->lane, &vcpu->offer, run, &run->s.regs.events, stamp);
        else if (next_ioctl(fd, KVM_GET_VCPU_EVENTS, &events) == 0)
                interrupt_settle(&vcpu->lane, &vcpu->offer, run, &events, stamp);
        else
                vcpu->offer.open = false; /* it is not known */
}

#define SREGS_SIZE offsetof(struct kvm_sregs, interrupt_bitmap) /* of what is converted */

/* As memcmp(3), in half the instructions: this is most of what an exit costs beside its records. The last piece
 * overlaps the one before. */
static STATE_DELTA_AVX2 bool same_sregs_avx2(const struct kvm_sregs *sregs, const struct kvm_sregs *last)
{
        const size_t piece = sizeof(__m256i);
        const char *a = (const char *)sregs, *b = (const char *)last;
        __m256i differing = _mm256_setzero_si256();

        for (size_t at = 0; at < SREGS_SIZE; at += piece) {
                size_t from = at + piece <= SREGS_SIZE ? at : SREGS_SIZE - piece;
                __m256i left = _mm256_loadu_si256((const __m256i_u *)(const void *)(a + from));
                __m256i right = _mm256_loadu_si256((const __m256i_u *)(const void *)(b + from));
                differing = _mm256_or_si256(differing, _mm256_xor_si256(left, right));
        }
        return _mm256_testz_si256(differing, differing);
}

static bool same_sregs(const struct interpose_vcpu *vcpu, const struct kvm_sregs *sregs)
{
        return vcpu->lane.avx2 ? same_sregs_avx2(sregs, &vcpu->sregs) : memcmp(sregs, &vcpu->sregs, SREGS_SIZE) == 0;
}

static __attribute__((noinline)) void convert_sregs(struct interpose_vcpu *vcpu, const struct kvm_sregs *sregs)
{
        struct hwaccl_trace_state *state = &vcpu->state;
        const uint64_t before[2] = {state->known[0], state->known[1]};

        state->known[0] = state->known[1] = 0;
        hwaccl_trace_kvm_sregs(state, sregs);
        memcpy(vcpu->sregs_known, state->known, sizeof(vcpu->sregs_known));
        memcpy(state->known, before, sizeof(before));
        vcpu->sregs = *sregs;
}

static inline void take_sregs(struct interpose_vcpu *vcpu, const struct kvm_sregs *sregs)
{
        struct hwaccl_trace_state *state = &vcpu->state;

        if (!vcpu->sregs_known[0] || !same_sregs(vcpu, sregs))
                convert_sregs(vcpu, sregs);
        state->known[0] |= vcpu->sregs_known[0];
        state->known[1] |= vcpu->sregs_known[1];
}

/* What is known after KVM_RUN; values of other fields are those of earlier exits. */
static __attribute__((noinline)) void get_state(struct interpose_vcpu *vcpu, int fd)
{
        struct kvm_regs regs;
        struct kvm_sregs sregs;

        if (next_ioctl(fd, KVM_GET_REGS, &regs) == 0)
                hwaccl_trace_kvm_regs(&vcpu->state, &regs);
        if (next_ioctl(fd, KVM_GET_SREGS, &sregs) == 0)
                take_sregs(vcpu, &sregs);
}

static void read_state(struct interpose_vcpu *vcpu, int fd, const struct kvm_run *run)
{
        struct hwaccl_trace_state *state = &vcpu->state;

        state->known[0] = state->known[1] = 0;
        hwaccl_trace_kvm_run(state, run);
        if (vcpu->sync_registers) {
                hwaccl_trace_kvm_regs(state, &run->s.regs.regs);
                take_sregs(vcpu, &run->s.regs.sregs);
        } else {
                get_state(vcpu, fd);
        }
}

/* SIGTERM at the exit that was asked for, from here, because only the vCPU's thread is there in time. */
static void count_exit(struct interpose_control *control)
{
        if (control->max_exits && atomic_fetch_add(&control->exits, 1) + 1 == control->max_exits)
                (void)kill(getpid(), SIGTERM);
}

static __attribute__((noinline)) void mark_exit(struct lane *lane, const struct kvm_run *run, uint64_t stamp)
{
        char text[EXIT_TEXT_ROOM];
        size_t length = exit_text(run, text);

        if (length)
                (void)lane_mark(lane, text, length, stamp);
}

static bool read_guest(void *vm, uint64_t physical, void *to, size_t size)
{
        return memory_slots_read(vm, physical, to, size);
}

/* Exits whose instruction is worth its search: those that end a run, and device memory, for which the processor gives
 * no data. RIP of others is that of the next instruction, or they say what the instruction was. */
static bool wants_code(uint32_t reason)
{
        const uint64_t wanted = UINT64_C(1) << KVM_EXIT_MMIO | UINT64_C(1) << KVM_EXIT_SHUTDOWN |
                                UINT64_C(1) << KVM_EXIT_FAIL_ENTRY | UINT64_C(1) << KVM_EXIT_INTERNAL_ERROR |
                                UINT64_C(1) << KVM_EXIT_DEBUG | UINT64_C(1) << KVM_EXIT_X86_RDMSR |
                                UINT64_C(1) << KVM_EXIT_X86_WRMSR;

        return reason < 64 && wanted >> reason & 1;
}

static __attribute__((noinline)) void record_code(struct interpose_vcpu *vcpu, const struct kvm_run *run)
{
        const struct guest_memory memory = {read_guest, vcpu->vm};
        const struct guest_state state = {&run->s.regs.regs, &run->s.regs.sregs};
        struct guest_code code;

        if (!vcpu->vm || !vcpu->sync_registers || !guest_code_of_exit(&state, run, &memory, &vcpu->last_code, &code))
                return;
        const struct hwaccl_input input = {HWACCL_INPUT_INSTRUCTION, code.physical, 0, code.bytes, (uint32_t)code.size};
        (void)lane_input(&vcpu->lane, &input);
}

static void record_exit(struct interpose_vcpu *vcpu, int fd, const struct kvm_run *run, uint64_t stamp)
{
        struct lane *lane = &vcpu->lane;

        read_state(vcpu, fd, run);
        const struct hwaccl_known_fields known = hwaccl_known_fields_of_words(vcpu->state.known);
        vcpu->reason = run->exit_reason;
        (void)lane_exit(lane, (struct hwaccl_known_state){&vcpu->state.values, &known}, NULL, stamp);
        if (__builtin_expect(vcpu->offer.open, 0))
                settle_offer(vcpu, fd, run, stamp);
        const struct exit_place place = {run, vcpu->run_size, vcpu->reason};
        if (wants_code(run->exit_reason))
                record_code(vcpu, run);
        const struct kvm_coalesced_mmio_ring *ring = coalesced_ring(run, vcpu->run_size);
        if (__builtin_expect(coalesced_is_new(vcpu->vm, ring), 0))
                coalesced_record(lane, vcpu->vm, ring);
        exit_data_left(lane, &place);
        struct hwaccl_kvm_run fields;
        hwaccl_trace_kvm_fields(&fields, run);
        (void)lane_kvm_run(lane, &fields);
        if (__builtin_expect(!exit_is_usual(run->exit_reason), 0))
                mark_exit(lane, run, stamp);
        count_exit(process_control());
}

/* KVM_RUN failed: a mark, where it is no interruption. */
static void record_failure(struct interpose_vcpu *vcpu, int reason, uint64_t stamp)
{
        char text[EXIT_TEXT_ROOM];
        const char *name = strerrorname_np(reason);
        int length = snprintf(text, sizeof(text), "KVM_RUN failed: error %d (%s)", reason, name ? name : "unknown");

        (void)lane_mark(&vcpu->lane, text, (size_t)length, stamp);
}

__attribute__((noinline)) int vcpu_run(struct interpose_vcpu *vcpu, int fd, void *argument)
{
        struct kvm_run *run = atomic_load_explicit(&vcpu->run, memory_order_acquire);

        if (!run || !enter(vcpu))
                return next_ioctl(fd, KVM_RUN, argument);
        if (!is_recording(vcpu) || !is_mine(vcpu)) {
                leave(vcpu);
                return next_ioctl(fd, KVM_RUN, argument);
        }
        int before = errno;
        if (__builtin_expect(vcpu->announces, 0) && (vcpu->announced != this_number || !this_number))
                announce(vcpu);
        record_entry(vcpu, run);
        const uint64_t valid = run->kvm_valid_regs;
        run->kvm_valid_regs = valid | vcpu->sync_registers;
        if (__builtin_expect(vcpu->offer.open && vcpu->shares_events, 0))
                run->kvm_valid_regs |= KVM_SYNC_X86_EVENTS;
        errno = before;
        vcpu->lane.entry_stamp = lane_now(&vcpu->lane);
        atomic_store_explicit(&vcpu->slot->entered, vcpu->lane.entry_stamp, memory_order_relaxed);
        int result = next_ioctl(fd, KVM_RUN, argument);
        int reason = errno;
        uint64_t stamp = lane_now(&vcpu->lane);
        atomic_store_explicit(&vcpu->slot->entered, 0, memory_order_relaxed);
        run->kvm_valid_regs = valid;
        if (result >= 0 || (reason == EINTR && run->exit_reason == KVM_EXIT_INTR)) {
                vcpu->lane.exit_sequence = lane_next(&vcpu->lane);
                record_exit(vcpu, fd, run, stamp);
        } else if (reason != EINTR && reason != EAGAIN)
                record_failure(vcpu, reason, stamp);
        leave(vcpu);
        errno = reason;
        return result;
}
