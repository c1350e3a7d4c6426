/* The engine's regions and page tables. */
#include "core/accel/soft/memory.h"

#include "core/exit/registers.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

/* The tables lie where no guest's linear address is expected; one that maps something there is refused. */
#define TABLES_BASE  UINT64_C(0xf000000000)
#define TABLES_COUNT 4096u
#define TABLES_SIZE  ((uint64_t)TABLES_COUNT * HWACCL_PAGE_SIZE)
#define FLUSHER      (TABLES_BASE + TABLES_SIZE)
#define RESERVED_END (FLUSHER + HWACCL_PAGE_SIZE)

#define ENTRY_PRESENT  UINT64_C(0x01)
#define ENTRY_WRITABLE UINT64_C(0x02)
#define ENTRY_USED     UINT64_C(0x60) /* accessed, dirty: the engine need not write them */
#define ENTRY_LARGE    UINT64_C(0x80)
#define ENTRY_NX       (UINT64_C(1) << 63)
#define ENTRY_ADDRESS  UINT64_C(0x000000fffffff000)

#define LARGE_PAGE       UINT64_C(0x200000)
#define PLACEHOLDER_SIZE (UINT64_C(1) << 30)
#define FOUR_GIB         (UINT64_C(1) << 32)
#define LAST_PAGE        (UINT64_MAX - HWACCL_PAGE_SIZE + 1)
#define REGIONS_SPARE    16 /* for what one start of the engine adds */

static bool engine_refuses(const struct soft_memory *memory, struct hwaccl_error *error, const char *what,
                           uint64_t address, uc_err status)
{
        return hwaccl_error_set(error, "the soft accelerator cannot %s at linear address 0x%" PRIx64 ": %s", what,
                                address, memory->engine[0]->unicorn.strerror(status));
}

/* The first region that ends behind an address. */
static size_t region_after(const struct soft_memory *memory, uint64_t linear)
{
        size_t low = 0, high = memory->region_count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (memory->region[middle].linear + (memory->region[middle].size - 1) < linear)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static struct soft_region *region_at(struct soft_memory *memory, uint64_t linear)
{
        if (memory->last_region < memory->region_count) {
                struct soft_region *last = &memory->region[memory->last_region];
                if (linear - last->linear < last->size)
                        return last;
        }
        size_t place = region_after(memory, linear);
        if (place == memory->region_count || linear < memory->region[place].linear)
                return NULL;
        memory->last_region = place;
        return &memory->region[place];
}

static bool insert_region(struct soft_memory *memory, size_t place, struct soft_region region,
                          struct hwaccl_error *error)
{
        if (memory->region_count == SOFT_REGION_MAX)
                return hwaccl_error_set(error, "the guest's page tables map more than %d separate pieces" SOFT_ADVICE,
                                        SOFT_REGION_MAX);
        memmove(&memory->region[place + 1], &memory->region[place],
                (memory->region_count - place) * sizeof(memory->region[0]));
        memory->region[place] = region;
        memory->region_count++;
        return true;
}

static void remove_region(struct soft_memory *memory, size_t place)
{
        memory->region_count--;
        memmove(&memory->region[place], &memory->region[place + 1],
                (memory->region_count - place) * sizeof(memory->region[0]));
}

static uc_err map_in(const struct soft_engine *engine, uint64_t linear, uint64_t size, uint32_t protection, void *host)
{
        return engine->unicorn.mem_map_ptr(engine->handle, linear, size, protection, host);
}

static uc_err map_in_all(const struct soft_memory *memory, uint64_t linear, uint64_t size, uint32_t protection,
                         void *host)
{
        uc_err status = UC_ERR_OK;

        for (unsigned i = 0; i < SOFT_ENGINE_MAX && status == UC_ERR_OK; i++)
                status = map_in(memory->engine[i], linear, size, protection, host);
        return status;
}

static uc_err unmap_in_all(const struct soft_memory *memory, uint64_t linear, uint64_t size)
{
        uc_err status = UC_ERR_OK;

        for (unsigned i = 0; i < SOFT_ENGINE_MAX && status == UC_ERR_OK; i++)
                status = memory->engine[i]->unicorn.mem_unmap(memory->engine[i]->handle, linear, size);
        return status;
}

static bool add_region(struct soft_memory *memory, uint64_t linear, uint64_t size, uint8_t *host,
                       struct hwaccl_error *error)
{
        if (!insert_region(memory, region_after(memory, linear), (struct soft_region){linear, size, host}, error))
                return false;
        uc_err status = map_in_all(memory, linear, size, UC_PROT_ALL, host ? host : memory->nothing);
        return status == UC_ERR_OK || engine_refuses(memory, error, "map memory", linear, status);
}

/* Take a range out of whatever regions it crosses. */
static bool carve(struct soft_memory *memory, uint64_t start, uint64_t size, struct hwaccl_error *error)
{
        uint64_t last = start + (size - 1);

        for (size_t i = region_after(memory, start); i < memory->region_count && memory->region[i].linear <= last;) {
                struct soft_region old = memory->region[i];
                uint64_t old_last = old.linear + (old.size - 1);
                uint64_t from = old.linear > start ? old.linear : start;
                uint64_t to = old_last < last ? old_last : last;

                uc_err status = unmap_in_all(memory, from, to - from + 1);
                if (status != UC_ERR_OK)
                        return engine_refuses(memory, error, "unmap memory", from, status);
                remove_region(memory, i);
                if (old.linear < from &&
                    !insert_region(memory, i++, (struct soft_region){old.linear, from - old.linear, old.host}, error))
                        return false;
                if (to < old_last) {
                        uint8_t *host = old.host ? old.host + (to + 1 - old.linear) : NULL;
                        if (!insert_region(memory, i++, (struct soft_region){to + 1, old_last - to, host}, error))
                                return false;
                }
        }
        return true;
}

/* The engine cannot take a part out of a region that ends with the address space: the last page is a region of its own.
 */
static void keep_last_page_apart(uint64_t linear, uint64_t *start, uint64_t *last)
{
        if (*last != UINT64_MAX)
                return;
        if (linear >= LAST_PAGE)
                *start = LAST_PAGE;
        else
                *last = LAST_PAGE - 1;
}

/* Fill the gap around an address that nothing is mapped at. */
bool soft_memory_add_placeholder(struct soft_memory *memory, uint64_t linear, struct hwaccl_error *error)
{
        size_t next = region_after(memory, linear);
        uint64_t start = linear & ~(memory->placeholder_size - 1);
        uint64_t last = start + (memory->placeholder_size - 1);

        if (next && memory->region[next - 1].linear + memory->region[next - 1].size > start)
                start = memory->region[next - 1].linear + memory->region[next - 1].size;
        if (next < memory->region_count && memory->region[next].linear <= last)
                last = memory->region[next].linear - 1;
        if (start < RESERVED_END && last >= TABLES_BASE) {
                if (linear >= TABLES_BASE && linear < RESERVED_END)
                        return hwaccl_error_set(error, "the guest uses linear address 0x%" PRIx64 SOFT_ADVICE, linear);
                start = linear >= RESERVED_END ? RESERVED_END : start;
                last = linear >= RESERVED_END ? last : TABLES_BASE - 1;
        }
        keep_last_page_apart(linear, &start, &last);
        return add_region(memory, start, last - start + 1, NULL, error);
}

static void *reserve(uint64_t size, int protection, struct hwaccl_error *error)
{
        void *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory != MAP_FAILED)
                return memory;
        hwaccl_error_set(error, "no address space for the soft accelerator: %s", strerror(errno));
        return NULL;
}

bool soft_memory_open(struct soft_memory *memory, struct hwaccl_guest_memory *guest, struct hwaccl_error *error)
{
        if (!guest->backed)
                return hwaccl_error_set(error,
                                        "the soft accelerator needs guest memory that has host memory behind it");
        memory->guest = guest;
        memory->nothing = reserve(PLACEHOLDER_SIZE, PROT_NONE, error);
        memory->tables = memory->nothing ? reserve(TABLES_SIZE, PROT_READ | PROT_WRITE, error) : NULL;
        memory->flusher = memory->tables ? reserve(HWACCL_PAGE_SIZE, PROT_READ | PROT_WRITE, error) : NULL;
        if (!memory->flusher)
                return false;
        memory->tables_used = 1;
        memory->placeholder_size = PLACEHOLDER_SIZE;

        uc_err status = map_in_all(memory, TABLES_BASE, TABLES_SIZE, UC_PROT_ALL, memory->tables);
        if (status == UC_ERR_OK)
                status = map_in_all(memory, FLUSHER, HWACCL_PAGE_SIZE, UC_PROT_READ, memory->flusher);
        if (status != UC_ERR_OK)
                return engine_refuses(memory, error, "map its page tables", TABLES_BASE, status);

        for (size_t i = 0; i < guest->run_count; i++) {
                const struct hwaccl_memory_run *run = &guest->run[i];
                if (run->address < FOUR_GIB && !add_region(memory, run->address, run->size, run->host, error))
                        return false;
        }
        return true;
}

void soft_memory_close(struct soft_memory *memory)
{
        if (memory->nothing)
                munmap(memory->nothing, PLACEHOLDER_SIZE);
        if (memory->tables)
                munmap(memory->tables, TABLES_SIZE);
        if (memory->flusher)
                munmap(memory->flusher, HWACCL_PAGE_SIZE);
}

bool soft_memory_replace(struct soft_memory *memory, unsigned engine, struct hwaccl_error *error)
{
        const struct soft_engine *fresh = memory->engine[engine];
        uc_err status = map_in(fresh, TABLES_BASE, TABLES_SIZE, UC_PROT_ALL, memory->tables);

        if (status == UC_ERR_OK)
                status = map_in(fresh, FLUSHER, HWACCL_PAGE_SIZE, UC_PROT_READ, memory->flusher);
        for (size_t i = 0; i < memory->region_count && status == UC_ERR_OK; i++) {
                const struct soft_region *region = &memory->region[i];
                status = map_in(fresh, region->linear, region->size, UC_PROT_ALL,
                                region->host ? region->host : memory->nothing);
        }
        memory->flusher_writable[engine] = false;
        return status == UC_ERR_OK || engine_refuses(memory, error, "map memory again", TABLES_BASE, status);
}

void soft_memory_drop(struct soft_memory *memory)
{
        memset(memory->tables, 0, (size_t)memory->tables_used * HWACCL_PAGE_SIZE);
        memory->tables_used = 1;
        for (unsigned i = 0; i < SOFT_ENGINE_MAX; i++)
                memory->stale[i] = true;
}

/* Those that are needed come back. Taking a page out of a large region is slow in the engine: from now on placeholders
 * are small. */
static bool forget_regions(struct soft_memory *memory, struct hwaccl_error *error)
{
        while (memory->region_count) {
                struct soft_region last = memory->region[--memory->region_count];
                uc_err status = unmap_in_all(memory, last.linear, last.size);
                if (status != UC_ERR_OK)
                        return engine_refuses(memory, error, "unmap memory", last.linear, status);
        }
        memory->placeholder_size = LARGE_PAGE;
        soft_memory_drop(memory);
        return true;
}

bool soft_memory_prepare(struct soft_memory *memory, unsigned engine, bool long_mode, uint64_t *root,
                         struct hwaccl_error *error)
{
        if (memory->region_count > SOFT_REGION_MAX - REGIONS_SPARE && !forget_regions(memory, error))
                return false;
        if (memory->long_mode != long_mode) {
                soft_memory_drop(memory);
                memory->long_mode = long_mode;
        }
        *root = TABLES_BASE;
        if (!memory->stale[engine])
                return true;
        /* the library flushes its TLB when a page's protection changes, and offers no other way */
        memory->flusher_writable[engine] = !memory->flusher_writable[engine];
        uint32_t protection = memory->flusher_writable[engine] ? UC_PROT_READ | UC_PROT_WRITE : UC_PROT_READ;
        const struct soft_engine *flushed = memory->engine[engine];
        uc_err status = flushed->unicorn.mem_protect(flushed->handle, FLUSHER, HWACCL_PAGE_SIZE, protection);
        if (status != UC_ERR_OK)
                return engine_refuses(memory, error, "flush its TLB", FLUSHER, status);
        memory->stale[engine] = false;
        return true;
}

static unsigned top_level(const struct soft_memory *memory)
{
        return memory->long_mode ? 4 : 3;
}

static size_t index_at(uint64_t linear, unsigned level)
{
        return (linear >> (12 + 9 * (level - 1))) & 511;
}

static uint64_t *table_of(const struct soft_memory *memory, uint64_t entry)
{
        return memory->tables + ((entry & ENTRY_ADDRESS) - TABLES_BASE) / sizeof(uint64_t);
}

/* The table of level 1 or 2 that has an address's entry; grows the tree. NULL: no table left. */
static uint64_t *grow(struct soft_memory *memory, uint64_t linear, unsigned bottom)
{
        uint64_t *table = memory->tables;

        for (unsigned level = top_level(memory); level > bottom; level--) {
                uint64_t *entry = &table[index_at(linear, level)];
                if (!(*entry & ENTRY_PRESENT)) {
                        if (memory->tables_used == TABLES_COUNT)
                                return NULL;
                        *entry = TABLES_BASE + (uint64_t)memory->tables_used++ * HWACCL_PAGE_SIZE + ENTRY_PRESENT;
                        if (level < 3 || memory->long_mode) /* pointers of three-level tables have no rights */
                                *entry |= ENTRY_WRITABLE | ENTRY_USED;
                } else if (*entry & ENTRY_LARGE) {
                        return table;
                }
                table = table_of(memory, *entry);
        }
        return table;
}

static bool put_entry(struct soft_memory *memory, uint64_t linear, bool large, uint64_t rights)
{
        unsigned level = large ? 2 : 1;
        uint64_t *table = grow(memory, linear, level);

        if (!table) {
                soft_memory_drop(memory);
                table = grow(memory, linear, level);
        }
        uint64_t *entry = &table[index_at(linear, level)];
        if (large && (*entry & ENTRY_PRESENT) && !(*entry & ENTRY_LARGE))
                return put_entry(memory, linear, false, rights); /* small pages are there already */
        /* The engine accesses memory at the linear address whatever the entry says; the address bits that do not fit
         * are of no use to it. */
        uint64_t mask = large ? ~(LARGE_PAGE - 1) : ~(uint64_t)(HWACCL_PAGE_SIZE - 1);
        *entry = (linear & mask & ENTRY_ADDRESS) | rights | ENTRY_USED | (large ? ENTRY_LARGE : 0);
        return true;
}

bool soft_memory_map(struct soft_memory *memory, uint64_t linear, uint8_t *host, uint64_t run_start, uint64_t run_end,
                     bool writable, bool executable, uint64_t page_size, struct hwaccl_error *error)
{
        struct soft_region *region = region_at(memory, linear);

        if (!region || !region->host || region->host + (linear - region->linear) != host) {
                if (run_start < RESERVED_END && run_end > TABLES_BASE)
                        return hwaccl_error_set(error, "the guest maps memory at linear address 0x%" PRIx64 SOFT_ADVICE,
                                                TABLES_BASE);
                uint64_t run_last = run_end - 1;
                keep_last_page_apart(linear, &run_start, &run_last);
                run_end = run_last + 1;
                if (!carve(memory, run_start, run_end - run_start, error) ||
                    !add_region(memory, run_start, run_end - run_start, host - (linear - run_start), error))
                        return false;
                /* what the tables said of the regions that went away does not hold any more */
                soft_memory_drop(memory);
                region = region_at(memory, linear);
        }
        uint64_t large = linear & ~(LARGE_PAGE - 1);
        bool fits = page_size >= LARGE_PAGE && large >= region->linear &&
                    large - region->linear + LARGE_PAGE <= region->size && large >= run_start &&
                    large + LARGE_PAGE <= run_end;
        return put_entry(memory, linear, fits,
                         ENTRY_PRESENT | (writable ? ENTRY_WRITABLE : 0) | (executable ? 0 : ENTRY_NX));
}

const uint8_t *soft_memory_code(struct soft_memory *memory, uint64_t linear, uint64_t *rest)
{
        const struct soft_region *region = region_at(memory, linear);
        if (!region || !region->host)
                return NULL;
        *rest = region->size - (linear - region->linear);
        return region->host + (linear - region->linear);
}
