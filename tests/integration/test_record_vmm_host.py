#!/usr/bin/env python3
"""hwaccl record -- VMM: what the host is, and which files the VMM read (tests/interpose/files_vmm.c)."""
import hashlib
import json
import os
import subprocess
import unittest

from hwaccl_cli import BUILD, HWACCL
from record_vmm_test import RecordVmmTest

VMM = os.path.join(BUILD, "tests", "files_vmm")
MIB = 1 << 20


def digest(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


class Host(RecordVmmTest):
    def setUp(self):
        super().setUp()
        self.data = [bytes([65 + i]) * (1000 * i) for i in range(6)]
        self.inputs = [self.path(f"input{i}") for i in range(6)]
        for name, data in zip(self.inputs, self.data):
            with open(name, "wb") as file:
                file.write(data)
        self.large = self.path("disk")
        with open(self.large, "wb") as file:
            file.write(b"boot")
            file.truncate(100 * MIB)
            file.seek(100 * MIB - 3)
            file.write(b"end")

    def run_vmm(self, *options):
        # the large one by the first function again, and one of them twice
        self.record(VMM, self.path("output"), *self.inputs, self.large, self.inputs[1], options=options)

    def stat(self):
        result = subprocess.run([HWACCL, "stat", "--host", "--json", self.path("q.db")], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)

    def test_files_that_the_vmm_opened(self):
        self.run_vmm()
        opened = [row for row in self.stat()["files"] if row["kind"] == "opened"]
        self.assertEqual([row["path"] for row in opened], [*self.inputs, self.large])
        for row, data in zip(opened, self.data):
            self.assertEqual((row["digest"], row["digest_of"], row["size"]), (digest(data), "whole", len(data)))
        part = digest(b"boot" + bytes(MIB - 4) + bytes(MIB - 3) + b"end")
        self.assertEqual((opened[6]["digest"], opened[6]["digest_of"], opened[6]["modified"]),
                         (part, "first and last MiB", int(os.stat(self.large).st_mtime)))
        # the same for SQL
        self.assertEqual(self.rows(f"SELECT path, digest FROM host_file WHERE path = '{self.inputs[5]}'"),
                         [f"{self.inputs[5]}|{digest(self.data[5])}"])

    def test_the_program_and_its_libraries(self):
        self.run_vmm()
        files = self.stat()["files"]
        self.assertEqual([row["path"] for row in files if row["kind"] == "executable"], [VMM])
        notes = subprocess.run(["readelf", "-n", VMM], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"Build ID: {files[0]['build_id']}", notes)
        self.assertIn("libfake_kvm.so", [os.path.basename(row["path"]) for row in files if row["kind"] == "library"])

    def test_the_processor_and_kvm(self):
        self.run_vmm()
        host = self.stat()
        leaves = {(row["leaf"], row["subleaf"]): row for row in host["cpuid"]}
        vendor = b"".join(int(leaves["0x0", 0][register], 16).to_bytes(4, "little") for register in ("ebx", "edx", "ecx"))
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            self.assertIn(f"vendor_id\t: {vendor.decode()}\n", file.read())
        self.assertIn(("0xd", 1), leaves)
        if os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.assertIn("KVM_CAP_USER_MEMORY", [row["name"] for row in host["capabilities"]])
        if os.path.isdir("/sys/module/kvm/parameters"):
            self.assertIn(("kvm", "ignore_msrs"), [(row["module"], row["name"]) for row in host["parameters"]])
        self.assertNotIn("host_cpuid", self.rows("SELECT name FROM recording"))
        self.assertEqual(self.rows("SELECT count(*) FROM host_cpuid"), [str(len(host["cpuid"]))])

    def test_anonymous_recordings_have_no_directories(self):
        self.run_vmm("--anonymous")
        self.assertEqual([row["path"] for row in self.stat()["files"] if "/" in row["path"]], [])
        self.assertEqual(self.rows(f"SELECT count(*) FROM option WHERE value LIKE '%{os.path.dirname(self.large)}%'"), ["0"])

    def test_options_that_are_no_facts_are_shown_as_nothing(self):
        self.run_vmm()
        for value in ("[[1]]", "[[[1], {}, null, true]]", "{", "7", "", '{"path": [1], "size": "x"}', "[" * 5000, "[1, 2]"):
            subprocess.run(["sqlite3", self.path("q.db"), f"UPDATE option SET value = '{value}' WHERE name IN ('host_cpuid', "
                            "'host_capabilities', 'host_kvm_parameters') OR name GLOB 'host_file_*'"], check=True)
            self.stat()
            for view in ("host_cpuid", "host_capability", "host_parameter", "host_file"):
                self.rows(f"SELECT * FROM {view}")
            result = subprocess.run([HWACCL, "stat", "--host", self.path("q.db")], capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
