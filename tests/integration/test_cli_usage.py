#!/usr/bin/env python3
"""Help, version, and command lines that are wrong."""
import os
import re
import subprocess

from hwaccl_cli import BUILD, HWACCL, CommandTest, main

SUBCOMMANDS = ["record", "replay", "report", "show", "state", "explain", "explain-state", "stat", "check", "import", "recover", "top",
               "upgrade", "accept", "slice"]


class Usage(CommandTest):
    def test_help_of_the_command_names_every_subcommand(self):
        for arguments in (["--help"], ["-h"], ["help"]):
            done = self.succeed(*arguments)
            self.assertEqual(done.stderr, "")
            for name in SUBCOMMANDS:
                self.assertIn(f"\n  {name}", done.stdout)

    def test_every_subcommand_has_help_in_three_ways(self):
        for name in SUBCOMMANDS:
            texts = {self.succeed(*arguments).stdout
                     for arguments in ([name, "--help"], [name, "-h"], ["help", name])}
            self.assertEqual(len(texts), 1, name)
            text = texts.pop()
            self.assertTrue(text.startswith(f"Usage: hwaccl {name} "), text)
            self.assertIn("--help", text)
            self.assertLessEqual(max(map(len, text.splitlines())), 110, name)

    def test_version_is_a_number(self):
        self.assertRegex(self.succeed("--version").stdout, r"^hwaccl \d+\.\d+\.\d+\n$")

    def options(self, name):
        """The options of a subcommand's help: (letter or None, long name), in their order."""
        return [match for match in re.findall(r"^  (?:-(.), |    )--([a-z-]+)", self.succeed(name, "--help").stdout, re.M)
                if match[1] != "help"]

    def test_manual_page_has_the_options_of_the_help_in_the_same_order(self):
        with open(os.path.join(BUILD, "hwaccl.1"), encoding="utf-8") as file:
            sections = dict(re.findall(r"^\.Ss hwaccl ([a-z-]+)\n(.*?)(?=^\.S[sh])", file.read(), re.M | re.S))
        for name in SUBCOMMANDS:
            headings = re.findall(r"^\.It (?:Fl (.) , )?Fl -([a-z-]+)", sections[name], re.M)
            self.assertEqual(headings, self.options(name), name)

    def test_synopsis_of_the_manual_page_is_the_usage_of_the_help(self):
        with open(os.path.join(BUILD, "hwaccl.1"), encoding="utf-8") as file:
            synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh", file.read(), re.M | re.S).group(1)
        usages = {}
        for part in synopsis.split(".Nm\n")[1:]:
            words = re.sub(r"^\.| (Ns|Ar|No) |(?<![a-z])(Ar|Cm) ", " ", part, flags=re.M).replace(" ", "")
            usages[words.split("\n")[0]] = words
        for name in SUBCOMMANDS:
            usage = self.succeed(name, "--help").stdout.splitlines()[0].split()[3:]
            plain = "".join(usage).lower().replace("[option]...", "").replace("[", "").replace("]", "")
            found = "".join(usages[name].split("\n")[1:]).replace("Opoption...", "").replace("Op", "").replace("Oo", "").replace("Oc", "")
            found = found.replace("Fl", "-")
            self.assertEqual(found, plain, name)

    def complete(self, *words):
        """What the completion offers for the last word."""
        script = f"source {BUILD}/hwaccl.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _hwaccl; " \
                 "printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", script, "bash", "hwaccl", *words], capture_output=True, text=True, check=True,
                              cwd=self._scratch.name)
        return done.stdout.split()

    def test_completion_offers_what_the_help_shows(self):
        self.assertEqual(self.complete("re"), ["record", "replay", "report", "recover"])
        for name in SUBCOMMANDS:
            expected = ["--" + option[1] for option in self.options(name)] + ["--help"]
            self.assertEqual(self.complete(name, "--"), expected, name)
        self.assertEqual(self.complete("record", "--clock", ""), ["host", "virtual"])
        self.assertEqual(self.complete("stat", "-s", "t"), ["time"])
        self.assertEqual(self.complete("show", "--reason", "io"), ["io-instruction"])
        self.assertEqual(self.complete("record", "--timeout", ""), [])
        self.assertEqual(self.complete("import", ""), ["ctf"])
        self.write("image", b"")
        os.mkdir(self.path("images"))
        self.assertEqual(sorted(self.complete("record", "--disk", "im")), ["image", "images"])
        self.assertEqual(self.complete("record", "--subject-dir", "im"), ["images"])
        self.assertEqual(sorted(self.complete("replay", "im")), ["image", "images"])

    def test_a_template_with_a_marker_of_nothing_is_refused(self):
        for text in ("@OPTIONS nothing@\n@END@\n", "@OPTIONS record@\n@MORE nothing@\n@END@\n", "@OPTIONS record@\n",
                     "@NOTHING@\n", "@COMPLETE nothing@\n"):
            template = self.write("template", text.encode())
            done = subprocess.run([os.path.join(BUILD, "replay", "hwaccl-docs"), template, self.path("output")],
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), text)
            self.assertFalse(os.path.exists(self.path("output")))

    def test_a_wrong_command_line_says_what_and_how_to_see_help(self):
        for arguments, mention in [
                ([], "no subcommand"),
                (["frobnicate"], "'frobnicate'"),
                (["--frobnicate"], "'--frobnicate'"),
                (["help", "frobnicate"], "'frobnicate'"),
                (["record", "--frobnicate"], "'--frobnicate'"),
                (["record", "-x"], "'-x'"),
                (["record", "-o"], "'-o'"),
                (["record", "--output"], "'--output'"),
                (["record", "--force=yes"], "'--force'"),
                (["record"], "--firmware"),
                (["record", "--firmware", "x"], "-o FILE"),
                (["record", "--smp", "2"], "a VM has exactly one virtual CPU, not 2"),
                (["record", "-smp", "0"], "a VM has exactly one virtual CPU, not 0"),
                (["record", "--smp=0xffffffff"], "a VM has exactly one virtual CPU, not 4294967295"),
                (["record", "-smp", "two"], "'two'"),
                (["record", "-smp"], "'--smp'"),
                (["record", "-smp", "1"], "--firmware"),
                (["record", "--firmware", "x", "-o", "a", "--no-db"], "--no-db"),
                (["record", "--firmware", "x", "-o", "a", "--no-record"], "--no-db"),
                (["record", "--firmware", "x", "-o", "a", "b"], "'b'"),
                (["record", "--raw", "x", "-o", "a"], "FILE@ADDR"),
                (["record", "--raw", "x@y", "-o", "a"], "'x@y'"),
                (["record", "--raw", "@5", "-o", "a"], "'@5'"),
                (["record", "--disk", ",ro", "-o", "a"], "',ro'"),
                (["record", "--disk", "", "-o", "a"], "''"),
                (["record", *(["--disk", "x"] * 5), "-o", "a"], "at most 4"),
                (["record", "--accel", "magic"], "'magic'"),
                (["record", "--clock", "sundial"], "'sundial'"),
                (["record", "--clock", "virtual,0"], "'virtual,0'"),
                (["record", "--clock", "virtual,1001"], "'virtual,1001'"),
                (["record", "--clock", "host,2"], "'host,2'"),
                (["record", "--max-exits", "-5"], "'-5'"),
                (["record", "--max-exits", "0"], "'0'"),
                (["record", "--timeout", "soon"], "'soon'"),
                (["record", "--keyframe-interval", "0"], "'0'"),
                (["record", "--until", ""], "--until"),
                (["record", "--wall-time", "noon"], "'noon'"),
                (["replay"], "no recording"),
                (["replay", "a", "1..2", "c"], "'c'"),
                (["replay", "a", "2..1"], "'2..1'"),
                (["replay", "a", "x"], "'x'"),
                (["replay", "--from", "3", "--to", "2", "a"], "--from"),
                (["replay", "--from", "3", "a", "1..2"], "--from"),
                (["show", "--reason", "boredom", "a"], "'boredom'"),
                (["show", "--rip", "low..high", "a"], "'low..high'"),
                (["show", "--limit", "many", "a"], "'many'"),
                (["state", "a"], "no exit"),
                (["state", "a", "1..2"], "'1..2'"),
                (["stat", "--sort", "colour", "a"], "'colour'"),
                (["check"], "no recording"),
                (["check", "a", "b"], "'b'"),
                (["recover"], "no recording or directory"),
                (["recover", "a", "b"], "'b'"),
        ]:
            done = self.refuse(*arguments, mention=mention)
            self.assertEqual(done.stdout, "", arguments)
            self.assertIn("--help", done.stderr, arguments)

    def test_a_control_character_in_an_argument_does_not_break_the_line(self):
        self.refuse("replay", "no\nsuch\x1b[31mfile")

    def test_a_reader_that_goes_away_is_no_error(self):
        recording = self.record()
        for arguments in (["show", recording], ["show", "--json", recording], ["state", recording, "0"],
                          ["stat", recording], ["--help"], ["replay", recording]):
            with subprocess.Popen([HWACCL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                process.stdout.close()
                errors = process.stderr.read()
                self.assertEqual((process.wait(), errors), (0, b""), arguments)

    def test_a_full_disk_under_the_results_is_an_error(self):
        recording = self.record()
        for arguments in (["show", recording], ["stat", "--json", recording], ["--help"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([HWACCL, *arguments], stdout=full, stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (2, 1), (arguments, done.stderr))


if __name__ == "__main__":
    main()
