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

        flight->directory_fd = -1;
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

static void close_lane(const struct flight *flight, struct flight_lane *lane, bool remove)
{
        if (lane->fd >= 0)
                (void)close(lane->fd);
        lane->fd = -1;
        for (size_t i = 0; remove && i < lane->segment_count; i++) {
                char name[FLIGHT_NAME_SIZE];
                name_of(lane->segment[i].number, name);
                (void)unlinkat(flight->directory_fd, name, 0);
        }
        free(lane->segment);
        lane->segment = NULL;
        lane->segment_count = lane->segment_room = 0;
}

void flight_segments_close(struct flight *flight, bool remove)
{
        STEP("flight window goes");
        for (unsigned i = 0; i < flight->lane_count; i++)
                close_lane(flight, &flight->lane[i], remove);
        if (remove && flight->directory_fd >= 0) {
                (void)unlinkat(flight->directory_fd, FLIGHT_KEPT, 0);
                (void)unlinkat(flight->directory_fd, FLIGHT_FRAME, 0);
        }
        if (flight->directory_fd >= 0)
                (void)close(flight->directory_fd);
        flight->directory_fd = -1;
        if (remove && flight->directory)
                (void)rmdir(flight->directory);
        STEP("flight window gone");
        free(flight->directory);
        flight->directory = NULL;
}

bool flight_write_all(int fd, const void *data, size_t size)
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

static bool append(struct flight *flight, struct flight_lane *lane)
{
        if (lane->segment_count == lane->segment_room) {
                size_t room = lane->segment_room ? 2 * lane->segment_room : 32;
                struct flight_segment *more = realloc(lane->segment, room * sizeof(*more));
                if (!more)
                        return hwaccl_error_set(&flight->error, "out of memory");
                lane->segment = more;
                lane->segment_room = room;
        }
        lane->segment_count++;
        return true;
}

bool flight_segment_begin(struct flight *flight, struct flight_lane *lane, uint64_t position)
{
        uint64_t number = flight->next_number;
        char name[FLIGHT_NAME_SIZE];

        if (lane->fd >= 0 && close(lane->fd) != 0) {
                lane->fd = -1;
                return complain(flight, lane->segment[lane->segment_count - 1].number, "cannot close", &flight->error);
        }
        lane->fd = -1;
        name_of(number, name);
        int fd = hwaccl_file_create(flight->directory_fd, name, O_WRONLY | O_EXCL, flight->config.mode);
        if (fd < 0)
                return complain(flight, number, "cannot create", &flight->error);
        STEP("flight segment made");
        struct flight_header header = {
                .version = FLIGHT_VERSION,
                .vcpu = lane->vcpu,
                .first = lane->exits,
                .position = position,
                .stamp_origin = flight->clock.origin_stamp,
                .stamp_khz = stamp_clock_khz(&flight->clock),
                .stamp_kind = flight->clock.kind,
                .keyframe_interval = flight->config.keyframe_interval,
        };
        memcpy(header.magic, FLIGHT_MAGIC, sizeof(header.magic));
        if (!append(flight, lane) || !flight_write_all(fd, &header, sizeof(header))) {
                if (!flight->error.message[0])
                        complain(flight, number, "cannot write", &flight->error);
                (void)close(fd);
                (void)unlinkat(flight->directory_fd, name, 0);
                return false;
        }
        STEP("flight segment begun");
        lane->fd = fd;
        lane->written = position;
        flight->next_number++;
        lane->segment[lane->segment_count - 1] = (struct flight_segment){
                .number = number, .first = lane->exits, .position = position, .event = lane->events};
        return true;
}

bool flight_segment_write(struct flight *flight, struct flight_lane *lane, uint64_t end)
{
        struct flight_segment *last = &lane->segment[lane->segment_count - 1];
        size_t size = (size_t)(end - lane->written);

        if (!size)
                return true;
        const uint8_t *from = lane->ring->data + (lane->written & (lane->ring->size - 1));
        if (!flight_write_all(lane->fd, from, size))
                return complain(flight, last->number, "cannot write", &flight->error);
        STEP("flight segment written");
        last->bytes += size;
        lane->written = end;
        ring_release(lane->ring, end);
        return flight_segments_trim(flight);
}

uint64_t flight_age(const struct flight *flight, const struct flight_segment *segment)
{
        return segment->begun ? stamp_clock_span(&flight->clock, segment->begun, flight->newest) : 0;
}

/* Events of all lanes from a place in the sequence on, at least. */
static uint64_t events_from(const struct flight *flight, uint64_t order)
{
        uint64_t events = 0;

        for (unsigned i = 0; i < flight->lane_count; i++) {
                const struct flight_lane *lane = &flight->lane[i];
                for (size_t s = 0; s < lane->segment_count; s++)
                        if (lane->segment[s].order >= order) {
                                events += lane->events - lane->segment[s].event;
                                break;
                        }
        }
        return events;
}

/* Whether a window that begins with the segment @from, and has @bytes, is all that was asked for. */
static bool is_enough(const struct flight *flight, const struct flight_segment *from, uint64_t bytes)
{
        const struct hwaccl_flight_window *window = &flight->window;

        return (window->exits && events_from(flight, from->order) >= window->exits) ||
               (window->bytes && bytes >= window->bytes) ||
               (window->ns && flight_age(flight, from) >= window->ns + window->ns / CLOCK_SHARE);
}

static uint64_t bytes_kept(const struct flight *flight)
{
        uint64_t bytes = 0;

        for (unsigned i = 0; i < flight->lane_count; i++)
                for (size_t s = 0; s < flight->lane[i].segment_count; s++)
                        bytes += flight->lane[i].segment[s].bytes;
        return bytes;
}

static uint64_t events_kept(const struct flight *flight)
{
        uint64_t events = 0;

        for (unsigned i = 0; i < flight->lane_count; i++)
                if (flight->lane[i].segment_count)
                        events += flight->lane[i].events - flight->lane[i].segment[0].event;
        return events;
}

/* Each lane holds a segment that began before the window. */
bool flight_segments_crowded(const struct flight *flight)
{
        const struct hwaccl_flight_window *window = &flight->window;
        const uint64_t shares = FLIGHT_SHARES + flight->lane_count;

        return (window->exits && events_kept(flight) >= window->exits / FLIGHT_SHARES * shares) ||
               (window->bytes && bytes_kept(flight) >= window->bytes / FLIGHT_SHARES * shares);
}

/* The lane whose oldest segment ends first, of those that can lose it. A segment ends where the next one begins. */
static struct flight_lane *oldest(const struct flight *flight)
{
        struct flight_lane *found = NULL;

        for (unsigned i = 0; i < flight->lane_count; i++) {
                struct flight_lane *lane = &flight->lane[i];
                if (lane->segment_count < 2 || !lane->segment[1].begun ||
                    (flight->dumping && lane->segment[1].position > lane->dumped))
                        continue;
                if (!found || lane->segment[1].order < found->segment[1].order)
                        found = lane;
        }
        return found;
}

static bool remove_first(struct flight *flight, struct flight_lane *lane)
{
        char name[FLIGHT_NAME_SIZE];

        if (lane->segment[1].order > flight->cut)
                flight->cut = lane->segment[1].order;
        atomic_store_explicit(&flight->lane[0].ring->header->window_begin, flight->cut, memory_order_relaxed);
        name_of(lane->segment[0].number, name);
        if (unlinkat(flight->directory_fd, name, 0) != 0 && errno != ENOENT)
                return complain(flight, lane->segment[0].number, "cannot remove", &flight->error);
        STEP("flight segment removed");
        lane->segment_count--;
        memmove(lane->segment, lane->segment + 1, lane->segment_count * sizeof(*lane->segment));
        return true;
}

bool flight_segments_trim(struct flight *flight)
{
        uint64_t bytes = bytes_kept(flight);
        struct flight_lane *lane;

        while ((lane = oldest(flight)) && is_enough(flight, &lane->segment[1], bytes - lane->segment[0].bytes)) {
                bytes -= lane->segment[0].bytes;
                if (!remove_first(flight, lane))
                        return false;
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
