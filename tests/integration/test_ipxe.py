#!/usr/bin/env python3
"""iPXE, a bzImage without a 32-bit entry, is started by SeaBIOS through its real-mode code."""
import os
import unittest

from hwaccl_cli import CommandTest, main

IMAGE = "/usr/lib/ipxe/ipxe.lkrn"
FIRMWARE = "/usr/share/seabios/bios-256k.bin"


@unittest.skipUnless(os.access(IMAGE, os.R_OK), "package ipxe is not installed")
class Ipxe(CommandTest):
    def test_its_banner(self):
        path = self.path("ipxe.db")
        done = self.succeed("record", "--accel", "soft", "--clock", "virtual", "--firmware", FIRMWARE, "--kernel", IMAGE,
                            "--until", "Open Source Network Boot Firmware", "--timeout", "300", "-o", path, timeout=400)
        self.assertIn("iPXE initialising devices...ok", done.stdout)
        self.assertIn(" 0 divergences", self.succeed("replay", path).stdout)


if __name__ == "__main__":
    main()
