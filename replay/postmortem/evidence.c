#include "replay/postmortem/evidence.h"

#include "replay/postmortem/evidence_internal.h"
#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/evidence_query.h"
#include "replay/replay_session.h"

#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_data(struct evidence_exit *to, const void *data, uint32_t size)
{
        to->data = 0;
        to->data_size = size;
        memcpy(&to->data, data, size < sizeof(to->data) ? size : sizeof(to->data));
}

static void take_inputs(struct evidence_exit *to, const struct hwaccl_recorded_exit *from)
{
        for (size_t i = 0; i < from->input_count; i++) {
                const struct hwaccl_input *input = &from->inputs[i];
                if (input->kind == HWACCL_INPUT_CLOCK) {
                        to->clock_known = true;
                        to->clock = input->value;
                } else if (input->kind == HWACCL_INPUT_INSTRUCTION && input->data && !to->code_size) {
                        to->code_size = (uint8_t)(input->size < sizeof(to->code) ? input->size : sizeof(to->code));
                        memcpy(to->code, input->data, to->code_size);
                } else if ((input->kind == HWACCL_INPUT_PORT_WRITE || input->kind == HWACCL_INPUT_MMIO_WRITE) &&
                           input->data) {
                        take_data(to, input->data, input->size);
                }
        }
}

static void take_effects(struct evidence_exit *to, const struct hwaccl_recorded_exit *from)
{
        for (size_t i = 0; i < from->effect_count; i++) {
                const struct hwaccl_effect *effect = &from->effects[i];
                if ((effect->kind == HWACCL_EFFECT_PORT_READ || effect->kind == HWACCL_EFFECT_MMIO_READ) &&
                    effect->data)
                        take_data(to, effect->data, effect->size);
        }
}

static void take_exit(struct evidence_exit *to, const struct hwaccl_recorded_exit *from)
{
        *to = (struct evidence_exit){
                .number = from->number,
                .entry = *from->entry,
                .exit = *from->exit,
                .entry_known = from->entry_known,
                .exit_known = from->exit_known,
                .offered = from->offered,
                .vector = from->offered_vector,
                .settled = from->settled,
                .taken = from->taken,
                .outcome_known = from->outcome_known,
                .outcome = from->outcome,
                .entry_ns = from->entry_time_ns,
                .guest_ns = from->guest_ns,
                .handler_ns = from->handler_ns,
        };
        take_inputs(to, from);
        take_effects(to, from);
}

static bool read_exits(struct hwaccl_evidence *evidence, struct hwaccl_error *error)
{
        uint64_t count = evidence->end - evidence->first;
        const struct hwaccl_recorded_exit *exit;

        if (count == 0)
                return true;
        if (count > EVIDENCE_EXITS)
                count = EVIDENCE_EXITS;
        evidence->exits = calloc((size_t)count, sizeof(*evidence->exits));
        if (!evidence->exits)
                return hwaccl_error_set(error, "out of memory");
        struct hwaccl_exit_cursor *cursor =
                hwaccl_exit_cursor_open(evidence->recording, evidence->vcpu, evidence->end - count, error);
        if (!cursor)
                return false;
        int more = 0;
        while (evidence->exit_count < count && (more = hwaccl_exit_cursor_next(cursor, &exit, error)) > 0)
                take_exit(&evidence->exits[evidence->exit_count++], exit);
        bool good = more >= 0;
        const struct hwaccl_subject_state *after = NULL;
        if (good && evidence->exit_count)
                good = hwaccl_exit_cursor_after(cursor, &after, &evidence->known, error);
        if (good && after) {
                evidence->state_known = true;
                evidence->state = *after;
        } else if (good && evidence->exit_count) {
                evidence->state = evidence->exits[evidence->exit_count - 1].exit;
                evidence->known = evidence->exits[evidence->exit_count - 1].exit_known;
        }
        hwaccl_exit_cursor_close(cursor);
        return good;
}

static void note_divergence(struct hwaccl_evidence *evidence, const struct hwaccl_divergence *divergence)
{
        for (unsigned i = 0; i < divergence->difference_count; i++) {
                if (evidence->divergence_count == EVIDENCE_DIVERGENCES)
                        return;
                const struct hwaccl_difference *difference = &divergence->difference[i];
                struct evidence_divergence *to = &evidence->divergence[evidence->divergence_count++];
                to->exit = divergence->exit;
                (void)snprintf(to->what, sizeof(to->what), "%s", difference->what);
                (void)snprintf(to->recorded, sizeof(to->recorded), "%.47s", difference->recorded);
                (void)snprintf(to->replayed, sizeof(to->replayed), "%.47s", difference->replayed);
        }
}

/* The devices at the end, and where handling differs from what was recorded. A failure is no error: the report then
 * lacks these. */
static void replay_end(struct hwaccl_evidence *evidence, uint64_t replayed)
{
        uint64_t count = evidence->end - evidence->first;
        uint64_t from = count > replayed ? evidence->end - replayed : evidence->first;
        struct hwaccl_error error = {""};
        enum replay_step step = REPLAY_STEP_CLEAN;
        uint64_t start;

        evidence->session = replay_session_open(evidence->recording, evidence->vcpu, &error);
        bool good = evidence->session != NULL;
        if (good && !hwaccl_recording_replay_start(evidence->recording, evidence->vcpu, from, &start, &error))
                good = hwaccl_recording_replay_after(evidence->recording, evidence->vcpu, from, &start, &error);
        good = good && replay_session_seek(evidence->session, start, &error);
        while (good && (step = replay_session_step(evidence->session, &error)) != REPLAY_STEP_END) {
                good = step != REPLAY_STEP_FAILED;
                const struct hwaccl_divergence *divergence = replay_session_divergence(evidence->session);
                if (good && divergence)
                        note_divergence(evidence, divergence);
        }
        if (good)
                evidence->machine = replay_session_machine(evidence->session);
        else
                (void)snprintf(evidence->no_replay, sizeof(evidence->no_replay), "%.199s", error.message);
}

/* The instruction of the last exit, where its handler read none, from the memory that was kept. */
static void read_last_code(struct hwaccl_evidence *evidence)
{
        struct evidence_exit *last = evidence->exit_count ? &evidence->exits[evidence->exit_count - 1] : NULL;
        struct hwaccl_code code;

        if (!last || last->code_size || !evidence_code(evidence, &last->exit, &code))
                return;
        size_t size = code.size - code.at;
        last->code_size = (uint8_t)(size < sizeof(last->code) ? size : sizeof(last->code));
        memcpy(last->code, code.byte + code.at, last->code_size);
}

static bool read_text(struct hwaccl_evidence *evidence, const char *sql, char *text, size_t room)
{
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool found = evidence_row(row) && sqlite3_column_text(row, 0);

        if (found)
                (void)snprintf(text, room, "%s", (const char *)sqlite3_column_text(row, 0));
        (void)sqlite3_finalize(row);
        return found;
}

struct hwaccl_evidence *hwaccl_evidence_gather(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t replayed,
                                               struct hwaccl_error *error)
{
        struct hwaccl_evidence *evidence = calloc(1, sizeof(*evidence));

        if (!evidence) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        evidence->recording = recording;
        evidence->own = *hwaccl_recording_info(recording);
        evidence->info = &evidence->own;
        evidence->vcpu = vcpu;
        if (!hwaccl_recording_range(recording, vcpu, &evidence->first, &evidence->end, error) ||
            !read_exits(evidence, error)) {
                hwaccl_evidence_free(evidence);
                return NULL;
        }
        evidence_compare_vcpus(evidence);
        (void)read_text(evidence, "SELECT problem FROM status", evidence->problem, sizeof(evidence->problem));
        read_last_code(evidence);
        replay_end(evidence, replayed);
        evidence_read_memory_map(evidence);
        evidence_read_console(evidence);
        evidence_find_loop(evidence);
        return evidence;
}

void hwaccl_evidence_free(struct hwaccl_evidence *evidence)
{
        if (!evidence)
                return;
        replay_session_close(evidence->session);
        free(evidence->exits);
        free(evidence);
}

const struct evidence_exit *hwaccl_evidence_last(const struct hwaccl_evidence *evidence)
{
        return evidence->exit_count ? &evidence->exits[evidence->exit_count - 1] : NULL;
}

bool hwaccl_evidence_field(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, uint64_t *value)
{
        *value = hwaccl_field_get(&evidence->state, field);
        return hwaccl_known_fields_has(&evidence->known, field);
}
