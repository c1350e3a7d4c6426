#!/usr/bin/env python3
"""hwaccl record --flight-recorder -- VMM: the newest exits of all its vCPUs, from one moment on. tests/interpose has the VMM:
'relay' makes 7 exits of vCPU 0, then one of vCPU 1, and so on, so the test knows what came before what."""
import json
import os
import signal
import subprocess
import unittest

import test_faults
from fault_test import FAULTS, FaultTest
from hwaccl_cli import BUILD, HWACCL, SANITIZED

VMM = os.path.join(BUILD, "tests", "plain_vmm")
COUNT, WINDOW = 1000, 400
EACH = 7


class FlightVmm(FaultTest):
    def new_path(self):
        number = self.next_number()
        os.mkdir(self.path(str(number)))
        return self.path(f"{number}/f.db")

    def start(self, database, *command, options=(), program=HWACCL, window=f"{WINDOW}exits", **environment):
        return subprocess.Popen([program, "record", "-o", database, "--flight-recorder", window, *options, "--", VMM, *command],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "HWACCL_MODULES": BUILD, **environment})

    def ready(self, process):
        self.assertEqual(process.stdout.readline(), "ready\n")

    def go_on(self, process):
        """Lets the VMM end; what the recorder said since."""
        _, said = process.communicate("\n", timeout=100)
        return said

    def lanes(self, database, context=""):
        """Checks it; the first and last exit of each vCPU, None for one without."""
        checked = self.run_hwaccl("check", "--json", database)
        self.assertEqual(checked.returncode, 0, f"{context}: {checked.stdout}{checked.stderr}")
        rows = self.query(database, "SELECT vcpu.id, (SELECT min(exit) FROM exits WHERE exits.vcpu = vcpu.id), (SELECT max(exit) FROM exits "
                                    "WHERE exits.vcpu = vcpu.id), (SELECT count(*) FROM exits WHERE exits.vcpu = vcpu.id) FROM vcpu ORDER BY id")
        for _, first, last, count in rows:
            self.assertEqual(count, last - first + 1 if count else 0, context)
        return [(first, last) for _, first, last, _ in rows]

    def assert_one_begin(self, lanes, context=""):
        """No exit of one vCPU is older than the first of the other that is there, and none after that is missing."""
        (fast, _), (slow, _) = lanes
        if fast % EACH:
            self.assertEqual(slow, fast // EACH, context)
        else:  # vCPU 1's exit before it may be the first of all
            self.assertIn(slow, (fast // EACH, fast // EACH - 1), context)

    def test_all_vcpus_begin_at_one_moment(self):
        database = self.new_path()
        process = self.start(database, "relay", str(COUNT))
        self.ready(process)
        said = self.go_on(process)
        self.assertRegex(said, f"ended: exit status 7; 8078 exits of 2 vCPUs in .*; the newest of them \\({WINDOW}exits\\) "
                               "recorded in ")
        lanes = self.lanes(database)
        self.assertEqual([last for _, last in lanes], [EACH * (COUNT + 10) - 1, COUNT + 9])
        self.assert_one_begin(lanes)
        exits = sum(last - first + 1 for first, last in lanes)
        self.assertGreaterEqual(exits, WINDOW)
        self.assertLessEqual(exits, WINDOW * 20 // 16)
        # the registers of a vCPU whose window does not begin at a keyframe of its own
        for vcpu, (first, _) in enumerate(lanes):
            self.assertEqual(self.query(database, "SELECT rip, rax, cr0 FROM registers WHERE vcpu = ? AND exit = ? AND moment = "
                                                  "'exit'", vcpu, first), [(hex(0x1000 + first), hex(first), "0x60000010")])
        self.assertEqual(self.query(database, "SELECT count(*) FROM option WHERE name LIKE 'host_vcpu__'"), [(2,)])
        self.assertEqual(os.listdir(os.path.dirname(database)), ["f.db"])

    def test_a_window_of_bytes(self):
        database = self.new_path()
        process = self.start(database, "relay", "20000", window="4M", options=["--keyframe-interval", "1000000"])
        self.ready(process)
        self.go_on(process)
        lanes = self.lanes(database)
        self.assert_one_begin(lanes)
        self.assertGreater(lanes[0][0], 0)

    def test_vcpus_busy_at_once(self):
        database = self.new_path()
        process = self.start(database, "threads", "20000", window="1000exits")
        self.assertIn(" 59998 exits of 3 vCPUs ", self.go_on(process))
        # vCPUs that ended earlier may have no exit in it; the last one of all has its last
        lanes = [lane for lane in self.lanes(database) if lane[0] is not None]
        self.assertTrue(any(last >= 19999 for _, last in lanes), lanes)
        self.assertGreaterEqual(sum(last - first + 1 for first, last in lanes), 1000)

    def test_a_signal_writes_it_while_the_vmm_runs(self):
        database = self.new_path()
        process = self.start(database, "relay", str(COUNT))
        self.ready(process)
        process.send_signal(signal.SIGUSR1)
        self.assertRegex(process.stderr.readline(), "^hwaccl record: .*/f-1.db: written at the end of [0-9]+ exits of 2 vCPUs "
                                                    r"\(requested\)$")
        self.go_on(process)
        lanes = self.lanes(os.path.join(os.path.dirname(database), "f-1.db"))
        # each vCPU's last exit before the VMM waited: its handling had not ended
        self.assertEqual([last for _, last in lanes], [EACH * (COUNT + 1) - 1, COUNT])
        self.assert_one_begin(lanes)

    def test_a_trigger_on_one_vcpu_writes_the_window_of_all(self):
        database = self.new_path()
        process = self.start(database, "relay", str(COUNT), options=["--trigger", "reason=triple_fault,rip=0x1000-0x1fff"])
        self.ready(process)
        said = self.go_on(process)
        self.assertIn("(trigger reason=triple_fault,rip=0x1000-0x1fff at exit 100 of vCPU 1)\n", said)
        lanes = self.lanes(os.path.join(os.path.dirname(database), "f-1.db"))
        self.assertEqual(lanes[1][1], 100)
        self.assertGreaterEqual(lanes[0][1], EACH * 101 - 1)
        self.assert_one_begin(lanes)

    def test_a_trigger_at_an_exit_whose_handling_does_not_end(self):
        database = self.new_path()
        process = self.start(database, "stuck", options=["--trigger", "reason=triple_fault"])
        self.ready(process)
        self.assertIn("f-1.db: written at exit 3 (trigger reason=triple_fault at exit 3)", process.stderr.readline())
        self.go_on(process)
        beside = os.path.join(os.path.dirname(database), "f-1.db")
        self.assertEqual(self.lanes(beside), [(0, 3)])
        self.assertRegex(self.run_hwaccl("report", beside).stdout, "^triple fault at 0000:1003h")

    def test_the_vmm_is_killed(self):
        database = self.new_path()
        process = self.start(database, "die", "2000", window="100exits")
        self.assertIn("ended: killed by signal 9 (Killed)", self.go_on(process))
        self.assertEqual(process.returncode, 128 + signal.SIGKILL)
        self.assertEqual(self.lanes(database)[0][1], 1999)
        self.assertIn("the VMM was killed by signal 9 (Killed)", self.run_hwaccl("report", database).stdout)

    def test_a_limit_on_exits(self):
        database = self.new_path()
        process = self.start(database, "until-told", options=["--max-exits", "500"], window="100exits")
        process.wait(timeout=100)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)
        self.go_on(process)
        self.assertIn(self.lanes(database)[0][1], (499, 500))

    def recovered(self, database, context):
        done = self.run_hwaccl("recover", "--json", database)
        self.assertEqual(done.returncode, 0, f"{context}: {done.stdout}{done.stderr}")
        self.assertEqual(json.loads(done.stdout)["recordings"][0]["lost"], 0, f"{context}: {done.stdout}")
        self.assertEqual([name for name in os.listdir(os.path.dirname(database)) if "ring" in name or "flight" in name], [],
                         context)
        return self.lanes(database, context)

    def test_the_recorder_is_killed(self):
        database = self.new_path()
        process = self.start(database, "relay", str(COUNT))
        self.ready(process)
        process.kill()
        process.wait(timeout=100)
        lanes = self.recovered(database, "")
        self.assertEqual([last for _, last in lanes], [EACH * (COUNT + 1) - 1, COUNT])
        self.assert_one_begin(lanes)
        self.assertEqual(self.query(database, "SELECT count(*) FROM option WHERE name LIKE 'host_vcpu__'"), [(2,)])
        self.go_on(process)

    def kill_recorder(self, item):
        name, occurrence = item
        database = self.new_path()
        context = f"killed at '{name}', occurrence {occurrence}"
        process = self.start(database, "relay", "300", program=FAULTS, window="160exits", options=["--trigger", "reason=48"],
                             HWACCL_KILL_AT=f"{name}:{occurrence}")
        process.communicate("\n", timeout=100)
        self.assertIn(process.returncode, (7, -signal.SIGKILL), context)
        if process.returncode != 7 and (os.path.exists(database + "-ring") or os.path.exists(database)):
            left = self.run_hwaccl("recover", "--json", database)
            self.assertEqual(left.returncode, 0, f"{context}: {left.stdout}{left.stderr}")
        for file in os.listdir(os.path.dirname(database)):
            self.assertRegex(file, r"^f(-1)?\.db$", context)
            lanes = self.lanes(os.path.join(os.path.dirname(database), file), context)
            if all(first for first, _ in lanes) and len(lanes) == 2:
                self.assert_one_begin(lanes, context)
        return name, process.returncode == -signal.SIGKILL

    def test_the_recorder_is_killed_at_every_step(self):
        names = [name for name in test_faults.steps() if name.startswith("flight ")]
        items = [(name, occurrence) for name in names for occurrence in ((1,) if SANITIZED else (1, 3, 20))]
        reached = {name for name, killed in self.each(self.kill_recorder, items) if killed}
        self.assertEqual(sorted(set(names) - reached), [], "steps that were never reached")

    def test_a_full_disk(self):
        """At any write: the VMM goes on, and what was kept is recovered."""
        for number in (1, 2, 3, 10, 40):
            database = self.new_path()
            process = self.start(database, "relay", "300", program=FAULTS, window="160exits", HWACCL_FAIL=f"write:{number}:all")
            said, errors = process.communicate("\n", timeout=100)
            context = f"write {number}: {errors}"
            if process.returncode == 125 and not os.path.exists(database + "-ring"):
                self.assertEqual(os.listdir(os.path.dirname(database)), [], context)
                continue
            self.assertEqual(said, "ready\n", context)
            self.assertEqual(process.returncode, 125, context)
            self.assertIn(f"hwaccl recover {database}", errors)
            self.recovered(database, context)

    def test_what_cannot_be_a_trigger(self):
        for options, why in ((["--flight-recorder", "64M", "--trigger", "verdict=emulate"],
                              "--trigger: 'verdict=emulate': verdict does not apply to a VMM of its own (after --, or --attach), which has none"),
                             (["--flight-recorder", "64M", "--kernel-exits"],
                              "--kernel-exits and --flight-recorder exclude each other"),
                             (["--trigger", "reason=hlt"], "--trigger requires --flight-recorder WINDOW")):
            result = self.run_hwaccl("record", "-o", self.path("q.db"), *options, "--", "true")
            self.assertEqual(result.returncode, 125)
            self.assertIn(why, result.stderr)


if __name__ == "__main__":
    unittest.main()
