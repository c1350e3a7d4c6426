#!/usr/bin/env python3
"""Recordings that are none, or broken: one clear line, status 2, and the file stays as it was."""
import os
import shutil
import sqlite3

from hwaccl_cli import SANITIZED, CommandTest, counter, digest, main


def commands(path):
    return [["replay", path], ["show", path], ["state", path, "0"], ["stat", path], ["check", path]]


class BadRecordings(CommandTest):
    def refuse_everywhere(self, path, mention=None):
        before = digest(path) if os.path.isfile(path) else None
        for arguments in commands(path):
            self.refuse(*arguments, mention=[path] + ([mention] if mention else []))
        if before:
            self.assertEqual(digest(path), before)
        leftovers = [name for name in os.listdir(os.path.dirname(path)) if name.endswith(("-wal", "-shm", "-journal"))]
        self.assertEqual(leftovers, [])

    def copy(self, path, *statements):
        copy = self.path("copy.db")
        shutil.copy(path, copy)
        connection = sqlite3.connect(copy)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        finally:
            connection.close()
        return copy

    def test_missing(self):
        self.refuse_everywhere(self.path("missing.db"))
        self.assertFalse(os.path.exists(self.path("missing.db")), "reading created it")

    def test_directory(self):
        for arguments in commands(self._scratch.name):
            self.refuse(*arguments, mention=self._scratch.name)

    def test_empty(self):
        self.refuse_everywhere(self.write("empty.db", b""))

    def test_no_database(self):
        self.refuse_everywhere(self.write("text.db", b"This is no database.\n" * 1000))
        self.refuse_everywhere(self.write("zero.db", bytes(65536)))

    def test_foreign_database(self):
        path = self.path("foreign.db")
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE exit (id INTEGER PRIMARY KEY)")
        connection.commit()
        connection.close()
        self.refuse_everywhere(path)

    def test_newer_schema(self):
        self.refuse_everywhere(self.copy(self.record(), "PRAGMA user_version = 1000"), "1000")

    def test_truncated(self):
        path = self.record(guest=counter(3000))
        with open(path, "rb") as file:
            content = file.read()
        for size in (50, 100, 4096, len(content) // 2, len(content) - 4096, len(content) - 1):
            self.refuse_everywhere(self.write("truncated.db", content[:size]))

    def test_without_one_of_its_tables(self):
        path = self.record()
        tables = [row[0] for row in self.query(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in ("exit", "keyframe", "option", "status", "input", "effect", "instruction", "system_registers",
                      "segment_registers"):
            self.assertIn(table, tables)
            copy = self.copy(path, f"DROP TABLE {table}")
            self.refuse("replay", copy, mention=copy)
            self.refuse("show", copy, mention=copy)

    def test_nulls_and_numbers_out_of_range(self):
        """Whatever is in the rows, each command ends with an ordinary status and at most one line."""
        path = self.record(guest=counter(100), options=["--keyframe-interval", "16"])
        statements = []
        for table in ("exit", "keyframe", "system_registers", "segment_registers", "pending", "irq_handoff", "input",
                      "effect", "instruction", "device_field", "device_state", "device_snapshot", "handler_change",
                      "status", "vcpu"):
            for row in self.query(path, f"SELECT name FROM pragma_table_info('{table}')"):
                for value in ("NULL", "-1", "9223372036854775807", "-9223372036854775808", "x'00'"):
                    statements.append(f"UPDATE OR IGNORE {table} SET {row[0]} = {value}")
        tried = 0
        for statement in statements[::53 if SANITIZED else 13]:
            try:
                copy = self.copy(path, "PRAGMA ignore_check_constraints = ON", statement)
            except sqlite3.Error:
                continue
            tried += 1
            for arguments in commands(copy):
                done = self.run_hwaccl(*arguments)
                self.assertIn(done.returncode, (0, 1, 2), f"{statement}: {arguments}: {done.stderr}")
                self.assertLessEqual(done.stderr.count("\n"), 1, f"{statement}: {arguments}: {done.stderr}")
                self.assertLessEqual(done.stderr.count(copy), 1, done.stderr)
                if done.returncode == 2:
                    self.assertEqual(done.stderr.count("\n"), 1, f"{statement}: {arguments}")
                    self.assertIn(copy, done.stderr, statement)
        self.assertGreater(tried, 10 if SANITIZED else 30)

    def test_rows_that_are_missing(self):
        path = self.record(guest=counter(100), options=["--keyframe-interval", "16"])
        for statement in ("DELETE FROM exit WHERE id = 40", "DELETE FROM keyframe", "DELETE FROM keyframe WHERE id = 0",
                          "DELETE FROM status"):
            copy = self.copy(path, statement)
            self.refuse("replay", copy, mention=copy)

    def test_check_finds_what_ends_a_replay_with_2(self):
        recording = self.record()
        for name, value in (("memory_size", "12"), ("memory_size", "1e9"), ("memory_size", str(1 << 62)), ("tsc_khz", "0"),
                            ("machine", "vax"), ("disk_count", "77"), ("entry_mode", "unreal"), ("raw_count", "-1")):
            copy = self.copy(recording, f"INSERT OR REPLACE INTO option(name, value) VALUES ('{name}', '{value}')")
            refused = self.refuse("replay", copy, mention=copy)
            findings = self.run_hwaccl("check", copy)
            self.assertEqual((findings.returncode, len(findings.stdout.splitlines())), (1, 1), (name, value, findings))
            self.assertIn(findings.stdout.strip(), refused.stderr)

    def test_a_recording_may_lie_where_nothing_can_be_written(self):
        path = self.record()
        os.chmod(path, 0o444)
        os.chmod(self._scratch.name, 0o555)
        self.addCleanup(os.chmod, self._scratch.name, 0o755)
        for arguments in commands(path):
            self.succeed(*arguments)

    def test_numbers_of_exits_that_are_not_there(self):
        path = self.record()
        count = self.query(path, "SELECT count(*) FROM exit")[0][0]
        self.refuse("state", path, count, mention=str(count))
        self.refuse("show", path, f"{count}..", mention=str(count))
        self.refuse("state", path, 1 << 62, mention=str(1 << 62))
        self.refuse("state", "--vcpu", 5, path, 0, mention=path)


if __name__ == "__main__":
    main()
