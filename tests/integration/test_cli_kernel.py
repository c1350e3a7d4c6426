#!/usr/bin/env python3
"""hwaccl record --kernel: which options go together, what is refused, what the recording says of it, and its replay."""
import os
import shutil
import struct
import subprocess

from hwaccl_cli import HELLO, CommandTest, digest, main

LOAD = 0x100000
FIRMWARE = "/usr/share/seabios/bios-256k.bin"


def multiboot(code=bytes.fromhex("b0 6b e6 e9 b0 00 e6 f4 f4"), flags=0x10000, load=LOAD, size=None):
    """A Multiboot kernel with its addresses in the header; prints k and ends with exit code 0."""
    magic = 0x1badb002
    image = struct.pack("<8I", magic, flags, -(magic + flags) & 0xffffffff, load, load, 0, 0, load + 32) + code
    return image + bytes((size or len(image)) - len(image))


def pvh(code=bytes.fromhex("b0 70 e6 e9 b0 00 e6 f4 f4"), load=LOAD):
    """A 32-bit ELF image with a PVH entry; prints p and ends with exit code 0."""
    note = struct.pack("<3I4sI", 4, 4, 18, b"Xen\0", load)
    header = b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, load, 52, 0, 0, 52, 32, 2, 40, 0, 0)
    segments = struct.pack("<8I", 1, 116, load, load, len(code), len(code) + 4096, 5, 4)
    segments += struct.pack("<8I", 4, 116 + len(code), 0, 0, len(note), len(note), 4, 4)
    return header + segments + code + note


REAL_MODE = r"""
org 0
        times 1f1h db 0
        db 1                            ; setup_sects
        dw 0
        dd 2                            ; syssize: 32 bytes
        times 1feh - ($ - $$) db 0
        dw 0aa55h
        jmp short start
        db "HdrS"
        dw 207h, 0, 0, 0, 0
        db 0, 1                         ; loaded high
        dw 0
code32: dd CODE32
        times 224h - ($ - $$) db 0
heap:   dw 0, 0
text:   dd 0, 0ffffffffh, 0
        db 0, 0
        dw 0
        dd 100
        times 270h - ($ - $$) db 0
start:  push cs
        pop ax
        sub ax, 20h
        mov bx, ds
        mov cx, ss
        cmp ax, bx
        jne wrong
        cmp ax, cx
        jne wrong
        mov ax, es
        cmp ax, bx
        jne wrong
        mov ax, [heap]
        add ax, 200h
        cmp sp, ax
        ja wrong
        mov ax, [text + 2]              ; segment of the command line
        shl ax, 12
        mov ds, ax
        mov si, [cs:text - 200h]
print:  lodsb
        out 0e9h, al
        test al, al
        jnz print
        mov ax, 0ffffh                  ; the protected-mode code, from where A20 lets real mode see it
        mov ds, ax
        mov si, 10h
        cmp dword [cs:code32 - 200h], 100000h
        jne wrong
        mov cx, 32
show:   lodsb
        out 0e9h, al
        loop show
        mov ah, 12h                     ; the BIOS is there
        int 12h
        cmp ax, 639
        jne wrong
        mov al, 0
        out 0f4h, al
wrong:  mov al, 1
        out 0f4h, al
        hlt
        times 400h - ($ - $$) db 0
        db "code that is loaded at one MiB.."
"""


def bzimage():
    """No kernel, but something that says that it is one."""
    image = bytearray(8192)
    image[0x1fe:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    return bytes(image)


class Kernels(CommandTest):
    def record_kernel(self, kernel, *options, status=0):
        path = self.path("kernel.db")
        done = self.succeed("record", "--force", "--clock", "virtual", "--kernel", kernel, *options, "-o", path, status=status)
        return path, done

    def option_rows(self, path):
        return dict(self.query(path, "SELECT name, value FROM option"))

    def copy_with(self, path, statement):
        copy = self.path("copy.db")
        shutil.copyfile(path, copy)
        self.change(copy, statement)
        return copy

    def test_options_that_do_not_go_together(self):
        for arguments, mention in (
                (["--initrd", "i"], "--initrd requires --kernel FILE"),
                (["--module", "m"], "--module requires --kernel FILE"),
                (["--append", "a"], "--append requires --kernel FILE"),
                (["--linux-entry", "32"], "--linux-entry requires --kernel FILE"),
                (["--kernel", "k", "--linux-entry", "8"], "invalid value '8' (--linux-entry): expected 16, 32 or 64"),
                (["--kernel", "k", "--initrd", "i", "--initrd", "j"], "--initrd: at most one"),
                (["--kernel", "k", "--initrd", "i", "--module", "m"], "--initrd and --module exclude each other"),
                (["--kernel", "k", "--module", " text"], "expected a file"),
                (["--kernel", "k"] + ["--module", "m"] * 33, "at most 32 modules")):
            self.refuse("record", *arguments, "--no-record", mention=mention)

    def test_options_that_do_not_go_with_the_image(self):
        module = self.write("module", b"m")
        for image, option, mention in ((multiboot(), ["--initrd", module], "use --module FILE"),
                                       (bzimage(), ["--module", module], "use --initrd FILE"),
                                       (multiboot(), ["--linux-entry", "64"], "is a multiboot image"),
                                       (pvh(), ["--linux-entry", "32"], "is a pvh image")):
            kernel = self.write("kernel", image)
            self.refuse("record", "--kernel", kernel, *option, "--no-record", mention=[option[0], kernel, mention])

    def real_mode_image(self, code32):
        source = self.write("real.asm", REAL_MODE.replace("CODE32", code32).encode())
        subprocess.run(["nasm", "-f", "bin", "-w-all", "-o", self.path("real"), source], check=True)
        return self.path("real")

    def test_real_mode_code_is_started_by_firmware(self):
        """With a 32-bit entry only where it is asked for; without one (code32_start 0) always."""
        firmware = ("--firmware", FIRMWARE)
        for code32, options in (("0", ()), ("100000h", ("--linux-entry", "16"))):
            image = self.real_mode_image(code32)
            self.refuse("record", "--kernel", image, *options, "--no-record", mention=[image, "add --firmware FILE"])
            path, done = self.record_kernel(image, *firmware, *options, "--append", "boot me", "--expect-exit", "0")
            self.assertIn("boot me\0code that is loaded at one MiB..", done.stdout)
            self.assertEqual(self.option_rows(path)["entry_mode"], "real")
            self.assertIn(" 0 divergences", self.succeed("replay", path).stdout)
        self.refuse("record", "--kernel", image, *firmware, "--no-record", mention=[image, "--linux-entry 16"])
        self.refuse("record", "--kernel", self.write("kernel", multiboot()), *firmware, "--no-record", mention="omit --firmware")
        image = self.real_mode_image("0")
        self.refuse("record", "--kernel", image, *firmware, "--linux-entry", "32", "--no-record", mention="no 32-bit entry")
        for address in ("4096", str(1 << 40), "134217727"):
            copy = self.copy_with(path, f"UPDATE option SET value = '{address}' WHERE name = 'setup_address'")
            self.refuse("replay", copy, mention="real-mode code")

    def test_files_that_cannot_be_loaded(self):
        good = self.write("good", multiboot())
        empty = self.write("empty", b"")
        large = self.write("large", bytes(2 << 20))
        for name in (self.path("missing"), empty, self._scratch.name):
            self.refuse("record", "--kernel", name, "--no-record", mention=name)
            self.refuse("record", "--kernel", good, "--module", name + " text", "--no-record", mention=name)
        self.refuse("record", "--kernel", large, "--memory", "1M", "--no-record", mention=[large, "0x100000 bytes"])
        for image, mention in ((HELLO, "not a Linux bzImage"),
                               (multiboot(flags=0x10004), "video mode"),
                               (multiboot(load=0xa0000), "is not within guest RAM"),
                               (multiboot()[:20], "is truncated"),
                               (pvh()[:60], "2 ELF program headers"),
                               (bzimage(), "Linux")):
            kernel = self.write("kernel", image)
            self.refuse("record", "--kernel", kernel, "--no-record", mention=[kernel, mention])

    def test_a_kernel_is_recorded_with_what_it_was(self):
        kernel = self.write("kernel", multiboot())
        module = self.write("module", b"its bytes")
        path, done = self.record_kernel(kernel, "--append", "a  line", "--module", module + " its  text", "--module", module)
        self.assertEqual(done.stdout, "k\n")
        rows = self.option_rows(path)
        self.assertEqual((rows["kernel"], rows["kernel_format"], rows["kernel_size"], rows["kernel_sha256"]),
                         (kernel, "multiboot", "41", digest(kernel)))
        self.assertEqual((rows["kernel_command_line"], rows["module_count"]), ("a  line", "2"))
        self.assertEqual((rows["module_0"], rows["module_0_text"], rows["module_0_size"], rows["module_0_sha256"]),
                         (module, "its  text", "9", digest(module)))
        self.assertNotIn("module_1_text", rows)
        self.assertIn("0x100000+0x29", [value for name, value in rows.items() if name.startswith("loaded_")])
        self.assertEqual((rows["entry_mode"], rows["entry_rip"], rows["entry_rax"]),
                         ("protected", str(LOAD + 32), str(0x2badb002)))

    def test_the_replay_needs_no_kernel(self):
        for image, text in ((multiboot(), "k"), (pvh(), "p")):
            kernel = self.write("kernel", image)
            path, done = self.record_kernel(kernel)
            self.assertEqual(done.stdout, text + "\n")
            os.unlink(kernel)
            self.assertIn(" 0 divergences", self.succeed("replay", path).stdout)

    def test_a_pvh_kernel_takes_an_initrd_as_its_module(self):
        initrd = self.write("initrd", b"i")
        path, _ = self.record_kernel(self.write("kernel", pvh()), "--initrd", initrd)
        self.assertEqual(self.option_rows(path)["module_0"], initrd)

    def test_raw_images_may_lie_beside_a_kernel_only(self):
        kernel = self.write("kernel", multiboot())
        raw = self.write("raw", b"raw")
        self.record_kernel(kernel, "--raw", f"{raw}@0x200000")
        self.refuse("record", "--kernel", kernel, "--raw", f"{raw}@{LOAD + 40:#x}", "--no-record",
                    mention=[raw, "overlap the kernel, 0x29 bytes at 0x100000"])
        # nor where it has zeros
        self.refuse("record", "--kernel", self.write("pvh", pvh()), "--raw", f"{raw}@{LOAD + 4096:#x}", "--no-record",
                    mention=[raw, "overlap segment 0 of the kernel, 0x1009 bytes at 0x100000"])

    def test_entries_that_no_loader_made_are_refused(self):
        path, _ = self.record_kernel(self.write("kernel", multiboot()))
        for name, value, mention in (("entry_mode", "virtual", "expected real, protected or long"),
                                     ("entry_mode", "real", "nothing to run"),
                                     ("entry_rip", "9223372036854775807", "entry at 0x7fffffffffffffff"),
                                     ("entry_rip", "-1", "is not a number"),
                                     ("entry_rbx", "4294967296", "register above 32 bits"),
                                     ("entry_gdt_base", "18446744073709551615", "GDT at 0xffffffffffffffff"),
                                     ("entry_gdt_limit", "65536", "expected at most 65535"),
                                     ("entry_code_selector", "7", "code selector 0x7"),
                                     ("entry_data_selector", "", "is not a number")):
            self.refuse("replay", self.copy_with(path, f"UPDATE option SET value = '{value}' WHERE name = '{name}'"),
                        mention=["hwaccl replay: ", mention])
        self.refuse("replay", self.copy_with(path, "DELETE FROM option WHERE name = 'entry_rsi'"),
                    mention="no option entry_rsi")


if __name__ == "__main__":
    main()
