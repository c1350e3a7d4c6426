/* What surrounds the exits of a trace: beginning, options, devices. */
#include "tracer/lttng/trace_probe.h"

#include "tracer/ring/timestamps.h"

#include <time.h>

void trace_probe_marker(struct hwaccl_lttng *lttng, const char *name, const char *value)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_MARKER);

        if (!event)
                return;
        event->as.marker = (struct trace_marker){name, value};
        trace_probe_emit(lttng);
}

static void device_fields(struct hwaccl_lttng *lttng)
{
        uint32_t id = 0;

        for (size_t i = 0; i < lttng->device_count; i++) {
                const struct hwaccl_device_ops *ops = lttng->devices[i]->ops;
                for (size_t f = 0; f < ops->field_count; f++) {
                        struct trace_event *event = trace_probe_begin(lttng, TRACE_DEVICE_FIELD);
                        id++;
                        if (!event)
                                continue;
                        event->as.device_field =
                                (struct trace_device_field){id, ops->name, ops->fields[f].name, ops->fields[f].size};
                        trace_probe_emit(lttng);
                }
        }
}

void trace_probe_context(struct hwaccl_lttng *lttng, bool again)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_BEGIN);

        if (event) {
                event->as.begin = (struct trace_begin){
                        .version = lttng->provider->version,
                        .time = lttng->time,
                        .keyframe_interval = lttng->keyframe_interval,
                        .markers = (uint32_t)lttng->option_count,
                        .device_fields = lttng->device_fields,
                        .again = again,
                };
                trace_probe_emit(lttng);
        }
        for (size_t i = 0; i < lttng->option_count; i++)
                trace_probe_marker(lttng, lttng->options[i].name, lttng->options[i].value);
        device_fields(lttng);
}

void trace_probe_thread_time(struct hwaccl_lttng *lttng, enum ring_thread_moment moment)
{
        struct timespec cpu;
        struct trace_event *event = trace_probe_begin(lttng, TRACE_THREAD_TIME);

        if (!event)
                return;
        if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) != 0)
                cpu = (struct timespec){0};
        event->as.thread_time =
                (struct trace_thread_time){(uint8_t)moment, stamp_monotonic(),
                                           (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec};
        trace_probe_emit(lttng);
}

void trace_probe_device_state(struct hwaccl_lttng *lttng, uint64_t exit)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_DEVICE_STATE);
        uint8_t *to = lttng->device_state;

        if (!event)
                return;
        for (size_t i = 0; i < lttng->device_count; i++) {
                hwaccl_device_save(lttng->devices[i], to);
                to += hwaccl_device_state_size(lttng->devices[i]);
        }
        event->exit = exit;
        event->as.device_state = (struct trace_device_state){lttng->device_state, (uint32_t)lttng->device_bytes};
        trace_probe_emit(lttng);
}
