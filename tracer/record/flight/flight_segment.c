/* The window's files: DIRECTORY/000000000042, each beginning at a record at which a decoder can start. */
#include "tracer/record/flight/flight_internal.h"

#include "core/host/file.h"
#include "tracer/ring/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOCK_SHARE 64 /* of a window of time, kept on top: what two readings of a clock may differ by */

static void name_of(uint64_t number, char name[FLIGHT_NAME_SIZE])
{
        (void)snprintf(name, FLIGHT_NAME_SIZE, "%012" PRIu64, number);
}

static bool complain(const struct flight *flight, uint64_t number, const char *what, struct hwaccl_error *error)
{
        int reason = errno;
        return hwaccl_error_set(error, "%s/%012" PRIu64 ": %s: %s", flight->directory, number, what, strerror(reason));
}

bool flight_segments_open(struct flight *flight, const char *path, bool force, struct hwaccl_error *error)
{
        size_t room = strlen(path) + sizeof(FLIGHT_SUFFIX);
        struct stat status;

        flight->directory_fd = flight->fd = -1;
        flight->directory = malloc(room);
        if (!flight->directory)
                return hwaccl_error_set(error, "out of memory");
        (void)snprintf(flight->directory, room, "%s" FLIGHT_SUFFIX, path);
        /* a live recorder would hold the ring, but this process does */
        if (force && lstat(flight->directory, &status) == 0 && S_ISDIR(status.st_mode) &&
            !flight_directory_remove(flight->directory, error)) {
                free(flight->directory);
                flight->directory = NULL;
                return false;
        }
        if (!hwaccl_file_create_directory(flight->directory, flight->config.mode)) {
                if (errno == EEXIST)
                        hwaccl_error_set(error,
                                         "%s: left by a flight recorder that died, but its ring is missing; use "
                                         "--force to discard it",
                                         flight->directory);
                else
                        hwaccl_error_set(error, "%s: cannot create: %s", flight->directory, strerror(errno));
                free(flight->directory);
                flight->directory = NULL;
                return false;
        }
        flight->directory_fd = hwaccl_file_above_standard(open(flight->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return flight->directory_fd >= 0 ||
               hwaccl_error_set(error, "%s: cannot open: %s", flight->directory, strerror(errno));
}

void flight_segments_close(struct flight *flight, bool remove)
{
        if (flight->fd >= 0)
                (void)close(flight->fd);
        flight->fd = -1;
        STEP("flight window goes");
        for (size_t i = 0; remove && i < flight->segment_count; i++) {
                char name[FLIGHT_NAME_SIZE];
                name_of(flight->segment[i].number, name);
                (void)unlinkat(flight->directory_fd, name, 0);
        }
        if (remove && flight->directory_fd >= 0)
                (void)unlinkat(flight->directory_fd, FLIGHT_FRAME, 0);
        if (flight->directory_fd >= 0)
                (void)close(flight->directory_fd);
        flight->directory_fd = -1;
        if (remove && flight->directory)
                (void)rmdir(flight->directory);
        STEP("flight window gone");
        free(flight->segment);
        flight->segment = NULL;
        flight->segment_count = flight->segment_room = 0;
        free(flight->directory);
        flight->directory = NULL;
}

static bool write_all(int fd, const void *data, size_t size)
{
        const uint8_t *from = data;

        while (size) {
                ssize_t part = write(fd, from, size);
                if (part < 0 && errno == EINTR)
                        continue;
                if (part < 0)
                        return false;
                from += part;
                size -= (size_t)part;
        }
        return true;
}

static bool append(struct flight *flight)
{
        if (flight->segment_count == flight->segment_room) {
                size_t room = flight->segment_room ? 2 * flight->segment_room : 32;
                struct flight_segment *more = realloc(flight->segment, room * sizeof(*more));
                if (!more)
                        return hwaccl_error_set(&flight->error, "out of memory");
                flight->segment = more;
                flight->segment_room = room;
        }
        flight->segment_count++;
        return true;
}

bool flight_segment_begin(struct flight *flight, uint64_t position)
{
        uint64_t number = flight->next_number;
        char name[FLIGHT_NAME_SIZE];

        if (flight->fd >= 0 && close(flight->fd) != 0) {
                flight->fd = -1;
                return complain(flight, number - 1, "cannot close", &flight->error);
        }
        flight->fd = -1;
        name_of(number, name);
        int fd = hwaccl_file_create(flight->directory_fd, name, O_WRONLY | O_EXCL, flight->config.mode);
        if (fd < 0)
                return complain(flight, number, "cannot create", &flight->error);
        STEP("flight segment made");
        struct flight_header header = {
                .version = FLIGHT_VERSION,
                .vcpu = flight->config.vcpu,
                .first = flight->exits,
                .position = position,
                .stamp_origin = flight->clock.origin_stamp,
                .stamp_khz = stamp_clock_khz(&flight->clock),
                .stamp_kind = flight->clock.kind,
                .keyframe_interval = flight->config.keyframe_interval,
        };
        memcpy(header.magic, FLIGHT_MAGIC, sizeof(header.magic));
        if (!append(flight) || !write_all(fd, &header, sizeof(header))) {
                if (!flight->error.message[0])
                        complain(flight, number, "cannot write", &flight->error);
                (void)close(fd);
                (void)unlinkat(flight->directory_fd, name, 0);
                return false;
        }
        STEP("flight segment begun");
        flight->fd = fd;
        flight->next_number++;
        flight->segment[flight->segment_count - 1] = (struct flight_segment){number, flight->exits, position, 0, 0};
        return true;
}

bool flight_segment_write(struct flight *flight, uint64_t end)
{
        struct flight_segment *last = &flight->segment[flight->segment_count - 1];
        size_t size = (size_t)(end - flight->written);

        if (!size)
                return true;
        const uint8_t *from = flight->ring->data + (flight->written & (flight->ring->size - 1));
        if (!write_all(flight->fd, from, size))
                return complain(flight, last->number, "cannot write", &flight->error);
        STEP("flight segment written");
        last->bytes += size;
        flight->written = end;
        ring_release(flight->ring, end);
        return flight_segments_trim(flight);
}

uint64_t flight_age(const struct flight *flight, const struct flight_segment *segment)
{
        return segment->begun ? stamp_clock_span(&flight->clock, segment->begun, flight->newest) : 0;
}

/* Whether the oldest segment is older than the window. It ends where the next one begins. */
static bool expired(const struct flight *flight, uint64_t bytes)
{
        const struct hwaccl_flight_window *window = &flight->window;
        const struct flight_segment *second = &flight->segment[1];

        if (flight->dumping && second->position > flight->dumped)
                return false;
        return (window->exits && flight->exits - second->first >= window->exits) ||
               (window->bytes && bytes - flight->segment[0].bytes >= window->bytes) ||
               (window->ns && flight_age(flight, second) >= window->ns + window->ns / CLOCK_SHARE);
}

static uint64_t bytes_kept(const struct flight *flight)
{
        uint64_t bytes = 0;

        for (size_t i = 0; i < flight->segment_count; i++)
                bytes += flight->segment[i].bytes;
        return bytes;
}

bool flight_segments_crowded(const struct flight *flight)
{
        const struct hwaccl_flight_window *window = &flight->window;

        return flight->segment_count > 0 &&
               ((window->exits && flight->exits - flight->segment[0].first >= window->exits / 16 * 17) ||
                (window->bytes && bytes_kept(flight) >= window->bytes / 16 * 17));
}

bool flight_segments_trim(struct flight *flight)
{
        uint64_t bytes = bytes_kept(flight);

        while (flight->segment_count > 1 && expired(flight, bytes)) {
                char name[FLIGHT_NAME_SIZE];
                name_of(flight->segment[0].number, name);
                if (unlinkat(flight->directory_fd, name, 0) != 0 && errno != ENOENT)
                        return complain(flight, flight->segment[0].number, "cannot remove", &flight->error);
                STEP("flight segment removed");
                bytes -= flight->segment[0].bytes;
                flight->segment_count--;
                memmove(flight->segment, flight->segment + 1, flight->segment_count * sizeof(*flight->segment));
        }
        return true;
}

const uint8_t *flight_segment_map(const struct flight *flight, const struct flight_segment *segment, size_t *size,
                                  struct hwaccl_error *error)
{
        char name[FLIGHT_NAME_SIZE];
        struct stat status;
        void *map = MAP_FAILED;

        name_of(segment->number, name);
        *size = FLIGHT_HEADER_SIZE + (size_t)segment->bytes;
        int fd = openat(flight->directory_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                complain(flight, segment->number, "cannot open", error);
                return NULL;
        }
        if (fstat(fd, &status) != 0)
                complain(flight, segment->number, "cannot read", error);
        else if ((uint64_t)status.st_size < *size)
                hwaccl_error_set(error, "%s/%s: was truncated", flight->directory, name);
        else if ((map = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
                complain(flight, segment->number, "cannot map", error);
        (void)close(fd);
        return map == MAP_FAILED ? NULL : (const uint8_t *)map + FLIGHT_HEADER_SIZE;
}

void flight_segment_unmap(const uint8_t *records, size_t size)
{
        /* cast: munmap() takes a pointer to non-const */
        (void)munmap((void *)(uintptr_t)(records - FLIGHT_HEADER_SIZE), size);
}
