/* The board's smaller devices: i8042, system control, PCI, ACPI, fw_cfg, DMA latches, debug ports. */
#include "tests/fixtures/machine_fixture.h"

/* i8042 */

static unsigned keyboard_answer(struct fixture *f)
{
        assert_int_equal(in8(f, 0x64) & 0x21, 0x01);
        return in8(f, 0x60);
}

static void the_controller_passes_its_tests(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(in8(f, 0x64), 0x10);
        out8(f, 0x64, 0xaa);
        assert_int_equal(in8(f, 0x64), 0x1d); /* full, system, command, not locked */
        assert_int_equal(in8(f, 0x60), 0x55);
        out8(f, 0x64, 0xab);
        assert_int_equal(keyboard_answer(f), 0x00);
        out8(f, 0x64, 0xa9);
        assert_int_equal(keyboard_answer(f), 0x00);
        out8(f, 0x64, 0xc0);
        assert_int_equal(keyboard_answer(f), 0x80);
        assert_int_equal(in8(f, 0x64) & 1, 0);
}

static void the_command_byte_is_kept(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x64, 0x60);
        out8(f, 0x60, 0x61);
        out8(f, 0x64, 0x20);
        assert_int_equal(keyboard_answer(f), 0x61);
        out8(f, 0x64, 0xad);
        out8(f, 0x64, 0xa7);
        out8(f, 0x64, 0x20);
        assert_int_equal(keyboard_answer(f), 0x71);
        out8(f, 0x64, 0xae);
        out8(f, 0x64, 0xa8);
        out8(f, 0x64, 0x20);
        assert_int_equal(keyboard_answer(f), 0x41);
        out8(f, 0x64, 0x65); /* the controller's other RAM */
        out8(f, 0x60, 0x99);
        out8(f, 0x64, 0x25);
        assert_int_equal(keyboard_answer(f), 0x99);
}

static void the_keyboard_answers_its_commands(void **state)
{
        struct fixture *f = *state;
        static const struct {
                uint8_t sent;
                uint8_t count;
                uint8_t answer[3];
        } known[] = {
                {0xff, 2, {0xfa, 0xaa}}, {0xf2, 3, {0xfa, 0xab, 0x83}},
                {0xee, 1, {0xee}},       {0xf5, 1, {0xfa}},
                {0xf0, 1, {0xfa}},       {0x01, 1, {0xfa}},
                {0xf0, 1, {0xfa}},       {0x00, 2, {0xfa, 0x01}},
                {0xf0, 1, {0xfa}},       {0x07, 1, {0xfe}},
                {0xed, 1, {0xfa}},       {0x05, 1, {0xfa}},
                {0xf3, 1, {0xfa}},       {0x20, 1, {0xfa}},
                {0xf4, 1, {0xfa}},       {0x13, 1, {0xfe}},
                {0xf6, 1, {0xfa}},       {0xfa, 1, {0xfa}},
        };

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                out8(f, 0x60, known[i].sent);
                for (unsigned j = 0; j < known[i].count; j++)
                        assert_int_equal(keyboard_answer(f), known[i].answer[j]);
                assert_int_equal(in8(f, 0x64) & 1, 0);
        }
}

static void each_answer_interrupts_if_enabled(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        out8(f, 0x60, 0xff);
        assert_false(intr(f));
        in8(f, 0x60);
        in8(f, 0x60);
        out8(f, 0x64, 0x60);
        out8(f, 0x60, 0x03);
        out8(f, 0x60, 0xff);
        assert_int_equal(inta(f), 0x21);
        out8(f, 0x20, 0x20);
        in8(f, 0x60);
        assert_int_equal(inta(f), 0x21); /* the second byte is a second edge */
        out8(f, 0x20, 0x20);
        in8(f, 0x60);
        assert_false(intr(f));
        out8(f, 0x64, 0xd3); /* as if the auxiliary device had sent it */
        out8(f, 0x60, 0x5a);
        assert_int_equal(inta(f), 0x2c);
        assert_int_equal(in8(f, 0x64) & 0x21, 0x21);
        assert_int_equal(in8(f, 0x60), 0x5a);
}

static void nobody_answers_at_the_auxiliary_port(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x64, 0xd4);
        out8(f, 0x60, 0xff);
        assert_int_equal(in8(f, 0x64) & 0x61, 0x61); /* time-out */
        assert_int_equal(in8(f, 0x60), 0xfe);
}

static void a20_is_one_state_at_three_places(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(in8(f, 0x92), 0x02);
        out8(f, 0x92, 0x00);
        out8(f, 0x64, 0xd0);
        assert_int_equal(keyboard_answer(f), 0x01);
        out8(f, 0x64, 0xd1);
        out8(f, 0x60, 0x03);
        assert_int_equal(in8(f, 0x92), 0x02);
        out8(f, 0x64, 0xdd);
        assert_int_equal(in8(f, 0x92), 0x00);
        out8(f, 0x64, 0xdf);
        assert_int_equal(in8(f, 0x92), 0x02);
        assert_int_equal(f->machine->board.end, HWACCL_END_NONE);
}

static void assert_resets(struct fixture *f)
{
        assert_int_equal(f->machine->board.end, HWACCL_END_RESET);
        f->machine->board.end = HWACCL_END_NONE;
}

static void all_reset_switches_reset(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x64, 0xfe);
        assert_resets(f);
        out8(f, 0x64, 0xff); /* pulses nothing */
        assert_int_equal(f->machine->board.end, HWACCL_END_NONE);
        out8(f, 0x64, 0xd1);
        out8(f, 0x60, 0x02);
        assert_resets(f);
        out8(f, 0x92, 0x01);
        assert_resets(f);
        out8(f, 0xcf9, 0x02);
        assert_int_equal(f->machine->board.end, HWACCL_END_NONE);
        out8(f, 0xcf9, 0x06);
        assert_resets(f);
        assert_int_equal(in8(f, 0xcf9), 0x06);
}

/* System control */

static void port_61_shows_gate_output_and_refresh(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(in8(f, 0x61), 0x00);
        out8(f, 0x61, 0xff);
        assert_int_equal(in8(f, 0x61), 0x0f);
        set_clock(f, 15085);
        assert_int_equal(in8(f, 0x61), 0x1f);
        set_clock(f, 2 * 15085);
        assert_int_equal(in8(f, 0x61), 0x0f);
}

/* PCI */

static uint32_t config(struct fixture *f, uint32_t address)
{
        out32(f, 0xcf8, 0x80000000u | address);
        return in32(f, 0xcfc);
}

static void an_i440fx_board_is_found(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(config(f, 0x0000), 0x12378086);
        assert_int_equal(config(f, 0x002c), 0x11001af4);
        assert_int_equal(config(f, 0x0008) >> 16, 0x0600);
        assert_int_equal(config(f, 0x0800), 0x71108086);
        assert_int_equal(config(f, 0x080c) >> 16 & 0xff, 0x80);
        assert_int_equal(config(f, 0x0b00), 0x71138086);
        assert_true(config(f, 0x0900) == UINT32_MAX);
        assert_true(config(f, 0x1000) == UINT32_MAX);
        assert_true(config(f, 0x10000) == UINT32_MAX);
        out32(f, 0xcf8, 0);
        assert_true(in32(f, 0xcfc) == UINT32_MAX);
        assert_int_equal(in32(f, 0xcf8), 0);
}

static void pam_registers_are_kept_and_identities_are_not_written(void **state)
{
        struct fixture *f = *state;

        config(f, 0x0058);
        out8(f, 0xcfd, 0x30);
        assert_int_equal(in8(f, 0xcfd), 0x30);
        assert_int_equal(in16(f, 0xcfc), 0x3000);
        config(f, 0x0000);
        out32(f, 0xcfc, 0x12345678);
        assert_int_equal(in32(f, 0xcfc), 0x12378086);
        config(f, 0x0010);
        out32(f, 0xcfc, UINT32_MAX);
        assert_int_equal(in32(f, 0xcfc), 0); /* no base addresses */
        config(f, 0x003c);
        out8(f, 0xcfc, 9);
        assert_int_equal(in8(f, 0xcfc), 9);
}

static void map_pm(struct fixture *f, uint32_t base)
{
        config(f, 0x0b40);
        out32(f, 0xcfc, base);
        config(f, 0x0b80);
        out8(f, 0xcfc, 0x01);
}

static void the_pm_block_is_where_it_is_mapped(void **state)
{
        struct fixture *f = *state;

        assert_true(in32(f, 0xb008) == UINT32_MAX);
        map_pm(f, 0xb001);
        assert_int_equal(config(f, 0x0b40), 0xb001);
        assert_int_equal(in32(f, 0xb008), 0);
        config(f, 0x0b40);
        out32(f, 0xcfc, 0xffff0601);
        assert_int_equal(in32(f, 0xcfc), 0x0601);
        assert_true(in32(f, 0xb008) == UINT32_MAX);
        assert_int_equal(in32(f, 0x608), 0);
        config(f, 0x0b40);
        out32(f, 0xcfc, 0x0040); /* over the PIT and others, which keep what they have */
        out8(f, 0x61, 1);
        assert_int_equal(in8(f, 0x61) & 0x0f, 1);
        config(f, 0x0b80);
        out8(f, 0xcfc, 0x00);
        assert_int_equal(in8(f, 0x50), 0xff);
        assert_int_equal(in8(f, 0x61) & 0x0f, 1);
}

/* ACPI */

static void the_pm_timer_counts_24_bits(void **state)
{
        struct fixture *f = *state;

        map_pm(f, 0xb000);
        set_clock(f, SECOND);
        assert_int_equal(in32(f, 0xb008), 3579545);
        set_clock(f, 10 * SECOND);
        assert_int_equal(in32(f, 0xb008), 35795450 - 2 * (1 << 24));
        out32(f, 0xb008, 0);
        assert_int_equal(in16(f, 0xb008), (35795450 - 2 * (1 << 24)) & 0xffff);
}

static void the_timers_highest_bit_sets_its_status_and_interrupts(void **state)
{
        struct fixture *f = *state;
        uint64_t half = ((UINT64_C(1) << 23) * SECOND + 3579544) / 3579545;

        init_pics(f, 0x20, 0x28);
        map_pm(f, 0xb000);
        out16(f, 0xb002, 0x0001);
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
        out16(f, 0xb004, 0x0001);
        assert_true(hwaccl_board_deadline(&f->machine->board) == half);
        set_clock(f, half - 1);
        assert_int_equal(in16(f, 0xb000), 0);
        set_clock(f, half);
        assert_int_equal(inta(f), 0x29);
        assert_int_equal(in16(f, 0xb000), 0x0001);
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
        out16(f, 0xb000, 0x0001);
        assert_int_equal(in16(f, 0xb000), 0);
        assert_false(f->machine->pic.slave.lines & 2);
        assert_in_range(hwaccl_board_deadline(&f->machine->board), 2 * half - 1, 2 * half);
}

static void the_apm_port_hands_over_to_acpi(void **state)
{
        struct fixture *f = *state;

        map_pm(f, 0xb000);
        out8(f, 0xb2, 0xf1);
        assert_int_equal(in16(f, 0xb004), 0x0001);
        out8(f, 0xb2, 0xf0);
        assert_int_equal(in16(f, 0xb004), 0x0000);
        out16(f, 0xb2, 0x1234);
        assert_int_equal(in16(f, 0xb2), 0x1234);
}

static void only_soft_off_powers_off(void **state)
{
        struct fixture *f = *state;

        map_pm(f, 0xb000);
        out16(f, 0xb004, 0x2401); /* S1 */
        assert_int_equal(f->machine->board.end, HWACCL_END_NONE);
        assert_int_equal(in16(f, 0xb004), 0x0401);
        out16(f, 0xb004, 0x2001);
        assert_int_equal(f->machine->board.end, HWACCL_END_POWER_OFF);
}

/* fw_cfg */

static void read_item(struct fixture *f, unsigned key, void *to, size_t size)
{
        out16(f, 0x510, key);
        for (size_t i = 0; i < size; i++)
                ((uint8_t *)to)[i] = (uint8_t)in8(f, 0x511);
}

/* The key of a file by its directory entry; its size goes to *size. */
static unsigned find_file(struct fixture *f, const char *name, unsigned *size)
{
        uint8_t count[4];
        uint8_t entry[64];

        read_item(f, 0x19, count, sizeof(count));
        assert_int_equal(count[0] | count[1] | count[2], 0);
        for (unsigned i = 0; i < count[3]; i++) {
                for (unsigned j = 0; j < sizeof(entry); j++)
                        entry[j] = (uint8_t)in8(f, 0x511);
                if (strcmp((char *)entry + 8, name) == 0) {
                        *size = (unsigned)(entry[2] << 8 | entry[3]);
                        return (unsigned)(entry[4] << 8 | entry[5]);
                }
        }
        fail_msg("no file %s", name);
        return 0;
}

static void fw_cfg_gives_signature_and_features(void **state)
{
        struct fixture *f = *state;
        char signature[6];
        uint8_t id[4];

        read_item(f, 0, signature, sizeof(signature));
        assert_memory_equal(signature, "QEMU\0\0", 6); /* zeros behind the end */
        read_item(f, 1, id, sizeof(id));
        assert_int_equal(id[0], 3);
        assert_int_equal(in32(f, 0x514), 0x554d4551);
        assert_int_equal(in32(f, 0x518), 0x47464320);
        read_item(f, 0x3fff, id, sizeof(id));
        assert_int_equal(id[0] | id[1] | id[2] | id[3], 0);
}

static void fw_cfg_files_describe_the_machine(void **state)
{
        struct fixture *f = *state;
        uint8_t data[20];
        unsigned size;
        uint64_t ram;

        unsigned key = find_file(f, "etc/e820", &size);
        assert_int_equal(size, 20);
        read_item(f, key, data, size);
        memcpy(&ram, data + 8, 8);
        assert_int_equal(ram, 32 << 20);
        assert_int_equal(data[16], 1);
        read_item(f, 3, &ram, 8);
        assert_int_equal(ram, 32 << 20);
        key = find_file(f, "etc/sercon-port", &size);
        read_item(f, key, data, size);
        assert_int_equal(data[0] | data[1] << 8, 0x3f8);
        key = find_file(f, "etc/boot-fail-wait", &size);
        assert_int_equal(size, 4);
        read_item(f, key, data, size);
        assert_int_equal(data[0] & data[1] & data[2] & data[3], 0xff);
        read_item(f, 5, data, 2);
        assert_int_equal(data[0], 1);
}

/* A DMA access at 2000h; returns its control field afterwards. */
static uint32_t dma(struct fixture *f, uint32_t control, uint32_t length, uint64_t address)
{
        uint8_t access[16];
        uint32_t big[2] = {__builtin_bswap32(control), __builtin_bswap32(length)};
        uint64_t big_address = __builtin_bswap64(address);

        memcpy(access, big, 8);
        memcpy(access + 8, &big_address, 8);
        assert_true(hwaccl_guest_memory_write(&f->machine->board.memory, 0x2000, access, 16, false));
        out32(f, 0x514, 0);
        out32(f, 0x518, __builtin_bswap32(0x2000));
        assert_true(hwaccl_guest_memory_read(&f->machine->board.memory, 0x2000, access, 4));
        return (uint32_t)(access[0] << 24 | access[1] << 16 | access[2] << 8 | access[3]);
}

static void fw_cfg_dma_selects_reads_and_skips(void **state)
{
        struct fixture *f = *state;
        uint8_t data[8];

        memset(data, 0x77, sizeof(data));
        assert_true(hwaccl_guest_memory_write(&f->machine->board.memory, 0x3000, data, 8, false));
        assert_int_equal(dma(f, 0x0000000a, 6, 0x3000), 0);
        assert_true(hwaccl_guest_memory_read(&f->machine->board.memory, 0x3000, data, 8));
        assert_memory_equal(data, "QEMU\0\0\x77\x77", 8);
        assert_int_equal(dma(f, 0x00000008, 0, 0), 0); /* select alone */
        assert_int_equal(dma(f, 0x00000004, 2, 0), 0); /* skip */
        assert_int_equal(in8(f, 0x511), 'M');
        assert_int_equal(dma(f, 0x00000002, 1, 0x3007), 0); /* read on */
        assert_true(hwaccl_guest_memory_read(&f->machine->board.memory, 0x3007, data, 1));
        assert_int_equal(data[0], 'U');
        assert_true(f->written_address == 0x2000); /* the accelerator was told */
}

static void fw_cfg_dma_reports_what_it_cannot_do(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(dma(f, 0x0000000a, 4, 0xa0000), 1); /* no memory there */
        assert_int_equal(dma(f, 0x0000000a, 4, UINT64_MAX - 1), 1);
        assert_int_equal(dma(f, 0x0000000a, 65537, 0x100000), 1); /* longer than any item */
        assert_int_equal(dma(f, 0x0000000a, 65536, 0x100000), 0);
        assert_int_equal(dma(f, 0x00000018, 4, 0x3000), 1); /* items are read-only */
        f->log[0] = 0;
        out32(f, 0x518, __builtin_bswap32(0xb0000)); /* no access structure: nowhere to report to */
        assert_string_equal(f->log, "");
}

static void fw_cfg_takes_whole_accesses_only(void **state)
{
        struct fixture *f = *state;

        out16(f, 0x510, 0);
        out8(f, 0x510, 5);
        assert_int_equal(in8(f, 0x511), 'Q');
        out8(f, 0x511, 'x');
        assert_int_equal(in8(f, 0x511), 'E');
}

/* The rest */

static void dma_registers_are_latches(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x80, 0x55); /* POST code */
        out8(f, 0x0f, 0xaa);
        out16(f, 0xde, 0x1234);
        assert_int_equal(in8(f, 0x80), 0x55);
        assert_int_equal(in8(f, 0x0f), 0xaa);
        assert_int_equal(in16(f, 0xde), 0x1234);
        out8(f, 0x08, 0xff);
        assert_int_equal(in8(f, 0x08), 0);
}

static void debug_ports_print_and_show_themselves(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(in8(f, 0x402), 0xe9);
        assert_int_equal(in8(f, 0xe9), 0xe9);
        out8(f, 0x402, 'a');
        out8(f, 0xe9, 'b');
        assert_string_equal(f->printed, "ab");
        out32(f, 0xf4, 0x12345678);
        assert_int_equal(f->machine->board.end, HWACCL_END_EXIT_CODE);
        assert_int_equal(f->machine->board.exit_code, 0x12345678);
        out8(f, 0xf4, 1);
        assert_int_equal(f->machine->board.exit_code, 0x12345678); /* the first end is the one */
}

static void unclaimed_ports_read_as_ones(void **state)
{
        struct fixture *f = *state;

        assert_true(in32(f, 0x1f0) == UINT32_MAX);
        assert_int_equal(in16(f, 0xffff), 0xffff);
        assert_int_equal(in16(f, 0x60) >> 8 & 0x0f, 0); /* split between i8042 and system control */
        assert_true(hwaccl_bus_mmio_read(&f->machine->board.bus, 0xa0000, 8) == UINT64_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(the_controller_passes_its_tests),
                FIXTURE_TEST(the_command_byte_is_kept),
                FIXTURE_TEST(the_keyboard_answers_its_commands),
                FIXTURE_TEST(each_answer_interrupts_if_enabled),
                FIXTURE_TEST(nobody_answers_at_the_auxiliary_port),
                FIXTURE_TEST(a20_is_one_state_at_three_places),
                FIXTURE_TEST(all_reset_switches_reset),
                FIXTURE_TEST(port_61_shows_gate_output_and_refresh),
                FIXTURE_TEST(an_i440fx_board_is_found),
                FIXTURE_TEST(pam_registers_are_kept_and_identities_are_not_written),
                FIXTURE_TEST(the_pm_block_is_where_it_is_mapped),
                FIXTURE_TEST(the_pm_timer_counts_24_bits),
                FIXTURE_TEST(the_timers_highest_bit_sets_its_status_and_interrupts),
                FIXTURE_TEST(the_apm_port_hands_over_to_acpi),
                FIXTURE_TEST(only_soft_off_powers_off),
                FIXTURE_TEST(fw_cfg_gives_signature_and_features),
                FIXTURE_TEST(fw_cfg_files_describe_the_machine),
                FIXTURE_TEST(fw_cfg_dma_selects_reads_and_skips),
                FIXTURE_TEST(fw_cfg_dma_reports_what_it_cannot_do),
                FIXTURE_TEST(fw_cfg_takes_whole_accesses_only),
                FIXTURE_TEST(dma_registers_are_latches),
                FIXTURE_TEST(debug_ports_print_and_show_themselves),
                FIXTURE_TEST(unclaimed_ports_read_as_ones),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
