"""Crop labelled images around their boxes, redoing only what is missing or stale.

A crop has a fixed size, cut and resized in one step. The context frames of a labelled image are cut with the
box of that image, into one file beside its crop: four crops stacked from top to bottom, earliest first.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.data.context import context_name, find_context
from lightning_pose.data.cut import LARGEST_BOX, Box, crop_image, misses
from lightning_pose.fingerprint import fingerprint
from lightning_pose.geometry.crop_space import frame_to_crop
from lightning_pose.io.bboxes import leave_bboxes, read_matching_boxes
from lightning_pose.io.crop_manifest import (
    BOXES_FILE,
    MANIFEST,
    crop_name,
    damaged_crops,
    read_manifest,
    write_manifest,
)
from lightning_pose.io.files import alone, sha256, write_atomic
from lightning_pose.io.images import (
    FIRST_ROW,
    decode_image,
    image_size,
    outside_problems,
    read_bytes,
    refuse_outside,
)
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.machine import end_with_parent, job_cores, reuse_memory
from lightning_pose.types import Boxes, Labels, Problem, UserError

logger = logging.getLogger(__name__)


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
    box: Box
    crop_hw: tuple[int, int]
    done: dict[str, Any] | None  # the manifest's entry of an earlier run


@dataclass(frozen=True)
class CropResult:
    """What became of one task: the manifest's entry, or what was wrong."""

    entry: dict[str, Any] | None = None
    fresh: bool = False
    empty: bool = False
    problems: Sequence[Problem] = ()


def crop_labeled_images(
    labels_csv: Path,
    bbox_csv: Path,
    data_dir: Path,
    images_dir: Path,
    output_csv: Path,
    crop_hw: tuple[int, int],
    jobs: int | None = None,
    own_boxes: Path | None = None,
) -> CropSummary:
    """Crop every image of a labels CSV, and write the labels in crop pixels.

    Crops of images that the CSV no longer lists stay: another CSV's crops may share the folder.

    Parameters
    ----------
    labels_csv, bbox_csv : labels and boxes in frame pixels, rows matched by image path.
    data_dir : folder that image paths are relative to.
    images_dir : folder for the crops, at the same relative paths, as PNG.
    output_csv : the labels in crop pixels; ``crops.json`` goes beside it.
    crop_hw : height and width of each crop.
    jobs : parallel processes; None = the cores at hand.
    own_boxes : gets the boxes, for what maps the crops back to the frame; None = nothing does.

    Raises
    ------
    UserError
        If boxes and labels do not match, or images cannot be read; the CSV and the manifest are then left
        as they were.
    """
    if jobs is not None and jobs < 1:
        raise UserError(Problem("jobs", "a number above 0", str(jobs)))
    labels = read_labels(labels_csv)
    _check_paths(labels, labels_csv, data_dir, images_dir)
    boxes = read_matching_boxes(bbox_csv, labels.image_paths, labels_csv)
    xywh_px = boxes.xywh_px
    manifest_path = output_csv.parent / MANIFEST
    with alone(manifest_path):  # the same command a second time would take its crops away
        old = read_manifest(manifest_path) or {"crops": {}}
        made = {"crop_size": list(crop_hw), "code": _cutting_code()}
        known = old["crops"] if all(old.get(key) == value for key, value in made.items()) else {}
        tasks = [
            CropTask(path, _existing_context(path, data_dir), str(data_dir), str(images_dir),
                     _box(box), crop_hw, known.get(path))
            for path, box in zip(labels.image_paths, xywh_px, strict=True)
        ]  # fmt: skip
        results = _run(tasks, jobs)
        problems = [problem for result in results for problem in result.problems]
        if own_boxes is not None and not problems:  # before the crops: an old manifest refuses new boxes
            leave_bboxes(boxes, bbox_csv, own_boxes)
        _put_in_place(results, images_dir, all_well=not problems)
        if problems:
            raise UserError(problems)
        _remove_lost_context(tasks, images_dir)
        _warn_of_empty([task.image for task, result in zip(tasks, results, strict=True) if result.empty])
        keypoints_crop_px = frame_to_crop(labels.keypoints_px, xywh_px, crop_hw)
        _warn_of_outside(keypoints_crop_px, crop_hw)
        names = [crop_name(path) for path in labels.image_paths]
        write_labels(replace(labels, image_paths=names, keypoints_px=keypoints_crop_px), output_csv)
        entries = {task.image: result.entry for task, result in zip(tasks, results, strict=True)}
        relative = os.path.relpath(images_dir, output_csv.parent)
        content = {"source": labels_csv.name, "images_dir": relative, **made}
        write_manifest({**content, "crops": entries}, manifest_path)
        _refuse_lost(manifest_path)
        cropped = sum(result.fresh for result in results)
        logger.info("cropped %d of %d frames, %d unchanged", cropped, len(tasks), len(tasks) - cropped)
        return CropSummary(cropped, len(tasks))


def _cutting_code() -> str:
    """Return the checksum of the code that reads images and cuts them: with other code crops are stale."""
    reading = fingerprint("lightning_pose.io.images", "lightning_pose.io.changed", "lightning_pose.types")
    return f"{reading}{fingerprint('lightning_pose.data.cut')}"


def find_image_boxes(bbox_dir: Path, labels_csv: Path) -> Path:
    """Return the CSV of the boxes of labelled images in a folder: ``<csv>/bbox.csv``, or else ``bbox.csv``.

    Raises
    ------
    UserError
        If there is neither.
    """
    names = (f"{labels_csv.name}/{BOXES_FILE}", BOXES_FILE)
    for name in names:
        if (bbox_dir / name).is_file():
            return bbox_dir / name
    raise UserError(Problem(str(bbox_dir), f"the boxes of {labels_csv}: {' or '.join(names)}", "none"))


def read_frame_boxes(bbox_csv: Path, labels: Labels, labels_csv: Path, data_dir: Path) -> Boxes:
    """Read the boxes of labelled frames that are cropped in memory, in the order of the labels.

    Raises
    ------
    UserError
        If boxes and labels do not match, an image cannot be read, a box is larger than any crop, or none
        shows any of its frame.
    """
    refuse_outside(labels.image_paths, data_dir, labels_csv)
    boxes = read_matching_boxes(bbox_csv, labels.image_paths, labels_csv)
    sizes, problems = [], []
    for path, box in zip(labels.image_paths, boxes.xywh_px, strict=True):
        try:
            sizes.append(image_size(data_dir / path))
            problems += _too_large(path, _box(box), sizes[-1])
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    empty = [
        path
        for path, box, size in zip(labels.image_paths, boxes.xywh_px, sizes, strict=True)
        if misses(size, _box(box))
    ]
    if len(empty) == len(sizes):
        expected = f"boxes that lie in the images of {labels_csv}"
        raise UserError(Problem(str(bbox_csv), expected, "all outside"))
    _warn_of_empty(empty)
    return boxes


def _check_paths(labels: Labels, labels_csv: Path, data_dir: Path, images_dir: Path) -> None:
    """Refuse what would overwrite a source or another crop, or write outside the folder of the crops."""
    if data_dir.resolve() == images_dir.resolve():
        raise UserError(Problem("images_dir", f"another folder than the images' {data_dir}", str(images_dir)))
    problems = outside_problems(labels.image_paths, data_dir, labels_csv)
    if problems:
        raise UserError(problems)
    taken: dict[str, int] = {}
    for row, path in enumerate(labels.image_paths, FIRST_ROW):
        for name in (crop_name(path), context_name(path)):
            if taken.setdefault(name, row) != row:
                where = f"{labels_csv}, row {row} ({path})"
                found = f"{name}, as for row {taken[name]} ({labels.image_paths[taken[name] - FIRST_ROW]})"
                problems.append(Problem(where, "a crop file of its own", found))
                break
    if problems:
        raise UserError(problems)


def _box(xywh: np.ndarray) -> Box:
    x, y, w, h = map(float, xywh)
    return x, y, w, h


def _existing_context(path: str, data_dir: Path) -> tuple[str, ...]:
    """Return the four frames around a frame, the nearest one for one that is missing; none without any."""
    sources = find_context(path, data_dir) or []
    return tuple(source.path for source in sources[:2] + sources[3:])


def _warn_of_empty(images: list[str]) -> None:
    if images:
        listed = ", ".join(images[:3]) + (f" and {len(images) - 3} more" if len(images) > 3 else "")
        logger.warning(
            "%d boxes lie outside their frame, so that the crops are black: %s", len(images), listed
        )


def _warn_of_outside(keypoints_crop_px: np.ndarray, crop_hw: tuple[int, int]) -> None:
    last = np.array([crop_hw[1], crop_hw[0]]) - 0.5
    known = np.isfinite(keypoints_crop_px).all(-1)
    with np.errstate(invalid="ignore"):
        outside = known & ((keypoints_crop_px < -0.5) | (keypoints_crop_px > last)).any(-1)
    if outside.any():
        logger.warning(
            "%d of %d labels lie outside their crop, in %d frames: the pose model cannot learn them",
            outside.sum(), known.sum(), outside.any(-1).sum(),
        )  # fmt: skip


def _refuse_lost(manifest_path: Path) -> None:
    """Refuse to say that crops are there which somebody removed meanwhile."""
    expected = "the crop that was just made"
    problems = [Problem(file, expected, "none, or another") for file in damaged_crops(manifest_path)]
    if problems:
        raise UserError(problems)


def _waiting(crop: Path) -> Path:
    """Return where a crop waits until all are made."""
    return crop.with_name(f".{crop.name}.new")


def _put_in_place(results: list[CropResult], images_dir: Path, all_well: bool) -> None:
    """Put all new crops in place, or none, so that they never lie beside labels of other boxes."""
    fresh = [result.entry for result in results if result.fresh and result.entry is not None]
    for crop in (images_dir / name for entry in fresh for name in entry["files"]):
        if all_well:
            os.replace(_waiting(crop), crop)
        else:
            _waiting(crop).unlink()


def _remove_lost_context(tasks: list[CropTask], images_dir: Path) -> None:
    """Remove what was cropped of neighbours that are gone, by older boxes: it would still be found."""
    for task in tasks:
        if not task.context:
            (images_dir / context_name(task.image)).unlink(missing_ok=True)


def _run(tasks: list[CropTask], jobs: int | None) -> list[CropResult]:
    count = min(jobs or job_cores(), max(len(tasks) // 8, 1))
    if count <= 1:
        return [_crop_one(task) for task in tasks]
    with ProcessPoolExecutor(
        count, mp_context=get_context("forkserver"), initializer=_prepare_worker
    ) as pool:
        return list(pool.map(_crop_one, tasks, chunksize=max(len(tasks) // (8 * count), 1)))


def _prepare_worker() -> None:
    """End with the command, give OpenCV one thread, and reuse memory from frame to frame."""
    import cv2

    end_with_parent()
    cv2.setNumThreads(1)
    reuse_memory()


def _crop_one(task: CropTask) -> CropResult:
    """Crop an image unless its crop is up to date."""
    try:
        sources = {name: read_bytes(Path(task.data_dir) / name) for name in (task.image, *task.context)}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in sources.items()}
        stamp = {"box": list(task.box), "sources": digests}
        done = task.done
        if done and all(done.get(key) == value for key, value in stamp.items()) and _intact(task, done):
            return CropResult(done)
        frames = {crop_name(task.image): [task.image]}
        if task.context:
            frames[context_name(task.image)] = list(task.context)
        pictures = {
            file: [_decode(task, name, sources[name]) for name in names] for file, names in frames.items()
        }
        entry: dict[str, Any] = {**stamp, "files": {}, "sha256": {}}
        for name, images in pictures.items():
            png = _png([crop_image(image, task.box, task.crop_hw) for image in images])
            with write_atomic(_waiting(Path(task.images_dir) / name)) as temporary:
                temporary.write_bytes(png)
            entry["files"][name] = len(png)
            entry["sha256"][name] = hashlib.sha256(png).hexdigest()
        empty = any(misses(images[0].shape[:2], task.box) for images in pictures.values())
    except UserError as error:  # handed back, so that every broken image is named
        return CropResult(problems=error.problems)
    return CropResult(entry, fresh=True, empty=empty)


def _decode(task: CropTask, name: str, content: bytes) -> np.ndarray:
    """Decode an image, (H, W, 3) in OpenCV's channel order, that the task's box may be cut from."""
    image = decode_image(Path(task.data_dir) / name, content)
    if problems := _too_large(task.image, task.box, image.shape[:2]):
        raise UserError(problems)
    return image


def _too_large(image_path: str, box: Box, frame_hw: tuple[int, ...]) -> list[Problem]:
    largest = LARGEST_BOX * max(frame_hw)
    if max(box[2:]) <= largest:
        return []
    found = "{:g} x {:g} px".format(*box[2:])
    return [Problem(f"box of {image_path}", f"at most {largest} px a side", found)]


def _png(crops: list[np.ndarray]) -> bytes:
    """Encode images below one another, uncompressed: compressing takes as long as decoding the frame."""
    import cv2

    options = [cv2.IMWRITE_PNG_COMPRESSION, 0]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # newer OpenCV, which tries all filters if not told
        options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    return cv2.imencode(".png", np.concatenate(crops), options)[1].tobytes()


def _intact(task: CropTask, entry: dict[str, Any]) -> bool:
    folder = Path(task.images_dir)
    return all(
        (folder / name).is_file() and sha256(folder / name) == digest
        for name, digest in entry["sha256"].items()
    )
