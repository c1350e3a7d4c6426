#!/usr/bin/env python3
"""README, "In CI": one broken line of a handler is a divergence that a reviewer understands, and git bisect finds its commit.

The handler is a copy of the source with the README's edit, compiled and linked as the build did it.
"""
import json
import os
import re
import shlex
import subprocess

from hwaccl_cli import BUILD, SANITIZED, CommandTest, main

SOURCE = os.environ["HWACCL_SOURCE"]

# Reads the line status of COM1 before each of two characters, writes them, and ends with exit code 0.
SERIAL = bytes.fromhex("ba fd 03 ec ba f8 03 b0 68 ee ba fd 03 ec ba f8 03 b0 69 ee 30 c0 e6 f4 f4")


def shell(command, directory, **options):
    return subprocess.run(command, cwd=directory, shell=True, text=True, capture_output=True, check=True, timeout=300, **options)


class Demonstration(CommandTest):
    def setUp(self):
        super().setUp()
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
            readme = file.read()
        self.edit, self.file = re.search(r"sed -i '(s/[^']*/)' (\S+\.c)", readme).groups()
        self.rule = re.search(r"^ +(may-differ .*)$", readme, re.M).group(1)
        with open(os.path.join(SOURCE, self.file), encoding="utf-8") as file:
            self.good = file.read()
        self.broken = subprocess.run(["sed", self.edit], input=self.good, text=True, capture_output=True, check=True).stdout
        self.assertNotEqual(self.broken, self.good, f"'{self.edit}' changes nothing in {self.file}")
        os.mkdir(self.path("corpus"))
        recording = self.record("corpus/serial.db", guest=SERIAL)
        os.remove(recording + ".bin")

    def commands(self):
        """How to compile a changed copy of the handler, and link a command with it, in the build's directory."""
        with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
            source = os.path.join(SOURCE, self.file)
            (entry,) = [entry for entry in json.load(file) if entry["file"] == source]
        words = shlex.split(entry["command"])
        compiled = words[words.index("-o") + 1]
        compile_it = entry["command"].replace(compiled, '"$object"').replace(f" {source}", ' "$source"')
        link = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "-s", "hwaccl"], text=True, capture_output=True,
                              check=True).stdout.strip().splitlines()[-1]
        self.assertEqual(len(re.findall(r" -o hwaccl ", link)), 1, link)
        return compile_it, link.replace(" -o hwaccl ", ' -fno-lto -o "$command" "$object" ', 1)

    def write_build(self, directory):
        """A script that makes ./hwaccl of ./handler.c."""
        compile_it, link = self.commands()
        path = os.path.join(directory, "build")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nset -e\nsource=$PWD/handler.c object=$PWD/handler.o command=$PWD/hwaccl\ncd {shlex.quote(BUILD)}\n"
                       f"{compile_it}\n{link}\n")
        os.chmod(path, 0o755)

    def test_a_broken_line_is_shown_and_its_commit_is_found(self):
        history = self.path("history")
        os.mkdir(history)
        self.write_build(history)
        git = "git -c user.name=t -c user.email=t@example.org -c init.defaultBranch=main -c commit.gpgsign=false "
        shell(git + "init -q", history)
        texts = [self.good, self.good + "\n/* a comment */\n", self.broken, self.broken + "\n#error does not build\n",
                 self.broken + "\n/* another */\n"]
        for number, text in enumerate(texts):
            self.write("history/handler.c", text.encode())
            shell(f"{git} add handler.c && {git} commit -q -m 'change {number}'", history)

        report = self.path("report.xml")
        shell("./build", history)
        replay = [os.path.join(history, "hwaccl"), "replay", "--junit", report, self.path("corpus")]
        done = subprocess.run(replay, text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"diverged: \S+serial\.db: 2 of 5 exits\n  exit 0: I/O instruction at 0x7c03: in al, dx\n"
                                      r"    rax  recorded 0x60  replayed 0x20\n")
        self.assertIn("exit 0: I/O instruction at 0x7c03: in al, dx", self.read(report).decode())
        self.succeed("replay", self.path("corpus"))  # restored
        rules = self.write("allow.rules", (self.rule + "\n").encode())
        subprocess.run([*replay, "--allow", rules], capture_output=True, check=True)

        corpus = shlex.quote(self.path("corpus"))
        found = shell(f"{git} bisect start HEAD HEAD~4 && {git} bisect run sh -c "
                      f"'./build >/dev/null 2>&1 || exit 125; ./hwaccl replay --bisect {corpus}'", history).stdout
        self.assertRegex(found, r"(?s)is the first bad commit.*change 2")


if __name__ == "__main__":
    if SANITIZED:
        print("links the command of an ordinary build")
        raise SystemExit(77)
    main()
