/*
 * The events of a VMM's records in a trace: an import never crashes, and what it makes can be opened, checked and
 * walked. The input is a sequence of changes of a good trace's events, each of them two bytes for the event, one that
 * says what happens to it, two for a place in its record, and up to eight bytes that are laid there.
 */
#include "hwaccl/recording.h"

#include "tests/fixtures/kept_records.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum change { CHANGE_BYTES, CHANGE_PLACE, CHANGE_DROPPED, CHANGE_TWICE, CHANGE_LANE, CHANGE_NUMBER, CHANGE_COUNT };

static char directory[] = "/tmp/hwaccl-fuzz-XXXXXX";
static char path[sizeof(directory) + 16];
static struct trace_event changed[KEPT_MAX];
static uint8_t what[KEPT_MAX];

static void clean_up(void)
{
        char command[sizeof(directory) + 16];

        forget_kept();
        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        if (system(command) != 0)
                kept_fail("the directory is not removed");
}

static bool read_changed(void *opaque, const struct trace_sink *sink, struct hwaccl_error *error)
{
        (void)opaque;
        for (size_t i = 0; i < kept_count; i++)
                for (unsigned times = what[i] == CHANGE_DROPPED ? 0 : what[i] == CHANGE_TWICE ? 2 : 1; times; times--)
                        if (!sink->event(sink->opaque, &changed[i], error))
                                return false;
        return true;
}

/* Its data may be changed. */
static void own_data(struct trace_event *event, const struct trace_event *good)
{
        if (event->kind != TRACE_RECORD || event->as.record.data != good->as.record.data)
                return;
        uint8_t *own = malloc(event->as.record.size);
        if (!own)
                kept_fail("out of memory");
        memcpy(own, good->as.record.data, event->as.record.size);
        event->as.record.data = own;
}

static void change(size_t index, const uint8_t *data, const uint8_t *bytes, size_t count)
{
        struct trace_event *event = &changed[index];
        uint64_t value = 0;

        memcpy(&value, bytes, count);
        what[index] = data[2] % CHANGE_COUNT;
        own_data(event, &kept[index]);
        if (what[index] == CHANGE_BYTES && event->kind == TRACE_RECORD) {
                const size_t place = (data[3] | (size_t)data[4] << 8) % event->as.record.size;
                const size_t room = event->as.record.size - place;
                memcpy((uint8_t *)(uintptr_t)event->as.record.data + place, bytes, count < room ? count : room);
        } else if (what[index] == CHANGE_PLACE && event->kind == TRACE_RECORD) {
                *(data[3] & 1 ? &event->as.record.total : &event->as.record.offset) = (uint32_t)value;
        } else if (what[index] == CHANGE_LANE) {
                event->vcpu = (uint32_t)value;
        } else if (what[index] == CHANGE_NUMBER) {
                *(data[3] & 1 ? &event->sequence : &event->exit) = value;
        }
}

static void count(void *opaque, const char *text)
{
        (void)text;
        ++*(unsigned *)opaque;
}

static bool import(bool good)
{
        const struct import_source source = {NULL, read_changed};
        const struct hwaccl_import_config config = {.directory = "events", .output = path, .force = true};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};
        unsigned problems = 0; /* values that contradict each other are for the check to find */

        if (!import_from(&source, &config, &result, &error)) {
                if (!error.message[0] || strchr(error.message, '\n'))
                        kept_fail("an error without a line");
                return false;
        }
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording || !hwaccl_recording_check(recording, count, &problems, &error) ||
            (good && (problems || !result.complete)))
                kept_fail(error.message);
        hwaccl_recording_close(recording);
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (kept_count == 0) {
                if (!mkdtemp(directory) || atexit(clean_up) != 0)
                        kept_fail("start");
                (void)snprintf(path, sizeof(path), "%s/vmm.hwr", directory);
                keep_records(path);
                memcpy(changed, kept, sizeof(changed));
                if (!import(true))
                        kept_fail("the good trace cannot be imported");
        }
        memcpy(changed, kept, sizeof(changed));
        memset(what, 0, sizeof(what));
        while (size > 5) {
                const size_t bytes = size < 13 ? size - 5 : 8;
                change((data[0] | (size_t)data[1] << 8) % kept_count, data, data + 5, bytes);
                data += 5 + bytes;
                size -= 5 + bytes;
        }
        (void)import(false);
        for (size_t i = 0; i < kept_count; i++)
                if (changed[i].kind == TRACE_RECORD && changed[i].as.record.data != kept[i].as.record.data)
                        free((void *)(uintptr_t)changed[i].as.record.data);
        return 0;
}
