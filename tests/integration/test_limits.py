#!/usr/bin/env python3
"""Limits and closed descriptors that the command was started with: one line, status 2, and what was recorded stays readable."""
import os
import re
import resource
import signal
import subprocess
import unittest

from hwaccl_cli import ENDLESS, HELLO, HWACCL, SANITIZED, CommandTest, main

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

    @unittest.skipIf(SANITIZED, "a sanitizer reserves terabytes")
    def test_an_address_space_too_small_for_unicorn(self):
        """It would print a line of its own, and end the process with status 1."""
        guest = self.write("guest.bin", HELLO) + "@0x7c00"
        for size in (300 << 20, 1500 << 20):
            self.refuse("record", "--accel", "soft", "--raw", guest, "-o", self.path("out.db"), mention=["2048 MiB", "ulimit -v"],
                        preexec_fn=lambda size=size: resource.setrlimit(resource.RLIMIT_AS, (size, size)))
            self.assertEqual(os.listdir(self._scratch.name), ["guest.bin"])

    def unicorn_that_exits(self, calls):
        """A directory with a Unicorn that runs the guest so often and then calls exit(1), as it does without memory."""
        real = re.search(r"libunicorn\.so\.2 .*=> (/.*)", subprocess.run(["ldconfig", "-p"], capture_output=True, text=True,
                                                                        check=True).stdout).group(1)
        with open(os.path.join(os.path.dirname(__file__), "../../core/accel/soft/unicorn_library.h"), encoding="utf-8") as header:
            names = ["uc_" + name for name in re.findall(r"^ +F\((\w+)\)", header.read(), re.M)]
        source = ["#include <dlfcn.h>", "#include <stdlib.h>", f"void *real[{len(names)}]; int left = {calls};",
                  "__attribute__((constructor)) void find(void) {", f'void *library = dlopen("{real}", RTLD_NOW);',
                  *(f'real[{i}] = dlsym(library, "{name}");' for i, name in enumerate(names)), "}",
                  "__attribute__((used)) void count(void) { if (left-- == 0) exit(1); }"]
        for i, name in enumerate(names):
            counted = "push %rdi; push %rsi; push %rdx; push %rcx; push %r8; call count; pop %r8; pop %rcx; pop %rdx; pop %rsi; pop %rdi;"
            source.append(f'asm(".global {name}; {name}: {counted if name == "uc_emu_start" else ""} mov real@GOTPCREL(%rip), %rax; '
                          f'jmp *{8 * i}(%rax)");')
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", self.path("libunicorn.so.2")], check=True, text=True,
                       input="\n".join(source))
        return {**os.environ, "LD_LIBRARY_PATH": self._scratch.name}

    def test_a_unicorn_that_calls_exit_leaves_a_recording(self):
        guest = self.write("guest.bin", ENDLESS) + "@0x7c00"
        for flight in ((), ("--flight-recorder", "1000exits")):
            recording = self.path(f"out{len(flight)}.db")
            done = self.refuse("record", "--accel", "soft", "--raw", guest, "-o", recording, *flight, mention=["Unicorn", recording],
                               env=self.unicorn_that_exits(500))
            self.assertEqual(done.stdout, "")
            self.succeed("check", recording)
            exits, message = self.query(recording, "SELECT (SELECT count(*) FROM exit), end_message FROM status")[0]
            self.assertGreater(exits, 300)
            self.assertIn("Unicorn", message)
            self.succeed("replay", recording)
        self.refuse("record", "--accel", "soft", "--raw", guest, "-o", self.path("none.db"), mention="Unicorn",
                    env=self.unicorn_that_exits(0))


    def test_firmware_of_zeros_ends_without_a_signal(self):
        """Zeros are additions to memory, up to the last byte below 4 GiB. What a processor does there depends on the limit of CS."""
        firmware = self.write("zeros", bytes(65536))
        done = self.run_hwaccl("record", "--accel", "soft", "--firmware", firmware, "--clock", "virtual", "--max-exits", "1000",
                               "--timeout", "2", "-o", self.path("out.db"))
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.succeed("check", self.path("out.db"))

    def test_firmware_that_runs_past_4_gib_ends_with_a_line(self):
        """32-bit code in a segment of 4 GiB from ffff0000h on: it ends in zeros."""
        firmware = bytearray(65536)
        code = bytes.fromhex("2e 66 0f 01 16 40 01  0f 20 c0  66 83 c8 01  0f 22 c0  66 31 c0  66 ea 00 f8 00 00 08 00")
        firmware[0x100:0x100 + len(code)] = code  # lgdt [cs:140h]; CR0.PE = 1; eax = 0; jmp 8:f800h
        firmware[0x140:0x146] = bytes.fromhex("0f 00 60 01 ff ff")
        firmware[0x168:0x170] = bytes.fromhex("ff ff 00 00 ff 9a cf ff")
        firmware[0xfff0:0xfff3] = bytes.fromhex("e9 0d 01")
        done = self.succeed("record", "--accel", "soft", "--firmware", self.write("firmware", firmware), "--clock", "virtual",
                            "--max-exits", "1000", "-o", self.path("out.db"), status=1)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("ran past 4 GiB", done.stderr)
        self.assertIn("4 GiB", self.query(self.path("out.db"), "SELECT end_message FROM status")[0][0])
        self.succeed("check", self.path("out.db"))


if __name__ == "__main__":
    main()
