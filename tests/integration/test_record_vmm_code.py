#!/usr/bin/env python3
"""hwaccl record -- VMM: instructions, read from the guest's memory in the VMM (tests/interpose/memory_vmm.c)."""
import os
import subprocess
import unittest

from hwaccl_cli import BUILD, HWACCL
from record_vmm_test import RecordVmmTest


class Code(RecordVmmTest):
    def test_memory_that_comes_and_goes(self):
        self.record(os.path.join(BUILD, "tests", "memory_vmm"))
        self.check(32)
        there, gone = "mov byte ptr [bx], al", ""
        self.assertEqual(self.rows("SELECT exit, coalesce(instruction, '') FROM exits WHERE reason = 'EPT violation'"),
                         [f"{2 + 4 * number}|{text}" for number, text in enumerate(
                             (there, gone, gone, there, gone, there, gone, gone))])
        self.assertEqual(self.rows("SELECT DISTINCT hex(bytes) FROM instruction"), ["8807"])
        show = subprocess.run([HWACCL, "show", "--disasm", self.path("q.db"), "2..2"], capture_output=True, text=True, check=True)
        self.assertIn("mov byte ptr [bx], al", show.stdout)


if __name__ == "__main__":
    unittest.main()
