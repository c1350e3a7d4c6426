#include "tracer/import/trace_survey.h"

#include "tracer/database/rows.h"
#include "tracer/read/recording_limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct survey_stream *find_stream(struct survey *survey, const struct trace_event *event,
                                         struct hwaccl_error *error)
{
        for (size_t i = 0; i < survey->stream_count; i++)
                if (survey->stream[i].pid == event->pid && survey->stream[i].vcpu == event->vcpu)
                        return &survey->stream[i];
        if (event->vcpu > VCPU_MAX) {
                hwaccl_error_set(error, "event %s: vCPU number %" PRIu32 " is greater than %u",
                                 trace_event_name(event->kind), event->vcpu, VCPU_MAX);
                return NULL;
        }
        if (survey->stream_count == SURVEY_STREAM_MAX) {
                hwaccl_error_set(error, "the trace has more than %u virtual CPUs and lanes", SURVEY_STREAM_MAX);
                return NULL;
        }
        struct survey_stream *stream = &survey->stream[survey->stream_count++];
        stream->pid = event->pid;
        stream->vcpu = event->vcpu;
        return stream;
}

static bool take_begin(struct survey_stream *stream, const struct trace_begin *begin, struct hwaccl_error *error)
{
        stream->beginnings += !begin->again;
        if (begin->keyframe_interval == 0 || begin->device_fields > RECORDING_DEVICE_FIELD_MAX)
                return hwaccl_error_set(error,
                                        "event begin: invalid keyframe interval %" PRIu32 ", or %" PRIu32
                                        " device fields cannot be",
                                        begin->keyframe_interval, begin->device_fields);
        if (stream->begun &&
            (stream->time != begin->time || stream->keyframe_interval != begin->keyframe_interval ||
             stream->field_count != begin->device_fields) &&
            stream->beginnings < 2)
                return hwaccl_error_set(error, "event begin: differs from the previous one");
        if (stream->begun)
                return true;
        stream->field = calloc(begin->device_fields + 1u, sizeof(*stream->field));
        if (!stream->field)
                return hwaccl_error_set(error, "out of memory");
        stream->begun = true;
        stream->time = begin->time;
        stream->keyframe_interval = begin->keyframe_interval;
        stream->markers = begin->markers;
        stream->field_count = begin->device_fields;
        return true;
}

/* The last value of a name is valid, as in a recording's option table. */
static bool take_marker(struct survey_stream *stream, const struct trace_marker *marker, struct hwaccl_error *error)
{
        size_t at = 0;

        while (at < stream->option_count && strcmp(stream->option[at].name, marker->name) != 0)
                at++;
        if (at < stream->option_count && strcmp(stream->option[at].value, marker->value) == 0)
                return true;
        stream->option_bytes += strlen(marker->name) + strlen(marker->value);
        if (at == SURVEY_OPTION_MAX || stream->option_bytes > SURVEY_OPTION_BYTES_MAX)
                return hwaccl_error_set(error, "the trace has more than %u options, or %u bytes of them",
                                        SURVEY_OPTION_MAX, SURVEY_OPTION_BYTES_MAX);
        char *value = strdup(marker->value);
        if (value && at < stream->option_count) {
                free((char *)(uintptr_t)stream->option[at].value);
                stream->option[at].value = value;
                return true;
        }
        char *name = strdup(marker->name);
        struct hwaccl_recording_option *more = realloc(stream->option, (at + 1) * sizeof(*more));
        if (more)
                stream->option = more;
        if (!name || !value || !more) {
                free(name);
                free(value);
                return hwaccl_error_set(error, "out of memory");
        }
        more[stream->option_count++] = (struct hwaccl_recording_option){name, value};
        return true;
}

static bool take_device_field(struct survey_stream *stream, const struct trace_device_field *from,
                              struct hwaccl_error *error)
{
        if (!stream->begun) /* the event begin was lost; another one follows */
                return true;
        if (from->id < 1 || from->id > stream->field_count || from->size < 1 || from->size > HWACCL_DEVICE_STATE_MAX)
                return hwaccl_error_set(error,
                                        "event device_field: %" PRIu32 " of %" PRIu32 " fields has %" PRIu32
                                        " bytes, which cannot be",
                                        from->id, stream->field_count, from->size);
        struct survey_field *field = &stream->field[from->id - 1];
        if (field->device) {
                if (strcmp(field->device, from->device) == 0 && strcmp(field->field, from->field) == 0 &&
                    field->size == from->size)
                        return true;
                return hwaccl_error_set(error, "event device_field: %" PRIu32 " differs from its earlier definition",
                                        from->id);
        }
        char *device = strdup(from->device);
        char *name = strdup(from->field);
        if (!device || !name) {
                free(device);
                free(name);
                return hwaccl_error_set(error, "out of memory");
        }
        *field = (struct survey_field){device, name, from->size};
        stream->fields_known++;
        stream->state_bytes += from->size;
        if (stream->state_bytes > RECORDING_DEVICE_SIZE_MAX)
                return hwaccl_error_set(error, "the device state is larger than %u bytes", RECORDING_DEVICE_SIZE_MAX);
        return true;
}

bool survey_take(void *opaque, const struct trace_event *event, struct hwaccl_error *error)
{
        struct survey *survey = opaque;
        struct survey_stream *stream = find_stream(survey, event, error);

        if (!stream)
                return false;
        stream->events++;
        if (event->exit > stream->last_exit)
                stream->last_exit = event->exit;
        switch (event->kind) {
        case TRACE_BEGIN: return take_begin(stream, &event->as.begin, error);
        case TRACE_MARKER: return take_marker(stream, &event->as.marker, error);
        case TRACE_DEVICE_FIELD: return take_device_field(stream, &event->as.device_field, error);
        case TRACE_KEYFRAME: /* used if every event begin was lost */
                if (!stream->begun && stream->keyframe_interval == 0)
                        stream->keyframe_interval = event->as.keyframe.interval;
                return true;
        case TRACE_RECORD: stream->records++; return true;
        case TRACE_VM_EXIT:
                if (!stream->begun && stream->time == 0)
                        stream->time = event->as.vm_exit.entered;
                return true;
        default: return true;
        }
}

void survey_discarded(void *opaque, bool packets, uint64_t count)
{
        struct survey *survey = opaque;

        *(packets ? &survey->discarded_packets : &survey->discarded_events) += count ? count : 1;
}

void survey_free(struct survey *survey)
{
        for (size_t s = 0; s < survey->stream_count; s++) {
                struct survey_stream *stream = &survey->stream[s];
                for (size_t i = 0; i < stream->option_count; i++) {
                        free((char *)(uintptr_t)stream->option[i].name);
                        free((char *)(uintptr_t)stream->option[i].value);
                }
                for (size_t i = 0; stream->field && i < stream->field_count; i++) {
                        free(stream->field[i].device);
                        free(stream->field[i].field);
                }
                free(stream->option);
                free(stream->field);
        }
}

/* Fields of one device are adjacent. */
struct survey_devices *survey_devices_create(const struct survey_stream *stream, struct hwaccl_error *error)
{
        struct survey_devices *devices = calloc(1, sizeof(*devices));
        size_t room = stream->field_count + 1u;

        if (devices) {
                devices->device = calloc(room, sizeof(*devices->device));
                devices->list = calloc(room, sizeof(struct hwaccl_device *));
                devices->ops = calloc(room, sizeof(*devices->ops));
                devices->field = calloc(room, sizeof(*devices->field));
        }
        if (!devices || !devices->device || !devices->list || !devices->ops || !devices->field) {
                survey_devices_free(devices);
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        for (uint32_t i = 0; i < stream->field_count; i++) {
                const struct survey_field *from = &stream->field[i];
                devices->field[i] = (struct hwaccl_device_field){from->field, 0, (uint16_t)from->size};
                if (i == 0 || strcmp(from->device, stream->field[i - 1].device) != 0) {
                        size_t number = devices->count++;
                        devices->ops[number] =
                                (struct hwaccl_device_ops){.name = from->device, .fields = &devices->field[i]};
                        devices->device[number].ops = &devices->ops[number];
                        devices->list[number] = &devices->device[number];
                }
                devices->ops[devices->count - 1].field_count++;
        }
        return devices;
}

void survey_devices_free(struct survey_devices *devices)
{
        if (!devices)
                return;
        free(devices->device);
        free(devices->list);
        free(devices->ops);
        free(devices->field);
        free(devices);
}
