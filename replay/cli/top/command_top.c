/* hwaccl top: watches a recording while it is being made. */
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/sandbox.h"
#include "replay/cli/top/top.h"

#include "tracer/recover/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct settings {
        uint32_t vcpu;
        bool one_vcpu;
        uint64_t interval; /* ns */
        bool once;
        bool json;
};

#define S struct settings
static const struct cli_option options[] = {
        {"interval", 'i', "SECONDS", "time between two updates (default 1)", .value = CLI_VALUE_SECONDS,
         .field = CLI_FIELD(uint64_t, S, interval), .min = 10000000, .max = 3600000000000},
        {"once", '1', NULL, "print everything until now, once", CLI_FLAG(S, once)},
        {"vcpu", 0, "N", "only virtual CPU N (default: all)", CLI_NUMBER_32(S, vcpu, 0, VCPU_MAX),
         .given = CLI_FIELD(bool, S, one_vcpu)},
        {"json", 'j', NULL, "with --once: print JSON", CLI_FLAG(S, json)},
        {.name = NULL},
};
#undef S

#define TRIES 20 /* of 100 ms, for a recording that is just being created */

/* The signal that arrived meanwhile, or 0. */
static int wait_for_signal(const sigset_t *signals, uint64_t nanoseconds)
{
        struct timespec wait = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
        int number = sigtimedwait(signals, NULL, &wait);

        return number > 0 ? number : 0;
}

/* A recorder makes its ring first, then the database, and at last the index of its log: only what exists can be opened
 * later. No file is looked into before the sandbox is entered. */
static bool wait_for_files(const struct top *top, const sigset_t *signals, struct hwaccl_error *error)
{
        char *index = NULL;
        char *ring = NULL;

        if (asprintf(&index, "%s-shm", top->path) < 0)
                index = NULL;
        if (asprintf(&ring, "%s-ring", top->path) < 0)
                ring = NULL;
        bool good = index && ring;
        for (unsigned tries = 0; good && tries < TRIES && access(index, F_OK) != 0 && access(ring, F_OK) == 0; tries++)
                if (wait_for_signal(signals, 100000000))
                        break;
        free(ring);
        free(index);
        return good || hwaccl_error_set(error, "out of memory");
}

/* The first sample: tables and first rows come a moment after the files. */
static bool first_sample(struct top *top, const sigset_t *signals, struct hwaccl_error *error)
{
        for (unsigned tries = 0;; tries++) {
                if (top_sample(top, error))
                        return true;
                if (tries == TRIES || top->vcpu_count > 0 || access(top->path, F_OK) != 0 ||
                    wait_for_signal(signals, 100000000) || hwaccl_recovery_state(top->path, NULL) != HWACCL_RING_IN_USE)
                        return false;
        }
}

/* Redraw the terminal from the top left corner; lines and columns that do not fit are cut off. */
static bool print_screen(const struct top *top)
{
        struct winsize window = {0};
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return false;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row < 2) {
                window.ws_row = 24;
                window.ws_col = 80;
        }
        top_print(top, out, window.ws_row - 1u, window.ws_col);
        if (fclose(out) != 0) {
                free(text);
                return false;
        }
        (void)fputs("\x1b[H", stdout);
        for (const char *from = text; *from;) {
                size_t length = strcspn(from, "\n");
                (void)printf("\x1b[K%.*s\n", (int)length, from);
                from += length + (from[length] == '\n');
        }
        (void)fputs("\x1b[J", stdout);
        free(text);
        return fflush(stdout) == 0;
}

static bool print_update(const struct top *top, bool screen)
{
        if (screen)
                return print_screen(top);
        if (top->last_window > 1)
                (void)putchar('\n');
        top_print(top, stdout, 0, 0);
        return fflush(stdout) == 0;
}

/* The alternate screen, without a cursor. */
static void enter_screen(bool screen)
{
        if (screen)
                (void)fputs("\x1b[?1049h\x1b[?25l", stdout);
}

static void leave_screen(bool screen)
{
        if (screen)
                (void)fputs("\x1b[?25h\x1b[?1049l", stdout);
        (void)fflush(stdout);
}

/* Wait for the next update; false when there is to be none. Redraw when the terminal changes its size, and after a
 * suspension. */
static bool wait_for_update(const struct top *top, const sigset_t *signals, uint64_t interval, bool screen)
{
        uint64_t end = top_now() + interval;

        for (uint64_t now = top_now(); now < end; now = top_now()) {
                int number = wait_for_signal(signals, end - now);
                if (number == SIGTSTP) {
                        leave_screen(screen);
                        (void)raise(SIGSTOP);
                        enter_screen(screen);
                } else if (number != SIGWINCH && number != 0) {
                        return false;
                }
                if (number && screen && !print_screen(top))
                        return false;
        }
        return true;
}

/* Update until the recording or the output ends, or a signal comes. */
static bool watch(struct top *top, const sigset_t *signals, uint64_t interval, struct hwaccl_error *error)
{
        const char *terminal = getenv("TERM");
        bool screen = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
        bool good = true;

        enter_screen(screen);
        while (print_update(top, screen) && !cli_output_broken() && top->running && top->alive &&
               wait_for_update(top, signals, interval, screen)) {
                good = top_sample(top, error);
                if (!good)
                        break;
        }
        if (!screen)
                return good;
        leave_screen(screen);
        top_print(top, stdout, 0, 0); /* the last one remains on the terminal */
        return good;
}

static enum cli_status show(const struct cli_command *command, struct top *top, const struct settings *settings)
{
        struct hwaccl_error error;
        sigset_t signals, before;

        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGINT);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGHUP);
        (void)sigaddset(&signals, SIGWINCH);
        (void)sigaddset(&signals, SIGTSTP);
        if (sigprocmask(SIG_BLOCK, &signals, &before) != 0)
                return cli_error(command, "cannot block signals: %s", strerror(errno));
        bool good = wait_for_files(top, &signals, &error);
        if (good && !cli_sandbox_enter(command, top->path)) {
                (void)sigprocmask(SIG_SETMASK, &before, NULL);
                return CLI_CANNOT;
        }
        good = good && first_sample(top, &signals, &error);
        if (good && settings->json && !top_print_json(top))
                good = hwaccl_error_set(&error, "out of memory");
        else if (good && settings->once && !settings->json)
                top_print(top, stdout, 0, 0);
        else if (good && !settings->once)
                good = watch(top, &signals, settings->interval, &error);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return good ? CLI_CLEAN : cli_recording_refused(command, top->path, error.message);
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.interval = 1000000000};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        if (settings.json && !settings.once)
                return cli_usage_error(command, "--json requires --once");
        const char *path = cli_one_operand(command, argc, argv, "recording");
        if (!path)
                return CLI_CANNOT;
        struct top *top = calloc(1, sizeof(*top));
        if (!top)
                return cli_error(command, "out of memory");
        top->path = path;
        top->one_vcpu = settings.one_vcpu;
        top->only = settings.vcpu;
        status = show(command, top, &settings);
        top_free(top);
        return status;
}

const struct cli_command cli_command_top = {
        .name = "top",
        .arguments = "[OPTION]... RECORDING",
        .summary = "watch a recording while it is being made",
        .options = options,
        .details =
                "Shows exits per second by reason, percentiles of the time in the handler and in the guest, "
                "interrupts\n"
                "offered, taken and returned, and how full the recorder's ring is. The first update covers everything\n"
                "until now, each further one the last interval. Ends with the recording, or with Ctrl-C. Does not "
                "slow\n"
                "the recorder down.\n\n"
                "Example: hwaccl top --interval 5 boot.db\n",
        .run = run,
};
