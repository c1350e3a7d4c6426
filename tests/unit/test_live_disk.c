/* Disk images: modes, locks, and what is wrong with a file. */
#include "core/host/live_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SECTOR  512u
#define SECTORS 64u

static char directory[64];
static char path[128];
static struct hwaccl_error error;

static void write_image(size_t size)
{
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        uint8_t bytes[SECTOR];

        assert_true(file >= 0);
        for (size_t done = 0; done < size; done += sizeof(bytes)) {
                size_t part = size - done < sizeof(bytes) ? size - done : sizeof(bytes);
                memset(bytes, (int)(done / SECTOR), sizeof(bytes));
                assert_int_equal(write(file, bytes, part), part);
        }
        assert_int_equal(close(file), 0);
}

static int set_up(void **state)
{
        (void)state;
        strcpy(directory, "/tmp/hwaccl-disk-XXXXXX");
        assert_non_null(mkdtemp(directory));
        (void)snprintf(path, sizeof(path), "%s/image", directory);
        write_image((size_t)SECTORS * SECTOR);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        (void)unlink(path);
        return rmdir(directory);
}

static uint8_t byte_in_file(unsigned sector)
{
        int file = open(path, O_RDONLY | O_CLOEXEC);
        uint8_t byte = 0;

        assert_int_equal(pread(file, &byte, 1, (off_t)sector * SECTOR), 1);
        assert_int_equal(close(file), 0);
        return byte;
}

static struct hwaccl_live_disk *must_open(enum hwaccl_disk_mode mode)
{
        struct hwaccl_live_disk *disk = hwaccl_live_disk_open(path, mode, &error);

        if (!disk)
                fail_msg("%s", error.message);
        assert_int_equal(hwaccl_live_disk_size(disk), SECTORS * SECTOR);
        return disk;
}

static void refuse(const char *file, enum hwaccl_disk_mode mode, const char *mention)
{
        error.message[0] = '\0';
        assert_null(hwaccl_live_disk_open(file, mode, &error));
        assert_memory_equal(error.message, file, strlen(file));
        if (!strstr(error.message, mention))
                fail_msg("'%s' does not mention '%s'", error.message, mention);
}

static void what_is_written_read_write_is_in_the_file(void **state)
{
        uint8_t data[4 * SECTOR];

        (void)state;
        struct hwaccl_live_disk *disk = must_open(HWACCL_DISK_READ_WRITE);
        memset(data, 0xee, sizeof(data));
        assert_true(hwaccl_live_disk_write(disk, 10 * SECTOR, data, 2 * SECTOR));
        assert_true(hwaccl_live_disk_flush(disk));
        assert_true(hwaccl_live_disk_read(disk, 9 * SECTOR, data, 4 * SECTOR));
        assert_int_equal(data[0], 9);
        assert_int_equal(data[SECTOR], 0xee);
        assert_int_equal(data[3 * SECTOR], 12);
        hwaccl_live_disk_close(disk);
        assert_int_equal(byte_in_file(10), 0xee);
        assert_int_equal(byte_in_file(12), 12);
}

static void what_is_written_copy_on_write_is_not(void **state)
{
        uint8_t data[8 * SECTOR];

        (void)state;
        assert_int_equal(chmod(path, 0400), 0); /* need not be writable */
        struct hwaccl_live_disk *disk = must_open(HWACCL_DISK_COPY_ON_WRITE);
        memset(data, 0xee, sizeof(data));
        assert_true(hwaccl_live_disk_write(disk, 3 * SECTOR, data, SECTOR));
        assert_true(hwaccl_live_disk_write(disk, 6 * SECTOR, data, 2 * SECTOR));
        assert_true(hwaccl_live_disk_flush(disk));
        assert_true(hwaccl_live_disk_read(disk, 2 * SECTOR, data, 8 * SECTOR));
        static const uint8_t expected[] = {2, 0xee, 4, 5, 0xee, 0xee, 8, 9};
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(data[i * SECTOR + 511], expected[i]);
        hwaccl_live_disk_close(disk);
        assert_int_equal(byte_in_file(3), 3);
        disk = must_open(HWACCL_DISK_COPY_ON_WRITE);
        assert_true(hwaccl_live_disk_read(disk, 3 * SECTOR, data, SECTOR));
        assert_int_equal(data[0], 3);
        hwaccl_live_disk_close(disk);
}

static void one_writer_or_several_readers(void **state)
{
        (void)state;
        struct hwaccl_live_disk *writer = must_open(HWACCL_DISK_READ_WRITE);
        refuse(path, HWACCL_DISK_READ_WRITE, "in use");
        refuse(path, HWACCL_DISK_READ_ONLY, "in use");
        refuse(path, HWACCL_DISK_COPY_ON_WRITE, "in use");
        hwaccl_live_disk_close(writer);
        struct hwaccl_live_disk *first = must_open(HWACCL_DISK_READ_ONLY);
        struct hwaccl_live_disk *second = must_open(HWACCL_DISK_COPY_ON_WRITE);
        refuse(path, HWACCL_DISK_READ_WRITE, "ro and cow");
        hwaccl_live_disk_close(first);
        hwaccl_live_disk_close(second);
        hwaccl_live_disk_close(must_open(HWACCL_DISK_READ_WRITE));
}

static void files_that_are_no_images_are_refused(void **state)
{
        char fifo[128];

        (void)state;
        refuse(directory, HWACCL_DISK_READ_WRITE, "directory");
        refuse(directory, HWACCL_DISK_READ_ONLY, "directory");
        refuse("/tmp/hwaccl-no-such-image", HWACCL_DISK_READ_ONLY, "No such file");
        refuse("/dev/null", HWACCL_DISK_READ_WRITE, "not a regular file or block device");
        (void)snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        refuse(fifo, HWACCL_DISK_READ_ONLY, "not a regular file or block device");
        assert_int_equal(unlink(fifo), 0);
        write_image(0);
        refuse(path, HWACCL_DISK_READ_ONLY, "empty");
        write_image(1000);
        refuse(path, HWACCL_DISK_READ_WRITE, "multiple of 512");
        if (geteuid() != 0) {
                assert_int_equal(chmod(path, 0), 0);
                refuse(path, HWACCL_DISK_READ_ONLY, "Permission denied");
        }
}

static void a_copy_needs_a_place(void **state)
{
        (void)state;
        assert_int_equal(setenv("TMPDIR", "/tmp/hwaccl-no-such-directory", 1), 0);
        refuse(path, HWACCL_DISK_COPY_ON_WRITE, "/tmp/hwaccl-no-such-directory");
        assert_int_equal(setenv("TMPDIR", directory, 1), 0);
        hwaccl_live_disk_close(must_open(HWACCL_DISK_COPY_ON_WRITE));
        assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void an_image_that_shrinks_cannot_be_read_there(void **state)
{
        uint8_t data[4 * SECTOR];
        int first;

        (void)state;
        struct hwaccl_live_disk *disk = must_open(HWACCL_DISK_READ_ONLY);
        assert_int_equal(truncate(path, 10 * SECTOR + 100), 0);
        assert_true(hwaccl_live_disk_read(disk, 6 * SECTOR, data, 4 * SECTOR));
        assert_false(hwaccl_live_disk_read(disk, 8 * SECTOR, data, 4 * SECTOR));
        assert_int_equal(hwaccl_live_disk_faults(disk, &first), 1);
        assert_int_equal(first, 0);
        assert_false(hwaccl_live_disk_write(disk, 0, data, SECTOR));
        assert_int_equal(hwaccl_live_disk_faults(disk, &first), 2);
        hwaccl_live_disk_close(disk);
}

/* A sealed memory file stands for a full or broken file system. */
static void writes_that_the_host_refuses_fail(void **state)
{
        uint8_t data[SECTOR] = {0};
        char sealed[64];
        int first;

        (void)state;
        int file = memfd_create("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(file >= 0);
        assert_int_equal(ftruncate(file, SECTORS * SECTOR), 0);
        (void)snprintf(sealed, sizeof(sealed), "/proc/self/fd/%d", file);
        struct hwaccl_live_disk *disk = hwaccl_live_disk_open(sealed, HWACCL_DISK_READ_WRITE, &error);
        assert_non_null(disk);
        assert_true(hwaccl_live_disk_write(disk, 0, data, SECTOR));
        assert_int_equal(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), 0);
        assert_false(hwaccl_live_disk_write(disk, 0, data, SECTOR));
        assert_true(hwaccl_live_disk_read(disk, 0, data, SECTOR));
        assert_int_equal(hwaccl_live_disk_faults(disk, &first), 1);
        assert_int_equal(first, EPERM);
        hwaccl_live_disk_close(disk);
        assert_int_equal(close(file), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_written_read_write_is_in_the_file),
                TEST(what_is_written_copy_on_write_is_not),
                TEST(one_writer_or_several_readers),
                TEST(files_that_are_no_images_are_refused),
                TEST(a_copy_needs_a_place),
                TEST(an_image_that_shrinks_cannot_be_read_there),
                TEST(writes_that_the_host_refuses_fail),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
