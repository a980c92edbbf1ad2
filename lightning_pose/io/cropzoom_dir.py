"""The folder of a cropzoom model: ``cropzoom.json`` says which detector and pose model it joins, and how."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.io.changed import have_looked_into
from lightning_pose.io.files import read_json, seal, unseal, write_json
from lightning_pose.settings import BoxSettings
from lightning_pose.settings_checks import box_problems
from lightning_pose.traces import note_read
from lightning_pose.types import Problem, UserError

CROPZOOM_FILE = "cropzoom.json"
_BOX_KEYS = [key.name for key in dataclasses.fields(BoxSettings)]
_NULLABLE = ("fixed_size", "max_speed", "min_cutoff")


@dataclass(frozen=True)
class CropZoom:
    """What joins a detector and a pose model to one.

    Parameters
    ----------
    detector_dir, pose_dir : the models' folders.
    crop_ratio : side of a box over the animal's span.
    crop_hw : height and width of the crops of labelled frames, in pixels.
    anchor_keypoints : keypoints of the detector that a box is placed around; none = all.
    boxes : how boxes are placed besides.
    """

    detector_dir: Path
    pose_dir: Path
    crop_ratio: float
    crop_hw: tuple[int, int]
    anchor_keypoints: list[str] = field(default_factory=list)
    boxes: BoxSettings = field(default_factory=BoxSettings)


def is_cropzoom_dir(folder: Path) -> bool:
    """Say whether a folder is that of a cropzoom model."""
    return (Path(folder) / CROPZOOM_FILE).is_file()


def write_cropzoom(cropzoom: CropZoom, folder: Path) -> None:
    """Write ``cropzoom.json``; the models' folders go into it relative to `folder`."""
    root = Path(folder).resolve()
    content = {
        "detector": os.path.relpath(cropzoom.detector_dir.resolve(), root),
        "pose": os.path.relpath(cropzoom.pose_dir.resolve(), root),
        "crop_ratio": cropzoom.crop_ratio,
        "crop_size": list(cropzoom.crop_hw),
        "anchor_keypoints": list(cropzoom.anchor_keypoints),
        "boxes": dataclasses.asdict(cropzoom.boxes),
    }
    write_json(seal(content), Path(folder) / CROPZOOM_FILE)


def read_cropzoom(folder: Path) -> CropZoom:
    """Read ``cropzoom.json``.

    Raises
    ------
    UserError
        If it is missing or damaged, or a value is impossible.
    """
    path = Path(folder) / CROPZOOM_FILE
    note_read(path)
    content = unseal(read_json(path))
    if content is None:
        have_looked_into(path)
        found = "a damaged file" if path.is_file() else "no such file"
        raise UserError(Problem(str(path), "a cropzoom model (litpose create_cropzoom makes one)", found))
    problems = [Problem(f"{path}: {key}", *rest) for key, *rest in _wrong(content)]
    if problems:
        raise UserError(problems)
    height, width = content["crop_size"]
    return CropZoom(
        _resolved(path.parent, content["detector"]),
        _resolved(path.parent, content["pose"]),
        float(content["crop_ratio"]),
        (height, width),
        list(content["anchor_keypoints"]),
        BoxSettings(**content["boxes"]),
    )


def _resolved(folder: Path, name: str) -> Path:
    return Path(os.path.normpath(folder / name))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0


def _wrong(content: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return what is wrong: key, what was expected, what was found."""
    size, names, boxes = (content.get(key) for key in ("crop_size", "anchor_keypoints", "boxes"))
    is_size = (
        isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    )
    checks = [
        ("detector", "the path of a model's folder", isinstance(content.get("detector"), str)),
        ("pose", "the path of a model's folder", isinstance(content.get("pose"), str)),
        ("crop_ratio", "a number above 0", _is_number(content.get("crop_ratio"))),
        ("crop_size", "height and width in pixels", is_size),
        (
            "anchor_keypoints",
            "a list of names",
            isinstance(names, list) and all(type(n) is str for n in names),
        ),
        (
            "boxes",
            f"settings {', '.join(_BOX_KEYS)}",
            isinstance(boxes, dict) and set(boxes) <= set(_BOX_KEYS),
        ),
    ]
    wrong: list[tuple[str, ...]] = [
        (key, expected, repr(content.get(key))) for key, expected, is_well in checks if not is_well
    ]
    if isinstance(boxes, dict) and checks[-1][2]:
        wrong += _wrong_boxes(boxes)
    return wrong


def _wrong_boxes(boxes: dict[str, Any]) -> list[tuple[str, ...]]:
    texts = [key for key, value in boxes.items() if not (value is None or type(value) in (int, float))]
    texts += [key for key, value in boxes.items() if value is None and key not in _NULLABLE]
    if texts:
        return [(f"boxes.{key}", "a number", repr(boxes[key])) for key in texts]
    return [(f"boxes.{key}", *rest) for key, *rest in box_problems(BoxSettings(**boxes))]
