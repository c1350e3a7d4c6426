#!/usr/bin/env python3
"""The state of the devices: saved at keyframes and at the end, and after any other exit what a replay gives."""
import json
import signal
import subprocess
import unittest

from hwaccl_cli import ENDLESS, HELLO, HWACCL, CommandTest, counter, main

# Programs the first PIC, the PIT, the serial port and the RTC, and prints.
DEVICES = bytes.fromhex(
    "b0 11 e6 20 b0 20 e6 21 b0 04 e6 21 b0 01 e6 21"  # ICW1 to ICW4: base 20h
    "b0 fe e6 21"                                      # mask all but IRQ 0
    "b0 34 e6 43 b0 10 e6 40 e6 40"                    # channel 0: rate generator
    "ba fb 03 b0 03 ee"                                # LCR: 8 bits
    "b0 0b e6 70 b0 42 e6 71"                          # register B: periodic interrupt
    "b9 28 00 b0 78 e6 e9 e2 fc 30 c0 e6 f4 f4")       # 40 times 'x' on port e9h; exit code 0


class DeviceStates(CommandTest):
    def devices(self, recording, exit, *options):
        document = json.loads(self.succeed("state", "--devices", "--json", *options, recording, exit).stdout)
        return document, {(row["device"], row["field"]): row["value"] for row in document["devices"]}

    def saved(self, recording, exit):
        rows = self.query(recording, "SELECT device, field, value, saved_after FROM device_states WHERE id = ?", exit)
        return {row[:2]: row[2] for row in rows}, {row[3] for row in rows}

    def test_a_recording_of_any_length_ends_with_the_state_of_the_devices(self):
        for guest, interval in ((HELLO, 256), (HELLO, 9), (HELLO, 1), (counter(300), 256)):
            recording = self.record("any.db", guest, options=("--force", "--keyframe-interval", interval))
            last = self.query(recording, "SELECT max(id) FROM exit")[0][0]
            state, saved_after = self.saved(recording, last)
            self.assertEqual(saved_after, {last})
            self.assertNotIn(None, state.values())
            self.succeed("check", recording)
            self.succeed("replay", recording)

    def test_a_replay_compares_the_state_at_the_end(self):
        recording = self.record()
        self.assertEqual(self.change(recording, "UPDATE device_state SET value = 1 - value WHERE exit = 8 AND field ="
                                     " (SELECT id FROM device_field WHERE device = 'pit' AND field = 'channel[0].gate')"), 1)
        self.assertIn("channel[0].gate", self.succeed("replay", recording, status=1).stdout)

    def test_the_state_after_any_exit_is_what_a_keyframe_there_saves(self):
        everywhere = self.record("everywhere.db", DEVICES, options=("--keyframe-interval", "1"))
        recording = self.record("recording.db", DEVICES, options=("--keyframe-interval", "16"))
        last = self.query(recording, "SELECT max(id) FROM exit")[0][0]
        self.assertGreater(last, 50)
        for exit in (0, 1, 5, 14, 15, 16, 17, 30, last - 1, last):
            document, found = self.devices(recording, exit)
            saved, saved_after = self.saved(everywhere, exit)
            self.assertEqual(saved_after, {exit})
            self.assertEqual(found, saved)
            self.assertEqual(document["replayed"], 0 if exit % 16 == 15 or exit == last else exit % 16 + 1)
            self.assertFalse(document["diverged"])
        self.assertEqual(self.saved(recording, 20)[1], {15})

    def test_what_the_handling_changed_and_what_it_means(self):
        recording = self.record("recording.db", DEVICES)
        changed = self.devices(recording, 4, "--changed")[1]
        self.assertEqual(changed[("pic", "master.imr")], "0xfe")
        shown = self.succeed("state", "--devices", recording, 20).stdout
        for words in ("IRQ 1, 2, 3, 4, 5, 6, 7", "rate generator", "8 data bits, no parity", "interrupts enabled: periodic"):
            self.assertIn(words, shown)
        self.refuse("state", "--devices", recording, 4000, mention="no exit 4000")

    def test_windows_of_a_flight_recorder_give_the_state_too(self):
        everywhere = self.record("everywhere.db", DEVICES, options=("--keyframe-interval", "1"))
        window = self.record("flight.db", DEVICES, options=("--keyframe-interval", "4", "--flight-recorder", "16exits",
                                                            "--trigger", "port=0x71-0x71"))
        for recording in (self.path("flight-1.db"), window):
            last = self.query(recording, "SELECT max(id) FROM exit WHERE outcome IS NOT NULL")[0][0]
            self.assertGreaterEqual(last, 10)
            self.assertEqual(self.devices(recording, last)[1], self.saved(everywhere, last)[0])
            self.assertGreater(self.query(recording, "SELECT count(*) FROM block")[0][0], 0)

    def test_after_a_recovery_the_state_at_the_last_exit_is_known(self):
        image = self.write("endless.bin", ENDLESS)
        recording = self.path("killed.db")
        process = subprocess.Popen([HWACCL, "record", "--raw", image + "@0x7c00", "--memory", "16M", "-o", recording],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until_completed(process, recording, 300)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.succeed("recover", recording)
        last = self.query(recording, "SELECT max(id) FROM exit WHERE outcome IS NOT NULL")[0][0]
        self.assertGreater(len(self.devices(recording, last)[1]), 100)


if __name__ == "__main__":
    main()
