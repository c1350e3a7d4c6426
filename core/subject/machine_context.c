#include "core/subject/machine_context.h"

#include <string.h>

#define CR0_RESET       UINT64_C(0x60000010) /* CD, NW, ET */
#define RFLAGS_RESET    UINT64_C(0x2)
#define CODE_REAL_MODE  0x9bu /* present, execute/read, accessed */
#define DATA_REAL_MODE  0x93u /* present, read/write, accessed */
#define LDT_PRESENT     0x82u
#define TSS_32_BIT_BUSY 0x8bu
#define SEGMENT_64K     0xffffu
#define SIGNATURE       UINT64_C(0x6fb) /* RDX after reset is the signature of CPUID leaf 1 */

void hwaccl_machine_context_reset(struct hwaccl_machine_context *context)
{
        memset(context, 0, sizeof(*context));
        context->gpr[HWACCL_RDX] = SIGNATURE;
        context->rip = 0xfff0;
        context->rflags = RFLAGS_RESET;
        context->cr0 = CR0_RESET;
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++) {
                context->segment[i] = (struct hwaccl_segment){0, 0, SEGMENT_64K, DATA_REAL_MODE};
                context->segment_valid[i] = true;
        }
        context->segment[HWACCL_CS] = (struct hwaccl_segment){0xf000, 0xffff0000, SEGMENT_64K, CODE_REAL_MODE};
        context->tr = (struct hwaccl_segment){0, 0, SEGMENT_64K, TSS_32_BIT_BUSY};
        context->ldtr = (struct hwaccl_segment){0, 0, SEGMENT_64K, LDT_PRESENT};
        context->gdtr.limit = SEGMENT_64K;
        context->idtr.limit = SEGMENT_64K;
}
