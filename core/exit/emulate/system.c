/* System instructions: processor identification, MSRs, caches, time. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

static bool in_ring_0(const struct emulation *emulation)
{
        return hwaccl_context_cpl(emulation->context) == 0;
}

enum step execute_cpuid(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        uint32_t result[4];

        hwaccl_processor_cpuid(emulation->processor, (uint32_t)context->gpr[HWACCL_RAX],
                               (uint32_t)context->gpr[HWACCL_RCX], result);
        context->gpr[HWACCL_RAX] = result[0];
        context->gpr[HWACCL_RBX] = result[1];
        context->gpr[HWACCL_RCX] = result[2];
        context->gpr[HWACCL_RDX] = result[3];
        return STEP_DONE;
}

static void write_pair(struct hwaccl_machine_context *context, uint64_t value)
{
        context->gpr[HWACCL_RAX] = value & UINT32_MAX;
        context->gpr[HWACCL_RDX] = value >> 32;
}

enum step execute_rdmsr(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        uint64_t value;

        if (!in_ring_0(emulation) ||
            !hwaccl_processor_rdmsr(emulation->processor, (uint32_t)context->gpr[HWACCL_RCX], &value))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        write_pair(context, value);
        return STEP_DONE;
}

enum step execute_wrmsr(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        uint64_t value = (context->gpr[HWACCL_RAX] & UINT32_MAX) | context->gpr[HWACCL_RDX] << 32;

        if (!in_ring_0(emulation) ||
            !hwaccl_processor_wrmsr(emulation->processor, (uint32_t)context->gpr[HWACCL_RCX], value))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        return STEP_DONE;
}

enum step execute_hlt(struct emulation *emulation)
{
        return in_ring_0(emulation) ? STEP_HALT : raise_fault_zero(emulation, HWACCL_VECTOR_GP);
}

/* RDTSC and RDTSCP */
enum step execute_rdtsc(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;

        if ((context->cr4 & HWACCL_CR4_TSD) && !in_ring_0(emulation))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        write_pair(context, hwaccl_processor_tsc(emulation->processor));
        if (emulation->instruction->operation == OPERATION_RDTSCP)
                context->gpr[HWACCL_RCX] = emulation->processor->tsc_aux & UINT32_MAX;
        return STEP_DONE;
}

/* Translations are not cached here, so only the accelerator has something to drop. */
enum step execute_invlpg(struct emulation *emulation)
{
        if (!in_ring_0(emulation))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        emulation->context->changed |= HWACCL_CHANGED_GLOBAL_TLB_FLUSH;
        return STEP_DONE;
}

/* WBINVD and INVD: the virtual CPU has no caches that software could observe. */
enum step execute_cache_control(struct emulation *emulation)
{
        return in_ring_0(emulation) ? STEP_DONE : raise_fault_zero(emulation, HWACCL_VECTOR_GP);
}

enum step execute_pause(struct emulation *emulation)
{
        (void)emulation;
        return STEP_DONE;
}

/* CPUID leaf 0ah says that there are no performance counters: any index is out of range. */
enum step execute_rdpmc(struct emulation *emulation)
{
        return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
}

/* An exit of an instruction that CPUID lacks: the guest sees what a processor without it does. That holds for VMCALL
 * too, as there is no hypercall interface. */
enum step execute_absent(struct emulation *emulation)
{
        return raise_fault(emulation, HWACCL_VECTOR_UD);
}

#define DR6_BD UINT64_C(0x2000)
#define DR7_GD UINT64_C(0x2000)

#define DR6_WRITABLE UINT64_C(0x0000e00f)
#define DR7_WRITABLE UINT64_C(0xffff23ff)

static bool debug_register_write(struct hwaccl_processor *processor, unsigned number, uint64_t value)
{
        if (number < 4) {
                processor->dr[number] = value;
                return true;
        }
        if (value > UINT32_MAX)
                return false;
        if (number == 6)
                processor->dr6 = (value & DR6_WRITABLE) | HWACCL_DR6_FIXED;
        else
                processor->dr7 = (value & DR7_WRITABLE) | HWACCL_DR7_FIXED;
        return true;
}

static uint64_t debug_register_read(const struct hwaccl_processor *processor, unsigned number)
{
        if (number < 4)
                return processor->dr[number];
        return number == 6 ? processor->dr6 : processor->dr7;
}

enum step execute_debug_register(struct emulation *emulation)
{
        struct hwaccl_processor *processor = emulation->processor;
        bool writes = emulation->instruction->operation == OPERATION_MOV_TO_DR;
        const struct operand *to = &emulation->instruction->operand[0];
        const struct operand *from = &emulation->instruction->operand[1];
        unsigned number = writes ? to->number : from->number;

        if (number > 7)
                return raise_fault(emulation, HWACCL_VECTOR_UD);
        if (number == 4 || number == 5) {
                if (emulation->context->cr4 & HWACCL_CR4_DE)
                        return raise_fault(emulation, HWACCL_VECTOR_UD);
                number += 2; /* aliases of DR6 and DR7 */
        }
        if (!in_ring_0(emulation))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        if (processor->dr7 & DR7_GD) {
                processor->dr7 &= ~DR7_GD;
                processor->dr6 |= DR6_BD;
                return raise_fault(emulation, HWACCL_VECTOR_DB);
        }
        if (!writes)
                operand_write_plain(emulation, to, debug_register_read(processor, number));
        else if (!debug_register_write(processor, number, operand_read_plain(emulation, from)))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        return STEP_DONE;
}
