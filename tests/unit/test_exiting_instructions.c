/* Instructions that exit, behind every prefix: the soft accelerator must see them, and the handler must take them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/accel/soft/decode.h"
#include "tests/fixtures/abort_fixture.h"
#include "tests/fixtures/accel_fixture.h"
#include "tests/fixtures/emulate_fixture.h"

enum { REAL_16, PROTECTED_32, LONG_64, MODE_COUNT };

struct exiting {
        uint8_t bytes[3];
        uint8_t length;
        uint8_t reason;
};

static const struct exiting instructions[] = {
        {{0x0f, 0xa2}, 2, HWACCL_EXIT_CPUID},
        {{0xf4}, 1, HWACCL_EXIT_HLT},
        {{0x0f, 0x08}, 2, HWACCL_EXIT_INVD},
        {{0x0f, 0x09}, 2, HWACCL_EXIT_WBINVD},
        {{0x0f, 0x01, 0x3f}, 3, HWACCL_EXIT_INVLPG},
        {{0x0f, 0x33}, 2, HWACCL_EXIT_RDPMC},
        {{0x0f, 0x31}, 2, HWACCL_EXIT_RDTSC},
        {{0x0f, 0x01, 0xf9}, 3, HWACCL_EXIT_RDTSCP},
        {{0x0f, 0x01, 0xc1}, 3, HWACCL_EXIT_VMCALL},
        {{0x0f, 0x01, 0xc2}, 3, HWACCL_EXIT_VMLAUNCH},
        {{0x0f, 0x01, 0xc3}, 3, HWACCL_EXIT_VMRESUME},
        {{0x0f, 0x01, 0xc4}, 3, HWACCL_EXIT_VMXOFF},
        {{0x0f, 0x01, 0xc8}, 3, HWACCL_EXIT_MONITOR},
        {{0x0f, 0x01, 0xc9}, 3, HWACCL_EXIT_MWAIT},
        {{0x0f, 0x01, 0xd1}, 3, HWACCL_EXIT_XSETBV},
        {{0x0f, 0x22, 0xd8}, 3, HWACCL_EXIT_CONTROL_REGISTER},
        {{0x0f, 0x22, 0x18}, 3, HWACCL_EXIT_CONTROL_REGISTER}, /* MOV CR3, EAX too: mod does not count */
        {{0x0f, 0x21, 0xc0}, 3, HWACCL_EXIT_MOV_DR},
        {{0x0f, 0x23, 0xc0}, 3, HWACCL_EXIT_MOV_DR},
        {{0x0f, 0x30}, 2, HWACCL_EXIT_WRMSR},
        {{0x0f, 0x32}, 2, HWACCL_EXIT_RDMSR},
        {{0xe4, 0x71}, 2, HWACCL_EXIT_IO_INSTRUCTION},
        {{0xe5, 0x71}, 2, HWACCL_EXIT_IO_INSTRUCTION},
        {{0xe6, 0x71}, 2, HWACCL_EXIT_IO_INSTRUCTION},
        {{0xe7, 0x71}, 2, HWACCL_EXIT_IO_INSTRUCTION},
        {{0xec}, 1, HWACCL_EXIT_IO_INSTRUCTION},
        {{0xed}, 1, HWACCL_EXIT_IO_INSTRUCTION},
        {{0xee}, 1, HWACCL_EXIT_IO_INSTRUCTION},
        {{0xef}, 1, HWACCL_EXIT_IO_INSTRUCTION},
        {{0x6c}, 1, HWACCL_EXIT_IO_INSTRUCTION},
        {{0x6d}, 1, HWACCL_EXIT_IO_INSTRUCTION},
        {{0x6e}, 1, HWACCL_EXIT_IO_INSTRUCTION},
        {{0x6f}, 1, HWACCL_EXIT_IO_INSTRUCTION},
};

struct prefixes {
        uint8_t bytes[5];
        uint8_t length;
        bool lock;
        bool wide_only; /* has a REX prefix */
};

static const struct prefixes prefixes[] = {
        {{0}, 0, false, false},
        {{0x66}, 1, false, false},
        {{0x67}, 1, false, false},
        {{0x26}, 1, false, false},
        {{0x2e}, 1, false, false},
        {{0x36}, 1, false, false},
        {{0x3e}, 1, false, false},
        {{0x64}, 1, false, false},
        {{0x65}, 1, false, false},
        {{0xf2}, 1, false, false},
        {{0xf3}, 1, false, false},
        {{0xf3, 0x66}, 2, false, false},
        {{0x66, 0x67, 0x2e, 0xf2}, 4, false, false},
        {{0xf2, 0xf3, 0x65, 0x66, 0x66}, 5, false, false},
        {{0xf0}, 1, true, false},
        {{0xf0, 0x66}, 2, true, false},
        {{0x66, 0xf0}, 2, true, false},
        {{0xf3, 0xf0, 0x67}, 3, true, false},
        {{0x48}, 1, false, true},
        {{0x4b}, 1, false, true},
        {{0x66, 0x41}, 2, false, true},
        {{0x48, 0x66}, 2, false, true}, /* REX counts before the opcode only */
        {{0x44, 0xf3, 0x41}, 3, false, true},
        {{0x44, 0x40}, 2, false, true},
        {{0x48, 0xf0}, 2, true, true},
        {{0xf0, 0x48}, 2, true, true},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void enter_mode(struct guest *guest, unsigned mode)
{
        if (mode == PROTECTED_32)
                protect(guest, CODE_32);
        else if (mode == LONG_64)
                enter_long_mode(guest);
        hwaccl_cr4_put(&guest->state, hwaccl_cr4_guest(&guest->state) | HWACCL_CR4_OSXSAVE); /* for XSETBV's exit */
        guest->state.rcx = 1;                                                                /* one iteration of REP */
        guest->state.rdi = guest->state.rsi = 0x5000;
}

static unsigned make(uint8_t code[16], const struct prefixes *before, const struct exiting *instruction)
{
        memset(code, 0x90, 16);
        memcpy(code, before->bytes, before->length);
        memcpy(code + before->length, instruction->bytes, instruction->length);
        return (unsigned)before->length + instruction->length;
}

/* The handler's part: the instruction in memory must be the one that exited, whatever it then does. */
static void assert_handled(struct fixture *fixture, unsigned mode, const uint8_t *code, unsigned length,
                           const struct hwaccl_subject_state *exit)
{
        if (mode == REAL_16)
                fixture_real_mode(fixture);
        else if (mode == PROTECTED_32)
                fixture_protected_mode(fixture, 0);
        else
                fixture_long_mode(fixture, 0);
        fixture->context->gpr[HWACCL_RDX] = exit->rdx;
        fixture->context->gpr[HWACCL_RCX] = exit->rcx;
        fixture_code(fixture, code, length, exit->exit_reason, exit->exit_qualification);
        if (fixture_run(fixture) == HWACCL_OUTCOME_FAILED)
                fail_msg("%s", fixture->error.message);
}

static void no_prefix_lets_an_exiting_instruction_past(void **unused)
{
        static struct fixture fixture;

        fixture_create(&fixture);
        for (unsigned mode = 0; mode < MODE_COUNT; mode++) {
                struct guest *guest = guest_new();
                enter_mode(guest, mode);
                const struct hwaccl_subject_state start = guest->state;
                for (size_t i = 0; i < COUNT(instructions); i++)
                        for (size_t j = 0; j < COUNT(prefixes); j++) {
                                uint8_t code[16];
                                if (prefixes[j].wide_only && mode != LONG_64)
                                        continue;
                                unsigned length = make(code, &prefixes[j], &instructions[i]);
                                guest->state = start;
                                poke_memory(guest, CODE, code, sizeof(code));
                                if (prefixes[j].lock) {
                                        run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
                                        assert_int_equal(get(guest, guest->state.rsp, 2), CODE);
                                        continue;
                                }
                                run_to(guest, instructions[i].reason, CODE);
                                assert_int_equal(guest->state.instruction_length, length);
                                assert_handled(&fixture, mode, code, length, &guest->state);
                        }
                guest_free(guest);
        }
        fixture_destroy(&fixture);
        (void)unused;
}

/* Those that the accelerator or the engine carries out, or that the engine's translator aborts at. */
static void lock_before_an_instruction_without_exit_is_undefined(void **unused)
{
        static const struct exiting others[] = {
                {{0x0f, 0x20, 0xc0}, 3, 0},
                {{0x0f, 0x22, 0xc0}, 3, 0},
                {{0x0f, 0x22, 0xe0}, 3, 0},
                {{0x0f, 0x06}, 2, 0},
                {{0x0f, 0x01, 0xf0}, 3, 0},
                {{0x0f, 0x01, 0xe0}, 3, 0},
                {{0xcc}, 1, 0},
                {{0xcd, 0x30}, 2, 0},
                {{0xfa}, 1, 0},
                {{0xfb}, 1, 0},
                {{0x9c}, 1, 0},
                {{0x9d}, 1, 0},
                {{0x90}, 1, 0},
                {{0x01, 0xc0}, 2, 0},
                {{0x89, 0x07}, 2, 0},
                {{0x0f, 0xa3, 0x07}, 3, 0},
                {{0x0f, 0x01, 0xca}, 3, 0},
                {{0xff, 0x37}, 2, 0},
                {{0xcf}, 1, 0},
                {{0x0f, 0x0b}, 2, 0},
                {{0x38, 0x07}, 2, 0},
                {{0x39, 0x07}, 2, 0},
                {{0x3a, 0x07}, 2, 0},
                {{0x3b, 0x07}, 2, 0},
                {{0x3d, 0x07}, 2, 0},
                {{0x80, 0x3f, 0x05}, 3, 0},
                {{0x83, 0x3f, 0x05}, 3, 0},
                {{0xa6}, 1, 0},
                {{0xa7}, 1, 0},
        };
        static const struct exiting lockables[] = {
                {{0x01, 0x07}, 2, 0},       {{0x83, 0x07, 0x01}, 3, 0}, {{0x0f, 0xc1, 0x07}, 3, 0},
                {{0x87, 0x07}, 2, 0},       {{0xff, 0x07}, 2, 0},       {{0x0f, 0xab, 0x07}, 3, 0},
                {{0x0f, 0xb1, 0x07}, 3, 0}, {{0x0f, 0xc7, 0x0f}, 3, 0}, {{0xf7, 0x17}, 2, 0},
        };
        static const struct prefixes lock = {{0xf0}, 1, true, false};

        for (unsigned mode = 0; mode < MODE_COUNT; mode++) {
                struct guest *guest = guest_new();
                enter_mode(guest, mode);
                abort_fixture_watch(guest->accel);
                const struct hwaccl_subject_state start = guest->state;
                uint8_t code[16];
                for (size_t i = 0; i < COUNT(others); i++) {
                        make(code, &lock, &others[i]);
                        guest->state = start;
                        poke_memory(guest, CODE, code, sizeof(code));
                        run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
                        assert_int_equal(get(guest, guest->state.rsp, 2), CODE);
                }
                for (size_t i = 0; i < COUNT(lockables); i++) {
                        unsigned length = make(code, &lock, &lockables[i]);
                        code[length] = 0xf4;
                        guest->state = start;
                        poke_memory(guest, CODE, code, sizeof(code));
                        run_to(guest, HWACCL_EXIT_HLT, CODE + length);
                }
                abort_fixture_watch(NULL);
                guest_free(guest);
        }
        (void)unused;
}

/* What the decoder makes of one or two opcode bytes, a ModRM byte and a prefix (0: none): a reason that is new, or 0.
 */
static uint8_t reason_of(uint8_t prefix, bool two_byte, unsigned opcode_and_modrm, uint8_t bits, uint8_t code[8],
                         bool seen[256])
{
        struct soft_site site = {.address = 0};
        unsigned at = 0;

        memset(code, 0, 8);
        if (prefix)
                code[at++] = prefix;
        if (two_byte)
                code[at++] = 0x0f;
        code[at++] = (uint8_t)(opcode_and_modrm >> 8);
        code[at] = (uint8_t)opcode_and_modrm;
        soft_decode(&site, code, 8, bits);
        if (site.kind != SOFT_SITE_EXIT || seen[site.reason])
                return 0;
        seen[site.reason] = true;
        return site.reason;
}

static void every_reason_of_the_soft_decoder_has_a_rule(void **unused)
{
        static const uint8_t before[] = {0, 0x66, 0xf2, 0xf3};
        static struct fixture fixture;
        bool seen[256] = {false};
        uint8_t code[8];

        fixture_create(&fixture);
        for (unsigned i = 0; i < 3 * COUNT(before) * 2 * 65536; i++) {
                uint8_t reason =
                        reason_of(before[i >> 17 & 3], i >> 16 & 1, i & 0xffff, (uint8_t)(16 << (i >> 19)), code, seen);
                if (!reason)
                        continue;
                assert_int_equal(hwaccl_exit_reason_verdict(reason), HWACCL_VERDICT_EMULATE);
                fixture_real_mode(&fixture);
                fixture_code(&fixture, code, sizeof(code), reason, 0);
                fixture.state.instruction_length = 0;
                if (fixture_run(&fixture) == HWACCL_OUTCOME_FAILED)
                        fail_msg("%s", fixture.error.message);
        }
        /* those with a qualification, each a kind of its own */
        for (size_t i = 0; i < COUNT(instructions); i++)
                assert_int_not_equal(hwaccl_exit_reason_verdict(instructions[i].reason), HWACCL_VERDICT_UNKNOWN);
        assert_true(seen[HWACCL_EXIT_RDPMC] && seen[HWACCL_EXIT_MONITOR] && seen[HWACCL_EXIT_HLT]);
        fixture_destroy(&fixture);
        (void)unused;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_prefix_lets_an_exiting_instruction_past),
                cmocka_unit_test(lock_before_an_instruction_without_exit_is_undefined),
                cmocka_unit_test(every_reason_of_the_soft_decoder_has_a_rule),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
