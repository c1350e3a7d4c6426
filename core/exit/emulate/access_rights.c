/* LAR, LSL, VERR and VERW: what a selector's descriptor allows. Only ZF says when it is not visible. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#define RIGHTS_MASK 0x00f0ff00u /* of a descriptor's upper half, as LAR gives it */

/* System types that LAR and LSL accept (SDM 2A, tables 3-54 and 3-62): 1 << type. */
#define TYPES_LAR      0x1a3eu
#define TYPES_LAR_LONG 0x1a04u
#define TYPES_LSL      0x0a0eu
#define TYPES_LSL_LONG 0x0a04u

static bool type_allowed(const struct emulation *emulation, uint32_t rights)
{
        bool long_mode = emulation->context->efer & HWACCL_EFER_LMA;
        unsigned types = 0;

        switch (emulation->instruction->operation) {
        case OPERATION_LAR: types = long_mode ? TYPES_LAR_LONG : TYPES_LAR; break;
        case OPERATION_LSL: types = long_mode ? TYPES_LSL_LONG : TYPES_LSL; break;
        case OPERATION_VERR:
                return (rights & SEGMENT_S) && (!(rights & SEGMENT_TYPE_CODE) || (rights & SEGMENT_TYPE_READABLE));
        default: return (rights & SEGMENT_S) && !(rights & SEGMENT_TYPE_CODE) && (rights & SEGMENT_TYPE_WRITABLE);
        }
        return (rights & SEGMENT_S) || (types >> (rights & 15) & 1);
}

static bool is_visible(const struct emulation *emulation, uint16_t selector, uint32_t rights)
{
        unsigned cpl = hwaccl_context_cpl(emulation->context);
        unsigned rpl = selector & 3;
        unsigned dpl = (rights >> SEGMENT_DPL_SHIFT) & 3;
        bool conforming = (rights & SEGMENT_S) && (rights & SEGMENT_TYPE_CODE) && (rights & SEGMENT_TYPE_CONFORMING);

        return type_allowed(emulation, rights) && (conforming || (cpl <= dpl && rpl <= dpl));
}

/* Bits of a descriptor that a segment register need not keep come from its bytes. */
static uint64_t result_of(const struct emulation *emulation, const struct descriptor *descriptor)
{
        return emulation->instruction->operation == OPERATION_LSL ? descriptor->segment.limit
                                                                  : descriptor->bytes >> 32 & RIGHTS_MASK;
}

enum step execute_check_segment(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct instruction *instruction = emulation->instruction;
        bool loads = instruction->operation == OPERATION_LAR || instruction->operation == OPERATION_LSL;
        struct descriptor descriptor;
        bool visible = false;
        uint64_t selector;

        if (!(context->cr0 & HWACCL_CR0_PE) || (context->rflags & RFLAGS_VM))
                return raise_fault(emulation, HWACCL_VECTOR_UD);
        if (!operand_read(emulation, &instruction->operand[loads], &selector))
                return STEP_EXCEPTION;
        if (selector & 0xfffc) {
                enum descriptor_result result = descriptor_read(context, emulation->memory, (uint16_t)selector,
                                                                &descriptor, &emulation->exception);
                if (result == DESCRIPTOR_FAULT)
                        return STEP_EXCEPTION;
                visible = result == DESCRIPTOR_READ &&
                          is_visible(emulation, (uint16_t)selector, (uint32_t)(descriptor.bytes >> 40 & 0xff));
        }
        context->rflags = (context->rflags & ~RFLAGS_ZF) | (visible ? RFLAGS_ZF : 0);
        if (visible && loads)
                operand_write_plain(emulation, &instruction->operand[0], result_of(emulation, &descriptor));
        return STEP_DONE;
}
