#include "core/accel/soft/permit.h"

#include "core/accel/soft/canonical.h"
#include "core/accel/soft/interrupt.h"
#include "core/exit/control_register.h"
#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#include <string.h>

#define REX_B        1u
#define CALL_FAR     0x9au
#define GROUP_5      0xffu
#define GROUP_5_CALL 3u

static bool is_register(const struct soft_site *site)
{
        return site->modrm >> 6 == 3;
}

static unsigned modrm_rm(const struct soft_site *site)
{
        return (site->modrm & 7u) | (site->rex & REX_B ? 8u : 0);
}

static enum soft_result raise(struct soft *soft, uint8_t vector)
{
        return soft_deliver_exception(soft, vector, vector == HWACCL_VECTOR_GP, 0);
}

bool soft_is_permitted(const struct soft *soft, const struct soft_site *site)
{
        return soft->stepping && soft->permitted == site->address;
}

/* The engine does it now, this once. */
static enum soft_result permit(struct soft *soft)
{
        soft->step_next = true;
        soft->permitted = soft->site->address;
        return SOFT_GO_ON;
}

/* #UD and #NM come first. */
static bool sse_is_off(const struct soft *soft)
{
        const struct hwaccl_subject_state *state = soft->state;

        return (state->cr0 & (HWACCL_CR0_EM | HWACCL_CR0_TS)) || !(state->cr4 & HWACCL_CR4_OSFXSR);
}

bool soft_may_be_misaligned(struct soft *soft, const struct soft_site *site)
{
        uint16_t registers = soft_operand_registers(site);
        enum hwaccl_segment_register segment;
        uint64_t offset;

        if (sse_is_off(soft))
                return false;
        if (soft->bits == 64 ? site->segment != SOFT_NO_SEGMENT || !registers : soft->loaded || soft->block_loads)
                return true;
        if (!soft_engine_registers(&soft->cpu->engine, registers, soft->state))
                return true;
        soft_operand(site, soft->state, &segment, &offset);
        return (offset + (soft->bits == 64 ? 0 : soft->segment[segment].base)) % SOFT_ALIGNMENT;
}

bool soft_check_aligned(struct soft *soft, uint64_t address, const struct soft_aligned *aligned)
{
        unsigned registers = soft_aligned_registers(aligned);

        if (sse_is_off(soft))
                return true;
        if (soft->stepping) {
                struct soft_site *site = soft_scan_site(&soft->cpu->scan, address, soft->bits);
                if (!site || site->kind != SOFT_SITE_ALIGNED || soft_is_permitted(soft, site) ||
                    !soft_may_be_misaligned(soft, site))
                        return true;
                soft->site = site;
                soft_stop(soft, SOFT_STOP_SITE);
                return false;
        }
        for (const struct soft_aligned *next = aligned; next->more; next++)
                registers |= soft_aligned_registers(next + 1);
        bool good = soft_engine_registers(&soft->cpu->engine, registers, soft->state);
        for (const struct soft_aligned *next = aligned; good; next++) {
                good = soft_aligned_is(next, soft->state);
                if (!next->more)
                        break;
        }
        if (!good)
                soft_stop(soft, SOFT_STOP_STEP);
        return good;
}

static bool stack_read(struct soft *soft, const struct soft_site *site, unsigned slot, uint64_t *value)
{
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        unsigned size = site->operand_bits / 8;

        *value = 0;
        if (!soft_context(soft, &context))
                return false;
        uint64_t offset = soft->state->rsp + (uint64_t)slot * size;
        if (soft->bits != 64)
                offset &= soft->state->ss.access_rights & SEGMENT_D ? UINT32_MAX : 0xffff;
        return soft_access(&context, soft, HWACCL_SS, offset, value, size, false, &exception);
}

static bool operand_word(struct soft *soft, const struct soft_site *site, unsigned skip, uint16_t *word)
{
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        enum hwaccl_segment_register segment;
        uint64_t offset;

        if (!soft_context(soft, &context))
                return false;
        soft_operand(site, soft->state, &segment, &offset);
        return soft_access(&context, soft, segment, offset + skip, word, sizeof(*word), false, &exception);
}

/* The selector that a far transfer goes to; false when reading it would fault, which is then the engine's to find out.
 */
static bool far_selector(struct soft *soft, const struct soft_site *site, uint16_t *selector)
{
        uint64_t value = 0;

        switch (site->kind) {
        case SOFT_SITE_IRET:
        case SOFT_SITE_FAR_RETURN:
                if (!stack_read(soft, site, 1, &value))
                        return false;
                *selector = (uint16_t)value;
                return true;
        default:
                if (site->opcode == 0xff)
                        return operand_word(soft, site, site->operand_bits / 8, selector);
                memcpy(selector, site->bytes + site->length - 2, sizeof(*selector));
                return true;
        }
}

static bool far_offset(struct soft *soft, const struct soft_site *site, uint64_t *offset)
{
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        enum hwaccl_segment_register segment;
        unsigned size = site->operand_bits / 8u;
        uint64_t place;

        *offset = 0;
        if (site->opcode != 0xff || !soft_context(soft, &context))
                return site->opcode != 0xff; /* an immediate offset has 32 bits at most */
        soft_operand(site, soft->state, &segment, &place);
        return soft_access(&context, soft, segment, place, offset, size, false, &exception);
}

/* The engine does not look at the limit of the code segment that a far return goes to, nor at a canonical RIP. */
static bool returns_beyond(struct soft *soft, uint16_t selector)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        struct descriptor descriptor;
        uint64_t offset;

        if (!(selector & 0xfffcu) || !stack_read(soft, soft->site, 0, &offset))
                return false;
        if (!soft_canonical_far(soft, selector, offset))
                return true;
        if (soft->state->efer & HWACCL_EFER_LMA)
                return false;
        return soft_context(soft, &context) &&
               descriptor_read(&context, &memory, selector, &descriptor, &exception) == DESCRIPTOR_READ &&
               (descriptor.segment.access_rights & SEGMENT_TYPE_CODE) && offset > descriptor.segment.limit;
}

static enum soft_result switch_or_fault(struct soft *soft, enum hwaccl_task_result result,
                                        const struct hwaccl_task_switch *task, const struct hwaccl_exception *fault)
{
        if (result == HWACCL_TASK_SWITCH)
                return soft_switch_tasks(soft, task);
        if (fault->vector == HWACCL_VECTOR_PF)
                soft->state->cr2 = fault->fault_address;
        return soft_deliver_exception(soft, fault->vector, fault->has_error_code, fault->error_code);
}

/* A return to an outer level or to virtual-8086 mode is beyond us, one to another task exits; anything else the engine
 * does. */
static enum soft_result check_return(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        struct hwaccl_physical_memory memory = soft_physical(soft);
        struct hwaccl_task_switch task = {.source = HWACCL_TASK_IRET, .event = {.length = site->length}};
        struct hwaccl_machine_context context;
        struct hwaccl_exception fault;
        uint16_t selector;
        uint64_t flags;

        if (!soft->protected_mode)
                return permit(soft);
        if (!soft_context(soft, &context))
                return SOFT_FAILED;
        if (site->kind == SOFT_SITE_IRET) {
                enum hwaccl_task_result result = hwaccl_task_of_return(&context, &memory, &task, &fault);
                if (result != HWACCL_TASK_NONE) {
                        soft->nmi_blocked = false; /* even if it faults */
                        return switch_or_fault(soft, result, &task, &fault);
                }
        }
        if (!far_selector(soft, site, &selector))
                return permit(soft);
        if (site->kind == SOFT_SITE_IRET && !(soft->state->efer & HWACCL_EFER_LMA) && site->operand_bits == 32 &&
            stack_read(soft, site, 2, &flags) && (flags & RFLAGS_VM))
                return soft_refuse(soft, "returns to virtual-8086 mode");
        if (selector & 3)
                return soft_refuse(soft, "returns to an outer privilege level");
        if (!returns_beyond(soft, selector))
                return permit(soft);
        return raise(soft, HWACCL_VECTOR_GP);
}

static enum soft_result check_far_transfer(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        struct hwaccl_physical_memory memory = soft_physical(soft);
        bool call = site->opcode == CALL_FAR || (site->opcode == GROUP_5 && (site->modrm >> 3 & 7) == GROUP_5_CALL);
        struct hwaccl_task_switch task = {.source = call ? HWACCL_TASK_CALL : HWACCL_TASK_JMP,
                                          .event = {.length = site->length}};
        struct hwaccl_machine_context context;
        struct hwaccl_exception fault;
        uint16_t selector;
        uint64_t offset;

        if (!far_selector(soft, site, &selector) || !soft_context(soft, &context))
                return permit(soft);
        enum hwaccl_task_result result = hwaccl_task_of_branch(&context, &memory, selector, &task, &fault);
        if (result != HWACCL_TASK_NONE)
                return switch_or_fault(soft, result, &task, &fault);
        if (far_offset(soft, site, &offset) && !soft_canonical_far(soft, selector, offset))
                return raise(soft, HWACCL_VECTOR_GP);
        return permit(soft);
}

/* Before a load of SS in 64-bit code: a null selector must have the RPL of ring 0. */
static enum soft_result load_stack(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        unsigned skip = site->kind == SOFT_SITE_LOAD_FAR_SS ? site->operand_bits / 8u : 0;
        uint16_t selector;

        if (is_register(site))
                selector = (uint16_t)*soft_general(soft->state, modrm_rm(site));
        else if (!operand_word(soft, site, skip, &selector))
                return permit(soft);
        return !(selector & 0xfffcu) && (selector & 3) ? raise(soft, HWACCL_VECTOR_GP) : permit(soft);
}

static enum soft_result load_system(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        uint16_t selector;

        if (is_register(site))
                selector = (uint16_t)*soft_general(soft->state, modrm_rm(site));
        else if (!operand_word(soft, site, 0, &selector))
                return permit(soft);
        if (soft_canonical_system(soft, selector, ((site->modrm >> 3) & 7) == 3))
                return permit(soft);
        return soft_deliver_exception(soft, HWACCL_VECTOR_GP, true, selector & 0xfffcu);
}

static enum soft_result load_table(struct soft *soft)
{
        return soft_canonical_table(soft, soft->site) ? permit(soft) : raise(soft, HWACCL_VECTOR_GP);
}

/* An address that is not canonical is for the engine to find. */
static enum soft_result aligned(struct soft *soft)
{
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        enum hwaccl_segment_register segment;
        uint64_t offset, linear;

        if (!soft_context(soft, &context))
                return SOFT_FAILED;
        soft_operand(soft->site, soft->state, &segment, &offset);
        if (sse_is_off(soft) ||
            !hwaccl_segment_translate(&context, segment, offset, 1, HWACCL_ACCESS_READ, &linear, &exception) ||
            linear % SOFT_ALIGNMENT == 0)
                return permit(soft);
        return raise(soft, HWACCL_VECTOR_GP);
}

enum soft_result soft_permit_run(struct soft *soft)
{
        switch (soft->site->kind) {
        case SOFT_SITE_IRET:
        case SOFT_SITE_FAR_RETURN: return check_return(soft);
        case SOFT_SITE_FAR_TRANSFER: return check_far_transfer(soft);
        case SOFT_SITE_LOAD_SS:
        case SOFT_SITE_LOAD_FAR_SS: return load_stack(soft);
        case SOFT_SITE_LOAD_SYSTEM: return load_system(soft);
        case SOFT_SITE_LOAD_TABLE: return load_table(soft);
        case SOFT_SITE_ALIGNED: return aligned(soft);
        default: soft->step_next = true; return SOFT_GO_ON;
        }
}
