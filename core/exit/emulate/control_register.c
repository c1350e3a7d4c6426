/* Control-register accesses that could not be handled in place: the processor's own checks, and #GP or #UD. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/cpu_features.h"
#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#define CR0_WRITABLE                                                                                                   \
        (HWACCL_CR0_PE | HWACCL_CR0_MP | HWACCL_CR0_EM | HWACCL_CR0_TS | HWACCL_CR0_NE | HWACCL_CR0_WP |               \
         HWACCL_CR0_AM | HWACCL_CR0_NW | HWACCL_CR0_CD | HWACCL_CR0_PG)
#define CR0_LMSW (HWACCL_CR0_PE | HWACCL_CR0_MP | HWACCL_CR0_EM | HWACCL_CR0_TS)

#define PDPTE_P        UINT64_C(0x1)
#define PDPTE_RESERVED UINT64_C(0xffffff00000001e6)

static bool uses_pae(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
        return (cr0 & HWACCL_CR0_PG) && (cr4 & HWACCL_CR4_PAE) && !(efer & HWACCL_EFER_LMA);
}

/* PAE paging loads the four page-directory-pointer entries with the control register (SDM 3A, 4.4.1). */
static bool pointers_valid(struct emulation *emulation, uint64_t cr3)
{
        uint8_t bytes[32];

        if (!emulation->memory->read(emulation->memory->opaque, cr3 & 0xffffffe0, bytes, sizeof(bytes)))
                return false;
        for (unsigned i = 0; i < 4; i++) {
                uint64_t entry = little_endian(bytes + i * 8, 8);
                if ((entry & PDPTE_P) && (entry & PDPTE_RESERVED))
                        return false;
        }
        return true;
}

static bool write_cr0(struct emulation *emulation, uint64_t value)
{
        struct hwaccl_machine_context *context = emulation->context;
        uint64_t efer = context->efer;
        bool paging = value & HWACCL_CR0_PG;
        bool was_paging = context->cr0 & HWACCL_CR0_PG;

        if (value > UINT32_MAX || (paging && !(value & HWACCL_CR0_PE)) ||
            ((value & HWACCL_CR0_NW) && !(value & HWACCL_CR0_CD)))
                return false;
        if (!paging && (context->cr4 & HWACCL_CR4_PCIDE))
                return false;
        if (!was_paging && paging && (efer & HWACCL_EFER_LME)) {
                if (!(context->cr4 & HWACCL_CR4_PAE) || (context->segment[HWACCL_CS].access_rights & SEGMENT_L) ||
                    !(context->tr.access_rights & HWACCL_ACCESS_RIGHTS_TSS_32))
                        return false;
                efer |= HWACCL_EFER_LMA;
        }
        if (was_paging && !paging) {
                if (hwaccl_context_code_bits(context) == 64)
                        return false;
                efer &= ~HWACCL_EFER_LMA;
        }
        if (!was_paging && uses_pae(value, context->cr4, efer) && !pointers_valid(emulation, context->cr3))
                return false;
        context->cr0 = (value & CR0_WRITABLE) | HWACCL_CR0_ET;
        context->efer = efer;
        context->changed |= HWACCL_CHANGED_CR0 | HWACCL_CHANGED_GLOBAL_TLB_FLUSH;
        return true;
}

static bool write_cr3(struct emulation *emulation, uint64_t value)
{
        struct hwaccl_machine_context *context = emulation->context;

        if (context->efer & HWACCL_EFER_LMA) {
                if (context->cr4 & HWACCL_CR4_PCIDE)
                        value &= ~(UINT64_C(1) << 63); /* asks to keep the TLB */
                if (value >> HWACCL_PHYSICAL_ADDRESS_BITS)
                        return false;
        } else if (uses_pae(context->cr0, context->cr4, context->efer) && !pointers_valid(emulation, value)) {
                return false;
        }
        context->cr3 = value;
        context->changed |= HWACCL_CHANGED_CR3 | HWACCL_CHANGED_GLOBAL_TLB_FLUSH;
        return true;
}

static bool write_cr4(struct emulation *emulation, uint64_t value)
{
        struct hwaccl_machine_context *context = emulation->context;

        if (value & ~HWACCL_CR4_DEFINED)
                return false;
        if ((context->efer & HWACCL_EFER_LMA) && !(value & HWACCL_CR4_PAE))
                return false;
        if (!uses_pae(context->cr0, context->cr4, context->efer) && uses_pae(context->cr0, value, context->efer) &&
            !pointers_valid(emulation, context->cr3))
                return false;
        context->cr4 = value;
        context->changed |= HWACCL_CHANGED_CR4 | HWACCL_CHANGED_GLOBAL_TLB_FLUSH;
        return true;
}

static bool write_cr8(struct emulation *emulation, uint64_t value)
{
        if (value > 15)
                return false;
        emulation->context->cr8 = value;
        return true;
}

/* LMSW sets PE, but cannot clear it. */
static bool load_status_word(struct emulation *emulation, uint64_t word)
{
        uint64_t cr0 = emulation->context->cr0;

        return write_cr0(emulation, (cr0 & ~(CR0_LMSW & ~HWACCL_CR0_PE)) | (word & CR0_LMSW));
}

static bool number_exists(const struct emulation *emulation, unsigned number)
{
        return number == 0 || (number >= 2 && number <= 4) || (number == 8 && emulation->instruction->code_bits == 64);
}

static enum step move_from(struct emulation *emulation)
{
        const struct hwaccl_machine_context *context = emulation->context;
        const uint64_t values[9] = {context->cr0, 0, context->cr2, context->cr3, context->cr4, 0, 0, 0, context->cr8};

        operand_write_plain(emulation, &emulation->instruction->operand[0],
                            values[emulation->instruction->operand[1].number]);
        return STEP_DONE;
}

static bool move_to(struct emulation *emulation)
{
        uint64_t value = operand_read_plain(emulation, &emulation->instruction->operand[1]);

        switch (emulation->instruction->operand[0].number) {
        case 0: return write_cr0(emulation, value);
        case 2: emulation->context->cr2 = value; return true;
        case 3: return write_cr3(emulation, value);
        case 4: return write_cr4(emulation, value);
        default: return write_cr8(emulation, value);
        }
}

enum step execute_control_register(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        bool privileged = hwaccl_context_cpl(emulation->context) == 0;
        bool from = instruction->operation == OPERATION_MOV_FROM_CR;
        bool to = instruction->operation == OPERATION_MOV_TO_CR;
        bool accepted = true;
        uint64_t word;

        if ((from || to) && !number_exists(emulation, instruction->operand[from ? 1 : 0].number))
                return raise_fault(emulation, HWACCL_VECTOR_UD);
        if (!privileged)
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        switch (instruction->operation) {
        case OPERATION_MOV_FROM_CR: return move_from(emulation);
        case OPERATION_MOV_TO_CR: accepted = move_to(emulation); break;
        case OPERATION_CLTS: emulation->context->cr0 &= ~HWACCL_CR0_TS; break;
        default:
                if (!operand_read(emulation, &instruction->operand[0], &word))
                        return STEP_EXCEPTION;
                accepted = load_status_word(emulation, word);
        }
        return accepted ? STEP_DONE : raise_fault_zero(emulation, HWACCL_VECTOR_GP);
}
