#!/usr/bin/env python3
"""A recording that is hardly begun, and one that is not complete: what readers and recover say about them."""
import concurrent.futures
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading

from fault_test import FaultTest
from hwaccl_cli import HELLO, main

OFD_SETLK = 37
HOLDER = """
import fcntl, signal, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.fcntl(file, int(sys.argv[2]), bytes.fromhex(sys.argv[3]))
    print("!", flush=True)
    signal.pause()
"""
READERS = (("show",), ("stat",), ("check",), ("replay",), ("state", "3"), ("top", "--once"), ("upgrade",))


class YoungRecording(FaultTest):
    def arguments(self, recording):
        guest = self.write("guest", HELLO)
        return ("record", "--accel", "soft", "--clock", "virtual", "--raw", guest + "@0x7c00", "--memory", "16M", "-o", recording)

    def test_a_recorder_that_died_before_the_first_row(self):
        """Readers name the command that clears it up; it finds nothing to recover."""
        for step in ("ring made", "database opened", "recording filled"):
            recording = self.path(step.replace(" ", "-") + ".db")
            died = self.run_faults(*self.arguments(recording), HWACCL_KILL_AT=f"{step}:1")
            self.assertEqual(died.returncode, -signal.SIGKILL, died.stderr)
            for reader in READERS:
                self.refuse(reader[0], recording, *reader[1:], mention=["recorder died", f"run 'hwaccl recover {recording}'"])
            self.succeed("recover", recording)
            self.assertFalse(os.path.exists(recording), step)

    def test_a_recorder_that_is_about_to_write_the_first_row(self):
        recording = self.path("begun.db")
        gate = self.path("gate")
        os.mkfifo(gate)
        recorder = threading.Thread(target=self.run_faults, args=self.arguments(recording),
                                    kwargs={"HWACCL_GATE": f"database opened:1:{gate}"})
        recorder.start()
        with open(gate, "wb"):
            for reader in READERS:
                self.refuse(reader[0], recording, *reader[1:], mention=["process", "try again"])
        recorder.join()
        self.succeed("check", recording)

    def test_another_file_beside_a_ring_is_named_as_what_it_is(self):
        self.write("other.db", b"This is a letter, no recording. " * 200)
        self.write("other.db-ring", b"")
        self.refuse("stat", self.path("other.db"), mention="other.db")
        self.assertNotIn("recover", self.run_hwaccl("stat", self.path("other.db")).stderr)

    def test_only_a_complete_recording_is_called_complete(self):
        recording = self.record()
        self.assertIn("already complete", self.succeed("recover", recording).stdout)
        self.assertTrue(json.loads(self.succeed("recover", "--json", recording).stdout)["recordings"][0]["complete"])
        died = self.run_faults(*self.arguments(self.path("died.db")), HWACCL_KILL_AT="handled:5")
        self.assertEqual(died.returncode, -signal.SIGKILL)
        first = json.loads(self.succeed("recover", "--json", self.path("died.db")).stdout)["recordings"][0]
        self.assertEqual((first["outcome"], first["complete"]), ("recovered", False))
        again = self.succeed("recover", self.path("died.db")).stdout
        self.assertIn("nothing to recover; the recording is incomplete", again)
        again = json.loads(self.succeed("recover", "--json", self.path("died.db")).stdout)["recordings"][0]
        self.assertEqual((again["outcome"], again["complete"]), ("nothing", False))

    def test_a_recorder_that_died_after_the_end_leaves_a_complete_recording(self):
        died = self.run_faults(*self.arguments(self.path("end.db")), HWACCL_KILL_AT="status committed:1")
        self.assertEqual(died.returncode, -signal.SIGKILL)
        report = json.loads(self.succeed("recover", "--json", self.path("end.db")).stdout)["recordings"][0]
        self.assertTrue(report["complete"], report)
        self.succeed("check", self.path("end.db"))


    def test_a_lock_of_another_process_ends_a_recovery_with_its_name(self):
        """Held by somebody who has no business with the recording: on its log's index, or on its ring."""
        died = self.run_faults(*self.arguments(self.path("locked.db")), HWACCL_KILL_AT="handled:5")
        self.assertEqual(died.returncode, -signal.SIGKILL)

        def recover(case, name, command, start):
            recording = self.path(f"locked{case}.db")
            for suffix in ("", "-wal", "-shm", "-ring"):
                shutil.copy(self.path("locked.db") + suffix, recording + suffix)
            lock = struct.pack("hhlli4x", fcntl.F_RDLCK, os.SEEK_SET, start, 1, 0)
            holding = [sys.executable, "-c", HOLDER, recording + name, str(command), lock.hex()]
            holder = subprocess.Popen(holding, stdout=subprocess.PIPE)
            with holder:
                try:
                    holder.stdout.read(1)
                    # of a POSIX lock the kernel names the holder
                    named = f"process {holder.pid}" if command == fcntl.F_SETLK else f"'fuser {recording}{name}'"
                    self.refuse("recover", recording, mention=[named, recording + name])
                finally:
                    holder.kill()
            self.succeed("recover", recording)

        cases = (("-shm", fcntl.F_SETLK, 120), ("-ring", OFD_SETLK, 1), ("-ring", fcntl.F_SETLK, 1))
        with concurrent.futures.ThreadPoolExecutor() as side_by_side:  # each waits ten seconds for the lock
            for done in [side_by_side.submit(recover, number, *case) for number, case in enumerate(cases)]:
                done.result()


if __name__ == "__main__":
    main()
