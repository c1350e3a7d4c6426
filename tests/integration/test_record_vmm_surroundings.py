#!/usr/bin/env python3
"""hwaccl record -- VMM: the program finds what it would find without a recorder, and so do those around it."""
import os
import re
import select
import signal
import subprocess
import unittest

from hwaccl_cli import HWACCL
from record_vmm_test import VMM, RecordVmmTest

# what a process has from its parent: descriptors, signals, group, session, limits, priority, directory, environment
SHOW = """import os, resource, signal, sys
for fd in sorted(map(int, os.listdir('/proc/self/fd'))):
    try: print(fd, os.readlink(f'/proc/self/fd/{fd}'), os.get_inheritable(fd))
    except OSError: pass
for line in open('/proc/self/status'):
    if line.startswith(('Sig', 'Shd', 'NoNewPrivs', 'Seccomp', 'Uid', 'Gid', 'Groups', 'Cap', 'Umask')) and not line.startswith('SigQ'):
        print(line, end='')
print(os.getpgrp() == int(sys.argv[1]), os.getsid(0), os.nice(0), os.getcwd())
print([resource.getrlimit(limit) for limit in range(16)])
print(open('/proc/self/oom_score_adj').read(), open('/proc/self/cgroup').read())
print({name: value for name, value in os.environ.items() if name not in ('HWACCL_INTERPOSE', 'LD_PRELOAD')})
"""


class Surroundings(RecordVmmTest):
    def command(self, *vmm, options=()):
        return [HWACCL, "record", "--force", "-o", self.path("q.db"), *options, "--", *vmm]

    def test_what_the_program_inherits(self):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGCHLD])
        ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        read, write = os.pipe()
        try:
            show = ["python3", "-c", SHOW, str(os.getpgrp())]
            without, recorded = (subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=(read, write), text=True,
                                                check=True, restore_signals=False).stdout
                                 for command in (show, self.command(*show)))
        finally:
            signal.signal(signal.SIGHUP, ignored)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            os.close(read)
            os.close(write)
        hide = re.compile(r"^(\d+) pipe:\[\d+\]|/proc/\d+/fd", re.MULTILINE)  # each has a pipe of its own for its output
        self.assertEqual(hide.sub(r"\1", recorded), hide.sub(r"\1", without))
        self.assertIn(f"\n{write} ", recorded)

    def test_the_recorder_keeps_no_descriptor(self):
        """Who reads from the VMM sees the end when the VMM closes its side, and who writes to it that nobody reads."""
        read, write = os.pipe()
        inward = os.pipe()
        vmm = ["bash", "-c", f"exec {write}>&- {inward[0]}<&- 0<&- 1>&-; trap 'exit 7' TERM; echo ready >&2; while :; do sleep 0.1; done"]
        recorder = subprocess.Popen(self.command(*vmm), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    pass_fds=(write, inward[0]))
        try:
            os.close(write)
            os.close(inward[0])
            self.assertEqual(recorder.stderr.readline(), b"ready\n")
            for fd in (read, recorder.stdout.fileno()):
                self.assertEqual(select.select([fd], [], [], 60)[0], [fd], "still open in the recorder")
                self.assertEqual(os.read(fd, 1), b"")
            for fd in (inward[1], recorder.stdin.fileno()):
                with self.assertRaises(BrokenPipeError):
                    os.write(fd, b"x")
        finally:
            recorder.send_signal(signal.SIGTERM)
            recorder.stderr.close()
            recorder.stdout.close()
            self.assertEqual(recorder.wait(60), 7)
            os.close(read)
            os.close(inward[1])
            recorder.stdin.close()

    def test_a_full_disk(self):
        """The VMM goes on without its recorder, to its own end; what was recorded before can be read."""
        namespace = ["unshare", "-rm"]
        if subprocess.run([*namespace, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
            self.skipTest("unshare -rm, or a mount in it, is not permitted")
        full = self.path("full")
        os.mkdir(full)
        script = f"""mount -t tmpfs -o size=16m tmpfs '{full}'
'{HWACCL}' record -o '{full}/q.db' -- sh -c "'{VMM}' run 200000; echo VMM: \\$?"
echo "recorder: $?"
'{HWACCL}' check '{full}/q.db'"""
        result = subprocess.run([*namespace, "bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        self.assertRegex(result.stdout, "^VMM: 7\nrecorder: 125\n[1-9][0-9]* exits, no problem found")
        # the rest of the rings is written with what a rollback gave back, if it suffices
        recover = f"run 'hwaccl recover {full}/q.db'"
        why = ("the recorder stopped before the guest", "")
        if recover in result.stderr:
            why = (f"its ring holds more exits; {recover}", f"; the remaining exits are in the ring; {recover}")
        self.assertEqual(result.stderr.splitlines(), [
            f"hwaccl record: {full}/q.db: cannot write: database or disk is full{why[1]}",
            f"hwaccl check: {full}/q.db: the recording is incomplete: {why[0]}"])

    def test_together(self):
        self.assertEqual(subprocess.run([HWACCL, "record", "-o", self.path("q.db"), "--together", "--raw", "x@0"], capture_output=True,
                                        text=True).returncode, 2)
        for options, ends in (((), False), (("--together",), True)):
            recorder = subprocess.Popen(self.command(VMM, "until-told", options=options), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
            self.assertEqual(recorder.stdout.readline(), b"ready\n")
            recorder.kill()
            recorder.wait()
            if not ends:
                recorder.stdin.write(b"go on\n")
                recorder.stdin.flush()
            self.assertEqual(recorder.stdout.read(), b"" if ends else b"done\n")  # read up to the VMM's end
            recorder.stdin.close()
            recorder.stdout.close()
            subprocess.run([HWACCL, "recover", self.path("q.db")], check=True, capture_output=True)


if __name__ == "__main__":
    unittest.main()
