#!/usr/bin/env python3
"""tests/differential/compare, which compares guests under several accelerators, can fail: differences are planted."""
import gzip
import os
import shutil
import subprocess
import tempfile

from hwaccl_cli import BUILD, HWACCL, CommandTest, main

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GUEST = "cpuid"
SOURCE = os.path.join(TESTS, "guests", GUEST + ".asm")
LAST = "(SELECT max(id) FROM exit)"


class Differential(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.TemporaryDirectory(prefix="hwaccl-test.")
        cls.addClassCleanup(cls.made.cleanup)
        cls.soft = os.path.join(cls.made.name, "soft")
        start = os.path.join(cls.soft, "starts", GUEST)
        os.makedirs(start)
        with open(os.path.join(start, "options"), "w", encoding="utf-8") as file:
            file.write(f"--raw\n{BUILD}/guests/{GUEST}.bin@0x7c00\n")
        with open(os.path.join(start, "disk0"), "w", encoding="utf-8") as file:
            file.write("disk")
        subprocess.run([os.path.join(TESTS, "differential", "record_guest"), HWACCL, SOURCE, start, "soft"], cwd=cls.soft,
                       stdin=subprocess.DEVNULL, check=True, timeout=60)

    def setUp(self):
        super().setUp()
        os.makedirs(self.path("sources"))
        shutil.copytree(self.soft, self.path("soft"))
        self.reset()

    def reset(self):
        """Both sides are the same again."""
        shutil.rmtree(self.path("other"), ignore_errors=True)
        shutil.copytree(self.path("soft"), self.path("other"))

    def says(self, *lines):
        """What stands in the guest's source of differences."""
        with open(SOURCE, encoding="utf-8") as file:
            kept = [line for line in file if "differ" not in line]
        with open(self.path(f"sources/{GUEST}.asm"), "w", encoding="utf-8") as file:
            file.writelines([*kept, *(line + "\n" for line in lines)])

    def compare_with(self, *directories, kvm="box"):
        return subprocess.run([os.path.join(TESTS, "differential", "compare"), HWACCL, self.path("sources"),
                               *map(self.path, directories)], stdout=subprocess.PIPE, text=True, timeout=60, check=False,
                              env={**os.environ, "HWACCL_KVM": kvm})

    def compare(self, status, *mention, compared=1, failures=None, kvm="box"):
        done = self.compare_with("soft", "other", kvm=kvm)
        self.assertEqual(done.returncode, status, done.stdout)
        for text in mention:
            self.assertIn(text, done.stdout)
        failures = failures or (1 if status and compared else 0)
        self.assertIn(f"{compared} comparisons, {failures} with differences", done.stdout)

    def plant(self, sql):
        self.assertEqual(self.change(self.path(f"other/{GUEST}.db"), sql), 1)

    def plant_register(self, register):
        self.plant(f"UPDATE exit SET {register} = 23130 WHERE id = {LAST}")

    def plant_memory(self, change):
        path = self.path(f"other/{GUEST}.memory.gz")
        with gzip.open(path) as file:
            memory = bytearray(file.read())
        change(memory)
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(memory)

    def plant_byte(self, address):
        def change(memory):
            memory[address] ^= 0x80
        self.plant_memory(change)

    def test_the_same_is_the_same(self):
        self.says()
        self.compare(0)

    def test_every_kind_of_difference_is_found(self):
        self.says()
        for plant, mention in [
                (lambda: self.plant_register("rbx"), "\ncpuid under soft and other: rbx is "),
                (lambda: self.plant_register("rflags"), "rflags is "),
                (lambda: self.plant_register("interruptibility"), "interruptibility is "),
                (lambda: self.plant_byte(0), "memory at 0 has 00 and 80"),
                (lambda: self.plant_byte(-1), "memory at 3fffff has 00 and 80"),
                (lambda: self.plant_memory(lambda memory: memory.pop()), "memory has 4194304 and 4194303 bytes"),
                (lambda: self.plant("UPDATE effect SET data = X'21' WHERE exit = (SELECT min(exit) FROM effect WHERE kind = 1)"),
                 "the console has "),
                (lambda: self.plant("UPDATE status SET end_status = 2"), "the guest's end is 'exit code' and 'halted'"),
                (lambda: self.write(f"other/starts/{GUEST}/disk0", b"disc"), "the disks disk0 differ"),
                (lambda: os.remove(self.path(f"other/starts/{GUEST}/disk0")), "the disks disk0 differ"),
                (lambda: os.remove(self.path(f"other/{GUEST}.db")), "has no recording of cpuid")]:
            with self.subTest(mention):
                self.reset()
                plant()
                self.compare(1, mention.lstrip())

    def test_what_the_source_says_may_differ_and_nothing_else(self):
        self.plant_register("rbx")
        self.plant_byte(0x500)
        self.plant_byte(0x502)
        self.says(";@ differs rbx, memory 500-502: a reason")
        self.compare(0)
        self.says(";@ may differ rbx, memory 500-502: a reason")
        self.compare(0)
        self.says(";@ differs registers: a reason", ";@ differs memory 501-502: a reason")
        self.compare(1, "memory at 500 has")
        self.says(";@ differs memory 500-501: a reason", ";@ differs rbx: a reason")
        self.compare(1, "memory at 502 has")
        self.says(";@ may differ below-rsp: a reason", ";@ may differ memory 500-502: a reason")
        self.compare(1, "rbx is")

    def test_below_the_stack_pointer_are_64_bytes(self):
        self.says(";@ may differ below-rsp: a reason")
        for address, status in (0x7bff, 0), (0x7bc0, 0), (0x7bbf, 1), (0x7c00, 1):
            self.reset()
            self.plant_byte(address)
            self.compare(status, f"memory at {address:x}" if status else "")

    def test_what_the_source_says_differs_must(self):
        self.says(";@ differs rbx: a reason")
        self.compare(1, "cpuid: rbx does not differ, though the source says so")
        self.says(";@ differs memory 500-502: a reason")
        self.plant_byte(0x503)
        self.compare(1, "cpuid: memory 500-502 does not differ, though the source says so", "memory at 503", failures=2)
        self.reset()
        self.says(";@ may differ rbx: a reason", ";@ may differ memory 500-502: a reason")
        self.compare(0)

    def test_a_line_for_one_accelerator_is_for_that_one_only(self):
        self.says(";@ differs kvm rbx: a reason")
        self.compare(0)
        self.plant_register("rbx")
        self.compare(1, "rbx is")
        self.plant("UPDATE option SET value = 'kvm' WHERE name = 'accel'")
        self.compare(0)
        self.says(";@ differs kvm-box rbx: a reason")
        self.compare(0)
        self.compare(1, "rbx is", kvm="here")
        self.reset()
        self.plant("UPDATE option SET value = 'kvm' WHERE name = 'accel'")
        self.compare(1, "rbx does not differ, though")
        self.compare(0, kvm="here")
        self.says(";@ differs kvm rbx: a reason")
        self.compare(1, "rbx does not differ, though")

    def test_a_line_that_says_nothing_is_wrong(self):
        for line, mention in (";@ differs rbx", "no reason in: ;@ differs rbx"), (";@ differs rby: a reason", "there is no 'rby'"), \
                (";@ may differ kvm nothing: a reason", "there is no 'nothing'"):
            self.says(line)
            self.compare(1, mention)

    def test_a_guest_that_was_left_out_is_skipped_but_not_all(self):
        self.says(";@ differs rbx: a reason")
        os.remove(self.path(f"other/{GUEST}.db"))
        self.write(f"other/{GUEST}.messages", b"record_guest: left out\n")
        self.compare(1, "cpuid under other: record_guest: left out", compared=0)
        done = self.compare_with("soft", "other", "soft")
        self.assertIn("1 comparisons", done.stdout)
        self.assertIn("rbx does not differ", done.stdout)


if __name__ == "__main__":
    main()
