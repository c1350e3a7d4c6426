#!/usr/bin/env python3
"""Blocks of exits: what the writer, a recovery, an upgrade and a flight recorder add up is what the rows give, and `stat` and `show`
answer from blocks as they do from rows."""
import collections
import json
import os
import shutil
import signal
import subprocess
import unittest

from hwaccl_cli import ENDLESS, HWACCL, CommandTest, main

# Writes to ports 100h to 163h, each twice as often as there is a CPUID: more ports than a block has room for.
PORTS = bytes.fromhex(
    "b9 0a 00"      # 7c00 mov cx, 10
    "ba 00 01"      # 7c03 mov dx, 100h
    "ee"            # 7c06 out dx, al
    "ee"            # 7c07 out dx, al
    "51 52"         # 7c08 push cx; push dx
    "31 c0 0f a2"   # 7c0a xor ax, ax; cpuid
    "5a 59"         # 7c0e pop dx; pop cx
    "42"            # 7c10 inc dx
    "81 fa 64 01"   # 7c11 cmp dx, 164h
    "72 ef"         # 7c15 jb 7c06h
    "e2 ea"         # 7c17 loop 7c03h
    "30 c0 e6 f4 f4")  # 7c19 xor al, al; out f4h, al; hlt

COLUMNS = "exits, timed, host_guest, host_guest_min, host_guest_max, host_handler, host_handler_min, host_handler_max"


class Blocks(CommandTest):
    def sums(self, recording):
        """What table block_count must have, from the rows, by (kind, value, block)."""
        sums = collections.defaultdict(list)
        blocks = self.query(recording, "SELECT id, last FROM block ORDER BY id")
        for first, last in blocks:
            for row in self.query(recording, "SELECT exit_reason & 0xffff, iif(exit_reason & 0xffff = 30, exit_qualification >> 16"
                                  " & 0xffff, NULL), (SELECT vector FROM irq_handoff h WHERE h.id = e.id), coalesce(outcome, -1),"
                                  " host_guest, host_handler FROM exit e WHERE id BETWEEN ? AND ?", first, last):
                for kind in range(4):
                    if row[kind] is not None:
                        sums[kind, row[kind], first].append(row[4:])
        result = {}
        for key, times in sums.items():
            guest = [time[0] for time in times]
            handler = [time[1] for time in times if time[1] is not None] or [0]
            result[key] = (len(times), sum(time[1] is not None for time in times), sum(guest), min(guest), max(guest), sum(handler),
                           min(handler), max(handler))
        return result

    def assert_blocks(self, recording):
        found = {row[:3]: row[3:] for row in self.query(recording, f"SELECT kind, value, block, {COLUMNS} FROM block_count")}
        self.assertEqual(found, self.sums(recording))
        exits, first, last = self.query(recording, "SELECT count(*), min(id), max(id) FROM exit")[0]
        self.assertEqual(self.query(recording, "SELECT sum(exits), min(id), max(last) FROM block"), [(exits, first, last)])
        self.assertEqual(self.query(recording, "SELECT count(*) FROM keyframe WHERE id NOT IN (SELECT id FROM block)"), [(0,)])
        self.succeed("check", recording)

    def test_a_block_ends_at_a_keyframe_or_before_it_is_full(self):
        recording = self.record(guest=PORTS)
        self.assert_blocks(recording)
        blocks, keyframes = self.query(recording, "SELECT (SELECT count(*) FROM block), (SELECT count(*) FROM keyframe)")[0]
        self.assertGreater(blocks, keyframes)
        self.assertEqual(self.query(recording, "SELECT max(n) <= 48 FROM (SELECT count(*) n FROM block_count GROUP BY block)"), [(1,)])

    def without_blocks(self, recording):
        copy = shutil.copy(recording, self.path("without.db"))
        self.change(copy, "DELETE FROM block", "DELETE FROM block_count")
        return copy

    def test_stat_and_show_say_the_same_without_blocks(self):
        recording = self.record(guest=PORTS)
        copy = self.without_blocks(recording)
        for arguments in (["stat"], ["stat", "--from", "100", "--to", "700"], ["stat", "--from", "300", "--to", "301"],
                          ["show", "--reason", "10"], ["show", "--port", "0x105", "--port", "0xf4"], ["show", "--vector", "8"],
                          ["show", "--outcome", "completed", "--rip", "0x7c07..0x7c0c", "--from", "200", "--limit", "99"],
                          ["show", "--reason", "30", "--rip", "0xffffffff00000000..0xffffffffffffffff"]):
            for more in ([], ["--json"]):
                self.assertEqual(self.succeed(*arguments, *more, recording).stdout, self.succeed(*arguments, *more, copy).stdout)
        view = "SELECT * FROM exit_statistics"
        self.assertEqual(self.query(recording, view), self.query(copy, view))
        shown = json.loads(self.succeed("show", "--json", "--port", "0x105", recording).stdout)
        self.assertEqual([exit["exit"] for exit in shown],
                         [row[0] for row in self.query(recording, "SELECT exit FROM exits WHERE io_port = 0x105 ORDER BY id")])
        self.assertEqual(len(shown), 20)

    def test_show_reads_only_blocks_that_have_what_was_asked_for(self):
        recording = self.record(guest=PORTS)
        self.change(recording, "DELETE FROM block_count WHERE kind = 1 AND value = 0x105 AND block > 500")
        shown = json.loads(self.succeed("show", "--json", "--port", "0x105", recording).stdout)
        self.assertTrue(0 < len(shown) < 20)

    def test_an_upgrade_adds_the_blocks_that_the_writer_makes(self):
        recording = self.record(guest=PORTS)
        copy = self.without_blocks(recording)
        self.succeed("upgrade", copy)
        for table in ("block", "block_count"):
            self.assertEqual(self.query(copy, f"SELECT * FROM {table}"), self.query(recording, f"SELECT * FROM {table}"))

    def killed(self, *options):
        image = self.write("endless.bin", ENDLESS)
        database = self.path("killed.db")
        process = subprocess.Popen([HWACCL, "record", "--raw", image + "@0x7c00", "--memory", "16M", "-o", database, *options],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until_completed(process, database, 3000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.succeed("recover", database)
        return database

    def test_a_recovery_goes_on_with_the_block_in_hand(self):
        self.assert_blocks(self.killed())

    def test_the_window_of_a_flight_recorder_has_blocks(self):
        self.assert_blocks(self.killed("--flight-recorder", "2000exits"))
        os.remove(self.path("killed.db"))
        self.assert_blocks(self.record("flight.db", PORTS, options=("--flight-recorder", "500exits")))


if __name__ == "__main__":
    main()
