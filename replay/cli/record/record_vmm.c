/* hwaccl record -- VMM: runs a VMM as it is, with libhwaccl-interpose.so in it, and drains what that records. */
#include "replay/cli/output_signals.h"
#include "replay/cli/record/record.h"
#include "replay/cli/record/record_host.h"

#include "tracer/interpose/vmm_recorder.h"
#include "tracer/lttng/lttng_records.h"
#include "tracer/lttng/module.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 100000000L /* for ends that no signal announces */

struct vmm {
        const struct record_settings *settings;
        struct vmm_recorder *recorder;
        struct record_descriptors inherited;
        struct record_files *files;
        struct lttng_records *lttng; /* NULL: no events for LTTng */
        char *program;
        char library[PATH_MAX];
        sigset_t awaited; /* signals that are taken with sigtimedwait(2) */
        sigset_t mask;    /* signals blocked before: the VMM's */
        pid_t pid;
        bool ended;
        int wait_status;
        uint64_t deadline; /* ns of CLOCK_MONOTONIC; 0: none */
        bool timed_out;
        uint64_t began;
        struct kernel_merge_counts kernel;
};

bool record_names_vmm(int argc, char **argv)
{
        for (int i = 1; i < argc - 1; i++)
                if (strcmp(argv[i], "--") == 0)
                        return true;
        return false;
}

static uint64_t now(void)
{
        struct timespec time;

        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static bool find_library(struct vmm *vmm, struct hwaccl_error *error)
{
        if (!module_find("libhwaccl-interpose.so", vmm->library, sizeof(vmm->library), error))
                return false;
        return !vmm->library[strcspn(vmm->library, ": ")] ||
               hwaccl_error_set(error, "%s: LD_PRELOAD takes no path with blanks or colons", vmm->library);
}

static bool create_lttng(struct vmm *vmm, const struct record_options *table, struct hwaccl_error *error)
{
        const struct lttng_records_config config = {.options = table->row,
                                                    .option_count = table->count,
                                                    .keyframe_interval = vmm->settings->keyframe_interval};

        if (!vmm->settings->lttng)
                return true;
        vmm->lttng = lttng_records_create(&config, error);
        if (!vmm->lttng)
                return hwaccl_error_prefix(error, "--lttng");
        if (!lttng_records_traced(vmm->lttng))
                cli_notice(vmm->settings->command,
                           "--lttng: no session traces hwaccl:record yet; start a session daemon and enable the "
                           "events hwaccl:*, or use scripts/lttng-session");
        return true;
}

/* A trace that lost no event has as many as this line says. */
static void finish_lttng(struct vmm *vmm, unsigned end, uint64_t code, const char *message)
{
        if (!vmm->lttng)
                return;
        uint64_t emitted = lttng_records_finish(vmm->lttng, end, code, message);
        vmm->lttng = NULL;
        cli_notice(vmm->settings->command, "emitted %" PRIu64 " LTTng events of process %ld", emitted, (long)getpid());
}

static bool create_recorder(struct vmm *vmm, int argc, char **argv, struct hwaccl_error *error)
{
        const struct record_settings *settings = vmm->settings;
        struct record_options table;

        if (!record_options_collect_vmm(&table, settings, argc, argv)) {
                record_options_free(&table);
                return hwaccl_error_set(error, "out of memory");
        }
        if (!create_lttng(vmm, &table, error)) {
                record_options_free(&table);
                return false;
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
                .tap = vmm->lttng ? lttng_records_tap(vmm->lttng) : NULL,
        };
        vmm->files = record_files_create(settings->anonymous);
        vmm->recorder = vmm_recorder_create(&config, settings->max_exits, settings->kernel_exits, error);
        record_options_free(&table);
        return vmm->recorder != NULL;
}

/* Signals of the terminal reach the VMM too; what was sent to this process alone is passed on, but the flight
 * recorder's SIGUSR1. */
static const int forwarded[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

static void block_signals(struct vmm *vmm)
{
        (void)sigemptyset(&vmm->awaited);
        (void)sigaddset(&vmm->awaited, SIGCHLD);
        for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
                (void)sigaddset(&vmm->awaited, forwarded[i]);
        (void)sigprocmask(SIG_BLOCK, &vmm->awaited, &vmm->mask);
}

/* In the child. */
_Noreturn static void execute(const struct vmm *vmm, struct sigaction *child_action, int report, pid_t parent)
{
        int reason = ENOMEM;

        (void)sigaction(SIGCHLD, child_action, NULL);
        cli_restore_output_signals();
        if (vmm->lttng)
                record_descriptors_hide(&vmm->inherited);
        if (vmm->settings->together) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                if (getppid() != parent) /* it has died already, and does not read the report */
                        _exit(RECORD_VMM_FAILED);
        }
        if (vmm_recorder_environment(vmm->recorder, vmm->library)) {
                (void)sigprocmask(SIG_SETMASK, &vmm->mask, NULL);
                (void)execvp(vmm->program, vmm->settings->vmm);
                reason = errno;
        }
        (void)!write(report, &reason, sizeof(reason));
        _exit(RECORD_VMM_FAILED);
}

/* The pipe is closed by a successful execve(2). */
static bool start(struct vmm *vmm, struct hwaccl_error *error)
{
        struct sigaction action = {.sa_handler = SIG_DFL}, before;
        const pid_t parent = getpid();
        int report[2], reason = 0;

        if (pipe2(report, O_CLOEXEC) != 0)
                return hwaccl_error_set(error, "cannot create a pipe: %s", strerror(errno));
        block_signals(vmm);
        (void)sigaction(SIGCHLD, &action, &before);
        /* a VMM that goes to the background stays below this process */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        vmm->pid = fork();
        if (vmm->pid == 0)
                execute(vmm, &before, report[1], parent);
        if (vmm->pid < 0)
                hwaccl_error_set(error, "cannot start a process: %s", strerror(errno));
        (void)close(report[1]);
        ssize_t length = vmm->pid < 0 ? -1 : read(report[0], &reason, sizeof(reason));
        (void)close(report[0]);
        if (length == (ssize_t)sizeof(reason)) {
                (void)waitpid(vmm->pid, NULL, 0);
                hwaccl_error_set(error, "%s: cannot execute: %s", vmm->settings->vmm[0], strerror(reason));
        }
        return length == 0;
}

static void reap(struct vmm *vmm)
{
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                if (pid == vmm->pid) {
                        vmm->ended = true;
                        vmm->wait_status = status;
                }
}

static void signal_vmm(const struct vmm *vmm, int number)
{
        if (number == SIGUSR1 && vmm->settings->flight_text)
                vmm_recorder_dump(vmm->recorder);
        else if (!vmm->ended)
                (void)kill(vmm->pid, number);
        else
                (void)vmm_recorder_signal(vmm->recorder, number);
}

/* Until the program and all processes with vCPUs have ended. */
static void wait_for_end(struct vmm *vmm)
{
        const struct timespec poll = {0, POLL_NS};

        while (!vmm->ended || vmm_recorder_signal(vmm->recorder, 0) > 0) {
                siginfo_t info;
                int number = sigtimedwait(&vmm->awaited, &info, &poll);
                if (number > 0 && number != SIGCHLD && info.si_code <= 0) /* sent by a process */
                        signal_vmm(vmm, number);
                reap(vmm);
                record_files_look(vmm->files, vmm->recorder);
                if (vmm->deadline && !vmm->timed_out && now() >= vmm->deadline) {
                        vmm->timed_out = true;
                        signal_vmm(vmm, SIGTERM);
                }
        }
}

static void describe_status(const struct vmm *vmm, char *text, size_t room)
{
        int status = vmm->wait_status;

        if (WIFSIGNALED(status))
                (void)snprintf(text, room, "killed by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                               WCOREDUMP(status) ? ", core dumped" : "");
        else
                (void)snprintf(text, room, "exit status %d", WEXITSTATUS(status));
}

/* Exits that are missing, and why. */
static void note_kernel(struct vmm *vmm)
{
        const struct vmm_recorder_kernel kernel = vmm_recorder_kernel(vmm->recorder, &vmm->kernel);
        char text[600];

        if (kernel.unwatched) {
                (void)snprintf(text, sizeof(text), "of %u threads, the first: %s", kernel.unwatched, kernel.problem);
                vmm_recorder_annotate(vmm->recorder, "host_kernel_exits_missing", text);
                (void)cli_error(vmm->settings->command, "the kernel's exits are missing %s", text);
        }
}

/* The recording's end: what this process asked for first, then what the VMM's parent sees. */
static bool finish(struct vmm *vmm, const char *how, struct hwaccl_error *error)
{
        bool limit = vmm_recorder_reached_limit(vmm->recorder);
        struct vmm_recorder *recorder = vmm->recorder;
        char number[16];

        (void)snprintf(number, sizeof(number), "%d", vmm->wait_status);
        vmm_recorder_note_ends(recorder);
        record_files_look(vmm->files, recorder); /* of a VMM that ended soon */
        record_files_annotate(vmm->files, recorder);
        note_kernel(vmm);
        vmm_recorder_annotate(recorder, "vmm_wait_status", number);
        vmm_recorder_annotate(recorder, "vmm_end", how);
        vmm->recorder = NULL;
        unsigned end = HWACCL_END_EXIT_CODE;
        uint64_t code = (uint64_t)WEXITSTATUS(vmm->wait_status);
        char killed[128];
        const char *message = NULL;
        if (vmm->timed_out || limit) {
                end = HWACCL_END_STOPPED;
                code = vmm->timed_out ? HWACCL_STOP_TIMEOUT : HWACCL_STOP_MAX_EXITS;
        } else if (WIFSIGNALED(vmm->wait_status)) {
                end = HWACCL_END_ERROR;
                code = 0;
                (void)snprintf(killed, sizeof(killed), "the VMM was %s", how);
                message = killed;
        }
        bool good = vmm_recorder_finish(recorder, end, code, message, error);
        finish_lttng(vmm, end, code, message);
        return good;
}

/* Why there is no vCPU in the recording. */
static const char *why_nothing(const struct vmm_recorder_counts *counts)
{
        if (counts->processes == 0)
                return "libhwaccl-interpose.so was loaded into no process";
        return counts->kvm ? "it created no vCPU of KVM" : "it did not use KVM";
}

/* The last line on stderr. @unfit: a program that could not be recorded, or "" */
static void summarise(const struct vmm *vmm, const struct vmm_recorder_counts *counts, const char *how,
                      const char *unfit)
{
        const struct record_settings *settings = vmm->settings;
        const char *name = settings->vmm[0];
        struct stat status;
        char size[48] = "", handled[64] = "", lost[96] = "", where[256] = "recorded in";

        if (counts->vcpus == 0) {
                cli_notice(settings->command, "%s ended: %s; %s: nothing is recorded in %s%s%s", name, how,
                           why_nothing(counts), settings->output, *unfit ? "; it started " : "", unfit);
                return;
        }
        if (counts->exits && !settings->flight_text && stat(settings->output, &status) == 0)
                (void)snprintf(size, sizeof(size), ", %.1f bytes per exit",
                               (double)status.st_size / (double)(counts->exits + vmm->kernel.exits));
        if (settings->kernel_exits)
                (void)snprintf(handled, sizeof(handled), " and %" PRIu64 " that the kernel handled", vmm->kernel.exits);
        if (vmm->kernel.lost)
                (void)snprintf(lost, sizeof(lost), "; the kernel lost %" PRIu64 " events: see view marks",
                               vmm->kernel.lost);
        if (settings->flight_text)
                (void)snprintf(where, sizeof(where), "the newest of them (%s) recorded in", settings->flight_text);
        cli_notice(settings->command, "%s ended: %s%s; %" PRIu64 " exits%s of %u vCPU%s in %.2f s; %s %s%s%s", name,
                   vmm->timed_out ? "stopped: the timeout was reached: " : "", how, counts->exits, handled,
                   counts->vcpus, counts->vcpus == 1 ? "" : "s", (double)(now() - vmm->began) / 1e9, where,
                   settings->output, size, lost);
}

static int end(struct vmm *vmm)
{
        const struct vmm_recorder_counts counts = vmm_recorder_counts(vmm->recorder);
        struct hwaccl_error error;
        char how[96], unfit[1024] = "";

        (void)vmm_recorder_unfit(vmm->recorder, unfit, sizeof(unfit));
        describe_status(vmm, how, sizeof(how));
        if (!finish(vmm, how, &error)) {
                (void)cli_error(vmm->settings->command, "%s", error.message);
                return RECORD_VMM_FAILED;
        }
        summarise(vmm, &counts, how, unfit);
        if (counts.unrecorded) {
                (void)cli_error(vmm->settings->command,
                                "%u vCPUs are not in the recording: too many, or their rings "
                                "could not be created",
                                counts.unrecorded);
                return RECORD_VMM_FAILED;
        }
        return WIFSIGNALED(vmm->wait_status) ? 128 + WTERMSIG(vmm->wait_status) : WEXITSTATUS(vmm->wait_status);
}

int record_run_vmm(const struct record_settings *settings, int argc, char **argv)
{
        struct vmm vmm = {.settings = settings};
        struct hwaccl_error error;
        int status = RECORD_VMM_FAILED;

        vmm.began = now();
        if (settings->timeout_ns)
                vmm.deadline = vmm.began + settings->timeout_ns;
        if (record_descriptors_find(&vmm.inherited, &error) &&
            record_find_program(settings->vmm[0], &vmm.program, &error) && find_library(&vmm, &error) &&
            create_recorder(&vmm, argc, argv, &error) && start(&vmm, &error)) {
                record_descriptors_leave(&vmm.inherited);
                wait_for_end(&vmm);
                status = end(&vmm);
        } else {
                (void)cli_error(settings->command, "%s", error.message);
                if (vmm.recorder)
                        (void)vmm_recorder_finish(vmm.recorder, HWACCL_END_ERROR, 0, error.message,
                                                  &(struct hwaccl_error){""});
                if (vmm.lttng)
                        (void)lttng_records_finish(vmm.lttng, HWACCL_END_ERROR, 0, error.message);
        }
        record_descriptors_free(&vmm.inherited);
        record_files_free(vmm.files);
        free(vmm.program);
        return status;
}
