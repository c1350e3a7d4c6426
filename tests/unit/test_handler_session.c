/* Recordings of another VMM, replayed through its exit handler: the handler gets what it got, and differences are
 * found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/trace_fixture.h"

#include "hwaccl/session_kvm.h"
#include "replay/handler_session.h"

#define EXITS   40u
#define VECTOR  0x31u
#define CONSOLE HWACCL_TRACE_INPUT_CONSOLE

/* A VMM with a port that counts what is written to it. Every fifth exit reads the count, every seventh a key as well.
 */
struct vmm {
        uint64_t count;
};

/* Where the handler is wrong. */
struct fault {
        unsigned exit;
        enum {
                NOTHING,
                ANSWER,
                NO_EFFECT,
                MORE_EFFECT,
                OTHER_INPUT,
                NO_INPUT,
                MORE_INPUT,
                OUTCOME,
                STATE,
                VECTOR_OF
        } what;
};

static bool is_read(uint64_t number)
{
        return number % 5 == 4;
}

static void put_exit(uint64_t number, struct hwaccl_trace_state *state)
{
        memset(state, 0, sizeof(*state));
        hwaccl_trace_put(state, rip, 0x1000 + number);
        hwaccl_trace_put(state, rax, 0x1122330000 + number);
        hwaccl_trace_put_exit(state, HWACCL_EXIT_IO_INSTRUCTION, is_read(number) ? 0x700003 | 8 : 0x700001, 2);
}

static void put_next(uint64_t number, const struct vmm *vmm, struct hwaccl_trace_state *state)
{
        memset(state, 0, sizeof(*state));
        hwaccl_trace_put(state, rbx, vmm->count);
        hwaccl_trace_put(state, rip, 0x1002 + number);
}

static void record_exit(struct hwaccl_trace_vcpu *vcpu, struct vmm *vmm, uint64_t number)
{
        const uint8_t written[4] = {(uint8_t)number, 1, (uint8_t)(number * 3), 2};
        struct hwaccl_trace_state state;

        put_exit(number, &state);
        assert_true(hwaccl_trace_vcpu_exit(vcpu, &state));
        if (!is_read(number)) {
                assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_PORT_WRITE, 0x70, 2, written, 4));
                vmm->count += written[0] + written[2];
        }
        if (number % 7 == 0)
                assert_true(hwaccl_trace_vcpu_input(vcpu, CONSOLE, 0, 0, "key", 3));
        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_WALL_TIME, 0, number, NULL, 0));
        if (is_read(number))
                assert_true(hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_PORT_READ, 0x70, 4, &vmm->count, 4));
        assert_true(hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_IRQ_LINE, 4, number & 1, NULL, 0));
        assert_true(
                hwaccl_trace_vcpu_handled(vcpu, number % 2 ? HWACCL_OUTCOME_COMPLETED : HWACCL_TRACE_OUTCOME_UNKNOWN));
}

static void record(bool snapshots)
{
        struct hwaccl_trace *trace = open_trace(path, 2);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 1);
        struct hwaccl_trace_state state;
        struct vmm vmm = {7};

        for (uint64_t i = 0; i < EXITS; i++) {
                if (snapshots && hwaccl_trace_vcpu_snapshot_due(vcpu) && i > 0)
                        assert_true(hwaccl_trace_vcpu_snapshot(vcpu, "vmm", &vmm, sizeof(vmm)));
                if (i % 11 == 3)
                        assert_true(hwaccl_trace_vcpu_irq_injected(vcpu, VECTOR));
                put_next(i - 1, &vmm, &state);
                assert_true(hwaccl_trace_vcpu_entry(vcpu, &state));
                record_exit(vcpu, &vmm, i);
        }
        close_trace(trace);
}

static struct hwaccl_session *open_session(void)
{
        struct hwaccl_error error = {""};
        struct hwaccl_session *session = hwaccl_session_open(path, 1, &error);

        if (!session)
                fail_msg("%s", error.message);
        assert_string_equal(hwaccl_session_vmm(session), "test 1");
        return session;
}

static bool here(const struct fault *fault, uint64_t number, int what)
{
        return fault && fault->exit == number && (int)fault->what == what;
}

static void take_accesses(struct vmm *vmm, const struct hwaccl_session_exit *exit)
{
        assert_int_equal(exit->access_count, 1);
        const struct hwaccl_session_access *access = exit->access;
        assert_int_equal(access->address, 0x70);
        assert_false(access->memory);
        assert_int_equal(access->write, !is_read(exit->number));
        assert_int_equal(access->size, is_read(exit->number) ? 4 : 2);
        assert_int_equal(access->count, is_read(exit->number) ? 1 : 2);
        const uint8_t *data = access->data;
        if (access->write)
                vmm->count += data[0] + data[2];
        else
                assert_null(data);
}

/* The same handler, in a replay. */
static bool replay_exit(struct hwaccl_session *session, struct vmm *vmm, const struct hwaccl_session_exit *exit,
                        const struct fault *fault)
{
        const uint64_t number = exit->number;
        struct hwaccl_trace_state next;
        char key[8];
        size_t size = sizeof(key);
        uint64_t time = 0;

        take_accesses(vmm, exit);
        assert_int_equal(exit->state.values.rip, 0x1000 + number);
        assert_true(hwaccl_trace_is_known(&exit->state, HWACCL_FIELD_INDEX_rip));
        assert_false(hwaccl_trace_is_known(&exit->state, HWACCL_FIELD_INDEX_cr3));
        assert_int_equal(hwaccl_session_has_input(session, CONSOLE, 0), number % 7 == 0);
        if (hwaccl_session_has_input(session, CONSOLE, 0)) {
                assert_true(hwaccl_session_input(session, CONSOLE, 0, NULL, key, &size));
                assert_int_equal(size, 3);
                assert_memory_equal(key, "key\0\0\0\0", 8);
        }
        if (here(fault, number, OTHER_INPUT))
                assert_false(hwaccl_session_input(session, HWACCL_TRACE_INPUT_DISK, 512, NULL, key, &size));
        else if (!here(fault, number, NO_INPUT))
                assert_true(hwaccl_session_input(session, HWACCL_TRACE_INPUT_WALL_TIME, 0, &time, NULL, NULL));
        if (here(fault, number, MORE_INPUT))
                assert_false(hwaccl_session_input(session, HWACCL_TRACE_INPUT_WALL_TIME, 0, &time, NULL, NULL));
        uint64_t answer = vmm->count + here(fault, number, ANSWER);
        if (is_read(number))
                assert_true(hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_PORT_READ, 0x70, 4, &answer, 4));
        if (!here(fault, number, NO_EFFECT))
                assert_true(hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_IRQ_LINE, 4, number & 1, NULL, 0));
        if (here(fault, number, MORE_EFFECT))
                assert_true(hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_CONSOLE, 0, 0, "x", 1));
        put_next(number, vmm, &next);
        next.values.rbx += here(fault, number, STATE);
        return hwaccl_session_handled(
                session, here(fault, number, OUTCOME) ? HWACCL_OUTCOME_FAILED : HWACCL_OUTCOME_COMPLETED, &next);
}

static bool replay_next(struct hwaccl_session *session, struct vmm *vmm, const struct fault *fault, bool *same)
{
        const struct hwaccl_session_exit *exit = NULL;
        struct hwaccl_error error = {""};
        uint64_t next = hwaccl_session_next(session);

        if (next % 11 == 3)
                assert_true(hwaccl_session_irq(session, VECTOR + here(fault, next, VECTOR_OF)));
        enum hwaccl_session_step step = hwaccl_session_step(session, &exit, &error);
        if (step == HWACCL_SESSION_FAILED)
                fail_msg("%s", error.message);
        if (step == HWACCL_SESSION_END)
                return false;
        assert_int_equal(exit->number, next);
        *same = replay_exit(session, vmm, exit, fault);
        return true;
}

static uint64_t replay_all(struct hwaccl_session *session, struct vmm *vmm)
{
        uint64_t exits = 0;
        bool same = true;

        for (; replay_next(session, vmm, NULL, &same); exits++)
                if (!same) {
                        hwaccl_session_explain(session, stderr);
                        fail_msg("exit %llu differs", (unsigned long long)hwaccl_session_next(session) - 1);
                }
        return exits;
}

static void the_same_handler_does_the_same_from_every_exit(void **state)
{
        struct hwaccl_session *session;
        struct hwaccl_error error = {""};
        struct vmm vmm = {7};

        (void)state;
        record(true);
        session = open_session();
        assert_int_equal(replay_all(session, &vmm), EXITS);
        for (uint64_t i = EXITS; i-- > 8;) {
                const void *data = NULL;
                size_t size = 0;
                assert_true(hwaccl_session_load(session, i, &error));
                assert_int_equal(hwaccl_session_next(session), i / 8 * 8);
                assert_false(hwaccl_session_snapshot(session, "other", &data, &size));
                assert_true(hwaccl_session_snapshot(session, "vmm", &data, &size));
                assert_int_equal(size, sizeof(vmm));
                memcpy(&vmm, data, sizeof(vmm));
                assert_int_equal(replay_all(session, &vmm), EXITS - i / 8 * 8);
        }
        assert_int_equal(hwaccl_session_divergences(session), 0);
        hwaccl_session_close(session);
}

static void sessions_of_one_process_are_independent(void **state)
{
        struct hwaccl_session *first, *second;
        const struct fault fault = {9, ANSWER};
        struct vmm one = {7}, two = {7};
        bool same = true;

        (void)state;
        record(true);
        first = open_session();
        second = open_session();
        for (unsigned i = 0; i < EXITS; i++) {
                assert_true(replay_next(first, &one, NULL, &same));
                assert_true(same);
                if (i % 3 == 0)
                        continue;
                assert_true(replay_next(second, &two, &fault, &same));
                assert_int_equal(same, hwaccl_session_next(second) != 10);
        }
        assert_int_equal(hwaccl_session_divergences(first), 0);
        assert_int_equal(hwaccl_session_divergences(second), 1);
        hwaccl_session_close(first);
        hwaccl_session_close(second);
}

static void expect_difference(struct fault fault, const char *what, const char *recorded, const char *replayed)
{
        struct hwaccl_session *session = open_session();
        struct hwaccl_session_difference difference;
        struct vmm vmm = {7};
        bool same = true;

        while (hwaccl_session_next(session) <= fault.exit)
                assert_true(replay_next(session, &vmm, &fault, &same));
        assert_false(same);
        assert_true(hwaccl_session_difference(session, 0, &difference));
        assert_string_equal(difference.what, what);
        assert_string_equal(difference.recorded, recorded);
        assert_string_equal(difference.replayed, replayed);
        assert_false(hwaccl_session_difference(session, 1, &difference));
        while (replay_next(session, &vmm, &fault, &same))
                assert_true(same); /* the VMM's state is as it was */
        assert_int_equal(hwaccl_session_difference(session, 0, &difference), fault.exit == EXITS - 1);
        assert_int_equal(hwaccl_session_divergences(session), 1);
        assert_int_equal(hwaccl_session_exits(session), EXITS);
        hwaccl_session_close(session);
}

static void every_difference_is_found_and_named(void **state)
{
        (void)state;
        record(false);
        expect_difference((struct fault){9, ANSWER}, "effect 0", "port 0x70+4: 87 00 00 00",
                          "port 0x70+4: 88 00 00 00");
        expect_difference((struct fault){1, NO_EFFECT}, "effect 0", "IRQ line 4 up", "none");
        expect_difference((struct fault){EXITS - 1, NO_EFFECT}, "effect 1", "IRQ line 4 up", "none");
        expect_difference((struct fault){2, NO_EFFECT}, "effect 0", "IRQ line 4 down",
                          "none"); /* outcome not recorded */
        expect_difference((struct fault){1, MORE_EFFECT}, "effect 1", "none", "console 0+1: 78");
        expect_difference((struct fault){1, OTHER_INPUT}, "input 1", "wall time", "disk at 0x200+8");
        expect_difference((struct fault){1, NO_INPUT}, "input 1", "1 more", "not read");
        expect_difference((struct fault){14, NO_INPUT}, "input 1", "1 more", "not read");
        expect_difference((struct fault){1, MORE_INPUT}, "input 2", "none", "wall time");
        expect_difference((struct fault){1, OUTCOME}, "outcome", "completed", "failed");
        expect_difference((struct fault){1, STATE}, "rbx", "0xb", "0xc");
        expect_difference((struct fault){14, VECTOR_OF}, "offered vector", "0x31", "0x32");
}

static void change(const char *sql)
{
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(db);
}

static void expect_explanation(const char *expected)
{
        const struct fault fault = {9, ANSWER};
        struct hwaccl_session *session = open_session();
        struct vmm vmm = {7};
        char *text = NULL;
        size_t size = 0;
        bool same = true;

        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        while (replay_next(session, &vmm, &fault, &same))
                hwaccl_session_explain(session, out);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, expected);
        free(text);
        hwaccl_session_close(session);
}

#define DIFFERENCE "  effect 0  recorded port 0x70+4: 87 00 00 00  replayed port 0x70+4: 88 00 00 00\n"

static void an_explanation_names_exit_and_port(void **state)
{
        (void)state;
        record(false);
        expect_explanation("exit 9: I/O instruction at 0x1009: in port 0x70, 4 bytes\n" DIFFERENCE);
        change("UPDATE exit SET exit_reason = NULL");
        expect_explanation("exit 9: unknown reason at 0x1009\n" DIFFERENCE);
}

static void expect_no_load(struct hwaccl_session *session, uint64_t exit, const char *because)
{
        struct hwaccl_error error = {""};

        assert_false(hwaccl_session_load(session, exit, &error));
        if (!strstr(error.message, because))
                fail_msg("the message is: %s", error.message);
}

static void without_snapshots_a_replay_begins_at_exit_0(void **state)
{
        struct hwaccl_session *session;
        struct hwaccl_error error = {""};
        struct vmm vmm = {7};
        bool same = true;

        (void)state;
        record(false);
        session = open_session();
        assert_true(replay_next(session, &vmm, NULL, &same));
        expect_no_load(session, 9, "it can be replayed from exit 0 only, not from exit 9");
        expect_no_load(session, EXITS, "vCPU 1 has no exit 40: it has 40 exits");
        assert_int_equal(replay_all(session, &vmm), EXITS - 1); /* it stands where it stood */
        vmm.count = 7;
        assert_true(hwaccl_session_load(session, 0, &error));
        assert_int_equal(replay_all(session, &vmm), EXITS);
        hwaccl_session_close(session);
        assert_int_equal(remove_files(NULL), 0);
        record(true);
        session = open_session();
        expect_no_load(session, 7, "is that before exit 8");
        hwaccl_session_close(session);
        change("DELETE FROM option WHERE name = 'vmm'");
        assert_null(hwaccl_session_open(path, 1, &error));
        assert_non_null(strstr(error.message, "'hwaccl replay'"));
        assert_null(hwaccl_session_open(path, 2, NULL));
        assert_null(hwaccl_session_open("/no/such/file", 0, &error));
        assert_null(hwaccl_session_open(NULL, 0, &error));
}

static void calls_out_of_order_do_nothing(void **state)
{
        const struct hwaccl_session_exit *exit;
        struct hwaccl_session_difference difference;
        struct hwaccl_session *session;
        char data[HWACCL_TRACE_DATA_MAX + 1] = "";
        size_t size = 4;

        (void)state;
        record(false);
        session = open_session();
        assert_false(hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_CONSOLE, 0, 0, "x", 1));
        assert_false(hwaccl_session_input(session, CONSOLE, 0, NULL, data, &size));
        assert_false(hwaccl_session_has_input(session, CONSOLE, 0));
        assert_false(hwaccl_session_handled(session, HWACCL_OUTCOME_COMPLETED, NULL));
        assert_false(hwaccl_session_difference(session, 0, &difference));
        assert_int_equal(hwaccl_session_step(session, NULL, NULL), HWACCL_SESSION_FAILED);
        assert_int_equal(hwaccl_session_step(session, &exit, NULL), HWACCL_SESSION_EXIT);
        assert_false(hwaccl_session_input(session, HWACCL_TRACE_INPUT_PORT_WRITE, 0x70, NULL, data, &size));
        assert_false(hwaccl_session_input(session, 99, 0, NULL, data, &size));
        assert_false(hwaccl_session_effect(session, 99, 0, 0, NULL, 0));
        assert_false(hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_MEMORY, 0, 0, NULL, 1));
        assert_false(hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_MEMORY, 0, 0, data, sizeof(data)));
        assert_false(hwaccl_session_handled(session, HWACCL_OUTCOME_COUNT, NULL));
        assert_int_equal(hwaccl_session_step(session, &exit, NULL), HWACCL_SESSION_EXIT); /* ends the handling of 0 */
        assert_int_equal(hwaccl_session_exits(session), 1);
        assert_int_equal(hwaccl_session_divergences(session), 1);
        hwaccl_session_close(session);
        assert_int_equal(hwaccl_session_step(NULL, &exit, NULL), HWACCL_SESSION_FAILED);
        assert_false(hwaccl_session_load(NULL, 0, NULL));
        assert_false(hwaccl_session_irq(NULL, 1));
        assert_false(hwaccl_session_handled(NULL, 0, NULL));
        assert_false(hwaccl_session_input(NULL, 0, 0, NULL, NULL, NULL));
        assert_false(hwaccl_session_effect(NULL, 0, 0, 0, NULL, 0));
        assert_int_equal(hwaccl_session_next(NULL) + hwaccl_session_exits(NULL) + hwaccl_session_divergences(NULL), 0);
        assert_null(hwaccl_session_vmm(NULL));
        hwaccl_session_explain(NULL, stderr);
        hwaccl_session_close(NULL);
        assert_string_equal(hwaccl_session_version(), hwaccl_trace_version());
}

/* Without data of accesses, an OUT has what is in RAX. */
static void an_older_recording_has_the_data_of_out_from_rax(void **state)
{
        const struct hwaccl_session_exit *exit;
        union hwaccl_session_kvm_run room;
        struct hwaccl_session *session;

        (void)state;
        record(false);
        change("DELETE FROM input; DELETE FROM effect");
        session = open_session();
        for (uint64_t i = 0; hwaccl_session_step(session, &exit, NULL) == HWACCL_SESSION_EXIT; i++) {
                assert_int_equal(exit->access_count, 1);
                assert_int_equal(exit->access->size, is_read(i) ? 4 : 2);
                hwaccl_session_kvm_exit(&room, exit);
                assert_int_equal(room.run.exit_reason, KVM_EXIT_IO);
                assert_int_equal(room.run.io.direction, is_read(i) ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT);
                const uint8_t expected[2] = {(uint8_t)i, 0};
                if (!is_read(i))
                        assert_memory_equal(hwaccl_trace_kvm_data(&room.run), expected, 2);
        }
        hwaccl_session_close(session);
}

#define RING 0xd0000u /* a device whose writes KVM collects */

/* Five exits: HLT, an IN without its answer, an OUT, a write to a device, an event of KVM; before each, @count writes
 * that were collected, as inputs of a kind.
 */
static void record_collected(unsigned count, unsigned kind)
{
        struct hwaccl_trace *trace = open_trace(path, 2);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 1);
        const bool is_coalesced = kind != HWACCL_TRACE_INPUT_MMIO_WRITE;

        for (unsigned i = 0; i < 5; i++) {
                struct hwaccl_trace_state exit = {.known = {0}};
                if (i == 4)
                        hwaccl_trace_put_exit(&exit, HWACCL_EXIT_KVM_SYSTEM_EVENT, 3, 0);
                else if (i == 0)
                        hwaccl_trace_put_exit(&exit, HWACCL_EXIT_HLT, 0, 1);
                else if (i < 3)
                        hwaccl_trace_put_exit(&exit, HWACCL_EXIT_IO_INSTRUCTION, i == 1 ? 0x600008 : 0x600000, 2);
                else
                        hwaccl_trace_put_exit(&exit, HWACCL_EXIT_EPT_VIOLATION, 2, 3);
                assert_true(hwaccl_trace_vcpu_exit(vcpu, &exit));
                for (unsigned k = 0; k < count; k++)
                        assert_true(hwaccl_trace_vcpu_input(vcpu, kind, RING + k, is_coalesced ? k : 0, "r", 1));
                if (i == 2)
                        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_PORT_WRITE, 0x60, 1, "p", 1));
                if (i == 3)
                        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_MMIO_WRITE, 0x500, 0, "m", 1));
                assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
        }
        close_trace(trace);
}

static void expect_kvm_exit(struct hwaccl_session *session, union hwaccl_session_kvm_run *room, uint32_t reason,
                            uint32_t accesses)
{
        const struct hwaccl_session_exit *exit = NULL;

        assert_int_equal(hwaccl_session_step(session, &exit, NULL), HWACCL_SESSION_EXIT);
        assert_int_equal(exit->access_count, accesses);
        assert_int_equal(exit->access[0].address, RING);
        hwaccl_session_kvm_exit(room, exit);
        assert_int_equal(room->run.exit_reason, reason);
}

static void expect_collected(unsigned count, unsigned kind)
{
        union hwaccl_session_kvm_run room;
        const uint32_t most = SESSION_ACCESS_MAX, handed = count < most ? count : most;
        const uint32_t own = handed < most ? handed + 1 : most;

        record_collected(count, kind);
        struct hwaccl_session *session = open_session();
        expect_kvm_exit(session, &room, KVM_EXIT_HLT, handed);
        expect_kvm_exit(session, &room, KVM_EXIT_IO, own);
        assert_int_equal(room.run.io.direction, KVM_EXIT_IO_IN);
        assert_int_equal(room.run.io.port, 0x60);
        expect_kvm_exit(session, &room, KVM_EXIT_IO, own);
        assert_int_equal(room.run.io.direction, KVM_EXIT_IO_OUT);
        assert_memory_equal(hwaccl_trace_kvm_data(&room.run), "p", 1);
        expect_kvm_exit(session, &room, KVM_EXIT_MMIO, own);
        assert_int_equal(room.run.mmio.phys_addr, 0x500);
        assert_memory_equal(room.run.mmio.data, "m", 1);
        expect_kvm_exit(session, &room, KVM_EXIT_UNKNOWN, handed);
        hwaccl_session_close(session);
        assert_int_equal(remove_files(NULL), 0);
}

static void collected_writes_do_not_replace_the_access_of_their_exit(void **state)
{
        static const unsigned counts[] = {1, 3, SESSION_ACCESS_MAX - 1, SESSION_ACCESS_MAX, 2 * SESSION_ACCESS_MAX};
        static const unsigned kinds[] = {HWACCL_TRACE_INPUT_MMIO_WRITE, HWACCL_TRACE_INPUT_COALESCED_MMIO_WRITE,
                                         HWACCL_TRACE_INPUT_COALESCED_PORT_WRITE};

        (void)state;
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
                for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
                        expect_collected(counts[i], kinds[k]);
}

/* Whatever is in the file: no crash, and no difference without an error or a report. */
static void recordings_of_strangers_do_no_harm(void **state)
{
        static const char *const changes[] = {
                "UPDATE input SET kind = 10, data = NULL, value = 0",
                "UPDATE input SET kind = 11, data = zeroblob(4096), value = -1, address = -1",
                "UPDATE input SET kind = 10, data = zeroblob(4096), value = 4096",
                "UPDATE effect SET kind = 7, data = zeroblob(4096), value = 3, address = -1",
                "UPDATE effect SET kind = 8, data = NULL",
                "UPDATE effect SET kind = 99",
                "UPDATE input SET sequence = sequence + 1000",
                "UPDATE exit SET exit_qualification = -1",
                "UPDATE exit SET exit_reason = -1, exit_qualification = NULL",
                "UPDATE exit SET outcome = 255",
                "DELETE FROM exit WHERE id & 0xff = 9",
                "DELETE FROM keyframe",
                "UPDATE vmm_state SET total = 1 << 30",
                "INSERT OR REPLACE INTO kvm_run VALUES ((1 << 40) + 3, 256, 0, 0, 0, 0, 0)",
                "INSERT OR REPLACE INTO kvm_run VALUES ((1 << 40) + 3, 1, NULL, 0, 0, 0, 0)",
                "INSERT OR REPLACE INTO irq_handoff SELECT id, 256, 1, 0, 0 FROM exit",
                ("INSERT OR REPLACE INTO input WITH n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 500) "
                 "SELECT 1 << 40, i, 10, i, 1, x'ff' FROM n"),
        };

        (void)state;
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                const struct hwaccl_session_exit *exit;
                union hwaccl_session_kvm_run room;
                struct hwaccl_error error = {""};
                record(true);
                change(changes[i]);
                struct hwaccl_session *session = hwaccl_session_open(path, 1, &error);
                (void)hwaccl_session_load(session, i % 2 ? EXITS - 1 : 0, &error);
                while (session && hwaccl_session_step(session, &exit, &error) == HWACCL_SESSION_EXIT) {
                        char data[64];
                        size_t size = sizeof(data);
                        hwaccl_session_kvm_exit(&room, exit);
                        assert_true(exit->access_count <= SESSION_ACCESS_MAX);
                        (void)hwaccl_session_input(session, CONSOLE, 0, NULL, data, &size);
                        (void)hwaccl_session_kvm_answered(session, &room.run);
                        (void)hwaccl_session_handled(session, HWACCL_OUTCOME_COMPLETED, &exit->state);
                }
                hwaccl_session_close(session);
                assert_int_equal(remove_files(NULL), 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(the_same_handler_does_the_same_from_every_exit, remove_files),
                cmocka_unit_test_teardown(sessions_of_one_process_are_independent, remove_files),
                cmocka_unit_test_teardown(every_difference_is_found_and_named, remove_files),
                cmocka_unit_test_teardown(an_explanation_names_exit_and_port, remove_files),
                cmocka_unit_test_teardown(without_snapshots_a_replay_begins_at_exit_0, remove_files),
                cmocka_unit_test_teardown(calls_out_of_order_do_nothing, remove_files),
                cmocka_unit_test_teardown(an_older_recording_has_the_data_of_out_from_rax, remove_files),
                cmocka_unit_test_teardown(collected_writes_do_not_replace_the_access_of_their_exit, remove_files),
                cmocka_unit_test_teardown(recordings_of_strangers_do_no_harm, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
