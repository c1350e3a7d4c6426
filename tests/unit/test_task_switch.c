/* Task switches: what is checked, saved, loaded and raised (SDM 3A, 8.2 to 8.3). */
#include "tests/fixtures/event_delivery_fixture.h"

#include "core/exit/task_switch.h"

#define LDT     0x60u
#define OLD     0x68u
#define NEW     0x70u
#define HANDLER 0x78u

#define OLD_TSS     0x4000u
#define NEW_TSS     0x5000u
#define HANDLER_TSS 0x6000u

static uint64_t dr6, dr7;
static const struct hwaccl_task_debug debug = {&dr6, &dr7};

static void system_descriptor(unsigned selector, uint32_t base, uint32_t limit, unsigned access)
{
        put(GDT + selector,
            limit | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 | (uint64_t)(base >> 24) << 56, 8);
}

static void fill_tss(uint32_t tss, uint32_t rip)
{
        memset(memory_bytes + tss, 0, 0x68);
        put(tss + 0x20, rip, 4);
        put(tss + 0x24, 0x202, 4);
        for (unsigned i = 0; i < 8; i++)
                put(tss + 0x28 + i * 4, 0x10203040 * (i + 1), 4);
        put(tss + 0x38, STACK, 4);
        for (unsigned i = 0; i < 6; i++)
                put(tss + 0x48 + i * 4, i == HWACCL_CS ? CODE_0 : DATA_0, 2);
}

static int tasks(void **state)
{
        protected_mode(state);
        context.gdtr.limit = 0xff;
        system_descriptor(OLD, OLD_TSS, 0x67, 0x8b);
        system_descriptor(NEW, NEW_TSS, 0x67, 0x89);
        system_descriptor(HANDLER, HANDLER_TSS, 0x67, 0x89);
        system_descriptor(LDT, 0x7000, 0xf, 0x82);
        fill_tss(NEW_TSS, 0x1000);
        fill_tss(HANDLER_TSS, 0x2000);
        context.tr = (struct hwaccl_segment){OLD, OLD_TSS, 0x67, 0x8b};
        context.ldtr = (struct hwaccl_segment){.selector = 0, .access_rights = HWACCL_SEGMENT_UNUSABLE};
        dr6 = dr7 = 0;
        refusal = NULL;
        chain.count = 0;
        return 0;
}

static bool switch_to(enum hwaccl_task_source source, uint16_t selector)
{
        struct hwaccl_task_switch task = {source, selector, {.length = 7}};

        return hwaccl_task_switch(&context, &memory, &debug, &task, &observer, &refusal);
}

/* Through a task gate for the vector. */
static bool event(enum hwaccl_event_source kind, uint8_t vector, bool has_error_code, uint32_t error_code)
{
        struct hwaccl_event event = {.kind = kind, .exception = {vector, has_error_code, error_code, 0xdeadb000}};

        return hwaccl_task_event(&context, &memory, &debug, &event, &observer, &refusal);
}

static unsigned access_of(unsigned selector)
{
        return (unsigned)get(GDT + selector + 5, 1);
}

/* Every exception has a handler whose address tells it, and that is entered with a frame of 32 bits. */
static void handlers(void)
{
        for (unsigned vector = 0; vector < 0x20; vector++)
                gate(vector, 0xe, 0, CODE_0, 0x10000 + vector);
}

static void assert_raised(enum hwaccl_vector vector, uint32_t error_code, uint16_t task)
{
        assert_int_equal(context.rip, 0x10000 + (unsigned)vector);
        assert_int_equal(get(context.gpr[HWACCL_RSP], 4), error_code);
        assert_int_equal(context.tr.selector, task);
}

static void a_jump_saves_and_loads_everything(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 8; i++)
                context.gpr[i] = 0x01010101u * (i + 1);
        context.rflags |= RFLAGS_RF;
        context.segment[HWACCL_GS].selector = 0x1234;
        put(OLD_TSS + 0x5e, 0xbeef, 2); /* beside GS */
        put(NEW_TSS + 0x60, LDT, 2);
        put(NEW_TSS + 0x24, 0xffffffff & ~RFLAGS_VM, 4);
        dr7 = 0x7ff;
        assert_true(switch_to(HWACCL_TASK_JMP, NEW));
        assert_int_equal(get(OLD_TSS + 0x20, 4), 0x401234 + 7);
        assert_int_equal(get(OLD_TSS + 0x24, 4), RFLAGS_RESERVED_1 | RFLAGS_IF | RFLAGS_TF | RFLAGS_CF);
        assert_int_equal(get(OLD_TSS + 0x34, 4), 0x04040404);
        assert_int_equal(get(OLD_TSS + 0x4c, 2), CODE_0);
        assert_int_equal(get(OLD_TSS + 0x5c, 4), 0xbeef1234);
        assert_int_equal(get(OLD_TSS + 0x60, 8), 0); /* LDT and T are not saved */
        assert_int_equal(get(NEW_TSS, 2), 0);
        assert_int_equal(context.rip, 0x1000);
        assert_int_equal(context.rflags, 0x3d7fd7);
        assert_int_equal(context.gpr[HWACCL_RDI], 0x10203040u * 8u);
        assert_int_equal(context.gpr[HWACCL_RSP], STACK);
        assert_int_equal(context.segment[HWACCL_CS].access_rights, 0xc09b);
        assert_int_equal(context.segment[HWACCL_FS].access_rights, 0xc093);
        assert_int_equal(access_of(DATA_0), 0x93);
        assert_int_equal(context.ldtr.base, 0x7000);
        assert_int_equal(context.tr.selector, NEW);
        assert_int_equal(context.tr.access_rights, 0x8b);
        assert_int_equal(access_of(OLD), 0x89);
        assert_int_equal(access_of(NEW), 0x8b);
        assert_true(context.cr0 & HWACCL_CR0_TS);
        assert_int_equal(dr7, 0x7ff & ~0x155);
        assert_int_equal(context.cr3, 0); /* paging is off */
}

static void a_call_links_and_a_return_goes_back(void **state)
{
        (void)state;
        assert_true(switch_to(HWACCL_TASK_CALL, NEW));
        assert_int_equal(get(NEW_TSS, 2), OLD);
        assert_true(context.rflags & RFLAGS_NT);
        assert_int_equal(access_of(OLD), 0x8b);
        assert_int_equal(access_of(NEW), 0x8b);
        context.rip = 0x1008;
        struct hwaccl_task_switch back = {.source = HWACCL_TASK_IRET, .event = {.length = 1}};
        struct hwaccl_exception fault;
        assert_int_equal(hwaccl_task_of_return(&context, &memory, &back, &fault), HWACCL_TASK_SWITCH);
        assert_int_equal(back.selector, OLD);
        put(OLD_TSS + 0x48, 0, 2); /* the rest was saved by the CALL: ES, DS, FS and GS were null */
        assert_true(hwaccl_task_switch(&context, &memory, &debug, &back, NULL, &refusal));
        assert_int_equal(context.rip, 0x401234 + 7);
        assert_false(context.rflags & RFLAGS_NT);
        assert_false(get(NEW_TSS + 0x24, 4) & RFLAGS_NT);
        assert_int_equal(get(NEW_TSS + 0x20, 4), 0x1009);
        assert_int_equal(access_of(NEW), 0x89);
        assert_int_equal(access_of(OLD), 0x8b);
        assert_true(context.nmi_unblocked);
}

static void a_tss_of_16_bits_has_no_upper_halves(void **state)
{
        (void)state;
        memset(memory_bytes + NEW_TSS, 0, 0x68);
        system_descriptor(NEW, NEW_TSS, 0x2b, 0x81);
        put(NEW_TSS + 0xe, 0x1000, 2);
        put(NEW_TSS + 0x10, 0xffff, 2);
        put(NEW_TSS + 0x12, 0x1234, 2);
        put(NEW_TSS + 0x1a, STACK, 2);
        for (unsigned i = 0; i < 4; i++)
                put(NEW_TSS + 0x22 + i * 2, i == HWACCL_CS ? CODE_0 : DATA_0, 2);
        context.rflags |= RFLAGS_AC | RFLAGS_ID;
        context.segment[HWACCL_FS].selector = DATA_0;
        assert_true(switch_to(HWACCL_TASK_CALL, NEW));
        assert_int_equal(context.tr.access_rights, 0x83);
        assert_int_equal(context.rip, 0x1000);
        assert_int_equal(context.rflags, 0x7fd7);
        assert_int_equal(context.gpr[HWACCL_RAX], 0xffff1234);
        assert_int_equal(context.segment[HWACCL_FS].selector, 0);
        assert_true(context.segment[HWACCL_FS].access_rights & HWACCL_SEGMENT_UNUSABLE);
        /* and back, from it */
        context.gpr[HWACCL_RAX] = 0xaaaa5555;
        context.rip = 0x12345;
        put(OLD_TSS + 0x48, 0, 2);
        assert_true(switch_to(HWACCL_TASK_IRET, OLD));
        assert_int_equal(get(NEW_TSS + 0xe, 2), 0x234c);
        assert_int_equal(get(NEW_TSS + 0x12, 2), 0x5555);
        assert_int_equal(get(NEW_TSS + 0x2a, 4), 0); /* the LDT, and behind the TSS */
        assert_true(context.rflags & RFLAGS_AC);
}

static void what_is_wrong_before_the_switch_is_raised_in_the_old_task(void **state)
{
        static const struct {
                enum hwaccl_task_source source;
                uint16_t selector;
                uint32_t limit;
                unsigned access;
                enum hwaccl_vector vector;
        } rows[] = {
                {HWACCL_TASK_JMP, NEW, 0x67, 0x8b, HWACCL_VECTOR_GP},
                {HWACCL_TASK_JMP, NEW, 0x67, 0x09, HWACCL_VECTOR_NP},
                {HWACCL_TASK_CALL, NEW, 0x66, 0x89, HWACCL_VECTOR_TS},
                {HWACCL_TASK_CALL, NEW, 0x2a, 0x81, HWACCL_VECTOR_TS},
                {HWACCL_TASK_CALL, NEW, 0x67, 0x82, HWACCL_VECTOR_GP},
                {HWACCL_TASK_CALL, NEW, 0x67, 0x99, HWACCL_VECTOR_GP},
                {HWACCL_TASK_JMP, NEW | 4, 0x67, 0x89, HWACCL_VECTOR_GP},
                {HWACCL_TASK_JMP, 0x200, 0x67, 0x89, HWACCL_VECTOR_GP},
                {HWACCL_TASK_IRET, NEW, 0x67, 0x89, HWACCL_VECTOR_TS},
                {HWACCL_TASK_IRET, NEW, 0x67, 0x0b, HWACCL_VECTOR_NP},
                {HWACCL_TASK_IRET, 0x200, 0x67, 0x8b, HWACCL_VECTOR_TS},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                tasks(state);
                handlers();
                system_descriptor(NEW, NEW_TSS, rows[i].limit, rows[i].access);
                assert_true(switch_to(rows[i].source, rows[i].selector));
                assert_raised(rows[i].vector, rows[i].selector & 0xfffcu, OLD);
                assert_int_equal(access_of(OLD), 0x8b);
                assert_int_equal(get(OLD_TSS + 0x20, 4), 0);
        }
        tasks(state);
        handlers();
        context.tr.limit = 0x66; /* the old one */
        assert_true(switch_to(HWACCL_TASK_JMP, NEW));
        assert_raised(HWACCL_VECTOR_TS, OLD, OLD);
        assert_int_equal(access_of(NEW), 0x89);
}

static void what_is_wrong_behind_it_is_raised_in_the_new_task(void **state)
{
        static const struct {
                unsigned place;
                uint16_t selector;
                unsigned access; /* of descriptor 80h */
                enum hwaccl_vector vector;
        } rows[] = {
                {0x60, 0x80, 0x02, HWACCL_VECTOR_TS},  {0x60, 0x84, 0x82, HWACCL_VECTOR_TS},
                {0x60, 0x80, 0x92, HWACCL_VECTOR_TS},  {0x4c, 0x80, 0x92, HWACCL_VECTOR_TS},
                {0x4c, 0x80, 0xfa, HWACCL_VECTOR_TS},  {0x4c, 0x80, 0x1a, HWACCL_VECTOR_NP},
                {0x4c, 0x80, 0xfe, HWACCL_VECTOR_TS},  {0x4c, 0x00, 0x92, HWACCL_VECTOR_TS},
                {0x54, 0x80, 0x12, HWACCL_VECTOR_NP},  {0x54, 0x80, 0x98, HWACCL_VECTOR_TS},
                {0x54, 0x80, 0x89, HWACCL_VECTOR_TS},  {0x54, 0x83, 0x92, HWACCL_VECTOR_TS},
                {0x5c, 0x800, 0x92, HWACCL_VECTOR_TS},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                tasks(state);
                handlers();
                descriptor(0x80, 0xfffff, 0xc000 | rows[i].access);
                put(NEW_TSS + rows[i].place, rows[i].selector, 2);
                assert_true(switch_to(HWACCL_TASK_CALL, NEW));
                assert_raised(rows[i].vector, rows[i].selector & 0xfffcu, NEW);
                assert_int_equal(get(context.gpr[HWACCL_RSP] + 4, 4), 0x1000); /* its first instruction */
                assert_int_equal(get(NEW_TSS, 2), OLD);
        }
        tasks(state);
        handlers();
        put(NEW_TSS + 0x4c, CONFORMING, 2); /* data of any level in conforming code, which is not checked */
        put(NEW_TSS + 0x54, CONFORMING, 2);
        assert_true(switch_to(HWACCL_TASK_CALL, NEW));
        assert_int_equal(context.rip, 0x1000);
        tasks(state);
        handlers();
        put(NEW_TSS + 0x20, 0x11, 4);
        descriptor(0x80, 0x10, 0x409a);
        put(NEW_TSS + 0x4c, 0x80, 2);
        assert_true(switch_to(HWACCL_TASK_CALL, NEW));
        assert_raised(HWACCL_VECTOR_GP, 0, NEW);
}

/* A stack that cannot be loaded leaves none for a handler: only another task can handle that. */
static void a_bad_stack_is_handled_by_another_task(void **state)
{
        static const struct {
                uint16_t selector;
                unsigned access;
                uint8_t vector;
        } rows[] = {
                {0x80, 0x12, HWACCL_VECTOR_SS}, {0x80, 0x90, HWACCL_VECTOR_TS}, {0x80, 0x9a, HWACCL_VECTOR_TS},
                {0x80, 0xf2, HWACCL_VECTOR_TS}, {0x81, 0x92, HWACCL_VECTOR_TS}, {0x00, 0x92, HWACCL_VECTOR_TS},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                tasks(state);
                gate(rows[i].vector, 0x5, 0, HANDLER, 0);
                descriptor(0x80, 0xfffff, 0xc000 | rows[i].access);
                put(NEW_TSS + 0x50, rows[i].selector, 2);
                assert_true(switch_to(HWACCL_TASK_CALL, NEW));
                assert_int_equal(context.tr.selector, HANDLER);
                assert_int_equal(context.rip, 0x2000);
                assert_int_equal(get(HANDLER_TSS, 2), NEW);
                assert_int_equal(get(context.gpr[HWACCL_RSP], 4), rows[i].selector & 0xfffcu);
                assert_int_equal(get(NEW_TSS + 0x50, 2), rows[i].selector); /* saved as it was */
                tasks(state);
                handlers();
                put(NEW_TSS + 0x50, rows[i].selector, 2);
                descriptor(0x80, 0xfffff, 0xc000 | rows[i].access);
                assert_false(switch_to(HWACCL_TASK_CALL, NEW));
                assert_shutdown();
        }
}

static void an_event_leaves_its_error_code_on_the_new_stack(void **state)
{
        (void)state;
        gate(HWACCL_VECTOR_GP, 0x5, 0, NEW, 0);
        assert_true(event(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_GP, true, 0x1234));
        assert_int_equal(context.gpr[HWACCL_RSP], STACK - 4);
        assert_int_equal(get(STACK - 4, 4), 0x1234);
        assert_int_equal(get(OLD_TSS + 0x20, 4), 0x401234);
        assert_true(get(OLD_TSS + 0x24, 4) & RFLAGS_RF);
        assert_true(context.rflags & RFLAGS_NT);
        tasks(state);
        gate(0x40, 0x5, 0, NEW, 0);
        assert_true(event(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_int_equal(context.gpr[HWACCL_RSP], STACK);
        assert_false(get(OLD_TSS + 0x24, 4) & RFLAGS_RF);
        tasks(state); /* no room for it */
        handlers();
        gate(HWACCL_VECTOR_TS, 0x5, 0, NEW, 0);
        gate(HWACCL_VECTOR_DF, 0x5, 0, HANDLER, 0);
        put(NEW_TSS + 0x50, TINY_STACK, 2);
        put(NEW_TSS + 0x38, 0x20, 4);
        assert_true(event(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_TS, true, 0x44));
        assert_int_equal(context.tr.selector, HANDLER); /* #SS in the delivery of #TS */
        assert_int_equal(get(HANDLER_TSS, 2), NEW);
        assert_int_equal(get(context.gpr[HWACCL_RSP], 4), 0);
}

static void faults_in_the_delivery_of_an_event_have_ext_and_combine(void **state)
{
        static const struct {
                enum hwaccl_event_source kind;
                uint32_t ext;
        } rows[] = {{HWACCL_EVENT_EXTERNAL, 1}, {HWACCL_EVENT_EXCEPTION, 1}, {HWACCL_EVENT_SOFTWARE, 0}};

        for (size_t i = 0; i < 3; i++) {
                tasks(state);
                handlers();
                gate(5, 0x5, 0, NEW, 0);
                system_descriptor(NEW, NEW_TSS, 0x67, 0x8b); /* before the switch */
                assert_true(event(rows[i].kind, 5, false, 0));
                assert_raised(HWACCL_VECTOR_GP, NEW | rows[i].ext, OLD);
                assert_int_equal(chain.link[0].step, HWACCL_DELIVERY_TASK);
                assert_int_equal(chain.link[0].raised, HWACCL_VECTOR_GP);
                tasks(state);
                handlers();
                gate(5, 0x5, 0, NEW, 0);
                put(NEW_TSS + 0x54, 0x800, 2); /* behind it */
                assert_true(event(rows[i].kind, 5, false, 0));
                assert_raised(HWACCL_VECTOR_TS, 0x800 | rows[i].ext, NEW);
        }
        tasks(state);
        handlers();
        gate(HWACCL_VECTOR_PF, 0x5, 0, NEW, 0);
        put(NEW_TSS + 0x54, 0x800, 2);
        assert_true(event(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_PF, true, 2));
        assert_raised(HWACCL_VECTOR_DF, 0, NEW);
        assert_int_equal(context.cr2, 0xdeadb000);
        tasks(state);
        gate(HWACCL_VECTOR_DF, 0x5, 0, NEW, 0);
        put(NEW_TSS + 0x54, 0x800, 2);
        assert_false(event(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_DF, true, 0));
        assert_shutdown();
}

static void the_trap_bit_raises_a_debug_exception(void **state)
{
        (void)state;
        handlers();
        put(NEW_TSS + 0x64, 1, 2);
        dr6 = 0x4003;
        assert_true(switch_to(HWACCL_TASK_JMP, NEW));
        assert_int_equal(context.rip, 0x10000 + HWACCL_VECTOR_DB);
        assert_int_equal(get(context.gpr[HWACCL_RSP], 4), 0x1000);
        assert_int_equal(dr6, 0xc000);
}

static bool refuse_write(void *opaque, uint64_t address, const void *data, size_t size)
{
        (void)opaque, (void)address, (void)data, (void)size;
        return true; /* ROM */
}

static void switches_that_never_end_are_refused(void **state)
{
        const struct hwaccl_physical_memory rom = {.read = physical_read, .write = refuse_write};
        struct hwaccl_task_switch task = {HWACCL_TASK_JMP, NEW, {.length = 7}};

        (void)state;
        gate(HWACCL_VECTOR_DB, 0x5, 0, NEW, 0);
        put(NEW_TSS + 0x64, 1, 2);
        assert_false(hwaccl_task_switch(&context, &rom, &debug, &task, NULL, &refusal));
        assert_non_null(refusal);
        assert_non_null(strstr(refusal, "without an instruction"));
}

static void a_task_may_be_of_level_3_or_of_virtual_8086_mode(void **state)
{
        (void)state;
        put(NEW_TSS + 0x4c, CODE_3 | 3, 2);
        put(NEW_TSS + 0x50, DATA_3 | 3, 2);
        for (unsigned place = 0x48; place < 0x60; place += 4)
                if (place != 0x4c)
                        put(NEW_TSS + place, DATA_3 | 3, 2);
        assert_true(switch_to(HWACCL_TASK_JMP, NEW));
        assert_int_equal(hwaccl_context_cpl(&context), 3);
        tasks(state);
        put(NEW_TSS + 0x24, RFLAGS_VM, 4);
        put(NEW_TSS + 0x4c, 0x1234, 2);
        put(NEW_TSS + 0x20, 0x10, 4);
        assert_true(switch_to(HWACCL_TASK_JMP, NEW));
        assert_int_equal(hwaccl_context_cpl(&context), 3);
        assert_int_equal(context.segment[HWACCL_CS].base, 0x12340);
        assert_int_equal(context.segment[HWACCL_SS].access_rights, 0xf3);
        assert_int_equal(context.segment[HWACCL_GS].limit, 0xffff);
}

static void privilege_of_tss_and_gate_are_checked_first(void **state)
{
        struct hwaccl_task_switch task = {.source = HWACCL_TASK_JMP};
        struct hwaccl_exception fault;

        (void)state;
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, NEW, &task, &fault), HWACCL_TASK_SWITCH);
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, NEW | 1, &task, &fault), HWACCL_TASK_FAULT);
        assert_int_equal(fault.vector, HWACCL_VECTOR_GP);
        assert_int_equal(fault.error_code, NEW);
        put(GDT + 0x80, (uint64_t)NEW << 16 | UINT64_C(0xe5) << 40, 8); /* a gate for level 3, to a TSS of level 0 */
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, 0x83, &task, &fault), HWACCL_TASK_SWITCH);
        assert_int_equal(task.selector, NEW);
        put(GDT + 0x80, (uint64_t)NEW << 16 | UINT64_C(0x65) << 40, 8);
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, 0x80, &task, &fault), HWACCL_TASK_FAULT);
        assert_int_equal(fault.vector, HWACCL_VECTOR_NP);
        assert_int_equal(fault.error_code, 0x80);
        enter_ring_3();
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, NEW, &task, &fault), HWACCL_TASK_FAULT);
        assert_int_equal(fault.vector, HWACCL_VECTOR_GP);
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, CODE_3, &task, &fault), HWACCL_TASK_NONE);
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, 0, &task, &fault), HWACCL_TASK_NONE);
        assert_int_equal(hwaccl_task_of_branch(&context, &memory, 0x800, &task, &fault), HWACCL_TASK_NONE);
        assert_int_equal(hwaccl_task_of_return(&context, &memory, &task, &fault), HWACCL_TASK_NONE); /* NT is clear */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_jump_saves_and_loads_everything, tasks),
                cmocka_unit_test_setup(a_call_links_and_a_return_goes_back, tasks),
                cmocka_unit_test_setup(a_tss_of_16_bits_has_no_upper_halves, tasks),
                cmocka_unit_test(what_is_wrong_before_the_switch_is_raised_in_the_old_task),
                cmocka_unit_test(what_is_wrong_behind_it_is_raised_in_the_new_task),
                cmocka_unit_test(a_bad_stack_is_handled_by_another_task),
                cmocka_unit_test_setup(an_event_leaves_its_error_code_on_the_new_stack, tasks),
                cmocka_unit_test(faults_in_the_delivery_of_an_event_have_ext_and_combine),
                cmocka_unit_test_setup(the_trap_bit_raises_a_debug_exception, tasks),
                cmocka_unit_test_setup(switches_that_never_end_are_refused, tasks),
                cmocka_unit_test_setup(a_task_may_be_of_level_3_or_of_virtual_8086_mode, tasks),
                cmocka_unit_test_setup(privilege_of_tss_and_gate_are_checked_first, tasks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
