"""Submit a job to LSF, SGE or PBS, and tell how it is, in the words that Snakemake expects.

jobs.py submit THREADS MEM_MB MINUTES GPUS SCRIPT     prints the job's number
jobs.py status NUMBER                                 prints running, success or failed
"""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

SITE = Path(__file__).with_name("site.yaml")
LOGS = Path(".snakemake/cluster_logs")


def lsf_command(threads: int, mem_mb: int, minutes: int, gpus: int) -> list[str]:
    """Return how LSF is asked; its memory limit is in the unit of the cluster, which a suffix overrides."""
    needs = f"span[hosts=1] rusage[mem={mem_mb}MB]"
    limits = ["-M", f"{mem_mb}MB", "-W", str(minutes)]
    return ["bsub", "-J", "cropzoom", "-n", str(threads), "-R", needs, *limits, "-o", f"{LOGS}/%J.log"]


def sge_command(threads: int, mem_mb: int, minutes: int, gpus: int) -> list[str]:
    """Return how SGE is asked; memory is counted for each core."""
    needs = f"h_rt={minutes * 60},h_vmem={math.ceil(mem_mb / threads)}M"
    own = ["-N", "cropzoom", "-cwd", "-V", "-terse", "-j", "y", "-o", str(LOGS)]
    return ["qsub", *own, "-pe", "smp", str(threads), "-l", needs]


def pbs_command(threads: int, mem_mb: int, minutes: int, gpus: int) -> list[str]:
    """Return how PBS Professional and OpenPBS are asked, which refuse ``-l ngpus=1`` beside ``-l select``."""
    hours, rest = divmod(minutes, 60)
    chunk = f"ncpus={threads}:mem={mem_mb}mb" + (f":ngpus={gpus}" if gpus else "")
    needs = ["-l", f"select=1:{chunk}", "-l", f"walltime={hours}:{rest:02d}:00"]
    return ["qsub", "-N", "cropzoom", "-V", "-j", "oe", "-o", f"{LOGS}/", *needs]


COMMANDS = {"lsf": lsf_command, "sge": sge_command, "pbs": pbs_command}


def submission(site: dict[str, Any], threads: int, mem_mb: int, minutes: int, gpus: int) -> list[str]:
    """Return the command that submits a script, without the script."""
    command = COMMANDS[site["system"]](threads, mem_mb, minutes, gpus)
    queue = site["gpu_queue"] if gpus else site["queue"]
    chosen = [site["options"], site["gpu_options"] if gpus else None]
    more = [word for text in chosen if text for word in shlex.split(text)]
    return [*command, *(["-q", queue] if queue else []), *more]


def job_number(answer: str) -> str:
    """Return the number in what a scheduler says of a submission.

    LSF: ``Job <17> is submitted to queue <normal>.``; SGE: ``17``; PBS: ``17.server``.
    """
    found = re.search(r"\d+(\.[\w.-]+)?", answer)
    if found is None:
        raise SystemExit(f"jobs.py: expected a job's number, found {answer!r}")
    return found[0]


def submit(site: dict[str, Any], arguments: list[str]) -> str:
    """Submit a script; return the job's number."""
    LOGS.mkdir(parents=True, exist_ok=True)
    command = submission(site, *(int(text) for text in arguments[:4]))
    script = arguments[4]
    if site["system"] == "lsf":  # which reads it from its input
        answer = subprocess.run(command, input=Path(script).read_text(), stdout=subprocess.PIPE, text=True)
    else:
        answer = subprocess.run([*command, script], stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        raise SystemExit(answer.returncode)
    return job_number(answer.stdout)


def answer_of(*command: str) -> str | None:
    """Return what a command says; None if it fails, as for jobs that a scheduler does not know."""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def lsf_status(number: str) -> str:
    """Return how a job of LSF is."""
    state = (answer_of("bjobs", "-noheader", "-o", "stat", number) or "").strip()
    return {"DONE": "success", "EXIT": "failed"}.get(state, "running")


def sge_status(number: str) -> str:
    """Return how a job of SGE is; one that has just ended may not be in the accounts yet."""
    if answer_of("qstat", "-j", number) is not None:
        return "running"
    fields = dict(
        line.split(None, 1) for line in (answer_of("qacct", "-j", number) or "").splitlines() if " " in line
    )
    if "exit_status" not in fields:
        return "running"
    ended_well = fields["exit_status"].split()[0] == "0" and fields.get("failed", "0").split()[0] == "0"
    return "success" if ended_well else "failed"


def is_forgotten(number: str) -> bool:
    """Whether PBS knows a job no more: by default it keeps none that ended (``job_history_enable``)."""
    done = subprocess.run(["qstat", "-f", number], capture_output=True, text=True)
    return done.returncode != 0 and "unknown job id" in done.stderr.lower()


def pbs_status(number: str) -> str:
    """Return how a job of PBS is; Torque writes C and exit_status for F and Exit_status."""
    answer = answer_of("qstat", "-x", "-f", number) or answer_of("qstat", "-f", number) or ""
    if not answer and is_forgotten(number):
        return "success"  # if its outputs are there, which Snakemake looks for
    fields = {
        key.strip().lower(): value.strip()
        for key, _, value in (x.partition("=") for x in answer.splitlines())
    }
    if fields.get("job_state") not in ("F", "C"):
        return "running"
    return "success" if fields.get("exit_status") == "0" else "failed"


STATES = {"lsf": lsf_status, "sge": sge_status, "pbs": pbs_status}


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    site = yaml.safe_load(SITE.read_text())
    if site["system"] not in COMMANDS:
        raise SystemExit(f"{SITE}: system: expected one of {', '.join(COMMANDS)}, found {site['system']}")
    action, *rest = arguments
    print(submit(site, rest) if action == "submit" else STATES[site["system"]](rest[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
