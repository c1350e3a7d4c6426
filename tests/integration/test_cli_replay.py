#!/usr/bin/env python3
"""hwaccl replay finds no difference in what was recorded, and exactly the one that was put there."""
import json
import os
import shutil
import sqlite3
import unittest

from hwaccl_cli import BUILD, HELLO, CommandTest, counter, main

GUESTS = os.path.join(BUILD, "guests")


class Replay(CommandTest):
    def replay(self, path, *arguments, status=None):
        done = self.run_hwaccl("replay", "--json", "--limit", 0, *arguments, path)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if report["divergences"] else 0)
        self.assertEqual(len(report["details"]), report["divergences"])
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout[-3000:])
        return report

    def found(self, path, *arguments):
        """{exit: {what differs, ...}, ...}"""
        return {row["exit"]: {difference["what"] for difference in row["differences"]}
                for row in self.replay(path, *arguments)["details"]}

    def changed(self, path, *statements):
        copy = self.path("changed.db")
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(copy + suffix):
                os.remove(copy + suffix)
        shutil.copy(path, copy)
        self.assertGreater(self.change(copy, *statements), 0, f"nothing was changed by {statements}")
        return copy

    def exit_of(self, path, reason, skip=0):
        return self.query(path, "SELECT id FROM exit WHERE exit_reason = ? ORDER BY id LIMIT 1 OFFSET ?", reason,
                          skip)[0][0]


class Untouched(Replay):
    def test_a_recording_replays_without_a_difference(self):
        path = self.record()
        report = self.replay(path, status=0)
        self.assertEqual((report["divergences"], report["first_divergence"], report["complete"]), (0, None, True))
        self.assertEqual(report["exits"], self.query(path, "SELECT count(*) FROM exits")[0][0])
        self.assertRegex(self.succeed("replay", path).stdout, r"^replayed \d+ exits in .*: 0 divergences\n$")

    def test_the_guest_image_is_not_needed(self):
        path = self.record()
        os.remove(path + ".bin")
        self.replay(path, status=0)

    def test_every_range_replays_without_a_difference(self):
        path = self.record(guest=counter(200), options=["--keyframe-interval", "16"])
        count = self.query(path, "SELECT count(*) FROM exits")[0][0]
        for first, last in ((0, 0), (1, 1), (15, 16), (16, 16), (17, 40), (100, count - 1), (count - 1, count - 1)):
            report = self.replay(path, "--from", first, "--to", last, status=0)
            self.assertEqual(report["exits"], last - first + 1, (first, last))
        self.assertEqual(self.replay(path, "--from", 50)["exits"], count - 50)
        self.assertEqual(self.replay(path, "--to", count * 2)["exits"], count)
        self.refuse("replay", path, f"{count}..", mention=f"the recording has exits 0 to {count - 1}")


    def test_a_length_that_the_processor_leaves_undefined_is_not_relied_on(self):
        path = self.path("mmio.db")
        self.succeed("record", "--accel", "soft", "--raw", os.path.join(GUESTS, "mmio32.bin") + "@0x7c00", "--memory", "16M", "-o", path)
        for length in (0, 1, 3, 7, 15, 16, 200):
            copy = self.changed(path, f"UPDATE exit SET instruction_length = {length} WHERE exit_reason = 48")
            self.replay(copy, status=0)
            self.succeed("check", copy)
        # of an I/O instruction it is defined
        copy = self.changed(path, "UPDATE exit SET instruction_length = 3 WHERE id = (SELECT min(id) FROM exit WHERE exit_reason = 30)")
        self.assertEqual(len(self.found(copy)), 1)


class Changed(Replay):
    def setUp(self):
        super().setUp()
        self.recording = self.record(options=["--keyframe-interval", "4"])

    def expect(self, exits, *statements):
        self.assertEqual(self.found(self.changed(self.recording, *statements)), exits, statements)

    def test_a_register_that_handling_left(self):
        cpuid = self.exit_of(self.recording, 10)
        self.expect({cpuid: {"rax"}}, f"UPDATE exit SET next_rax = next_rax + 1 WHERE id = {cpuid}")
        self.expect({cpuid: {"rbx"}}, f"UPDATE handler_change SET rbx = rbx + 1 WHERE id = {cpuid}")
        self.expect({cpuid: {"rip"}}, f"UPDATE exit SET rip_advance = rip_advance + 1 WHERE id = {cpuid}")

    def test_a_byte_that_was_printed(self):
        out = self.exit_of(self.recording, 30, 2)
        self.expect({out: {"effect 0"}}, f"UPDATE effect SET data = x'4c' WHERE exit = {out}")

    def test_an_effect_that_is_missing_or_too_many(self):
        out = self.exit_of(self.recording, 30, 2)
        cpuid = self.exit_of(self.recording, 10)
        self.expect({out: {"effect 0"}}, f"DELETE FROM effect WHERE exit = {out}")
        self.expect({cpuid: {"effect 0"}}, f"INSERT INTO effect VALUES ({cpuid}, 0, 2, 5, 1, NULL)")

    def test_a_verdict_and_an_outcome(self):
        cpuid = self.exit_of(self.recording, 10)
        self.expect({cpuid: {"verdict"}}, f"UPDATE exit SET verdict = 0 WHERE id = {cpuid}")
        self.expect({cpuid: {"outcome"}}, f"UPDATE exit SET outcome = 3 WHERE id = {cpuid}")

    def test_an_input_that_is_missing(self):
        cpuid = self.exit_of(self.recording, 10)
        found = self.found(self.changed(self.recording, f"UPDATE exit SET instruction = NULL WHERE id = {cpuid}"))
        self.assertEqual(list(found), [cpuid])
        self.assertIn("input 1", found[cpuid])

    def test_an_instruction_that_was_another(self):
        cpuid = self.exit_of(self.recording, 10)
        # WBINVD instead of CPUID: one byte of what the handler read
        path = self.changed(self.recording, "UPDATE instruction SET bytes = CAST(x'0f09' || substr(bytes, 3) AS BLOB) "
                            f"WHERE id = (SELECT instruction FROM exit WHERE id = {cpuid})")
        found = self.found(path)
        self.assertEqual(list(found), [cpuid])
        self.assertTrue(found[cpuid] & {"rax", "rbx", "rcx", "rdx", "handling", "outcome"}, found)

    def test_device_state_at_a_keyframe(self):
        keyframe, device, field = self.query(
            self.recording, "SELECT d.exit, f.device, f.field FROM device_state d JOIN device_field f ON f.id = d.field "
            "WHERE f.size = 8 AND f.device = 'processor' AND f.field = 'dr7' ORDER BY d.exit LIMIT 1")[0]
        copy = self.changed(self.recording, f"UPDATE device_state SET value = value + 1 WHERE exit = {keyframe} AND "
                            f"field = (SELECT id FROM device_field WHERE device = '{device}' AND field = '{field}')")
        # resynchronised on what was recorded, so that the change is reported once
        self.assertEqual(self.found(copy), {keyframe: {f"{device}.{field}"}})

    def test_a_divergence_names_instruction_and_both_values(self):
        cpuid = self.exit_of(self.recording, 10)
        copy = self.changed(self.recording, f"UPDATE exit SET next_rax = 4660 WHERE id = {cpuid}")
        (row,) = self.replay(copy)["details"]
        self.assertEqual(row["instruction"], "cpuid")
        self.assertEqual((row["reason"], row["reason_number"], row["rip"]), ("CPUID", 10, "0x7c0f"))
        (difference,) = row["differences"]
        self.assertEqual(difference["recorded"], "0x1234")
        self.assertNotEqual(difference["replayed"], "0x1234")
        text = self.succeed("replay", copy, status=1).stdout
        self.assertRegex(text, rf"exit {cpuid}: CPUID at 0x7c0f: cpuid\n  rax  recorded 0x1234  replayed 0x[0-9a-f]+\n")
        self.assertNotIn("\x1b", text)

    def test_the_first_divergence_is_enough_if_asked(self):
        first, second = self.exit_of(self.recording, 30, 1), self.exit_of(self.recording, 30, 4)
        copy = self.changed(self.recording, f"UPDATE effect SET data = x'4c' WHERE exit IN ({first}, {second})")
        self.assertEqual(self.found(copy), {first: {"effect 0"}, second: {"effect 0"}})
        self.assertEqual(self.found(copy, "--first"), {first: {"effect 0"}})
        self.assertEqual(self.replay(copy)["first_divergence"], first)
        self.assertIn("1 more divergence", self.succeed("replay", "--limit", 1, copy, status=1).stdout)

    def test_a_range_finds_what_the_whole_replay_finds_there(self):
        path = self.record("long.db", guest=counter(300), options=["--keyframe-interval", "16"])
        copy = self.changed(path, "UPDATE effect SET data = x'4c' WHERE exit % 37 = 5 AND kind = 1",
                            "UPDATE exit SET rip_advance = rip_advance + 1 WHERE id % 53 = 7")
        whole = self.found(copy)
        self.assertGreater(len(whole), 10)
        for first, last in ((0, 20), (5, 5), (6, 40), (7, 7), (31, 33), (100, 290)):
            self.assertEqual(self.found(copy, "--from", first, "--to", last),
                             {number: what for number, what in whole.items() if first <= number <= last},
                             (first, last))


@unittest.skipUnless(os.path.exists(os.path.join(GUESTS, "irq_taken.bin")), "the assembly guests are not built")
class Interrupts(Replay):
    def record_guest(self, name):
        with open(os.path.join(GUESTS, name + ".bin"), "rb") as file:
            return self.record(name + ".db", guest=file.read(), options=["--memory", "64M", "--keyframe-interval", "8"])

    def test_a_handoff_that_went_otherwise(self):
        path = self.record_guest("irq_taken")
        number, vector = self.query(path, "SELECT id, vector FROM irq_handoff ORDER BY id LIMIT 1")[0]
        found = self.found(self.changed(path, f"UPDATE irq_handoff SET vector = {vector + 1} WHERE id = {number}"))
        self.assertIn("offered vector", found[number])
        self.assertEqual(min(found), number)
        found = self.found(self.changed(path, f"UPDATE irq_handoff SET taken = 1 - taken WHERE id = {number}"))
        self.assertEqual(found, {number: {"offered vector taken"}})
        found = self.found(self.changed(path, f"DELETE FROM irq_handoff WHERE id = {number}"))
        self.assertIn("offered vector", found[number])

    def test_a_wait_that_was_another(self):
        path = self.record_guest("hlt")
        number, sequence = self.query(path, "SELECT exit, sequence FROM input WHERE kind = 1 LIMIT 1")[0]
        found = self.found(self.changed(path, f"UPDATE input SET address = address + 1 WHERE exit = {number} AND "
                                        f"sequence = {sequence}"))
        self.assertEqual(found, {number: {f"input {sequence}"}})
        self.assertIn(number, self.found(self.changed(path, f"DELETE FROM input WHERE exit = {number}")))


class Unusable(Replay):
    def test_options_without_which_no_machine_can_be_built(self):
        path = self.record(guest=HELLO)
        for name, value in (("memory_size", "'lots'"), ("memory_size", "'0'"), ("memory_size", "'99999999999999999999'"),
                            ("tsc_khz", "'0'"), ("tsc_khz", "'-1'"), ("raw_count", "'9'"), ("raw_count", "'2'"),
                            ("raw_0_address", "'18446744073709551615'"), ("firmware_size", "'1'")):
            copy = self.changed(path, f"UPDATE option SET value = {value} WHERE name = '{name}'")
            self.refuse("replay", copy, mention=copy)
        for name in ("memory_size", "tsc_khz"):
            copy = self.changed(path, f"DELETE FROM option WHERE name = '{name}'")
            self.refuse("replay", copy, mention=[copy, name])

    def test_device_state_of_the_wrong_size_is_no_crash(self):
        path = self.record(guest=counter(100), options=["--keyframe-interval", "16"])
        for statement in ("UPDATE device_state SET value = x'00'", "UPDATE device_state SET value = 'text'",
                          "UPDATE device_field SET size = size + 1", "UPDATE device_field SET size = 1000000000",
                          "UPDATE device_field SET device = 'teapot'", "UPDATE device_state SET value = -1"):
            try:
                copy = self.changed(path, statement)
            except sqlite3.Error:
                continue  # the schema itself forbids it
            for arguments in ([copy], [copy, "40.."]):
                done = self.run_hwaccl("replay", *arguments)
                self.assertIn(done.returncode, (1, 2), f"{statement}: {done.stdout} {done.stderr}")
                self.assertLessEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    main()
