#!/usr/bin/env python3
"""hwaccl show, state and stat say what the documented views say."""
import json

from hwaccl_cli import HELLO, CommandTest, counter, main



class Tables(CommandTest):
    def setUp(self):
        super().setUp()
        self.recording = self.record(guest=HELLO)

    def show(self, *arguments):
        return json.loads(self.succeed("show", "--json", *arguments, self.recording).stdout)

    def test_show_lists_every_exit_as_the_view_does(self):
        rows = self.query(self.recording, "SELECT exit, reason, reason_number, detail, rip, verdict, outcome, "
                          "entry_ns, guest_ns FROM exits WHERE vcpu = 0 ORDER BY exit")
        shown = self.show()
        self.assertGreater(len(rows), 5)
        self.assertEqual([tuple(row[name] for name in ("exit", "reason", "reason_number", "detail", "rip", "verdict",
                                                       "outcome", "entry_ns", "guest_ns")) for row in shown], rows)
        lines = self.succeed("show", self.recording).stdout.splitlines()
        self.assertEqual(lines[0].split(), ["exit", "time", "reason", "detail", "rip", "verdict", "outcome"])
        self.assertEqual(len(lines), len(rows) + 1)
        self.assertEqual(len({line.index(" resume") if " resume" in line else line.index(" emulate")
                              for line in lines[1:]}), 1, "the columns are not aligned")

    def test_show_has_the_time_of_the_exit_not_of_the_entry(self):
        self.change(self.recording, "UPDATE exit SET host_guest = 18000000000 WHERE id = 2")
        exit_ns = self.query(self.recording, "SELECT entry_ns + guest_ns FROM exits WHERE exit = 2")[0][0]
        self.assertEqual(self.show()[2]["exit_ns"], exit_ns)
        self.assertEqual(self.succeed("show", self.recording, 2).stdout.splitlines()[1].split()[1],
                         f"{exit_ns // 10**9}.{exit_ns % 10**9:09d}")

    def test_show_filters(self):
        everything = self.show()
        self.assertEqual(self.show("--reason", "30"), [row for row in everything if row["reason_number"] == 30])
        self.assertEqual(self.show("--reason", "cpuid", "--reason", "wbinvd"),
                         [row for row in everything if row["reason_number"] in (10, 54)])
        self.assertEqual(self.show("--rip", "0x7c0f..0x7c13"),
                         [row for row in everything if 0x7c0f <= int(row["rip"], 16) <= 0x7c13])
        self.assertEqual(self.show("--from", 2, "--to", 4), everything[2:5])
        self.assertEqual(self.show("--limit", 3), everything[:3])
        self.assertEqual(self.show("--reason", "rdmsr"), [])
        self.assertEqual(self.succeed("show", "--reason", "rdmsr", self.recording).stdout.count("\n"), 1)

    def test_show_disassembles(self):
        shown = self.show("--disasm", "--reason", "cpuid")
        self.assertEqual([row["instruction"] for row in shown], ["cpuid"])
        self.assertIn("cpuid", self.succeed("show", "--disasm", self.recording).stdout)
        self.assertNotIn("instruction", self.show()[0])

    def test_show_decodes_qualifications(self):
        self.assertLessEqual({"out port 0xe9, 1 byte", "out port 0xf4, 1 byte", "leaf 0x0, subleaf 0x0"},
                             {row["detail"] for row in self.show()})

    def test_state_agrees_with_the_registers_view_at_every_exit(self):
        names = [row[0] for row in self.query(self.recording, "SELECT name FROM pragma_table_info('registers')")]
        for number in range(len(self.show())):
            state = json.loads(self.succeed("state", "--json", self.recording, number).stdout)
            self.assertEqual((state["vcpu"], state["exit"]), (0, number))
            rows = self.query(self.recording, "SELECT * FROM registers WHERE vcpu = 0 AND exit = ?", number)
            self.assertEqual(len(rows), 2)
            for row in rows:
                row = dict(zip(names, row))
                for name, moments in state["registers"].items():
                    self.assertEqual(moments[row["moment"]], row[name], (number, row["moment"], name))

    def test_state_after_handling_is_the_next_entry(self):
        before = json.loads(self.succeed("state", "--json", self.recording, 3).stdout)["registers"]
        after = json.loads(self.succeed("state", "--json", self.recording, 4).stdout)["registers"]
        for name, moments in before.items():
            self.assertEqual(moments["handled"], after[name]["entry"], name)
            self.assertEqual(moments["changed"], len({moments["entry"], moments["exit"], moments["handled"]}) > 1)

    def test_state_marks_what_changed(self):
        cpuid = self.show("--reason", "cpuid")[0]["exit"]
        lines = self.succeed("state", self.recording, cpuid).stdout.splitlines()
        rbx = next(line for line in lines if line.startswith("rbx "))
        self.assertEqual(rbx.split().count("*"), 1)
        changed = self.succeed("state", "--changed", self.recording, cpuid).stdout.splitlines()
        self.assertLess(len(changed), len(lines))
        self.assertTrue(all("*" in line for line in changed[1:]))

    def test_stat_counts_as_the_view_does(self):
        rows = dict(self.query(self.recording, "SELECT reason, exits FROM exit_statistics"))
        report = json.loads(self.succeed("stat", "--json", self.recording).stdout)
        self.assertEqual({row["reason"]: row["exits"] for row in report["reasons"]}, rows)
        self.assertEqual(report["total"]["exits"], sum(rows.values()))
        self.assertAlmostEqual(sum(row["share"] for row in report["reasons"]), 1)
        for row in report["reasons"] + [report["total"]]:
            for spread in (row["handler_ns"], row["guest_ns"]):
                self.assertLessEqual(spread["min"], spread["mean"])
                self.assertLessEqual(spread["mean"], spread["max"])
        counts = [row["exits"] for row in report["reasons"]]
        self.assertEqual(counts, sorted(counts, reverse=True))

    def test_stat_sorts(self):
        for key, value in (("time", lambda row: -row["handler_ns"]["sum"]), ("guest", lambda row: -row["guest_ns"]["sum"]),
                           ("reason", lambda row: row["reason_number"])):
            reasons = json.loads(self.succeed("stat", "--json", "--sort", key, self.recording).stdout)["reasons"]
            self.assertEqual(reasons, sorted(reasons, key=value), key)
        self.assertIn("total", self.succeed("stat", self.recording).stdout)

    def test_stat_with_budgets(self):
        counts = dict(self.query(self.recording, "SELECT reason, exits FROM exit_statistics"))
        total, cpuid = sum(counts.values()), counts["CPUID"]
        self.succeed("stat", "--max", f"total:{total}", "--max", f"CPUID:{cpuid}", "--max", "monitor:0",
                     "--max-handler-time", "total:1000", self.recording)
        done = self.succeed("stat", "--max", f"total:{total - 1}", "--max", f"10:{cpuid - 1}", "--max", "monitor:0", self.recording,
                            status=1)
        self.assertTrue(done.stdout.endswith(f"over budget: total: {total} exits; at most {total - 1}\n"
                                             f"over budget: CPUID: {cpuid} exits; at most {cpuid - 1}\n"), done.stdout)
        done = self.succeed("stat", "--max-handler-time", "cpuid:0.000000001", "--json", self.recording, status=1)
        (budget,) = json.loads(done.stdout)["budgets"]
        self.assertEqual((budget["reason"], budget["of"], budget["limit"], budget["exceeded"]), ("CPUID", "handler_ns", 1, True))
        for wrong in ("cpuid", "cpuid:", "boredom:1", ":1", "cpuid:-1"):
            self.refuse("stat", "--max", wrong, self.recording, mention=f"'{wrong}'")
            self.refuse("stat", "--max-handler-time", wrong, self.recording, mention=f"'{wrong}'")

    def test_stat_of_a_range(self):
        report = json.loads(self.succeed("stat", "--json", self.recording, "2..4").stdout)
        self.assertEqual(report["total"]["exits"], 3)

    def test_check_finds_nothing_in_a_good_recording(self):
        self.assertRegex(self.succeed("check", self.recording).stdout, r"^\d+ exits, no problem found\n$")
        report = json.loads(self.succeed("check", "--json", self.recording).stdout)
        self.assertEqual((report["findings"], report["complete"]), ([], True))

    def test_check_names_what_is_wrong(self):
        self.change(self.recording, "DELETE FROM exit WHERE id = 3")
        done = self.run_hwaccl("check", self.recording)
        self.assertIn(done.returncode, (1, 2), done.stdout)
        self.assertTrue((done.stdout + done.stderr).strip())

    def test_a_guest_cannot_steer_the_terminal(self):
        recording = self.record("evil.db", guest=counter(3), options=["--until", "x"])
        self.change(recording, "UPDATE instruction SET text = 'a' || char(27) || '[31mb'",
                    "UPDATE option SET value = 'a' || char(27) || 'b' WHERE name = 'accel'")
        self.assertIn("a?[31mb", self.succeed("show", "--disasm", recording).stdout)
        for arguments in (["show", "--disasm", recording], ["stat", recording], ["replay", recording], ["check", recording]):
            done = self.run_hwaccl(*arguments)
            self.assertNotIn("\x1b", done.stdout + done.stderr)

    def test_a_long_table_streams_and_stays_aligned(self):
        recording = self.record("long.db", guest=counter(2000))
        lines = self.succeed("show", recording).stdout.splitlines()
        self.assertEqual(len(lines), 2002)
        self.assertEqual(len({line.index("I/O instruction") for line in lines[1:]}), 1)


if __name__ == "__main__":
    main()
