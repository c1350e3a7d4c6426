#include "core/exit/dispatch.h"
#include "core/subject/transfer.h"
#include "tests/fixtures/context_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct hwaccl_machine_context context;
static struct hwaccl_subject_state subject;
static struct hwaccl_error error;

static int fill(void **state)
{
        (void)state;
        fixture_context(&context);
        memset(&subject, 0, sizeof(subject));
        memset(&error, 0, sizeof(error));
        assert_true(hwaccl_transfer_in(&context, &subject, &error));
        return 0;
}

static enum hwaccl_verdict dispatch(uint64_t reason)
{
        subject.exit_reason = reason;
        return hwaccl_exit_dispatch(&subject, &context);
}

static void an_nmi_of_the_host_resumes_and_an_exception_but_debug_is_unknown(void **state)
{
        (void)state;
        subject.interrupt_information = 0x80000202;
        assert_int_equal(dispatch(0), HWACCL_VERDICT_RESUME);
        subject.interrupt_information = 0x80000301; /* the only one that an accelerator leaves to us: #DB */
        assert_int_equal(dispatch(0), HWACCL_VERDICT_EMULATE);
        subject.interrupt_information = 0x8000030d;
        assert_int_equal(dispatch(0), HWACCL_VERDICT_UNKNOWN);
        subject.interrupt_information = 0;
        assert_int_equal(dispatch(0), HWACCL_VERDICT_UNKNOWN);
}

static void a_tpr_below_threshold_brings_the_guests_cr8(void **state)
{
        (void)state;
        context.cr8 = 9;
        context.tpr_sub_class = 3;
        subject.exit_qualification = 4;
        assert_int_equal(dispatch(43), HWACCL_VERDICT_RESUME);
        assert_int_equal(context.cr8, 4);
        assert_int_equal(context.tpr_sub_class, 0);
        subject.exit_qualification = 0;
}

static void every_reason_gets_the_verdict_of_the_table(void **state)
{
        (void)state;
        static const uint8_t resume[] = {0, 1, 7, 8, 43, 52};
        static const uint8_t emulate[] = {9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                                          24, 25, 26, 27, 29, 30, 31, 32, 36, 39, 40, 44, 48, 50, 51,
                                          53, 54, 55, 57, 58, 59, 60, 61, 63, 64, 67, 68, 69};
        static const uint8_t entry_failure[] = {33, 34, 41};
        enum hwaccl_verdict expected[256];

        for (size_t i = 0; i < 256; i++)
                expected[i] = HWACCL_VERDICT_UNKNOWN;
        for (size_t i = 0; i < sizeof(resume); i++)
                expected[resume[i]] = HWACCL_VERDICT_RESUME;
        for (size_t i = 0; i < sizeof(emulate); i++)
                expected[emulate[i]] = HWACCL_VERDICT_EMULATE;
        for (size_t i = 0; i < sizeof(entry_failure); i++)
                expected[entry_failure[i]] = HWACCL_VERDICT_ENTRY_FAILURE;
        expected[2] = HWACCL_VERDICT_TRIPLE_FAULT;
        subject.interrupt_information = 0x80000202; /* of reason 0: an NMI */
        for (unsigned reason = 0; reason < 256; reason++)
                if (reason != 28)
                        assert_int_equal(dispatch(reason), expected[reason]);
        assert_int_equal(dispatch(0xffff), HWACCL_VERDICT_UNKNOWN);
}

static void a_control_register_access_is_handled_and_resumes(void **state)
{
        (void)state;
        subject.exit_qualification = 0x0 | 1 << 4 | 0 << 8; /* MOV RAX, CR0 */
        subject.instruction_length = 3;
        assert_int_equal(dispatch(28), HWACCL_VERDICT_RESUME);
        assert_int_equal(subject.rip, 0x7c03);
        assert_int_equal(subject.rax, context.cr0);
}

static void a_control_register_access_that_cannot_be_handled_is_emulated(void **state)
{
        (void)state;
        subject.exit_qualification = 0x1; /* MOV CR1, RAX */
        subject.instruction_length = 3;
        assert_int_equal(dispatch(28), HWACCL_VERDICT_EMULATE);
        assert_int_equal(subject.rip, 0x7c00);
}

static void the_state_is_left_alone_by_every_other_reason(void **state)
{
        (void)state;
        subject.exit_qualification = 0x10;
        subject.instruction_length = 3;
        struct hwaccl_subject_state before = subject;
        for (unsigned reason = 0; reason < 256; reason++) {
                if (reason == 28)
                        continue;
                (void)dispatch(reason);
                before.exit_reason = reason;
                assert_memory_equal(&subject, &before, sizeof(before));
        }
}

static void the_entry_failure_bit_is_an_entry_failure_whatever_the_reason(void **state)
{
        (void)state;
        assert_int_equal(dispatch(UINT64_C(0x80000021)), HWACCL_VERDICT_ENTRY_FAILURE);
        assert_int_equal(dispatch(UINT64_C(0x8000000a)), HWACCL_VERDICT_ENTRY_FAILURE);
        assert_int_equal(dispatch(UINT64_C(0x800000ff)), HWACCL_VERDICT_ENTRY_FAILURE);
}

static void bits_that_no_reason_has_are_unknown(void **state)
{
        (void)state;
        for (unsigned bit = 16; bit < 64; bit++)
                if (bit != 31)
                        assert_int_equal(dispatch(UINT64_C(1) << bit | 10), HWACCL_VERDICT_UNKNOWN);
        hwaccl_exit_explain(&subject, &error);
        assert_string_equal(error.message, "unknown exit reason 800000000000000ah at rip 7c00");
}

static const char *explain(uint64_t reason)
{
        subject.exit_reason = reason;
        assert_false(hwaccl_exit_explain(&subject, &error));
        return error.message;
}

static void an_unknown_exit_is_named_by_name_or_number(void **state)
{
        (void)state;
        subject.exit_qualification = 0xab;
        assert_string_equal(explain(46),
                            "unhandled exit reason 46 (access to GDTR or IDTR), qualification abh, at rip 7c00");
        assert_string_equal(explain(200), "unknown exit reason 200, qualification abh, at rip 7c00");
}

static void entry_failures_are_diagnosed(void **state)
{
        (void)state;
        assert_non_null(strstr(explain(UINT64_C(0x80000021)), "no rule for registers and segments is broken"));
        subject.cr0 = HWACCL_CR0_PG | HWACCL_CR0_NE;
        assert_string_equal(explain(UINT64_C(0x80000021)),
                            "the processor refused the guest's state (SDM 3C, 27.3.1): CR0.PG is set but PE is clear");
        subject.exit_qualification = 3;
        assert_string_equal(explain(UINT64_C(0x80000022)), "the processor refused entry 3 of the MSRs to load");
        assert_string_equal(explain(41), "the processor could not enter the guest: reason 41 (entry failure: "
                                         "machine-check event), qualification 3h");
        assert_string_equal(explain(UINT64_C(0x800000c8)),
                            "the processor could not enter the guest: reason 200 (unknown), qualification 3h");
}

static unsigned describe(char *text, size_t room)
{
        return hwaccl_entry_failure_describe(&subject, text, room);
}

/* One line per rule: what is broken, and the words that name it. */
static void every_rule_of_the_entry_checks_is_named(void **state)
{
        static const struct {
                size_t offset;
                size_t size;
                uint64_t value;
                const char *rule;
        } rules[] = {
#define RULE(member, value, text) {offsetof(struct hwaccl_subject_state, member), sizeof(subject.member), value, text}
                RULE(cr0, 0x80000020, "CR0.PG is set but PE is clear"),
                RULE(cr0, 0x1, "CR0.NE is clear"),
                RULE(cr0, UINT64_C(0x100000021), "CR0 bits 63:32 are not 0"),
                RULE(cr4, 0x20, "CR4.VMXE is clear"),
                RULE(cr4, UINT64_C(0x100002000), "CR4 bits 63:32 are not 0"),
                RULE(cr4, 0x802000, "CR4.CET is set but CR0.WP is clear"),
                RULE(cr4, 0x22000, "CR4.PCIDE is set outside IA-32e mode"),
                RULE(cr3, UINT64_C(1) << 60, "CR3 has bits beyond the physical-address width set"),
                RULE(efer, 0x500, "EFER.LMA is set but CR0.PG is clear"),
                RULE(efer, 0x8000, "EFER has reserved bits set"),
                RULE(sysenter_esp, UINT64_C(1) << 47, "SYSENTER_ESP is not canonical"),
                RULE(sysenter_eip, UINT64_C(1) << 63, "SYSENTER_EIP is not canonical"),
                RULE(cs.access_rights, 0x10000, "CS is unusable"),
                RULE(cs.access_rights, 0x9a, "CS is neither accessed code nor read/write data"),
                RULE(cs.access_rights, 0xf3, "CS is data but its DPL is not 0"),
                RULE(cs.access_rights, 0xfb, "CS DPL differs from SS DPL"),
                RULE(cs.access_rights, 0xff, "CS is conforming but its DPL is above SS DPL"),
                RULE(cs.access_rights, 0x8b, "CS is a system segment"),
                RULE(cs.access_rights, 0x1b, "CS is not present"),
                RULE(cs.access_rights, 0x19b, "CS has reserved access rights"),
                RULE(cs.limit, 0x100000, "CS limit and granularity disagree"),
                RULE(cs.base, UINT64_C(1) << 32, "CS base bits 63:32 are not 0"),
                RULE(ss.access_rights, 0x91, "SS is not accessed read/write data"),
                RULE(ss.access_rights, 0xf3, "CS DPL differs from SS DPL"),
                RULE(ss.base, UINT64_C(1) << 32, "SS base bits 63:32 are not 0"),
                RULE(ds.access_rights, 0x92, "DS is not accessed"),
                RULE(ds.access_rights, 0x99, "DS is code that cannot be read"),
                RULE(ds.access_rights, 0x13, "DS is not present"),
                RULE(ds.base, UINT64_C(1) << 32, "DS base bits 63:32 are not 0"),
                RULE(es.limit, 0xffffffff, "ES limit and granularity disagree"),
                RULE(fs.base, UINT64_C(1) << 47, "FS base is not canonical"),
                RULE(gs.base, UINT64_C(1) << 47, "GS base is not canonical"),
                RULE(tr.access_rights, 0x1008b, "TR is unusable"),
                RULE(tr.access_rights, 0x89, "TR is not a busy TSS"),
                RULE(tr.access_rights, 0x0b, "TR is not present"),
                RULE(tr.access_rights, 0x9b, "TR is not a system segment"),
                RULE(tr.selector, 0x44, "TR selector refers to the LDT"),
                RULE(tr.base, UINT64_C(1) << 47, "TR base is not canonical"),
                RULE(tr.limit, 0x100000, "TR limit and granularity disagree"),
                RULE(ldtr.access_rights, 0x83, "LDTR is not an LDT"),
                RULE(ldtr.access_rights, 0x182, "LDTR has reserved access rights"),
                RULE(ldtr.selector, 0x4c, "LDTR selector refers to the LDT"),
                RULE(gdtr.base, UINT64_C(1) << 47, "GDTR base is not canonical"),
                RULE(gdtr.limit, 0x10000, "GDTR limit is above ffff"),
                RULE(idtr.base, UINT64_C(1) << 47, "IDTR base is not canonical"),
                RULE(idtr.limit, 0x10000, "IDTR limit is above ffff"),
                RULE(rip, UINT64_C(1) << 32, "RIP bits 63:32 are not 0 outside 64-bit code"),
                RULE(rflags, 0x8002, "RFLAGS has reserved bits set"),
                RULE(rflags, 0x0, "RFLAGS bit 1 is clear"),
                RULE(interruptibility, 0x20, "interruptibility state has reserved bits set"),
                RULE(interruptibility, 0x3, "interruptibility state blocks by both STI and MOV SS"),
                RULE(interruptibility, 0x1, "interruptibility state blocks by STI but RFLAGS.IF is clear"),
#undef RULE
        };
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                char text[2048];
                (void)fill(state);
                for (struct hwaccl_segment *segment = &subject.cs; segment <= &subject.gs; segment++)
                        *segment = (struct hwaccl_segment){0x10, 0x1000, 0xffff, segment == &subject.cs ? 0x9b : 0x93};
                subject.rflags = 2;
                assert_int_equal(describe(text, sizeof(text)), 0);
                assert_string_equal(text, "");
                memcpy((unsigned char *)&subject + rules[i].offset, &rules[i].value, rules[i].size);
                assert_true(describe(text, sizeof(text)) >= 1);
                if (!strstr(text, rules[i].rule))
                        fail_msg("expected \"%s\" in \"%s\"", rules[i].rule, text);
        }
}

static void long_mode_and_virtual_8086_mode_have_rules_of_their_own(void **state)
{
        (void)state;
        char text[2048];
        subject.efer = HWACCL_EFER_LME | HWACCL_EFER_LMA;
        subject.cr0 = HWACCL_CR0_PE | HWACCL_CR0_PG | HWACCL_CR0_NE;
        subject.cr4 = HWACCL_CR4_VMXE;
        subject.cs.access_rights = 0xe09b;
        subject.tr.access_rights = 0x83;
        subject.rip = UINT64_C(1) << 47;
        subject.rflags = 0x20002;
        assert_true(describe(text, sizeof(text)) > 3);
        assert_non_null(strstr(text, "EFER.LMA is set but CR4.PAE is clear"));
        assert_non_null(strstr(text, "TR is not a busy TSS"));
        assert_non_null(strstr(text, "RIP is not canonical"));
        assert_non_null(strstr(text, "RFLAGS.VM is set in IA-32e mode"));
        assert_non_null(strstr(text, "CS base is not selector * 16 in virtual-8086 mode"));
        assert_non_null(strstr(text, "DS limit is not ffff in virtual-8086 mode"));
        assert_non_null(strstr(text, "GS access rights are not f3 in virtual-8086 mode"));
        subject.rflags = 2;
        assert_true(describe(text, sizeof(text)) > 3);
        assert_non_null(strstr(text, "CS has both L and D set in IA-32e mode"));
        subject.efer = HWACCL_EFER_LME;
        assert_true(describe(text, sizeof(text)) > 1);
        assert_non_null(strstr(text, "EFER.LMA and EFER.LME differ with CR0.PG set"));
}

static void set_segments(uint64_t selector, uint32_t limit, uint32_t code, uint32_t data)
{
        for (struct hwaccl_segment *segment = &subject.cs; segment <= &subject.gs; segment++)
                *segment =
                        (struct hwaccl_segment){selector, selector << 4, limit, segment == &subject.cs ? code : data};
}

static void expect_sound(const char *mode)
{
        char text[2048];
        if (describe(text, sizeof(text)))
                fail_msg("%s: %s", mode, text);
}

static void sound_states_of_every_mode_break_no_rule(void **state)
{
        (void)state;
        hwaccl_machine_context_reset(&context);
        assert_true(hwaccl_transfer_in(&context, &subject, &error));
        expect_sound("reset");

        subject.cr0 = HWACCL_CR0_PE | HWACCL_CR0_NE;
        set_segments(8, UINT32_MAX, 0xc09b, 0xc093);
        expect_sound("32-bit flat");
        set_segments(8, UINT32_MAX, 0xc09f, 0xc097); /* conforming code, a stack that grows down */
        expect_sound("conforming code");
        set_segments(8, UINT32_MAX, 0xc09b, 0xc093);
        subject.ds.access_rights = 0xc09b; /* data read from code */
        expect_sound("readable code as data");
        subject.ds.access_rights = subject.es.access_rights = HWACCL_SEGMENT_UNUSABLE;
        subject.ldtr.access_rights = HWACCL_SEGMENT_UNUSABLE;
        expect_sound("unusable segments");

        subject.cr0 |= HWACCL_CR0_PG;
        set_segments(0x1b, UINT32_MAX, 0xc0fb, 0xc0f3);
        subject.rflags = 0x202;
        subject.interruptibility = HWACCL_INTERRUPTIBILITY_STI;
        expect_sound("32-bit ring 3 with paging");
        subject.interruptibility = HWACCL_INTERRUPTIBILITY_MOV_SS;
        set_segments(0x100, 0xffff, 0xf3, 0xf3);
        subject.rflags = 0x20202;
        expect_sound("virtual-8086");

        subject.rflags = 0x3f7fd7 & ~0x20000;
        subject.efer = HWACCL_EFER_LME | HWACCL_EFER_LMA | HWACCL_EFER_SCE | HWACCL_EFER_NXE;
        subject.cr4 = HWACCL_CR4_VMXE | HWACCL_CR4_PAE | HWACCL_CR4_PCIDE;
        set_segments(0x10, UINT32_MAX, 0xa09b, 0xc093);
        subject.rip = UINT64_C(0xffffffff81000000);
        subject.gs.base = UINT64_C(0xffff888000000000);
        subject.gdtr.base = subject.idtr.base = subject.tr.base = UINT64_C(0xfffffe0000000000);
        expect_sound("64-bit code");
        subject.cs.access_rights = 0xc09b;
        subject.rip = 0x1000;
        expect_sound("compatibility mode");
}

static void rules_for_privilege_hold_both_ways(void **state)
{
        (void)state;
        char text[2048];
        subject.cr0 = HWACCL_CR0_PE | HWACCL_CR0_NE;
        set_segments(8, UINT32_MAX, 0xc093, 0xc093); /* data in CS, as in unreal mode */
        expect_sound("CS is data");
        subject.ss.access_rights = 0xc0f3;
        assert_true(describe(text, sizeof(text)) > 0);
        assert_non_null(strstr(text, "SS DPL is not 0 in real mode"));
        set_segments(8, 0xffff0fff, 0xc09b, 0xc093); /* pages, but the last one not whole */
        (void)describe(text, sizeof(text));
        assert_null(strstr(text, "granularity"));
        set_segments(8, 0xfffff000, 0xc09b, 0xc093);
        (void)describe(text, sizeof(text));
        assert_non_null(strstr(text, "CS limit and granularity disagree"));
        set_segments(8, UINT32_MAX, 0xc09b, 0xc093);
        subject.cr0 = HWACCL_CR0_NE;
        subject.rflags = 0x20002;
        (void)describe(text, sizeof(text));
        assert_non_null(strstr(text, "RFLAGS.VM is set but CR0.PE is clear"));
}

static void real_mode_has_a_stack_of_privilege_level_0(void **state)
{
        (void)state;
        char text[2048];
        subject.cr0 = HWACCL_CR0_NE;
        subject.ss.access_rights = 0xf3;
        (void)describe(text, sizeof(text));
        assert_non_null(strstr(text, "SS DPL is not 0 in real mode"));
}

static void what_does_not_fit_is_counted_but_left_out(void **state)
{
        (void)state;
        memset(&subject, 0xff, sizeof(subject));
        char whole[4096];
        unsigned count = describe(whole, sizeof(whole));
        assert_true(count > 10);
        for (size_t room = 1; room < 200; room++) {
                char text[201];
                memset(text, '#', sizeof(text));
                assert_int_equal(describe(text, room), count);
                assert_true(strlen(text) < room);
                assert_int_equal(text[room], '#');
        }
        assert_true(strlen(explain(UINT64_C(0x80000021))) < sizeof(error.message));
}

static void reasons_are_parsed_by_number_name_and_identifier(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                uint32_t reason;
        } good[] = {{"30", 30},
                    {"0x1e", 30},
                    {"I/O instruction", 30},
                    {"i/o INSTRUCTION", 30},
                    {"io-instruction", 30},
                    {"CPUID", 10},
                    {"ept_violation", 48},
                    {"65535", 65535}};
        static const char *const bad[] = {"", "-1", "65536", "30x", "io instruction", "CPUI", "99999999999999999999"};
        uint32_t reason;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                assert_true(hwaccl_exit_reason_parse(good[i].text, &reason));
                assert_int_equal(reason, good[i].reason);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(hwaccl_exit_reason_parse(bad[i], &reason));
}

static void verdicts_and_outcomes_have_names(void **state)
{
        (void)state;
        assert_string_equal(hwaccl_verdict_name(HWACCL_VERDICT_ENTRY_FAILURE), "entry failure");
        assert_string_equal(hwaccl_verdict_name(HWACCL_VERDICT_COUNT), "unknown");
        assert_string_equal(hwaccl_outcome_name(HWACCL_OUTCOME_REPEATING), "repeating");
        assert_string_equal(hwaccl_outcome_name(HWACCL_OUTCOME_COUNT), "unknown");
        assert_string_equal(hwaccl_exit_reason_name(48), "EPT violation");
        assert_null(hwaccl_exit_reason_name(35));
        assert_null(hwaccl_exit_reason_name(70));
        assert_null(hwaccl_exit_reason_name(UINT64_MAX));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fill)
        const struct CMUnitTest tests[] = {
                TEST(every_reason_gets_the_verdict_of_the_table),
                TEST(an_nmi_of_the_host_resumes_and_an_exception_but_debug_is_unknown),
                TEST(a_tpr_below_threshold_brings_the_guests_cr8),
                TEST(a_control_register_access_is_handled_and_resumes),
                TEST(a_control_register_access_that_cannot_be_handled_is_emulated),
                TEST(the_state_is_left_alone_by_every_other_reason),
                TEST(the_entry_failure_bit_is_an_entry_failure_whatever_the_reason),
                TEST(bits_that_no_reason_has_are_unknown),
                TEST(an_unknown_exit_is_named_by_name_or_number),
                TEST(entry_failures_are_diagnosed),
                TEST(every_rule_of_the_entry_checks_is_named),
                TEST(long_mode_and_virtual_8086_mode_have_rules_of_their_own),
                TEST(sound_states_of_every_mode_break_no_rule),
                TEST(rules_for_privilege_hold_both_ways),
                TEST(real_mode_has_a_stack_of_privilege_level_0),
                TEST(what_does_not_fit_is_counted_but_left_out),
                TEST(reasons_are_parsed_by_number_name_and_identifier),
                TEST(verdicts_and_outcomes_have_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
