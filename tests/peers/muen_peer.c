/*
 * muen_peer OPTIONS -- HWACCL record OPTION...: make a subject directory, run the command on it with
 * --accel muen --subject-dir, and play the separation kernel until the command ends. Exit status: the command's; 125
 * when something else goes wrong.
 */
#include "tests/peers/muen_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_BROKEN 125

static volatile sig_atomic_t command_pid;

void die(const char *format, ...)
{
        char text[512];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        (void)fprintf(stderr, "muen_peer: %s\n", text);
        _exit(STATUS_BROKEN);
}

static void usage(void)
{
        (void)printf("usage: muen_peer [OPTION]... -- HWACCL record [OPTION]...\n"
                     "  --raw FILE@ADDR      an image in RAM; the guest starts at the first\n"
                     "  --firmware FILE      the guest's firmware; without either the command brings a kernel\n"
                     "  --memory MIB         RAM (default 64)\n"
                     "  --dir DIR            the subject directory (default: a new one, removed at the end)\n"
                     "  --eventfd            doorbells are eventfds, not FIFOs\n"
                     "  --seed NUMBER        of random bytes\n"
                     "  --fault NAME[@EXIT]  what goes wrong, and at which exit (default 0):\n");
#define X(name, identifier, what)                                                                                      \
        if (*(name))                                                                                                   \
                (void)printf("      %-18s %s\n", name, what);
        MUEN_PEER_FAULTS(X)
#undef X
}

static uint64_t parse_number(const char *text)
{
        char *end;
        errno = 0;
        unsigned long long number = strtoull(text, &end, 0);
        if (errno || end == text || *end)
                die("'%s' is no number", text);
        return number;
}

static void parse_raw(struct peer *peer, char *text)
{
        char *at = strrchr(text, '@');
        if (!at || peer->raw_count == RAW_MAX)
                die("--raw %s: expected FILE@ADDR, %d at most", text, RAW_MAX);
        *at = '\0';
        peer->raw[peer->raw_count++] = (struct peer_image){text, parse_number(at + 1)};
}

static void parse_fault(struct peer *peer, char *text)
{
        static const char *const names[FAULT_COUNT] = {
#define X(name, identifier, what) name,
                MUEN_PEER_FAULTS(X)
#undef X
        };
        char *at = strchr(text, '@');

        if (at) {
                *at = '\0';
                peer->fault_exit = parse_number(at + 1);
        }
        for (unsigned i = 0; i < FAULT_COUNT; i++) {
                if (*text && strcmp(text, names[i]) == 0) {
                        peer->fault = (enum muen_peer_fault)i;
                        return;
                }
        }
        die("there is no fault '%s'", text);
}

static void parse(struct peer *peer, int argc, char **argv)
{
        static const struct option options[] = {
                {"raw", required_argument, NULL, 'r'},
                {"firmware", required_argument, NULL, 'f'},
                {"memory", required_argument, NULL, 'm'},
                {"dir", required_argument, NULL, 'd'},
                {"eventfd", no_argument, NULL, 'e'},
                {"fault", required_argument, NULL, 'F'},
                {"seed", required_argument, NULL, 's'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        int option;

        while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
                switch (option) {
                case 'r': parse_raw(peer, optarg); break;
                case 'f': peer->firmware.path = optarg; break;
                case 'm': peer->memory_size = parse_number(optarg) << 20; break;
                case 'd': peer->directory = optarg; break;
                case 'e': peer->eventfd = true; break;
                case 'F': parse_fault(peer, optarg); break;
                case 's': peer->seed = parse_number(optarg); break;
                case 'h': usage(); exit(0);
                default: exit(STATUS_BROKEN);
                }
        }
        if (optind == argc)
                die("no command given: see --help");
        if (peer->memory_size < UINT64_C(1) << 20)
                die("RAM is 1 MiB at least");
}

/* How often the TSC ticks, by CLOCK_MONOTONIC. */
static uint64_t measure_tsc_khz(void)
{
        const struct timespec span = {0, 20000000};
        struct timespec before, after;

        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        uint64_t first = peer_tsc();
        (void)nanosleep(&span, NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        uint64_t ticks = peer_tsc() - first;
        double ms = (double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) / 1e6;
        return (uint64_t)((double)ticks / ms);
}

static int open_bell(const struct peer *peer, const char *name, int flags)
{
        const char *path = peer_path(peer, name);
        int bell = open(path, flags | O_NONBLOCK | O_CLOEXEC);
        if (bell < 0)
                die("%s: cannot open: %s", path, strerror(errno));
        return bell;
}

static void make_bells(struct peer *peer)
{
        static const char *const names[] = {"doorbell_run", "doorbell_poke", "doorbell_exit"};

        if (peer->eventfd) {
                peer->bell_run = eventfd(0, 0);
                peer->bell_exit = eventfd(0, 0);
                peer->bell_poke = eventfd(0, 0);
                if (peer->bell_run < 0 || peer->bell_exit < 0 || peer->bell_poke < 0)
                        die("no eventfd: %s", strerror(errno));
                return;
        }
        for (size_t i = 0; i < 3; i++) {
                const char *path = peer_path(peer, names[i]);
                if (i == 2 && peer->fault == FAULT_NO_DOORBELL)
                        continue;
                if (mkfifo(path, 0600) != 0)
                        die("%s: cannot create: %s", path, strerror(errno));
        }
}

/* FIFOs are opened by the process that runs the subject alone, so that its end is the end of them. */
static void open_bells(struct peer *peer)
{
        if (peer->eventfd)
                return;
        peer->bell_run = open_bell(peer, "doorbell_run", O_RDONLY);
        peer->bell_poke = open_bell(peer, "doorbell_poke", O_RDONLY);
        peer->bell_exit = open_bell(peer, "doorbell_exit", O_RDWR);
}

/* @alive: a pipe of which the kernel holds the end for writing, and the command may have the other. */
static pid_t start_kernel(struct peer *peer, const int alive[2])
{
        int ready[2];
        char byte;

        if (pipe2(ready, O_CLOEXEC) != 0)
                die("no pipe: %s", strerror(errno));
        pid_t pid = fork();
        if (pid < 0)
                die("cannot fork: %s", strerror(errno));
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)signal(SIGINT, SIG_IGN); /* for the command */
                (void)close(alive[0]);
                open_bells(peer);
                (void)close(ready[0]);
                (void)close(ready[1]);
                subject_serve(peer);
        }
        (void)close(ready[1]);
        while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
                ; /* the kernel's doorbells are open, or it is gone */
        (void)close(ready[0]);
        return pid;
}

static void append(char **to, size_t *count, const char *word)
{
        to[*count] = strdup(word);
        if (!to[(*count)++])
                die("out of memory");
}

static pid_t start_command(const struct peer *peer, int argc, char **argv, const int alive[2])
{
        char **words = calloc((size_t)argc + 8, sizeof(*words));
        char bells[64];
        size_t count = 0;

        if (!words)
                die("out of memory");
        for (int i = 0; i < argc; i++)
                append(words, &count, argv[i]);
        append(words, &count, "--accel");
        append(words, &count, "muen");
        append(words, &count, "--subject-dir");
        append(words, &count, peer->directory);
        if (peer->eventfd) {
                (void)snprintf(bells, sizeof(bells), "%d,%d,%d,%d", peer->bell_run, peer->bell_exit, peer->bell_poke,
                               alive[0]);
                append(words, &count, "--subject-doorbells");
                append(words, &count, bells);
        }
        pid_t pid = fork();
        if (pid < 0)
                die("cannot fork: %s", strerror(errno));
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
                (void)close(alive[1]);
                (void)execvp(words[0], words);
                die("%s: cannot run: %s", words[0], strerror(errno));
        }
        while (count)
                free(words[--count]);
        free(words);
        return pid;
}

static void pass_on(int number)
{
        if (command_pid)
                (void)kill(command_pid, number);
}

int main(int argc, char **argv)
{
        struct peer peer = {.memory_size = UINT64_C(64) << 20, .bell_run = -1, .bell_exit = -1, .bell_poke = -1};
        char scratch[] = "/tmp/muen_peer.XXXXXX";
        int alive[2], status;

        parse(&peer, argc, argv);
        if (!peer.directory)
                peer.directory = mkdtemp(scratch);
        if (!peer.directory || pipe(alive) != 0)
                die("no scratch directory or pipe: %s", strerror(errno));
        peer.tsc_khz = measure_tsc_khz();
        pages_make(&peer);
        make_bells(&peer);
        bool serving = peer.fault != FAULT_DEAF && peer.fault != FAULT_NO_DOORBELL && peer.fault != FAULT_NO_STATE;
        pid_t kernel = serving ? start_kernel(&peer, alive) : 0;

        command_pid = start_command(&peer, argc - optind, argv + optind, alive);
        (void)signal(SIGINT, pass_on);
        (void)signal(SIGTERM, pass_on);
        (void)close(alive[0]);
        (void)close(alive[1]);
        while (waitpid(command_pid, &status, 0) < 0)
                if (errno != EINTR)
                        die("waiting for the command: %s", strerror(errno));
        if (kernel > 0) {
                (void)kill(kernel, SIGKILL);
                (void)waitpid(kernel, NULL, 0);
        }
        pages_remove(&peer);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
