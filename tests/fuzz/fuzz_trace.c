/*
 * What the reader of a CTF trace says of it, through the pipe: an import never crashes, and what it makes is a
 * recording that can be opened, that has no problem and whose exits can be walked. The input is a sequence of changes
 * of a good trace's frames, each of them two bytes for the frame, one that says what happens to it, one for a place in
 * it, and up to eight that are laid there.
 */
#include "core/machine/machine.h"
#include "hwaccl/recording.h"
#include "tracer/import/import.h"

#include "tests/fixtures/synthetic_exits.h"
#include "tracer/import/trace_import.h"
#include "tracer/lttng/trace_probe.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXITS     10u
#define FRAME_MAX 1024u

/* What happens to a frame. */
enum change { CHANGE_BODY, CHANGE_HEADER, CHANGE_DROPPED, CHANGE_TWICE, CHANGE_CUT, CHANGE_EARLIER, CHANGE_COUNT };

struct frame {
        struct trace_frame header; /* may be wrong */
        uint8_t *body;
        size_t size; /* of the body */
};

static char directory[] = "/tmp/hwaccl-fuzz-XXXXXX";
static char path[sizeof(directory) + 16];
static struct frame frames[FRAME_MAX];
static size_t frame_count;
static int stream = -1; /* a file in memory, as the pipe */

static void fail(const char *what)
{
        perror(what);
        abort();
}

static void add_frame(enum trace_frame_type type, const void *body, size_t size)
{
        struct frame *frame = &frames[frame_count++];

        if (frame_count == FRAME_MAX || !(frame->body = calloc(1, size + 8)))
                fail("frames");
        memcpy(frame->body, body, size);
        frame->size = (size + 7) & ~(size_t)7;
        frame->header = (struct trace_frame){type, (uint32_t)frame->size};
}

static void add_event(const struct trace_event *event)
{
        static uint8_t body[TRACE_EVENT_PACKED_MAX];

        add_frame(TRACE_FRAME_EVENT, body, trace_event_pack(event, body));
}

/* The events of a guest with two devices, all of them traced. */
static void trace(void)
{
        static const int enabled = 1;
        static struct trace_provider provider = {.version = HWACCL_VERSION};
        static struct synthetic synthetic;
        struct hwaccl_error error = {""};
        const uint64_t lost = 1;

        for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++) {
                provider.enabled[i] = &enabled;
                provider.emit[i] = add_event;
        }
        synthetic_start(&synthetic, 5);
        struct hwaccl_device *devices[2] = {&synthetic.device[0].device, &synthetic.device[1].device};
        const struct hwaccl_recording_option options[] = {{"memory", "64M"}};
        const struct hwaccl_lttng_config config = {
                .options = options, .option_count = 1, .devices = devices, .device_count = 2, .keyframe_interval = 4};
        add_frame(TRACE_FRAME_VERSION, HWACCL_VERSION, sizeof(HWACCL_VERSION));
        struct hwaccl_lttng *lttng = trace_probe_create(&config, &provider, &error);
        if (!lttng)
                fail(error.message);
        struct hwaccl_probe *probe = hwaccl_lttng_probe(lttng);
        for (unsigned i = 0; i < EXITS; i++) {
                synthetic_next(&synthetic);
                (void)synthetic_observe(&synthetic, probe, true, &error);
        }
        probe->ops->transfer_in(probe, &synthetic.state);
        hwaccl_lttng_annotate(lttng, "digest", "0123");
        (void)hwaccl_lttng_finish(lttng, HWACCL_END_EXIT_CODE, 42, "");
        add_frame(TRACE_FRAME_DISCARDED_PACKETS, &lost, sizeof(lost));
        add_frame(TRACE_FRAME_ALIVE, "", 0);
        add_frame(TRACE_FRAME_END, "", 0);
}

static void put(const void *bytes, size_t size)
{
        if (write(stream, bytes, size) != (ssize_t)size)
                fail("write");
}

static void put_frame(const struct frame *frame, size_t size)
{
        put(&frame->header, sizeof(frame->header));
        if (size)
                put(frame->body, size);
}

/* One change of one frame; returns how many bytes of the input it took. */
static size_t change(struct frame *frame, enum change *what, const uint8_t *data, size_t size)
{
        size_t bytes = size < 12 ? size - 4 : 8;

        *what = (enum change)(data[2] % CHANGE_COUNT);
        if (*what == CHANGE_HEADER) {
                memcpy(&frame->header, data + 4, bytes);
        } else if (*what == CHANGE_BODY && frame->size > 0) {
                size_t place = data[3] % frame->size;
                size_t room = frame->size - place;
                memcpy(frame->body + place, data + 4, bytes < room ? bytes : room);
        }
        return 4 + bytes;
}

/* Its body may be changed from now on. */
static void own_body(struct frame *frame, const struct frame *good)
{
        if (frame->body != good->body)
                return;
        if (!(frame->body = malloc(frame->size + 8)))
                fail("malloc");
        memcpy(frame->body, good->body, frame->size);
}

/* The good frames, and the input's changes of them, in the stream. */
static void put_stream(const uint8_t *data, size_t size)
{
        static struct frame changed[FRAME_MAX];
        static enum change what[FRAME_MAX];

        if (ftruncate(stream, 0) != 0 || lseek(stream, 0, SEEK_SET) != 0)
                fail("the stream");
        memcpy(changed, frames, sizeof(changed));
        memset(what, 0, sizeof(what));
        while (size > 4) {
                size_t which = (data[0] | (size_t)data[1] << 8) % frame_count;
                own_body(&changed[which], &frames[which]);
                size_t taken = change(&changed[which], &what[which], data, size);
                data += taken;
                size -= taken;
        }
        for (size_t i = 0; i < frame_count; i++) {
                if (what[i] != CHANGE_DROPPED)
                        put_frame(&changed[i], what[i] == CHANGE_CUT ? changed[i].size / 2 : changed[i].size);
                if (what[i] == CHANGE_TWICE)
                        put_frame(&changed[i], changed[i].size);
                if (what[i] == CHANGE_EARLIER && i > 0)
                        put_frame(&changed[i - 1], changed[i - 1].size);
        }
        for (size_t i = 0; i < frame_count; i++)
                if (changed[i].body != frames[i].body)
                        free(changed[i].body);
}

static bool read_stream(void *opaque, const struct trace_sink *sink, struct hwaccl_error *error)
{
        bool stuck = false;

        (void)opaque;
        if (lseek(stream, 0, SEEK_SET) != 0)
                fail("lseek");
        int result = trace_read_frames(stream, sink, &stuck, error);
        return result == 1 || (result == 0 && hwaccl_error_set(error, "it ends too early"));
}

static void count(void *opaque, const char *text)
{
        (void)text;
        ++*(unsigned *)opaque;
}

static bool import(bool good)
{
        const struct import_source source = {NULL, read_stream};
        const struct hwaccl_import_config config = {.directory = "frames", .output = path, .force = true};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};
        uint64_t first = 0, end = 0;
        unsigned problems = 0; /* values that contradict each other are for the check to find */
        int more = 0;

        if (!import_from(&source, &config, &result, &error)) {
                if (!error.message[0] || strchr(error.message, '\n'))
                        fail("an error without a line");
                return false;
        }
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording || !hwaccl_recording_check(recording, count, &problems, &error) ||
            !hwaccl_recording_range(recording, result.vcpu, &first, &end, &error))
                fail(error.message);
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, result.vcpu, first, &error);
        const struct hwaccl_recorded_exit *exit;
        while (cursor && (more = hwaccl_exit_cursor_next(cursor, &exit, &error)) == 1)
                ;
        if ((!cursor && first != end && !result.gaps) || (more < 0 && !result.gaps) ||
            (good && (problems || !result.complete)))
                fail(error.message);
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
        return true;
}

static void clean_up(void)
{
        (void)unlink(path);
        (void)rmdir(directory);
        for (size_t i = 0; i < frame_count; i++)
                free(frames[i].body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (stream < 0) {
                if (!mkdtemp(directory) || (stream = memfd_create("frames", MFD_CLOEXEC)) < 0 || atexit(clean_up) != 0)
                        fail("start");
                (void)snprintf(path, sizeof(path), "%s/trace.hwr", directory);
                trace();
                put_stream(NULL, 0);
                if (!import(true))
                        fail("the good trace cannot be imported");
        }
        put_stream(data, size);
        (void)import(false);
        return 0;
}
