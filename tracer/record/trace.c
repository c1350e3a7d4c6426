#include "tracer/record/trace_internal.h"

#include "core/host/file.h"
#include "hwaccl/event.h"
#include "hwaccl/recording.h"
#include "tracer/database/writer_database.h"
#include "tracer/record/recorder_internal.h"
#include "tracer/record/writer.h"
#include "tracer/ring/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* The numbers of the stable interface are those of the core, and none is missing. */
#define SAME(number, kind, identifier)                                                                                 \
        _Static_assert((unsigned)HWACCL_TRACE_##kind##_##identifier == (number), #kind " " #identifier);
#define END(number, identifier, name)    SAME(number, END, identifier)
#define INPUT(number, identifier, name)  SAME(number, INPUT, identifier)
#define EFFECT(number, identifier, name) SAME(number, EFFECT, identifier)
HWACCL_GUEST_ENDS(END)
HWACCL_INPUT_KINDS(INPUT)
HWACCL_EFFECT_KINDS(EFFECT)
_Static_assert(HWACCL_TRACE_DATA_MAX == HWACCL_INPUT_SIZE_MAX, "data of inputs");
_Static_assert(HWACCL_TRACE_SNAPSHOT_NAME_MAX == LANE_VMM_STATE_NAME_MAX, "name of a snapshot's part");
/* NOLINTNEXTLINE(misc-redundant-expression): they are the same today */
_Static_assert(HWACCL_TRACE_SNAPSHOT_MAX == LANE_VMM_STATE_MAX, "size of a snapshot's part");
_Static_assert(HWACCL_TRACE_DATA_MAX == HWACCL_EFFECT_SIZE_MAX, "data of effects");

#define OWN_OPTIONS 4

const char *hwaccl_trace_version(void)
{
        return HWACCL_VERSION;
}

/* Members unknown to a caller built with an older header are zero. Members known only to a newer header must be
 * zero. */
static bool read_config(const struct hwaccl_trace_config *from, struct hwaccl_trace_config *config,
                        struct hwaccl_error *error)
{
        const size_t least = offsetof(struct hwaccl_trace_config, vcpu_count);

        memset(config, 0, sizeof(*config));
        if (!from)
                return hwaccl_error_set(error, "config is missing");
        if (from->size < least || from->size > 65536)
                return hwaccl_error_set(error, "config.size is %zu, expected at least %zu", from->size, least);
        memcpy(config, from, from->size < sizeof(*config) ? from->size : sizeof(*config));
        for (size_t i = sizeof(*config); i < from->size; i++)
                if (((const unsigned char *)from)[i])
                        return hwaccl_error_set(error, "config uses members that version %s does not know",
                                                HWACCL_VERSION);
        if (!config->vmm || !*config->vmm)
                return hwaccl_error_set(error, "config.vmm is missing: the name of the VMM");
        if (strlen(config->vmm) > HWACCL_OPTION_VALUE_MAX)
                return hwaccl_error_set(error, "config.vmm is longer than %u bytes", HWACCL_OPTION_VALUE_MAX);
        if (config->vcpu_count == 0)
                config->vcpu_count = 1;
        if (config->vcpu_count > HWACCL_TRACE_VCPU_MAX)
                return hwaccl_error_set(error, "config.vcpu_count is %u, expected at most %u", config->vcpu_count,
                                        HWACCL_TRACE_VCPU_MAX);
        if (config->keyframe_interval == 0)
                config->keyframe_interval = HWACCL_KEYFRAME_INTERVAL_DEFAULT;
        if (config->option_count && !config->options)
                return hwaccl_error_set(error, "config.options is missing, and config.option_count is %u",
                                        config->option_count);
        if (!hwaccl_file_mode_is_good(config->file_mode))
                return hwaccl_error_set(error, "config.file_mode is %#o, expected 0600 to 0666", config->file_mode);
        if (config->reserved || config->reserved_too)
                return hwaccl_error_set(error, "config.reserved is not 0");
        if (config->thread_max > HWACCL_TRACE_THREAD_MAX)
                return hwaccl_error_set(error, "config.thread_max is %u, expected at most %u", config->thread_max,
                                        HWACCL_TRACE_THREAD_MAX);
        for (uint32_t i = 0; i < config->option_count; i++)
                if (!config->options[i].name || !config->options[i].value)
                        return hwaccl_error_set(error, "config.options[%u] has no name or no value", i);
        return true;
}

static bool own_name(const char *name)
{
        return strcmp(name, HWACCL_OPTION_VMM) == 0 || strcmp(name, "hwaccl_version") == 0 ||
               strncmp(name, "host_", 5) == 0;
}

/* The VMM's options and those of every recording. NULL with *error set. */
static struct hwaccl_recording_option *make_options(const struct hwaccl_trace_config *config, char *start, size_t room,
                                                    struct utsname *host, struct hwaccl_error *error)
{
        struct hwaccl_recording_option *options = calloc((size_t)config->option_count + OWN_OPTIONS, sizeof(*options));
        time_t now = time(NULL);
        struct tm date;
        size_t count = 0;

        if (!options) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        if (!gmtime_r(&now, &date) || strftime(start, room, "%Y-%m-%dT%H:%M:%SZ", &date) == 0)
                start[0] = '\0';
        if (uname(host) != 0)
                host->release[0] = '\0';
        options[count++] = (struct hwaccl_recording_option){HWACCL_OPTION_VMM, config->vmm};
        options[count++] = (struct hwaccl_recording_option){"hwaccl_version", HWACCL_VERSION};
        options[count++] = (struct hwaccl_recording_option){"host_start_time", start};
        options[count++] = (struct hwaccl_recording_option){"host_kernel", host->release};
        for (uint32_t i = 0; i < config->option_count; i++) {
                if (own_name(config->options[i].name)) {
                        hwaccl_error_set(error, "config.options[%u]: the name %s is reserved", i,
                                         config->options[i].name);
                        free(options);
                        return NULL;
                }
                options[count++] = (struct hwaccl_recording_option){config->options[i].name, config->options[i].value};
        }
        return options;
}

static void destroy(struct hwaccl_trace *trace)
{
        (void)pthread_mutex_destroy(&trace->lock);
        free(trace->path);
        free(trace->thread);
        free(trace->vcpu);
        free(trace);
}

/* Zeros. */
static void *allocate_aligned(size_t size)
{
        const size_t whole = (size + 63) & ~(size_t)63;
        void *memory = aligned_alloc(64, whole);

        if (memory)
                memset(memory, 0, whole);
        return memory;
}

static struct hwaccl_trace *allocate(const char *path, const struct hwaccl_trace_config *config,
                                     struct hwaccl_error *error)
{
        struct hwaccl_trace *trace = allocate_aligned(sizeof(*trace));

        if (trace && pthread_mutex_init(&trace->lock, NULL) != 0) {
                free(trace);
                trace = NULL;
        }
        if (trace) {
                trace->vcpu_count = config->vcpu_count;
                trace->thread_max = config->thread_max;
                trace->keyframe_interval = config->keyframe_interval;
                trace->mode = config->file_mode;
                trace->vcpu = allocate_aligned(config->vcpu_count * sizeof(*trace->vcpu));
                trace->thread =
                        config->thread_max ? allocate_aligned(config->thread_max * sizeof(*trace->thread)) : NULL;
                trace->path = strdup(path);
                if (trace->vcpu && trace->path && (trace->thread || config->thread_max == 0))
                        return trace;
                destroy(trace);
        }
        hwaccl_error_set(error, "out of memory");
        return NULL;
}

/* Rings, database, writer. */
static bool start(struct hwaccl_trace *trace, const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        struct ring *rings[HWACCL_TRACE_VCPU_MAX];
        enum stamp_kind stamps = stamp_kind_detect();
        uint32_t made = 0;

        while (made < trace->vcpu_count) {
                rings[made] = &trace->vcpu[made].ring;
                if (!recorder_create_ring(rings[made], config, made, made, error))
                        break;
                made++;
        }
        if (made == trace->vcpu_count)
                trace->sink = config->sink->create(config, rings, made, stamps, error);
        if (!trace->sink) {
                while (made > 0)
                        ring_destroy(rings[--made], true);
                return false;
        }
        for (uint32_t i = 0; i < trace->vcpu_count; i++) {
                struct hwaccl_trace_vcpu *vcpu = &trace->vcpu[i];
                lane_init(&vcpu->lane, stamps, config->keyframe_interval, UINT64_MAX);
                vcpu->due = true;
                vcpu->lane.masks = &vcpu->masks;
                vcpu->lane.own_times = true;
                vcpu->lane.sequence = trace->thread_max ? &trace->sequence : NULL;
                ring_producer_init(&vcpu->lane.producer, &vcpu->ring);
        }
        return true;
}

struct hwaccl_trace *hwaccl_trace_open(const char *path, const struct hwaccl_trace_config *config,
                                       struct hwaccl_error *error)
{
        struct hwaccl_trace_config settings;
        struct hwaccl_trace *trace = NULL;
        struct utsname host;
        char start_time[32];

        if (!path || !*path) {
                hwaccl_error_set(error, "the recording's path is missing");
                return NULL;
        }
        if (!read_config(config, &settings, error))
                return NULL;
        struct hwaccl_recording_option *options = make_options(&settings, start_time, sizeof(start_time), &host, error);
        if (options)
                trace = allocate(path, &settings, error);
        if (trace) {
                struct hwaccl_recorder_config recorder = {.path = path,
                                                          .force = settings.force != 0,
                                                          .mode = settings.file_mode,
                                                          .options = options,
                                                          .option_count = settings.option_count + OWN_OPTIONS,
                                                          .keyframe_interval = settings.keyframe_interval,
                                                          .ring_size = (size_t)settings.ring_size,
                                                          .thread_max = settings.thread_max,
                                                          .sink = &recorder_writer};
                bool mine = consumer_block_file_size_signal();
                bool started = start(trace, &recorder, error);
                consumer_unblock_file_size_signal(mine);
                if (!started) {
                        destroy(trace);
                        trace = NULL;
                }
        }
        free(options);
        return trace;
}

struct hwaccl_trace_vcpu *hwaccl_trace_vcpu(struct hwaccl_trace *trace, uint32_t number)
{
        return trace && number < trace->vcpu_count ? &trace->vcpu[number] : NULL;
}

bool hwaccl_trace_error(struct hwaccl_trace *trace, struct hwaccl_error *error)
{
        if (!trace)
                return hwaccl_error_set(error, "no recording (NULL handle)");
        /* the sink fails all rings */
        return !ring_failed(&trace->vcpu[0].ring) || trace->sink->ops->error(trace->sink, error);
}

bool hwaccl_trace_close(struct hwaccl_trace *trace, unsigned end, uint64_t code, const char *message,
                        struct hwaccl_error *error)
{
        struct recording_end how = {.end = end, .code = code, .message = message};
        struct hwaccl_error ignored;

        if (!trace)
                return hwaccl_error_set(error, "no recording (NULL handle)");
        if (end == HWACCL_END_NONE || end > HWACCL_TRACE_END_POWER_OFF)
                how.end = HWACCL_END_ERROR;
        for (uint32_t i = 0; i < trace->vcpu_count; i++)
                lane_end(&trace->vcpu[i].lane);
        trace_end_threads(trace);
        bool good = trace->sink->ops->finish(trace->sink, &how, error ? error : &ignored);
        destroy(trace);
        return good;
}
