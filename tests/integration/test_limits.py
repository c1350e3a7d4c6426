#!/usr/bin/env python3
"""Limits and closed descriptors that the command was started with: one line, status 2, and what was recorded stays readable."""
import os
import resource
import signal
import subprocess

from hwaccl_cli import ENDLESS, HELLO, HWACCL, CommandTest, main

CLOSED = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-']


class Limits(CommandTest):
    def test_a_closed_standard_descriptor_is_never_a_file_of_the_recording(self):
        guest = self.write("guest.bin", ENDLESS)
        for flight in ((), ("--flight-recorder", "1000exits")):
            recording = self.path("closed.db")
            with subprocess.Popen([*CLOSED, HWACCL, "record", "--raw", guest + "@0x7c00", "--memory", "16M", "--force", "-o",
                                   recording, *flight]) as process:
                try:
                    self.wait_until_completed(process, recording, 1000)
                    for number in range(3):
                        self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{number}"), "/dev/null")
                finally:
                    process.kill()
            self.succeed("recover", recording)
            self.succeed("check", recording)
            os.unlink(recording)

    def test_results_for_a_closed_standard_output_are_not_lost_silently(self):
        recording = self.record()
        for command in (("stat", recording), ("show", recording), ("check", recording), ("state", recording, "3")):
            done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', HWACCL, *command], stderr=subprocess.PIPE,
                                  text=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("cannot write to standard output", done.stderr)

    def limited(self, size, *arguments):
        """With files of at most so many bytes, and SIGXFSZ as the shell leaves it."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return self.refuse(*arguments, preexec_fn=limit, mention="File too large")

    def test_a_ring_beyond_the_file_size_limit(self):
        guest = self.write("guest.bin", HELLO) + "@0x7c00"
        for flight in ((), ("--flight-recorder", "1000exits")):
            self.limited(65536, "record", "--accel", "soft", "--raw", guest, "-o", self.path("out.db"), *flight)
            self.assertEqual(os.listdir(self._scratch.name), ["guest.bin"])

    def test_a_recording_that_reaches_the_file_size_limit_is_kept(self):
        """The ring has 8 MiB, the recording of this guest gets more."""
        guest = self.write("guest.bin", ENDLESS) + "@0x7c00"
        recording = self.path("out.db")
        done = self.limited(9 << 20, "record", "--accel", "soft", "--raw", guest, "--max-exits", "400000", "-o", recording)
        self.assertIn(f"hwaccl recover {recording}", done.stderr)
        before = self.query(recording, "SELECT count(*) FROM exit")[0][0]
        self.succeed("recover", recording)
        self.succeed("check", recording)
        self.assertGreater(self.query(recording, "SELECT count(*) FROM exit")[0][0], before)
        self.succeed("replay", recording)

    def test_a_memory_dump_beyond_the_file_size_limit(self):
        guest = self.write("guest.bin", HELLO) + "@0x7c00"
        self.limited(4096, "record", "--accel", "soft", "--raw", guest, "--no-db", "--save-memory", self.path("memory"))


if __name__ == "__main__":
    main()
