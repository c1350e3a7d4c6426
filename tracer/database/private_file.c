#include "tracer/database/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_SIZE_MIN 512u
#define PAGE_SIZE_MAX 65536u

uint32_t private_big_endian(const uint8_t *bytes)
{
        return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool private_read_all(int fd, uint64_t offset, void *buffer, size_t size, size_t *got)
{
        uint8_t *to = buffer;

        *got = 0;
        if (offset > INT64_MAX - size)
                return true;
        while (*got < size) {
                ssize_t part = pread(fd, to + *got, size - *got, (off_t)(offset + *got));
                if (part < 0 && errno == EINTR)
                        continue;
                if (part < 0)
                        return false;
                if (part == 0)
                        break;
                *got += (size_t)part;
        }
        return true;
}

static size_t slot_of(const struct private_page *page, size_t room, uint32_t number)
{
        size_t slot = (number * UINT32_C(2654435761)) & (room - 1);

        while (page[slot].number && page[slot].number != number)
                slot = (slot + 1) & (room - 1);
        return slot;
}

static bool grow(struct private_file *view)
{
        size_t room = view->room ? view->room * 2 : 256;
        struct private_page *page = calloc(room, sizeof(*page));

        if (!page)
                return false;
        for (size_t i = 0; i < view->room; i++)
                if (view->page[i].number)
                        page[slot_of(page, room, view->page[i].number)] = view->page[i];
        free(view->page);
        view->page = page;
        view->room = room;
        return true;
}

static struct private_page *find(const struct private_file *view, uint32_t number)
{
        if (!view->count)
                return NULL;
        struct private_page *page = &view->page[slot_of(view->page, view->room, number)];
        return page->number ? page : NULL;
}

/* The page's slot, a new one when it has none; NULL without memory. */
static struct private_page *claim(struct private_file *view, uint32_t number)
{
        if (view->count >= view->room / 2 && !grow(view))
                return NULL;
        struct private_page *page = &view->page[slot_of(view->page, view->room, number)];
        if (!page->number) {
                *page = (struct private_page){.number = number, .place = PAGE_OF_FILE};
                view->count++;
        }
        return page;
}

bool private_file_place(struct private_file *view, uint32_t number, uint64_t offset)
{
        struct private_page *page = claim(view, number);

        if (!page)
                return false;
        page->place = PAGE_OF_BESIDE;
        page->offset = offset;
        return true;
}

/* Part of one page. Beyond the file's end, and where the file became shorter since, there are zeros. */
static bool read_page(struct private_file *view, uint32_t number, size_t at, uint8_t *to, size_t size)
{
        const struct private_page *page = find(view, number);
        enum page_place place = page ? page->place : PAGE_OF_FILE;
        size_t got = 0;

        if (place == PAGE_OF_MEMORY) {
                memcpy(to, page->memory + at, size);
                return true;
        }
        if (place == PAGE_OF_BESIDE) {
                if (!private_read_all(view->beside, page->offset + at, to, size, &got))
                        return false;
        } else if (number <= view->file_pages) {
                uint64_t offset = (uint64_t)(number - 1) * view->page_size + at;
                if (!private_read_all(view->fd, offset, to, size, &got))
                        return false;
        }
        memset(to + got, 0, size - got);
        return true;
}

/* Versions 2 of the file format, at 18 and 19, announce a write-ahead log; the view has none. */
static void without_log(uint64_t offset, uint8_t *buffer, size_t size)
{
        for (uint64_t at = 18; at <= 19; at++)
                if (at >= offset && at - offset < size && buffer[at - offset] == 2)
                        buffer[at - offset] = 1;
}

bool private_file_read(struct private_file *view, uint64_t offset, void *buffer, size_t size, size_t *got)
{
        uint64_t end = view->pages * view->page_size;
        size_t there = offset >= end ? 0 : (end - offset < size ? (size_t)(end - offset) : size);

        for (*got = 0; *got < there;) {
                uint64_t from = offset + *got;
                size_t at = (size_t)(from % view->page_size);
                size_t part = view->page_size - at < there - *got ? view->page_size - at : there - *got;
                if (!read_page(view, (uint32_t)(from / view->page_size) + 1, at, (uint8_t *)buffer + *got, part))
                        return false;
                *got += part;
        }
        without_log(offset, buffer, *got);
        return true;
}

/* The page's own memory, filled with what it held. */
static uint8_t *own_page(struct private_file *view, uint32_t number)
{
        struct private_page *page = find(view, number);

        if (page && page->place == PAGE_OF_MEMORY)
                return page->memory;
        uint8_t *memory = malloc(view->page_size);
        if (!memory)
                return NULL;
        if (read_page(view, number, 0, memory, view->page_size)) {
                page = claim(view, number);
                if (page) {
                        page->place = PAGE_OF_MEMORY;
                        page->memory = memory;
                        return memory;
                }
        }
        free(memory);
        return NULL;
}

bool private_file_write(struct private_file *view, uint64_t offset, const void *data, size_t size)
{
        if (offset + size > (uint64_t)UINT32_MAX * view->page_size)
                return false;
        for (size_t done = 0; done < size;) {
                uint64_t to = offset + done;
                uint32_t number = (uint32_t)(to / view->page_size) + 1;
                size_t at = (size_t)(to % view->page_size);
                size_t part = view->page_size - at < size - done ? view->page_size - at : size - done;
                uint8_t *page = own_page(view, number);
                if (!page)
                        return false;
                memcpy(page + at, (const uint8_t *)data + done, part);
                if (number > view->pages)
                        view->pages = number;
                done += part;
        }
        return true;
}

void private_file_truncate(struct private_file *view, uint64_t size)
{
        uint64_t pages = (size + view->page_size - 1) / view->page_size;

        if (pages >= view->pages)
                return;
        view->pages = pages;
        if (view->file_pages > pages)
                view->file_pages = pages; /* what is below the end must not come back when the view grows */
        for (size_t i = 0; i < view->room; i++) {
                struct private_page *page = &view->page[i];
                if (page->number <= pages)
                        continue;
                if (page->place == PAGE_OF_MEMORY)
                        memset(page->memory, 0, view->page_size);
                else
                        page->place = PAGE_OF_FILE;
        }
}

static bool read_header(struct private_file *view, const char *path, struct hwaccl_error *error)
{
        uint8_t header[100];
        size_t got = 0;
        struct stat status;

        if (fstat(view->fd, &status) != 0 || !private_read_all(view->fd, 0, header, sizeof(header), &got))
                return hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        uint32_t size = (uint32_t)header[16] << 8 | header[17];
        view->page_size = size == 1 ? PAGE_SIZE_MAX : size;
        if (got < sizeof(header) || memcmp(header, "SQLite format 3", 16) != 0 || view->page_size < PAGE_SIZE_MIN ||
            (view->page_size & (view->page_size - 1)))
                return hwaccl_error_set(error, "%s: not an SQLite database", path);
        view->file_pages = ((uint64_t)status.st_size + view->page_size - 1) / view->page_size;
        if (view->file_pages > UINT32_MAX)
                return hwaccl_error_set(error, "%s: larger than an SQLite database can be", path);
        view->pages = view->file_pages;
        return true;
}

bool private_file_open(struct private_file *view, const char *path, struct hwaccl_error *error)
{
        *view = (struct private_file){.fd = -1, .beside = -1};
        view->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (view->fd < 0)
                return hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        if (read_header(view, path, error))
                return true;
        private_file_close(view);
        return false;
}

void private_file_close(struct private_file *view)
{
        for (size_t i = 0; i < view->room; i++)
                if (view->page[i].number && view->page[i].place == PAGE_OF_MEMORY)
                        free(view->page[i].memory);
        free(view->page);
        if (view->fd >= 0)
                (void)close(view->fd);
        if (view->beside >= 0)
                (void)close(view->beside);
        *view = (struct private_file){.fd = -1, .beside = -1};
}
