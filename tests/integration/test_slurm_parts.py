#!/usr/bin/env python3
"""scripts/slurm: the parts of a corpus make one report, whatever happens to a task; an sbatch of the test's own runs them here."""
import os
import subprocess
import unittest

from corpus_fixture import CorpusTest
from hwaccl_cli import HWACCL, main

SCRIPTS = os.path.join(os.environ["HWACCL_SOURCE"], "scripts", "slurm")

# Runs the tasks of the array one after the other, or writes down what it was asked for.
SBATCH = r"""#!/bin/bash
for option; do case $option in --array=*) array=${option#*=} ;; esac; done
echo "$array" >>"$STATE/arrays"
echo 42
[ -z "$KEEP" ] || exit 0
for range in ${array//,/ }; do
        for part in $(seq "${range%-*}" "${range#*-}"); do
                SLURM_ARRAY_TASK_ID=$part "${@:$# - 1}" 2>>"$STATE/errors"
        done
done
exit 0
"""

# hwaccl, but in part 2: the first time it runs what the test says. $PPID is the task.
COMMAND = r"""#!/bin/bash
case "$*" in
*"--shard 2/"*) if mkdir "$STATE/first" 2>/dev/null; then eval "$FIRST"; fi ;;
esac
exec "$REAL" "$@"
"""


class Parts(CorpusTest):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("bin"))
        for name, text in (("sbatch", SBATCH), ("hwaccl", COMMAND), ("squeue", "#!/bin/sh\n")):
            os.chmod(self.write("bin/" + name, text.encode()), 0o755)
        self.corpus, self.run_path = self.make_corpus(), self.path("run")

    def script(self, name, *arguments, status, **environment):
        """Its standard error."""
        variables = {**os.environ, "PATH": self.path("bin") + ":" + os.environ["PATH"], "REAL": HWACCL, "STATE": self.path("bin"),
                     "KEEP": "", "FIRST": "", "HWACCL": self.path("bin/hwaccl"), **environment}
        done = subprocess.run([os.path.join(SCRIPTS, name), *arguments], env=variables, stdin=subprocess.DEVNULL, timeout=120,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr

    def arrays(self):
        return self.read(self.path("bin/arrays")).decode().split()

    def report(self):
        return self.results(os.path.join(self.run_path, "junit.xml"))

    def test_a_killed_task_runs_again_and_each_recording_counts_once(self):
        self.script("submit", "--wait", "--tasks", "3", self.run_path, self.corpus, status=1, FIRST="kill -9 $PPID; exit 1")
        self.assertEqual(self.arrays(), ["1-3", "2"])
        self.assertEqual(self.report(), self.expected(self.corpus))

    def test_a_result_that_comes_second_is_dropped(self):
        # another run of the task ends while this one is at work
        again = f"'{SCRIPTS}/task' '{self.run_path}'"
        self.script("submit", "--wait", "--tasks", "3", self.run_path, self.corpus, status=1, FIRST=again)
        self.assertEqual(self.arrays(), ["1-3"])
        self.assertEqual(self.report(), self.expected(self.corpus))
        self.assertEqual(sorted(os.listdir(os.path.join(self.run_path, "parts"))), ["1", "2", "3"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.run_path, "parts", "2"))), ["errors", "junit.xml", "output", "status"])

    def test_a_task_that_is_always_lost_is_in_the_report(self):
        self.script("submit", "--wait", "--tasks", "3", "--attempts", "2", self.run_path, self.corpus, "--", "--filter", "clean*",
                    status=2, FIRST="rmdir $STATE/first; kill -9 $PPID; exit 1")
        self.assertEqual(self.arrays(), ["1-3", "2"])
        results = self.report()
        self.assertEqual(results.pop("part 2 of 3"), "error")
        self.assertEqual(set(results.values()), {"clean"})
        self.assertEqual(len(results), 3)  # of five
        self.script("submit", "--wait", self.run_path, status=0)
        self.assertEqual(len(self.report()), 5)

    def test_a_corpus_that_changed_is_not_replayed(self):
        self.script("submit", "--tasks", "2", self.run_path, self.corpus, status=0, KEEP="yes")
        os.remove(os.path.join(self.corpus, "clean 0.db"))
        self.script("submit", "--wait", self.run_path, status=2)
        self.assertIn("< ", self.read(self.path("bin/errors")).decode())
        self.assertEqual(self.report(), {"part 1 of 2": "error", "part 2 of 2": "error"})

    def test_results_are_never_overwritten(self):
        self.script("submit", "--wait", "--tasks", "1", self.run_path, self.corpus, status=1)
        self.assertIn("exists already", self.script("submit", self.run_path, self.corpus, status=2))
        self.assertIn("no such file", self.script("submit", self.path("other"), self.path("none"), status=2))
        self.assertFalse(os.path.exists(self.path("other")))
        self.script("gather", self.path("other"), status=2)


if __name__ == "__main__":
    main()
