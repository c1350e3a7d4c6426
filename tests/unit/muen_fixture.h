/* A subject directory of the test's own, made after accel_muen.h. */
#ifndef HWACCL_TESTS_MUEN_FIXTURE_H
#define HWACCL_TESTS_MUEN_FIXTURE_H

#include "hwaccl/accel_muen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB      UINT64_C(0x100000)
#define RAM_PART (4 * MIB)
#define RAM_BASE UINT64_C(0x200000000)

static char directory[64];
static struct hwaccl_subject_info info; /* what make_directory() writes */
static struct hwaccl_error error;
static int run_bell = -1, exit_bell = -1, poke_bell = -1;
static struct hwaccl_muen *muen;
static struct hwaccl_accel *accel;
static uint8_t *state_page, *interrupts_page, *timed_event_page;

static inline const char *path_of(const char *name)
{
        static char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static inline void write_file(const char *name, const void *bytes, size_t used, size_t size)
{
        int file = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
        assert_true(file >= 0);
        if (used)
                assert_int_equal(write(file, bytes, used), used);
        assert_int_equal(ftruncate(file, (off_t)size), 0);
        assert_int_equal(close(file), 0);
}

static inline void add_region(const char *name, uint64_t address, uint64_t size)
{
        struct hwaccl_subject_resource *resource = &info.resource[info.resource_count++];
        struct hwaccl_subject_region *region = &info.region[info.region_count++];

        resource->name_length = (uint8_t)strlen(name);
        memcpy(resource->name, name, strlen(name));
        resource->region_index = info.region_count;
        *region = (struct hwaccl_subject_region){.address = address, .size = size, .flags = 3};
}

static inline struct hwaccl_subject_region *region(const char *name)
{
        const struct hwaccl_subject_region *found = hwaccl_subject_info_find_region(&info, name);
        assert_non_null(found);
        return &info.region[found - info.region];
}

static inline void write_info(void)
{
        write_file("subject_info_page", &info, sizeof(info), 8 * HWACCL_PAGE_SIZE);
}

static inline void make_bells(void)
{
        static const char *const names[] = {"doorbell_run", "doorbell_exit", "doorbell_poke"};
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(mkfifo(path_of(names[i]), 0600), 0);
        run_bell = open(path_of("doorbell_run"), O_RDONLY | O_NONBLOCK);
        poke_bell = open(path_of("doorbell_poke"), O_RDONLY | O_NONBLOCK);
        exit_bell = open(path_of("doorbell_exit"), O_RDWR | O_NONBLOCK);
        assert_true(run_bell >= 0 && poke_bell >= 0 && exit_bell >= 0);
}

static inline int make_directory(void **state)
{
        (void)state;
        memset(&info, 0, sizeof(info));
        memcpy(&info.magic, "muinfo\0\1", 8);
        info.tsc_khz = 2000000;
        add_region("monitor_state", 0x1000, 4096);
        add_region("monitor_interrupts", 0x2000, 4096);
        add_region("monitor_timed_event", 0x3000, 4096);
        for (unsigned i = 1; i <= 4; i++) {
                char name[16];
                (void)snprintf(name, sizeof(name), "vm_ram_%u", i);
                add_region(name, RAM_BASE + (i - 1) * RAM_PART, RAM_PART);
        }
        add_region("vm_image", 0x7c00, 512);

        (void)snprintf(directory, sizeof(directory), "/tmp/hwaccl-muen.XXXXXX");
        assert_non_null(mkdtemp(directory));
        write_info();
        write_file("monitor_state", NULL, 0, 4096);
        write_file("monitor_interrupts", NULL, 0, 4096);
        write_file("monitor_timed_event", NULL, 0, 4096);
        for (unsigned i = 1; i <= 4; i++) {
                char name[16];
                (void)snprintf(name, sizeof(name), "vm_ram_%u", i);
                write_file(name, name, strlen(name), RAM_PART);
        }
        make_bells();
        return 0;
}

static inline int remove_directory(void **state)
{
        static const char *const names[] = {
                "subject_info_page", "monitor_state", "monitor_interrupts", "monitor_timed_event",
                "vm_ram_1",          "vm_ram_2",      "vm_ram_3",           "vm_ram_4",
                "vm_firmware",       "doorbell_run",  "doorbell_exit",      "doorbell_poke"};
        (void)state;

        if (accel)
                accel->ops->destroy(accel);
        accel = NULL;
        hwaccl_muen_close(muen);
        muen = NULL;
        uint8_t **const pages[] = {&state_page, &interrupts_page, &timed_event_page};
        for (size_t i = 0; i < 3; i++) {
                if (*pages[i])
                        assert_int_equal(munmap(*pages[i], 4096), 0);
                *pages[i] = NULL;
        }
        int *const bells[] = {&run_bell, &exit_bell, &poke_bell};
        for (size_t i = 0; i < 3; i++) {
                if (*bells[i] >= 0)
                        (void)close(*bells[i]);
                *bells[i] = -1;
        }
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                (void)unlink(path_of(names[i]));
        assert_int_equal(rmdir(directory), 0);
        return 0;
}

static inline const struct hwaccl_muen_config *config(void)
{
        static struct hwaccl_muen_config value;
        value = (struct hwaccl_muen_config){.directory = directory};
        return &value;
}

#endif
