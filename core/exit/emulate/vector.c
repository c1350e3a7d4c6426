/* MMX and SSE instructions that move data, FXSAVE, FXRSTOR and MXCSR (SDM 2A and 2B), with the operand in memory. */
#include "core/exit/emulate/floating_point.h"

#include "core/exit/descriptor.h"
#include "core/exit/emulate/decode.h"

#include <string.h>

enum {
        STORE = 1 << 0,
        HIGH = 1 << 1,   /* the upper 8 bytes of the register */
        ZERO = 1 << 2,   /* clear what the operand does not fill */
        ALIGN = 1 << 3,  /* to 16 bytes */
        MMX = 1 << 4,    /* an MMX register */
        WIDE = 1 << 5,   /* 8 bytes with REX.W */
        DOUBLE = 1 << 6, /* the 8 bytes twice */
        EVEN = 1 << 7,   /* each even dword twice */
        ODD = 1 << 8,
        FXSAVE = 1 << 9, /* the whole state */
        MXCSR = 1 << 10,
        MASKED = 1 << 11, /* MASKMOV: bytes of the register whose bit 7 in another one is set, to [rDI] */
};

enum prefix { NONE, P66, F3, F2 };

#define ANY_EXTENSION 8u

static const struct form {
        uint8_t prefix, opcode; /* behind 0fh */
        uint8_t extension;      /* the ModRM byte's reg field, if that is part of the opcode */
        uint16_t size;
        uint16_t flags;
} forms[] = {
#define MOVE(prefix, opcode, size, flags)                                                                              \
        {                                                                                                              \
                prefix, opcode, ANY_EXTENSION, size, flags                                                             \
        }
        MOVE(NONE, 0x10, 16, 0),
        MOVE(P66, 0x10, 16, 0),
        MOVE(F3, 0x10, 4, ZERO),
        MOVE(F2, 0x10, 8, ZERO),
        MOVE(NONE, 0x11, 16, STORE),
        MOVE(P66, 0x11, 16, STORE),
        MOVE(F3, 0x11, 4, STORE),
        MOVE(F2, 0x11, 8, STORE),
        MOVE(NONE, 0x12, 8, 0),
        MOVE(P66, 0x12, 8, 0),
        MOVE(F3, 0x12, 16, ALIGN | EVEN),
        MOVE(F2, 0x12, 8, DOUBLE),
        MOVE(NONE, 0x13, 8, STORE),
        MOVE(P66, 0x13, 8, STORE),
        MOVE(NONE, 0x16, 8, HIGH),
        MOVE(P66, 0x16, 8, HIGH),
        MOVE(F3, 0x16, 16, ALIGN | ODD),
        MOVE(NONE, 0x17, 8, STORE | HIGH),
        MOVE(P66, 0x17, 8, STORE | HIGH),
        MOVE(NONE, 0x28, 16, ALIGN),
        MOVE(P66, 0x28, 16, ALIGN),
        MOVE(NONE, 0x29, 16, STORE | ALIGN),
        MOVE(P66, 0x29, 16, STORE | ALIGN),
        MOVE(NONE, 0x2b, 16, STORE | ALIGN),
        MOVE(P66, 0x2b, 16, STORE | ALIGN),
        MOVE(NONE, 0x6e, 4, MMX | ZERO | WIDE),
        MOVE(P66, 0x6e, 4, ZERO | WIDE),
        MOVE(NONE, 0x6f, 8, MMX),
        MOVE(P66, 0x6f, 16, ALIGN),
        MOVE(F3, 0x6f, 16, 0),
        MOVE(NONE, 0x7e, 4, MMX | STORE | WIDE),
        MOVE(P66, 0x7e, 4, STORE | WIDE),
        MOVE(F3, 0x7e, 8, ZERO),
        MOVE(NONE, 0x7f, 8, MMX | STORE),
        MOVE(P66, 0x7f, 16, STORE | ALIGN),
        MOVE(F3, 0x7f, 16, STORE),
        MOVE(P66, 0xd6, 8, STORE),
        MOVE(NONE, 0xe7, 8, MMX | STORE),
        MOVE(P66, 0xe7, 16, STORE | ALIGN),
        MOVE(F2, 0xf0, 16, 0),
        MOVE(NONE, 0xf7, 8, MMX | STORE | MASKED),
        MOVE(P66, 0xf7, 16, STORE | MASKED),
#undef MOVE
        {NONE, 0xae, 0, 512, FXSAVE | STORE},
        {NONE, 0xae, 1, 512, FXSAVE},
        {NONE, 0xae, 2, 4, MXCSR},
        {NONE, 0xae, 3, 4, MXCSR | STORE},
};

bool vector_form(const uint8_t *opcode, const struct prefixes *prefixes, struct floating_point_form *form)
{
        enum prefix prefix = prefixes->repeat == REPEAT_EQUAL       ? F3
                             : prefixes->repeat == REPEAT_NOT_EQUAL ? F2
                             : prefixes->operand_size               ? P66
                                                                    : NONE;

        for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
                if (opcode[0] == 0x0f && forms[i].opcode == opcode[1] && forms[i].prefix == prefix &&
                    (forms[i].extension == ANY_EXTENSION || forms[i].extension == (opcode[2] >> 3 & 7)) &&
                    (opcode[2] >= 0xc0) == !!(forms[i].flags & MASKED)) {
                        bool wide = forms[i].flags & WIDE && prefixes->rex & REX_W;
                        *form = (struct floating_point_form){(uint8_t)i, wide ? 8 : forms[i].size,
                                                             forms[i].flags & STORE, forms[i].flags & MASKED};
                        return true;
                }
        return false;
}

enum step floating_point_read(struct emulation *emulation, struct hwaccl_floating_point *state)
{
        return hwaccl_host_floating_point_read(emulation->host, state) ? STEP_DONE : STEP_UNSUPPORTED;
}

void floating_point_write(struct emulation *emulation, const struct hwaccl_floating_point *state)
{
        hwaccl_host_floating_point_write(emulation->host, state);
}

/* #UD and #NM (SDM 3A, 13.1.1 and table 12-1). */
static enum step check(struct emulation *emulation, const struct form *form)
{
        const struct hwaccl_machine_context *context = emulation->context;
        bool needs_sse = !(form->flags & MMX);

        if (form->flags & FXSAVE) /* the FPU's exception: so QEMU and KVM have it too */
                return context->cr0 & (HWACCL_CR0_EM | HWACCL_CR0_TS) ? raise_fault(emulation, HWACCL_VECTOR_NM)
                                                                      : STEP_DONE;
        if (context->cr0 & HWACCL_CR0_EM || (needs_sse && !(context->cr4 & HWACCL_CR4_OSFXSR)))
                return raise_fault(emulation, HWACCL_VECTOR_UD);
        return context->cr0 & HWACCL_CR0_TS ? raise_fault(emulation, HWACCL_VECTOR_NM) : STEP_DONE;
}

/* The operand's place, aligned where that is asked for: #GP comes before a page fault. */
static bool locate_operand(struct emulation *emulation, unsigned size, unsigned alignment, unsigned access,
                           struct place *place)
{
        const struct instruction *instruction = emulation->instruction;
        uint64_t offset = effective_address(emulation), linear;

        if (!hwaccl_segment_translate(emulation->context, instruction->segment, offset, size, access, &linear,
                                      &emulation->exception))
                return false;
        if (linear & (alignment - 1)) {
                (void)raise_fault_zero(emulation, HWACCL_VECTOR_GP);
                return false;
        }
        return locate(emulation, instruction->segment, offset, size, access, place);
}

/* An MMX instruction makes the FPU's registers an array: the top is 0, none is empty. */
static void enter_mmx(struct hwaccl_floating_point *state)
{
        unsigned top = state->image[FXSAVE_FSW + 1] >> 3 & 7;
        uint8_t old[8][16];

        memcpy(old, state->image + FXSAVE_ST(0), sizeof(old));
        for (unsigned i = 0; i < 8; i++)
                memcpy(state->image + FXSAVE_ST(i), old[(i - top) & 7], 16);
        state->image[FXSAVE_FSW + 1] &= (uint8_t)~0x38u;
        state->image[FXSAVE_TAGS] = 0xff;
}

static void spread(const uint8_t *from, unsigned flags, uint8_t to[16])
{
        for (unsigned i = 0; i < 16; i++)
                to[i] = from[flags & DOUBLE ? i & 7 : flags & EVEN ? i & ~4u : i | 4];
}

static void load_register(uint8_t *to, const struct form *form, unsigned size, const uint8_t *bytes)
{
        unsigned whole = form->flags & MMX ? 8 : 16;

        if (form->flags & (DOUBLE | EVEN | ODD)) {
                spread(bytes, form->flags, to);
                return;
        }
        if (form->flags & ZERO)
                memset(to, 0, whole);
        memcpy(to + (form->flags & HIGH ? 8 : 0), bytes, size);
        if (form->flags & MMX)
                memset(to + 8, 0xff, 2);
}

static size_t register_offset(const struct instruction *instruction)
{
        unsigned number = memory_operand(instruction)->number;

        return forms[instruction->form].flags & MMX ? FXSAVE_ST(number & 7) : FXSAVE_XMM(number);
}

const uint8_t *vector_stored(const struct instruction *instruction, const struct hwaccl_floating_point *state)
{
        return state->image + register_offset(instruction) + (forms[instruction->form].flags & HIGH ? 8 : 0);
}

/* A register by its number. */
static uint8_t *register_of(struct hwaccl_floating_point *state, const struct form *form, unsigned number)
{
        return state->image + (form->flags & MMX ? FXSAVE_ST(number & 7) : FXSAVE_XMM(number));
}

/* The whole operand must be there; the bytes that are not selected are not accessed. */
static enum step move_masked(struct emulation *emulation, struct hwaccl_floating_point *state, const struct form *form)
{
        const struct instruction *instruction = emulation->instruction;
        unsigned size = instruction->operand[0].size;
        struct place place, byte[16];

        if (!locate_operand(emulation, size, 1, HWACCL_ACCESS_WRITE, &place))
                return STEP_EXCEPTION;
        for (unsigned i = 0; i < size; i++)
                if (!locate(emulation, instruction->segment,
                            (effective_address(emulation) + i) & size_mask(instruction->address_size), 1,
                            HWACCL_ACCESS_WRITE, &byte[i]))
                        return STEP_EXCEPTION;
        if (form->flags & MMX)
                enter_mmx(state);
        const uint8_t *from = register_of(state, form, instruction->operand[0].number);
        const uint8_t *mask = register_of(state, form, instruction->operand[1].number);
        for (unsigned i = 0; i < size; i++)
                if (mask[i] & 0x80)
                        place_write(emulation, &byte[i], from + i);
        if (form->flags & MMX)
                floating_point_write(emulation, state);
        return STEP_DONE;
}

static enum step move(struct emulation *emulation, struct hwaccl_floating_point *state, const struct form *form)
{
        const struct operand *operand = memory_operand(emulation->instruction);
        bool stores = form->flags & STORE;
        uint8_t *place_of_register = state->image + register_offset(emulation->instruction);
        struct place place;
        uint8_t bytes[16];

        if (!locate_operand(emulation, operand->size, form->flags & ALIGN ? 16 : 1,
                            stores ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ, &place))
                return STEP_EXCEPTION;
        if (form->flags & MMX)
                enter_mmx(state);
        if (stores) {
                place_write(emulation, &place, vector_stored(emulation->instruction, state));
        } else {
                place_read(emulation, &place, bytes);
                load_register(place_of_register, form, operand->size, bytes);
        }
        if (!stores || form->flags & MMX)
                floating_point_write(emulation, state);
        return STEP_DONE;
}

static bool mxcsr_allowed(struct emulation *emulation, const uint8_t *bytes)
{
        if (!(little_endian(bytes, 4) & ~(uint64_t)MXCSR_DEFINED))
                return true;
        (void)raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        return false;
}

static enum step move_mxcsr(struct emulation *emulation, struct hwaccl_floating_point *state, bool stores)
{
        uint8_t bytes[4];
        struct place place;

        if (!locate_operand(emulation, sizeof(bytes), 1, stores ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ, &place))
                return STEP_EXCEPTION;
        if (stores) {
                place_write(emulation, &place, state->image + FXSAVE_MXCSR);
                return STEP_DONE;
        }
        place_read(emulation, &place, bytes);
        if (!mxcsr_allowed(emulation, bytes))
                return STEP_EXCEPTION;
        memcpy(state->image + FXSAVE_MXCSR, bytes, sizeof(bytes));
        floating_point_write(emulation, state);
        return STEP_DONE;
}

static enum step move_all(struct emulation *emulation, struct hwaccl_floating_point *state, bool stores)
{
        const unsigned size = emulation->instruction->code_bits == 64 ? FXSAVE_END : FXSAVE_END_LEGACY;
        uint8_t bytes[FXSAVE_END];
        struct place place, whole;

        if (!locate_operand(emulation, sizeof(state->image), 16, stores ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ,
                            &whole) ||
            !locate_operand(emulation, size, 16, stores ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ, &place))
                return STEP_EXCEPTION;
        if (stores) {
                place_write(emulation, &place, state->image);
                return STEP_DONE;
        }
        place_read(emulation, &place, bytes);
        if (!mxcsr_allowed(emulation, bytes + FXSAVE_MXCSR))
                return STEP_EXCEPTION;
        memcpy(state->image, bytes, size);
        x87_settle(state);
        floating_point_write(emulation, state);
        return STEP_DONE;
}

enum step execute_vector(struct emulation *emulation)
{
        const struct form *form = &forms[emulation->instruction->form];
        struct hwaccl_floating_point state;
        bool stores = form->flags & STORE;

        enum step step = check(emulation, form);
        if (step == STEP_DONE)
                step = floating_point_read(emulation, &state);
        if (step != STEP_DONE)
                return step;
        if (form->flags & MMX && state.image[FXSAVE_FSW] & X87_SUMMARY)
                return emulation->context->cr0 & HWACCL_CR0_NE ? raise_fault(emulation, HWACCL_VECTOR_MF)
                                                               : STEP_UNSUPPORTED;
        if (form->flags & FXSAVE)
                return move_all(emulation, &state, stores);
        if (form->flags & MASKED)
                return move_masked(emulation, &state, form);
        return form->flags & MXCSR ? move_mxcsr(emulation, &state, stores) : move(emulation, &state, form);
}
