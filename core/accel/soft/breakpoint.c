#include "core/accel/soft/breakpoint.h"

#include "core/exit/control_register.h"
#include "core/exit/registers.h"
#include "hwaccl/exit_reason.h"

#include <string.h>

#define COUNT            4u
#define ADDRESS_COMPARED UINT64_C(0xffffffffff) /* of an access, the engine keeps these bits */
#define INFORMATION_DB   UINT64_C(0x80000301)   /* valid, a hardware exception, vector 1 */
#define CODE_BYTES       15u

enum { ON_EXECUTION, ON_WRITE, ON_PORT, ON_ACCESS };

static bool is_enabled(const struct hwaccl_breakpoints *breakpoints, unsigned number)
{
        return breakpoints->dr7 >> 2 * number & 3;
}

static unsigned condition_of(const struct hwaccl_breakpoints *breakpoints, unsigned number)
{
        return breakpoints->dr7 >> (16 + 4 * number) & 3;
}

/* 1, 2, 8 or 4 bytes; the address is taken as if aligned to them. */
static unsigned size_of(const struct hwaccl_breakpoints *breakpoints, unsigned number)
{
        static const uint8_t sizes[4] = {1, 2, 8, 4};

        return sizes[breakpoints->dr7 >> (18 + 4 * number) & 3];
}

static bool is_data(const struct hwaccl_breakpoints *breakpoints, unsigned number)
{
        unsigned condition = condition_of(breakpoints, number);

        return is_enabled(breakpoints, number) && (condition == ON_WRITE || condition == ON_ACCESS);
}

static bool is_code(const struct hwaccl_breakpoints *breakpoints, unsigned number)
{
        return is_enabled(breakpoints, number) && condition_of(breakpoints, number) == ON_EXECUTION;
}

static uint64_t page_of(uint64_t address)
{
        return address & ~(uint64_t)(HWACCL_PAGE_SIZE - 1);
}

static void on_access(uc_engine *engine, uc_mem_type type, uint64_t address, int size, int64_t value, void *opaque)
{
        struct soft *soft = opaque;
        const struct hwaccl_breakpoints *armed = &soft->watch.armed;
        (void)engine;
        (void)value;

        for (unsigned i = 0; i < COUNT; i++) {
                unsigned length = size_of(armed, i);
                uint64_t start = armed->address[i] & ~(uint64_t)(length - 1) & ADDRESS_COMPARED;
                bool matches = type == UC_MEM_WRITE || condition_of(armed, i) == ON_ACCESS;
                if (is_data(armed, i) && matches && (address & ADDRESS_COMPARED) < start + length &&
                    start < (address & ADDRESS_COMPARED) + (uint64_t)size)
                        soft->watch.met |= UINT64_C(1) << i;
        }
}

static bool forget_translations(struct soft *soft, struct soft_cpu *cpu, uint64_t from, uint64_t to)
{
        const struct soft_engine *engine = &cpu->engine;
        uc_err status = engine->unicorn.ctl(engine->handle, UC_CTL_WRITE(UC_CTL_TB_REMOVE_CACHE, 2), from, to);

        return status == UC_ERR_OK ||
               hwaccl_error_set(soft->error, "the soft accelerator cannot drop translated code: %s",
                                engine->unicorn.strerror(status));
}

static bool set_hook(struct soft *soft)
{
        const struct soft_engine *engine = &soft->cpu->engine;
        uc_err status =
                engine->unicorn.hook_add(engine->handle, &soft->watch.hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE,
                                         (void *)(uintptr_t)on_access, soft, 1, 0);
        if (status != UC_ERR_OK)
                return hwaccl_error_set(soft->error, "the soft accelerator cannot hook its engine: %s",
                                        engine->unicorn.strerror(status));
        soft->watch.hooked = engine;
        return true;
}

static bool remove_hook(struct soft *soft)
{
        const struct soft_engine *engine = soft->watch.hooked;

        soft->watch.hooked = NULL;
        uc_err status = engine ? engine->unicorn.hook_del(engine->handle, soft->watch.hook) : UC_ERR_OK;
        return status == UC_ERR_OK || hwaccl_error_set(soft->error, "the soft accelerator cannot unhook its engine: %s",
                                                       engine->unicorn.strerror(status));
}

bool soft_breakpoint_begin(struct soft *soft, const struct hwaccl_breakpoints *breakpoints)
{
        struct soft_watch *watch = &soft->watch;

        if (watch->open && !soft_breakpoint_close(soft, true))
                return false;
        if (!breakpoints && !watch->armed.dr7)
                return true;
        if (breakpoints && memcmp(breakpoints, &watch->armed, sizeof(watch->armed)) == 0)
                return true;
        watch->armed = breakpoints ? *breakpoints : (struct hwaccl_breakpoints){0};
        watch->has_data = false;
        for (unsigned i = 0; i < COUNT; i++) {
                uint64_t address = watch->armed.address[i];
                watch->has_data |= is_data(&watch->armed, i);
                if (is_code(&watch->armed, i) &&
                    (!soft_scan_hook(&soft->cpus[SOFT_FLAT].scan, address, soft->error) ||
                     !forget_translations(soft, &soft->cpus[SOFT_FLAT], address, address + 1)))
                        return false;
        }
        soft_memory_drop(&soft->memory); /* of pages that are watched now, or were */
        return true;
}

/* RF holds for one instruction, and in the engine until the block ends that it begins. A load of SS holds back. */
bool soft_breakpoint_reached(struct soft *soft, uint64_t address, uint64_t rflags)
{
        const struct hwaccl_breakpoints *armed = &soft->watch.armed;
        bool resumes = (rflags & RFLAGS_RF) && address == soft->address;
        uint64_t met = 0;

        if (!armed->dr7 || resumes || soft->blocking == HWACCL_INTERRUPTIBILITY_MOV_SS)
                return false;
        for (unsigned i = 0; i < COUNT; i++)
                if (is_code(armed, i) && armed->address[i] == address)
                        met |= UINT64_C(1) << i;
        soft->watch.met = met;
        return met;
}

bool soft_breakpoint_watches(const struct soft *soft, uint64_t linear)
{
        const struct soft_watch *watch = &soft->watch;

        if (!watch->has_data)
                return false;
        for (unsigned i = 0; i < COUNT; i++)
                if (is_data(&watch->armed, i) && page_of(watch->armed.address[i]) == page_of(linear))
                        return true;
        return false;
}

enum soft_result soft_breakpoint_open(struct soft *soft, bool *wait)
{
        uint64_t rip = soft->state->cs.base + soft->state->rip;

        soft->step_next = true;
        *wait = !soft->stepping;
        if (*wait || soft->watch.open)
                return SOFT_GO_ON;
        soft->watch.open = true;
        soft->watch.rip = rip;
        /* its translation must be one that calls the hook */
        return set_hook(soft) && forget_translations(soft, soft->cpu, rip, rip + CODE_BYTES) ? SOFT_GO_ON : SOFT_FAILED;
}

bool soft_breakpoint_code_mapped(struct soft *soft, uint64_t linear)
{
        const struct hwaccl_breakpoints *armed = &soft->watch.armed;

        for (unsigned i = 0; armed->dr7 && i < COUNT; i++)
                if (is_code(armed, i) && page_of(armed->address[i]) == page_of(linear) &&
                    !forget_translations(soft, &soft->cpus[SOFT_FLAT], armed->address[i], armed->address[i] + 1))
                        return false;
        return true;
}

bool soft_breakpoint_close(struct soft *soft, bool stepped)
{
        if (!soft->watch.open)
                return true;
        if (!stepped && soft->state->cs.base + soft->state->rip == soft->watch.rip) {
                soft->step_next = true; /* another page was missing */
                return true;
        }
        soft->watch.open = false;
        soft_memory_drop(&soft->memory);
        return remove_hook(soft);
}

enum soft_result soft_breakpoint_exit(struct soft *soft, uint64_t conditions)
{
        enum soft_result result = soft_exit(soft, HWACCL_EXIT_EXCEPTION_OR_NMI, conditions | soft->watch.held, 0);

        soft->state->interrupt_information = INFORMATION_DB;
        soft->watch.met = 0;
        soft->watch.held = 0;
        return result;
}
