#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/exit/guest_access.h"
#include "core/exit/registers.h"

#include <string.h>

/* 64 KiB of physical memory at 0, for tables; pages that they map may lie anywhere. */
static uint8_t memory_bytes[0x10000];
static struct hwaccl_machine_context context;
static struct hwaccl_translation translation;
static struct hwaccl_exception exception;

static bool physical_read(void *opaque, uint64_t address, void *buffer, size_t size)
{
        (void)opaque;
        if (address + size > sizeof(memory_bytes))
                return false;
        memcpy(buffer, memory_bytes + address, size);
        return true;
}

static bool physical_write(void *opaque, uint64_t address, const void *data, size_t size)
{
        (void)opaque;
        if (address + size > sizeof(memory_bytes))
                return false;
        memcpy(memory_bytes + address, data, size);
        return true;
}

/* What the last walk read, if it read anything. */
static struct {
        struct hwaccl_table_entry entry[4];
        size_t count;
        uint32_t size;
} told;

static void walked(void *opaque, const struct hwaccl_table_entry *entry, size_t count, uint32_t size)
{
        (void)opaque;
        assert_in_range(count, 1, 4);
        memcpy(told.entry, entry, count * sizeof(*entry));
        told.count = count;
        told.size = size;
        for (size_t i = 0; i < count; i++) /* nothing has been written yet */
                assert_memory_equal(&entry[i].value, memory_bytes + entry[i].address, size);
}

static const struct hwaccl_physical_memory memory = {.read = physical_read, .write = physical_write, .walked = walked};

static void put4(uint64_t address, uint32_t entry)
{
        memcpy(memory_bytes + address, &entry, sizeof(entry));
}

static void put8(uint64_t address, uint64_t entry)
{
        memcpy(memory_bytes + address, &entry, sizeof(entry));
}

static uint64_t get8(uint64_t address)
{
        uint64_t entry;

        memcpy(&entry, memory_bytes + address, sizeof(entry));
        return entry;
}

static uint32_t get4(uint64_t address)
{
        return (uint32_t)get8(address);
}

#define P  1u
#define W  2u
#define U  4u
#define PS 0x80u
#define G  0x100u
#define NX (UINT64_C(1) << 63)

static int set_up(void **state)
{
        (void)state;
        memset(memory_bytes, 0, sizeof(memory_bytes));
        memset(&context, 0, sizeof(context));
        context.cr0 = HWACCL_CR0_PE | HWACCL_CR0_PG;
        context.cr3 = 0x1000;
        context.rflags = RFLAGS_RESERVED_1;
        context.segment[HWACCL_SS].access_rights = 0x93;
        return 0;
}

static bool walk(uint64_t linear, unsigned access)
{
        memset(&translation, 0, sizeof(translation));
        memset(&exception, 0, sizeof(exception));
        return hwaccl_page_walk(&context, &memory, linear, access, &translation, &exception);
}

static void assert_walks(uint64_t linear, unsigned access, uint64_t physical, uint64_t page_size)
{
        assert_true(walk(linear, access));
        assert_int_equal(translation.physical, physical);
        assert_int_equal(translation.page_size, page_size);
}

static void assert_faults(uint64_t linear, unsigned access, uint32_t error_code)
{
        assert_false(walk(linear, access));
        assert_int_equal(exception.vector, HWACCL_VECTOR_PF);
        assert_true(exception.has_error_code);
        assert_int_equal(exception.error_code, error_code);
        assert_int_equal(exception.fault_address, linear);
}

static void no_paging_is_the_identity(void **state)
{
        (void)state;
        context.cr0 = HWACCL_CR0_PE;
        assert_walks(0xfedcba98, HWACCL_ACCESS_WRITE, 0xfedcba98, 4096);
        assert_true(translation.writable && translation.executable && translation.user && translation.dirty);
}

static void two_level_tables_map_small_pages(void **state)
{
        (void)state;
        put4(0x1000 + 3 * 4, 0x2000 | P | W | U);
        put4(0x2000 + 5 * 4, 0xabcde000 | P | W | U | G);
        assert_walks(3u << 22 | 5u << 12 | 0x123, HWACCL_ACCESS_WRITE | HWACCL_ACCESS_USER, 0xabcde123, 4096);
        assert_true(translation.global && translation.writable && translation.user && !translation.dirty);
        assert_faults(3u << 22 | 6u << 12, HWACCL_ACCESS_READ, 0);
        assert_faults(4u << 22, HWACCL_ACCESS_WRITE | HWACCL_ACCESS_USER, 6);
}

static void page_size_extensions_map_4_mib_and_40_bit_addresses(void **state)
{
        (void)state;
        put4(0x1000 + 4, 0x00c00000 | 0x05 << 13 | P | W | PS);
        context.cr4 = HWACCL_CR4_PSE;
        assert_walks(0x00654321, HWACCL_ACCESS_WRITE, UINT64_C(0x500e54321), 4 << 20);
        assert_faults(0x00654321, HWACCL_ACCESS_USER, 5);
        put4(0x1000 + 4, 0x00c00000 | 1 << 21 | P | W | PS); /* bit 21 is reserved */
        assert_faults(0x00654321, HWACCL_ACCESS_READ, 9);
        context.cr4 = 0; /* PS means nothing then: the entry refers to a table, here beyond memory */
        assert_faults(0x00654321, HWACCL_ACCESS_READ, 0);
}

static void write_protection_binds_the_supervisor_only_with_cr0_wp(void **state)
{
        (void)state;
        put4(0x1000, 0x2000 | P | W | U);
        put4(0x2000, 0x5000 | P | U);
        assert_walks(0, HWACCL_ACCESS_WRITE, 0x5000, 4096);
        assert_true(translation.writable);
        assert_faults(0, HWACCL_ACCESS_WRITE | HWACCL_ACCESS_USER, 7);
        context.cr0 |= HWACCL_CR0_WP;
        assert_faults(0, HWACCL_ACCESS_WRITE, 3);
        assert_walks(0, HWACCL_ACCESS_READ, 0x5000, 4096);
        assert_false(translation.writable);
}

static void rights_are_those_of_every_level_together(void **state)
{
        (void)state;
        put4(0x1000, 0x2000 | P | W); /* supervisor only */
        put4(0x2000, 0x5000 | P | W | U);
        assert_faults(0, HWACCL_ACCESS_USER, 5);
        put4(0x1000, 0x2000 | P | U); /* read-only */
        assert_walks(0, HWACCL_ACCESS_USER, 0x5000, 4096);
        assert_faults(0, HWACCL_ACCESS_USER | HWACCL_ACCESS_WRITE, 7);
}

static void pae_tables_map_small_and_2_mib_pages(void **state)
{
        (void)state;
        context.cr4 = HWACCL_CR4_PAE;
        context.cr3 = 0x1020; /* 32-byte aligned */
        put8(0x1020 + 3 * 8, 0x2000 | P);
        put8(0x2000 + 1 * 8, 0x3000 | P | W);
        put8(0x3000 + 2 * 8, UINT64_C(0xabcdef5000) | P | W);
        put8(0x2000 + 2 * 8, UINT64_C(0x1200000) | P | W | PS);
        assert_walks(0xc0202abc, HWACCL_ACCESS_WRITE, UINT64_C(0xabcdef5abc), 4096);
        assert_walks(0xc0512345, HWACCL_ACCESS_WRITE, 0x1312345, 2 << 20);
        assert_faults(0x40000000, HWACCL_ACCESS_READ, 0);
        put8(0x2000 + 2 * 8, UINT64_C(0x1200000) | 1 << 13 | P | W | PS); /* reserved in a large page */
        assert_faults(0xc0512345, HWACCL_ACCESS_READ, 9);
        put8(0x3000 + 2 * 8, (UINT64_C(1) << 40) | P | W); /* beyond the physical address */
        assert_faults(0xc0202abc, HWACCL_ACCESS_READ, 9);
        put8(0x1020 + 3 * 8, 0x2000 | P | W); /* W is reserved in a PDPTE */
        assert_faults(0xc0202abc, HWACCL_ACCESS_READ, 9);
}

static void long_mode(uint64_t leaf)
{
        context.cr4 = HWACCL_CR4_PAE;
        context.efer = HWACCL_EFER_LME | HWACCL_EFER_LMA | HWACCL_EFER_NXE;
        put8(0x1000 + 511 * 8, 0x2000 | P | W | U);
        put8(0x2000 + 510 * 8, 0x3000 | P | W | U);
        put8(0x3000 + 4 * 8, 0x4000 | P | W | U);
        put8(0x4000 + 6 * 8, leaf);
}

#define LONG_ADDRESS UINT64_C(0xffffffff80806789)

static void four_levels_map_small_2_mib_and_1_gib_pages(void **state)
{
        (void)state;
        long_mode(0x7000 | P | W | U);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_WRITE | HWACCL_ACCESS_USER, 0x7789, 4096);
        put8(0x3000 + 4 * 8, 0x40000000 | P | W | PS);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_WRITE, 0x40006789, 2 << 20);
        put8(0x2000 + 510 * 8, UINT64_C(0x80000000) | P | W | PS);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_WRITE, 0x80806789, 1 << 30);
        put8(0x2000 + 510 * 8, UINT64_C(0x80000000) | 1 << 20 | P | W | PS);
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ, 9);
        put8(0x1000 + 511 * 8, 0x2000 | P | W | PS); /* PS is reserved in a PML4E */
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_WRITE, 0xb);
}

static void no_execute_stops_fetches_and_is_reserved_without_nxe(void **state)
{
        (void)state;
        long_mode(NX | 0x7000 | P | W | U);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_READ, 0x7789, 4096);
        assert_false(translation.executable);
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_EXECUTE, 0x11);
        context.efer &= ~HWACCL_EFER_NXE;
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ, 9);
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_EXECUTE, 9); /* I is told with NXE or SMEP only */
}

static void smep_and_smap_keep_the_supervisor_off_user_pages(void **state)
{
        (void)state;
        long_mode(0x7000 | P | W | U);
        context.cr4 |= HWACCL_CR4_SMEP | HWACCL_CR4_SMAP;
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_EXECUTE, 0x11);
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ, 1);
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_WRITE, 3);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_READ | HWACCL_ACCESS_USER, 0x7789, 4096);
        context.rflags |= RFLAGS_AC;
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_READ, 0x7789, 4096);
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ | HWACCL_ACCESS_IMPLICIT, 1);
        context.segment[HWACCL_SS].access_rights |= 0x60; /* at CPL 3 the processor's own accesses are implicit */
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ, 1);
}

static void accessed_and_dirty_bits_are_set_when_asked(void **state)
{
        (void)state;
        long_mode(0x7000 | P | W | U);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_WRITE, 0x7789, 4096);
        assert_int_equal(get8(0x4000 + 6 * 8), 0x7000 | P | W | U);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_READ | HWACCL_ACCESS_SET_ACCESSED, 0x7789, 4096);
        assert_false(translation.dirty);
        assert_int_equal(get8(0x1000 + 511 * 8) & 0x60, 0x20);
        assert_int_equal(get8(0x4000 + 6 * 8) & 0x60, 0x20);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_WRITE | HWACCL_ACCESS_SET_ACCESSED, 0x7789, 4096);
        assert_true(translation.dirty);
        assert_int_equal(get8(0x3000 + 4 * 8) & 0x60, 0x20);
        assert_int_equal(get8(0x4000 + 6 * 8) & 0x60, 0x60);
}

static void assert_told(size_t count, uint32_t size, uint64_t last_address, uint64_t last_value)
{
        assert_int_equal(told.count, count);
        assert_int_equal(told.size, size);
        assert_int_equal(told.entry[count - 1].address, last_address);
        assert_int_equal(told.entry[count - 1].value, last_value);
}

static void every_entry_that_was_read_is_told(void **state)
{
        (void)state;
        long_mode(0x7000 | P | W | U);
        assert_walks(LONG_ADDRESS, HWACCL_ACCESS_WRITE | HWACCL_ACCESS_SET_ACCESSED, 0x7789, 4096);
        assert_told(4, 8, 0x4000 + 6 * 8, 0x7000 | P | W | U);
        assert_int_equal(told.entry[0].address, 0x1000 + 511 * 8);
        put8(0x3000 + 4 * 8, 0x4000 | W); /* not present */
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ, 0);
        assert_told(3, 8, 0x3000 + 4 * 8, 0x4000 | W);
        put8(0x3000 + 4 * 8, 0x1000000 | P | W); /* a table outside memory */
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ, 0);
        assert_told(3, 8, 0x3000 + 4 * 8, 0x1000000 | P | W);
        memset(&told, 0, sizeof(told));
        context.cr3 = 0x1000000;
        assert_faults(LONG_ADDRESS, HWACCL_ACCESS_READ, 0);
        assert_int_equal(told.count, 0);
}

static void entries_of_4_bytes_are_told_as_such(void **state)
{
        (void)state;
        put4(0x1000, 0x2000 | P | W);
        put4(0x2000, 0x5000 | P | W);
        put4(0x2004, 0xffffffff);
        assert_walks(0, HWACCL_ACCESS_READ, 0x5000, 4096);
        assert_told(2, 4, 0x2000, 0x5000 | P | W);
        context.cr0 &= ~(uint64_t)HWACCL_CR0_PG;
        memset(&told, 0, sizeof(told));
        assert_walks(0, HWACCL_ACCESS_READ, 0, 4096);
        assert_int_equal(told.count, 0);
}

static void a_faulting_walk_sets_no_bits(void **state)
{
        (void)state;
        put4(0x1000, 0x2000 | P | W);
        put4(0x2000, 0x5000 | P | W);
        assert_faults(0, HWACCL_ACCESS_USER | HWACCL_ACCESS_SET_ACCESSED, 5);
        assert_int_equal(get4(0x1000), 0x2000 | P | W);
        assert_walks(0, HWACCL_ACCESS_WRITE | HWACCL_ACCESS_SET_ACCESSED, 0x5000, 4096);
        assert_int_equal(get4(0x1000), 0x2020 | P | W);
        assert_int_equal(get4(0x2000), 0x5060 | P | W);
}

static void a_table_outside_memory_is_as_good_as_empty(void **state)
{
        (void)state;
        put4(0x1000, 0xf0000000 | P | W | U);
        assert_faults(0x1234, HWACCL_ACCESS_READ | HWACCL_ACCESS_USER, 4);
        context.cr3 = 0xfffff000;
        assert_faults(0x1234, HWACCL_ACCESS_WRITE, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(no_paging_is_the_identity, set_up),
                cmocka_unit_test_setup(two_level_tables_map_small_pages, set_up),
                cmocka_unit_test_setup(page_size_extensions_map_4_mib_and_40_bit_addresses, set_up),
                cmocka_unit_test_setup(write_protection_binds_the_supervisor_only_with_cr0_wp, set_up),
                cmocka_unit_test_setup(rights_are_those_of_every_level_together, set_up),
                cmocka_unit_test_setup(pae_tables_map_small_and_2_mib_pages, set_up),
                cmocka_unit_test_setup(four_levels_map_small_2_mib_and_1_gib_pages, set_up),
                cmocka_unit_test_setup(no_execute_stops_fetches_and_is_reserved_without_nxe, set_up),
                cmocka_unit_test_setup(smep_and_smap_keep_the_supervisor_off_user_pages, set_up),
                cmocka_unit_test_setup(accessed_and_dirty_bits_are_set_when_asked, set_up),
                cmocka_unit_test_setup(every_entry_that_was_read_is_told, set_up),
                cmocka_unit_test_setup(entries_of_4_bytes_are_told_as_such, set_up),
                cmocka_unit_test_setup(a_faulting_walk_sets_no_bits, set_up),
                cmocka_unit_test_setup(a_table_outside_memory_is_as_good_as_empty, set_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
