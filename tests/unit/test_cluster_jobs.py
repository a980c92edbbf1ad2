"""What the profiles' scripts ask LSF, SGE, PBS and Kubernetes, and how they read the answers."""

import importlib.util
import json
import re
import signal
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

PROFILES = Path(__file__).parents[2] / "workflow" / "profiles"
SITE = {"queue": "normal", "gpu_queue": "gpu", "options": "-P lab", "gpu_options": "-gpu num=1"}
POD_SITE = {"namespace": "birds", "image": "image:1", "volume": "claim", "path": "/lab"}


def script(profile: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{profile}_jobs", PROFILES / profile / "jobs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Make commands that say something and exit with a code."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def put(name: str, text: str, code: int = 0, stream: int = 1) -> None:
        (tmp_path / f"{name}.txt").write_text(text)
        (tmp_path / name).write_text(f"#!/bin/sh\ncat {tmp_path}/{name}.txt >&{stream}\nexit {code}\n")
        (tmp_path / name).chmod(0o755)

    return put


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("lsf", "bsub -J cropzoom -n 4 -R span[hosts=1] rusage[mem=6000MB] -M 6000MB -W 90"),
        (
            "sge",
            "qsub -N cropzoom -cwd -V -terse -j y -o .snakemake/cluster_logs -pe smp 4 "
            "-l h_rt=5400,h_vmem=1500M",
        ),
        (
            "pbs",
            "qsub -N cropzoom -V -j oe -o .snakemake/cluster_logs/ "
            "-l select=1:ncpus=4:mem=6000mb -l walltime=1:30:00",
        ),
    ],
)
def test_a_submission_asks_for_the_jobs_needs(system, expected) -> None:
    jobs = script("cluster")
    asked = " ".join(jobs.submission({**SITE, "system": system}, 4, 6000, 90, 0))
    assert asked.startswith(expected) and asked.endswith("-q normal -P lab")
    on_gpu = jobs.submission({**SITE, "system": system}, 4, 6000, 90, 1)
    assert on_gpu[-6:] == ["-q", "gpu", "-P", "lab", "-gpu", "num=1"]


def test_pbs_is_asked_for_gpus_in_the_chunk_where_it_takes_them() -> None:
    asked = script("cluster").submission({**SITE, "system": "pbs"}, 4, 6000, 90, 2)
    assert "select=1:ncpus=4:mem=6000mb:ngpus=2" in asked


def test_options_may_be_quoted_as_on_a_command_line() -> None:
    own = {**SITE, "system": "lsf", "options": '-P lab -R "select[ncpus > 8] order[mem]"'}
    assert script("cluster").submission(own, 4, 6000, 90, 0)[-2:] == ["-R", "select[ncpus > 8] order[mem]"]


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("Job <1723> is submitted to queue <normal>.\n", "1723"),
        ("1723\n", "1723"),
        ("1723.pbs-head\n", "1723.pbs-head"),
    ],
)
def test_the_number_of_a_job_is_found(answer, number) -> None:
    assert script("cluster").job_number(answer) == number


def test_an_answer_without_a_number_is_refused() -> None:
    with pytest.raises(SystemExit, match="expected a job's number, found 'no'"):
        script("cluster").job_number("no")


@pytest.mark.parametrize(
    ("system", "command", "text", "expected"),
    [
        ("lsf", "bjobs", "RUN\n", "running"),
        ("lsf", "bjobs", "PEND\n", "running"),
        ("lsf", "bjobs", "DONE\n", "success"),
        ("lsf", "bjobs", "EXIT\n", "failed"),
        ("sge", "qstat", "job_number: 17\n", "running"),
        ("sge", "qacct", "failed       0    \nexit_status  0   \n", "success"),
        ("sge", "qacct", "failed       0    \nexit_status  143 \n", "failed"),
        ("sge", "qacct", "failed       100 : assumedly after job\nexit_status  0 \n", "failed"),
        ("pbs", "qstat", "    job_state = R\n", "running"),
        ("pbs", "qstat", "    job_state = F\n    Exit_status = 0\n", "success"),
        ("pbs", "qstat", "    job_state = F\n    Exit_status = 271\n", "failed"),
        ("pbs", "qstat", "    job_state = C\n    exit_status = 0\n", "success"),
    ],
)
def test_states_are_read(answers, system, command, text, expected) -> None:
    answers("qstat", "unknown job", code=1, stream=2)
    answers(command, text)
    assert script("cluster").STATES[system]("17") == expected


@pytest.mark.parametrize("system", ["lsf", "sge", "pbs"])
def test_a_scheduler_that_does_not_answer_ends_no_job(answers, system) -> None:
    for name in ("bjobs", "qstat", "qacct"):
        answers(name, "cannot connect", code=1, stream=2)
    assert script("cluster").STATES[system]("17") == "running"


def test_a_job_that_pbs_has_forgotten_has_ended(answers) -> None:
    answers("qstat", "qstat: Unknown Job Id 17.server", code=153, stream=2)
    assert script("cluster").STATES["pbs"]("17.server") == "success"


def test_a_pod_gets_its_needs_as_limits() -> None:
    jobs = script("kubernetes")
    job = jobs.manifest(POD_SITE, "cropzoom-1", [4, 6000, 90, 1], "/lab/p/job.sh", "/lab/p")
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {
        "cpu": "4",
        "memory": "6000M",
        "nvidia.com/gpu": "1",
    }
    assert job["spec"]["activeDeadlineSeconds"] == 5400
    assert pod["volumes"][0]["name"] == pod["containers"][0]["volumeMounts"][0]["name"]
    without = jobs.manifest(POD_SITE, "cropzoom-1", [4, 6000, 90, 0], "/lab/p/job.sh", "/lab/p")
    assert "nvidia.com/gpu" not in json.dumps(without)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"active": 1}, "running"),
        ({}, "running"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "success"),
        ({"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}, "failed"),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, "running"),
    ],
)
def test_states_of_pods_are_read(answers, status, expected) -> None:
    answers("kubectl", json.dumps({"status": status}))
    assert script("kubernetes").status(POD_SITE, "cropzoom-1") == expected


def test_a_pod_that_is_gone_has_failed_and_a_silent_cluster_is_asked_again(answers) -> None:
    answers("kubectl", "Error from server (NotFound): jobs not found", code=1, stream=2)
    assert script("kubernetes").status(POD_SITE, "cropzoom-1") == "failed"
    answers("kubectl", "Unable to connect to the server", code=1, stream=2)
    assert script("kubernetes").status(POD_SITE, "cropzoom-1") == "running"


def test_jobs_are_ended_where_they_were_started(answers, tmp_path) -> None:
    (tmp_path / "kubectl").write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\n')
    (tmp_path / "kubectl").chmod(0o755)
    with pytest.raises(SystemExit) as ended:
        script("kubernetes").cancel(POD_SITE, ["cropzoom-1", "cropzoom-2"])
    asked = (tmp_path / "asked").read_text().split()
    assert ended.value.code == 0 and asked[:2] == ["delete", "job"]
    assert asked[-2:] == ["cropzoom-1", "cropzoom-2"] and asked[asked.index("--namespace") + 1] == "birds"


def test_a_pod_passes_on_that_it_is_to_end(tmp_path) -> None:
    own = tmp_path / "job.sh"
    saving = f"trap 'touch {tmp_path}/saved; exit 3' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done"
    own.write_text(f'#!/bin/sh\nsh -c "{saving}" && exit 0 || exit 1\n')
    job = script("kubernetes").manifest(POD_SITE, "cropzoom-1", [1, 100, 1, 0], str(own), str(tmp_path))
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    first = subprocess.Popen(command, start_new_session=True)
    while not (tmp_path / "up").exists():
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)  # to no other process, as to a pod's
    assert first.wait(timeout=30) != 0
    for _ in range(500):
        if (tmp_path / "saved").exists():
            return
        time.sleep(0.01)
    raise AssertionError("the job was not asked to end")


@pytest.mark.parametrize("code", [0, 1, 7])
def test_a_pod_ends_as_its_script_does(tmp_path, code) -> None:
    own = tmp_path / "job.sh"
    own.write_text(f"exit {code}\n")
    job = script("kubernetes").manifest(POD_SITE, "cropzoom-1", [1, 100, 1, 0], str(own), str(tmp_path))
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert subprocess.run(command).returncode == code


def test_every_step_that_is_submitted_says_what_it_needs() -> None:
    rules = {}
    for path in (PROFILES.parent / "rules").glob("*.smk"):
        for block in re.split(r"^(?:rule|checkpoint) ", path.read_text(), flags=re.MULTILINE)[1:]:
            rules[block[: block.index(":")]] = block
    submitted = {name: text for name, text in rules.items() if "shell:" in text and name != "create_cropzoom"}
    assert "train_pose" in submitted
    for name, text in submitted.items():
        assert "mem_mb=" in text and "runtime=" in text, name
