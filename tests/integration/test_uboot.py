#!/usr/bin/env python3
"""U-Boot for QEMU's PC comes to its prompt and carries out a command; its processor's set-up needs a local APIC."""
import os
import subprocess
import unittest

from hwaccl_cli import HWACCL, CommandTest, main

FIRMWARE = "/usr/lib/u-boot/qemu-x86/u-boot.rom"


@unittest.skipUnless(os.access(FIRMWARE, os.R_OK), "package u-boot-qemu is not installed")
class UBoot(CommandTest):
    def boot(self, database, *options):
        return subprocess.Popen([HWACCL, "record", "--accel", "soft", "--firmware", FIRMWARE, "--quiet-debug", "--input", "-",
                                 "--timeout", "100", *options, "-o", database],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def test_a_command_at_the_prompt(self):
        path = self.path("uboot.db")
        answers = {b"stop autoboot: ": b"\n", b"=> ": b"version\n"}
        with self.boot(path, "--until", "GNU ld") as process:
            seen = self.answer(process, answers)
        self.assertEqual(process.returncode, 0, seen[-500:])
        self.assertIn(b"U-Boot 20", seen)
        self.assertIn('"divergences": 0', self.succeed("replay", "--json", path).stdout.replace('s":0', 's": 0'))

    def test_without_a_local_apic_it_does_not_start(self):
        with self.boot(self.path("pic.db"), "--machine", "pic", "--max-exits", "20000", "--until", "autoboot") as process:
            seen, _ = process.communicate()
        self.assertEqual(process.returncode, 1)
        self.assertNotIn(b"autoboot", seen)


if __name__ == "__main__":
    main()
