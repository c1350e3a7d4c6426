#!/usr/bin/env python3
"""What a processor and its devices do, in small guests of the field that judge themselves (../shared/field/cases.md), on both
machines; each recording replays."""
import itertools
import os
import subprocess
import unittest

from hwaccl_cli import BUILD, CommandTest, main

SOURCE = os.environ.get("HWACCL_SOURCE") or os.path.dirname(BUILD)
FIELD = os.path.join(SOURCE, "../shared/field")
MACHINES = ("pic", "apic")

# Guests on tests/guests/guest.inc, which end with exit code 0; those that need a disk or a typed byte.
PASSING = """badmsr cmpjcc cr4rb fpu mmiofpu mmioins mmiosse movss outses pit7 pitrb repins rf rip4g rsm segend segend2 spur7 straddle
tfcpuid tfout uartthre""".split()
WITH_DISK = "atadrq atarst".split()
WITH_INPUT = "uartier uartprio".split()

# Others print a letter: 0, or the fault of a processor without the feature. ltrrom is firmware.
PRINTING = {"bsfmmio": "0", "cr4": "0", "intfault": "0", "lockcr": "0", "ltrrom": "0", "pushcs": "0", "rf2": "0",
            "monitor": "U", "mwait": "U", "rdpmc": "G", "xsetbv2": "G"}


@unittest.skipUnless(os.path.isdir(FIELD), "the inputs of the field are not beside the sources")
class FieldInputs(CommandTest):
    def judge(self, name, *options, status=0):
        binary = self.path(name)
        if not os.path.exists(binary):
            subprocess.run(["nasm", "-f", "bin", "-w-all", "-I", os.path.join(SOURCE, "tests/guests/"), "-o", binary,
                            os.path.join(FIELD, name + ".asm")], check=True)
        recording = self.path(name + ".db")
        image = ("--firmware", binary) if name == "ltrrom" else ("--raw", binary + "@0x7c00")
        done = self.succeed("record", "--accel", "soft", *image, "--clock", "virtual", "--memory", "16M",
                            "--max-exits", "20000", "--force", "-o", recording, *options, status=status)
        self.assertIn(" 0 divergences", self.succeed("replay", recording).stdout)
        return done.stdout

    def test_guests_that_end_with_an_exit_code(self):
        disk, typed = self.write("disk", bytes(1 << 20)), self.write("typed", b"x")
        more = dict.fromkeys(WITH_DISK, ("--disk", disk)) | dict.fromkeys(WITH_INPUT, ("--input", typed))
        for name, kind in itertools.product(PASSING + WITH_DISK + WITH_INPUT, MACHINES):
            with self.subTest(name, machine=kind):
                self.assertIn("PASS " + name, self.judge(name, "--expect-exit", "0", "--machine", kind, *more.get(name, ())))

    def test_guests_that_print_what_the_processor_did(self):
        for name, kind in itertools.product(PRINTING, MACHINES):
            with self.subTest(name, machine=kind):
                halts = PRINTING[name] == "0" and name != "ltrrom"  # for good, status 1; the others end with an exit code
                self.assertEqual(self.judge(name, "--machine", kind, status=int(halts)), PRINTING[name] + "\n")


if __name__ == "__main__":
    main()
