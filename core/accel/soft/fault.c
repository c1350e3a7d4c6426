#include "core/accel/soft/fault.h"

#include "core/accel/soft/breakpoint.h"
#include "core/accel/soft/interrupt.h"
#include "core/exit/registers.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <string.h>

#define QUALIFICATION_READ          (1u << 0)
#define QUALIFICATION_WRITE         (1u << 1)
#define QUALIFICATION_FETCH         (1u << 2)
#define QUALIFICATION_READABLE      (1u << 3)
#define QUALIFICATION_EXECUTABLE    (1u << 5)
#define QUALIFICATION_LINEAR_VALID  (1u << 7)
#define QUALIFICATION_LINEAR_ACCESS (1u << 8) /* of the translated address, not of a paging structure */

#define LARGE_PAGE UINT64_C(0x200000)
/* How many pages around a new one are looked at, so that long runs become one region of the engine. */
#define RUN_PAGES 65536u

static uint64_t page_of(uint64_t address)
{
        return address & ~(uint64_t)(HWACCL_PAGE_SIZE - 1);
}

enum soft_touch { SOFT_TOUCH_READ, SOFT_TOUCH_WRITE, SOFT_TOUCH_FETCH };

#define ERROR_WRITE (1u << 1)
#define ERROR_FETCH (1u << 4)

static enum soft_touch touch_of(const struct soft *soft)
{
        uint32_t error_code = soft_engine_error_code(&soft->cpu->engine);
        if (error_code & ERROR_FETCH)
                return SOFT_TOUCH_FETCH;
        return error_code & ERROR_WRITE ? SOFT_TOUCH_WRITE : SOFT_TOUCH_READ;
}

/* Memory that the guest reaches at a physical address; NULL: none, or a device lies over it. */
static const struct hwaccl_memory_run *memory_at(const struct soft *soft, uint64_t physical)
{
        if (soft->covered_page && page_of(physical) == soft->covered_page)
                return NULL;
        return hwaccl_guest_memory_find(soft->memory.guest, physical);
}

void soft_fault_cover(struct soft *soft, uint64_t device_page)
{
        uint64_t covered = hwaccl_guest_memory_find(soft->memory.guest, device_page) ? device_page : 0;

        soft->device_page = device_page;
        if (covered != soft->covered_page)
                soft_memory_drop(&soft->memory);
        soft->covered_page = covered;
}

/* The engine translates a whole block before it runs it, so a fetch can fault too early: step up to it first. */
static bool too_early(struct soft *soft, uint64_t linear, enum soft_touch touch)
{
        bool early = touch == SOFT_TOUCH_FETCH && !soft->stepping &&
                     page_of(soft->state->cs.base + soft->state->rip) != page_of(linear);
        soft->step_next |= early;
        return early;
}

static enum soft_result violation(struct soft *soft, uint64_t address, enum soft_touch touch)
{
        struct hwaccl_subject_state *state = soft->state;
        uint64_t qualification = QUALIFICATION_LINEAR_VALID | QUALIFICATION_LINEAR_ACCESS;
        uint64_t length = 0;

        if (memory_at(soft, address)) /* ROM */
                qualification |= QUALIFICATION_READABLE | QUALIFICATION_EXECUTABLE;
        switch (touch) {
        case SOFT_TOUCH_WRITE: qualification |= QUALIFICATION_WRITE; break;
        case SOFT_TOUCH_FETCH: qualification |= QUALIFICATION_FETCH; break;
        default: qualification |= QUALIFICATION_READ; break;
        }
        if (touch != SOFT_TOUCH_FETCH)
                length = soft_scan_length(&soft->cpu->scan, state->cs.base + state->rip, soft->bits);
        state->guest_physical_address = address;
        return soft_exit(soft, HWACCL_EXIT_EPT_VIOLATION, qualification, length);
}

/* How far the guest's mapping is contiguous around one translation, within one run of memory. */
struct extent {
        uint64_t start;
        uint64_t end;
};

static struct extent extent_of(const struct soft *soft, const struct hwaccl_machine_context *context, uint64_t linear,
                               const struct hwaccl_translation *here, const struct hwaccl_memory_run *run)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        uint64_t size = here->page_size;
        uint64_t base = linear & ~(size - 1);
        uint64_t offset = here->physical - linear; /* modulo 2^64: physical is linear plus offset all along */
        uint64_t limit = run->address + run->size;
        struct extent extent = {base, base + size};
        struct hwaccl_translation other;
        struct hwaccl_exception exception;

        for (unsigned i = 0; i < RUN_PAGES && extent.end + offset < limit && extent.end != 0; i++) {
                if (!hwaccl_page_walk(context, &memory, extent.end, HWACCL_ACCESS_READ, &other, &exception) ||
                    other.physical != extent.end + offset)
                        break;
                extent.end = (extent.end & ~(other.page_size - 1)) + other.page_size;
        }
        for (unsigned i = 0; i < RUN_PAGES && extent.start + offset > run->address && extent.start != 0; i++) {
                uint64_t before = extent.start - 1;
                if (!hwaccl_page_walk(context, &memory, before, HWACCL_ACCESS_READ, &other, &exception) ||
                    other.physical != before + offset)
                        break;
                extent.start = before & ~(other.page_size - 1);
        }
        /* large pages may reach beyond the run at either end */
        if (extent.end + offset > limit || extent.end + offset < run->address)
                extent.end = limit - offset;
        if (extent.start + offset < run->address || extent.start + offset > limit)
                extent.start = run->address - offset;
        return extent;
}

/* Let the guest touch a page of memory, one with a data breakpoint for one instruction only. */
static enum soft_result map(struct soft *soft, uint64_t linear, uint8_t *host, const struct extent *extent,
                            bool writable, bool executable, uint64_t page_size)
{
        bool wait = false;

        if (soft_breakpoint_watches(soft, linear) && (soft_breakpoint_open(soft, &wait) != SOFT_GO_ON || wait))
                return wait ? SOFT_GO_ON : SOFT_FAILED;
        if (!soft_memory_map(&soft->memory, linear, host, extent->start, extent->end, writable, executable,
                             soft->watch.has_data || soft->covered_page ? HWACCL_PAGE_SIZE : page_size, soft->error))
                return SOFT_FAILED;
        return soft_breakpoint_code_mapped(soft, linear) ? SOFT_GO_ON : SOFT_FAILED;
}

static enum soft_result map_flat(struct soft *soft, uint64_t linear, enum soft_touch touch)
{
        const struct hwaccl_memory_run *run = memory_at(soft, linear);

        if (!run || (touch == SOFT_TOUCH_WRITE && !run->writable))
                return too_early(soft, linear, touch) ? SOFT_GO_ON : violation(soft, linear, touch);
        const struct extent extent = {run->address, run->address + run->size};
        return map(soft, linear, run->host + (linear - run->address), &extent, run->writable, true, LARGE_PAGE);
}

static enum soft_result map_paged(struct soft *soft, uint64_t linear, enum soft_touch touch)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        struct hwaccl_machine_context context;
        struct hwaccl_translation translation;
        struct hwaccl_exception exception;
        unsigned access = HWACCL_ACCESS_READ;

        if (!soft_context(soft, &context))
                return SOFT_FAILED;
        if (touch == SOFT_TOUCH_WRITE)
                access = HWACCL_ACCESS_WRITE;
        else if (touch == SOFT_TOUCH_FETCH)
                access = HWACCL_ACCESS_EXECUTE;
        if (!hwaccl_page_walk(&context, &memory, linear, access | HWACCL_ACCESS_SET_ACCESSED, &translation,
                              &exception)) {
                if (too_early(soft, linear, touch))
                        return SOFT_GO_ON;
                soft->state->cr2 = linear;
                return soft_deliver_exception(soft, exception.vector, exception.has_error_code, exception.error_code);
        }
        const struct hwaccl_memory_run *run = memory_at(soft, translation.physical);
        if (!run || (touch == SOFT_TOUCH_WRITE && !run->writable))
                return too_early(soft, linear, touch) ? SOFT_GO_ON : violation(soft, translation.physical, touch);
        uint8_t *host = run->host + (translation.physical - run->address);
        uint64_t rest;
        struct extent extent;
        if (soft_memory_code(&soft->memory, linear, &rest) == host) {
                /* the region is there; entries may be as large as the guest's page */
                extent.start = linear & ~(translation.page_size - 1);
                extent.end = extent.start + translation.page_size;
        } else {
                extent = extent_of(soft, &context, linear, &translation, run);
        }
        bool writable = translation.writable && translation.dirty && run->writable;
        return map(soft, linear, host, &extent, writable, translation.executable, translation.page_size);
}

enum soft_result soft_fault(struct soft *soft, uint64_t linear)
{
        enum soft_touch touch = touch_of(soft);

        return soft->state->cr0 & HWACCL_CR0_PG ? map_paged(soft, linear, touch) : map_flat(soft, linear, touch);
}

/* Where an access leaves memory, or for a write reaches ROM: at its first byte, or at the first of its second page. */
static uint64_t outside_address(struct soft *soft, const struct hwaccl_machine_context *context, uint64_t linear,
                                unsigned size, unsigned access)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        const uint64_t starts[2] = {linear, page_of(linear + size - 1)};
        struct hwaccl_translation translation = {.physical = linear};
        struct hwaccl_exception exception;

        for (unsigned i = 0; i < 2; i++) {
                if (!hwaccl_page_walk(context, &memory, starts[i], access, &translation, &exception))
                        break;
                const struct hwaccl_memory_run *run = memory_at(soft, translation.physical);
                if (!run || ((access & HWACCL_ACCESS_WRITE) && !run->writable))
                        break;
        }
        return translation.physical;
}

enum soft_result soft_access_failed(struct soft *soft, enum hwaccl_segment_register segment, uint64_t offset,
                                    unsigned size, bool write, const struct hwaccl_exception *exception)
{
        unsigned access = write ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ;
        struct hwaccl_machine_context context;
        struct hwaccl_exception unused;
        uint64_t linear;

        if (exception->vector) {
                if (exception->vector == HWACCL_VECTOR_PF)
                        soft->state->cr2 = exception->fault_address;
                return soft_deliver_exception(soft, exception->vector, exception->has_error_code,
                                              exception->error_code);
        }
        if (!soft_context(soft, &context) ||
            !hwaccl_segment_translate(&context, segment, offset, size, access, &linear, &unused))
                return SOFT_FAILED;
        return violation(soft, outside_address(soft, &context, linear, size, access),
                         write ? SOFT_TOUCH_WRITE : SOFT_TOUCH_READ);
}
