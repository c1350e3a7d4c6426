#include "tracer/read/exit_cursor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool cursor_events_open(struct cursor_events *events, struct hwaccl_recording *recording, int64_t first, int64_t last,
                        struct hwaccl_error *error)
{
        events->byte_room = 2 * HWACCL_INPUT_SIZE_MAX;
        events->bytes = malloc(events->byte_room);
        if (!events->bytes)
                return hwaccl_error_set(error, "out of memory");
        return stream_prepare(&events->input, recording, "input",
                              "SELECT exit, sequence, kind, address, value, data FROM input "
                              "WHERE exit BETWEEN ?1 AND ?2 ORDER BY exit, sequence",
                              false, error) &&
               stream_start(&events->input, recording, first, last, error) &&
               stream_prepare(&events->effect, recording, "effect",
                              "SELECT exit, sequence, kind, address, value, data FROM effect "
                              "WHERE exit BETWEEN ?1 AND ?2 ORDER BY exit, sequence",
                              false, error) &&
               stream_start(&events->effect, recording, first, last, error) &&
               database_prepare(recording->db, "SELECT address, bytes FROM instruction WHERE id = ?1", &events->lookup,
                                error) &&
               database_prepare(recording->db,
                                "SELECT sequence, address, data FROM walk_read WHERE walk = ?1 ORDER BY sequence",
                                &events->lookup_walk, error);
}

void cursor_events_close(struct cursor_events *events)
{
        stream_close(&events->input);
        stream_close(&events->effect);
        (void)sqlite3_finalize(events->lookup);
        (void)sqlite3_finalize(events->lookup_walk);
        free(events->inputs);
        free(events->effects);
        free(events->bytes);
}

static bool load_instruction(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                             struct cursor_instruction *slot, struct hwaccl_error *error)
{
        sqlite3_stmt *row = events->lookup;
        bool good = false;

        if (sqlite3_bind_int64(row, 1, id) != SQLITE_OK)
                return database_error(recording->db, error, "cannot bind a value");
        int result = sqlite3_step(row);
        int size = result == SQLITE_ROW ? sqlite3_column_bytes(row, 1) : 0;
        if (result != SQLITE_ROW) {
                recording_error(recording, error, "instruction %" PRId64 " is missing", id);
        } else if (sqlite3_column_type(row, 0) != SQLITE_INTEGER || sqlite3_column_type(row, 1) != SQLITE_BLOB ||
                   size < 1 || size > (int)INSTRUCTION_SIZE_MAX) {
                recording_error(recording, error, "instruction %" PRId64 ": expected an address and 1 to %u bytes", id,
                                INSTRUCTION_SIZE_MAX);
        } else {
                slot->id = id;
                slot->address = (uint64_t)sqlite3_column_int64(row, 0);
                slot->size = (uint8_t)size;
                memcpy(slot->bytes, sqlite3_column_blob(row, 1), (size_t)size);
                good = true;
        }
        (void)sqlite3_reset(row);
        return good;
}

static bool is_walk_row(sqlite3_stmt *row, uint64_t sequence)
{
        int size = sqlite3_column_bytes(row, 2);

        return sequence < WALK_MAX && sqlite3_column_type(row, 0) == SQLITE_INTEGER &&
               sqlite3_column_int64(row, 0) == (int64_t)sequence && sqlite3_column_type(row, 1) == SQLITE_INTEGER &&
               sqlite3_column_type(row, 2) == SQLITE_BLOB && (size == 4 || size == 8);
}

static bool load_walk(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                      struct cursor_walk *slot, struct hwaccl_error *error)
{
        sqlite3_stmt *row = events->lookup_walk;
        struct walk *walk = &slot->walk;
        int result;

        slot->id = 0;
        walk->count = 0;
        if (sqlite3_bind_int64(row, 1, id) != SQLITE_OK)
                return database_error(recording->db, error, "cannot bind a value");
        while ((result = sqlite3_step(row)) == SQLITE_ROW && is_walk_row(row, walk->count)) {
                size_t i = walk->count++;
                walk->read[i].address = (uint64_t)sqlite3_column_int64(row, 1);
                walk->read[i].size = (uint64_t)sqlite3_column_bytes(row, 2);
                memcpy(walk->read[i].data, sqlite3_column_blob(row, 2), walk->read[i].size);
        }
        (void)sqlite3_reset(row);
        if (result == SQLITE_ROW || (result == SQLITE_DONE && !walk->count))
                return recording_error(recording, error,
                                       "walk %" PRId64 ": expected 1 to %u reads of 4 or 8 bytes, in sequence", id,
                                       WALK_MAX);
        if (result != SQLITE_DONE)
                return database_error(recording->db, error, "cannot read");
        slot->id = id;
        return true;
}

static struct hwaccl_input *add_input(struct cursor_events *events, struct hwaccl_error *error)
{
        if (events->input_count == events->input_room) {
                size_t room = events->input_room ? 2 * events->input_room : 16;
                struct hwaccl_input *more = realloc(events->inputs, room * sizeof(*more));
                if (!more) {
                        hwaccl_error_set(error, "out of memory");
                        return NULL;
                }
                events->inputs = more;
                events->input_room = room;
        }
        struct hwaccl_input *input = &events->inputs[events->input_count++];
        memset(input, 0, sizeof(*input));
        return input;
}

static struct hwaccl_effect *add_effect(struct cursor_events *events, struct hwaccl_error *error)
{
        if (events->effect_count == events->effect_room) {
                size_t room = events->effect_room ? 2 * events->effect_room : 16;
                struct hwaccl_effect *more = realloc(events->effects, room * sizeof(*more));
                if (!more) {
                        hwaccl_error_set(error, "out of memory");
                        return NULL;
                }
                events->effects = more;
                events->effect_room = room;
        }
        struct hwaccl_effect *effect = &events->effects[events->effect_count++];
        memset(effect, 0, sizeof(*effect));
        return effect;
}

/* The buffer moved: update the pointers into it. */
static bool grow_bytes(struct cursor_events *events, size_t need, struct hwaccl_error *error)
{
        uint8_t *before = events->bytes;
        size_t room = events->byte_room;

        while (room < need)
                room *= 2;
        uint8_t *after = malloc(room);
        if (!after)
                return hwaccl_error_set(error, "out of memory");
        memcpy(after, before, events->byte_count);
        for (size_t i = 0; i < events->input_count; i++) {
                const uint8_t *data = events->inputs[i].data;
                if (data && data >= before && data <= before + events->byte_count)
                        events->inputs[i].data = after + (data - before);
        }
        for (size_t i = 0; i < events->effect_count; i++) {
                const uint8_t *data = events->effects[i].data;
                if (data && data >= before && data <= before + events->byte_count)
                        events->effects[i].data = after + (data - before);
        }
        free(before);
        events->bytes = after;
        events->byte_room = room;
        return true;
}

struct event_data {
        const void *data;
        uint32_t size;
};

/* Copy column 5 of the current row: NULL or a BLOB. */
static bool copy_data(struct cursor_events *events, struct hwaccl_recording *recording, const struct stream *stream,
                      uint32_t limit, struct event_data *data, struct hwaccl_error *error)
{
        sqlite3_stmt *row = stream->statement;
        int type = sqlite3_column_type(row, 5);

        if (type == SQLITE_NULL)
                return true;
        int size = type == SQLITE_BLOB ? sqlite3_column_bytes(row, 5) : -1;
        if (size < 0 || (uint32_t)size > limit)
                return recording_error(recording, error,
                                       "table %s, exit %" PRId64 ": data is not a BLOB of at most %u bytes",
                                       stream->table, stream->key, limit);
        if (events->byte_count + (size_t)size > CURSOR_EVENT_BYTES_MAX)
                return recording_error(recording, error, "exit %" PRId64 ": more than %u bytes of inputs and effects",
                                       stream->key, CURSOR_EVENT_BYTES_MAX);
        if (events->byte_count + (size_t)size > events->byte_room &&
            !grow_bytes(events, events->byte_count + (size_t)size, error))
                return false;
        uint8_t *to = events->bytes + events->byte_count;
        if (size)
                memcpy(to, sqlite3_column_blob(row, 5), (size_t)size);
        events->byte_count += (size_t)size;
        data->data = to;
        data->size = (uint32_t)size;
        return true;
}

/* Sequence, kind, address and value of the current row. */
static bool event_columns(struct hwaccl_recording *recording, const struct stream *stream, int64_t sequence,
                          int64_t kinds, int64_t value[3], struct hwaccl_error *error)
{
        int64_t found = 0;

        return stream_integer(stream, recording, 1, sequence, sequence, &found, error) &&
               stream_integer(stream, recording, 2, 0, kinds - 1, &value[0], error) &&
               stream_integer(stream, recording, 3, INT64_MIN, INT64_MAX, &value[1], error) &&
               stream_integer(stream, recording, 4, INT64_MIN, INT64_MAX, &value[2], error);
}

static bool input_from_table(struct cursor_events *events, struct hwaccl_recording *recording,
                             struct hwaccl_error *error)
{
        int64_t column[3];
        struct event_data data = {NULL, 0};

        if (!event_columns(recording, &events->input, (int64_t)events->input_count, HWACCL_INPUT_KIND_COUNT, column,
                           error) ||
            !copy_data(events, recording, &events->input, HWACCL_INPUT_SIZE_MAX, &data, error))
                return false;
        struct hwaccl_input *input = add_input(events, error);
        if (!input)
                return false;
        input->kind = (enum hwaccl_input_kind)column[0];
        input->address = (uint64_t)column[1];
        input->value = (uint64_t)column[2];
        input->data = data.data;
        input->size = data.size;
        return stream_next(&events->input, recording, error);
}

static bool instruction_from_row(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                                 struct hwaccl_error *error)
{
        struct cursor_instruction *slot = &events->cache[(uint64_t)id % CURSOR_INSTRUCTION_CACHE];

        if (slot->id != id && !load_instruction(events, recording, id, slot, error))
                return false;
        struct hwaccl_input *input = add_input(events, error);
        if (!input)
                return false;
        input->kind = HWACCL_INPUT_INSTRUCTION;
        input->address = slot->address;
        input->data = slot->bytes;
        input->size = slot->size;
        return true;
}

static bool walk_from_row(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                          struct hwaccl_error *error)
{
        struct cursor_walk *slot = &events->walks[(uint64_t)id % CURSOR_INSTRUCTION_CACHE];

        if (slot->id != id && !load_walk(events, recording, id, slot, error))
                return false;
        for (size_t i = 0; i < slot->walk.count; i++) {
                struct hwaccl_input *input = add_input(events, error);
                if (!input)
                        return false;
                input->kind = HWACCL_INPUT_MEMORY;
                input->address = slot->walk.read[i].address;
                input->data = slot->walk.read[i].data;
                input->size = (uint32_t)slot->walk.read[i].size;
        }
        return true;
}

static bool gather_inputs(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                          const struct cursor_inputs *from_row, struct hwaccl_error *error)
{
        bool instruction = from_row->instruction != 0;

        if (from_row->clock_known) {
                struct hwaccl_input *input = add_input(events, error);
                if (!input)
                        return false;
                input->kind = HWACCL_INPUT_CLOCK;
                input->value = from_row->clock;
        }
        if (from_row->walk && !walk_from_row(events, recording, from_row->walk, error))
                return false;
        uint64_t place = from_row->instruction_input != UINT64_MAX ? from_row->instruction_input
                         : from_row->walk                          ? events->input_count
                                                                   : 1;
        for (;;) {
                if (instruction && place == events->input_count) {
                        if (!instruction_from_row(events, recording, from_row->instruction, error))
                                return false;
                        instruction = false;
                } else if (events->input.waiting && events->input.key == id) {
                        if (!input_from_table(events, recording, error))
                                return false;
                } else if (instruction) {
                        return recording_error(recording, error, "exit %" PRIu64 ": input %zu is missing",
                                               exit_number(id), events->input_count);
                } else {
                        return true;
                }
        }
}

static bool gather_effects(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                           struct hwaccl_error *error)
{
        while (events->effect.waiting && events->effect.key == id) {
                int64_t column[3];
                struct event_data data = {NULL, 0};
                if (!event_columns(recording, &events->effect, (int64_t)events->effect_count, HWACCL_EFFECT_KIND_COUNT,
                                   column, error) ||
                    !copy_data(events, recording, &events->effect, HWACCL_EFFECT_SIZE_MAX, &data, error))
                        return false;
                struct hwaccl_effect *effect = add_effect(events, error);
                if (!effect)
                        return false;
                effect->kind = (enum hwaccl_effect_kind)column[0];
                effect->address = (uint64_t)column[1];
                effect->value = (uint64_t)column[2];
                effect->data = data.data;
                effect->size = data.size;
                if (!stream_next(&events->effect, recording, error))
                        return false;
        }
        return true;
}

bool cursor_events_gather(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                          const struct cursor_inputs *from_row, struct hwaccl_error *error)
{
        events->input_count = 0;
        events->effect_count = 0;
        events->byte_count = 0;
        if (events->input.waiting && events->input.key < id)
                return recording_error(recording, error, "table input: row for exit %" PRId64 ", which does not exist",
                                       events->input.key);
        if (events->effect.waiting && events->effect.key < id)
                return recording_error(recording, error, "table effect: row for exit %" PRId64 ", which does not exist",
                                       events->effect.key);
        return gather_inputs(events, recording, id, from_row, error) && gather_effects(events, recording, id, error);
}
