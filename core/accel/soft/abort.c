#include "core/accel/soft/abort.h"

#include <inttypes.h>

#define BLOCK_INSTRUCTIONS 512u /* the engine's blocks have no more */

/* No signal mask is saved, which would cost a system call each time: a handler of SIGABRT that blocks nothing needs
 * none. */
uc_err soft_abort_start(struct soft *soft)
{
        const struct soft_engine *engine = &soft->cpu->engine;
        uc_err status = UC_ERR_OK;

        if (sigsetjmp(soft->recovery, 0) != 0) {
                soft->in_engine = false;
                soft->stop = SOFT_STOP_ABORT;
                return UC_ERR_OK;
        }
        soft->in_engine = true;
        status = engine->unicorn.emu_start(engine->handle, soft->state->rip, 0, 0, 0);
        soft->in_engine = false;
        return status;
}

/* The disassembler refuses it. */
static bool is_culprit(struct soft *soft, uint64_t linear, uint8_t *length)
{
        struct soft_site site = {.address = linear};

        *length = 0;
        if (!soft_scan_decode(&soft->cpu->scan, linear, soft->bits, &site))
                return site.kind == SOFT_SITE_UNDEFINED && site.lock;
        *length = site.length;
        return false;
}

bool soft_abort_find(struct soft *soft)
{
        uint64_t linear = soft->state->cs.base + soft->state->rip;
        uint8_t length = 0;

        for (unsigned i = 0; i < BLOCK_INSTRUCTIONS; i++, linear += length) {
                if (is_culprit(soft, linear, &length)) {
                        soft->culprit = linear;
                        soft->ahead = true;
                        return true;
                }
                if (!length)
                        break;
        }
        return hwaccl_error_set(soft->error,
                                "the soft accelerator's engine cannot translate the code at %04" PRIx64 ":%08" PRIx64
                                "; use --accel kvm",
                                soft->state->cs.selector, soft->state->rip);
}

bool soft_abort_reached(struct soft *soft)
{
        uint64_t linear = soft->state->cs.base + soft->state->rip;

        if (!soft->ahead)
                return false;
        soft->ahead = linear < soft->culprit && soft->culprit - linear < BLOCK_INSTRUCTIONS * 15;
        soft->step_next |= soft->ahead;
        return linear == soft->culprit;
}
