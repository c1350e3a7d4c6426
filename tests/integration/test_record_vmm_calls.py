#!/usr/bin/env python3
"""hwaccl record -- VMM: the VMM's calls of KVM, in lanes of its threads and one sequence (tests/interpose)."""
import json
import sqlite3
import subprocess
import unittest

from hwaccl_cli import HWACCL
from record_vmm_test import VMM, RecordVmmTest


class RecordVmmCalls(RecordVmmTest):
    def hwaccl(self, *arguments, status=0):
        result = subprocess.run([HWACCL, *arguments], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr if status == 0 else ""), (status, ""))
        return result.stdout

    def test_threads_and_their_calls_in_one_sequence(self):
        self.record(VMM, "threads", "500")
        self.assertEqual(self.rows("SELECT lane, vcpu, name FROM lanes ORDER BY lane"),
                         ["0|0|plain_vmm", "1|1|plain_vmm", "2|2|plain_vmm", "65536||plain_vmm"])
        self.assertEqual(self.rows("SELECT request, role, object, argument, count(*) FROM vmm_calls "
                                   "WHERE request = 'KVM_CREATE_VCPU' GROUP BY 4"),
                         ["KVM_CREATE_VCPU|vm|0|0x0|1", "KVM_CREATE_VCPU|vm|0|0x1|1", "KVM_CREATE_VCPU|vm|0|0x2|1"])
        total = self.rows("SELECT count(*), min(sequence), max(sequence), count(DISTINCT sequence) FROM vmm_sequence")[0].split("|")
        self.assertEqual(total, [total[0], "1", total[0], total[0]])
        self.assertEqual(self.rows("SELECT value FROM recording WHERE name = 'not_recorded'"),
                         ["guest memory, what threads do beside calls of KVM, the clock, what the kernel handles"])

    def test_interrupt_lines_and_messages(self):
        self.record(VMM, "lines")
        self.assertEqual(self.rows("SELECT l.name, c.gsi, c.level, quote(c.status) FROM irq_line_changes c JOIN lanes l USING (lane) "
                                   "ORDER BY sequence"),
                         ["lines|4|1|NULL", "lines|4|0|NULL", "lines|5|1|-1"])
        self.assertEqual(self.rows("SELECT address, data, destination, logical, delivery_mode, vector, delivered FROM msi_messages"),
                         ["0xfee2300c|0x4931|35|1|1|49|1"])
        # an argument that is not there is no crash
        self.assertEqual(self.rows("SELECT quote(input), result, error FROM vmm_calls WHERE error = 14"), ["NULL|-1|14"])
        self.assertEqual(self.rows("SELECT length(input), hex(substr(input, 1, 8)) FROM vmm_calls WHERE request = 'KVM_SET_MSRS'"),
                         ["88|0500000000000000"])
        self.assertIn("no problem found", self.hwaccl("check", self.path("q.db")))

    def test_exits_that_are_none_of_the_processors_have_names(self):
        for command, reason, detail in (
                (("internal-error",), "KVM internal error", "suberror 1"), (("system-event", "3"), "KVM system event", "type 3 (crash)")):
            self.record(VMM, *command)
            self.assertEqual(self.rows("SELECT reason, detail FROM exits WHERE exit = 3"), [f"{reason}|{detail}"])
            self.assertIn(reason, self.hwaccl("show", "--reason", reason.lower().replace(" ", "-"), self.path("q.db")))
            self.assertIn(reason, self.hwaccl("stat", self.path("q.db")))

    def test_the_report_names_a_line_that_stays_raised(self):
        for name, exits, there in (("raised", "600", True), ("raised", "20", False), ("lowered", "600", False)):
            self.record(VMM, name, exits)
            report = subprocess.run([HWACCL, "report", self.path("q.db")], capture_output=True, text=True)
            self.assertEqual(report.stderr, "")
            self.assertEqual("the VMM raised interrupt line 5 and never lowered it" in report.stdout, there, (name, exits))

    def test_show_and_stat(self):
        self.record(VMM, "lines")
        shown = json.loads(self.hwaccl("show", "--calls", "--json", self.path("q.db")))
        self.assertEqual([row["sequence"] for row in shown], list(range(1, len(shown) + 1)))
        line = [row for row in shown if row["what"] == "KVM_IRQ_LINE"][0]
        self.assertEqual((line["kind"], line["role"], line["object"], line["input"], line["result"]),
                         ("call", "vm", 0, "0400000001000000", 0))
        self.assertRegex(self.hwaccl("show", "--calls", "--limit", "1", self.path("q.db")), "(?m)^ *1 .* call .*KVM_CREATE_VM")
        # of long data the table has the beginning
        self.assertRegex(self.hwaccl("show", "--calls", self.path("q.db")), "KVM_SET_MSRS .* 05000000000000000000000000000000\\.\\.\\. ")
        self.assertEqual([len(row["input"]) for row in shown if row["what"] == "KVM_SET_MSRS"], [176])
        counts = {row["request"]: row for row in json.loads(self.hwaccl("stat", "--calls", "--json", self.path("q.db")))}
        self.assertEqual((counts["KVM_IRQ_LINE"]["calls"], counts["KVM_IRQ_LINE"]["failed"]), (3, 1))
        self.assertRegex(self.hwaccl("stat", "--calls", self.path("q.db")), "KVM_SIGNAL_MSI +vm +1 ")

    def calls(self, *arguments):
        return json.loads(self.hwaccl("show", "--calls", "--json", *arguments, self.path("q.db")))

    def test_calls_of_a_range_of_exits(self):
        self.record(VMM, "relay", "20")  # seven exits of vCPU 0, then one of vCPU 1; calls of KVM before them
        everything = self.calls()
        of_fast = {row["exit"]: row["sequence"] for row in everything if row["lane"] == 0 and row["kind"] == "exit"}
        for options, first, last in ((["--from", "5", "--to", "9"], of_fast[5], of_fast[10] - 1),
                                     (["--vcpu", "1", "--from", "1", "--to", "1"], of_fast[13] + 1, of_fast[20]),
                                     (["--from", str(max(of_fast))], of_fast[max(of_fast)], len(everything)),
                                     (["--to", "0"], of_fast[0], of_fast[1] - 1), ([], 1, len(everything))):
            self.assertEqual([row["sequence"] for row in self.calls(*options)], list(range(first, last + 1)), options)
        self.assertEqual(len(self.calls("--from", "5", "--limit", "3")), 3)
        for options, error in ((["--from", "9999"], f"hwaccl show: {self.path('q.db')}: no exit 9999: the recording has exits 0 to "),
                               (["--reason", "30"], "hwaccl show: --reason does not apply with --calls"),
                               (["--disasm"], "hwaccl show: --disasm does not apply with --calls"),
                               (["--rip", "1..2"], "hwaccl show: --rip does not apply with --calls"),
                               (["--port", "0x60"], "hwaccl show: --port does not apply with --calls")):
            result = subprocess.run([HWACCL, "show", "--calls", *options, self.path("q.db")], capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(error, result.stderr)

    def test_check_finds_what_is_missing(self):
        self.record(VMM, "lines")
        for sql, finding in (("DELETE FROM vmm_call WHERE sequence = 2", "sequence: numbers 2 to 2 are missing"),
                             ("UPDATE vmm_call SET lane = 77 WHERE sequence = 2", "vmm_call 2: its lane 77 or its exit does not exist"),
                             ("UPDATE exit SET sequence = 2", "sequence: number 2 was given more than once")):
            path = self.path("damaged.db")
            with open(self.path("q.db"), "rb") as source, open(path, "wb") as to:
                to.write(source.read())
            db = sqlite3.connect(path)
            db.execute(sql)
            db.commit()
            db.close()
            self.assertIn(finding, self.hwaccl("check", path, status=1))


if __name__ == "__main__":
    unittest.main()
