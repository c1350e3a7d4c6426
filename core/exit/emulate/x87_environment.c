/*
 * FLDENV, FNSTENV, FRSTOR and FNSAVE: the FPU's environment in memory (SDM 1, 8.1.10), with 2 or 4 bytes a field, and
 * behind it the registers. The pointers are those of the state, as the accelerator has them.
 */
#include "core/exit/emulate/floating_point.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#include <string.h>

#define FIELDS        7u
#define REGISTER_SIZE 10u
#define REGISTERS     8u

/* In an image of FXSAVE without REX.W. */
#define IMAGE_FOP 6u
#define IMAGE_FIP 8u
#define IMAGE_FCS 12u
#define IMAGE_FDP 16u
#define IMAGE_FDS 20u

#define FOP_MASK 0x7ffu
#define FCW_INIT 0x37fu

enum tag { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned field_width(unsigned size)
{
        return size == X87_ENVIRONMENT_16 || size == X87_ALL_16 ? 2 : 4;
}

static bool has_registers(unsigned size)
{
        return size == X87_ALL_16 || size == X87_ALL_32;
}

static bool has_linear_pointers(const struct hwaccl_machine_context *context)
{
        return !(context->cr0 & HWACCL_CR0_PE) || (context->rflags & RFLAGS_VM);
}

static enum tag tag_of(const uint8_t *number)
{
        uint64_t significand = little_endian(number, 8);
        unsigned exponent = (unsigned)little_endian(number + 8, 2) & 0x7fff;

        if (!exponent && !significand)
                return TAG_ZERO;
        return !exponent || exponent == 0x7fff || !(significand >> 63) ? TAG_SPECIAL : TAG_VALID;
}

/* Two bits for each register, by its number. */
static unsigned tag_word(const struct hwaccl_floating_point *state)
{
        unsigned word = 0;

        for (unsigned i = 0; i < REGISTERS; i++) {
                unsigned number = (x87_top(state) + i) & 7;
                bool used = state->image[FXSAVE_TAGS] >> number & 1;
                word |= (unsigned)(used ? tag_of(state->image + FXSAVE_ST(i)) : TAG_EMPTY) << 2 * number;
        }
        return word;
}

/* The registers stay where they are, their names follow the top of the stack. */
static void rename_registers(struct hwaccl_floating_point *state, unsigned old_top)
{
        unsigned distance = x87_top(state) - old_top;
        uint8_t old[REGISTERS][16];

        memcpy(old, state->image + FXSAVE_ST(0), sizeof(old));
        for (unsigned i = 0; i < REGISTERS; i++)
                memcpy(state->image + FXSAVE_ST(i), old[(i + distance) & 7], sizeof(old[0]));
}

static uint64_t image_field(const struct hwaccl_floating_point *state, unsigned offset, unsigned size)
{
        return little_endian(state->image + offset, size);
}

static void put(uint8_t *bytes, uint64_t value, unsigned size)
{
        for (unsigned i = 0; i < size; i++)
                bytes[i] = (uint8_t)(value >> 8 * i);
}

/* In real and virtual-8086 mode the fields are the parts of 20-bit addresses, or of 32-bit ones. */
static void pointer_fields(const struct emulation *emulation, const struct hwaccl_floating_point *state, unsigned width,
                           uint32_t field[4])
{
        uint32_t opcode = (uint32_t)image_field(state, IMAGE_FOP, 2) & FOP_MASK;
        uint32_t code = (uint32_t)image_field(state, IMAGE_FIP, 4), data = (uint32_t)image_field(state, IMAGE_FDP, 4);
        uint32_t code_selector = (uint32_t)image_field(state, IMAGE_FCS, 2);
        uint32_t data_selector = (uint32_t)image_field(state, IMAGE_FDS, 2);
        uint32_t mask = width == 2 ? 0xf : UINT16_MAX;

        if (has_linear_pointers(emulation->context)) {
                code += code_selector << 4;
                data += data_selector << 4;
                field[0] = UINT32_C(0xffff0000) | (code & UINT16_MAX);
                field[1] = (code >> 16 & mask) << 12 | opcode;
                field[2] = UINT32_C(0xffff0000) | (data & UINT16_MAX);
                field[3] = (data >> 16 & mask) << 12;
                return;
        }
        field[0] = code;
        field[1] = code_selector | opcode << 16;
        field[2] = data;
        field[3] = UINT32_C(0xffff0000) | data_selector;
}

static void store_environment(const struct emulation *emulation, const struct hwaccl_floating_point *state,
                              unsigned width, uint8_t *bytes)
{
        uint32_t field[FIELDS] = {
                UINT32_C(0xffff0000) | x87_word(state, FXSAVE_FCW),
                UINT32_C(0xffff0000) | x87_word(state, FXSAVE_FSW),
                UINT32_C(0xffff0000) | tag_word(state),
        };

        pointer_fields(emulation, state, width, field + 3);
        for (unsigned i = 0; i < FIELDS; i++)
                put(bytes + (size_t)i * width, field[i], width);
}

static void load_pointers(const struct emulation *emulation, struct hwaccl_floating_point *state, unsigned width,
                          const uint32_t field[4])
{
        uint64_t code = field[0], data = field[2];
        bool linear = has_linear_pointers(emulation->context);

        if (linear) {
                code = (field[0] & UINT16_MAX) | (uint64_t)(field[1] >> 12 & UINT16_MAX) << 16;
                data = (field[2] & UINT16_MAX) | (uint64_t)(field[3] >> 12 & UINT16_MAX) << 16;
        }
        put(state->image + IMAGE_FIP, code, 4);
        put(state->image + IMAGE_FDP, data, 4);
        put(state->image + IMAGE_FCS, linear ? 0 : field[1] & UINT16_MAX, 4);
        put(state->image + IMAGE_FDS, linear ? 0 : field[3] & UINT16_MAX, 4);
        if (linear || width == 4) /* 16-bit fields in protected mode have no opcode */
                put(state->image + IMAGE_FOP, (linear ? field[1] : field[1] >> 16) & FOP_MASK, 2);
}

static void load_environment(const struct emulation *emulation, struct hwaccl_floating_point *state, unsigned width,
                             const uint8_t *bytes)
{
        unsigned old_top = x87_top(state);
        uint32_t field[FIELDS];

        for (unsigned i = 0; i < FIELDS; i++)
                field[i] = (uint32_t)little_endian(bytes + (size_t)i * width, width);
        x87_set_word(state, FXSAVE_FCW, field[0] & UINT16_MAX);
        x87_set_word(state, FXSAVE_FSW, field[1] & UINT16_MAX);
        state->image[FXSAVE_TAGS] = 0;
        for (unsigned i = 0; i < REGISTERS; i++)
                if ((field[2] >> 2 * i & 3) != TAG_EMPTY)
                        state->image[FXSAVE_TAGS] |= (uint8_t)(1u << i);
        load_pointers(emulation, state, width, field + 3);
        rename_registers(state, old_top);
        x87_settle(state);
}

void x87_environment_load(const struct emulation *emulation, struct hwaccl_floating_point *state, unsigned size,
                          const uint8_t *bytes)
{
        unsigned width = field_width(size);

        load_environment(emulation, state, width, bytes);
        for (unsigned i = 0; has_registers(size) && i < REGISTERS; i++) {
                memset(state->image + FXSAVE_ST(i), 0, 16);
                memcpy(state->image + FXSAVE_ST(i), bytes + (size_t)FIELDS * width + (size_t)i * REGISTER_SIZE,
                       REGISTER_SIZE);
        }
}

void x87_environment_store(const struct emulation *emulation, struct hwaccl_floating_point *state, unsigned size,
                           uint8_t *bytes)
{
        unsigned width = field_width(size), old_top = x87_top(state);

        store_environment(emulation, state, width, bytes);
        if (!has_registers(size)) {
                x87_set_word(state, FXSAVE_FCW, x87_word(state, FXSAVE_FCW) | X87_EXCEPTIONS);
                x87_settle(state);
                return;
        }
        for (unsigned i = 0; i < REGISTERS; i++)
                memcpy(bytes + (size_t)FIELDS * width + (size_t)i * REGISTER_SIZE, state->image + FXSAVE_ST(i),
                       REGISTER_SIZE);
        /* as FNINIT leaves it */
        memset(state->image, 0, FXSAVE_MXCSR);
        x87_set_word(state, FXSAVE_FCW, FCW_INIT);
        rename_registers(state, old_top);
}
