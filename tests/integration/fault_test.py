"""What the tests of tests/faults/hwaccl-faults share: the command with named steps, which dies and fails as its environment says."""
import concurrent.futures
import json
import os
import subprocess
import threading

from hwaccl_cli import BUILD, SANITIZED, CommandTest

FAULTS = os.path.join(BUILD, "tests", "hwaccl-faults")


class FaultTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.number = 0
        self.lock = threading.Lock()

    def next_number(self):
        with self.lock:
            self.number += 1
            return self.number

    def run_faults(self, *arguments, seconds=100, **environment):
        return subprocess.run([FAULTS, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, check=False, errors="replace", env={**os.environ, **environment})

    def exits_of(self, database, context):
        """Checks it and, where no sanitizer makes every command slow, replays it; the number of its exits."""
        checked = self.run_hwaccl("check", "--json", database)
        self.assertEqual(checked.returncode, 0, f"{context}: {checked.stdout}{checked.stderr}")
        exits = json.loads(checked.stdout)["exits"]
        if exits and not SANITIZED:
            replayed = self.run_hwaccl("replay", "--json", database)
            self.assertEqual(replayed.returncode, 0, f"{context}: {replayed.stdout}{replayed.stderr}")
            self.assertEqual(json.loads(replayed.stdout)["divergences"], 0, context)
        return exits

    def each(self, function, items):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(function, items))
