/*
 * A private view of a database file: the file as it is, below, and pages that differ from it, above. The file, its log
 * and its journal are only read; what is written to the view stays in memory and goes with it.
 *
 * Pages above come from what a recorder that died left beside the file, as SQLite itself would bring them in: the
 * committed frames of a write-ahead log (SQLite file format, section 4), or the pages that a rollback journal saved
 * (section 3); and from writes. A log takes 16 bytes of memory a page, whatever its size.
 */
#ifndef HWACCL_TRACER_DATABASE_PRIVATE_FILE_H
#define HWACCL_TRACER_DATABASE_PRIVATE_FILE_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a page's content is. */
enum page_place {
        PAGE_OF_FILE,   /* the database file, at (number - 1) * page size */
        PAGE_OF_BESIDE, /* the log or journal, at an offset */
        PAGE_OF_MEMORY, /* it was written */
};

struct private_page {
        uint32_t number; /* from 1; 0: an empty slot */
        enum page_place place;
        union {
                uint64_t offset;
                uint8_t *memory;
        };
};

struct private_file {
        int fd;
        int beside; /* of the log or journal; -1: there is none that counts */
        uint32_t page_size;
        uint64_t file_pages;       /* of the file */
        uint64_t pages;            /* of the view */
        struct private_page *page; /* hash table of the pages that are not PAGE_OF_FILE */
        size_t room;               /* a power of two */
        size_t count;
};

/** private_file_open - the view of @path, without its log and journal. *view is closed when this fails */
bool private_file_open(struct private_file *view, const char *path, struct hwaccl_error *error);
void private_file_close(struct private_file *view);

/** private_file_read - bytes of the view; *got is less than @size at its end. False: an I/O error */
bool private_file_read(struct private_file *view, uint64_t offset, void *buffer, size_t size, size_t *got);

/** private_file_write - to memory; the view grows as needed. False: out of memory, or an I/O error */
bool private_file_write(struct private_file *view, uint64_t offset, const void *data, size_t size);

/** private_file_truncate - to a number of bytes */
void private_file_truncate(struct private_file *view, uint64_t size);

/* For private_log.c and private_journal.c. */

/** private_file_place - a page's content is at @offset of the file beside. False: out of memory */
bool private_file_place(struct private_file *view, uint32_t number, uint64_t offset);

/** private_read_all - @size bytes at @offset, whatever signals come; *got is less at the file's end */
bool private_read_all(int fd, uint64_t offset, void *buffer, size_t size, size_t *got);

uint32_t private_big_endian(const uint8_t *bytes);

/** private_log_apply - bring the log at @path in: all frames up to the last commit. False with *error set: it cannot be
 * read. A log that is not this database's, is damaged or holds no commit counts as far as SQLite would take it */
bool private_log_apply(struct private_file *view, const char *path, struct hwaccl_error *error);

/**
 * private_journal_apply - roll back what the journal at @path saved
 *
 * A journal that names a super-journal belongs to a transaction over several databases; hwaccl never makes one, and it
 * is ignored.
 */
bool private_journal_apply(struct private_file *view, const char *path, struct hwaccl_error *error);

/** private_journal_is_foreign - does the journal at @path name a super-journal? Also true where that cannot be read */
bool private_journal_is_foreign(const char *path);

#endif
