#!/usr/bin/env python3
"""What `hwaccl explain` says about one exit of every kind: a table of the assembly guests, and recordings with little in them."""
import json
import os
import sqlite3
import subprocess

from hwaccl_cli import HELLO, CommandTest, main

SOURCE = os.environ["HWACCL_SOURCE"]

# guest: [(which exit, a condition of the view exits; what is said)]
TABLE = {
    "cpuid": [("reason = 'CPUID'", ["executed 'cpuid' at", "leaf 0x0", "rbx: 0 -> 756e6547", "RIP advances by the instruction's 2"])],
    "control_register": [("cr = 0 AND cr_access = 'to'", ["cr0 <- rax", "rax held 0x11", "verdict resume", "cr0_shadow: "])],
    "msr": [("reason = 'WRMSR'", ["IA32_SYSENTER_CS <- 0x8", "sysenter_cs: 0 -> 8"]), ("reason = 'RDMSR'", ["RDMSR: IA32_"])],
    "mov_dr": [("reason = 'MOV DR'", ["dr0 <- rax", "rax held 0x11110000", "processor dr[0]: 0x0 -> 0x11110000"])],
    "hlt": [("reason = 'HLT'", ["executed 'hlt'", "waited in HLT until", "raised interrupt line 0",
                                "pic master.irr: 0x0 (none) -> 0x1 (IRQ 0)", "outcome halted",
                                "RIP advances by the instruction's 1 byte to"]),
            ("id = (SELECT id FROM irq_handoffs WHERE outcome = 'taken')", ["(IRQ 0 of the 8259s) was offered before the entry; the "
                                                                         "guest took it"]),
            ("io_port = 67", ["port 0x43", "value 0x", "that is the device pit", "pit "])],
    "device_memory": [("ept_read = 1", ["EPT violation: read 0xb8000", "no device is there", "'bsr cx, word ptr es:[bx]'", "rcx: 7 -> f"]),
                      ("ept_write = 1", ["EPT violation: write 0x"])],
    "triple_fault": [("reason = 'triple fault'", ["ended the guest: triple fault"])],
    "vmcall": [("reason = 'VMCALL'", ["executed 'vmcall'"])],
    "cache": [("reason = 'INVD'", ["executed 'invd'", "no device changed"])],
    "io_string": [("io_string = 1", ["port", "byte(s) of guest memory at"])],
    "preemption_timer": [("reason = 'preemption timer'", ["was at", "verdict resume", "RIP stays"])],
}


class Explain(CommandTest):
    def record(self, name, binary):
        recording = self.path(name + ".db")
        self.run_hwaccl("record", "--accel", "soft", "--raw", binary + "@0x7c00", "--memory", "16M", "--clock", "virtual",
                        "--console", "/dev/null", "--keyframe-interval", "16", "-o", recording)
        return recording

    def query(self, recording, statement):
        connection = sqlite3.connect(recording)
        row = connection.execute(statement).fetchone()
        connection.close()
        return row[0] if row else None

    def explain(self, recording, exit_number, *options):
        done = self.succeed("explain", "--json", *options, recording, str(exit_number))
        document = json.loads(done.stdout)
        self.assertEqual(document["exit"], exit_number)
        return document, "\n".join(f"{sentence['topic']}: {sentence['text']}" for sentence in document["sentences"])

    def test_exits_of_every_kind(self):
        for name, rows in TABLE.items():
            binary = self.path(name + ".bin")
            subprocess.run(["nasm", "-f", "bin", "-w-all", "-I", os.path.join(SOURCE, "tests/guests/"), "-o", binary,
                            os.path.join(SOURCE, "tests/guests", name + ".asm")], check=True)
            recording = self.record(name, binary)
            for condition, parts in rows:
                number = self.query(recording, f"SELECT min(exit) FROM exits WHERE {condition}")
                self.assertIsNotNone(number, f"{name}: {condition}")
                document, text = self.explain(recording, number)
                self.assertFalse(document["diverged"])
                for part in [*parts, "guest: ", "decided: verdict ", "time: entered at"]:
                    self.assertIn(part, text, f"{name}: {condition}")
                self.assertEqual(text.count(" ns after the exit before"), 1 if number else 0)

    def test_text_has_what_json_has(self):
        recording = self.record("hello", self.write("hello.bin", HELLO))
        document, _ = self.explain(recording, 2)
        lines = self.succeed("explain", recording, "2").stdout.splitlines()
        self.assertEqual(lines[0], "exit 2 of vCPU 0")
        self.assertEqual([line[11:] for line in lines[1:]], [sentence["text"] for sentence in document["sentences"]])
        self.assertIn("printed 'l' on debug port e9h (6c)", "\n".join(lines))
        self.refuse("explain", recording, mention="no exit given")
        self.refuse("explain", recording, "1..2", mention="expected the number of one exit")
        self.refuse("explain", recording, "1000", mention="no exit 1000")

    def test_what_is_not_known_is_said(self):
        recording = self.record("hello", self.write("hello.bin", HELLO))
        self.change(recording, "INSERT INTO option (name, value) VALUES ('vmm', 'other')")
        _, text = self.explain(recording, 2)
        self.assertIn("device: not known: another VMM (other) handled these exits", text)
        last = self.query(recording, "SELECT max(id) FROM exit")
        self.change(recording, f"UPDATE exit SET outcome = NULL, rip_advance = NULL, verdict = NULL WHERE id = {last}")
        _, text = self.explain(recording, last)
        self.assertIn("time: entered at", text)
        self.change(recording, f"UPDATE exit SET host_handler = NULL WHERE id = {last}")
        _, text = self.explain(recording, last)
        self.assertIn("time: not all times of this exit are known", text)
        self.assertIn("verdict not known, outcome not known; the RIP that it left is not known", text)

    def test_an_advance_by_twice_the_instruction_is_named(self):
        recording = self.record("hello", self.write("hello.bin", HELLO))
        self.change(recording, "UPDATE exit SET rip_advance = 2 * rip_advance WHERE id = 2")
        done = self.run_hwaccl("explain", recording, "2")
        self.assertIn("RIP advances by twice the instruction's 2 bytes", done.stdout)
        self.assertIn("differs from the recorded one", done.stderr)


if __name__ == "__main__":
    main()
