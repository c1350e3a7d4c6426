/* PCI configuration space by ports cf8h and cfch: host bridge, ISA bridge, IDE, power management. And reset port cf9h.
 */
#ifndef HWACCL_MACHINE_PCI_H
#define HWACCL_MACHINE_PCI_H

#include "core/machine/devices/acpi.h"

#define HWACCL_PCI_CONFIG_SIZE 256

struct hwaccl_pci {
        struct hwaccl_device device;
        struct hwaccl_acpi *acpi; /* whose ports the power management function places */
        uint32_t address;         /* CONFIG_ADDRESS */
        uint8_t reset_control;    /* cf9h */
        uint8_t host_bridge[HWACCL_PCI_CONFIG_SIZE];
        uint8_t isa_bridge[HWACCL_PCI_CONFIG_SIZE];
        uint8_t power[HWACCL_PCI_CONFIG_SIZE];
        uint8_t ide[HWACCL_PCI_CONFIG_SIZE]; /* there when the machine has a disk */
};

void hwaccl_pci_init(struct hwaccl_pci *pci, struct hwaccl_acpi *acpi, struct hwaccl_board *board);

/** hwaccl_pci_enable_power - the ports of power management are at @base, a multiple of 64, as firmware sets them up */
void hwaccl_pci_enable_power(struct hwaccl_pci *pci, uint16_t base);

#endif
