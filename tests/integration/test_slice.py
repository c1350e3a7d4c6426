#!/usr/bin/env python3
"""hwaccl slice: a piece of a recording is a recording, with the rows that a recorder would have written from there on."""
import gzip
import os
import random
import shutil
import subprocess
import unittest

from hwaccl_cli import BUILD, HWACCL, CommandTest, counter, main

SOURCE = os.environ["HWACCL_SOURCE"]
LOOP_VMM = os.path.join(BUILD, "embedding", "loop_vmm")
FIRMWARE = "/usr/share/seabios/bios-256k.bin"
DYING = bytes.fromhex("b9 d0 07 e6 80 e2 fc 2e 0f 01 1e 10 7c cd 03 f4 00 00 00 00 00 00")  # 2000 exits, a triple fault
NOT_ROWS_OF_EXITS = ("names", "moment", "sqlite_sequence", "option")


class Slice(CommandTest):
    def tables(self, path):
        return [name for name, in self.query(path, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
                if name not in NOT_ROWS_OF_EXITS]

    def assert_same(self, one, other):
        """All rows but that of the option which names the origin."""
        for table in self.tables(one):
            self.assertEqual(self.query(one, f"SELECT * FROM {table}"), self.query(other, f"SELECT * FROM {table}"), table)
        self.assertEqual(self.query(one, "SELECT * FROM option"),
                         self.query(other, "SELECT * FROM option WHERE name != 'slice'"))

    def slice(self, recording, exits, *options):
        path = self.path("slice.db")
        done = self.succeed("slice", recording, exits, "-o", path, "--force", *options)
        self.assertIn("no problem found", self.succeed("check", path).stdout)
        return path, done

    def registers(self, path, first, last, vcpu=0):
        return self.query(path, "SELECT * FROM register_values WHERE vcpu = ? AND exit BETWEEN ? AND ? ORDER BY exit, moment",
                          vcpu, first, last)

    def firmware(self, *options):
        path = self.path("boot.db")
        self.succeed("record", "--firmware", FIRMWARE, "--clock", "virtual", "--max-exits", "3000", "-q", "-o", path, *options)
        return path

    def test_all_exits_are_the_recording(self):
        recording = self.firmware()
        path, done = self.slice(recording, "0..")
        self.assertEqual(done.stdout, "exits 0 to 2999; replayed, as in the original: 0 divergences\n")
        self.assert_same(recording, path)
        self.assertEqual(self.query(path, "SELECT value FROM option WHERE name = 'slice'"),
                         [("exits 0 to 2999 of vCPU 0 of boot.db",)])

    def test_recordings_of_older_versions(self):
        for name in sorted(os.listdir(os.path.join(SOURCE, "tests", "compat"))):
            if name.endswith(".db.gz"):
                recording = self.path("old.db")
                with gzip.open(os.path.join(SOURCE, "tests", "compat", name)) as packed, open(recording, "wb") as out:
                    shutil.copyfileobj(packed, out)
                path, _ = self.slice(recording, "0..")
                self.succeed("upgrade", recording)
                for table in self.tables(path):
                    if table not in ("block", "block_count"):  # an upgrade may cut them otherwise
                        self.assertEqual(self.query(recording, f"SELECT * FROM {table}"),
                                         self.query(path, f"SELECT * FROM {table}"), (name, table))

    def test_any_exits_replay_with_the_states_of_the_recording(self):
        recording = self.firmware()
        chance = random.Random(5)
        for _ in range(12):
            first = chance.randrange(3000)
            last = min(2999, first + chance.randrange(400))
            path, done = self.slice(recording, f"{first}..{last}")
            self.assertIn(f"exits {first} to {last}; replayed, as in the original: 0 divergences", done.stdout)
            self.assertRegex(self.succeed("replay", path).stdout, f"replayed {last - first + 1} exits in .*: 0 divergences")
            self.assertEqual(self.registers(path, 0, 3000), self.registers(recording, first, last))
            for view, columns in (("exits", "*"), ("accesses", "*"), ("inputs", "*"), ("effects", "*"),
                                  ("irq_handoffs", "exit, vector, outcome, offered_ns, settled_ns")):
                self.assertEqual(self.query(path, f"SELECT {columns} FROM {view} ORDER BY id"),
                                 self.query(recording, f"SELECT {columns} FROM {view} WHERE exit BETWEEN ? AND ? ORDER BY id",
                                            first, last), view)

    def test_a_slice_of_a_slice(self):
        recording = self.firmware()
        path, _ = self.slice(recording, "700..1900")
        again = self.path("again.db")
        self.succeed("slice", path, "1000..1500", "-o", again)
        direct, _ = self.slice(recording, "1000..1500")
        self.assert_same_rows(direct, again)

    def assert_same_rows(self, one, other):
        for table in self.tables(one):
            self.assertEqual(self.query(one, f"SELECT * FROM {table}"), self.query(other, f"SELECT * FROM {table}"), table)

    def test_the_end_comes_along_with_the_last_exit(self):
        recording = self.path("guest.db")
        self.succeed("record", "--raw", self.write("guest.bin", DYING) + "@0x7c00", "-o", recording, "--keep-memory", "final", status=1)
        whole, _ = self.slice(recording, "1500..")
        ends = "SELECT name, value FROM recording WHERE name IN ('end', 'end_code', 'end_message', 'status') ORDER BY name"
        self.assertEqual(self.query(whole, ends), self.query(recording, ends))
        for table in ("memory_range", "memory_page", "page", "fault"):
            rows = self.query(recording, f"SELECT * FROM {table}")
            self.assertTrue(rows, table)
            self.assertEqual(self.query(whole, f"SELECT * FROM {table}"), rows)
        verdict = self.succeed("report", recording, status=1).stdout.splitlines()[0]
        self.assertEqual(self.succeed("report", whole, status=1).stdout.splitlines()[0], verdict)
        piece, _ = self.slice(recording, "1500..1600")
        self.assertEqual(self.query(piece, "SELECT value FROM recording WHERE name = 'end'"), [("running",)])
        self.assertEqual(self.query(piece, "SELECT count(*) FROM memory_range"), [(0,)])

    def test_divergences_stay_divergences(self):
        recording = self.record(guest=counter(900))
        exit = self.query(recording, "SELECT id FROM exit WHERE verdict IS NOT NULL ORDER BY id LIMIT 1 OFFSET 400")[0][0]
        self.change(recording, f"UPDATE exit SET rip_advance = rip_advance + 1 WHERE id = {exit}")
        self.assertEqual(self.run_hwaccl("replay", recording).returncode, 1)
        path, done = self.slice(recording, f"{exit}..{exit}")
        self.assertIn("replayed, as in the original: 1 divergences", done.stdout)
        self.assertEqual(self.run_hwaccl("replay", path).returncode, 1)
        _, done = self.slice(recording, f"{exit + 1}..")
        self.assertIn("0 divergences", done.stdout)

    def test_a_flight_recorders_window(self):
        recording = self.path("guest.db")
        self.succeed("record", "--raw", self.write("guest.bin", DYING) + "@0x7c00", "-o", recording, "--flight-recorder",
                     "500exits", status=1)
        first = self.query(recording, "SELECT min(exit) FROM exits")[0][0]
        whole, _ = self.slice(recording, f"{first}..")
        self.assert_same(recording, whole)
        path, _ = self.slice(recording, f"{first + 77}..{first + 200}")
        self.assertIn("replayed 124 exits", self.succeed("replay", path).stdout)

    def test_another_vmms_recording_begins_where_its_state_is(self):
        recording = self.path("loop.db")
        subprocess.run([LOOP_VMM, recording, "2000"], check=True, stdout=subprocess.DEVNULL)
        whole, done = self.slice(recording, "0..")
        self.assertIn("exits 0 to 1999, with those of other vCPUs", done.stdout)
        key = {"mark": "id", "exit": "id", "keyframe": "id", "kvm_run": "id", "irq_handoff": "id", "entry_state": "id",
               "handler_change": "id", "system_registers": "at / 2", "segment_registers": "at / 2", "pending": "id"}
        for table in ("exit", "input", "effect", "keyframe", "kvm_run", "irq_handoff", "entry_state", "handler_change",
                      "system_registers", "segment_registers", "pending", "vmm_state", "mark", "thread_time"):
            sql = f"SELECT * FROM {table} WHERE {key.get(table, 'exit')} < {1 << 40}"
            self.assertEqual(self.query(recording, sql), self.query(whole, sql), table)
        states = [exit for exit, in self.query(recording, "SELECT DISTINCT exit FROM vmm_state WHERE exit < 2000 ORDER BY exit")]
        if len(states) > 1:
            path, done = self.slice(recording, f"{states[1] + 3}..{states[1] + 40}")
            self.assertIn(f"begins at exit {states[1]}, where the state of the other VMM was recorded", done.stderr)
            self.assertEqual(self.query(path, "SELECT min(exit), max(exit) FROM exits WHERE vcpu = 0"), [(states[1], states[1] + 40)])
        path, _ = self.slice(recording, "100..300", "--vcpu", "1")
        self.assertEqual(self.query(path, "SELECT max(exit) FROM exits WHERE vcpu = 1"), [(300,)])
        times = self.query(path, "SELECT min(entry_ns), max(entry_ns) FROM exits WHERE vcpu = 1")
        self.assertEqual(self.query(path, "SELECT count(*) FROM exits WHERE vcpu = 0 AND entry_ns NOT BETWEEN ? AND ?",
                                    *times[0]), [(0,)])

    def test_what_cannot_be_sliced(self):
        recording = self.record(guest=counter(50))
        count = self.query(recording, "SELECT count(*) FROM exits")[0][0]
        out = self.path("out.db")
        self.refuse("slice", recording, "-o", out, mention="no exits given")
        self.refuse("slice", recording, "0..", mention="-o FILE")
        self.refuse("slice", recording, f"{count}..", "-o", out, mention=f"0 to {count - 1}")
        self.refuse("slice", recording, "0..", "-o", recording, mention="already exists")
        self.refuse("slice", recording, "0..", "-o", self.path("none/out.db"), mention="No such file")
        self.refuse("slice", self.write("text", b"no recording"), "0..", "-o", out, mention="text")
        self.assertFalse(os.path.exists(out))
        self.assertEqual([name for name in os.listdir(self._scratch.name) if "slice-" in name], [])

    def test_a_recording_may_be_replaced_by_its_piece(self):
        recording = self.record(guest=counter(50))
        self.succeed("slice", recording, "3..9", "-o", recording, "--force")
        self.assertIn("replayed 7 exits", self.succeed("replay", recording).stdout)


if __name__ == "__main__":
    main()
