/* Running the guest until it exits: the loop around the engine, its callbacks, and the accelerator's interface. */
#include "core/accel/soft/soft.h"
#include "core/assert.h"
#include "core/exit/registers.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The virtual clock: 4 ns for a block of code (some five instructions), 1000 ns for an exit, which lets loops that
 * poll a port end. */
#define BLOCK_NS UINT64_C(4)
#define EXIT_NS  UINT64_C(1000)

#define CLOCK_INTERVAL 256u /* blocks between two looks at the host's clock; a power of two */

void soft_stop(struct soft *soft, enum soft_stop stop)
{
        if (soft->stop == SOFT_STOP_NONE)
                soft->stop = stop;
        soft->unicorn.emu_stop(soft->engine);
}

void soft_exit(struct soft *soft, uint64_t reason, uint64_t qualification, uint64_t length)
{
        struct hwaccl_subject_state *state = soft->state;

        state->exit_reason = reason;
        state->exit_qualification = qualification;
        state->instruction_length = length;
        state->interrupt_information = 0;
        state->interruptibility = soft->shadow;
        soft->exits++;
}

void soft_retire(struct soft *soft, uint8_t length)
{
        struct hwaccl_subject_state *state = soft->state;
        uint64_t rip = state->rip + length;

        if (soft->bits == 16 && state->rip <= 0xffff)
                rip &= 0xffff;
        else if (soft->bits != 64)
                rip &= UINT32_MAX;
        state->rip = rip;
        state->rflags &= ~RFLAGS_RF;
        soft->shadow = 0;
}

static void on_block(uc_engine *engine, uint64_t address, uint32_t size, void *opaque)
{
        struct soft *soft = opaque;
        (void)engine;

        if (soft->stop != SOFT_STOP_NONE)
                return;
        soft->block_address = address;
        if (!soft_scan_block(soft, address, size))
                return;
        if (atomic_load_explicit(&soft->poked, memory_order_relaxed)) {
                soft_stop(soft, SOFT_STOP_POKE);
                return;
        }
        if (soft->blocks >= soft->block_limit ||
            (soft->deadline_ns != UINT64_MAX && soft->blocks % CLOCK_INTERVAL == 0 &&
             soft->clock(soft->clock_opaque) >= soft->deadline_ns)) {
                soft_stop(soft, SOFT_STOP_DEADLINE);
                return;
        }
        soft->blocks++;
        if (soft->shadow && ++soft->shadow_blocks > 1)
                soft->shadow = 0;
}

static void on_exception(uc_engine *engine, uint32_t vector, void *opaque)
{
        struct soft *soft = opaque;
        (void)engine;

        soft->vector = (uint8_t)vector;
        soft_stop(soft, SOFT_STOP_EXCEPTION);
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

/* What comes before the next instruction: asynchronous exits, interrupts, the interrupt window, the timer. */
static bool before_instruction(struct soft *soft, struct hwaccl_pending_interrupts *pending,
                               const struct hwaccl_run_request *request, bool *exited, struct hwaccl_error *error)
{
        struct hwaccl_subject_state *state = soft->state;
        int vector = hwaccl_pending_interrupts_highest(pending);
        bool enabled = state->rflags & RFLAGS_IF;

        *exited = true;
        if (atomic_exchange_explicit(&soft->poked, false, memory_order_acquire)) {
                soft_exit(soft, HWACCL_EXIT_EXTERNAL_INTERRUPT, 0, 0);
                return true;
        }
        if (enabled && !soft->shadow && vector >= 0) {
                struct hwaccl_event event = {.kind = HWACCL_EVENT_EXTERNAL, .exception.vector = (uint8_t)vector};
                *exited = false;
                hwaccl_pending_interrupts_clear(pending, (uint8_t)vector);
                return soft_deliver(soft, &event, exited, error) &&
                       (*exited || before_instruction(soft, pending, request, exited, error));
        }
        if (enabled && !soft->shadow && request->interrupt_window) {
                soft_exit(soft, HWACCL_EXIT_INTERRUPT_WINDOW, 0, 0);
                return true;
        }
        if (deadline_passed(soft)) {
                soft_exit(soft, HWACCL_EXIT_PREEMPTION_TIMER, 0, 0);
                return true;
        }
        *exited = false;
        soft->wanted = vector >= 0 || request->interrupt_window;
        if (soft->wanted && enabled)
                soft->step_next = true; /* the shadow ends behind the next instruction */
        return true;
}

/* After the engine stopped: take its trap flag back, and see whether the shadow of STI or MOV SS has ended. */
static void settle(struct soft *soft, bool guest_traps)
{
        struct hwaccl_subject_state *state = soft->state;
        bool at_site = soft->stop == SOFT_STOP_SITE || soft->stop == SOFT_STOP_STEP;
        /* Stopped before a block began. Where the block before jumped straight into it, and code hooks exist, the
         * engine still has that one's address in RIP. */
        bool at_block =
                soft->stop == SOFT_STOP_RESCAN || soft->stop == SOFT_STOP_POKE || soft->stop == SOFT_STOP_DEADLINE;
        if (at_block)
                state->rip = soft->block_address;
        /* in the hook of a site the engine's RIP is the linear address */
        if (at_site || at_block) {
                state->rip -= state->cs.base;
                if (soft->bits != 64)
                        state->rip &= UINT32_MAX;
        }
        bool stepped = soft->stop == SOFT_STOP_EXCEPTION && soft->vector == HWACCL_VECTOR_DB;

        if (soft->stepping && !guest_traps && !(stepped && soft->step_keeps_trap))
                state->rflags &= ~RFLAGS_TF;
        bool left = soft->shadow_blocks > 1 || state->cs.base + state->rip != soft->shadow_rip;
        if (left || (stepped && !soft->shadow_began))
                soft->shadow = 0;
}

static bool has_error_code(uint8_t vector)
{
        return vector == HWACCL_VECTOR_DF || (vector >= HWACCL_VECTOR_TS && vector <= HWACCL_VECTOR_PF) ||
               vector == HWACCL_VECTOR_AC;
}

static bool take_exception(struct soft *soft, uint64_t fault_address, bool guest_traps, bool *exited,
                           struct hwaccl_error *error)
{
        uint8_t vector = soft->vector;

        if (vector == HWACCL_VECTOR_PF)
                return soft_fault(soft, fault_address, exited, error);
        if (vector == HWACCL_VECTOR_DB) {
                if (soft->stepping && !guest_traps)
                        return true;
                if (soft->shadow == HWACCL_INTERRUPTIBILITY_MOV_SS)
                        return true; /* held back until the next instruction is done */
        }
        return soft_deliver_exception(soft, vector, has_error_code(vector), soft_engine_error_code(soft), exited,
                                      error);
}

static bool after_stop(struct soft *soft, uc_err status, uint64_t fault_address, bool guest_traps, bool *exited,
                       struct hwaccl_error *error)
{
        switch (soft->stop) {
        case SOFT_STOP_RESCAN: soft->step_next = soft->stepping; return true;
        case SOFT_STOP_SITE: return soft_site_run(soft, exited, error);
        case SOFT_STOP_STEP: soft->step_next = true; return true;
        case SOFT_STOP_EXCEPTION: return take_exception(soft, fault_address, guest_traps, exited, error);
        case SOFT_STOP_POKE: return true; /* the flag is still set */
        case SOFT_STOP_DEADLINE:
                soft_exit(soft, HWACCL_EXIT_PREEMPTION_TIMER, 0, 0);
                *exited = true;
                return true;
        default: break;
        }
        if (status == UC_ERR_INSN_INVALID)
                return soft_deliver_exception(soft, HWACCL_VECTOR_UD, false, 0, exited, error);
        if (status == UC_ERR_OK)
                return true;
        return hwaccl_error_set(error, "the soft accelerator's engine failed at %04" PRIx64 ":%08" PRIx64 ": %s%s",
                                soft->state->cs.selector, soft->state->rip, soft->unicorn.strerror(status),
                                soft_advice);
}

static bool run_engine(struct soft *soft, bool *exited, struct hwaccl_error *error)
{
        struct hwaccl_subject_state *state = soft->state;
        bool guest_traps = state->rflags & RFLAGS_TF;
        uint64_t fault_address;

        soft->stepping = soft->step_next;
        soft->step_next = false;
        soft->step_keeps_trap = false;
        soft->stop = SOFT_STOP_NONE;
        soft->shadow_blocks = 0;
        soft->shadow_began = false;
        if (!soft_engine_load(soft, error))
                return false;
        uc_err status = soft->unicorn.emu_start(soft->engine, state->rip, 0, 0, 0);
        if (!soft_engine_store(soft, &fault_address, soft->stop == SOFT_STOP_ERROR ? NULL : error))
                return false;
        settle(soft, guest_traps);
        state->interruptibility = soft->shadow;
        return soft->stop != SOFT_STOP_ERROR && after_stop(soft, status, fault_address, guest_traps, exited, error);
}

static bool run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                struct hwaccl_error *error)
{
        struct soft *soft = (struct soft *)accel;
        bool exited;

        soft->state = state;
        soft->error = error;
        soft->shadow = state->interruptibility & (HWACCL_INTERRUPTIBILITY_STI | HWACCL_INTERRUPTIBILITY_MOV_SS);
        soft->shadow_rip = state->cs.base + state->rip;
        soft->step_next = false;
        set_deadline(soft, request->deadline_ns);
        for (;;) {
                if (!before_instruction(soft, pending, request, &exited, error))
                        return false;
                if (!exited && !run_engine(soft, &exited, error))
                        return false;
                if (exited)
                        return true;
        }
}

static void poke(struct hwaccl_accel *accel)
{
        struct soft *soft = (struct soft *)accel;
        atomic_store_explicit(&soft->poked, true, memory_order_release);
}

static uint64_t tell_virtual_ns(const struct hwaccl_accel *accel)
{
        return virtual_ns((const struct soft *)accel);
}

static void destroy(struct hwaccl_accel *accel)
{
        struct soft *soft = (struct soft *)accel;

        soft_engine_close(soft);
        soft_scan_close(soft);
        soft_memory_close(soft);
        free(soft);
}

/* Writes by the handler need no notice: every block's bytes are compared when it is about to run. */
static const struct hwaccl_accel_ops soft_ops = {
        .name = "soft",
        .run = run,
        .poke = poke,
        .virtual_ns = tell_virtual_ns,
        .destroy = destroy,
};

static bool add_hooks(struct soft *soft, struct hwaccl_error *error)
{
        uc_hook hook;
        uc_err status =
                soft->unicorn.hook_add(soft->engine, &hook, UC_HOOK_BLOCK, (void *)(uintptr_t)on_block, soft, 1, 0);

        if (status == UC_ERR_OK)
                status = soft->unicorn.hook_add(soft->engine, &hook, UC_HOOK_INTR, (void *)(uintptr_t)on_exception,
                                                soft, 1, 0);
        return status == UC_ERR_OK || hwaccl_error_set(error, "the soft accelerator cannot hook its engine: %s",
                                                       soft->unicorn.strerror(status));
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
        if (!soft_engine_open(soft, error) || !soft_scan_open(soft, error) || !soft_memory_open(soft, memory, error) ||
            !add_hooks(soft, error) || !soft_engine_probe(soft, error)) {
                destroy(&soft->accel);
                return NULL;
        }
        return &soft->accel;
}
