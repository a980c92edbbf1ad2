"""Crop labelled images around their boxes, redoing only what is missing or stale.

A crop has a fixed size, cut and resized in one step. The context frames of a labelled image are cut with the
box of that image, into one file beside its crop: four crops stacked from top to bottom, earliest first.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lightning_pose.data.context import context_paths
from lightning_pose.geometry.boxes import frame_to_crop
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.crop_manifest import MANIFEST, read_manifest
from lightning_pose.io.files import sha256, write_atomic, write_json
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.types import Labels, Problem, UserError

logger = logging.getLogger(__name__)

PNG_EFFORT = 1


@dataclass(frozen=True)
class CropSummary:
    """How many crops were made anew, and how many there are."""

    cropped: int
    total: int


@dataclass(frozen=True)
class CropTask:
    """One labelled image to crop."""

    image: str
    context: tuple[str, ...]
    data_dir: str
    images_dir: str
    box: tuple[float, float, float, float]
    crop_hw: tuple[int, int]
    done: dict[str, Any] | None  # the manifest's entry of an earlier run


def crop_labeled_images(
    labels_csv: Path,
    bbox_csv: Path,
    data_dir: Path,
    images_dir: Path,
    output_csv: Path,
    crop_hw: tuple[int, int],
    jobs: int | None = None,
) -> CropSummary:
    """Crop every image of a labels CSV, and write the labels in crop pixels.

    Parameters
    ----------
    labels_csv, bbox_csv : labels and boxes in frame pixels, rows matched by image path.
    data_dir : folder that image paths are relative to.
    images_dir : folder for the crops, at the same relative paths, as PNG.
    output_csv : the labels in crop pixels; ``crops.json`` goes beside it.
    crop_hw : height and width of each crop.
    jobs : parallel processes; None = the cores at hand.

    Raises
    ------
    UserError
        If boxes and labels do not match, or an image cannot be read.
    """
    labels = read_labels(labels_csv)
    xywh_px = _matching_boxes(labels, bbox_csv)
    manifest_path = output_csv.parent / MANIFEST
    old = read_manifest(manifest_path) or {"crops": {}, "crop_size": list(crop_hw)}
    known = old["crops"] if old["crop_size"] == list(crop_hw) else {}
    tasks = [
        CropTask(path, _existing_context(path, data_dir), str(data_dir), str(images_dir),
                 tuple(map(float, box)), crop_hw, known.get(path))
        for path, box in zip(labels.image_paths, xywh_px, strict=True)
    ]  # fmt: skip
    entries, cropped = {}, 0
    for task, (entry, fresh) in zip(tasks, _run(tasks, jobs), strict=True):
        entries[task.image] = entry
        cropped += fresh
    keypoints_crop_px = frame_to_crop(labels.keypoints_px, xywh_px, crop_hw)
    names = [crop_name(path) for path in labels.image_paths]
    write_labels(replace(labels, image_paths=names, keypoints_px=keypoints_crop_px), output_csv)
    relative = os.path.relpath(images_dir, output_csv.parent)
    write_json(
        {"crop_size": list(crop_hw), "images_dir": relative, "source": labels_csv.name, "crops": entries},
        manifest_path,
    )
    logger.info("cropped %d of %d frames, %d unchanged", cropped, len(tasks), len(tasks) - cropped)
    return CropSummary(cropped, len(tasks))


def crop_name(image_path: str) -> str:
    """Return the file name of an image's crop."""
    return str(PurePosixPath(image_path).with_suffix(".png"))


def context_name(image_path: str) -> str:
    """Return the file name of the crops of an image's context frames."""
    return str(PurePosixPath(image_path).with_suffix(".context.png"))


def crop_image(
    image: np.ndarray, box: tuple[float, float, float, float], crop_hw: tuple[int, int]
) -> np.ndarray:
    """Cut a box out of an image, (H, W, C), and resize it; black beyond the image.

    Averages where it shrinks, interpolates where it grows; pixel centres lie at integers.
    """
    import cv2

    x, y, w, h = box
    if not all(float(value).is_integer() for value in box):
        return _warp(image, box, crop_hw)
    x, y, w, h = (int(value) for value in box)
    height, width = image.shape[:2]
    left, right = max(-x, 0), max(x + w - width, 0)
    top, bottom = max(-y, 0), max(y + h - height, 0)
    cut = image[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    if cut.size == 0:
        return np.zeros((*crop_hw, *image.shape[2:]), image.dtype)
    if left or right or top or bottom:
        cut = cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_CONSTANT)
    shrinks = h >= crop_hw[0] and w >= crop_hw[1]
    return cv2.resize(cut, crop_hw[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _warp(image: np.ndarray, box: tuple[float, float, float, float], crop_hw: tuple[int, int]) -> np.ndarray:
    import cv2

    x, y, w, h = box
    across, down = w / crop_hw[1], h / crop_hw[0]
    back = np.array([[across, 0, x - 0.5 + 0.5 * across], [0, down, y - 0.5 + 0.5 * down]])
    return cv2.warpAffine(image, back, crop_hw[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _matching_boxes(labels: Labels, bbox_csv: Path) -> np.ndarray:
    boxes = read_bboxes(bbox_csv)
    rows = {str(name): row for row, name in enumerate(boxes.index)}
    missing = [path for path in labels.image_paths if path not in rows]
    if missing or len(rows) != len(labels.image_paths):
        found = f"no box for {missing[0]}" if missing else f"{len(rows)} boxes"
        raise UserError(
            Problem(str(bbox_csv), f"a box for each of {len(labels.image_paths)} labelled images", found)
        )
    return boxes.xywh_px[[rows[path] for path in labels.image_paths]]


def _existing_context(path: str, data_dir: Path) -> tuple[str, ...]:
    names = context_paths(path) or []
    return tuple(names) if names and all((data_dir / name).is_file() for name in names) else ()


def _run(tasks: list[CropTask], jobs: int | None) -> list[tuple[dict, bool]]:
    count = min(jobs or len(os.sched_getaffinity(0)), max(len(tasks) // 8, 1))
    if count <= 1:
        return [_crop_one(task) for task in tasks]
    with ProcessPoolExecutor(count, mp_context=get_context("forkserver"), initializer=_one_thread) as pool:
        return list(pool.map(_crop_one, tasks, chunksize=max(len(tasks) // (8 * count), 1)))


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _crop_one(task: CropTask) -> tuple[dict[str, Any], bool]:
    """Crop an image unless its crop is up to date; return the manifest's entry and whether it was made."""
    sources = [task.image, *task.context]
    stamp = {"box": list(task.box), "sources": {name: _stamp(task, name) for name in sources}}
    done = task.done
    if done and all(done.get(key) == value for key, value in stamp.items()) and _intact(task, done):
        return done, False
    files = {crop_name(task.image): [task.image]}
    if task.context:
        files[context_name(task.image)] = list(task.context)
    entry = {**stamp, "files": {}, "sha256": {}}
    for name, frames in files.items():
        target = Path(task.images_dir) / name
        _write_png(np.concatenate([_read_crop(task, frame) for frame in frames]), target)
        entry["files"][name] = target.stat().st_size
        entry["sha256"][name] = sha256(target)
    return entry, True


def _stamp(task: CropTask, name: str) -> str:
    try:
        return sha256(Path(task.data_dir) / name)
    except OSError as error:
        raise UserError(
            Problem(str(Path(task.data_dir) / name), "an image", error.strerror or "unreadable")
        ) from None


def _intact(task: CropTask, entry: dict[str, Any]) -> bool:
    folder = Path(task.images_dir)
    return all(
        (folder / name).is_file() and sha256(folder / name) == digest
        for name, digest in entry["sha256"].items()
    )


def _read_crop(task: CropTask, name: str) -> np.ndarray:
    import cv2

    path = Path(task.data_dir) / name
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(Problem(str(path), "an image", "unreadable"))
    return crop_image(image, task.box, task.crop_hw)


def _write_png(image: np.ndarray, target: Path) -> None:
    import cv2

    with write_atomic(target) as temporary:
        if not cv2.imwrite(str(temporary), image, [cv2.IMWRITE_PNG_COMPRESSION, PNG_EFFORT]):
            raise UserError(Problem(str(target), "a writable file", "not written"))
