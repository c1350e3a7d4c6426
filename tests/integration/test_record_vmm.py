#!/usr/bin/env python3
"""hwaccl record -- VMM: a VMM that knows nothing of the recorder, on a simulated KVM (tests/interpose)."""
import os
import signal
import subprocess
import unittest

from hwaccl_cli import HWACCL
from record_vmm_test import VMM, RecordVmmTest


class RecordVmm(RecordVmmTest):
    def test_every_exit_and_its_registers(self):
        result = self.record(VMM, "run", "1000")
        self.assertRegex(result.stderr, "^hwaccl record: .*plain_vmm ended: exit status 7; 999 exits of 1 vCPU in .* s; "
                                        "recorded in .*/q.db, [0-9.]+ bytes per exit\n$")
        self.check(1000)
        self.assertEqual(self.rows("SELECT reason, detail, rip, outcome FROM exits WHERE exit BETWEEN 4 AND 7"), [
            "I/O instruction|out port 0x3f8, 1 byte|0x1004|completed", "I/O instruction|in port 0x60, 1 byte|0x1005|completed",
            "EPT violation|write 0xd0000|0x1006|completed", "HLT||0x1007|halted"])
        self.assertEqual(self.rows("SELECT rax, cr0, rbx FROM registers WHERE exit = 777 AND moment = 'exit'"),
                         ["0x309|0x60000010|0x0"])
        self.assertEqual(self.rows("SELECT count(*) FROM registers WHERE moment = 'entry' AND rip IS NOT NULL"), ["0"])
        self.assertEqual(self.rows("SELECT exit, access, address, data FROM accesses WHERE exit BETWEEN 4 AND 7 ORDER BY exit"), [
            "4|port write|0x3f8|04", "5|port read|0x60|05", "6|MMIO write|0xd0000|00"])
        # the last exit had no entry after it
        self.assertEqual(self.rows("SELECT exit FROM exits WHERE outcome IS NULL"), ["999"])
        self.assertEqual(self.rows("SELECT value FROM recording WHERE name IN ('vmm', 'end', 'end_code', 'vmm_end', "
                                   "'vmm_wait_status', 'status') ORDER BY name"),
                         ["exit code", "7", "complete", "plain_vmm", "exit status 7", str(7 << 8)])

    def test_registers_by_calls_where_the_kernel_shares_none(self):
        self.record(VMM, "run", "6", env={"FAKE_KVM_NO_SYNC": "1"})
        self.assertEqual(self.rows("SELECT rip, rax, cr0 FROM registers WHERE exit = 5 AND moment = 'exit'"),
                         ["0x1005|0x5|0x60000010"])

    def test_a_vcpu_for_each_that_appears(self):
        self.record(VMM, "threads", "5000")
        self.check(15001)
        self.assertEqual(self.rows("SELECT vcpu, count(*), max(rip) FROM exits GROUP BY vcpu"),
                         ["0|5000|0x2387", "1|5000|0x2387", "2|5001|0x2388"])

    def test_two_vms_in_one_process(self):
        self.record(VMM, "two", "8")
        self.check(16)
        self.assertEqual(self.rows("SELECT vcpu, count(*) FROM exits GROUP BY vcpu"), ["0|8", "1|8"])

    def test_one_that_closes_kvm(self):
        self.record(VMM, "closes-kvm", "8")
        self.check(8)

    def test_vms_of_children_and_of_programs_that_they_start(self):
        self.record(VMM, "forks", "8")
        self.check(9 + 8 + 5)
        self.assertEqual(self.rows("SELECT vcpu, count(*) FROM exits GROUP BY vcpu"), ["0|9", "1|8", "2|5"])
        self.assertEqual(self.rows("SELECT count(DISTINCT substr(value, 1, instr(value, ','))) FROM option "
                                   "WHERE name GLOB 'host_vcpu_[0-9]'"), ["3"])

    def test_behind_a_shell(self):
        self.record("sh", "-c", f"'{VMM}' run 8; exit 5", status=5)
        self.check(8)

    def test_one_that_goes_to_the_background(self):
        self.record(VMM, "background", "8")
        self.check(8)

    def test_one_in_a_pid_namespace_of_its_own(self):
        namespace = ["unshare", "--pid", "--fork"]
        if subprocess.run([*namespace, "true"], capture_output=True).returncode:
            self.skipTest("unshare --pid is not permitted")
        self.record(*namespace, VMM, "run", "8")  # its number there is 1: the recorder has to wait for another one
        self.check(8)
        self.assertEqual(self.rows("SELECT count(*) FROM option WHERE value LIKE 'process 1,%'"), ["0"])

    def test_signals_are_ignored_as_they_were(self):
        show = ["grep", "^SigIgn:", "/proc/self/status"]
        without = subprocess.run(show, capture_output=True, text=True, check=True).stdout
        self.assertEqual(self.record(*show, status=0).stdout, without)

    def test_a_filter_of_system_calls(self):
        self.record(VMM, "filtered", "100000")  # more than a ring has room for
        self.check(100000)

    def test_an_interrupted_run_is_no_exit(self):
        self.record(VMM, "interrupted")
        self.check(2)

    def test_the_vmm_is_killed(self):
        result = self.record(VMM, "die", "12", status=128 + signal.SIGKILL)
        self.assertIn("ended: killed by signal 9 (Killed); 11 exits", result.stderr)
        self.check(12)
        self.assertEqual(self.rows("SELECT value FROM recording WHERE name IN ('end', 'end_message', 'vmm_wait_status') ORDER BY name"),
                         ["error", "the VMM was killed by signal 9 (Killed)", "9"])
        self.assertEqual(self.rows("SELECT value FROM option WHERE name = 'host_vcpu_0_end'"), ["not in the guest"])

    def test_the_recorder_is_killed(self):
        path = self.path("q.db")
        recorder = subprocess.Popen([HWACCL, "record", "-o", path, "--", VMM, "until-told"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        self.assertEqual(recorder.stdout.readline(), "ready\n")
        recorder.kill()
        recorder.wait()
        recorder.stdin.write("go on\n")
        recorder.stdin.close()
        self.assertEqual(recorder.stdout.read(), "done\n")  # the VMM goes on, also beyond the end of its ring
        recorder.stdout.close()
        result = subprocess.run([HWACCL, "recover", path], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        exits = int(self.rows("SELECT count(*) FROM exits")[0])
        self.assertGreaterEqual(exits, 1000)
        self.check(exits, f"hwaccl check: {path}: the recording ends where the recorder died\n")

    def test_a_limit_on_exits_ends_it(self):
        result = self.record(VMM, "until-told", options=["--max-exits", "500"], status=128 + signal.SIGTERM)
        self.assertEqual(result.stdout, "")
        exits = int(self.rows("SELECT count(*) FROM exits")[0])
        self.assertIn(exits, (500, 501))
        self.assertEqual(self.rows("SELECT value FROM recording WHERE name IN ('end', 'end_code') ORDER BY name"), ["stopped", "3"])

    def test_a_limit_on_time_ends_it(self):
        self.record("sleep", "60", options=["-t", "0.1"], status=128 + signal.SIGTERM)
        self.assertEqual(self.rows("SELECT value FROM recording WHERE name IN ('end', 'end_code') ORDER BY name"), ["stopped", "2"])

    def test_what_kvm_says_of_a_failure(self):
        for what, text in (("internal-error", "KVM_EXIT_INTERNAL_ERROR: suberror 1 (emulation)"),
                           ("fail-entry", "KVM_EXIT_FAIL_ENTRY: hardware reason 0x80000021")):
            self.record(VMM, what)
            self.assertEqual(self.rows("SELECT exit, text FROM marks"), [f"3|{text}"])

    def report(self):
        result = subprocess.run([HWACCL, "report", self.path("q.db")], capture_output=True, text=True)
        self.assertEqual(result.stderr, "")
        return result.stdout.split("\n")[0]

    def test_the_report_knows_how_a_vmm_ends(self):
        for command, status, title in (
                (("internal-error",), 7, "KVM could not run the guest further at 0000:1003h: KVM_EXIT_INTERNAL_ERROR: suberror 1 "
                                         "(emulation)"),
                (("system-event", "3"), 7, "the guest told KVM so at 0000:1003h: KVM_EXIT_SYSTEM_EVENT: type 3 (crash)"),
                (("run", "4"), 7, "the VMM ended by itself with exit status 7; the guest was at 0000:1003h"),
                (("die", "4"), 137, "the VMM was killed by signal 9 (Killed) while it handled this exit; the guest was at 0000:1003h"),
                (("die-in-guest",), 137, "the VMM was killed by signal 9 (Killed) while the guest ran; the guest was at 0000:1002h")):
            self.record(VMM, *command, status=status)
            self.assertEqual(self.report(), title)
        # of the last one: a vCPU that did not come back
        self.assertRegex(self.rows("SELECT value FROM option WHERE name = 'host_vcpu_0_end'")[0], "^in the guest for [0-9]+ ms$")

    def test_what_the_guest_printed_is_in_the_report(self):
        text = "Boot failed: try the next\n[    0.5] Kernel panic - not syncing: no init\n" + 20 * "a call\n"
        self.record(VMM, "run", str(4 * len(text)), env={"FAKE_KVM_TEXT": text})
        self.assertEqual(self.report(), "the guest printed that it gives up (Linux: panic()): [    0.5] Kernel panic - not "
                                        "syncing: no init")

    def test_nothing_to_record(self):
        for command, status, why in (((VMM, "no-vcpu"), 7, "it created no vCPU of KVM"), (("true",), 0, "it did not use KVM")):
            result = self.record(*command, status=status)
            self.assertIn(f"; {why}: nothing is recorded in ", result.stderr)
            self.check(0)

    def test_what_cannot_be_recorded(self):
        script = self.write("text", b"no program")
        for options, command, why in (
                ([], ["no-such-program"], "no-such-program: no such program (not found in PATH)"),
                ([], [script], ": cannot execute: not a program, or no permission"),
                (["-m", "64M"], ["true"], "--memory does not apply to a VMM of its own (after --)"),
                (["--raw", "x@0"], ["true"], "--raw does not apply to a VMM of its own (after --)"),
                (["--bad"], ["true"], "unknown or ambiguous option '--bad'")):
            result = self.record(*command, options=options, status=125)
            self.assertIn(why, result.stderr)
            self.assertNotIn("q.db", os.listdir(self._scratch.name))

    def test_an_existing_recording_stays(self):
        path = self.write("q.db", b"")
        result = subprocess.run([HWACCL, "record", "-o", path, "--", VMM, "run"], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr),
                         (125, f"hwaccl record: {path}: already exists; use --force to replace it\n"))
        self.assertEqual(os.listdir(self._scratch.name), ["q.db"])

    def test_without_a_vmm_the_status_is_as_ever(self):
        result = subprocess.run([HWACCL, "record", "-o", self.path("q.db"), "true"], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr),
                         (2, "hwaccl record: unexpected argument 'true'; see 'hwaccl record --help'\n"))


if __name__ == "__main__":
    unittest.main()
