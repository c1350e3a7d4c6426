#!/usr/bin/env python3
"""What `hwaccl report` finds: a table of guests that fail, and of some that nearly do.

The table is tests/postmortem/*.asm. Each guest says in its own lines what its report must say:

    ;@ finding RULE   identifier of the first finding
    ;@ status N       exit status
    ;@ says TEXT      part of the first finding: title, facts or advice
    ;@ also TEXT      part of the report
    ;@ never TEXT     part of no finding
    ;@ nearly RULE    what the guest does is nearly the rule's case: the rule finds nothing
    ;@ record OPTIONS more options of `hwaccl record`
    ;@ slow           the guest makes no exits: --timeout ends it, the longer the more the machine has to do
    ;@ edit SQL       done to the recording before the report
"""
import concurrent.futures
import glob
import json
import os
import re
import subprocess

from hwaccl_cli import CommandTest, main

SOURCE = os.environ["HWACCL_SOURCE"]


class Report(CommandTest):
    def lines(self, source, key):
        with open(source, encoding="utf-8") as file:
            return re.findall(rf"^;@ {key} (.*)$", file.read(), re.M)

    def report(self, source, seconds="15"):
        """Assemble, record and report; the recording and its report."""
        name = os.path.splitext(os.path.basename(source))[0]
        binary, recording = self.path(name + ".bin"), self.path(name + ".db")
        subprocess.run(["nasm", "-f", "bin", "-w-all", "-I", os.path.join(SOURCE, "tests/guests/"), "-o", binary, source],
                       check=True)
        more = " ".join(self.lines(source, "record")).replace("{disk}", self.write(name + ".img", bytes(65536))).split()
        done = self.run_hwaccl("record", "--accel", "soft", "--raw", binary + "@0x7c00", "--memory", "16M", "--clock",
                               "virtual", "--timeout", seconds, "--max-exits", "20000", "--force", *more, "-o", recording)
        self.assertTrue(os.path.exists(recording), done)
        for statement in self.lines(source, "edit"):
            self.assertGreater(self.change(recording, statement), 0, f"{name}: {statement}")
        return recording, self.run_hwaccl("report", "--json", recording)

    def check_guest(self, source):
        """What is wrong with the report about one guest, as text."""
        times = ("0.3", "3", "15") if ";@ slow" in self.read(source).decode() else ("15",)
        for seconds in times:
            wrong = self.wrong_in(source, seconds)
            if not wrong:
                break
        return wrong

    def wrong_in(self, source, seconds):
        _, done = self.report(source, seconds)
        wrong = []
        expected = int(self.lines(source, "status")[0])
        if done.returncode != expected:
            wrong.append(f"status {done.returncode}, not {expected}")
        try:
            first = json.loads(done.stdout)["findings"][0]
        except ValueError:
            return f"{os.path.basename(source)}: no JSON: {done.stdout[:500]} {done.stderr}"
        text = "\n".join([first["title"], *(fact["text"] for fact in first["facts"]), *first["advice"]])
        for rule in self.lines(source, "finding"):
            if first["id"] != rule:
                wrong.append(f"{first['id']}, not {rule}")
        wrong += [f"does not say '{part}'" for part in self.lines(source, "says") if part not in text]
        wrong += [f"does not mention '{part}'" for part in self.lines(source, "also") if part not in done.stdout]
        wrong += [f"says '{part}'" for part in self.lines(source, "never") if part in done.stdout]
        found = [finding["id"] for finding in json.loads(done.stdout)["findings"]]
        wrong += [f"{rule} is found" for rule in self.lines(source, "nearly") if rule in found]
        return f"{os.path.basename(source)}: {'; '.join(wrong)}:\n{text}\n" if wrong else ""

    def test_every_guest_of_the_table(self):
        sources = sorted(glob.glob(os.path.join(SOURCE, "tests/postmortem/*.asm")))
        self.assertTrue(sources)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.assertEqual("".join(pool.map(self.check_guest, sources)), "")

    def test_every_rule_has_a_guest_that_triggers_it_and_one_that_nearly_does(self):
        rules, table = set(), {"finding": set(), "nearly": set()}
        for source in glob.glob(os.path.join(SOURCE, "replay/postmortem/rules/*.c")):
            with open(source, encoding="utf-8") as file:
                rules.update(re.findall(r'\.id = "(.*)"', file.read()))
        for source in glob.glob(os.path.join(SOURCE, "tests/postmortem/*.asm")):
            for key, found in table.items():
                found.update(self.lines(source, key))
        self.assertGreater(len(rules), 10)
        # needs calls of another VMM, which no guest of ours has
        elsewhere, proof = {"raised-line"}, "test_the_report_names_a_line_that_stays_raised"
        with open(os.path.join(SOURCE, "tests/integration/test_record_vmm_calls.py"), encoding="utf-8") as file:
            self.assertIn(proof, file.read())
        self.assertEqual(table, {"finding": rules - elsewhere, "nearly": rules - elsewhere})

    def facts(self, recording):
        first = json.loads(self.succeed("report", "--json", recording, status=1).stdout)["findings"][0]
        self.assertEqual(first["id"], "triple-fault")
        return [fact["text"] for fact in first["facts"]]

    def test_faults_that_were_not_recorded_are_derived_as_they_were(self):
        """The processor shows no chain (KVM, Muen): the same comes of registers and memory."""
        no_table = "0f 01 1e 80 7c "  # lidt [7c80h]: limit and base 0
        for name, code in (
                ("UD2", no_table + "0f 0b"), ("INT n", no_table + "cd 20"), ("INT3", no_table + "cc"),
                # mov ax, [ffffh]
                ("segment limit", no_table + "a1 ff ff"),
                # mov sp, 1; int 20h
                ("no room on the stack", "bc 01 00 cd 20"),
                # xor bx, bx; div bx
                ("DE", no_table + "31 db f7 f3"),
                # mov eax, 10000h; mov cr3, eax; mov eax, cr0; or eax, 80000001h; mov cr0, eax
                ("paging without tables", "66 b8 00 00 01 00 0f 22 d8 0f 20 c0 66 0d 01 00 00 80 0f 22 c0 90")):
            with self.subTest(name):
                guest, recording = self.write("guest", bytes.fromhex(code).ljust(0x90, b"\0")), self.path("guest.db")
                self.succeed("record", "--accel", "soft", "--clock", "virtual", "--raw", guest + "@0x7c00", "--memory",
                             "16M", "--timeout", "20", "--force", "-o", recording, status=1)
                recorded = [text for text in self.facts(recording) if "was not delivered" in text]
                self.assertGreater(len(recorded), 1)
                self.change(recording, "DELETE FROM fault")
                facts = self.facts(recording)
                self.assertEqual([text for text in facts if "was not delivered" in text], recorded)
                self.assertIn("derived from the registers", "".join(facts))
                self.change(recording, "UPDATE page SET zstd = x'00'")
                if name != "paging without tables":  # all bytes that this one reads are zeros
                    self.assertIn("memory that it needs is not known", "".join(self.facts(recording)))
                self.change(recording, "DELETE FROM memory_range")
                self.assertIn("the faults cannot be derived: the guest's memory was not kept", self.facts(recording))

    def test_the_text_begins_with_the_first_finding_and_names_exits(self):
        recording, _ = self.report(os.path.join(SOURCE, "tests/postmortem/noeoi.asm"))
        text = self.succeed("report", recording, status=1).stdout
        first = json.loads(self.succeed("report", "--json", recording, status=1).stdout)["findings"][0]
        self.assertEqual(text.splitlines()[0], first["title"])
        self.assertIn("exit      14  HLT at 0000:7c55h (hlt)", text)
        self.assertRegex(text, r"rip +[0-9a-f]+ +(handling of exit|the guest)")

    def test_the_ledger_has_the_way_of_each_interrupt(self):
        recording, done = self.report(os.path.join(SOURCE, "tests/postmortem/slave_noeoi.asm"))
        events = [event["text"] for event in json.loads(done.stdout)["interrupts"]]
        way = ["line 8 asserted", "vector 0x48 offered", "vector 0x48 taken", "line 8 lowered", "EOI to port 0x20"]
        self.assertEqual([event for event in events if event in way], way, events)
        self.assertEqual(self.query(recording, "SELECT event FROM irq_ledger WHERE vector = '0x48' ORDER BY id, step"),
                         [("offered",), ("taken",)])

    def test_code_and_backtrace_are_those_of_the_memory_at_the_end(self):
        guest = self.write("calls.asm", b'%include "guest.inc"\n GUEST "calls"\n call one\n hlt\none: push bp\n mov bp, sp\n'
                                        b' call two\n hlt\ntwo: push bp\n mov bp, sp\n cli\n hlt\n')
        _, done = self.report(guest)
        report = json.loads(done.stdout)
        self.assertEqual([frame["guess"] for frame in report["backtrace"]], [False, False], report["backtrace"])
        self.assertIn("hlt", [line["text"] for line in report["code"]])

    def test_a_vcpu_that_is_not_there(self):
        self.refuse("report", "--vcpu", "7", self.record(), mention="no virtual CPU 7")


if __name__ == "__main__":
    main()
