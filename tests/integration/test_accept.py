#!/usr/bin/env python3
"""hwaccl accept gives a recording the results that handling has now, and nothing else; or leaves it as it was.

Results that were changed in a recording are those of another handler: accepting gives back what was recorded.
"""
import glob
import os
import shutil
import subprocess
import unittest

from hwaccl_cli import BUILD, HWACCL, CommandTest, counter, digest, main

GUESTS = os.path.join(BUILD, "guests")
RESULTS = ("exit", "handler_change", "keyframe", "effect", "device_state", "block", "block_count", "irq_handoff", "input")


class Accept(CommandTest):
    def setUp(self):
        super().setUp()
        self.recording = self.record(options=["--keyframe-interval", "4"])

    def rows(self, path, *tables):
        return {table: self.query(path, f"SELECT * FROM {table}") for table in tables or RESULTS}

    def accept_changed(self, *statements, recording=None):
        """Accept in a changed copy; it is the recording again."""
        recording = recording or self.recording
        copy = self.path("changed.db")
        shutil.copy(recording, copy)
        self.assertGreater(self.change(copy, *statements), 0, statements)
        self.assertEqual(self.run_hwaccl("replay", copy).returncode, 1, statements)
        before = self.query(copy, "SELECT * FROM register_values WHERE moment = 'exit'")
        done = self.succeed("accept", copy)
        self.succeed("replay", copy)
        self.succeed("check", copy)
        for view in ("register_values", "exits"):
            self.assertEqual(self.query(copy, f"SELECT * FROM {view}"), self.query(recording, f"SELECT * FROM {view}"), statements)
        self.assertEqual(before, self.query(copy, "SELECT * FROM register_values WHERE moment = 'exit'"), "a state of the guest")
        return copy, done.stdout

    def succeed_or_diverge(self):
        status = self.run_hwaccl("replay", self.recording).returncode
        self.assertIn(status, (0, 1))
        return status

    def exit_of(self, reason, skip=0):
        return self.query(self.recording, "SELECT id FROM exit WHERE exit_reason = ? ORDER BY id LIMIT 1 OFFSET ?", reason, skip)[0][0]

    def test_every_kind_of_result(self):
        cpuid, out = self.exit_of(10), self.exit_of(30, 2)
        for statement in (f"UPDATE exit SET next_rax = next_rax + 1 WHERE id = {cpuid}",
                          f"UPDATE handler_change SET rbx = rbx + 1, rcx = NULL WHERE id = {cpuid}",
                          f"INSERT INTO handler_change(id, rsi) VALUES ({out}, 5)",
                          f"UPDATE exit SET rip_advance = rip_advance + 1 WHERE id = {cpuid}",
                          f"UPDATE exit SET verdict = 0, outcome = 3 WHERE id = {cpuid}",
                          f"UPDATE effect SET data = x'4c' WHERE exit = {out}",
                          f"DELETE FROM effect WHERE exit = {out}",
                          f"INSERT INTO effect VALUES ({cpuid}, 0, 2, 5, 1, NULL)",
                          f"UPDATE exit SET next_rax = {1 << 33} WHERE id = {out}"):
            with self.subTest(statement):
                copy, text = self.accept_changed(statement)
                self.assertRegex(text, r"^  exit \d+: .*\n(    .*\n)+\S*changed\.db: accepted the results of 1 of \d+ exits\n$")
                self.assertEqual(self.rows(copy, "effect", "irq_handoff", "input", "block_count"),
                                 self.rows(self.recording, "effect", "irq_handoff", "input", "block_count"))

    def test_results_before_a_keyframe(self):
        path = self.record("counter.db", guest=counter(100), options=["--keyframe-interval", "16"])
        for keyframe in (16, 32):
            self.accept_changed(f"UPDATE exit SET next_rax = 7 WHERE id = {keyframe - 1}",
                                f"UPDATE exit SET rax = coalesce(rax, (SELECT rax FROM keyframe WHERE id = {keyframe})), rbx = "
                                f"coalesce(rbx, (SELECT rbx FROM keyframe WHERE id = {keyframe})) WHERE id >= {keyframe} AND "
                                f"id < {keyframe} + 16",
                                f"UPDATE keyframe SET rax = 7, rbx = 9 WHERE id = {keyframe}",
                                f"INSERT OR REPLACE INTO handler_change(id, rbx) VALUES ({keyframe - 1}, 9)", recording=path)

    def test_device_state_and_the_keyframes_after_it(self):
        path = self.record("counter.db", guest=counter(100), options=["--keyframe-interval", "16"])
        field = "(SELECT id FROM device_field WHERE device = 'processor' AND field = 'dr7')"
        snapshots = [row[0] for row in self.query(path, "SELECT exit FROM device_snapshot ORDER BY exit")]
        self.assertGreater(len(snapshots), 4)
        copy, _ = self.accept_changed(f"INSERT OR REPLACE INTO device_state VALUES ({snapshots[1]}, {field}, 77)",
                                      f"INSERT OR REPLACE INTO device_state VALUES ({snapshots[3]}, {field}, 78)", recording=path)
        values = {row[0] for row in self.query(copy, f"SELECT value FROM device_state WHERE field = {field}")}
        self.assertEqual(len(values), 1, values)

    @unittest.skipUnless(os.path.exists(os.path.join(GUESTS, "irq_taken.bin")), "the assembly guests are not built")
    def test_system_and_segment_registers(self):
        with open(os.path.join(GUESTS, "irq_taken.bin"), "rb") as file:
            path = self.record("irq.db", guest=file.read(), options=["--memory", "64M"])
        for table, column in (("system_registers", "cr2"), ("segment_registers", "ds_base")):
            exit_id = self.query(path, "SELECT max(id) - 6 FROM exit")[0][0]
            columns = [row[1] for row in self.query(path, f"PRAGMA table_info({table})")]
            others = ", ".join(name for name in columns if name != "at")
            keep = f"INSERT OR IGNORE INTO {table}(at, {others}) SELECT {2 * exit_id + 3}, {others} FROM {table} " \
                   f"WHERE at <= {2 * exit_id + 3} ORDER BY at DESC LIMIT 1"
            changed = others.replace(column, column + " + 4096")
            self.accept_changed(keep, f"INSERT OR REPLACE INTO {table}(at, {others}) SELECT {2 * exit_id + 2}, {changed} FROM {table} "
                                f"WHERE at <= {2 * exit_id + 2} ORDER BY at DESC LIMIT 1", recording=path)

    def test_what_would_have_gone_otherwise_is_refused(self):
        cpuid = self.exit_of(10)
        last = self.query(self.recording, "SELECT exit FROM effect WHERE kind = 3")
        for statement in (f"UPDATE exit SET instruction = NULL WHERE id = {cpuid}",
                          f"INSERT INTO input VALUES ({cpuid}, 2, 1, 2, 3, NULL)",
                          f"INSERT INTO irq_handoff VALUES ({cpuid}, 32, 0, 0, 0)",
                          *[f"DELETE FROM effect WHERE exit = {row[0]} AND kind = 3" for row in last]):
            copy = self.path("changed.db")
            shutil.copy(self.recording, copy)
            self.change(copy, statement)
            before = digest(copy)
            self.refuse("accept", copy, mention=["record again", copy])
            self.assertEqual(digest(copy), before)
        self.assertEqual(glob.glob(self.path("*accept*")), [])

    def test_several_recordings(self):
        paths = [self.path(name) for name in ("b.db", "a.db", "junk.db")]
        for path in paths[:2]:
            shutil.copy(self.recording, path)
        self.change(paths[0], "UPDATE effect SET data = x'4c' WHERE kind = 1")
        self.write("junk.db", b"junk")
        untouched = digest(paths[1])
        os.chmod(paths[0], 0o640)
        done = self.succeed("accept", "--limit", 1, *paths, status=2)
        self.assertIn("junk.db: not an SQLite database\n", done.stderr)
        self.assertRegex(done.stdout, r"  \d+ more not shown\n\S+b\.db: accepted .*\n\S+a\.db: accepted the results of 0 of")
        self.assertEqual(digest(paths[1]), untouched)
        self.assertEqual(os.stat(paths[0]).st_mode & 0o777, 0o640)
        self.succeed("replay", paths[0])
        self.refuse("accept", mention="no recording")

    def test_who_could_read_it_still_can(self):
        for before, after in ((0o640, 0o640), (0o444, 0o644), (0o755, 0o644)):
            self.change(self.recording, "UPDATE effect SET data = x'4c' WHERE kind = 1")
            os.chmod(self.recording, before)
            self.succeed("accept", self.recording)
            self.assertEqual(os.stat(self.recording).st_mode & 0o777, after)

    def test_a_recording_whose_ring_is_there_is_refused_also_by_a_link(self):
        os.mkdir(self.path("links"))
        link = self.path("links/a.db")
        os.symlink(self.recording, link)
        self.change(self.recording, "UPDATE effect SET data = x'4c' WHERE kind = 1")
        with open(self.recording + "-ring", "wb") as file:
            file.truncate(1 << 20)
        before = digest(self.recording)
        for path in (self.recording, link):
            self.refuse("accept", path, mention="not finished: its ring is beside it")
        self.assertEqual(digest(self.recording), before)
        os.remove(self.recording + "-ring")
        self.succeed("accept", link)
        self.assertTrue(os.path.islink(link))
        self.succeed("replay", self.recording)

    def test_a_file_that_cannot_be_written_leaves_the_recording(self):
        self.change(self.recording, "UPDATE effect SET data = x'4c' WHERE kind = 1")
        before = digest(self.recording)
        done = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$0" accept "$1"', HWACCL, self.recording], capture_output=True,
                              text=True, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertEqual(digest(self.recording), before)
        self.assertEqual(glob.glob(self.path("*accept*")), [])

    def test_killed_at_any_time_it_leaves_the_old_or_the_new_recording(self):
        self.change(self.recording, "UPDATE effect SET data = x'4c' WHERE kind = 1")
        original = self.read(self.recording)
        for milliseconds in range(0, 40, 8):
            with open(self.recording, "wb") as file:
                file.write(original)
            process = subprocess.Popen([HWACCL, "accept", self.recording], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(milliseconds / 1000)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if self.succeed_or_diverge() == 1:
                self.assertEqual(self.read(self.recording), original)


if __name__ == "__main__":
    main()
