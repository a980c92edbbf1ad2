"""A real SLURM on this machine: a controller and three nodes on loopback, two of them with a pretend GPU."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

SNAKEMAKE = Path(__file__).with_name("run_snakemake.py")
PROGRAMS = ("srun", "munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
GPU_NODES, NODES = ("node1", "node2"), ("node1", "node2", "node3")
NODE_LOST_S = 5  # until the controller gives up a node that does not answer
REQUEUE_S = 20  # until a job of a lost node may start again
CONFIG = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={requeue_s}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MinJobAge=7200
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=200
GresTypes=gpu
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
SlurmdTimeout={node_lost_s}
SlurmctldTimeout=10
BatchStartTimeout=20
KillWait=60
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=sched_interval=2,bf_interval=2
{nodes}
PartitionName=batch Nodes=node[1-3] Default=YES MaxTime=1-0 State=UP
PartitionName=gpu Nodes=node[1-2] MaxTime=1-0 State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=16000 {gres}"


def why_not() -> str | None:
    """Say why no SLURM can be started here; None if one can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"no {', '.join(missing)}: install slurm-wlm and munge"
    return None if os.geteuid() == 0 else "root only: its daemons start jobs as other users"


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens to."""
    sockets = [socket.socket() for _ in range(count)]
    for own in sockets:
        own.bind(("127.0.0.1", 0))
    ports = [own.getsockname()[1] for own in sockets]
    for own in sockets:
        own.close()
    return ports


def wait_until(is_so: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


class Cluster:
    """The daemons, and what a user does at a terminal.

    Parameters
    ----------
    folder : holds everything of this cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{folder}/bin:{_path()}"
        self.environment = {**os.environ, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything; return when all nodes are idle."""
        self.folder.mkdir(parents=True)
        self._configure()
        self._add_command("srun", f'SLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"')
        self._add_command("snakemake", f'exec {sys.executable} {SNAKEMAKE} "$@"')
        self._start_munge()
        (self.folder / "state").mkdir()
        self._run("slurmctld", "slurmctld", "-D")
        for name in NODES:
            self.start_node(name)
        wait_until(lambda: self.states() == ["idle"] * len(NODES), 60, f"idle nodes, see {self.folder}")

    def _configure(self) -> None:
        host, (controller, *ports) = socket.gethostname().split(".")[0], free_ports(1 + len(NODES))
        lines, gres = [], []
        for name, port in zip(NODES, ports, strict=True):
            own = "Gres=gpu:1 " if name in GPU_NODES else ""
            lines.append(NODE.format(name=name, host=host, port=port, gres=own))
            if own:
                device = self.folder / f"gpu-{name}"
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # as /dev/null
                gres.append(f"NodeName={name} Name=gpu File={device}")
        text = CONFIG.format(
            folder=self.folder,
            controller_port=controller,
            node_lost_s=NODE_LOST_S,
            requeue_s=REQUEUE_S,
            nodes="\n".join(lines),
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")

    def _add_command(self, name: str, text: str) -> None:
        """Put a command before those of its name; in a job, SLURM_CONF is lost."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{end}" for option, end in files.items()]
        self._run("munged", "munged", "--foreground", "--force", f"--key-file={key}", *options)
        wait_until((self.folder / "munge.socket").exists, 10, "munge's socket")

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder
            )

    def start_node(self, name: str) -> None:
        """Start a node."""
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        self._run(name, "slurmd", "-D", "-N", name)

    def lose_node(self, name: str) -> None:
        """Cut a node's power: its daemon and whatever runs on it are gone at once."""
        self.daemons[name].kill()
        self.daemons[name].wait()
        lost = self.processes(SLURMD_NODENAME=name)
        for act in (psutil.Process.suspend, psutil.Process.kill):  # so that none tells of another's end
            for process in lost:
                with contextlib.suppress(psutil.NoSuchProcess):
                    act(process)

    def processes(self, **chosen: str) -> list[psutil.Process]:
        """Return what jobs run with this environment: the daemons of steps, and what they started."""
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                is_ours = environment.get("SLURM_CONF") == self.environment["SLURM_CONF"]
                if is_ours and "SLURM_JOB_ID" in environment and chosen.items() <= environment.items():
                    steps = [own for own in process.parents() if own.name() == "slurmstepd"]
                    found |= {own.pid: own for own in (*steps, process)}  # what tells of an end comes first
        return list(found.values())

    def stop(self) -> None:
        """End all jobs, then everything that was started."""
        if "slurmctld" in self.daemons:
            self.say("scancel", *(job["id"] for job in self.jobs()))
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for daemon in reversed(self.daemons.values()):
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
        for daemon in self.daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def say(self, *command: str) -> str:
        """Return what one of SLURM's commands says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def states(self) -> list[str]:
        """Return how the nodes are."""
        return self.say("sinfo", "--noheader", "--Node", "--partition=batch", "--format=%T").split()

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Return the jobs in these states; none given = those that are not over."""
        chosen = f"--states={','.join(states) or 'PENDING,RUNNING,COMPLETING'}"
        fields = {"id": "%i", "state": "%T", "about": "%k", "node": "%N", "partition": "%P", "memory": "%m"}
        lines = self.say("squeue", "--noheader", chosen, f"--format={'|'.join(fields.values())}").splitlines()
        return [dict(zip(fields, line.strip().split("|"), strict=True)) for line in lines]
