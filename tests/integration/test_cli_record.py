#!/usr/bin/env python3
"""hwaccl record: what it refuses, how it ends, and that nothing is lost."""
import fcntl
import os
import resource
import signal
import sqlite3
import subprocess
import time

from hwaccl_cli import BUILD, ENDLESS, HELLO, HWACCL, CommandTest, counter, digest, main


class Refused(CommandTest):
    def refuse_record(self, *arguments, mention):
        self.refuse("record", *arguments, "-o", self.path("out.db"), mention=mention)
        self.assertEqual([name for name in os.listdir(self._scratch.name) if name.startswith("out.db")], [])

    def test_firmware_of_the_wrong_size(self):
        for size in (1, 65535, 65537, 100000, (16 << 20) + 65536):
            name = self.write("firmware", b"\xf4" * size)
            self.refuse_record("--firmware", name, mention=[name, str(size), "64 KiB"])

    def test_files_that_are_missing_empty_or_no_files(self):
        empty = self.write("empty", b"")
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        for name in (self.path("missing"), empty, self._scratch.name, pipe):
            self.refuse_record("--firmware", name, mention=name)
            self.refuse_record("--raw", name + "@0x7c00", mention=name)

    def test_memory_out_of_range(self):
        guest = self.write("guest", HELLO)
        for size in ("0", "1023K", "1048577", "4G", "3073M", "-1", "lots", "128MB"):
            self.refuse_record("--raw", guest + "@0x7c00", "--memory", size, mention=[f"'{size}'", "1M to 3G"])

    def test_raw_images_outside_of_memory(self):
        guest = self.write("guest", HELLO)
        for address in ("0x1000000", "0xffffff", "0xffffffffffffffff", "0x100000000"):
            self.refuse_record("--raw", f"{guest}@0x7c00", "--raw", f"{guest}@{address}", "--memory", "16M",
                               mention=[guest, "0x1000000 bytes"])
        self.refuse_record("--raw", f"{guest}@0xa0000", mention="0xa0000")

    def test_disks_that_are_none(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        odd = self.write("odd", bytes(1000))
        for name, mention in ((self.path("missing"), "No such file"), (self.write("empty", b""), "empty"),
                              (self._scratch.name, "directory"), (odd, "1000 bytes"), ("/dev/null", "not a regular file")):
            for mode in ("", ",ro", ",cow"):
                self.refuse_record("--raw", guest, "--disk", name + mode, mention=[name, mention])

    def test_a_disk_that_is_written_is_nobody_elses(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        disk = self.write("disk", bytes(1024))
        self.refuse_record("--raw", guest, "--disk", disk, "--disk", disk, mention=[disk, "in use"])
        self.succeed("record", "--raw", guest, "--disk", disk + ",ro", "--disk", disk + ",cow", "--no-record")
        comma = self.write("disk,1", bytes(1024))
        self.succeed("record", "--raw", guest, "--disk", comma, "--no-record")

    def test_a_library_of_the_soft_accelerator_that_is_none(self):
        """Who only replays does not need it."""
        recording = self.record()
        library = self.write("libunicorn.so.2", b"no library")
        guest = ("--raw", self.path("guest.db.bin") + "@0x7c00", "--accel", "soft")
        environment = {**os.environ, "LD_LIBRARY_PATH": self._scratch.name}
        done = self.refuse("record", *guest, "-o", self.path("out.db"), mention=[library, "Unicorn"], env=environment)
        self.assertFalse(os.path.exists(self.path("out.db")), done.stderr)
        subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-o", library], check=True)
        self.refuse("record", *guest, "-o", self.path("out.db"), mention="has no uc_", env=environment)
        self.succeed("replay", recording, env=environment)

    def test_more_raw_images_than_there_is_room_for(self):
        guest = self.write("guest", HELLO)
        many = [word for i in range(9) for word in ("--raw", f"{guest}@{0x7c00 + i * 64}")]
        self.refuse_record(*many, mention="at most 8")

    def test_output_that_exists_is_kept_and_replaced_only_by_force(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        for content in (b"", b"precious", self.read(self.record())):
            output = self.write("precious", content)
            self.refuse("record", "--raw", guest, "-o", output, mention=[output, "exists"])
            with open(output, "rb") as file:
                self.assertEqual(file.read(), content)
        self.succeed("record", "--raw", guest, "-o", output, "--force")
        self.succeed("check", output)

    def test_output_that_cannot_be_written(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        for output in (self.path("no/such/directory.db"), "/proc/recording.db", self._scratch.name):
            self.refuse("record", "--raw", guest, "-o", output, mention=output)
            self.refuse("record", "--raw", guest, "-o", output, "--force", mention=output)

    def test_console_and_input_that_cannot_be_opened(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        self.refuse_record("--raw", guest, "--console", self.path("no/console"), mention=self.path("no/console"))
        self.refuse_record("--raw", guest, "--save-memory", self.path("no/memory"), mention=self.path("no/memory"))
        self.refuse_record("--raw", guest, "--input", self.path("no-input"), mention=self.path("no-input"))
        self.refuse_record("--raw", guest, "--input", self._scratch.name, mention="is a directory")


class Accelerators(CommandTest):
    def auto(self, *options):
        """What `--accel auto` says of its choice: all lines but the last, which tells how the guest ended."""
        guest = self.write("guest", HELLO) + "@0x7c00"
        done = self.succeed("record", "--accel", "auto", "--raw", guest, "--memory", "16M", "--no-record", *options)
        return done.stderr.splitlines()[:-1]

    def test_auto_says_in_one_line_why_kvm_was_not_taken(self):
        self.assertEqual(self.auto("--clock", "virtual"),
                         ["hwaccl record: using the soft accelerator: KVM has no virtual clock"])
        if not os.path.exists("/dev/kvm"):
            said, = self.auto("--clock", "host")
            self.assertTrue(said.startswith("hwaccl record: using the soft accelerator: there is no /dev/kvm: "), said)

    def test_kvm_is_refused_with_the_same_reason(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        for option in (("--accel", "kvm"), ("--accel", "auto", "--verify")):
            self.refuse("record", *option, "--raw", guest, "--clock", "virtual", "--no-record", mention="KVM has no virtual clock")


class Ends(CommandTest):
    def test_the_exit_code_can_be_asked_for(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        for code, status in ((7, 0), (8, 1)):
            done = self.succeed("record", "--no-record", "--raw", guest, "--expect-exit", code, status=status)
            self.assertEqual(done.stdout, "hello\n")
            self.assertRegex(done.stderr, r"^hwaccl record: guest ended: exit code 7; \d+ exits in .* not recorded\n$")

    def test_a_text_that_never_comes_is_a_bad_answer(self):
        guest = self.write("guest", HELLO) + "@0x7c00"
        self.succeed("record", "--no-record", "--raw", guest, "--until", "hello", status=0)
        self.succeed("record", "--no-record", "--raw", guest, "--until", "good bye", status=1)

    def test_the_text_is_found_across_single_characters(self):
        guest = self.write("guest", counter(1000)) + "@0x7c00"
        done = self.succeed("record", "--no-record", "--raw", guest, "--until", "xxxxx")
        self.assertIn("stopped: the text was printed", done.stderr)
        self.assertLess(len(done.stdout), 50)

    def test_a_triple_fault_is_a_bad_answer(self):
        # lidt with limit 0, then int 3
        guest = self.write("guest", bytes.fromhex("0f 01 1e 08 7c cc f4 90 00 00 00 00 00 00")) + "@0x7c00"
        done = self.succeed("record", "--no-record", "--raw", guest, status=1)
        self.assertIn("triple fault", done.stderr)

    def test_the_number_of_exits_and_the_time_can_be_limited(self):
        guest = self.write("guest", ENDLESS) + "@0x7c00"
        self.succeed("record", "--raw", guest, "--max-exits", 1000, "-o", self.path("exits.db"))
        self.assertEqual(self.query(self.path("exits.db"), "SELECT count(*) FROM exits"), [(1000,)])
        done = self.succeed("record", "--no-record", "--raw", guest, "--timeout", "0.3")
        self.assertIn("timeout", done.stderr)

    def test_the_memory_at_the_end_can_be_saved(self):
        # mov byte [8000h], 5ah; out f4h, al
        image = self.write("guest", bytes.fromhex("c6 06 00 80 5a e6 f4 f4"))
        saved = self.write("memory", b"what was there before" * 1000000)
        self.succeed("record", "--no-record", "--raw", image + "@0x7c00", "--memory", "16M", "--save-memory", saved,
                     "--expect-exit", 0)
        memory = self.read(saved)
        self.assertEqual(len(memory), 16 << 20)
        self.assertEqual(memory[0x7c00:0x7c08], self.read(image))
        self.assertEqual(memory[0x8000], 0x5a)
        self.assertEqual(memory.count(0), len(memory) - 8 - 1 + self.read(image).count(0))
        self.assertLess(os.stat(saved).st_blocks * 512, 1 << 20, "not sparse")

    def test_the_memory_of_a_guest_that_failed_is_kept(self):
        # mov byte [8000h], 5ah; then: a triple fault, HLT for good, an exit code, reset, a loop
        start = bytes.fromhex("c6 06 00 80 5a")
        ends = {"fault": "0f 01 1e 80 7d 0f 0b", "halted": "fa f4", "code": "e6 f4 f4", "reset": "b0 fe e6 64 f4",
                "loop": "90 eb fd"}
        for end, options, status, kept in (
                ("fault", [], 1, True), ("fault", ["--keep-memory", "never"], 1, False),
                ("fault", ["--flight-recorder", "100exits"], 1, True), ("fault", ["--memory", "2G"], 1, False),
                ("halted", [], 1, True), ("reset", [], 1, True), ("loop", ["--timeout", "0.2"], None, True),
                ("code", [], 0, False), ("code", ["--keep-memory", "final"], 0, True),
                ("code", ["--expect-exit", "1"], 1, True), ("code", ["--until", "text"], 1, True)):
            with self.subTest(end=end, options=options):
                image = self.write("guest", start + bytes.fromhex(ends[end]))
                for name in ("one.db", "two.db"):
                    done = self.run_hwaccl("record", "--accel", "soft", "--clock", "virtual", "--raw", image + "@0x7c00",
                                           "--memory", "16M", *options, "--force", "-o", self.path(name))
                    # the loop is a failure if the guest came to it in that time
                    self.assertIn(done.returncode, (0, 1) if status is None else (status,), done.stderr)
                rows = [self.query(self.path(name), "SELECT address, page, sha256, zstd FROM memory_page, page "
                                                    "WHERE page.id = page ORDER BY 1") for name in ("one.db", "two.db")]
                self.assertTrue(rows[0] == rows[1] or end == "loop")
                self.assertEqual("larger" in done.stderr or "1 GiB" in done.stderr, "2G" in options)
                last = self.query(self.path("one.db"), "SELECT max(exit) FROM exits")[0][0]
                shown = ("state", self.path("one.db"), last, "--memory", "0x8000,4")
                if not kept:
                    self.assertEqual(rows[0], [])
                    self.refuse(*shown, mention="not kept")
                    continue
                if end == "loop":  # it may not have begun
                    self.assertIn(0x7000, [row[0] for row in rows[0]])
                    continue
                self.assertEqual([row[0] for row in rows[0]], [0x7000, 0x8000])
                self.assertTrue(self.succeed(*shown).stdout.startswith("00008000  5a 00 00 00  "))
                self.assertIn("no problem", self.succeed("check", self.path("one.db")).stdout)
        self.assertIn(" 00 00 ?? ?? ", self.succeed("state", self.path("one.db"), last, "-m", "0x9fffe,4").stdout)
        for wrong in ("", "x", "1,", "1,0", "0,2M", "18446744073709551615,2"):
            self.refuse("state", self.path("one.db"), last, "-m", wrong, mention="ADDRESS")

    def test_the_summary_names_the_recording_and_its_size(self):
        image = self.write("guest", HELLO)
        done = self.succeed("record", "--raw", image + "@0x7c00", "-o", self.path("a.db"))
        self.assertRegex(done.stderr, r"^hwaccl record: guest ended: exit code 7; (\d+) exits in [\d.]+ s; "
                                      r"recorded in .*a\.db, [\d.]+ bytes per exit\n$")

    def test_the_console_goes_to_a_file_and_into_the_recording(self):
        image = self.write("guest", HELLO)
        done = self.succeed("record", "--raw", image + "@0x7c00", "-o", self.path("a.db"), "--console",
                            self.path("console"))
        self.assertEqual(done.stdout, "")
        with open(self.path("console"), "rb") as file:
            self.assertEqual(file.read(), b"hello\n")
        rows = self.query(self.path("a.db"), "SELECT data FROM effect WHERE kind = 1 ORDER BY exit, sequence")
        self.assertEqual(b"".join(row[0] for row in rows), b"hello\n")

    def test_a_reader_of_the_console_that_goes_away_does_not_end_the_recording(self):
        image = self.write("guest", counter(5000))
        with subprocess.Popen([HWACCL, "record", "--raw", image + "@0x7c00", "-o", self.path("a.db")],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            process.stdout.close()
            self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.query(self.path("a.db"), "SELECT count(*) FROM effect WHERE kind = 1"), [(5000,)])

    def held_up(self, path, patience, number):
        """A guest that prints without end to a pipe of a page, of which one byte is read; its end by a time limit or by a signal.
        Whether it was held up by then, which takes some time on a busy machine."""
        # mov al, "x"; again: out e9h, al; jmp again
        image = self.write("guest", bytes.fromhex("b0 78 e6 e9 eb fc")) + "@0x7c00"
        option = [] if number else ["--timeout", str(patience)]
        f_setpipe_sz = 1031
        with subprocess.Popen([HWACCL, "record", "--raw", image, *option, "--force", "-o", path], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            fcntl.fcntl(process.stdout, f_setpipe_sz, 4096)
            try:
                os.read(process.stdout.fileno(), 1)
                if number:
                    time.sleep(patience)
                    process.send_signal(number)
                self.assertEqual(process.wait(), 0)
            finally:
                process.kill()
            if b"standard output is blocked" not in process.stderr.read():
                return False
            shown = 1 + len(process.stdout.read())
        self.succeed("check", path)
        self.assertGreaterEqual(self.query(path, "SELECT count(*) FROM effect WHERE kind = 1")[0][0], shown)
        return True

    def test_a_reader_of_the_console_who_reads_nothing_does_not_keep_the_guest_from_ending(self):
        for name, number in (("timeout", None), ("signal", signal.SIGTERM)):
            patience = 0.5
            while not self.held_up(self.path(name + ".db"), patience, number):
                patience *= 2
                self.assertLess(patience, 100)


class Interrupted(CommandTest):
    def interrupt(self, number, times):
        image = self.write("guest", ENDLESS)
        output = self.path("a.db")
        with subprocess.Popen([HWACCL, "record", "--raw", image + "@0x7c00", "--force", "-o", output],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            self.wait_until_completed(process, output, 101)
            for _ in range(times):
                process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn("stopped: interrupted", errors)
        self.assertEqual(errors.count("\n"), 1, errors)
        exits = self.query(output, "SELECT count(*) FROM exits")[0][0]
        self.assertIn(f" {exits} exits ", errors)
        self.assertGreater(exits, 100)
        self.assertEqual(self.succeed("check", output).stderr, "")
        self.assertIn(" 0 divergences", self.succeed("replay", output).stdout)

    def test_ctrl_c_finishes_the_recording(self):
        self.interrupt(signal.SIGINT, 1)

    def test_a_second_ctrl_c_does_not_corrupt_it(self):
        self.interrupt(signal.SIGINT, 20)

    def test_sigterm_and_sighup_do_the_same(self):
        self.interrupt(signal.SIGTERM, 1)
        self.interrupt(signal.SIGHUP, 1)


class FullDisk(CommandTest):
    """What a disk without room does is done by a limit of the file size here: writes fail in the same place."""

    def record_with_little_room(self, output, room):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        image = self.write("guest", ENDLESS)
        return subprocess.run([HWACCL, "record", "--raw", image + "@0x7c00", "--timeout", "60", "-o", output],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=limit, timeout=100, check=False)

    def test_the_guest_stops_and_what_was_recorded_is_kept_and_marked(self):
        output = self.path("a.db")
        done = self.record_with_little_room(output, 12 << 20)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(output, done.stderr)
        exits = self.query(output, "SELECT count(*) FROM exits")[0][0]
        self.assertGreater(exits, 1000)
        replayed = self.run_hwaccl("replay", output)
        self.assertEqual(replayed.returncode, 0, replayed.stderr + replayed.stdout[-2000:])
        self.assertIn("incomplete", replayed.stderr)
        self.assertIn(f"replayed {exits} exits", replayed.stdout)

    def test_no_room_at_all_is_an_error_before_the_guest_runs(self):
        done = self.record_with_little_room(self.path("a.db"), 4096)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


class SameAgain(CommandTest):
    def rows(self, path):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        rows = {}
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')
                       if not row[1].startswith("host_")]
            names = ", ".join(f'"{column}"' for column in columns)
            rows[table] = [row for row in connection.execute(f'SELECT {names} FROM "{table}"')
                           if table != "option" or not row[0].startswith("host_")]
        connection.close()
        return rows

    def test_two_recordings_with_the_virtual_clock_are_identical_row_for_row(self):
        image = self.write("guest", HELLO)
        for name in ("one.db", "two.db"):
            self.succeed("record", "--raw", image + "@0x7c00", "--clock", "virtual", "-o", self.path(name))
            time.sleep(1.1)  # the date of the host has moved on
        self.assertEqual(self.rows(self.path("one.db")), self.rows(self.path("two.db")))
        self.assertGreater(len(self.rows(self.path("one.db"))["exit"]), 5)

    def test_so_they_are_when_more_is_typed_than_the_recorder_holds(self):
        echo = os.path.join(BUILD, "guests", "console_echo.bin")
        typed = self.write("typed", bytes(range(ord("a"), ord("q"))) * 300 + b"q")
        for name in ("one.db", "two.db"):
            self.succeed("record", "--raw", echo + "@0x7c00", "--clock", "virtual", "--input", typed, "-o", self.path(name))
        one, two = self.rows(self.path("one.db")), self.rows(self.path("two.db"))
        self.assertEqual([table for table in one if one[table] != two[table]], [])
        self.assertEqual(self.query(self.path("one.db"), "SELECT sum(length(data)) FROM input WHERE kind = 4"), [(4801,)])

    def test_the_rate_of_the_virtual_clock_is_recorded_and_ends_a_loop_that_polls_a_clock_sooner(self):
        # starts the PIT's counter 0, reads it until its high byte has changed, and halts
        image = self.write("poll", bytes.fromhex("b034e64330c0e640e640 b000e643e440e440 b000e643e440e44088c3 b000e643e440e44038d874f4 faf4"))
        polls = {}
        for clock in ("virtual", "virtual,1", "virtual,20"):
            path = self.path(clock + ".db")
            self.succeed("record", "--raw", image + "@0x7c00", "--clock", clock, "-o", path, status=1) # it halts for good
            polls[clock], = self.query(path, "SELECT count(*) FROM exit")[0]
            rate = self.query(path, "SELECT value FROM option WHERE name = 'clock_rate'")
            self.assertEqual(rate, [("20",)] if clock == "virtual,20" else [])
            self.succeed("replay", path)
        self.assertEqual(polls["virtual"], polls["virtual,1"])
        self.assertGreater(polls["virtual"], 5 * polls["virtual,20"])

    def test_the_option_table_says_what_was_run(self):
        image = self.write("guest", HELLO)
        self.succeed("record", "--raw", image + "@0x7c00", "--clock", "virtual", "-o", self.path("a.db"))
        table = dict(self.query(self.path("a.db"), "SELECT name, value FROM option"))
        for name, value in {"accel": "soft", "clock": "virtual", "memory_size": str(128 << 20), "raw_0": image,
                            "raw_0_address": str(0x7c00), "raw_0_size": str(len(HELLO)),
                            "raw_0_sha256": digest(image), "cr0_mask": "0x60000020"}.items():
            self.assertEqual(table.get(name), value, name)
        for name in ("hwaccl_version", "clock_source", "host_name", "host_kernel", "host_start_time",
                     "host_command_line", "host_unicorn_version", "host_capstone_version", "host_sqlite_version"):
            self.assertTrue(table.get(name), name)


if __name__ == "__main__":
    main()
