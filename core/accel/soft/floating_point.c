#include "core/accel/soft/floating_point.h"

#include <string.h>

#define TAG_EMPTY  3u
#define MXCSR_MASK UINT32_C(0xffff)

/* Where each register lies in FXSAVE's image (SDM 1, table 10-2). The status word comes first: it says which register
 * ST0 is. The tag word has another form there. */
static const struct {
        int id;
        uint16_t offset;
        uint8_t size; /* bytes */
        uint8_t count;
} registers[] = {
        {UC_X86_REG_FPSW, 2, 2, 1},  {UC_X86_REG_FPCW, 0, 2, 1},     {UC_X86_REG_MXCSR, 24, 4, 1},
        {UC_X86_REG_ST0, 32, 10, 8}, {UC_X86_REG_XMM0, 160, 16, 16},
};

static bool fail(struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "the soft accelerator cannot access the registers of FPU and SSE");
}

bool soft_floating_point_read(const struct soft_engine *engine, struct hwaccl_floating_point *state,
                              struct hwaccl_error *error)
{
        const struct unicorn_library *unicorn = &engine->unicorn;
        uint64_t tags = 0;

        memset(state, 0, sizeof(*state));
        for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
                for (unsigned j = 0; j < registers[i].count; j++) {
                        uint64_t value[2] = {0};
                        if (unicorn->reg_read(engine->handle, registers[i].id + (int)j, value) != UC_ERR_OK)
                                return fail(error);
                        memcpy(state->image + registers[i].offset + (size_t)16 * j, value, registers[i].size);
                }
        if (unicorn->reg_read(engine->handle, UC_X86_REG_FPTAG, &tags) != UC_ERR_OK)
                return fail(error);
        for (unsigned i = 0; i < 8; i++)
                state->image[4] |= (uint8_t)(((tags >> 2 * i & 3) != TAG_EMPTY) << i);
        memcpy(state->image + 28, &(uint32_t){MXCSR_MASK}, 4);
        return true;
}

bool soft_floating_point_write(const struct soft_engine *engine, const struct hwaccl_floating_point *state,
                               struct hwaccl_error *error)
{
        const struct unicorn_library *unicorn = &engine->unicorn;
        uint64_t tags = 0;

        for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
                for (unsigned j = 0; j < registers[i].count; j++) {
                        uint64_t value[2] = {0};
                        memcpy(value, state->image + registers[i].offset + (size_t)16 * j, registers[i].size);
                        if (unicorn->reg_write(engine->handle, registers[i].id + (int)j, value) != UC_ERR_OK)
                                return fail(error);
                }
        for (unsigned i = 0; i < 8; i++)
                tags |= state->image[4] >> i & 1 ? 0 : (uint64_t)TAG_EMPTY << 2 * i;
        /* the next run begins with the saved context */
        return (unicorn->reg_write(engine->handle, UC_X86_REG_FPTAG, &tags) == UC_ERR_OK &&
                unicorn->context_save(engine->handle, engine->context) == UC_ERR_OK) ||
               fail(error);
}

bool soft_floating_point_reset(const struct soft_engine *engine, struct hwaccl_error *error)
{
        struct hwaccl_floating_point state = {{0}};

        state.image[0] = 0x40;                            /* FCW */
        state.image[4] = 0xff;                            /* no register is empty */
        memcpy(state.image + 24, &(uint32_t){0x1f80}, 4); /* MXCSR */
        return soft_floating_point_write(engine, &state, error);
}
