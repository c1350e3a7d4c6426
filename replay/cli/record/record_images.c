#include "replay/cli/record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRMWARE_UNIT (UINT64_C(64) << 10)
#define FIRMWARE_MAX  (UINT64_C(16) << 20)

void record_digest_image(struct record_image *image, const uint8_t *data, size_t size)
{
        SHA2_CTX context;
        SHA256Init(&context);
        SHA256Update(&context, data, size);
        (void)SHA256End(&context, image->sha256);
}

static bool read_all(const struct cli_command *command, struct record_image *image, int file)
{
        size_t done = 0;
        while (done < image->size) {
                ssize_t part = read(file, image->data + done, image->size - done);
                if (part < 0 && errno == EINTR)
                        continue;
                if (part <= 0) {
                        (void)cli_error(command, "%s: cannot read: %s", image->path,
                                        part < 0 ? strerror(errno) : "the file became shorter");
                        return false;
                }
                done += (size_t)part;
        }
        return true;
}

/* O_NONBLOCK: opening a pipe by mistake must not wait for its other end. */
bool record_read_image(const struct cli_command *command, struct record_image *image, uint64_t limit,
                       const char *limit_text)
{
        int file = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat status;
        if (file < 0 || fstat(file, &status) < 0) {
                (void)cli_error(command, "%s: cannot open: %s", image->path, strerror(errno));
                if (file >= 0)
                        (void)close(file);
                return false;
        }
        bool good = false;
        if (!S_ISREG(status.st_mode)) {
                (void)cli_error(command, "%s: not a regular file", image->path);
        } else if (status.st_size == 0) {
                (void)cli_error(command, "%s: empty file", image->path);
        } else if ((uint64_t)status.st_size > limit) {
                (void)cli_error(command, "%s: invalid size of %jd bytes: expected %s", image->path,
                                (intmax_t)status.st_size, limit_text);
        } else {
                image->size = (size_t)status.st_size;
                image->data = malloc(image->size);
                if (!image->data)
                        (void)cli_error(command, "%s: out of memory (%zu bytes)", image->path, image->size);
                else
                        good = read_all(command, image, file);
        }
        (void)close(file);
        if (good)
                record_digest_image(image, image->data, image->size);
        return good;
}

static bool load_firmware(struct record_settings *settings)
{
        static const char expected[] = "64 KiB to 16 MiB, a multiple of 64 KiB";
        struct record_image *firmware = &settings->firmware;

        if (!record_read_image(settings->command, firmware, FIRMWARE_MAX, expected))
                return false;
        if (firmware->size % FIRMWARE_UNIT) {
                (void)cli_error(settings->command, "%s: invalid size of %zu bytes: expected %s", firmware->path,
                                firmware->size, expected);
                return false;
        }
        return true;
}

static bool load_raw(struct record_settings *settings, struct record_image *raw)
{
        if (raw->address >= settings->memory_size) {
                (void)cli_error(settings->command,
                                "%s: address 0x%" PRIx64 " is outside guest memory of 0x%" PRIx64 " bytes", raw->path,
                                raw->address, settings->memory_size);
                return false;
        }
        char expected[128];
        (void)snprintf(expected, sizeof(expected),
                       "at most 0x%" PRIx64 " bytes at 0x%" PRIx64 ": guest memory has 0x%" PRIx64 " bytes",
                       settings->memory_size - raw->address, raw->address, settings->memory_size);
        return record_read_image(settings->command, raw, settings->memory_size - raw->address, expected);
}

bool record_load_images(struct record_settings *settings)
{
        if (settings->firmware.path && !load_firmware(settings))
                return false;
        for (size_t i = 0; i < settings->raw_count; i++)
                if (!load_raw(settings, &settings->raw[i]))
                        return false;
        return true;
}

void record_free_images(struct record_settings *settings)
{
        free(settings->firmware.data);
        settings->firmware.data = NULL;
        for (size_t i = 0; i < settings->raw_count; i++) {
                free(settings->raw[i].data);
                settings->raw[i].data = NULL;
        }
}
