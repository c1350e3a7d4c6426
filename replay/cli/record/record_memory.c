/* --save-memory: writes the guest's RAM to a file when the guest has ended. File offsets are guest-physical addresses.
 * --keep-memory: the recorder writes it into the recording. */
#include "replay/cli/record/record.h"

#include "core/host/file.h"
#include "tracer/record/kept_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK HWACCL_PAGE_SIZE

bool record_memory_open(struct record_settings *settings)
{
        settings->save_memory_fd = -1;
        if (!settings->save_memory)
                return true;
        /* the old contents remain until the guest has ended */
        settings->save_memory_fd = hwaccl_file_create(AT_FDCWD, settings->save_memory, O_WRONLY, settings->mode);
        if (settings->save_memory_fd < 0)
                (void)cli_error(settings->command, "%s: cannot open: %s", settings->save_memory, strerror(errno));
        return settings->save_memory_fd >= 0;
}

static bool write_all(int fd, const uint8_t *data, size_t size, off_t at)
{
        while (size) {
                ssize_t written = pwrite(fd, data, size, at);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written <= 0) {
                        if (!written)
                                errno = ENOSPC;
                        return false;
                }
                data += written;
                at += written;
                size -= (size_t)written;
        }
        return true;
}

/* Pages of zeros become holes. */
static bool write_run(int fd, const struct hwaccl_memory_run *run)
{
        static const uint8_t zeros[BLOCK];

        for (uint64_t offset = 0; offset < run->size; offset += BLOCK)
                if (memcmp(run->host + offset, zeros, BLOCK) != 0 &&
                    !write_all(fd, run->host + offset, BLOCK, (off_t)(run->address + offset)))
                        return false;
        return true;
}

bool record_memory_save(const struct record_settings *settings, const struct hwaccl_guest_memory *memory)
{
        int fd = settings->save_memory_fd;
        uint64_t end = 0;

        if (!settings->save_memory)
                return true;
        bool good = ftruncate(fd, 0) == 0;
        for (size_t i = 0; good && i < memory->run_count; i++) {
                const struct hwaccl_memory_run *run = &memory->run[i];
                if (!run->writable)
                        continue;
                good = write_run(fd, run);
                end = run->address + run->size;
        }
        if (good && ftruncate(fd, (off_t)end) == 0)
                return true;
        (void)cli_error(settings->command, "%s: cannot write the guest's memory: %s", settings->save_memory,
                        strerror(errno));
        return false;
}

void record_memory_close(struct record_settings *settings)
{
        if (settings->save_memory && settings->save_memory_fd >= 0)
                (void)close(settings->save_memory_fd);
}

void record_memory_keep(const struct record_settings *settings, struct hwaccl_recorder *recorder,
                        const struct hwaccl_guest_memory *memory, bool failed)
{
        uint64_t size = 0;

        if (settings->keep_memory == RECORD_KEEP_NEVER || (settings->keep_memory == RECORD_KEEP_ON_FAILURE && !failed))
                return;
        for (size_t i = 0; i < memory->run_count; i++)
                size += memory->run[i].writable ? memory->run[i].size : 0;
        if (size > HWACCL_KEPT_MEMORY_MAX)
                cli_notice(settings->command, "the guest's memory is not kept: it has more than 1 GiB of RAM");
        else
                hwaccl_recorder_keep_memory(recorder, memory);
}
