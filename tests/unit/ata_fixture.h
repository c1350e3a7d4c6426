/* A machine with two ATA disks, and what talks to them. */
#ifndef ATA_FIXTURE_H
#define ATA_FIXTURE_H

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
static inline void fill(uint8_t *disk, unsigned sectors)
{
        for (unsigned i = 0; i < sectors; i++) {
                memset(disk + (size_t)i * SECTOR, (int)(i * 7 + 1), SECTOR);
                memcpy(disk + (size_t)i * SECTOR, &i, sizeof(i));
        }
}

static inline int open_disks(void **state)
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

static inline int close_disks(void **state)
{
        fixture_destroy(*state);
        return 0;
}

static inline bool line(struct fixture *f, unsigned number)
{
        return f->board->pic.slave.lines >> (number - 8) & 1;
}

static inline void address_lba(struct fixture *f, unsigned device, uint32_t sector, unsigned count)
{
        out8(f, 0x1f2, count);
        out8(f, 0x1f3, sector & 0xff);
        out8(f, 0x1f4, sector >> 8 & 0xff);
        out8(f, 0x1f5, sector >> 16 & 0xff);
        out8(f, 0x1f6, 0xe0 | device << 4 | sector >> 24);
}

static inline void address_extended(struct fixture *f, uint64_t sector, unsigned count)
{
        out8(f, 0x1f2, count >> 8);
        out8(f, 0x1f3, sector >> 24 & 0xff);
        out8(f, 0x1f4, sector >> 32 & 0xff);
        out8(f, 0x1f5, sector >> 40 & 0xff);
        address_lba(f, 0, (uint32_t)(sector & 0xffffff), count & 0xff);
}

static inline unsigned command(struct fixture *f, unsigned number)
{
        out8(f, 0x1f7, number);
        return in8(f, 0x3f6);
}

static inline void expect_error(struct fixture *f, unsigned error)
{
        assert_int_equal(in8(f, STATUS), ERR);
        assert_int_equal(in8(f, 0x1f1), error);
}

static inline void read_words(struct fixture *f, uint8_t *to, unsigned bytes)
{
        for (unsigned i = 0; i < bytes; i += 2) {
                unsigned word = in16(f, 0x1f0);
                to[i] = (uint8_t)word;
                to[i + 1] = (uint8_t)(word >> 8);
        }
}

static inline void write_words(struct fixture *f, const uint8_t *from, unsigned bytes)
{
        for (unsigned i = 0; i < bytes; i += 2)
                out16(f, 0x1f0, from[i] | (unsigned)from[i + 1] << 8);
}

static inline void expect_sectors(struct fixture *f, unsigned first, unsigned count)
{
        static uint8_t got[256 * SECTOR];

        read_words(f, got, count * SECTOR);
        assert_memory_equal(got, main_disk + (size_t)first * SECTOR, (size_t)count * SECTOR);
}

static inline unsigned word(const uint8_t *data, unsigned number)
{
        return data[number * 2] | (unsigned)data[number * 2 + 1] << 8;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_disks, close_disks)

#endif
