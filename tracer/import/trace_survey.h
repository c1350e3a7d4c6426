/* First pass of an import: processes and virtual CPUs in the trace, and everything outside the exits. */
#ifndef HWACCL_TRACER_LTTNG_TRACE_SURVEY_H
#define HWACCL_TRACER_LTTNG_TRACE_SURVEY_H

#include "tracer/lttng/trace_reader.h"

#include "core/machine/board/device.h"
#include "hwaccl/recording.h"

#define SURVEY_STREAM_MAX       256u /* virtual CPUs, and other lanes of a VMM, in a trace */
#define SURVEY_OPTION_MAX       4096u
#define SURVEY_OPTION_BYTES_MAX (1u << 20) /* of names and values */

struct survey_field {
        char *device; /* NULL: its event was lost */
        char *field;
        uint32_t size;
};

/* The events of one virtual CPU. */
struct survey_stream {
        uint32_t pid;
        uint32_t vcpu;
        uint64_t events;
        uint64_t records;    /* events `record`: a lane of a VMM */
        uint64_t last_exit;  /* greatest exit number */
        uint64_t beginnings; /* number of recordings; more than one cannot be distinguished */
        bool begun;          /* an event begin was seen */
        uint64_t time;       /* 0 of the recording's times */
        uint32_t keyframe_interval;
        uint32_t markers;
        struct hwaccl_recording_option *option;
        size_t option_count;
        size_t option_bytes; /* of all that were seen */
        struct survey_field *field;
        uint32_t field_count; /* that there are */
        uint32_t fields_known;
        uint64_t state_bytes;
};

struct survey {
        struct survey_stream stream[SURVEY_STREAM_MAX];
        size_t stream_count;
        uint64_t discarded_events;
        uint64_t discarded_packets;
};

/** survey_take, survey_discarded - for a trace_sink; @opaque is the struct survey */
bool survey_take(void *opaque, const struct trace_event *event, struct hwaccl_error *error);
void survey_discarded(void *opaque, bool packets, uint64_t count);

void survey_free(struct survey *survey);

/** survey_devices - the devices described by the device_field events, for a decoder; NULL with *error set */
struct survey_devices *survey_devices_create(const struct survey_stream *stream, struct hwaccl_error *error);
void survey_devices_free(struct survey_devices *devices);

struct survey_devices {
        struct hwaccl_device *device;
        struct hwaccl_device **list;
        struct hwaccl_device_ops *ops;
        struct hwaccl_device_field *field;
        size_t count;
};

#endif
