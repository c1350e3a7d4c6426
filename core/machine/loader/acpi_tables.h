/*
 * The ACPI tables of a guest that is started without firmware: RSDP, RSDT and XSDT, FADT, FACS, DSDT. As much as an
 * operating system needs to switch the machine off (\_S5 by the PIIX4's power management block), to reset it (port
 * cf9h), to find its PCI bus, keyboard controller, clock and COM1, and to route interrupts through the PICs: there is
 * no MADT, where there is no local APIC.
 *
 * Without tables Linux would run as well, with its legacy probing, but `poweroff` could only halt: with them a guest
 * ends with HWACCL_END_POWER_OFF. A machine with a local APIC and an I/O APIC has a MADT, and the MultiProcessor
 * Specification's tables for systems without ACPI. Firmware brings its own tables, or none.
 */
#ifndef HWACCL_MACHINE_LOADER_ACPI_TABLES_H
#define HWACCL_MACHINE_LOADER_ACPI_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Guest-physical, in the area that software searches for the RSDP; the RSDP comes first. */
#define HWACCL_LOADER_ACPI_ADDRESS UINT64_C(0xf0000)
#define HWACCL_LOADER_ACPI_SIZE    1536u /* at most */

/* The port where the tables say that the power management block is; SeaBIOS puts it there too. */
#define HWACCL_LOADER_ACPI_POWER_PORT 0x600u

/** hwaccl_loader_acpi_tables - write the tables that stand at HWACCL_LOADER_ACPI_ADDRESS. Returns their size */
size_t hwaccl_loader_acpi_tables(uint8_t tables[HWACCL_LOADER_ACPI_SIZE], bool apic);

/** hwaccl_loader_acpi_tables_at - the same for another place, a multiple of 64 below 4 GiB */
size_t hwaccl_loader_acpi_tables_at(uint64_t base, uint8_t tables[HWACCL_LOADER_ACPI_SIZE], bool apic);

/* Places in the tables, and of the pointers and checksums in them, for who moves them. */
#define HWACCL_LOADER_ACPI_WITHOUT_APIC 1024u /* size */
#define HWACCL_LOADER_RSDP_SIZE         36u
#define HWACCL_LOADER_RSDP_SIZE_1_0     20u
#define HWACCL_LOADER_RSDT_PLACE        0x040u
#define HWACCL_LOADER_XSDT_PLACE        0x080u
#define HWACCL_LOADER_FADT_PLACE        0x0c0u
#define HWACCL_LOADER_ACPI_HEADER_SIZE  36u
#define HWACCL_LOADER_FADT_SIZE         244u

/** hwaccl_loader_mp_table - the MultiProcessor Specification's tables (232 bytes) of a machine with both APICs
 * @address: guest-physical, of @tables, which are zeros; a multiple of 16 */
void hwaccl_loader_mp_table(uint8_t *tables, uint64_t address);

#endif
