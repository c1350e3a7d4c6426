#include "tracer/database/decoder_internal.h"

#include "core/host/inputs.h"
#include "core/machine/board/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECODER_FIELD_MAX 4096

static uint64_t word_of(unsigned field)
{
        return UINT64_C(1) << (hwaccl_subject_fields[field].offset / 8);
}

static uint64_t set_mask(const struct field_set *set, struct hwaccl_known_fields *fields)
{
        uint64_t mask = 0;

        for (unsigned i = 0; i < set->count; i++) {
                mask |= word_of(set->index[i]);
                hwaccl_known_fields_add(fields, set->index[i]);
        }
        return mask;
}

bool decoder_init(struct decoder *decoder, sqlite3 *db, uint32_t vcpu, uint32_t keyframe_interval,
                  struct hwaccl_error *error)
{
        decoder->state.version = DECODER_STATE_VERSION;
        decoder->vcpu = vcpu;
        decoder->state.row.id = exit_id(vcpu, 0);
        decoder->keyframe_interval = keyframe_interval;
        if (!rows_prepare(&decoder->rows, db, error) || !block_rows_prepare(&decoder->block_rows, db, error) ||
            !vmm_rows_prepare(&decoder->vmm_rows, db, error) || !call_rows_prepare(&decoder->call_rows, db, error) ||
            !kernel_rows_prepare(&decoder->kernel_rows, db, error))
                return false;
        decoder->system_mask = set_mask(&decoder->rows.set[FIELD_SET_SYSTEM], &decoder->system_fields);
        decoder->segment_mask = set_mask(&decoder->rows.set[FIELD_SET_SEGMENT], &decoder->segment_fields);
        return true;
}

static bool allocate_devices(struct decoder *decoder, size_t fields, struct hwaccl_error *error)
{
        decoder->field_size = calloc(fields + 1, sizeof(*decoder->field_size));
        if (!decoder->field_size)
                return hwaccl_error_set(error, "out of memory");
        return true;
}

static bool allocate_device_state(struct decoder *decoder, struct hwaccl_error *error)
{
        decoder->device_state = calloc(1, decoder->device_bytes + 1);
        return decoder->device_state || hwaccl_error_set(error, "out of memory");
}

static void add_field(struct decoder *decoder, size_t size)
{
        decoder->field_size[decoder->field_count++] = (uint16_t)size;
        decoder->device_bytes += size;
}

bool decoder_declare_devices(struct decoder *decoder, struct hwaccl_device *const *devices, size_t count,
                             struct hwaccl_error *error)
{
        size_t fields = 0;

        for (size_t i = 0; i < count; i++)
                fields += devices[i]->ops->field_count;
        if (!allocate_devices(decoder, fields, error))
                return false;
        for (size_t i = 0; i < count; i++) {
                const struct hwaccl_device_ops *ops = devices[i]->ops;
                for (size_t f = 0; f < ops->field_count; f++) {
                        add_field(decoder, ops->fields[f].size);
                        if (!rows_device_field(&decoder->rows, (int64_t)decoder->field_count, ops->name,
                                               &ops->fields[f], error))
                                return false;
                }
        }
        return allocate_device_state(decoder, error);
}

bool decoder_find_devices(struct decoder *decoder, struct hwaccl_error *error)
{
        sqlite3 *db = decoder->rows.db;
        sqlite3_stmt *row;
        int64_t count = 0;

        if (!database_integer(db, "SELECT count(*) FROM device_field", 0, &count, error))
                return false;
        if (count > DECODER_FIELD_MAX)
                return hwaccl_error_set(error, "more than %d device fields", DECODER_FIELD_MAX);
        if (!allocate_devices(decoder, (size_t)count, error) ||
            !database_prepare(db, "SELECT id, size FROM device_field ORDER BY id LIMIT ?1", &row, error))
                return false;
        bool good = sqlite3_bind_int64(row, 1, count) == SQLITE_OK;
        int result = SQLITE_DONE;
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                int64_t size = sqlite3_column_int64(row, 1);
                if (sqlite3_column_int64(row, 0) != (int64_t)decoder->field_count + 1 || size < 1 ||
                    size > (int64_t)HWACCL_DEVICE_STATE_MAX)
                        break;
                add_field(decoder, (size_t)size);
        }
        (void)sqlite3_finalize(row);
        if (!good || result != SQLITE_DONE || decoder->field_count != (size_t)count)
                return hwaccl_error_set(error, "cannot read table device_field");
        return allocate_device_state(decoder, error);
}

void decoder_finish(struct decoder *decoder)
{
        rows_finalize(&decoder->rows);
        block_rows_finalize(&decoder->block_rows);
        vmm_rows_finalize(&decoder->vmm_rows);
        call_rows_finalize(&decoder->call_rows);
        kernel_rows_finalize(&decoder->kernel_rows);
        free(decoder->field_size);
        free(decoder->device_state);
}

void decoder_start_at(struct decoder *decoder, uint64_t first)
{
        decoder->state.first = decoder->state.exits = first;
        /* a snapshot belongs to the exit before; there is none before exit 0 */
        decoder->state.row.id = exit_id(decoder->vcpu, first) - (first > 0);
}

static bool flush_block(struct decoder *decoder, struct hwaccl_error *error)
{
        return block_rows_put(&decoder->block_rows, &decoder->state.block, error);
}

static bool add_to_block(struct decoder *decoder, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        if (block_is_full(&state->block) && !flush_block(decoder, error))
                return false;
        block_add_row(&state->block, &state->row, state->vector);
        return true;
}

/* A row where something changed. */
static bool flush_kvm_run(struct decoder *decoder, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        bool there = state->run_there;

        state->run_there = false;
        if (there ? state->run_known && memcmp(&state->run, &state->run_written, sizeof(state->run)) == 0
                  : !state->run_known)
                return true;
        state->run_known = there;
        state->run_written = state->run;
        return vmm_rows_kvm_run(&decoder->vmm_rows, state->row.id, there ? &state->run : NULL, error);
}

static bool flush_row(struct decoder *decoder, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        if (!state->row_open)
                return true;
        state->row_open = false;
        return decoder_flush_walk(decoder, error) && flush_kvm_run(decoder, error) &&
               rows_exit(&decoder->rows, &state->row, &state->base, &state->base_known, error) &&
               add_to_block(decoder, error);
}

static bool write_group(struct decoder *decoder, enum field_set_name set, int64_t at, const union state_words *state,
                        const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        struct hwaccl_known_fields *written = &decoder->state.group_known;
        const struct hwaccl_known_fields *fields =
                set == FIELD_SET_SYSTEM ? &decoder->system_fields : &decoder->segment_fields;

        *written = hwaccl_known_fields_unite(hwaccl_known_fields_without(*written, *fields),
                                             hwaccl_known_fields_intersect(*known, *fields));
        return rows_group(&decoder->rows, set, at, state, known, error);
}

/* Full rows of the groups that changed, or whose known fields changed. */
static bool write_groups(struct decoder *decoder, int64_t at, uint64_t bitmap, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        struct hwaccl_known_fields news =
                hwaccl_known_fields_unite(hwaccl_known_fields_without(state->now_known, state->group_known),
                                          hwaccl_known_fields_without(state->group_known, state->now_known));

        state->system_written = (bitmap & decoder->system_mask) ||
                                hwaccl_known_fields_any(hwaccl_known_fields_intersect(news, decoder->system_fields));
        state->segment_written = (bitmap & decoder->segment_mask) ||
                                 hwaccl_known_fields_any(hwaccl_known_fields_intersect(news, decoder->segment_fields));
        return (!state->system_written ||
                write_group(decoder, FIELD_SET_SYSTEM, at, &state->now, &state->now_known, error)) &&
               (!state->segment_written ||
                write_group(decoder, FIELD_SET_SEGMENT, at, &state->now, &state->now_known, error));
}

/* The state after handling, in the row of the previous exit. @bitmap: words that may differ */
static bool write_handled_state(struct decoder *decoder, uint64_t bitmap, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        struct exit_row *row = &state->row;
        struct hwaccl_known_fields learnt = hwaccl_known_fields_without(state->entry_known, row->state_known);
        const unsigned rip = offsetof(struct hwaccl_subject_state, rip) / 8;
        const unsigned rax = offsetof(struct hwaccl_subject_state, rax) / 8;

        for (unsigned i = 0; hwaccl_known_fields_any(learnt) && i < HWACCL_FIELD_COUNT; i++)
                if (hwaccl_known_fields_has(&learnt, i))
                        bitmap |= word_of(i);
        /* there was an entry, even if its RIP is not known */
        exit_row_set(row, EXIT_RIP_ADVANCE,
                     hwaccl_known_fields_has(&row->state_known, HWACCL_FIELD_INDEX_rip)
                             ? (int64_t)(state->now.word[rip] - row->state[rip])
                             : 0);
        if (bitmap >> rax & 1 && hwaccl_known_fields_has(&state->entry_known, HWACCL_FIELD_INDEX_rax))
                exit_row_set(row, EXIT_NEXT_RAX, (int64_t)state->now.word[rax]);
        return rows_handler_change(&decoder->rows, row->id, bitmap, &state->now, &state->entry_known, error);
}

static bool write_handoff(struct decoder *decoder, struct hwaccl_error *error)
{
        decoder->state.handoff_open = false;
        return rows_irq_handoff(&decoder->rows, &decoder->state.handoff, error);
}

static bool take_entry(struct decoder *decoder, const struct ring_entry *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        uint64_t bitmap = record->bitmap;
        int64_t id = exit_id(decoder->vcpu, state->exits);
        bool given = record->record.extra != RING_ENTRY_UNKNOWN;

        if (bitmap == ~UINT64_C(0)) /* not a delta */
                bitmap = state_delta_bitmap((const struct hwaccl_subject_state *)(const void *)record->words,
                                            &state->now);
        const uint64_t *end = state_delta_apply(record->bitmap, record->words, &state->now);
        state->entry_known = record->record.extra == RING_ENTRY_PARTIAL ? hwaccl_known_fields_of_words(end)
                             : given                                    ? hwaccl_known_fields_all()
                                                                        : hwaccl_known_fields_none();
        if (state->row_open && ((given && !write_handled_state(decoder, bitmap, error)) || !flush_row(decoder, error)))
                return false;
        state->never_based = hwaccl_known_fields_unite(
                state->never_based, hwaccl_known_fields_without(hwaccl_known_fields_all(), state->entry_known));
        /* offered before an entry that led to no exit: the accelerator failed */
        if (state->handoff_open && !write_handoff(decoder, error))
                return false;
        state->entry = state->now;
        state->phase = DECODER_ENTERED;
        state->system_written = state->segment_written = false;
        if (!given)
                return true;
        state->now_known = state->entry_known;
        return write_groups(decoder, 2 * id, state->exits == state->first ? ~UINT64_C(0) : bitmap, error);
}

/* At the exit: known fields of its entry that no other row has. */
static bool write_entry_state(struct decoder *decoder, int64_t id, bool keyframe, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        struct hwaccl_known_fields fields = hwaccl_known_fields_none();

        if (keyframe)
                fields = hwaccl_known_fields_without(state->entry_known, state->base_known);
        else if (hwaccl_known_fields_has(&state->entry_known, HWACCL_FIELD_INDEX_rip) &&
                 !hwaccl_known_fields_has(&state->row.state_known, HWACCL_FIELD_INDEX_rip))
                hwaccl_known_fields_add(&fields, HWACCL_FIELD_INDEX_rip);
        return !hwaccl_known_fields_any(fields) || rows_entry_state(&decoder->rows, id, &state->entry, &fields, error);
}

/*
 * NULL in a row means the keyframe's value, so a keyframe holds only fields that were known at every moment until now:
 * a field that was unknown once is in every row that has it.
 */
static bool write_keyframe(struct decoder *decoder, int64_t id, uint64_t host_entry, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        state->base = state->entry;
        state->base_known = hwaccl_known_fields_without(state->entry_known, state->never_based);
        state->base_clock = state->clock;
        state->base_host_entry = host_entry;
        const struct hwaccl_known_fields *known = &state->entry_known;
        return flush_block(decoder, error) &&
               rows_keyframe(&decoder->rows, id, state->clock, host_entry, &state->entry, &state->base_known, error) &&
               (state->system_written || write_group(decoder, FIELD_SET_SYSTEM, 2 * id, &state->entry, known, error)) &&
               (state->segment_written || write_group(decoder, FIELD_SET_SEGMENT, 2 * id, &state->entry, known, error));
}

/* From one stamp to the next of the vCPU thread: 0 and a note when the clock went back between them. */
static int64_t span(struct decoder *decoder, uint64_t from, uint64_t to)
{
        stamp_clock_note(&decoder->clock, stamp_clock_span(&decoder->clock, to, from));
        return (int64_t)stamp_clock_span(&decoder->clock, from, to);
}

/* Entries are in the order of time, whatever the clock does. */
static uint64_t entry_time(struct decoder *decoder, uint64_t stamp)
{
        const struct decoder_state *state = &decoder->state;
        bool first = state->exits == state->first;
        uint64_t time = stamp_clock_ns(&decoder->clock, stamp);
        uint64_t last = first ? 0 : state->base_host_entry + (uint64_t)state->row.column[EXIT_HOST_ENTRY];

        (void)span(decoder, first ? decoder->clock.origin_stamp : state->last_stamp, stamp);
        return time >= last ? time : last;
}

static bool write_thread_time(struct decoder *decoder, int64_t id, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        if (!state->thread_time_open)
                return true;
        state->thread_time_open = false;
        state->thread_time.exit = id;
        return rows_thread_time(&decoder->rows, &state->thread_time, error);
}

/* That of a keyframe waits for the exit: perhaps none follows. */
static bool take_thread_time(struct decoder *decoder, const struct ring_thread_time *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        state->thread_time = (struct thread_time_row){.moment = record->record.extra,
                                                      .host_time = stamp_clock_ns(&decoder->clock, record->stamp),
                                                      .host_cpu = record->cpu};
        state->thread_time_open = true;
        return record->record.extra == RING_THREAD_KEYFRAME || write_thread_time(decoder, state->row.id, error);
}

static bool take_exit(struct decoder *decoder, const struct ring_exit *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        int64_t id = exit_id(decoder->vcpu, state->exits);
        uint64_t host_entry = entry_time(decoder, record->entry_stamp);

        if (state->exits > EXIT_NUMBER_MAX)
                return hwaccl_error_set(error, "more than 2^%u exits", VCPU_SHIFT);
        const uint64_t *end = state_delta_apply(record->bitmap, record->words, &state->now);
        const uint64_t *pending = end;
        if (record->record.extra & RING_EXIT_PENDING)
                end += 4;
        state->now_known = record->record.extra & RING_EXIT_PARTIAL ? hwaccl_known_fields_of_words(end)
                                                                    : hwaccl_known_fields_all();
        state->never_based = hwaccl_known_fields_unite(
                state->never_based, hwaccl_known_fields_without(hwaccl_known_fields_all(), state->now_known));
        bool keyframe = state->exits % decoder->keyframe_interval == 0 || state->exits == state->first ||
                        hwaccl_known_fields_any(hwaccl_known_fields_intersect(state->base_known, state->never_based));
        if ((keyframe && !write_keyframe(decoder, id, host_entry, error)) || !write_thread_time(decoder, id, error) ||
            !write_entry_state(decoder, id, keyframe, error))
                return false;
        state->row.known = 0;
        state->row.id = id;
        memcpy(state->row.state, state->now.word, sizeof(state->row.state));
        state->row.state_known = state->now_known;
        exit_row_set(&state->row, EXIT_HOST_ENTRY, (int64_t)(host_entry - state->base_host_entry));
        exit_row_set(&state->row, EXIT_HOST_GUEST, span(decoder, record->entry_stamp, record->exit_stamp));
        if (record->record.extra & RING_EXIT_SEQUENCE) {
                end += record->record.extra & RING_EXIT_PARTIAL ? HWACCL_KNOWN_FIELDS_WORDS : 0;
                exit_row_set(&state->row, EXIT_SEQUENCE, (int64_t)*end);
        }
        state->row_open = true;
        state->vector = state->handoff_open ? 1 + state->handoff.vector : 0;
        state->last_stamp = record->exit_stamp;
        state->inputs = 0;
        state->walk.count = 0;
        state->effects = 0;
        state->exits++;
        state->phase = DECODER_HANDLING;
        if (record->record.extra & RING_EXIT_PENDING && !rows_pending(&decoder->rows, id, pending, error))
                return false;
        return write_groups(decoder, 2 * id + 1, record->bitmap, error);
}

static bool take_fault(struct decoder *decoder, const struct ring_fault *record, struct hwaccl_error *error)
{
        return rows_fault(&decoder->rows, decoder->state.row.id, record->record.extra, &record->link, error);
}

static bool take_handled(struct decoder *decoder, const struct ring_handled *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        bool handled = record->record.type == RING_RECORD_HANDLED;

        state->phase = DECODER_BETWEEN;
        if (handled ? record->verdict != RING_VERDICT_UNKNOWN : record->record.extra)
                exit_row_set(&state->row, EXIT_VERDICT, (int64_t)record->verdict);
        if (handled && record->record.extra != RING_OUTCOME_UNKNOWN)
                exit_row_set(&state->row, EXIT_OUTCOME, record->record.extra);
        exit_row_set(&state->row, EXIT_HOST_HANDLER, span(decoder, state->last_stamp, record->stamp));
        state->last_stamp = record->stamp;
        return !state->handoff_open || write_handoff(decoder, error);
}

static bool take_snapshot(struct decoder *decoder, const struct ring_bytes *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        const uint8_t *from = record->data;
        uint8_t *last = decoder->device_state;

        if (record->size != decoder->device_bytes)
                return hwaccl_error_set(error, "ring: a snapshot has %llu bytes; expected %zu",
                                        (unsigned long long)record->size, decoder->device_bytes);
        if (!rows_snapshot(&decoder->rows, state->row.id, error))
                return false;
        for (size_t i = 0; i < decoder->field_count; i++) {
                size_t size = decoder->field_size[i];
                if ((!state->snapshots || memcmp(from, last, size) != 0) &&
                    !rows_device_state(&decoder->rows, state->row.id, (int64_t)i + 1, from, size, error))
                        return false;
                memcpy(last, from, size);
                from += size;
                last += size;
        }
        state->snapshots = true;
        return true;
}

static bool take_annotation(struct decoder *decoder, const struct ring_bytes *record, struct hwaccl_error *error)
{
        const char *name = (const char *)record->data;

        return rows_option(&decoder->rows, name, name + strlen(name) + 1, error);
}

static bool take_mark(struct decoder *decoder, const struct ring_text *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        struct mark_row row = {.id = exit_id(decoder->vcpu, state->marks++),
                               .vcpu = decoder->vcpu,
                               .exit_known = state->exits > state->first,
                               .exit = state->row.id,
                               .host_time = stamp_clock_ns(&decoder->clock, record->stamp),
                               .text = record->data,
                               .size = record->size};

        return rows_mark(&decoder->rows, &row, error);
}

bool decoder_take(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        const void *body = record;

        if (decoder->cutting && decoder_passes(decoder, record))
                return decoder_pass_over(decoder, record, error);
        if (decoder->tap)
                decoder->tap->record(decoder->tap, decoder->vcpu, record, &decoder->clock);
        switch ((enum ring_record_type)record->type) {
        case RING_RECORD_ENTRY: return take_entry(decoder, body, error);
        case RING_RECORD_OFFER:
                memset(&state->handoff, 0, sizeof(state->handoff));
                state->handoff.id = exit_id(decoder->vcpu, state->exits);
                state->handoff.vector = record->extra;
                state->handoff.host_offered =
                        stamp_clock_ns(&decoder->clock, ((const struct ring_stamped *)body)->stamp);
                state->handoff_open = true;
                return true;
        case RING_RECORD_EXIT: return take_exit(decoder, body, error);
        case RING_RECORD_CLOCK: return decoder_take_clock(decoder, ((const struct ring_clock *)body)->value, error);
        case RING_RECORD_INPUT: return decoder_take_input(decoder, record->extra, body, error);
        case RING_RECORD_WALK: return decoder_take_walk(decoder, body, error);
        case RING_RECORD_FAULT: return take_fault(decoder, body, error);
        case RING_RECORD_EFFECT: return decoder_take_effect(decoder, body, error);
        case RING_RECORD_RECLAIM:
                state->handoff.settled = true;
                state->handoff.taken = record->extra;
                state->handoff.host_settled =
                        stamp_clock_ns(&decoder->clock, ((const struct ring_stamped *)body)->stamp);
                return write_handoff(decoder, error);
        case RING_RECORD_HANDLED:
        case RING_RECORD_UNHANDLED: return take_handled(decoder, body, error);
        case RING_RECORD_SNAPSHOT: return take_snapshot(decoder, body, error);
        case RING_RECORD_ANNOTATION: return take_annotation(decoder, body, error);
        case RING_RECORD_MARK: return take_mark(decoder, body, error);
        case RING_RECORD_THREAD_TIME: return take_thread_time(decoder, body, error);
        case RING_RECORD_KVM_RUN:
                state->run = ((const struct ring_kvm_run *)body)->run;
                state->run_there = true;
                return true;
        case RING_RECORD_VMM_STATE:
                return vmm_rows_state(&decoder->vmm_rows, exit_id(decoder->vcpu, state->exits), body, error);
        case RING_RECORD_LANE: return decoder_take_lane(decoder, body, error);
        case RING_RECORD_CALL: return decoder_take_call(decoder, body, error);
        case RING_RECORD_CALL_DATA: return decoder_take_call_data(decoder, body, error);
        case RING_RECORD_CALLED: return decoder_take_called(decoder, body, error);
        case RING_RECORD_KERNEL_EXIT: return kernel_rows_exit(&decoder->kernel_rows, state->row.id, body, error);
        case RING_RECORD_KERNEL_EVENT:
                return kernel_rows_event(
                        &decoder->kernel_rows, decoder->vcpu, state->exits > state->first ? state->row.id : -1, body,
                        stamp_clock_ns(&decoder->clock, ((const struct ring_kernel_event *)body)->stamp), error);
        }
        return hwaccl_error_set(error, "ring: unknown record type %u", record->type);
}

bool decoder_flush(struct decoder *decoder, struct hwaccl_error *error)
{
        char text[64];

        if (decoder->cutting)
                return true; /* no row waits */
        (void)snprintf(text, sizeof(text), "%" PRIu64 " ns; times are clamped", decoder->clock.went_back_ns);
        return (!decoder->state.handoff_open || write_handoff(decoder, error)) && flush_row(decoder, error) &&
               flush_block(decoder, error) &&
               (!decoder->clock.went_back_ns || rows_option(&decoder->rows, "host_clock_went_back", text, error));
}
