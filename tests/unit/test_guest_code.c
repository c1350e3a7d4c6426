/* Page walks of the recorder of other VMMs, and the instruction of an exit, in made-up guest memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/interpose/guest_code.h"

#include <string.h>

#define MEMORY_SIZE 0x20000u
#define CODE        0x8000u
#define PRESENT     UINT64_C(0x67)

static uint8_t memory[MEMORY_SIZE];
static struct kvm_sregs sregs;
static struct kvm_regs regs;
static struct kvm_run run;
static const struct guest_state guest = {&regs, &sregs};

static bool read_memory(void *opaque, uint64_t physical, void *to, size_t size)
{
        assert_null(opaque);
        assert_true((physical & 4095) + size <= 4096);
        if (physical >= MEMORY_SIZE || size > MEMORY_SIZE - physical)
                return false;
        memcpy(to, memory + physical, size);
        return true;
}

static const struct guest_memory physical_memory = {read_memory, NULL};

static int clear(void **state)
{
        (void)state;
        memset(memory, 0, sizeof(memory));
        memset(&sregs, 0, sizeof(sregs));
        memset(&regs, 0, sizeof(regs));
        memset(&run, 0, sizeof(run));
        return 0;
}

static void put(uint64_t table, uint64_t index, uint64_t entry, size_t size)
{
        memcpy(memory + table + index * size, &entry, size);
}

static uint64_t walk(uint64_t linear)
{
        uint64_t physical;

        return guest_walk(&sregs, &physical_memory, linear, &physical) ? physical : UINT64_MAX;
}

static void walks_without_paging_and_with_32_bits(void **state)
{
        (void)state;
        assert_int_equal(walk(0x12345), 0x12345);
        sregs.cr0 = 0x80000001;
        sregs.cr3 = 0x1018;
        put(0x1000, 0x301, 0x2000 | PRESENT, 4);
        put(0x2000, 5, 0x9000 | PRESENT, 4);
        assert_int_equal(walk(0xc0405123), 0x9123);
        assert_true(walk(0xc0406123) == UINT64_MAX);
        put(0x1000, 0x302, 0xc00000 | 0x2000 | 0x80 | PRESENT, 4); /* 4 MiB, bit 32 of the address by PSE-36 */
        sregs.cr4 = 0x10;
        assert_true(walk(0xc0812345) == UINT64_C(0x100c12345));
        sregs.cr4 = 0;
        assert_true(walk(0xc0812345) == UINT64_MAX); /* without PSE it is a table, at c02000h */
}

static void walks_with_pae(void **state)
{
        (void)state;
        sregs.cr0 = 0x80000001;
        sregs.cr4 = 0x20;
        sregs.cr3 = 0x1020;
        put(0x1020, 3, 0x2001, 8);
        put(0x2000, 2, 0x3000 | PRESENT, 8);
        put(0x3000, 1, UINT64_C(1) << 63 | 0xa000 | PRESENT, 8);
        put(0x2000, 4, 0x600000 | 0x80 | PRESENT, 8);
        assert_int_equal(walk(0xc0401fff), 0xafff);
        assert_int_equal(walk(0xc0801234), 0x601234);
        assert_true(walk(0x80000000) == UINT64_MAX);
}

static void walks_with_four_and_five_levels(void **state)
{
        (void)state;
        sregs.cr0 = 0x80000001;
        sregs.cr4 = 0x20;
        sregs.efer = 0x500;
        sregs.cr3 = 0x1000;
        put(0x1000, 511, 0x2000 | PRESENT, 8);
        put(0x2000, 510, 0x3000 | PRESENT, 8);
        put(0x3000, 8, 0x4000 | PRESENT, 8);
        put(0x4000, 1, UINT64_C(0x123456789000) | PRESENT, 8);
        put(0x2000, 1, UINT64_C(0x40000000) | 0x80 | PRESENT, 8);
        assert_true(walk(UINT64_C(0xffffffff81001abc)) == UINT64_C(0x123456789abc));
        assert_true(walk(UINT64_C(0xffffff8045678901)) == UINT64_C(0x45678901)); /* 1 GiB */
        sregs.cr4 |= 0x1000;
        put(0x5000, 1, 0x1000 | PRESENT, 8);
        sregs.cr3 = 0x5000;
        assert_true(walk(UINT64_C(1) << 48 | UINT64_C(511) << 39 | UINT64_C(510) << 30 | 8 << 21 | 0x1abc) ==
                    UINT64_C(0x123456789abc));
}

static void code_ends_where_the_next_page_is_missing(void **state)
{
        struct guest_code code;

        (void)state;
        sregs.cr0 = 0x80000001;
        sregs.cr3 = 0x1000;
        sregs.cs.base = 0x400000;
        sregs.cs.db = 1;
        put(0x1000, 1, 0x2000 | PRESENT, 4);
        put(0x2000, 0, 0x9000 | PRESENT, 4);
        memset(memory + 0x9ff8, 0x90, 8);
        assert_true(guest_code_at(&sregs, &physical_memory, 0xff8, &code));
        assert_int_equal(code.size, 8);
        assert_int_equal(code.physical, 0x9ff8);
        put(0x2000, 1, 0x7000 | PRESENT, 4); /* not the next page of memory */
        memset(memory + 0x7000, 0xcc, 16);
        assert_true(guest_code_at(&sregs, &physical_memory, 0xff8, &code));
        assert_int_equal(code.size, 15);
        assert_int_equal(code.bytes[7], 0x90);
        assert_int_equal(code.bytes[8], 0xcc);
        assert_false(guest_code_at(&sregs, &physical_memory, 0x2000, &code));
}

/* Puts it at CODE; RIP is behind it. */
static void put_code(unsigned bits, const void *bytes, size_t size)
{
        memcpy(memory + CODE, bytes, size);
        regs.rip = CODE + size;
        if (bits == 64)
                sregs.efer = 0x500;
        sregs.cs.l = bits == 64;
        sregs.cs.db = bits == 32;
}
#define CODE_OF(bits, text) put_code(bits, text, sizeof(text) - 1)

static void write_at(uint64_t physical, uint32_t size)
{
        run.exit_reason = KVM_EXIT_MMIO;
        run.mmio.is_write = 1;
        run.mmio.phys_addr = physical;
        run.mmio.len = size;
}

static struct guest_code_last last; /* stays from one exit to the next */

static size_t length_found(void)
{
        struct guest_code code;

        if (!guest_code_of_exit(&guest, &run, &physical_memory, &last, &code))
                return 0;
        assert_int_equal(code.physical, CODE);
        return code.size;
}

static void the_write_before_rip_is_found(void **state)
{
        (void)state;
        memset(memory + CODE - 16, 0x90, 16);
        regs.rbx = 0xfee00000;
        regs.rdi = 0x1000;
        write_at(0xfee000b0, 4);
        CODE_OF(32, "\xc7\x83\xb0\x00\x00\x00\x00\x00\x00\x00"); /* mov dword [ebx+0b0h], 0 */
        assert_int_equal(length_found(), 10);
        CODE_OF(64, "\x44\x89\x83\xb0\x00\x00\x00"); /* mov [rbx+0b0h], r8d */
        assert_int_equal(length_found(), 7);
        CODE_OF(64, "\x89\x04\x25\xb0\x00\xe0\xfe"); /* mov [0fffffffffee000b0h], eax */
        assert_int_equal(length_found(), 7);
        CODE_OF(64, "\x89\x05\xa9\x80\xdf\xfe"); /* mov [rip+…], eax */
        write_at(CODE + 6 + 0xfedf80a9, 4);
        assert_int_equal(length_found(), 6);
        CODE_OF(64, "\x48\x09\x03"); /* or [rbx], rax; a fragment of it */
        write_at(0xfee00004, 4);
        assert_int_equal(length_found(), 3);
        write_at(0xfee00008, 4);
        assert_int_equal(length_found(), 0);
        CODE_OF(16, "\x26\xa3\x34\x12"); /* mov [es:1234h], ax */
        sregs.efer = 0;
        sregs.es.base = 0xa0000;
        write_at(0xa1234, 2);
        assert_int_equal(length_found(), 4);
        CODE_OF(16, "\xab"); /* stosw: DI is behind it */
        write_at(0xa0ffe, 2);
        assert_int_equal(length_found(), 1);
        write_at(0xa0ffd, 2);
        assert_int_equal(length_found(), 0);
        CODE_OF(16, "\xf3\xaa"); /* rep stosb: RIP is still that of the instruction */
        regs.rip = CODE;
        write_at(0xa0fff, 1);
        assert_int_equal(length_found(), 2);
        CODE_OF(32, "\x3b\x03"); /* cmp eax, [ebx]: no write */
        regs.rbx = 0xfee00000;
        write_at(0xfee00000, 4);
        assert_int_equal(length_found(), 0);
}

static void a_write_is_found_across_pages(void **state)
{
        static const uint8_t mov[] = {0xc7, 0x83, 0xb0, 0, 0, 0, 1, 2, 3, 4}; /* mov dword [ebx+0b0h], 4030201h */
        struct guest_code code;

        (void)state;
        sregs.cr0 = 0x80000001;
        sregs.cr3 = 0x1000;
        sregs.cs.db = 1;
        put(0x1000, 1, 0x2000 | PRESENT, 4);
        put(0x2000, 0, 0x9000 | PRESENT, 4);
        put(0x2000, 1, 0x7000 | PRESENT, 4); /* not the next page of memory */
        memcpy(memory + 0x9ffd, mov, 3);
        memcpy(memory + 0x7000, mov + 3, sizeof(mov) - 3);
        regs.rbx = 0xfee00000;
        regs.rip = 0x401007;
        write_at(0xfee000b0, 4);
        assert_true(guest_code_of_exit(&guest, &run, &physical_memory, &last, &code));
        assert_int_equal(code.physical, 0x9ffd);
        assert_int_equal(code.size, sizeof(mov));
        assert_memory_equal(code.bytes, mov, sizeof(mov));
        put(0x2000, 0, 0, 4); /* it begins where no memory is */
        assert_false(guest_code_of_exit(&guest, &run, &physical_memory, &last, &code));
        memcpy(memory + 0x7001, "\x89\x83\xb0\x00\x00\x00", 6); /* mov [ebx+0b0h], eax: in the page that is there */
        assert_true(guest_code_of_exit(&guest, &run, &physical_memory, &last, &code));
        assert_int_equal(code.physical, 0x7001);
        assert_int_equal(code.size, 6);
        put(0x2000, 0, 0x9000 | PRESENT, 4); /* and where the page behind RIP is missing */
        put(0x2000, 1, 0, 4);
        memcpy(memory + 0x9ff6, mov, sizeof(mov));
        regs.rip = 0x401000;
        assert_true(guest_code_of_exit(&guest, &run, &physical_memory, &last, &code));
        assert_int_equal(code.physical, 0x9ff6);
        assert_int_equal(code.size, sizeof(mov));
}

static void what_was_found_before_is_looked_at_again(void **state)
{
        (void)state;
        last = (struct guest_code_last){0, 0};
        memset(memory + CODE - 16, 0x90, 16);
        regs.rbx = 0xfee00000;
        write_at(0xfee000b0, 4);
        CODE_OF(32, "\x89\x83\xb0\x00\x00\x00"); /* mov [ebx+0b0h], eax */
        assert_int_equal(length_found(), 6);
        assert_true(last.rip == regs.rip && last.length == 6);
        assert_int_equal(length_found(), 6);
        memory[CODE + 2] = 0xb4; /* to another address: it is not this one any more */
        assert_int_equal(length_found(), 0);
        CODE_OF(32, "\x67\x89\x07\x90\x89\x03"); /* mov [ebx], eax at the end: shorter */
        write_at(0xfee00000, 4);
        struct guest_code code;
        assert_true(guest_code_of_exit(&guest, &run, &physical_memory, &last, &code));
        assert_int_equal(code.size, 2);
}

static void other_exits_are_at_rip(void **state)
{
        (void)state;
        run.exit_reason = KVM_EXIT_MMIO; /* a read */
        CODE_OF(32, "\x8b\x03");
        regs.rip = CODE;
        assert_int_equal(length_found(), 15);
        run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
        assert_int_equal(length_found(), 15);
        regs.rip = MEMORY_SIZE;
        assert_int_equal(length_found(), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(walks_without_paging_and_with_32_bits, clear),
                cmocka_unit_test_setup(walks_with_pae, clear),
                cmocka_unit_test_setup(walks_with_four_and_five_levels, clear),
                cmocka_unit_test_setup(code_ends_where_the_next_page_is_missing, clear),
                cmocka_unit_test_setup(the_write_before_rip_is_found, clear),
                cmocka_unit_test_setup(a_write_is_found_across_pages, clear),
                cmocka_unit_test_setup(what_was_found_before_is_looked_at_again, clear),
                cmocka_unit_test_setup(other_exits_are_at_rip, clear),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
