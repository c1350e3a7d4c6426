/* ATA disks: transfers, addresses and interrupts (ATA/ATAPI-6), state. */
#include "tests/fixtures/ata_fixture.h"

static void sectors_are_read_by_28_bit_48_bit_and_chs_addresses(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 0, 1234, 3);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
        expect_sectors(f, 1234, 3);
        assert_int_equal(in8(f, STATUS), READY);
        address_extended(f, 4000, 300);
        assert_int_equal(command(f, 0x24), DRQ);
        expect_sectors(f, 4000, 256);
        expect_sectors(f, 4256, 44);
        assert_int_equal(in8(f, STATUS), READY);
        /* cylinder 2, head 5, sector 7 */
        out8(f, 0x1f2, 1);
        out8(f, 0x1f3, 7);
        out8(f, 0x1f4, 2);
        out8(f, 0x1f5, 0);
        out8(f, 0x1f6, 0xa5);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
        expect_sectors(f, (2 * 16 + 5) * 63 + 6, 1);
        /* a count of 0 is 256 */
        address_lba(f, 0, 100, 0);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
        expect_sectors(f, 100, 256);
        assert_int_equal(in8(f, STATUS), READY);
}

static void each_sector_is_one_access_to_the_host(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 0, 10, 2);
        out8(f, 0x1f7, READ_SECTORS);
        assert_int_equal(f->disk_reads, 1);
        expect_sectors(f, 10, 1);
        assert_int_equal(f->disk_reads, 2);
        expect_sectors(f, 11, 1);
        assert_int_equal(f->disk_reads, 2);
        assert_int_equal(f->disk_writes, 0);
}

static void double_words_are_two_words(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 0, 77, 1);
        out8(f, 0x1f7, READ_SECTORS);
        for (unsigned i = 0; i < SECTOR; i += 4) {
                uint32_t expected;
                memcpy(&expected, main_disk + 77 * SECTOR + i, 4);
                assert_int_equal(in32(f, 0x1f0), expected);
        }
        assert_int_equal(in8(f, STATUS), READY);
        assert_int_equal(in16(f, 0x1f0), 0xffff); /* nothing waits */
}

static void every_block_of_a_read_interrupts_when_it_is_ready(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 0, 5, 2);
        out8(f, 0x1f7, READ_SECTORS);
        assert_true(line(f, 14));
        assert_int_equal(in8(f, 0x3f6), DRQ); /* the alternate status leaves the interrupt alone */
        assert_true(line(f, 14));
        assert_int_equal(in8(f, STATUS), DRQ);
        assert_false(line(f, 14));
        expect_sectors(f, 5, 1);
        assert_true(line(f, 14));
        (void)in8(f, STATUS);
        expect_sectors(f, 6, 1);
        assert_false(line(f, 14)); /* nothing comes after the last one */
        assert_int_equal(in8(f, STATUS), READY);
}

static void every_block_of_a_write_but_the_first_interrupts(void **state)
{
        struct fixture *f = *state;
        uint8_t data[2 * SECTOR];

        memset(data, 0xab, sizeof(data));
        address_lba(f, 0, 5, 2);
        assert_int_equal(command(f, WRITE_SECTORS), DRQ);
        assert_false(line(f, 14));
        write_words(f, data, SECTOR);
        assert_true(line(f, 14));
        assert_int_equal(in8(f, STATUS), DRQ);
        write_words(f, data + SECTOR, SECTOR - 2);
        assert_false(line(f, 14));
        assert_int_equal(f->disk_writes, 1);
        out16(f, 0x1f0, 0xabab);
        assert_true(line(f, 14));
        assert_int_equal(in8(f, STATUS), READY);
        assert_memory_equal(main_disk + 5 * SECTOR, data, sizeof(data));
        assert_int_equal(main_disk[7 * SECTOR], 7);
        assert_non_null(strstr(f->log, "disk0:2560+512 "));
        assert_non_null(strstr(f->log, "disk0:3072+512 "));
}

static void nien_keeps_the_line_down(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x3f6, 0x02);
        address_lba(f, 0, 5, 1);
        out8(f, 0x1f7, READ_SECTORS);
        assert_false(line(f, 14));
        out8(f, 0x3f6, 0x00); /* the interrupt is still pending */
        assert_true(line(f, 14));
        out8(f, 0x1f6, 0xb0); /* and it is not device 1's */
        assert_false(line(f, 14));
}

static void multiple_mode_moves_blocks(void **state)
{
        struct fixture *f = *state;
        uint8_t data[10 * SECTOR];

        address_lba(f, 0, 40, 10);
        (void)command(f, READ_MULTIPLE);
        expect_error(f, ABRT); /* not before it is set */
        out8(f, 0x1f2, 16);
        (void)command(f, SET_MULTIPLE);
        expect_error(f, ABRT);
        out8(f, 0x1f2, 8);
        assert_int_equal(command(f, SET_MULTIPLE), READY);
        address_lba(f, 0, 40, 10);
        assert_int_equal(command(f, READ_MULTIPLE), DRQ);
        assert_int_equal(f->disk_reads, 1);
        expect_sectors(f, 40, 8);
        assert_int_equal(f->disk_reads, 2);
        expect_sectors(f, 48, 2);
        assert_int_equal(in8(f, STATUS), READY);

        memset(data, 0x3c, sizeof(data));
        address_lba(f, 0, 40, 10);
        assert_int_equal(command(f, WRITE_MULTIPLE), DRQ);
        write_words(f, data, sizeof(data));
        assert_int_equal(in8(f, STATUS), READY);
        assert_int_equal(f->disk_writes, 2);
        assert_memory_equal(main_disk + 40 * SECTOR, data, sizeof(data));
}

static void addresses_outside_of_the_disk_are_not_found(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 0, MAIN_SECTORS, 1);
        (void)command(f, READ_SECTORS);
        expect_error(f, IDNF);
        address_lba(f, 0, 0x0fffffff, 1);
        (void)command(f, WRITE_SECTORS);
        expect_error(f, IDNF);
        address_extended(f, UINT64_C(0xffffffffffff), 1);
        (void)command(f, 0x24);
        expect_error(f, IDNF);
        /* a read across the end: what there is, then where it went wrong */
        address_lba(f, 0, MAIN_SECTORS - 2, 5);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
        expect_sectors(f, MAIN_SECTORS - 2, 2);
        expect_error(f, IDNF);
        assert_int_equal(in8(f, 0x1f3) | in8(f, 0x1f4) << 8, MAIN_SECTORS);
        assert_int_equal(in8(f, 0x1f2), 3);
        /* CHS: sector 0, a head that there is not, a cylinder that there is not */
        static const uint8_t chs[][4] = {{0, 0, 0, 0xa0}, {64, 0, 0, 0xa0}, {1, 99, 0, 0xa0}};
        for (unsigned i = 0; i < 3; i++) {
                out8(f, 0x1f2, 1);
                for (unsigned j = 0; j < 4; j++)
                        out8(f, (uint16_t)(0x1f3 + j), chs[i][j]);
                (void)command(f, READ_SECTORS);
                expect_error(f, IDNF);
        }
        assert_int_equal(f->disk_reads, 2);
}

static void what_the_host_cannot_read_is_uncorrectable(void **state)
{
        struct fixture *f = *state;

        f->bad_sector = 300;
        address_lba(f, 0, 299, 3);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
        expect_sectors(f, 299, 1);
        expect_error(f, UNC);
        assert_int_equal(in8(f, 0x1f3) | in8(f, 0x1f4) << 8, 300);
        assert_int_equal(in8(f, 0x1f2), 2);
        assert_non_null(strstr(f->log, "disk "));
        assert_non_null(strstr(f->log, "fault "));
        /* in a block, the sector is found */
        out8(f, 0x1f2, 8);
        (void)command(f, SET_MULTIPLE);
        address_extended(f, 296, 8);
        (void)command(f, 0x29);
        expect_error(f, UNC);
        assert_int_equal(in8(f, 0x1f3) | in8(f, 0x1f4) << 8, 300);
        assert_int_equal(in8(f, 0x1f2), 4);
        assert_true(line(f, 14) == false);
        assert_false(f->vcpu->host.failed);
}

static void what_the_host_cannot_write_is_aborted(void **state)
{
        struct fixture *f = *state;
        uint8_t data[SECTOR] = {0};

        f->disk_full = true;
        address_lba(f, 0, 300, 2);
        assert_int_equal(command(f, WRITE_SECTORS), DRQ);
        write_words(f, data, SECTOR);
        assert_true(line(f, 14));
        expect_error(f, ABRT);
        assert_int_equal(in8(f, 0x1f3) | in8(f, 0x1f4) << 8, 300);
        (void)command(f, FLUSH);
        expect_error(f, ABRT);
        f->disk_full = false;
        assert_int_equal(command(f, FLUSH), READY);
        assert_int_equal(command(f, 0xea), READY);
        assert_int_equal(f->flushes, 3);
}

static void a_new_command_ends_a_transfer(void **state)
{
        struct fixture *f = *state;

        address_lba(f, 0, 5, 4);
        (void)command(f, WRITE_SECTORS);
        out16(f, 0x1f0, 0x1234);
        address_lba(f, 0, 8, 1);
        assert_int_equal(command(f, READ_SECTORS), DRQ);
        expect_sectors(f, 8, 1);
        assert_int_equal(f->disk_writes, 0);
}

static void the_second_channel_has_disks_2_and_3_and_line_15(void **state)
{
        struct fixture fixture;
        struct fixture *f = &fixture;
        const struct hwaccl_disk disk[4] = {{8, false}, {8, false}, {MAIN_SECTORS, false}, {SMALL_SECTORS, false}};

        (void)state;
        fixture_init_with_disks(f, NULL, 0, disk, 4);
        fill(small_disk, SMALL_SECTORS);
        f->disk[3] = small_disk;
        out8(f, 0x172, 1);
        out8(f, 0x173, 4);
        out8(f, 0x174, 0);
        out8(f, 0x175, 0);
        out8(f, 0x176, 0xf0);
        out8(f, 0x177, READ_SECTORS);
        assert_true(line(f, 15));
        assert_false(line(f, 14));
        assert_int_equal(in16(f, 0x170), 4);
        out8(f, 0x177, IDENTIFY);
        for (unsigned i = 0; i < 10; i++)
                (void)in16(f, 0x170);
        assert_int_equal(in16(f, 0x170), 'H' << 8 | 'W');
        fixture_destroy(f);
}

static struct hwaccl_device *channel(struct fixture *f, unsigned number)
{
        return &f->machine->ata[number].device;
}

static void a_loaded_channel_goes_on_with_its_transfer(void **state)
{
        struct fixture *f = *state;
        struct fixture second;
        const struct hwaccl_disk disk[] = {{MAIN_SECTORS, false}, {SMALL_SECTORS, true}};
        uint8_t saved[HWACCL_DEVICE_STATE_MAX];
        struct hwaccl_error error;

        address_lba(f, 0, 50, 3);
        (void)command(f, READ_SECTORS);
        uint8_t begun[100];
        read_words(f, begun, sizeof(begun));
        hwaccl_device_save(channel(f, 0), saved);
        fixture_init_with_disks(&second, NULL, 0, disk, 2);
        second.disk[0] = main_disk;
        assert_true(hwaccl_device_load(channel(&second, 0), saved, hwaccl_device_state_size(channel(f, 0)), &error));
        for (unsigned i = 100; i < 3 * SECTOR; i += 2)
                assert_int_equal(in16(&second, 0x1f0), in16(f, 0x1f0));
        assert_int_equal(in8(&second, STATUS), READY);
        fixture_destroy(&second);
}

static void states_that_cannot_be_are_refused(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *field;
                uint8_t value;
        } impossible[] = {
                {"drive[0].status", 0x80},
                {"drive[1].multiple", 3},
                {"drive[0].heads", 0},
                {"drive[1].sectors", 0},
                {"drive[0].power", 9},
                {"control", 0x01},
                {"direction", 3},
                {"size", 0x01},
                {"position", 0xff},
                {"block", 0},
                {"owner", 2},
        };

        address_lba(f, 0, 50, 3);
        (void)command(f, READ_SECTORS);
        for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
                struct hwaccl_device *device = channel(f, 0);
                const struct hwaccl_device_field *field = device->ops->fields;
                uint8_t saved[HWACCL_DEVICE_STATE_MAX];
                size_t offset = 0, size = hwaccl_device_state_size(device);
                struct hwaccl_error error = {""};
                while (strcmp(field->name, impossible[i].field) != 0)
                        offset += (field++)->size;
                hwaccl_device_save(device, saved);
                uint8_t before[8];
                memcpy(before, saved + offset, field->size);
                memset(saved + offset, impossible[i].value, field->size);
                if (hwaccl_device_load(device, saved, size, &error))
                        fail_msg("takes %s = %u", impossible[i].field, impossible[i].value);
                memcpy(saved + offset, before, field->size);
                assert_true(hwaccl_device_load(device, saved, size, &error));
        }
        expect_sectors(f, 50, 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(sectors_are_read_by_28_bit_48_bit_and_chs_addresses),
                TEST(each_sector_is_one_access_to_the_host),
                TEST(double_words_are_two_words),
                TEST(every_block_of_a_read_interrupts_when_it_is_ready),
                TEST(every_block_of_a_write_but_the_first_interrupts),
                TEST(nien_keeps_the_line_down),
                TEST(multiple_mode_moves_blocks),
                TEST(addresses_outside_of_the_disk_are_not_found),
                TEST(what_the_host_cannot_read_is_uncorrectable),
                TEST(what_the_host_cannot_write_is_aborted),
                TEST(a_new_command_ends_a_transfer),
                cmocka_unit_test(the_second_channel_has_disks_2_and_3_and_line_15),
                TEST(a_loaded_channel_goes_on_with_its_transfer),
                TEST(states_that_cannot_be_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
