/* A rollback journal (SQLite file format, section 3): the pages as they were before a transaction that did not end. */
#include "tracer/database/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t journal_magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

#define JOURNAL_HEADER_SIZE 28u
#define SECTOR_DEFAULT      512u
#define TRAILER_SIZE        16u /* length, checksum and magic, behind a super-journal's name */
#define NAME_SIZE_MAX       65536u
#define LOCK_BYTE           UINT32_C(0x40000000) /* the page with it is not part of a database */

struct journal_header {
        uint32_t records; /* UINT32_MAX: up to the end of the file */
        uint32_t nonce;
        uint32_t pages; /* of the database before the transaction */
        uint32_t sector;
        uint32_t page_size;
};

static bool is_power_of_two(uint32_t value, uint32_t least, uint32_t most)
{
        return value >= least && value <= most && (value & (value - 1)) == 0;
}

/* False: there is no header at @offset, or not the whole sector that it takes. Sizes count only in the first one. */
static bool read_header(int fd, uint64_t offset, uint32_t sector, struct journal_header *header)
{
        uint8_t bytes[JOURNAL_HEADER_SIZE];
        struct stat status;
        size_t got = 0;

        if (fstat(fd, &status) != 0 || offset + sector > (uint64_t)status.st_size ||
            !private_read_all(fd, offset, bytes, sizeof(bytes), &got) || got < sizeof(bytes) ||
            memcmp(bytes, journal_magic, sizeof(journal_magic)) != 0)
                return false;
        *header = (struct journal_header){.records = private_big_endian(bytes + 8),
                                          .nonce = private_big_endian(bytes + 12),
                                          .pages = private_big_endian(bytes + 16),
                                          .sector = private_big_endian(bytes + 20),
                                          .page_size = private_big_endian(bytes + 24)};
        return true;
}

/* SQLite's own sum: every 200th byte of the page, from its end. */
static uint32_t checksum(uint32_t nonce, const uint8_t *page, uint32_t size)
{
        uint32_t sum = nonce;

        for (uint32_t at = size - 200; at > 0 && at < size; at -= 200)
                sum += page[at];
        return sum;
}

/* One saved page. False: it is torn, or the file ends; what follows does not count. */
static bool take_record(struct private_file *view, int fd, uint64_t offset, const struct journal_header *header,
                        uint8_t *record, bool *memory)
{
        const size_t size = (size_t)view->page_size + 8;
        size_t got = 0;

        if (!private_read_all(fd, offset, record, size, &got) || got < size)
                return false;
        uint32_t number = private_big_endian(record);
        if (number == 0 || number == LOCK_BYTE / view->page_size + 1)
                return false;
        /* pages that the transaction added go; SQLite does not look at their sum */
        if (number > view->pages)
                return true;
        if (checksum(header->nonce, record + 4, view->page_size) != private_big_endian(record + 4 + view->page_size))
                return false;
        *memory = private_file_place(view, number, offset + 4);
        return *memory;
}

static bool roll_back(struct private_file *view, int fd, struct journal_header header, struct hwaccl_error *error)
{
        const uint64_t size = (uint64_t)view->page_size + 8;
        uint8_t *record = malloc((size_t)size);
        const uint32_t sector = header.sector;
        uint64_t offset = 0;
        bool memory = true;

        if (!record)
                return hwaccl_error_set(error, "out of memory");
        view->pages = header.pages;
        if (view->file_pages > header.pages)
                view->file_pages = header.pages;
        do {
                uint32_t done = 0;
                uint64_t at = offset + sector;
                while (done < header.records && take_record(view, fd, at, &header, record, &memory)) {
                        done++;
                        at += size;
                }
                if (!memory || done < header.records)
                        break;
                offset = (at + sector - 1) / sector * sector;
        } while (read_header(fd, offset, sector, &header));
        free(record);
        return memory || hwaccl_error_set(error, "out of memory");
}

/* Is a super-journal named at the end? The trailer: name, length, sum of its bytes, magic. */
static bool names_super_journal(int fd)
{
        uint8_t trailer[TRAILER_SIZE];
        struct stat status;
        size_t got = 0;

        if (fstat(fd, &status) != 0)
                return true;
        if (status.st_size < (off_t)sizeof(trailer))
                return false;
        if (!private_read_all(fd, (uint64_t)status.st_size - sizeof(trailer), trailer, sizeof(trailer), &got) ||
            got < sizeof(trailer))
                return true;
        return memcmp(trailer + 8, journal_magic, sizeof(journal_magic)) == 0 && private_big_endian(trailer) > 0 &&
               private_big_endian(trailer) < NAME_SIZE_MAX;
}

bool private_journal_is_foreign(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return errno != ENOENT;
        bool foreign = names_super_journal(fd);
        (void)close(fd);
        return foreign;
}

bool private_journal_apply(struct private_file *view, const char *path, struct hwaccl_error *error)
{
        struct journal_header header;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return errno == ENOENT || hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        if (names_super_journal(fd) || !read_header(fd, 0, SECTOR_DEFAULT, &header) ||
            !is_power_of_two(header.sector, 32, 65536) || header.page_size != view->page_size) {
                (void)close(fd);
                return true;
        }
        bool good = roll_back(view, fd, header, error);
        view->beside = fd;
        return good || hwaccl_error_prefix(error, "%s", path);
}
