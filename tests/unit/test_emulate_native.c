/*
 * The emulator against the real processor: every form of an instruction, with every operand size, runs natively on edge
 * and random values, and then in the emulator on the same registers, flags and memory. All registers, all memory and
 * every flag that the SDM defines must be equal afterwards. The operands lie in RAM in one round and in MMIO in
 * another. What runs natively is 64-bit code; 32- and 16-bit code is compared with Unicorn's results instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/exit/emulate/instruction.h"
#include "tests/fixtures/emulate_fixture.h"
#include "tests/fixtures/native_code.h"
#include "tests/fixtures/peer_code.h"

#define DATA        UINT64_C(0x10000000) /* linear, native and emulated alike */
#define DATA_SIZE   0x10000u
#define CODE_FRAME  UINT64_C(0x180000) /* guest-physical */
#define FLAGS       (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
#define ROUNDS      48
#define LOGIC_FLAGS RFLAGS_AF                                       /* undefined after AND, OR, XOR, TEST */
#define BIT_FLAGS   (RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF) /* undefined after BT, BTS, BTR, BTC */

static struct fixture fixture;
static uint8_t *native_data;
static struct native native;
static struct native_exchange *shared; /* its registers */
static struct peer peer;
static unsigned bits; /* of the code */
static uint64_t data; /* DATA, or 0 in 16-bit code */
static uint64_t random_state;
static unsigned forms;

static uint64_t random_number(void)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state;
}

static uint64_t interesting_number(void)
{
        /* clang-format off */
        static const uint64_t edges[] = {
                0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
                0xffffffff, 0x100000000, UINT64_C(0x7fffffffffffffff), UINT64_C(0x8000000000000000), UINT64_MAX,
                UINT64_C(0xaaaaaaaaaaaaaaaa)};
        /* clang-format on */

        return random_number() % 3 ? edges[random_number() % (sizeof(edges) / sizeof(edges[0]))] : random_number();
}

/* ---- comparison -------------------------------------------------------------------------------------------------- */

static uint8_t *emulated_data(bool mmio)
{
        return mmio ? fixture.device.bytes : fixture.memory.run[0].host;
}

/* 64-bit code reaches data and itself through page tables, other code through segment bases. */
static void enter_mode(bool mmio)
{
        uint64_t frame = mmio ? FIXTURE_MMIO : 0;
        uint64_t entry = frame | 0xe7;

        if (bits != 64) {
                if (bits == 32)
                        fixture_protected_mode(&fixture, 0);
                else
                        fixture_real_mode(&fixture);
                for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                        fixture.context->segment[i].base = (uint32_t)(frame - data);
                fixture.context->segment[HWACCL_CS].base = CODE_FRAME;
                return;
        }
        fixture_long_mode(&fixture, 0);
        fixture_poke(&fixture, FIXTURE_PML4 + 0x2000 + (DATA >> 21) * 8, &entry, 8);
        entry = 0xe7;
        fixture_poke(&fixture, FIXTURE_PML4 + 0x2000 + (NATIVE_CODE >> 21) * 8, &entry, 8);
}

struct form {
        const char *name;
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        unsigned size;
        uint64_t undefined_flags;
        unsigned bit_offset_register; /* a register that holds a bit offset: kept small; 0: none (RAX never is one) */
        bool string;
        bool repeated;
};

static void choose_registers(const struct form *form, struct native_registers *registers)
{
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                registers->gpr[i] = interesting_number();
        registers->rflags = (random_number() & FLAGS) | RFLAGS_RESERVED_1;
        /* near a page boundary half of the time */
        uint64_t middle = data + DATA_SIZE / 2;
        registers->gpr[HWACCL_RDI] = middle + random_number() % 32 - 16;
        registers->gpr[HWACCL_RSI] = middle + 0x800 + random_number() % 64 - 32;
        registers->gpr[HWACCL_RSP] = data + DATA_SIZE / 4 + (random_number() % 64) * 8;
        registers->gpr[HWACCL_RBX] = data + DATA_SIZE / 2;
        if (bits == 16)
                registers->gpr[HWACCL_RBP] = DATA_SIZE / 2 - 0x1000;
        registers->gpr[HWACCL_R13] = DATA + DATA_SIZE / 2 + 0x20;
        if (form->bit_offset_register)
                registers->gpr[form->bit_offset_register] = (uint64_t)((int64_t)(random_number() % 0x30000) - 0x18000);
        if (form->string) {
                if (random_number() & 1)
                        registers->rflags |= RFLAGS_DF;
                if (form->repeated)
                        registers->gpr[HWACCL_RCX] = 1 + random_number() % 40;
        }
        for (unsigned i = 0; bits < 64 && i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                registers->gpr[i] = i < 8 ? registers->gpr[i] & UINT32_MAX : 0;
}

static void store_value(bool mmio, uint64_t address, uint64_t value)
{
        memcpy(native_data + (address - data), &value, sizeof(value));
        memcpy(emulated_data(mmio) + (address - data), &value, sizeof(value));
}

static void print_form(const struct form *form)
{
        char text[96];

        hwaccl_instruction_describe(form->bytes, form->size, NATIVE_CODE, bits, text, sizeof(text));
        print_error("%s (%s), bytes", form->name, text);
        for (unsigned i = 0; i < form->size; i++)
                print_error(" %02x", form->bytes[i]);
        print_error("\n");
}

static void compare(const struct form *form, bool mmio)
{
        uint64_t flags = FLAGS & ~form->undefined_flags;
        const struct native_registers *real = &shared->after;
        bool same = (real->rflags & flags) == (fixture.context->rflags & flags);

        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                same &= real->gpr[i] == fixture.context->gpr[i];
        same &= memcmp(native_data, emulated_data(mmio), DATA_SIZE) == 0;
        if (same)
                return;
        print_form(form);
        print_error("flags before 0x%lx, native 0x%lx, emulated 0x%lx\n", shared->before.rflags & FLAGS,
                    real->rflags & flags, fixture.context->rflags & flags);
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                print_error("r%u before 0x%lx, native 0x%lx, emulated 0x%lx%s\n", i, shared->before.gpr[i],
                            real->gpr[i], fixture.context->gpr[i],
                            real->gpr[i] == fixture.context->gpr[i] ? "" : " <--");
        for (unsigned i = 0; i < DATA_SIZE; i++)
                if (native_data[i] != emulated_data(mmio)[i])
                        print_error("byte 0x%x native %02x, emulated %02x\n", i, native_data[i],
                                    emulated_data(mmio)[i]);
        fail_msg("emulator and processor differ");
}

static void run_form(const struct form *form, bool mmio)
{
        uint64_t address = bits == 64 ? native_generate(&native, form->bytes, form->size)
                                      : peer_place(&peer, form->bytes, form->size);
        uint64_t frame = CODE_FRAME + (bits == 64 ? address - NATIVE_CODE : address);

        forms++;
        enter_mode(mmio);
        for (unsigned i = 0; i < DATA_SIZE; i++) {
                native_data[i] = (uint8_t)(form->string ? (random_number() % 8 ? 0x41 : 0x42) : random_number());
                emulated_data(mmio)[i] = native_data[i];
        }
        fixture_poke(&fixture, frame, form->bytes, form->size);
        for (unsigned round = 0; round < (bits == 64 ? ROUNDS : ROUNDS / 2); round++) {
                choose_registers(form, &shared->before);
                if (!form->string)
                        store_value(mmio, shared->before.gpr[HWACCL_RDI], interesting_number());
                if (!form->string && round % 4 == 0) /* let CMPXCHG find what it compares with */
                        store_value(mmio, shared->before.gpr[HWACCL_RDI], shared->before.gpr[HWACCL_RAX]);

                memcpy(fixture.context->gpr, shared->before.gpr, sizeof(fixture.context->gpr));
                fixture.context->rflags = shared->before.rflags;
                fixture.context->rip = address;
                fixture.state.exit_reason = HWACCL_EXIT_EPT_VIOLATION;
                fixture.state.instruction_length = round & 1 ? form->size : 0;

                memset(&shared->after, 0, sizeof(shared->after));
                if (bits == 64)
                        native_run(&native);
                else
                        peer_run(&peer, (unsigned)address, form->size, shared);
                enum hwaccl_outcome outcome = fixture_run(&fixture);
                if (outcome != HWACCL_OUTCOME_COMPLETED) {
                        print_form(form);
                        fail_msg("outcome %s: %s", hwaccl_outcome_name(outcome), fixture.error.message);
                }
                assert_int_equal(fixture.context->rip, address + form->size);
                compare(form, mmio);
        }
}

static void check(const struct form *form)
{
        run_form(form, false);
        run_form(form, true);
}

/* ---- forms ------------------------------------------------------------------------------------------------------- */

static void append(struct form *form, uint8_t byte)
{
        assert_true(form->size < sizeof(form->bytes));
        form->bytes[form->size++] = byte;
}

static void append_immediate(struct form *form, uint64_t value, unsigned size)
{
        for (unsigned i = 0; i < size; i++)
                append(form, (uint8_t)(value >> (8 * i)));
}

/* Prefixes for an operand size, and a REX prefix when the register field needs one. */
static void append_prefixes(struct form *form, unsigned size, unsigned reg, bool force_rex)
{
        uint8_t rex = (uint8_t)((size == 8 ? 8 : 0) | (reg >= 8 ? 4 : 0));

        if (size == (bits == 16 ? 4 : 2))
                append(form, 0x66);
        if (rex || force_rex)
                append(form, 0x40 | rex);
}

/* ModRM for [rdi], [edi] or [di]. */
static void append_rdi(struct form *form, unsigned reg)
{
        append(form, (uint8_t)((reg & 7) << 3 | (bits == 16 ? 5 : HWACCL_RDI)));
}

/* op r/m, r or op r, r/m with every interesting register; @opcode is that of the byte form; @two_byte has 0F before. */
static void check_register_forms(const char *name, bool two_byte, uint8_t opcode, unsigned smallest, bool lock,
                                 uint64_t undefined_flags, bool bit_offset)
{
        static const unsigned registers[] = {HWACCL_RAX, HWACCL_RCX, HWACCL_RDX, HWACCL_RSP,
                                             HWACCL_RBP, HWACCL_RSI, HWACCL_R8,  HWACCL_R15};

        for (unsigned size = smallest; size <= (bits == 64 ? 8 : 4); size *= 2)
                for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
                        for (unsigned rex = 0; rex < (bits == 64 ? 2 : 1); rex++) {
                                struct form form = {.name = name, .undefined_flags = undefined_flags};
                                if (bits < 64 && registers[i] >= 8)
                                        continue;
                                if (bit_offset && (registers[i] == HWACCL_RAX || registers[i] == HWACCL_RSP))
                                        continue;
                                if (bit_offset)
                                        form.bit_offset_register = registers[i];
                                if (lock)
                                        append(&form, 0xf0);
                                append_prefixes(&form, size, registers[i], rex);
                                if (two_byte)
                                        append(&form, 0x0f);
                                append(&form, (uint8_t)(opcode | (smallest == 1 && size > 1)));
                                append_rdi(&form, registers[i]);
                                check(&form);
                        }
}

/* op r/m with the operation in the reg field, and an immediate of @immediate_size bytes (0: none; 9: the operand's). */
static void check_group_forms(const char *name, bool two_byte, uint8_t opcode, unsigned smallest, unsigned extension,
                              unsigned immediate_size, bool lock, uint64_t undefined_flags)
{
        static const uint64_t immediates[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0x12345678};

        for (unsigned size = smallest; size <= (bits == 64 ? 8 : 4); size *= 2)
                for (unsigned i = 0; i < sizeof(immediates) / sizeof(immediates[0]); i++) {
                        struct form form = {.name = name, .undefined_flags = undefined_flags};
                        unsigned wide = size > 4 ? 4 : size;
                        if (lock)
                                append(&form, 0xf0);
                        append_prefixes(&form, size, 0, false);
                        if (two_byte)
                                append(&form, 0x0f);
                        append(&form, (uint8_t)(opcode | (smallest == 1 && size > 1)));
                        append_rdi(&form, extension);
                        append_immediate(&form, immediates[i], immediate_size == 9 ? wide : immediate_size);
                        check(&form);
                        if (!immediate_size)
                                break;
                }
}

static void begin(void **state)
{
        bits = *(const unsigned *)*state;
        data = bits == 16 ? 0 : DATA;
        if (bits != 64)
                peer_create(&peer, bits, data, native_data, DATA_SIZE);
}

static int end(void **state)
{
        (void)state;
        peer_destroy(&peer);
        return 0;
}

static void arithmetic_and_logic_agree_with_the_processor(void **state)
{
        static const char *const names[8] = {"ADD", "OR", "ADC", "SBB", "AND", "SUB", "XOR", "CMP"};

        begin(state);
        for (unsigned i = 0; i < 8; i++) {
                uint64_t undefined = i == 1 || i == 4 || i == 6 ? LOGIC_FLAGS : 0;
                uint8_t base = (uint8_t)(i * 8);
                check_register_forms(names[i], false, base, 1, false, undefined, false);
                check_register_forms(names[i], false, base | 2, 1, false, undefined, false);
                if (i != 7)
                        check_register_forms(names[i], false, base, 1, true, undefined, false);
                check_group_forms(names[i], false, 0x80, 1, i, 9, false, undefined);
                check_group_forms(names[i], false, 0x83, 2, i, 1, i != 7, undefined);
        }
        check_register_forms("TEST", false, 0x84, 1, false, LOGIC_FLAGS, false);
        check_group_forms("TEST", false, 0xf6, 1, 0, 9, false, LOGIC_FLAGS);
}

static void unary_operations_agree_with_the_processor(void **state)
{
        begin(state);
        for (unsigned lock = 0; lock < 2; lock++) {
                check_group_forms("INC", false, 0xfe, 1, 0, 0, lock, 0);
                check_group_forms("DEC", false, 0xfe, 1, 1, 0, lock, 0);
                check_group_forms("NOT", false, 0xf6, 1, 2, 0, lock, 0);
                if (!lock || bits == 64) /* Unicorn 2.0.1 gives wrong flags for LOCK NEG */
                        check_group_forms("NEG", false, 0xf6, 1, 3, 0, lock, 0);
        }
}

static void bit_tests_agree_with_the_processor(void **state)
{
        static const char *const names[4] = {"BT", "BTS", "BTR", "BTC"};

        begin(state);
        for (unsigned i = 0; i < 4; i++) {
                check_register_forms(names[i], true, (uint8_t)(0xa3 + i * 8), 2, false, BIT_FLAGS, true);
                if (i)
                        check_register_forms(names[i], true, (uint8_t)(0xa3 + i * 8), 2, true, BIT_FLAGS, true);
                check_group_forms(names[i], true, 0xba, 2, 4 + i, 1, false, BIT_FLAGS);
        }
}

static void moves_agree_with_the_processor(void **state)
{
        begin(state);
        check_register_forms("MOV", false, 0x88, 1, false, 0, false);
        check_register_forms("MOV", false, 0x8a, 1, false, 0, false);
        check_register_forms("MOVZX from 8 bits", true, 0xb6, 2, false, 0, false);
        check_register_forms("MOVZX from 16 bits", true, 0xb7, 2, false, 0, false);
        check_register_forms("MOVSX from 8 bits", true, 0xbe, 2, false, 0, false);
        check_register_forms("MOVSX from 16 bits", true, 0xbf, 2, false, 0, false);
        if (bits == 64)
                check_register_forms("MOVSXD", false, 0x63, 4, false, 0, false);
        check_register_forms("MOVNTI", true, 0xc3, 4, false, 0, false);
        check_group_forms("MOV", false, 0xc6, 1, 0, 9, false, 0);
        for (unsigned size = 1; size <= (bits == 64 ? 8 : 4); size *= 2)
                for (unsigned store = 0; store < 2; store++)
                        for (unsigned narrow = 0; narrow < (bits == 64 ? 2 : 1); narrow++) {
                                struct form form = {.name = "MOV moffs"};
                                if (narrow)
                                        append(&form, 0x67);
                                append_prefixes(&form, size, 0, false);
                                append(&form, (uint8_t)(0xa0 | store << 1 | (size > 1)));
                                append_immediate(&form, data + 0x8123, narrow ? 4 : bits / 8);
                                check(&form);
                        }
}

static void exchanges_agree_with_the_processor(void **state)
{
        begin(state);
        for (unsigned lock = 0; lock < 2; lock++) {
                check_register_forms("XCHG", false, 0x86, 1, lock, 0, false);
                check_register_forms("XADD", true, 0xc0, 1, lock, 0, false);
                check_register_forms("CMPXCHG", true, 0xb0, 1, lock, 0, false);
                struct form form = {.name = "CMPXCHG8B"};
                if (lock)
                        append(&form, 0xf0);
                append(&form, 0x0f);
                append(&form, 0xc7);
                append_rdi(&form, 1);
                check(&form);
        }
        /* CMPXCHG16B needs an aligned operand: [rbx] is one */
        struct form form = {.name = "CMPXCHG16B", .bytes = {0xf0, 0x48, 0x0f, 0xc7, 0x0b}, .size = 5};
        if (bits == 64)
                check(&form);
}

static void memory_operands_agree_with_the_processor(void **state)
{
        /* add/mov with each kind of address; -0x80000000-range displacements keep RBX-based ones inside the data */
        static const struct form addresses[] = {
                {.name = "[rdi+disp8]", .bytes = {0x48, 0x01, 0x47, 0x80}, .size = 4},
                {.name = "[rdi+disp32]", .bytes = {0x48, 0x01, 0x87, 0x00, 0xf0, 0xff, 0xff}, .size = 7},
                {.name = "[r13+disp8]", .bytes = {0x49, 0x01, 0x45, 0x10}, .size = 4},
                {.name = "[rbx+rsi*1] in 32 bits",
                 .bytes = {0x67, 0x01, 0x84, 0x23, 0x00, 0x01, 0x00, 0x00},
                 .size = 8},
                {.name = "[rsp+disp8]", .bytes = {0x48, 0x01, 0x44, 0x24, 0x08}, .size = 5},
                {.name = "[edi]", .bytes = {0x67, 0x01, 0x07}, .size = 3},
                {.name = "[edi-4]", .bytes = {0x67, 0x01, 0x47, 0xfc}, .size = 4},
                {.name = "[abs32]", .bytes = {0x01, 0x04, 0x25, 0x10, 0x40, 0x00, 0x10}, .size = 7},
                {.name = "[rip+disp32]", .bytes = {0x48, 0x01, 0x05, 0x00, 0x40, 0xc8, 0xff}, .size = 7},
                {.name = "imm after [rip+disp32]",
                 .bytes = {0x81, 0x05, 0x00, 0x40, 0xc8, 0xff, 0x78, 0x56, 0x34, 0x12},
                 .size = 10},
                {.name = "ignored CS override", .bytes = {0x2e, 0x01, 0x07}, .size = 3},
                {.name = "repeated operand-size prefix", .bytes = {0x66, 0x66, 0x01, 0x07}, .size = 4},
                {.name = "REX.W over operand-size prefix", .bytes = {0x66, 0x48, 0x01, 0x07}, .size = 4},
                {.name = "MOVSXD without REX.W", .bytes = {0x63, 0x07}, .size = 2},
                {.name = "MOVSXD of 16 bits", .bytes = {0x66, 0x63, 0x07}, .size = 3},
        };

        static const struct form addresses_32[] = {
                {.name = "[edi+disp8]", .bytes = {0x01, 0x47, 0x80}, .size = 3},
                {.name = "[edi+disp32]", .bytes = {0x01, 0x87, 0x00, 0xf0, 0xff, 0xff}, .size = 6},
                {.name = "[esp+disp8]", .bytes = {0x01, 0x44, 0x24, 0x08}, .size = 4},
                {.name = "[disp32]", .bytes = {0x01, 0x05, 0x10, 0x40, 0x00, 0x10}, .size = 6},
                {.name = "[disp32] with SIB", .bytes = {0x01, 0x04, 0x25, 0x10, 0x40, 0x00, 0x10}, .size = 7},
                {.name = "ES override", .bytes = {0x26, 0x01, 0x07}, .size = 3},
                {.name = "opcode 82", .bytes = {0x82, 0x07, 0x81}, .size = 3},
        };

        static const struct form addresses_16[] = {
                {.name = "[bx+si]", .bytes = {0x01, 0x00}, .size = 2},
                {.name = "[bx+disp8]", .bytes = {0x01, 0x47, 0x80}, .size = 3},
                {.name = "[si+disp16]", .bytes = {0x01, 0x84, 0x00, 0xf0}, .size = 4},
                {.name = "[bp+disp8]", .bytes = {0x01, 0x46, 0xfe}, .size = 3},
                {.name = "[bp+disp16]", .bytes = {0x66, 0x01, 0x86, 0x34, 0x02}, .size = 5},
                {.name = "[disp16]", .bytes = {0x01, 0x06, 0x34, 0x92}, .size = 4},
                {.name = "[edi+disp8]", .bytes = {0x67, 0x01, 0x47, 0x80}, .size = 4},
                {.name = "[edi+disp32]", .bytes = {0x67, 0x01, 0x87, 0x00, 0xf0, 0xff, 0xff}, .size = 7},
                {.name = "[disp32]", .bytes = {0x67, 0x66, 0x01, 0x05, 0x10, 0x40, 0x00, 0x00}, .size = 8},
                {.name = "SS override", .bytes = {0x36, 0x01, 0x07}, .size = 3},
        };

        begin(state);
        for (unsigned i = 0; bits == 16 && i < sizeof(addresses_16) / sizeof(addresses_16[0]); i++)
                check(&addresses_16[i]);
        for (unsigned i = 0; bits == 64 && i < sizeof(addresses) / sizeof(addresses[0]); i++)
                check(&addresses[i]);
        for (unsigned i = 0; bits == 32 && i < sizeof(addresses_32) / sizeof(addresses_32[0]); i++)
                check(&addresses_32[i]);
}

static void stack_operations_agree_with_the_processor(void **state)
{
        static const struct form stack[] = {
                {.name = "PUSH [rdi]", .bytes = {0xff, 0x37}, .size = 2},
                {.name = "PUSH word [rdi]", .bytes = {0x66, 0xff, 0x37}, .size = 3},
                {.name = "PUSH [rsp]", .bytes = {0xff, 0x34, 0x24}, .size = 3},
                {.name = "PUSH imm8", .bytes = {0x6a, 0x80}, .size = 2},
                {.name = "PUSH word imm8", .bytes = {0x66, 0x6a, 0x80}, .size = 3},
                {.name = "PUSH imm32", .bytes = {0x68, 0x78, 0x56, 0x34, 0x92}, .size = 5},
                {.name = "PUSH imm16", .bytes = {0x66, 0x68, 0x34, 0x92}, .size = 4},
                {.name = "PUSH rsp", .bytes = {0x54}, .size = 1},
                {.name = "PUSH r9", .bytes = {0x41, 0x51}, .size = 2},
                {.name = "PUSH ax", .bytes = {0x66, 0x50}, .size = 2},
                {.name = "POP [rdi]", .bytes = {0x8f, 0x07}, .size = 2},
                {.name = "POP word [rdi]", .bytes = {0x66, 0x8f, 0x07}, .size = 3},
                {.name = "POP [rsp+8]", .bytes = {0x8f, 0x44, 0x24, 0x08}, .size = 4},
                {.name = "POP rsp", .bytes = {0x5c}, .size = 1},
                {.name = "POP cx", .bytes = {0x66, 0x59}, .size = 2},
                {.name = "POP r15", .bytes = {0x41, 0x5f}, .size = 2},
        };

        static const struct form stack_32[] = {
                {.name = "PUSH [edi]", .bytes = {0xff, 0x37}, .size = 2},
                {.name = "PUSH word [edi]", .bytes = {0x66, 0xff, 0x37}, .size = 3},
                {.name = "PUSH [esp]", .bytes = {0xff, 0x34, 0x24}, .size = 3},
                {.name = "PUSH imm8", .bytes = {0x6a, 0x80}, .size = 2},
                {.name = "PUSH imm32", .bytes = {0x68, 0x78, 0x56, 0x34, 0x92}, .size = 5},
                {.name = "PUSH imm16", .bytes = {0x66, 0x68, 0x34, 0x92}, .size = 4},
                {.name = "PUSH esp", .bytes = {0x54}, .size = 1},
                {.name = "POP [edi]", .bytes = {0x8f, 0x07}, .size = 2},
                {.name = "POP word [edi]", .bytes = {0x66, 0x8f, 0x07}, .size = 3},
                {.name = "POP [esp+8]", .bytes = {0x8f, 0x44, 0x24, 0x08}, .size = 4},
                {.name = "POP esp", .bytes = {0x5c}, .size = 1},
        };

        static const struct form stack_16[] = {
                {.name = "PUSH [bx]", .bytes = {0xff, 0x37}, .size = 2},
                {.name = "PUSH dword [bx]", .bytes = {0x66, 0xff, 0x37}, .size = 3},
                {.name = "PUSH imm8", .bytes = {0x6a, 0x80}, .size = 2},
                {.name = "PUSH imm16", .bytes = {0x68, 0x34, 0x92}, .size = 3},
                {.name = "PUSH imm32", .bytes = {0x66, 0x68, 0x78, 0x56, 0x34, 0x92}, .size = 6},
                {.name = "PUSH sp", .bytes = {0x54}, .size = 1},
                {.name = "POP [bx]", .bytes = {0x8f, 0x07}, .size = 2},
                {.name = "POP dword [esp+8]", .bytes = {0x66, 0x67, 0x8f, 0x44, 0x24, 0x08}, .size = 6},
                {.name = "POP sp", .bytes = {0x5c}, .size = 1},
                {.name = "POP ecx", .bytes = {0x66, 0x59}, .size = 2},
        };

        begin(state);
        for (unsigned i = 0; bits == 16 && i < sizeof(stack_16) / sizeof(stack_16[0]); i++)
                check(&stack_16[i]);
        for (unsigned i = 0; bits == 64 && i < sizeof(stack) / sizeof(stack[0]); i++)
                check(&stack[i]);
        for (unsigned i = 0; bits == 32 && i < sizeof(stack_32) / sizeof(stack_32[0]); i++)
                check(&stack_32[i]);
}

static void string_operations_agree_with_the_processor(void **state)
{
        static const struct {
                const char *name;
                uint8_t opcode;
        } strings[] = {{"MOVS", 0xa4}, {"CMPS", 0xa6}, {"STOS", 0xaa}, {"LODS", 0xac}, {"SCAS", 0xae}};

        begin(state);
        for (unsigned i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
                for (unsigned size = 1; size <= (bits == 64 ? 8 : 4); size *= 2)
                        for (unsigned repeat = 0; repeat < 3; repeat++)
                                for (unsigned narrow = 0; narrow < (bits == 64 ? 2 : 1); narrow++) {
                                        struct form form = {
                                                .name = strings[i].name, .string = true, .repeated = repeat};
                                        if (narrow)
                                                append(&form, 0x67);
                                        if (repeat)
                                                append(&form, repeat == 1 ? 0xf3 : 0xf2);
                                        append_prefixes(&form, size, 0, false);
                                        append(&form, (uint8_t)(strings[i].opcode | (size > 1)));
                                        check(&form);
                                }
}

static int set_up(void **state)
{
        (void)state;
        random_state = UINT64_C(0x9e3779b97f4a7c15);
        fixture_create(&fixture);
        native_data = mmap((void *)(uintptr_t)DATA, DATA_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        assert_ptr_equal(native_data, (void *)(uintptr_t)DATA);
        assert_true(native_create(&native));
        shared = native.exchange;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        print_message("%u forms\n", forms);
        fixture_destroy(&fixture);
        native_destroy(&native);
        return munmap(native_data, DATA_SIZE);
}

int main(void)
{
        static unsigned sizes[3] = {64, 32, 16};
#define TEST_OF(name, i) cmocka_unit_test_prestate_setup_teardown(name, NULL, end, &sizes[i])
#define TEST(name)       TEST_OF(name, 0), TEST_OF(name, 1), TEST_OF(name, 2)
        const struct CMUnitTest tests[] = {
                TEST(arithmetic_and_logic_agree_with_the_processor),
                TEST(unary_operations_agree_with_the_processor),
                TEST(bit_tests_agree_with_the_processor),
                TEST(moves_agree_with_the_processor),
                TEST(exchanges_agree_with_the_processor),
                TEST(memory_operands_agree_with_the_processor),
                TEST(stack_operations_agree_with_the_processor),
                TEST(string_operations_agree_with_the_processor),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
