/* ATA disks, register by register (ATA/ATAPI-6). */
#include "machine_fixture.h"

#define SECTOR        512u
#define MAIN_SECTORS  5000u /* disk 0: 4 cylinders of 16 heads and 63 sectors, and some more */
#define SMALL_SECTORS 20u   /* disk 1, read-only */

#define STATUS 0x1f7u
#define READY  0x50u
#define DRQ    0x58u
#define ERR    0x51u
#define ABRT   0x04u
#define IDNF   0x10u
#define UNC    0x40u

#define READ_SECTORS   0x20u
#define WRITE_SECTORS  0x30u
#define READ_MULTIPLE  0xc4u
#define WRITE_MULTIPLE 0xc5u
#define SET_MULTIPLE   0xc6u
#define IDENTIFY       0xecu
#define SET_FEATURES   0xefu
#define FLUSH          0xe7u

static uint8_t main_disk[MAIN_SECTORS * SECTOR];
static uint8_t small_disk[SMALL_SECTORS * SECTOR];

/* Every sector begins with its number. */
static void fill(uint8_t *disk, unsigned sectors)
{
        for (unsigned i = 0; i < sectors; i++) {
                memset(disk + (size_t)i * SECTOR, (int)(i * 7 + 1), SECTOR);
                memcpy(disk + (size_t)i * SECTOR, &i, sizeof(i));
        }
}

static int open_disks(void **state)
{
        static struct fixture fixture;
        static const struct hwaccl_disk disk[] = {{MAIN_SECTORS, false}, {SMALL_SECTORS, true}};

        fixture_init_with_disks(&fixture, NULL, 0, disk, 2);
        fill(main_disk, MAIN_SECTORS);
        fill(small_disk, SMALL_SECTORS);
        fixture.disk[0] = main_disk;
        fixture.disk[1] = small_disk;
        *state = &fixture;
        return 0;
}

static int close_disks(void **state)
{
        fixture_destroy(*state);
        return 0;
}

static bool line(struct fixture *f, unsigned number)
{
        return f->board->pic.slave.lines >> (number - 8) & 1;
}

static void address_lba(struct fixture *f, unsigned device, uint32_t sector, unsigned count)
{
        out8(f, 0x1f2, count);
        out8(f, 0x1f3, sector & 0xff);
        out8(f, 0x1f4, sector >> 8 & 0xff);
        out8(f, 0x1f5, sector >> 16 & 0xff);
        out8(f, 0x1f6, 0xe0 | device << 4 | sector >> 24);
}

static void address_extended(struct fixture *f, uint64_t sector, unsigned count)
{
        out8(f, 0x1f2, count >> 8);
        out8(f, 0x1f3, sector >> 24 & 0xff);
        out8(f, 0x1f4, sector >> 32 & 0xff);
        out8(f, 0x1f5, sector >> 40 & 0xff);
        address_lba(f, 0, (uint32_t)(sector & 0xffffff), count & 0xff);
}

static unsigned command(struct fixture *f, unsigned number)
{
        out8(f, 0x1f7, number);
        return in8(f, 0x3f6);
}

static void expect_error(struct fixture *f, unsigned error)
{
        assert_int_equal(in8(f, STATUS), ERR);
        assert_int_equal(in8(f, 0x1f1), error);
}

static void read_words(struct fixture *f, uint8_t *to, unsigned bytes)
{
        for (unsigned i = 0; i < bytes; i += 2) {
                unsigned word = in16(f, 0x1f0);
                to[i] = (uint8_t)word;
                to[i + 1] = (uint8_t)(word >> 8);
        }
}

static void write_words(struct fixture *f, const uint8_t *from, unsigned bytes)
{
        for (unsigned i = 0; i < bytes; i += 2)
                out16(f, 0x1f0, from[i] | (unsigned)from[i + 1] << 8);
}

static void expect_sectors(struct fixture *f, unsigned first, unsigned count)
{
        static uint8_t got[256 * SECTOR];

        read_words(f, got, count * SECTOR);
        assert_memory_equal(got, main_disk + (size_t)first * SECTOR, (size_t)count * SECTOR);
}

static unsigned word(const uint8_t *data, unsigned number)
{
        return data[number * 2] | (unsigned)data[number * 2 + 1] << 8;
}

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
        assert_false(f->machine->host.failed);
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

static void the_second_channel_has_disks_2_and_3_and_line_15(void **state)
{
        struct fixture fixture;
        struct fixture *f = &fixture;
        const struct hwaccl_disk disk[4] = {{8, false}, {8, false}, {MAIN_SECTORS, false}, {SMALL_SECTORS, false}};

        (void)state;
        fixture_init_with_disks(f, NULL, 0, disk, 4);
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

static struct hwaccl_device *channel(struct fixture *f, unsigned number)
{
        return &f->board->ata[number].device;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_disks, close_disks)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(identify_says_what_the_disk_is),
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
                TEST(a_new_command_ends_a_transfer),
                cmocka_unit_test(an_absent_device_1_is_answered_for),
                cmocka_unit_test(the_second_channel_has_disks_2_and_3_and_line_15),
                TEST(without_disks_there_is_no_controller),
                TEST(a_loaded_channel_goes_on_with_its_transfer),
                TEST(states_that_cannot_be_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
