#!/usr/bin/env python3
"""The kernel's events and hwaccl's in one trace: LTTng's two tracers in the KVM box, with the commands of
tracer/lttng/README.md. What KVM returned with stands in front of each exit, on one clock, and the trace is a recording."""
import os
import re
import subprocess
import tempfile
import unittest

import hwaccl_cli

SOURCE = os.environ.get("HWACCL_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FIRMWARE = "/usr/share/seabios/bios-256k.bin"
EXITS = 300
# linux/kvm.h: what KVM_RUN returned with, and the exit reason that the accelerator makes of it
REASONS = {2: "I/O instruction", 5: "HLT", 6: "EPT violation", 7: "interrupt window", 29: "RDMSR", 30: "WRMSR"}
EINTR = 4


class KernelTrace(unittest.TestCase):
    def run_in(self, directory, *command):
        done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-4000:])
        return done.stdout + done.stderr

    def check_clocks(self, directory):
        """Both halves say that they have the same clock, with one zero: each tracer measured it by itself, and in a box
        that is interrupted in between by as much as an exit takes."""
        clocks = []
        for half in ("kernel", os.path.join("ust", "uid", "0", "64-bit")):
            metadata = self.run_in(directory, "babeltrace2", "--output-format=ctf-metadata", os.path.join("trace", half))
            clock = re.search(r"^clock \{\n(.*?)^\}", metadata, re.MULTILINE | re.DOTALL).group(1)
            clocks.append(dict(re.findall(r"(name|uuid|freq|offset) = +([^;]+);", clock)))
        self.assertEqual(clocks[0]["name"], '"monotonic"')
        self.assertEqual(len(clocks[0]), 4)
        self.assertEqual(clocks[0], clocks[1])

    def check_order(self, lines):
        """Between the entry of each exit and the exit, KVM returned once, with the reason that the exit has."""
        returned = None
        exits = 0
        for line in lines:
            event = re.search(r"\) (?:\(none\) )?([\w:]+): \{ cpu_id", line).group(1)
            if event == "hwaccl:transfer_in":
                returned = []
            elif event == "kvm_userspace_exit" and returned is not None:
                reason, error = re.search(r"reason = (\d+), errno = (-?\d+)", line).groups()
                if int(error) != -EINTR:  # that completes an instruction, and does not run the guest
                    returned.append(int(reason))
            elif event == "hwaccl:vm_exit":
                self.assertEqual(len(returned), 1, line)
                self.assertIn(f'reason = ( "{REASONS[returned[0]]}"', line)
                exits += 1
        self.assertEqual(exits, EXITS)

    def test_the_kernels_exit_stands_before_hwaccls(self):
        with tempfile.TemporaryDirectory(prefix="hwaccl-kernel-trace.") as directory:
            said = self.run_in(directory, os.path.join(SOURCE, "scripts", "kvm-box-lttng"), "--",
                               os.path.join(SOURCE, "scripts", "lttng-session"), "run", "--kernel", "-o", "trace", "--",
                               hwaccl_cli.HWACCL, "record", "--lttng", "--no-db", "--accel", "kvm", "--firmware", FIRMWARE,
                               "--max-exits", str(EXITS), "--quiet-debug", "--console", "/dev/null")
            self.assertRegex(said, r"process \d+: all \d+ events traced")
            self.check_clocks(directory)
            lines = self.run_in(directory, "babeltrace2", "trace").splitlines()
            self.check_order(lines)
            switched = [line for line in lines if "sched_switch" in line and 'next_comm = "hwaccl"' in line]
            self.assertGreater(len(switched), 0)
            said = self.run_in(directory, hwaccl_cli.HWACCL, "import", "ctf", "trace", "-o", "kvm.db")
            self.assertIn(f"imported {EXITS} exits from ", said)
            said = self.run_in(directory, hwaccl_cli.HWACCL, "replay", "kvm.db")
            self.assertIn(" 0 divergences", said)


if __name__ == "__main__":
    unittest.main()
