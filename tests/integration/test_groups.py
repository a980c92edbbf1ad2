"""Jobs that share a submission run once each, also where checkpoints change the DAG meanwhile."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT

pytestmark = pytest.mark.slow

SNAKEFILE = """
VIDEOS, MEMBERS = ["a", "b"], range(3)
include: "{rules}/groups.smk"

rule all:
    input: expand("measured/{{member}}/{{video}}", member=MEMBERS, video=VIDEOS)

checkpoint index:
    output: "index/{{member}}"
    params: lambda wildcards: 6 * int(wildcards.member)  # the DAG changes while others run
    shell: "sleep {{params}}; touch {{output}}"

def index_of(wildcards):
    checkpoints.index.get(member=wildcards.member)
    return f"index/{{wildcards.member}}"

rule train:
    input: index_of
    output: "trained/{{member}}"
    shell: "touch {{output}}"

rule predict:
    input: "trained/{{member}}"
    output: "predicted/{{member}}/{{video}}"
    group: "predict"
    shell: "sleep 4; echo {{output}} >> ran; cp {{input}} {{output}}"

rule measure:
    input: "predicted/{{member}}/{{video}}"
    output: "measured/{{member}}/{{video}}"
    group: "measure"
    shell: "echo {{output}} >> ran; cp {{input}} {{output}}"
"""
SUBMIT = 'for script; do :; done; (bash "$script" > /dev/null 2>&1 &); echo $RANDOM'


@pytest.mark.parametrize("attempt", range(2))  # the order of sets differs from process to process
def test_jobs_that_are_submitted_together_run_once(tmp_path: Path, attempt: int) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(rules=ROOT / "workflow" / "rules"))
    (tmp_path / "submit.sh").write_text(SUBMIT)
    command = [
        sys.executable, "-m", "snakemake", "--executor", "cluster-generic", "--jobs", "8",
        "--cluster-generic-submit-cmd", "bash submit.sh", "--group-components", "predict=2", "measure=3",
        "--seconds-between-status-checks", "1",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    ran = Counter((tmp_path / "ran").read_text().split())
    assert len(ran) == 12 and set(ran.values()) == {1}, ran
    assert done.stderr.count("Submitted group job") == 3 + 2, done.stderr[-3000:]
