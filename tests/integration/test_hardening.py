#!/usr/bin/env python3
"""Every program and shared library that a release build installs is hardened: what its ELF file and its debug information say."""
import os
import re
import subprocess
import tempfile
import unittest

BUILD = os.environ["HWACCL_BUILD"]
COMPILED_WITH = ("-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full")


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], capture_output=True, text=True, check=True).stdout


def installed(folder):
    """The ELF programs and shared libraries of an installation."""
    subprocess.run(["cmake", "--install", BUILD, "--prefix", folder], check=True, stdout=subprocess.DEVNULL)
    for directory, _, names in os.walk(folder):
        for path in (os.path.join(directory, name) for name in names):
            with open(path, "rb") as file:
                if not os.path.islink(path) and file.read(4) == b"\x7fELF":
                    yield path


class Hardening(unittest.TestCase):
    def look_at(self, path):
        segments, dynamic = readelf("-l", path), readelf("-d", path)
        self.assertRegex(readelf("-h", path), r"Type: +DYN")
        if "INTERP" in segments:
            self.assertRegex(dynamic, r"FLAGS_1.*\bPIE\b")
        self.assertIn("GNU_RELRO", segments)
        self.assertRegex(dynamic, r"\(FLAGS\).*BIND_NOW")
        self.assertRegex(segments, r"GNU_STACK .* RW +0x")
        self.assertNotRegex(segments, r"LOAD .* RWE ")
        self.assertNotIn("TEXTREL", dynamic)
        self.assertRegex(readelf("-n", path), r"x86 feature: .*SHSTK")
        for symbol in re.findall(r"^ +\d+: ([0-9a-f]+) +\d+ FUNC +GLOBAL DEFAULT +\d+ (\S+)", readelf("--dyn-syms", path), re.M):
            self.assertEqual(self.code(path, int(symbol[0], 16)), b"\xf3\x0f\x1e\xfa", f"{symbol[1]} does not begin with ENDBR64")
        producers = [line for line in readelf("--debug-dump=info", "--dwarf-depth=1", path).splitlines() if "DW_AT_producer" in line]
        self.assertTrue(producers, "no debug information")
        for producer in producers:
            for option in COMPILED_WITH:
                self.assertIn(option, producer)

    def code(self, path, address):
        """The first bytes of a function."""
        for offset, start, size in re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", readelf("-l", path)):
            if int(start, 16) <= address < int(start, 16) + int(size, 16):
                with open(path, "rb") as file:
                    file.seek(address - int(start, 16) + int(offset, 16))
                    return file.read(4)
        return b""

    def test_every_installed_binary(self):
        with tempfile.TemporaryDirectory() as folder:
            found = {os.path.basename(path): path for path in installed(folder)}
            self.assertIn("hwaccl", found)
            self.assertTrue(any(name.startswith("libhwaccl-tracer.so") for name in found), found)
            for name, path in sorted(found.items()):
                with self.subTest(name):
                    self.look_at(path)
            self.assertRegex(readelf("--dyn-syms", found["hwaccl"]), r" __\w+_chk@")
            self.assertRegex(readelf("--dyn-syms", found["hwaccl"]), r" __stack_chk_fail@")


if __name__ == "__main__":
    unittest.main()
