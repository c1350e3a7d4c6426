/*
 * The lane: what goes in as states with their known fields comes out of the decoder and the reader, from a ring and
 * from a buffer; and the core's probe, the library for other VMMs and the importer write the same records.
 */
#include "tests/fixtures/told_exits.h"

/* Every kind of record, in the order of a trip round the loop. */
static void write_exit(struct lane *lane, uint64_t number, uint64_t *time)
{
        const struct told told = tell(number);
        const struct hwaccl_input clock = {HWACCL_INPUT_CLOCK, 0, number * 1000, NULL, 0};
        const struct hwaccl_input memory = {HWACCL_INPUT_MEMORY, number, 7, told.data, (uint32_t)told.data_size};
        const struct hwaccl_effect line = {HWACCL_EFFECT_IRQ_LINE, 4, number & 1, NULL, 0};
        const struct hwaccl_effect print = {HWACCL_EFFECT_CONSOLE, 0, 0, told.data, (uint32_t)told.data_size};
        uint8_t *devices;

        assert_true(lane_entry(lane, pair(&told.entry)));
        assert_int_equal(lane->phase, LANE_IN_GUEST);
        if (told.offered)
                assert_true(lane_offer(lane, told.vector, *time += STEP_TIME));
        lane->entry_stamp = *time += STEP_TIME;
        assert_true(lane_exit(lane, pair(&told.exit), told.pending ? told.pending_words : NULL, *time += STEP_TIME));
        assert_int_equal(lane->phase, LANE_HANDLING);
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                bool known = !told.exit.absent && hwaccl_known_fields_has(&told.exit.known, i);
                enum hwaccl_field_index field = (enum hwaccl_field_index)i;
                assert_int_equal(hwaccl_field_get(&lane->last.state, field),
                                 known ? hwaccl_field_get(&told.exit.state, field) : 0);
        }
        assert_true(lane_input(lane, &clock));
        assert_true(lane_page_walk(lane, told.walk, 3, 8));
        assert_true(lane_input(lane, &memory));
        assert_true(lane_effect(lane, &line));
        assert_true(lane_effect(lane, &print));
        if (number % 5) {
                const struct hwaccl_kvm_run run = {.if_flag = number / 8 % 2, .cr8 = number / 16};
                assert_true(lane_kvm_run(lane, &run));
        }
        if (told.verdict)
                lane_verdict(lane, HWACCL_VERDICT_EMULATE);
        if (told.settled)
                assert_true(lane_reclaim(lane, told.taken, *time += STEP_TIME));
        assert_true(
                lane_handled(lane, told.outcome ? HWACCL_OUTCOME_COMPLETED : RING_OUTCOME_UNKNOWN, *time += STEP_TIME));
        assert_int_equal(lane->phase, LANE_BETWEEN);
        if (lane_keyframe_due(lane)) {
                assert_non_null(devices = lane_snapshot(lane, 8, false));
                memcpy(devices, &number, 8);
                assert_true(lane_vmm_state(lane, "number", 6, &number, sizeof(number)));
        }
        lane_complete(lane);
        if (number % 50 == 0)
                assert_true(lane_mark(lane, "mark", 4, *time += STEP_TIME));
        if (number % 100 == 0)
                assert_true(lane_annotation(lane, "digest", "0123"));
}

struct device {
        struct hwaccl_device device;
        uint64_t number;
};

static const struct hwaccl_device_field device_fields[] = {HWACCL_DEVICE_FIELD(struct device, number)};
static const struct hwaccl_device_ops device_ops = {.name = "device", .fields = device_fields, .field_count = 1};

/* A lane for the test, its masks with it. */
static struct lane *start_lane(struct lane *lane, struct lane_masks *masks)
{
        memset(lane, 0, sizeof(*lane));
        memset(masks, 0, sizeof(*masks));
        lane_init(lane, STAMP_MONOTONIC, INTERVAL, UINT64_MAX);
        lane->masks = masks;
        return lane;
}

static void write_exits(struct lane *lane)
{
        uint64_t time = 1000;

        for (uint64_t i = 0; i < EXITS; i++)
                write_exit(lane, i, &time);
        const struct told last = tell(EXITS);
        assert_true(lane_entry(lane, pair(&last.entry)));
        lane->entry_stamp = time += STEP_TIME;
        assert_true(lane_exit(lane, pair(&last.exit), NULL, time += STEP_TIME));
        lane_verdict(lane, HWACCL_VERDICT_RESUME);
        assert_true(lane_unhandled(lane, time += STEP_TIME));
        assert_int_equal(lane->completed, EXITS);
}

/* The records through the decoder into a recording, as the writer does it. Those of a file that nobody trusts pass too.
 */
static struct hwaccl_recording *decode(enum stamp_kind stamps, const uint8_t *records, uint64_t size)
{
        struct decoder *decoder = aligned_alloc(64, (sizeof(*decoder) + 63) & ~(size_t)63);
        struct device device = {.device = {.ops = &device_ops}};
        struct hwaccl_device *const devices[] = {&device.device};
        static const struct hwaccl_recording_option vmm = {HWACCL_OPTION_VMM, "test"};
        const struct recording_head head = {0, 1, INTERVAL, &vmm, 1};
        const struct recording_end end = {.end = HWACCL_TRACE_END_STOPPED};
        struct hwaccl_error error = {""};

        assert_non_null(decoder);
        memset(decoder, 0, sizeof(*decoder));
        stamp_clock_start(&decoder->clock, stamps);
        decoder->clock.origin_stamp = decoder->clock.stamp[0] = decoder->clock.latest_stamp = 0;
        decoder->clock.stamp[1] = decoder->clock.ns[1] = UINT64_C(1) << 40;
        sqlite3 *db = writer_database_create(path, true, 0, &error);
        bool good = db && database_execute(db, "BEGIN", &error) && writer_database_fill(db, &head, &error) &&
                    decoder_init(decoder, db, 0, INTERVAL, &error) &&
                    decoder_declare_devices(decoder, devices, 1, &error);
        for (uint64_t at = 0; good && at < size;) {
                const struct ring_record *record = (const struct ring_record *)(const void *)(records + at);
                const char *problem = ring_record_problem(decoder, record);
                if (problem)
                        fail_msg("record of type %u at %llu: %s", record->type, (unsigned long long)at, problem);
                good = decoder_take(decoder, record, &error);
                at += (uint64_t)record->words * 8;
        }
        good = good && decoder_flush(decoder, &error) && database_execute(db, "COMMIT", &error) &&
               writer_database_status(db, &end, NULL, true, &error);
        decoder_finish(decoder);
        free(decoder);
        if (!good || !writer_database_close(db, &error))
                fail_msg("%s", error.message);
        return open_recording(path);
}

static void assert_moment(const struct hwaccl_subject_state *found, struct hwaccl_known_fields found_known,
                          const struct hwaccl_subject_state *state, struct hwaccl_known_fields known, uint64_t number)
{
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                if (hwaccl_known_fields_has(&found_known, i) != hwaccl_known_fields_has(&known, i))
                        fail_msg("exit %llu: %s", (unsigned long long)number, hwaccl_subject_fields[i].name);
                if (hwaccl_known_fields_has(&known, i) && hwaccl_field_get(found, (enum hwaccl_field_index)i) !=
                                                                  hwaccl_field_get(state, (enum hwaccl_field_index)i))
                        fail_msg("exit %llu: value of %s", (unsigned long long)number, hwaccl_subject_fields[i].name);
        }
}

static void assert_events(const struct hwaccl_recorded_exit *found, const struct told *told)
{
        assert_int_equal(found->input_count, 5);
        assert_int_equal(found->inputs[0].kind, HWACCL_INPUT_CLOCK);
        assert_int_equal(found->inputs[0].value, found->number * 1000);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(found->inputs[1 + i].kind, HWACCL_INPUT_MEMORY);
                assert_int_equal(found->inputs[1 + i].address, told->walk[i].address);
                assert_memory_equal(found->inputs[1 + i].data, &told->walk[i].value, 8);
        }
        assert_int_equal(found->inputs[4].value, 7);
        assert_int_equal(found->inputs[4].size, told->data_size);
        assert_non_null(found->inputs[4].data);
        if (told->data_size)
                assert_memory_equal(found->inputs[4].data, told->data, told->data_size);
        assert_int_equal(found->effect_count, 2);
        assert_int_equal(found->effects[0].kind, HWACCL_EFFECT_IRQ_LINE);
        assert_int_equal(found->effects[1].size, told->data_size);
        if (told->data_size)
                assert_memory_equal(found->effects[1].data, told->data, told->data_size);
}

static void assert_exit(const struct hwaccl_recorded_exit *found, struct moment *last)
{
        const struct told told = tell(found->number);
        const struct hwaccl_known_fields none = hwaccl_known_fields_none();

        /* an entry adds to what was known of the exit before */
        for (unsigned i = 0; !told.entry.absent && i < HWACCL_FIELD_COUNT; i++)
                if (hwaccl_known_fields_has(&told.entry.known, i))
                        hwaccl_field_put(&last->state, (enum hwaccl_field_index)i,
                                         hwaccl_field_get(&told.entry.state, (enum hwaccl_field_index)i));
        if (!told.entry.absent)
                last->known = hwaccl_known_fields_unite(last->known, told.entry.known);
        assert_moment(found->entry, found->entry_known, &last->state, told.entry.absent ? none : last->known,
                      found->number);
        *last = told.exit;
        last->known = told.exit.absent ? none : told.exit.known;
        assert_moment(found->exit, found->exit_known, &last->state, last->known, found->number);
        if (found->number == EXITS) {
                assert_false(found->outcome_known);
                assert_int_equal(found->verdict, HWACCL_VERDICT_RESUME);
                return;
        }
        assert_events(found, &told);
        if (told.pending)
                assert_memory_equal(found->pending, told.pending_words, sizeof(told.pending_words));
        assert_int_equal(found->offered, told.offered);
        assert_int_equal(found->settled, told.settled);
        if (told.offered)
                assert_int_equal(found->offered_vector, told.vector);
        if (told.settled)
                assert_int_equal(found->taken, told.taken);
        assert_int_equal(found->verdict_known, told.verdict);
        assert_int_equal(found->outcome_known, told.outcome);
        assert_int_equal(found->keyframe, found->number % INTERVAL == INTERVAL - 1);
        if (found->keyframe)
                assert_memory_equal(found->device_fields[0].data, &found->number, 8);
        assert_int_equal(found->kvm_run_known, found->number % 5 != 0);
        if (found->kvm_run_known) {
                assert_int_equal(found->kvm_run.if_flag, found->number / 8 % 2);
                assert_int_equal(found->kvm_run.cr8, found->number / 16);
        }
}

static void assert_vmm_states(struct hwaccl_recording *recording)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recorded_vmm_state state;

        for (uint64_t i = INTERVAL; i <= EXITS; i += INTERVAL) {
                const uint64_t saved = i - 1; /* after that exit */
                assert_true(hwaccl_recording_vmm_state(recording, 0, i, &state, &error));
                assert_int_equal(state.count, 1);
                assert_string_equal(state.part[0].name, "number");
                assert_int_equal(state.part[0].size, sizeof(saved));
                assert_memory_equal(state.part[0].data, &saved, sizeof(saved));
                hwaccl_recorded_vmm_state_free(&state);
        }
}

static void assert_recording(struct hwaccl_recording *recording)
{
        struct hwaccl_error error = {""};
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, 0, &error);
        const struct hwaccl_recorded_exit *found;
        struct moment last = {.known = hwaccl_known_fields_none()};

        if (!cursor)
                fail_msg("%s", error.message);
        for (uint64_t i = 0; i <= EXITS; i++) {
                if (hwaccl_exit_cursor_next(cursor, &found, &error) != 1)
                        fail_msg("%s", error.message);
                assert_int_equal(found->number, i);
                assert_exit(found, &last);
        }
        assert_int_equal(hwaccl_exit_cursor_next(cursor, &found, &error), 0);
        hwaccl_exit_cursor_close(cursor);
        assert_string_equal(option_of(recording, "digest"), "0123");
        assert_vmm_states(recording);
        hwaccl_recording_close(recording);
}

static void what_goes_into_a_buffer_is_decoded_again(void **state)
{
        struct record_buffer buffer;
        struct lane_masks masks;
        struct lane lane;

        (void)state;
        for (unsigned avx2 = 0; avx2 < 2; avx2++) {
                record_buffer_init(&buffer, &start_lane(&lane, &masks)->producer, BUFFER);
                lane.avx2 = lane.avx2 && avx2;
                write_exits(&lane);
                assert_recording(decode(STAMP_MONOTONIC, buffer.data, lane.producer.head));
                record_buffer_free(&buffer);
        }
}

/* A clock goes back by @by after @from. */
static void turn_back(uint8_t *records, uint64_t size, uint64_t from, uint64_t by)
{
        for (uint64_t at = 0; at < size; at += (uint64_t)((struct ring_record *)(void *)(records + at))->words * 8) {
                void *record = records + at;
                uint64_t *stamp[2] = {NULL, NULL};
                switch (((struct ring_record *)record)->type) {
                case RING_RECORD_OFFER:
                case RING_RECORD_RECLAIM: stamp[0] = &((struct ring_stamped *)record)->stamp; break;
                case RING_RECORD_EXIT:
                        stamp[0] = &((struct ring_exit *)record)->entry_stamp;
                        stamp[1] = &((struct ring_exit *)record)->exit_stamp;
                        break;
                case RING_RECORD_HANDLED:
                case RING_RECORD_UNHANDLED: stamp[0] = &((struct ring_handled *)record)->stamp; break;
                case RING_RECORD_MARK: stamp[0] = &((struct ring_text *)record)->stamp; break;
                default: break;
                }
                for (unsigned i = 0; i < 2; i++)
                        if (stamp[i] && *stamp[i] > from)
                                *stamp[i] -= by;
        }
}

static void assert_times(uint64_t from, uint64_t by)
{
        static const char wrong[] =
                "SELECT (SELECT count(*) FROM exits WHERE entry_ns < 0 OR guest_ns < 0 OR handler_ns < 0)"
                " + (SELECT count(*) FROM (SELECT entry_ns < lag(entry_ns) OVER (ORDER BY id) AS"
                " less FROM exits) WHERE less)";
        struct hwaccl_error error = {""};
        int64_t count = -1;
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (!database_integer(db, wrong, -1, &count, &error))
                fail_msg("%s", error.message);
        assert_int_equal(count, 0);
        if (!database_integer(db, "SELECT count(*) FROM option WHERE name = 'host_clock_went_back'", -1, &count,
                              &error))
                fail_msg("%s", error.message);
        if (count != (by > 0))
                fail_msg("from %llu by %llu: noted %lld times", (unsigned long long)from, (unsigned long long)by,
                         (long long)count);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Before an entry, in the guest and while an exit is handled; by less and by more than an exit takes. */
static void stamps_that_go_back_are_clamped_and_noted(void **state)
{
        static const uint64_t by[] = {0, 4 * STEP_TIME, 30 * STEP_TIME};

        (void)state;
        for (unsigned i = 0; i < 2 * sizeof(by) / sizeof(by[0]); i++)
                for (uint64_t from = 50 * STEP_TIME; from < 58 * STEP_TIME; from += STEP_TIME) {
                        struct record_buffer buffer;
                        struct lane_masks masks;
                        struct lane lane;
                        record_buffer_init(&buffer, &start_lane(&lane, &masks)->producer, BUFFER);
                        write_exits(&lane);
                        turn_back(buffer.data, lane.producer.head, from, by[i / 2]);
                        assert_recording(decode(i % 2 ? STAMP_TSC : STAMP_MONOTONIC, buffer.data, lane.producer.head));
                        assert_times(from, by[i / 2]);
                        record_buffer_free(&buffer);
                }
}

static void what_goes_into_a_ring_is_what_goes_into_a_buffer(void **state)
{
        struct hwaccl_error error = {""};
        char ring_path[sizeof(path) + 8];
        struct record_buffer buffer;
        struct lane_masks masks;
        struct lane lane;
        struct ring ring;

        (void)state;
        record_buffer_init(&buffer, &start_lane(&lane, &masks)->producer, BUFFER);
        write_exits(&lane);
        (void)snprintf(ring_path, sizeof(ring_path), "%s-ring", path);
        if (!ring_create(&ring, ring_path, UINT64_C(4) << 20, 0, &error))
                fail_msg("%s", error.message);
        ring_producer_init(&start_lane(&lane, &masks)->producer, &ring);
        write_exits(&lane);
        lane_end(&lane);
        assert_int_equal(ring_head(&ring), lane.producer.head);
        assert_memory_equal(ring.data, buffer.data, lane.producer.head);
        assert_recording(decode(STAMP_MONOTONIC, ring.data, lane.producer.head));
        ring_destroy(&ring, true);
        record_buffer_free(&buffer);
}

static void a_lane_whose_buffer_is_full_stops(void **state)
{
        struct record_buffer buffer;
        struct lane_masks masks;
        struct lane lane;
        uint64_t written = 0;

        (void)state;
        record_buffer_init(&buffer, &start_lane(&lane, &masks)->producer, 4096);
        while (lane_clock(&lane, written))
                written++;
        assert_int_equal(written, 4096 / sizeof(struct ring_clock));
        assert_false(lane_mark(&lane, "mark", 4, 0));
        record_buffer_clear(&lane.producer);
        assert_false(lane_clock(&lane, 0));
        record_buffer_free(&buffer);
}

/* Three callers with a buffer each. */
struct callers {
        struct hwaccl_recorder recorder;
        struct hwaccl_trace_vcpu vcpu;
        struct trace_import import;
        struct survey_stream stream;
        struct record_buffer buffer[2];
        union state_words last; /* as the trace's reader has it */
};

static struct callers *start_callers(bool avx2)
{
        struct callers *callers = aligned_alloc(1024, (sizeof(*callers) + 1023) & ~(size_t)1023);

        assert_non_null(callers);
        memset(callers, 0, sizeof(*callers));
        lane_init(&callers->recorder.lane, STAMP_MONOTONIC, 1000, UINT64_MAX);
        record_buffer_init(&callers->buffer[0], &callers->recorder.lane.producer, BUFFER);
        callers->recorder.lane.avx2 = callers->recorder.lane.avx2 && avx2;
        recorder_start_probe(&callers->recorder);
        lane_init(&callers->vcpu.lane, STAMP_MONOTONIC, 1000, UINT64_MAX);
        record_buffer_init(&callers->buffer[1], &callers->vcpu.lane.producer, BUFFER);
        callers->vcpu.lane.avx2 = callers->recorder.lane.avx2;
        callers->vcpu.lane.masks = &callers->vcpu.masks;
        callers->import.stream = &callers->stream;
        import_hold_init(&callers->import);
        return callers;
}

static void probe_exit(struct callers *callers, const struct told *told, const struct hwaccl_input *input,
                       const struct hwaccl_effect *effect)
{
        struct hwaccl_probe *probe = &callers->recorder.probe;
        const struct hwaccl_pending_interrupts none = {{0}};
        struct hwaccl_error error;

        probe->ops->transfer_in(probe, &told->entry.state);
        if (told->offered)
                probe->ops->irq_offer(probe, told->vector);
        probe->ops->exit(probe, &told->exit.state, &none);
        probe->ops->input(probe, input);
        probe->ops->effect(probe, effect);
        probe->ops->verdict(probe, HWACCL_VERDICT_EMULATE);
        if (told->settled)
                probe->ops->irq_reclaim(probe, told->vector, told->taken);
        assert_true(probe->ops->handled(probe, HWACCL_OUTCOME_COMPLETED, &error));
}

static void library_exit(struct callers *callers, const struct told *told, const struct hwaccl_input *input,
                         const struct hwaccl_effect *effect)
{
        const struct hwaccl_trace_state entry = {told->entry.state, {UINT64_MAX, UINT64_MAX}};
        const struct hwaccl_trace_state left = {told->exit.state, {UINT64_MAX, UINT64_MAX}};
        struct hwaccl_trace_vcpu *vcpu = &callers->vcpu;

        if (told->offered)
                assert_true(hwaccl_trace_vcpu_irq_offered(vcpu, told->vector));
        assert_true(hwaccl_trace_vcpu_entry(vcpu, &entry));
        assert_true(hwaccl_trace_vcpu_exit(vcpu, &left));
        assert_true(hwaccl_trace_vcpu_input(vcpu, input->kind, input->address, input->value, input->data, input->size));
        assert_true(hwaccl_trace_vcpu_effect(vcpu, effect->kind, effect->address, effect->value, effect->data,
                                             effect->size));
        assert_true(hwaccl_trace_vcpu_verdict(vcpu, HWACCL_VERDICT_EMULATE));
        if (told->settled && told->taken)
                assert_true(hwaccl_trace_vcpu_irq_taken(vcpu, told->vector));
        else if (told->settled)
                assert_true(hwaccl_trace_vcpu_irq_returned(vcpu, told->vector));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
}

/* What changed since the transfer before. */
static struct trace_transfer change(struct callers *callers, const struct hwaccl_subject_state *state,
                                    uint64_t words[STATE_WORDS])
{
        uint64_t bitmap = state_delta_bitmap(state, &callers->last);

        (void)state_delta_pack(bitmap, state, &callers->last, words);
        return (struct trace_transfer){bitmap, words, (unsigned)state_delta_count(bitmap)};
}

static void import_exit(struct callers *callers, const struct told *told, const struct hwaccl_input *input,
                        const struct hwaccl_effect *effect)
{
        struct trace_import *import = &callers->import;
        const struct trace_irq irq = {0, told->vector, told->taken};
        const struct trace_value in = {(uint8_t)input->kind, input->address, input->value,
                                       input->data != NULL,  input->data,    input->size};
        const struct trace_value out = {(uint8_t)effect->kind, effect->address, effect->value,
                                        effect->data != NULL,  effect->data,    effect->size};
        const struct trace_handled handled = {HWACCL_VERDICT_EMULATE, HWACCL_OUTCOME_COMPLETED, 0};
        struct hwaccl_error error = {""};
        uint64_t words[STATE_WORDS];

        struct trace_transfer transfer = change(callers, &told->entry.state, words);
        bool good = import_hold_entry(import, &transfer, &error) &&
                    (!told->offered || import_hold_irq(import, false, &irq, &error));
        transfer = change(callers, &told->exit.state, words);
        if (!good || !import_hold_exit(import, &transfer, &error) || !import_hold_value(import, false, &in, &error) ||
            !import_hold_value(import, true, &out, &error) ||
            (told->settled && !import_hold_irq(import, true, &irq, &error)) ||
            !import_hold_handled(import, &handled, &error))
                fail_msg("%s", error.message);
}

/* Time is not the same for each of the three. */
static void forget_stamps(uint8_t *records, uint64_t size)
{
        for (uint64_t at = 0; at < size; at += (uint64_t)((struct ring_record *)(void *)(records + at))->words * 8) {
                void *record = records + at;
                switch (((struct ring_record *)record)->type) {
                case RING_RECORD_OFFER:
                case RING_RECORD_RECLAIM: ((struct ring_stamped *)record)->stamp = 0; break;
                case RING_RECORD_EXIT:
                        ((struct ring_exit *)record)->entry_stamp = ((struct ring_exit *)record)->exit_stamp = 0;
                        break;
                case RING_RECORD_HANDLED: ((struct ring_handled *)record)->stamp = 0; break;
                default: break;
                }
        }
}

static void probe_library_and_importer_write_the_same_records(void **state)
{
        (void)state;
        for (unsigned avx2 = 0; avx2 < 2; avx2++) {
                struct callers *callers = start_callers(avx2);
                for (uint64_t number = 0; number < EXITS; number++) {
                        const struct told told = tell(number);
                        const struct hwaccl_input inputs[] = {
                                {HWACCL_INPUT_CLOCK, 0, number, NULL, 0},
                                {HWACCL_INPUT_MEMORY, number, 7, told.data, (uint32_t)told.data_size}};
                        const struct hwaccl_effect effect = {HWACCL_EFFECT_CONSOLE, 0, 0, told.data,
                                                             (uint32_t)told.data_size};
                        probe_exit(callers, &told, &inputs[number & 1], &effect);
                        library_exit(callers, &told, &inputs[number & 1], &effect);
                        import_exit(callers, &told, &inputs[number & 1], &effect);
                }
                uint64_t size = callers->recorder.lane.producer.head;
                assert_int_equal(callers->vcpu.lane.producer.head, size);
                assert_int_equal(callers->import.lane.producer.head, size);
                forget_stamps(callers->buffer[0].data, size);
                forget_stamps(callers->buffer[1].data, size);
                forget_stamps(callers->import.held.data, size);
                assert_memory_equal(callers->buffer[1].data, callers->buffer[0].data, size);
                assert_memory_equal(callers->import.held.data, callers->buffer[0].data, size);
                record_buffer_free(&callers->buffer[0]);
                record_buffer_free(&callers->buffer[1]);
                record_buffer_free(&callers->import.held);
                free(callers);
        }
}

static void known_fields_are_a_set(void **state)
{
        const struct hwaccl_known_fields all = hwaccl_known_fields_all();
        const struct hwaccl_known_fields none = hwaccl_known_fields_none();
        const uint64_t ones[] = {UINT64_MAX, UINT64_MAX};
        struct hwaccl_known_fields even = none;

        (void)state;
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i += 2)
                hwaccl_known_fields_add(&even, i);
        const struct hwaccl_known_fields odd = hwaccl_known_fields_without(all, even);
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                assert_int_equal(hwaccl_known_fields_has(&even, i), i % 2 == 0);
                assert_int_equal(hwaccl_known_fields_has(&odd, i), i % 2 == 1);
        }
        assert_true(hwaccl_known_fields_equal(hwaccl_known_fields_unite(even, odd), all));
        assert_false(hwaccl_known_fields_any(hwaccl_known_fields_intersect(even, odd)));
        assert_true(hwaccl_known_fields_equal(hwaccl_known_fields_of_words(ones), all));
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i += 2)
                hwaccl_known_fields_remove(&even, i);
        assert_true(hwaccl_known_fields_equal(even, none));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_fields_are_a_set),
                cmocka_unit_test_teardown(what_goes_into_a_buffer_is_decoded_again, remove_files),
                cmocka_unit_test_teardown(stamps_that_go_back_are_clamped_and_noted, remove_files),
                cmocka_unit_test_teardown(what_goes_into_a_ring_is_what_goes_into_a_buffer, remove_files),
                cmocka_unit_test(a_lane_whose_buffer_is_full_stops),
                cmocka_unit_test(probe_library_and_importer_write_the_same_records),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
