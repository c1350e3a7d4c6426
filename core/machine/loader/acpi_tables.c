/* ACPI tables (ACPI specification 2.0, chapters 5, 16 and 17) for the PIIX4 board. */
#include "core/machine/loader/acpi_tables.h"
#include "core/machine/loader/table_bytes.h"

#include <string.h>

/* Places of the tables, from HWACCL_LOADER_ACPI_ADDRESS on; the FACS must stand on a multiple of 64. */
#define RSDP_PLACE 0x000u
#define RSDT_PLACE HWACCL_LOADER_RSDT_PLACE
#define XSDT_PLACE HWACCL_LOADER_XSDT_PLACE
#define FADT_PLACE HWACCL_LOADER_FADT_PLACE
#define FACS_PLACE 0x1c0u
#define DSDT_PLACE 0x200u
#define MADT_PLACE 0x380u
#define MP_PLACE   0x400u

#define RSDP_SIZE_1_0 HWACCL_LOADER_RSDP_SIZE_1_0
#define RSDP_SIZE     HWACCL_LOADER_RSDP_SIZE
#define HEADER_SIZE   HWACCL_LOADER_ACPI_HEADER_SIZE
#define FADT_SIZE     HWACCL_LOADER_FADT_SIZE
#define FACS_SIZE     64u

#define SCI_LINE         9u
#define APM_PORT         0xb2u
#define APM_ACPI_ENABLE  0xf1u
#define APM_ACPI_DISABLE 0xf0u
#define RESET_PORT       0xcf9u
#define RESET_VALUE      0x06u
#define CMOS_CENTURY     0x32u

/* C2 and C3 are not there: latencies beyond these say so. */
#define NO_C2_LATENCY 101u
#define NO_C3_LATENCY 1001u

#define BOOT_LEGACY_DEVICES 0x0001u
#define BOOT_8042           0x0002u
#define BOOT_NO_VGA         0x0004u
#define BOOT_NO_MSI         0x0008u

#define FADT_WBINVD          0x0001u
#define FADT_C1              0x0004u
#define FADT_NO_POWER_BUTTON 0x0010u
#define FADT_NO_SLEEP_BUTTON 0x0020u
#define FADT_NO_RTC_WAKE     0x0040u
#define FADT_RESET_REGISTER  0x0400u

#define ADDRESS_SPACE_IO 1u

/*
 * The definition block, in AML:
 *
 *      Name (\_S5, Package () { 0, 0, 0, 0 })
 *      Scope (\_SB) { Device (PCI0) { _HID PNP0A03, _CRS, _PRT
 *              Device (KBD)  { _HID PNP0303, _CRS: ports 60h, 64h, line 1 }
 *              Device (RTC)  { _HID PNP0B00, _CRS: ports 70h-71h, line 8 }
 *              Device (COM1) { _HID PNP0501, _CRS: ports 3f8h-3ffh, line 4 } } }
 *
 * 08 names an object, 0c is a doubleword, 12 a package, 11 a buffer, 10 a scope, 5b 82 a device; a length counts itself
 * and all that follows, in two bytes (low four bits in the first) where it is more than 3fh.
 */
/* clang-format off */
static const uint8_t definition_block[] = {
        0x08, '_', 'S', '5', '_', 0x12, 0x06, 4, 0, 0, 0, 0,       /* SLP_TYP of PM1a and PM1b */
        0x10, 0x47, 0x10, '_', 'S', 'B', '_',
        0x5b, 0x82, 0x4f, 0x0f, 'P', 'C', 'I', '0',
        0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x03,
        0x08, '_', 'C', 'R', 'S', 0x11, 0x48, 0x05, 0x0a, 0x54,
        0x88, 0x0d, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 1, /* buses 0-ffh */
        0x47, 1, 0xf8, 0x0c, 0xf8, 0x0c, 1, 8,                      /* its own ports cf8h-cffh */
        0x88, 0x0d, 0, 1, 0x0c, 3, 0, 0, 0, 0, 0xf7, 0x0c, 0, 0, 0xf8, 0x0c,
        0x88, 0x0d, 0, 1, 0x0c, 3, 0, 0, 0, 0x0d, 0xff, 0xff, 0, 0, 0, 0xf3,
        0x87, 0x17, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xc0,       /* memory c0000000h- */
        0xff, 0xff, 0xbf, 0xfe, 0, 0, 0, 0, 0, 0, 0xc0, 0x3e,       /* -febfffffh */
        0x79, 0,
        0x08, '_', 'P', 'R', 'T', 0x12, 0x0e, 1,                    /* of function 1.3, INTA: line 9 */
        0x12, 0x0b, 4, 0x0c, 0xff, 0xff, 1, 0, 0, 0, 0x0a, SCI_LINE,
        0x5b, 0x82, 0x2d, 'K', 'B', 'D', '_',
        0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 3, 3,
        0x08, '_', 'C', 'R', 'S', 0x11, 0x18, 0x0a, 0x15,
        0x47, 1, 0x60, 0, 0x60, 0, 1, 1, 0x47, 1, 0x64, 0, 0x64, 0, 1, 1, 0x22, 0x02, 0, 0x79, 0,
        0x5b, 0x82, 0x25, 'R', 'T', 'C', '_',
        0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0b, 0,
        0x08, '_', 'C', 'R', 'S', 0x11, 0x10, 0x0a, 0x0d,
        0x47, 1, 0x70, 0, 0x70, 0, 1, 2, 0x22, 0, 0x01, 0x79, 0,
        0x5b, 0x82, 0x25, 'C', 'O', 'M', '1',
        0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 5, 1,
        0x08, '_', 'C', 'R', 'S', 0x11, 0x10, 0x0a, 0x0d,
        0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0,
};
/* clang-format on */

/*
 * MADT (ACPI specification 2.0, 5.2.10.4), behind its header: address of the local APICs, and that there are 8259s too;
 * processor 0, the I/O APIC, line 0 on pin 2, the SCI active high and level-triggered, NMI on LINT1 of all.
 */
/* clang-format off */
static const uint8_t interrupt_model[] = {
        0, 0, 0xe0, 0xfe, 1, 0, 0, 0,
        0, 8, 0, 0, 1, 0, 0, 0,
        1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,
        2, 10, 0, 0, 2, 0, 0, 0, 0, 0,
        2, 10, 0, SCI_LINE, SCI_LINE, 0, 0, 0, 0x0d, 0,
        4, 6, 0xff, 0, 0, 1,
};
/* clang-format on */

_Static_assert(DSDT_PLACE + HEADER_SIZE + sizeof(definition_block) <= MADT_PLACE, "the tables fit");
_Static_assert(MADT_PLACE + HEADER_SIZE + sizeof(interrupt_model) <= MP_PLACE, "the tables fit");

/* NOLINTBEGIN(bugprone-not-null-terminated-result): names in ACPI tables have a length and no terminator */

/* The header that all tables but RSDP and FACS have; the checksum, over what is there by now. */
static void finish_table(uint8_t *table, const char signature[4], unsigned size, uint8_t revision)
{
        memcpy(table, signature, 4);
        table_put(table + 4, size, 4);
        table[8] = revision;
        memcpy(table + 10, "HWACCL", 6);
        memcpy(table + 16, "HWACCL  ", 8);
        table_put(table + 24, 1, 4);
        memcpy(table + 28, "HWAC", 4);
        table_put(table + 32, 1, 4);
        table[9] = table_checksum(table, size);
}

static void put_root_pointer(uint64_t base, uint8_t *rsdp)
{
        memcpy(rsdp, "RSD PTR ", 8);
        memcpy(rsdp + 9, "HWACCL", 6);
        rsdp[15] = 2;
        table_put(rsdp + 16, base + RSDT_PLACE, 4);
        rsdp[8] = table_checksum(rsdp, RSDP_SIZE_1_0);
        table_put(rsdp + 20, RSDP_SIZE, 4);
        table_put(rsdp + 24, base + XSDT_PLACE, 8);
        rsdp[32] = table_checksum(rsdp, RSDP_SIZE);
}

/* NOLINTEND(bugprone-not-null-terminated-result) */

static void put_description(uint64_t base, uint8_t *fadt)
{
        const struct {
                uint8_t offset;
                uint8_t size;
                uint64_t value;
        } field[] = {
                {36, 4, base + FACS_PLACE},
                {40, 4, base + DSDT_PLACE},
                {46, 2, SCI_LINE},
                {48, 4, APM_PORT}, /* SMI_CMD: ACPI_ENABLE sets SCI_EN */
                {52, 1, APM_ACPI_ENABLE},
                {53, 1, APM_ACPI_DISABLE},
                {56, 4, HWACCL_LOADER_ACPI_POWER_PORT}, /* PM1 events, 4 ports */
                {64, 4, HWACCL_LOADER_ACPI_POWER_PORT + 4},
                {76, 4, HWACCL_LOADER_ACPI_POWER_PORT + 8},
                {88, 1, 4},
                {89, 1, 2}, /* PM1 control */
                {91, 1, 4}, /* PM timer, of 24 bits */
                {96, 2, NO_C2_LATENCY},
                {98, 2, NO_C3_LATENCY},
                {108, 1, CMOS_CENTURY},
                {109, 2, BOOT_LEGACY_DEVICES | BOOT_8042 | BOOT_NO_VGA | BOOT_NO_MSI},
                {112, 4,
                 FADT_WBINVD | FADT_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON | FADT_NO_RTC_WAKE |
                         FADT_RESET_REGISTER},
                {116, 1, ADDRESS_SPACE_IO},
                {117, 1, 8}, /* bits */
                {119, 1, 1}, /* access by bytes */
                {120, 8, RESET_PORT},
                {128, 1, RESET_VALUE},
                {140, 8, base + DSDT_PLACE},
        };
        for (unsigned i = 0; i < sizeof(field) / sizeof(field[0]); i++)
                table_put(fadt + field[i].offset, field[i].value, field[i].size);
}

size_t hwaccl_loader_acpi_tables_at(uint64_t base, uint8_t tables[HWACCL_LOADER_ACPI_SIZE], bool apic)
{
        unsigned count = apic ? 2 : 1; /* FADT, MADT */

        memset(tables, 0, HWACCL_LOADER_ACPI_SIZE);
        put_root_pointer(base, tables + RSDP_PLACE);

        table_put(tables + RSDT_PLACE + HEADER_SIZE, base + FADT_PLACE, 4);
        table_put(tables + XSDT_PLACE + HEADER_SIZE, base + FADT_PLACE, 8);
        if (apic) {
                table_put(tables + RSDT_PLACE + HEADER_SIZE + 4, base + MADT_PLACE, 4);
                table_put(tables + XSDT_PLACE + HEADER_SIZE + 8, base + MADT_PLACE, 8);
                memcpy(tables + MADT_PLACE + HEADER_SIZE, interrupt_model, sizeof(interrupt_model));
                finish_table(tables + MADT_PLACE, "APIC", HEADER_SIZE + sizeof(interrupt_model), 1);
                hwaccl_loader_mp_table(tables + MP_PLACE, base + MP_PLACE);
        }
        finish_table(tables + RSDT_PLACE, "RSDT", HEADER_SIZE + 4 * count, 1);
        finish_table(tables + XSDT_PLACE, "XSDT", HEADER_SIZE + 8 * count, 1);

        put_description(base, tables + FADT_PLACE);
        finish_table(tables + FADT_PLACE, "FACP", FADT_SIZE, 3);

        memcpy(tables + FACS_PLACE, "FACS", 4);
        table_put(tables + FACS_PLACE + 4, FACS_SIZE, 4);
        tables[FACS_PLACE + 32] = 1; /* version */

        memcpy(tables + DSDT_PLACE + HEADER_SIZE, definition_block, sizeof(definition_block));
        finish_table(tables + DSDT_PLACE, "DSDT", HEADER_SIZE + sizeof(definition_block), 1);
        return apic ? HWACCL_LOADER_ACPI_SIZE : HWACCL_LOADER_ACPI_WITHOUT_APIC;
}

size_t hwaccl_loader_acpi_tables(uint8_t tables[HWACCL_LOADER_ACPI_SIZE], bool apic)
{
        return hwaccl_loader_acpi_tables_at(HWACCL_LOADER_ACPI_ADDRESS, tables, apic);
}
