#!/usr/bin/env python3
"""The files that hwaccl makes: who may read them, and what they say about their host."""
import os
import platform
import signal
import subprocess

from hwaccl_cli import ENDLESS, HELLO, HWACCL, CommandTest, counter, main


class Permissions(CommandTest):
    def modes(self):
        """Permissions of all that was made, as text: files of the test itself end with .bin."""
        found = {}
        for directory, names, files in os.walk(self._scratch.name):
            for name in names + [name for name in files if not name.endswith(".bin")]:
                path = os.path.join(directory, name)
                found[os.path.relpath(path, self._scratch.name)] = f"{os.lstat(path).st_mode & 0o7777:o}"
        return found

    def kill_recorder(self, name, umask, *options):
        guest = self.write("endless.bin", ENDLESS)
        command = [HWACCL, "record", "--raw", guest + "@0x7c00", "--memory", "16M", "-o", self.path(name), *options]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              umask=umask) as process:
            try:
                self.wait_until_completed(process, self.path(name), 2000)
            finally:
                process.kill()

    def test_a_recording_is_for_its_owner_whatever_the_umask(self):
        for umask in (0, 0o77, 0o777):
            options = ("--console", self.path("console"), "--save-memory", self.path("memory"), "--force")
            guest = self.write("guest.bin", HELLO)
            self.succeed("record", "--raw", guest + "@0x7c00", "--memory", "16M", "-o", self.path("guest.db"), *options,
                         umask=umask)
            self.assertEqual(self.modes(), {"guest.db": "600", "console": "600", "memory": "600"})
            os.chmod(self.path("memory"), 0o644)  # an existing file is not more open than a new one
            os.chmod(self.path("console"), 0o666)

    def test_what_a_dead_recorder_left_is_for_its_owner_before_and_after_a_recovery(self):
        self.kill_recorder("guest.db", 0)
        left = self.modes()
        self.assertIn("guest.db-ring", left)
        self.assertIn("guest.db-wal", left)
        self.assertEqual(set(left.values()), {"600"}, left)
        self.succeed("recover", self.path("guest.db"), umask=0)
        self.assertEqual(self.modes(), {"guest.db": "600"})

    def test_the_window_of_a_flight_recorder_is_for_its_owner(self):
        self.kill_recorder("flight.db", 0, "--flight-recorder", "1000exits")
        left = self.modes()
        self.assertEqual(left.pop("flight.db-flight"), "700")
        self.assertGreater(len(left), 3, left)
        self.assertEqual(set(left.values()), {"600"}, left)
        self.succeed("recover", self.path("flight.db"), umask=0)
        self.assertEqual(self.modes(), {"flight.db": "600"})

    def test_a_mode_that_was_asked_for(self):
        self.kill_recorder("flight.db", 0, "--flight-recorder", "1000exits", "--mode", "640")
        left = self.modes()
        self.assertEqual(left.pop("flight.db-flight"), "750")
        self.assertEqual(set(left.values()), {"640"}, left)
        self.succeed("recover", self.path("flight.db"))
        self.assertEqual(self.modes(), {"flight.db": "640"})
        self.record("guest.db", umask=0o77, options=("--mode", "0604", "--save-memory", self.path("memory")))
        self.assertEqual((self.modes()["guest.db"], self.modes()["memory"]), ("604", "604"))

    def test_modes_that_are_none(self):
        for mode in ("", "8", "0", "400", "700", "1600", "066", "600x", "-600", "rw", "99999999999999999999"):
            self.refuse("record", "--raw", "x@0x7c00", "-o", self.path("x.db"), "--mode", mode,
                        mention=[f"'{mode}'", "600 to 666"])
        self.assertEqual(self.modes(), {})


class Anonymous(CommandTest):
    def test_neither_host_nor_command_line_nor_directories_are_anywhere_in_the_file(self):
        """Named before, so that the test finds them; the host's name may be short, so its row is looked at."""
        secrets = (self._scratch.name.encode(), b"--max-exits", platform.node().encode())
        for options, there in (((), True), (("--anonymous",), False)):
            recording = self.record(f"guest{there}.db", options=("--max-exits", "1000", *options))
            rows = dict(self.query(recording, "SELECT name, value FROM option"))
            self.assertEqual("host_name" in rows, there)
            self.assertEqual("host_command_line" in rows, there)
            for secret in secrets:
                self.assertEqual(any(secret in value.encode() for value in rows.values()), there, (secret, rows))
            self.assertEqual(rows["raw_0"].split("/")[-1], f"guest{there}.db.bin")
            for secret in secrets[:2]:
                self.assertEqual(secret in self.read(recording), there, secret)
            self.succeed("replay", recording)

    def test_nor_in_what_a_flight_recorder_wrote(self):
        recording = self.record("flight.db", counter(5000), options=("--flight-recorder", "1000exits", "--anonymous"))
        data = self.read(recording)
        self.assertNotIn(self._scratch.name.encode(), data)
        self.assertNotIn(b"--flight-recorder", data)


if __name__ == "__main__":
    main()
