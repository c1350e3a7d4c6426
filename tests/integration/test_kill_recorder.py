#!/usr/bin/env python3
"""kill -9 of `hwaccl record` at random moments: recovery brings every exit that was completed, none twice, none false.

HWACCL_KILLS says how many moments (default 60), HWACCL_SEED makes a run the same as one before.
"""
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time

from fault_test import FAULTS
from hwaccl_cli import BUILD, ENDLESS, HWACCL, SANITIZED, CommandTest, main

KILLS = int(os.environ.get("HWACCL_KILLS", "10" if SANITIZED else "200" if os.environ.get("HWACCL_TESTS_SET") == "all" else "60"))
SEED = int(os.environ.get("HWACCL_SEED", random.SystemRandom().randrange(1 << 32)))
FIRMWARE = "/usr/share/seabios/bios-256k.bin"
CAN_HOLD = os.environ.get("HWACCL_SANITIZE") != "thread"  # which does not bear that calls are put before its own
TABLES = ("exit", "handler_change", "keyframe", "system_registers", "segment_registers", "pending", "irq_handoff",
          "instruction", "input", "effect", "device_field", "device_snapshot", "device_state")


def header(ring):
    """What the dead recorder's ring says: (head, exits completed, tail); None before it was made to its end."""
    with open(ring, "rb") as file:
        page = file.read(4096)
    if page[:8] != b"hwaccl-r":
        return None
    return struct.unpack_from("<QQ", page, 64) + struct.unpack_from("<Q", page, 128)


class Subject:
    """A guest, the options with which it is recorded, and a whole recording of it to compare with."""

    def __init__(self, name, options, exits):
        self.name, self.options, self.exits = name, options, exits
        self.reference = None

    def command(self, database, program=HWACCL):
        return [program, "record", *self.options, "--clock", "virtual", "--max-exits", str(self.exits), "--quiet-debug",
                "--console", "/dev/null", "-o", database]


class KilledRecorder(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="hwaccl-kill.")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        image = os.path.join(cls.directory, "endless.bin")
        with open(image, "wb") as file:
            file.write(ENDLESS)
        interrupts = os.path.join(BUILD, "guests", "preempted_anywhere.bin")
        cls.subjects = [Subject("endless", ["--raw", image + "@0x7c00", "--memory", "1M"], 20000)]
        if os.path.exists(FIRMWARE):
            cls.subjects.append(Subject("seabios", ["--firmware", FIRMWARE, "--memory", "16M"], 8000))
        cls.seldom = cls.subjects[0]
        if os.path.exists(interrupts):
            cls.seldom = Subject("interrupts", ["--raw", interrupts + "@0x7c00", "--memory", "4M"], 20000)
        for subject in {*cls.subjects, cls.seldom}:
            subject.reference = os.path.join(cls.directory, subject.name + "-reference.db")
            subprocess.run(subject.command(subject.reference), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False, timeout=120)
            with contextlib.closing(sqlite3.connect(subject.reference)) as connection:
                subject.exits = connection.execute("SELECT count(*) FROM exit").fetchone()[0]

    @contextlib.contextmanager
    def recorder(self, choice, subject, number, database):
        """A recorder at the moment that chance chooses. Every third is held at an exit, so that it cannot be done before."""
        gate = database + "-gate"
        held = number % 3 == 0 and CAN_HOLD
        environment = {**os.environ, "HWACCL_GATE": f"handled:{choice.randrange(1, subject.exits)}:{gate}"}
        if held:
            os.mkfifo(gate)
        with subprocess.Popen(subject.command(database, FAULTS if held else HWACCL), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as recorder:
            if held:
                with open(gate, "wb"):
                    time.sleep(choice.random() * 0.02)  # the writer goes on
                    yield recorder
                os.remove(gate)
            else:
                self.wait_for_moment(choice, recorder, database + "-ring", subject.exits)
                yield recorder

    def wait_for_moment(self, choice, recorder, ring, exits):
        """Every fourth time some milliseconds after its start, while it makes its files; else after some exits."""
        if choice.randrange(4) == 0:
            time.sleep(choice.random() * 0.05)
            return
        wanted = choice.randrange(exits)
        while recorder.poll() is None:
            try:
                found = header(ring)
            except FileNotFoundError:
                found = None
            if found and found[1] >= wanted:
                break
            time.sleep(0.0005)
        time.sleep(choice.random() * 0.002)

    def kill_one(self, number):
        choice = random.Random(SEED * 1000003 + number)
        # a guest that is preempted everywhere takes a second for its few exits
        subject = self.seldom if number % 10 == 9 else self.subjects[number % len(self.subjects)]
        database = os.path.join(self.directory, f"kill-{number}.db")
        with self.recorder(choice, subject, number, database) as recorder:
            recorder.kill()
            status = recorder.wait()
        context = f"kill {number} of {subject.name}"
        if status != -signal.SIGKILL:
            self.assertFalse(os.path.exists(database + "-ring"), f"{context}: it ended by itself and left its ring")
            return None
        found = header(database + "-ring") if os.path.exists(database + "-ring") else None
        completed = found[1] if found else 0
        if number % 10 == 0 and completed:
            self.look_before_recovery(database, context)
        done = subprocess.run([HWACCL, "recover", "--json", database], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        if not os.path.exists(database):
            self.assertEqual(completed, 0, f"{context}: {done.stderr}")
            return 0
        self.assertEqual(done.returncode, 0, f"{context}: {done.stdout}{done.stderr}")
        answer = json.loads(done.stdout)["recordings"][0]
        self.look_after_recovery(subject, database, completed, answer, context)
        for suffix in ("", "-wal", "-shm", "-ring"):
            self.assertFalse(suffix and os.path.exists(database + suffix), context + suffix)
            if not suffix:
                os.remove(database)
        return completed

    def look_before_recovery(self, database, context):
        """What is there is good, in the stock shell and in every command, which say how to get the rest."""
        shell = subprocess.run(["sqlite3", database, "SELECT count(*) FROM exits; "
                                "SELECT value FROM recording WHERE name = 'status'; PRAGMA integrity_check"],
                               stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((shell.returncode, shell.stdout.split()[-1]), (0, "ok"), f"{context}: {shell.stderr}")
        done = subprocess.run([HWACCL, "stat", database], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, f"{context}: {done.stderr}")
        # killed between its last transaction and the end of the ring's file, it lost nothing
        if "complete" not in shell.stdout.split():
            self.assertIn(f"hwaccl recover {database}", done.stderr, context)

    def look_after_recovery(self, subject, database, completed, answer, context):
        unfinished = answer["unfinished"]
        whole = answer["exits"] - unfinished
        self.assertIn(whole, (completed, completed + 1), f"{context}: {answer}")
        checked = subprocess.run([HWACCL, "check", database], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=60, check=False)
        self.assertEqual(checked.returncode, 0, f"{context}: {checked.stdout}{checked.stderr}")
        if answer["exits"]:
            replayed = subprocess.run([HWACCL, "replay", "--json", database], stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(replayed.returncode, 0, f"{context}: {replayed.stdout}{replayed.stderr}")
            result = json.loads(replayed.stdout)
            self.assertEqual((result["exits"], result["divergences"]), (answer["exits"], 0), context)
        self.compare(subject, database, answer["exits"], context)

    def compare(self, subject, database, exits, context):
        """Row for row what an undisturbed recording has, but for the exit at which it died."""
        connection = sqlite3.connect(database)
        try:
            connection.execute("ATTACH ? AS reference", (subject.reference,))
            for table in TABLES:
                columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")
                           if not row[1].startswith("host_")]
                key = {"input": "exit", "effect": "exit", "device_snapshot": "exit", "device_state": "exit",
                       "system_registers": "at / 2", "segment_registers": "at / 2"}.get(table, "id")
                bound = "" if table in ("instruction", "device_field") else f" WHERE {key} < {exits - 1}"
                select = f"SELECT {', '.join(columns)} FROM {{}}.{table}{bound}"
                for one, other in (("main", "reference"), ("reference", "main")):
                    if not bound and one == "reference":
                        continue
                    row = connection.execute(f"{select.format(one)} EXCEPT {select.format(other)} LIMIT 1").fetchone()
                    self.assertIsNone(row, f"{context}: table {table}: a row that only {one} has")
        finally:
            connection.close()

    def test_killed_at_random_moments(self):
        print(f"HWACCL_SEED={SEED}")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            completed = list(pool.map(self.kill_one, range(KILLS)))
        killed = [count for count in completed if count is not None]
        print(f"{len(killed)} killed, {sum(1 for count in killed if count)} of them with exits, up to {max(killed)}")
        if CAN_HOLD:
            self.assertNotIn(None, completed[::3], "a recorder that was held has ended by itself")


if __name__ == "__main__":
    main()
