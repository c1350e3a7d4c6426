/* A VMM dies while it handles an exit: what it told the recorder until then is in the recording, to the last call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hwaccl/trace.h"
#include "tracer/recover/recovery.h"

#include "tests/fixtures/recording_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

static const uint8_t code[] = {0xe6, 0x80}; /* out 80h, al */
static const uint8_t table[8] = {0x23, 0x10};

static const struct hwaccl_input inputs[] = {
        {.kind = HWACCL_INPUT_CLOCK, .value = 1000},
        {.kind = HWACCL_INPUT_MEMORY, .address = 0x1000, .data = table, .size = sizeof(table)},
        {.kind = HWACCL_INPUT_MEMORY, .address = 0x2000, .data = table, .size = sizeof(table)},
        {.kind = HWACCL_INPUT_INSTRUCTION, .address = 0x7000, .data = code, .size = sizeof(code)},
};

/* inputs 1 and 2 */
static const struct hwaccl_table_entry walk[] = {{0x1000, 0x1023}, {0x2000, 0x1023}};

#define INPUTS (sizeof(inputs) / sizeof(inputs[0]))

static const struct hwaccl_effect effects[] = {
        {.kind = HWACCL_EFFECT_CONSOLE, .data = "x", .size = 1},
        {.kind = HWACCL_EFFECT_MEMORY, .address = 0x3000, .data = table, .size = sizeof(table)},
};

#define EFFECTS (sizeof(effects) / sizeof(effects[0]))

/* One exit is told whole, of a second one the exit itself and so many inputs and effects. */
struct told {
        size_t inputs;
        size_t effects;
        bool settled; /* the vector that was offered has been taken */
        bool mark;    /* a mark comes last: only VMMs that embed the tracer set any */
};

static void tell(struct hwaccl_probe *probe, const struct told *told)
{
        const struct hwaccl_subject_state state = {.exit_reason = HWACCL_EXIT_IO_INSTRUCTION, .rip = 0x7000};
        const struct hwaccl_pending_interrupts pending = {{0, 0, 0, 0}};

        probe->ops->transfer_in(probe, &state);
        if (told->settled)
                probe->ops->irq_offer(probe, 0x20);
        hwaccl_probe_entry(probe);
        probe->ops->exit(probe, &state, &pending);
        if (told->settled)
                probe->ops->irq_reclaim(probe, 0x20, true);
        for (size_t i = 0; i < told->inputs; i++) {
                if (i == 1 && told->inputs > 2)
                        hwaccl_probe_table_walk(probe, walk, 2, sizeof(table));
                else if (i != 2)
                        probe->ops->input(probe, &inputs[i]);
        }
        for (size_t i = 0; i < told->effects; i++)
                probe->ops->effect(probe, &effects[i]);
}

static void record_and_die(const struct told *told)
{
        static const struct told nothing = {0, 0, false, false};
        static struct synthetic synthetic;
        struct hwaccl_error error;

        synthetic_start(&synthetic, 1);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(create(&synthetic, 16, 0));
        tell(probe, &nothing);
        (void)probe->ops->handled(probe, HWACCL_OUTCOME_COMPLETED, &error);
        tell(probe, told);
        (void)raise(SIGKILL);
}

static void trace_and_die(const struct told *told)
{
        const struct hwaccl_trace_config config = {.size = sizeof(config), .vmm = "test 1", .ring_size = 256 << 10};
        struct hwaccl_trace_state state = {.known = {0, 0}};
        struct hwaccl_error error;
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(hwaccl_trace_open(path, &config, &error), 0);

        hwaccl_trace_put_exit(&state, HWACCL_EXIT_IO_INSTRUCTION, 0, 2);
        (void)hwaccl_trace_vcpu_exit(vcpu, &state);
        (void)hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED);
        (void)hwaccl_trace_vcpu_entry(vcpu, &state);
        if (told->settled)
                (void)hwaccl_trace_vcpu_irq_offered(vcpu, 0x20);
        (void)hwaccl_trace_vcpu_exit(vcpu, &state);
        if (told->settled)
                (void)hwaccl_trace_vcpu_irq_taken(vcpu, 0x20);
        for (size_t i = 0; i < told->inputs; i++)
                (void)hwaccl_trace_vcpu_input(vcpu, inputs[i].kind, inputs[i].address, inputs[i].value, inputs[i].data,
                                              inputs[i].size);
        for (size_t i = 0; i < told->effects; i++)
                (void)hwaccl_trace_vcpu_effect(vcpu, effects[i].kind, effects[i].address, effects[i].value,
                                               effects[i].data, effects[i].size);
        if (told->mark)
                (void)hwaccl_trace_vcpu_mark(vcpu, "about to die");
        (void)raise(SIGKILL);
}

static int count_marks(struct hwaccl_recording *recording)
{
        sqlite3_stmt *row;

        assert_int_equal(
                sqlite3_prepare_v2(hwaccl_recording_database(recording), "SELECT count(*) FROM mark", -1, &row, NULL),
                SQLITE_OK);
        assert_int_equal(sqlite3_step(row), SQLITE_ROW);
        int count = sqlite3_column_int(row, 0);
        (void)sqlite3_finalize(row);
        return count;
}

static void assert_told(const struct told *told)
{
        struct hwaccl_recovery recovery;
        struct hwaccl_error error = {""};
        const struct hwaccl_recorded_exit *found;

        if (!hwaccl_recover(path, &recovery, &error))
                fail_msg("%s", error.message);
        assert_int_equal(recovery.exits, 2);
        assert_true(recovery.unfinished);
        assert_false(recovery.cut);
        struct hwaccl_recording *recording = open_recording();
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, 1, &error);
        assert_int_equal(hwaccl_exit_cursor_next(cursor, &found, &error), 1);
        assert_int_equal(found->exit->exit_reason, HWACCL_EXIT_IO_INSTRUCTION);
        assert_false(found->outcome_known);
        assert_int_equal(found->offered, told->settled);
        assert_int_equal(found->settled, told->settled);
        assert_int_equal(found->input_count, told->inputs);
        for (size_t i = 0; i < told->inputs; i++) {
                assert_int_equal(found->inputs[i].kind, inputs[i].kind);
                assert_int_equal(found->inputs[i].value, inputs[i].value);
                assert_int_equal(found->inputs[i].size, inputs[i].size);
                if (inputs[i].size)
                        assert_memory_equal(found->inputs[i].data, inputs[i].data, inputs[i].size);
        }
        assert_int_equal(found->effect_count, told->effects);
        hwaccl_exit_cursor_close(cursor);
        assert_int_equal(count_marks(recording), told->mark);
        hwaccl_recording_close(recording);
}

static void die(void (*vmm)(const struct told *told), const struct told *told)
{
        int status = 0;

        (void)fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                vmm(told);
                _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_told(told);
        (void)remove_recording(NULL);
}

/* Behind the end of an offer, behind each input and behind each effect. */
static void die_everywhere(void (*vmm)(const struct told *told), bool mark)
{
        const struct told settled = {0, 0, true, mark};

        die(vmm, &settled);
        for (size_t calls = 0; calls <= INPUTS + EFFECTS; calls++) {
                const struct told told = {calls < INPUTS ? calls : INPUTS, calls < INPUTS ? 0 : calls - INPUTS, false,
                                          mark};
                die(vmm, &told);
        }
}

static void what_a_recorder_was_told_is_there(void **state)
{
        (void)state;
        die_everywhere(record_and_die, false);
}

static void what_an_embedding_vmm_told_is_there(void **state)
{
        (void)state;
        die_everywhere(trace_and_die, false);
        die_everywhere(trace_and_die, true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(what_a_recorder_was_told_is_there, remove_recording),
                cmocka_unit_test_teardown(what_an_embedding_vmm_told_is_there, remove_recording),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
