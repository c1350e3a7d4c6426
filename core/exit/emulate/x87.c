/*
 * x87 instructions that load and store (SDM 2A, FLD and others), with the operand in memory. The pointers to the last
 * instruction and operand stay as they are, as on processors that save them only with unmasked exceptions.
 */
#include "core/exit/emulate/floating_point.h"

#include "core/assert.h"
#include "core/exit/descriptor.h"

#include <string.h>

enum kind {
        LOAD_FLOAT,
        LOAD_INTEGER,
        LOAD_EXTENDED,
        LOAD_DECIMAL,
        LOAD_CONTROL,
        LOAD_ENVIRONMENT,
        STORE_FLOAT, /* the first that stores */
        STORE_INTEGER,
        STORE_TRUNCATED,
        STORE_EXTENDED,
        STORE_DECIMAL,
        STORE_CONTROL, /* the first that does not wait for exceptions */
        STORE_STATUS,
        STORE_ENVIRONMENT,
};

static const struct form {
        uint8_t opcode, extension; /* the ModRM byte's reg field */
        uint8_t kind;
        uint8_t size;
        bool pops;
} forms[] = {
        {0xd9, 0, LOAD_FLOAT, 4, false},
        {0xd9, 2, STORE_FLOAT, 4, false},
        {0xd9, 3, STORE_FLOAT, 4, true},
        {0xd9, 5, LOAD_CONTROL, 2, false},
        {0xd9, 7, STORE_CONTROL, 2, false},
        {0xdb, 0, LOAD_INTEGER, 4, false},
        {0xdb, 1, STORE_TRUNCATED, 4, true},
        {0xdb, 2, STORE_INTEGER, 4, false},
        {0xdb, 3, STORE_INTEGER, 4, true},
        {0xdb, 5, LOAD_EXTENDED, 10, false},
        {0xdb, 7, STORE_EXTENDED, 10, true},
        {0xdd, 0, LOAD_FLOAT, 8, false},
        {0xdd, 1, STORE_TRUNCATED, 8, true},
        {0xdd, 2, STORE_FLOAT, 8, false},
        {0xdd, 3, STORE_FLOAT, 8, true},
        {0xdd, 7, STORE_STATUS, 2, false},
        {0xdf, 0, LOAD_INTEGER, 2, false},
        {0xdf, 1, STORE_TRUNCATED, 2, true},
        {0xdf, 2, STORE_INTEGER, 2, false},
        {0xdf, 3, STORE_INTEGER, 2, true},
        {0xdf, 5, LOAD_INTEGER, 8, false},
        {0xdf, 7, STORE_INTEGER, 8, true},
        {0xdf, 4, LOAD_DECIMAL, 10, false},
        {0xdf, 6, STORE_DECIMAL, 10, true},
        {0xd9, 4, LOAD_ENVIRONMENT, X87_ENVIRONMENT_32, false},
        {0xd9, 6, STORE_ENVIRONMENT, X87_ENVIRONMENT_32, false},
        {0xdd, 4, LOAD_ENVIRONMENT, X87_ALL_32, false},
        {0xdd, 6, STORE_ENVIRONMENT, X87_ALL_32, false},
};

static bool stores(const struct form *form)
{
        return form->kind >= STORE_FLOAT;
}

static uint16_t size_of(const struct form *form, bool operands_16)
{
        if (!operands_16 || (form->kind != LOAD_ENVIRONMENT && form->kind != STORE_ENVIRONMENT))
                return form->size;
        return form->size == X87_ALL_32 ? X87_ALL_16 : X87_ENVIRONMENT_16;
}

bool x87_form(const uint8_t *opcode, bool operands_16, struct floating_point_form *form)
{
        for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
                if (forms[i].opcode == opcode[0] && forms[i].extension == (opcode[1] >> 3 & 7) && opcode[1] < 0xc0) {
                        *form = (struct floating_point_form){(uint8_t)i, size_of(&forms[i], operands_16),
                                                             stores(&forms[i]), false};
                        return true;
                }
        return false;
}

static void set_top(struct hwaccl_floating_point *state, unsigned value)
{
        x87_set_word(state, FXSAVE_FSW, (x87_word(state, FXSAVE_FSW) & ~0x3800u) | value << 11);
}

static void push(struct hwaccl_floating_point *state, struct extended number)
{
        unsigned place = (x87_top(state) - 1) & 7;

        memmove(state->image + FXSAVE_ST(1), state->image + FXSAVE_ST(0), 7 * 16);
        memset(state->image + FXSAVE_ST(0), 0, 16);
        for (unsigned i = 0; i < 8; i++)
                state->image[FXSAVE_ST(0) + i] = (uint8_t)(number.significand >> 8 * i);
        x87_set_word(state, FXSAVE_ST(0) + 8, number.exponent);
        set_top(state, place);
        state->image[FXSAVE_TAGS] |= (uint8_t)(1u << place);
}

static void pop(struct hwaccl_floating_point *state)
{
        uint8_t old[16];

        memcpy(old, state->image + FXSAVE_ST(0), 16);
        memmove(state->image + FXSAVE_ST(0), state->image + FXSAVE_ST(1), 7 * 16);
        memcpy(state->image + FXSAVE_ST(7), old, 16);
        state->image[FXSAVE_TAGS] &= (uint8_t) ~(1u << x87_top(state));
        set_top(state, (x87_top(state) + 1) & 7);
}

/* Note the exceptions that came up. False: one of them is unmasked and keeps the result back. */
static bool note(struct hwaccl_floating_point *state, unsigned flags, unsigned that_keep_back)
{
        unsigned status = x87_word(state, FXSAVE_FSW) & ~(unsigned)X87_C1;
        unsigned unmasked = flags & X87_EXCEPTIONS & ~(unsigned)x87_word(state, FXSAVE_FCW);

        if (unmasked & that_keep_back)
                flags &= ~(unsigned)(X87_PRECISION | (flags & X87_STACK_FAULT ? 0 : X87_C1));
        status |= flags;
        if (unmasked)
                status |= X87_SUMMARY | X87_BUSY;
        x87_set_word(state, FXSAVE_FSW, status);
        return !(unmasked & that_keep_back);
}

static void load(struct hwaccl_floating_point *state, const struct form *form, const uint8_t *bytes)
{
        uint64_t value = little_endian(bytes, form->size < 8 ? form->size : 8);
        struct extended number;
        unsigned flags = 0;

        if (state->image[FXSAVE_TAGS] >> ((x87_top(state) - 1) & 7) & 1) {
                flags = X87_INVALID | X87_STACK_FAULT | X87_C1;
                number = EXTENDED_INDEFINITE;
        } else if (form->kind == LOAD_EXTENDED) {
                number = (struct extended){value, (uint16_t)little_endian(bytes + 8, 2)};
        } else if (form->kind == LOAD_FLOAT) {
                number = extended_from_float(value, form->size, &flags);
        } else if (form->kind == LOAD_DECIMAL) {
                number = extended_from_decimal(bytes);
        } else {
                unsigned unused = 64 - 8u * form->size;
                number = extended_from_integer((int64_t)(value << unused) >> unused);
        }
        if (note(state, flags, X87_INVALID | X87_DENORMAL))
                push(state, number);
}

/* What is to be stored; adds exceptions to *flags. */
static void convert(const struct hwaccl_floating_point *state, const struct form *form, uint8_t *bytes, unsigned *flags)
{
        const uint8_t *from = state->image + FXSAVE_ST(0);
        struct extended number = {little_endian(from, 8), (uint16_t)little_endian(from + 8, 2)};
        unsigned control = x87_word(state, FXSAVE_FCW);
        enum x87_rounding rounding = form->kind == STORE_TRUNCATED ? X87_TRUNCATE : (control >> 10 & 3);
        uint64_t value;

        if (!(state->image[FXSAVE_TAGS] >> x87_top(state) & 1)) {
                *flags = X87_INVALID | X87_STACK_FAULT;
                number = EXTENDED_INDEFINITE;
        }
        if (form->kind == STORE_DECIMAL) {
                extended_to_decimal(number, rounding, bytes, flags);
                return;
        }
        if (form->kind == STORE_FLOAT)
                value = extended_to_float(number, form->size, rounding, control & X87_UNDERFLOW, flags);
        else if (form->kind == STORE_EXTENDED)
                value = number.significand;
        else
                value = (uint64_t)extended_to_integer(number, form->size, rounding, flags);
        for (unsigned i = 0; i < 8; i++)
                bytes[i] = (uint8_t)(value >> 8 * i);
        bytes[8] = (uint8_t)number.exponent;
        bytes[9] = (uint8_t)(number.exponent >> 8);
}

/* #NM, #MF and what a waiting instruction does where CR0.NE is clear. */
static enum step check(struct emulation *emulation, const struct hwaccl_floating_point *state, enum kind kind)
{
        bool waits = kind < STORE_CONTROL;

        if (!waits || !(x87_word(state, FXSAVE_FSW) & X87_SUMMARY))
                return STEP_DONE;
        if (!(emulation->context->cr0 & HWACCL_CR0_NE))
                return STEP_UNSUPPORTED; /* an external interrupt, by the FERR# pin */
        return raise_fault(emulation, HWACCL_VECTOR_MF);
}

void x87_settle(struct hwaccl_floating_point *state)
{
        unsigned control = (x87_word(state, FXSAVE_FCW) & 0x1f3fu) | 0x40;
        unsigned status = x87_word(state, FXSAVE_FSW) & ~(unsigned)(X87_SUMMARY | X87_BUSY);

        if (status & X87_EXCEPTIONS & ~control)
                status |= X87_SUMMARY | X87_BUSY;
        x87_set_word(state, FXSAVE_FCW, control);
        x87_set_word(state, FXSAVE_FSW, status);
}

const uint8_t *x87_stored(const struct instruction *instruction, const struct hwaccl_floating_point *state)
{
        switch (forms[instruction->form].kind) {
        case STORE_CONTROL: return state->image + FXSAVE_FCW;
        case STORE_STATUS: return state->image + FXSAVE_FSW;
        default: return NULL;
        }
}

static enum step store(struct emulation *emulation, struct hwaccl_floating_point *state, const struct form *form,
                       const struct place *place)
{
        uint8_t bytes[X87_ALL_32] = {0};
        unsigned flags = 0;

        if (form->kind == STORE_ENVIRONMENT) {
                x87_environment_store(emulation, state, memory_operand(emulation->instruction)->size, bytes);
                place_write(emulation, place, bytes);
                floating_point_write(emulation, state);
                return STEP_DONE;
        }
        const uint8_t *words = x87_stored(emulation->instruction, state);
        if (words) {
                place_write(emulation, place, words);
                return STEP_DONE;
        }
        convert(state, form, bytes, &flags);
        if (note(state, flags, X87_INVALID | X87_OVERFLOW | X87_UNDERFLOW)) {
                place_write(emulation, place, bytes);
                if (form->pops)
                        pop(state);
        }
        floating_point_write(emulation, state);
        return STEP_DONE;
}

enum step execute_x87(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct form *form = &forms[instruction->form];
        bool is_store = stores(form);
        struct hwaccl_floating_point state;
        struct place place;
        uint8_t bytes[X87_ALL_32] = {0};

        if (emulation->context->cr0 & (HWACCL_CR0_EM | HWACCL_CR0_TS))
                return raise_fault(emulation, HWACCL_VECTOR_NM);
        enum step step = floating_point_read(emulation, &state);
        if (step == STEP_DONE)
                step = check(emulation, &state, (enum kind)form->kind);
        if (step != STEP_DONE)
                return step;
        if (!operand_locate(emulation, memory_operand(instruction), is_store ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ,
                            &place))
                return STEP_EXCEPTION;
        if (is_store)
                return store(emulation, &state, form, &place);
        place_read(emulation, &place, bytes);
        if (form->kind == LOAD_CONTROL) {
                memcpy(state.image + FXSAVE_FCW, bytes, 2);
                x87_settle(&state);
        } else if (form->kind == LOAD_ENVIRONMENT) {
                x87_environment_load(emulation, &state, memory_operand(instruction)->size, bytes);
        } else {
                load(&state, form, bytes);
        }
        floating_point_write(emulation, &state);
        return STEP_DONE;
}
