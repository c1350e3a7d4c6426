#include "replay/corpus/corpus_process.h"

#include "core/host/file.h"
#include "core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX   (size_t)(64 << 20) /* bytes: a thousand divergences with all differences are some 30 MiB */
#define MESSAGES_MAX (size_t)(64 << 10) /* bytes; what follows is dropped */
#define PIPE_READ    65536u
#define EXIT_POLL_MS 5 /* between looks at a process that closed its pipes and did not end */
#define NS_PER_MS    UINT64_C(1000000)
#define NS_PER_S     UINT64_C(1000000000)

static uint64_t now_ns(void)
{
        struct timespec time;
        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* Bytes of address space that the process has already. */
static uint64_t own_size(void)
{
        char text[64] = "";
        FILE *file = fopen("/proc/self/statm", "re");

        if (file && !fgets(text, sizeof(text), file))
                text[0] = '\0';
        if (file)
                (void)fclose(file);
        return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE); /* pages come first */
}

static bool limit(int resource, uint64_t value)
{
        struct rlimit old, new = {value, value};

        if (getrlimit((__rlimit_resource_t)resource, &old) != 0)
                return false;
        if (old.rlim_max < new.rlim_max) /* an outer limit stays */
                new.rlim_cur = new.rlim_max = old.rlim_max;
        return setrlimit((__rlimit_resource_t)resource, &new) == 0;
}

/* The processor time is limited too: the parent's clock does not help when the parent is stopped. */
static bool set_limits(const struct corpus_jobs *jobs)
{
        bool good = true;

        if (jobs->time_limit)
                good &= limit(RLIMIT_CPU, jobs->time_limit / NS_PER_S + 2);
        if (jobs->memory_limit)
                good &= limit(RLIMIT_AS, own_size() + jobs->memory_limit);
        return good;
}

/* The new process: never returns. */
static _Noreturn void live(const struct corpus_jobs *jobs, const char *path, pid_t parent, int output, int messages)
{
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
                _exit(2);
        if (dup2(output, STDOUT_FILENO) < 0 || dup2(messages, STDERR_FILENO) < 0)
                _exit(2);
        (void)close_range(STDERR_FILENO + 1, UINT_MAX, 0); /* the pipes of other processes */
        if (!set_limits(jobs)) {
                (void)fprintf(stderr, "cannot set the limits: %s\n", strerror(errno));
                _exit(2);
        }
        int status = jobs->replay(jobs->opaque, path);
        if (fflush(stdout) != 0 || ferror(stdout))
                status = 2;
        _exit(status);
}

static bool make_pipe(int pipe_fd[2])
{
        int made[2];

        if (pipe2(made, O_CLOEXEC) != 0)
                return false;
        pipe_fd[0] = hwaccl_file_above_standard(made[0]);
        pipe_fd[1] = hwaccl_file_above_standard(made[1]);
        if (pipe_fd[0] >= 0 && pipe_fd[1] >= 0 && fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK) == 0)
                return true;
        int code = errno;
        for (unsigned i = 0; i < 2; i++)
                if (pipe_fd[i] >= 0)
                        (void)close(pipe_fd[i]);
        errno = code;
        return false;
}

static void close_both(const int pipe_fd[2])
{
        (void)close(pipe_fd[0]);
        (void)close(pipe_fd[1]);
}

bool corpus_process_start(struct corpus_process *process, struct corpus_file *file, const struct corpus_jobs *jobs,
                          struct hwaccl_error *error)
{
        int output[2], messages[2];
        pid_t parent = getpid();

        if (!make_pipe(output))
                return hwaccl_error_set(error, "cannot make a pipe: %s", strerror(errno));
        if (!make_pipe(messages)) {
                (void)hwaccl_error_set(error, "cannot make a pipe: %s", strerror(errno));
                close_both(output);
                return false;
        }
        (void)fflush(stdout);
        (void)fflush(stderr);
        pid_t child = fork();
        if (child == 0)
                live(jobs, file->path, parent, output[1], messages[1]);
        if (child < 0) {
                (void)hwaccl_error_set(error, "cannot start a process: %s", strerror(errno));
                close_both(output);
                close_both(messages);
                return false;
        }
        (void)close(output[1]);
        (void)close(messages[1]);
        *process = (struct corpus_process){
                .file = file,
                .process = child,
                .pipe = {{.fd = output[0]}, {.fd = messages[0]}},
                .start = now_ns(),
                .time_limit = jobs->time_limit,
                .limited_memory = jobs->memory_limit != 0,
        };
        return true;
}

int corpus_process_pipe(const struct corpus_process *process, unsigned which)
{
        return process->pipe[which].fd;
}

static bool has_closed(const struct corpus_process *process)
{
        return process->pipe[0].fd < 0 && process->pipe[1].fd < 0;
}

int corpus_process_time_left(const struct corpus_process *process)
{
        if (has_closed(process))
                return EXIT_POLL_MS;
        if (!process->time_limit)
                return INT_MAX;
        uint64_t used = now_ns() - process->start;
        if (used >= process->time_limit)
                return 0;
        uint64_t left = (process->time_limit - used) / NS_PER_MS + 1;
        return left < INT_MAX ? (int)left : INT_MAX;
}

static void close_pipe(struct corpus_pipe *pipe)
{
        if (pipe->fd >= 0)
                (void)close(pipe->fd);
        pipe->fd = -1;
}

static bool make_room(struct corpus_pipe *pipe)
{
        if (pipe->room - pipe->size > PIPE_READ)
                return true;
        size_t room = pipe->room ? 2 * pipe->room : (size_t)2 * PIPE_READ;
        char *text = realloc(pipe->text, room);
        if (!text)
                return false;
        pipe->text = text;
        pipe->text[pipe->size] = '\0';
        pipe->room = room;
        return true;
}

/* False: more than @most, or no memory for it. */
static bool drain(struct corpus_pipe *pipe, size_t most, bool drop)
{
        while (pipe->fd >= 0) {
                if (!make_room(pipe))
                        return false;
                ssize_t count = read(pipe->fd, pipe->text + pipe->size, PIPE_READ);
                if (count < 0 && (errno == EAGAIN || errno == EINTR))
                        return true;
                if (count <= 0) {
                        close_pipe(pipe);
                        return true;
                }
                pipe->size += (size_t)count;
                pipe->text[pipe->size] = '\0';
                if (pipe->size <= most)
                        continue;
                if (!drop)
                        return false;
                pipe->size = most;
                pipe->text[most] = '\0';
        }
        return true;
}

static void kill_it(struct corpus_process *process, enum corpus_status why)
{
        if (process->killed == CORPUS_NOT_RUN)
                process->killed = why;
        (void)kill(process->process, SIGKILL);
        close_pipe(&process->pipe[0]);
        close_pipe(&process->pipe[1]);
}

static const char *skip(const char *text, const char *part)
{
        size_t length = strlen(part);

        return strncmp(text, part, length) == 0 ? text + length : text;
}

/* The messages without what is the same for every recording: "hwaccl replay: PATH: ". */
static const char *shorten(const char *text, const char *path)
{
        char *safe = NULL;

        text = skip(text, "hwaccl replay: ");
        if (asprintf(&safe, "%s: ", path) < 0)
                return text;
        hwaccl_text_make_safe(safe);
        text = skip(text, safe);
        free(safe);
        return text;
}

static bool says_no_memory(const char *text)
{
        return strstr(text, "out of memory") || strstr(text, strerror(ENOMEM));
}

static void crash(struct corpus_process *process, int signal, const char *messages)
{
        char text[512];

        if (signal == SIGXCPU) {
                corpus_result_fail(&process->file->result, CORPUS_TIME_LIMIT, "ended after the time limit");
                return;
        }
        (void)snprintf(text, sizeof(text), "ended by signal %d (%s)%s%s", signal, strsignal(signal),
                       *messages ? ": " : "", messages);
        corpus_result_fail(&process->file->result, CORPUS_CRASHED, text);
}

/* It ended by itself, with no result. A divergence outranks what came after it. */
static void fail(struct corpus_process *process, int status, const char *messages)
{
        struct corpus_result *result = &process->file->result;
        const struct corpus_pipe *output = &process->pipe[0];
        const char *why = *messages ? messages : "ended without a message";

        if (corpus_result_read_part(result, output->text ? output->text : "", output->size, why))
                return;
        if (process->limited_memory && says_no_memory(messages))
                corpus_result_fail(result, CORPUS_MEMORY_LIMIT, "needs more than the memory limit");
        else
                corpus_result_fail(result, status == 2 ? CORPUS_UNREADABLE : CORPUS_CRASHED, why);
}

static void conclude(struct corpus_process *process, int status)
{
        struct corpus_result *result = &process->file->result;
        const struct corpus_pipe *output = &process->pipe[0];
        const char *messages = shorten(process->pipe[1].text ? process->pipe[1].text : "", process->file->path);

        if (process->killed == CORPUS_TIME_LIMIT)
                corpus_result_fail(result, CORPUS_TIME_LIMIT, "ended after the time limit");
        else if (process->killed != CORPUS_NOT_RUN)
                corpus_result_fail(result, CORPUS_CRASHED, "ended: it printed more than a replay can");
        else if (WIFSIGNALED(status))
                crash(process, WTERMSIG(status), messages);
        else if (WEXITSTATUS(status) <= 1)
                corpus_result_read(result, output->text ? output->text : "", output->size);
        else
                fail(process, WEXITSTATUS(status), messages);
        result->seconds = (double)(now_ns() - process->start) / 1e9;
}

static void release(struct corpus_process *process)
{
        for (unsigned i = 0; i < 2; i++) {
                close_pipe(&process->pipe[i]);
                free(process->pipe[i].text);
        }
}

static pid_t reap(const struct corpus_process *process, int *status, int options)
{
        pid_t found;

        do
                found = waitpid(process->process, status, options);
        while (found < 0 && errno == EINTR);
        return found;
}

bool corpus_process_continue(struct corpus_process *process)
{
        int status = 0;

        if (!drain(&process->pipe[0], OUTPUT_MAX, false) || !drain(&process->pipe[1], MESSAGES_MAX, true))
                kill_it(process, CORPUS_CRASHED);
        if (process->time_limit && now_ns() - process->start >= process->time_limit)
                kill_it(process, CORPUS_TIME_LIMIT);
        if (!has_closed(process) || reap(process, &status, process->killed ? 0 : WNOHANG) == 0)
                return true;
        conclude(process, status);
        release(process);
        return false;
}

void corpus_process_abandon(struct corpus_process *process)
{
        int status;

        (void)kill(process->process, SIGKILL);
        (void)reap(process, &status, 0);
        release(process);
}
