#!/usr/bin/env python3
"""What `hwaccl explain-state` says about dumps: a table of samples, and of some that are sound.

The samples, tests/fuzz/corpus/dump/, were written for this test in the formats of the VMMs (replay/postmortem/dump/dump.h).
"""
import json
import os
import subprocess

from hwaccl_cli import HELLO, HWACCL, CommandTest, main

SAMPLES = os.path.join(os.environ["HWACCL_SOURCE"], "tests/fuzz/corpus/dump")

# sample: format, mode, identifier of the first finding (None: nothing is broken), parts of what is printed
TABLE = {
    "linux_vmcs_injection": ("VMCS", "64-bit mode, ring 0, 4-level paging", "event-injection",
                             ["external interrupt (vector d1h), but RFLAGS.IF is clear (rflags is 2)"]),
    "linux_vmcs_sound": ("VMCS", "64-bit mode, ring 0, 4-level paging", None, ["I/O instruction: IN of 2 bytes from port 60h"]),
    "linux_vmcb": ("VMCB", "64-bit mode, ring 0, 4-level paging", "entry-check", ["CR0.NW is set but CD is clear", "VMEXIT_INVALID",
                   "EVENTINJ 80000030: external interrupt (vector 30h)"]),
    "xen_vmcs_cr3": ("VMCS", "64-bit mode, ring 0, 4-level paging", "entry-check",
                     ["CR3 has bits beyond the physical-address width set (cr3 is 8000000012345080; 12345080 would be right)"]),
    "qemu_delivery": ("QEMU", "64-bit mode, ring 0, 4-level paging", "delivery-event",
                      ["#PF (vector 14, error code)", "EPT misconfiguration at guest-physical 418442c90",
                       "=> ffffffff815dfbe8  0f 30", "wrmsr"]),
    "qemu_entry_failed": ("QEMU", "real mode, no paging", "real-mode-segment",
                          ["GS limit is ffffffff in real mode", "only ffff can be entered", "=>     7c42  cd 10", "int 0x10"]),
    "qemu_halt": ("QEMU", "real mode, no paging", "dead-halt", ["halts with interrupts off"]),
    "qemu_rsm": ("QEMU", "real mode, no paging", "rsm-outside-smm", ["could not emulate the guest's instruction 'rsm'"]),
    "qemu_simultaneous": ("QEMU", "real mode, no paging", "simultaneous-exceptions",
                          ["#DF (vector 8, error code) was raised while the processor delivered NMI",
                           "IDT-vectoring information 80000202: NMI"]),
    "qemu_sound": ("QEMU", "real mode, no paging", None, ["int 0x10"]),
    "qemu_unexpected": ("QEMU", "mode not known", "unexpected-exit", ["UMWAIT"]),
    "qemu_vga_hole": ("QEMU", "64-bit mode, ring 0, 4-level paging", "runs-off",
                      ["b0000: the legacy VGA range, which is no memory", "nested page fault (NPF)", "could not be read"]),
    "qemu_zeros": ("QEMU", "protected mode, 32-bit code, ring 0, no paging", "zeros",
                   ["memory that nothing wrote", "fill pattern (af)"]),
    "virtualbox_guru": ("VirtualBox", "real mode, no paging", "real-mode-segment",
                        ["GS limit is ffffffff", "HM error 570): GS limit is not ffff in virtual-8086 mode"]),
    "bhyve_svm": ("bhyve", "mode not known", "exit", ["SVM exit code 88h: ICEBP", "bhyve has no handler"]),
    "bhyve_vmx": ("bhyve", "mode not known", "exit", ["control-register access: LMSW", "bhyve has no handler"]),
}


class ExplainState(CommandTest):
    def test_every_sample_of_the_table(self):
        self.assertEqual(sorted(TABLE), sorted(name[:-4] for name in os.listdir(SAMPLES)))
        for name, (form, mode, first, parts) in TABLE.items():
            path = os.path.join(SAMPLES, name + ".txt")
            text = self.run_hwaccl("explain-state", path)
            self.assertEqual(text.returncode, 1 if first else 0, name + text.stderr)
            document = json.loads(self.run_hwaccl("explain-state", "--json", path).stdout)
            self.assertTrue(document["format"].startswith(form), name)
            self.assertEqual(document["mode"], mode, name)
            broken = [finding["id"] for finding in document["findings"] if finding["severity"] == "broken"]
            self.assertEqual(broken[:1], [first] if first else [], name)
            for part in parts:
                self.assertIn(part, text.stdout, name)
            self.assertEqual(document["further_dumps"], 0, name)

    def explain(self, data, *options):
        return subprocess.run([HWACCL, "explain-state", *options], input=data, capture_output=True, timeout=100, check=False)

    def test_a_text_in_a_pipe_with_two_dumps(self):
        text = self.read(os.path.join(SAMPLES, "qemu_halt.txt"))
        done = self.explain(text + text.replace(b"EIP=00007c42", b"EIP=00001234"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"\nrip: 7c42\n", done.stdout)
        self.assertIn(b"1 more dump", done.stdout)
        done = self.explain(text + text.replace(b"EIP=00007c42", b"EIP=00001234"), "--number", "2")
        self.assertIn(b"\nrip: 1234\n", done.stdout)
        self.assertNotIn(b"more dump", done.stdout)
        done = self.explain(text, "-n2")
        self.assertEqual((done.returncode, done.stderr), (2, b"hwaccl explain-state: standard input: no dump 2: the text has 1\n"))

    def test_our_own_states_are_read(self):
        guest = self.write("guest.bin", HELLO)
        self.succeed("record", "--accel", "soft", "--raw", guest + "@0x7c00", "--clock", "virtual", "--console", "/dev/null",
                     "-o", self.path("x.db"))
        state = self.succeed("state", "--json", self.path("x.db"), "6").stdout
        done = self.explain(state.encode(), "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        registers = json.loads(state)["registers"]
        self.assertEqual(document["state"], {name: values["exit"] for name, values in registers.items()})
        page = bytearray(512)
        for name, offset in (("rip", 176), ("cr0", 192), ("cr4", 216), ("rflags", 232)):
            page[offset:offset + 8] = int(document["state"][name], 0).to_bytes(8, "little")
        done = self.explain(bytes(page), "--json")
        self.assertEqual(done.returncode, 1)
        document = json.loads(done.stdout)
        self.assertEqual(document["format"], "Muen subject state")
        self.assertIn("CS is neither accessed code nor read/write data (cs_access_rights is 0; b would be right)",
                      [finding["text"] for finding in document["findings"]])

    def test_what_is_not_understood(self):
        for text, mention in ((b"", b"0 lines"), (b"to be or not to be\n", b"supported: VMCS of Linux or Xen"),
                              (b"\nRAX=quite RBX=0\n", b"line 2: expected a number in 'RAX=quite RBX=0'"),
                              (b"\0" * 511, b"known format"), (b"x" * ((16 << 20) + 1), b"longer than 16 MiB")):
            done = self.explain(text)
            self.assertEqual((done.returncode, done.stdout), (2, b""), text[:40])
            self.assertEqual(done.stderr.count(b"\n"), 1)
            self.assertIn(mention, done.stderr)
        self.refuse("explain-state", self.path("none"), mention="none: cannot read")


if __name__ == "__main__":
    main()
