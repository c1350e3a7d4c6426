/* The disks of `hwaccl record`: FILE[,ro|cow]. */
#include "replay/cli/record/record.h"

#include <inttypes.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_MAX (UINT64_C(64) << 20) /* the digest of a larger image would delay the start */

static const char *const mode_names[] = {
        [HWACCL_DISK_READ_WRITE] = "rw",
        [HWACCL_DISK_READ_ONLY] = "ro",
        [HWACCL_DISK_COPY_ON_WRITE] = "cow",
};

const char *record_disk_mode(enum hwaccl_disk_mode mode)
{
        return mode_names[mode];
}

/* A comma is part of the file's name unless a mode follows it. */
bool record_parse_disk(const struct cli_command *command, const struct cli_option *option, const char *text,
                       void *field)
{
        struct record_settings *settings = field;
        struct record_disk *disk = &settings->disk[settings->disk_count];
        const char *comma = strrchr(text, ',');
        size_t length = strlen(text);

        if (settings->disk_count == HWACCL_DISK_MAX) {
                (void)cli_usage_error(command, "--%s: at most %d disks", option->name, HWACCL_DISK_MAX);
                return false;
        }
        disk->mode = HWACCL_DISK_READ_WRITE;
        for (unsigned i = 0; comma && i < sizeof(mode_names) / sizeof(mode_names[0]); i++)
                if (strcmp(comma + 1, mode_names[i]) == 0) {
                        disk->mode = (enum hwaccl_disk_mode)i;
                        length = (size_t)(comma - text);
                }
        if (!length)
                return cli_value_error(command, option, text, "FILE, FILE,ro or FILE,cow");
        disk->path = strndup(text, length);
        if (!disk->path) {
                (void)cli_error(command, "out of memory");
                return false;
        }
        settings->disk_count++;
        return true;
}

static bool digest(const struct record_settings *settings, struct record_disk *disk)
{
        uint8_t buffer[64 << 10];
        uint64_t size = hwaccl_live_disk_size(disk->image);
        SHA2_CTX context;

        if (size > DIGEST_MAX)
                return true;
        SHA256Init(&context);
        for (uint64_t offset = 0; offset < size; offset += sizeof(buffer)) {
                size_t part = size - offset < sizeof(buffer) ? (size_t)(size - offset) : sizeof(buffer);
                int reason;
                if (!hwaccl_live_disk_read(disk->image, offset, buffer, part)) {
                        (void)hwaccl_live_disk_faults(disk->image, &reason);
                        (void)cli_error(settings->command, "%s: cannot read: %s", disk->path,
                                        reason ? strerror(reason) : "the file became shorter");
                        return false;
                }
                SHA256Update(&context, buffer, part);
        }
        (void)SHA256End(&context, disk->sha256);
        return true;
}

bool record_open_disks(struct record_settings *settings)
{
        for (size_t i = 0; i < settings->disk_count; i++) {
                struct record_disk *disk = &settings->disk[i];
                struct hwaccl_error error;
                disk->image = hwaccl_live_disk_open(disk->path, disk->mode, &error);
                if (!disk->image) {
                        (void)cli_error(settings->command, "%s", error.message);
                        return false;
                }
                if (!digest(settings, disk))
                        return false;
        }
        return true;
}

void record_report_disks(const struct record_settings *settings)
{
        for (size_t i = 0; i < settings->disk_count; i++) {
                int first;
                uint64_t faults = hwaccl_live_disk_faults(settings->disk[i].image, &first);
                if (faults)
                        cli_notice(settings->command,
                                   "%s: %" PRIu64 " accesses failed and were disk errors for the guest; the first: %s",
                                   settings->disk[i].path, faults,
                                   first ? strerror(first) : "the image became shorter");
        }
}

void record_close_disks(struct record_settings *settings)
{
        for (size_t i = 0; i < settings->disk_count; i++) {
                hwaccl_live_disk_close(settings->disk[i].image);
                settings->disk[i].image = NULL;
        }
}

void record_free_disks(struct record_settings *settings)
{
        for (size_t i = 0; i < settings->disk_count; i++)
                free((char *)(uintptr_t)settings->disk[i].path);
        settings->disk_count = 0;
}
