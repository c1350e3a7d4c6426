/* The local APIC by the rules of SDM 3A, chapter 11: registers of both modes, priorities, IPIs, timer, LINT0, errors.
 */
#include "tests/fixtures/machine_fixture.h"

#define ID            0x20
#define VERSION       0x30
#define TPR           0x80
#define APR           0x90
#define PPR           0xa0
#define EOI           0xb0
#define LDR           0xd0
#define DFR           0xe0
#define SVR           0xf0
#define ISR           0x100
#define TMR           0x180
#define IRR           0x200
#define ESR           0x280
#define ICR           0x300
#define ICR_HIGH      0x310
#define LVT_TIMER     0x320
#define LVT_LINT0     0x350
#define LVT_LINT1     0x360
#define LVT_ERROR     0x370
#define TIMER_INITIAL 0x380
#define TIMER_CURRENT 0x390
#define TIMER_DIVIDE  0x3e0

#define SELF     0x40000u
#define MASKED   0x10000u
#define PERIODIC 0x20000u
#define TSC_MODE 0x40000u
#define BY_1     0xbu

#define MSR_APIC_BASE    0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR(offset)      (0x800u + (offset) / 16)

#define EXTENDED UINT64_C(0xfee00d00)
#define PLAIN    UINT64_C(0xfee00900)

static void self_ipi(struct fixture *f, unsigned vector)
{
        apic_write(f, ICR, SELF | vector);
}

static bool nmi_arrived(struct fixture *f)
{
        bool arrived = f->machine->board.controller->source.nmi;

        f->machine->board.controller->source.nmi = 0;
        return arrived;
}

static void registers_have_their_values_of_reset(void **state)
{
        struct fixture *f = *state;
        static const struct {
                unsigned offset;
                uint32_t value;
        } reset[] = {
                {ID, 0},
                {VERSION, 0x50014},
                {TPR, 0},
                {PPR, 0},
                {LDR, 0},
                {DFR, ~0u},
                {SVR, 0x1ff},
                {ESR, 0},
                {ICR, 0},
                {LVT_TIMER, MASKED},
                {0x330, MASKED},
                {0x340, MASKED},
                {LVT_LINT0, 0x8700},
                {LVT_LINT1, 0x8400},
                {LVT_ERROR, MASKED},
                {TIMER_INITIAL, 0},
                {TIMER_CURRENT, 0},
                {TIMER_DIVIDE, 0},
                {IRR, 0},
                {ISR, 0},
                {TMR, 0},
        };

        /* the machine has no firmware: a virtual wire, as firmware leaves it */
        for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
                assert_int_equal(apic_read(f, reset[i].offset), reset[i].value);
}

static void higher_classes_come_first_and_eoi_lets_the_next_in(void **state)
{
        struct fixture *f = *state;

        self_ipi(f, 0x41);
        self_ipi(f, 0x35);
        self_ipi(f, 0x4f);
        assert_int_equal(apic_read(f, IRR + 0x20), 0x8002); /* vectors 40h-5fh */
        assert_true(intr(f));
        assert_int_equal(inta(f), 0x4f);
        assert_int_equal(apic_read(f, ISR + 0x20), 0x8000);
        assert_int_equal(apic_read(f, PPR), 0x40);
        assert_false(intr(f)); /* 41h is of the class in service */
        self_ipi(f, 0x50);
        assert_int_equal(inta(f), 0x50);
        apic_write(f, EOI, 0);
        assert_false(intr(f));
        apic_write(f, EOI, 0);
        assert_int_equal(inta(f), 0x41);
        apic_write(f, EOI, 0);
        assert_int_equal(inta(f), 0x35);
        apic_write(f, EOI, 0);
        assert_false(intr(f));
        apic_write(f, EOI, 0); /* nothing in service: no effect */
        assert_int_equal(apic_read(f, PPR), 0);
}

static void the_task_priority_holds_interrupts_back(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_machine_context *context = &f->vcpu->context;

        self_ipi(f, 0x45);
        apic_write(f, TPR, 0x4a);
        assert_int_equal(context->cr8, 4);
        assert_int_equal(apic_read(f, TPR), 0x4a);
        assert_int_equal(apic_read(f, PPR), 0x4a);
        assert_int_equal(apic_read(f, APR), 0x4a);
        assert_false(intr(f));
        context->cr8 = 3; /* as a write to CR8 leaves both */
        context->tpr_sub_class = 0;
        assert_int_equal(apic_read(f, TPR), 0x30);
        assert_int_equal(apic_read(f, APR), 0x40);
        assert_int_equal(inta(f), 0x45);
        assert_int_equal(apic_read(f, PPR), 0x40);
}

static void a_message_reaches_its_destinations_only(void **state)
{
        struct fixture *f = *state;
        static const struct {
                uint32_t command, destination, logical, model;
                bool arrives;
        } message[] = {
                {0x51, 0x00, 0, ~0u, true},             /* physical */
                {0x51, 0x01, 0, ~0u, false},            /* another one */
                {0x51, 0xff, 0, ~0u, true},             /* everybody */
                {0x151, 0x00, 0, ~0u, true},            /* lowest priority */
                {0x851, 0x04, 0x06, ~0u, true},         /* logical, flat */
                {0x851, 0x08, 0x06, ~0u, false},        /* another bit */
                {0x851, 0x21, 0x21, 0x0fffffff, true},  /* cluster 2 */
                {0x851, 0x31, 0x21, 0x0fffffff, false}, /* another cluster */
                {0x851, 0x22, 0x21, 0x0fffffff, false}, /* another of the cluster */
                {0x40051, 0x01, 0, ~0u, true},          /* self */
                {0x80051, 0x01, 0, ~0u, true},          /* all including self */
                {0xc0051, 0x00, 0, ~0u, false},         /* all others */
                {0x40151, 0x00, 0, ~0u, false},         /* shorthands with self are for fixed interrupts */
        };

        for (size_t i = 0; i < sizeof(message) / sizeof(message[0]); i++) {
                apic_write(f, LDR, message[i].logical << 24);
                apic_write(f, DFR, message[i].model);
                apic_write(f, ICR_HIGH, message[i].destination << 24);
                apic_write(f, ICR, message[i].command | 0x4000);
                assert_int_equal(intr(f), message[i].arrives);
                if (message[i].arrives)
                        assert_int_equal(inta(f), 0x51);
                apic_write(f, EOI, 0);
        }
        assert_int_equal(apic_read(f, ICR), 0x44151);
        apic_write(f, ID, 0x05000000);
        apic_write(f, ICR_HIGH, 0x05000000);
        apic_write(f, ICR, 0x51);
        assert_int_equal(inta(f), 0x51);
}

static void an_nmi_and_an_init_need_no_vector(void **state)
{
        struct fixture *f = *state;

        apic_write(f, ICR, 0x4400);
        assert_true(nmi_arrived(f));
        assert_false(intr(f));
        apic_write(f, ICR, SELF | 0x4400); /* not with a shorthand */
        assert_false(nmi_arrived(f));
        apic_write(f, ICR, 0x8500); /* level de-assert */
        assert_false(hwaccl_machine_has_init(f->machine));
        apic_write(f, ICR, 0x4607); /* SIPI: it runs already */
        assert_false(hwaccl_machine_has_init(f->machine));
        apic_write(f, ICR, 0xc500);
        assert_true(hwaccl_machine_has_init(f->machine));
}

static void init_resets_processor_and_apic(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_machine_context *context = &f->vcpu->context;
        struct hwaccl_processor *processor = &f->machine->processor;

        context->cr0 = 0x80000011;
        context->sysenter_cs = 0x10;
        context->rip = 0x1234;
        processor->dr[0] = 5;
        processor->star = 77;
        apic_write(f, ID, 0x03000000);
        apic_write(f, TPR, 0x20);
        self_ipi(f, 0x51);
        apic_write(f, ICR_HIGH, 0x03000000);
        apic_write(f, ICR, 0x4500);
        hwaccl_machine_take_init(f->machine);
        assert_false(hwaccl_machine_has_init(f->machine));
        assert_int_equal(context->rip, 0xfff0);
        assert_int_equal(context->segment[HWACCL_CS].base, 0xffff0000);
        assert_int_equal(context->cr0, 0x10); /* caches are as they were */
        assert_int_equal(context->sysenter_cs, 0x10);
        assert_int_equal(processor->dr[0], 0);
        assert_int_equal(processor->star, 77);
        assert_int_equal(apic_read(f, ID), 0x03000000);
        assert_int_equal(apic_read(f, SVR), 0xff);
        assert_int_equal(apic_read(f, LVT_LINT0), MASKED);
        assert_int_equal(apic_read(f, TPR), 0);
        assert_int_equal(apic_read(f, IRR + 0x20), 0);
}

/* mov [ebx], eax in 16-bit code, to the ICR: INIT to processor 0 */
static bool sends_init(struct fixture *f, struct hwaccl_subject_state *subject,
                       struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request)
{
        (void)f;
        (void)pending;
        (void)request;
        subject->ds.limit = UINT32_MAX;
        subject->rax = 0x4500;
        subject->rbx = HWACCL_APIC_BASE + ICR;
        subject->interruptibility = HWACCL_INTERRUPTIBILITY_NMI;
        subject->exit_reason = HWACCL_EXIT_EPT_VIOLATION;
        subject->exit_qualification = 0x182;
        subject->guest_physical_address = subject->rbx;
        subject->instruction_length = 4;
        return true;
}

static void init_takes_effect_behind_the_instruction_that_sends_it(void **state)
{
        static const uint8_t code[] = {0x67, 0x66, 0x89, 0x03};
        static const script_step script[] = {sends_init, NULL};
        struct fixture f;
        struct hwaccl_error error;

        (void)state;
        fixture_init_machine(&f, HWACCL_MACHINE_APIC, code, sizeof(code), NULL, 0);
        f.script = script;
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_false(hwaccl_machine_has_init(f.machine));
        assert_int_equal(f.vcpu->context.rip, 0xfff0);
        assert_int_equal(f.vcpu->context.segment[HWACCL_CS].base, 0xffff0000);
        assert_int_equal(f.vcpu->state->interruptibility, 0);
        assert_int_equal(apic_read(&f, SVR), 0xff);
        fixture_destroy(&f);
}

static void illegal_vectors_are_errors(void **state)
{
        struct fixture *f = *state;

        apic_write(f, LVT_ERROR, 0x60);
        self_ipi(f, 0x0f);
        assert_int_equal(apic_read(f, ESR), 0); /* not before it is written */
        assert_int_equal(inta(f), 0x60);
        apic_write(f, EOI, 0);
        self_ipi(f, 0x0f);
        assert_false(intr(f)); /* once until the ESR is written */
        apic_write(f, ESR, 0);
        assert_int_equal(apic_read(f, ESR), 0x20);
        apic_write(f, ESR, 0);
        assert_int_equal(apic_read(f, ESR), 0);
        apic_write(f, TIMER_DIVIDE, BY_1);
        apic_write(f, LVT_TIMER, 0x0a);
        apic_write(f, TIMER_INITIAL, 10);
        set_clock(f, 10);
        apic_write(f, ESR, 0);
        assert_int_equal(apic_read(f, ESR), 0x40);
        assert_int_equal(apic_read(f, 0x3f0), 0); /* reserved */
        apic_write(f, 0x40, 1);
        apic_write(f, ESR, 0);
        assert_int_equal(apic_read(f, ESR), 0x80);
}

static void a_disabled_apic_masks_its_local_vectors(void **state)
{
        struct fixture *f = *state;

        apic_write(f, LVT_TIMER, 0x51);
        self_ipi(f, 0x61);
        apic_write(f, SVR, 0x0ff);
        assert_int_equal(apic_read(f, LVT_TIMER), MASKED | 0x51);
        apic_write(f, LVT_TIMER, 0x52);
        assert_int_equal(apic_read(f, LVT_TIMER), MASKED | 0x52);
        self_ipi(f, 0x62);
        assert_int_equal(inta(f), 0x61); /* accepted before */
        apic_write(f, EOI, 0);
        assert_false(intr(f));
        apic_write(f, ICR, 0x4400);
        assert_true(nmi_arrived(f));
        apic_write(f, SVR, 0x1ef);
        assert_int_equal(apic_read(f, LVT_TIMER), MASKED | 0x52); /* stays until it is written */
        assert_int_equal(inta(f), 0xef);                          /* nothing there: the spurious vector */
        assert_int_equal(apic_read(f, ISR + 0x70), 0);
}

static void a_one_shot_timer_interrupts_once(void **state)
{
        struct fixture *f = *state;

        set_clock(f, 1000);
        apic_write(f, TIMER_DIVIDE, 0x3); /* by 16 */
        apic_write(f, LVT_TIMER, 0x70);
        apic_write(f, TIMER_INITIAL, 100);
        assert_int_equal(hwaccl_board_deadline(&f->machine->board), 2600);
        assert_int_equal(hwaccl_board_wake_deadline(&f->machine->board, true), 2600);
        assert_true(hwaccl_board_wake_deadline(&f->machine->board, false) == UINT64_MAX);
        set_clock(f, 1160);
        assert_int_equal(apic_read(f, TIMER_CURRENT), 90);
        apic_write(f, TIMER_DIVIDE, BY_1); /* goes on from there */
        assert_int_equal(apic_read(f, TIMER_CURRENT), 90);
        assert_int_equal(hwaccl_board_deadline(&f->machine->board), 1250);
        set_clock(f, 1249);
        assert_false(intr(f));
        set_clock(f, 1250);
        assert_int_equal(inta(f), 0x70);
        assert_int_equal(apic_read(f, TIMER_CURRENT), 0);
        assert_int_equal(apic_read(f, TIMER_INITIAL), 100);
        apic_write(f, EOI, 0);
        set_clock(f, SECOND);
        assert_false(intr(f));
        apic_write(f, LVT_TIMER, PERIODIC | 0x70); /* does not start it again */
        set_clock(f, 2 * SECOND);
        assert_int_equal(apic_read(f, TIMER_CURRENT), 0);
        assert_false(intr(f));
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
}

static void a_periodic_timer_goes_on(void **state)
{
        struct fixture *f = *state;

        apic_write(f, TIMER_DIVIDE, BY_1);
        apic_write(f, LVT_TIMER, PERIODIC | 0x70);
        apic_write(f, TIMER_INITIAL, 100000);
        set_clock(f, 100000);
        assert_int_equal(inta(f), 0x70);
        apic_write(f, EOI, 0);
        set_clock(f, 350000); /* two periods: one interrupt */
        assert_int_equal(inta(f), 0x70);
        apic_write(f, EOI, 0);
        assert_false(intr(f));
        assert_int_equal(apic_read(f, TIMER_CURRENT), 50000);
        assert_int_equal(hwaccl_board_deadline(&f->machine->board), 400000);
        apic_write(f, LVT_TIMER, MASKED | PERIODIC | 0x70);
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
        set_clock(f, 460000);
        assert_int_equal(apic_read(f, TIMER_CURRENT), 40000); /* counts, and interrupts nobody */
        apic_write(f, LVT_TIMER, PERIODIC | 0x70);
        assert_false(intr(f));
        apic_write(f, TIMER_INITIAL, 1000); /* too fast for the guest: every 20 microseconds */
        assert_int_equal(hwaccl_board_deadline(&f->machine->board), 480000);
        apic_write(f, TIMER_INITIAL, 0);
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
}

static void the_timer_waits_for_a_time_stamp(void **state)
{
        struct fixture *f = *state;
        uint64_t value;

        assert_true(wrmsr(f, MSR_TSC_DEADLINE, 5000)); /* in another mode: no effect */
        apic_write(f, LVT_TIMER, TSC_MODE | 0x71);
        assert_true(rdmsr(f, MSR_TSC_DEADLINE, &value) && value == 0);
        apic_write(f, TIMER_INITIAL, 50);
        assert_int_equal(apic_read(f, TIMER_INITIAL), 0);
        assert_true(wrmsr(f, 0x10, 1000000)); /* IA32_TSC: 1 GHz */
        assert_true(wrmsr(f, MSR_TSC_DEADLINE, 1005000));
        assert_int_equal(hwaccl_board_deadline(&f->machine->board), 5000);
        assert_true(wrmsr(f, 0x10, 1002000));
        assert_int_equal(hwaccl_board_deadline(&f->machine->board), 3000);
        set_clock(f, 2999);
        assert_false(intr(f));
        assert_true(rdmsr(f, MSR_TSC_DEADLINE, &value) && value == 1005000);
        set_clock(f, 3000);
        assert_int_equal(inta(f), 0x71);
        assert_true(rdmsr(f, MSR_TSC_DEADLINE, &value) && value == 0);
        apic_write(f, EOI, 0);
        assert_true(wrmsr(f, MSR_TSC_DEADLINE, 1)); /* it has passed */
        assert_int_equal(inta(f), 0x71);
        apic_write(f, EOI, 0);
        assert_true(wrmsr(f, MSR_TSC_DEADLINE, UINT64_MAX));
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
        apic_write(f, LVT_TIMER, 0x71);
        assert_true(rdmsr(f, MSR_TSC_DEADLINE, &value) && value == 0);
}

static void intr_of_the_8259s_comes_through_lint0(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 4);
        assert_true(intr(f));
        apic_write(f, TPR, 0xff); /* ExtINT has no priority */
        assert_int_equal(inta(f), 0x24);
        out8(f, 0x20, 0x20);
        apic_write(f, LVT_LINT0, MASKED | 0x700);
        raise_line(f, 5);
        assert_false(intr(f));
        assert_true(wrmsr(f, MSR_APIC_BASE, 0xfee00100)); /* no APIC: the wire goes through */
        assert_int_equal(inta(f), 0x25);
}

static void lint0_can_be_an_interrupt_of_its_own(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        apic_write(f, LVT_LINT0, 0x51); /* fixed, edge */
        raise_line(f, 4);
        assert_int_equal(inta(f), 0x51);
        apic_write(f, EOI, 0);
        assert_false(intr(f));
        apic_write(f, LVT_LINT0, 0x8052); /* fixed, level: INTR is still up */
        assert_int_equal(apic_read(f, LVT_LINT0), 0xc052);
        assert_int_equal(inta(f), 0x52);
        assert_int_equal(apic_read(f, TMR + 0x20), 1u << 18);
        apic_write(f, EOI, 0);
        assert_int_equal(inta(f), 0x52);
        out8(f, 0x21, 0xff); /* INTR falls */
        apic_write(f, EOI, 0);
        assert_false(intr(f));
        apic_write(f, LVT_LINT0, 0x400); /* NMI */
        out8(f, 0x21, 0x00);
        assert_true(nmi_arrived(f));
}

static void modes_change_in_the_allowed_ways(void **state)
{
        struct fixture *f = *state;
        uint32_t leaf[4];

        assert_false(wrmsr(f, MSR_APIC_BASE, 0xfee00500)); /* extended but not enabled */
        assert_false(wrmsr(f, MSR_APIC_BASE, PLAIN | 1));
        assert_false(wrmsr(f, MSR_APIC_BASE, PLAIN | UINT64_C(1) << 52));
        assert_true(wrmsr(f, MSR_APIC_BASE, EXTENDED));
        assert_int_equal(apic_read(f, VERSION), UINT32_MAX); /* the page is gone */
        assert_false(wrmsr(f, MSR_APIC_BASE, PLAIN));
        assert_true(wrmsr(f, MSR_APIC_BASE, 0xfee00100));
        hwaccl_processor_cpuid(&f->machine->processor, 1, 0, leaf);
        assert_int_equal(leaf[3] >> 9 & 1, 0);
        assert_false(wrmsr(f, MSR_APIC_BASE, EXTENDED));
        assert_true(wrmsr(f, MSR_APIC_BASE, PLAIN));
        assert_int_equal(apic_read(f, SVR), 0xff); /* as after reset */
        hwaccl_processor_cpuid(&f->machine->processor, 1, 0, leaf);
        assert_int_equal(leaf[3] >> 9 & 1, 1);
        assert_int_equal(leaf[2] >> 21 & 9, 9);           /* x2APIC, TSC deadline */
        assert_true(wrmsr(f, MSR_APIC_BASE, 0xd0000900)); /* elsewhere */
        assert_int_equal(apic_read(f, VERSION), UINT32_MAX);
        assert_int_equal(hwaccl_bus_mmio_read(&f->machine->board.bus, 0xd0000000 + VERSION, 4), 0x50014);
}

static void the_x2apic_has_the_registers_as_msrs(void **state)
{
        struct fixture *f = *state;
        uint64_t value;

        assert_false(rdmsr(f, MSR(VERSION), &value));
        assert_true(wrmsr(f, MSR_APIC_BASE, EXTENDED));
        assert_true(rdmsr(f, MSR(VERSION), &value) && value == 0x50014);
        assert_true(rdmsr(f, MSR(ID), &value) && value == 0);
        assert_true(rdmsr(f, MSR(LDR), &value) && value == 1);
        static const unsigned absent[] = {APR, 0xc0, DFR, ICR_HIGH, 0x40, 0x2f0, 0x3f0};
        for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
                assert_false(rdmsr(f, MSR(absent[i]), &value));
        assert_false(rdmsr(f, MSR(EOI), &value));
        assert_false(rdmsr(f, 0x8ff, &value));
        static const unsigned read_only[] = {ID, VERSION, PPR, LDR, ISR, TMR, IRR + 0x70, TIMER_CURRENT};
        for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++)
                assert_false(wrmsr(f, MSR(read_only[i]), 0));
        assert_false(wrmsr(f, MSR(EOI), 1));
        assert_false(wrmsr(f, MSR(ESR), 1));
        assert_false(wrmsr(f, MSR(TPR), 0x100));
        assert_false(wrmsr(f, MSR(LVT_TIMER), UINT64_C(1) << 32));
        assert_true(wrmsr(f, MSR(TPR), 0x35));
        assert_true(rdmsr(f, MSR(TPR), &value) && value == 0x35);
        assert_true(wrmsr(f, 0x83f, 0x91)); /* SELF IPI */
        assert_int_equal(inta(f), 0x91);
        assert_true(wrmsr(f, MSR(EOI), 0));
        assert_true(wrmsr(f, MSR(ICR), UINT64_C(1) << 32 | 0x92)); /* for processor 1 */
        assert_false(intr(f));
        assert_true(rdmsr(f, MSR(ICR), &value) && value == (UINT64_C(1) << 32 | 0x92));
        assert_true(wrmsr(f, MSR(ICR), UINT64_C(0xffffffff) << 32 | 0x92));
        assert_int_equal(inta(f), 0x92);
        assert_true(wrmsr(f, MSR(EOI), 0));
        assert_true(wrmsr(f, MSR(ICR), UINT64_C(1) << 32 | 0x893)); /* logical: bit 0 of cluster 0 */
        assert_int_equal(inta(f), 0x93);
}

static void cpuid_says_what_there_is(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_processor *processor = &f->machine->processor;
        uint32_t leaf[4];

        hwaccl_processor_cpuid(processor, 0xb, 0, leaf);
        assert_int_equal(leaf[1], 1);
        assert_int_equal(leaf[2], 0x100);
        hwaccl_processor_cpuid(processor, 0xb, 1, leaf);
        assert_int_equal(leaf[2], 0x201);
        hwaccl_processor_cpuid(processor, 0xb, 2, leaf);
        assert_int_equal(leaf[1], 0);
        assert_int_equal(leaf[2], 2);
        static const uint64_t khz[] = {1000000, 2599987, 800001, 3999999, 100000};
        for (size_t i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
                processor->tsc_khz = khz[i];
                hwaccl_processor_cpuid(processor, 0x15, 0, leaf);
                assert_int_equal(leaf[2], 1000000000);
                uint64_t product = UINT64_C(1000000) * leaf[1];
                assert_true(product <= UINT32_MAX);
                double ratio = (double)product / leaf[0] / (double)khz[i];
                assert_true(ratio < 1.00002 && ratio > 0.99998); /* no clock is better than that */
        }
        processor->apic = NULL;
        hwaccl_processor_cpuid(processor, 1, 0, leaf);
        assert_int_equal(leaf[2] & (1u << 21 | 1u << 24), 0);
        assert_int_equal(leaf[3] & 1u << 9, 0);
        hwaccl_processor_cpuid(processor, 0xb, 0, leaf);
        assert_int_equal(leaf[1], 0);
}

static void partial_accesses_see_and_change_what_they_should(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_bus *bus = &f->machine->board.bus;

        assert_int_equal(hwaccl_bus_mmio_read(bus, HWACCL_APIC_BASE + VERSION + 2, 1), 5);
        assert_int_equal(hwaccl_bus_mmio_read(bus, HWACCL_APIC_BASE + VERSION, 8), 0x50014);
        assert_int_equal(hwaccl_bus_mmio_read(bus, HWACCL_APIC_BASE + VERSION + 4, 4), 0);
        hwaccl_bus_mmio_write(bus, HWACCL_APIC_BASE + TPR, 1, 0x50);
        hwaccl_bus_mmio_write(bus, HWACCL_APIC_BASE + TPR + 4, 4, 0x50);
        assert_int_equal(apic_read(f, TPR), 0);
}

static void assert_refused(struct fixture *f, size_t offset, uint8_t value)
{
        struct hwaccl_device *device = &f->machine->local_apic.device;
        uint8_t packed[HWACCL_DEVICE_STATE_MAX];
        struct hwaccl_error error = {""};
        size_t at = 0;

        hwaccl_device_save(device, packed);
        for (size_t i = 0; device->ops->fields[i].offset != offset; i++)
                at += device->ops->fields[i].size;
        packed[at] = value;
        assert_false(hwaccl_device_load(device, packed, hwaccl_device_state_size(device), &error));
        assert_true(error.message[0]);
}

static void impossible_states_are_refused(void **state)
{
        struct fixture *f = *state;

        assert_refused(f, offsetof(struct hwaccl_local_apic, irr), 2);
        assert_refused(f, offsetof(struct hwaccl_local_apic, timer_running), 1);
        assert_refused(f, offsetof(struct hwaccl_local_apic, model), 16);
        assert_refused(f, offsetof(struct hwaccl_local_apic, timer_divide), 4);
        assert_refused(f, offsetof(struct hwaccl_local_apic, controller.source.nmi), 2);
        assert_refused(f, offsetof(struct hwaccl_local_apic, timer_start), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                APIC_TEST(registers_have_their_values_of_reset),
                APIC_TEST(higher_classes_come_first_and_eoi_lets_the_next_in),
                APIC_TEST(the_task_priority_holds_interrupts_back),
                APIC_TEST(a_message_reaches_its_destinations_only),
                APIC_TEST(an_nmi_and_an_init_need_no_vector),
                APIC_TEST(init_resets_processor_and_apic),
                cmocka_unit_test(init_takes_effect_behind_the_instruction_that_sends_it),
                APIC_TEST(illegal_vectors_are_errors),
                APIC_TEST(a_disabled_apic_masks_its_local_vectors),
                APIC_TEST(a_one_shot_timer_interrupts_once),
                APIC_TEST(a_periodic_timer_goes_on),
                APIC_TEST(the_timer_waits_for_a_time_stamp),
                APIC_TEST(intr_of_the_8259s_comes_through_lint0),
                APIC_TEST(lint0_can_be_an_interrupt_of_its_own),
                APIC_TEST(modes_change_in_the_allowed_ways),
                APIC_TEST(the_x2apic_has_the_registers_as_msrs),
                APIC_TEST(cpuid_says_what_there_is),
                APIC_TEST(partial_accesses_see_and_change_what_they_should),
                APIC_TEST(impossible_states_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
