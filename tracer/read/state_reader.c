#include "tracer/read/state_reader.h"

#include "core/assert.h"

#include <inttypes.h>
#include <string.h>

static bool load_keyframe(struct state_reader *reader, struct hwaccl_error *error)
{
        const struct integer_stream *stream = &reader->keyframe;
        const struct row_integers *row = &stream->row;
        struct state_place *at = &reader->at;

        if (!integer_stream_has(stream, reader->recording, 7, error)) /* key, clock, host_entry */
                return false;
        at->base_clock = (uint64_t)row->value[1];
        at->base_host_entry = (uint64_t)row->value[2];
        at->base_known = hwaccl_known_fields_none();
        for (unsigned i = 0; i < reader->page_count; i++) {
                at->base[i] = (uint64_t)row->value[3 + i];
                if (row->known >> (3 + i) & 1)
                        at->base_known = hwaccl_known_fields_unite(at->base_known, reader->page_bit[i]);
        }
        at->started = true;
        return integer_stream_next(&reader->keyframe, reader->recording, error);
}

/* A full row of system or segment registers into @state. */
static bool load_group(struct state_reader *reader, struct integer_stream *stream, enum field_set_name name,
                       union state_words *state, struct hwaccl_error *error)
{
        const struct field_set *set = &reader->recording->set[name];
        struct hwaccl_known_fields *group = &reader->at.group_known;

        if (!integer_stream_has(stream, reader->recording, 0, error))
                return false;
        for (unsigned i = 0; i < set->count; i++) {
                const unsigned index = set->index[i];
                const int64_t value = stream->row.value[1 + i];
                if (hwaccl_subject_fields[index].width == 4 && (value < 0 || value > UINT32_MAX))
                        return recording_error(reader->recording, error,
                                               "table %s, row %" PRId64 ": %s does not fit 32 bits", stream->table,
                                               stream->key, hwaccl_subject_fields[index].name);
                hwaccl_field_put(&state->state, (enum hwaccl_field_index)index, (uint64_t)value);
                if (stream->row.known >> (1 + i) & 1)
                        hwaccl_known_fields_add(group, index);
                else
                        hwaccl_known_fields_remove(group, index);
        }
        return integer_stream_next(stream, reader->recording, error);
}

static bool load_groups(struct state_reader *reader, int64_t at, union state_words *state, struct hwaccl_error *error)
{
        while (reader->system.waiting && reader->system.key <= at) {
                reader->at.system_at = reader->system.key;
                if (!load_group(reader, &reader->system, FIELD_SET_SYSTEM, state, error))
                        return false;
        }
        while (reader->segment.waiting && reader->segment.key <= at) {
                reader->at.segment_at = reader->segment.key;
                if (!load_group(reader, &reader->segment, FIELD_SET_SEGMENT, state, error))
                        return false;
        }
        return true;
}

/* Each keyframe has its rows, even if all their columns are NULL: missing rows are an error, not an unknown state. */
static bool groups_are_there(struct state_reader *reader, int64_t id, struct hwaccl_error *error)
{
        const struct state_place *at = &reader->at;

        if (at->system_at == 2 * id && at->segment_at == 2 * id)
                return true;
        return recording_error(reader->recording, error, "keyframe %" PRIu64 " has no row in table %s", exit_number(id),
                               at->system_at == 2 * id ? "segment_registers" : "system_registers");
}

/* The fields of a row that are not NULL, into the state that handling left. */
static bool put_fields(struct state_reader *reader, struct integer_stream *stream, enum field_set_name name,
                       struct hwaccl_error *error)
{
        const struct field_set *set = &reader->recording->set[name];
        struct state_place *at = &reader->at;

        if (!integer_stream_has(stream, reader->recording, 0, error))
                return false;
        for (uint64_t there = stream->row.known & ~UINT64_C(1); there; there &= there - 1) {
                unsigned column = (unsigned)__builtin_ctzll(there);
                unsigned index = set->index[column - 1];
                hwaccl_field_put(&at->next.state, (enum hwaccl_field_index)index, (uint64_t)stream->row.value[column]);
                hwaccl_known_fields_add(&at->next_known, index);
        }
        return integer_stream_next(stream, reader->recording, error);
}

/* Other known fields of the entry. */
static bool load_entry_state(struct state_reader *reader, int64_t id, struct hwaccl_error *error)
{
        struct integer_stream *stream = &reader->entry_state;

        if (!stream->waiting || stream->key > id)
                return true;
        if (stream->key < id)
                return recording_error(reader->recording, error, "entry_state %" PRIu64 " belongs to no exit",
                                       exit_number(stream->key));
        return put_fields(reader, stream, FIELD_SET_PAGE, error);
}

/* Entry state of exit @id: that after the previous exit, or the keyframe's where it is unknown. */
static bool load_entry(struct state_reader *reader, int64_t id, struct hwaccl_error *error)
{
        struct state_place *at = &reader->at;
        bool keyframe = reader->keyframe.waiting && reader->keyframe.key <= id;

        if (keyframe && reader->keyframe.key < id)
                return recording_error(reader->recording, error, "keyframe %" PRIu64 " belongs to no exit",
                                       exit_number(reader->keyframe.key));
        if (keyframe && !load_keyframe(reader, error))
                return false;
        if (!at->started)
                return recording_error(reader->recording, error, "no keyframe before exit %" PRIu64, exit_number(id));
        if (!at->next_there && !keyframe) {
                if (!reader->recording->info.vmm)
                        return recording_error(reader->recording, error,
                                               "exit %" PRIu64 ": the state after its handling is missing",
                                               exit_number(id) - 1);
                at->next_known = hwaccl_known_fields_none(); /* not given; registers that were not given since are where
                                                                they were */
                return true;
        }
        if (!at->next_there) {
                for (unsigned i = 0; i < reader->page_count; i++)
                        at->next.word[reader->page_word[i]] = at->base[i];
                if (!load_groups(reader, 2 * id, &at->next, error))
                        return false;
                at->next_known = hwaccl_known_fields_unite(at->base_known, at->group_known);
                at->next_there = true;
        }
        return load_entry_state(reader, id, error) && (!keyframe || groups_are_there(reader, id, error));
}

/* The non-NULL fields of the row differ from the keyframe. */
static void load_page(struct state_reader *reader)
{
        const struct row_integers *row = &reader->exit.row;
        struct state_place *at = &reader->at;
        const uint64_t there = row->known >> 1;

        for (unsigned i = 0; i < reader->page_count; i++)
                at->at_exit.word[reader->page_word[i]] = there >> i & 1 ? (uint64_t)row->value[1 + i] : at->base[i];
        at->exit_known = at->base_known;
        for (uint64_t rest = there & reader->page_columns; rest; rest &= rest - 1)
                at->exit_known = hwaccl_known_fields_unite(at->exit_known, reader->page_bit[__builtin_ctzll(rest)]);
}

/* The columns after the page: verdict, outcome, clock, times. */
static bool load_columns(struct state_reader *reader, struct hwaccl_error *error)
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
                [EXIT_SEQUENCE] = INT64_MAX,
        };
        const struct integer_stream *stream = &reader->exit;
        const struct row_integers *row = &stream->row;
        int64_t *column = reader->at.column;

        for (unsigned i = 0; i < EXIT_COLUMN_COUNT; i++) {
                const bool is_signed = i <= EXIT_NEXT_RAX || i == EXIT_CLOCK || i == EXIT_HOST_ENTRY;
                const unsigned number = 1 + reader->page_count + i;
                column[i] = row->value[number];
                reader->at.known[i] = row->known >> number & 1;
                if ((i == EXIT_HOST_GUEST || i == EXIT_HOST_HANDLER) && column[i] < 0)
                        column[i] = 0; /* of a clock that went back, before that was clamped */
                if (!is_signed && (column[i] < 0 || column[i] > limit[i]))
                        return recording_error(reader->recording, error,
                                               "exit %" PRIu64 ": %s is %" PRId64 ", expected 0 to %" PRId64,
                                               exit_number(stream->key), stream->name[number], column[i], limit[i]);
        }
        return true;
}

/* What handling changed. */
static bool load_next(struct state_reader *reader, int64_t id, struct hwaccl_error *error)
{
        struct state_place *at = &reader->at;
        struct integer_stream *change = &reader->change;

        at->next = at->at_exit;
        at->next_known = at->exit_known;
        at->next_there = at->known[EXIT_RIP_ADVANCE];
        if (at->known[EXIT_RIP_ADVANCE])
                at->next.state.rip += (uint64_t)at->column[EXIT_RIP_ADVANCE];
        if (at->known[EXIT_NEXT_RAX]) {
                at->next.state.rax = (uint64_t)at->column[EXIT_NEXT_RAX];
                hwaccl_known_fields_add(&at->next_known, HWACCL_FIELD_INDEX_rax);
        }
        if (change->waiting && change->key < id)
                return recording_error(reader->recording, error, "handler_change %" PRIu64 " belongs to no exit",
                                       exit_number(change->key));
        if (change->waiting && change->key == id && !put_fields(reader, change, FIELD_SET_HANDLED, error))
                return false;
        if (!load_groups(reader, 2 * (id + 1), &at->next, error))
                return false;
        at->next_known = hwaccl_known_fields_unite(at->next_known, at->group_known);
        return true;
}

bool state_reader_complete(struct state_reader *reader, struct hwaccl_error *error)
{
        struct state_place *at = &reader->at;

        if (at->next_complete)
                return true;
        if (reader->exit.waiting && reader->exit.key == at->expected && !load_entry(reader, at->expected, error))
                return false;
        at->next_complete = true;
        return true;
}

/* Exit @id is not the expected one: valid only after a gap, at a keyframe. */
static bool pass_gap(struct state_reader *reader, int64_t id, struct hwaccl_error *error)
{
        uint64_t expected = exit_number(reader->at.expected);
        struct hwaccl_recording_gap gap;

        if (!hwaccl_recording_gap(reader->recording, (uint32_t)(id >> VCPU_SHIFT), expected, expected, &gap) ||
            gap.last + 1 != exit_number(id))
                return recording_error(reader->recording, error, "exit %" PRIu64 " is missing", expected);
        reader->at.next_there = false;
        return load_entry(reader, id, error);
}

int state_reader_next(struct state_reader *reader, struct hwaccl_error *error)
{
        struct state_place *at = &reader->at;
        int64_t id = reader->exit.key;

        if (!reader->exit.waiting)
                return 0;
        if (!state_reader_complete(reader, error) || (id != at->expected && !pass_gap(reader, id, error)))
                return -1;
        at->id = id;
        at->missing = (uint64_t)(id - at->expected);
        at->entry = at->next;
        at->entry_known = at->next_known;
        at->at_exit = at->entry;
        at->expected = id + 1;
        at->next_complete = false;
        if (!integer_stream_has(&reader->exit, reader->recording, 0, error))
                return -1;
        load_page(reader);
        if (!load_groups(reader, 2 * id + 1, &at->at_exit, error) || !load_columns(reader, error))
                return -1;
        at->exit_known = hwaccl_known_fields_unite(at->exit_known, at->group_known);
        return load_next(reader, id, error) && integer_stream_next(&reader->exit, reader->recording, error) ? 1 : -1;
}

bool state_reader_prepare(struct state_reader *reader, struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        const struct field_set *page = &recording->set[FIELD_SET_PAGE];
        const struct {
                struct integer_stream *stream;
                const char *table;
                const char *columns;
                bool nearest; /* the keyframe and the group row that hold at the first exit */
        } tables[] = {
                {&reader->exit, "exit",
                 "id, @page($)@, rip_advance, next_rax, verdict, outcome, clock, instruction, instruction_input, "
                 "host_entry, host_guest, host_handler, walk",
                 false},
                {&reader->keyframe, "keyframe", "id, clock, host_entry, @page($)@", true},
                {&reader->change, "handler_change", "id, @handled($)@", false},
                {&reader->entry_state, "entry_state", "id, @page($)@", false},
                {&reader->system, "system_registers", "at, @system($)@", true},
                {&reader->segment, "segment_registers", "at, @segment($)@", true},
        };

        hwaccl_assert(page->count <= PAGE_MAX);
        reader->recording = recording;
        reader->page_count = page->count;
        for (unsigned i = 0; i < page->count; i++) {
                reader->page_word[i] = (uint8_t)(hwaccl_subject_fields[page->index[i]].offset / 8);
                hwaccl_known_fields_add(&reader->page_bit[i], page->index[i]);
        }
        reader->page_columns = (UINT64_C(1) << page->count) - 1;
        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
                if (!integer_stream_prepare(tables[i].stream, recording, tables[i].table, tables[i].columns,
                                            tables[i].nearest, error))
                        return false;
        return true;
}

void state_reader_rest(struct state_reader *reader)
{
        integer_stream_reset(&reader->exit);
        integer_stream_reset(&reader->keyframe);
        integer_stream_reset(&reader->change);
        integer_stream_reset(&reader->entry_state);
        integer_stream_reset(&reader->system);
        integer_stream_reset(&reader->segment);
}

void state_reader_close(struct state_reader *reader)
{
        integer_stream_close(&reader->exit);
        integer_stream_close(&reader->keyframe);
        integer_stream_close(&reader->change);
        integer_stream_close(&reader->entry_state);
        integer_stream_close(&reader->system);
        integer_stream_close(&reader->segment);
}

/* A keyframe has the whole state at the entry of its exit. At any other exit that state is what the exit before left.
 */
bool state_reader_seek(struct state_reader *reader, int64_t id, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = reader->recording;
        struct state_place *at = &reader->at;
        const int64_t first = id & ~(int64_t)EXIT_NUMBER_MAX, last = id | (int64_t)EXIT_NUMBER_MAX;

        memset(at, 0, sizeof(*at));
        at->system_at = at->segment_at = -1;
        if (!integer_stream_start(&reader->keyframe, recording, id, last, error))
                return false;
        bool is_keyframe = reader->keyframe.waiting && reader->keyframe.key == id;
        int64_t start = is_keyframe || id == first ? id : id - 1;
        at->expected = start;
        if (!integer_stream_start(&reader->exit, recording, start, last, error) ||
            !integer_stream_start(&reader->change, recording, start, last, error) ||
            !integer_stream_start(&reader->entry_state, recording, start, last, error) ||
            !integer_stream_start(&reader->system, recording, 2 * start, 2 * last, error) ||
            !integer_stream_start(&reader->segment, recording, 2 * start, 2 * last, error))
                return false;
        if (reader->keyframe.waiting && reader->keyframe.key < start) {
                if (reader->keyframe.key < first)
                        return recording_error(recording, error, "no keyframe before exit %" PRIu64,
                                               exit_number(start));
                if (!load_keyframe(reader, error))
                        return false;
        }
        if (start == id)
                return true;
        /* only system and segment registers of that entry matter, and they are full rows */
        at->next_there = true;
        if (!load_groups(reader, 2 * start, &at->next, error))
                return false;
        int found = state_reader_next(reader, error);
        return found > 0 ||
               (found == 0 && recording_error(recording, error, "exit %" PRIu64 " is missing", exit_number(start)));
}
