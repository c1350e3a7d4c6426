#!/usr/bin/env python3
"""Disk images under a running guest: what the host cannot read or write is a disk error, and replays as one."""
import fcntl
import os
import subprocess
import threading

from hwaccl_cli import HWACCL, CommandTest, main

SOURCE = os.environ.get("HWACCL_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
GUESTS = os.path.join(SOURCE, "tests", "guests")
SECTOR = 512

# Reads or writes sector 50 as soon as something is typed, and prints status and error register as digits.
ACCESS = """
%include "guest.inc"
%include "ata.inc"
        GUEST "access"
        PRINT "ready", 10
        mov dx, 3fdh
.typed: in al, dx
        test al, 1
        jz .typed
        ATA_OUT ATA_CONTROL, 2
        ATA_COMMAND {command}, 50, 1
        {data}
        mov dx, ATA_STATUS
        in al, dx
        call print_byte
        mov dx, ATA_ERROR
        in al, dx
        call print_byte
        PASS
print_byte:
        aam 16
        add ax, 4040h
        xchg al, ah
        out PORT_PRINT, al
        xchg al, ah
        out PORT_PRINT, al
        ret
"""


class Disks(CommandTest):
    def assemble(self, name, text):
        source = self.write(name + ".asm", text.encode())
        subprocess.run(["nasm", "-f", "bin", "-I", GUESTS + "/", "-o", self.path(name), source], check=True)
        return self.path(name)

    def record_with(self, guest, disk, meanwhile=None, status=0):
        """Record a guest that waits for a key; `meanwhile` is called before the key is typed. What it said, and stderr."""
        arguments = [HWACCL, "record", "--raw", guest + "@0x7c00", "--memory", "16M", "--timeout", "60", "--input", "-",
                     "--disk", disk, "-o", self.path("disk.db"), "--force"]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            limit = threading.Timer(120, process.kill)
            limit.start()
            said = process.stdout.readline()
            if meanwhile:
                meanwhile()
            more, complaints = process.communicate(b"x")
            limit.cancel()
        self.assertEqual(process.returncode, status, complaints)
        self.succeed("replay", self.path("disk.db"))
        self.succeed("check", self.path("disk.db"))
        return (said + more).decode(), complaints.decode()

    def test_an_image_that_becomes_shorter_cannot_be_read_there(self):
        guest = self.assemble("read", ACCESS.format(command="ATA_READ_SECTORS", data=""))
        disk = self.write("disk", bytes(100 * SECTOR))
        said, _ = self.record_with(guest, disk + ",ro")
        self.assertIn("EH@@", said)  # 58h: data; no error
        for mode in ("", ",ro", ",cow"):
            disk = self.write("disk", bytes(100 * SECTOR))
            said, complaints = self.record_with(guest, disk + mode, lambda: os.truncate(disk, 20 * SECTOR))
            self.assertIn("EAD@", said)  # 51h: error; 40h: uncorrectable
            self.assertIn(disk + ": 1 accesses failed", complaints)
            self.assertIn("became shorter", complaints)
            self.assertEqual(self.query(self.path("disk.db"), "SELECT access, disk, sector FROM disk_accesses"),
                             [("failed", 0, 50)])

    def test_what_cannot_be_written_is_aborted(self):
        guest = self.assemble("write", ACCESS.format(command="ATA_WRITE_SECTORS", data="ATA_GIVE 7c00h, 256"))
        disk = self.write("disk", bytes(100 * SECTOR))
        said, complaints = self.record_with(guest, disk)
        self.assertIn("E@@@", said)  # 50h
        self.assertNotIn("failed", complaints)
        image = self.read(guest)
        self.assertEqual(self.read(disk)[50 * SECTOR:50 * SECTOR + len(image)], image[:SECTOR])
        # a memory file that is sealed meanwhile takes no more writes, like a full or broken file system
        file = os.memfd_create("disk", os.MFD_ALLOW_SEALING)
        os.ftruncate(file, 100 * SECTOR)
        f_add_seals, f_seal_write = 1033, 8
        said, complaints = self.record_with(guest, f"/proc/{os.getpid()}/fd/{file}",
                                            lambda: fcntl.fcntl(file, f_add_seals, f_seal_write))
        os.close(file)
        self.assertIn("EA@D", said)  # 51h: error; 04h: aborted
        self.assertIn("1 accesses failed", complaints)
        self.assertEqual(self.query(self.path("disk.db"), "SELECT access, disk, sector FROM disk_accesses ORDER BY access"),
                         [("failed", 0, 50), ("write", 0, 50)])

    def test_a_replay_notices_other_disk_contents_and_another_write(self):
        guest = self.assemble("write", ACCESS.format(command="ATA_WRITE_SECTORS", data="ATA_GIVE 7c00h, 256"))
        self.record_with(guest, self.write("disk", bytes(100 * SECTOR)))
        self.change(self.path("disk.db"), "UPDATE effect SET address = address + 512 WHERE kind = 4")
        done = self.succeed("replay", self.path("disk.db"), status=1)
        self.assertIn("disk 0 at 0x6400+512", done.stdout)
        self.assertIn("disk 0 at 0x6600+512", done.stdout)
        guest = self.assemble("read", ACCESS.format(command="ATA_READ_SECTORS", data="ATA_TAKE 1000h, 256"))
        self.record_with(guest, self.write("disk", bytes(100 * SECTOR)))
        self.change(self.path("disk.db"), "UPDATE input SET data = CAST(zeroblob(511) || x'01' AS BLOB) WHERE kind = 7")
        done = self.succeed("replay", self.path("disk.db"), status=1)
        self.assertIn("memory 0x1000+512", done.stdout)


if __name__ == "__main__":
    main()
