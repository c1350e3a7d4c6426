#!/usr/bin/env python3
"""Text from a file, a file's name or a guest never controls the terminal that it is printed on."""
import json
import os
import shutil
import subprocess

from hwaccl_cli import HELLO, HWACCL, CommandTest, main

# ESC and other C0 controls, DEL, C1 controls as UTF-8 and as bytes, separators, controls of the writing direction
TEXTS = (b"\x1b[31m", b"\x07\x08\r", b"\n", b"\x7f", "\x9b31m".encode(), "\x85".encode(), b"\x9b31m", b"\x80", b"\xff",
         "\u2028\u2029".encode(), "\u061c\u200e\u200f".encode(), "\u202a\u202b\u202c\u202d\u202e".encode(),
         "\u2066\u2067\u2068\u2069".encode(), b"\xe2\x80", b"\xc0\x9b")
FORBIDDEN = {*range(0x20), *range(0x7f, 0xa0), 0x61c, 0x200e, 0x200f, *range(0x2028, 0x202f), *range(0x2066, 0x206a)} - {0x0a}
HOSTILE = b"<" + b"|".join(TEXTS) + b">"
AS_NAME = HOSTILE.replace(b"/", b"")


class HostileText(CommandTest):
    def run_raw(self, *arguments, **options):
        return subprocess.run([HWACCL.encode(), *(word if isinstance(word, bytes) else str(word).encode() for word in arguments)],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, **options)

    def assert_safe(self, *arguments, status=(0, 1, 2), lines=None):
        """What is printed is UTF-8 without forbidden characters. Standard error has so many lines, if that is known."""
        done = self.run_raw(*arguments)
        self.assertIn(done.returncode, status, (arguments, done.stderr))
        for output in (done.stdout, done.stderr):
            text = output.decode("utf-8")  # anything else raises
            self.assertEqual([hex(ord(c)) for c in text if ord(c) in FORBIDDEN], [], (arguments, text))
        if lines is not None:
            self.assertEqual(done.stderr.count(b"\n"), lines, (arguments, done.stderr))
        return done

    def hostile_recording(self, path):
        """With hostile text wherever a recording has text."""
        recording = self.record()
        text = HOSTILE.replace(b"\x00", b"")
        literal = "CAST(x'" + text.hex() + "' AS TEXT)"
        self.change(recording, f"UPDATE status SET status = 1, end_message = {literal}, problem = {literal}",
                    f"INSERT INTO option(name, value) VALUES ({literal}, {literal})",
                    f"UPDATE option SET value = {literal} WHERE name LIKE 'host_%' OR name IN ('accel', 'firmware', 'raw_0')",
                    f"INSERT INTO mark(vcpu, exit, host_time, text) SELECT 0, 1, 0, {literal} WHERE 1",
                    f"UPDATE device_field SET device = {literal} WHERE id = 1",
                    f'CREATE TABLE "{"".join(chr(c) if c < 0x80 else "x" for c in text)}"(x)')
        os.rename(recording.encode(), path)

    def test_a_recording_full_of_it_under_such_a_name(self):
        directory = self._scratch.name.encode()
        path = os.path.join(directory, AS_NAME + b".db")
        self.hostile_recording(path)
        for command in (("show",), ("state", "1"), ("explain", "1"), ("stat",), ("check",), ("replay",), ("report",), ("top", "--once"), ("recover",),
                        ("upgrade",)):
            for form in ((), ("--json",)):
                done = self.assert_safe(command[0], path, *command[1:], *form)
                if form and done.returncode != 2 and command[0] != "upgrade":
                    json.loads(done.stdout)

    def test_json_loses_no_character_that_is_one(self):
        path = os.path.join(self._scratch.name, "a\u202e\x9b\x7f\x1b\u00e4.db")
        shutil.copy(self.record(), path)
        done = self.assert_safe("recover", "--json", path.encode(), status=(0,))
        self.assertEqual(json.loads(done.stdout)["recordings"][0]["recording"], path)
        self.assertIn("\u00e4".encode(), done.stdout)

    def test_names_of_files_that_are_not_there(self):
        name = os.path.join(self._scratch.name.encode(), AS_NAME)
        for command in (("show", name), ("state", name, "1"), ("explain", name, "1"), ("explain-state", name), ("stat", name), ("check", name), ("replay", name), ("report", name), ("top", name),
                        ("recover", name), ("upgrade", name), ("import", "ctf", name), ("record", "--firmware", name, "--no-db"),
                        ("record", "--kernel", name, "--no-db"), ("record", "--raw", name + b"@0", "--no-db"),
                        ("record", "--disk", name, "--raw", b"x@0", "--no-db"), (name,), ("help", name), ("show", "--" + name.hex()),
                        (b"--" + AS_NAME,), ("show", b"--" + AS_NAME), ("show", b"-" + TEXTS[4]), ("record", "--memory", AS_NAME),
                        ("record", "--accel", AS_NAME), ("record", "--mode", AS_NAME), ("show", name, AS_NAME)):
            self.assert_safe(*command, status=(2,), lines=1)

    def test_a_ring_and_a_directory_of_such_names(self):
        directory = os.path.join(self._scratch.name.encode(), AS_NAME)
        os.mkdir(directory)
        self.assert_safe("recover", directory)
        with open(os.path.join(directory, AS_NAME + b".db-ring"), "wb") as ring:
            ring.write(b"no ring")
        for form in ((), ("--json",)):
            self.assert_safe("recover", directory, *form, status=(2,), lines=1)
            self.assert_safe("stat", os.path.join(directory, AS_NAME + b".db"), *form, status=(2,), lines=1)

    def test_what_record_says_about_its_files(self):
        directory = self._scratch.name.encode()
        guest = os.path.join(directory, AS_NAME + b".bin")
        with open(guest, "wb") as image:
            image.write(HELLO)
        output = os.path.join(directory, AS_NAME + b".db")
        for options in ((), ("--flight-recorder", "100exits", "--trigger", "reason=cpuid")):
            self.assert_safe("record", "--accel", "soft", "--raw", guest + b"@0x7c00", "--memory", "16M", "--force", "-o", output,
                             *options, status=(0,))
        self.assert_safe("record", "--accel", "soft", "--raw", guest + b"@0x7c00", "-o", output, status=(2,), lines=1)


if __name__ == "__main__":
    main()
