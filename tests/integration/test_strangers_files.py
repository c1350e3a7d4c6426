#!/usr/bin/env python3
"""Recordings from elsewhere: reading one changes no file, and nothing that it contains is executed.

Each file here is one that did harm once: it removed files, hung a command, made it print what was never recorded, or crashed it.
"""
import errno
import os
import shutil
import sqlite3
import struct
import subprocess

from hwaccl_cli import CommandTest, HWACCL, counter, digest, main

MAGIC = bytes([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7])


def commands(path):
    return [["replay", path], ["show", path], ["state", path, "3"], ["explain", path, "3"], ["stat", path], ["report", path], ["check", path]]


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

    def forbidden(self, *arguments, **environment):
        """What the command, and what it starts, can still do when it looks into the file: {program: {call: errno}}."""
        read, write = os.pipe()
        library = os.path.join(os.environ["HWACCL_BUILD"], "tests", "forbidden.so")
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0:verify_asan_link_order=0"
        done = subprocess.run([HWACCL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
                              check=False, pass_fds=[write], env={**os.environ, "LD_PRELOAD": library, "ASAN_OPTIONS": sanitizer,
                                                                  "HWACCL_FORBIDDEN": str(write), **environment})
        os.close(write)
        with open(read, encoding="utf-8") as file:
            lines = [line.split() for line in file]
        return done, {line[0]: dict(zip(line[1::2], map(int, line[2::2]))) for line in lines}

    def test_every_subcommand_that_looks_into_a_file_gives_its_privileges_up(self):
        denied = {"open": errno.EACCES, "socket": errno.EPERM, "execve": errno.EPERM, "fork": errno.EPERM}
        free = {"open": 0, "socket": 0, "execve": errno.EACCES, "fork": 0}
        empty = self.path("trace")
        os.mkdir(empty)
        cases = commands(self.recording) + [[name, self.recording] for name in ("recover", "upgrade")]
        cases += [["explain-state", os.path.join(os.environ["HWACCL_SOURCE"], "tests/fuzz/corpus/dump/qemu_sound.txt")]]
        cases += [["top", "--once", self.recording], ["recover", os.path.dirname(self.recording)]]
        for arguments in cases:
            done, found = self.forbidden(*arguments)
            self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
            expected = {} if arguments[-1] == os.path.dirname(self.recording) else {"hwaccl": denied}  # no ring: nothing to read
            self.assertEqual(found, expected, arguments)
            plain, found = self.forbidden(*arguments, HWACCL_NO_SANDBOX="1")
            self.assertEqual(plain.returncode, 0, f"{arguments}: {plain.stderr}")
            self.assertEqual(found, {name: free for name in expected}, arguments)
            if arguments[0] != "replay":  # which prints how long it took
                self.assertEqual(plain.stdout, done.stdout, arguments)
        if os.path.exists(os.path.join(os.environ["HWACCL_BUILD"], "hwaccl-ctf")):
            for environment, what in (({}, denied), ({"HWACCL_NO_SANDBOX": "1"}, free)):
                done, found = self.forbidden("import", "ctf", empty, "-o", self.path("imported.db"), **environment)
                self.assertEqual(done.returncode, 2)
                self.assertIn("contains no CTF trace", done.stderr)
                self.assertEqual(found, {"hwaccl": what, "hwaccl-ctf": what})

    def test_a_recording_behind_a_link_is_read_and_upgraded(self):
        folder = self.path("elsewhere")
        os.mkdir(folder)
        link = os.path.join(folder, "link.db")
        os.symlink(self.recording, link)
        for arguments in commands(link) + [["upgrade", link], ["recover", link], ["top", "--once", link]]:
            done = self.output(arguments)
            self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")

    def test_names_that_sqlite_takes_for_something_else_are_refused(self):
        guest = self.write("guest.bin", counter(1))
        for name in (":memory:", "", "file:x.db?mode=memory", "file:x.db"):
            done = self.output(["record", "--accel", "soft", "--raw", guest + "@0x7c00", "--memory", "1M", "-o", name])
            self.assertEqual(done.returncode, 2, name)
            self.assertFalse(os.path.exists(name) and name, name)


if __name__ == "__main__":
    main()
