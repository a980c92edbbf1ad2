"""Pack a folder of results into one file, to look at them elsewhere: the same folder gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lightning_pose.io.files import CHUNK_BYTES, write_atomic
from lightning_pose.types import Problem, UserError

MANIFEST_NAME = "bundle.json"  # checksums of the others; the last file
WITHOUT_RESULTS = ("cropped_images", "checkpoints", "tb_logs", "logs", "benchmarks")  # folders
WEIGHTS_SUFFIX = ".safetensors"
PACKED_SUFFIXES = (".png", ".jpg", ".jpeg", ".pdf", ".mp4", ".webm", ".zip", WEIGHTS_SUFFIX)  # shrink no more
EARLIEST = (1980, 1, 1, 0, 0, 0)  # that the format can tell: times would make bundles differ
READABLE = 0o644 << 16
LARGE = 1 << 31  # bytes from which an entry needs the format's large fields


def bundle(folder: Path, output: Path, weights: bool = False, overwrite: bool = False) -> int:
    """Pack predictions, metrics, figures, settings and provenance; return the number of files.

    What can be made from them, or is of use to a training alone, stays: crops, checkpoints, logs.

    Parameters
    ----------
    folder : the results of a data set, or a part of them.
    output : the ZIP to write; its files lie in a folder of the same name.
    weights : pack the weights too.
    overwrite : replace a file that is there.

    Raises
    ------
    UserError
        If there is nothing to pack, or a file is there already.
    """
    if output.suffix != ".zip":
        raise UserError(Problem("--output", "a name that ends in .zip", str(output)))
    if output.exists() and not overwrite:
        raise UserError(Problem(str(output), "no such file yet, or --overwrite", "one"))
    files = [path for path in result_files(folder, weights) if path.resolve() != output.resolve()]
    if not files:
        found = "none" if folder.is_dir() else "no such folder"
        raise UserError(Problem(str(folder), "a folder with results", found))
    root = folder.resolve().name
    manifest = {}
    with write_atomic(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in files:
            name = path.relative_to(folder).as_posix()
            manifest[name] = _add(archive, f"{root}/{name}", path)
        text = json.dumps({"files": manifest}, indent=1, sort_keys=True) + "\n"
        archive.writestr(_entry(f"{root}/{MANIFEST_NAME}"), text)
    return len(files)


def result_files(folder: Path, weights: bool) -> list[Path]:
    """Return the files that are packed, in the order of their names."""
    found = [path for path in walk_results(folder) if weights or path.suffix != WEIGHTS_SUFFIX]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def walk_results(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder of results, without what can be made again or only a training needs."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in WITHOUT_RESULTS and not name.startswith(".")]
        yield from (Path(root) / name for name in files if not name.startswith("."))


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, int | str]:
    """Copy a file into the archive piece by piece; return its size and checksum."""
    digest, size = hashlib.sha256(), 0
    is_large = path.stat().st_size >= LARGE
    with open(path, "rb") as source, archive.open(_entry(name), "w", force_zip64=is_large) as target:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EARLIEST)
    is_packed = name.lower().endswith(PACKED_SUFFIXES)
    entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
    entry.external_attr = READABLE
    entry.create_system = 3  # Unix, wherever it is packed
    return entry
