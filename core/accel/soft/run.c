/* Running the guest until it exits: the loop around the engine, its callbacks, and the accelerator's interface. */
#include "core/accel/soft/abort.h"
#include "core/accel/soft/breakpoint.h"
#include "core/accel/soft/canonical.h"
#include "core/accel/soft/check.h"
#include "core/accel/soft/cover.h"
#include "core/accel/soft/fault.h"
#include "core/accel/soft/floating_point.h"
#include "core/accel/soft/interrupt.h"
#include "core/accel/soft/permit.h"
#include "core/accel/soft/site.h"
#include "core/assert.h"
#include "core/exit/registers.h"
#include "core/irq/trap_manager.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The virtual clock: 4 ns for a block of code (some five instructions), 1000 ns for an exit, which lets loops that
 * poll a port end. */
#define BLOCK_NS UINT64_C(4)
#define EXIT_NS  UINT64_C(1000)

#define FETCH_FAULT    (1u << 4) /* in the error code of a page fault */
#define CLOCK_INTERVAL 256u      /* blocks between two looks at the host's clock; a power of two */

/* A processor goes on at linear address 0. Unicorn goes on above 4 GiB, and reads there without a look at page tables.
 * It translates further than what runs next, so step up to the end first. */
static bool past_4_gib(struct soft *soft)
{
        return hwaccl_error_set(soft->error,
                                "the guest ran past 4 GiB (code segment at %" PRIx64
                                "), which the soft accelerator does "
                                "not do; use --accel kvm",
                                soft->state->cs.base);
}

static void on_block(uc_engine *engine, uint64_t address, uint32_t size, void *opaque)
{
        struct soft *soft = opaque;
        (void)engine;

        if (soft->stop != SOFT_STOP_NONE)
                return;
        soft->address = address;
        uint8_t segments = 0;
        const struct soft_aligned *aligned = NULL;
        enum soft_scan_result scanned =
                soft_scan_block(&soft->cpu->scan, address, size, soft->bits, &segments, &aligned, soft->error);
        if (scanned != SOFT_SCAN_KNOWN) {
                soft_stop(soft, scanned == SOFT_SCAN_AGAIN ? SOFT_STOP_RESCAN : SOFT_STOP_ERROR);
                return;
        }
        if (atomic_load_explicit(&soft->kicked, memory_order_relaxed)) {
                soft_stop(soft, SOFT_STOP_KICK);
                return;
        }
        if (soft->blocks >= soft->block_limit ||
            (soft->deadline_ns != UINT64_MAX && soft->blocks % CLOCK_INTERVAL == 0 &&
             soft->clock(soft->clock_opaque) >= soft->deadline_ns)) {
                soft_stop(soft, SOFT_STOP_DEADLINE);
                return;
        }
        if (!soft_check_block(soft, address, size, segments))
                return;
        if (aligned && !soft_check_aligned(soft, address, aligned))
                return;
        soft->blocks++;
        if (soft->blocking && ++soft->blocking_blocks > 1)
                soft->blocking = 0;
}

static void on_exception(uc_engine *engine, uint32_t vector, void *opaque)
{
        struct soft *soft = opaque;
        (void)engine;

        soft->vector = (uint8_t)vector;
        soft_stop(soft, SOFT_STOP_EXCEPTION);
}

/* An access where no region is. With a placeholder there, it goes on to the page tables, and faults. */
static bool on_unmapped(uc_engine *engine, uc_mem_type type, uint64_t address, int size, int64_t value, void *opaque)
{
        struct soft *soft = opaque;
        bool past = soft->bits != 64 && address > UINT32_MAX;
        (void)engine;
        (void)size;
        (void)value;

        if (past && type == UC_MEM_FETCH_UNMAPPED && !soft->stepping) {
                soft_stop(soft, SOFT_STOP_AHEAD);
                return false;
        }
        if (past ? past_4_gib(soft) : soft_memory_add_placeholder(&soft->memory, address, soft->error))
                return true;
        soft_stop(soft, SOFT_STOP_ERROR);
        return false;
}

static uint64_t virtual_ns(const struct soft *soft)
{
        return soft->blocks * BLOCK_NS + soft->exits * EXIT_NS;
}

static void set_deadline(struct soft *soft, uint64_t deadline_ns)
{
        soft->block_limit = UINT64_MAX;
        soft->deadline_ns = UINT64_MAX;
        if (soft->clock) {
                soft->deadline_ns = deadline_ns;
        } else if (deadline_ns != UINT64_MAX) {
                uint64_t spent = soft->exits * EXIT_NS;
                soft->block_limit = deadline_ns <= spent ? 0 : (deadline_ns - spent + BLOCK_NS - 1) / BLOCK_NS;
        }
}

static bool deadline_passed(const struct soft *soft)
{
        if (soft->deadline_ns != UINT64_MAX)
                return soft->clock(soft->clock_opaque) >= soft->deadline_ns;
        return soft->blocks >= soft->block_limit;
}

static enum soft_result take_interrupt(struct soft *soft, struct hwaccl_pending_interrupts *pending, uint8_t vector)
{
        struct hwaccl_event event = {.kind = HWACCL_EVENT_EXTERNAL, .exception.vector = vector};

        hwaccl_pending_interrupts_clear(pending, vector);
        if (vector == HWACCL_VECTOR_NMI)
                soft->nmi_blocked = true;
        return soft_deliver(soft, &event);
}

/* What comes before the next instruction: asynchronous exits, interrupts, the interrupt window, the timer. */
static enum soft_result before_instruction(struct soft *soft, struct hwaccl_pending_interrupts *pending,
                                           const struct hwaccl_run_request *request)
{
        for (;;) {
                if (soft->watch.held && soft->blocking != HWACCL_INTERRUPTIBILITY_MOV_SS)
                        return soft_breakpoint_exit(soft, 0); /* INT or a fault ended it */
                int highest = hwaccl_pending_interrupts_highest(pending);
                int vector = highest == HWACCL_VECTOR_NMI ? -1 : highest;
                bool nmi = hwaccl_pending_interrupts_test(pending, HWACCL_VECTOR_NMI);
                bool enabled = soft->state->rflags & RFLAGS_IF;

                if (atomic_exchange_explicit(&soft->kicked, false, memory_order_acquire))
                        return soft_exit(soft, HWACCL_EXIT_EXTERNAL_INTERRUPT, 0, 0);
                bool takes_nmi = nmi && !soft->nmi_blocked && !soft->blocking;
                if (takes_nmi || (enabled && !soft->blocking && vector >= 0)) {
                        uint8_t taken = takes_nmi ? HWACCL_VECTOR_NMI : (uint8_t)vector;
                        enum soft_result result = take_interrupt(soft, pending, taken);
                        if (result != SOFT_GO_ON)
                                return result;
                        continue;
                }
                if (enabled && !soft->blocking && request->interrupt_window)
                        return soft_exit(soft, HWACCL_EXIT_INTERRUPT_WINDOW, 0, 0);
                if (deadline_passed(soft))
                        return soft_exit(soft, HWACCL_EXIT_PREEMPTION_TIMER, 0, 0);
                soft->wanted = vector >= 0 || request->interrupt_window;
                soft->nmi_waits = nmi && soft->nmi_blocked;
                if ((soft->wanted && enabled) || (nmi && !soft->nmi_blocked))
                        soft->step_next = true; /* the blocking ends behind the next instruction */
                return SOFT_GO_ON;
        }
}

/* After the engine stopped: take its trap flag back, and see whether blocking by STI or MOV SS has ended. */
static void settle(struct soft *soft, bool guest_traps)
{
        struct hwaccl_subject_state *state = soft->state;
        /* Stopped by a hook before an instruction or a block: the engine's RIP may be that of the block, or of the one
         * before that jumped straight into it. */
        if (soft->stop != SOFT_STOP_NONE && soft->stop != SOFT_STOP_EXCEPTION && soft->stop != SOFT_STOP_AHEAD &&
            soft->stop != SOFT_STOP_ABORT && soft->stop != SOFT_STOP_ERROR) {
                state->rip = soft->address - state->cs.base;
        }
        if (soft->bits != 64)
                state->rip &= UINT32_MAX;
        bool stepped = soft->stop == SOFT_STOP_EXCEPTION && soft->vector == HWACCL_VECTOR_DB;

        if (soft->stepping && !guest_traps && !(stepped && soft->step_keeps_trap))
                state->rflags &= ~RFLAGS_TF;
        bool left = soft->blocking_blocks > 1 || state->cs.base + state->rip != soft->blocking_rip;
        if (left || (stepped && !soft->blocking_began))
                soft->blocking = 0;
        if (soft->blocking == HWACCL_INTERRUPTIBILITY_MOV_SS)
                soft->watch.held |= soft->watch.met; /* until the next instruction is done */
}

static bool has_error_code(uint8_t vector)
{
        return vector == HWACCL_VECTOR_DF || (vector >= HWACCL_VECTOR_TS && vector <= HWACCL_VECTOR_PF) ||
               vector == HWACCL_VECTOR_AC;
}

static enum soft_result segment_fault(struct soft *soft, uint8_t vector)
{
        return soft_deliver_exception(soft, vector, soft->protected_mode, 0);
}

/* Beyond the code segment's limit; only the checked engine has one. */
static bool beyond_code(const struct soft *soft, uint64_t offset)
{
        return soft->cpu->scan.checked && offset > soft->state->cs.limit;
}

/* The limit comes before the page. The engine fetches further than what runs next, so step up to it first. */
static enum soft_result take_page_fault(struct soft *soft, uint64_t address)
{
        bool fetch = soft_engine_error_code(&soft->cpu->engine) & FETCH_FAULT;

        if (!fetch || !beyond_code(soft, (uint32_t)(address - soft->state->cs.base)))
                return soft_fault(soft, address);
        if (soft->stepping)
                return segment_fault(soft, HWACCL_VECTOR_GP);
        soft->step_next = true;
        return SOFT_GO_ON;
}

/* A step ends behind a branch, whose target is then not fetched yet. */
static bool leaves_canonical(const struct soft *soft, uint8_t vector)
{
        if (vector == HWACCL_VECTOR_DB)
                return !address_is_canonical(soft->state->rip);
        return vector == HWACCL_VECTOR_GP && soft_engine_error_code(&soft->cpu->engine) == 0;
}

static enum soft_result take_exception(struct soft *soft, uint64_t fault_address, bool guest_traps)
{
        uint8_t vector = soft->vector;

        if (vector == HWACCL_VECTOR_PF)
                return take_page_fault(soft, fault_address);
        if (soft->bits == 64 && leaves_canonical(soft, vector))
                return soft_canonical_fault(soft);
        if (vector == HWACCL_VECTOR_DB) {
                uint64_t met = soft->watch.met | soft->watch.held;
                bool ours = soft->stepping && !guest_traps;
                if (ours && !met)
                        return SOFT_GO_ON;
                if (soft->blocking == HWACCL_INTERRUPTIBILITY_MOV_SS)
                        return SOFT_GO_ON;
                return soft_breakpoint_exit(soft, met | (ours ? 0 : HWACCL_DR6_BS));
        }
        return soft_deliver_exception(soft, vector, has_error_code(vector), soft_engine_error_code(&soft->cpu->engine));
}

static bool add_hooks(struct soft *soft, struct soft_cpu *cpu, struct hwaccl_error *error)
{
        const struct {
                int type;
                void *callback;
        } hooks[] = {
                {UC_HOOK_BLOCK, (void *)(uintptr_t)on_block},
                {UC_HOOK_INTR, (void *)(uintptr_t)on_exception},
                {UC_HOOK_MEM_UNMAPPED, (void *)(uintptr_t)on_unmapped},
                {UC_HOOK_CODE, (void *)(uintptr_t)soft_site_hook}, /* of the checked engine: the only one of its type,
                                                                      which the engine calls straight away */
        };
        size_t count = sizeof(hooks) / sizeof(hooks[0]) - (cpu->scan.checked ? 0 : 1);

        for (size_t i = 0; i < count; i++) {
                uc_hook hook;
                uc_err status = cpu->engine.unicorn.hook_add(cpu->engine.handle, &hook, hooks[i].type,
                                                             hooks[i].callback, soft, 1, 0);
                if (status != UC_ERR_OK)
                        return hwaccl_error_set(error, "the soft accelerator cannot hook its engine: %s",
                                                cpu->engine.unicorn.strerror(status));
        }
        return true;
}

/* The library cannot be called again in an engine that a call was given up in. */
static bool replace_engine(struct soft *soft)
{
        unsigned number = (unsigned)(soft->cpu - soft->cpus);
        bool checked = soft->cpu->scan.checked;
        struct soft_cpu fresh = {0};

        if (!soft_engine_open_another(&fresh.engine, &soft->cpu->engine, soft->error)) {
                soft_engine_close(&fresh.engine);
                return false;
        }
        soft_engine_take_over(&fresh.engine, &soft->cpu->engine);
        soft_engine_close(&soft->cpu->engine);
        soft_scan_close(&soft->cpu->scan);
        soft->site = NULL;
        *soft->cpu = fresh;
        return soft_memory_replace(&soft->memory, number, soft->error) &&
               soft_scan_open(&soft->cpu->scan, &soft->cpu->engine, &soft->memory, soft_site_hook, soft, checked,
                              soft->error) &&
               add_hooks(soft, soft->cpu, soft->error);
}

static enum soft_result after_stop(struct soft *soft, uc_err status, uint64_t fault_address, bool guest_traps)
{
        if (soft->stop != SOFT_STOP_RESCAN && soft->stop != SOFT_STOP_SWITCH)
                soft->permitted = SOFT_PERMITTED_NONE;
        switch (soft->stop) {
        case SOFT_STOP_RESCAN:
        case SOFT_STOP_SWITCH: soft->step_next = soft->stepping; return SOFT_GO_ON;
        case SOFT_STOP_AHEAD:
        case SOFT_STOP_FETCH: soft->step_next = true; return SOFT_GO_ON;
        case SOFT_STOP_BRANCH:
                soft->step_next = soft_check_branch(soft);
                return soft->step_next ? SOFT_GO_ON : segment_fault(soft, HWACCL_VECTOR_GP);
        case SOFT_STOP_SEGMENT: return segment_fault(soft, soft->vector);
        case SOFT_STOP_SITE: return soft_site_run(soft);
        case SOFT_STOP_STEP: soft->step_next = true; return SOFT_GO_ON;
        case SOFT_STOP_BREAKPOINT: return soft_breakpoint_exit(soft, soft->watch.met);
        case SOFT_STOP_EXCEPTION: return take_exception(soft, fault_address, guest_traps);
        case SOFT_STOP_ABORT: return replace_engine(soft) && soft_abort_find(soft) ? SOFT_GO_ON : SOFT_FAILED;
        case SOFT_STOP_KICK: return SOFT_GO_ON; /* the flag is still set */
        case SOFT_STOP_DEADLINE: return soft_exit(soft, HWACCL_EXIT_PREEMPTION_TIMER, 0, 0);
        case SOFT_STOP_ERROR: return SOFT_FAILED;
        default: break;
        }
        if (status == UC_ERR_INSN_INVALID)
                return soft_deliver_exception(soft, HWACCL_VECTOR_UD, false, 0);
        if (status == UC_ERR_OK)
                return SOFT_GO_ON;
        hwaccl_error_set(soft->error,
                         "the soft accelerator's engine failed at %04" PRIx64 ":%08" PRIx64 ": %s; use --accel kvm",
                         soft->state->cs.selector, soft->state->rip, soft->cpu->engine.unicorn.strerror(status));
        return SOFT_FAILED;
}

static enum soft_result run_engine(struct soft *soft)
{
        struct hwaccl_subject_state *state = soft->state;
        bool guest_traps = state->rflags & RFLAGS_TF;
        uint64_t fault_address, root;

        if (!(state->efer & HWACCL_EFER_LMA) && state->cs.base + state->rip > UINT32_MAX) {
                (void)past_4_gib(soft);
                return SOFT_FAILED;
        }
        soft_check_begin(soft);
        if (beyond_code(soft, state->rip))
                return segment_fault(soft, HWACCL_VECTOR_GP);
        if (soft_abort_reached(soft))
                return soft_deliver_exception(soft, HWACCL_VECTOR_UD, false, 0);
        struct soft_engine *engine = &soft->cpu->engine;
        soft->stepping = soft->step_next || soft->watch.held;
        soft->step_next = false;
        soft->step_keeps_trap = false;
        soft->stop = SOFT_STOP_NONE;
        soft->watch.met = 0;
        soft->blocking_blocks = 0;
        soft->blocking_began = false;
        if (!soft_memory_prepare(&soft->memory, soft->cpu == &soft->cpus[SOFT_CHECKED], state->efer & HWACCL_EFER_LMA,
                                 &root, soft->error) ||
            !soft_engine_load(engine, state, root, soft->stepping, soft->error))
                return SOFT_FAILED;
        soft->bits = soft_engine_bits(engine);
        uc_err status = soft_abort_start(soft);
        if (!soft_engine_store(engine, state, &fault_address, soft->stop == SOFT_STOP_ERROR ? NULL : soft->error))
                return SOFT_FAILED;
        soft->not_taken = false;
        settle(soft, guest_traps);
        state->interruptibility = soft_interruptibility(soft);
        bool stepped = soft->stop == SOFT_STOP_EXCEPTION && soft->vector == HWACCL_VECTOR_DB;
        if (soft->watch.open && !soft_breakpoint_close(soft, stepped))
                return SOFT_FAILED;
        return after_stop(soft, status, fault_address, guest_traps);
}

static bool run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                struct hwaccl_error *error)
{
        struct soft *soft = (struct soft *)accel;
        enum soft_result result;

        soft->state = state;
        soft->error = error;
        soft->blocking = state->interruptibility & (HWACCL_INTERRUPTIBILITY_STI | HWACCL_INTERRUPTIBILITY_MOV_SS);
        soft->blocking_rip = state->cs.base + state->rip;
        soft->nmi_blocked = state->interruptibility & HWACCL_INTERRUPTIBILITY_NMI;
        if (((state->cr0 ^ soft->left_cr0) & (HWACCL_CR0_PG | HWACCL_CR0_WP)) || state->cr3 != soft->left_cr3 ||
            state->cr4 != soft->left_cr4 || state->efer != soft->left_efer)
                soft_memory_drop(&soft->memory);
        soft->step_next = false;
        soft->permitted = SOFT_PERMITTED_NONE;
        soft->ahead = false;
        soft->faults.count = 0;
        set_deadline(soft, request->deadline_ns);
        if (request->device_page != soft->device_page)
                soft_fault_cover(soft, request->device_page);
        if (!soft_breakpoint_begin(soft, request->breakpoints))
                return false;
        do {
                result = before_instruction(soft, pending, request);
                soft_cover_settle(soft, result);
                if (result == SOFT_GO_ON)
                        result = run_engine(soft);
                soft_cover_settle(soft, result);
        } while (result == SOFT_GO_ON);
        return result == SOFT_EXITED;
}

static void kick(struct hwaccl_accel *accel)
{
        struct soft *soft = (struct soft *)accel;
        atomic_store_explicit(&soft->kicked, true, memory_order_release);
}

static uint64_t tell_virtual_ns(const struct hwaccl_accel *accel)
{
        return virtual_ns((const struct soft *)accel);
}

static const struct hwaccl_fault_chain *faults(const struct hwaccl_accel *accel)
{
        return &((const struct soft *)accel)->faults;
}

static void destroy(struct hwaccl_accel *accel)
{
        struct soft *soft = (struct soft *)accel;

        for (unsigned i = 0; i < SOFT_CPU_COUNT; i++) {
                soft_engine_close(&soft->cpus[i].engine);
                soft_scan_close(&soft->cpus[i].scan);
        }
        soft_memory_close(&soft->memory);
        free(soft);
}

static bool floating_point_read(struct hwaccl_accel *accel, struct hwaccl_floating_point *state,
                                struct hwaccl_error *error)
{
        return soft_floating_point_read(&((struct soft *)accel)->cpu->engine, state, error);
}

static bool floating_point_write(struct hwaccl_accel *accel, const struct hwaccl_floating_point *state,
                                 struct hwaccl_error *error)
{
        return soft_floating_point_write(&((struct soft *)accel)->cpu->engine, state, error);
}

/* Writes by the handler need no notice: every block's bytes are compared when it is about to run. */
static const struct hwaccl_accel_ops soft_ops = {
        .name = "soft",
        .run = run,
        .kick = kick,
        .virtual_ns = tell_virtual_ns,
        .floating_point_read = floating_point_read,
        .floating_point_write = floating_point_write,
        .faults = faults,
        .destroy = destroy,
};

void hwaccl_accel_soft_recover(struct hwaccl_accel *accel)
{
        struct soft *soft = (struct soft *)accel;

        if (accel->ops == &soft_ops && soft->in_engine)
                siglongjmp(soft->recovery, 1);
}

static bool open_engines(struct soft *soft, struct hwaccl_error *error)
{
        for (unsigned i = 0; i < SOFT_CPU_COUNT; i++) {
                struct soft_engine *engine = &soft->cpus[i].engine;
                if (i == SOFT_FLAT ? !soft_engine_open(engine, error)
                                   : !soft_engine_open_another(engine, &soft->cpus[SOFT_FLAT].engine, error))
                        return false;
                soft->memory.engine[i] = engine;
        }
        return true;
}

static bool open_parts(struct soft *soft, struct hwaccl_guest_memory *memory, struct hwaccl_error *error)
{
        struct soft_cpu *flat = &soft->cpus[SOFT_FLAT], *checked = &soft->cpus[SOFT_CHECKED];
        uint64_t root;

        soft->cpu = flat;
        if (!open_engines(soft, error) || !soft_memory_open(&soft->memory, memory, error))
                return false;
        for (struct soft_cpu *cpu = flat; cpu <= checked; cpu++)
                if (!soft_scan_open(&cpu->scan, &cpu->engine, &soft->memory, soft_site_hook, soft, cpu == checked,
                                    error) ||
                    !add_hooks(soft, cpu, error))
                        return false;
        if (!soft_memory_prepare(&soft->memory, SOFT_FLAT, false, &root, error) ||
            !soft_engine_probe(&flat->engine, root, &soft->vector, error) ||
            !soft_floating_point_reset(&flat->engine, error))
                return false;
        checked->engine.layout = flat->engine.layout;
        return true;
}

struct hwaccl_accel *hwaccl_accel_soft_create(struct hwaccl_guest_memory *memory, uint64_t (*clock)(void *opaque),
                                              void *opaque, struct hwaccl_error *error)
{
        struct soft *soft = calloc(1, sizeof(*soft));

        if (!soft) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        soft->accel.ops = &soft_ops;
        soft->clock = clock;
        soft->clock_opaque = opaque;
        soft->error = error;
        if (!open_parts(soft, memory, error)) {
                destroy(&soft->accel);
                return NULL;
        }
        return &soft->accel;
}
