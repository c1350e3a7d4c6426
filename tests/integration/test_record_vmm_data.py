#!/usr/bin/env python3
"""hwaccl record -- VMM: the data of exits, and of writes that KVM coalesces (tests/interpose)."""
import json
import sqlite3
import subprocess
import unittest

from hwaccl_cli import HWACCL
from record_vmm_test import VMM, RecordVmmTest

COALESCED = "SELECT kind, address, value, data FROM input WHERE kind IN (12, 13) ORDER BY value"


class RecordVmmData(RecordVmmTest):
    def hwaccl(self, *arguments, status=0):
        result = subprocess.run([HWACCL, *arguments], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (status, ""))
        return result.stdout

    def fetch(self, query):
        db = sqlite3.connect(self.path("q.db"))
        rows = db.execute(query).fetchall()
        db.close()
        return rows

    def expect_coalesced(self, count):
        rows = self.fetch(COALESCED)
        self.assertEqual(len(rows), count)
        for number, (kind, address, value, data) in enumerate(rows):
            self.assertEqual((kind, address, value, int.from_bytes(data, "little"), len(data)),
                             (12, 0x70, number, number, 4) if number % 2 else (13, 0xa0000, number, number, 8))

    def test_coalesced_writes_are_recorded_once_and_in_order(self):
        self.record(VMM, "coalesced", "3000")  # of two vCPUs at a time, around the ring many times
        self.check(6000)
        self.expect_coalesced(12000)
        # before the data of the exit itself, and with the exit that came after them
        accesses = self.rows("SELECT access, address, data FROM accesses WHERE id = (SELECT exit FROM input WHERE value = 0 AND kind = 13)")
        self.assertEqual(accesses[:2], ["coalesced MMIO write|0xa0000|0000000000000000", "coalesced port write|0x70|01000000"])
        for access in accesses[2:-1]:  # those of the other vCPU, if it came out of KVM meanwhile
            self.assertRegex(access, "^coalesced ")
        self.assertEqual(accesses[-1], "port write|0x3f8|00")
        self.assertEqual(self.rows("SELECT count(*) FROM (SELECT value, lag(value) OVER (PARTITION BY exit >> 40 ORDER BY exit, "
                                   "sequence) AS before FROM input WHERE kind IN (12, 13)) WHERE value < before"), ["0"])

    def test_coalesced_writes_that_nobody_takes(self):
        self.record(VMM, "not-taken", "500")
        self.check(1000)
        self.expect_coalesced(169)

    def test_check_finds_coalesced_writes_that_are_missing(self):
        self.record(VMM, "coalesced", "40")
        for sql, finding in (
                ("DELETE FROM input WHERE kind IN (12, 13) AND value = 77", "input: coalesced writes 77 to 77 are missing"),
                ("UPDATE input SET value = 76 WHERE kind IN (12, 13) AND value = 77", "input: coalesced write 76 was recorded more than once"),
                ("UPDATE input SET value = 9999 WHERE kind IN (12, 13) AND value = 2", "input: coalesced write ")):
            path = self.path("damaged.db")
            with open(self.path("q.db"), "rb") as source, open(path, "wb") as to:
                to.write(source.read())
            db = sqlite3.connect(path)
            db.execute(sql)
            db.commit()
            db.close()
            self.assertIn(finding, self.hwaccl("check", path, status=1))

    def test_the_data_of_exits_and_what_the_vmm_answered(self):
        data = 0x0f0e0d0c0b0a0908  # what the union has from byte 8 on
        for reason, first, expected in (
                (24, 3, ["type|0x3", "ndata|0x0"]),
                (24, 1 << 32 | 3, ["type|0x3", "ndata|0x1", f"data[0]|{data:#x}"]),
                (17, 2 << 32 | 1, ["suberror|0x1", "ndata|0x2", f"data[0]|{data:#x}", "data[1]|0x1716151413121110"]),
                (3, 7, ["nr|0x7", f"args[0]|{data:#x}", "ret|0x1111111111111111"]),
                (29, 0, ["reason|0xb0a0908", "index|0xf0e0d0c", "data|0x1111111111111111", "error|0x11"]),
                (30, 0, ["reason|0xb0a0908", "index|0xf0e0d0c", "data|0x1716151413121110", "error|0x11"]),
                (26, 0x31, ["vector|0x31"]), (37, 1, ["flags|0x1"]),
                (39, 8, ["flags|0x8", f"gpa|{data:#x}", "size|0x1716151413121110"])):
            self.record(VMM, "exit-data", str(reason), str(first))
            rows = self.rows("SELECT field, value FROM kvm_exit_data WHERE exit = 1 ORDER BY side DESC, rowid")
            for row in expected:
                self.assertIn(row, rows, reason)
            self.check(3)
        self.assertEqual(self.rows("SELECT DISTINCT id, vcpu, exit, reason, side FROM kvm_exit_data"), ["1|0|1|KVM_EXIT_MEMORY_FAULT|exit"])

    def test_vectors_that_the_vmm_gives_to_kvm_are_handoffs(self):
        for env in ({}, {"FAKE_KVM_NO_SYNC": "1"}):
            self.record(VMM, "interrupts", env=env)
            # exits 0; 1 (40h), 2; 3 (41h is still KVM's), 4 (taken), 5; 42h came too late
            self.assertEqual(self.rows("SELECT exit, vector, outcome, latency_exits FROM irq_handoffs ORDER BY id"),
                             ["1|64|taken|0", "3|65||0", "4|65|taken|1"])
            # of both rows the time of the one call
            self.assertEqual(self.rows("SELECT count(DISTINCT offered_ns) FROM irq_handoffs WHERE vector = 65"), ["1"])
            self.check(6)
        self.assertEqual([row["exit"] for row in json.loads(self.hwaccl("show", "--vector", "0x41", "--json", self.path("q.db")))], [3, 4])

    def test_a_split_interrupt_controller_does_not_show_all(self):
        self.record(VMM, "split-interrupts")
        self.assertEqual(self.rows("SELECT exit, vector, outcome FROM irq_handoffs ORDER BY id"), ["1|64|", "2|68|taken", "3|70|taken"])
        self.check(4)

    def test_explain_says_what_kvm_left(self):
        self.record(VMM, "exit-data", "29")
        self.assertIn("field 1 of KVM exit 29: 0xf0e0d0c", self.hwaccl("explain", self.path("q.db"), "1"))
        self.assertIn("answered KVM exit 29 in field 2: 0x1111111111111111", self.hwaccl("explain", self.path("q.db"), "1"))
        self.assertEqual(json.loads(self.hwaccl("show", "--json", self.path("q.db"), "1..1"))[0]["reason"], "RDMSR")


if __name__ == "__main__":
    unittest.main()
