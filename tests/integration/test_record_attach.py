#!/usr/bin/env python3
"""hwaccl record --attach: what is refused, in one line and with nothing left behind. The rest is kvm.attach, in the box."""
import os
import subprocess
import unittest

import hwaccl_cli
from hwaccl_cli import HWACCL

NOBODY = 65534


class RecordAttach(hwaccl_cli.CommandTest):
    def setUp(self):
        super().setUp()
        self.process = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL)

    def tearDown(self):
        self.process.kill()
        self.process.wait()
        super().tearDown()

    def refused(self, *options, output=("-o", "a.db"), user=None):
        result = subprocess.run([HWACCL, "record", *output, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                user=user, extra_groups=None if user is None else [], cwd=self._scratch.name)
        self.assertEqual((result.returncode, result.stdout, len(result.stderr.splitlines())), (2, "", 1), result.stderr)
        self.assertEqual(os.listdir(self._scratch.name), [])
        return result.stderr

    def test_a_process_that_is_no_vmm(self):
        pid = self.process.pid
        self.assertEqual(self.refused("--attach", str(pid)),
                         f"hwaccl record: process {pid} (sleep): is no VMM: it has neither /dev/kvm nor a VM of KVM open\n")
        self.assertIsNone(self.process.poll())

    def test_a_process_that_is_not_there(self):
        self.process.kill()
        self.process.wait()
        pid = self.process.pid
        self.assertEqual(self.refused("--attach", str(pid)), f"hwaccl record: process {pid}: there is no such process\n")

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_a_process_of_another_user(self):
        os.chmod(self._scratch.name, 0o777)
        self.assertIn(": no permission to look at its descriptors: it is another user's, or protected; run as root",
                      self.refused("--attach", str(self.process.pid), user=NOBODY))

    def test_what_does_not_apply(self):
        attach = ("--attach", str(self.process.pid))
        for options, why in ((("--firmware", "x"), "--firmware does not apply to --attach"),
                             (("--lttng",), "--lttng does not apply to --attach"),
                             (("--together",), "--together does not apply to --attach: the VMM always goes on"),
                             (("--trigger", "reason=hlt"), "--trigger requires --flight-recorder WINDOW"),
                             (("--flight-recorder", "64M", "--trigger", "verdict=emulate"), "verdict does not apply to a VMM")):
            self.assertIn(why, self.refused(*attach, *options))
        self.assertIn("no recording given; use -o FILE", self.refused(*attach, output=()))
        self.assertIn("expected a number from 1 to", self.refused("--attach", "0"))
        self.assertIn("--attach", self.refused("--attach"))

    def test_not_with_a_vmm_to_start(self):
        result = subprocess.run([HWACCL, "record", "-o", self.path("a.db"), "--attach", "1", "--", "true"], capture_output=True,
                                text=True)
        self.assertEqual(result.returncode, 125)
        self.assertIn("--attach and a VMM after -- exclude each other", result.stderr)


if __name__ == "__main__":
    unittest.main()
