#!/usr/bin/env python3
"""hwaccl record on a terminal: a pseudo-terminal, with a small shell in it that has job control."""
import fcntl
import os
import resource
import select
import signal
import struct
import termios
import time
import unittest

from hwaccl_cli import BUILD, ENDLESS, HWACCL, SANITIZED, CommandTest, main

ECHO = os.path.join(BUILD, "guests", "console_echo.bin") + "@0x7c00"
SPIN = bytes.fromhex("fa eb fe")  # cli; jmp $: no exits at all
PATIENCE = 60


class Terminal:
    """A session on a terminal of its own: its leader starts one job, and does what a shell does when the job stops."""

    def __init__(self, arguments, foreground=True, limit=None):
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self._commands, orders = os.pipe()[::-1]
        reports, self._reports = os.pipe()
        self.leader = os.fork()
        if not self.leader:
            try:
                os.close(self.master)
                os.close(self._commands)
                os.close(reports)
                self._lead(arguments, foreground, limit, orders, self._reports)
            finally:
                os._exit(99)
        os.close(orders)
        os.close(self._reports)
        self._reports = os.fdopen(reports)
        self.job = int(self.report("started"))

    def _lead(self, arguments, foreground, limit, orders, reports):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if not job:
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            while os.getpgrp() != os.getpid():
                time.sleep(0.01)
            if foreground:
                while os.tcgetpgrp(self.slave) != os.getpid():
                    time.sleep(0.01)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if limit:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            for number in range(3):
                os.dup2(self.slave, number)
            os.closerange(3, 64)
            os.execv(arguments[0], arguments)
        signal.signal(signal.SIGHUP, lambda number, frame: os.killpg(job, number))
        os.setpgid(job, job)
        if foreground:
            os.tcsetpgrp(self.slave, job)
        os.write(reports, f"started {job}\n".encode())
        while True:
            pid, status = os.waitpid(job, os.WUNTRACED | os.WCONTINUED | os.WNOHANG)
            if pid and os.WIFSTOPPED(status):
                os.tcsetpgrp(self.slave, os.getpgrp())
                os.write(reports, f"stopped {os.WSTOPSIG(status)}\n".encode())
            elif pid and os.WIFSIGNALED(status):
                os.write(reports, f"killed {os.WTERMSIG(status)}\n".encode())
                return
            elif pid and os.WIFEXITED(status):
                os.write(reports, f"exited {os.WEXITSTATUS(status)}\n".encode())
                return
            if select.select([orders], [], [], 0.02)[0]:
                order = os.read(orders, 1)
                if not order:
                    os.kill(job, signal.SIGKILL)
                    return
                if order == b"f":
                    os.tcsetpgrp(self.slave, job)
                if order in b"fb":
                    os.killpg(job, signal.SIGCONT)

    def close(self):
        for descriptor in (self._commands, self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)
        os.waitpid(self.leader, 0)
        self._reports.close()

    def order(self, letter):
        os.write(self._commands, letter)

    def report(self, what):
        """The argument of the leader's next report, which must be this one."""
        deadline = time.monotonic() + PATIENCE
        while not select.select([self._reports], [], [], 0.05)[0]:
            self.take()
            assert time.monotonic() < deadline, f"not {what}: {self.output!r}"
        self.take()
        words = self._reports.readline().split()
        assert words and words[0] == what, f"{words}, not {what}: {self.output!r}"
        return words[1]

    def take(self):
        while self.master >= 0 and select.select([self.master], [], [], 0)[0]:
            try:
                self.output += os.read(self.master, 65536)
            except OSError:
                return

    def settings(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.settings()[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.take()
            assert time.monotonic() < deadline, f"{what} never came: {self.output!r}"
            time.sleep(0.01)

    def wait_raw(self):
        self.wait(self.is_raw, "raw mode")

    def wait_printed(self, text):
        self.wait(lambda: text in self.output, text)

    def type(self, text):
        os.write(self.master, text)


class OnATerminal(CommandTest):
    def start(self, *options, guest=ECHO, name="a.db", **how):
        self.database = self.path(name)
        arguments = [HWACCL, "record", "--raw", guest, "--memory", "16M", "--accel", "soft", "-o", self.database, *options]
        terminal = Terminal(arguments, **how)
        self.addCleanup(terminal.close)
        return terminal

    def start_raw(self, *options, **how):
        terminal = self.start(*options, **how)
        terminal.wait_raw()
        return terminal

    def assert_given_back(self, terminal):
        self.assertEqual(terminal.settings(), terminal.before)

    def assert_recorded(self, typed=None):
        """The recording is finished, passes the check, and replays."""
        self.assertEqual(self.succeed("check", self.database).stderr, "")
        self.assertIn(" 0 divergences", self.succeed("replay", self.database).stdout)
        if typed is not None:
            rows = self.query(self.database, "SELECT data FROM input WHERE kind = 4 ORDER BY exit, sequence")
            self.assertEqual(b"".join(row[0] for row in rows), typed)


class Typing(OnATerminal):
    def test_the_guest_gets_every_byte_and_ctrl_a_x_ends_it(self):
        terminal = self.start_raw()
        typed = bytes(byte for byte in range(256) if byte not in (1, ord("q")))
        for byte in typed:
            terminal.type(bytes([byte]))
            time.sleep(0.005)
        terminal.type(b"\x01\x01\x01a.")
        terminal.wait_printed(b"\x01\x01.")
        terminal.type(b"\x01x")
        self.assertEqual(terminal.report("exited"), "0")
        self.assert_given_back(terminal)
        self.assertIn(b"stopped: interrupted", terminal.output)
        self.assert_recorded(typed + b"\x01\x01.")

    def test_how_to_leave_is_said_once_and_help_shows_the_rest(self):
        terminal = self.start_raw()
        terminal.wait_printed(b"shows help\r\n")
        self.assertEqual(terminal.output.count(b"\n"), 1)
        terminal.type(b"\x01h")
        terminal.wait_printed(b"Ctrl-A Ctrl-A")
        terminal.type(b"\x01!")
        terminal.wait_printed(b"\a")
        terminal.type(b"q")
        self.assertEqual(terminal.report("exited"), "0")
        self.assert_given_back(terminal)
        self.assertIn(b"PASS console_echo\r\n", terminal.output)
        self.assert_recorded(b"q")

    def test_the_key_works_when_the_guest_reads_nothing(self):
        terminal = self.start_raw(guest=self.write("spin", SPIN) + "@0x7c00")
        for _ in range(50):
            terminal.type(b"nobody reads this" * 60)
        terminal.type(b"\x01x")
        self.assertEqual(terminal.report("exited"), "0")
        self.assert_given_back(terminal)
        self.assert_recorded()

    def test_a_terminal_that_feeds_no_guest_is_left_alone(self):
        for number, options in enumerate((["--clock", "virtual"], ["--input", "/dev/null"])):
            terminal = self.start("--timeout", "50", *options, guest=self.write("endless", ENDLESS) + "@0x7c00",
                                  name=f"{number}.db")
            terminal.wait(lambda: os.path.exists(self.database), "the recording")
            time.sleep(0.5)
            self.assert_given_back(terminal)
            terminal.type(b"\x03\x03")
            self.assertEqual(terminal.report("exited"), "0")
            self.assertIn(b"stopped: interrupted", terminal.output)
            self.assertNotIn(b"Ctrl-A", terminal.output)
            self.assert_given_back(terminal)
            self.assert_recorded()


class WaysOut(OnATerminal):
    def test_signals_that_end_the_guest(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            terminal = self.start_raw(name=f"{number}.db")
            terminal.type(b"ab")
            terminal.wait_printed(b"ab")
            os.kill(terminal.job, number)
            self.assertEqual(terminal.report("exited"), "0")
            self.assert_given_back(terminal)
            self.assert_recorded(b"ab")

    def test_signals_that_kill(self):
        for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGQUIT,
                       signal.SIGUSR2, signal.SIGALRM):
            terminal = self.start_raw(name=f"{number}.db")
            os.kill(terminal.job, number)
            if SANITIZED:  # its own handlers come next, and exit
                terminal.wait(lambda: not terminal.is_raw(), "the end of raw mode")
            else:
                self.assertEqual(terminal.report("killed"), str(int(number)))
            self.assert_given_back(terminal)

    def test_an_abort_of_unicorns_translator_leaves_the_guest_and_raw_mode(self):
        # vector 6 to 7c15h; jmp on; lock cmp [bx+si], al; there: mov al, "~"; out e9h, al; a line feed as well; jmp $
        code = bytes.fromhex("31c0 8ed8 c7061800157c c7061a000000 eb00 f03800 b07e e6e9 b00a e6e9 ebfe")
        terminal = self.start_raw("--timeout", "50", guest=self.write("lock", code) + "@0x7c00")
        terminal.wait_printed(b"~")
        self.assertIn(b"tcg fatal error", terminal.output)
        self.assertTrue(terminal.is_raw())
        terminal.type(b"\x01x")
        self.assertEqual(terminal.report("exited"), "0")
        self.assert_given_back(terminal)

    def test_sigusr1_is_the_flight_recorders_where_there_is_one(self):
        terminal = self.start_raw("--flight-recorder", "1000exits")
        os.kill(terminal.job, signal.SIGUSR1)
        terminal.wait_printed(b"a-1.db: written")
        self.assertTrue(terminal.is_raw())
        terminal.type(b"\x01x")
        self.assertEqual(terminal.report("exited"), "0")
        self.assert_given_back(terminal)
        self.assert_recorded()

    def test_limits_and_a_guest_that_dies(self):
        endless = self.write("endless", ENDLESS) + "@0x7c00"
        # lidt with limit 0, then int 3
        fault = self.write("fault", bytes.fromhex("0f 01 1e 08 7c cc f4 90 00 00 00 00 00 00")) + "@0x7c00"
        for number, (guest, options, status) in enumerate([(ECHO, ["--timeout", "0.5"], "0"),
                                                           (endless, ["--max-exits", "5000"], "0"),
                                                           (fault, [], "1")]):
            terminal = self.start(*options, guest=guest, name=f"{number}.db")
            self.assertEqual(terminal.report("exited"), status)
            self.assert_given_back(terminal)
            self.assert_recorded()

    @unittest.skipIf(SANITIZED, "fills 12 MiB: too slow")
    def test_a_recording_that_cannot_be_written(self):
        terminal = self.start("--timeout", "60", guest=self.write("endless", ENDLESS) + "@0x7c00", limit=12 << 20)
        self.assertEqual(terminal.report("exited"), "2")
        self.assert_given_back(terminal)

    def test_a_terminal_that_hangs_up(self):
        terminal = self.start_raw()
        terminal.type(b"ab")
        terminal.wait_printed(b"ab")
        os.close(terminal.slave)
        os.close(terminal.master)
        terminal.slave = terminal.master = -1
        self.assertEqual(terminal.report("exited"), "2")  # what the guest prints cannot be shown any more
        self.assert_recorded(b"ab")


class Suspended(OnATerminal):
    def resume_and_end(self, terminal, typed):
        terminal.order(b"f")
        terminal.wait_raw()
        terminal.type(b"after")
        terminal.wait_printed(b"after")
        terminal.type(b"\x01x")
        self.assertEqual(terminal.report("exited"), "0")
        self.assert_given_back(terminal)
        self.assert_recorded(typed + b"after")

    def test_ctrl_a_z(self):
        terminal = self.start_raw()
        terminal.type(b"before\x01z")
        self.assertEqual(terminal.report("stopped"), str(int(signal.SIGTSTP)))
        self.assert_given_back(terminal)
        self.resume_and_end(terminal, b"before")

    def test_sigtstp_twice(self):
        terminal = self.start_raw()
        for _ in range(2):
            os.kill(terminal.job, signal.SIGTSTP)
            self.assertEqual(terminal.report("stopped"), str(int(signal.SIGTSTP)))
            self.assert_given_back(terminal)
            terminal.order(b"f")
            terminal.wait_raw()
        self.resume_and_end(terminal, b"")

    def test_sigstop_and_a_shell_that_cleans_up(self):
        terminal = self.start_raw()
        os.kill(terminal.job, signal.SIGSTOP)
        self.assertEqual(terminal.report("stopped"), str(int(signal.SIGSTOP)))
        termios.tcsetattr(terminal.slave, termios.TCSANOW, terminal.before)
        self.resume_and_end(terminal, b"")

    def test_in_the_background_the_terminal_is_the_shells(self):
        terminal = self.start_raw()
        terminal.type(b"\x01z")
        terminal.report("stopped")
        terminal.order(b"b")
        time.sleep(1)
        self.assert_given_back(terminal)
        terminal.type(b"for the shell\n")
        time.sleep(0.5)
        self.assertEqual(os.read(terminal.slave, 100), b"for the shell\n")
        self.resume_and_end(terminal, b"")

    def test_started_in_the_background(self):
        terminal = self.start(foreground=False)
        terminal.wait_printed(b"Ctrl-A x")
        time.sleep(0.5)
        self.assert_given_back(terminal)
        self.resume_and_end(terminal, b"")

    def test_killed_in_the_background(self):
        terminal = self.start(foreground=False)
        terminal.wait_printed(b"Ctrl-A x")
        os.kill(terminal.job, signal.SIGTERM)
        self.assertEqual(terminal.report("exited"), "0")
        self.assert_given_back(terminal)
        self.assert_recorded(b"")


if __name__ == "__main__":
    main()
