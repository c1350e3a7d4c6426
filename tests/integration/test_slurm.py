#!/usr/bin/env python3
"""scripts/slurm on a real Slurm of one node: tasks that are killed and a node that fails lose no recording, and count none twice."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from corpus_fixture import CorpusTest
from hwaccl_cli import HWACCL, main

SCRIPTS = os.path.join(os.environ["HWACCL_SOURCE"], "scripts", "slurm")
ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}

# No cgroups, no systemd, no names: what any container has.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={work}/munge.socket
CredType=cred/munge
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/spool
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
NodeName=node NodeAddr=127.0.0.1 CPUs=2
PartitionName=main Nodes=node Default=YES MaxTime=60 State=UP
"""

# hwaccl, which writes down each run. The first run of part 2 says that it began, and never ends.
COMMAND = r"""#!/bin/bash
case "$*" in
*"--shard "*) echo "$SLURM_ARRAY_TASK_ID ${SLURM_RESTART_COUNT:-0}" >>"$STATE/runs" ;;
esac
case "$*" in
*"--shard 2/"*)
        if mkdir "$STATE/first" 2>/dev/null; then
                echo "$PPID $$" >"$STATE/started.new"
                mv "$STATE/started.new" "$STATE/started"
                exec sleep 600
        fi
        ;;
esac
exec "$REAL" "$@"
"""


def run(*command):
    return subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)


def wait_until(what, condition):
    end = time.monotonic() + 240
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.05)
    return value


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


def parent(process):
    with open(f"/proc/{process}/stat", encoding="utf-8") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


class Cluster:
    """munged, slurmctld and slurmd in a directory of their own."""

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="hwaccl-slurm.")
        os.chmod(self.work, 0o711)  # munged wants others to reach its socket
        for name in ("state", "spool"):
            os.mkdir(os.path.join(self.work, name))
        controller_port, node_port = free_ports(2)
        with open(os.path.join(self.work, "slurm.conf"), "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(work=self.work, host=socket.gethostname().split(".")[0], user=pwd.getpwuid(os.getuid())[0],
                                            controller_port=controller_port, node_port=node_port))
        ENVIRONMENT["SLURM_CONF"] = os.path.join(self.work, "slurm.conf")
        self.daemons = {}
        self.start_munge()
        self.start("slurmctld", "-D", "-c")
        self.start("slurmd", "-D", "-N", "node")
        wait_until("the node is idle", lambda: self.alive() and run("sinfo", "-h", "-o", "%T").stdout.strip() == "idle")

    def start_munge(self):
        key = os.path.join(self.work, "munge.key")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(os.urandom(1024))
        files = [f"--{name}-file={self.work}/munge.{name}" for name in ("key", "pid", "seed", "log")]
        self.start("munged", "--foreground", f"--socket={self.work}/munge.socket", "--num-threads=4", *files)
        wait_until("munged listens", lambda: self.alive() and os.path.exists(f"{self.work}/munge.socket"))

    def start(self, name, *options):
        with open(os.path.join(self.work, name + ".out"), "ab") as log:
            self.daemons[name] = subprocess.Popen([shutil.which(name, path=ENVIRONMENT["PATH"]), *options], env=ENVIRONMENT,
                                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.work)

    def alive(self):
        for name, process in self.daemons.items():
            if process.poll() is not None:
                with open(os.path.join(self.work, name + ".out"), encoding="utf-8", errors="replace") as file:
                    raise AssertionError(f"{name} ended: {file.read()[-2000:]}")
        return True

    def kill(self, name):
        process = self.daemons.pop(name)
        process.kill()
        process.wait()

    def stop(self):
        run("scancel", "--full", f"--user={os.getuid()}")
        wait_until("no job runs", lambda: not run("squeue", "-h").stdout)
        for name in reversed(list(self.daemons)):
            self.daemons[name].terminate()
            self.daemons[name].wait()
        shutil.rmtree(self.work)


class Slurm(CorpusTest):
    @classmethod
    def setUpClass(cls):
        for tool in ("munged", "slurmctld", "slurmd", "sbatch"):
            if not shutil.which(tool, path=ENVIRONMENT["PATH"]):
                raise unittest.SkipTest(f"{tool} is not installed (scripts/setup all)")
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.stop)

    def setUp(self):
        super().setUp()
        self.corpus, self.run_path = self.make_corpus(), self.path("run")
        os.chmod(self.write("hwaccl", COMMAND.encode()), 0o755)

    def submit(self):
        """submit, as a process, when the first run of part 2 has begun; and the processes of its task."""
        variables = {**ENVIRONMENT, "REAL": HWACCL, "STATE": os.path.dirname(self.run_path), "HWACCL": self.path("hwaccl")}
        process = subprocess.Popen([os.path.join(SCRIPTS, "submit"), "--wait", "--tasks", "4", self.run_path, self.corpus],
                                   env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)

        def started():
            self.cluster.alive()
            self.assertIsNone(process.poll(), "submit ended")
            return os.path.exists(self.path("started"))
        wait_until("part 2 begins", started)
        return process, [int(word) for word in self.read(self.path("started")).split()]

    def finish(self, process):
        output, _ = process.communicate(timeout=400)
        self.assertEqual(process.returncode, 1, output)
        self.assertEqual(self.results(os.path.join(self.run_path, "junit.xml")), self.expected(self.corpus), output)
        self.assertIn("replayed 7 recordings in 4 parts: 1 diverged, 1 could not be replayed, 0 problems with parts", output)
        return sorted(self.read(self.path("runs")).decode().splitlines())

    def jobs(self):
        return self.read(os.path.join(self.run_path, "jobs")).decode().split()

    def test_a_killed_task_is_submitted_again(self):
        process, (task, command) = self.submit()
        os.kill(task, signal.SIGKILL)
        os.kill(command, signal.SIGKILL)
        self.assertEqual(self.finish(process), ["1 0", "2 0", "2 0", "3 0", "4 0"])
        self.assertEqual(len(self.jobs()), 2)

    def test_the_task_of_a_failed_node_is_requeued(self):
        process, (task, command) = self.submit()
        wait_until("one task is left", lambda: len(run("squeue", "-h", "-r").stdout.splitlines()) == 1)
        (job,) = run("squeue", "-h", "-o", "%F").stdout.split()
        # the node fails with all that runs on it
        step = parent(task)
        self.cluster.kill("slurmd")
        for number in (step, task, command):
            os.kill(number, signal.SIGKILL)
        self.assertEqual(run("scontrol", "update", "nodename=node", "state=down", "reason=test").stderr, "")
        wait_until("Slurm requeues it", lambda: run("squeue", "-h", "-r", "-o", "%T").stdout.strip() == "PENDING")

        self.cluster.start("slurmd", "-D", "-N", "node")
        run("scontrol", "update", "nodename=node", "state=resume")
        # Slurm waits two minutes before it starts it again
        self.assertEqual(run("scontrol", "update", f"jobid={job}_2", "starttime=now").stderr, "")
        self.assertEqual(self.finish(process), ["1 0", "2 0", "2 1", "3 0", "4 0"])
        self.assertEqual(self.jobs(), [job])


if __name__ == "__main__":
    main()
