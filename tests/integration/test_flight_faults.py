#!/usr/bin/env python3
"""A flight recorder that dies at each of its steps, and one whose calls of the system and of SQLite fail: `hwaccl recover`
makes the window, up to the last exit that was completed. tests/faults/ has the program."""
import json
import os
import shutil
import signal
import struct

import test_faults
from fault_test import FaultTest
from hwaccl_cli import SANITIZED, counter, main

EXITS, WINDOW = 601, 96
TRIGGERS = ("--trigger", "port=0xe9", "--trigger", "port=0xf4")  # at the first exit and the last
# of the producer, which the flight recorder's thread runs beside: at each exit, and now and then
AT_EACH_EXIT = ("reserve", "publish", "entry", "exit", "event", "handled", "complete")
PRODUCER = (*AT_EACH_EXIT, "snapshot", "release", "closing")
CALLS = ("open", "openat", "write", "pwrite", "fsync", "mmap", "unlink", "unlinkat", "renameat2", "pthread_create",
         "sqlite3_open", "sqlite3_prepare", "sqlite3_step", "sqlite3_exec", "sqlite3_bind")


class FlightFaults(FaultTest):
    def setUp(self):
        super().setUp()
        self.guest = self.write("guest.bin", counter(EXITS - 1))

    def new_path(self):
        """In a directory of its own: everything that is beside it is its."""
        number = self.next_number()
        os.mkdir(self.path(str(number)))
        return self.path(f"{number}/f.db")

    def record_faulty(self, database, **environment):
        return self.run_faults("record", "--accel", "soft", "--raw", self.guest + "@0x7c00", "--memory", "1M", "--clock",
                               "virtual", "--console", "/dev/null", "-o", database, "--flight-recorder", f"{WINDOW}exits",
                               *TRIGGERS, **environment)

    def completed(self, database):
        """Exits that the vCPU thread completed, as the ring's header says; None without a ring."""
        try:
            return struct.unpack("<Q", self.read(database + "-ring")[72:80])[0]
        except (FileNotFoundError, struct.error):
            return None

    def good(self, database, context):
        """It checks and replays; its first exit and one more than its last."""
        if not self.exits_of(database, context):
            return 0, 0
        return self.query(database, "SELECT min(exit), max(exit) + 1 FROM exits")[0]

    def recovered(self, database, context):
        """What `hwaccl recover` makes of what is left: one more than its last exit; None without a recording."""
        completed = self.completed(database)
        unfinished = 0
        if completed is not None:
            done = self.run_hwaccl("recover", "--json", database)
            self.assertEqual(done.returncode, 0, f"{context}: {done.stdout}{done.stderr}")
            if os.path.exists(database):
                unfinished = json.loads(done.stdout)["recordings"][0]["unfinished"]
        directory = os.path.dirname(database)
        names = sorted(os.listdir(directory))
        if not os.path.exists(database):
            self.assertEqual(names, [], context)
            self.assertIn(completed, (None, 0), context)
            return None
        first, end = self.good(database, context)
        self.assertGreaterEqual(end - first, min(end, WINDOW), context)
        if completed:
            self.assertIn(end - unfinished, (completed, completed + 1), context)
        for name in names:
            self.assertIn(name, ("f.db", "f-1.db", "f-2.db"), context)
            if name == "f-1.db":
                self.assertEqual(self.good(os.path.join(directory, name), context), (0, 1))
        shutil.rmtree(directory)
        return end

    def kill_recorder(self, item):
        name, occurrence = item
        database = self.new_path()
        done = self.record_faulty(database, HWACCL_KILL_AT=f"{name}:{occurrence}")
        context = f"killed at '{name}', occurrence {occurrence}"
        self.assertIn(done.returncode, (0, -signal.SIGKILL), f"{context}: {done.stderr}")
        end = self.recovered(database, context)
        if done.returncode == 0:
            self.assertEqual(end, EXITS, context)
        return name, done.returncode == -signal.SIGKILL

    def test_killed_at_every_step(self):
        names = [name for name in test_faults.steps() if name.startswith("flight ")]
        self.assertGreater(len(names), 7)
        items = [(name, occurrence) for name in names for occurrence in ((1,) if SANITIZED else (1, 2, 40))]
        items += [(name, 1) for name in PRODUCER if not SANITIZED or name not in AT_EACH_EXIT]
        items += [(name, 555) for name in AT_EACH_EXIT]
        reached = {name for name, killed in self.each(self.kill_recorder, items) if killed}
        self.assertEqual(sorted({*names, *PRODUCER} - reached), [], "steps that were never reached")

    def test_killed_at_every_step_of_a_recovery(self):
        names = [name for name in test_faults.steps() if name.startswith("recovery of a window ")]
        self.assertGreater(len(names), 2)
        names += ["recovery decoded", "recovery commits", "recovery closed", "recovery removed a ring", "fsync", "unlinkat"]
        original = self.new_path()
        self.assertEqual(self.record_faulty(original, HWACCL_KILL_AT="handled:500").returncode, -signal.SIGKILL)

        def kill_recovery(item):
            name, occurrence = item
            database = self.new_path()
            shutil.copytree(os.path.dirname(original), os.path.dirname(database), dirs_exist_ok=True)
            done = self.run_faults("recover", database, HWACCL_KILL_AT=f"{name}:{occurrence}")
            context = f"recovery killed at '{name}', occurrence {occurrence}"
            self.assertIn(done.returncode, (0, -signal.SIGKILL), f"{context}: {done.stderr}")
            if done.returncode == 0:
                self.assertFalse(os.path.exists(database + "-ring"), context)
            self.assertEqual(self.recovered(database, context), 500, context)
            return name, done.returncode == -signal.SIGKILL

        items = [(name, occurrence) for name in names for occurrence in ((1,) if SANITIZED else (1, 3))]
        reached = {name for name, killed in self.each(kill_recovery, items) if killed}
        self.assertEqual(sorted(set(names) - reached), [], "steps that were never reached")

    def fail_once(self, item):
        call, number, persistent = item
        database = self.new_path()
        context = f"{call} {number}{' and later ones' if persistent else ''} failed"
        done = self.record_faulty(database, HWACCL_FAIL=f"{call}:{number}{':all' if persistent else ''}")
        self.assertIn(done.returncode, (0, 2), f"{context}: {done.stderr}")
        lines = [line for line in done.stderr.splitlines() if "(trigger " not in line]
        self.assertEqual(len(lines), 1, f"{context}: {done.stderr}")
        self.assertTrue(lines[0].startswith("hwaccl record: "), f"{context}: {done.stderr}")
        if done.returncode == 0:
            self.assertEqual(self.query(database, "SELECT max(exit) FROM exits"), [(EXITS - 1,)], context)
        else:
            if self.completed(database):
                self.assertIn(f"hwaccl recover {database}", lines[0], context)
            self.recovered(database, context)
        return done.returncode

    def test_calls_that_fail_once_and_for_good(self):
        counts = self.path("counts")
        done = self.record_faulty(self.new_path(), HWACCL_COUNT=counts)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(counts, encoding="ascii") as file:
            count = {name: int(number) for name, number in (line.split() for line in file)}
        items = []
        for call in CALLS:
            if SANITIZED and call == "mmap":
                continue  # the sanitizer's own
            self.assertGreater(count[call], 0, f"{call} is not used any more")
            factor = 30 if SANITIZED else 6
            numbers = [factor ** i for i in range(8) if factor ** i <= count[call]]
            items += [(call, number, False) for number in numbers] + [(call, numbers[-1], True), (call, count[call], False)]
        statuses = self.each(self.fail_once, items)
        self.assertGreater(statuses.count(2), len(items) // 4, "hardly any failure stopped the recorder")


if __name__ == "__main__":
    main()
