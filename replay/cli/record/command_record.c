/* hwaccl record: runs a guest and records its exits. */
#include "replay/cli/output.h"
#include "replay/cli/record/record.h"

#include "core/accel/soft/accel_soft.h"
#include "core/assert.h"
#include "tracer/lttng/lttng.h"
#include "tracer/record/probe_fanout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Everything that a run holds, so that it can be released in one place. */
struct session {
        struct record_settings *settings;
        struct record_console console;
        int input;     /* file descriptor of the guest's input, or -1 */
        bool terminal; /* the input is a terminal */
        struct hwaccl_machine *machine;
        struct hwaccl_vcpu *vcpu;
        struct hwaccl_live_inputs *live;
        struct hwaccl_live_disk *disk[HWACCL_DISK_MAX]; /* not owned */
        struct hwaccl_kvm *kvm;                         /* until the accelerator owns it */
        struct hwaccl_muen *muen;                       /* lends the machine its memory */
        struct hwaccl_accel *accel;
        struct hwaccl_recorder *recorder;
        struct hwaccl_lttng *lttng;
        bool untraced;                     /* no event was emitted */
        struct hwaccl_probe_fanout fanout; /* to both */
        double seconds;
};

static struct hwaccl_live_inputs *interrupted; /* by SIGINT, SIGTERM and SIGHUP */

static void on_signal(int number)
{
        (void)number;
        hwaccl_live_inputs_stop(interrupted, HWACCL_STOP_INTERRUPTED);
}

static void catch_signals(struct hwaccl_live_inputs *live)
{
        static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        (void)sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART;
        action.sa_handler = on_signal;
        interrupted = live;
        for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
                struct sigaction before;
                /* what nohup(1) ignores stays ignored */
                if (sigaction(caught[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
                        (void)sigaction(caught[i], &action, NULL);
        }
}

/* Unicorn calls exit(3) when it gets no memory, and abort(3) for code that its translator does not expect: a LOCK
 * prefix that the processor does not expect either. */
static struct session *running; /* while a guest may run */
static pthread_t running_thread;

/* NOLINTBEGIN(bugprone-signal-handler): the signal is abort(3)'s, raised by this thread outside of our own code */
_Noreturn static void finish_for_unicorn(struct session *session, const char *reason)
{
        struct hwaccl_error error;
        bool finished = true;

        running = NULL;
        record_terminal_stop();
        record_flight_stop();
        if (session->lttng)
                (void)hwaccl_lttng_finish(session->lttng, HWACCL_END_ERROR, 0, reason);
        if (session->recorder)
                finished = hwaccl_recorder_finish(session->recorder, HWACCL_END_ERROR, 0, reason, &error);
        if (session->console.stream)
                (void)record_console_close(&session->console);
        (void)cli_error(session->settings->command, "%s%s%s%s", reason, session->recorder ? "; " : "",
                        !finished           ? error.message
                        : session->recorder ? "recorded so far: "
                                            : "",
                        session->recorder && finished ? session->settings->output : "");
        _exit(CLI_CANNOT);
}

static void finish_at_exit(void)
{
        if (running && pthread_equal(running_thread, pthread_self()))
                finish_for_unicorn(running, "Unicorn ended the process: out of memory? (ulimit -v)");
}

/* Comes in the thread that called abort(3): from the translator no lock of ours is held. */
static void go_on_at_abort(int number, siginfo_t *info, void *context)
{
        bool own = info->si_code == SI_TKILL && info->si_pid == getpid();

        (void)context;
        if (own && running && pthread_equal(running_thread, pthread_self()) && running->accel &&
            !hwaccl_assert_has_failed())
                hwaccl_accel_soft_recover(running->accel);
        record_terminal_give_back();
        (void)signal(number, SIG_DFL);
        (void)raise(number);
}
/* NOLINTEND(bugprone-signal-handler) */

static bool watch_exit(struct session *session)
{
        const struct sigaction action = {.sa_sigaction = go_on_at_abort, .sa_flags = SA_SIGINFO | SA_NODEFER};
        static bool registered;

        if (!registered && atexit(finish_at_exit) != 0) {
                (void)cli_error(session->settings->command, "out of memory");
                return false;
        }
        if (!registered)
                (void)sigaction(SIGABRT, &action, NULL);
        registered = true;
        running_thread = pthread_self();
        running = session;
        return true;
}

static bool open_input(struct session *session)
{
        const struct record_settings *settings = session->settings;

        bool standard_input =
                settings->input ? strcmp(settings->input, "-") == 0 : settings->clock == HWACCL_CLOCK_HOST;
        session->input = -1;
        if (standard_input && isatty(STDIN_FILENO)) {
                session->terminal = true;
                session->input = record_terminal_open(settings->command);
                return session->input >= 0;
        }
        if (settings->input && standard_input) {
                session->input = STDIN_FILENO;
        } else if (settings->input) {
                struct stat status;
                session->input = open(settings->input, O_RDONLY | O_CLOEXEC);
                if (session->input < 0 || fstat(session->input, &status) < 0) {
                        (void)cli_error(settings->command, "%s: cannot open: %s", settings->input, strerror(errno));
                        return false;
                }
                if (S_ISDIR(status.st_mode)) {
                        (void)cli_error(settings->command, "%s: is a directory: expected a file with the guest's input",
                                        settings->input);
                        return false;
                }
        }
        return true;
}

static bool report_error(const struct session *session, const struct hwaccl_error *error)
{
        (void)cli_error(session->settings->command, "%s", error->message);
        return false;
}

/* First, because it determines the memory for a kernel. */
static bool open_subject(struct session *session)
{
        if (session->settings->accel != RECORD_ACCEL_MUEN)
                return true;
        session->muen = record_open_subject(session->settings);
        return session->muen != NULL;
}

static bool choose_accel(struct session *session)
{
        return session->muen ? record_take_over_images(session->settings, session->muen)
                             : record_choose_accel(session->settings, &session->kvm);
}

static bool build_machine(struct session *session)
{
        struct record_settings *settings = session->settings;
        struct hwaccl_error error;
        struct hwaccl_machine_config config;

        memset(&config, 0, sizeof(config));
        config.memory_size = settings->memory_size;
        config.tsc_khz = settings->tsc_khz;
        config.kind = record_machine_kind(settings);
        config.testdev = settings->testdev;
        config.backed = true;
        config.firmware = settings->firmware.data;
        config.firmware_size = settings->firmware.size;
        config.raw_count = settings->raw_count;
        for (size_t i = 0; i < settings->raw_count; i++)
                config.raw[i] = (struct hwaccl_raw_image){settings->raw[i].address, settings->raw[i].data,
                                                          settings->raw[i].size};
        record_place_kernel(settings, &config);
        if (session->muen) {
                const struct hwaccl_muen_subject *subject = hwaccl_muen_subject(session->muen);
                config.lent_ram = subject->ram;
                config.lent_firmware = subject->firmware;
        }
        config.disk_count = settings->disk_count;
        for (size_t i = 0; i < settings->disk_count; i++)
                config.disk[i] = (struct hwaccl_disk){
                        .sectors = hwaccl_live_disk_size(settings->disk[i].image) / HWACCL_DISK_SECTOR_SIZE,
                        .read_only = settings->disk[i].mode == HWACCL_DISK_READ_ONLY,
                };
        session->machine = hwaccl_machine_create(&config, &error);
        if (session->machine)
                session->vcpu = hwaccl_vcpu_create(session->machine, &error);
        record_free_images(settings);
        record_free_kernel(settings);
        return session->vcpu || report_error(session, &error);
}

static bool build_accel(struct session *session)
{
        const struct record_settings *settings = session->settings;
        struct hwaccl_error error;
        struct hwaccl_live_inputs_config config = {
                .clock = settings->clock,
                .virtual_rate = settings->virtual_rate,
                .memory = hwaccl_machine_memory(session->machine),
                .wall_time = settings->wall_time,
                .console_fd = session->input,
                .max_exits = settings->max_exits,
                .timeout_ns = settings->timeout_ns,
                .disk = session->disk,
                .disk_count = settings->disk_count,
        };

        for (size_t i = 0; i < settings->disk_count; i++)
                session->disk[i] = settings->disk[i].image;
        session->live = hwaccl_live_inputs_create(&config, &error);
        if (!session->live)
                return report_error(session, &error);
        catch_signals(session->live);
        session->accel =
                record_create_accel(settings, session->kvm, session->muen, session->machine, session->live, &error);
        session->kvm = NULL;
        if (!session->accel)
                return report_error(session, &error);
        session->console.live = session->live;
        hwaccl_vcpu_attach_console(session->vcpu, record_console_write, &session->console);
        return true;
}

static bool build_lttng(struct session *session, const struct record_options *table)
{
        const struct record_settings *settings = session->settings;
        size_t device_count;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(session->machine, &device_count);
        const struct hwaccl_lttng_config config = {
                .options = table->row,
                .option_count = table->count,
                .devices = devices,
                .device_count = device_count,
                .keyframe_interval = settings->keyframe_interval,
        };
        struct hwaccl_error error;

        session->lttng = hwaccl_lttng_create(&config, &error);
        if (!session->lttng) {
                (void)hwaccl_error_prefix(&error, "--lttng");
                return report_error(session, &error);
        }
        if (!hwaccl_lttng_traced(session->lttng))
                cli_notice(settings->command,
                           "--lttng: no session traces hwaccl:vm_exit yet; start a session daemon and enable the "
                           "event");
        return true;
}

static bool build_recorder(struct session *session, int argc, char **argv)
{
        const struct record_settings *settings = session->settings;
        struct record_options table;
        struct hwaccl_error error;

        if (settings->no_record && !settings->lttng)
                return true;
        bool good = record_options_collect(&table, settings, session->accel, argc, argv);
        if (good && settings->lttng)
                good = build_lttng(session, &table);
        if (good && !settings->no_record) {
                size_t device_count;
                struct hwaccl_device *const *devices = hwaccl_machine_devices(session->machine, &device_count);
                struct hwaccl_flight_config flight = record_flight_config(settings);
                struct hwaccl_recorder_config config = {
                        .sink = settings->flight_text ? &hwaccl_flight_recorder : NULL,
                        .sink_settings = &flight,
                        .path = settings->output,
                        .force = settings->force,
                        .mode = settings->mode,
                        .options = table.row,
                        .option_count = table.count,
                        .devices = devices,
                        .device_count = device_count,
                        .keyframe_interval = settings->keyframe_interval,
                };
                session->recorder = hwaccl_recorder_create(&config, &error);
                good = session->recorder || report_error(session, &error);
        }
        record_options_free(&table);
        return good;
}

static double now(void)
{
        struct timespec time;
        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void describe_end(const struct session *session, char *text, size_t room)
{
        static const char *const stops[] = {"", "interrupted", "the timeout was reached",
                                            "the number of exits was reached", "the text was printed"};
        enum hwaccl_end guest_end = hwaccl_machine_end(session->machine);
        uint64_t code = hwaccl_machine_exit_code(session->machine);

        if (guest_end == HWACCL_END_EXIT_CODE)
                (void)snprintf(text, room, "exit code %" PRIu64, code);
        else if (guest_end == HWACCL_END_STOPPED && code < sizeof(stops) / sizeof(stops[0]))
                (void)snprintf(text, room, "stopped: %s", stops[code]);
        else
                (void)snprintf(text, room, "%s", hwaccl_end_name(guest_end));
}

/* The last line on stderr: how the guest ended, or the first line of the report about that. */
static void summarise(const struct session *session, const struct hwaccl_error *error, const char *title)
{
        const struct record_settings *settings = session->settings;
        enum hwaccl_end guest_end = hwaccl_machine_end(session->machine);
        uint64_t exits = hwaccl_vcpu_exit_count(session->vcpu);
        bool failed = guest_end == HWACCL_END_ERROR || guest_end == HWACCL_END_ENTRY_FAILURE;
        bool stopped = guest_end == HWACCL_END_STOPPED;
        char end[512], recorded[512] = "not recorded";
        struct stat status;

        describe_end(session, end, sizeof(end));
        if (*title && !stopped)
                (void)snprintf(end, sizeof(end), "%s", title);
        if (settings->flight_text)
                (void)snprintf(recorded, sizeof(recorded), "the newest of them (%s) recorded in %s",
                               settings->flight_text, settings->output);
        else if (!settings->no_record && stat(settings->output, &status) == 0 && exits)
                (void)snprintf(recorded, sizeof(recorded), "recorded in %s, %.1f bytes per exit", settings->output,
                               (double)status.st_size / (double)exits);
        else if (!settings->no_record)
                (void)snprintf(recorded, sizeof(recorded), "recorded in %s", settings->output);
        cli_notice(settings->command, "guest ended: %s%s%s; %" PRIu64 " exits in %.2f s; %s%s%s", end,
                   failed ? ": " : "", failed ? error->message : "", exits, session->seconds, recorded,
                   *title && stopped ? "; " : "", stopped ? title : "");
}

/* @failed: by the report. A limit on exits ends whatever the guest does, and is no failure. */
static enum cli_status judge(const struct session *session, bool failed)
{
        const struct record_settings *settings = session->settings;
        enum hwaccl_end guest_end = hwaccl_machine_end(session->machine);

        if (settings->no_record && session->untraced) /* the trace was the only recording */
                return CLI_BAD;
        if (settings->until && !session->console.until_seen)
                return CLI_BAD;
        if (settings->expect_exit)
                return guest_end == HWACCL_END_EXIT_CODE &&
                                       hwaccl_machine_exit_code(session->machine) == settings->exit_expected
                               ? CLI_CLEAN
                               : CLI_BAD;
        switch (guest_end) {
        case HWACCL_END_TRIPLE_FAULT:
        case HWACCL_END_ENTRY_FAILURE:
        case HWACCL_END_ERROR: return CLI_BAD;
        case HWACCL_END_STOPPED:
                failed = failed && hwaccl_machine_exit_code(session->machine) == HWACCL_STOP_TIMEOUT;
                return failed ? CLI_BAD : CLI_CLEAN;
        default: return failed ? CLI_BAD : CLI_CLEAN;
        }
}

/* The ends whose memory is of use; what the report says of them is known later. */
static bool has_failed(const struct session *session)
{
        enum hwaccl_end end = hwaccl_machine_end(session->machine);
        bool timeout = end == HWACCL_END_STOPPED && hwaccl_machine_exit_code(session->machine) == HWACCL_STOP_TIMEOUT;

        return timeout || end == HWACCL_END_HALTED || end == HWACCL_END_RESET || judge(session, false) == CLI_BAD;
}

/* A trace that lost no event has as many as this line says. */
static void finish_lttng(struct session *session, enum hwaccl_end end, uint64_t code, const char *message)
{
        if (!session->lttng)
                return;
        uint64_t emitted = hwaccl_lttng_finish(session->lttng, end, code, message);
        session->lttng = NULL;
        session->untraced = emitted == 0;
        cli_notice(session->settings->command, "emitted %" PRIu64 " LTTng events of process %ld", emitted,
                   (long)getpid());
}

static enum cli_status run_guest(struct session *session)
{
        struct hwaccl_machine *machine = session->machine;
        struct hwaccl_error error = {""}, finish_error = {""};
        struct hwaccl_recorder *recorder = session->recorder;
        struct hwaccl_probe *const probes[] = {
                session->lttng ? hwaccl_lttng_probe(session->lttng) : NULL,
                recorder ? hwaccl_recorder_probe(recorder) : NULL,
        };

        hwaccl_vcpu_attach(session->vcpu, session->accel, hwaccl_live_inputs_interface(session->live),
                           hwaccl_probe_join(&session->fanout, probes, sizeof(probes) / sizeof(probes[0])));
        hwaccl_live_inputs_attach(session->live, session->accel);
        /* before the terminal, so that no SIGUSR1 arrives while its action is to kill */
        if (recorder && session->settings->flight_text)
                record_flight_start(recorder);
        if (session->terminal && !record_terminal_start(session->live)) {
                record_flight_stop();
                return CLI_CANNOT;
        }
        double start = now();
        enum hwaccl_end end = hwaccl_vcpu_run(session->vcpu, &error);
        session->seconds = now() > start ? now() - start : 0; /* it may go back */
        record_terminal_stop();

        bool finished = true;
        bool failed = end == HWACCL_END_ERROR || end == HWACCL_END_ENTRY_FAILURE;
        /* a page that was taken away explains the end of a guest that read zeros there */
        (void)record_subject_failed(session->muen, &error);
        const char *message = failed ? error.message : NULL;
        finish_lttng(session, end, hwaccl_machine_exit_code(machine), message);
        record_flight_stop();
        if (recorder) {
                session->recorder = NULL;
                record_memory_keep(session->settings, recorder, hwaccl_machine_memory(machine), has_failed(session));
                finished = hwaccl_recorder_finish(recorder, end, hwaccl_machine_exit_code(machine), message,
                                                  &finish_error);
        }
        bool console_good = record_console_close(&session->console);
        if (!finished) {
                (void)report_error(session, &finish_error);
                return CLI_CANNOT;
        }
        if (!console_good || !record_memory_save(session->settings, hwaccl_machine_memory(machine)))
                return CLI_CANNOT;
        char title[320];
        bool lost = record_report(session->settings, end, hwaccl_machine_exit_code(machine), title, sizeof(title));
        summarise(session, &error, title);
        record_report_disks(session->settings);
        if (session->settings->verify)
                cli_notice(session->settings->command, "verified %" PRIu64 " exits: state matches KVM",
                           hwaccl_accel_kvm_verified(session->accel));
        if (!failed && record_subject_failed(session->muen, &error)) {
                (void)report_error(session, &error);
                return CLI_BAD;
        }
        return judge(session, lost);
}

static void tear_down(struct session *session)
{
        struct hwaccl_error ignored;

        record_terminal_stop();
        if (session->lttng)
                (void)hwaccl_lttng_finish(session->lttng, HWACCL_END_NONE, 0, NULL);
        if (session->recorder)
                (void)hwaccl_recorder_finish(session->recorder, HWACCL_END_NONE, 0, NULL, &ignored);
        if (session->console.stream)
                (void)record_console_close(&session->console);
        if (session->live)
                hwaccl_live_inputs_attach(session->live, NULL);
        if (session->accel)
                session->accel->ops->destroy(session->accel);
        hwaccl_kvm_close(session->kvm);
        /* signal handlers must not stop inputs that are being destroyed */
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        if (session->live)
                hwaccl_live_inputs_destroy(session->live);
        hwaccl_vcpu_destroy(session->vcpu);
        hwaccl_machine_destroy(session->machine);
        record_close_subject(session->muen);
        if (session->input > STDIN_FILENO)
                (void)close(session->input);
        record_free_images(session->settings);
        record_free_kernel(session->settings);
        record_close_disks(session->settings);
        record_memory_close(session->settings);
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct record_settings settings;

        enum cli_status status;

        if (!record_parse(&settings, command, argc, argv, &status)) {
                record_free_settings(&settings);
                return status == CLI_CANNOT && record_names_vmm(argc, argv) ? (enum cli_status)RECORD_VMM_FAILED
                                                                            : status;
        }
        if (settings.vmm) {
                status = (enum cli_status)record_run_vmm(&settings, argc, argv);
                record_free_settings(&settings);
                return status;
        }
        if (settings.attach) {
                status = record_run_attached(&settings, argc, argv);
                record_free_settings(&settings);
                return status;
        }
        record_flight_prepare(&settings);
        struct session session;
        memset(&session, 0, sizeof(session));
        session.settings = &settings;
        session.input = -1;
        status = CLI_CANNOT;
        if (open_subject(&session) && record_load_images(&settings) && record_load_kernel(&settings) &&
            record_open_disks(&settings) && record_memory_open(&settings) && open_input(&session) &&
            choose_accel(&session) && build_machine(&session) && record_console_open(&session.console, &settings) &&
            watch_exit(&session) && build_accel(&session) && build_recorder(&session, argc, argv))
                status = run_guest(&session);
        running = NULL;
        tear_down(&session);
        record_free_settings(&settings);
        return status;
}

const struct cli_command cli_command_record = {
        .name = "record",
        .arguments = "[OPTION]... -o FILE [-- VMM ARGUMENT...]",
        .summary = "run a guest and record every exit",
        .options = record_option_table,
        .details =
                "What the guest prints on its serial port, on debug port e9h and on debug port 402h is printed and\n"
                "recorded; lines that are both on the serial port and in the log of port 402h are printed once.\n\n"
                "A terminal on standard input is the guest's serial port, and Ctrl-C goes to the guest: Ctrl-A x ends "
                "the\n"
                "guest and finishes the recording, Ctrl-A z suspends, Ctrl-A Ctrl-A sends Ctrl-A, Ctrl-A h shows "
                "help.\n"
                "Without terminal input (--clock virtual, --input FILE, </dev/null), Ctrl-C ends the guest. SIGINT,\n"
                "SIGTERM and SIGHUP always do, and finish the recording.\n\n"
                "After --: run a VMM that uses KVM, such as QEMU, as it is, and record what its vCPUs do. Its exit "
                "status "
                "is\n"
                "then that of hwaccl record, 125 if recording fails. With --attach: record the exits of a VMM that "
                "runs\n"
                "already, by the kernel's trace points (root); the VMM is not stopped, and goes on after the end.\n\n"
                "Exit status: 0 the guest ended by itself or was stopped as requested; 1 the guest failed (triple "
                "fault,\n"
                "entry failure, error, or by the report: a HLT for good, a hang until the time limit, a reset before "
                "any\n"
                "output), or did not end as --until or --expect-exit requested; 2 failure.\n\n"
                "Example: hwaccl record --firmware /usr/share/seabios/bios-256k.bin --timeout 10 -o boot.db\n"
                "         hwaccl record -o q.db -- qemu-system-x86_64 -accel kvm -kernel vmlinuz\n"
                "         hwaccl record --attach 4711 --flight-recorder 64M -o q.db\n",
        .run = run,
};
