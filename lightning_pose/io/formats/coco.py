"""COCO keypoints: labels and predictions of images in one JSON file.

Keypoints are x, y and visibility (0 not labelled, 1 occluded, 2 visible), in pixels counted from 0; see
https://cocodataset.org/#format-data. Predictions are annotations with a ``score``, and, as MMPose has them,
``keypoint_scores``. Beyond the format: ``frame_id`` (the frame of a video), ``set``, ``box_looked_at`` of an
image, ``occluded`` of an annotation (names of keypoints that are hidden at no known place).
"""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.formats.contents import (
    Animal,
    Contents,
    as_labels,
    as_predictions,
    check_unique,
    choose,
    keep_one,
    rows_of,
    say_what_is_left,
    stays_inside,
)
from lightning_pose.io.images import image_size
from lightning_pose.io.tables import own_path
from lightning_pose.traces import note_read
from lightning_pose.types import Labels, Predictions, Problem, UserError, Visibility

logger = logging.getLogger(__name__)

CATEGORY = "animal"


def read_coco(path: Path, image_dir: Path | None = None, skeleton: str | None = None) -> Contents:
    """Read labels or predictions; predictions if every annotation has a score.

    Parameters
    ----------
    path : the JSON file.
    image_dir : what its file names are relative to; None = its own folder.
    skeleton : name of the category to take; None = that of the most annotations.

    Raises
    ------
    UserError
        If it is no such file, naming each entry that is wrong.
    """
    content = _load(path)
    category, annotations = _of_one_category(path, content, skeleton)
    names = [str(name) for name in category["keypoints"]]
    by_image: dict[Any, list[dict]] = {}
    for annotation in annotations:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    images = [image for image in content["images"] if image["id"] in by_image]
    if len(images) < len(content["images"]):
        left = len(content["images"]) - len(images)
        logger.warning("%s: %d images without annotations are left", path, left)
    frames = [[_animal(entry, names) for entry in by_image[image["id"]]] for image in images]
    animals = keep_one(path, frames)
    info = content["info"] if isinstance(content.get("info"), dict) else {}
    scorer = str(info.get("contributor") or "coco")
    if all("score" in annotation for annotation in annotations):
        return Contents(_predictions(path, images, names, animals, scorer))
    hidden = bool((np.array([animal.visible for animal in animals]) == Visibility.OCCLUDED).any())
    paths = [own_path(image["file_name"]) for image in images]
    check_unique(path, paths)
    outside = [name for name in paths if not stays_inside(name)]
    if outside:
        raise UserError(
            [Problem(f"{path}, file_name", "a path inside the image folder", name) for name in outside]
        )
    labels = as_labels(paths, names, animals, scorer, info.get("has_visibility", hidden))
    return Contents(labels, {name: (image_dir or path.parent) / name for name in paths})


def write_coco(contents: Contents, path: Path) -> None:
    """Write labels or predictions that `read_coco` reads back exactly.

    Parameters
    ----------
    contents : one animal a frame; a frame where nothing is labelled has an annotation too. Images that are
        there are given width and height.
    path : the JSON file.
    """
    poses = contents.poses
    say_what_is_left(poses, path, "COCO")
    index = rows_of(poses)
    info: dict[str, Any] = {"contributor": poses.scorer}
    if isinstance(poses, Labels):
        info["has_visibility"] = poses.visible is not None
    content = {
        "info": info,
        "images": [_image_entry(contents, row) for row in range(len(index))],
        "annotations": [_annotation(poses, row) for row in range(len(index))],
        "categories": [{"id": 1, "name": CATEGORY, "keypoints": poses.keypoint_names, "skeleton": []}],
    }
    unknown = sum("width" not in image for image in content["images"])
    if unknown:
        logger.warning("%s: %d images are not at hand; their width and height are left", path, unknown)
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def _load(path: Path) -> dict:
    note_read(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(Problem(str(path), "a COCO file", "no such file")) from None
    except (ValueError, IsADirectoryError) as error:
        raise UserError(Problem(str(path), "a COCO file in JSON", str(error))) from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UserError(Problem(f"{path}, {key}", "a list", "none"))
    problems = _broken(path, "images", content["images"], ("id", "file_name"))
    problems += _broken(path, "annotations", content["annotations"], ("image_id", "category_id"))
    problems += _broken(path, "categories", content["categories"], ("id", "name"))
    if problems:
        raise UserError(problems)
    problems = [
        Problem(f"{path}, images[{i}], box_looked_at", "four numbers", json.dumps(box)[:80])
        for i, image in enumerate(content["images"])
        if (box := image.get("box_looked_at")) is not None and not _is_box(box)
    ]
    problems += [
        Problem(f"{path}, categories[{i}], keypoints", "a list of different names", json.dumps(names)[:80])
        for i, category in enumerate(content["categories"])
        if (names := category.get("keypoints")) and not _are_names(names)
    ]
    if problems:
        raise UserError(problems)
    ids = [image["id"] for image in content["images"]]
    if len(set(ids)) < len(ids):
        raise UserError(Problem(f"{path}, images", "an id of its own for each", "an id twice"))
    return content


def _is_box(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(n, int | float | None) for n in box)


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and len({str(name) for name in names}) == len(names)


def _broken(path: Path, key: str, entries: list, needed: tuple[str, ...]) -> list[Problem]:
    return [
        Problem(f"{path}, {key}[{i}]", f"an entry with {', '.join(needed)}", json.dumps(entry)[:80])
        for i, entry in enumerate(entries)
        if not isinstance(entry, dict) or any(not isinstance(entry.get(k), str | int) for k in needed)
    ]


def _of_one_category(path: Path, content: dict, wanted: str | None) -> tuple[dict, list[dict]]:
    categories = {str(c["name"]): c for c in content["categories"] if c.get("keypoints")}
    if not categories:
        raise UserError(Problem(f"{path}, categories", "one with keypoints", "none"))
    counts = {
        name: sum(entry["category_id"] == category["id"] for entry in content["annotations"])
        for name, category in categories.items()
    }
    category = categories[choose(path, "category", counts, wanted)]
    known = {image["id"] for image in content["images"]}
    annotations, problems = [], []
    for i, entry in enumerate(content["annotations"]):
        if entry["category_id"] != category["id"]:
            continue
        problem = _wrong(entry, len(category["keypoints"]), known)
        if problem:
            problems.append(Problem(f"{path}, annotations[{i}]", *problem))
        elif entry.get("keypoints") is not None:  # else a box or an outline alone
            annotations.append(entry)
    if problems:
        raise UserError(problems)
    if not annotations:
        raise UserError(Problem(f"{path}, annotations", "one with keypoints", "none"))
    return category, annotations


def _wrong(entry: dict, count: int, known: set) -> tuple[str, str] | None:
    if entry["image_id"] not in known:
        return "the id of an image", f"image_id {entry['image_id']}"
    for key, length in (("keypoints", 3 * count), ("keypoint_scores", count)):
        numbers = entry.get(key)
        if numbers is None:
            continue
        if not isinstance(numbers, list) or len(numbers) != length:
            found = f"{len(numbers)}" if isinstance(numbers, list) else type(numbers).__name__
            return f"{length} {key}", found
        allowed = [n for n in numbers if n is not None] if key == "keypoint_scores" else numbers
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in allowed):
            return f"{key} of finite numbers", json.dumps(numbers)[:80]
    flags = (entry.get("keypoints") or [])[2::3]
    wrong = [flag for flag in flags if flag not in (0, 1, 2)]
    return ("visibility 0, 1 or 2", str(wrong[0])) if wrong else None


def _animal(entry: dict, names: list[str]) -> Animal:
    cells = np.array(entry["keypoints"], float).reshape(-1, 3)
    visible = cells[:, 2].astype(np.int8)
    keypoints_px = np.where(visible[:, None] == Visibility.NOT_LABELLED, np.nan, cells[:, :2])
    hidden = entry.get("occluded")  # another tool's may be a flag
    for name in hidden if isinstance(hidden, list) else ():
        if name in names:
            visible[names.index(name)] = Visibility.OCCLUDED
    score = entry.get("score")
    score = float(score) if isinstance(score, int | float) else math.nan
    own = entry.get("keypoint_scores")
    there = visible != Visibility.NOT_LABELLED
    confidence = np.where(there, score, math.nan) if own is None else np.array(own, float)
    return Animal(keypoints_px, visible, confidence, 0.0 if math.isnan(score) else score)


def _predictions(
    path: Path, images: list[dict], names: list[str], animals: list[Animal], scorer: str
) -> Predictions:
    is_video = all(isinstance(image.get("frame_id"), int) for image in images)
    index = [image["frame_id"] if is_video else image["file_name"] for image in images]
    check_unique(path, [f"frame {number}" for number in index] if is_video else index)  # of several videos
    found = as_predictions(index, names, animals, scorer)
    sets = [image.get("set") for image in images]
    boxes = [image.get("box_looked_at") for image in images]
    return Predictions(
        found.index,
        names,
        found.keypoints_px,
        found.confidence,
        splits=None if None in sets else [str(name) for name in sets],
        scorer=scorer,
        xywh_frame_px=None if None in boxes else np.array(boxes, float),
    )


def _image_entry(contents: Contents, row: int) -> dict:
    poses = contents.poses
    name = rows_of(poses)[row]
    entry: dict[str, Any] = {"id": row + 1, "file_name": name}
    if isinstance(name, int):
        entry |= {"file_name": f"img{name:08d}.png", "frame_id": name}
    elif isinstance(image := contents.images.get(name), Path) and image.is_file():
        entry["height"], entry["width"] = image_size(image)
    if isinstance(poses, Predictions):
        if poses.splits is not None:
            entry["set"] = poses.splits[row]
        if poses.xywh_frame_px is not None:
            entry["box_looked_at"] = [_or_null(value) for value in poses.xywh_frame_px[row]]
    return entry


def _annotation(poses: Labels | Predictions, row: int) -> dict:
    keypoints_px = poses.keypoints_px[row]
    there = np.isfinite(keypoints_px).all(axis=-1)
    flags = np.where(there, Visibility.VISIBLE, Visibility.NOT_LABELLED)
    entry: dict[str, Any] = {"id": row + 1, "image_id": row + 1, "category_id": 1, "iscrowd": 0}
    if isinstance(poses, Predictions):
        scores = poses.confidence[row]
        entry["score"] = float(np.nanmean(scores)) if np.isfinite(scores).any() else 0.0
        entry["keypoint_scores"] = [_or_null(score) for score in scores]
    elif poses.visible is not None:
        hidden = poses.visible[row] == Visibility.OCCLUDED
        flags = np.where(there, poses.visible[row], Visibility.NOT_LABELLED)
        if (hidden & ~there).any():
            entry["occluded"] = [poses.keypoint_names[k] for k in np.flatnonzero(hidden & ~there)]
    cells = np.concatenate([np.where(there[:, None], keypoints_px, 0.0), flags[:, None]], axis=1)
    entry["keypoints"] = [int(n) if float(n).is_integer() else float(n) for n in cells.ravel()]
    low, high = (keypoints_px[there].min(0), keypoints_px[there].max(0)) if there.any() else (0, np.zeros(2))
    size = high - low
    entry |= {
        "num_keypoints": int((flags > 0).sum()),
        "bbox": [float(n) for n in (*np.broadcast_to(low, 2), *size)],
        "area": float(np.prod(size)),
    }
    return entry


def _or_null(number: float) -> float | None:
    return None if math.isnan(number) else float(number)
