/* The guest's memory at the end of the run. Nothing of it is trusted: sizes, contents and references are checked. */
#include "tracer/read/recording_internal.h"

#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define PAGE       4096u
#define RANGE_MAX  64u
#define CACHE_SIZE 64u /* pages; a power of two */

struct range {
        uint64_t address;
        uint64_t size;
        bool writable;
};

struct cached_page {
        uint64_t address; /* UINT64_MAX: an empty slot */
        bool known;
        uint8_t bytes[PAGE];
};

struct kept_memory {
        struct range range[RANGE_MAX];
        size_t range_count;
        sqlite3_stmt *lookup;
        ZSTD_DCtx *context;
        struct cached_page cache[CACHE_SIZE];
};

void kept_memory_destroy(struct kept_memory *memory)
{
        if (!memory)
                return;
        (void)sqlite3_finalize(memory->lookup);
        (void)ZSTD_freeDCtx(memory->context);
        free(memory);
}

static bool take_range(struct kept_memory *memory, sqlite3_stmt *row)
{
        const struct range *before = memory->range_count ? &memory->range[memory->range_count - 1] : NULL;
        int64_t address = sqlite3_column_int64(row, 0);
        int64_t size = sqlite3_column_int64(row, 1);

        if (memory->range_count == RANGE_MAX || address < 0 || size <= 0 || size > INT64_MAX - address ||
            address % PAGE || size % PAGE)
                return false;
        if (before && (uint64_t)address < before->address + before->size)
                return false;
        memory->range[memory->range_count++] =
                (struct range){(uint64_t)address, (uint64_t)size, sqlite3_column_int64(row, 2) != 0};
        return true;
}

/* Ranges that are not valid end the list: what they might have is unknown. */
static bool load(struct kept_memory *memory, sqlite3 *db)
{
        struct hwaccl_error ignored;
        sqlite3_stmt *row = NULL;

        memory->context = ZSTD_createDCtx();
        if (!memory->context ||
            !database_prepare(db, "SELECT address, size, writable FROM memory_range ORDER BY address", &row, &ignored))
                return false;
        while (sqlite3_step(row) == SQLITE_ROW && take_range(memory, row))
                ;
        (void)sqlite3_finalize(row);
        return database_prepare(db,
                                "SELECT p.sha256, p.zstd FROM memory_page m LEFT JOIN page p ON p.id = m.page "
                                "WHERE m.address = ?1",
                                &memory->lookup, &ignored);
}

static struct kept_memory *memory_of(struct hwaccl_recording *recording)
{
        if (recording->memory)
                return recording->memory;
        struct kept_memory *memory = calloc(1, sizeof(*memory));
        if (!memory)
                return NULL;
        for (size_t i = 0; i < CACHE_SIZE; i++)
                memory->cache[i].address = UINT64_MAX;
        if (!load(memory, recording->db)) {
                kept_memory_destroy(memory);
                return NULL;
        }
        return recording->memory = memory;
}

/* The page's bytes must be those of its digest, and as many as a page has. */
static bool decompress(struct kept_memory *memory, sqlite3_stmt *row, uint8_t *bytes)
{
        uint8_t sha256[SHA256_DIGEST_LENGTH];
        SHA2_CTX digest;

        if (sqlite3_column_type(row, 0) != SQLITE_BLOB || sqlite3_column_bytes(row, 0) != (int)sizeof(sha256) ||
            sqlite3_column_type(row, 1) != SQLITE_BLOB)
                return false;
        size_t size = ZSTD_decompressDCtx(memory->context, bytes, PAGE, sqlite3_column_blob(row, 1),
                                          (size_t)sqlite3_column_bytes(row, 1));
        if (size != PAGE) /* an error is a larger number */
                return false;
        SHA256Init(&digest);
        SHA256Update(&digest, bytes, PAGE);
        SHA256Final(sha256, &digest);
        return memcmp(sha256, sqlite3_column_blob(row, 0), sizeof(sha256)) == 0;
}

/* A page without a row is one of zeros. */
static bool load_page(struct kept_memory *memory, uint64_t address, uint8_t *bytes)
{
        sqlite3_stmt *row = memory->lookup;
        int result = sqlite3_bind_int64(row, 1, (int64_t)address);

        if (result == SQLITE_OK)
                result = sqlite3_step(row);
        memset(bytes, 0, PAGE);
        bool known = result == SQLITE_DONE || (result == SQLITE_ROW && decompress(memory, row, bytes));
        (void)sqlite3_reset(row);
        return known;
}

static bool in_range(const struct kept_memory *memory, uint64_t address)
{
        for (size_t i = 0; i < memory->range_count; i++)
                if (address >= memory->range[i].address && address - memory->range[i].address < memory->range[i].size)
                        return true;
        return false;
}

static const struct cached_page *page_at(struct kept_memory *memory, uint64_t address)
{
        struct cached_page *slot = &memory->cache[address / PAGE % CACHE_SIZE];

        if (!in_range(memory, address))
                return NULL;
        if (slot->address != address) {
                slot->known = load_page(memory, address, slot->bytes);
                slot->address = address;
        }
        return slot->known ? slot : NULL;
}

bool hwaccl_recording_memory_range(struct hwaccl_recording *recording, size_t index, uint64_t *address, uint64_t *size,
                                   bool *writable)
{
        const struct kept_memory *memory = memory_of(recording);

        if (!memory || index >= memory->range_count)
                return false;
        *address = memory->range[index].address;
        *size = memory->range[index].size;
        *writable = memory->range[index].writable;
        return true;
}

bool hwaccl_recording_memory_read(struct hwaccl_recording *recording, uint64_t address, void *buffer, size_t size)
{
        struct kept_memory *memory = memory_of(recording);
        uint8_t *to = buffer;

        while (memory && size) {
                const struct cached_page *page = page_at(memory, address & ~(uint64_t)(PAGE - 1));
                size_t offset = (size_t)(address % PAGE);
                size_t part = size < PAGE - offset ? size : PAGE - offset;
                if (!page)
                        return false;
                memcpy(to, page->bytes + offset, part);
                to += part;
                address += part;
                size -= part;
        }
        return memory != NULL;
}
