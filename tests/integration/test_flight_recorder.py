#!/usr/bin/env python3
"""hwaccl record --flight-recorder: windows at the end, on SIGUSR1 and at triggers; what is written replays."""
import json
import os
import random
import signal
import struct
import subprocess
import time

from fault_test import FAULTS
from hwaccl_cli import BUILD, ENDLESS, HELLO, HWACCL, SANITIZED, CommandTest, counter, main

# 2000 exits on port 80h, then a triple fault: an interrupt with an IDT of limit 0.
DYING = bytes.fromhex("b9 d0 07 e6 80 e2 fc 2e 0f 01 1e 10 7c cd 03 f4 00 00 00 00 00 00")
SPINNING = bytes.fromhex("b0 78 e6 e9 fa eb fe")  # one exit, then cli; jmp $


class FlightRecorder(CommandTest):
    def start(self, guest, *options, command=HWACCL, **how):
        image = self.write("guest.bin", guest)
        return subprocess.Popen([command, "record", "--raw", image + "@0x7c00", "-o", self.path("f.db"), *options],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                cwd=self._scratch.name, **how)

    def wait_for(self, name):
        while not os.path.exists(self.path(name)):  # ctest's time limit ends it
            time.sleep(0.02)

    def window(self, name):
        """The window replays and passes check; its first exit and one more than its last."""
        path = self.path(name)
        self.assertIn("0 divergences", self.succeed("replay", path).stdout)
        self.succeed("check", path)
        return self.query(path, "SELECT min(exit), max(exit) + 1 FROM exits")[0]

    def written(self, name):
        return self.query(self.path(name), "SELECT value FROM recording WHERE name = 'flight_recorder_written'")[0][0]

    def files(self):
        return sorted(name for name in os.listdir(self._scratch.name) if name.startswith("f"))

    def test_a_guest_that_dies_leaves_its_last_exits(self):
        done = self.succeed("record", "--raw", self.write("guest.bin", DYING) + "@0x7c00", "-o", self.path("f.db"),
                            "--flight-recorder", "500exits", status=1)
        self.assertRegex(done.stderr, "triple fault.*; 2001 exits")
        self.assertIn("the newest of them (500exits) recorded in", done.stderr)
        self.assertEqual(self.files(), ["f.db"])
        first, end = self.window("f.db")
        self.assertEqual(end, 2001)
        self.assertTrue(500 <= end - first < 600, first)
        self.assertEqual(self.query(self.path("f.db"), "SELECT reason FROM exits ORDER BY id DESC LIMIT 1"),
                         [("triple fault",)])
        for command in ("show", "stat"):
            self.succeed(command, self.path("f.db"))
        self.succeed("state", self.path("f.db"), first)
        self.refuse("replay", self.path("f.db"), f"{first - 1}..", mention=f"{first} to {end - 1}")
        self.assertIn("divergence", self.succeed("replay", self.path("f.db"), f"{first + 70}..{end - 2}").stdout)

    def test_a_window_that_replaces_an_unfinished_recording_is_not_mixed_with_its_log(self):
        """SQLite would apply a log of the same name to the new file, whoever opens it."""
        process = self.start(ENDLESS, "--console", os.devnull)
        try:
            self.wait_until_completed(process, self.path("f.db"), 2000)
        finally:
            process.kill()
            process.communicate()
        self.assertIn("f.db-wal", self.files())
        for database in (self.path("f.db"), None):
            if not database:
                self.write("f.db-wal", b"of another one")
                self.write("f.db-journal", b"of another one")
                os.remove(self.path("f.db"))
            self.succeed("record", "--raw", self.write("guest.bin", DYING) + "@0x7c00", "-o", self.path("f.db"),
                         "--flight-recorder", "500exits", *(["--force"] if database else []), status=1)
            self.assertEqual(self.files(), ["f.db"])
            self.assertEqual(self.window("f.db")[1], 2001)

    def test_a_running_guest_is_written_out_on_sigusr1(self):
        running = self.start(ENDLESS, "--flight-recorder", "1000exits", "--timeout", "60")
        try:
            while self.completed() < 1000:
                time.sleep(0.01)
            for number in (1, 2):
                running.send_signal(signal.SIGUSR1)
                self.wait_for(f"f-{number}.db")
            running.send_signal(signal.SIGINT)
            errors = running.communicate(timeout=60)[1]
        finally:
            running.kill()
            running.wait()
        self.assertEqual(running.returncode, 0, errors)
        self.assertEqual(errors.count("(requested)"), 2, errors)
        ends = []
        for name in ("f-1.db", "f-2.db", "f.db"):
            first, end = self.window(name)
            self.assertGreaterEqual(end - first, min(end, 1000))
            ends.append(end)
        self.assertEqual(ends, sorted(ends))
        self.assertEqual(self.written("f-1.db"), "requested")
        self.assertEqual(self.files(), ["f-1.db", "f-2.db", "f.db"])

    def finish(self, running, typed=None):
        """Its messages, when it was interrupted, or ended by what was typed."""
        try:
            if typed is None:
                running.send_signal(signal.SIGINT)
            errors = running.communicate(typed, timeout=60)[1]
        finally:
            running.kill()
            running.wait()
        self.assertEqual(running.returncode, 0, errors)
        return errors

    def test_a_guest_that_does_not_exit_is_written_out_on_sigusr1(self):
        """One that sleeps until something is typed, and one that spins: what was completed is there."""
        with open(os.path.join(BUILD, "guests", "console_echo.bin"), "rb") as file:
            sleeping = file.read()
        for guest, typed, reason in ((sleeping, "q", "HLT"), (SPINNING, None, "I/O instruction")):
            running = self.start(guest, "--flight-recorder", "1000exits", "--timeout", "60", "--input", "-")
            while self.completed() < 1:
                time.sleep(0.01)
            number, last = 0, None
            while last != reason:  # until it sleeps: in the handling of an HLT
                number += 1
                name = f"f-{number}.db"
                running.send_signal(signal.SIGUSR1)
                self.wait_for(name)
                last = self.query(self.path(name), "SELECT reason FROM exits ORDER BY id DESC LIMIT 1")[0][0]
            known = self.completed()
            errors = self.finish(running, typed)
            first, end = self.window(name)
            self.assertEqual((first, end - (guest == sleeping)), (0, known))
            self.assertIn(f"{name}: written at exit {end - 1} (requested)", errors)
            self.assertGreater(self.window("f.db")[1], known)
            for name in self.files():
                os.remove(self.path(name))

    def test_sigusr1_before_the_first_exit_and_without_a_flight_recorder(self):
        # the thread sanitizer does not bear that calls are put before its own
        gate = self.path("gate")
        if os.environ.get("HWACCL_SANITIZE") == "thread":
            running = self.start(ENDLESS, "--flight-recorder", "1000exits")
            self.wait_for("f.db-flight")
            running.send_signal(signal.SIGUSR1)
        else:
            os.mkfifo(gate)
            running = self.start(ENDLESS, "--flight-recorder", "1000exits", command=FAULTS,
                                 env={**os.environ, "HWACCL_GATE": "entry:1:" + gate})
            with open(gate, "wb"):
                running.send_signal(signal.SIGUSR1)  # the first exit is to come yet
        self.wait_for("f-1.db")
        self.assertEqual(self.finish(running).count("f-1.db: written at exit "), 1)
        self.succeed("check", self.path("f-1.db"))
        os.remove(self.path("f-1.db"))
        os.remove(self.path("f.db"))
        running = self.start(ENDLESS)
        while self.completed() < 100:
            time.sleep(0.01)
        running.send_signal(signal.SIGUSR1)
        known = self.completed()
        while self.completed() == known and running.poll() is None:
            time.sleep(0.01)
        self.assertIn("interrupted", self.finish(running))
        self.assertEqual(self.files(), ["f.db"])

    def test_triggers_write_the_window_up_to_their_exit(self):
        guest = self.write("guest.bin", counter(3000))
        done = self.succeed("record", "--raw", guest + "@0x7c00", "-o", self.path("f.db"), "--flight-recorder",
                            "16exits", "--trigger", "port=0xe0-0xef,verdict=emulate", "--trigger", "port=0xf4",
                            "--console", self.path("console"))
        self.assertIn("trigger port=0xf4 at exit 3000", done.stderr)
        self.assertEqual(self.window("f-1.db"), (0, 1))
        first, end = self.window("f-2.db")
        self.assertEqual(end, 3001)
        self.assertTrue(16 <= end - first <= 18, first)
        self.assertEqual(self.window("f.db")[1], end)
        self.assertEqual(self.written("f-1.db"), "trigger port=0xe0-0xef,verdict=emulate at exit 0")

    def test_wrong_options_are_refused(self):
        guest = self.write("guest.bin", HELLO) + "@0x7c00"
        output = ("-o", self.path("f.db"))
        self.refuse("record", "--raw", guest, *output, "--flight-recorder", "5", mention="'5': invalid window")
        self.refuse("record", "--raw", guest, *output, "--trigger", "reason=hlt", mention="--flight-recorder")
        self.refuse("record", "--raw", guest, *output, "--flight-recorder", "1s", "--trigger", "reason=?",
                    mention="'reason=?': invalid condition")
        self.refuse("record", "--raw", guest, *output, "--flight-recorder", "64M,1s,65M", mention="duplicate number of bytes")
        self.refuse("record", "--raw", guest, *output, "--flight-recorder", "1s", "--trigger", "reason=hlt,port=1",
                    mention="can never be true")
        self.refuse("record", "--raw", guest, *output, "--flight-recorder", "1s",
                    *(word for _ in range(17) for word in ("--trigger", "reason=hlt")), mention="16")
        self.refuse("record", "--raw", guest, "--no-db", "--flight-recorder", "1s", mention="exclude each other")
        self.assertEqual(self.files(), [])

    def test_a_window_that_cannot_be_written_is_kept(self):
        image = self.write("guest.bin", counter(60000))
        command = f"ulimit -f 3000; exec {HWACCL} record --raw {image}@0x7c00 -o f.db --flight-recorder 16M " \
                  "--console console"
        done = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, cwd=self._scratch.name, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("the window is in f.db-flight; run 'hwaccl recover f.db'", done.stderr)
        self.assertEqual(self.files(), ["f.db-flight", "f.db-ring"])
        completed = self.completed()
        self.succeed("recover", self.path("f.db"))
        self.assertEqual(self.window("f.db")[1], completed)
        self.assertEqual(self.files(), ["f.db"])

    def completed(self):
        """Exits that the vCPU thread completed, as the ring's header says."""
        try:
            return struct.unpack("<Q", self.read(self.path("f.db-ring"))[72:80])[0]
        except (FileNotFoundError, struct.error):
            return 0

    def segments(self):
        try:
            return sorted(name for name in os.listdir(self.path("f.db-flight")) if name.isdigit())
        except FileNotFoundError:
            return []

    def has_moved(self):
        segments = self.segments()
        return bool(segments) and int(segments[0]) > 0

    def kill(self, exits, segments=0, moved=False):
        """A flight recorder that is killed after so many exits, or some more; how many there were. The thread that writes
        segments may be far behind the guest, so that it is waited for: segments, and a window whose first ones are gone."""
        running = self.start(ENDLESS, "--flight-recorder", "500exits", "--timeout", "100")
        while self.completed() < exits or len(self.segments()) < segments or (moved and not self.has_moved()):
            self.assertIsNone(running.poll())
            time.sleep(0.001)
        running.kill()
        self.assertEqual(running.communicate()[1], "")
        self.assertEqual(running.returncode, -signal.SIGKILL)
        return self.completed()

    def test_the_window_of_a_killed_recorder_is_recovered(self):
        numbers = random.Random(5)
        windows = 0
        for number in range(6 if SANITIZED else 20):
            # some die while they make their files
            completed = self.kill(numbers.randrange(20000) if number % 5 else 0, moved=number == 1)
            self.assertFalse(os.path.exists(self.path("f.db")))
            if completed:
                self.refuse("stat", self.path("f.db"), mention=f"hwaccl recover {self.path('f.db')}")
            done = self.run_hwaccl("recover", "--json", self.path("f.db"))
            if os.path.exists(self.path("f.db")):
                self.assertEqual(done.returncode, 0, done.stderr)
                answer = json.loads(done.stdout)["recordings"][0]
                self.assertEqual(answer["lost"], 0)
                first, end = self.window("f.db")
                self.assertIn(end - answer["unfinished"], (completed, completed + 1))
                self.assertGreaterEqual(end - first, min(end, 500))  # and what was in the ring still
                self.assertEqual(self.written("f.db"), "a recovery")
                self.assertEqual(answer["exits"], end - first)
                windows += first > 0
                os.remove(self.path("f.db"))
            else:
                self.assertEqual(completed, 0, done.stderr)
            self.assertEqual(self.files(), [])
        self.assertGreater(windows, 0)

    def test_a_recovery_that_died_is_run_again(self):
        self.assertGreaterEqual(self.kill(3000), 3000)
        for name in ("f.db-ring", "f.db-flight"):
            subprocess.run(["cp", "-r", self.path(name), self.path("kept-" + name)], check=True)
        # in the middle: something was made, and had no name yet
        self.write("f.db-flight/new.db", b"half a recording")
        self.succeed("recover", self.path("f.db"))
        window = self.window("f.db")
        # behind the name: what it was made of is still there
        for name in ("f.db-ring", "f.db-flight"):
            subprocess.run(["cp", "-r", self.path("kept-" + name), self.path(name)], check=True)
        self.assertIn("nothing to recover", self.succeed("recover", self.path("f.db")).stdout)
        self.assertEqual(self.files(), ["f.db"])
        self.assertEqual(self.window("f.db"), window)
        # a recording of another run stays, and so does the window
        other = self.record("f.db-other")
        os.replace(other, self.path("f.db"))
        os.remove(self.path("f.db-other.bin"))
        for name in ("f.db-ring", "f.db-flight"):
            subprocess.run(["cp", "-r", self.path("kept-" + name), self.path(name)], check=True)
        self.refuse("recover", self.path("f.db"), mention="belongs to another run")
        self.assertEqual(self.files(), ["f.db", "f.db-flight", "f.db-ring"])
        guest = self.path("guest.bin") + "@0x7c00"
        os.remove(self.path("f.db"))
        self.refuse("record", "--raw", guest, "-o", self.path("f.db"), "--flight-recorder", "500exits",
                    mention=f"hwaccl recover {self.path('f.db')}")
        self.write("guest.bin", counter(3000))
        self.succeed("record", "--raw", guest, "-o", self.path("f.db"), "--flight-recorder", "500exits", "--force",
                     "--console", os.devnull)
        self.assertEqual(self.window("f.db")[1], 3001)
        self.assertEqual(self.files(), ["f.db"])

    def test_damaged_segments_are_told(self):
        self.assertGreaterEqual(self.kill(3000, segments=3), 3000)
        segments = self.segments()
        middle = self.path(os.path.join("f.db-flight", segments[len(segments) // 2]))
        kept = self.read(middle)
        for offset, damage in ((0, b"x"), (12, b"\xff"), (24, b"\xff" * 8)):
            with open(middle, "wb") as file:
                file.write(kept[:offset] + damage + kept[offset + len(damage):])
            self.refuse("recover", self.path("f.db"), mention=segments[len(segments) // 2])
            self.assertIn("f.db-ring", self.files())
        with open(middle, "wb") as file:
            file.write(kept[:4096] + b"\xff" * 64 + kept[4160:])
        done = self.succeed("recover", self.path("f.db"), status=1)
        self.assertIn("damaged at byte", done.stderr)
        self.assertGreater(self.window("f.db")[1], 0)


if __name__ == "__main__":
    main()
