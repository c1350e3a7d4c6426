/*
 * Records that belong to the run and not to a moment of it, such as annotations: every window has them, also when their
 * segment was evicted. They are in memory for dumps, and in the file DIRECTORY/kept for a recovery: struct flight_kept
 * before each record.
 */
#include "tracer/record/flight/flight_internal.h"

#include "core/host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool flight_kept_open(struct flight *flight, struct hwaccl_error *error)
{
        flight->kept_fd = hwaccl_file_create(flight->directory_fd, FLIGHT_KEPT, O_WRONLY | O_EXCL, flight->config.mode);
        return flight->kept_fd >= 0 ||
               hwaccl_error_set(error, "%s/" FLIGHT_KEPT ": cannot create: %s", flight->directory, strerror(errno));
}

void flight_kept_close(struct flight *flight)
{
        if (flight->kept_fd >= 0)
                (void)close(flight->kept_fd);
        flight->kept_fd = -1;
        free(flight->kept);
        flight->kept = NULL;
        flight->kept_size = 0;
}

bool flight_keep(struct flight *flight, const struct flight_lane *lane, const struct ring_record *record)
{
        const size_t size = (size_t)record->words * 8;
        const struct flight_kept head = {.vcpu = lane->vcpu, .size = (uint32_t)size};

        if (flight->kept_size + sizeof(head) + size > FLIGHT_KEPT_MAX)
                return true; /* the window still has it */
        uint8_t *more = realloc(flight->kept, flight->kept_size + sizeof(head) + size);
        if (!more)
                return hwaccl_error_set(&flight->error, "out of memory");
        flight->kept = more;
        memcpy(more + flight->kept_size, &head, sizeof(head));
        memcpy(more + flight->kept_size + sizeof(head), record, size);
        if (!flight_write_all(flight->kept_fd, more + flight->kept_size, sizeof(head) + size))
                return hwaccl_error_set(&flight->error, "%s/" FLIGHT_KEPT ": cannot write: %s", flight->directory,
                                        strerror(errno));
        flight->kept_size += sizeof(head) + size;
        return true;
}

bool flight_kept_take(const struct flight *flight, struct decoder *decoder, struct hwaccl_error *error)
{
        for (size_t at = 0; at < flight->kept_size;) {
                const struct flight_kept *head = (const struct flight_kept *)(const void *)(flight->kept + at);
                const struct ring_record *record = (const struct ring_record *)(const void *)(head + 1);
                if (head->vcpu == decoder->vcpu && !decoder_take(decoder, record, error))
                        return false;
                at += sizeof(*head) + head->size;
        }
        return true;
}
