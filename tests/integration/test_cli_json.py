#!/usr/bin/env python3
"""--json: whatever is wrong with a recording, stdout is empty or one JSON document, which names the error if it has one."""
import json
import os
import shutil
import sqlite3
import subprocess

from hwaccl_cli import HWACCL, SANITIZED, CommandTest, counter, main

# Values that are refused when their row is read, not before.
LARGE_BLOB = "zeroblob(2000000)"
LARGE_TEXT = "printf('%.*c', 2000000, 'x')"


class Json(CommandTest):
    def setUp(self):
        super().setUp()
        self.recording = self.record(guest=counter(100), options=["--keyframe-interval", "16"])

    def damaged(self, *statements):
        copy = self.path("damaged.db")
        shutil.copy(self.recording, copy)
        self.change(copy, "PRAGMA synchronous = OFF", "PRAGMA ignore_check_constraints = ON", *statements)
        return copy

    def document(self, *arguments, status=None):
        """What is on stdout, or None; an error is in it exactly when the command failed and printed anything."""
        done = self.run_hwaccl(*arguments)
        if status is not None:
            self.assertEqual(done.returncode, status, f"{arguments}: {done.stdout[-500:]} {done.stderr}")
        if not done.stdout:
            self.assertEqual(done.returncode, 2, arguments)
            return None
        try:
            document = json.loads(done.stdout)
        except ValueError:
            self.fail(f"{arguments}: not JSON: ...{done.stdout[-500:]!r} {done.stderr}")
        self.assertTrue(done.stdout.endswith("\n"), arguments)
        rows = document if isinstance(document, list) else [document, *document.get("recordings", [])]
        errors = [row["error"] for row in rows if "error" in row]
        self.assertEqual(len(errors), 1 if done.returncode == 2 else 0, f"{arguments}: {done.stdout[-500:]} {done.stderr}")
        for error in errors:
            self.assertIn(error, done.stderr)
        return document

    def test_every_command_gives_a_document_without_an_error_for_a_good_recording(self):
        for arguments in (["replay"], ["show"], ["state"], ["stat"], ["check"], ["recover"], ["top", "--once"]):
            operand = ["7"] if arguments == ["state"] else []
            self.assertIsNotNone(self.document(*arguments, "--json", self.recording, *operand, status=0))

    def test_nothing_is_printed_of_a_file_that_cannot_be_opened(self):
        for path in (self.path("missing.db"), self.write("text.db", b"This is no database.\n" * 1000)):
            for arguments in (["replay"], ["show"], ["state"], ["stat"], ["check"], ["top", "--once"]):
                operand = ["7"] if arguments == ["state"] else []
                self.assertIsNone(self.document(*arguments, "--json", path, *operand, status=2))

    def test_replay_that_fails_behind_a_divergence(self):
        for damage in ("DELETE FROM exit WHERE id = 60", "UPDATE exit SET verdict = -1 WHERE id = 60"):
            path = self.damaged("UPDATE exit SET next_rax = 5 WHERE id = 30", damage)
            document = self.document("replay", "--json", path, status=2)
            self.assertEqual([row["exit"] for row in document["details"]], [30])
            self.assertIn("exit 60", document["error"])
            self.assertNotIn("divergences", document)

    def test_replay_that_fails_before_a_divergence(self):
        path = self.damaged("DELETE FROM exit WHERE id = 60")
        self.assertIsNone(self.document("replay", "--json", path, status=2))

    def test_replay_of_a_recording_that_ends_early(self):
        path = self.damaged("DELETE FROM exit WHERE id > 60")
        self.document("replay", "--json", path)

    def test_show_that_fails_at_its_last_row(self):
        path = self.damaged(f"UPDATE instruction SET text = {LARGE_TEXT} "
                            "WHERE id = (SELECT instruction FROM exit ORDER BY id DESC LIMIT 1)")
        document = self.document("show", "--json", "--disasm", path, status=2)
        self.assertEqual([row["exit"] for row in document[:-1]], list(range(100)))
        self.assertEqual(list(document[-1]), ["error"])
        self.assertIsNone(self.document("show", "--json", "--disasm", path, "100", status=2))

    def test_check_that_fails_behind_a_finding(self):
        path = self.damaged("DROP VIEW marks", f"UPDATE instruction SET bytes = {LARGE_BLOB}")
        document = self.document("check", "--json", path, status=2)
        self.assertGreater(len(document["findings"]), 0)
        self.assertNotIn("exits", document)

    def test_state_stat_and_top_of_broken_rows(self):
        path = self.damaged("UPDATE exit SET verdict = 99 WHERE id = 60")
        self.assertIsNone(self.document("state", "--json", path, "60", status=2))
        path = self.damaged("UPDATE block_count SET exits = -exits WHERE kind = 0")
        self.assertIsNone(self.document("stat", "--json", path, status=2))
        path = self.damaged("INSERT OR REPLACE INTO irq_handoff (id, vector, taken, host_offered) VALUES (60, 999, 1, 0)")
        self.assertIsNone(self.document("top", "--once", "--json", path, status=2))

    def test_recover_names_the_recording_that_it_could_not_recover(self):
        missing = self.path("missing.db")
        document = self.document("recover", "--json", missing, status=2)
        self.assertEqual([row["recording"] for row in document["recordings"]], [missing])
        os.mkdir(self.path("rings"))
        for name in ("a.db-ring", "b.db-ring"):
            self.write("rings/" + name, b"This is no ring.\n" * 1000)
        done = self.run_hwaccl("recover", "--json", self.path("rings"))
        self.assertEqual(done.returncode, 2)
        rows = json.loads(done.stdout)["recordings"]
        self.assertEqual([os.path.basename(row["recording"]) for row in rows], ["a.db", "b.db"])
        self.assertTrue(all(row["error"] for row in rows), rows)

    def test_text_that_is_not_unicode(self):
        path = self.damaged("UPDATE instruction SET text = CAST(x'ff226e0a5ceda080' AS TEXT)")
        document = self.document("show", "--json", "--disasm", path, status=0)
        self.assertEqual(document[3]["instruction"], '?"n\n\\???')

    def test_values_that_no_recorder_writes(self):
        statements = []
        for table in ("exit", "keyframe", "irq_handoff", "input", "effect", "instruction", "device_state", "status",
                      "vcpu", "option"):
            middle = f"rowid >= (SELECT min(rowid) + (max(rowid) - min(rowid)) * 2 / 3 FROM {table})"
            statements.append(f"DELETE FROM {table} WHERE {middle}")
            for (column,) in self.query(self.recording, f"SELECT name FROM pragma_table_info('{table}')"):
                for value in ("NULL", "-1", LARGE_TEXT, LARGE_BLOB):
                    statements.append(f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE {middle}")
        documents = 0
        for statement in statements[::37 if SANITIZED else 13]:
            try:
                path = self.damaged("UPDATE OR IGNORE exit SET next_rax = 5 WHERE id = 30", statement)
            except sqlite3.Error:  # the schema refuses it
                continue
            for arguments in (["replay", "--json", path], ["show", "--json", "--disasm", path],
                              ["state", "--json", path, "70"], ["stat", "--json", path], ["check", "--json", path],
                              ["top", "--once", "--json", path]):
                with self.subTest(statement=statement, command=arguments[0]):
                    documents += self.document(*arguments) is not None
        self.assertGreater(documents, 20)

    def test_a_full_disk_is_an_error_of_every_command(self):
        for arguments in (["replay"], ["show"], ["state"], ["stat"], ["check"], ["recover"], ["top", "--once"]):
            operand = ["7"] if arguments == ["state"] else []
            with open("/dev/full", "wb") as full:
                done = subprocess.run([HWACCL, *arguments, "--json", self.recording, *operand], stdout=full,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (2, 1), (arguments, done.stderr))


if __name__ == "__main__":
    main()
