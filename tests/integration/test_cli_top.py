#!/usr/bin/env python3
"""hwaccl top: a recording watched from another process, on a terminal and without one, and what it must not do to the recorder."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import hwaccl_cli
from hwaccl_cli import ENDLESS, HWACCL, CommandTest


class Top(CommandTest):
    def start_recording(self, name="running.db", *options):
        image = self.write("endless.bin", ENDLESS)
        process = subprocess.Popen([HWACCL, "record", "--accel", "soft", "--raw", image + "@0x7c00", "--memory", "1M", "-o",
                                    self.path(name), *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def stop_recording(self, process):
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 0)

    def once(self, name):
        return json.loads(self.succeed("top", "--once", "--json", self.path(name)).stdout)

    def wait_for_exits(self, name, more_than):
        for _ in range(600):
            if os.path.exists(self.path(name)):
                picture = self.once(name)
                if picture["total"]["exits"] > more_than:
                    return picture
            time.sleep(0.05)
        self.fail(f"no more than {more_than} exits")

    def test_counts_grow_while_it_runs_and_are_those_of_the_database_in_the_end(self):
        process = self.start_recording()
        first = self.wait_for_exits("running.db", 0)
        self.assertTrue(first["running"])
        self.assertIsNone(first["end"])
        self.assertEqual([ring["vcpu"] for ring in first["rings"]], [0])
        self.assertLessEqual(first["rings"][0]["used"], first["rings"][0]["size"])
        second = self.wait_for_exits("running.db", first["total"]["exits"])
        self.assertGreater(second["seconds"], first["seconds"])
        self.stop_recording(process)
        # nobody who looks keeps the recorder from leaving one whole file
        self.assertEqual([name for name in os.listdir(self.path("")) if name.startswith("running.db")], ["running.db"])
        last = self.once("running.db")
        self.assertFalse(last["running"])
        self.assertEqual(last["end"], "stopped")
        self.assertEqual(last["rings"], [])
        self.assertGreaterEqual(last["total"]["exits"], second["total"]["exits"])
        statistics = dict(self.query(self.path("running.db"), "SELECT reason, exits FROM exit_statistics"))
        self.assertEqual({reason["reason"]: reason["exits"] for reason in last["reasons"]}, statistics)
        self.assertEqual(last["total"]["exits"], sum(statistics.values()))

    def test_percentiles_are_those_of_the_database_to_a_thirty_second(self):
        recording = self.record()
        picture = self.once("guest.db")
        for what in ("guest", "handler"):
            times = sorted(row[0] for row in self.query(recording, f"SELECT {what}_ns FROM exits"))
            for percent in (50, 90, 99):
                exact = times[len(times) - len(times) * (100 - percent) // 100 - 1]
                shown = picture["total"][what + "_ns"][f"p{percent}"]
                self.assertTrue(exact <= shown <= exact * 33 / 32 + 1, f"{what} p{percent}: {shown}, not {exact}")
            self.assertEqual(picture["total"][what + "_ns"]["max"], times[-1])

    def test_interrupts_are_counted_by_vector(self):
        recording = self.record()
        self.change(recording, *(f"INSERT INTO irq_handoff VALUES ({exit}, {vector}, {taken}, 0, 0)" for exit, vector, taken in
                                 ((1, 8, 1), (2, 8, 0), (3, 32, 1), (4, 255, "NULL"))))
        self.assertEqual([(line["vector"], line["offered"], line["taken"], line["returned"])
                          for line in self.once("guest.db")["interrupts"]], [(8, 2, 1, 1), (32, 1, 1, 0), (255, 1, 0, 0)])
        self.assertRegex(self.succeed("top", "--once", recording).stdout, r"vector 0x08 +2 +1 +1 ")

    def test_what_is_not_known_is_a_question_mark(self):
        recording = self.record()
        self.change(recording, "UPDATE exit SET exit_reason = NULL, host_handler = NULL WHERE id = 3")
        picture = self.once("guest.db")
        unknown = [reason for reason in picture["reasons"] if reason["reason"] is None]
        self.assertEqual([(reason["exits"], reason["handler_ns"], reason["reason_number"]) for reason in unknown],
                         [(1, None, None)])
        self.assertRegex(self.succeed("top", "--once", recording).stdout, r"(?m)^\? +1 .* - +- +- +- ")

    def test_pictures_follow_each_other_until_the_recording_ends(self):
        process = self.start_recording()
        self.wait_for_exits("running.db", 0)
        output = ""
        with subprocess.Popen([HWACCL, "top", "--interval", "0.05", self.path("running.db")], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True) as top:
            while output.count(" s recorded; ") < 3:
                output += top.stdout.readline()
            self.stop_recording(process)
            output += top.stdout.read()
        self.assertEqual(top.returncode, 0)
        headers = re.findall(r"(?m)running\.db: (running|stopped), [\d.]+ s recorded; (\d+) exits", output)
        self.assertGreaterEqual(len(headers), 4, output[:2000])
        self.assertEqual([state for state, _ in headers], ["running"] * (len(headers) - 1) + ["stopped"])
        counts = [int(exits) for _, exits in headers]
        self.assertEqual(counts, sorted(counts))
        self.assertIn("since the beginning", output.split("\n\n")[0])
        self.assertNotIn("\x1b", output)
        self.assertEqual(counts[-1], self.query(self.path("running.db"), "SELECT count(*) FROM exits")[0][0])
        self.assertEqual([name for name in os.listdir(self.path("")) if name.startswith("running.db")], ["running.db"])

    def run_on_terminal(self, *arguments, until=None):
        """The output of a command on a terminal of 20 lines; Ctrl-C is typed when it matches until."""
        child, terminal = pty.fork()
        if child == 0:
            os.environ["TERM"] = "xterm"
            os.execv(HWACCL, [HWACCL, *arguments])
        output = b""
        while select.select([terminal], [], [], 60)[0]:
            try:
                read = os.read(terminal, 65536)
            except OSError:
                break
            if not read:
                break
            output += read
            if until and re.search(until, output):
                os.write(terminal, b"\x03")
                until = None
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        return output.decode(), os.waitstatus_to_exitcode(status)

    def test_a_terminal_is_refreshed_in_place_and_given_back(self):
        process = self.start_recording()
        self.wait_for_exits("running.db", 0)
        output, status = self.run_on_terminal("top", "--interval", "0.05", self.path("running.db"),
                                              until=rb"(?s)(in the last interval.*){3}")
        self.assertEqual(status, 0)
        self.assertIsNone(process.poll())
        self.stop_recording(process)
        self.assertTrue(output.startswith("\x1b[?1049h\x1b[?25l\x1b[H"), repr(output[:60]))
        self.assertGreaterEqual(output.count("\x1b[H"), 4)
        screens, last = output.replace("^C", "").split("\x1b[?25h\x1b[?1049l")
        for screen in screens.split("\x1b[H")[1:]:
            self.assertLess(screen.count("\n"), 24)  # a terminal that does not tell its size
            self.assertTrue(screen.endswith("\x1b[J"), repr(screen[-60:]))
        self.assertRegex(last, r"running, [\d.]+ s recorded; \d+ exits")

    def test_a_flight_recorder_is_named(self):
        """Its recording is made at the end: before that there is nothing to read."""
        process = self.start_recording("running.db", "--flight-recorder", "1000exits")
        while not os.path.exists(self.path("running.db-flight")):
            time.sleep(0.01)
        for command in (("top", "--once"), ("stat",)):
            self.refuse(*command, self.path("running.db"), mention=[f"process {process.pid} records it", "SIGUSR1"])
        self.stop_recording(process)
        self.assertEqual(self.once("running.db")["end"], "stopped")

    def test_a_terminal_of_another_size_gets_the_picture_again(self):
        recording = self.start_recording()
        self.wait_for_exits("running.db", 0)
        child, terminal = pty.fork()
        if child == 0:
            os.environ["TERM"] = "xterm"
            os.execv(HWACCL, [HWACCL, "top", "--interval", "3600", self.path("running.db")])
        self.read_until(terminal, rb"total .*\x1b\[J")
        for rows, columns in ((8, 40), (30, 132), (3, 7)):
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            screen = self.read_until(terminal, rb"\x1b\[H.*\x1b\[J").split(b"\x1b[H")[-1].split(b"\x1b[J")[0].decode()
            lines = [line.removeprefix("\x1b[K").rstrip("\r") for line in screen.split("\n")]
            self.assertLessEqual(max(map(len, lines)), columns)
            self.assertLessEqual(len(lines), rows)
        os.write(terminal, b"\x03")
        self.read_until(terminal, rb"\x1b\[\?1049l")
        with contextlib.suppress(OSError):
            while os.read(terminal, 65536):
                pass
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        os.close(terminal)
        self.stop_recording(recording)

    def read_until(self, terminal, pattern):
        output = b""
        while not re.search(pattern, output, re.DOTALL):
            self.assertTrue(select.select([terminal], [], [], 60)[0], output)
            output += os.read(terminal, 65536)
        return output

    def test_a_recorder_that_died_ends_the_view(self):
        process = self.start_recording()
        self.wait_for_exits("running.db", 0)
        process.kill()
        process.wait()
        done = self.succeed("top", "--interval", "0.05", self.path("running.db"))
        self.assertIn("the recorder died", done.stdout)
        picture = self.once("running.db")
        self.assertEqual((picture["running"], picture["end"]), (False, "the recorder died"))

    def test_a_ring_that_is_none_is_said_and_not_believed(self):
        recording = self.record()
        header = bytearray(8192)
        for data, text in ((b"", "not a ring"), (b"hwaccl-r" + bytes(600), "ring of another version"),
                           (b"x" * 8192, "not a ring"), (bytes(header), "not a ring")):
            self.write("guest.db-ring", data)
            self.assertIn(text, self.succeed("top", "--once", recording).stdout)
        os.unlink(self.path("guest.db-ring"))
        os.mkfifo(self.path("guest.db-ring"))
        self.assertIn("is not a regular file", self.succeed("top", "--once", recording).stdout)

    def test_wrong_use_and_what_is_no_recording(self):
        recording = self.record()
        self.refuse("top", mention="no recording given")
        self.refuse("top", "--json", recording, mention="--json requires --once")
        for interval in ("0", "-1", "soon", "1e9"):
            self.refuse("top", "--interval", interval, recording, mention="--interval")
        self.refuse("top", "--once", "--vcpu", "3", recording, mention="has no vCPU 3")
        self.refuse("top", "--once", self.path("absent.db"), mention="absent.db: No such file")
        self.refuse("top", "--once", self.write("text.db", b"no database"), mention="not an SQLite database")
        self.change(recording, "UPDATE exit SET host_guest = -5 WHERE id = 2")
        self.assertIn(" exits", self.succeed("top", "--once", recording).stdout)  # the host's clock went back
        self.change(recording, "PRAGMA ignore_check_constraints = ON", "INSERT INTO irq_handoff (id, vector, taken, host_offered) VALUES (2, -3, 1, 0)")
        self.refuse("top", "--once", recording, mention="vector is negative or not a number")


if __name__ == "__main__":
    hwaccl_cli.main()
