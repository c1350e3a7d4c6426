#!/usr/bin/env python3
"""hwaccl and LTTng: a session daemon of our own in user space, our events read by babeltrace2, and imported back.

As root everything but this script runs as an unprivileged user, as the session daemon of root is the whole machine's."""
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import hwaccl_cli

SOURCE = os.environ.get("HWACCL_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

NOBODY = 65534
FIRMWARE = "/usr/share/seabios/bios-256k.bin"
EXITS = 3000
GUESTS = ("ata_pio", "control_register", "control_register_long", "irq_two_pending", "interrupt_without_gate")
TIMEOUT = 120

scratch = None
environment = None


def as_user():
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def run(*command, status=0, env=None, timeout=TIMEOUT):
    """Run a command as the unprivileged user, with its output in files: daemons keep pipes open."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([str(word) for word in command], cwd=scratch, env=env or environment,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=errors, **as_user())
        try:
            process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        errors.seek(0)
        done = subprocess.CompletedProcess(command, process.returncode, output.read().decode(errors="replace"),
                                           errors.read().decode(errors="replace"))
    if status is not None and done.returncode != status:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return done


def path(*names):
    return os.path.join(scratch, *names)


def hwaccl(*arguments, **options):
    return run(path("bin", "hwaccl"), *arguments, **options)


def session(*arguments, **options):
    return run(path("bin", "lttng-session"), *arguments, **options)


def record(*arguments, **options):
    return hwaccl("record", "--lttng", "--clock", "virtual", "--quiet-debug", "--console", "/dev/null", *arguments,
                  **options)


def read(name):
    with open(path(name), encoding="utf-8", errors="replace") as file:
        return file.read()


def process_of(done):
    return int(re.search(r"emitted \d+ LTTng events of process (\d+)", done.stderr).group(1))


def ask(database, sql):
    connection = sqlite3.connect(f"file:{path(database)}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


class Session:
    """A session of the daemon, with a channel of our own making."""

    def __init__(self, name, *channel, events=("hwaccl:*",), filter=None):
        self.name = name
        run("lttng", "--no-sessiond", "create", name, "--output=" + path(name))
        run("lttng", "enable-channel", "--userspace", "--session=" + name, "channel", *channel)
        for event in events:
            run("lttng", "enable-event", "--userspace", "--session=" + name, "--channel=channel", event,
                *(["--filter=" + filter] if filter else []))
        run("lttng", "start", name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("lttng", "stop", self.name)
        run("lttng", "destroy", self.name)


def start_daemon():
    run("lttng-sessiond", "--background", "--no-kernel")
    with open(path("home", ".lttng", "lttng-sessiond.pid"), encoding="ascii") as file:
        return int(file.read())


def stop_daemon(pid):
    """It ends its consumer daemon too. In any case nothing of it is left."""
    consumers = subprocess.run(["pgrep", "-f", path("home", ".lttng")], stdout=subprocess.PIPE, text=True, check=False)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in [pid, *map(int, consumers.stdout.split())]:
            for _ in range(100):
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    break
                time.sleep(0.1)


def babeltrace(trace, pid):
    """What an independent reader sees: [(event, {field: text})] of one process."""
    done = run("babeltrace2", path(trace))
    events = []
    for line in done.stdout.splitlines():
        found = re.search(r" hwaccl:(\w+): \{[^}]*\}, \{ (pid = (\d+), .*) \}$", line)
        if not found:
            raise AssertionError(f"no event of hwaccl: {line[:200]}")
        if int(found.group(3)) == pid:
            fields = dict(re.findall(r'(\w+) = ("[^"]*"|\( "[^"]*" : container = \d+ \)|[^,{}\[\]]+)(?:,|$| )',
                                     found.group(2)))
            events.append((found.group(1), fields))
    return events


class LTTng(unittest.TestCase):
    maxDiff = None

    def compare(self, one, other):
        """Row for row, but for the times of the host."""
        tables = [name for name, in ask(one, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
        self.assertGreater(len(tables), 15)
        tables = [name for name in tables if name not in ("memory_range", "memory_page", "page")]  # no trace has memory
        for table in tables:
            columns = [row[1] for row in ask(one, f"PRAGMA table_info({table})") if not row[1].startswith("host_")]
            sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(columns)}"
            self.assertEqual(ask(one, sql), ask(other, sql), table)

    def check_events(self, trace, pid, database):
        events = babeltrace(trace, pid)
        counts = {}
        for name, _ in events:
            counts[name] = counts.get(name, 0) + 1
        exits = ask(database, "SELECT count(*) FROM exit")[0][0]
        rows = {
            "vm_exit": exits,
            "transfer_out": exits,
            "handled": exits,
            "transfer_in": exits + 1,
            "effect": ask(database, "SELECT count(*) FROM effect")[0][0],
            "input": ask(database, "SELECT count(*) FROM inputs")[0][0],
            "emulate": ask(database, "SELECT count(*) FROM exit WHERE verdict = 1")[0][0],
            "control_register": ask(database, "SELECT count(*) FROM exit WHERE exit_reason = 28")[0][0],
            "irq_offer": ask(database, "SELECT count(*) FROM irq_handoff")[0][0],
            "irq_reclaim": ask(database, "SELECT count(taken) FROM irq_handoff")[0][0],
            "fault": ask(database, "SELECT count(*) FROM fault")[0][0],
            "device_state": ask(database, "SELECT count(*) FROM device_snapshot")[0][0],
            "device_field": ask(database, "SELECT count(*) FROM device_field")[0][0] * counts["begin"],
            "marker": ask(database, "SELECT count(*) FROM option")[0][0] * counts["begin"],
        }
        for name, count in rows.items():
            self.assertEqual(counts.get(name, 0), count, name)
        numbers = ask(database, "SELECT e.id, e.exit_reason, n.name, e.rip, e.exit_qualification FROM exit e JOIN names "
                                "n ON n.kind = 'exit_reason' AND n.number = e.exit_reason ORDER BY e.id")
        exits = [fields for name, fields in events if name == "vm_exit"]
        for row, fields in zip(numbers, exits):
            self.assertEqual(int(fields["exit"]), row[0])
            self.assertEqual(fields["reason"], f'( "{row[2]}" : container = {row[1]} )')
            self.assertEqual(int(fields["rip"], 16), row[3] & (1 << 64) - 1)
            self.assertEqual(int(fields["exit_qualification"], 16), row[4] & (1 << 64) - 1)
        self.assertEqual([int(fields["sequence"]) for _, fields in events], list(range(len(events))))
        self.assertEqual(int(events[-1][1]["emitted"]), len(events))

    def test_a_trace_of_all_events_becomes_the_recording_that_was_made_beside_it(self):
        guests = {name: ["--raw", path("bin", name + ".bin") + "@0x7c00"] for name in ("hello", *GUESTS)}
        with open(path("disk"), "wb") as file:
            for sector in range(100):
                file.write(sector.to_bytes(4, "little").ljust(512, b"\0"))
        guests["ata_pio"] += ["--disk", path("disk") + ",cow"]
        guests["seabios"] = ["--firmware", FIRMWARE, "--max-exits", str(EXITS)]
        pids = {}
        with Session("both", "--buffers-uid", "--subbuf-size=1M", "--num-subbuf=4", "--blocking-timeout=inf"):
            for name, options in guests.items():
                done = record("-o", path(name + ".db"), *options,
                              status=1 if name == "interrupt_without_gate" else 0)
                self.assertNotIn("no session", done.stderr)
                pids[name] = process_of(done)
        done = hwaccl("import", "ctf", path("both"), "-o", path("any.db"), status=2)
        for pid in pids.values():
            self.assertIn(f"process {pid} vCPU 0", done.stderr)
        self.assertFalse(os.path.exists(path("any.db")))
        for name, pid in pids.items():
            with self.subTest(guest=name):
                done = hwaccl("import", "ctf", path("both"), "--pid", pid, "-o", path(name + "-imported.db"))
                self.assertNotIn("incomplete", done.stderr)
                self.compare(name + ".db", name + "-imported.db")
                self.assertIn("no problem", hwaccl("check", path(name + "-imported.db")).stdout)
                self.assertIn(" 0 divergences", hwaccl("replay", path(name + "-imported.db")).stdout)
                self.check_events("both", pid, name + ".db")
        for name, sql in (("irq_two_pending", "SELECT count(*) FROM irq_handoff WHERE taken"),
                          ("control_register", "SELECT count(*) FROM exit WHERE exit_reason = 28"),
                          ("interrupt_without_gate", "SELECT count(*) FROM fault"),
                          ("ata_pio", "SELECT count(*) FROM disk_accesses")):
            self.assertGreater(ask(name + ".db", sql)[0][0], 1, "this guest shows nothing")

    def test_the_session_script_loses_nothing_and_counts(self):
        alone = dict(environment, LTTNG_HOME="", HOME=path("tmp"))
        del alone["LTTNG_HOME"]
        for which, env in (("there", environment), ("own", alone)):
            with self.subTest(daemon=which):
                name = "script-" + which
                done = session("run", "-o", path(name), "--", path("bin", "hwaccl"), "record", "--lttng", "--no-db",
                               "--raw", path("bin", "hello.bin") + "@0x7c00", "--console", "/dev/null",
                               "--expect-exit", "7", env=env)
                events = re.search(r"emitted (\d+) LTTng events of process (\d+)", done.stderr)
                self.assertIn(f"process {events.group(2)}: all {events.group(1)} events traced", done.stderr)
                self.assertIn("9 exits", hwaccl("import", "ctf", path(name)).stderr)
                self.assertEqual(ask(name + ".db", "SELECT count(*) FROM exit"), [(9,)])
        self.assertIn("not empty", session("run", "-o", path("script-own"), "true", status=2).stderr)
        self.assertIn("no event of hwaccl", session("run", "-o", path("script-none"), "true", status=1).stderr)

    def test_a_started_session_is_stopped_and_counted(self):
        begin = session("start", "-o", path("started"))
        self.assertIn("LTTNG_UST_REGISTER_TIMEOUT=-1", begin.stdout)
        record("--no-db", "--raw", path("bin", "hello.bin") + "@0x7c00")
        self.assertRegex(session("stop", "-o", path("started")).stderr, r"all \d+ events traced")

    def change_zero(self, file, function):
        """Overwrite the clock offset in a part of a trace, and return the new one."""
        with open(file, "rb") as metadata:
            content = metadata.read()
        place = re.search(rb"\n\toffset = *(\d+);\n", content)
        zero = str(function(int(place.group(1)))).rjust(len(place.group(1)))
        content = content[:place.start(1)] + zero.encode() + content[place.end(1):]
        with open(file, "wb") as metadata:
            metadata.write(content)
        return int(zero)

    def test_the_parts_of_a_trace_are_given_one_zero_of_their_clock(self):
        """Two processes, one after the other. Each part of the trace has the zero that its tracer measured, and one that
        was interrupted meanwhile puts its events where they do not belong."""
        record_it = path("bin", "hwaccl") + " record --lttng --no-db --console /dev/null --raw " + path("bin", "hello.bin")
        done = session("run", "--per-process", "-o", path("zeros"), "sh", "-ec", f"{record_it}@0x7c00; {record_it}@0x7c00")
        pids = re.findall(r"emitted \d+ LTTng events of process (\d+)", done.stderr)
        parts = [os.path.join(directory, "metadata") for directory, _, files in os.walk(path("zeros"))
                 if "metadata" in files]
        self.assertEqual(len(parts), 2)
        first, second = parts if f"-{pids[0]}-" in parts[0] else reversed(parts)
        measured = self.change_zero(first, lambda zero: zero)
        self.assertEqual(self.change_zero(second, lambda zero: zero), measured)

        def order():
            lines = run("babeltrace2", path("zeros")).stdout.splitlines()
            events = [re.search(r"pid = (\d+)", line).group(1) for line in lines]
            return [pid for i, pid in enumerate(events) if i == 0 or pid != events[i - 1]]

        for name, part, function, expected in (
                ("late", first, lambda zero: zero + 10 ** 10, measured),
                ("early", second, lambda zero: zero - 10 ** 10, measured - 10 ** 10),
                ("with fewer digits", second, lambda _: 999, 999)):
            with self.subTest(zero=name):
                self.change_zero(part, function)
                self.assertEqual(order(), pids[::-1])
                self.assertEqual(session("align", "-o", path("zeros")).stderr, "")
                self.assertEqual([self.change_zero(part, lambda zero: zero) for part in parts], [expected] * 2)
                self.assertEqual(order(), pids)
        with open(second, "rb") as metadata:
            content = metadata.read()
        for name, old, new, said in (("another clock", b"\n\tuuid = \"", b"\n\tuuid = \"0", ""),
                                     ("none", b"\n\toffset = ", b"\n\toffset = -", "unknown clock description")):
            with self.subTest(clock=name), open(second, "wb") as metadata:
                self.assertIn(old, content)
                changed = content.replace(old, new)
                metadata.write(changed)
                metadata.flush()
                self.change_zero(first, lambda _: 1000)
                done = session("align", "-o", path("zeros"), status=1 if said else 0)
                self.assertIn(said, done.stderr) if said else self.assertEqual(done.stderr, "")
                with open(second, "rb") as metadata:
                    self.assertEqual(metadata.read(), changed)
        self.assertIn("no such directory", session("align", "-o", path("nowhere"), status=2).stderr)
        self.assertIn("contains no trace", session("align", "-o", path("bin"), status=1).stderr)

    def test_the_session_script_says_what_full_buffers_lost(self):
        """Nobody empties them while the second program runs: the consumer daemon stands still."""
        record_it = path("bin", "hwaccl") + " record --lttng --no-db --console /dev/null --clock virtual"
        done = session("run", "--discard", "--subbuf", "32K", "--subbufs", "2", "-o", path("script-full"), "sh", "-ec", f"""
            {record_it} --raw {path("bin", "hello.bin")}@0x7c00
            consumers=$(pgrep -f '[l]ttng-consumerd.*{path("home", ".lttng")}')
            kill -STOP $consumers
            {record_it} --firmware {FIRMWARE} --quiet-debug --max-exits 1000 || :
            kill -CONT $consumers""", status=1)
        small, large = re.findall(r"emitted (\d+) LTTng events of process (\d+)", done.stderr)
        self.assertIn(f"process {small[1]}: all {small[0]} events traced", done.stderr)
        lost = re.search(rf"process {large[1]}: (\d+) events, but no end event", done.stderr)
        self.assertLess(int(lost.group(1)), int(large[0]))
        self.assertRegex(done.stderr, r"LTTng discarded \d+ events")

    def test_the_session_script_says_what_came_too_late(self):
        """A session daemon that does not answer, and a program that does not wait for it."""
        record_it = path("bin", "hwaccl") + " record --lttng --no-db --console /dev/null --raw " + path("bin", "hello.bin")
        daemon = read(os.path.join("home", ".lttng", "lttng-sessiond.pid")).strip()
        done = session("run", "-o", path("script-late"), "sh", "-c", f"""
            {record_it}@0x7c00
            kill -STOP {daemon}
            LTTNG_UST_REGISTER_TIMEOUT=0 {record_it}@0x7c00
            status=$?
            kill -CONT {daemon}
            exit $status""", status=1)
        first, late = re.findall(r"emitted (\d+) LTTng events of process (\d+)", done.stderr)
        self.assertEqual(late[0], "0")
        self.assertIn(f"process {first[1]}: all {first[0]} events traced", done.stderr)
        self.assertIn(f"process {late[1]}: no event", done.stderr)

    def type_and_see(self, guest, times):
        """A guest that echoes does so: some exits each time."""
        for _ in range(times):
            guest.stdin.write(b"~")
            self.assertEqual(guest.stdout.read(1), b"~", read("middle.err"))

    def test_a_session_that_begins_in_the_middle_says_so_and_its_trace_replays_from_there(self):
        with open(path("middle.err"), "wb") as errors:
            guest = subprocess.Popen([path("bin", "hwaccl"), "record", "--lttng", "--no-db", "--raw",
                                      path("bin", "console_echo.bin") + "@0x7c00", "--keyframe-interval", "16", "--input", "-",
                                      "--timeout", str(TIMEOUT)], cwd=scratch, env=environment, bufsize=0,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, **as_user())
            try:
                self.type_and_see(guest, 10)
                self.assertIn("no session traces", read("middle.err"))
                session("start", "-o", path("middle"))
                self.type_and_see(guest, 50)
                guest.stdin.write(b"q")
                self.assertEqual(guest.wait(TIMEOUT), 0, read("middle.err"))
            finally:
                guest.kill()
                guest.wait()
                guest.stdin.close()
                guest.stdout.close()
        done = session("stop", "-o", path("middle"), status=1)
        self.assertRegex(done.stderr, rf"process {guest.pid}: \d+ events, but not the first")
        done = hwaccl("import", "ctf", path("middle"), status=1)
        first, last = ask("middle.db", "SELECT first_exit, last_exit FROM gaps")[0]
        self.assertEqual(first, 0)
        self.assertIn(" 0 divergences", hwaccl("replay", path("middle.db"), f"{last + 1}..").stdout)

    def test_lost_events_are_gaps_and_the_ranges_between_them_replay(self):
        with Session("holes", "--buffers-uid", "--subbuf-size=1M", "--blocking-timeout=inf",
                     filter="exit < 300 || exit > 600"):
            done = record("--no-db", "--firmware", FIRMWARE, "--max-exits", 1500)
            self.assertRegex(done.stderr, "not recorded")
        done = hwaccl("import", "ctf", path("holes"), "-o", path("holes.db"), status=1)
        self.assertIn("incomplete", done.stderr)
        self.assertEqual(ask("holes.db", "SELECT first_exit, last_exit FROM gaps"), [(300, 767)])
        self.assertEqual(ask("holes.db", "SELECT count(*) FROM exit"), [(1500 - 468,)])
        self.assertEqual(ask("holes.db", "SELECT value FROM recording WHERE name = 'status'"), [("incomplete",)])
        hwaccl("check", path("holes.db"))
        os.chmod(path("holes.db"), 0o644)
        for options, mode in (((), 0o600), (("--mode", "640"), 0o640)):
            hwaccl("import", "ctf", path("holes"), "-o", path("holes.db"), "--force", *options, status=1)
            self.assertEqual(os.stat(path("holes.db")).st_mode & 0o777, mode)
        for exits, status in (("..299", 0), ("768..", 0), ("100..200", 0), ("900..1400", 0)):
            self.assertIn(" 0 divergences", hwaccl("replay", path("holes.db"), exits, status=status).stdout)
        for exits in ("0..", "..300", "700..800", "299..768"):
            self.assertIn("300 to 767", hwaccl("replay", path("holes.db"), exits, status=2).stderr)
        self.assertIn("300 to 767", hwaccl("state", path("holes.db"), 400, status=2).stderr)

    def test_buffers_that_nobody_empties_lose_events_and_it_is_said(self):
        with Session("full", "--buffers-uid", "--subbuf-size=32K", "--num-subbuf=2", "--blocking-timeout=0"):
            record("--no-db", "--raw", path("bin", "hello.bin") + "@0x7c00", "--expect-exit", 7)
            found = subprocess.run(["pgrep", "-f", "lttng-consumerd.*" + path("home", ".lttng")],
                                   stdout=subprocess.PIPE, text=True, check=True)
            consumers = [int(pid) for pid in found.stdout.split()]
            for pid in consumers:
                os.kill(pid, signal.SIGSTOP)
            try:
                done = record("--no-db", "--firmware", FIRMWARE, "--max-exits", 2000)
            finally:
                for pid in consumers:
                    os.kill(pid, signal.SIGCONT)
        pid = process_of(done)
        done = hwaccl("import", "ctf", path("full"), "--pid", pid, "-o", path("full.db"), status=1)
        exits = ask("full.db", "SELECT count(*), min(id), max(id) FROM exit")[0]
        self.assertLess(exits[0], 2000)
        self.assertEqual(exits[1], 0)
        first_gap = ask("full.db", "SELECT first_exit FROM gaps LIMIT 1")
        last = first_gap[0][0] - 1 if first_gap else exits[2]
        self.assertIn(" 0 divergences", hwaccl("replay", path("full.db"), f"..{last}").stdout)
        hwaccl("check", path("full.db"))

    def record_vmm(self, database, *command, options=(), status=7):
        """A VMM that knows nothing of a recorder, on a simulated KVM."""
        if not os.path.exists(path("bin", "libhwaccl-interpose.so")):
            self.skipTest("libhwaccl-interpose.so is not built with sanitizers")
        env = dict(environment, LD_LIBRARY_PATH=path("bin"))
        return hwaccl("record", "--lttng", "--force", "-o", path(database), *options, "--", *command, status=status, env=env)

    def test_a_trace_of_a_vmm_becomes_the_recording_that_was_made_beside_it(self):
        with Session("vmm", "--buffers-uid", "--subbuf-size=1M", "--num-subbuf=4", "--blocking-timeout=inf"):
            done = self.record_vmm("vmm.db", path("bin", "plain_vmm"), "threads", "1000")
        self.assertNotIn("no session", done.stderr)
        pid = process_of(done)
        hwaccl("import", "ctf", path("vmm"), "--vcpu", 0, "-o", path("vmm-imported.db"), status=2)
        said = hwaccl("import", "ctf", path("vmm"), "-o", path("vmm-imported.db")).stderr
        self.assertNotIn("incomplete", said)
        self.compare("vmm.db", "vmm-imported.db")
        self.assertIn("3001 exits, no problem", hwaccl("check", path("vmm-imported.db")).stdout)
        self.assertGreater(ask("vmm-imported.db", "SELECT count(*) FROM vmm_call")[0][0], 5)
        events = babeltrace("vmm", pid)
        for vcpu in range(3):
            exits = [fields for name, fields in events if name == "vmm_exit" and int(fields["vcpu"]) == vcpu]
            rows = ask("vmm.db", "SELECT e.id & 0xffffffffff, e.sequence, e.exit_reason, n.name, e.rip, e.exit_qualification FROM exit e "
                                 f"JOIN names n ON n.kind = 'exit_reason' AND n.number = e.exit_reason WHERE e.id >> 40 = {vcpu} ORDER BY e.id")
            self.assertEqual(len(exits), len(rows))
            for fields, row in zip(exits, rows):
                self.assertEqual((int(fields["exit"]), int(fields["order"])), row[:2])
                self.assertEqual(fields["reason"], f'( "{row[3]}" : container = {row[2]} )')
                self.assertEqual((int(fields["rip"], 16), int(fields["exit_qualification"], 16)), row[4:])
            self.assertEqual([int(fields["sequence"]) for _, fields in events if int(fields["vcpu"]) == vcpu],
                             list(range(sum(int(fields["vcpu"]) == vcpu for _, fields in events))))

    def test_what_a_trace_of_a_vmm_lost_is_a_gap_of_one_vcpu(self):
        with Session("vmm-holes", "--buffers-uid", "--subbuf-size=1M", "--num-subbuf=4", "--blocking-timeout=inf",
                     filter="vcpu != 0 || exit < 300 || exit > 600"):
            self.record_vmm("vmm-holes-direct.db", path("bin", "plain_vmm"), "threads", "1000")
        said = hwaccl("import", "ctf", path("vmm-holes"), "-o", path("vmm-holes.db"), status=1).stderr
        self.assertIn("468 exits in 1 ranges are missing", said)
        self.assertEqual(ask("vmm-holes.db", "SELECT first_exit, last_exit FROM gaps"), [(300, 767)])
        self.assertEqual(ask("vmm-holes.db", "SELECT count(*) FROM exit GROUP BY id >> 40"), [(532,), (1000,), (1001,)])
        hwaccl("check", path("vmm-holes.db"))

    def test_a_trace_has_all_exits_of_a_vmm_whose_flight_recorder_has_the_newest(self):
        with Session("vmm-flight", "--buffers-uid", "--subbuf-size=1M", "--num-subbuf=4", "--blocking-timeout=inf"):
            self.record_vmm("vmm-window.db", path("bin", "plain_vmm"), "run", "5000", options=("--flight-recorder", "1000exits"))
        self.assertLess(ask("vmm-window.db", "SELECT count(*) FROM exit")[0][0], 2000)
        hwaccl("import", "ctf", path("vmm-flight"), "-o", path("vmm-flight.db"))
        self.assertEqual(ask("vmm-flight.db", "SELECT count(*), max(id) FROM exit"), [(5000, 4999)])
        self.assertIn("5000 exits, no problem", hwaccl("check", path("vmm-flight.db")).stdout)

    def test_a_vmm_sees_nothing_of_lttng(self):
        script = "ls /proc/self/fd | tr '\\n' ' '; env | grep -c LTTNG_UST_ALLOW_BLOCKING; grep -c liblttng /proc/self/maps; exit 7"
        with Session("vmm-nothing", "--buffers-uid", "--subbuf-size=1M", "--blocking-timeout=inf"):
            done = self.record_vmm("vmm-nothing.db", "sh", "-c", script)
        self.assertEqual(done.stdout.split(), ["0", "1", "2", "3", "0", "0"])  # 3 is ls's own

    def test_without_a_session_daemon_recording_works_and_says_so(self):
        os.mkdir(path("nowhere"))
        nowhere = dict(environment, LTTNG_HOME=path("nowhere"), HOME=path("nowhere"))
        done = record("-o", path("nowhere.db"), "--raw", path("bin", "hello.bin") + "@0x7c00", env=nowhere)
        self.assertIn("no session traces", done.stderr)
        self.assertIn("emitted 0 LTTng events", done.stderr)
        self.assertIn(" 0 divergences", hwaccl("replay", path("nowhere.db")).stdout)
        record("--no-db", "--raw", path("bin", "hello.bin") + "@0x7c00", env=nowhere, status=1)

    def test_a_damaged_trace_is_an_error_or_a_good_recording(self):
        with Session("whole", "--buffers-uid", "--subbuf-size=64K", "--blocking-timeout=inf"):
            record("--no-db", "--raw", path("bin", "hello.bin") + "@0x7c00", "--expect-exit", 7)
        files = [os.path.join(where, name) for where, _, names in os.walk(path("whole")) for name in names
                 if not name.endswith(".idx")]
        numbers = random.Random(7)
        refused = 0
        for attempt in range(36):
            shutil.rmtree(path("damaged"), ignore_errors=True)
            shutil.copytree(path("whole"), path("damaged"))
            os.chmod(path("damaged"), 0o755)
            name = files[attempt % len(files)].replace(path("whole"), path("damaged"))
            with open(name, "r+b") as file:
                size = os.path.getsize(name)
                if size == 0:
                    continue
                how = attempt // len(files) % 3
                if how == 0:
                    file.truncate(numbers.randrange(size))
                else:
                    for _ in range(1 if how == 1 else 20):
                        file.seek(numbers.randrange(min(size, 16384)))
                        file.write(bytes([numbers.randrange(256)]))
            for entry, directories, names in os.walk(path("damaged")):
                for item in directories + names:
                    os.chmod(os.path.join(entry, item), 0o755)
            done = hwaccl("import", "ctf", path("damaged"), "-o", path("damaged.db"), "--force", status=None)
            self.assertIn(done.returncode, (0, 1, 2), done.stderr)
            self.assertLessEqual(done.stderr.count("\n"), 2, done.stderr)
            self.assertTrue(done.stderr.startswith("hwaccl import: "), done.stderr)
            if done.returncode == 2:
                refused += 1
            else:
                hwaccl("check", path("damaged.db"))
        self.assertGreater(refused, 2)

    def test_what_is_no_trace_is_refused_in_one_line(self):
        os.mkdir(path("empty"))
        for directory, mention in (("empty", "no CTF trace"), ("missing", "No such file")):
            done = hwaccl("import", "ctf", path(directory), status=2)
            self.assertIn(mention, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertFalse(os.path.exists(path(directory + ".db")))

    def test_a_hwaccl_without_its_modules_says_so(self):
        without = dict(environment, HWACCL_MODULES=path("empty-modules"))
        image = path("bin", "hello.bin") + "@0x7c00"
        self.assertIn("hwaccl-lttng.so", record("--no-db", "--raw", image, env=without, status=2).stderr)
        self.assertIn("hwaccl-ctf", hwaccl("import", "ctf", path("whole"), env=without, status=2).stderr)


def prepare():
    global scratch, environment
    scratch = tempfile.mkdtemp(prefix="hwaccl-lttng.")
    for name in ("bin", "home", "tmp"):
        os.mkdir(path(name))
    build = os.environ.get("HWACCL_BUILD") or os.path.dirname(hwaccl_cli.HWACCL)
    for file in (hwaccl_cli.HWACCL, os.path.join(build, "hwaccl-lttng.so"), os.path.join(build, "hwaccl-ctf"),
                 os.path.join(SOURCE, "scripts", "lttng-session")):
        shutil.copy(file, path("bin"))
    for file in ("libhwaccl-interpose.so", os.path.join("tests", "plain_vmm"), os.path.join("tests", "libfake_kvm.so")):
        if os.path.exists(os.path.join(build, file)):
            shutil.copy(os.path.join(build, file), path("bin"))
    for name in (*GUESTS, "console_echo"):
        shutil.copy(os.path.join(build, "guests", name + ".bin"), path("bin"))
    with open(path("bin", "hello.bin"), "wb") as file:
        file.write(hwaccl_cli.HELLO)
    for directory in [scratch, *(path(name) for name in ("bin", "home", "tmp"))]:
        os.chmod(directory, 0o755)
        if os.geteuid() == 0:
            os.chown(directory, NOBODY, NOBODY)
    environment = dict(os.environ, LTTNG_HOME=path("home"), HOME=path("home"), TMPDIR=path("tmp"),
                       LTTNG_UST_REGISTER_TIMEOUT="-1", HWACCL_ACCEL="soft")
    environment.pop("HWACCL_MODULES", None)
    # the source may lie where only root can read
    shutil.copy(os.path.join(SOURCE, "tests", "lsan.supp"), path("bin"))
    environment["LSAN_OPTIONS"] = f"suppressions={path('bin', 'lsan.supp')}:print_suppressions=0"


def main():
    prepare()
    daemon = start_daemon()
    # a ctest that has waited long enough ends us: nothing may stay behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        unittest.main()
    finally:
        stop_daemon(daemon)
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
