/*
 * hwaccl-ctf: reads CTF traces through Babeltrace 2. One source for each trace below a directory, a muxer that puts
 * their events in order of time, and a sink component.
 */
#include "tracer/lttng/reader_ctf.h"

#include "core/host/file.h"
#include "core/host/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 16u
#define TRACE_MAX 1024u /* directories with a trace in them */

/* A valid trace does not have this many consecutive packets without events. */
#define IDLE_MAX 1000000u

#define ALIVE_INTERVAL 65536u /* messages */

struct reading {
        const struct trace_sink *sink;
        void (*alive)(void); /* reports progress */
        struct ctf_decoder *decoder;
        struct hwaccl_error *error;
        bool failed; /* *error is set; the error of Babeltrace is only a consequence */
        bt_message_iterator *iterator;
        bt_graph *graph;
        const bt_component_filter *muxer;
        uint64_t muxer_inputs;
        const bt_component_class_source *source;
        const char *directory;
        size_t traces;
        unsigned idle;     /* messages since the last event */
        uint64_t messages; /* of all kinds */
};

/* Report the first cause; the others are its consequences. */
static bool babeltrace_failed(struct reading *reading, const char *what)
{
        const bt_error *error = bt_current_thread_take_error();

        if (!reading->failed) {
                const char *reason = NULL;
                if (error && bt_error_get_cause_count(error))
                        reason = bt_error_cause_get_message(bt_error_borrow_cause_by_index(error, 0));
                hwaccl_error_set(reading->error, "%s: %s%s%s", reading->directory, what, reason ? ": " : "",
                                 reason ? reason : "");
                for (char *c = reading->error->message; *c; c++)
                        if (*c == '\n')
                                *c = ' ';
        }
        if (error)
                bt_error_release(error);
        reading->failed = true;
        return false;
}

static bool take_message(struct reading *reading, const bt_message *message)
{
        uint64_t count = 0;

        switch (bt_message_get_type(message)) {
        case BT_MESSAGE_TYPE_EVENT:
                if (!ctf_decode(reading->decoder, bt_message_event_borrow_event_const(message), reading->error)) {
                        reading->failed = true;
                        return false;
                }
                reading->idle = 0;
                return true;
        case BT_MESSAGE_TYPE_DISCARDED_EVENTS:
                if (bt_message_discarded_events_get_count(message, &count) != BT_PROPERTY_AVAILABILITY_AVAILABLE)
                        count = 0;
                reading->sink->discarded(reading->sink->opaque, false, count);
                return true;
        case BT_MESSAGE_TYPE_DISCARDED_PACKETS:
                if (bt_message_discarded_packets_get_count(message, &count) != BT_PROPERTY_AVAILABILITY_AVAILABLE)
                        count = 0;
                reading->sink->discarded(reading->sink->opaque, true, count);
                return true;
        default:
                if (++reading->idle < IDLE_MAX)
                        return true;
                reading->failed = true;
                return hwaccl_error_set(reading->error, "%s: %u packets without an event", reading->directory,
                                        IDLE_MAX);
        }
}

static bt_graph_simple_sink_component_initialize_func_status initialize(bt_message_iterator *iterator, void *opaque)
{
        struct reading *reading = opaque;

        reading->iterator = iterator;
        return BT_GRAPH_SIMPLE_SINK_COMPONENT_INITIALIZE_FUNC_STATUS_OK;
}

static bt_graph_simple_sink_component_consume_func_status consume(bt_message_iterator *iterator, void *opaque)
{
        struct reading *reading = opaque;
        bt_message_array_const messages;
        uint64_t count = 0;

        switch (bt_message_iterator_next(iterator, &messages, &count)) {
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_OK: break;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_END: return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_END;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_AGAIN: return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_AGAIN;
        case BT_MESSAGE_ITERATOR_NEXT_STATUS_MEMORY_ERROR:
                return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_MEMORY_ERROR;
        default: return BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR;
        }
        for (uint64_t i = 0; i < count; i++) {
                if (!reading->failed)
                        (void)take_message(reading, messages[i]);
                if (++reading->messages % ALIVE_INTERVAL == 0)
                        reading->alive();
                bt_message_put_ref(messages[i]);
        }
        return reading->failed ? BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR
                               : BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
}

static bool connect_source(struct reading *reading, const bt_component_source *source)
{
        uint64_t ports = bt_component_source_get_output_port_count(source);

        for (uint64_t i = 0; i < ports; i++) {
                const bt_port_output *from = bt_component_source_borrow_output_port_by_index_const(source, i);
                uint64_t inputs = bt_component_filter_get_input_port_count(reading->muxer);
                if (reading->muxer_inputs >= inputs)
                        return babeltrace_failed(reading, "cannot merge the streams of a trace");
                const bt_port_input *to =
                        bt_component_filter_borrow_input_port_by_index_const(reading->muxer, reading->muxer_inputs++);
                if (bt_graph_connect_ports(reading->graph, from, to, NULL) != BT_GRAPH_CONNECT_PORTS_STATUS_OK)
                        return babeltrace_failed(reading, "cannot read a trace");
        }
        return true;
}

/* CTF 1.8, 7.2: header of a metadata packet. Sizes are in bits. */
struct metadata_packet {
        uint32_t magic;
        uint8_t uuid[16];
        uint32_t checksum;
        uint32_t content_size;
        uint32_t packet_size;
} __attribute__((packed));

#define METADATA_MAGIC UINT32_C(0x75d11d57)

/* Babeltrace 2.0 loops forever on the last packet of a truncated file. */
static bool check_metadata(struct reading *reading, const char *path, uint64_t size)
{
        FILE *file = fopen(path, "re");
        struct metadata_packet packet;
        uint64_t at = 0;

        if (!file)
                return hwaccl_error_set(reading->error, "%s: %s", path, strerror(errno));
        while (at < size) {
                bool whole = fseek(file, (long)at, SEEK_SET) == 0 && fread(&packet, sizeof(packet), 1, file) == 1;
                if (at == 0 && (!whole || packet.magic != METADATA_MAGIC))
                        break; /* plain text, or for Babeltrace to reject */
                if (!whole || packet.magic != METADATA_MAGIC || packet.packet_size / 8 < sizeof(packet) ||
                    packet.content_size > packet.packet_size || packet.packet_size / 8 > size - at) {
                        (void)fclose(file);
                        return hwaccl_error_set(reading->error, "%s: truncated or damaged at byte %" PRIu64, path, at);
                }
                at += packet.packet_size / 8;
        }
        (void)fclose(file);
        return true;
}

static bool add_trace(struct reading *reading, const char *path)
{
        const bt_component_source *source = NULL;
        char name[32];
        bt_value *parameters = bt_value_map_create();
        bt_value *inputs = NULL;
        bool good = parameters &&
                    bt_value_map_insert_empty_array_entry(parameters, "inputs", &inputs) ==
                            BT_VALUE_MAP_INSERT_ENTRY_STATUS_OK &&
                    bt_value_array_append_string_element(inputs, path) == BT_VALUE_ARRAY_APPEND_ELEMENT_STATUS_OK;

        (void)snprintf(name, sizeof(name), "trace-%zu", reading->traces++);
        if (good && bt_graph_add_source_component(reading->graph, reading->source, name, parameters,
                                                  BT_LOGGING_LEVEL_NONE, &source) == BT_GRAPH_ADD_COMPONENT_STATUS_OK)
                good = connect_source(reading, source);
        else
                good = babeltrace_failed(reading, "cannot open a trace");
        bt_value_put_ref(parameters);
        return good;
}

static int not_dots(const struct dirent *entry)
{
        return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* A directory with a file `metadata` is a trace. LTTng's kernel trace is in a directory called kernel: skip it. */
static bool add_traces(struct reading *reading, const char *directory, unsigned depth)
{
        char path[PATH_MAX];
        struct stat status;
        struct dirent **entries;

        if (depth > DEPTH_MAX || reading->traces >= TRACE_MAX)
                return true;
        if ((size_t)snprintf(path, sizeof(path), "%s/metadata", directory) < sizeof(path) && stat(path, &status) == 0 &&
            S_ISREG(status.st_mode))
                return check_metadata(reading, path, (uint64_t)status.st_size) && add_trace(reading, directory);
        int count = scandir(directory, &entries, not_dots, alphasort);
        if (count < 0)
                return depth > 0 || hwaccl_error_set(reading->error, "%s: %s", directory, strerror(errno));
        bool good = true;
        for (int i = 0; i < count; i++) {
                const char *name = entries[i]->d_name;
                if (good && strcmp(name, "kernel") != 0 &&
                    (size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) < sizeof(path) &&
                    lstat(path, &status) == 0 && S_ISDIR(status.st_mode))
                        good = add_traces(reading, path, depth + 1);
                free(entries[i]);
        }
        free(entries);
        return good;
}

static const bt_plugin *find_plugin(struct reading *reading, const char *name)
{
        const bt_plugin *plugin = NULL;

        if (bt_plugin_find(name, BT_TRUE, BT_TRUE, BT_TRUE, BT_TRUE, BT_FALSE, &plugin) != BT_PLUGIN_FIND_STATUS_OK) {
                (void)babeltrace_failed(reading, "Babeltrace has no plugin for it");
                return NULL;
        }
        return plugin;
}

static bool build_graph(struct reading *reading, const bt_plugin *ctf, const bt_plugin *utils)
{
        const bt_component_class_filter *muxer = bt_plugin_borrow_filter_component_class_by_name_const(utils, "muxer");
        const bt_component_sink *sink = NULL;

        reading->source = bt_plugin_borrow_source_component_class_by_name_const(ctf, "fs");
        reading->graph = bt_graph_create(0);
        if (!muxer || !reading->source || !reading->graph ||
            bt_graph_add_filter_component(reading->graph, muxer, "muxer", NULL, BT_LOGGING_LEVEL_NONE,
                                          &reading->muxer) != BT_GRAPH_ADD_COMPONENT_STATUS_OK)
                return babeltrace_failed(reading, "Babeltrace has no muxer");
        if (!add_traces(reading, reading->directory, 0))
                return false;
        if (reading->traces == 0)
                return hwaccl_error_set(reading->error, "%s: contains no CTF trace", reading->directory);
        if (bt_graph_add_simple_sink_component(reading->graph, "hwaccl", initialize, consume, NULL, reading, &sink) !=
                    BT_GRAPH_ADD_COMPONENT_STATUS_OK ||
            bt_graph_connect_ports(reading->graph,
                                   bt_component_filter_borrow_output_port_by_index_const(reading->muxer, 0),
                                   bt_component_sink_borrow_input_port_by_index_const(sink, 0),
                                   NULL) != BT_GRAPH_CONNECT_PORTS_STATUS_OK)
                return babeltrace_failed(reading, "cannot read the traces");
        return true;
}

static bool run_graph(struct reading *reading)
{
        for (;;) {
                switch (bt_graph_run(reading->graph)) {
                case BT_GRAPH_RUN_STATUS_OK: return true;
                case BT_GRAPH_RUN_STATUS_AGAIN: break;
                default: return babeltrace_failed(reading, "cannot read further");
                }
        }
}

static bool read_traces(const char *directory, const struct trace_sink *sink, void (*alive)(void),
                        struct hwaccl_error *error)
{
        struct reading reading = {.sink = sink, .alive = alive, .error = error, .directory = directory};
        const bt_plugin *ctf = find_plugin(&reading, "ctf");
        const bt_plugin *utils = ctf ? find_plugin(&reading, "utils") : NULL;

        const struct hwaccl_sandbox_path path = {directory, false};

        reading.decoder = ctf_decoder_create(sink);
        /* Babeltrace's plugins are loaded; from here on nothing is opened but the trace */
        bool good =
                utils != NULL && hwaccl_sandbox_enter(&(struct hwaccl_sandbox){.path = &path, .path_count = 1}, error);
        if (good && !reading.decoder)
                good = hwaccl_error_set(error, "out of memory");
        good = good && build_graph(&reading, ctf, utils) && run_graph(&reading);
        ctf_decoder_destroy(reading.decoder);
        bt_graph_put_ref(reading.graph);
        bt_plugin_put_ref(utils);
        bt_plugin_put_ref(ctf);
        return good;
}

static bool write_frame(enum trace_frame_type type, const void *body, size_t size, struct hwaccl_error *error)
{
        static const uint8_t zeros[8];
        size_t padding = -size & 7;
        const struct trace_frame frame = {type, (uint32_t)(size + padding)};

        if (fwrite(&frame, sizeof(frame), 1, stdout) == 1 && (!size || fwrite(body, size, 1, stdout) == 1) &&
            fwrite(zeros, 1, padding, stdout) == padding)
                return true;
        return hwaccl_error_set(error, "cannot write: %s", strerror(errno));
}

static bool write_event(void *opaque, const struct trace_event *event, struct hwaccl_error *error)
{
        static uint8_t body[TRACE_EVENT_PACKED_MAX];

        (void)opaque;
        return write_frame(TRACE_FRAME_EVENT, body, trace_event_pack(event, body), error);
}

static void write_discarded(void *opaque, bool packets, uint64_t count)
{
        struct hwaccl_error ignored; /* the next frame cannot be written either */

        (void)opaque;
        (void)write_frame(packets ? TRACE_FRAME_DISCARDED_PACKETS : TRACE_FRAME_DISCARDED_EVENTS, &count, sizeof(count),
                          &ignored);
}

static void write_alive(void)
{
        struct hwaccl_error ignored;

        (void)write_frame(TRACE_FRAME_ALIVE, NULL, 0, &ignored);
        (void)fflush(stdout);
}

int main(int argc, char **argv)
{
        static const char version[] = HWACCL_VERSION;
        const struct trace_sink sink = {NULL, write_event, write_discarded};
        struct hwaccl_error error;

        if (!hwaccl_file_fill_standard())
                return 2;
        if (argc != 2) {
                (void)fprintf(stderr, "hwaccl-ctf is a part of hwaccl; see hwaccl import --help\n");
                return 2;
        }
        if (!write_frame(TRACE_FRAME_VERSION, version, sizeof(version), &error))
                return 2;
        bool good = read_traces(argv[1], &sink, write_alive, &error);
        if (good)
                good = write_frame(TRACE_FRAME_END, NULL, 0, &error);
        else
                (void)write_frame(TRACE_FRAME_ERROR, error.message, strlen(error.message) + 1, &error);
        return fflush(stdout) == 0 && good ? 0 : 2;
}
