/* hwaccl record --attach: a VMM that runs already is recorded from outside, by the kernel's trace points. */
#include "replay/cli/record/record.h"

#include "tracer/attach/attach.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define POLL_NS 50000000L /* for ends that no signal announces */

struct attached {
        const struct record_settings *settings;
        pid_t pid;
        char program[256];
        struct vmm_attach *attach;
        sigset_t awaited;
        uint64_t began;
        struct vmm_attach_state state;
};

static uint64_t now(void)
{
        struct timespec time;

        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static void block_signals(struct attached *attached)
{
        static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};

        (void)sigemptyset(&attached->awaited);
        for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
                struct sigaction before;
                /* what nohup(1) ignores stays ignored */
                if (sigaction(taken[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
                        (void)sigaddset(&attached->awaited, taken[i]);
        }
        (void)sigprocmask(SIG_BLOCK, &attached->awaited, NULL);
}

static bool create(struct attached *attached, int argc, char **argv, struct hwaccl_error *error)
{
        const struct record_settings *settings = attached->settings;
        struct kvm_process found;
        struct record_options table;

        if (!kvm_process_look(attached->pid, &found, error))
                return false;
        kvm_process_program(attached->pid, attached->program, sizeof(attached->program));
        if (!record_options_collect_attached(&table, settings, attached->program, argc, argv)) {
                record_options_free(&table);
                return hwaccl_error_set(error, "out of memory");
        }
        const struct hwaccl_flight_config flight = record_flight_config(settings);
        const struct hwaccl_recorder_config config = {
                .path = settings->output,
                .force = settings->force,
                .mode = settings->mode,
                .options = table.row,
                .option_count = table.count,
                .keyframe_interval = settings->keyframe_interval,
                .sink = settings->flight_text ? &hwaccl_flight_recorder : NULL,
                .sink_settings = &flight,
        };
        attached->attach = vmm_attach_create(&config, attached->pid, &found, settings->max_exits, error);
        record_options_free(&table);
        return attached->attach != NULL;
}

/* Until a signal, a limit, or the VMM's end. */
static enum hwaccl_stop_request wait_for_end(struct attached *attached)
{
        const struct record_settings *settings = attached->settings;
        const struct timespec poll = {0, POLL_NS};

        for (;;) {
                int number = sigtimedwait(&attached->awaited, NULL, &poll);
                if (number == SIGUSR1 && settings->flight_text)
                        vmm_attach_dump(attached->attach);
                else if (number > 0 && number != SIGUSR1)
                        return HWACCL_STOP_INTERRUPTED;
                const struct vmm_attach_state state = vmm_attach_state(attached->attach);
                if (state.reached)
                        return HWACCL_STOP_MAX_EXITS;
                if (state.vmm_ended || state.failed)
                        return HWACCL_STOP_VMM_ENDED;
                if (settings->timeout_ns && now() - attached->began >= settings->timeout_ns)
                        return HWACCL_STOP_TIMEOUT;
        }
}

/* The last line on stderr. */
static void summarise(const struct attached *attached, enum hwaccl_stop_request why)
{
        static const char *const reasons[] = {
                [HWACCL_STOP_NONE] = "left",
                [HWACCL_STOP_INTERRUPTED] = "goes on",
                [HWACCL_STOP_TIMEOUT] = "goes on: the timeout was reached",
                [HWACCL_STOP_MAX_EXITS] = "goes on: the number of exits was reached",
                [HWACCL_STOP_UNTIL] = "left",
                [HWACCL_STOP_VMM_ENDED] = "ended",
        };
        const struct record_settings *settings = attached->settings;
        const struct attach_counts *counts = &attached->state.counts;
        char size[48] = "", lost[96] = "", where[256] = "recorded in";
        struct stat status;

        if (counts->exits && !settings->flight_text && stat(settings->output, &status) == 0)
                (void)snprintf(size, sizeof(size), ", %.1f bytes per exit",
                               (double)status.st_size / (double)counts->exits);
        if (counts->lost)
                (void)snprintf(lost, sizeof(lost), "; the kernel lost %" PRIu64 " events: see view marks",
                               counts->lost);
        if (settings->flight_text)
                (void)snprintf(where, sizeof(where), "the newest of them (%s) recorded in", settings->flight_text);
        cli_notice(settings->command,
                   "%s (process %ld) %s; %" PRIu64 " exits of %u vCPU%s in %.2f s, %" PRIu64 " of them for the VMM; "
                   "%s %s%s%s",
                   attached->program, (long)attached->pid, reasons[why], counts->exits, attached->state.vcpus,
                   attached->state.vcpus == 1 ? "" : "s", (double)(now() - attached->began) / 1e9, counts->user, where,
                   settings->output, size, lost);
}

static enum cli_status complain(const struct attached *attached, const struct hwaccl_error *error)
{
        (void)cli_error(attached->settings->command, "%s", error->message);
        return CLI_CANNOT;
}

/* Threads and vCPUs that are missing are no failure of what is there. */
static void warn(const struct attached *attached)
{
        if (attached->state.unwatched)
                (void)cli_error(attached->settings->command,
                                "%u threads could not be watched: see option host_kernel_exits_missing",
                                attached->state.unwatched);
        if (attached->state.counts.astray)
                (void)cli_error(attached->settings->command,
                                "%" PRIu64 " exits are not in the recording: of more than %u vCPUs",
                                attached->state.counts.astray, ATTACH_VCPU_MAX);
}

enum cli_status record_run_attached(const struct record_settings *settings, int argc, char **argv)
{
        struct attached attached = {.settings = settings, .pid = (pid_t)settings->attach, .began = now()};
        struct hwaccl_error error;

        block_signals(&attached);
        if (!create(&attached, argc, argv, &error))
                return complain(&attached, &error);
        cli_notice(settings->command, "attached to %s (process %ld): %s ends the recording, and the VMM goes on",
                   attached.program, (long)attached.pid, settings->timeout_ns ? "the timeout or Ctrl-C" : "Ctrl-C");
        const enum hwaccl_stop_request why = wait_for_end(&attached);
        if (!vmm_attach_finish(attached.attach, HWACCL_END_STOPPED, why, NULL, &attached.state, &error))
                return complain(&attached, &error);
        summarise(&attached, why);
        warn(&attached);
        return CLI_CLEAN;
}
