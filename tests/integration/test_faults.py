#!/usr/bin/env python3
"""The commands: `hwaccl record` that dies at each of its steps, and one whose calls of the system and of SQLite fail:
nothing is lost, or one line says why it stopped; what was recorded is whole after `hwaccl recover`, and replays. The same
for `hwaccl recover`. tests/faults/ has the program, and test_every_failure, which goes through all of them without the
commands.
"""
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import sqlite3
import subprocess

from fault_test import FaultTest
from hwaccl_cli import ENDLESS, SANITIZED, counter, main

SOURCE = os.environ.get("HWACCL_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXITS = 101  # of the guest
CALLS = ["open", "pwrite", "fsync", "ftruncate", "fallocate", "mmap", "unlink", "pthread_create", "sqlite3_open",
         "sqlite3_prepare", "sqlite3_step", "sqlite3_exec", "sqlite3_bind"]
RESTS = ("rest begins", "rest ends")  # the guest may be done before the writer has nothing to do: it waits for that
VMM = ("lane added", "vmm state", "call", "call data", "called")  # only another VMM comes there: test_trace_handler, test_remote and test_record_vmm
FLIGHT = ("flight ", "recovery of a window ")  # steps of a flight recorder, which test_flight_faults.py has


def steps():
    """The names of all steps, from the sources themselves; those of a flight recorder are in FLIGHT."""
    names = set()
    for path in glob.glob(os.path.join(SOURCE, "tracer", "**", "*.c"), recursive=True):
        with open(path, encoding="utf-8") as file:
            names.update(re.findall(r'\bSTEP\("([^"]+)"\)', file.read()))
    return sorted(names)


class Faults(FaultTest):
    def setUp(self):
        super().setUp()
        self.guest = self.write("guest.bin", counter(EXITS - 1))

    def new_path(self):
        return self.path(f"{self.next_number()}.db")

    def record_faulty(self, database, guest=None, seconds=100, **environment):
        return self.run_faults("record", "--accel", "soft", "--raw", (guest or self.guest) + "@0x7c00", "--memory", "1M",
                               "--clock", "virtual", "--keyframe-interval", "16", "--console", "/dev/null", "-o",
                               database, seconds=seconds, **environment)

    def recovered(self, database, context):
        """What `hwaccl recover` makes of what is left; the number of exits, None without a recording."""
        if os.path.exists(database + "-ring"):
            done = self.run_hwaccl("recover", database)
            self.assertEqual(done.returncode, 0, f"{context}: {done.stdout}{done.stderr}")
            self.assertFalse(os.path.exists(database + "-ring"), context)
        if not os.path.exists(database):
            return None
        exits = self.exits_of(database, context)
        left = [name for name in glob.glob(database + "-*") if not name.endswith("-shm")]
        self.assertEqual(left, [], context)
        os.remove(database)
        return exits

    def kill_recorder(self, name):
        """At the first, second and third time that it comes there; how often that was."""
        environment = {"HWACCL_FAIL": f"sqlite3_step:{self.middle}:all"} if name == "consumer fails" else {}
        if name in RESTS:
            environment["HWACCL_HOLD"] = f"closing:1:{name}:4"
        for occurrence in (1,) if SANITIZED else (1, 2, 3):
            database = self.new_path()
            done = self.record_faulty(database, HWACCL_KILL_AT=f"{name}:{occurrence}", **environment)
            context = f"killed at '{name}', occurrence {occurrence}"
            self.assertIn(done.returncode, (0, 2, -signal.SIGKILL), f"{context}: {done.stderr}")
            exits = self.recovered(database, context)
            if done.returncode == 0:
                self.assertEqual(exits, EXITS, context)
            if done.returncode != -signal.SIGKILL:
                return occurrence - 1
        return 3

    def test_killed_at_every_step_of_producer_and_writer(self):
        names = [name for name in steps() if not name.startswith(("recovery", *FLIGHT)) and name not in VMM]
        self.assertGreater(len(names), 15)
        self.middle = self.count_calls()["sqlite3_step"] * 3 // 4
        times = dict(zip(names, self.each(self.kill_recorder, names)))
        self.assertEqual([name for name in names if not times[name]], [], "steps that were never reached")

    def test_killed_at_every_call_that_changes_files(self):
        """Those of SQLite among them: a journal may have to be rolled back before anything can be read."""
        counts = self.count_calls()

        def kill(item):
            name, occurrence = item
            database = self.new_path()
            done = self.record_faulty(database, HWACCL_KILL_AT=f"{name}:{occurrence}")
            context = f"killed at call {occurrence} of {name}"
            self.assertIn(done.returncode, (0, -signal.SIGKILL), f"{context}: {done.stderr}")
            if os.path.exists(database) and os.path.exists(database + "-ring") and done.returncode:
                before = self.run_hwaccl("stat", database)
                self.assertIn(before.returncode, (0, 2), f"{context}: {before.stderr}")
                if name != "pwrite" and occurrence == counts[name]:
                    self.assertEqual(before.returncode, 0, f"{context}: {before.stderr}")
            self.recovered(database, context)

        items = [(name, occurrence) for name in ("fsync", "ftruncate", "unlink")
                 for occurrence in range(1, counts[name] + 1, 3 if SANITIZED else 1)]
        pwrites = counts["pwrite"]
        items += [("pwrite", occurrence) for occurrence in range(max(1, pwrites - (3 if SANITIZED else 12)), pwrites + 1)]
        self.each(kill, items)

    def test_killed_at_every_step_of_a_recovery(self):
        names = [name for name in steps() if name.startswith("recovery") and not name.startswith(FLIGHT)]
        self.assertGreater(len(names), 4)
        original, empty = self.new_path(), self.new_path()
        self.assertEqual(self.record_faulty(original, HWACCL_KILL_AT="handled:90").returncode, -signal.SIGKILL)
        self.assertEqual(self.record_faulty(empty, HWACCL_KILL_AT="database opened:1").returncode, -signal.SIGKILL)

        def kill_recovery(item):
            name, occurrence, source = item
            database = self.new_path()
            for suffix in ("", "-wal", "-ring"):
                if os.path.exists(source + suffix):
                    shutil.copy(source + suffix, database + suffix)
            done = self.run_faults("recover", database, HWACCL_KILL_AT=f"{name}:{occurrence}")
            context = f"recovery killed at '{name}', occurrence {occurrence}"
            self.assertIn(done.returncode, (0, -signal.SIGKILL), f"{context}: {done.stderr}")
            exits = self.recovered(database, context)
            self.assertEqual(exits, 90 if source == original else None, context)
            return name, done.returncode == -signal.SIGKILL

        items = [(name, occurrence, source) for name in names for occurrence in ((1,) if SANITIZED else (1, 2, 3))
                 for source in (original, empty)]
        reached = {name for name, killed in self.each(kill_recovery, items) if killed}
        self.assertEqual(sorted(set(names) - reached), [], "steps that were never reached")

    def test_a_full_ring(self):
        """The writer is held up until the vCPU waits for room, and dies there."""
        if SANITIZED:
            self.skipTest("a sanitizer takes minutes to fill the ring")
        guest = self.write("endless.bin", ENDLESS)
        # it looks once for each quarter of the ring, and over and over where it waits
        name = "producer looks for room:1000"
        # after the database was made: a short recording writes less often
        write = self.count_calls()["pwrite"] + 20
        database = self.new_path()
        done = self.record_faulty(database, guest, HWACCL_KILL_AT=name, HWACCL_HOLD=f"pwrite:{write}:producer looks for room:1001")
        self.assertEqual(done.returncode, -signal.SIGKILL, f"{name}: {done.stderr}")
        self.assertGreater(self.recovered(database, name), 20000)

    def fail_once(self, item):
        call, number, persistent = item
        database = self.new_path()
        context = f"{call} {number}{' and later ones' if persistent else ''} failed"
        done = self.record_faulty(database, HWACCL_FAIL=f"{call}:{number}{':all' if persistent else ''}")
        self.assertIn(done.returncode, (0, 2), f"{context}: {done.stderr}")
        if done.returncode == 2:
            self.assertEqual(done.stderr.count("\n"), 1, f"{context}: not one line: {done.stderr}")
            self.assertTrue(done.stderr.startswith("hwaccl record: "), f"{context}: {done.stderr}")
            if call != "unlink" and os.path.exists(database + "-ring") and os.path.exists(database):
                self.assertIn("hwaccl recover", done.stderr, context)
        exits = self.recovered(database, context)
        if done.returncode == 0:
            self.assertEqual(exits, EXITS, context)
        return done.returncode

    def count_calls(self):
        counts = self.path("counts")
        done = self.record_faulty(self.new_path(), HWACCL_COUNT=counts)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(counts, encoding="ascii") as file:
            return {name: int(count) for name, count in (line.split() for line in file)}

    def test_calls_that_fail_once_and_for_good(self):
        counts = self.count_calls()
        items = []
        for call in CALLS:
            if SANITIZED and call == "mmap":
                continue  # the sanitizer's own
            self.assertGreater(counts[call], 0, f"{call} is not used any more")
            number = 1
            while number <= counts[call]:
                items += [(call, number, False), (call, number, True)]
                number *= 32 if SANITIZED else 4  # test_every_failure takes them one by one, in one process
            items += [(call, counts[call], False)]
        statuses = self.each(self.fail_once, items)
        self.assertGreater(statuses.count(2), len(items) // 3, "hardly any failure stopped the recorder")

    def test_a_writer_that_is_held_up_loses_nothing(self):
        for step in ("decoded:1", "decoded:50", "commit:1"):
            database = self.new_path()
            done = self.record_faulty(database, HWACCL_HOLD=f"{step}:closing:1")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.recovered(database, "held up"), EXITS)

    def test_a_reader_that_stays_and_a_writer_that_locks(self):
        database, middle, end = self.new_path(), self.path("middle"), self.path("end")
        guest = self.write("long.bin", counter(20000))
        for gate in (middle, end):
            os.mkfifo(gate)
        gates = f"handled:10000:{middle},closing:1:{end}"
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            recorder = pool.submit(self.record_faulty, database, guest, HWACCL_GATE=gates)
            with open(middle, "wb"):  # the vCPU is there
                connection = sqlite3.connect(f"file:{database}?mode=rw", uri=True, isolation_level=None, timeout=100)
                connection.execute("SELECT count(*) FROM exit").fetchone()
                connection.execute("BEGIN IMMEDIATE")
            with open(end, "wb"):  # half of the exits are in the ring still
                self.assertLess(connection.execute("SELECT count(*) FROM exit").fetchone()[0], 20000)
            connection.execute("ROLLBACK")
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM exit").fetchone()
            done = recorder.result()
            self.assertEqual(done.returncode, 0, done.stderr)
            connection.close()
        self.assertEqual(self.exits_of(database, "read while it was recorded"), 20001)


if __name__ == "__main__":
    main()
