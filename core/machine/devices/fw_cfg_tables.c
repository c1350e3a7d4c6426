/*
 * Tables for firmware on a machine without APICs. SeaBIOS would make ACPI and MP tables that have them, whatever CPUID
 * says: it makes none of ACPI where it finds these, and no MP tables for more than 255 processors, of which its own
 * SMBIOS tables would list each.
 */
#include "core/machine/devices/fw_cfg_tables.h"

#include "core/assert.h"
#include "core/machine/loader/table_bytes.h"

#include <string.h>

enum command { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3 };

#define NAME_SIZE 56u
#define ZONE_HIGH 1u
#define ZONE_FSEG 2u

#define RSDP_RSDT       16u
#define RSDP_XSDT       24u
#define RSDP_CHECKSUM   8u
#define RSDP_CHECKSUM_2 32u
#define FADT_FACS       36u
#define FADT_DSDT       40u
#define FADT_DSDT_WIDE  140u
#define TABLE_CHECKSUM  9u

/* NOLINTBEGIN(bugprone-not-null-terminated-result): the fields are zeros behind the names */

static uint8_t *add_command(struct hwaccl_fw_cfg_tables *tables, enum command command, const char *file)
{
        uint8_t *entry = tables->script + tables->script_size;

        hwaccl_assert(tables->script_size < sizeof(tables->script));
        tables->script_size += HWACCL_FW_CFG_COMMAND_SIZE;
        table_put(entry, command, 4);
        memcpy(entry + 4, file, strlen(file));
        return entry + 4 + NAME_SIZE;
}

static void allocate(struct hwaccl_fw_cfg_tables *tables, const char *file, uint32_t alignment, uint8_t zone)
{
        uint8_t *arguments = add_command(tables, ALLOCATE, file);

        table_put(arguments, alignment, 4);
        arguments[4] = zone;
}

/* What stands there is an offset into the tables. */
static void add_pointer(struct hwaccl_fw_cfg_tables *tables, const char *file, uint32_t offset, uint8_t size)
{
        uint8_t *arguments = add_command(tables, ADD_POINTER, file);

        memcpy(arguments, HWACCL_FW_CFG_ACPI_FILE, strlen(HWACCL_FW_CFG_ACPI_FILE));
        table_put(arguments + NAME_SIZE, offset, 4);
        arguments[NAME_SIZE + 4] = size;
}

static void add_checksum(struct hwaccl_fw_cfg_tables *tables, const char *file, uint32_t start, uint32_t checksum,
                         uint32_t size)
{
        uint8_t *arguments = add_command(tables, ADD_CHECKSUM, file);

        table_put(arguments, start + checksum, 4);
        table_put(arguments + 4, start, 4);
        table_put(arguments + 8, size, 4);
}

static void make_script(struct hwaccl_fw_cfg_tables *tables)
{
        static const char rsdp[] = HWACCL_FW_CFG_RSDP_FILE, acpi[] = HWACCL_FW_CFG_ACPI_FILE;
        const uint32_t header = HWACCL_LOADER_ACPI_HEADER_SIZE;

        allocate(tables, rsdp, 16, ZONE_FSEG);
        allocate(tables, acpi, 64, ZONE_HIGH);
        add_pointer(tables, rsdp, RSDP_RSDT, 4);
        add_pointer(tables, rsdp, RSDP_XSDT, 8);
        add_pointer(tables, acpi, HWACCL_LOADER_RSDT_PLACE + header, 4);
        add_pointer(tables, acpi, HWACCL_LOADER_XSDT_PLACE + header, 8);
        add_pointer(tables, acpi, HWACCL_LOADER_FADT_PLACE + FADT_FACS, 4);
        add_pointer(tables, acpi, HWACCL_LOADER_FADT_PLACE + FADT_DSDT, 4);
        add_pointer(tables, acpi, HWACCL_LOADER_FADT_PLACE + FADT_DSDT_WIDE, 8);
        add_checksum(tables, rsdp, 0, RSDP_CHECKSUM, HWACCL_LOADER_RSDP_SIZE_1_0);
        add_checksum(tables, rsdp, 0, RSDP_CHECKSUM_2, HWACCL_LOADER_RSDP_SIZE);
        add_checksum(tables, acpi, HWACCL_LOADER_RSDT_PLACE, TABLE_CHECKSUM, header + 4);
        add_checksum(tables, acpi, HWACCL_LOADER_XSDT_PLACE, TABLE_CHECKSUM, header + 8);
        add_checksum(tables, acpi, HWACCL_LOADER_FADT_PLACE, TABLE_CHECKSUM, HWACCL_LOADER_FADT_SIZE);
}

/* SMBIOS 2.8: an entry point whose checksums firmware fills in, and the structure that ends the table. */
static void make_smbios(struct hwaccl_fw_cfg_tables *tables)
{
        uint8_t *anchor = tables->smbios_anchor;

        memcpy(anchor, "_SM_", 4);
        anchor[5] = sizeof(tables->smbios_anchor);
        anchor[6] = 2;
        anchor[7] = 8;
        table_put(anchor + 8, sizeof(tables->smbios), 2);
        memcpy(anchor + 16, "_DMI_", 5);
        table_put(anchor + 22, sizeof(tables->smbios), 2);
        table_put(anchor + 28, 1, 2);
        anchor[30] = 0x28;
        tables->smbios[0] = 127;
        tables->smbios[1] = 4;
        table_put(tables->smbios + 2, 0x7f00, 2);
}

/* NOLINTEND(bugprone-not-null-terminated-result) */

void hwaccl_fw_cfg_make_tables(struct hwaccl_fw_cfg_tables *tables)
{
        uint8_t acpi[HWACCL_LOADER_ACPI_SIZE];

        memset(tables, 0, sizeof(*tables));
        (void)hwaccl_loader_acpi_tables_at(0, acpi, false);
        memcpy(tables->rsdp, acpi, sizeof(tables->rsdp));
        memcpy(tables->acpi, acpi, sizeof(tables->acpi));
        make_script(tables);
        make_smbios(tables);
}
