/* A context and a state in which every part has a value of its own, so that a mixed-up copy shows. */
#ifndef HWACCL_TESTS_CONTEXT_FIXTURE_H
#define HWACCL_TESTS_CONTEXT_FIXTURE_H

#include "hwaccl/control_register.h"
#include "hwaccl/machine_context.h"

static inline struct hwaccl_segment fixture_segment(uint64_t number)
{
        return (struct hwaccl_segment){number * 8, number << 12, (uint32_t)(0x1000 * number + 0xfff), (uint32_t)0x93};
}

static inline void fixture_context(struct hwaccl_machine_context *context)
{
        hwaccl_machine_context_reset(context);
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                context->gpr[i] = UINT64_C(0x1111111100000000) + i;
        context->rip = 0x7c00;
        context->rflags = 0x202;
        context->cr0 = HWACCL_CR0_PE | HWACCL_CR0_ET;
        context->cr2 = 0x2222;
        context->cr3 = 0x3000;
        context->cr4 = HWACCL_CR4_PAE;
        context->cr8 = 5;
        context->efer = HWACCL_EFER_SCE;
        context->sysenter_cs = 0x10;
        context->sysenter_esp = 0x5000;
        context->sysenter_eip = 0x6000;
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                context->segment[i] = fixture_segment(i + 1);
        context->tr = (struct hwaccl_segment){0x40, 0x40000, 0x67, 0x8b};
        context->ldtr = (struct hwaccl_segment){0x48, 0x48000, 0x1f, 0x82};
        context->gdtr = (struct hwaccl_segment){0, 0x50000, 0x7f, 0};
        context->idtr = (struct hwaccl_segment){0, 0x51000, 0x3ff, 0};
        context->changed = 0;
}

#endif
