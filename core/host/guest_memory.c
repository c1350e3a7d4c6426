#include "core/host/guest_memory.h"

#include "core/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

void hwaccl_guest_memory_init(struct hwaccl_guest_memory *memory, bool backed)
{
        memset(memory, 0, sizeof(*memory));
        memory->backed = backed;
}

/* Position of a run in the sorted list. */
static bool find_place(const struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size, size_t *place,
                       struct hwaccl_error *error)
{
        if (!size || address % HWACCL_PAGE_SIZE || size % HWACCL_PAGE_SIZE || address + size < address)
                return hwaccl_error_set(error, "memory run 0x%" PRIx64 "+0x%" PRIx64 " is not page-aligned", address,
                                        size);
        if (memory->run_count == HWACCL_MEMORY_RUN_MAX)
                return hwaccl_error_set(error, "more than %d memory runs", HWACCL_MEMORY_RUN_MAX);

        size_t next = 0;
        while (next < memory->run_count && memory->run[next].address < address)
                next++;
        bool overlaps_next = next < memory->run_count && memory->run[next].address < address + size;
        bool overlaps_previous = next > 0 && memory->run[next - 1].address + memory->run[next - 1].size > address;
        if (overlaps_next || overlaps_previous)
                return hwaccl_error_set(error, "memory run 0x%" PRIx64 "+0x%" PRIx64 " overlaps another", address,
                                        size);
        *place = next;
        return true;
}

static void insert(struct hwaccl_guest_memory *memory, size_t place, struct hwaccl_memory_run run)
{
        memmove(&memory->run[place + 1], &memory->run[place], (memory->run_count - place) * sizeof(memory->run[0]));
        memory->run[place] = run;
        memory->run_count++;
}

bool hwaccl_guest_memory_add(struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size, bool writable,
                             struct hwaccl_error *error)
{
        size_t place = 0;
        if (!find_place(memory, address, size, &place, error))
                return false;

        uint8_t *host = NULL;
        if (memory->backed) {
                void *mapping =
                        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (mapping == MAP_FAILED)
                        return hwaccl_error_set(error, "cannot allocate %" PRIu64 " bytes of guest memory: %s", size,
                                                strerror(errno));
                host = mapping;
        }
        insert(memory, place, (struct hwaccl_memory_run){address, size, host, writable, false});
        return true;
}

bool hwaccl_guest_memory_lend(struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size, uint8_t *host,
                              bool writable, struct hwaccl_error *error)
{
        size_t place = 0;

        hwaccl_assert(memory->backed && (uintptr_t)host % HWACCL_PAGE_SIZE == 0);
        if (!find_place(memory, address, size, &place, error))
                return false;
        insert(memory, place, (struct hwaccl_memory_run){address, size, host, writable, true});
        return true;
}

const struct hwaccl_memory_run *hwaccl_guest_memory_find(const struct hwaccl_guest_memory *memory, uint64_t address)
{
        for (size_t i = 0; i < memory->run_count; i++) {
                const struct hwaccl_memory_run *run = &memory->run[i];
                if (address >= run->address && address - run->address < run->size)
                        return run;
        }
        return NULL;
}

bool hwaccl_guest_memory_covers(const struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size)
{
        while (size) {
                const struct hwaccl_memory_run *run = hwaccl_guest_memory_find(memory, address);
                if (!run)
                        return false;
                uint64_t rest = run->address + run->size - address;
                if (rest >= size)
                        return true;
                size -= rest;
                address += rest;
        }
        return true;
}

bool hwaccl_guest_memory_read(const struct hwaccl_guest_memory *memory, uint64_t address, void *buffer, size_t size)
{
        if (!memory->backed || !hwaccl_guest_memory_covers(memory, address, size))
                return false;

        uint8_t *to = buffer;
        while (size) {
                const struct hwaccl_memory_run *run = hwaccl_guest_memory_find(memory, address);
                hwaccl_assert(run);
                uint64_t rest = run->address + run->size - address;
                size_t part = rest < size ? (size_t)rest : size;
                memcpy(to, run->host + (address - run->address), part);
                to += part;
                address += part;
                size -= part;
        }
        return true;
}

static bool any_rom(const struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size)
{
        for (size_t i = 0; i < memory->run_count; i++) {
                const struct hwaccl_memory_run *run = &memory->run[i];
                if (!run->writable && address < run->address + run->size && run->address < address + size)
                        return true;
        }
        return false;
}

bool hwaccl_guest_memory_write(struct hwaccl_guest_memory *memory, uint64_t address, const void *data, size_t size,
                               bool into_rom)
{
        if (!memory->backed || !hwaccl_guest_memory_covers(memory, address, size))
                return false;
        if (!into_rom && any_rom(memory, address, size))
                return false;

        const uint8_t *from = data;
        while (size) {
                const struct hwaccl_memory_run *run = hwaccl_guest_memory_find(memory, address);
                hwaccl_assert(run);
                uint64_t rest = run->address + run->size - address;
                size_t part = rest < size ? (size_t)rest : size;
                memcpy(run->host + (address - run->address), from, part);
                from += part;
                address += part;
                size -= part;
        }
        return true;
}

void hwaccl_guest_memory_destroy(struct hwaccl_guest_memory *memory)
{
        for (size_t i = 0; i < memory->run_count; i++)
                if (memory->run[i].host && !memory->run[i].lent)
                        hwaccl_assert(munmap(memory->run[i].host, memory->run[i].size) == 0);
        memory->run_count = 0;
}
