#include "core/subject/transfer.h"
#include "hwaccl/exit_reason.h"
#include "tests/fixtures/context_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ALWAYS_CHANGED (HWACCL_CHANGED_GLOBAL_TLB_FLUSH | HWACCL_CHANGED_HIDDEN_SELECTORS)

static struct hwaccl_machine_context context;
static struct hwaccl_subject_state subject;
static struct hwaccl_error error;

static int fill(void **state)
{
        (void)state;
        fixture_context(&context);
        memset(&subject, 0, sizeof(subject));
        memset(&error, 0, sizeof(error));
        return 0;
}

static void transfer_in(void)
{
        assert_true(hwaccl_transfer_in(&context, &subject, &error));
}

/* Transfer out of a state that was transferred in and changed: the flags say what changed. */
static uint32_t transfer_out(void)
{
        context.changed = 0;
        assert_true(hwaccl_transfer_out(&subject, &context, &error));
        return context.changed;
}

/* Does the call abort? In a child, whose message about it is not shown. */
static bool transfer_in_aborts(void)
{
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)signal(SIGABRT, SIG_DFL);
                (void)close(STDERR_FILENO);
                (void)hwaccl_transfer_in(&context, &subject, &error);
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void registers_go_in_and_out_one_by_one(void **state)
{
        (void)state;
        transfer_in();
        assert_int_equal(subject.rip, 0x7c00);
        assert_int_equal(subject.rax, context.gpr[HWACCL_RAX]);
        assert_int_equal(subject.rbx, context.gpr[HWACCL_RBX]);
        assert_int_equal(subject.rcx, context.gpr[HWACCL_RCX]);
        assert_int_equal(subject.rdx, context.gpr[HWACCL_RDX]);
        assert_int_equal(subject.rsp, context.gpr[HWACCL_RSP]);
        assert_int_equal(subject.rbp, context.gpr[HWACCL_RBP]);
        assert_int_equal(subject.rsi, context.gpr[HWACCL_RSI]);
        assert_int_equal(subject.rdi, context.gpr[HWACCL_RDI]);
        const uint64_t upper[] = {subject.r8,  subject.r9,  subject.r10, subject.r11,
                                  subject.r12, subject.r13, subject.r14, subject.r15};
        assert_memory_equal(upper, &context.gpr[HWACCL_R8], sizeof(upper));
        assert_int_equal(subject.rflags, 0x202);
        assert_int_equal(subject.sysenter_cs, 0x10);
        assert_int_equal(subject.sysenter_esp, 0x5000);
        assert_int_equal(subject.sysenter_eip, 0x6000);
        assert_int_equal(subject.efer, HWACCL_EFER_SCE);
        assert_int_equal(subject.cr2, 0x2222);
        assert_int_equal(subject.cr3, 0x3000);

        struct hwaccl_machine_context before = context;
        hwaccl_machine_context_reset(&context);
        (void)transfer_out();
        assert_memory_equal(context.gpr, before.gpr, sizeof(before.gpr));
        assert_int_equal(context.rip, before.rip);
        assert_int_equal(context.rflags, before.rflags);
        assert_int_equal(context.sysenter_cs, before.sysenter_cs);
        assert_int_equal(context.sysenter_esp, before.sysenter_esp);
        assert_int_equal(context.sysenter_eip, before.sysenter_eip);
        assert_int_equal(context.efer, before.efer);
        assert_int_equal(context.cr0, before.cr0);
        assert_int_equal(context.cr2, before.cr2);
        assert_int_equal(context.cr3, before.cr3);
        assert_int_equal(context.cr4, before.cr4);
        assert_memory_equal(context.segment, before.segment, sizeof(before.segment));
        assert_memory_equal(&context.tr, &before.tr, sizeof(before.tr));
        assert_memory_equal(&context.ldtr, &before.ldtr, sizeof(before.ldtr));
        assert_int_equal(context.gdtr.base, before.gdtr.base);
        assert_int_equal(context.gdtr.limit, before.gdtr.limit);
        assert_int_equal(context.idtr.base, before.idtr.base);
        assert_int_equal(context.idtr.limit, before.idtr.limit);
}

static void segments_go_to_their_namesakes(void **state)
{
        (void)state;
        transfer_in();
        const struct {
                const struct hwaccl_segment *to;
                const struct hwaccl_segment *from;
        } pairs[] = {
                {&subject.cs, &context.segment[HWACCL_CS]},
                {&subject.ss, &context.segment[HWACCL_SS]},
                {&subject.ds, &context.segment[HWACCL_DS]},
                {&subject.es, &context.segment[HWACCL_ES]},
                {&subject.fs, &context.segment[HWACCL_FS]},
                {&subject.gs, &context.segment[HWACCL_GS]},
                {&subject.tr, &context.tr},
                {&subject.ldtr, &context.ldtr},
        };
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
                assert_memory_equal(pairs[i].to, pairs[i].from, sizeof(struct hwaccl_segment));
        assert_int_equal(subject.gdtr.base, 0x50000);
        assert_int_equal(subject.gdtr.limit, 0x7f);
        assert_int_equal(subject.idtr.base, 0x51000);
        assert_int_equal(subject.idtr.limit, 0x3ff);
}

static void exit_information_is_left_alone_on_the_way_in(void **state)
{
        (void)state;
        subject.exit_reason = 1;
        subject.exit_qualification = 2;
        subject.guest_physical_address = 3;
        subject.interrupt_information = 4;
        subject.instruction_length = 5;
        transfer_in();
        assert_int_equal(subject.exit_reason, 1);
        assert_int_equal(subject.exit_qualification, 2);
        assert_int_equal(subject.guest_physical_address, 3);
        assert_int_equal(subject.interrupt_information, 4);
        assert_int_equal(subject.instruction_length, 5);
}

static void cr0_goes_in_under_its_mask(void **state)
{
        (void)state;
        for (unsigned bit = 0; bit < 32; bit++) {
                uint64_t value = UINT64_C(1) << bit;
                context.cr0 = value;
                transfer_in();
                assert_int_equal(subject.cr0_shadow, value);
                assert_int_equal(subject.cr0, (value | 0x20) & ~UINT64_C(0x60000000));
        }
}

static void cr4_goes_in_under_its_mask(void **state)
{
        (void)state;
        for (unsigned bit = 0; bit < 32; bit++) {
                uint64_t value = UINT64_C(1) << bit;
                context.cr4 = value;
                transfer_in();
                assert_int_equal(subject.cr4_shadow, value);
                assert_int_equal(subject.cr4, value | 0x2000);
        }
}

static void cr0_comes_out_of_the_shadow_where_masked_and_of_the_real_one_elsewhere(void **state)
{
        (void)state;
        transfer_in();
        for (unsigned bit = 0; bit < 32; bit++) {
                uint64_t value = UINT64_C(1) << bit;
                bool masked = (UINT64_C(0x60000020) & value) != 0;
                subject.cr0_shadow = value;
                subject.cr0 = 0;
                (void)transfer_out();
                assert_int_equal(context.cr0, masked ? value : 0);
                subject.cr0_shadow = 0;
                subject.cr0 = value;
                (void)transfer_out();
                assert_int_equal(context.cr0, masked ? 0 : value);
        }
}

static void cr4_comes_out_of_the_shadow_where_masked_and_of_the_real_one_elsewhere(void **state)
{
        (void)state;
        transfer_in();
        for (unsigned bit = 0; bit < 32; bit++) {
                uint64_t value = UINT64_C(1) << bit;
                bool masked = value == 0x2000;
                subject.cr4_shadow = value;
                subject.cr4 = 0;
                (void)transfer_out();
                assert_int_equal(context.cr4, masked ? value : 0);
                subject.cr4_shadow = 0;
                subject.cr4 = value;
                (void)transfer_out();
                assert_int_equal(context.cr4, masked ? 0 : value);
        }
}

static void access_rights_of_zero_become_unusable(void **state)
{
        (void)state;
        const struct hwaccl_segment *segments[] = {
                [HWACCL_ES] = &subject.es, [HWACCL_CS] = &subject.cs, [HWACCL_SS] = &subject.ss,
                [HWACCL_DS] = &subject.ds, [HWACCL_FS] = &subject.fs, [HWACCL_GS] = &subject.gs};
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++) {
                fixture_context(&context);
                context.segment[i].access_rights = 0;
                transfer_in();
                for (unsigned j = 0; j < HWACCL_SEGMENT_REGISTER_COUNT; j++)
                        assert_int_equal(segments[j]->access_rights, i == j ? 0x10000 : 0x93);
                assert_int_equal(segments[i]->selector, (i + 1) * 8);
        }
}

static void a_null_ldtr_becomes_empty_and_present(void **state)
{
        (void)state;
        context.ldtr = (struct hwaccl_segment){0, 0x1234, 0xffff, 0x10000};
        transfer_in();
        assert_int_equal(subject.ldtr.selector, 0);
        assert_int_equal(subject.ldtr.base, 0);
        assert_int_equal(subject.ldtr.limit, 0);
        assert_int_equal(subject.ldtr.access_rights, 0x82);
}

static void a_tr_that_is_no_busy_tss_is_an_error_both_ways(void **state)
{
        (void)state;
        for (uint32_t rights = 0; rights < 0x100; rights++) {
                fixture_context(&context);
                bool good = (rights & 0x9f) == 0x83 || (rights & 0x9f) == 0x8b;
                context.tr.access_rights = rights;
                assert_int_equal(hwaccl_transfer_in(&context, &subject, &error), good);
                fixture_context(&context);
                transfer_in();
                subject.tr.access_rights = rights;
                assert_int_equal(hwaccl_transfer_out(&subject, &context, &error), good);
        }
        assert_string_equal(error.message, "TR is not a busy TSS: selector 0040, access rights 000ff");
}

static void an_fpu_used_by_the_recompiler_is_a_broken_assertion(void **state)
{
        (void)state;
        assert_false(transfer_in_aborts());
        context.fpu_used_by_recompiler = true;
        assert_true(transfer_in_aborts());
}

static void a_segment_copy_that_is_not_valid_is_a_broken_assertion(void **state)
{
        (void)state;
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++) {
                fixture_context(&context);
                context.segment_valid[i] = false;
                assert_true(transfer_in_aborts());
        }
}

static void blocking_is_cleared_when_the_vmm_does_not_inhibit(void **state)
{
        (void)state;
        for (uint64_t blocking = 0; blocking < 4; blocking++) {
                subject.interruptibility = blocking | 0x8;
                context.interrupts_inhibited = false;
                transfer_in();
                assert_int_equal(subject.interruptibility, 0x8);
        }
}

static void blocking_stays_while_the_vmm_inhibits_at_this_rip(void **state)
{
        (void)state;
        for (uint64_t blocking = 1; blocking < 3; blocking++) {
                subject.interruptibility = blocking;
                context.interrupts_inhibited = true;
                context.inhibited_rip = context.rip;
                assert_int_equal(hwaccl_transfer_interruptibility(&context, &subject), blocking);
                transfer_in();
                assert_int_equal(subject.interruptibility, blocking);
                assert_true(context.interrupts_inhibited);
        }
}

static void an_inhibition_that_rip_has_left_ends(void **state)
{
        (void)state;
        subject.interruptibility = HWACCL_INTERRUPTIBILITY_STI;
        context.interrupts_inhibited = true;
        context.inhibited_rip = context.rip - 1;
        assert_int_equal(hwaccl_transfer_interruptibility(&context, &subject), 0);
        transfer_in();
        assert_int_equal(subject.interruptibility, 0);
        assert_false(context.interrupts_inhibited);
}

static void blocking_comes_out_as_an_inhibition_at_rip(void **state)
{
        (void)state;
        for (uint64_t blocking = 1; blocking < 3; blocking++) {
                transfer_in();
                subject.rip = 0x9000 + blocking;
                subject.interruptibility = blocking;
                (void)transfer_out();
                assert_true(context.interrupts_inhibited);
                assert_int_equal(context.inhibited_rip, 0x9000 + blocking);
        }
        subject.interruptibility = 0;
        (void)transfer_out();
        assert_false(context.interrupts_inhibited);
}

static void any_other_interruptibility_is_an_error_and_changes_nothing(void **state)
{
        (void)state;
        const uint64_t values[] = {3, 4, 5, 11, 16, UINT64_C(1) << 32, UINT64_MAX};
        transfer_in();
        subject.rip = 0x1;
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
                struct hwaccl_machine_context before = context;
                subject.interruptibility = values[i];
                assert_false(hwaccl_transfer_out(&subject, &context, &error));
                assert_non_null(strstr(error.message, "interruptibility"));
                assert_memory_equal(&context, &before, sizeof(before));
        }
}

static void a_state_that_no_processor_leaves_is_an_error_and_changes_nothing(void **state)
{
        (void)state;
        transfer_in();
        subject.exit_reason = HWACCL_EXIT_IO_INSTRUCTION;
        const struct hwaccl_subject_state good = subject;
        struct {
                uint64_t *field;
                uint64_t value;
                const char *mention;
        } wide[] = {
                {&subject.cs.selector, 0x10000, "CS has a selector of more than 16 bits"},
                {&subject.es.selector, UINT64_MAX, "ES has a selector"},
                {&subject.tr.selector, UINT64_C(1) << 63, "TR has a selector"},
                {&subject.ldtr.selector, 0x12345, "LDTR has a selector"},
                {&subject.instruction_length, 16, "invalid instruction length 16"},
                {&subject.instruction_length, UINT64_MAX, "invalid instruction length"},
        };
        struct hwaccl_machine_context before = context;
        for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
                subject = good;
                *wide[i].field = wide[i].value;
                assert_false(hwaccl_transfer_out(&subject, &context, &error));
                assert_non_null(strstr(error.message, wide[i].mention));
                assert_memory_equal(&context, &before, sizeof(before));
        }
        uint32_t *limits[] = {&subject.gdtr.limit, &subject.idtr.limit};
        for (size_t i = 0; i < 2; i++) {
                subject = good;
                *limits[i] = 0x10000;
                assert_false(hwaccl_transfer_out(&subject, &context, &error));
                assert_non_null(strstr(error.message, i ? "IDTR has a limit" : "GDTR has a limit"));
        }
        subject = good;
        subject.cs.access_rights |= HWACCL_SEGMENT_UNUSABLE;
        assert_false(hwaccl_transfer_out(&subject, &context, &error));
        assert_non_null(strstr(error.message, "CS is unusable"));
        subject = good;
        subject.ss.access_rights = HWACCL_SEGMENT_UNUSABLE; /* which a null selector is in 64-bit mode */
        subject.instruction_length = 15;
        assert_true(hwaccl_transfer_out(&subject, &context, &error));
}

static void a_length_is_checked_where_the_processor_defines_it(void **state)
{
        /* event delivery aside, for which the reason alone does not speak */
        static const uint64_t undefined[] = {HWACCL_EXIT_EXCEPTION_OR_NMI,
                                             HWACCL_EXIT_EXTERNAL_INTERRUPT,
                                             HWACCL_EXIT_TRIPLE_FAULT,
                                             HWACCL_EXIT_INTERRUPT_WINDOW,
                                             HWACCL_EXIT_NMI_WINDOW,
                                             HWACCL_EXIT_TASK_SWITCH,
                                             HWACCL_EXIT_MONITOR_TRAP_FLAG,
                                             HWACCL_EXIT_APIC_ACCESS,
                                             HWACCL_EXIT_EPT_VIOLATION,
                                             HWACCL_EXIT_EPT_MISCONFIGURATION,
                                             HWACCL_EXIT_PREEMPTION_TIMER,
                                             HWACCL_EXIT_APIC_WRITE,
                                             HWACCL_EXIT_SPP_EVENT,
                                             HWACCL_EXIT_VIRTUALIZED_EOI,
                                             HWACCL_EXIT_PAGE_MODIFICATION_LOG_FULL,
                                             HWACCL_EXIT_REASON_ENTRY_FAILURE | HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE,
                                             35,
                                             70,
                                             0xffff};

        (void)state;
        transfer_in();
        subject.instruction_length = 0x5a5a;
        for (size_t i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
                subject.exit_reason = undefined[i];
                assert_false(hwaccl_exit_reason_has_length(undefined[i] & HWACCL_EXIT_REASON_BASIC_MASK));
                assert_true(hwaccl_transfer_out(&subject, &context, &error));
        }
        /* an instruction that is emulated because of itself has one; the SDM's list lacks VMFUNC */
        for (uint64_t reason = 0; reason < 70; reason++)
                if (hwaccl_exit_reason_verdict(reason) == HWACCL_VERDICT_EMULATE && reason != HWACCL_EXIT_TASK_SWITCH &&
                    reason != HWACCL_EXIT_EPT_VIOLATION && reason != HWACCL_EXIT_APIC_ACCESS &&
                    reason != HWACCL_EXIT_VMFUNC)
                        assert_true(hwaccl_exit_reason_has_length(reason));
}

static void bits_that_are_not_the_guests_are_looked_at(void **state)
{
        (void)state;
        transfer_in();
        const struct hwaccl_subject_state good = subject;
        assert_true(hwaccl_subject_state_check_owner(&subject, &error));
        struct {
                uint64_t *field;
                uint64_t flipped;
                const char *name;
        } bits[] = {
                {&subject.cr0, 0x20, "CR0"},         {&subject.cr0, 0x20000000, "CR0"},
                {&subject.cr0, 0x40000000, "CR0"},   {&subject.cr0, UINT64_C(1) << 32, "CR0"},
                {&subject.cr4, 0x2000, "CR4"},       {&subject.cr4, UINT64_C(1) << 63, "CR4"},
                {&subject.rflags, 2, "RFLAGS"},      {&subject.rflags, 8, "RFLAGS"},
                {&subject.rflags, 0x8000, "RFLAGS"}, {&subject.rflags, UINT64_C(1) << 22, "RFLAGS"},
        };
        for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
                subject = good;
                *bits[i].field ^= bits[i].flipped;
                assert_false(hwaccl_subject_state_check_owner(&subject, &error));
                assert_int_equal(strncmp(error.message, bits[i].name, strlen(bits[i].name)), 0);
        }
}

static void reserved_access_rights_are_an_error_that_names_the_segment(void **state)
{
        (void)state;
        struct {
                struct hwaccl_segment *segment;
                const char *name;
        } segments[] = {
                {&subject.cs, "CS "}, {&subject.ss, "SS "}, {&subject.ds, "DS "}, {&subject.es, "ES "},
                {&subject.fs, "FS "}, {&subject.gs, "GS "}, {&subject.tr, "TR "}, {&subject.ldtr, "LDTR "},
        };
        transfer_in();
        for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
                uint32_t good = segments[i].segment->access_rights;
                for (unsigned bit = 0; bit < 32; bit++) {
                        bool reserved = (bit >= 8 && bit <= 11) || bit >= 17;
                        if (!reserved)
                                continue;
                        segments[i].segment->access_rights = good | UINT32_C(1) << bit;
                        assert_false(hwaccl_transfer_out(&subject, &context, &error));
                        assert_int_equal(strncmp(error.message, segments[i].name, strlen(segments[i].name)), 0);
                }
                segments[i].segment->access_rights = good;
        }
        assert_true(hwaccl_transfer_out(&subject, &context, &error));
}

static void an_unchanged_state_raises_the_two_flags_that_are_always_raised(void **state)
{
        (void)state;
        transfer_in();
        assert_int_equal(transfer_out(), ALWAYS_CHANGED);
}

static void what_changed_is_copied_and_raises_its_flag(void **state)
{
        (void)state;
        static const struct {
                size_t offset;
                size_t size;
                uint32_t flag;
        } changes[] = {
#define CHANGE(member, flag) {offsetof(struct hwaccl_subject_state, member), sizeof(subject.member), flag}
                CHANGE(sysenter_cs, HWACCL_CHANGED_SYSENTER),
                CHANGE(sysenter_esp, HWACCL_CHANGED_SYSENTER),
                CHANGE(sysenter_eip, HWACCL_CHANGED_SYSENTER),
                CHANGE(gdtr.base, HWACCL_CHANGED_GDTR),
                CHANGE(gdtr.limit, HWACCL_CHANGED_GDTR),
                CHANGE(idtr.base, HWACCL_CHANGED_IDTR),
                CHANGE(idtr.limit, HWACCL_CHANGED_IDTR),
                CHANGE(ldtr.selector, HWACCL_CHANGED_LDTR),
                CHANGE(ldtr.base, HWACCL_CHANGED_LDTR),
                CHANGE(ldtr.limit, HWACCL_CHANGED_LDTR),
                CHANGE(tr.selector, HWACCL_CHANGED_TR),
                CHANGE(tr.base, HWACCL_CHANGED_TR),
                CHANGE(tr.limit, HWACCL_CHANGED_TR),
                CHANGE(cr0, HWACCL_CHANGED_CR0),
                CHANGE(cr3, HWACCL_CHANGED_CR3),
                CHANGE(cr4, HWACCL_CHANGED_CR4),
                CHANGE(cr2, 0),
                CHANGE(efer, 0),
                CHANGE(rax, 0),
                CHANGE(rip, 0),
                CHANGE(cs.base, 0),
#undef CHANGE
        };
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                fixture_context(&context);
                transfer_in();
                unsigned char *byte = (unsigned char *)&subject + changes[i].offset;
                byte[0] ^= 0x10;
                assert_int_equal(transfer_out(), ALWAYS_CHANGED | changes[i].flag);
                struct hwaccl_subject_state again = subject;
                transfer_in();
                assert_memory_equal((unsigned char *)&again + changes[i].offset, byte, changes[i].size);
        }
}

static void segment_copies_are_valid_after_every_exit(void **state)
{
        (void)state;
        transfer_in();
        memset(context.segment_valid, false, sizeof(context.segment_valid));
        (void)transfer_out();
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                assert_true(context.segment_valid[i]);
}

static void changed_flags_add_up_until_the_recompiler_takes_them(void **state)
{
        (void)state;
        transfer_in();
        context.changed = 1u << 31;
        subject.cr3 ^= 0x1000;
        assert_true(hwaccl_transfer_out(&subject, &context, &error));
        assert_int_equal(context.changed, 1u << 31 | ALWAYS_CHANGED | HWACCL_CHANGED_CR3);
}

static void cr8_and_the_rest_of_the_context_stay(void **state)
{
        (void)state;
        transfer_in();
        (void)transfer_out();
        assert_int_equal(context.cr8, 5);
        assert_int_equal(context.gdtr.selector, 0);
}

static void reset_is_real_mode_at_the_reset_vector(void **state)
{
        (void)state;
        hwaccl_machine_context_reset(&context);
        assert_int_equal(context.rip, 0xfff0);
        assert_int_equal(context.segment[HWACCL_CS].base, 0xffff0000);
        assert_int_equal(context.segment[HWACCL_CS].selector, 0xf000);
        assert_int_equal(context.cr0, 0x60000010);
        assert_int_equal(context.rflags, 2);
        assert_int_equal(context.gdtr.limit, 0xffff);
        transfer_in();
        assert_int_equal(subject.cr0, 0x30);
        assert_int_equal(subject.cr0_shadow, 0x60000010);
        assert_int_equal(subject.cr4, 0x2000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fill)
        const struct CMUnitTest tests[] = {
                TEST(registers_go_in_and_out_one_by_one),
                TEST(segments_go_to_their_namesakes),
                TEST(exit_information_is_left_alone_on_the_way_in),
                TEST(cr0_goes_in_under_its_mask),
                TEST(cr4_goes_in_under_its_mask),
                TEST(cr0_comes_out_of_the_shadow_where_masked_and_of_the_real_one_elsewhere),
                TEST(cr4_comes_out_of_the_shadow_where_masked_and_of_the_real_one_elsewhere),
                TEST(access_rights_of_zero_become_unusable),
                TEST(a_null_ldtr_becomes_empty_and_present),
                TEST(a_tr_that_is_no_busy_tss_is_an_error_both_ways),
                TEST(an_fpu_used_by_the_recompiler_is_a_broken_assertion),
                TEST(a_segment_copy_that_is_not_valid_is_a_broken_assertion),
                TEST(blocking_is_cleared_when_the_vmm_does_not_inhibit),
                TEST(blocking_stays_while_the_vmm_inhibits_at_this_rip),
                TEST(an_inhibition_that_rip_has_left_ends),
                TEST(blocking_comes_out_as_an_inhibition_at_rip),
                TEST(any_other_interruptibility_is_an_error_and_changes_nothing),
                TEST(reserved_access_rights_are_an_error_that_names_the_segment),
                TEST(a_state_that_no_processor_leaves_is_an_error_and_changes_nothing),
                TEST(a_length_is_checked_where_the_processor_defines_it),
                TEST(bits_that_are_not_the_guests_are_looked_at),
                TEST(an_unchanged_state_raises_the_two_flags_that_are_always_raised),
                TEST(what_changed_is_copied_and_raises_its_flag),
                TEST(segment_copies_are_valid_after_every_exit),
                TEST(changed_flags_add_up_until_the_recompiler_takes_them),
                TEST(cr8_and_the_rest_of_the_context_stay),
                TEST(reset_is_real_mode_at_the_reset_vector),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
