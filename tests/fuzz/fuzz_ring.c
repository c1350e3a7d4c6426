/*
 * Bytes as a ring file beside the database of a recorder that died: recovery never crashes, and leaves a recording that
 * can be opened and walked. The input is a sequence of patches of a good ring: three bytes of offset, one of length,
 * then what stands there. Marks are put right after each patch when its length's highest bit is set, so that records
 * get past the first look.
 */
#include "hwaccl/recording.h"
#include "tracer/record/recorder.h"
#include "tracer/recover/recovery.h"

#include "tests/fixtures/synthetic_exits.h"
#include "tracer/ring/ring_records.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define USED 65536u /* bytes of the file that patches may hit: its header and the records */

struct content {
        uint8_t *bytes;
        size_t size;
};

static char directory[] = "/tmp/hwaccl-fuzz-XXXXXX";
static char path[sizeof(directory) + 32];
static struct content database;
static struct content log_file;
static struct content ring_file;

static void fail(const char *what)
{
        perror(what);
        abort();
}

static const char *with(const char *suffix)
{
        static char name[sizeof(path) + 8];

        (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
        return name;
}

/* In a process of its own, which dies before its writer has committed anything of use. */
static void record(void)
{
        pid_t child = fork();
        int status;

        if (child < 0)
                fail("fork");
        if (child == 0) {
                static struct synthetic synthetic;
                struct hwaccl_error error = {""};
                synthetic_start(&synthetic, 1);
                struct hwaccl_device *devices[2] = {&synthetic.device[0].device, &synthetic.device[1].device};
                const struct hwaccl_recorder_config config = {.path = path,
                                                              .devices = devices,
                                                              .device_count = 2,
                                                              .keyframe_interval = 8,
                                                              .ring_size = 256 << 10};
                struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
                if (!recorder)
                        _exit(1);
                struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
                /* what the saved inputs patch stays where it is; new records come behind it */
                for (unsigned i = 0; i < 80; i++) {
                        if (i == 40)
                                hwaccl_recorder_annotate(recorder, "name", "value");
                        synthetic.walk_by_walk = i >= 40;
                        synthetic_next(&synthetic);
                        (void)synthetic_observe(&synthetic, probe, true, &error);
                }
                (void)raise(SIGKILL);
        }
        if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
                fail("the recorder");
}

static struct content load(const char *name)
{
        struct content content = {NULL, 0};
        struct stat status;
        int fd = open(name, O_RDONLY);

        if (fd < 0)
                return content;
        if (fstat(fd, &status) != 0)
                fail(name);
        content.size = (size_t)status.st_size;
        content.bytes = malloc(content.size + 1);
        if (!content.bytes || read(fd, content.bytes, content.size) != (ssize_t)content.size)
                fail(name);
        (void)close(fd);
        return content;
}

static void store(const char *name, const struct content *content)
{
        int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

        if (fd < 0 || write(fd, content->bytes, content->size) != (ssize_t)content->size)
                fail(name);
        (void)close(fd);
}

static void clean_up(void)
{
        static const char *const suffix[] = {"", "-wal", "-shm", "-journal", "-ring"};

        for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++)
                (void)unlink(with(suffix[i]));
        (void)rmdir(directory);
        free(database.bytes);
        free(log_file.bytes);
        free(ring_file.bytes);
}

static void make_good(void)
{
        if (!mkdtemp(directory))
                fail("mkdtemp");
        (void)snprintf(path, sizeof(path), "%s/dead.hwr", directory);
        record();
        database = load(path);
        log_file = load(with("-wal"));
        ring_file = load(with("-ring"));
        if (!ring_file.size || !database.size || atexit(clean_up) != 0)
                fail(path);
}

/* Each record gets the mark of its position, as far as their lengths lead. */
static void mark_records(uint8_t *bytes, size_t size)
{
        size_t at = RING_HEADER_SIZE;

        while (at + sizeof(struct ring_record) <= size) {
                struct ring_record record;
                memcpy(&record, bytes + at, sizeof(record));
                if (record.words == 0)
                        return;
                record.mark = ring_mark(at - RING_HEADER_SIZE);
                memcpy(bytes + at, &record, sizeof(record));
                at += (size_t)record.words * 8;
        }
}

static void patch(uint8_t *bytes, const uint8_t *data, size_t size)
{
        while (size >= 4) {
                size_t offset = (size_t)(data[0] | data[1] << 8 | data[2] << 16) % USED;
                size_t length = data[3] & 0x7f;
                bool mark = data[3] & 0x80;
                data += 4;
                size -= 4;
                if (length > size)
                        length = size;
                memcpy(bytes + offset, data, length);
                data += length;
                size -= length;
                if (mark)
                        mark_records(bytes, USED);
        }
}

static void ignore(void *opaque, const char *text)
{
        (void)opaque;
        (void)text;
}

/* What recovery made of it can be opened; what it refused is as it was. */
static void look(void)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);

        if (!recording)
                fail(error.message);
        (void)hwaccl_recording_check(recording, ignore, NULL, &error);
        hwaccl_recording_close(recording);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct hwaccl_recovery recovery;
        struct hwaccl_error error;

        if (!ring_file.size)
                make_good();
        struct content patched = {malloc(ring_file.size), ring_file.size};
        if (!patched.bytes)
                fail("malloc");
        memcpy(patched.bytes, ring_file.bytes, ring_file.size);
        patch(patched.bytes, data, size);
        (void)unlink(with("-shm"));
        store(path, &database);
        if (log_file.size)
                store(with("-wal"), &log_file);
        store(with("-ring"), &patched);
        bool good = hwaccl_recover(path, &recovery, &error);
        if (!good || recovery.outcome != HWACCL_RECOVERY_NO_EXITS)
                look();
        free(patched.bytes);
        return 0;
}
