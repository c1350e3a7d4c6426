/*
 * The contract between the two sides of the Muen accelerator. Stable: an other side that keeps to it goes on working.
 *
 * Another party, Muen's separation kernel or a program that stands in for it, runs the guest as a subject. The two
 * sides share pages and ring doorbells; nothing else passes between them.
 *
 * THE SUBJECT DIRECTORY holds one file or device for each of the following, which this side maps and opens. The other
 * side makes them before this side starts. Sizes are the least; whole pages of 4096 bytes are mapped. Numbers are
 * little endian.
 *
 *   - subject_info_page: 28600 bytes, filled by the other side: hwaccl/subject_info.h. Read once. It has to name the
 *     memory regions monitor_state, monitor_interrupts, monitor_timed_event and vm_ram_1 to vm_ram_4
 *   - monitor_state: 4096 bytes; the subject state (hwaccl/subject_state.h) in the first 512, the rest unused
 *   - monitor_interrupts: 4096 bytes; pending interrupts in the first 32, the rest unused. Bit v % 64 of the 64-bit
 *     word v / 64 is set while vector v is pending
 *   - monitor_timed_event: 4096 bytes; when the subject is to be preempted (struct hwaccl_muen_timed_event)
 *   - vm_ram_1 to vm_ram_4: each as long as its memory region: VM RAM. The regions' addresses follow each other without
 *     a gap, and together they are the guest's RAM from guest-physical 0: 1 MiB to 3 GiB. Shared, and never cleared
 *   - vm_firmware: only if subject info has a memory region of that name: the guest's firmware, as long as the region
 *     (64 KiB to 16 MiB, a multiple of 64 KiB). Filled by the other side, read only here
 *   - doorbell_run, doorbell_exit, doorbell_poke: FIFOs or character devices. Not looked for when descriptors are
 *     handed over instead, such as eventfds, which have no name (hwaccl record --subject-doorbells)
 *
 * A file that becomes shorter while it is mapped, or whose file system has no room for a page, raises SIGBUS in the
 * process that accesses the page. This side makes an error of that, which ends the guest.
 *
 * The TSC, which both sides read with RDTSC, runs at subject info's tsc_khz (1,000 to 100,000,000).
 *
 * THE GUEST sees VM RAM at guest-physical 0 to 9ffffh and from c0000h to the end of VM RAM, readable, writable and
 * executable; vm_firmware, not writable, so that it ends at 4 GiB (a write to it is an exit like one to what is not
 * mapped); nothing else: any other access is an exit with reason 48 (EPT violation). This side copies the last 128 KiB
 * of vm_firmware to the end of the first MiB. The guest starts in the reset state; without vm_firmware it starts in
 * real mode at the memory region vm_image, {guest-physical address below 1 MiB, size}, which the other side has put
 * into VM RAM. Where subject info has neither, this side puts a kernel into VM RAM before the first run, whose state
 * says where it starts. Bits of CR0 and CR4 that belong to the VMM: HWACCL_CR0_MASK, HWACCL_CR4_MASK.
 *
 * ONE RUN. At any time one of the sides owns monitor_state: this side at first.
 *   1. This side writes the subject state with HWACCL_MUEN_RUNNING as exit reason, sets the bit of an interrupt to
 *      deliver in monitor_interrupts, writes monitor_timed_event, and rings doorbell_run. The other side now owns the
 *      state.
 *   2. The other side loads the guest from the state and runs it until it exits. It delivers a pending interrupt, and
 *      clears its bit, as soon as the guest can take it. It exits with reason 52 when the TSC has reached
 *      monitor_timed_event's trigger, with reason 7 before the first instruction at which an interrupt could be taken
 *      if monitor_timed_event asks for that, and with reason 1 soon after a ring of doorbell_poke; a kick that came
 *      before the run ends that run at once.
 *   3. The other side writes the state as VT-x would leave it: qualification, guest-physical address, interruptibility,
 *      interrupt information, instruction length, RIP at the instruction that exited, control registers with their
 *      shadows under the masks; the exit reason last. At a task switch (reason 9) through a task gate in the IDT,
 *      interrupt information is the IDT-vectoring information, with its error code in bits 63:32; without it the guest
 *      ends with an error. It rings doorbell_exit. This side owns the state again. Bits of
 *      monitor_interrupts that it set and that are still set it takes back. It copies the state before it looks at it.
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
 * ERRORS end the guest, and say what the other side did: it has ended; it does not answer, though it was asked to exit
 * (a deadline or a kick) longer ago than 10 seconds; it rang doorbell_exit without an exit, or twice for one; it
 * took a page away. A guest that is not asked to exit may run for as long as it likes. A state with another value in
 * the VMM's bits is refused too. Other states that break the ABI, and unknown exit reasons, are recorded and then
 * refused.
 */
#ifndef HWACCL_ACCEL_MUEN_H
#define HWACCL_ACCEL_MUEN_H

#include "hwaccl/subject_info.h"
#include "hwaccl/subject_state.h"

#include <stddef.h>
#include <stdint.h>

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

#endif
