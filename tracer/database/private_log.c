/* The frames of a write-ahead log (SQLite file format, section 4), as a reader of the database sees them. */
#include "tracer/database/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_HEADER_SIZE   32u
#define FRAME_HEADER_SIZE 24u
#define LOG_MAGIC         UINT32_C(0x377f0682) /* its lowest bit: checksums are of big-endian words */
#define LOG_VERSION       3007000u

struct checksum {
        uint32_t a, b;
};

static uint32_t word(const uint8_t *bytes, bool big_endian)
{
        uint32_t value;

        if (big_endian)
                return private_big_endian(bytes);
        memcpy(&value, bytes, sizeof(value)); /* x86 */
        return value;
}

static void add(struct checksum *sum, const uint8_t *bytes, size_t size, bool big_endian)
{
        for (size_t at = 0; at < size; at += 8) {
                sum->a += word(bytes + at, big_endian) + sum->b;
                sum->b += word(bytes + at + 4, big_endian) + sum->a;
        }
}

static bool agrees(const struct checksum *sum, const uint8_t *stored)
{
        return sum->a == private_big_endian(stored) && sum->b == private_big_endian(stored + 4);
}

/* A page of a transaction whose commit has not been seen. */
struct waiting {
        uint32_t number;
        uint64_t offset;
};

struct waiting_pages {
        struct waiting *page;
        size_t count;
        size_t room;
};

static bool wait_for_commit(struct waiting_pages *waiting, uint32_t number, uint64_t offset)
{
        if (waiting->count == waiting->room) {
                size_t room = waiting->room ? waiting->room * 2 : 64;
                struct waiting *more = realloc(waiting->page, room * sizeof(*more));
                if (!more)
                        return false;
                waiting->page = more;
                waiting->room = room;
        }
        waiting->page[waiting->count++] = (struct waiting){number, offset};
        return true;
}

static bool commit(struct private_file *view, struct waiting_pages *waiting, uint32_t pages)
{
        for (size_t i = 0; i < waiting->count; i++)
                if (!private_file_place(view, waiting->page[i].number, waiting->page[i].offset))
                        return false;
        waiting->count = 0;
        view->pages = pages;
        return true;
}

/* Frame after frame, until one does not follow from those before it. */
static bool read_frames(struct private_file *view, int fd, const uint8_t *header, struct checksum sum, uint8_t *frame,
                        struct hwaccl_error *error)
{
        const size_t size = FRAME_HEADER_SIZE + view->page_size;
        const bool big_endian = header[3] & 1;
        struct waiting_pages waiting = {0};
        bool good = true;

        for (uint64_t offset = LOG_HEADER_SIZE; good; offset += size) {
                size_t got = 0;
                if (!private_read_all(fd, offset, frame, size, &got)) {
                        good = hwaccl_error_set(error, "cannot read the write-ahead log: %s", strerror(errno));
                        break;
                }
                uint32_t number = private_big_endian(frame);
                if (got < size || number == 0 || memcmp(frame + 8, header + 16, 8) != 0)
                        break;
                add(&sum, frame, 8, big_endian);
                add(&sum, frame + FRAME_HEADER_SIZE, view->page_size, big_endian);
                if (!agrees(&sum, frame + 16))
                        break;
                uint32_t pages = private_big_endian(frame + 4);
                good = wait_for_commit(&waiting, number, offset + FRAME_HEADER_SIZE) &&
                       (pages == 0 || commit(view, &waiting, pages));
                if (!good)
                        hwaccl_error_set(error, "out of memory");
        }
        free(waiting.page);
        return good;
}

/* Zeros, torn or of another version: such a log has no frame that counts. */
static bool is_log(const uint8_t *header, uint32_t page_size, struct checksum *sum)
{
        *sum = (struct checksum){0, 0};
        if ((private_big_endian(header) & ~UINT32_C(1)) != LOG_MAGIC || private_big_endian(header + 4) != LOG_VERSION ||
            private_big_endian(header + 8) != page_size)
                return false;
        add(sum, header, 24, header[3] & 1);
        return agrees(sum, header + 24);
}

/* SQLite looks for a log only where the database says that it may have one. */
static bool may_have_log(const struct private_file *view)
{
        uint8_t versions[2];
        size_t got = 0;

        return private_read_all(view->fd, 18, versions, sizeof(versions), &got) && got == sizeof(versions) &&
               versions[0] == 2 && versions[1] == 2;
}

bool private_log_apply(struct private_file *view, const char *path, struct hwaccl_error *error)
{
        uint8_t header[LOG_HEADER_SIZE];
        struct checksum sum;
        size_t got = 0;

        if (!may_have_log(view))
                return true;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return errno == ENOENT || hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        if (!private_read_all(fd, 0, header, sizeof(header), &got) || got < sizeof(header) ||
            !is_log(header, view->page_size, &sum)) {
                (void)close(fd);
                return true;
        }
        uint8_t *frame = malloc(FRAME_HEADER_SIZE + (size_t)view->page_size);
        bool good = frame ? read_frames(view, fd, header, sum, frame, error) : hwaccl_error_set(error, "out of memory");
        free(frame);
        view->beside = fd; /* closed with the view */
        return good || hwaccl_error_prefix(error, "%s", path);
}
