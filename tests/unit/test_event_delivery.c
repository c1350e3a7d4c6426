#include "tests/fixtures/event_delivery_fixture.h"

static void real_mode_goes_through_the_vector_table(void **state)
{
        (void)state;
        context.segment[HWACCL_CS] = (struct hwaccl_segment){0x100, 0x1000, 0xffff, 0x9b};
        context.interrupts_inhibited = true;
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_int_equal(context.segment[HWACCL_CS].selector, 0xf000);
        assert_int_equal(context.segment[HWACCL_CS].base, 0xf0000);
        assert_int_equal(context.rip, 0x5678);
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 6);
        assert_int_equal(get(STACK - 2, 2), 0x303);
        assert_int_equal(get(STACK - 4, 2), 0x100);
        assert_int_equal(get(STACK - 6, 2), 0x1234);
        assert_int_equal(context.rflags, RFLAGS_RESERVED_1 | RFLAGS_CF);
        assert_false(context.interrupts_inhibited);
}

static void real_mode_pushes_no_error_codes_and_wraps_the_stack(void **state)
{
        (void)state;
        put(13 * 4, 0x00002222, 4);
        context.gpr[HWACCL_RSP] = 0xabcd0002; /* SP wraps, the upper half stays */
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_GP, true, 0x10));
        assert_int_equal(context.gpr[HWACCL_RSP], 0xabcdfffc);
        assert_int_equal(context.rip, 0x2222);
}

static void real_mode_without_room_in_the_table_shuts_down(void **state)
{
        struct hwaccl_machine_context before;

        (void)state;
        context.idtr.limit = 3; /* neither this vector, nor #GP, nor #DF */
        before = context;
        assert_false(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_shutdown();
        assert_memory_equal(&context, &before, sizeof(context));
}

static void interrupt_gates_keep_the_ring_and_clear_if(void **state)
{
        (void)state;
        gate(0x21, 0xe, 0, CODE_0, 0x12345678);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x21, false, 0));
        assert_int_equal(context.rip, 0x12345678);
        assert_int_equal(context.segment[HWACCL_CS].selector, CODE_0);
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 12);
        assert_int_equal(get(STACK - 4, 4), 0x303);
        assert_int_equal(get(STACK - 8, 4), CODE_0);
        assert_int_equal(get(STACK - 12, 4), 0x401234);
        assert_int_equal(context.rflags, RFLAGS_RESERVED_1 | RFLAGS_CF);
        assert_int_equal(get(GDT + CODE_0 + 5, 1), 0x9b); /* accessed */
}

static void trap_gates_leave_if_alone_and_16_bit_gates_push_words(void **state)
{
        (void)state;
        context.rflags |= RFLAGS_NT;
        gate(0x21, 0x7, 0, CODE_0, 0x12345678);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x21, false, 0));
        assert_int_equal(context.rip, 0x5678);
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 6);
        assert_int_equal(context.rflags, RFLAGS_RESERVED_1 | RFLAGS_CF | RFLAGS_IF);
        gate(0x22, 0x6, 0, CODE_0, 0x1111);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x22, false, 0));
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 12);
        assert_int_equal(context.rflags, RFLAGS_RESERVED_1 | RFLAGS_CF);
}

static void faults_push_their_error_code_and_resume_flag(void **state)
{
        (void)state;
        gate(HWACCL_VECTOR_PF, 0xe, 0, CODE_0, 0x500);
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_PF, true, 6));
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 16);
        assert_int_equal(get(STACK - 16, 4), 6);
        assert_int_equal(get(STACK - 4, 4), 0x303 | RFLAGS_RF);
        assert_int_equal(context.cr2, 0xdeadb000);
        gate(HWACCL_VECTOR_DB, 0xe, 0, CODE_0, 0x600);
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_DB, false, 0));
        assert_int_equal(get(STACK - 20, 4) & RFLAGS_RF, 0); /* a single-step trap is none */
}

static void inner_rings_get_their_stack_from_a_32_bit_tss(void **state)
{
        (void)state;
        enter_ring_3();
        gate(0x30, 0xe, 0, CODE_0, 0x700);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x30, false, 0));
        assert_int_equal(hwaccl_context_cpl(&context), 0);
        assert_int_equal(context.segment[HWACCL_SS].selector, DATA_0);
        assert_int_equal(context.gpr[HWACCL_RSP], 0x9000 - 20);
        assert_int_equal(get(0x9000 - 4, 4), DATA_3 | 3);
        assert_int_equal(get(0x9000 - 8, 4), STACK);
        assert_int_equal(get(0x9000 - 16, 4), CODE_3 | 3);
}

static void inner_rings_get_their_stack_from_a_16_bit_tss(void **state)
{
        (void)state;
        enter_ring_3();
        context.tr.access_rights = 0x83;
        put(TSS + 2, 0x7000, 2);
        put(TSS + 4, DATA_0, 2);
        gate(0x30, 0xe, 0, CODE_0, 0x700);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x30, false, 0));
        assert_int_equal(context.gpr[HWACCL_RSP], 0x7000 - 20);
}

static void conforming_code_stays_in_the_outer_ring(void **state)
{
        (void)state;
        enter_ring_3();
        gate(0x30, 0xe, 0, CONFORMING, 0x700);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x30, false, 0));
        assert_int_equal(hwaccl_context_cpl(&context), 3);
        assert_int_equal(context.segment[HWACCL_CS].selector, CONFORMING | 3);
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 12);
}

/* What arrives at the #GP, #NP, #TS or #SS handler when the first delivery faults. */
static void assert_second_fault(uint8_t vector, uint32_t error_code)
{
        uint64_t stack = context.gpr[HWACCL_RSP];

        assert_int_equal(context.rip, 0x10000 + vector);
        assert_int_equal(get(stack, 4), error_code);
}

static void handlers_for_faults(void)
{
        for (unsigned vector = HWACCL_VECTOR_DF; vector <= HWACCL_VECTOR_PF; vector++)
                gate(vector, 0xe, 0, CODE_0, 0x10000u + vector);
}

static void bad_gates_raise_what_the_processor_raises(void **state)
{
        (void)state;
        handlers_for_faults();
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0)); /* type 0 */
        assert_second_fault(HWACCL_VECTOR_GP, 0x40 * 8 + 3);
        gate(0x40, 0xe, 0, CODE_0, 0);
        memory_bytes[IDT + 0x40 * 8 + 5] &= 0x7f;
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_second_fault(HWACCL_VECTOR_NP, 0x40 * 8 + 3);
        gate(0x40, 0xe, 0, 0, 0);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_second_fault(HWACCL_VECTOR_GP, 1);
        gate(0x40, 0xe, 0, DATA_0, 0);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_second_fault(HWACCL_VECTOR_GP, DATA_0 + 1);
        gate(0x40, 0xe, 0, ABSENT, 0);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_second_fault(HWACCL_VECTOR_NP, ABSENT + 1);
        gate(0x40, 0xe, 0, 0x1000, 0); /* beyond the GDT */
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_second_fault(HWACCL_VECTOR_GP, 0x1001);
        gate(0x40, 0xe, 0, 0x0c, 0); /* there is no LDT */
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_second_fault(HWACCL_VECTOR_GP, 0x0d);
        context.idtr.limit = 0x40 * 8 + 6;
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_second_fault(HWACCL_VECTOR_GP, 0x40 * 8 + 3);
}

static void software_interrupts_need_the_gates_privilege_and_have_no_ext_bit(void **state)
{
        (void)state;
        handlers_for_faults();
        gate(0x80, 0xe, 3, CODE_0, 0x700);
        gate(0x81, 0xe, 0, CODE_0, 0x800);
        enter_ring_3();
        assert_true(deliver(HWACCL_EVENT_SOFTWARE, 0x81, false, 0));
        assert_second_fault(HWACCL_VECTOR_GP, 0x81 * 8 + 2);
        enter_ring_3();
        context.rip = 0x401234;
        assert_true(deliver_made_by(HWACCL_EVENT_SOFTWARE, 0x80, 2));
        assert_int_equal(context.rip, 0x700);
        assert_int_equal(get(context.gpr[HWACCL_RSP], 4), 0x401236);
}

/* What makes the delivery of vector 48h fault, how, and with which error code but for EXT. */
enum obstacle {
        TABLE_LIMIT,
        GATE_TYPE,
        GATE_ABSENT,
        GATE_PRIVILEGE,
        CODE_NULL,
        CODE_ABSENT,
        CODE_TYPE,
        NO_STACK,
        NO_PAGE
};

static const struct {
        uint8_t vector;
        uint32_t error_code;
        bool software; /* only software interrupts fault */
} obstacles[] = {
        [TABLE_LIMIT] = {HWACCL_VECTOR_GP, 0x48 * 8 + 2, false},
        [GATE_TYPE] = {HWACCL_VECTOR_GP, 0x48 * 8 + 2, false},
        [GATE_ABSENT] = {HWACCL_VECTOR_NP, 0x48 * 8 + 2, false},
        [GATE_PRIVILEGE] = {HWACCL_VECTOR_GP, 0x48 * 8 + 2, true},
        [CODE_NULL] = {HWACCL_VECTOR_GP, 0, false},
        [CODE_ABSENT] = {HWACCL_VECTOR_NP, ABSENT, false},
        [CODE_TYPE] = {HWACCL_VECTOR_GP, DATA_0, false},
        [NO_STACK] = {HWACCL_VECTOR_SS, TINY_STACK, false},
        [NO_PAGE] = {HWACCL_VECTOR_PF, 0, false},
};

static void put_up(enum obstacle obstacle)
{
        protected_mode(NULL);
        handlers_for_faults();
        /* handlers that need no inner stack, since that of ring 0 may be what is wrong */
        for (unsigned vector = HWACCL_VECTOR_DF; vector <= HWACCL_VECTOR_PF; vector++)
                gate(vector, 0xe, 0, CONFORMING, 0x10000u + vector);
        gate(0x48, 0xe, 3, CODE_0, 0x700);
        context.idtr.limit = 0x48 * 8 + 7;
        enter_ring_3();
        switch (obstacle) {
        case TABLE_LIMIT: context.idtr.limit = 0x48 * 8 + 6; break;
        case GATE_TYPE: gate(0x48, 0xc, 3, CODE_0, 0x700); break;
        case GATE_ABSENT: memory_bytes[IDT + 0x48 * 8 + 5] &= 0x7f; break;
        case GATE_PRIVILEGE: gate(0x48, 0xe, 2, CODE_0, 0x700); break;
        case CODE_NULL: gate(0x48, 0xe, 3, 0, 0x700); break;
        case CODE_ABSENT: gate(0x48, 0xe, 3, ABSENT, 0x700); break;
        case CODE_TYPE: gate(0x48, 0xe, 3, DATA_0, 0x700); break;
        case NO_STACK:
                put(TSS + 4, 4, 4);
                put(TSS + 8, TINY_STACK, 2);
                descriptor(TINY_STACK, 15, 0x4093);
                memory_bytes[GDT + TINY_STACK + 5] |= 0x80;
                break;
        case NO_PAGE: /* identical 4-KiB pages but for the new stack at 9000h */
                context.cr0 |= HWACCL_CR0_PG | HWACCL_CR0_WP;
                context.cr3 = 0x10000;
                put(0x10000, 0x11007, 4);
                for (unsigned page = 0; page < 0x20; page++)
                        put(0x11000 + page * 4, page == 8 ? 0 : page << 12 | 7, 4);
                context.gpr[HWACCL_RSP] = 0xa000; /* of ring 3, for the fault's handler */
                break;
        }
}

static void a_fault_in_the_delivery_returns_to_the_instruction_that_made_the_event(void **state)
{
        static const struct {
                enum hwaccl_event_source kind;
                uint8_t length;
                uint32_t ext;
        } events[] = {{HWACCL_EVENT_SOFTWARE, 1, 0},  /* INT3, INTO */
                      {HWACCL_EVENT_SOFTWARE, 2, 0},  /* INT n */
                      {HWACCL_EVENT_EXCEPTION, 1, 1}, /* INT1 */
                      {HWACCL_EVENT_EXCEPTION, 0, 1}, /* BOUND and other exceptions */
                      {HWACCL_EVENT_EXTERNAL, 0, 1}};

        (void)state;
        for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
                for (unsigned j = 0; j < sizeof(obstacles) / sizeof(obstacles[0]); j++) {
                        put_up((enum obstacle)j);
                        uint64_t rip = context.rip;
                        assert_true(deliver_made_by(events[i].kind, 0x48, events[i].length));
                        uint64_t stack = context.gpr[HWACCL_RSP];
                        if (obstacles[j].software && events[i].kind != HWACCL_EVENT_SOFTWARE) {
                                assert_int_equal(get(stack, 4), rip + events[i].length);
                                continue;
                        }
                        /* a page fault's own error code: a write of the processor's, page not present */
                        bool page = obstacles[j].vector == HWACCL_VECTOR_PF;
                        assert_second_fault(obstacles[j].vector, page ? 2 : obstacles[j].error_code | events[i].ext);
                        assert_int_equal(get(stack + 4, 4), rip);
                        if (page)
                                assert_int_equal(context.cr2 & ~UINT64_C(0xfff), 0x8000);
                }
}

static void real_mode_faults_return_to_the_instruction_too(void **state)
{
        (void)state;
        put(HWACCL_VECTOR_GP * 4, 0x5600, 4);
        put(HWACCL_VECTOR_SS * 4, 0x5700, 4);
        context.idtr.limit = 0xff;
        assert_true(deliver_made_by(HWACCL_EVENT_SOFTWARE, 0x48, 2)); /* beyond the table */
        assert_int_equal(context.rip, 0x5600);
        assert_int_equal(get(context.gpr[HWACCL_RSP], 2), 0x1234);
        context.rip = 0x1234;
        assert_true(deliver_made_by(HWACCL_EVENT_SOFTWARE, 0x20, 2));
        assert_int_equal(get(context.gpr[HWACCL_RSP], 2), 0x1236);
}

static void a_frame_without_room_leaves_the_stack_alone(void **state)
{
        (void)state;
        handlers_for_faults();
        gate(HWACCL_VECTOR_DF, 0xe, 0, CODE_0, 0x700);
        gate(0x48, 0xe, 0, CODE_0, 0x700);
        context.segment[HWACCL_SS].limit = 3;
        context.segment[HWACCL_SS].access_rights |= SEGMENT_TYPE_EXPAND_DOWN; /* offsets from 4 on */
        context.gpr[HWACCL_RSP] = 8;
        put(4, 0x11223344, 4);
        assert_false(deliver_made_by(HWACCL_EVENT_SOFTWARE, 0x48, 2));
        assert_shutdown();
        assert_int_equal(get(4, 4), 0x11223344);
}

static void bad_inner_stacks_raise_what_the_processor_raises(void **state)
{
        static const struct {
                unsigned selector;
                uint8_t vector;
                uint32_t error_code;
        } cases[] = {
                {0, HWACCL_VECTOR_TS, 1},
                {DATA_3, HWACCL_VECTOR_TS, DATA_3 + 1},
                {CODE_0, HWACCL_VECTOR_TS, CODE_0 + 1},
                {STACK_2 | 2, HWACCL_VECTOR_TS, STACK_2 + 1},
                {0x1000, HWACCL_VECTOR_TS, 0x1001},
                {TINY_STACK, HWACCL_VECTOR_SS, TINY_STACK + 1},
        };

        (void)state;
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                protected_mode(NULL);
                handlers_for_faults();
                gate(cases[i].vector, 0xe, 0, CONFORMING, 0x10000u + cases[i].vector); /* needs no inner stack */
                gate(0x30, 0xe, 0, CODE_0, 0x700);
                put(TSS + 8, cases[i].selector, 2);
                enter_ring_3();
                assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x30, false, 0));
                assert_second_fault(cases[i].vector, cases[i].error_code);
        }
        protected_mode(NULL);
        gate(HWACCL_VECTOR_TS, 0xe, 0, CONFORMING, 0x10000u + HWACCL_VECTOR_TS);
        gate(0x30, 0xe, 0, CODE_0, 0x700);
        context.tr.limit = 8;
        enter_ring_3();
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x30, false, 0));
        assert_second_fault(HWACCL_VECTOR_TS, 0x51);
}

static void two_contributory_faults_are_a_double_fault(void **state)
{
        (void)state;
        gate(HWACCL_VECTOR_DF, 0xe, 0, CODE_0, 0x900); /* #GP itself has no handler */
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_GP, true, 0));
        assert_int_equal(context.rip, 0x900);
        assert_int_equal(get(context.gpr[HWACCL_RSP], 4), 0);
        assert_int_equal(get(context.gpr[HWACCL_RSP] + 4, 4), 0x401234);
}

static void a_benign_exception_whose_delivery_faults_becomes_that_fault(void **state)
{
        (void)state;
        handlers_for_faults();
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_UD, false, 0));
        assert_second_fault(HWACCL_VECTOR_GP, HWACCL_VECTOR_UD * 8 + 3);
}

static void a_page_fault_whose_delivery_faults_is_a_double_fault(void **state)
{
        (void)state;
        gate(HWACCL_VECTOR_DF, 0xe, 0, CODE_0, 0x900);
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_PF, true, 2));
        assert_int_equal(context.rip, 0x900);
        assert_int_equal(context.cr2, 0xdeadb000);
}

static void a_fault_in_a_double_fault_shuts_down_and_leaves_the_context(void **state)
{
        struct hwaccl_machine_context before = context;

        (void)state;
        assert_false(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_GP, true, 0));
        assert_shutdown();
        assert_memory_equal(&context, &before, sizeof(context));
        assert_false(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_DF, true, 0));
        assert_shutdown();
}

static void task_gates_and_virtual_8086_mode_are_refused_by_name(void **state)
{
        (void)state;
        gate(HWACCL_VECTOR_DF, 0x5, 0, 0x50, 0);
        assert_false(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_DF, true, 0));
        assert_non_null(refusal);
        assert_non_null(strstr(refusal, "task gate"));
        context.rflags |= RFLAGS_VM;
        assert_false(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_non_null(strstr(refusal, "virtual-8086"));
}

/* ---- long mode --------------------------------------------------------------------------------------------------- */

#define PML4 0x10000u

static void long_gate(unsigned vector, unsigned type, unsigned dpl, unsigned ist, uint16_t selector, uint64_t offset)
{
        put(IDT + vector * 16,
            (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
                    (uint64_t)(0x80 | dpl << 5 | type) << 40 | (offset >> 16 & 0xffff) << 48,
            8);
        put(IDT + vector * 16 + 8, offset >> 32, 8);
}

static int long_mode(void **state)
{
        protected_mode(state);
        context.cr0 |= HWACCL_CR0_PG;
        context.cr4 = HWACCL_CR4_PAE;
        context.efer = HWACCL_EFER_LMA | HWACCL_EFER_LME;
        context.cr3 = PML4;
        context.idtr.limit = 0xfff;
        put(PML4, (PML4 + 0x1000) | 7, 8);
        put(PML4 + 0x1000, (PML4 + 0x2000) | 7, 8);
        put(PML4 + 0x2000, 0x87, 8); /* 2 MiB at 0 */
        context.segment[HWACCL_CS] = (struct hwaccl_segment){CODE_64, 0, 0, 0xa09b};
        context.rip = UINT64_C(0x123456789a);
        put(TSS + 4, 0x9000, 8);
        put(TSS + 0x24 + 8, 0xa000, 8); /* IST2 */
        return 0;
}

static void long_mode_aligns_the_stack_and_pushes_everything(void **state)
{
        (void)state;
        context.gpr[HWACCL_RSP] = STACK + 5;
        long_gate(0x20, 0xe, 0, 0, CODE_64, UINT64_C(0xffff800000001000));
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_int_equal(context.rip, UINT64_C(0xffff800000001000));
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 40);
        assert_int_equal(get(STACK - 8, 8), DATA_0);
        assert_int_equal(get(STACK - 16, 8), STACK + 5);
        assert_int_equal(get(STACK - 24, 8), 0x303);
        assert_int_equal(get(STACK - 32, 8), CODE_64);
        assert_int_equal(get(STACK - 40, 8), UINT64_C(0x123456789a));
        assert_int_equal(context.segment[HWACCL_SS].selector, DATA_0);
}

static void long_mode_switches_to_an_ist_stack_in_the_same_ring(void **state)
{
        (void)state;
        long_gate(HWACCL_VECTOR_DF, 0xe, 0, 2, CODE_64, 0x1000);
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_DF, true, 0));
        assert_int_equal(context.gpr[HWACCL_RSP], 0xa000 - 48);
        assert_int_equal(get(0xa000 - 48, 8), 0);
        assert_int_equal(context.segment[HWACCL_SS].selector, DATA_0);
}

static void long_mode_loads_a_null_stack_segment_for_an_inner_ring(void **state)
{
        (void)state;
        enter_ring_3();
        context.segment[HWACCL_CS].access_rights = 0xa0fb;
        long_gate(0x20, 0xf, 0, 0, CODE_64, 0x1000);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_int_equal(hwaccl_context_cpl(&context), 0);
        assert_int_equal(context.segment[HWACCL_SS].selector, 0);
        assert_int_equal(context.gpr[HWACCL_RSP], 0x9000 - 40);
        assert_int_equal(get(0x9000 - 8, 8), DATA_3 | 3);
        assert_true(context.rflags & RFLAGS_IF);
}

static void long_mode_wants_64_bit_code_and_canonical_handlers(void **state)
{
        (void)state;
        long_gate(HWACCL_VECTOR_GP, 0xe, 0, 0, CODE_64, 0x1000);
        long_gate(0x20, 0xe, 0, 0, CODE_0, 0x2000);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_int_equal(context.rip, 0x1000);
        assert_int_equal(get(context.gpr[HWACCL_RSP], 8), CODE_0 + 1);
        long_gate(0x20, 0xe, 0, 0, CODE_64, UINT64_C(0x800000000000));
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_int_equal(get(context.gpr[HWACCL_RSP], 8), 1);
        long_gate(0x20, 0x6, 0, 0, CODE_64, 0x2000); /* 16-bit gates are gone */
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x20, false, 0));
        assert_int_equal(get(context.gpr[HWACCL_RSP], 8), 0x20 * 8 + 3);
}

static void a_stack_that_is_not_mapped_ends_in_the_ist_of_the_double_fault(void **state)
{
        (void)state;
        context.gpr[HWACCL_RSP] = 0x40000000;
        long_gate(HWACCL_VECTOR_PF, 0xe, 0, 0, CODE_64, 0x1000);
        long_gate(HWACCL_VECTOR_DF, 0xe, 0, 2, CODE_64, 0x3000);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x21, false, 0)); /* no gate: #GP, no gate: #DF */
        assert_int_equal(context.rip, 0x3000);
        context.gpr[HWACCL_RSP] = 0x40000000;
        assert_true(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_PF, true, 2));
        assert_int_equal(context.rip, 0x3000);
        assert_int_equal(context.cr2, 0x40000000 - 8); /* the second page fault's address */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(real_mode_goes_through_the_vector_table, real_mode),
                cmocka_unit_test_setup(real_mode_pushes_no_error_codes_and_wraps_the_stack, real_mode),
                cmocka_unit_test_setup(real_mode_without_room_in_the_table_shuts_down, real_mode),
                cmocka_unit_test_setup(interrupt_gates_keep_the_ring_and_clear_if, protected_mode),
                cmocka_unit_test_setup(trap_gates_leave_if_alone_and_16_bit_gates_push_words, protected_mode),
                cmocka_unit_test_setup(faults_push_their_error_code_and_resume_flag, protected_mode),
                cmocka_unit_test_setup(inner_rings_get_their_stack_from_a_32_bit_tss, protected_mode),
                cmocka_unit_test_setup(inner_rings_get_their_stack_from_a_16_bit_tss, protected_mode),
                cmocka_unit_test_setup(conforming_code_stays_in_the_outer_ring, protected_mode),
                cmocka_unit_test_setup(bad_gates_raise_what_the_processor_raises, protected_mode),
                cmocka_unit_test_setup(software_interrupts_need_the_gates_privilege_and_have_no_ext_bit,
                                       protected_mode),
                cmocka_unit_test_setup(a_fault_in_the_delivery_returns_to_the_instruction_that_made_the_event,
                                       protected_mode),
                cmocka_unit_test_setup(real_mode_faults_return_to_the_instruction_too, real_mode),
                cmocka_unit_test_setup(a_frame_without_room_leaves_the_stack_alone, protected_mode),
                cmocka_unit_test_setup(bad_inner_stacks_raise_what_the_processor_raises, protected_mode),
                cmocka_unit_test_setup(two_contributory_faults_are_a_double_fault, protected_mode),
                cmocka_unit_test_setup(a_benign_exception_whose_delivery_faults_becomes_that_fault, protected_mode),
                cmocka_unit_test_setup(a_page_fault_whose_delivery_faults_is_a_double_fault, protected_mode),
                cmocka_unit_test_setup(a_fault_in_a_double_fault_shuts_down_and_leaves_the_context, protected_mode),
                cmocka_unit_test_setup(task_gates_and_virtual_8086_mode_are_refused_by_name, protected_mode),
                cmocka_unit_test_setup(long_mode_aligns_the_stack_and_pushes_everything, long_mode),
                cmocka_unit_test_setup(long_mode_switches_to_an_ist_stack_in_the_same_ring, long_mode),
                cmocka_unit_test_setup(long_mode_loads_a_null_stack_segment_for_an_inner_ring, long_mode),
                cmocka_unit_test_setup(long_mode_wants_64_bit_code_and_canonical_handlers, long_mode),
                cmocka_unit_test_setup(a_stack_that_is_not_mapped_ends_in_the_ist_of_the_double_fault, long_mode),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
