#!/usr/bin/env python3
"""What a guest is told of its interrupt controllers is what there is: the tables that SeaBIOS leaves, and those of a kernel that
starts without firmware, have both APICs on a machine that has them, and none on one that has not.
"""
import os
import struct

from hwaccl_cli import CommandTest, main

FIRMWARE = "/usr/share/seabios/bios-256k.bin"
AREA = (0xf0000, 0x100000)


def u32(memory, at):
    return struct.unpack_from("<I", memory, at)[0]


def acpi_tables(memory):
    """Signature to content, all checksums verified."""
    rsdp = memory.find(b"RSD PTR ", *AREA)
    assert rsdp > 0 and rsdp % 16 == 0 and sum(memory[rsdp:rsdp + 20]) & 0xff == 0, "no RSDP"
    rsdt = u32(memory, rsdp + 16)
    tables = {}
    for at in [rsdt] + [u32(memory, place) for place in range(rsdt + 36, rsdt + u32(memory, rsdt + 4), 4)]:
        table = memory[at:at + u32(memory, at + 4)]
        assert sum(table) & 0xff == 0, f"checksum of {table[:4]}"
        tables[table[:4].decode()] = table
    return tables


def madt_entries(madt):
    at = 44
    while at < len(madt):
        yield madt[at:at + madt[at + 1]]
        at += madt[at + 1]


def mp_entries(memory):
    """Those of the configuration table; None where there is none."""
    pointer = memory.find(b"_MP_", *AREA)
    if pointer < 0:
        return None
    assert sum(memory[pointer:pointer + 16]) & 0xff == 0, "checksum of the floating pointer"
    table = u32(memory, pointer + 4)
    size, = struct.unpack_from("<H", memory, table + 4)
    assert sum(memory[table:table + size]) & 0xff == 0, "checksum of the MP table"
    entries = []
    at = table + 44
    while at < table + size:
        length = 20 if memory[at] == 0 else 8
        entries.append(memory[at:at + length])
        at += length
    return entries


class Tables(CommandTest):
    def memory(self, machine, *options):
        image = self.path(f"{machine}.memory")
        self.succeed("record", "--accel", "soft", "--machine", machine, "--clock", "virtual", "--save-memory", image, "--console", self.path("console"),
                     "--memory", "16M", "--timeout", "120", *options, "-o", self.path(f"{machine}.db"))
        with open(image, "rb") as file:
            return file.read()

    def firmware(self, machine):
        if not os.access(FIRMWARE, os.R_OK):
            self.skipTest("package seabios is not installed")
        return self.memory(machine, "--firmware", FIRMWARE, "--until", "No bootable device")

    def kernel(self, machine):
        return self.memory(machine, "--kernel", os.path.join(os.environ["HWACCL_BUILD"], "guests", "multiboot_elf.bin"))

    def check_apic(self, memory):
        entries = list(madt_entries(acpi_tables(memory)["APIC"]))
        self.assertEqual([entry[3] for entry in entries if entry[0] == 0], [0])
        self.assertEqual([u32(entry, 4) for entry in entries if entry[0] == 1], [0xfec00000])
        self.assertIn((0, 2), [(entry[3], u32(entry, 4)) for entry in entries if entry[0] == 2])
        entries = mp_entries(memory)
        self.assertEqual([u32(entry, 4) for entry in entries if entry[0] == 2], [0xfec00000])
        pins = {entry[5]: entry[7] for entry in entries if entry[0] == 3 and entry[1] == 0}
        self.assertEqual((pins[0], pins[4]), (2, 4))
        self.assertEqual([(entry[1], entry[7]) for entry in entries if entry[0] == 4], [(3, 0), (1, 1)])

    def check_pic(self, memory):
        tables = acpi_tables(memory)
        self.assertNotIn("APIC", sorted(tables))
        self.assertIn("FACP", sorted(tables))
        self.assertIsNone(mp_entries(memory))

    def test_firmware_publishes_the_apics_that_are_there(self):
        self.check_apic(self.firmware("apic"))

    def test_firmware_publishes_none_where_none_is_there(self):
        self.check_pic(self.firmware("pic"))

    def test_a_kernel_finds_the_apics_that_are_there(self):
        self.check_apic(self.kernel("apic"))

    def test_a_kernel_finds_none_where_none_is_there(self):
        self.check_pic(self.kernel("pic"))


if __name__ == "__main__":
    main()
