#include "core/accel/soft/site.h"

#include "core/accel/soft/breakpoint.h"
#include "core/accel/soft/check.h"
#include "core/accel/soft/cover.h"
#include "core/accel/soft/fault.h"
#include "core/accel/soft/interrupt.h"
#include "core/accel/soft/permit.h"
#include "core/exit/control_register.h"
#include "core/exit/registers.h"
#include "core/subject/transfer.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <string.h>

#define REX_B 1u
#define REX_R 4u

#define ACCESS_MOV_FROM (1u << 4)
#define ACCESS_CLTS     (2u << 4)
#define ACCESS_LMSW     (3u << 4)
#define LMSW_MEMORY     (1u << 6)

#define IA32_KERNEL_GS_BASE UINT32_C(0xc0000102)

static unsigned modrm_rm(const struct soft_site *site)
{
        return (site->modrm & 7u) | (site->rex & REX_B ? 8u : 0);
}

static unsigned modrm_reg(const struct soft_site *site)
{
        return ((site->modrm >> 3) & 7u) | (site->rex & REX_R ? 8u : 0);
}

static bool is_register(const struct soft_site *site)
{
        return site->modrm >> 6 == 3;
}

static void begin_blocking(struct soft *soft, const struct soft_site *site, uint64_t by)
{
        soft->blocking = by;
        soft->blocking_rip = site->address + site->length;
        soft->blocking_blocks = 0;
        soft->blocking_began = true;
}

static uint32_t engine_flags(struct soft *soft)
{
        struct soft_engine *engine = &soft->cpu->engine;
        uint32_t rflags = 0;

        if (engine->unicorn.reg_read(engine->handle, UC_X86_REG_EFLAGS, &rflags) != UC_ERR_OK) {
                hwaccl_error_set(soft->error, "the soft accelerator cannot read its engine's flags");
                soft_stop(soft, SOFT_STOP_ERROR);
        }
        return rflags;
}

/* Before an instruction that the accelerator must see. What is not stopped here the engine does. */
static void before_site(struct soft *soft, struct soft_site *site)
{
        switch (site->kind) {
        case SOFT_SITE_STI:
        case SOFT_SITE_POPF:
                if (soft->wanted && !soft->stepping) {
                        soft_stop(soft, SOFT_STOP_STEP);
                        return;
                }
                if (site->kind == SOFT_SITE_POPF)
                        soft->step_keeps_trap = true;
                else if (!(engine_flags(soft) & RFLAGS_IF))
                        begin_blocking(soft, site, HWACCL_INTERRUPTIBILITY_STI);
                return;
        case SOFT_SITE_LOAD_SS:
                if (soft->bits == 64 && !soft_is_permitted(soft, site))
                        break;
                begin_blocking(soft, site, HWACCL_INTERRUPTIBILITY_MOV_SS);
                soft->loaded |= 1u << HWACCL_SS;
                return;
        case SOFT_SITE_LOAD_SEGMENT: soft->loaded |= (uint8_t)(1u << soft_loaded_segment(site)); return;
        case SOFT_SITE_REFERENCE: return;
        case SOFT_SITE_LOAD_FAR_SS:
        case SOFT_SITE_LOAD_TABLE:
                if (soft_is_permitted(soft, site))
                        return;
                break;
        case SOFT_SITE_LOAD_SYSTEM:
                if (soft_is_permitted(soft, site) || !(soft->state->efer & HWACCL_EFER_LMA))
                        return;
                break;
        case SOFT_SITE_ALIGNED:
                if (soft_is_permitted(soft, site) || !soft_may_be_misaligned(soft, site))
                        return;
                break;
        case SOFT_SITE_IRET:
                if (soft->nmi_waits && !soft->stepping && !soft->protected_mode) {
                        soft_stop(soft, SOFT_STOP_STEP);
                        return;
                }
                if (soft->protected_mode ? soft_is_permitted(soft, site) : soft->stepping || !soft->wanted) {
                        soft->step_keeps_trap = true;
                        soft->nmi_blocked = false; /* even if it faults */
                        soft->loaded |= 1u << HWACCL_CS;
                        return;
                }
                break;
        case SOFT_SITE_FAR_RETURN:
        case SOFT_SITE_FAR_TRANSFER:
                if (soft_is_permitted(soft, site) || !soft->protected_mode) {
                        soft->loaded |= 1u << HWACCL_CS;
                        return;
                }
                break;
        case SOFT_SITE_PUSHF:
                /* the engine stores RF, which is set until the block behind an IRET that loads it is through */
                if (!soft->stepping && !(engine_flags(soft) & RFLAGS_RF))
                        return;
                break;
        case SOFT_SITE_UNDECODED:
                if (!soft->stepping)
                        soft_stop(soft, SOFT_STOP_STEP);
                return;
        default: break;
        }
        soft->site = site;
        soft_stop(soft, SOFT_STOP_SITE);
}

void soft_site_hook(uc_engine *engine, uint64_t address, uint32_t size, void *opaque)
{
        struct soft *soft = opaque;
        (void)engine;
        (void)size;

        if (soft->stop != SOFT_STOP_NONE)
                return;
        if (soft->watch.armed.dr7 && soft_breakpoint_reached(soft, address, engine_flags(soft))) {
                soft_stop(soft, SOFT_STOP_BREAKPOINT);
                soft->address = address;
                return;
        }
        struct soft_site *site = soft_scan_site(&soft->cpu->scan, address, soft->bits);
        if (!site)
                return;
        if (!(soft->cpu->scan.checked || site->after_load) || soft_check_instruction(soft, site))
                if (site->kind != SOFT_SITE_NONE)
                        before_site(soft, site);
        if (soft->stop != SOFT_STOP_NONE)
                soft->address = address;
}

static enum soft_result exit_here(struct soft *soft, uint64_t reason, uint64_t qualification)
{
        return soft_exit(soft, reason, qualification, soft->site->length);
}

static enum soft_result raise(struct soft *soft, uint8_t vector)
{
        return soft_deliver_exception(soft, vector, vector == HWACCL_VECTOR_GP, 0);
}

/* The instruction was done here; with the guest's trap flag set it is followed by a single-step trap. */
static enum soft_result done_here(struct soft *soft)
{
        bool trap = soft->state->rflags & RFLAGS_TF;

        soft_retire(soft, soft->site->length);
        return trap ? soft_breakpoint_exit(soft, HWACCL_DR6_BS) : SOFT_GO_ON;
}

static enum soft_result io(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        bool immediate = site->opcode < 0xec;
        bool input = !(site->opcode & 2);
        uint64_t port = immediate ? site->bytes[site->length - 1] : soft->state->rdx & 0xffff;
        uint64_t bytes = !(site->opcode & 1) ? 1 : site->operand_bits == 16 ? 2 : 4;

        return exit_here(soft, HWACCL_EXIT_IO_INSTRUCTION,
                         (bytes - 1) | (input ? 1u << 3 : 0) | (immediate ? 1u << 6 : 0) | port << 16);
}

static enum soft_result string_io(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        bool input = site->opcode < 0x6e;
        uint64_t bytes = !(site->opcode & 1) ? 1 : site->operand_bits == 16 ? 2 : 4;

        return exit_here(soft, HWACCL_EXIT_IO_INSTRUCTION,
                         (bytes - 1) | (input ? 1u << 3 : 0) | 1u << 4 | (site->repeat ? 1u << 5 : 0) |
                                 (soft->state->rdx & 0xffff) << 16);
}

/* An access that does not exit: performed as the handler would, except that read shadows do not change. */
static enum soft_result access_here(struct soft *soft, uint64_t qualification)
{
        struct hwaccl_subject_state *state = soft->state;
        struct hwaccl_machine_context unused = {0};
        uint64_t cr0 = state->cr0, cr4 = state->cr4, efer = state->efer;
        uint64_t cr0_shadow = state->cr0_shadow, cr4_shadow = state->cr4_shadow;
        uint64_t old_qualification = state->exit_qualification, old_length = state->instruction_length;
        uint64_t trap = state->rflags & RFLAGS_TF;

        state->exit_qualification = qualification;
        state->instruction_length = soft->site->length;
        bool done = hwaccl_control_register_access(state, &unused);
        state->exit_qualification = old_qualification;
        state->instruction_length = old_length;
        state->cr0_shadow = cr0_shadow;
        state->cr4_shadow = cr4_shadow;
        if (!done)
                return raise(soft, HWACCL_VECTOR_GP);
        if (((cr0 ^ state->cr0) & (HWACCL_CR0_PG | HWACCL_CR0_WP)) || cr4 != state->cr4 || efer != state->efer)
                soft_memory_drop(&soft->memory);
        soft->blocking = 0;
        return trap ? soft_breakpoint_exit(soft, HWACCL_DR6_BS) : SOFT_GO_ON;
}

static enum soft_result control_register(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        struct hwaccl_subject_state *state = soft->state;
        unsigned number = modrm_reg(site), from = modrm_rm(site);
        bool read = site->opcode == 0x20;
        uint64_t qualification = number | (read ? ACCESS_MOV_FROM : 0) | (uint64_t)from << 8;
        uint64_t value = *soft_general(state, from);
        bool exits;

        if (number != 0 && number != 2 && number != 3 && number != 4 && number != 8)
                return raise(soft, HWACCL_VECTOR_UD);
        if (site->bits != 64)
                value &= UINT32_MAX;
        switch (number) {
        case 0: exits = !read && ((value ^ state->cr0_shadow) & HWACCL_CR0_MASK); break;
        case 3: exits = !read; break;
        case 4: exits = !read && ((value ^ state->cr4_shadow) & HWACCL_CR4_MASK); break;
        default: exits = number == 8; break;
        }
        if (!exits)
                return access_here(soft, qualification);
        soft_memory_drop(&soft->memory);
        return exit_here(soft, HWACCL_EXIT_CONTROL_REGISTER, qualification);
}

static enum soft_result lmsw(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        uint16_t source;

        if (is_register(site)) {
                source = (uint16_t)*soft_general(soft->state, modrm_rm(site));
                return access_here(soft, ACCESS_LMSW | (uint64_t)source << 16);
        }
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        enum hwaccl_segment_register segment;
        uint64_t offset;
        if (!soft_context(soft, &context))
                return SOFT_FAILED;
        soft_operand(site, soft->state, &segment, &offset);
        if (!soft_access(&context, soft, segment, offset, &source, sizeof(source), false, &exception))
                return soft_access_failed(soft, segment, offset, sizeof(source), false, &exception);
        return access_here(soft, ACCESS_LMSW | LMSW_MEMORY | (uint64_t)source << 16);
}

/* The register gets as much of CR0 as the operand size has room for; memory always 16 bits. */
static enum soft_result smsw(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        uint64_t value = hwaccl_cr0_guest(soft->state);

        if (is_register(site)) {
                uint64_t *target = soft_general(soft->state, modrm_rm(site));
                if (site->operand_bits == 16)
                        *target = (*target & ~UINT64_C(0xffff)) | (value & 0xffff);
                else
                        *target = value & UINT32_MAX;
        } else {
                struct hwaccl_machine_context context;
                struct hwaccl_exception exception;
                enum hwaccl_segment_register segment;
                uint64_t offset;
                uint16_t word = (uint16_t)value;
                if (!soft_context(soft, &context))
                        return SOFT_FAILED;
                soft_operand(site, soft->state, &segment, &offset);
                if (!soft_access(&context, soft, segment, offset, &word, sizeof(word), true, &exception))
                        return soft_access_failed(soft, segment, offset, sizeof(word), true, &exception);
        }
        return done_here(soft);
}

static enum soft_result debug_register(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        unsigned number = modrm_reg(site);

        if (number > 7 || ((number == 4 || number == 5) && (soft->state->cr4 & HWACCL_CR4_DE)))
                return raise(soft, HWACCL_VECTOR_UD);
        return exit_here(soft, HWACCL_EXIT_MOV_DR,
                         number | (site->opcode == 0x21 ? 1u << 4 : 0) | (uint64_t)modrm_rm(site) << 8);
}

static enum soft_result invlpg(struct soft *soft)
{
        struct hwaccl_machine_context context;
        enum hwaccl_segment_register segment;
        uint64_t offset;

        if (!soft_context(soft, &context))
                return SOFT_FAILED;
        soft_operand(soft->site, soft->state, &segment, &offset);
        uint64_t linear = offset;
        if (soft->bits != 64)
                linear = (offset + context.segment[segment].base) & UINT32_MAX;
        else if (segment == HWACCL_FS || segment == HWACCL_GS)
                linear += context.segment[segment].base;
        soft_memory_drop(&soft->memory);
        return exit_here(soft, HWACCL_EXIT_INVLPG, linear);
}

static enum soft_result software_interrupt(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        struct hwaccl_event event = {.kind = HWACCL_EVENT_SOFTWARE, .length = site->length};

        switch (site->opcode) {
        case 0xcc: event.exception.vector = HWACCL_VECTOR_BP; break;
        case 0xcd: event.exception.vector = site->bytes[site->length - 1]; break;
        case 0xce:
                if (soft->bits == 64)
                        return raise(soft, HWACCL_VECTOR_UD);
                if (!(soft->state->rflags & RFLAGS_OF))
                        return done_here(soft);
                event.exception.vector = HWACCL_VECTOR_OF;
                break;
        default: /* INT1 is a trap, not subject to the gate's privilege level */
                if (soft->watch.held) {
                        /* one exception for both */
                        soft_retire(soft, site->length);
                        return soft_breakpoint_exit(soft, 0);
                }
                event.exception.vector = HWACCL_VECTOR_DB;
                event.kind = HWACCL_EVENT_EXCEPTION;
                break;
        }
        return soft_deliver(soft, &event);
}

/* While one instruction is stepped over, the engine's trap flag must not reach the guest's stack; RF never does. */
static enum soft_result pushf(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        struct hwaccl_subject_state *state = soft->state;
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        bool wide = soft->bits == 64;
        unsigned size = site->operand_bits == 16 ? 2 : wide ? 8 : 4;
        uint64_t mask = wide ? UINT64_MAX : state->ss.access_rights & SEGMENT_D ? UINT32_MAX : 0xffff;
        uint64_t flags = state->rflags & ~(RFLAGS_RF | RFLAGS_VM);
        uint64_t top = (state->rsp - size) & mask;

        if (!soft_context(soft, &context))
                return SOFT_FAILED;
        if (!soft_access(&context, soft, HWACCL_SS, top, &flags, size, true, &exception))
                return soft_access_failed(soft, HWACCL_SS, top, size, true, &exception);
        state->rsp = (state->rsp & ~mask) | top;
        return done_here(soft);
}

static enum soft_result system_call(struct soft *soft)
{
        bool fast = soft->site->opcode < 0x10; /* SYSCALL, SYSRET */

        if (fast && (!(soft->state->efer & HWACCL_EFER_SCE) || soft->bits != 64))
                return raise(soft, HWACCL_VECTOR_UD);
        if (!fast && (!soft->protected_mode || !(soft->state->sysenter_cs & 0xfffc)))
                return raise(soft, HWACCL_VECTOR_GP);
        return soft_refuse(soft, fast ? "uses SYSCALL or SYSRET" : "uses SYSENTER or SYSEXIT");
}

static enum soft_result swapgs(struct soft *soft)
{
        uint64_t base = soft->state->gs.base;

        soft->state->gs.base = soft->kernel_gs_base;
        soft->kernel_gs_base = base;
        return done_here(soft);
}

/* The MSR that SWAPGS exchanges is the processor's, as with the other accelerators: neither exits. */
static enum soft_result kernel_gs_base(struct soft *soft, bool write)
{
        struct hwaccl_subject_state *state = soft->state;
        uint64_t value = (uint32_t)state->rax | state->rdx << 32;

        if (!write) {
                state->rax = (uint32_t)soft->kernel_gs_base;
                state->rdx = soft->kernel_gs_base >> 32;
        } else if (address_is_canonical(value)) {
                soft->kernel_gs_base = value;
        } else {
                return raise(soft, HWACCL_VECTOR_GP);
        }
        return done_here(soft);
}

enum soft_result soft_site_run(struct soft *soft)
{
        const struct soft_site *site = soft->site;

        switch (site->kind) {
        case SOFT_SITE_EXIT:
                if (site->reason == HWACCL_EXIT_XSETBV && !(soft->state->cr4 & HWACCL_CR4_OSXSAVE))
                        return raise(soft, HWACCL_VECTOR_UD);
                if (site->reason == HWACCL_EXIT_HLT && soft->watch.held) {
                        soft_retire(soft, site->length); /* a debug exception ends the halt */
                        return soft_breakpoint_exit(soft, 0);
                }
                if ((site->reason == HWACCL_EXIT_RDMSR || site->reason == HWACCL_EXIT_WRMSR) &&
                    (uint32_t)soft->state->rcx == IA32_KERNEL_GS_BASE)
                        return kernel_gs_base(soft, site->reason == HWACCL_EXIT_WRMSR);
                return exit_here(soft, site->reason, 0);
        case SOFT_SITE_IO: return io(soft);
        case SOFT_SITE_STRING_IO: return string_io(soft);
        case SOFT_SITE_CONTROL_REGISTER: return control_register(soft);
        case SOFT_SITE_CLTS: return access_here(soft, ACCESS_CLTS);
        case SOFT_SITE_LMSW: return lmsw(soft);
        case SOFT_SITE_SMSW: return smsw(soft);
        case SOFT_SITE_DEBUG_REGISTER: return debug_register(soft);
        case SOFT_SITE_INVLPG: return invlpg(soft);
        case SOFT_SITE_INTERRUPT: return software_interrupt(soft);
        case SOFT_SITE_PUSHF: return pushf(soft);
        case SOFT_SITE_PAUSE: return done_here(soft);
        case SOFT_SITE_SYSTEM_CALL: return system_call(soft);
        case SOFT_SITE_UNDEFINED: return raise(soft, HWACCL_VECTOR_UD);
        case SOFT_SITE_SWAPGS: return swapgs(soft);
        case SOFT_SITE_REX_IGNORED: return soft_cover(soft);
        default: return soft_permit_run(soft);
        }
}
