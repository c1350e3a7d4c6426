/* What is said of one state without a recording: words of the processor in words, the entry checks with their values,
 * and dumps that cannot be read. */
#include "core/exit/dispatch.h"
#include "replay/postmortem/state/state_rules.h"
#include "replay/postmortem/words/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct hwaccl_dump dump;
static struct hwaccl_state_findings findings;
static struct hwaccl_error error;

static int clear(void **state)
{
        (void)state;
        memset(&dump, 0, sizeof(dump));
        return 0;
}

static void interruption_information_is_named(void **state)
{
        (void)state;
        static const struct {
                uint64_t word;
                const char *text;
        } words[] = {
                {0x00000b0e, "none"},
                {0x80000202, "NMI"},
                {0x80000b08, "#DF (vector 8, error code)"},
                {0x80000b0e, "#PF (vector 14, error code)"},
                {0x80000306, "#UD (vector 6)"},
                {0x8000002f, "external interrupt (vector 2fh)"},
                {0x80000480, "software interrupt (vector 80h)"},
                {0x80000603, "software exception (vector 3h, #BP)"},
                {0x80000501, "privileged software exception (vector 1h, #DB)"},
                {0x800003c8, "exception (vector c8h)"},
                {0x80000700, "other event (type 7) (vector 0h, #DE)"},
        };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                char text[80];
                assert_string_equal(hwaccl_interruption_describe(words[i].word, text, sizeof(text)), words[i].text);
        }
}

static void svm_exit_codes_are_named(void **state)
{
        (void)state;
        static const struct {
                uint64_t code;
                const char *text;
        } codes[] = {
                {0x00, "read of CR0"},
                {0x14, "write of CR4"},
                {0x27, "read of DR7"},
                {0x4e, "exception #PF (vector 14)"},
                {0x60, "physical interrupt"},
                {0x73, "RSM"},
                {0x7b, "I/O instruction (IN, OUT and their string forms)"},
                {0x7f, "shutdown (triple fault)"},
                {0x88, "ICEBP instruction (INT1, opcode f1)"},
                {0x8d, "XSETBV"},
                {0x94, "write of CR4 (trap)"},
                {0x400, "nested page fault (NPF)"},
                {UINT64_MAX, "VMEXIT_INVALID: VMRUN refused the guest's state (VMCB)"},
        };
        char text[80];
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
                assert_true(hwaccl_svm_exit_describe(codes[i].code, text, sizeof(text)));
                assert_string_equal(text, codes[i].text);
        }
        assert_false(hwaccl_svm_exit_describe(0x3ff, text, sizeof(text)));
}

static void set(enum hwaccl_field_index field, uint64_t value)
{
        hwaccl_field_put(&dump.state, field, value);
        hwaccl_known_fields_add(&dump.known, field);
}

static void expect_mode(const char *expected)
{
        char text[128];

        hwaccl_mode_describe(&dump.state, &dump.known, text, sizeof(text));
        assert_string_equal(text, expected);
}

static void modes_are_named_as_far_as_they_are_known(void **state)
{
        (void)state;
        expect_mode("mode not known");
        set(HWACCL_FIELD_INDEX_cr0, 0x20);
        expect_mode("real mode, no paging");
        set(HWACCL_FIELD_INDEX_cr0, 0x31);
        expect_mode("mode not known, no paging");
        set(HWACCL_FIELD_INDEX_rflags, 0x20002);
        expect_mode("virtual-8086 mode, no paging");
        set(HWACCL_FIELD_INDEX_rflags, 2);
        set(HWACCL_FIELD_INDEX_efer, 0);
        set(HWACCL_FIELD_INDEX_cs_access_rights, 0xc09b);
        expect_mode("protected mode, 32-bit code, no paging");
        set(HWACCL_FIELD_INDEX_ss_access_rights, 0xc0f3);
        set(HWACCL_FIELD_INDEX_cr0, 0x80000031);
        set(HWACCL_FIELD_INDEX_cr4, 0x20);
        expect_mode("protected mode, 32-bit code, ring 3, PAE paging");
        set(HWACCL_FIELD_INDEX_cr4, 0x10);
        expect_mode("protected mode, 32-bit code, ring 3, 32-bit paging");
        set(HWACCL_FIELD_INDEX_efer, 0x500);
        expect_mode("compatibility mode, 32-bit code, ring 3, 4-level paging");
        set(HWACCL_FIELD_INDEX_cs_access_rights, 0xa09b);
        set(HWACCL_FIELD_INDEX_cr4, 0x1020);
        expect_mode("64-bit mode, ring 3, 5-level paging");
}

/* A dump that shows only some fields. */
static void rules_on_unknown_fields_are_passed_over(void **state)
{
        (void)state;
        dump.format = HWACCL_DUMP_VMCS;
        hwaccl_state_judge(&dump, &findings);
        assert_int_equal(findings.count, 0);
        set(HWACCL_FIELD_INDEX_gs_limit, 0x10ffff);
        hwaccl_state_judge(&dump, &findings);
        assert_int_equal(findings.count, 0);
        set(HWACCL_FIELD_INDEX_rflags, 0x20002);
        hwaccl_state_judge(&dump, &findings);
        assert_int_equal(findings.count, 1);
        assert_string_equal(findings.finding[0].text,
                            "GS limit is not ffff in virtual-8086 mode (gs_limit is 10ffff; ffff would be right)");
}

/* One line per rule on what dumps show beside the subject state. */
static void every_rule_beside_the_subject_state_is_applied(void **state)
{
        static const struct {
                const char *lines; /* in place of a sound state's */
                const char *text;  /* NULL: nothing is broken */
        } rules[] = {
                {"", NULL},
                {"VMEntry: intr_info=800000d1 errcode=0 ilen=0", "an external interrupt (vector d1h), but RFLAGS.IF"},
                {"VMEntry: intr_info=80000203 errcode=0 ilen=0", "an NMI with vector 3; 2 would be right"},
                {"VMEntry: intr_info=80000320 errcode=0 ilen=0", "a hardware exception with vector 20h"},
                {"VMEntry: intr_info=8000030d errcode=0 ilen=0", "exception 13 without an error code, which it has"},
                {"VMEntry: intr_info=80000b0d errcode=0 ilen=0", NULL},
                {"VMEntry: intr_info=80000b06 errcode=0 ilen=0", "exception 6 with an error code, which it does not"},
                {"VMEntry: intr_info=80000100 errcode=0 ilen=0", "an event of reserved type 1"},
                {"VMEntry: intr_info=80000403 errcode=0 ilen=10", "an instruction length of 16"},
                {"VMEntry: intr_info=80000403 errcode=0 ilen=2", NULL},
                {"PinBased=0 CPUBased=0 SecondaryExec=0 EntryControls=200 ExitControls=0",
                 "\"IA-32e mode guest\" is set"},
                {"PinBased=0 CPUBased=80000000 SecondaryExec=0",
                 "needs the VM-execution control \"unrestricted guest\""},
                {"PinBased=0 CPUBased=80000000 SecondaryExec=82", NULL},
                {"PinBased=0 CPUBased=80000000 SecondaryExec=80", "\"enable EPT\" is clear"},
                {"VMCS Link Pointer = 0x1234", "the VMCS link pointer has bits 11:0"},
                {"VMCS Link Pointer = 0xffffffffffffffff", NULL},
        };
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                char text[512];
                (void)clear(state);
                int size = snprintf(text, sizeof(text),
                                    "*** Guest State ***\nCR0: actual=0x21, shadow=0x1, gh_mask=0\nRIP = 0x100\n"
                                    "RFLAGS=0x2 DR7 = 0x400\n*** Control State ***\n%s\n",
                                    rules[i].lines);
                assert_true(hwaccl_dump_read(text, (size_t)size, 1, &dump, &error));
                hwaccl_state_judge(&dump, &findings);
                bool broken = findings.count && findings.finding[0].severity == HWACCL_SEVERITY_BROKEN;
                if (broken != !!rules[i].text || (broken && !strstr(findings.finding[0].text, rules[i].text)))
                        fail_msg("%s: %s", rules[i].lines, broken ? findings.finding[0].text : "nothing is broken");
        }
}

static void guest_state_beside_the_registers_is_checked(void **state)
{
        static const struct {
                const char *flags;
                const char *interruptibility;
                const char *debug;
                const char *text;
        } rules[] = {
                {"202", "Interruptibility = 00000001  ActivityState = 00000000", "0", NULL},
                {"202", "Interruptibility = 00000001  ActivityState = 00000001", "0",
                 "while interrupts are blocked by STI"},
                {"202", "Interruptibility = 00000000  ActivityState = 00000004", "0", "activity state is 4"},
                {"302", "Interruptibility = 00000002  ActivityState = 00000000", "0", "lack BS"},
                {"302", "Interruptibility = 00000002  ActivityState = 00000000", "4000", NULL},
                {"202", "Interruptibility = 00000002  ActivityState = 00000000", "4000", "have BS"},
                {"2", "Interruptibility = 00000001  ActivityState = 00000000", "0",
                 "blocks by STI but RFLAGS.IF is clear"},
                {"2", "Interruptibility = 00000000  ActivityState = 00000001", "0", "halts with interrupts off"},
        };
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                char text[512];
                (void)clear(state);
                int size = snprintf(
                        text, sizeof(text),
                        "*** Guest State ***\nRIP = 0x100\nRFLAGS=0x%s\nDebugCtl = 0x0  DebugExceptions = 0x%s\n%s\n",
                        rules[i].flags, rules[i].debug, rules[i].interruptibility);
                assert_true(hwaccl_dump_read(text, (size_t)size, 1, &dump, &error));
                hwaccl_state_judge(&dump, &findings);
                bool broken = findings.count && findings.finding[0].severity == HWACCL_SEVERITY_BROKEN;
                if (broken != !!rules[i].text || (broken && !strstr(findings.finding[0].text, rules[i].text)))
                        fail_msg("%zu: %s", i, broken ? findings.finding[0].text : "nothing is broken");
        }
}

static void what_cannot_be_read_is_refused_with_its_line(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                const char *message;
        } texts[] = {
                {"", "none of 0 lines is of a known format"},
                {"hello\nworld\n", "none of 2 lines is of a known format"},
                {"EAX=0 EBX=0\nEIP=zzzz EFL=2\n", "line 2: expected a number in 'EIP=zzzz EFL=2'"},
                {"RAX=00000000000000001\n", "line 1: expected a number"},
                {"*** Guest State ***\nCR3 = \x1b[31m\n", "line 2: expected a number in 'CR3 = ?[31m'"},
                {"{\"rip\": \"somewhere\"}", "value of 'rip': expected a number"},
                {"{\"rop\": 1}", "no field of a subject state"},
                {"{", "not JSON"},
        };
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                (void)clear(state);
                assert_false(hwaccl_dump_read(texts[i].text, strlen(texts[i].text), 1, &dump, &error));
                if (!strstr(error.message, texts[i].message))
                        fail_msg("'%s' is not in '%s'", texts[i].message, error.message);
        }
}

/* Flags with bit 0, 3 bytes: 0f 01 c1. */
static void the_bytes_that_kvm_could_not_emulate_are_code(void **state)
{
        (void)state;
        static const char text[] =
                "KVM internal error. Suberror: 1\nextra data[0]: 0x1\nextra data[1]: 0x9090c1010f03\n"
                "extra data[2]: 0x9090909090909090\nextra data[3]: 0x30\nextra data[4]: 0x184\n"
                "extra data[5]: 0x0\nextra data[6]: 0x0\nextra data[7]: 0x0\nEAX=0 EBX=0\nEIP=7c00 EFL=2\n"
                "CS =0000 00000000 0000ffff 00009b00\nCR0=10 CR2=0\n";

        assert_true(hwaccl_dump_read(text, sizeof(text) - 1, 1, &dump, &error));
        assert_int_equal(dump.code.size, 3);
        hwaccl_state_judge(&dump, &findings);
        assert_string_equal(findings.finding[0].id, "emulation-failure");
        assert_non_null(strstr(findings.finding[0].text, "'vmcall' (suberror 1); the exit was: EPT violation: "));
}

static void code_before_rip_is_decoded_so_that_it_ends_there(void **state)
{
        (void)state;
        /* the last byte of an instruction; then: mov ax, 1234h; hlt; jmp */
        struct hwaccl_code code = {{0xa1, 0xb8, 0x34, 0x12, 0xf4, 0xeb, 0xfd}, 7, 4};
        struct hwaccl_code_line line[HWACCL_CODE_LINES];
        size_t count = hwaccl_code_disassemble(&code, 0x7c10, 16, line);

        assert_int_equal(count, 3);
        assert_string_equal(line[0].text, "mov ax, 0x1234");
        assert_int_equal(line[0].address, 0x7c0d);
        assert_true(line[1].at);
        assert_string_equal(line[1].text, "hlt");
        assert_string_equal(line[2].text, "jmp 0x7c10");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(interruption_information_is_named),
                cmocka_unit_test(svm_exit_codes_are_named),
                cmocka_unit_test_setup(modes_are_named_as_far_as_they_are_known, clear),
                cmocka_unit_test_setup(rules_on_unknown_fields_are_passed_over, clear),
                cmocka_unit_test(every_rule_beside_the_subject_state_is_applied),
                cmocka_unit_test(guest_state_beside_the_registers_is_checked),
                cmocka_unit_test(what_cannot_be_read_is_refused_with_its_line),
                cmocka_unit_test_setup(the_bytes_that_kvm_could_not_emulate_are_code, clear),
                cmocka_unit_test(code_before_rip_is_decoded_so_that_it_ends_there),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
