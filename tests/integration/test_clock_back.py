#!/usr/bin/env python3
"""A clock that goes backwards is clamped and noted in the recording, and never makes it unreadable."""
import os
import subprocess

from hwaccl_cli import CommandTest, counter, main

# CLOCK_MONOTONIC goes back by BACK_BY seconds after BACK_AFTER calls
SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
static _Atomic long calls;
int clock_gettime(clockid_t clock, struct timespec *now)
{
        int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
        int result = real(clock, now);
        if (clock == CLOCK_MONOTONIC && calls++ >= atol(getenv("BACK_AFTER")))
                now->tv_sec -= atol(getenv("BACK_BY"));
        return result;
}
"""


class ClockBack(CommandTest):
    def assert_readable(self, recording):
        self.succeed("check", recording)
        self.succeed("replay", recording)
        self.succeed("stat", recording)
        times = [float(line.split()[1]) for line in self.succeed("show", recording).stdout.splitlines()[1:]]
        self.assertEqual([time for time in times if not 0 <= time < 1000], [])
        return times

    def test_a_recorder_whose_clock_goes_back(self):
        shim = self.path("back.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", shim], input=SOURCE, text=True, check=True)
        guest = self.write("guest", counter(3000)) + "@0x7c00"
        for number, (after, by, flight) in enumerate(((3, 9, ()), (10, 9, ()), (40, 1, ()), (500, 7, ()), (10 ** 9, 1, ()),
                                                      (60, 9, ("--flight-recorder", "2000exits")))):
            recording = self.path(f"{number}.db")
            done = self.succeed("record", "--accel", "soft", "--raw", guest, "--memory", "16M", "-o", recording, *flight,
                                env={**os.environ, "LD_PRELOAD": shim, "BACK_AFTER": str(after), "BACK_BY": str(by),
                                     "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
            self.assertNotIn(" in -", done.stderr)
            times = self.assert_readable(recording)
            entries = [row[0] for row in self.query(recording, "SELECT entry_ns FROM exits ORDER BY id")]
            self.assertEqual(entries, sorted(entries), (after, by))
            self.assertGreater(len(times), 1900)
            noted = self.query(recording, "SELECT value FROM option WHERE name = 'host_clock_went_back'")
            if after in (10, 40):
                self.assertRegex(noted[0][0], "^[0-9]+ ns; times are clamped$")
            if after == 10 ** 9:
                self.assertEqual(noted, [])

    def test_a_recording_made_before_times_were_clamped(self):
        recording = self.record(guest=counter(1000))
        self.change(recording, "UPDATE keyframe SET host_entry = -99882580347 WHERE id > 256",
                    "UPDATE exit SET host_guest = -5 WHERE id = 300", "UPDATE exit SET host_handler = -7 WHERE id = 301",
                    "DELETE FROM block", "DELETE FROM block_count")
        self.assert_readable(recording)


if __name__ == "__main__":
    main()
