#include "replay/machine_options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An option that is a decimal number; @fallback when it is absent, or an error when that is NULL. */
static bool read_number(struct hwaccl_recording *recording, const char *name, const uint64_t *fallback,
                        uint64_t *number, struct hwaccl_error *error)
{
        const char *text;

        if (!hwaccl_recording_option(recording, name, &text, error))
                return false;
        if (!text && fallback) {
                *number = *fallback;
                return true;
        }
        if (!text)
                return hwaccl_error_set(error, HWACCL_OPTION_MISSING "%s: the machine cannot be built", name);

        char *end;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (!isdigit((unsigned char)text[0]) || errno || *end)
                return hwaccl_error_set(error, "option %s of the recording is not a number: '%.64s'", name, text);
        *number = value;
        return true;
}

/* A number limited by the width of its register. */
static bool read_limited(struct hwaccl_recording *recording, const char *name, uint64_t limit, uint64_t *number,
                         struct hwaccl_error *error)
{
        if (!read_number(recording, name, NULL, number, error))
                return false;
        return *number <= limit ||
               hwaccl_error_set(error, "option %s of the recording is %" PRIu64 "; expected at most %" PRIu64, name,
                                *number, limit);
}

static bool read_raw(struct hwaccl_recording *recording, size_t index, struct hwaccl_raw_image *raw,
                     struct hwaccl_error *error)
{
        char name[48];
        uint64_t size;

        (void)snprintf(name, sizeof(name), HWACCL_OPTION_RAW_ADDRESS, index);
        if (!read_number(recording, name, NULL, &raw->address, error))
                return false;
        (void)snprintf(name, sizeof(name), HWACCL_OPTION_RAW_SIZE, index);
        if (!read_number(recording, name, NULL, &size, error))
                return false;
        raw->data = NULL;
        raw->size = (size_t)size;
        return true;
}

static bool read_mode(struct hwaccl_recording *recording, enum hwaccl_entry_mode *mode, struct hwaccl_error *error)
{
        const char *text;

        *mode = HWACCL_ENTRY_REAL;
        if (!hwaccl_recording_option(recording, HWACCL_OPTION_ENTRY_MODE, &text, error))
                return false;
        if (!text)
                return true;
        for (unsigned i = 0; i <= HWACCL_ENTRY_LONG; i++) {
                if (strcmp(text, hwaccl_entry_mode_name(i)) != 0)
                        continue;
                *mode = (enum hwaccl_entry_mode)i;
                return true;
        }
        return hwaccl_error_set(error, "option %s of the recording is '%.64s', expected real, protected or long",
                                HWACCL_OPTION_ENTRY_MODE, text);
}

static bool read_entry(struct hwaccl_recording *recording, struct hwaccl_entry_point *entry, struct hwaccl_error *error)
{
        uint64_t gdt_limit, code, data;

        if (!read_mode(recording, &entry->mode, error))
                return false;
        if (entry->mode == HWACCL_ENTRY_REAL)
                return true;
        if (!read_number(recording, HWACCL_OPTION_ENTRY_RIP, NULL, &entry->rip, error) ||
            !read_number(recording, HWACCL_OPTION_ENTRY_RAX, NULL, &entry->rax, error) ||
            !read_number(recording, HWACCL_OPTION_ENTRY_RBX, NULL, &entry->rbx, error) ||
            !read_number(recording, HWACCL_OPTION_ENTRY_RSI, NULL, &entry->rsi, error) ||
            !read_number(recording, HWACCL_OPTION_ENTRY_RSP, NULL, &entry->rsp, error) ||
            !read_number(recording, HWACCL_OPTION_ENTRY_CR3, NULL, &entry->cr3, error) ||
            !read_number(recording, HWACCL_OPTION_ENTRY_GDT_BASE, NULL, &entry->gdt_base, error) ||
            !read_limited(recording, HWACCL_OPTION_ENTRY_GDT_LIMIT, UINT16_MAX, &gdt_limit, error) ||
            !read_limited(recording, HWACCL_OPTION_ENTRY_CODE_SELECTOR, UINT16_MAX, &code, error) ||
            !read_limited(recording, HWACCL_OPTION_ENTRY_DATA_SELECTOR, UINT16_MAX, &data, error))
                return false;
        entry->gdt_limit = (uint32_t)gdt_limit;
        entry->code_selector = (uint16_t)code;
        entry->data_selector = (uint16_t)data;
        return true;
}

static bool read_disk(struct hwaccl_recording *recording, size_t index, struct hwaccl_disk *disk,
                      struct hwaccl_error *error)
{
        char name[48];
        const char *mode;
        uint64_t size;

        (void)snprintf(name, sizeof(name), HWACCL_OPTION_DISK_SIZE, index);
        if (!read_number(recording, name, NULL, &size, error))
                return false;
        if (!size || size % HWACCL_DISK_SECTOR_SIZE)
                return hwaccl_error_set(error, "option %s of the recording is %" PRIu64 ", not a multiple of %u", name,
                                        size, HWACCL_DISK_SECTOR_SIZE);
        disk->sectors = size / HWACCL_DISK_SECTOR_SIZE;
        (void)snprintf(name, sizeof(name), HWACCL_OPTION_DISK_MODE, index);
        if (!hwaccl_recording_option(recording, name, &mode, error))
                return false;
        if (!mode || (strcmp(mode, "rw") != 0 && strcmp(mode, "ro") != 0 && strcmp(mode, "cow") != 0))
                return hwaccl_error_set(error, "option %s of the recording: expected rw, ro or cow", name);
        disk->read_only = strcmp(mode, "ro") == 0;
        return true;
}

static bool read_disks(struct hwaccl_recording *recording, struct hwaccl_machine_config *config,
                       struct hwaccl_error *error)
{
        static const uint64_t none = 0;
        uint64_t count;

        if (!read_number(recording, HWACCL_OPTION_DISK_COUNT, &none, &count, error))
                return false;
        if (count > HWACCL_DISK_MAX)
                return hwaccl_error_set(error, "option %s of the recording is %" PRIu64 "; expected at most %d",
                                        HWACCL_OPTION_DISK_COUNT, count, HWACCL_DISK_MAX);
        config->disk_count = (size_t)count;
        for (size_t i = 0; i < config->disk_count; i++)
                if (!read_disk(recording, i, &config->disk[i], error))
                        return false;
        return true;
}

static bool read_kind(struct hwaccl_recording *recording, enum hwaccl_machine_kind *kind, struct hwaccl_error *error)
{
        const char *text;

        *kind = HWACCL_MACHINE_UNSTATED;
        if (!hwaccl_recording_option(recording, HWACCL_OPTION_MACHINE, &text, error))
                return false;
        for (unsigned i = HWACCL_MACHINE_PIC; text && i <= HWACCL_MACHINE_APIC; i++)
                if (strcmp(text, hwaccl_machine_kind_name((enum hwaccl_machine_kind)i)) == 0)
                        *kind = (enum hwaccl_machine_kind)i;
        return !text || *kind != HWACCL_MACHINE_UNSTATED ||
               hwaccl_error_set(error, "option %s of the recording is '%.64s'; expected pic or apic",
                                HWACCL_OPTION_MACHINE, text);
}

static bool read_testdev(struct hwaccl_recording *recording, bool *testdev, struct hwaccl_error *error)
{
        const char *text;

        if (!hwaccl_recording_option(recording, HWACCL_OPTION_DEVICE, &text, error))
                return false;
        *testdev = text && strcmp(text, HWACCL_DEVICE_TESTDEV) == 0;
        return !text || *testdev ||
               hwaccl_error_set(error, "option %s of the recording is '%.64s'; expected " HWACCL_DEVICE_TESTDEV,
                                HWACCL_OPTION_DEVICE, text);
}

bool hwaccl_machine_options_read(struct hwaccl_recording *recording, struct hwaccl_machine_config *config,
                                 struct hwaccl_error *error)
{
        static const uint64_t none = 0;
        uint64_t firmware_size, raw_count;

        memset(config, 0, sizeof(*config));
        if (!read_number(recording, HWACCL_OPTION_MEMORY_SIZE, NULL, &config->memory_size, error) ||
            !read_limited(recording, HWACCL_OPTION_TSC_KHZ, UINT32_MAX, &config->tsc_khz, error) ||
            !read_number(recording, HWACCL_OPTION_FIRMWARE_SIZE, &none, &firmware_size, error) ||
            !read_number(recording, HWACCL_OPTION_SETUP_ADDRESS, &none, &config->setup_address, error) ||
            !read_number(recording, HWACCL_OPTION_RAW_COUNT, &none, &raw_count, error))
                return false;
        if (!config->tsc_khz)
                return hwaccl_error_set(error, "option %s of the recording is 0", HWACCL_OPTION_TSC_KHZ);
        if (raw_count > HWACCL_RAW_MAX)
                return hwaccl_error_set(error, "option %s of the recording is %" PRIu64 "; expected at most %u",
                                        HWACCL_OPTION_RAW_COUNT, raw_count, HWACCL_RAW_MAX);
        config->backed = false;
        config->firmware_size = (size_t)firmware_size;
        config->raw_count = (size_t)raw_count;
        for (size_t i = 0; i < config->raw_count; i++)
                if (!read_raw(recording, i, &config->raw[i], error))
                        return false;
        return read_kind(recording, &config->kind, error) && read_testdev(recording, &config->testdev, error) &&
               read_entry(recording, &config->entry, error) && read_disks(recording, config, error);
}
