#!/usr/bin/env python3
"""hwaccl record -- VMM: descriptors of KVM that a VMM copies, closes and uses again (tests/interpose/copied_vmm.c)."""
import os
import unittest

from hwaccl_cli import BUILD
from record_vmm_test import RecordVmmTest


class Descriptors(RecordVmmTest):
    def test_copies_are_the_same_vcpu(self):
        self.record(os.path.join(BUILD, "tests", "copied_vmm"), "50")
        self.assertEqual(self.rows("SELECT vcpu, count(*), min(rip) FROM exits GROUP BY vcpu"), ["0|200|0x1000"])
        self.assertEqual(self.rows("SELECT value LIKE 'process %, VM of descriptor 300, KVM vCPU 5' FROM option "
                                   "WHERE name = 'host_vcpu_0'"), ["1"])
        self.check(200)


if __name__ == "__main__":
    unittest.main()
