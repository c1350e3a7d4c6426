#include "tracer/lttng/lttng_records.h"

#include "tracer/lttng/lttng_provider.h"
#include "tracer/record/recorder.h"
#include "tracer/ring/record_stamps.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTEXT_KEYFRAMES 16u /* between two events `begin` of a lane, for traces that lost their beginning */

struct records_lane {
        uint32_t number;
        uint64_t sequence; /* of the next event */
        uint64_t emitted;
        uint64_t exits;
        unsigned keyframes; /* since the last context */
        bool handling;
        union state_words now; /* the last transfer, in or out */
};

struct lttng_records {
        struct record_tap tap;
        const struct trace_provider *provider;
        struct trace_event event; /* pid is constant */
        struct records_lane *current;
        struct records_lane lane[RING_FILES_MAX];
        unsigned lane_count;
        struct hwaccl_recording_option *options;
        size_t option_count;
        uint32_t keyframe_interval;
        uint64_t time; /* 0 of the recording's times */
        uint64_t copy[RING_RECORD_SIZE_MAX / 8];
};

static struct lttng_records *of(struct record_tap *tap)
{
        return (struct lttng_records *)(void *)tap;
}

static void destroy(struct lttng_records *records)
{
        for (size_t i = 0; i < records->option_count; i++) {
                free((char *)(uintptr_t)records->options[i].name);
                free((char *)(uintptr_t)records->options[i].value);
        }
        free(records->options);
        free(records);
}

static bool is_on(const struct lttng_records *records, enum trace_event_kind kind)
{
        return __atomic_load_n(records->provider->enabled[kind], __ATOMIC_RELAXED) != 0;
}

/* Count an event of the current lane; it is to be filled in, or NULL if it is not traced. */
static struct trace_event *begin(struct lttng_records *records, enum trace_event_kind kind)
{
        struct records_lane *lane = records->current;
        struct trace_event *event = &records->event;

        event->kind = kind;
        event->vcpu = lane->number;
        event->exit = lane->exits - (lane->handling ? 1 : 0);
        event->sequence = lane->sequence++;
        return is_on(records, kind) ? event : NULL;
}

static void emit(struct lttng_records *records)
{
        records->current->emitted++;
        records->provider->emit[records->event.kind](&records->event);
}

static void emit_context(struct lttng_records *records, bool again)
{
        const bool options = records->current->number == 0;
        struct trace_event *event = begin(records, TRACE_BEGIN);

        if (event) {
                event->as.begin = (struct trace_begin){.version = records->provider->version,
                                                       .time = records->time,
                                                       .keyframe_interval = records->keyframe_interval,
                                                       .markers = options ? (uint32_t)records->option_count : 0,
                                                       .again = again};
                emit(records);
        }
        for (size_t i = 0; options && i < records->option_count; i++) {
                if (!(event = begin(records, TRACE_MARKER)))
                        continue;
                event->as.marker = (struct trace_marker){records->options[i].name, records->options[i].value};
                emit(records);
        }
}

/* The lane is the current one from now on. */
static void enter_lane(struct lttng_records *records, uint32_t number)
{
        for (unsigned i = 0; i < records->lane_count; i++)
                if (records->lane[i].number == number) {
                        records->current = &records->lane[i];
                        return;
                }
        records->current = &records->lane[records->lane_count++];
        records->current->number = number;
        emit_context(records, false);
}

/* As decoders do: what the guest was entered with, and what it left. */
static void follow(struct records_lane *lane, const struct ring_record *record)
{
        const void *body = record;

        switch (record->type) {
        case RING_RECORD_ENTRY:
                lane->handling = false;
                (void)state_delta_apply(((const struct ring_entry *)body)->bitmap,
                                        ((const struct ring_entry *)body)->words, &lane->now);
                break;
        case RING_RECORD_EXIT:
                lane->exits++;
                lane->handling = true;
                (void)state_delta_apply(((const struct ring_exit *)body)->bitmap,
                                        ((const struct ring_exit *)body)->words, &lane->now);
                break;
        case RING_RECORD_HANDLED:
        case RING_RECORD_UNHANDLED: lane->handling = false; break;
        default: break;
        }
}

static unsigned unknown_of(const struct ring_exit *exit)
{
        const uint64_t *end = exit->words + state_delta_count(exit->bitmap);
        unsigned unknown, bit = 2;

        if (!(exit->record.extra & RING_EXIT_PARTIAL))
                return 0;
        end += exit->record.extra & RING_EXIT_PENDING ? 4 : 0;
        const struct hwaccl_known_fields known = hwaccl_known_fields_of_words(end);
        unknown = hwaccl_known_fields_has(&known, HWACCL_FIELD_INDEX_rip) ? 0 : 1;
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                if (hwaccl_subject_fields[i].group != HWACCL_FIELD_EXIT)
                        continue;
                unknown |= hwaccl_known_fields_has(&known, i) ? 0 : bit;
                bit <<= 1;
        }
        return unknown;
}

static void emit_exit(struct lttng_records *records, const struct ring_exit *exit)
{
        struct trace_event *event = begin(records, TRACE_VMM_EXIT);

        if (!event)
                return;
        event->as.vmm_exit = (struct trace_vmm_exit){.state = &records->current->now.state,
                                                     .unknown = (uint8_t)unknown_of(exit),
                                                     .order = ring_exit_sequence(exit),
                                                     .entered = exit->entry_stamp,
                                                     .left = exit->exit_stamp};
        emit(records);
}

static void emit_pieces(struct lttng_records *records, const struct ring_record *record)
{
        const uint32_t size = record->words * 8u;

        for (uint32_t offset = 0; offset < size; offset += TRACE_RECORD_PIECE) {
                struct trace_event *event = begin(records, TRACE_RECORD);
                if (!event)
                        continue;
                const uint32_t rest = size - offset;
                event->as.record = (struct trace_record){.type = record->type,
                                                         .total = size,
                                                         .offset = offset,
                                                         .data = (const uint8_t *)record + offset,
                                                         .size = rest < TRACE_RECORD_PIECE ? rest : TRACE_RECORD_PIECE};
                emit(records);
        }
}

/* Stamps become ns of CLOCK_MONOTONIC. The decoder's clock stays as it is. */
static struct ring_record *convert(struct lttng_records *records, const struct ring_record *record,
                                   const struct stamp_clock *clock)
{
        struct ring_record *copy = (struct ring_record *)(void *)records->copy;
        struct stamp_clock own = *clock;
        uint64_t *stamp[RECORD_STAMPS_MAX];

        memcpy(copy, record, record->words * (size_t)8);
        copy->mark = 0;
        unsigned count = record_stamps(copy, stamp);
        for (unsigned i = 0; i < count; i++)
                *stamp[i] = clock->origin_ns + stamp_clock_ns(&own, *stamp[i]);
        return copy;
}

static void take(struct record_tap *tap, uint32_t lane, const struct ring_record *record,
                 const struct stamp_clock *clock)
{
        struct lttng_records *records = of(tap);
        const void *body = record;

        records->time = clock->origin_ns;
        if (lane != 0 && records->lane_count == 0)
                enter_lane(records, 0); /* it has the options */
        enter_lane(records, lane);
        const bool starts =
                record->type == RING_RECORD_ENTRY && ((const struct ring_entry *)body)->bitmap == ~UINT64_C(0);
        if (starts && records->current->exits && ++records->current->keyframes >= CONTEXT_KEYFRAMES) {
                records->current->keyframes = 0;
                emit_context(records, true);
        }
        struct ring_record *copy = convert(records, record, clock);
        if (record->type == RING_RECORD_HANDLED || record->type == RING_RECORD_UNHANDLED) {
                emit_pieces(records, copy);
                follow(records->current, record);
                return;
        }
        follow(records->current, record);
        if (record->type == RING_RECORD_EXIT)
                emit_exit(records, (const struct ring_exit *)(void *)copy);
        emit_pieces(records, copy);
}

static bool copy_options(struct lttng_records *records, const struct lttng_records_config *config)
{
        records->options = calloc(config->option_count + 1, sizeof(*records->options));
        for (size_t i = 0; records->options && i < config->option_count; i++) {
                struct hwaccl_recording_option *option = &records->options[records->option_count++];
                option->name = strdup(config->options[i].name);
                option->value = strdup(config->options[i].value);
                if (!option->name || !option->value)
                        return false;
        }
        return records->options != NULL;
}

struct lttng_records *lttng_records_create_with(const struct lttng_records_config *config,
                                                const struct trace_provider *provider, struct hwaccl_error *error)
{
        struct lttng_records *records = calloc(1, sizeof(*records));

        if (records && copy_options(records, config)) {
                records->tap.record = take;
                records->provider = provider;
                records->event.pid = (uint32_t)getpid();
                records->keyframe_interval =
                        config->keyframe_interval ? config->keyframe_interval : HWACCL_KEYFRAME_INTERVAL_DEFAULT;
                return records;
        }
        if (records)
                destroy(records);
        hwaccl_error_set(error, "out of memory");
        return NULL;
}

struct lttng_records *lttng_records_create(const struct lttng_records_config *config, struct hwaccl_error *error)
{
        const bool set = getenv("LTTNG_UST_ALLOW_BLOCKING") != NULL;
        const struct trace_provider *provider = lttng_announce(0, error) ? lttng_load_provider(error) : NULL;

        if (!set)
                (void)unsetenv("LTTNG_UST_ALLOW_BLOCKING");
        return provider ? lttng_records_create_with(config, provider, error) : NULL;
}

struct record_tap *lttng_records_tap(struct lttng_records *records)
{
        return &records->tap;
}

bool lttng_records_traced(const struct lttng_records *records)
{
        return is_on(records, TRACE_RECORD);
}

uint64_t lttng_records_finish(struct lttng_records *records, unsigned end, uint64_t end_code, const char *end_message)
{
        uint64_t emitted = 0;

        if (records->lane_count == 0) {
                records->time = stamp_monotonic();
                enter_lane(records, 0);
        }
        for (unsigned i = 0; i < records->lane_count; i++) {
                struct records_lane *lane = records->current = &records->lane[i];
                lane->handling = false;
                struct trace_event *event = begin(records, TRACE_END);
                if (event) {
                        event->as.end = (struct trace_end){end, end_code, end_message ? end_message : "", lane->exits,
                                                           lane->emitted + 1};
                        emit(records);
                }
                emitted += lane->emitted;
        }
        destroy(records);
        return emitted;
}
