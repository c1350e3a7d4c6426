/* How a run stops, exits and goes on: what every part of the accelerator needs. */
#include "core/accel/soft/soft.h"

#include "core/exit/registers.h"

#include <inttypes.h>

void soft_stop(struct soft *soft, enum soft_stop stop)
{
        if (soft->stop == SOFT_STOP_NONE)
                soft->stop = stop;
        soft->cpu->engine.unicorn.emu_stop(soft->cpu->engine.handle);
}

uint64_t soft_interruptibility(const struct soft *soft)
{
        return soft->blocking | (soft->nmi_blocked ? HWACCL_INTERRUPTIBILITY_NMI : 0);
}

enum soft_result soft_exit(struct soft *soft, uint64_t reason, uint64_t qualification, uint64_t length)
{
        struct hwaccl_subject_state *state = soft->state;

        state->exit_reason = reason;
        state->exit_qualification = qualification;
        state->instruction_length = length;
        state->interrupt_information = 0;
        state->interruptibility = soft_interruptibility(soft);
        soft->left_cr0 = state->cr0;
        soft->left_cr3 = state->cr3;
        soft->left_cr4 = state->cr4;
        soft->left_efer = state->efer;
        soft->exits++;
        return SOFT_EXITED;
}

void soft_retire(struct soft *soft, uint8_t length)
{
        struct hwaccl_subject_state *state = soft->state;
        uint64_t rip = state->rip + length;

        if (soft->bits != 64)
                rip &= UINT32_MAX;
        state->rip = rip;
        state->rflags &= ~RFLAGS_RF;
        soft->blocking = 0;
}

enum soft_result soft_refuse(struct soft *soft, const char *what)
{
        hwaccl_error_set(soft->error, "the guest at %04" PRIx64 ":%08" PRIx64 " %s" SOFT_ADVICE,
                         soft->state->cs.selector, soft->state->rip, what);
        return SOFT_FAILED;
}
