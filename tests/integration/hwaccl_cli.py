"""What the tests of the command share: running it, small guests, and a check of its one-line messages."""
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

HWACCL = os.environ.get("HWACCL") or sys.exit("run this through ctest, or set HWACCL to the built command")
SANITIZED = bool(os.environ.get("HWACCL_SANITIZE"))  # each process takes five times as long to start
BUILD = os.environ.get("HWACCL_BUILD") or os.path.dirname(HWACCL)

# Prints "hello" on port e9h, executes CPUID and WBINVD, reads and writes CR0, ends with exit code 7.
HELLO = bytes.fromhex(
    "be 1f 7c"     # 7c00 mov si, 7c1fh
    "2e ac"        # 7c03 cs lodsb
    "84 c0"        # 7c05 test al, al
    "74 04"        # 7c07 jz 7c0dh
    "e6 e9"        # 7c09 out e9h, al
    "eb f6"        # 7c0b jmp 7c03h
    "31 c0"        # 7c0d xor ax, ax
    "0f a2"        # 7c0f cpuid
    "0f 20 c0"     # 7c11 mov eax, cr0
    "0f 22 c0"     # 7c14 mov cr0, eax
    "0f 09"        # 7c17 wbinvd
    "b0 07"        # 7c19 mov al, 7
    "e6 f4"        # 7c1b out f4h, al
    "f4 f4"        # 7c1d hlt
) + b"hello\n\0"

# Writes to port 80h for ever.
ENDLESS = bytes.fromhex("e6 80 eb fc")

# Prints 'x' on port e9h as often as CX says, then ends with exit code 0: many exits.
def counter(count):
    return bytes.fromhex("b9") + count.to_bytes(2, "little") + bytes.fromhex("b0 78 e6 e9 e2 fc 30 c0 e6 f4 f4")


class CommandTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="hwaccl-test.")
        self.addCleanup(self._scratch.cleanup)

    def path(self, name):
        return os.path.join(self._scratch.name, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def run_hwaccl(self, *arguments, **options):
        return subprocess.run([HWACCL, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=30, errors="replace", check=False, **options)

    def succeed(self, *arguments, status=0, **options):
        done = self.run_hwaccl(*arguments, **options)
        self.assertEqual(done.returncode, status, f"{arguments}: {done.stdout[-2000:]} {done.stderr}")
        return done

    def refuse(self, *arguments, mention=None, **options):
        """The command ends with status 2 and exactly one line on stderr, which mentions what is wrong."""
        done = self.run_hwaccl(*arguments, **options)
        self.assertEqual(done.returncode, 2, f"{arguments}: {done.stdout[-2000:]} {done.stderr}")
        self.assertEqual(done.stderr.count("\n"), 1, f"{arguments}: not one line: {done.stderr!r}")
        self.assertTrue(done.stderr.startswith("hwaccl"), done.stderr)
        for text in [mention] if isinstance(mention, str) else mention or []:
            self.assertIn(text, done.stderr)
        return done

    def record(self, name="guest.db", guest=HELLO, status=0, options=()):
        """Record a raw guest with the virtual clock; the path of the recording."""
        image = self.write(name + ".bin", guest)
        self.succeed("record", "--raw", image + "@0x7c00", "--memory", "16M", "--clock", "virtual", "-o",
                     self.path(name), *options, status=status)
        return self.path(name)

    def query(self, database, sql, *parameters):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def change(self, database, *statements):
        connection = sqlite3.connect(database)
        try:
            changed = 0
            for statement in statements:
                changed += connection.execute(statement).rowcount
            connection.commit()
            return changed
        finally:
            connection.close()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    unittest.main()
