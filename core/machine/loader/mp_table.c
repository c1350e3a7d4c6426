/* The tables of the MultiProcessor Specification 1.4, chapter 4: floating pointer and configuration. */
#include "core/machine/loader/acpi_tables.h"
#include "core/machine/loader/table_bytes.h"

#include <string.h>

#define POINTER_SIZE 16u
#define HEADER_SIZE  44u
#define ENTRY_SIZE   8u /* of all but processors' */
#define PROCESSOR    20u

#define LOCAL_APIC_BASE UINT32_C(0xfee00000)
#define IO_APIC_BASE    UINT32_C(0xfec00000)
#define LOCAL_VERSION   0x14u
#define IO_VERSION      0x11u
#define SIGNATURE       0x6fbu
#define FEATURES        0x201u /* floating point, APIC: as CPUID's EDX */

#define ISA_LINES    16u
#define LINE_CASCADE 2u
#define LINE_SCI     9u
#define PIN_PIT      2u
#define ACTIVE_HIGH  0x1u
#define LEVEL        0xcu
#define TYPE_INT     0u
#define TYPE_NMI     1u
#define TYPE_EXTINT  3u
#define EVERY_APIC   0xffu

enum entry { ENTRY_PROCESSOR, ENTRY_BUS, ENTRY_IO_APIC, ENTRY_INTERRUPT, ENTRY_LOCAL_INTERRUPT };

static uint8_t *add_interrupt(uint8_t *at, enum entry kind, uint8_t type, uint8_t flags, uint8_t line, uint8_t apic,
                              uint8_t input)
{
        const uint8_t entry[ENTRY_SIZE] = {(uint8_t)kind, type, flags, 0, 0, line, apic, input};

        memcpy(at, entry, sizeof(entry));
        return at + sizeof(entry);
}

/* NOLINTBEGIN(bugprone-not-null-terminated-result): names in the tables have a length and no terminator */

void hwaccl_loader_mp_table(uint8_t *tables, uint64_t address)
{
        uint8_t *pointer = tables;
        uint8_t *header = pointer + POINTER_SIZE, *at = header + HEADER_SIZE;
        unsigned count = 3; /* processor, bus, I/O APIC */

        at[0] = ENTRY_PROCESSOR;
        at[2] = LOCAL_VERSION;
        at[3] = 0x3; /* usable, bootstrap processor */
        table_put(at + 4, SIGNATURE, 4);
        table_put(at + 8, FEATURES, 4);
        at += PROCESSOR;
        at[0] = ENTRY_BUS;
        memcpy(at + 2, "ISA   ", 6);
        at += ENTRY_SIZE;
        at[0] = ENTRY_IO_APIC;
        at[2] = IO_VERSION;
        at[3] = 1; /* usable */
        table_put(at + 4, IO_APIC_BASE, 4);
        at += ENTRY_SIZE;
        for (uint8_t line = 0; line < ISA_LINES; line++) {
                if (line == LINE_CASCADE)
                        continue;
                at = add_interrupt(at, ENTRY_INTERRUPT, TYPE_INT, line == LINE_SCI ? ACTIVE_HIGH | LEVEL : 0, line, 0,
                                   line == 0 ? PIN_PIT : line);
                count++;
        }
        at = add_interrupt(at, ENTRY_LOCAL_INTERRUPT, TYPE_EXTINT, 0, 0, EVERY_APIC, 0);
        at = add_interrupt(at, ENTRY_LOCAL_INTERRUPT, TYPE_NMI, 0, 0, EVERY_APIC, 1);
        count += 2;

        unsigned size = (unsigned)(at - header);
        memcpy(header, "PCMP", 4);
        table_put(header + 4, size, 2);
        header[6] = 4; /* specification 1.4 */
        memcpy(header + 8, "HWACCL  ", 8);
        memcpy(header + 16, "HWACCL      ", 12);
        table_put(header + 34, count, 2);
        table_put(header + 36, LOCAL_APIC_BASE, 4);
        header[7] = table_checksum(header, size);

        memcpy(pointer, "_MP_", 4);
        table_put(pointer + 4, (uint32_t)address + POINTER_SIZE, 4);
        pointer[8] = 1; /* paragraphs */
        pointer[9] = 4;
        pointer[10] = table_checksum(pointer, POINTER_SIZE);
}

/* NOLINTEND(bugprone-not-null-terminated-result) */
