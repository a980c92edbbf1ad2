"""Start a job in a pod of its own, and tell how it is, in the words that Snakemake expects.

jobs.py submit THREADS MEM_MB MINUTES GPUS SCRIPT     prints the job's name
jobs.py status NAME                                   prints running, success or failed
jobs.py cancel NAME ...                               ends jobs
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import yaml

SITE = Path(__file__).with_name("site.yaml")
TO_SAVE_S = 30  # seconds from being asked to end to being killed
# A pod's first process alone is sent SIGTERM, and hears none that it does not catch: it passes it on to its
# whole group, and waits for the script once more.
PASSING_ON = """trap 'trap "" TERM; kill -TERM 0' TERM
/bin/sh "$0" &
wait $!
code=$?
[ $code -le 128 ] || wait $!
exit $code
"""


def manifest(site: dict[str, Any], name: str, needs: list[int], script: str, folder: str) -> dict[str, Any]:
    """Return the job as Kubernetes wants it described.

    Parameters
    ----------
    site : what site.yaml says.
    name : of the job.
    needs : cores, memory in MB, minutes, GPUs.
    script : what to run, on the volume.
    folder : the project's, on the volume.
    """
    threads, mem_mb, minutes, gpus = needs
    limits = {"cpu": str(threads), "memory": f"{mem_mb}M"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    container = {
        "name": "cropzoom",
        "image": site["image"],
        "command": ["/bin/sh", "-c", PASSING_ON, script],
        "workingDir": folder,
        "resources": {"limits": limits},
        "volumeMounts": [{"name": "lab", "mountPath": site["path"]}],
    }
    pod = {
        "containers": [container],
        "volumes": [{"name": "lab", "persistentVolumeClaim": {"claimName": site["volume"]}}],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": TO_SAVE_S,
    }
    labels = {"app": "cropzoom"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": site["namespace"], "labels": labels},
        "spec": {
            "backoffLimit": 0,  # Snakemake tries again
            "activeDeadlineSeconds": minutes * 60,
            "ttlSecondsAfterFinished": 24 * 3600,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def submit(site: dict[str, Any], arguments: list[str]) -> str:
    """Start a job; return its name."""
    name = f"cropzoom-{uuid.uuid4().hex[:12]}"
    needs, script = [int(text) for text in arguments[:4]], str(Path(arguments[4]).resolve())
    text = json.dumps(manifest(site, name, needs, script, str(Path.cwd())))
    done = subprocess.run(["kubectl", "create", "--filename", "-"], input=text, stdout=sys.stderr, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return name


def status(site: dict[str, Any], name: str) -> str:
    """Return how a job is; one that is gone has failed."""
    command = ["kubectl", "get", "job", name, "--namespace", site["namespace"], "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return "failed" if "NotFound" in done.stderr else "running"
    conditions = json.loads(done.stdout).get("status", {}).get("conditions", [])
    ended = {entry["type"] for entry in conditions if entry["status"] == "True"}
    if "Complete" in ended:
        return "success"
    return "failed" if "Failed" in ended else "running"


def cancel(site: dict[str, Any], names: list[str]) -> None:
    """Have jobs ended, without waiting for it."""
    command = ["kubectl", "delete", "job", "--namespace", site["namespace"], "--wait=false", *names]
    raise SystemExit(subprocess.run(command).returncode)


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    site = yaml.safe_load(SITE.read_text())
    action, *rest = arguments
    if action == "cancel":
        cancel(site, rest)
    print(submit(site, rest) if action == "submit" else status(site, rest[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
