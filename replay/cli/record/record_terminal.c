/*
 * The terminal as the guest's serial console. While the guest runs, standard input is in raw mode, so that the guest
 * gets every byte, including Ctrl-C and Ctrl-Z; Ctrl-A is the escape key. A thread reads the terminal and writes the
 * guest's input to a pipe, so that the escape key works even if the guest reads nothing.
 *
 * The terminal's settings are restored whatever ends or stops the process. Signal handlers call only async-signal-safe
 * functions, and nothing is changed from the background, where another process uses the terminal. Output processing
 * stays on: lines that end with LF alone (hwaccl's messages, test kernels) need the terminal's CR.
 */
#include "replay/cli/record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#define CONTROL_A       0x01
#define BELL            "\a"
#define TYPED_ROOM      (1 << 20) /* size of the pipe: as much may be pasted before the guest reads */
#define BACKGROUND_WAIT 200       /* ms between checks for the foreground */

static const char help_text[] = "\n"
                                "Ctrl-A x       end the guest and finish the recording\n"
                                "Ctrl-A z       suspend hwaccl\n"
                                "Ctrl-A Ctrl-A  send Ctrl-A to the guest (also Ctrl-A a)\n"
                                "Ctrl-A h       show this help\n";

/* Signals that kill the process unless they are caught. SIGINT, SIGTERM and SIGHUP end the guest, SIGUSR1 is for the
 * flight recorder, SIGABRT has a handler already, SIGKILL cannot be caught. */
static const int fatal[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,    SIGTRAP, SIGSYS, SIGQUIT, SIGXCPU,
                            SIGXFSZ, SIGALRM, SIGUSR2, SIGVTALRM, SIGPROF, SIGIO,  SIGPWR,  SIGSTKFLT};
#define FATAL_COUNT (sizeof(fatal) / sizeof(fatal[0]))

/* One process has one standard input; signal handlers find it here. */
static struct {
        const struct cli_command *command;
        struct hwaccl_live_inputs *live;
        struct termios found;
        struct termios raw;
        atomic_bool allowed; /* to be in raw mode: the guest runs, and is not being suspended */
        atomic_bool is_raw;
        atomic_bool quit;
        int typed_fd; /* the pipe's end to write to; -1: nothing more can be typed */
        int wake_fd;  /* ends a poll of the thread */
        pthread_t thread;
        bool started;
        bool prefix_seen;
        struct sigaction fatal_before[FATAL_COUNT];
        struct sigaction stop_before;
        struct sigaction continue_before;
} terminal = {.typed_fd = -1, .wake_fd = -1};

/* A terminal that is not the controlling one has no background. */
static bool in_foreground(void)
{
        pid_t group = tcgetpgrp(STDIN_FILENO);

        return group < 0 ? errno == ENOTTY : group == getpgrp();
}

static void enter_raw_mode(void)
{
        if (atomic_load(&terminal.allowed) && in_foreground() && tcsetattr(STDIN_FILENO, TCSANOW, &terminal.raw) == 0)
                atomic_store(&terminal.is_raw, true);
}

static void leave_raw_mode(void)
{
        if (atomic_exchange(&terminal.is_raw, false) && in_foreground())
                (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal.found);
}

void record_terminal_give_back(void)
{
        atomic_store(&terminal.allowed, false);
        leave_raw_mode();
}

static void wake_thread(void)
{
        uint64_t one = 1;
        ssize_t written = write(terminal.wake_fd, &one, sizeof(one));
        (void)written; /* fails only when it is readable anyway */
}

static bool is_fault(int number)
{
        return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE;
}

/* Restore the terminal, then let the signal take its default action: a fault recurs when the instruction is executed
 * again, other signals are raised again. */
static void on_fatal(int number, siginfo_t *info, void *context)
{
        (void)context;
        record_terminal_give_back();
        for (size_t i = 0; i < FATAL_COUNT; i++)
                if (fatal[i] == number)
                        (void)sigaction(number, &terminal.fatal_before[i], NULL);
        if (info->si_code <= 0 || !is_fault(number))
                (void)raise(number);
}

static void on_stop(int number)
{
        int saved_errno = errno;
        struct sigaction ours;
        sigset_t stop;

        atomic_store(&terminal.allowed, false);
        leave_raw_mode();
        (void)sigaction(number, &terminal.stop_before, &ours);
        (void)raise(number);
        (void)sigemptyset(&stop);
        (void)sigaddset(&stop, number);
        (void)pthread_sigmask(SIG_UNBLOCK, &stop, NULL); /* the process stops here, and continues */
        (void)pthread_sigmask(SIG_BLOCK, &stop, NULL);
        (void)sigaction(number, &ours, NULL);
        atomic_store(&terminal.allowed, true);
        enter_raw_mode();
        wake_thread();
        errno = saved_errno;
}

/* A SIGSTOP leaves the terminal in raw mode; the shell, or another process, may have changed it since. */
static void on_continue(int number)
{
        int saved_errno = errno;

        (void)number;
        atomic_store(&terminal.is_raw, false);
        enter_raw_mode();
        wake_thread();
        errno = saved_errno;
}

/* A separate signal stack, for the fault of an overflowed stack. */
static void provide_signal_stack(void)
{
        static char memory[1 << 16];
        stack_t now;

        if (sigaltstack(NULL, &now) == 0 && now.ss_flags & SS_DISABLE) {
                stack_t ours = {.ss_sp = memory, .ss_size = sizeof(memory)};
                (void)sigaltstack(&ours, NULL);
        }
}

/* Signals that are ignored, or have a handler that does not end the process, are left unchanged; one of a fault comes
 * behind ours. */
static void catch_signal(int number, const struct sigaction *action, struct sigaction *before)
{
        if (sigaction(number, NULL, before) == 0 &&
            (before->sa_handler == SIG_DFL || (is_fault(number) && before->sa_handler != SIG_IGN)))
                (void)sigaction(number, action, NULL);
}

static void catch_signals(void)
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        (void)sigfillset(&action.sa_mask); /* SIGTTOU too: the terminal can be set while it is blocked */
        action.sa_flags = SA_RESTART;
        action.sa_handler = on_stop;
        catch_signal(SIGTSTP, &action, &terminal.stop_before);
        action.sa_handler = on_continue;
        catch_signal(SIGCONT, &action, &terminal.continue_before);

        provide_signal_stack();
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        action.sa_sigaction = on_fatal;
        for (size_t i = 0; i < FATAL_COUNT; i++)
                catch_signal(fatal[i], &action, &terminal.fatal_before[i]);
}

static void release_signals(void)
{
        (void)sigaction(SIGTSTP, &terminal.stop_before, NULL);
        (void)sigaction(SIGCONT, &terminal.continue_before, NULL);
        for (size_t i = 0; i < FATAL_COUNT; i++)
                (void)sigaction(fatal[i], &terminal.fatal_before[i], NULL);
}

/* Write to the terminal, wherever standard error goes; to standard error if the terminal is open for reading only. */
static void print_on_terminal(const char *text)
{
        ssize_t written = write(STDIN_FILENO, text, strlen(text));
        if (written < 0)
                written = write(STDERR_FILENO, text, strlen(text));
        (void)written;
}

/* The key after Ctrl-A. True if it sends Ctrl-A to the guest. */
static bool escape_key(unsigned char key)
{
        switch (key) {
        case CONTROL_A:
        case 'a': return true;
        case 'x': hwaccl_live_inputs_stop(terminal.live, HWACCL_STOP_INTERRUPTED); return false;
        case 'z': (void)kill(0, SIGTSTP); return false; /* to the whole job, as the terminal itself does */
        case 'h':
        case '?': print_on_terminal(help_text); return false;
        default: print_on_terminal(BELL); return false;
        }
}

static void pass_on(const unsigned char *typed, size_t size)
{
        unsigned char bytes[256];
        size_t count = 0;

        for (size_t i = 0; i < size; i++) {
                if (terminal.prefix_seen) {
                        terminal.prefix_seen = false;
                        if (escape_key(typed[i]))
                                bytes[count++] = CONTROL_A;
                } else if (typed[i] == CONTROL_A) {
                        terminal.prefix_seen = true;
                } else {
                        bytes[count++] = typed[i];
                }
        }
        /* all or nothing: less than PIPE_BUF. Input for which the pipe has no room is dropped, with a bell */
        if (count && write(terminal.typed_fd, bytes, count) < 0)
                print_on_terminal(BELL);
}

/* One read of the terminal. False at its end. */
static bool take_typed(bool hung_up)
{
        unsigned char typed[256];
        ssize_t got = read(STDIN_FILENO, typed, sizeof(typed));

        if (got > 0) {
                pass_on(typed, (size_t)got);
                return true;
        }
        if (got < 0 && errno == EIO && !in_foreground()) {
                atomic_store(&terminal.is_raw, false);
                return true;
        }
        return !hung_up && (got == 0 || errno == EINTR || errno == EAGAIN);
}

static void *read_terminal(void *unused)
{
        bool typing = true;

        while (typing && !atomic_load(&terminal.quit)) {
                if (!atomic_load(&terminal.is_raw))
                        enter_raw_mode();
                bool raw = atomic_load(&terminal.is_raw);
                struct pollfd watched[2] = {{terminal.wake_fd, POLLIN, 0}, {raw ? STDIN_FILENO : -1, POLLIN, 0}};
                if (poll(watched, 2, raw ? -1 : BACKGROUND_WAIT) <= 0)
                        continue;
                if (watched[0].revents) {
                        uint64_t count;
                        ssize_t got = read(terminal.wake_fd, &count, sizeof(count));
                        (void)got;
                } else if (watched[1].revents) {
                        typing = take_typed((watched[1].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0);
                }
        }
        (void)close(terminal.typed_fd);
        return unused;
}

int record_terminal_open(const struct cli_command *command)
{
        int ends[2];

        terminal.command = command;
        if (tcgetattr(STDIN_FILENO, &terminal.found) != 0) {
                (void)cli_error(command, "cannot read the terminal's settings: %s", strerror(errno));
                return -1;
        }
        terminal.raw = terminal.found;
        terminal.raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        terminal.raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
        terminal.raw.c_cc[VMIN] = 0; /* reads follow a poll and never wait */
        terminal.raw.c_cc[VTIME] = 0;

        terminal.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (terminal.wake_fd < 0 || pipe2(ends, O_CLOEXEC) != 0) {
                (void)cli_error(command, "cannot create a pipe for the terminal's input: %s", strerror(errno));
                return -1;
        }
        terminal.typed_fd = ends[1];
        (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
        (void)fcntl(ends[1], F_SETPIPE_SZ, TYPED_ROOM);
        return ends[0];
}

/* Signals go to the main thread: this one blocks them, and may read and set the terminal from the background. */
static int start_thread(void)
{
        sigset_t all, before;

        (void)sigfillset(&all);
        int status = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (status)
                return status;
        status = pthread_create(&terminal.thread, NULL, read_terminal, NULL);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return status;
}

bool record_terminal_start(struct hwaccl_live_inputs *live)
{
        static bool at_exit;

        cli_notice(terminal.command, "this terminal is the guest's serial port; "
                                     "Ctrl-A x ends the guest, Ctrl-A h shows help");
        if (!at_exit && atexit(leave_raw_mode) == 0)
                at_exit = true;
        terminal.live = live;
        catch_signals();
        atomic_store(&terminal.allowed, true);
        int status = start_thread();
        if (status) {
                release_signals();
                (void)cli_error(terminal.command, "cannot start a thread for the terminal: %s", strerror(status));
                return false;
        }
        terminal.started = true;
        return true;
}

/* Restore the terminal, and discard unread input: it was for the guest, not for the shell. */
static void restore_terminal(void)
{
        sigset_t all, before;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        atomic_store(&terminal.allowed, false);
        if (atomic_load(&terminal.is_raw) && in_foreground())
                (void)tcflush(STDIN_FILENO, TCIFLUSH);
        leave_raw_mode();
        release_signals();
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void record_terminal_stop(void)
{
        if (terminal.started) {
                atomic_store(&terminal.quit, true);
                wake_thread();
                (void)pthread_join(terminal.thread, NULL);
                terminal.started = false;
                restore_terminal();
        } else if (terminal.typed_fd >= 0) {
                (void)close(terminal.typed_fd);
        }
        terminal.typed_fd = -1;
        if (terminal.wake_fd >= 0)
                (void)close(terminal.wake_fd);
        terminal.wake_fd = -1;
}
