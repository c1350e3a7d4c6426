/* FPU, MMX and SSE instructions with an operand in device memory, each compared with the processor that this test runs
 * on: the registers as FXSAVE has them, and the memory. And the exceptions of those that may not run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/exit/descriptor.h"
#include "core/exit/emulate/floating_point.h"
#include "tests/fixtures/emulate_fixture.h"
#include "tests/fixtures/native_code.h"

#define EPT    48
#define ROUNDS 400
#define IDT    UINT64_C(0x4000)

static struct fixture fixture;
static struct native native;
static struct hwaccl_floating_point registers; /* of the emulated processor */
static uint64_t seed = 88172645463325252u;

/* What a round runs with and leaves, for both processors. */
static struct {
        _Alignas(16) uint8_t host[512], state[512];
        _Alignas(16) uint8_t memory[512];
} exchange;

static uint64_t random_number(void)
{
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
}

static bool read_registers(void *opaque, struct hwaccl_floating_point *state, struct hwaccl_error *error)
{
        (void)opaque;
        (void)error;
        *state = registers;
        return true;
}

static bool write_registers(void *opaque, const struct hwaccl_floating_point *state, struct hwaccl_error *error)
{
        (void)opaque;
        (void)error;
        registers = *state;
        return true;
}

static int set_up(void **state)
{
        (void)state;
        fixture_create(&fixture);
        fixture_long_mode(&fixture, 0);
        fixture.context->cr0 |= HWACCL_CR0_NE;
        fixture.context->cr4 |= HWACCL_CR4_OSFXSR;
        fixture.host.floating_point_read = read_registers;
        fixture.host.floating_point_write = write_registers;
        memset(&registers, 0, sizeof(registers));
        return native_create(&native) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_destroy(&fixture);
        native_destroy(&native);
        return 0;
}

/* An 80-bit number of any class, near the ends of the formats and of the integers more often than far from them. */
static void random_extended(uint8_t *to)
{
        static const int near[] = {0x3fff,        0x3ffe,       0x3fff + 14,  0x3fff + 30,   0x3fff + 62,
                                   0x3fff - 127,  0x3fff + 127, 0x3fff - 149, 0x3fff - 1023, 0x3fff + 1023,
                                   0x3fff - 1074, 0x3f00,       0x4100};
        uint64_t significand = random_number(), choice = random_number();
        unsigned exponent = (unsigned)(near[choice % 13] + (int)(choice >> 8 & 3) - 1);

        if ((choice >> 12 & 7) == 0)
                exponent = (choice >> 16 & 1) ? 0x7fff : 0;
        if ((choice >> 20 & 3) == 0)
                significand &= UINT64_C(0xffffff0000000000);
        if ((choice >> 24 & 3) == 0)
                significand = (choice >> 26 & 1) ? 0 : UINT64_C(0xfffffffffffffe00);
        if ((choice >> 28 & 15) && exponent)
                significand |= UINT64_C(1) << 63;
        if (exponent == 0x7fff && (choice >> 32 & 3) == 0)
                significand = UINT64_C(1) << 63;
        exponent |= (choice >> 36 & 1) << 15;
        memcpy(to, &significand, 8);
        memcpy(to + 8, &exponent, 2);
}

static void random_state(void)
{
        uint8_t *state = exchange.state;
        uint64_t choice = random_number();
        /* unmasked denormals: Intel's processors leave the stack as it is (SDM 1, 8.5.2), AMD's push the number */
        uint16_t control = (uint16_t)(0x342 | (choice & 0x3f) | (choice >> 8 & 3) << 10);

        memset(state, 0, 512);
        if (choice >> 16 & 1)
                control |= 0x3f;
        memcpy(state + FXSAVE_FCW, &control, 2);
        uint16_t status =
                (uint16_t)((choice >> 24 & 7) << 11 | (choice >> 32 & control & 0x3f) | (choice >> 40 & 0x4740));
        memcpy(state + FXSAVE_FSW, &status, 2);
        state[FXSAVE_TAGS] = choice >> 48 & 1 ? 0xff : (uint8_t)random_number();
        state[FXSAVE_MXCSR] = 0x80;
        state[FXSAVE_MXCSR + 1] = 0x1f;
        for (unsigned i = 0; i < 8; i++)
                random_extended(state + FXSAVE_ST(i));
        for (unsigned i = 0; i < 32; i++) {
                uint64_t value = random_number();
                memcpy(state + FXSAVE_XMM(0) + (size_t)8 * i, &value, 8);
        }
}

/* Numbers in any format: floats of each class are likely. */
static void random_memory(void)
{
        for (unsigned i = 0; i < sizeof(exchange.memory); i += 8) {
                uint64_t value = random_number(), choice = random_number();
                if ((choice & 7) == 0)
                        value &= ~UINT64_C(0x7ff000007f800000);
                else if ((choice & 7) == 1)
                        value |= UINT64_C(0x7ff000007f800000);
                if ((choice & 24) == 0)
                        value &= ~UINT64_C(0x000fffff007fffff);
                memcpy(exchange.memory + i, &value, 8);
        }
}

/* The instruction's operand is [RSI]. */
static void run_native(const uint8_t *instruction, size_t size)
{
        void (*run)(void *host, void *memory, void *state);

        native.at = native.code;
        EMIT(&native, 0x48, 0x0f, 0xae, 0x07); /* fxsave64 [rdi] */
        EMIT(&native, 0x48, 0x0f, 0xae, 0x0a); /* fxrstor64 [rdx] */
        native_emit(&native, instruction, size);
        EMIT(&native, 0x48, 0x0f, 0xae, 0x02); /* fxsave64 [rdx] */
        EMIT(&native, 0x48, 0x0f, 0xae, 0x0f); /* fxrstor64 [rdi] */
        EMIT(&native, 0xc3);
        memcpy(&run, &native.code, sizeof(run));
        run(exchange.host, exchange.memory, exchange.state);
}

/* But for the pointers to the last instruction and its operand, and what no processor writes. */
static void compare(const uint8_t *instruction, size_t size, const struct hwaccl_floating_point *before)
{
        for (unsigned i = 0; i < FXSAVE_END; i++) {
                bool pointer = i >= 5 && i < FXSAVE_MXCSR;
                bool unused = i >= FXSAVE_ST(0) && i < FXSAVE_XMM(0) && (i & 15) >= 10;
                bool mask = i >= FXSAVE_MXCSR_MASK && i < FXSAVE_ST(0);
                if (pointer || unused || mask || registers.image[i] == exchange.state[i])
                        continue;
                uint64_t operand, was;
                memcpy(&operand, exchange.memory, 8);
                memcpy(&was, before->image + FXSAVE_ST(0), 8);
                fail_msg("%02x %02x %02x of %zu: byte %u is %02x, the processor has %02x; FCW %04x FSW %04x tags %02x "
                         "ST0 "
                         "%02x%02x:%016llx memory %016llx",
                         instruction[0], instruction[1], instruction[2], size, i, registers.image[i], exchange.state[i],
                         (unsigned)little_endian(before->image, 2), (unsigned)little_endian(before->image + 2, 2),
                         before->image[4], before->image[FXSAVE_ST(0) + 9], before->image[FXSAVE_ST(0) + 8],
                         (unsigned long long)was, (unsigned long long)operand);
        }
        if (memcmp(fixture.device.bytes, exchange.memory, sizeof(exchange.memory)) != 0) {
                uint64_t ours, theirs;
                memcpy(&ours, fixture.device.bytes, 8);
                memcpy(&theirs, exchange.memory, 8);
                fail_msg("%02x %02x %02x: memory is %016llx, the processor has %016llx; FCW %04x ST0 %02x%02x:%016llx",
                         instruction[0], instruction[1], instruction[2], (unsigned long long)ours,
                         (unsigned long long)theirs, (unsigned)little_endian(before->image, 2),
                         before->image[FXSAVE_ST(0) + 9], before->image[FXSAVE_ST(0) + 8],
                         (unsigned long long)little_endian(before->image + FXSAVE_ST(0), 8));
        }
}

static void check_once(const uint8_t *instruction, size_t size)
{
        struct hwaccl_floating_point before;

        memcpy(registers.image, exchange.state, sizeof(registers.image));
        memcpy(fixture.device.bytes, exchange.memory, sizeof(exchange.memory));
        before = registers;
        fixture.context->gpr[HWACCL_RSI] = FIXTURE_MMIO;
        fixture_code(&fixture, instruction, size, EPT, 0);
        enum hwaccl_outcome outcome = fixture_run(&fixture);
        if (outcome != HWACCL_OUTCOME_COMPLETED)
                fail_msg("%02x %02x %02x: %s: %s", instruction[0], instruction[1], instruction[2],
                         hwaccl_outcome_name(outcome), fixture.error.message);
        run_native(instruction, size);
        compare(instruction, size, &before);
}

/* With every register, and prefixes that say REX.R too. */
static void check_form(const uint8_t *prefixes, size_t count, uint8_t opcode, unsigned first, unsigned last, bool rex_r)
{
        for (unsigned reg = first; reg <= last; reg++)
                for (unsigned round = 0; round < ROUNDS; round++) {
                        uint8_t instruction[8];
                        size_t size = 0;
                        for (; size < count; size++)
                                instruction[size] = prefixes[size];
                        if (rex_r)
                                instruction[size++] = reg & 8 ? 0x44 : 0x40;
                        if (opcode < 0xd8 || opcode > 0xdf || count)
                                instruction[size++] = 0x0f;
                        instruction[size++] = opcode;
                        instruction[size++] = (uint8_t)(0x06 | (reg & 7) << 3);
                        random_state();
                        random_memory();
                        check_once(instruction, size);
                }
}

static void x87_loads_and_stores_agree_with_the_processor(void **state)
{
        static const uint8_t extensions[][9] = {/* opcode, then those of its forms */
                                                {0xd9, 0, 2, 3, 5, 7, 0xff},
                                                {0xdb, 0, 1, 2, 3, 5, 7, 0xff},
                                                {0xdd, 0, 1, 2, 3, 7, 0xff},
                                                {0xdf, 0, 1, 2, 3, 5, 7, 0xff}};
        (void)state;
        for (unsigned i = 0; i < 4; i++)
                for (const uint8_t *extension = extensions[i] + 1; *extension != 0xff; extension++)
                        for (unsigned more = 0; more < 5; more++)
                                check_form(NULL, 0, extensions[i][0], *extension, *extension, false);
}

/* The fields of the pointers, in memory: what the processor has there is not compared. */
static void forget_pointers(uint8_t *environment, unsigned width)
{
        for (unsigned i = 3 * width; i < 7 * width - (width == 4 ? 2 : 0); i++)
                environment[i] = 0;
}

static void environment_agrees(const uint8_t *instruction, size_t size, unsigned width, bool stores)
{
        random_state();
        random_memory();
        if (stores) {
                memcpy(registers.image, exchange.state, 512);
                memcpy(fixture.device.bytes, exchange.memory, 512);
        } else {
                forget_pointers(exchange.memory, width);
        }
        struct hwaccl_floating_point before;
        memcpy(before.image, exchange.state, 512);
        memcpy(registers.image, exchange.state, 512);
        memcpy(fixture.device.bytes, exchange.memory, 512);
        fixture.context->gpr[HWACCL_RSI] = FIXTURE_MMIO;
        fixture_code(&fixture, instruction, size, EPT, 0);
        enum hwaccl_outcome outcome = fixture_run(&fixture);
        if (outcome != HWACCL_OUTCOME_COMPLETED)
                fail_msg("%02x %02x: %s: %s", instruction[0], instruction[1], hwaccl_outcome_name(outcome),
                         fixture.error.message);
        run_native(instruction, size);
        if (stores) {
                forget_pointers(exchange.memory, width);
                forget_pointers(fixture.device.bytes, width);
        }
        compare(instruction, size, &before);
}

static void environments_agree_with_the_processor(void **state)
{
        static const uint8_t instruction[][3] = {{0xd9, 0x36}, {0xd9, 0x26}, {0xdd, 0x36}, {0xdd, 0x26}};

        (void)state;
        for (unsigned i = 0; i < 4; i++)
                for (unsigned narrow = 0; narrow < 2; narrow++)
                        for (unsigned round = 0; round < 5 * ROUNDS; round++) {
                                uint8_t bytes[3] = {0x66, instruction[i][0], instruction[i][1]};
                                environment_agrees(bytes + !narrow, 2 + narrow, narrow ? 2 : 4, i % 2 == 0);
                        }
}

static void decimals_agree_with_the_processor(void **state)
{
        static const uint8_t load[] = {0xdf, 0x26}, store[] = {0xdf, 0x36};

        (void)state;
        for (unsigned round = 0; round < 10 * ROUNDS; round++) {
                random_state();
                random_memory();
                for (unsigned i = 0; i < 9; i++) /* digits */
                        exchange.memory[i] = (uint8_t)(random_number() % 10 | random_number() % 10 << 4);
                if (random_number() % 4 == 0)
                        memset(exchange.memory, 0, 9);
                check_once(load, 2);
                random_state();
                if (random_number() % 2) { /* near the end of the format */
                        uint64_t significand = UINT64_C(0xde0b6b3a76400000) - 32 + random_number() % 64;
                        uint16_t exponent = (uint16_t)(0x3fff + 59 - random_number() % 70);
                        exponent |= (uint16_t)(random_number() << 15);
                        memcpy(exchange.state + FXSAVE_ST(0), &significand, 8);
                        memcpy(exchange.state + FXSAVE_ST(0) + 8, &exponent, 2);
                }
                check_once(store, 2);
        }
}

static const struct {
        uint8_t prefix;
        uint8_t opcodes[20];
} moves[] = {
        {0, {0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x28, 0x29, 0x2b}},
        {0x66, {0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x28, 0x29, 0x2b, 0x6e, 0x6f, 0x7e, 0x7f, 0xd6, 0xe7}},
        {0xf3, {0x10, 0x11, 0x12, 0x16, 0x6f, 0x7e, 0x7f}},
        {0xf2, {0x10, 0x11, 0x12, 0xf0}},
};

static void sse_moves_agree_with_the_processor(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 4; i++)
                for (const uint8_t *opcode = moves[i].opcodes; *opcode; opcode++)
                        for (unsigned reg = 0; reg < 16; reg += 5)
                                check_form(&moves[i].prefix, moves[i].prefix != 0, *opcode, reg, reg, true);
}

static void masked_moves_agree_with_the_processor(void **state)
{
        /* the operand is [rDI], which run_native needs: exchange it with RSI */
        static const uint8_t instruction[][13] = {
                {0x48, 0x87, 0xf7, 0x0f, 0xf7, 0xca, 0x48, 0x87, 0xf7},
                {0x48, 0x87, 0xf7, 0x66, 0x0f, 0xf7, 0xca, 0x48, 0x87, 0xf7},
                {0x48, 0x87, 0xf7, 0x66, 0x45, 0x0f, 0xf7, 0xda, 0x48, 0x87, 0xf7},
        };
        static const uint8_t length[] = {3, 4, 5};

        (void)state;
        for (unsigned i = 0; i < 3; i++)
                for (unsigned round = 0; round < ROUNDS; round++) {
                        struct hwaccl_floating_point before;
                        random_state();
                        random_memory();
                        if (i == 0) /* a number with exponent 0 is the register's upper part */
                                memset(exchange.state + FXSAVE_ST(1) + 8, 0xff, 2);
                        memcpy(before.image, exchange.state, 512);
                        memcpy(registers.image, exchange.state, 512);
                        memcpy(fixture.device.bytes, exchange.memory, 512);
                        fixture.context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
                        fixture_code(&fixture, instruction[i] + 3, length[i], EPT, 0);
                        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
                        run_native(instruction[i], length[i] + 6u);
                        compare(instruction[i] + 3, length[i], &before);
                }
}

static void mmx_moves_agree_with_the_processor(void **state)
{
        static const uint8_t opcodes[] = {0x6e, 0x6f, 0x7e, 0x7f, 0xe7};

        (void)state;
        for (unsigned i = 0; i < sizeof(opcodes); i++)
                check_form(NULL, 0, opcodes[i], 0, 7, false);
}

static void moves_of_eight_bytes_by_rex_w_agree_with_the_processor(void **state)
{
        static const uint8_t instruction[][5] = {{0x48, 0x0f, 0x6e, 0x0e},
                                                 {0x48, 0x0f, 0x7e, 0x16},
                                                 {0x66, 0x48, 0x0f, 0x6e, 0x1e},
                                                 {0x66, 0x4c, 0x0f, 0x7e, 0x26}};
        (void)state;
        for (unsigned i = 0; i < 4; i++)
                for (unsigned round = 0; round < ROUNDS; round++) {
                        random_state();
                        random_memory();
                        check_once(instruction[i], i < 2 ? 4 : 5);
                }
}

static void the_whole_state_and_mxcsr_agree_with_the_processor(void **state)
{
        static const uint8_t instruction[][4] = {
                {0x48, 0x0f, 0xae, 0x06}, {0x48, 0x0f, 0xae, 0x0e}, {0x0f, 0xae, 0x16}, {0x0f, 0xae, 0x1e}};

        (void)state;
        for (unsigned i = 1; i < 4; i++)
                for (unsigned round = 0; round < ROUNDS; round++) {
                        random_state();
                        random_memory();
                        if (i == 1) { /* a state that can be loaded */
                                uint8_t other[512];
                                memcpy(other, exchange.state, 512);
                                random_state();
                                memcpy(exchange.memory, exchange.state, 512);
                                exchange.memory[FXSAVE_FCW] = (uint8_t)random_number();
                                exchange.memory[FXSAVE_FCW + 1] = (uint8_t)random_number();
                                exchange.memory[FXSAVE_FSW] = (uint8_t)random_number();
                                exchange.memory[FXSAVE_FSW + 1] = (uint8_t)random_number();
                                memcpy(exchange.state, other, 512);
                        } else {
                                memset(exchange.memory + 2, 0, 2);
                        }
                        check_once(instruction[i], i < 2 ? 4 : 3);
                }
        /* FXSAVE writes what was loaded, and nothing behind it */
        random_state();
        memcpy(registers.image, exchange.state, 512);
        memset(fixture.device.bytes, 0xa5, 512);
        fixture.context->gpr[HWACCL_RSI] = FIXTURE_MMIO;
        fixture_code(&fixture, instruction[0], 4, EPT, 0);
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
        assert_memory_equal(fixture.device.bytes, registers.image, FXSAVE_END);
        assert_int_equal(fixture.device.bytes[FXSAVE_END], 0xa5);
}

static void assert_fault(uint64_t vector)
{
        if (fixture.context->rip != 0x10000 + vector)
                fail_msg("at %llx instead of the handler of vector %llu", (unsigned long long)fixture.context->rip,
                         (unsigned long long)vector);
        fixture.context->gpr[HWACCL_RSP] = 0x8000;
}

static void what_may_not_run_raises_the_exception_of_its_kind(void **state)
{
        static const uint8_t instruction[][4] = {{0xdd, 0x06},       {0x0f, 0x6f, 0x06},    {0x0f, 0x10, 0x06},
                                                 {0x0f, 0xae, 0x06}, {0x0f, 0x28, 0x46, 8}, {0x0f, 0xae, 0x16}};
        static const uint8_t length[] = {2, 3, 3, 3, 4, 3};
        static const struct {
                uint64_t cr0, no_cr4;
                uint16_t status;
                uint8_t vector[6]; /* 0: it completes */
        } cases[] = {
                {HWACCL_CR0_EM, 0, 0, {7, 6, 6, 7, 6, 6}},
                {HWACCL_CR0_TS, 0, 0, {7, 7, 7, 7, 7, 7}},
                {0, HWACCL_CR4_OSFXSR, 0, {0, 0, 6, 0, 6, 6}},
                {0, 0, 0x8081, {16, 16, 0, 0, 13, 13}},
        };
        uint64_t cr0 = fixture.context->cr0, cr4 = fixture.context->cr4;

        (void)state;
        fixture_poke(&fixture, 0x5008, &(uint64_t){UINT64_C(0x00af9b000000ffff)}, 8);
        fixture.context->gdtr = (struct hwaccl_segment){.base = 0x5000, .limit = 0xff};
        fixture.context->idtr = (struct hwaccl_segment){.base = IDT, .limit = 0xfff};
        fixture.context->segment[HWACCL_CS].selector = 8;
        for (uint64_t vector = 0; vector < 32; vector++) {
                uint64_t gate[2] = {vector | UINT64_C(8) << 16 | UINT64_C(0x18e00) << 32, 0};
                fixture_poke(&fixture, IDT + vector * 16, gate, 16);
        }
        for (unsigned i = 0; i < 4; i++)
                for (unsigned j = 0; j < 6; j++) {
                        fixture.context->cr0 = cr0 | cases[i].cr0;
                        fixture.context->cr4 = cr4 & ~cases[i].no_cr4;
                        fixture.context->gpr[HWACCL_RSP] = 0x8000;
                        fixture.context->gpr[HWACCL_RSI] = FIXTURE_MMIO;
                        memset(fixture.device.bytes, 0xff, 512);
                        memset(&registers, 0, sizeof(registers));
                        memcpy(registers.image + FXSAVE_FSW, &cases[i].status, 2);
                        fixture_code(&fixture, instruction[j], length[j], EPT, 0);
                        enum hwaccl_outcome outcome = fixture_run(&fixture);
                        if (cases[i].vector[j])
                                assert_fault(cases[i].vector[j]);
                        else
                                assert_int_equal(outcome, HWACCL_OUTCOME_COMPLETED);
                }
}

static void an_accelerator_without_these_registers_ends_the_guest_with_a_line(void **state)
{
        (void)state;
        fixture.host.floating_point_read = NULL;
        fixture.context->gpr[HWACCL_RSI] = FIXTURE_MMIO;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x0f, 0x10, 0x06), HWACCL_OUTCOME_FAILED);
        assert_non_null(strstr(fixture.error.message, "cannot emulate"));
        assert_non_null(strstr(fixture.error.message, "movups"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(x87_loads_and_stores_agree_with_the_processor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(environments_agree_with_the_processor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(decimals_agree_with_the_processor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(sse_moves_agree_with_the_processor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(masked_moves_agree_with_the_processor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(mmx_moves_agree_with_the_processor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(moves_of_eight_bytes_by_rex_w_agree_with_the_processor, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(the_whole_state_and_mxcsr_agree_with_the_processor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_may_not_run_raises_the_exception_of_its_kind, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_accelerator_without_these_registers_ends_the_guest_with_a_line,
                                                set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
