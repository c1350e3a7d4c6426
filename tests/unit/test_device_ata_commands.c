/* ATA disks: commands without transfers, resets, absent devices (ATA/ATAPI-6). */
#include "tests/fixtures/ata_fixture.h"

static void identify_says_what_the_disk_is(void **state)
{
        struct fixture *f = *state;
        uint8_t data[SECTOR];
        uint8_t sum = 0;
        char model[41] = "";

        out8(f, 0x1f6, 0xa0);
        assert_int_equal(command(f, IDENTIFY), DRQ);
        assert_true(line(f, 14));
        read_words(f, data, SECTOR);
        assert_int_equal(in8(f, STATUS), READY);
        assert_false(line(f, 14));
        assert_int_equal(word(data, 0), 0x0040);
        assert_int_equal(word(data, 1), 4);
        assert_int_equal(word(data, 3), 16);
        assert_int_equal(word(data, 6), 63);
        assert_int_equal(word(data, 60), MAIN_SECTORS);
        assert_int_equal(word(data, 100), MAIN_SECTORS);
        assert_int_equal(word(data, 49) & 0x0300, 0x0200); /* LBA, no DMA */
        assert_int_equal(word(data, 83) & 0xc400, 0x4400);
        assert_int_equal(word(data, 93) & 0x40, 0); /* there is a device 1 */
        for (unsigned i = 0; i < 40; i += 2) {
                model[i] = (char)data[54 + i + 1];
                model[i + 1] = (char)data[54 + i];
        }
        assert_string_equal(model, "hwaccl disk                             ");
        for (unsigned i = 0; i < SECTOR; i++)
                sum = (uint8_t)(sum + data[i]);
        assert_int_equal(sum, 0);
}

static void a_read_only_disk_aborts_writes(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 1, 3, 1);
        (void)command(f, WRITE_SECTORS);
        expect_error(f, ABRT);
        assert_int_equal(f->disk_writes, 0);
        address_lba(f, 1, 3, 1);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
        uint8_t got[SECTOR];
        read_words(f, got, SECTOR);
        assert_memory_equal(got, small_disk + 3 * SECTOR, SECTOR);
        assert_int_equal(command(f, FLUSH), READY);
        assert_int_equal(f->flushes, 0);
}

static void without_a_write_cache_each_write_is_flushed(void **state)
{
        struct fixture *f = *state;
        uint8_t data[SECTOR] = {0};

        out8(f, 0x1f6, 0xe0);
        out8(f, 0x1f1, 0x82);
        assert_int_equal(command(f, SET_FEATURES), READY);
        assert_int_equal(f->flushes, 1);
        address_lba(f, 0, 9, 1);
        (void)command(f, WRITE_SECTORS);
        write_words(f, data, SECTOR);
        assert_int_equal(f->flushes, 2);
        out8(f, 0x1f1, 0x02);
        assert_int_equal(command(f, SET_FEATURES), READY);
        address_lba(f, 0, 9, 1);
        (void)command(f, WRITE_SECTORS);
        write_words(f, data, SECTOR);
        assert_int_equal(f->flushes, 2);
}

static void transfer_modes_are_pio_modes(void **state)
{
        struct fixture *f = *state;
        static const struct {
                uint8_t mode;
                bool good;
        } modes[] = {{0x00, true},  {0x01, true},  {0x08, true}, {0x0c, true},
                     {0x0d, false}, {0x20, false}, {0x45, false}};

        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                out8(f, 0x1f1, 0x03);
                out8(f, 0x1f2, modes[i].mode);
                assert_int_equal(command(f, SET_FEATURES), modes[i].good ? READY : ERR);
        }
}

static void geometry_can_be_set(void **state)
{
        struct fixture *f = *state;
        uint8_t data[SECTOR];

        out8(f, 0x1f2, 32);
        out8(f, 0x1f6, 0xa7); /* 8 heads */
        assert_int_equal(command(f, 0x91), READY);
        out8(f, 0x1f2, 1);
        out8(f, 0x1f3, 32);
        out8(f, 0x1f4, 3);
        out8(f, 0x1f5, 0);
        out8(f, 0x1f6, 0xa7);
        (void)command(f, READ_SECTORS);
        expect_sectors(f, (3 * 8 + 7) * 32 + 31, 1);
        (void)command(f, IDENTIFY);
        read_words(f, data, SECTOR);
        assert_int_equal(word(data, 54), MAIN_SECTORS / 256);
        assert_int_equal(word(data, 55), 8);
        assert_int_equal(word(data, 56), 32);
        assert_int_equal(word(data, 3), 16); /* the default stays */
        /* a track without sectors is none */
        out8(f, 0x1f2, 0);
        (void)command(f, 0x91);
        expect_error(f, ABRT);
        (void)command(f, IDENTIFY);
        read_words(f, data, SECTOR);
        assert_int_equal(word(data, 56), 32);
}

static void power_modes_are_kept_and_sleep_ends_with_a_reset(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x1f6, 0xa0);
        assert_int_equal(command(f, 0xe5), READY);
        assert_int_equal(in8(f, 0x1f2), 0xff);
        assert_int_equal(command(f, 0xe1), READY);
        assert_int_equal(command(f, 0xe5), READY);
        assert_int_equal(in8(f, 0x1f2), 0x80);
        assert_int_equal(command(f, 0xe0), READY);
        assert_int_equal(command(f, 0xe5), READY);
        assert_int_equal(in8(f, 0x1f2), 0x00);
        address_lba(f, 0, 1, 1);
        (void)command(f, READ_SECTORS);
        expect_sectors(f, 1, 1);
        assert_int_equal(command(f, 0xe5), READY);
        assert_int_equal(in8(f, 0x1f2), 0xff);
        assert_int_equal(command(f, 0xe6), READY);
        address_lba(f, 0, 1, 1);
        assert_int_equal(command(f, READ_SECTORS), READY); /* sleeps */
        out8(f, 0x3f6, 0x04);
        out8(f, 0x3f6, 0x00);
        address_lba(f, 0, 1, 1);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
}

static void a_software_reset_leaves_the_signature(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 1, 0x123456, 9);
        out8(f, 0x1f2, 4);
        out8(f, 0x1f6, 0xe0);
        (void)command(f, SET_MULTIPLE);
        address_lba(f, 0, 0, 9);
        (void)command(f, READ_SECTORS);
        out8(f, 0x3f6, 0x04);
        assert_int_equal(in8(f, STATUS), 0x80);
        assert_false(line(f, 14));
        out8(f, 0x1f2, 0x77); /* ignored while busy */
        out8(f, 0x3f6, 0x00);
        assert_int_equal(in8(f, STATUS), READY);
        static const uint8_t signature[] = {1, 1, 1, 0, 0, 0};
        for (unsigned i = 0; i < sizeof(signature); i++)
                assert_int_equal(in8(f, (uint16_t)(0x1f1 + i)), signature[i]);
        address_lba(f, 0, 0, 1);
        (void)command(f, READ_MULTIPLE);
        expect_error(f, ABRT); /* the block size went back to none */
        /* unless it is told to stay */
        out8(f, 0x1f1, 0x66);
        assert_int_equal(command(f, SET_FEATURES), READY);
        out8(f, 0x1f2, 4);
        assert_int_equal(command(f, SET_MULTIPLE), READY);
        out8(f, 0x3f6, 0x04);
        out8(f, 0x3f6, 0x00);
        address_lba(f, 0, 0, 1);
        assert_int_equal(command(f, READ_MULTIPLE), DRQ);
}

static void diagnostics_are_for_both_devices(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x1f6, 0xb0);
        out8(f, 0x1f7, 0x90);
        assert_int_equal(in8(f, 0x1f6) & 0x10, 0);
        assert_true(line(f, 14));
        assert_int_equal(in8(f, STATUS), READY);
        assert_int_equal(in8(f, 0x1f1), 0x01);
        out8(f, 0x1f6, 0xb0);
        assert_int_equal(in8(f, 0x1f1), 0x01);
}

static void the_previous_contents_of_registers_are_behind_hob(void **state)
{
        struct fixture *f = *state;

        address_extended(f, UINT64_C(0x123456789abc), 0x4321);
        out8(f, 0x3f6, 0x80);
        assert_int_equal(in8(f, 0x1f2), 0x43);
        assert_int_equal(in8(f, 0x1f3), 0x56);
        assert_int_equal(in8(f, 0x1f4), 0x34);
        assert_int_equal(in8(f, 0x1f5), 0x12);
        out8(f, 0x3f6, 0x00);
        assert_int_equal(in8(f, 0x1f2), 0x21);
        assert_int_equal(in8(f, 0x1f5), 0x78);
        out8(f, 0x3f6, 0x80);
        out8(f, 0x1f1, 0x00); /* a write to the command block ends it */
        assert_int_equal(in8(f, 0x1f2), 0x21);
}

static void commands_that_there_are_not_are_aborted(void **state)
{
        struct fixture *f = *state;
        /* NOP, DEVICE RESET, DMA, IDENTIFY PACKET DEVICE, PACKET, SMART, SECURITY SET PASSWORD, READ NATIVE MAX */
        static const uint8_t number[] = {0x00, 0x08, 0xc8, 0xa1, 0xa0, 0xb0, 0xf1, 0xf8};

        for (size_t i = 0; i < sizeof(number); i++) {
                out8(f, 0x1f6, 0xe0);
                (void)command(f, number[i]);
                assert_true(line(f, 14));
                expect_error(f, ABRT);
        }
        /* a 48-bit command needs an LBA */
        address_extended(f, 1, 1);
        out8(f, 0x1f6, 0xa0);
        (void)command(f, 0x24);
        expect_error(f, ABRT);
}

static void verify_and_seek_check_the_address_only(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 0, MAIN_SECTORS - 3, 3);
        assert_int_equal(command(f, 0x40), READY);
        assert_int_equal(command(f, 0x70), READY);
        address_lba(f, 0, MAIN_SECTORS - 3, 4);
        (void)command(f, 0x40);
        expect_error(f, IDNF);
        assert_int_equal(in8(f, 0x1f3) | in8(f, 0x1f4) << 8, MAIN_SECTORS);
        assert_int_equal(in8(f, 0x1f2), 1);
        address_lba(f, 0, MAIN_SECTORS, 1);
        (void)command(f, 0x70);
        expect_error(f, IDNF);
        assert_int_equal(f->disk_reads, 0);
}

static void an_absent_device_1_is_answered_for(void **state)
{
        struct fixture fixture;
        struct fixture *f = &fixture;
        const struct hwaccl_disk disk = {MAIN_SECTORS, false};
        uint8_t data[SECTOR];

        (void)state;
        fixture_init_with_disks(f, NULL, 0, &disk, 1);
        f->disk[0] = main_disk;
        out8(f, 0x1f6, 0xb0);
        assert_int_equal(in8(f, STATUS), 0);
        assert_int_equal(in8(f, 0x3f6), 0);
        out8(f, 0x1f2, 0x55);
        assert_int_equal(in8(f, 0x1f2), 0x55);
        assert_int_equal(in8(f, 0x1f6), 0xb0);
        assert_int_equal(command(f, IDENTIFY), 0);
        assert_false(line(f, 14));
        assert_int_equal(in16(f, 0x1f0), 0xffff);
        out8(f, 0x1f6, 0xa0);
        (void)command(f, IDENTIFY);
        read_words(f, data, SECTOR);
        assert_int_equal(word(data, 93) & 0x40, 0x40);
        /* a cable without devices */
        assert_int_equal(in8(f, 0x177), 0x7f);
        assert_int_equal(in8(f, 0x376), 0x7f);
        assert_int_equal(in16(f, 0x170), 0x7f7f);
        out8(f, 0x172, 0x55);
        assert_int_equal(in8(f, 0x172), 0x7f);
        fixture_destroy(f);
}

static void without_disks_there_is_no_controller(void **state)
{
        struct fixture fixture;
        struct fixture *f = *state;

        out32(f, 0xcf8, 0x80000900);
        assert_int_equal(in32(f, 0xcfc), 0x71118086);
        out32(f, 0xcf8, 0x80000908);
        assert_int_equal(in32(f, 0xcfc), 0x01010001);
        out32(f, 0xcf8, 0x80000940);
        assert_int_equal(in32(f, 0xcfc), 0x80008000);
        fixture_init(&fixture, NULL, 0);
        out32(&fixture, 0xcf8, 0x80000900);
        assert_int_equal(in32(&fixture, 0xcfc), UINT32_MAX);
        assert_int_equal(in8(&fixture, STATUS), 0xff);
        fixture_destroy(&fixture);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(identify_says_what_the_disk_is),
                TEST(a_read_only_disk_aborts_writes),
                TEST(without_a_write_cache_each_write_is_flushed),
                TEST(transfer_modes_are_pio_modes),
                TEST(geometry_can_be_set),
                TEST(power_modes_are_kept_and_sleep_ends_with_a_reset),
                TEST(a_software_reset_leaves_the_signature),
                TEST(diagnostics_are_for_both_devices),
                TEST(the_previous_contents_of_registers_are_behind_hob),
                TEST(commands_that_there_are_not_are_aborted),
                TEST(verify_and_seek_check_the_address_only),
                cmocka_unit_test(an_absent_device_1_is_answered_for),
                TEST(without_disks_there_is_no_controller),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
