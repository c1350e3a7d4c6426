/* Intel 82093AA I/O APIC (order number 290566-001) at fec00000h: 24 pins, of which 0-15 are the ISA lines. */
#ifndef HWACCL_MACHINE_IO_APIC_H
#define HWACCL_MACHINE_IO_APIC_H

#include "core/machine/board/board.h"

struct hwaccl_local_apic;

#define HWACCL_IO_APIC_BASE UINT64_C(0xfec00000)
#define HWACCL_IO_APIC_PINS 24

struct hwaccl_io_apic {
        struct hwaccl_device device;
        struct hwaccl_local_apic *local_apic;
        uint64_t redirection[HWACCL_IO_APIC_PINS];
        uint32_t pins;  /* levels: 1 is asserted, whatever polarity an entry says */
        uint8_t select; /* IOREGSEL */
        uint8_t id;
};

void hwaccl_io_apic_init(struct hwaccl_io_apic *io_apic, struct hwaccl_local_apic *local_apic,
                         struct hwaccl_board *board);

/** hwaccl_io_apic_set_pin - returns whether the level changed */
bool hwaccl_io_apic_set_pin(struct hwaccl_io_apic *io_apic, unsigned pin, bool level);

/** hwaccl_io_apic_end_of_interrupt - the local APIC's EOI message for a level-triggered interrupt */
void hwaccl_io_apic_end_of_interrupt(struct hwaccl_io_apic *io_apic, uint8_t vector);

/** hwaccl_io_apic_offer - offer level-triggered interrupts that were not accepted again */
void hwaccl_io_apic_offer(struct hwaccl_io_apic *io_apic);

/** hwaccl_io_apic_would_interrupt - would a rising pin interrupt the processor now?
 * @enabled: RFLAGS.IF */
bool hwaccl_io_apic_would_interrupt(const struct hwaccl_io_apic *io_apic, unsigned pin, bool enabled);

#endif
