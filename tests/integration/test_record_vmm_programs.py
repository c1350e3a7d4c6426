#!/usr/bin/env python3
"""hwaccl record -- VMM: programs that no library can be loaded into, and what scripts start."""
import os
import shutil
import subprocess
import sys
import unittest

from hwaccl_cli import HWACCL
from record_vmm_test import VMM, RecordVmmTest

STATIC = "statically linked: libhwaccl-interpose.so cannot be loaded into it; use a dynamically linked build"
PRIVILEGED = "has set-user-ID, set-group-ID or capabilities: libhwaccl-interpose.so is not loaded into such a program; run a copy"
NOBODY = 65534


class Programs(RecordVmmTest):
    def compile(self, name, *options):
        path = self.path(name)
        subprocess.run(["cc", *options, "-x", "c", "-o", path, "-"], input="int main(void) { return 3; }", text=True, check=True)
        return path

    def script(self, text, name="script"):
        path = self.write(name, text.encode())
        os.chmod(path, 0o755)
        return path

    def refused(self, *command, user=None):
        """The line that says why nothing is started."""
        result = subprocess.run([HWACCL, "record", "-o", self.path("q.db"), "--", *command], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, user=user, extra_groups=None if user is None else [])
        self.assertEqual((result.returncode, len(result.stderr.splitlines())), (125, 1), result.stderr)
        self.assertNotIn("q.db", os.listdir(self._scratch.name))
        return result.stderr

    def test_static_ones(self):
        for option in ("-static", "-static-pie"):
            path = self.compile("program", option)
            self.assertTrue(self.refused(path).startswith(f"hwaccl record: {path}: {STATIC}"))

    def test_another_c_library(self):
        path = self.compile("program", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
        self.assertIn(f"{path}: not linked with glibc: libhwaccl-interpose.so cannot be loaded into it; use a build for glibc",
                      self.refused(path))

    def test_another_processor(self):
        for changed, value in ((4, 1), (18, 40)):  # 32-bit; ARM
            path = self.compile("program")
            with open(path, "r+b") as program:
                program.seek(changed)
                program.write(bytes([value]))
            self.assertIn(f"{path}: not a program for x86-64", self.refused(path))

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_privileges(self):
        os.chmod(self._scratch.name, 0o755)
        path = self.compile("program")
        os.chmod(path, 0o4755)
        self.record(path, status=3)  # root's, started by root: its linker trusts the environment
        os.remove(self.path("q.db"))
        self.assertIn(f"{path}: {PRIVILEGED}", self.refused(path, user=NOBODY))
        os.chown(path, NOBODY, -1)
        os.chmod(path, 0o4755)
        self.assertIn(f"{path}: {PRIVILEGED}", self.refused(path))
        subprocess.run(["setpriv", "--no-new-privs", HWACCL, "record", "-o", self.path("q.db"), "--", path], capture_output=True, check=False)
        self.check(0, files=("program", "q.db"))  # then the kernel gives none
        os.remove(self.path("q.db"))
        path = self.compile("capable")
        if subprocess.run(["setcap", "cap_net_admin+ep", path], capture_output=True).returncode:
            self.skipTest("setcap does not work here")
        self.assertIn(f"{path}: {PRIVILEGED}", self.refused(path, user=NOBODY))

    def test_scripts_are_followed(self):
        for interpreter in ("/bin/sh", f"{shutil.which('busybox')} sh"):  # the second is static, what it starts is not
            self.record(self.script(f"#!{interpreter}\n'{VMM}' run 8\nexec '{VMM}' run 5\n"))
            self.check(13, files=("q.db", "script"))

    def test_scripts_that_start_what_cannot_be_recorded(self):
        static = self.compile("static", "-static")
        python = "import os, subprocess, sys; "
        for command in (["sh", "-c", f"'{static}'; exit 4"],
                        [self.script(f"#!/bin/sh\n'{static}'\nexit 4\n")],
                        ["sh", "-c", f"env '{static}'; exit 4"],
                        [sys.executable, "-c", python + f"os.posix_spawn('{static}', ['x'], os.environ); os.wait(); sys.exit(4)"],
                        [sys.executable, "-c", python + f"os.posix_spawnp('{static}', ['x'], os.environ); os.wait(); sys.exit(4)"],
                        [sys.executable, "-c", python + f"subprocess.run(['{static}']); sys.exit(4)"]):
            result = self.record(*command, status=4)
            self.assertIn(f"ended: exit status 4; it did not use KVM: nothing is recorded in {self.path('q.db')}; it started "
                          f"{static}: {STATIC}", result.stderr)
        # where something is recorded, other programs are of no interest
        result = self.record("sh", "-c", f"'{static}'; '{VMM}' run 8")
        self.assertNotIn("static", result.stderr)
        self.check(8, files=("q.db", "script", "static"))


if __name__ == "__main__":
    unittest.main()
