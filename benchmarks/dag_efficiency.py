"""How well several workers on one host use their time on the tiny DAG, against its critical path.

    python benchmarks/dag_efficiency.py --workers 1 4

Runs the DAG of tests/fixtures/tiny.yaml from nothing with each number of workers, one thread a job, and reads
from Snakemake's records when each job began and ended, and what it waited for. Told of each run:

- work: the seconds of all jobs; path: those of the longest chain of jobs that wait for one another;
- ideal: no schedule is faster than the path, nor than the work shared by the workers that have a core;
- start, end: the command's seconds before the first job and after the last;
- and of the chain that ended last: the seconds of its jobs, and those between the end of one and the start of
  the next.

Efficiency is the first run's ideal, for the number of workers of the other, over the other's wall clock.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dag_scale import ROOT, copy_workflow

CHECKPOINT = "prepare_data"  # all wait for it, without naming its files
TARGET = "results/tiny/ood_plots.pdf"


@dataclass(eq=False)
class Job:
    """What Snakemake recorded of a job; seconds since the epoch."""

    rule: str
    began: float
    ended: float
    after: list[Job] = field(default_factory=list)  # jobs that made its inputs

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True)
class Run:
    """A run of the DAG: the command's own time, and its jobs."""

    began: float
    ended: float
    jobs: list[Job]

    @property
    def wall(self) -> float:
        return self.ended - self.began

    @property
    def work(self) -> float:
        return sum(job.seconds for job in self.jobs)

    def ideal(self, workers: int) -> float:
        """Return the least seconds that any schedule could take."""
        return max(longest_path(self.jobs), self.work / workers)

    def last_chain(self) -> list[Job]:
        """Return the jobs that the end waited for, each after the one of its inputs that came last."""
        chain = [max(self.jobs, key=lambda job: job.ended)]
        while chain[-1].after:
            chain.append(max(chain[-1].after, key=lambda job: job.ended))
        return chain[::-1]


def longest_path(jobs: list[Job]) -> float:
    """Return the seconds of the longest chain of jobs."""

    @cache
    def until(job: Job) -> float:
        return job.seconds + max(map(until, job.after), default=0.0)

    return max(map(until, jobs))


def read_jobs(metadata: Path) -> list[Job]:
    """Read the jobs of a run from Snakemake's records, one for each file that they made."""
    jobs: dict[tuple[str, int], Job] = {}
    maker: dict[str, Job] = {}
    inputs: dict[tuple[str, int], list[str]] = {}
    for path in metadata.rglob("*"):
        if not path.is_file():
            continue
        record = json.loads(path.read_text())
        key = record["rule"], record["job_hash"]
        job = jobs.setdefault(key, Job(record["rule"], record["starttime"], record["endtime"]))
        name = "".join(path.relative_to(metadata).parts).replace("@", "")
        maker[decoded(name)] = job
        inputs[key] = record["input"]
    for key, job in jobs.items():
        job.after = list({maker[name] for name in inputs[key] if name in maker} - {job})
    data = [job for job in jobs.values() if job.rule == CHECKPOINT]
    for job in jobs.values():
        if not job.after and job.rule != CHECKPOINT:
            job.after = data
    return list(jobs.values())


def decoded(name: str) -> str:
    """Return the path that Snakemake encodes in a record's name."""
    return base64.urlsafe_b64decode(name).decode()


def run_dag(folder: Path, workers: int) -> Run:
    """Run the tiny DAG from nothing by so many workers of one thread."""
    copy_workflow(folder)
    (folder / "config").mkdir()
    shutil.copy(ROOT / "tests/fixtures/tiny.yaml", folder / "config")
    command = [sys.executable, "-m", "snakemake", TARGET, "--cores", str(workers), "--max-threads", "1"]
    began = time.time()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    ended = time.time()
    if done.returncode:
        sys.exit(done.stderr[-4000:])
    return Run(began, ended, read_jobs(folder / ".snakemake/metadata"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    args = parser.parse_args()
    cores, first = len(os.sched_getaffinity(0)), None
    print(
        "| workers | wall, s | work | path | ideal | start | chain's jobs | between them | end | efficiency |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for workers in args.workers:
        with tempfile.TemporaryDirectory() as folder:
            run = run_dag(Path(folder), workers)
        first = first or run
        chain = run.last_chain()
        busy = sum(job.seconds for job in chain)
        ideal = first.ideal(min(workers, cores))
        numbers = [
            run.wall,
            run.work,
            longest_path(run.jobs),
            ideal,
            chain[0].began - run.began,
            busy,
            chain[-1].ended - chain[0].began - busy,
            run.ended - chain[-1].ended,
        ]
        told = " | ".join(f"{number:.1f}" for number in numbers)
        print(f"| {workers} | {told} | {ideal / run.wall:.2f} |", flush=True)
        print(*(f"{job.rule} {job.seconds:.1f}" for job in chain), sep=", ", file=sys.stderr)
    print(f"\n{len(first.jobs)} jobs, {cores} cores")


if __name__ == "__main__":
    main()
