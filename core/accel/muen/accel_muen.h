/*
 * The accelerator of the original system: another party, Muen's separation kernel or a program that stands in for it,
 * runs the guest as a subject. The two sides share pages and ring doorbells; nothing else passes between them.
 *
 * THE SUBJECT DIRECTORY holds one file or device for each of the following, which this side maps and opens. The other
 * side makes them before this side starts. Sizes are the least; whole pages of 4096 bytes are mapped. Numbers are
 * little endian.
 *
 *   - subject_info_page: 28600 bytes, filled by the other side: subject_info.h. Read once. It has to name the memory
 *     regions monitor_state, monitor_interrupts, monitor_timed_event and vm_ram_1 to vm_ram_4
 *   - monitor_state: 4096 bytes; the subject state (subject_state.h) in the first 512, the rest unused
 *   - monitor_interrupts: 4096 bytes; pending interrupts (pending_interrupts.h) in the first 32, the rest unused
 *   - monitor_timed_event: 4096 bytes; when the subject is to be preempted (struct hwaccl_muen_timed_event)
 *   - vm_ram_1 to vm_ram_4: each as long as its memory region: VM RAM. The regions' addresses follow each other without
 *     a gap, and together they are the guest's RAM from guest-physical 0: 1 MiB to 3 GiB. Shared, and never cleared
 *   - vm_firmware: only if subject info has a memory region of that name: the guest's firmware, as long as the region
 *     (64 KiB to 16 MiB, a multiple of 64 KiB). Filled by the other side, read only here
 *   - doorbell_run, doorbell_exit, doorbell_poke: FIFOs or character devices. Not looked for when descriptors are
 *     handed over instead, such as eventfds, which have no name (struct hwaccl_muen_config)
 *
 * A file that becomes shorter while it is mapped, or whose file system has no room for a page, raises SIGBUS in the
 * process that accesses the page. hwaccl_muen_replace_page() makes an error of that, which ends the guest.
 *
 * The TSC, which both sides read with RDTSC, runs at subject info's tsc_khz (1,000 to 100,000,000).
 *
 * THE GUEST sees VM RAM at guest-physical 0 to 9ffffh and from c0000h to the end of VM RAM, readable, writable and
 * executable; vm_firmware, not writable, so that it ends at 4 GiB (a write to it is an exit like one to what is not
 * mapped); nothing else: any other access is an exit with reason 48 (EPT violation). This side copies the last 128 KiB
 * of vm_firmware to the end of the first MiB. The guest starts in the reset state; without vm_firmware it starts in
 * real mode at the memory region vm_image, {guest-physical address below 1 MiB, size}, which the other side has put
 * into VM RAM. Where subject info has neither, this side puts a kernel into VM RAM before the first run, whose state
 * says where it starts. Bits of CR0 and CR4 that belong to the VMM: HWACCL_CR0_MASK, HWACCL_CR4_MASK (vcpu.h).
 *
 * ONE RUN. At any time one of the sides owns monitor_state: this side at first.
 *   1. This side writes the subject state with HWACCL_MUEN_RUNNING as exit reason, sets the bit of an interrupt to
 *      deliver in monitor_interrupts, writes monitor_timed_event, and rings doorbell_run. The other side now owns the
 *      state.
 *   2. The other side loads the guest from the state and runs it until it exits. It delivers a pending interrupt, and
 *      clears its bit, as soon as the guest can take it. It exits with reason 52 when the TSC has reached
 *      monitor_timed_event's trigger, with reason 7 before the first instruction at which an interrupt could be taken
 *      if monitor_timed_event asks for that, and with reason 1 soon after a ring of doorbell_poke; a poke that came
 *      before the run ends that run at once.
 *   3. The other side writes the state as VT-x would leave it (struct hwaccl_accel_ops.run), the exit reason last, and
 *      rings doorbell_exit. This side owns the state again. Bits of monitor_interrupts that it set and that are still
 *      set it takes back. It copies the state before it looks at it.
 *
 * Each side's writes are done before it rings (a release), and it reads after it has seen a ring (an acquire). Bits of
 * monitor_interrupts and monitor_timed_event's trigger are accessed atomically.
 *
 * A DOORBELL is rung by writing the 8-byte number 1, and awaited by reading 8 bytes, as with eventfd(2): one ring for
 * each run, one for each exit. A FIFO keeps the rings one behind the other; an eventfd or a device may add them up.
 * This side opens doorbell_exit for reading, so that the end of the other side's process is seen as the end of the
 * file, and the other two for reading and writing; the other side has all three open by then. It can take the end of
 * file on doorbell_run as this side's end.
 *
 * ERRORS end the guest, and name what the other side did: it is gone; it does not answer, though it was asked to exit
 * (a deadline or a poke) longer ago than answer_timeout_ns; it rang doorbell_exit without an exit, or twice for one; it
 * took a page away. A guest that is not asked to exit may run for as long as it likes. A state with another value in
 * the VMM's bits is refused too (hwaccl_subject_state_check_owner()). Other states that break the ABI are recorded, and
 * then refused by hwaccl_transfer_out(); so are unknown exit reasons.
 */
#ifndef HWACCL_ACCEL_MUEN_H
#define HWACCL_ACCEL_MUEN_H

#include "core/accel/accel.h"
#include "core/muen/subject_info.h"

/* The exit reason of a state that the other side owns. No exit has it. */
#define HWACCL_MUEN_RUNNING UINT64_MAX

/*
 * monitor_timed_event: Muen's timed event of the subject, whose handler hands over to the VMM. What lies behind the
 * padding is this project's: Muen's kernel has no request for interrupt-window exits, so that there the interrupt waits
 * for the next exit.
 */
struct hwaccl_muen_timed_event {
        _Atomic uint64_t tsc_trigger; /* UINT64_MAX: never */
        uint8_t event;                /* HWACCL_MUEN_EVENT_PREEMPT */
        uint8_t padding[7];
        uint32_t processor_controls; /* HWACCL_MUEN_INTERRUPT_WINDOW or 0 */
        uint32_t padding_2;
};

#define HWACCL_MUEN_EVENT_PREEMPT    30u
#define HWACCL_MUEN_INTERRUPT_WINDOW 4u /* interrupt-window exiting, bit 2 of the processor-based controls (SDM 3C) */

_Static_assert(sizeof(struct hwaccl_muen_timed_event) == 24, "the timed event is 24 bytes");
_Static_assert(offsetof(struct hwaccl_muen_timed_event, processor_controls) == 16, "the controls lie at 16");

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
         * a pipe that nobody reads raises SIGPIPE, if that is not ignored */
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
 * hwaccl_muen_replace_page - a page of the subject directory cannot be had any more: for the program's SIGBUS handler
 * @address: of the access that failed (si_addr)
 *
 * Puts a page of zeros in its place, so that the access goes on when the handler returns; hwaccl_muen_check() and the
 * next run, if not the one under way, then fail with what happened. False: @address is none of the subject's, or
 * nothing can be put there; the signal is about something else. Safe in a signal handler and in any thread, while
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
