/* The life of a trace of one virtual CPU, from the module with the provider to the end event. */
#include "tracer/lttng/lttng.h"

#include "tracer/lttng/lttng_provider.h"
#include "tracer/lttng/module.h"
#include "tracer/lttng/trace_probe.h"
#include "tracer/record/recorder.h"
#include "tracer/ring/exit_id.h"
#include "tracer/ring/timestamps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void destroy(struct hwaccl_lttng *lttng)
{
        for (size_t i = 0; i < lttng->option_count; i++) {
                free((char *)(uintptr_t)lttng->options[i].name);
                free((char *)(uintptr_t)lttng->options[i].value);
        }
        free(lttng->options);
        free(lttng->device_state);
        free(lttng);
}

/* Replaces an option of that name, or adds one. */
static bool keep_option(struct hwaccl_lttng *lttng, const char *name, const char *value)
{
        char *own_value = strdup(value);

        if (!own_value)
                return false;
        for (size_t i = 0; i < lttng->option_count; i++) {
                if (strcmp(lttng->options[i].name, name) != 0)
                        continue;
                free((char *)(uintptr_t)lttng->options[i].value);
                lttng->options[i].value = own_value;
                return true;
        }
        char *own_name = strdup(name);
        struct hwaccl_recording_option *more =
                own_name ? realloc(lttng->options, (lttng->option_count + 1) * sizeof(*more)) : NULL;
        if (!more) {
                free(own_name);
                free(own_value);
                return false;
        }
        lttng->options = more;
        more[lttng->option_count++] = (struct hwaccl_recording_option){own_name, own_value};
        return true;
}

static bool keep_config(struct hwaccl_lttng *lttng, const struct hwaccl_lttng_config *config)
{
        lttng->devices = config->devices;
        lttng->device_count = config->device_count;
        for (size_t i = 0; i < config->device_count; i++) {
                lttng->device_bytes += hwaccl_device_state_size(config->devices[i]);
                lttng->device_fields += (uint32_t)config->devices[i]->ops->field_count;
        }
        lttng->device_state = malloc(lttng->device_bytes + 1);
        if (!lttng->device_state)
                return false;
        for (size_t i = 0; i < config->option_count; i++)
                if (!keep_option(lttng, config->options[i].name, config->options[i].value))
                        return false;
        return true;
}

struct hwaccl_lttng *trace_probe_create(const struct hwaccl_lttng_config *config, const struct trace_provider *provider,
                                        struct hwaccl_error *error)
{
        if (config->vcpu > VCPU_MAX) {
                hwaccl_error_set(error, "vCPU number %u is greater than %u", config->vcpu, VCPU_MAX);
                return NULL;
        }
        struct hwaccl_lttng *lttng = aligned_alloc(64, (sizeof(*lttng) + 63) & ~(size_t)63);
        if (!lttng) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(lttng, 0, sizeof(*lttng));
        if (!keep_config(lttng, config)) {
                destroy(lttng);
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        lttng->probe.ops = &trace_probe_ops;
        lttng->provider = provider;
        lttng->event.pid = (uint32_t)getpid();
        lttng->event.vcpu = config->vcpu;
        lttng->keyframe_interval =
                config->keyframe_interval ? config->keyframe_interval : HWACCL_KEYFRAME_INTERVAL_DEFAULT;
        lttng->verdict = TRACE_UNKNOWN;
        lttng->until_keyframe = 1; /* exit 0 has one */
        lttng->until_context = TRACE_CONTEXT_KEYFRAMES;
        lttng->time = stamp_monotonic();
        trace_probe_context(lttng, false);
        if (!trace_probe_any(lttng))
                trace_probe_idle(lttng);
        return lttng;
}

/* This file lists the processes whose events must be in the trace. */
bool lttng_announce(uint32_t vcpu, struct hwaccl_error *error)
{
        const char *path = getenv("HWACCL_LTTNG_PROCESSES");

        if (!path || !*path)
                return true;
        FILE *file = fopen(path, "ae");
        bool written = file && fprintf(file, "%ld %" PRIu32 "\n", (long)getpid(), vcpu) > 0;
        if (file && fclose(file) != 0)
                written = false;
        return written || hwaccl_error_set(error, "HWACCL_LTTNG_PROCESSES: %s: %s", path, strerror(errno));
}

const struct trace_provider *lttng_load_provider(struct hwaccl_error *error)
{
        /* for the library's constructor; keep the user's setting */
        (void)setenv("LTTNG_UST_ALLOW_BLOCKING", "1", 0);
        void *symbol = module_symbol("hwaccl-lttng.so", TRACE_PROVIDER_SYMBOL, error);
        if (!symbol)
                return NULL;
        const struct trace_provider *(*get)(void);
        memcpy(&get, &symbol, sizeof(get));
        const struct trace_provider *provider = get();
        if (strcmp(provider->version, HWACCL_VERSION) != 0) {
                hwaccl_error_set(error, "hwaccl-lttng.so has version %s, expected " HWACCL_VERSION, provider->version);
                return NULL;
        }
        return provider;
}

struct hwaccl_lttng *hwaccl_lttng_create(const struct hwaccl_lttng_config *config, struct hwaccl_error *error)
{
        if (!lttng_announce(config->vcpu, error))
                return NULL;
        const struct trace_provider *provider = lttng_load_provider(error);
        return provider ? trace_probe_create(config, provider, error) : NULL;
}

struct hwaccl_probe *hwaccl_lttng_probe(struct hwaccl_lttng *lttng)
{
        return &lttng->probe;
}

bool hwaccl_lttng_traced(const struct hwaccl_lttng *lttng)
{
        return trace_probe_on(lttng, TRACE_VM_EXIT);
}

void hwaccl_lttng_annotate(struct hwaccl_lttng *lttng, const char *name, const char *value)
{
        (void)keep_option(lttng, name, value); /* if out of memory, it is only traced once, below */
        trace_probe_marker(lttng, name, value);
}

/* The run ended during the handling of an exit. */
static void close_exit(struct hwaccl_lttng *lttng)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_HANDLED);

        if (!event)
                return;
        event->as.handled = (struct trace_handled){lttng->verdict, TRACE_UNKNOWN, stamp_monotonic()};
        trace_probe_emit(lttng);
}

uint64_t hwaccl_lttng_finish(struct hwaccl_lttng *lttng, unsigned end, uint64_t end_code, const char *end_message)
{
        trace_probe_wake(lttng);
        if (lttng->handling) {
                close_exit(lttng);
                lttng->exit++;
        } else if (lttng->device_count) {
                trace_probe_device_state(lttng, lttng->exit - (lttng->exit > 0));
        }
        trace_probe_thread_time(lttng, RING_THREAD_END);
        struct trace_event *event = trace_probe_begin(lttng, TRACE_END);
        if (event) {
                event->as.end = (struct trace_end){end, end_code, end_message ? end_message : "", lttng->exit,
                                                   lttng->emitted + 1};
                trace_probe_emit(lttng);
        }
        uint64_t emitted = lttng->emitted;
        destroy(lttng);
        return emitted;
}
