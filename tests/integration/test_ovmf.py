#!/usr/bin/env python3
"""OVMF comes to the UEFI shell, which waits in HLT for a command and carries it out."""
import os
import subprocess
import unittest

from hwaccl_cli import HWACCL, CommandTest, main

FIRMWARE = "/usr/share/ovmf/OVMF.fd"


@unittest.skipUnless(os.access(FIRMWARE, os.R_OK), "package ovmf is not installed")
class Ovmf(CommandTest):
    def test_a_command_in_the_shell(self):
        path = self.path("ovmf.db")
        answers = {b"any other key to continue.": b"\x1b", b"Shell> ": b"memmap\r"}
        command = [HWACCL, "record", "--accel", "soft", "--firmware", FIRMWARE, "--input", "-", "--timeout", "200", "--until",
                   "Total Memory", "-o", path]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            seen = self.answer(process, answers)
        self.assertEqual(process.returncode, 0, seen[-500:])
        waits = self.query(path, "SELECT count(*) FROM exits WHERE reason = 'HLT'")
        self.assertGreater(waits[0][0], 0, "the shell does not wait for its command")
        self.assertIn(" 0 divergences", self.succeed("replay", path, timeout=300).stdout)


if __name__ == "__main__":
    main()
