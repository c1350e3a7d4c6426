#!/usr/bin/env python3
"""hwaccl report on recordings of unmodified VMMs: each way in which one ends, and what nearly is that (tests/interpose/ends_vmm.c)."""
import json
import os
import signal
import subprocess
import unittest

from hwaccl_cli import BUILD, HWACCL
from record_vmm_test import RecordVmmTest

VMM = os.path.join(BUILD, "tests", "ends_vmm")
# KVM_EXIT_*, and three of fake_kvm.c
SHUTDOWN, FAIL_ENTRY, INTERNAL_ERROR, SYSTEM_EVENT, RUN_FAILS, LOOPS, LOOPS_TO_END = "8", "9", "17", "24", "252", "253", "251"
NOTHING = "0,0,0"


class RecordVmmReport(RecordVmmTest):
    def findings(self, *arguments, status=7, options=()):
        """Of the report on a recording of ends_vmm."""
        self.record(VMM, *arguments, status=status, options=options)
        result = subprocess.run([HWACCL, "report", "--json", self.path("q.db")], capture_output=True, text=True)
        self.assertEqual(result.stderr, "")
        return json.loads(result.stdout)["findings"]

    def finds(self, rule, title, arguments, status=7, options=()):
        first = self.findings(*arguments, status=status, options=options)[0]
        self.assertEqual(first["id"], rule)
        self.assertRegex(first["title"], title)
        return "\n".join(fact["text"] for fact in first["facts"])

    def finds_none(self, text, arguments, status=7, options=()):
        for finding in self.findings(*arguments, status=status, options=options):
            self.assertNotRegex(json.dumps(finding), text)

    def test_an_internal_error_with_its_data(self):
        facts = self.finds("vmm-end", r"^KVM could not run the guest further at 0000:1003h: KVM_EXIT_INTERNAL_ERROR: suberror 1 "
                                      r"\(emulation\), data 0x1 0x9090cd0f02$",
                           ("3", INTERNAL_ERROR, "200000001,1,9090cd0f02", "0", "7"))
        self.assertIn("the kernel's emulator does not know the instruction there", facts)
        facts = self.finds("vmm-end", r"suberror 3 \(event delivery\), data 0x80000b0e 0x30$",
                           ("3", INTERNAL_ERROR, "200000003,80000b0e,30", "0", "7"))
        self.assertIn("an exit came while an event was delivered to the guest", facts)
        # the VMM emulated it, or injected an exception
        self.finds_none("INTERNAL_ERROR|could not run", ("3", INTERNAL_ERROR, "200000001,1,0", "400", "7"))

    def test_a_shutdown(self):
        self.finds("triple-fault", "^triple fault at 0000:1003h", ("3", SHUTDOWN, NOTHING, "0", "7"))
        # the VMM reset the guest, as QEMU does without -no-reboot
        self.finds_none("triple", ("3", SHUTDOWN, NOTHING, "400", "7"))
        # the guest asked for it
        self.finds_none("triple", ("3", SYSTEM_EVENT, "1,0,0", "0", "7"))

    def test_a_refused_entry(self):
        facts = self.finds("entry-failure", "^the processor refused to enter the guest at 0000:1003h",
                           ("3", FAIL_ENTRY, "80000021,1,0", "0", "7"))
        self.assertIn("KVM says: KVM_EXIT_FAIL_ENTRY: hardware reason 0x80000021", facts)
        self.finds_none("refused", ("3", FAIL_ENTRY, "80000021,1,0", "400", "7"))
        # it is KVM that failed, not the processor
        self.finds("vmm-end", r"^KVM_RUN failed: error 14 \(EFAULT\), after the exit at 0000:1002h$", ("3", RUN_FAILS, NOTHING, "0", "7"))
        self.finds_none("refused", ("3", RUN_FAILS, NOTHING, "0", "7"))

    def test_a_signal_in_the_midst_of_an_exit(self):
        for number, name in ((signal.SIGKILL, "Killed"), (signal.SIGSEGV, "Segmentation fault")):
            facts = self.finds("vmm-end", rf"^the VMM was killed by signal {int(number)} \({name}\) while it handled this exit; the "
                                          r"guest was at 0000:1004h$", ("4", "0", NOTHING, "0", str(-number)), status=128 + number)
            self.assertEqual("an error of its own" in facts, number == signal.SIGSEGV)
        # a status that a shell gives for a signal, and a signal of our own for a limit
        self.finds_none("signal 9", ("4", "0", NOTHING, "0", "137"), status=137)
        self.finds_none("killed", ("400", "0", NOTHING, "1000000", "7"), options=["--max-exits", "50"], status=128 + signal.SIGTERM)

    def test_a_vcpu_that_never_exits(self):
        self.finds("vmm-end", r"^vCPU 0 ran for [1-9][0-9]{3,} ms without an exit, until it was interrupted at 0000:1003h$",
                   ("3", LOOPS, "44c,0,0", "0", "7"))
        # interrupted at once, and a guest that only waited at first
        self.finds_none("without an exit", ("3", LOOPS, NOTHING, "0", "7"))
        self.finds_none("without an exit", ("3", LOOPS, "44c,0,0", "400", "7"))

    def test_a_vcpu_that_is_in_the_guest_at_the_end(self):
        self.finds("vmm-end", r"^vCPU 0 ran for [1-9][0-9]{3,} ms without an exit, up to the end; its last exit was at 0000:1002h$",
                   ("3", LOOPS_TO_END, "44c,0,0", "0", "7"))
        self.finds_none("without an exit", ("3", LOOPS_TO_END, NOTHING, "0", "7"))

    def test_the_last_exits_name_their_devices(self):
        self.record(VMM, "4", "0", NOTHING, "0", "7")
        report = subprocess.run([HWACCL, "report", self.path("q.db")], capture_output=True, text=True)
        exits = report.stdout.split("Last exits:\n")[1].split("\n\n")[0].splitlines()
        self.assertEqual([line.split(", ")[1:] for line in exits], [
            ["writes 0h to port 3f8h (COM1)"], ["reads 1h from port 60h (keyboard controller)"], ["writes 0h to d0000h"], [],
            ["writes 4h to port 3f8h (COM1)"]])


if __name__ == "__main__":
    unittest.main()
