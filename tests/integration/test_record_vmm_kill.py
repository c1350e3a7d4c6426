#!/usr/bin/env python3
"""hwaccl record -- VMM: kill -9 of the VMM and of the recorder, each in the midst of an exit that chance chooses.

HWACCL_KILLS says how many moments for each (default 8), HWACCL_SEED makes a run the same as one before."""
import os
import random
import signal
import subprocess
import unittest

from hwaccl_cli import HWACCL
from record_vmm_test import VMM, RecordVmmTest

KILLS = int(os.environ.get("HWACCL_KILLS", "100" if os.environ.get("HWACCL_TESTS_SET") == "all" else "8"))
SEED = int(os.environ.get("HWACCL_SEED", random.SystemRandom().randrange(1 << 32)))


class Kill(RecordVmmTest):
    def setUp(self):
        super().setUp()
        self.choice = random.Random(SEED)

    def moments(self):
        """Each exit of the first, and any of many: at the end of a ring, of a quarter of it, of a transaction, or nowhere."""
        return [number if number < KILLS // 3 else self.choice.randrange(60000) for number in range(KILLS)]

    def test_the_vmm(self):
        for moment in self.moments():
            with self.subTest(moment=moment, seed=SEED):
                self.record(VMM, "die-in-guest", str(moment), status=128 + signal.SIGKILL)
                self.check(moment)
                self.assertEqual(self.rows("SELECT value FROM recording WHERE name IN ('end_message', 'vmm_wait_status') ORDER BY name"),
                                 ["the VMM was killed by signal 9 (Killed)", "9"])

    def test_the_recorder(self):
        path = self.path("q.db")
        for moment in self.moments():
            with self.subTest(moment=moment, seed=SEED):
                recorder = subprocess.Popen([HWACCL, "record", "--force", "-o", path, "--", VMM, "orphan", str(moment)],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
                with recorder:
                    self.assertEqual(recorder.wait(), -signal.SIGKILL)
                    self.assertEqual(recorder.stdout.read(), "done\n")  # the VMM came to its own end
                result = subprocess.run([HWACCL, "recover", path], capture_output=True, text=True)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                exits = int(self.rows("SELECT count(*) FROM exits")[0])
                self.assertGreaterEqual(exits, moment)
                self.assertEqual(self.rows(f"SELECT count(*) FROM registers WHERE moment = 'exit' AND rax = printf('0x%x', exit) "
                                           f"AND exit < {moment}"), [str(moment)])
                self.check(exits, f"hwaccl check: {path}: the recording ends where the recorder died\n")
                os.remove(path)


if __name__ == "__main__":
    unittest.main()
