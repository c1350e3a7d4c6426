#!/usr/bin/env python3
"""Recordings from elsewhere: reading one changes no file, and nothing that it contains is executed.

Each file here is one that did harm once: it removed files, hung a command, made it print what was never recorded, or crashed it.
"""
import os
import shutil
import sqlite3
import struct
import subprocess

from hwaccl_cli import CommandTest, HWACCL, counter, digest, main

MAGIC = bytes([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7])


def commands(path):
    return [["replay", path], ["show", path], ["state", path, "3"], ["stat", path], ["check", path]]


class StrangersFiles(CommandTest):
    def setUp(self):
        super().setUp()
        self.recording = self.path("recording.db")
        guest = self.write("guest.bin", counter(40))
        done = self.run_hwaccl("record", "--accel", "soft", "--raw", guest + "@0x7c00", "--memory", "1M", "--clock", "virtual",
                               "--keyframe-interval", "16", "--console", "/dev/null", "-o", self.recording)
        self.assertEqual(done.returncode, 0, done.stderr)

    def altered(self, *statements):
        copy = self.path("altered.db")
        shutil.copy(self.recording, copy)
        connection = sqlite3.connect(copy)
        connection.executescript(";".join(statements))
        connection.commit()
        connection.close()
        return copy

    def contents(self):
        folder = os.path.dirname(self.recording)
        return {name: digest(os.path.join(folder, name)) for name in sorted(os.listdir(folder))
                if os.path.isfile(os.path.join(folder, name))}

    def output(self, arguments):
        return subprocess.run([HWACCL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
                              check=False)

    def test_a_journal_that_names_a_file_removes_nothing(self):
        victim = self.write("victim", b"still there")
        name = victim.encode()
        header = MAGIC + struct.pack(">IIIII", 0, 0, 1, 512, 4096)
        trailer = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + MAGIC
        self.write("recording.db-journal", header.ljust(512, bytes(1)) + trailer)
        before = self.contents()
        for arguments in commands(self.recording):
            self.assertEqual(self.output(arguments).returncode, 0, arguments)
            self.assertEqual(self.contents(), before, arguments)
        for arguments in (["recover", self.recording], ["upgrade", self.recording]):
            done = self.output(arguments)
            self.assertIn(done.returncode, (0, 2), done.stderr)
            self.assertEqual(self.contents(), before, arguments)

    def test_views_of_the_file_are_not_run(self):
        expected = [self.output([*arguments[:1], self.recording, *arguments[2:]]).stdout for arguments in commands(self.recording)]
        endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, i AS exit FROM n"
        for view in ("exits", "exit_statistics", "registers"):
            path = self.altered(f"DROP VIEW {view}", f"CREATE VIEW {view} AS {endless}")
            for arguments, printed in zip(commands(path), expected):
                done = self.output(arguments)
                if arguments[0] == "check":
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(f"view {view} is altered; it is ignored", done.stdout)
                elif arguments[0] != "replay":  # which prints how long it took
                    self.assertEqual(done.stdout, printed, arguments)
        path = self.altered("DROP VIEW exits", "CREATE VIEW exits AS SELECT 1 AS id, 7 AS exit, 'a lie' AS reason")
        self.assertNotIn("a lie", self.output(["show", path]).stdout)

    def test_what_is_not_ours_is_named_by_check_and_ignored_by_all(self):
        path = self.altered("CREATE TABLE x (y)", "CREATE INDEX liar ON exit (rip) WHERE exit_reason > 0",
                            "CREATE TRIGGER t AFTER INSERT ON exit BEGIN DELETE FROM exit; END",
                            "CREATE VIEW more AS SELECT * FROM x", "ANALYZE")
        done = self.output(["check", path])
        self.assertEqual(done.returncode, 1, done.stderr)
        for name in ("table x", "index liar", "trigger t", "view more"):
            self.assertIn(f"{name} is not hwaccl's; it is ignored", done.stdout)
        for arguments in commands(path)[:-1]:
            self.assertEqual(self.output(arguments).returncode, 0, arguments)
        self.refuse("upgrade", path, mention="check")

    def test_a_device_state_that_cannot_be_ends_the_replay(self):
        """Status 2, not a crash and not a divergence; check finds it as well."""
        last = "(SELECT max(exit) FROM device_state)"
        cases = [f"INSERT OR REPLACE INTO device_state SELECT {last}, id, {value} FROM device_field "
                 f"WHERE device = '{device}' AND field = '{field}'"
                 for device, field, value in (("i8042", "count", 74), ("i8042", "count", 255), ("uart", "received_count", 200),
                                              ("pit", "channel[0].mode", 9), ("rtc", "weekday_shift", 99))]
        for case in cases:
            path = self.altered(case)
            first = self.altered_exit(path) + 1
            done = self.output(["replay", path, f"{first}..{first}"])
            self.assertEqual(done.returncode, 2, f"{case}: {done.stdout}{done.stderr}")
            self.assertIn("state of device", done.stderr)
            done = self.output(["replay", path])
            self.assertEqual(done.returncode, 2, f"{case}: {done.stdout}{done.stderr}")
            self.assertIn("keyframe after exit", done.stderr)
            done = self.output(["check", path])
            self.assertEqual(done.returncode, 1, f"{case}: {done.stdout}{done.stderr}")
            self.assertIn("state of device", done.stdout)

    def altered_exit(self, path):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        (number,) = connection.execute("SELECT max(exit) FROM device_state").fetchone()
        connection.close()
        return number

    def test_readers_give_their_privileges_up(self):
        guest = self.write("long.bin", counter(4000))
        path = self.path("long.db")
        done = self.run_hwaccl("record", "--accel", "soft", "--raw", guest + "@0x7c00", "--memory", "1M", "--clock", "virtual",
                               "--console", "/dev/null", "-o", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with subprocess.Popen([HWACCL, "show", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reader:
            reader.stdout.read(1)  # it has begun, and more than a pipe holds is to come
            with open(f"/proc/{reader.pid}/status", encoding="ascii") as file:
                status = {line.partition(":")[0]: line.partition(":")[2].strip() for line in file}
            reader.stdout.read()
        self.assertEqual(reader.returncode, 0)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")

    def test_names_that_sqlite_takes_for_something_else_are_refused(self):
        guest = self.write("guest.bin", counter(1))
        for name in (":memory:", "", "file:x.db?mode=memory", "file:x.db"):
            done = self.output(["record", "--accel", "soft", "--raw", guest + "@0x7c00", "--memory", "1M", "-o", name])
            self.assertEqual(done.returncode, 2, name)
            self.assertFalse(os.path.exists(name) and name, name)


if __name__ == "__main__":
    main()
