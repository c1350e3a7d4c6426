/* Several probes at one machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/record/probe_fanout.h"

#include <stdio.h>
#include <string.h>

struct counting {
        struct hwaccl_probe probe;
        char calls[32]; /* a letter each */
        size_t count;
        bool refuses;
        uint8_t vector;
        uint64_t value;
};

static struct counting *note(struct hwaccl_probe *probe, char letter)
{
        struct counting *counting = (struct counting *)(void *)probe;

        assert_true(counting->count < sizeof(counting->calls) - 1);
        counting->calls[counting->count++] = letter;
        return counting;
}

static void transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        note(probe, 't')->value += state->rax;
}

static void irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        note(probe, 'o')->vector = vector;
}

static void entry(struct hwaccl_probe *probe)
{
        (void)note(probe, 'n');
}

static void exit_(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                  const struct hwaccl_pending_interrupts *pending)
{
        note(probe, 'x')->value += state->rax + pending->bits[0];
}

static void verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        note(probe, 'v')->value += verdict;
}

static void irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        struct counting *counting = note(probe, 'r');

        counting->vector = (uint8_t)(vector + taken);
}

static void input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        note(probe, 'i')->value += input->value;
}

static void memory_input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        uint64_t data;

        assert_int_equal(input->kind, HWACCL_INPUT_MEMORY);
        assert_int_equal(input->value, 0);
        assert_int_equal(input->size, sizeof(data));
        memcpy(&data, input->data, sizeof(data));
        note(probe, 'i')->value += input->address + data;
}

static void table_walk(struct hwaccl_probe *probe, const struct hwaccl_table_entry *entry, size_t count, uint32_t size)
{
        note(probe, 'w')->value += entry[count - 1].value + size;
}

static void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        note(probe, 'e')->value += effect->value;
}

static bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct counting *counting = note(probe, 'h');

        counting->value += outcome;
        return !counting->refuses ||
               hwaccl_error_set(error, "refused by the one that has %u calls", (unsigned)counting->count);
}

static const struct hwaccl_probe_ops counting_ops = {
        .transfer_in = transfer_in,
        .irq_offer = irq_offer,
        .entry = entry,
        .exit = exit_,
        .verdict = verdict,
        .irq_reclaim = irq_reclaim,
        .input = input,
        .table_walk = table_walk,
        .effect = effect,
        .handled = handled,
};

static void one_probe_is_attached_as_it_is(void **state)
{
        struct hwaccl_probe_fanout fanout;
        struct counting only = {{&counting_ops}, "", 0, false, 0, 0};
        struct hwaccl_probe *const probes[] = {NULL, &only.probe, NULL};

        (void)state;
        assert_ptr_equal(hwaccl_probe_join(&fanout, probes, 3), &only.probe);
        assert_null(hwaccl_probe_join(&fanout, probes, 1));
}

static void each_probe_sees_every_call_and_the_first_refusal_is_the_answer(void **state)
{
        struct hwaccl_probe_fanout fanout;
        struct counting each[3];
        struct hwaccl_probe *probes[3];
        struct hwaccl_error error = {""};
        const struct hwaccl_subject_state subject = {.rax = 1};
        const struct hwaccl_pending_interrupts pending = {{2, 0, 0, 0}};
        const struct hwaccl_input read = {.value = 4};
        const struct hwaccl_table_entry walk[] = {{0x1000, 16}, {0x2000, 32}};
        const struct hwaccl_effect done = {.value = 8};

        (void)state;
        memset(each, 0, sizeof(each));
        for (size_t i = 0; i < 3; i++) {
                each[i].probe.ops = &counting_ops;
                probes[i] = &each[i].probe;
        }
        struct hwaccl_probe *all = hwaccl_probe_join(&fanout, probes, 3);
        all->ops->transfer_in(all, &subject);
        all->ops->irq_offer(all, 0x20);
        all->ops->entry(all);
        all->ops->exit(all, &subject, &pending);
        all->ops->verdict(all, HWACCL_VERDICT_EMULATE);
        all->ops->input(all, &read);
        all->ops->table_walk(all, walk, 2, 4);
        all->ops->effect(all, &done);
        all->ops->irq_reclaim(all, 0x20, true);
        assert_true(all->ops->handled(all, HWACCL_OUTCOME_COMPLETED, &error));
        each[1].refuses = each[2].refuses = true;
        each[2].calls[each[2].count++] = '!';
        assert_false(all->ops->handled(all, HWACCL_OUTCOME_COMPLETED, &error));
        assert_string_equal(error.message, "refused by the one that has 11 calls");
        assert_string_equal(each[0].calls, "tonxviwerhh");
        assert_string_equal(each[2].calls, "tonxviwerh!h");
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(each[i].vector, 0x21);
                assert_int_equal(each[i].value,
                                 1 + 1 + 2 + HWACCL_VERDICT_EMULATE + 4 + (32 + 4) + 8 + 2 * HWACCL_OUTCOME_COMPLETED);
        }
}

static void a_probe_without_entry_leaves_it_to_the_others(void **state)
{
        struct hwaccl_probe_fanout fanout;
        struct hwaccl_probe_ops without = counting_ops;
        struct counting each[2] = {{{&without}, "", 0, false, 0, 0}, {{&counting_ops}, "", 0, false, 0, 0}};
        struct hwaccl_probe *const probes[] = {&each[0].probe, &each[1].probe};

        (void)state;
        without.entry = NULL;
        hwaccl_probe_entry(hwaccl_probe_join(&fanout, probes, 2));
        hwaccl_probe_entry(&each[0].probe);
        assert_string_equal(each[0].calls, "");
        assert_string_equal(each[1].calls, "n");
}

static void a_probe_without_table_walk_gets_each_entry_as_an_input(void **state)
{
        struct hwaccl_probe_fanout fanout;
        struct hwaccl_probe_ops without = counting_ops;
        struct counting each[2] = {{{&without}, "", 0, false, 0, 0}, {{&counting_ops}, "", 0, false, 0, 0}};
        struct hwaccl_probe *const probes[] = {&each[0].probe, &each[1].probe};
        const struct hwaccl_table_entry walk[] = {{0x1000, 16}, {0x2000, 32}, {0x3000, 64}};

        (void)state;
        without.table_walk = NULL;
        without.input = memory_input;
        hwaccl_probe_table_walk(hwaccl_probe_join(&fanout, probes, 2), walk, 3, 8);
        assert_string_equal(each[0].calls, "iii");
        assert_int_equal(each[0].value, 0x6000 + 16 + 32 + 64);
        assert_string_equal(each[1].calls, "w");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_probe_is_attached_as_it_is),
                cmocka_unit_test(each_probe_sees_every_call_and_the_first_refusal_is_the_answer),
                cmocka_unit_test(a_probe_without_entry_leaves_it_to_the_others),
                cmocka_unit_test(a_probe_without_table_walk_gets_each_entry_as_an_input),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
