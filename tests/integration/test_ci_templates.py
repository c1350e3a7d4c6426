#!/usr/bin/python3
"""scripts/ci-templates: the action and the job have the form that GitHub and GitLab take, and their scripts do here what they do there:
they run in order, with the environment that the template gives them, against a small corpus. Only apt-get is the test's own."""
import os
import re
import shutil
import subprocess
import sys
import unittest

try:
    import jsonschema
    import yaml
except ImportError as error:
    print(f"SKIPPED: {error}: packages python3-jsonschema and python3-yaml are needed", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)
import json

from corpus_fixture import CorpusTest
from hwaccl_cli import HWACCL, main

SOURCE = os.environ["HWACCL_SOURCE"]
ACTION = os.path.join(SOURCE, "scripts", "ci-templates", "github", "action.yml")
JOB = os.path.join(SOURCE, "scripts", "ci-templates", "gitlab", "hwaccl.gitlab-ci.yml")

# Writes down what it was asked for; the command of this build is in PATH already.
APT_GET = '#!/bin/sh\necho "$*" >>"$STATE/apt"\n'


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def schema(name):
    with open(os.path.join(SOURCE, "tests", "fixtures", name), encoding="utf-8") as file:
        return json.load(file)


class Template(CorpusTest):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("bin"))
        os.chmod(self.write("bin/apt-get", APT_GET.encode()), 0o755)
        os.symlink(HWACCL, self.path("bin/hwaccl"))
        self.corpus = self.make_corpus()
        self.package = self.write("hwaccl_1_amd64.deb", b"")

    def valid(self, document, name):
        jsonschema.Draft7Validator.check_schema(schema(name))
        jsonschema.validate(document, schema(name))

    def invalid(self, document, name):
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate(document, schema(name))

    def shellcheck(self, scripts):
        for number, script in enumerate(scripts):
            path = self.write(f"script{number}", f"#!/bin/bash\nset -eo pipefail\n{script}".encode())
            done = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)

    def bash(self, script, variables):
        """As both systems run it, in the directory of the checkout."""
        path = self.write("step", script.encode())
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_"))}
        environment.update(PATH=self.path("bin") + ":" + os.environ["PATH"], STATE=self.path("bin"), **variables)
        return subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", path], cwd=os.path.dirname(path), env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    def installed(self):
        return self.read(self.path("bin/apt")).decode()


class GitHub(Template):
    def run_action(self, **inputs):
        """Each step whose condition holds; a step after one that failed only if it is always(). The last status, and what was printed."""
        action = load(ACTION)
        values = {f"inputs.{name}": value.get("default", "") for name, value in action["inputs"].items()}
        values.update({f"inputs.{name}": value for name, value in inputs.items()})
        status, printed = 0, ""
        for step in action["runs"]["steps"]:
            always, condition = "always()" in step.get("if", ""), step.get("if", "").replace("always() &&", "").strip()
            if (status and not always) or (condition and not self.evaluate(condition, values)):
                continue
            if "uses" in step:
                self.uploaded = self.expand(step["with"]["path"], values).split()
                continue
            variables = {name: self.expand(value, values) for name, value in step.get("env", {}).items()}
            variables.update({"GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": os.path.dirname(ACTION), "RUNNER_TEMP": self.path("temp"),
                              "GITHUB_OUTPUT": self.write("output", b""), "GITHUB_STEP_SUMMARY": self.path("summary")})
            done = self.bash(step["run"], variables)
            status, printed = done.returncode, printed + done.stdout + done.stderr
            for line in self.read(self.path("output")).decode().splitlines():
                name, _, value = line.partition("=")
                values[f"steps.{step['id']}.outputs.{name}"] = value
        return status, printed

    def evaluate(self, expression, values):
        """The operators that the action uses: == and != with a text, and ||."""
        if comparison := re.fullmatch(r"(\S+) (==|!=) '(.*)'", expression):
            return (values[comparison[1]] == comparison[3]) == (comparison[2] == "==")
        for name in expression.split(" || "):
            if value := values.get(name, ""):
                return value
        return ""

    def expand(self, text, values):
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: self.evaluate(match[1], values), text)

    def test_it_has_the_form_of_a_composite_action(self):
        action = load(ACTION)
        self.valid(action, "github_action.schema.json")
        names = set(re.findall(r"inputs\.([a-z-]+)", self.read(ACTION).decode()))
        self.assertEqual(names, set(action["inputs"]))  # none is unknown, none without use
        steps = {step["id"] for step in action["runs"]["steps"] if "id" in step}
        self.assertLessEqual(set(re.findall(r"steps\.([a-z-]+)\.", self.read(ACTION).decode())), steps)
        for damage in ({"run": "echo ${{ inputs.paths }}"}, {"run": "true", "shell": "bash", "with": {}}, {"uses": "actions/upload-artifact"},
                       {"run": "true"}):
            self.invalid({**action, "runs": {"using": "composite", "steps": [damage]}}, "github_action.schema.json")

    def test_its_scripts_are_clean(self):
        self.shellcheck(step["run"] for step in load(ACTION)["runs"]["steps"] if "run" in step)

    def test_a_divergence_fails_and_is_reported_everywhere(self):
        status, printed = self.run_action(paths=f"\n  {self.corpus}\n", package="hwaccl_1_amd64.deb")
        self.assertEqual(status, 1, printed)
        self.assertIn(self.package, self.installed())
        self.assertEqual(self.results(self.path("hwaccl-junit.xml")), self.expected(self.corpus))
        self.assertIn("::error", printed)
        for report in ("summary", "hwaccl-replay.md"):
            self.assertIn("deeper/diverging", self.read(self.path(report)).decode())
        self.assertEqual(self.uploaded, ["hwaccl-junit.xml", "hwaccl-replay.md"])

    def test_a_clean_corpus_passes(self):
        status, printed = self.run_action(paths=self.corpus, package=self.package, options="--filter=clean*\n--jobs=2", artifact="")
        self.assertEqual(status, 0, printed)
        self.assertEqual(len(self.results(self.path("hwaccl-junit.xml"))), 5)
        self.assertFalse(hasattr(self, "uploaded"))

    def test_a_recording_over_its_budget_fails(self):
        clean = os.path.join(self.corpus, "clean 0.db")
        for budget, expected in (("--max=I/O instruction:7", 0), ("--max=I/O instruction:7\n--max=CPUID:0", 1)):
            status, printed = self.run_action(paths=clean, package=self.package, budgets=budget)
            self.assertEqual(status, expected, printed)
        self.assertIn("clean 0.db:\n", printed)

    def test_a_name_is_no_workflow_command(self):
        os.mkdir(self.path("names"))
        shutil.copy(os.path.join(self.corpus, "clean 0.db"), self.path("names/x\n::stop-commands::y.db"))
        status, printed = self.run_action(paths=self.path("names"), package=self.package, budgets="--max=CPUID:0")
        self.assertEqual(status, 1, printed)
        self.assertRegex(printed, r"/x.::stop-commands::y\.db:\n")

    def test_the_package_that_it_builds_is_that_of_its_own_repository(self):
        self.assertTrue(os.access(os.path.join(os.path.dirname(ACTION), "../../..", "scripts/package"), os.X_OK))


class GitLab(Template):
    def run_job(self, **variables):
        (job,) = load(JOB).values()
        script = "\n".join(job["before_script"] + job["script"])
        done = self.bash(script, {**job["variables"], "CI_PROJECT_DIR": self.path("checkout"), **variables})
        return done.returncode, done.stdout + done.stderr

    def test_it_has_the_form_of_a_job(self):
        document = load(JOB)
        self.valid(document, "gitlab_ci.schema.json")
        (job,) = document.values()
        for damage in ({"script": "true", "artifact": {}}, {"script": []}, {"variables": {"A-B": ""}}):
            self.invalid({"job": {**job, **damage}}, "gitlab_ci.schema.json")
        self.assertLessEqual(set(re.findall(r"\$\{?(HWACCL_[A-Z]+)", "".join(job["script"] + job["before_script"]))), set(job["variables"]))

    def test_its_scripts_are_clean(self):
        (job,) = load(JOB).values()
        self.shellcheck(job["before_script"] + job["script"])

    def test_a_divergence_fails_and_is_in_the_reports(self):
        status, printed = self.run_job(HWACCL_PATHS=self.corpus, HWACCL_PACKAGE=self.package)
        self.assertEqual(status, 1, printed)
        self.assertIn(self.package, self.installed())
        (job,) = load(JOB).values()
        self.assertEqual(self.results(self.path(job["artifacts"]["reports"]["junit"])), self.expected(self.corpus))
        for path in job["artifacts"]["paths"]:
            self.assertIn("deeper/diverging", self.read(self.path(path)).decode())

    def test_parallel_jobs_replay_each_recording_once(self):
        found = []
        for index in "12":
            self.run_job(HWACCL_PATHS=self.corpus, HWACCL_PACKAGE=self.package, CI_NODE_INDEX=index, CI_NODE_TOTAL="2")
            found += self.results(self.path("hwaccl-junit.xml")).items()
        self.assertEqual(sorted(found), sorted(self.expected(self.corpus).items()))

    def test_a_recording_over_its_budget_fails(self):
        clean = os.path.join(self.corpus, "clean 0.db")
        for budget, expected in (("--max=CPUID:1", 0), ("--max=CPUID:0", 1)):
            status, printed = self.run_job(HWACCL_PATHS=clean, HWACCL_PACKAGE=self.package, HWACCL_BUDGETS=budget)
            self.assertEqual(status, expected, printed)


if __name__ == "__main__":
    main()
