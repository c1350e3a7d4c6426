/* ACPI power management of the PIIX4: PM timer, PM1 events and control, the APM ports. */
#ifndef HWACCL_MACHINE_ACPI_H
#define HWACCL_MACHINE_ACPI_H

#include "core/machine/board/device.h"

#define HWACCL_ACPI_PORT_COUNT 64

struct hwaccl_acpi {
        struct hwaccl_device device;
        uint16_t pm1_status;
        uint16_t pm1_enable;
        uint16_t pm1_control;
        uint8_t apm_control;                   /* b2h */
        uint8_t apm_status;                    /* b3h */
        uint8_t latch[HWACCL_ACPI_PORT_COUNT]; /* the block's other registers, as written */
        uint64_t synchronized;                 /* tick of the PM timer up to which its status bit holds */
        /* where the block is: a function of PCI configuration space */
        uint16_t base;
        bool mapped;
};

void hwaccl_acpi_init(struct hwaccl_acpi *acpi, struct hwaccl_board *board);

/** hwaccl_acpi_map - the block's ports are at @base (a multiple of 64) from now on, or nowhere. Ports that other
 * devices have stay theirs */
void hwaccl_acpi_map(struct hwaccl_acpi *acpi, uint16_t base, bool enabled);

#endif
