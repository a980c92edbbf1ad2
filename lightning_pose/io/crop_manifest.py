"""``crops.json``: what was cropped from what. Standard library only, since the workflow reads it too.

It is sealed with a checksum: a crop size that lost a bit would misplace every keypoint.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from lightning_pose.io.files import seal, unseal, write_json
from lightning_pose.types import Problem, UserError

MANIFEST = "crops.json"
BOXES_FILE = "bbox.csv"
FIRST_GENERATION = "1"
CROPPED = "cropped_"  # begins the names of CSVs and videos of crops


def read_manifest(path: str | Path) -> dict[str, Any] | None:
    """Return the manifest; None if there is none or it is damaged (then everything is cropped anew)."""
    try:
        content = unseal(json.loads(Path(path).read_text())) or {}
    except (OSError, ValueError, RecursionError):
        return None
    crops = content.get("crops")
    if not isinstance(crops, dict) or "crop_size" not in content:
        return None
    return content if all(_is_entry(entry) for entry in crops.values()) else None


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("files", {}), dict)


def write_manifest(content: dict[str, Any], path: str | Path) -> None:
    """Write a manifest, the last of the files that it tells of."""
    write_json(seal(content), path)


def crop_name(image_path: str) -> str:
    """Return the file name of an image's crop."""
    return str(PurePosixPath(image_path).with_suffix(".png"))


def crops_dir(labels_csv: str | Path) -> Path | None:
    """Return the folder of the crops that a labels CSV lists, None if it lists no crops.

    Raises
    ------
    UserError
        If it is named as one of crops, and their manifest is damaged: whole images may have the same names.
    """
    labels_csv = Path(labels_csv)
    manifest = _manifest_beside(labels_csv)
    if manifest is None or labels_csv.name != f"{CROPPED}{manifest['source']}":
        return None
    return Path(os.path.normpath(labels_csv.parent / manifest["images_dir"]))


def manifest_of_video(video: str | Path) -> dict[str, Any] | None:
    """Return the manifest beside a video of crops, None if it is no such video.

    Raises
    ------
    UserError
        If it is named as one of crops, and their manifest is damaged.
    """
    video = Path(video)
    manifest = _manifest_beside(video)
    entries = manifest["crops"].values() if manifest else ()
    is_its_own = any("boxes" in entry and video.name in entry.get("files", {}) for entry in entries)
    return manifest if is_its_own else None


def _manifest_beside(path: Path) -> dict[str, Any] | None:
    """Return the manifest beside what may be of crops; raise `UserError` if that is damaged."""
    manifest = read_manifest(path.parent / MANIFEST)
    if manifest is None and path.name.startswith(CROPPED) and (path.parent / MANIFEST).exists():
        expected = f"the manifest of the crops of {path.name} (crop again)"
        raise UserError(Problem(str(path.parent / MANIFEST), expected, "a damaged file"))
    return manifest


def damaged_crops(path: str | Path) -> list[str]:
    """Return the cropped files that are missing or have another size than when they were written."""
    path = Path(path)
    manifest = read_manifest(path)
    if manifest is None:
        return [str(path)] if path.exists() else []
    folder = path.parent / str(manifest.get("images_dir", "."))
    damaged = []
    for entry in manifest["crops"].values():
        for name, size in entry.get("files", {}).items():
            file = folder / name
            if not file.is_file() or file.stat().st_size != size:
                damaged.append(str(file))
    return damaged


def next_generation(path: str | Path) -> str:
    """Return the name of the generation of crops that cropping now would leave.

    While all is well, that is the generation there is. Where crops or their manifest are damaged it is
    another, so that whoever recorded the name of the last run sees that something has to be mended; and that
    one it is once the crops are mended.
    """
    path = Path(path)
    damaged = damaged_crops(path)
    manifest = read_manifest(path)
    own = FIRST_GENERATION if manifest is None else str(manifest.get("generation", FIRST_GENERATION))
    if not damaged:
        return own
    content = path.read_text(errors="replace") if manifest is None else ""
    return hashlib.sha256("\n".join([own, content, *sorted(damaged)]).encode()).hexdigest()[:12]
