#!/usr/bin/env python3
"""--machine and --device: what the guest gets, what the recording says, and that a replay builds the same."""
import os
import subprocess

from hwaccl_cli import CommandTest, HELLO, main

SOURCE = os.environ.get("HWACCL_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ["HWACCL_BUILD"]
WITH_APIC = ["apic_nmi", "apic_priority", "apic_timer", "apic_x2", "io_apic", "testdev"]


class Machine(CommandTest):
    def guest(self, name, database, *options, status=0):
        image = os.path.join(BUILD, "guests", f"{name}.bin")
        self.succeed("record", "--accel", "soft", "--clock", "virtual", "--raw", f"{image}@0x7c00", "--memory", "8M", "--force",
                     "--console", self.path("console"), "--expect-exit", "0", "--keyframe-interval", "4", *options, "-o",
                     self.path(database), status=status)
        return self.path(database)

    def option(self, database, name):
        rows = self.query(database, "SELECT value FROM option WHERE name = ?", name)
        return rows[0][0] if rows else None

    def divergences(self, database):
        done = self.run_hwaccl("replay", "--json", database)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return '"divergences": 0' not in done.stdout.replace('"divergences":0', '"divergences": 0')

    def test_two_recordings_of_each_controllers_paths_are_identical(self):
        for name in WITH_APIC:
            with self.subTest(guest=name):
                rows = [subprocess.run([os.path.join(SOURCE, "tests", "drivers", "dump_guest_rows"),
                                        self.guest(name, "rows.db", "--device", "testdev")],
                                       stdout=subprocess.PIPE, check=True).stdout for _ in range(2)]
                self.assertGreater(len(rows[0]), 20000)
                self.assertEqual(rows[0], rows[1])

    def test_the_recording_says_which_machine_it_was(self):
        for options, machine, device in ((["--machine", "pic"], "pic", None), (["--machine", "apic"], "apic", None), ([], "apic", None),
                                         (["--device", "testdev"], "apic", "testdev")):
            path = self.guest("hlt", "machine.db", *options)
            self.assertEqual((self.option(path, "machine"), self.option(path, "device")), (machine, device))
            devices = {row[0] for row in self.query(path, "SELECT device FROM device_field")}
            self.assertEqual("local_apic" in devices and "io_apic" in devices, machine == "apic")
            self.assertEqual("testdev" in devices, device is not None)
            self.assertFalse(self.divergences(path))

    def test_a_guest_without_apics_misses_them(self):
        self.guest("apic_priority", "none.db", "--machine", "pic", status=1)
        self.assertIn(b"FAIL apic_priority: version", self.read(self.path("console")))

    def test_the_machine_of_a_recording_is_not_another(self):
        path = self.guest("io_apic", "other.db")
        self.change(path, "UPDATE option SET value = 'pic' WHERE name = 'machine'")
        self.refuse("replay", path, mention=[path, "processor", "apic_base"])

    def test_a_recording_that_does_not_say_has_the_8259s(self):
        path = self.guest("irq_slave", "old.db", "--machine", "pic")
        self.assertEqual(self.change(path, "DELETE FROM option WHERE name = 'machine'"), 1)
        self.assertFalse(self.divergences(path))

    def test_unknown_machines_and_devices_are_refused(self):
        for option, text in (("machine", "expected pic or apic"), ("device", "expected testdev")):
            self.refuse("record", f"--{option}", "toaster", "--raw", "x@0x7c00", "--no-db", mention="'toaster'")
            path = self.record(f"{option}.db", HELLO, status=0)
            self.change(path, f"INSERT OR REPLACE INTO option VALUES ('{option}', 'toaster')")
            self.refuse("replay", path, mention=[path, "'toaster'", text])


if __name__ == "__main__":
    main()
