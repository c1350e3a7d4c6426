/* What an observer of event delivery gets: each event, the step that failed, and what that step looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/event_delivery_fixture.h"

#include <string.h>

static int start(void **state)
{
        chain.count = 0;
        observer.unknown = NULL;
        return protected_mode(state);
}

static void ring_3(void)
{
        enter_ring_3();
}

static void short_table(void)
{
        context.idtr.limit = 0x40;
}

static void no_table(void)
{
        context.cr0 |= HWACCL_CR0_PG;
        context.cr3 = 0x6000; /* zeros: nothing is mapped */
}

static void code_gate(uint16_t selector)
{
        gate(0x40, 0xe, 0, selector, 0x700);
}

static void gate_of_zeros(void)
{
}

static void gate_of_ring_0(void)
{
        code_gate(CODE_0);
        enter_ring_3();
}

static void absent_gate(void)
{
        code_gate(CODE_0);
        memory_bytes[IDT + 0x40 * 8 + 5] &= 0x7f;
}

static void null_code(void)
{
        code_gate(3);
}

static void code_beyond(void)
{
        code_gate(0x200);
}

static void code_in_no_ldt(void)
{
        code_gate(CODE_0 | 4);
}

static void data_as_code(void)
{
        code_gate(DATA_0);
}

static void outer_code(void)
{
        code_gate(CODE_3);
}

static void absent_code(void)
{
        code_gate(ABSENT);
}

static void short_tss(void)
{
        code_gate(CODE_0);
        enter_ring_3();
        context.tr.limit = 3;
}

static void inner_stack(uint16_t selector)
{
        code_gate(CODE_0);
        enter_ring_3();
        put(TSS + 8, selector, 2);
}

static void null_stack(void)
{
        inner_stack(0);
}

static void stack_beyond(void)
{
        inner_stack(0x200);
}

static void stack_of_ring_2(void)
{
        inner_stack(STACK_2 | 2);
}

static void code_as_stack(void)
{
        inner_stack(CODE_0);
}

static void absent_stack(void)
{
        inner_stack(DATA_0);
        descriptor(DATA_0, 0xfffff, 0xc012);
}

static void no_room(void)
{
        code_gate(CODE_0);
        context.segment[HWACCL_SS] = (struct hwaccl_segment){TINY_STACK, 0, 15, 0x4093};
        context.gpr[HWACCL_RSP] = 0x20;
}

static void handler_beyond(void)
{
        descriptor(CODE_0, 0xfff, 0x409a);
        gate(0x40, 0xe, 0, CODE_0, 0x1000);
}

static void real_table(void)
{
        context.cr0 = 0;
        context.idtr.limit = 0x3f;
}

#define ADDRESS HWACCL_FAULT_HAS_ADDRESS
#define VALUE   HWACCL_FAULT_HAS_VALUE
#define LIMIT   HWACCL_FAULT_HAS_LIMIT

/* Each way in which the first delivery fails. */
static void each_step_that_fails_is_named_with_what_it_looked_at(void **state)
{
        static const struct {
                void (*prepare)(void);
                enum hwaccl_event_source source;
                enum hwaccl_delivery_step step;
                unsigned has;
                uint64_t address;
                uint64_t limit;
                unsigned raised;
                uint32_t error_code;
        } cases[] = {
                {short_table, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_TABLE_LIMIT, ADDRESS | LIMIT, IDT + 0x200, 0x40,
                 13, 0x203},
                {no_table, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_TABLE_READ, ADDRESS, IDT + 0x200, 0, 14, 0},
                {gate_of_zeros, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_GATE_TYPE, ADDRESS | VALUE, IDT + 0x200, 0, 13,
                 0x203},
                {gate_of_ring_0, HWACCL_EVENT_SOFTWARE, HWACCL_DELIVERY_GATE_PRIVILEGE, ADDRESS | VALUE, IDT + 0x200, 0,
                 13, 0x202},
                {absent_gate, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_GATE_ABSENT, ADDRESS | VALUE, IDT + 0x200, 0, 11,
                 0x203},
                {null_code, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_CODE_NULL, ADDRESS | VALUE, IDT + 0x200, 0, 13, 1},
                {code_beyond, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_CODE_LIMIT, ADDRESS | LIMIT, GDT + 0x200, 0x4f, 13,
                 0x201},
                {code_in_no_ldt, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_CODE_LIMIT, ADDRESS | LIMIT, CODE_0, 0, 13,
                 (CODE_0 | 4) + 1},
                {data_as_code, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_CODE_TYPE, ADDRESS | VALUE, GDT + DATA_0, 0, 13,
                 DATA_0 + 1},
                {outer_code, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_CODE_PRIVILEGE, ADDRESS | VALUE, GDT + CODE_3, 0,
                 13, CODE_3 + 1},
                {absent_code, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_CODE_ABSENT, ADDRESS | VALUE, GDT + ABSENT, 0, 11,
                 ABSENT + 1},
                {short_tss, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_TSS_LIMIT, ADDRESS | LIMIT, TSS + 4, 3, 10, 0x51},
                {null_stack, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_STACK_NULL, ADDRESS, TSS + 4, 0, 10, 1},
                {stack_beyond, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_STACK_LIMIT, ADDRESS | LIMIT, GDT + 0x200, 0x4f,
                 10, 0x201},
                {stack_of_ring_2, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_STACK_PRIVILEGE, ADDRESS | VALUE,
                 GDT + STACK_2, 0, 10, STACK_2 + 1},
                {code_as_stack, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_STACK_TYPE, ADDRESS | VALUE, GDT + CODE_0, 0, 10,
                 CODE_0 + 1},
                {absent_stack, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_STACK_ABSENT, ADDRESS | VALUE, GDT + DATA_0, 0,
                 12, DATA_0 + 1},
                {no_room, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_FRAME_SEGMENT, ADDRESS | VALUE | LIMIT, 0x1c, 15, 12,
                 1},
                {handler_beyond, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_TARGET, VALUE | LIMIT, 0, 0xfff, 13, 1},
                {real_table, HWACCL_EVENT_EXTERNAL, HWACCL_DELIVERY_TABLE_LIMIT, ADDRESS | LIMIT, IDT + 0x100, 0x3f, 13,
                 0},
                {ring_3, HWACCL_EVENT_SOFTWARE, HWACCL_DELIVERY_GATE_TYPE, ADDRESS | VALUE, IDT + 0x200, 0, 13, 0x202},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                start(state);
                cases[i].prepare();
                (void)deliver(cases[i].source, 0x40, false, 0);
                const struct hwaccl_fault_link *link = &chain.link[0];
                unsigned has = link->has & (ADDRESS | VALUE | LIMIT);
                assert_in_range(chain.count, 1, 4);
                if (link->step != cases[i].step || has != cases[i].has || link->address != cases[i].address ||
                    link->limit != cases[i].limit || link->raised != cases[i].raised ||
                    link->raised_error_code != cases[i].error_code)
                        fail_msg("case %zu: %s, has %#x, address %#llx, limit %#llx, raised %u(%#x)", i,
                                 hwaccl_delivery_step_name(link->step), has, (unsigned long long)link->address,
                                 (unsigned long long)link->limit, link->raised, link->raised_error_code);
                assert_int_equal(link->vector, 0x40);
                assert_int_equal(link->source, cases[i].source);
        }
}

static void an_interrupt_without_a_gate_is_the_first_link_of_three(void **state)
{
        (void)state;
        assert_false(deliver(HWACCL_EVENT_EXTERNAL, 8, false, 0));
        assert_int_equal(chain.count, 3);
        static const unsigned vectors[] = {8, 13, 8};
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(chain.link[i].vector, vectors[i]);
                assert_int_equal(chain.link[i].source, i ? HWACCL_EVENT_EXCEPTION : HWACCL_EVENT_EXTERNAL);
                assert_int_equal(chain.link[i].rip, 0x401234);
                assert_int_equal(chain.link[i].cs, CODE_0);
                assert_int_equal(chain.link[i].step, HWACCL_DELIVERY_GATE_TYPE);
                assert_int_equal(chain.link[i].raised, 13);
        }
        assert_false(chain.link[0].has & HWACCL_FAULT_HAS_ERROR_CODE);
        assert_int_equal(chain.link[1].error_code, 8 * 8 + 3);
}

static void a_page_fault_has_its_address_and_so_has_what_it_becomes(void **state)
{
        (void)state;
        no_table();
        assert_false(deliver(HWACCL_EVENT_EXCEPTION, HWACCL_VECTOR_PF, true, 2));
        assert_int_equal(chain.count, 2);
        assert_int_equal(chain.link[0].cr2, 0xdeadb000);
        assert_int_equal(chain.link[0].error_code, 2);
        assert_int_equal(chain.link[0].raised, HWACCL_VECTOR_PF);
        assert_int_equal(chain.link[0].raised_cr2, IDT + 14 * 8);
        assert_int_equal(chain.link[1].vector, HWACCL_VECTOR_DF);
        assert_int_equal(chain.link[1].raised_cr2, IDT + 8 * 8);
        assert_false(chain.link[1].has & HWACCL_FAULT_HAS_CR2);
}

static void what_was_delivered_is_a_link_with_its_handler(void **state)
{
        (void)state;
        code_gate(CODE_0);
        assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_int_equal(chain.count, 1);
        assert_int_equal(chain.link[0].step, HWACCL_DELIVERY_DELIVERED);
        assert_int_equal(chain.link[0].address, 0x700);
        assert_false(chain.link[0].has & HWACCL_FAULT_HAS_RAISED);
        for (unsigned i = 0; i < 20; i++) {
                assert_true(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
                context.rip = i;
        }
        assert_int_equal(chain.count, HWACCL_FAULT_CHAIN_MAX); /* the last ones */
        assert_int_equal(chain.link[HWACCL_FAULT_CHAIN_MAX - 1].rip, 18);
        assert_int_equal(chain.link[0].rip, 11);
}

static bool unknown;

static bool read_nothing(void *opaque, uint64_t address, void *buffer, size_t size)
{
        (void)opaque;
        (void)address;
        (void)buffer;
        (void)size;
        unknown = true;
        return false;
}

static void a_delivery_ends_where_memory_is_not_known(void **state)
{
        const struct hwaccl_physical_memory none = {.read = read_nothing, .write = physical_write};
        const struct hwaccl_event event = {.kind = HWACCL_EVENT_EXCEPTION, .exception = {.vector = HWACCL_VECTOR_UD}};

        (void)state;
        observer.unknown = &unknown;
        assert_false(hwaccl_event_deliver(&context, &none, &event, &observer, &refusal));
        assert_int_equal(chain.count, 1);
        assert_int_equal(chain.link[0].step, HWACCL_DELIVERY_UNKNOWN);
        assert_int_equal(chain.link[0].address, IDT + 6 * 8);
        assert_false(chain.link[0].has & HWACCL_FAULT_HAS_RAISED);
}

static void a_task_gate_is_not_followed(void **state)
{
        (void)state;
        gate(0x40, 5, 0, 0x50, 0);
        assert_false(deliver(HWACCL_EVENT_EXTERNAL, 0x40, false, 0));
        assert_non_null(refusal);
        assert_int_equal(chain.count, 1);
        assert_int_equal(chain.link[0].step, HWACCL_DELIVERY_NOT_FOLLOWED);
        assert_false(deliver_made_by(HWACCL_EVENT_SOFTWARE, 0x40, 2));
        assert_int_equal(chain.link[1].source, HWACCL_EVENT_SOFTWARE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_step_that_fails_is_named_with_what_it_looked_at),
                cmocka_unit_test_setup(an_interrupt_without_a_gate_is_the_first_link_of_three, start),
                cmocka_unit_test_setup(a_page_fault_has_its_address_and_so_has_what_it_becomes, start),
                cmocka_unit_test_setup(what_was_delivered_is_a_link_with_its_handler, start),
                cmocka_unit_test_setup(a_delivery_ends_where_memory_is_not_known, start),
                cmocka_unit_test_setup(a_task_gate_is_not_followed, start),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
