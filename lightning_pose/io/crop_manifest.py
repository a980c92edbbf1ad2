"""``crops.json``: what was cropped from what. Standard library only, since the workflow reads it too.

It is sealed with a checksum: a crop size that lost a bit would misplace every keypoint.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from lightning_pose.io.files import seal, sha256, unseal, write_json
from lightning_pose.io.put_back import stamp_of
from lightning_pose.types import Problem, UserError

MANIFEST = "crops.json"
BOXES_FILE = "bbox.csv"
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
    parts = ("files", "sha256")
    return isinstance(entry, dict) and all(isinstance(entry.get(part, {}), dict) for part in parts)


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
    manifest = _manifest_beside(labels_csv, ("source", "images_dir"))
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


def _manifest_beside(path: Path, needed: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """Return the manifest beside what may be of crops; raise `UserError` if that is damaged.

    It is, too, where one of the texts that are needed is missing.
    """
    manifest = read_manifest(path.parent / MANIFEST)
    if manifest is not None and not all(isinstance(manifest.get(key), str) for key in needed):
        manifest = None
    if manifest is None and path.name.startswith(CROPPED) and (path.parent / MANIFEST).exists():
        expected = f"the manifest of the crops of {path.name} (crop again)"
        raise UserError(Problem(str(path.parent / MANIFEST), expected, "a damaged file"))
    return manifest


def damaged_crops(path: str | Path) -> list[str]:
    """Return the cropped files that are missing or not what was written; those changed since are read."""
    return examine_crops(path)[0]


def not_as_cropped(labels_csv: Path, images_dir: Path) -> list[Problem]:
    """Return what of the crops that a labels CSV lists in a folder is not as their manifest tells.

    After an interruption, or where another CSV's crops took their place, they may show other boxes than those
    that the labels, and predictions on the crops, are mapped by. Crops that are missing are none of this
    function's business, and of a CSV of frames there is nothing to tell.
    """
    own_dir, path = crops_dir(labels_csv), labels_csv.parent / MANIFEST
    if own_dir is None or own_dir.resolve() != images_dir.resolve():
        return []
    others = [own for own in damaged_crops(path) if Path(own).exists()]
    expected = f"the crop that {path} tells of (crop again)"
    found = f"another, and {len(others) - 1} more like it" if len(others) > 1 else "another"
    return [Problem(os.path.normpath(own), expected, found) for own in others[:1]]


def _differs(file: Path, told: str | None) -> bool:
    return told is not None and told != sha256(file)


def examine_crops(path: str | Path, whole_until_ns: int = 0) -> tuple[list[str], int]:
    """Look for cropped files that are missing or not what was written.

    Parameters
    ----------
    path : the manifest.
    whole_until_ns : files of this time were whole, and older ones; besides those older than the manifest.

    Returns
    -------
    tuple of list of str and int
        The damaged files, and the time of the last change to any of the whole ones.
    """
    path = Path(path)
    manifest = read_manifest(path)
    if manifest is None:
        return ([str(path)] if path.exists() else []), 0
    folder = path.parent / str(manifest.get("images_dir", "."))
    whole_until_ns = max(whole_until_ns, path.stat().st_mtime_ns)
    damaged, newest = [], 0
    for entry in manifest["crops"].values():
        for name, size in entry.get("files", {}).items():
            file, stamp = folder / name, stamp_of(folder / name)
            told = entry.get("sha256", {}).get(name)
            if stamp is None or stamp[0] != size or (stamp[1] > whole_until_ns and _differs(file, told)):
                damaged.append(str(file))
            else:
                newest = max(newest, stamp[1])
    return damaged, newest
