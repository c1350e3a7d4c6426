/* Tables that firmware takes from fw_cfg instead of making its own. */
#ifndef HWACCL_MACHINE_FW_CFG_TABLES_H
#define HWACCL_MACHINE_FW_CFG_TABLES_H

#include "core/machine/devices/fw_cfg.h"
#include "core/machine/loader/acpi_tables.h"

#define HWACCL_FW_CFG_RSDP_FILE "etc/acpi/rsdp"
#define HWACCL_FW_CFG_ACPI_FILE "etc/acpi/tables"

#define HWACCL_FW_CFG_COMMAND_SIZE 128
#define HWACCL_FW_CFG_COMMAND_MAX  16

struct hwaccl_fw_cfg_tables {
        uint8_t rsdp[HWACCL_LOADER_RSDP_SIZE];
        uint8_t acpi[HWACCL_LOADER_ACPI_WITHOUT_APIC];
        /* what firmware is to do with both: QEMU, hw/acpi/bios-linker-loader.c */
        uint8_t script[HWACCL_FW_CFG_COMMAND_MAX * HWACCL_FW_CFG_COMMAND_SIZE];
        size_t script_size;
        uint8_t smbios_anchor[31];
        uint8_t smbios[6];
};

/** hwaccl_fw_cfg_make_tables - ACPI tables of the machine without APICs, and SMBIOS tables without processors */
void hwaccl_fw_cfg_make_tables(struct hwaccl_fw_cfg_tables *tables);

#endif
