#include "replay/handler_session.h"

#include "core/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *hwaccl_session_version(void)
{
        return HWACCL_VERSION;
}

static bool open_vcpu(struct hwaccl_session *session, struct hwaccl_error *error)
{
        uint64_t first = 0;

        if (!hwaccl_recording_info(session->recording)->vmm)
                return hwaccl_error_set(error, "hwaccl's own handlers recorded this: use 'hwaccl replay'");
        return hwaccl_recording_range(session->recording, session->vcpu, &first, &session->end, error);
}

struct hwaccl_session *hwaccl_session_open(const char *path, uint32_t vcpu, struct hwaccl_error *error)
{
        struct hwaccl_error ignored;

        if (!error)
                error = &ignored;
        if (!path) {
                hwaccl_error_set(error, "path is missing");
                return NULL;
        }
        struct hwaccl_session *session = calloc(1, sizeof(*session));
        if (!session) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        session->vcpu = vcpu;
        session->recording = hwaccl_recording_open(path, error);
        if (!session->recording || !open_vcpu(session, error)) {
                hwaccl_session_close(session);
                return NULL;
        }
        return session;
}

void hwaccl_session_close(struct hwaccl_session *session)
{
        if (!session)
                return;
        hwaccl_recorded_vmm_state_free(&session->snapshot);
        hwaccl_exit_cursor_close(session->cursor);
        hwaccl_recording_close(session->recording);
        free(session);
}

const char *hwaccl_session_vmm(const struct hwaccl_session *session)
{
        return session ? hwaccl_recording_info(session->recording)->vmm : NULL;
}

/* Where a replay of @exit begins: 0 without a snapshot, too. */
static bool find_start(struct hwaccl_session *session, uint64_t exit, uint64_t *start, struct hwaccl_error *error)
{
        uint64_t first = 0;

        *start = 0;
        if (exit > 0 && exit >= session->end)
                return hwaccl_error_set(error, "vCPU %" PRIu32 " has no exit %" PRIu64 ": it has %" PRIu64 " exits",
                                        session->vcpu, exit, session->end);
        if (hwaccl_recording_vmm_state_before(session->recording, session->vcpu, exit, start, error))
                return true;
        if (error->message[0])
                return false;
        if (exit == 0)
                return true;
        if (!hwaccl_recording_vmm_state_after(session->recording, session->vcpu, exit, &first, error)) {
                if (error->message[0])
                        return false;
                return hwaccl_error_set(error,
                                        "the recording has no state of the VMM (hwaccl_trace_vcpu_snapshot): it can be "
                                        "replayed from exit 0 only, not from exit %" PRIu64,
                                        exit);
        }
        return hwaccl_error_set(error,
                                "the first state of the VMM (hwaccl_trace_vcpu_snapshot) is that before exit %" PRIu64
                                ": a replay begins there, later, or at exit 0, not at exit %" PRIu64,
                                first, exit);
}

bool hwaccl_session_load(struct hwaccl_session *session, uint64_t exit, struct hwaccl_error *error)
{
        struct hwaccl_recorded_vmm_state snapshot;
        struct hwaccl_exit_cursor *cursor = NULL;
        struct hwaccl_error ignored;
        uint64_t start = 0;

        if (!error)
                error = &ignored;
        if (!session)
                return hwaccl_error_set(error, "no session (NULL handle)");
        if (!find_start(session, exit, &start, error) ||
            !hwaccl_recording_vmm_state(session->recording, session->vcpu, start, &snapshot, error))
                return false;
        if (session->end > 0) {
                cursor = hwaccl_exit_cursor_open(session->recording, session->vcpu, start, error);
                if (!cursor) {
                        hwaccl_recorded_vmm_state_free(&snapshot);
                        return false;
                }
        }
        hwaccl_recorded_vmm_state_free(&session->snapshot);
        hwaccl_exit_cursor_close(session->cursor);
        session->snapshot = snapshot;
        session->cursor = cursor;
        session->next = start;
        session->handling = session->failed = session->offered = false;
        replay_report_open(&session->comparison.report);
        return true;
}

bool hwaccl_session_snapshot(const struct hwaccl_session *session, const char *name, const void **data, size_t *size)
{
        for (size_t i = 0; session && name && i < session->snapshot.count; i++) {
                const struct hwaccl_recorded_vmm_part *part = &session->snapshot.part[i];
                if (strcmp(part->name, name) != 0)
                        continue;
                *data = part->data;
                *size = part->size;
                return true;
        }
        return false;
}

uint64_t hwaccl_session_next(const struct hwaccl_session *session)
{
        return session ? session->next : 0;
}

static enum hwaccl_session_step fail(struct hwaccl_session *session)
{
        hwaccl_exit_cursor_close(session->cursor);
        session->cursor = NULL;
        session->failed = true;
        session->handling = false;
        replay_report_open(&session->comparison.report);
        return HWACCL_SESSION_FAILED;
}

/* After the handling of the last exit, nothing may be missing unless the recording ends in its midst. */
static void begin(struct hwaccl_session *session, const struct hwaccl_recorded_exit *exit)
{
        replay_comparison_begin(&session->comparison, exit, exit->outcome_known || exit->number + 1 < session->end);
        replay_comparison_offer(&session->comparison, session->offered, session->vector);
        for (size_t i = 0; i < exit->input_count; i++)
                if (exit->inputs[i].kind == HWACCL_INPUT_INSTRUCTION && exit->inputs[i].data)
                        replay_report_code(&session->comparison.report, exit->inputs[i].data, exit->inputs[i].size);
        session->offered = false;
        session->handling = true;
        session->next = exit->number + 1;
        session_hand_over(session, exit);
}

enum hwaccl_session_step hwaccl_session_step(struct hwaccl_session *session, const struct hwaccl_session_exit **exit,
                                             struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *recorded = NULL;
        struct hwaccl_error ignored;

        if (!error)
                error = &ignored;
        if (!session || !exit) {
                hwaccl_error_set(error, "no session (NULL handle)");
                return HWACCL_SESSION_FAILED;
        }
        if (session->handling)
                (void)hwaccl_session_handled(session, HWACCL_TRACE_OUTCOME_UNKNOWN, NULL);
        if (session->failed) {
                hwaccl_error_set(error, "the replay failed before exit %" PRIu64, session->next);
                return HWACCL_SESSION_FAILED;
        }
        if (session->end == 0)
                return HWACCL_SESSION_END;
        if (!session->cursor && !hwaccl_session_load(session, 0, error))
                return fail(session);
        int more = hwaccl_exit_cursor_next(session->cursor, &recorded, error);
        if (more == 0)
                return HWACCL_SESSION_END;
        if (more > 0 && recorded->missing) {
                hwaccl_error_set(error, "%" PRIu64 " exits before exit %" PRIu64 " are missing", recorded->missing,
                                 recorded->number);
                more = -1;
        }
        if (more < 0)
                return fail(session);
        begin(session, recorded);
        *exit = &session->exit;
        return HWACCL_SESSION_EXIT;
}

/* Inputs that no handler asks for: it gets them with the exit. */
static bool is_given(unsigned kind)
{
        return session_input_is_write(kind) || kind == HWACCL_INPUT_KVM_EXIT;
}

/* The next input from @next on that step did not hand over. */
static size_t pass_accesses(const struct hwaccl_recorded_exit *exit, size_t next)
{
        while (next < exit->input_count && is_given(exit->inputs[next].kind))
                next++;
        return next;
}

static bool is_request(unsigned kind)
{
        return kind < HWACCL_INPUT_KIND_COUNT && !is_given(kind);
}

bool hwaccl_session_input(struct hwaccl_session *session, unsigned kind, uint64_t address, uint64_t *value, void *data,
                          size_t *size)
{
        size_t room = data && size ? *size : 0;
        const struct hwaccl_input *input = NULL;

        if (value)
                *value = 0;
        if (size)
                *size = 0;
        if (room)
                memset(data, 0, room);
        if (!session || !session->handling || !is_request(kind))
                return false;
        struct replay_comparison *comparison = &session->comparison;
        comparison->input_next = pass_accesses(comparison->exit, comparison->input_next);
        input = replay_comparison_peek(comparison);
        size_t expected =
                kind == HWACCL_INPUT_CONSOLE && input && input->kind == HWACCL_INPUT_CONSOLE && input->size < room
                        ? input->size
                        : room;
        if (!data && input) /* the value only */
                expected = input->kind == (enum hwaccl_input_kind)kind ? input->size : 0;
        input = replay_comparison_take(comparison, (enum hwaccl_input_kind)kind, address, expected);
        if (!input)
                return false;
        if (value)
                *value = input->value;
        if (size)
                *size = room ? replay_comparison_give(input, data, room) : input->size;
        return true;
}

bool hwaccl_session_has_input(const struct hwaccl_session *session, unsigned kind, uint64_t address)
{
        if (!session || !session->handling || !is_request(kind))
                return false;
        const struct hwaccl_recorded_exit *exit = session->comparison.exit;
        size_t next = pass_accesses(exit, session->comparison.input_next);
        return next < exit->input_count && exit->inputs[next].kind == (enum hwaccl_input_kind)kind &&
               exit->inputs[next].address == address;
}

bool hwaccl_session_effect(struct hwaccl_session *session, unsigned kind, uint64_t address, uint64_t value,
                           const void *data, size_t size)
{
        if (!session || !session->handling || kind >= HWACCL_EFFECT_KIND_COUNT || size > HWACCL_EFFECT_SIZE_MAX ||
            (size && !data))
                return false;
        const struct hwaccl_effect effect = {(enum hwaccl_effect_kind)kind, address, value, data, (uint32_t)size};
        replay_comparison_effect(&session->comparison, &effect);
        return true;
}

bool hwaccl_session_irq(struct hwaccl_session *session, uint8_t vector)
{
        if (!session)
                return false;
        session->offered = true;
        session->vector = vector;
        return true;
}

/* The state with which the guest is entered next, as far as both know it. */
static bool compare_state(struct hwaccl_session *session, const struct hwaccl_trace_state *state,
                          struct hwaccl_error *error)
{
        const struct hwaccl_subject_state *after;
        struct hwaccl_known_fields known;

        if (!hwaccl_exit_cursor_after(session->cursor, &after, &known, error))
                return false;
        if (!after)
                return true;
        known = hwaccl_known_fields_intersect(known, hwaccl_known_fields_of_words(state->known));
        (void)replay_comparison_fields(&session->comparison, after, &known, &state->values, "");
        return true;
}

bool hwaccl_session_handled(struct hwaccl_session *session, unsigned outcome, const struct hwaccl_trace_state *state)
{
        struct hwaccl_error error;

        if (!session || !session->handling ||
            (outcome >= HWACCL_OUTCOME_COUNT && outcome != HWACCL_TRACE_OUTCOME_UNKNOWN))
                return false;
        struct replay_comparison *comparison = &session->comparison;
        session->handling = false;
        session->exits++;
        comparison->input_next = pass_accesses(comparison->exit, comparison->input_next);
        if (!comparison->cut_short) {
                if (outcome < HWACCL_OUTCOME_COUNT)
                        replay_comparison_outcome(comparison, (enum hwaccl_outcome)outcome);
                replay_comparison_effects_end(comparison);
                if (comparison->ended)
                        replay_comparison_inputs_end(comparison);
                if (state && !compare_state(session, state, &error)) {
                        hwaccl_text_make_safe(error.message);
                        replay_report_texts(&comparison->report, "state", error.message, "known");
                }
        }
        bool diverged = replay_report_close(&comparison->report, comparison->exit);
        session->divergences += diverged;
        return !diverged;
}

uint64_t hwaccl_session_exits(const struct hwaccl_session *session)
{
        return session ? session->exits : 0;
}

uint64_t hwaccl_session_divergences(const struct hwaccl_session *session)
{
        return session ? session->divergences : 0;
}

bool hwaccl_session_difference(const struct hwaccl_session *session, unsigned index,
                               struct hwaccl_session_difference *difference)
{
        if (!session || session->handling || !difference ||
            index >= session->comparison.report.divergence.difference_count)
                return false;
        const struct hwaccl_difference *from = &session->comparison.report.divergence.difference[index];
        *difference = (struct hwaccl_session_difference){from->what, from->recorded, from->replayed};
        return true;
}

void hwaccl_session_explain(const struct hwaccl_session *session, FILE *out)
{
        char access[64];

        if (!session || session->handling || !out || !session->comparison.report.divergence.difference_count)
                return;
        session_describe_access(session->comparison.exit, access, sizeof(access));
        replay_report_print(&session->comparison.report.divergence, &session->comparison.exit->exit_known, access, out);
}
