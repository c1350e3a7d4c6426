#include "core/accel/soft/check.h"

#include "core/accel/soft/interrupt.h"
#include "core/exit/registers.h"

#include <string.h>

#define BIT(number)     (1u << (number))
#define ALL_SEGMENTS    (BIT(HWACCL_SEGMENT_REGISTER_COUNT) - 1)
#define BLOCK_SEGMENTS  (BIT(HWACCL_FS) | BIT(HWACCL_GS)) /* few blocks refer to memory by these */
#define ALWAYS_SEGMENTS (ALL_SEGMENTS & ~BLOCK_SEGMENTS)

/* Reads and writes anywhere, or runs and is read anywhere: nothing to check. */
static bool allows_everything(const struct hwaccl_segment *segment, bool code, bool typed)
{
        uint32_t rights = segment->access_rights;
        bool expand_down = !(rights & SEGMENT_TYPE_CODE) && (rights & SEGMENT_TYPE_EXPAND_DOWN);

        if (segment->limit != UINT32_MAX || expand_down)
                return false;
        return !typed || hwaccl_segment_allows(segment, true, 0, 1, code ? HWACCL_ACCESS_READ : HWACCL_ACCESS_WRITE);
}

static void find_limited(struct soft *soft)
{
        soft->limited = soft->protected_mode ? SOFT_WRITES_CODE : 0;
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                if (!allows_everything(&soft->segment[i], i == HWACCL_CS, soft->protected_mode))
                        soft->limited |= (uint8_t)BIT(i);
}

void soft_check_begin(struct soft *soft)
{
        const struct hwaccl_subject_state *state = soft->state;

        soft->protected_mode = state->cr0 & HWACCL_CR0_PE;
        soft->loaded = 0;
        soft->block_loads = false;
        soft->limited = 0;
        if (!((state->efer & HWACCL_EFER_LMA) && (state->cs.access_rights & SEGMENT_L))) {
                soft->segment[HWACCL_ES] = state->es;
                soft->segment[HWACCL_CS] = state->cs;
                soft->segment[HWACCL_SS] = state->ss;
                soft->segment[HWACCL_DS] = state->ds;
                soft->segment[HWACCL_FS] = state->fs;
                soft->segment[HWACCL_GS] = state->gs;
                find_limited(soft);
        }
        bool checked = (soft->limited & ALWAYS_SEGMENTS) || (soft->limited && soft->next_checked);
        struct soft_cpu *cpu = &soft->cpus[checked ? SOFT_CHECKED : SOFT_FLAT];
        soft->next_checked = false;
        if (cpu != soft->cpu)
                soft_engine_take_over(&cpu->engine, &soft->cpu->engine);
        soft->cpu = cpu;
}

static bool engine_fails(struct soft *soft)
{
        hwaccl_error_set(soft->error, "the soft accelerator cannot read its engine's registers");
        soft_stop(soft, SOFT_STOP_ERROR);
        return false;
}

/* In protected mode a load changes everything; in real mode only the base, which follows from the selector and which
 * few checks need. */
static bool look_again(struct soft *soft, uint8_t segments)
{
        static const int selector_id[HWACCL_SEGMENT_REGISTER_COUNT] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
                                                                       UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};
        struct soft_engine *engine = &soft->cpu->engine;

        if (soft->protected_mode) {
                if (!soft->loaded)
                        return true;
                soft->loaded = 0;
                if (!soft_engine_segments(engine, soft->segment))
                        return engine_fails(soft);
                find_limited(soft);
                return true;
        }
        segments &= soft->loaded;
        soft->loaded &= (uint8_t)~segments;
        for (; segments; segments &= (uint8_t)(segments - 1)) {
                unsigned i = (unsigned)__builtin_ctz(segments);
                uint16_t selector = 0;
                if (engine->unicorn.reg_read(engine->handle, selector_id[i], &selector) != UC_ERR_OK)
                        return engine_fails(soft);
                if (selector != soft->segment[i].selector) {
                        soft->segment[i].selector = selector;
                        soft->segment[i].base = (uint64_t)selector << 4;
                }
        }
        return true;
}

static bool forbidden(struct soft *soft, enum hwaccl_segment_register segment)
{
        soft->vector = segment == HWACCL_SS ? HWACCL_VECTOR_SS : HWACCL_VECTOR_GP;
        return false;
}

static bool allows(struct soft *soft, enum hwaccl_segment_register segment, uint64_t offset, unsigned size, bool write)
{
        return hwaccl_segment_allows(&soft->segment[segment], soft->protected_mode, offset, size,
                                     write ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ) ||
               forbidden(soft, segment);
}

static uint64_t address_mask(const struct soft_site *site)
{
        return site->address_bits == 16 ? UINT16_MAX : UINT32_MAX;
}

static uint64_t stack_mask(const struct soft *soft)
{
        return soft->segment[HWACCL_SS].access_rights & SEGMENT_D ? UINT32_MAX : UINT16_MAX;
}

static uint64_t immediate(const struct soft_site *site, unsigned at, unsigned size)
{
        uint64_t value = 0;
        memcpy(&value, site->bytes + at, size);
        return value;
}

static enum hwaccl_segment_register data_segment(const struct soft_site *site)
{
        return site->segment == SOFT_NO_SEGMENT ? HWACCL_DS : (enum hwaccl_segment_register)site->segment;
}

static void operand_place(const struct soft *soft, const struct soft_site *site, enum hwaccl_segment_register *segment,
                          uint64_t *offset)
{
        const struct hwaccl_subject_state *state = soft->state;
        const struct soft_reference *reference = &site->reference;
        struct hwaccl_subject_state popped;

        switch (reference->operand) {
        case SOFT_OPERAND_POPPED:
                popped = *state;
                popped.rsp += site->operand_bits / 8;
                soft_operand(site, &popped, segment, offset);
                return;
        case SOFT_OPERAND_BIT: {
                uint64_t number = *soft_general(soft->state, (site->modrm >> 3) & 7);
                int64_t bit = site->operand_bits == 16 ? (int16_t)number : (int32_t)number;
                soft_operand(site, state, segment, offset);
                *offset += (uint64_t)((bit >> (site->operand_bits == 16 ? 4 : 5)) * reference->size);
                break;
        }
        case SOFT_OPERAND_OFFSET:
                *segment = data_segment(site);
                *offset = immediate(site, site->length - site->address_bits / 8u, site->address_bits / 8u);
                break;
        case SOFT_OPERAND_TABLE:
                *segment = data_segment(site);
                *offset = state->rbx + (state->rax & 0xff);
                break;
        case SOFT_OPERAND_MASKED:
                *segment = data_segment(site);
                *offset = state->rdi;
                break;
        default: soft_operand(site, state, segment, offset); return;
        }
        *offset &= address_mask(site);
}

static bool string_allowed(struct soft *soft, const struct soft_site *site)
{
        const struct hwaccl_subject_state *state = soft->state;
        const struct soft_reference *reference = &site->reference;
        uint64_t mask = address_mask(site);

        if (site->repeat && !(state->rcx & mask))
                return true;
        if (reference->operand != SOFT_OPERAND_DESTINATION &&
            !allows(soft, data_segment(site), state->rsi & mask, reference->size, false))
                return false;
        return reference->operand == SOFT_OPERAND_SOURCE ||
               allows(soft, HWACCL_ES, state->rdi & mask, reference->size, reference->write);
}

/* #NM, and #UD of what real mode does not have (ARPL, LAR, LSL, VERR and the like), come before segments. */
static bool faults_first(const struct soft *soft, const struct soft_site *site)
{
        if (site->reference.floating)
                return soft->state->cr0 & (HWACCL_CR0_EM | HWACCL_CR0_TS);
        if (soft->protected_mode)
                return false;
        return site->two_byte ? site->opcode == 0x00 || site->opcode == 0x02 || site->opcode == 0x03
                              : site->opcode == 0x63;
}

static bool operand_allowed(struct soft *soft, const struct soft_site *site)
{
        const struct soft_reference *reference = &site->reference;
        enum hwaccl_segment_register segment;
        uint64_t offset;

        if (reference->operand == SOFT_OPERAND_NONE)
                return true;
        if (reference->operand >= SOFT_OPERAND_SOURCE)
                return string_allowed(soft, site);
        if (faults_first(soft, site))
                return true;
        operand_place(soft, site, &segment, &offset);
        return allows(soft, segment, offset, reference->size, reference->write);
}

/* Pushes the frame pointers of the outer levels, and tries the stack where it will end. */
static bool enter_allowed(struct soft *soft, const struct soft_site *site, unsigned size)
{
        uint64_t mask = stack_mask(soft);
        uint64_t sp = soft->state->rsp - size, bp = soft->state->rbp;
        unsigned level = site->bytes[site->length - 1u] & 31;

        if (!allows(soft, HWACCL_SS, sp & mask, size, true))
                return false;
        for (unsigned i = 1; i < level; i++) {
                bp -= size;
                sp -= size;
                if (!allows(soft, HWACCL_SS, bp & mask, size, false) || !allows(soft, HWACCL_SS, sp & mask, size, true))
                        return false;
        }
        if (level) {
                sp -= size;
                if (!allows(soft, HWACCL_SS, sp & mask, size, true))
                        return false;
        }
        sp -= immediate(site, site->length - 3u, 2);
        return allows(soft, HWACCL_SS, sp & mask, size, true);
}

static bool stack_allowed(struct soft *soft, const struct soft_site *site)
{
        const struct soft_reference *reference = &site->reference;
        unsigned size = site->operand_bits / 8u;
        uint64_t mask = stack_mask(soft);
        uint64_t sp = soft->state->rsp;

        switch (reference->stack) {
        case SOFT_STACK_ENTER: return enter_allowed(soft, site, size);
        case SOFT_STACK_LEAVE: return allows(soft, HWACCL_SS, soft->state->rbp & mask, size, false);
        case SOFT_STACK_PUSH:
                for (unsigned i = 0; i < reference->slots; i++) {
                        sp -= size;
                        if (!allows(soft, HWACCL_SS, sp & mask, size, true))
                                return false;
                }
                return true;
        case SOFT_STACK_POP:
                for (unsigned i = 0; i < reference->slots; i++, sp += size)
                        if (!allows(soft, HWACCL_SS, sp & mask, size, false))
                                return false;
                return true;
        default: return true;
        }
}

/* What a branch will read. Where that faults or is no memory, the engine finds out. */
static bool read_value(struct soft *soft, enum hwaccl_segment_register segment, uint64_t offset, unsigned size,
                       uint64_t *value)
{
        struct hwaccl_machine_context context;
        uint64_t rest;

        *value = 0;
        if (!look_again(soft, (uint8_t)BIT(segment)))
                return false;
        uint64_t linear = (uint32_t)(soft->segment[segment].base + offset);
        if (soft->state->cr0 & HWACCL_CR0_PG)
                return soft_context(soft, &context) && soft_read_linear(&context, soft, linear, value, size);
        const uint8_t *memory = soft_memory_code(&soft->memory, linear, &rest);
        if (!memory || rest < size)
                return false;
        memcpy(value, memory, size);
        return true;
}

static bool is_conditional(const struct soft_site *site)
{
        return site->reference.branch == SOFT_BRANCH_RELATIVE && site->opcode != 0xe8 && site->opcode != 0xe9 &&
               site->opcode != 0xeb;
}

/* Jcc, LOOP or JCXZ */
static bool is_taken(const struct soft *soft, const struct soft_site *site)
{
        uint64_t flags = soft->state->rflags;
        bool zero = flags & RFLAGS_ZF, less = !(flags & RFLAGS_SF) != !(flags & RFLAGS_OF);
        uint64_t left = soft->state->rcx & address_mask(site);
        bool condition;

        switch (site->opcode) {
        case 0xe0: return left != 1 && !zero;
        case 0xe1: return left != 1 && zero;
        case 0xe2: return left != 1;
        case 0xe3: return !left;
        default: break;
        }
        switch (site->opcode >> 1 & 7) {
        case 0: condition = flags & RFLAGS_OF; break;
        case 1: condition = flags & RFLAGS_CF; break;
        case 2: condition = zero; break;
        case 3: condition = zero || (flags & RFLAGS_CF); break;
        case 4: condition = flags & RFLAGS_SF; break;
        case 5: condition = flags & RFLAGS_PF; break;
        case 6: condition = less; break;
        default: condition = zero || less; break;
        }
        return condition != (site->opcode & 1);
}

bool soft_check_branch(struct soft *soft)
{
        soft->not_taken = !is_taken(soft, soft->site);
        return soft->not_taken;
}

static bool branch_target(struct soft *soft, const struct soft_site *site, uint64_t *target)
{
        unsigned size = site->operand_bits / 8u;
        enum hwaccl_segment_register segment;
        uint64_t offset;

        switch (site->reference.branch) {
        case SOFT_BRANCH_RELATIVE: {
                bool wide = site->two_byte || site->opcode == 0xe8 || site->opcode == 0xe9;
                unsigned width = wide ? size : 1;
                uint64_t next = site->address + site->length - soft->segment[HWACCL_CS].base;
                uint64_t sign = UINT64_C(1) << (width * 8 - 1);
                *target = next + ((immediate(site, site->length - width, width) ^ sign) - sign);
                return true;
        }
        case SOFT_BRANCH_FAR: *target = immediate(site, site->length - 2u - size, size); return true;
        case SOFT_BRANCH_RETURN: return read_value(soft, HWACCL_SS, soft->state->rsp & stack_mask(soft), size, target);
        default: break;
        }
        if (site->reference.operand == SOFT_OPERAND_NONE) {
                *target = *soft_general(soft->state, site->modrm & 7);
                return true;
        }
        operand_place(soft, site, &segment, &offset);
        return read_value(soft, segment, offset, size, target);
}

/* The target must be within the code segment. A far one in protected mode is in another, which the engine or
 * site.c looks at. */
static bool branch_allowed(struct soft *soft, struct soft_site *site)
{
        const struct hwaccl_segment *code = &soft->segment[HWACCL_CS];
        uint64_t mask = site->operand_bits == 16 ? UINT16_MAX : UINT32_MAX;
        uint64_t target;

        if (site->reference.branch == SOFT_BRANCH_NONE || mask <= code->limit)
                return true;
        if (soft->protected_mode && (site->kind == SOFT_SITE_FAR_TRANSFER || site->kind == SOFT_SITE_FAR_RETURN ||
                                     site->kind == SOFT_SITE_IRET))
                return true;
        if (!look_again(soft, BIT(HWACCL_CS)))
                return false;
        if (!branch_target(soft, site, &target) || (target & mask) <= code->limit)
                return true;
        if (!is_conditional(site))
                return forbidden(soft, HWACCL_CS);
        if (soft->not_taken)
                return true;
        soft->site = site;
        soft_stop(soft, SOFT_STOP_BRANCH); /* arithmetic flags are not to be had while the engine runs */
        return false;
}

bool soft_check_instruction(struct soft *soft, struct soft_site *site)
{
        const struct soft_reference *reference = &site->reference;

        if (site->after_load)
                soft->loaded = ALL_SEGMENTS;
        if (soft->loaded && soft->protected_mode && !look_again(soft, ALL_SEGMENTS))
                return false;
        if (!(reference->segments & soft->limited))
                return true;
        if (!soft->cpu->scan.checked) {
                soft->next_checked = true;
                soft_stop(soft, SOFT_STOP_SWITCH);
                return false;
        }
        if (!soft_engine_registers(&soft->cpu->engine, reference->registers, soft->state))
                return engine_fails(soft);
        if (operand_allowed(soft, site) && stack_allowed(soft, site) && branch_allowed(soft, site))
                return true;
        soft_stop(soft, SOFT_STOP_SEGMENT);
        return false;
}

static bool fetch_allowed(struct soft *soft, uint64_t address, uint32_t size)
{
        const struct hwaccl_segment *code = &soft->segment[HWACCL_CS];

        if (!look_again(soft, BIT(HWACCL_CS)))
                return false;
        uint64_t first = (uint32_t)(address - code->base);
        if (first + size - 1 <= code->limit)
                return true;
        soft->vector = HWACCL_VECTOR_GP;
        soft_stop(soft, soft->stepping ? SOFT_STOP_SEGMENT : SOFT_STOP_FETCH);
        return false;
}

bool soft_check_block(struct soft *soft, uint64_t address, uint32_t size, uint8_t segments)
{
        bool in_checked = soft->cpu->scan.checked;

        if (soft->block_loads)
                soft->loaded = ALL_SEGMENTS;
        soft->block_loads = !in_checked && (segments & SOFT_BLOCK_LOADS);
        if (!(soft->loaded | (soft->limited & (ALWAYS_SEGMENTS | segments))) && !in_checked)
                return true;
        if (soft->loaded && soft->protected_mode && !look_again(soft, ALL_SEGMENTS))
                return false;
        bool checked = soft->limited & (ALWAYS_SEGMENTS | segments);
        /* blocking by STI or MOV SS, which shortens the next block, is not carried over unless it must */
        if (checked != in_checked && (checked || !soft->blocking)) {
                soft->next_checked = checked;
                soft_stop(soft, SOFT_STOP_SWITCH);
                return false;
        }
        return !checked || fetch_allowed(soft, address, size);
}
