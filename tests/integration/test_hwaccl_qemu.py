#!/usr/bin/env python3
"""hwaccl-qemu: what libvirt asks QEMU goes to QEMU as it is, a guest on KVM is recorded. A script stands in for QEMU."""
import os
import signal
import stat
import subprocess
import unittest

from hwaccl_cli import HWACCL
from record_vmm_test import VMM, RecordVmmTest

WRAPPER = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "replay", "cli", "hwaccl-qemu"))
SOCKET = "unix:/var/lib/libvirt/qemu/qmp-XA9Z01/qmp.monitor,server=on,wait=off"
# as libvirt's driver runs them, now and before
PROBES = [
    ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=kvm:tcg", "-qmp", SOCKET, "-pidfile",
     "/var/lib/libvirt/qemu/qmp-XA9Z01/qmp.pid", "-daemonize"],
    ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=tcg", "-qmp", SOCKET, "-daemonize"],
    ["-S", "-no-user-config", "-nodefaults", "-nographic", "-M", "none", "-qmp", SOCKET, "-daemonize"],
    ["-help"], ["-version"], ["--version"], ["-h"], ["-machine", "help"], ["-M", "?"], ["-cpu", "help"], ["-accel", "help"],
    ["-device", "?", "-device", "pci-assign,?"], ["-enable-kvm", "-device", "virtio-blk-pci,help"],
    ["-accel", "tcg", "-name", "guest=soft"]]
DOMAIN = ["-name", "guest=web 1/a,,b,debug-threads=on", "-S", "-object",
          '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-1-web/master-key.aes"}',
          "-machine", "pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram", "-accel", "kvm", "-cpu", "host,migratable=on", "-m", "512",
          "-uuid", "c7a5fdbd-edaf-9455-926a-d65c16db1809", "-no-user-config", "-nodefaults", "-chardev", "socket,id=charmonitor,fd=@FD@,server=on",
          "-mon", "chardev=charmonitor,id=monitor,mode=control", "-device", '{"driver":"virtio-balloon-pci","id":"balloon0"}',
          "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-msg", "timestamp=on"]


class Wrapper(RecordVmmTest):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("bin"))
        os.mkdir(self.path("out"))
        for name, target in (("hwaccl", HWACCL), ("hwaccl-qemu", WRAPPER)):
            os.symlink(target, self.path("bin/" + name))
        self.qemu = self.write("qemu", f"""#!/bin/bash
printf '%s\\0' "$@" >'{self.path("arguments")}'
echo "from${{HWACCL_INTERPOSE:+ a recorder}}"
all="$*"
fd=${{all#*,fd=}}
[ "$fd" = "$all" ] || echo "over the socket" >&"${{fd%%,*}}"
'{VMM}' run 8
exec '{VMM}' "${{MODE:-run}}" 8
""".encode())
        os.chmod(self.qemu, 0o755)

    def start(self, *arguments, **more):
        settings = {"HWACCL_QEMU": self.qemu, "HWACCL_QEMU_OUTPUT": self.path("out/%n.db"), "HWACCL_QEMU_CONFIG": "/dev/null",
                    **more.pop("env", {})}
        environment = {**os.environ, **{name: value for name, value in settings.items() if value is not None}}
        return subprocess.run([self.path("bin/hwaccl-qemu"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=environment, timeout=120, **more)

    def arguments(self):
        with open(self.path("arguments"), encoding="utf-8") as file:
            return file.read().split("\0")[:-1]

    def test_probes_are_qemu_s(self):
        for probe in PROBES:
            result = self.start(*probe)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (7, "from\n", ""), probe)
            self.assertEqual(self.arguments(), probe)
            self.assertEqual(os.listdir(self.path("out")), [])

    def test_a_domain_is_recorded(self):
        read, write = os.pipe()
        domain = [argument.replace("@FD@", str(write)) for argument in DOMAIN]
        result = self.start(*domain, pass_fds=[write])
        os.close(write)
        with open(read, encoding="ascii") as file:
            self.assertEqual(file.read(), "over the socket\n")
        self.assertEqual((result.returncode, result.stdout), (7, "from a recorder\n"), result.stderr)
        self.assertEqual(self.arguments(), domain)
        self.assertEqual(os.listdir(self.path("out")), ["web_1_a_b.db"])
        recording = self.path("out/web_1_a_b.db")
        self.assertEqual(stat.S_IMODE(os.stat(recording).st_mode), 0o640)
        checked = subprocess.run([HWACCL, "check", recording], capture_output=True, text=True)
        self.assertRegex(checked.stdout, "^16 exits, no problem found")

    def test_other_ways_to_ask_for_kvm(self):
        for arguments, name in ((["-enable-kvm"], "guest"), (["-machine", "q35,accel=kvm", "-name", "a"], "a"),
                                (["-M", "q35,accel=kvm:tcg", "-name", "../x"], "_./x".replace("/", "_")), (["-accel", "kvm,dirty-ring-size=4096"], "guest")):
            result = self.start(*arguments)
            self.assertEqual(result.returncode, 7, result.stderr)
            self.assertEqual(os.listdir(self.path("out")), [name + ".db"])
            os.remove(self.path(f"out/{name}.db"))

    def test_settings_of_the_file(self):
        config = self.write("qemu.conf", f"# for domains\n\nHWACCL_QEMU={self.qemu}\nHWACCL_QEMU_OUTPUT={self.path('out/%n-%p.db')}\n"
                                         "HWACCL_QEMU_OPTIONS=--mode 0600 --anonymous\n".encode())
        none = {"HWACCL_QEMU": None, "HWACCL_QEMU_OUTPUT": None, "HWACCL_QEMU_CONFIG": config}
        self.assertEqual(self.start("-accel", "kvm", "-name", "a", env=none).returncode, 7)
        (name,) = os.listdir(self.path("out"))
        self.assertRegex(name, "^a-[0-9]+[.]db$")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("out/" + name)).st_mode), 0o600)
        with open(config, "a", encoding="ascii") as file:
            file.write("HWACCL_QEMU_OUTPUTS=x\n")
        result = self.start("-accel", "kvm", env=none)
        self.assertEqual((result.returncode, result.stderr), (125, f"hwaccl-qemu: {config}: unknown setting 'HWACCL_QEMU_OUTPUTS'\n"))

    def test_how_it_ends(self):
        result = self.start("-accel", "kvm", env={"MODE": "die"})
        self.assertEqual(result.returncode, 128 + signal.SIGKILL)
        result = self.start("-accel", "kvm")  # the recording of before is not replaced
        self.assertEqual((result.returncode, result.stderr),
                         (125, f"hwaccl record: {self.path('out/guest.db')}: already exists; use --force to replace it\n"))


if __name__ == "__main__":
    unittest.main()
