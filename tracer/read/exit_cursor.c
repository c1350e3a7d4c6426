/*
 * Stepping through a recording: one row of table exit at a time, with keyframes and all other tables merged in by key.
 * Nothing is allocated per exit once the buffers have grown.
 */
#include "tracer/read/exit_cursor.h"

#include "core/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column that may be NULL. *known tells. */
static bool optional(struct hwaccl_exit_cursor *cursor, const struct stream *stream, int column, int64_t *value,
                     bool *known, struct hwaccl_error *error)
{
        int type = sqlite3_column_type(stream->statement, column);

        *known = type == SQLITE_INTEGER;
        if (*known)
                *value = sqlite3_column_int64(stream->statement, column);
        else if (type != SQLITE_NULL)
                return recording_error(cursor->recording, error, "table %s, row %" PRId64 ": %s is no integer",
                                       stream->table, stream->key, sqlite3_column_name(stream->statement, column));
        return true;
}

static bool load_keyframe(struct hwaccl_exit_cursor *cursor, struct hwaccl_error *error)
{
        const struct stream *stream = &cursor->keyframe;
        int64_t value = 0;

        if (!stream_integer(stream, cursor->recording, 1, INT64_MIN, INT64_MAX, &value, error))
                return false;
        cursor->base_clock = (uint64_t)value;
        if (!stream_integer(stream, cursor->recording, 2, 0, INT64_MAX, &value, error))
                return false;
        cursor->base_host_entry = (uint64_t)value;
        memset(&cursor->base_known, 0, sizeof(cursor->base_known));
        for (unsigned i = 0; i < cursor->page_count; i++) {
                bool known;
                value = 0;
                if (!optional(cursor, stream, 3 + (int)i, &value, &known, error))
                        return false;
                cursor->base[i] = (uint64_t)value;
                if (known)
                        cursor->base_known = hwaccl_known_fields_unite(cursor->base_known, cursor->page_bit[i]);
        }
        cursor->started = true;
        return stream_next(&cursor->keyframe, cursor->recording, error);
}

/* A full row of system or segment registers into @state. */
static bool load_group(struct hwaccl_exit_cursor *cursor, struct stream *stream, enum field_set_name name,
                       union state_words *state, struct hwaccl_error *error)
{
        const struct field_set *set = &cursor->recording->set[name];

        for (unsigned i = 0; i < set->count; i++) {
                const unsigned index = set->index[i];
                int64_t value = 0;
                bool known;
                if (!optional(cursor, stream, 1 + (int)i, &value, &known, error))
                        return false;
                if (known && hwaccl_subject_fields[index].width == 4 && (value < 0 || value > UINT32_MAX))
                        return recording_error(cursor->recording, error,
                                               "table %s, row %" PRId64 ": %s does not fit 32 bits", stream->table,
                                               stream->key, hwaccl_subject_fields[index].name);
                hwaccl_field_put(&state->state, (enum hwaccl_field_index)index, (uint64_t)value);
                if (known)
                        hwaccl_known_fields_add(&cursor->group_known, index);
                else
                        hwaccl_known_fields_remove(&cursor->group_known, index);
        }
        return stream_next(stream, cursor->recording, error);
}

static bool load_groups(struct hwaccl_exit_cursor *cursor, int64_t at, union state_words *state,
                        struct hwaccl_error *error)
{
        while (cursor->system.waiting && cursor->system.key <= at) {
                cursor->system_at = cursor->system.key;
                if (!load_group(cursor, &cursor->system, FIELD_SET_SYSTEM, state, error))
                        return false;
        }
        while (cursor->segment.waiting && cursor->segment.key <= at) {
                cursor->segment_at = cursor->segment.key;
                if (!load_group(cursor, &cursor->segment, FIELD_SET_SEGMENT, state, error))
                        return false;
        }
        return true;
}

/* Each keyframe has its rows, also where nothing is known in them: missing ones must not pass for unknown state. */
static bool groups_are_there(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        if (cursor->system_at == 2 * id && cursor->segment_at == 2 * id)
                return true;
        return recording_error(cursor->recording, error, "keyframe %" PRId64 " has no row in table %s", number_of(id),
                               cursor->system_at == 2 * id ? "segment_registers" : "system_registers");
}

/* What is known of the entry beside that. */
static bool load_entry_state(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        const struct field_set *page = &cursor->recording->set[FIELD_SET_PAGE];

        if (!cursor->entry_state.waiting || cursor->entry_state.key > id)
                return true;
        if (cursor->entry_state.key < id)
                return recording_error(cursor->recording, error, "entry_state %" PRId64 " belongs to no exit",
                                       number_of(cursor->entry_state.key));
        for (unsigned i = 0; i < page->count; i++) {
                int64_t value = 0;
                bool there;
                if (!optional(cursor, &cursor->entry_state, 1 + (int)i, &value, &there, error))
                        return false;
                if (!there)
                        continue;
                hwaccl_field_put(&cursor->entry.state, (enum hwaccl_field_index)page->index[i], (uint64_t)value);
                hwaccl_known_fields_add(&cursor->result.entry_known, page->index[i]);
        }
        return stream_next(&cursor->entry_state, cursor->recording, error);
}

/* The state with which exit @id was entered: what the exit before left, or the keyframe's where that is not known. */
static bool begin_exit(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        bool keyframe = cursor->keyframe.waiting && cursor->keyframe.key <= id;

        if (keyframe && cursor->keyframe.key < id)
                return recording_error(cursor->recording, error, "keyframe %" PRId64 " belongs to no exit",
                                       number_of(cursor->keyframe.key));
        if (keyframe && !load_keyframe(cursor, error))
                return false;
        if (!cursor->started)
                return recording_error(cursor->recording, error, "there is no keyframe before exit %" PRId64,
                                       number_of(id));
        if (!cursor->next_there && !keyframe && cursor->recording->info.vmm) {
                /* not given; registers that were not given since are where they were */
                static const struct hwaccl_subject_state nothing;
                cursor->entry = cursor->next;
                cursor->result.entry = &nothing;
                memset(&cursor->result.entry_known, 0, sizeof(cursor->result.entry_known));
                return true;
        }
        if (!cursor->next_there) {
                if (!keyframe)
                        return recording_error(cursor->recording, error,
                                               "exit %" PRId64 ": the state after its handling is missing",
                                               number_of(id) - 1);
                for (unsigned i = 0; i < cursor->page_count; i++)
                        cursor->next.word[cursor->page_word[i]] = cursor->base[i];
                if (!load_groups(cursor, 2 * id, &cursor->next, error))
                        return false;
                cursor->next_known = cursor->base_known;
                cursor->next_known = hwaccl_known_fields_unite(cursor->next_known, cursor->group_known);
        }
        cursor->entry = cursor->next;
        cursor->result.entry = &cursor->entry.state;
        cursor->result.entry_known = cursor->next_known;
        return load_entry_state(cursor, id, error) && (!keyframe || groups_are_there(cursor, id, error));
}

/* The fields of the row that are not NULL differ from the keyframe. */
static bool load_page(struct hwaccl_exit_cursor *cursor, struct hwaccl_error *error)
{
        const struct stream *row = &cursor->exit;
        struct hwaccl_known_fields known = cursor->base_known;

        for (unsigned i = 0; i < cursor->page_count; i++) {
                uint64_t value = cursor->base[i];
                int type = sqlite3_column_type(row->statement, 1 + (int)i);
                if (type == SQLITE_INTEGER) {
                        value = (uint64_t)sqlite3_column_int64(row->statement, 1 + (int)i);
                        known = hwaccl_known_fields_unite(known, cursor->page_bit[i]);
                } else if (type != SQLITE_NULL) {
                        return recording_error(cursor->recording, error, "exit %" PRId64 ": %s is no integer",
                                               number_of(row->key), sqlite3_column_name(row->statement, 1 + (int)i));
                }
                cursor->at_exit.word[cursor->page_word[i]] = value;
        }
        cursor->result.exit_known = known;
        return true;
}

/* What handling changed: the state of the next entry. */
static bool load_next(struct hwaccl_exit_cursor *cursor, int64_t id, const int64_t *column, const bool *known,
                      struct hwaccl_error *error)
{
        const struct field_set *set = &cursor->recording->set[FIELD_SET_HANDLED];

        cursor->next = cursor->at_exit;
        cursor->next_known = cursor->result.exit_known;
        cursor->next_there = known[EXIT_RIP_ADVANCE];
        if (known[EXIT_RIP_ADVANCE])
                cursor->next.state.rip += (uint64_t)column[EXIT_RIP_ADVANCE];
        if (known[EXIT_NEXT_RAX]) {
                cursor->next.state.rax = (uint64_t)column[EXIT_NEXT_RAX];
                hwaccl_known_fields_add(&cursor->next_known, HWACCL_FIELD_INDEX_rax);
        }
        if (cursor->change.waiting && cursor->change.key < id)
                return recording_error(cursor->recording, error, "handler_change %" PRId64 " belongs to no exit",
                                       number_of(cursor->change.key));
        if (cursor->change.waiting && cursor->change.key == id) {
                for (unsigned i = 0; i < set->count; i++) {
                        int64_t value = 0;
                        bool there;
                        if (!optional(cursor, &cursor->change, 1 + (int)i, &value, &there, error))
                                return false;
                        if (!there)
                                continue;
                        hwaccl_field_put(&cursor->next.state, (enum hwaccl_field_index)set->index[i], (uint64_t)value);
                        hwaccl_known_fields_add(&cursor->next_known, set->index[i]);
                }
                if (!stream_next(&cursor->change, cursor->recording, error))
                        return false;
        }
        if (!load_groups(cursor, 2 * (id + 1), &cursor->next, error))
                return false;
        cursor->next_known = hwaccl_known_fields_unite(cursor->next_known, cursor->group_known);
        return true;
}

/* The columns behind the page: verdict, outcome, clock, times. */
static bool load_columns(struct hwaccl_exit_cursor *cursor, int64_t id, int64_t *column, bool *known,
                         struct hwaccl_error *error)
{
        static const int64_t limit[EXIT_COLUMN_COUNT] = {
                [EXIT_RIP_ADVANCE] = INT64_MAX,
                [EXIT_NEXT_RAX] = INT64_MAX,
                [EXIT_VERDICT] = HWACCL_VERDICT_COUNT - 1,
                [EXIT_OUTCOME] = HWACCL_OUTCOME_COUNT - 1,
                [EXIT_CLOCK] = INT64_MAX,
                [EXIT_INSTRUCTION] = INT64_MAX,
                [EXIT_INSTRUCTION_INPUT] = INT64_MAX,
                [EXIT_HOST_ENTRY] = INT64_MAX,
                [EXIT_HOST_GUEST] = INT64_MAX,
                [EXIT_HOST_HANDLER] = INT64_MAX,
                [EXIT_WALK] = INT64_MAX,
        };
        const struct stream *row = &cursor->exit;

        for (unsigned i = 0; i < EXIT_COLUMN_COUNT; i++) {
                bool is_signed = i <= EXIT_NEXT_RAX || i == EXIT_CLOCK || i == EXIT_HOST_ENTRY;
                column[i] = 0;
                if (!optional(cursor, row, 1 + (int)(cursor->page_count + i), &column[i], &known[i], error))
                        return false;
                if (!is_signed && (column[i] < 0 || column[i] > limit[i]))
                        return recording_error(cursor->recording, error,
                                               "exit %" PRId64 ": %s is %" PRId64 ", not 0 to %" PRId64, number_of(id),
                                               sqlite3_column_name(row->statement, 1 + (int)(cursor->page_count + i)),
                                               column[i], limit[i]);
        }
        return true;
}

static void put_columns(struct hwaccl_exit_cursor *cursor, const int64_t *column, const bool *known)
{
        struct hwaccl_recorded_exit *result = &cursor->result;

        result->verdict_known = known[EXIT_VERDICT];
        result->verdict = (enum hwaccl_verdict)column[EXIT_VERDICT];
        result->outcome_known = known[EXIT_OUTCOME];
        result->outcome = (enum hwaccl_outcome)column[EXIT_OUTCOME];
        result->entry_time_ns = cursor->base_host_entry + (uint64_t)column[EXIT_HOST_ENTRY];
        result->guest_ns = (uint64_t)column[EXIT_HOST_GUEST];
        result->handler_ns = (uint64_t)column[EXIT_HOST_HANDLER];
}

/* Exit @id is not the one expected: it may stand behind a gap, at a keyframe that needs nothing before it. */
static bool pass_gap(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        uint64_t expected = (uint64_t)number_of(cursor->expected);
        struct hwaccl_recording_gap gap;

        if (!hwaccl_recording_gap(cursor->recording, cursor->result.vcpu, expected, expected, &gap) ||
            gap.last + 1 != (uint64_t)number_of(id))
                return recording_error(cursor->recording, error, "exit %" PRIu64 " is missing", expected);
        cursor->before_gap = cursor->next;
        cursor->before_gap_there = cursor->next_there;
        cursor->next_there = false;
        while (cursor->snapshot.waiting && cursor->snapshot.key < id)
                if (!stream_next(&cursor->snapshot, cursor->recording, error))
                        return false;
        return true;
}

/* The row that waits becomes the exit at which the cursor stands. */
static bool take_row(struct hwaccl_exit_cursor *cursor, struct hwaccl_error *error)
{
        struct hwaccl_recorded_exit *result = &cursor->result;
        int64_t id = cursor->exit.key;
        int64_t column[EXIT_COLUMN_COUNT] = {0};
        bool known[EXIT_COLUMN_COUNT] = {false};

        if (id != cursor->expected && !pass_gap(cursor, id, error))
                return false;
        result->missing = (uint64_t)(id - cursor->expected);
        if (!begin_exit(cursor, id, error))
                return false;
        cursor->at_exit = cursor->entry;
        if (!load_page(cursor, error) || !load_groups(cursor, 2 * id + 1, &cursor->at_exit, error) ||
            !load_columns(cursor, id, column, known, error))
                return false;
        result->exit_known = hwaccl_known_fields_unite(result->exit_known, cursor->group_known);
        if (!load_next(cursor, id, column, known, error) || !cursor_load_pending(cursor, id, error) ||
            !cursor_load_handoff(cursor, id, error) || !cursor_load_devices(cursor, id, error))
                return false;
        const struct cursor_inputs inputs = {
                .clock_known = known[EXIT_CLOCK],
                .clock = cursor->base_clock + (uint64_t)column[EXIT_CLOCK],
                .walk = column[EXIT_WALK],
                .instruction = column[EXIT_INSTRUCTION],
                .instruction_input =
                        known[EXIT_INSTRUCTION_INPUT] ? (uint64_t)column[EXIT_INSTRUCTION_INPUT] : UINT64_MAX,
        };
        if (!cursor_events_gather(&cursor->events, cursor->recording, id, &inputs, error))
                return false;
        put_columns(cursor, column, known);
        result->number = (uint64_t)number_of(id);
        result->inputs = cursor->events.inputs;
        result->input_count = cursor->events.input_count;
        result->effects = cursor->events.effects;
        result->effect_count = cursor->events.effect_count;
        cursor->expected = id + 1;
        return stream_next(&cursor->exit, cursor->recording, error);
}

static bool open_streams(struct hwaccl_exit_cursor *cursor, int64_t first, int64_t last, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = cursor->recording;
        const struct {
                struct stream *stream;
                const char *table;
                const char *sql;
                int64_t first;
                int64_t last;
        } tables[] = {
                {&cursor->exit, "exit",
                 "SELECT id, @page($)@, rip_advance, next_rax, verdict, outcome, clock, instruction, instruction_input,"
                 " host_entry, host_guest, host_handler, walk FROM exit WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
                 first, last},
                /* the bounds are moved down to the keyframe and the group row that hold at @first */
                {&cursor->keyframe, "keyframe",
                 "SELECT id, clock, host_entry, @page($)@ FROM keyframe WHERE id BETWEEN coalesce("
                 "(SELECT max(id) FROM keyframe WHERE id <= ?1), ?1) AND ?2 ORDER BY id",
                 first, last},
                {&cursor->change, "handler_change",
                 "SELECT id, @handled($)@ FROM handler_change WHERE id BETWEEN ?1 AND ?2 ORDER BY id", first, last},
                {&cursor->entry_state, "entry_state",
                 "SELECT id, @page($)@ FROM entry_state WHERE id BETWEEN ?1 AND ?2 ORDER BY id", first, last},
                {&cursor->system, "system_registers",
                 "SELECT at, @system($)@ FROM system_registers WHERE at BETWEEN coalesce("
                 "(SELECT max(at) FROM system_registers WHERE at <= ?1), ?1) AND ?2 ORDER BY at",
                 2 * first, 2 * last},
                {&cursor->segment, "segment_registers",
                 "SELECT at, @segment($)@ FROM segment_registers WHERE at BETWEEN coalesce("
                 "(SELECT max(at) FROM segment_registers WHERE at <= ?1), ?1) AND ?2 ORDER BY at",
                 2 * first, 2 * last},
                {&cursor->pending, "pending",
                 "SELECT id, word0, word1, word2, word3 FROM pending WHERE id BETWEEN ?1 AND ?2 ORDER BY id", first,
                 last},
                {&cursor->handoff, "irq_handoff",
                 "SELECT id, vector, taken FROM irq_handoff WHERE id BETWEEN ?1 AND ?2 ORDER BY id", first, last},
                {&cursor->snapshot, "device_snapshot",
                 "SELECT exit FROM device_snapshot WHERE exit BETWEEN ?1 AND ?2 ORDER BY exit", first, last},
                {&cursor->device_state, "device_state",
                 "SELECT exit, field, value FROM device_state WHERE exit BETWEEN ?1 AND ?2 ORDER BY exit", first, last},
        };
        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
                if (!stream_open(tables[i].stream, recording, tables[i].table, tables[i].sql, tables[i].first,
                                 tables[i].last, tables[i].stream != &cursor->device_state, error))
                        return false;
        return cursor_events_open(&cursor->events, recording, first, last, error);
}

/*
 * Rows count from their keyframe, so the state after the exit before @first needs that one row and its keyframe; when
 * @first is a keyframe itself, its state is there already.
 */
static bool prime(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error)
{
        int64_t start = id;
        char sql[96];
        int64_t is_keyframe = 0;

        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM keyframe WHERE id = %" PRId64, id);
        if (!database_integer(cursor->recording->db, sql, 0, &is_keyframe, error))
                return false;
        if (!is_keyframe && number_of(id) > 0)
                start = id - 1;
        cursor->expected = start;
        int64_t last = exit_id(cursor->result.vcpu, EXIT_NUMBER_MAX);
        if (!open_streams(cursor, start, last, error))
                return false;
        if (cursor->keyframe.waiting && cursor->keyframe.key < start) {
                if (cursor->keyframe.key < exit_id(cursor->result.vcpu, 0))
                        return recording_error(cursor->recording, error, "there is no keyframe before exit %" PRId64,
                                               number_of(start));
                if (!load_keyframe(cursor, error))
                        return false;
        }
        if (start == id)
                return true;
        /* the entry of that exit is of no interest, but for system and segment registers, which are full rows */
        cursor->next_there = true;
        if (!load_groups(cursor, 2 * start, &cursor->next, error))
                return false;
        return cursor->exit.waiting
                       ? take_row(cursor, error)
                       : recording_error(cursor->recording, error, "exit %" PRId64 " is missing", number_of(start));
}

struct hwaccl_exit_cursor *hwaccl_exit_cursor_open(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t first,
                                                   struct hwaccl_error *error)
{
        const struct recorded_vcpu *found = recording_vcpu(recording, vcpu, error);

        if (!found)
                return NULL;
        if (!recording_has_exit(recording, found, first, error))
                return NULL;
        struct hwaccl_exit_cursor *cursor = aligned_alloc(64, (sizeof(*cursor) + 63) & ~(size_t)63);
        if (!cursor) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(cursor, 0, sizeof(*cursor));
        cursor->system_at = cursor->segment_at = -1;
        const struct field_set *page = &recording->set[FIELD_SET_PAGE];
        hwaccl_assert(page->count <= PAGE_MAX);
        cursor->page_count = page->count;
        for (unsigned i = 0; i < page->count; i++) {
                cursor->page_word[i] = (uint8_t)(hwaccl_subject_fields[page->index[i]].offset / 8);
                hwaccl_known_fields_add(&cursor->page_bit[i], page->index[i]);
        }
        cursor->recording = recording;
        cursor->result.vcpu = vcpu;
        cursor->result.pending_known = !recording->info.vmm;
        cursor->result.entry = &cursor->entry.state;
        cursor->result.exit = &cursor->at_exit.state;
        cursor->devices = device_values_create(recording, error);
        if (cursor->devices && prime(cursor, exit_id(vcpu, first), error))
                return cursor;
        hwaccl_exit_cursor_close(cursor);
        return NULL;
}

void hwaccl_exit_cursor_close(struct hwaccl_exit_cursor *cursor)
{
        if (!cursor)
                return;
        struct stream *const streams[] = {
                &cursor->exit,    &cursor->keyframe, &cursor->change,   &cursor->system,       &cursor->segment,
                &cursor->pending, &cursor->handoff,  &cursor->snapshot, &cursor->device_state, &cursor->entry_state};
        for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
                stream_close(streams[i]);
        cursor_events_close(&cursor->events);
        device_values_destroy(cursor->devices);
        free(cursor);
}

int hwaccl_exit_cursor_next(struct hwaccl_exit_cursor *cursor, const struct hwaccl_recorded_exit **exit,
                            struct hwaccl_error *error)
{
        if (!cursor->exit.waiting) {
                cursor->result.missing = 0;
                return 0;
        }
        if (!take_row(cursor, error))
                return -1;
        *exit = &cursor->result;
        return 1;
}

const struct hwaccl_subject_state *hwaccl_exit_cursor_closing(const struct hwaccl_exit_cursor *cursor)
{
        if (cursor->result.missing)
                return cursor->before_gap_there ? &cursor->before_gap.state : NULL;
        return !cursor->exit.waiting && cursor->next_there ? &cursor->next.state : NULL;
}

struct hwaccl_known_fields hwaccl_exit_cursor_closing_known(const struct hwaccl_exit_cursor *cursor)
{
        return cursor->next_known;
}
