#!/usr/bin/env python3
"""hwaccl record -- VMM: descriptors of KVM that a VMM copies, closes and uses again (tests/interpose/copied_vmm.c)."""
import os
import subprocess
import unittest

import hwaccl_cli
from hwaccl_cli import BUILD, HWACCL

VMM = os.path.join(BUILD, "tests", "copied_vmm")


class Descriptors(hwaccl_cli.CommandTest):
    def test_copies_are_the_same_vcpu(self):
        path = self.path("q.db")
        result = subprocess.run([HWACCL, "record", "-o", path, "--", VMM, "50"], stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=120)
        self.assertEqual(result.returncode, 7, result.stderr)
        rows = subprocess.run(["sqlite3", "-readonly", path, "SELECT vcpu, count(*), min(rip) FROM exits GROUP BY vcpu;"
                               "SELECT count(*) FROM option WHERE value LIKE 'process %, VM of descriptor 300, KVM vCPU 5'"],
                              check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
        self.assertEqual(rows, ["0|200|0x1000", "1"])
        check = subprocess.run([HWACCL, "check", path], capture_output=True, text=True)
        self.assertEqual((check.returncode, check.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
