#!/usr/bin/env python3
"""hwaccl replay of many recordings: which it takes, what it says about each, and the reports that CI systems read."""
import json
import os
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from hwaccl_cli import HWACCL, SANITIZED, CommandTest, counter, main

SCHEMA = os.path.join(os.environ["HWACCL_SOURCE"], "tests", "fixtures", "junit.xsd")
EVIL = "x ]]>&<\"'\n::error::|`~~~~ @team #1 ##[error] \u202e\x1b[31m\ufffe.db"


class Corpus(CommandTest):
    """a.db and sub/c.db are clean, sub/b.db diverges at exit 5 and others, and d.db is no recording."""

    def setUp(self):
        super().setUp()
        os.makedirs(self.path("corpus/sub/.hidden"))
        recording = self.record("corpus/a.db", guest=counter(60))
        os.remove(recording + ".bin")
        for name in ("sub/b.db", "sub/c.db"):
            shutil.copy(recording, self.path("corpus/" + name))
        self.change(self.path("corpus/sub/b.db"), "UPDATE effect SET data = x'4c' WHERE exit IN (5, 9, 11, 12)")
        for name in ("d.db", "notes.txt", "sub/.hidden/e.db", ".f.db"):
            self.write("corpus/" + name, b"junk")
        self.corpus = self.path("corpus")

    def replay(self, *arguments, status, environment=None):
        return self.succeed("replay", *arguments, status=status, env={**os.environ, "GITHUB_ACTIONS": "", **(environment or {})})

    def statuses(self, *arguments, status):
        document = json.loads(self.replay("--json", *arguments, status=status).stdout)
        return {os.path.relpath(row["path"], self.corpus): row["status"] for row in document["recordings"]}


class Recordings(Corpus):
    def test_each_recording_below_a_directory_once_and_in_order(self):
        os.symlink(self.corpus, self.path("corpus/loop.db"))
        os.link(self.path("corpus/a.db"), self.path("corpus/z.db"))
        expected = {"a.db": "clean", "d.db": "unreadable", "sub/b.db": "diverged", "sub/c.db": "clean"}
        found = self.statuses(self.corpus, self.path("corpus/a.db"), status=1)
        self.assertEqual((found, list(found)), (expected, list(expected)))
        for jobs in (1, 3):
            self.assertEqual(self.statuses("--jobs", jobs, self.corpus, status=1), expected)

    def test_a_divergence_outranks_a_file_that_cannot_be_read_and_both_are_listed(self):
        done = self.replay(self.corpus, self.path("missing.db"), status=1)
        self.assertIn("sub/b.db: 4 of 61 exits\n  exit 5: I/O instruction at 0x7c05: out 0xe9, al\n", done.stdout)
        self.assertIn("1 more not shown", done.stdout)
        self.assertRegex(done.stdout, r"\n5 recordings: 2 clean, 1 diverged, 2 unreadable; 183 exits in [0-9.]+ s\n$")
        self.assertEqual(len(re.findall(r"^hwaccl replay: \S+/(?:corpus/d|missing)\.db: ", done.stderr, re.M)), 2)
        (command,) = re.findall(r"reproduce: hwaccl (.*)", done.stdout)
        self.assertIn("exit 5: ", self.succeed(*command.split(), status=1).stdout)
        self.replay("--filter", "[ad].db", self.corpus, status=2)
        self.replay("--filter", "[ac].db", self.corpus, status=0)

    def test_a_divergence_outranks_damage_behind_it(self):
        self.change(self.path("corpus/sub/b.db"), "UPDATE exit SET verdict = 50 WHERE id = 30")
        junit, markdown = self.path("report.xml"), self.path("report.md")
        done = self.replay("--filter", "b.db", "--junit", junit, "--markdown", markdown, self.corpus, status=1)
        self.assertIn("sub/b.db: at least 3 exits\n  exit 5: I/O instruction at 0x7c05: out 0xe9, al\n", done.stdout)
        self.assertRegex(done.stdout, "\n  then: .*verdict is 50")
        self.assertRegex(done.stdout, "\n1 recording: 0 clean, 1 diverged; ")
        for report in (junit, markdown):
            self.assertRegex(self.read(report).decode(), "(?s)at least 3 exits.*verdict is 50")
        document = json.loads(self.replay("--filter", "b.db", "--json", self.corpus, status=1).stdout)
        self.assertIn("verdict is 50", document["recordings"][0]["error"])
        self.replay("--filter", "b.db", "--bisect", self.corpus, status=1)

    def test_filters_and_shards(self):
        self.assertEqual(list(self.statuses("--filter", "*/sub/c*", self.corpus, status=0)), ["sub/c.db"])
        self.refuse("replay", "--filter", "nothing", self.corpus, mention="'nothing'")
        parts = [self.statuses("--shard", f"{i}/3", self.corpus, status=status) for i, status in ((1, 0), (2, 2), (3, 1))]
        self.assertEqual([list(part) for part in parts], [["a.db", "sub/c.db"], ["d.db"], ["sub/b.db"]])
        self.assertEqual(self.statuses("--shard", "9/9", self.corpus, status=0), {})

    def test_a_range_for_all(self):
        self.assertEqual(self.statuses("--from", 13, "--filter", "?.db", self.corpus, status=2)["sub/b.db"], "clean")
        document = json.loads(self.replay("--json", "--from", 4, "--to", 9, "--filter", "b.db", self.corpus, status=1).stdout)
        self.assertEqual([(row["exits"], row["divergences"]) for row in document["recordings"]], [(6, 2)])
        one = self.path("corpus/a.db")
        self.assertRegex(self.replay("--jobs", 1, one, "5..6", status=0).stdout, "1 recording: 1 clean; 2 exits")
        self.assertRegex(self.replay(self.path("corpus/sub"), "12..14", status=1).stdout, "2 recordings: .* 1 diverged; 6 exits")
        self.refuse("replay", one, self.path("corpus/sub"), "5..6", mention="'5..6' with several paths: expected --from and --to")

    def test_a_directory_that_is_missing_does_not_hide_a_divergence(self):
        done = self.replay(self.corpus, "missing", status=1)
        self.assertIn("hwaccl replay: missing: No such file or directory\n", done.stderr)

    def test_fail_fast_leaves_the_others(self):
        os.truncate(self.path("corpus/d.db"), 2 << 20)  # the largest is replayed first
        found = self.statuses("--jobs", 1, "--fail-fast", self.corpus, status=2)
        self.assertEqual(sorted(found.values()), ["not replayed"] * 3 + ["unreadable"])
        self.assertEqual(list(self.statuses("--fail-fast", "--filter", "[ac].db", self.corpus, status=0).values()), ["clean"] * 2)

    def test_limits(self):
        self.assertEqual(self.statuses("--time-limit", "0.000001", "--filter", "[ab].db", self.corpus, status=2),
                         {"a.db": "time limit", "sub/b.db": "time limit"})
        self.assertEqual(self.statuses("--time-limit", "100", "--memory-limit", "2G", "--filter", "a.db", self.corpus, status=0),
                         {"a.db": "clean"})

    @unittest.skipIf(SANITIZED, "a sanitizer's memory is not the program's")
    def test_limit_of_memory(self):
        self.assertEqual(self.statuses("--memory-limit", "1M", "--filter", "[ab].db", self.corpus, status=2),
                         {"a.db": "memory limit", "sub/b.db": "memory limit"})

    def test_bisect_skips_what_cannot_be_judged(self):
        for arguments, status in ((["--filter", "a.db"], 0), (["--filter", "[ab].db"], 1), ([], 1), (["--filter", "d.db"], 125),
                                  (["--filter", "a.db", "--time-limit", "0.000001"], 125), (["--filter", "none"], 125)):
            self.replay("--bisect", *arguments, self.corpus, status=status)
        self.replay("--bisect", self.path("missing.db"), status=125)
        self.replay("--jobs", "many", "--bisect", self.corpus, status=125)  # git takes 2 for a bad commit

    def test_output_that_cannot_be_written_is_no_verdict_on_a_commit(self):
        for pattern, status in (("[ac].db", 0), ("b.db", 1), ("d.db", 125)):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([HWACCL, "replay", "--bisect", "--filter", pattern, self.corpus], stdout=full,
                                      stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn("cannot write to standard output", done.stderr)

    def test_nothing_to_replay_is_an_error(self):
        os.mkdir(self.path("empty"))
        self.refuse("replay", self.path("empty"), mention="no recordings")
        for arguments in (["--shard", "0/2"], ["--shard", "3/2"], ["--shard", "1"], ["--memory-limit", "1"], ["--jobs", "0"]):
            self.refuse("replay", *arguments, self.corpus, mention=arguments[1])
        self.refuse("replay", "--junit", self.path("none/report.xml"), self.corpus, mention="cannot write")

    def test_a_report_does_not_replace_a_recording(self):
        recordings = [self.path("corpus/" + name) for name in ("a.db", "sub/b.db", "sub/c.db")]
        before = self.read(recordings[0])
        for option in ("--junit", "--markdown"):
            self.refuse("replay", option, *recordings, mention="is a database")
        self.assertEqual(self.read(recordings[0]), before)
        for _ in range(2):
            self.replay("--junit", self.path("report.xml"), recordings[0], status=0)


class Rules(Corpus):
    def test_allowed_differences_are_no_divergence(self):
        self.change(self.path("corpus/sub/c.db"), "UPDATE exit SET next_rax = 4660 WHERE id = 7")
        rules = self.write("rules.txt", b"# intended\n"
                           b"may-differ effect port=0xe9 until=never  # the console is another\n"
                           b"may-differ rbx until=never  # nothing has it\n"
                           b"may-differ rax until=2020-01-01  # was long ago\n")
        done = self.replay("--allow", rules, "--json", self.corpus, status=1)
        document = json.loads(done.stdout)
        rows = {os.path.basename(row["path"]): row for row in document["recordings"]}
        self.assertEqual(document["allowed"], 4)
        self.assertEqual([(rule["line"], rule["matches"], rule["expired"]) for rule in document["rules"]],
                         [(2, 4, False), (3, 0, False), (4, 0, True)])
        self.assertEqual((rows["b.db"]["status"], rows["b.db"]["divergences"], rows["b.db"]["allowed"]), ("clean", 0, 4))
        self.assertEqual((rows["c.db"]["status"], rows["c.db"]["first_divergence"]), ("diverged", 7))
        self.assertIn("rules.txt:3: the rule matches nothing: nothing has it\n", done.stderr)
        self.assertIn("rules.txt:4: the rule is expired since 2020-01-01: was long ago\n", done.stderr)
        self.assertNotIn("rules.txt:2", done.stderr)
        report = self.path("report.md")
        done = self.replay("--allow", rules, "--markdown", report, self.corpus, status=1)
        self.assertIn(f"reproduce: hwaccl replay --allow {rules} ", done.stdout)
        self.assertIn("the rule matches nothing", self.read(report).decode())
        for text in (done.stdout, self.read(report).decode()):
            self.assertRegex(text, r"; 183 exits in [0-9.]+ s; 4 of them differ only in what the rules allow\.?\n")

    def test_one_recording(self):
        rules = self.write("rules.txt", b"may-differ effect instruction='out*' until=never  # wrong quotes\n"
                           b"may-differ effect instruction=\"out*\" until=never  # console\n")
        recording = self.path("corpus/sub/b.db")
        done = self.replay("--allow", rules, recording, status=0)
        self.assertRegex(done.stdout, r"^4 exits differ only in what the rules allow\nreplayed 61 exits in .*: 0 divergences\n$")
        self.assertIn("rules.txt:1: the rule matches nothing: wrong quotes\n", done.stderr)
        self.assertIn(": 0 divergences", self.replay("--allow", rules, "--first", recording, status=0).stdout)
        self.write("rules.txt", b"may-differ effect  # for ever\n")
        self.refuse("replay", "--allow", rules, recording, mention="rules.txt:1: no date")
        self.refuse("replay", "--allow", self.path("none"), recording, mention="none")


class Reports(Corpus):
    def setUp(self):
        super().setUp()
        os.rename(self.path("corpus/d.db"), self.path("corpus/" + EVIL))
        shutil.copy(self.path("corpus/sub/b.db"), self.path("corpus/diverges " + EVIL))

    def test_junit(self):
        report = self.path("report.xml")
        self.replay("--junit", report, "--limit", 0, self.corpus, status=1)
        subprocess.run(["xmllint", "--noout", "--nonet", "--schema", SCHEMA, report], check=True, capture_output=True)
        suite = ElementTree.parse(report).getroot().find("testsuite")
        self.assertEqual([suite.get(name) for name in ("tests", "failures", "errors", "skipped")], ["5", "2", "1", "0"])
        (failure,) = [case.find("failure") for case in suite if case.get("name").endswith("sub/b.db")]
        self.assertEqual(failure.get("message"), "4 of 61 exits; first: exit 5: I/O instruction at 0x7c05: out 0xe9, al")
        self.assertEqual(failure.text.count("recorded console 2+1: 4c  replayed console 2+1: 78"), 4)
        self.assertTrue(any("]]>&<\"'" in case.get("name") for case in suite))
        # the schema refuses what is no such file
        self.write("report.xml", b'<testsuites name="" tests="1"/>')
        self.assertNotEqual(subprocess.run(["xmllint", "--noout", "--schema", SCHEMA, report], capture_output=True,
                                           check=False).returncode, 0)

    def test_markdown(self):
        report = self.path("report.md")
        self.replay("--markdown", report, self.corpus, status=1)
        text = self.read(report).decode()
        self.assertIn("\n~~~~\nexit 5: I/O instruction at 0x7c05: out 0xe9, al\n  effect 0  recorded console 2+1: 4c", text)
        self.assertIn("Reproduce: <code>hwaccl replay ", text)
        self.assertEqual(text.count("~~~~"), 4)
        for markup in ("@team", "##[", "<\"", "|", "::error", "\x1b", "\u202e"):
            self.assertNotIn(markup, text)

    def test_github(self):
        summary = self.write("summary.md", b"before\n")
        done = self.replay(self.corpus, status=1, environment={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary})
        commands = [line for line in (done.stdout + done.stderr).splitlines() if re.match(r"\s*::", line) or "##[" in line]
        self.assertEqual(len(commands), 3)
        for command in commands:
            self.assertRegex(command, r"^::error title=hwaccl replay%3A [^:,]*::(\S+%3A |\S+: |4 of 61 exits diverged\.)")
        self.assertIn("exit 5%3A I/O instruction at 0x7c05%3A out 0xe9%2C al%0Aeffect 0  recorded console 2+1%3A 4c",
                      done.stderr)
        self.assertTrue(self.read(summary).startswith(b"before\n### hwaccl replay: the exit handling diverges"))
        self.assertNotIn("::error", self.replay(self.corpus, status=1).stderr.replace("?::error", ""))

    def test_a_terminal_is_safe(self):
        done = self.replay(self.corpus, status=1)
        for text in (done.stdout, done.stderr):
            self.assertNotRegex(text, "[\x1b\u202e\r]")
        self.assertEqual(self.replay("--json", self.corpus, status=1).stdout.count("\x1b"), 0)

    def test_many_recordings_fit_a_comment(self):
        for number in range(150):
            os.symlink("missing", self.path(f"corpus/{'_' * 100}{number}.db"))
        report = self.path("report.md")
        self.replay("--markdown", report, self.corpus, status=1)
        text = self.read(report).decode()
        self.assertLess(len(text), 65536)
        self.assertRegex(text, r"\n\d+ more recordings are not shown here\.\n$")


if __name__ == "__main__":
    main()
