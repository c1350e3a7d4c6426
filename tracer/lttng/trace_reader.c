#include "tracer/lttng/trace_reader.h"

#include "tracer/lttng/module.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A damaged trace may make Babeltrace loop: it is killed after this many seconds without a frame. */
#define PATIENCE 15

#define BUFFER_SIZE (64u << 10)

struct reader {
        const struct trace_sink *sink;
        int pipe;
        uint8_t *buffer; /* unprocessed bytes are in [from, to) */
        size_t from;
        size_t to;
        bool stuck;
        uint8_t *body;
        bool version_seen;
};

static bool broken(struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "invalid output of hwaccl-ctf");
}

/* Set the event's pointers to the data that follows it in the frame. */
static bool take_event(struct reader *reader, uint32_t size, struct hwaccl_error *error)
{
        struct trace_event event;
        struct trace_part parts[TRACE_PART_MAX];
        size_t at = sizeof(event);

        if (size < sizeof(event))
                return broken(error);
        memcpy(&event, reader->body, sizeof(event));
        if ((unsigned)event.kind >= TRACE_EVENT_COUNT)
                return broken(error);
        unsigned count = trace_event_parts(&event, parts);
        for (unsigned i = 0; i < count; i++) {
                uint64_t length = 0;
                if (size - at < sizeof(length))
                        return broken(error);
                memcpy(&length, reader->body + at, sizeof(length));
                at += sizeof(length);
                if (length > size - at ||
                    (parts[i].text ? length == 0 || reader->body[at + length - 1] != '\0' : length != parts[i].size))
                        return broken(error);
                *parts[i].pointer = reader->body + at;
                at += (length + 7) & ~(size_t)7;
                if (at > size)
                        return broken(error);
        }
        return reader->sink->event(reader->sink->opaque, &event, error);
}

static bool take_text(const struct reader *reader, uint32_t size)
{
        return size > 0 && memchr(reader->body, '\0', size);
}

static bool take_discarded(struct reader *reader, bool packets, uint32_t size, struct hwaccl_error *error)
{
        uint64_t count = 0;

        if (size != sizeof(count))
                return broken(error);
        memcpy(&count, reader->body, sizeof(count));
        reader->sink->discarded(reader->sink->opaque, packets, count);
        return true;
}

static bool take_version(struct reader *reader, uint32_t size, struct hwaccl_error *error)
{
        if (!take_text(reader, size))
                return broken(error);
        reader->version_seen = true;
        return strcmp((const char *)reader->body, HWACCL_VERSION) == 0 ||
               hwaccl_error_set(error, "hwaccl-ctf has version %s, expected " HWACCL_VERSION,
                                (const char *)reader->body);
}

/* Read the next bytes of the pipe; false at its end or after a timeout. */
static bool get(struct reader *reader, void *to, size_t size)
{
        uint8_t *bytes = to;

        while (size > 0) {
                size_t there = reader->to - reader->from;
                size_t part = there < size ? there : size;
                memcpy(bytes, reader->buffer + reader->from, part);
                reader->from += part;
                bytes += part;
                size -= part;
                if (size == 0)
                        break;
                struct pollfd poll_pipe = {.fd = reader->pipe, .events = POLLIN};
                int ready = poll(&poll_pipe, 1, PATIENCE * 1000);
                ssize_t count = ready > 0 ? read(reader->pipe, reader->buffer, BUFFER_SIZE) : -1;
                if (count < 0 && ready != 0 && errno == EINTR)
                        continue;
                reader->stuck = ready == 0;
                if (count <= 0)
                        return false;
                reader->from = 0;
                reader->to = (size_t)count;
        }
        return true;
}

/* Read frame after frame. 1: complete; 0: the pipe ended early; -1: *error is set */
static int take_frames(struct reader *reader, struct hwaccl_error *error)
{
        struct trace_frame frame;

        for (;;) {
                if (!get(reader, &frame, sizeof(frame)))
                        return 0;
                if (frame.size > TRACE_FRAME_MAX)
                        return broken(error) - 1;
                if (!get(reader, reader->body, frame.size))
                        return 0;
                if (!reader->version_seen && frame.type != TRACE_FRAME_VERSION)
                        return broken(error) - 1;
                bool good;
                switch (frame.type) {
                case TRACE_FRAME_VERSION: good = take_version(reader, frame.size, error); break;
                case TRACE_FRAME_EVENT: good = take_event(reader, frame.size, error); break;
                case TRACE_FRAME_DISCARDED_EVENTS:
                case TRACE_FRAME_DISCARDED_PACKETS:
                        good = take_discarded(reader, frame.type == TRACE_FRAME_DISCARDED_PACKETS, frame.size, error);
                        break;
                case TRACE_FRAME_ERROR:
                        good = take_text(reader, frame.size) ? hwaccl_error_set(error, "%s", (const char *)reader->body)
                                                             : broken(error);
                        break;
                case TRACE_FRAME_END: return 1;
                case TRACE_FRAME_ALIVE: good = true; break;
                default: good = broken(error); break;
                }
                if (!good)
                        return -1;
        }
}

int trace_read_frames(int pipe, const struct trace_sink *sink, bool *stuck, struct hwaccl_error *error)
{
        struct reader reader = {
                .sink = sink, .pipe = pipe, .body = malloc(TRACE_FRAME_MAX), .buffer = malloc(BUFFER_SIZE)};
        int result = -1;

        if (reader.body && reader.buffer)
                result = take_frames(&reader, error);
        else
                (void)hwaccl_error_set(error, "out of memory");
        *stuck = reader.stuck;
        free(reader.buffer);
        free(reader.body);
        return result;
}

/* Its standard output is the pipe. Its standard error is discarded, because its error frame has the message.
 */
static bool spawn(const char *program, const char *directory, int output, pid_t *pid, struct hwaccl_error *error)
{
        char *const arguments[] = {(char *)(uintptr_t) "hwaccl-ctf", (char *)(uintptr_t)directory, NULL};
        posix_spawn_file_actions_t actions;

        int result = posix_spawn_file_actions_init(&actions);
        if (result == 0) {
                result = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
                if (result == 0)
                        result = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
                if (result == 0)
                        result = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
                if (result == 0)
                        result = posix_spawn(pid, program, &actions, NULL, arguments, environ);
                (void)posix_spawn_file_actions_destroy(&actions);
        }
        return result == 0 || hwaccl_error_set(error, "cannot start %s: %s", program, strerror(result));
}

bool trace_start(struct trace_process *process, const char *directory, struct hwaccl_error *error)
{
        char program[PATH_MAX];
        int ends[2];

        *process = (struct trace_process){0};
        if (!module_find("hwaccl-ctf", program, sizeof(program), error))
                return false;
        if (pipe2(ends, O_CLOEXEC) != 0)
                return hwaccl_error_set(error, "cannot create a pipe: %s", strerror(errno));
        bool good = spawn(program, directory, ends[1], &process->pid, error);
        (void)close(ends[1]);
        if (good) {
                process->pipe = ends[0];
        } else {
                process->pid = 0;
                (void)close(ends[0]);
        }
        return good;
}

static int end(struct trace_process *process, bool now)
{
        int status = 0;

        if (now)
                (void)kill(process->pid, SIGKILL);
        while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
                ;
        (void)close(process->pipe);
        process->pid = 0;
        return status;
}

bool trace_read(struct trace_process *process, const char *directory, const struct trace_sink *sink,
                struct hwaccl_error *error)
{
        bool stuck = false;
        int result = trace_read_frames(process->pipe, sink, &stuck, error);
        int status = end(process, result < 0 || stuck);

        if (result == 0 && stuck)
                return hwaccl_error_set(error, "%s: Babeltrace did not respond within %d s", directory, PATIENCE);
        if (result == 0 && WIFSIGNALED(status))
                return hwaccl_error_set(error, "%s: Babeltrace crashed: %s", directory, strsignal(WTERMSIG(status)));
        if (result == 0)
                return hwaccl_error_set(error, "%s: hwaccl-ctf ended with status %d", directory, WEXITSTATUS(status));
        return result > 0;
}

void trace_stop(struct trace_process *process)
{
        if (process->pid)
                (void)end(process, true);
}
