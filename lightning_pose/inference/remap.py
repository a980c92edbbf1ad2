"""Map a pose model's predictions from crop pixels back to frame pixels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lightning_pose.geometry.crop_space import crop_to_frame, parse_size
from lightning_pose.io.bboxes import boxes_digest, read_bboxes
from lightning_pose.io.crop_manifest import (
    BOXES_FILE,
    MANIFEST,
    damaged_crops,
    manifest_of_video,
    read_manifest,
)
from lightning_pose.io.files import sha256
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.types import Boxes, Predictions, Problem, UserError

logger = logging.getLogger(__name__)

CropSize = tuple[int, int] | None
NAMED = 5  # rows without a box named one by one


def remap_file(
    predictions_csv: Path, bbox_csv: Path, output: Path, crop_size: str | None = None
) -> Predictions:
    """Remap a predictions CSV and write the result.

    Parameters
    ----------
    predictions_csv : predictions in crop pixels.
    bbox_csv : the boxes that the crops were cut with.
    output : predictions in frame pixels, under the frames' own paths.
    crop_size : ``HxW`` of the crops, ``native`` if they were not resized, None = as ``crops.json`` beside
        the boxes says.

    Raises
    ------
    UserError
        If predictions and boxes do not match, or the boxes are not those that the crops were cut with.
    """
    predictions, boxes = read_predictions(predictions_csv), read_bboxes(bbox_csv)
    rows = match_rows(predictions, boxes, predictions_csv, bbox_csv)
    size = _crop_size(bbox_csv, boxes, crop_size)
    remapped = remap(predictions, boxes, rows, size)
    _warn_of_far_keypoints(remapped, boxes.xywh_px[rows], predictions_csv)
    write_predictions(remapped, output)
    return remapped


def _warn_of_far_keypoints(remapped: Predictions, xywh_px: np.ndarray, predictions_csv: Path) -> None:
    """Say so if most keypoints lie far outside of their crops, as those in frame pixels do."""
    in_box = (remapped.keypoints_px - xywh_px[:, None, :2]) / xywh_px[:, None, 2:]  # 0 to 1 within
    far, known = ((in_box < -1) | (in_box > 2)).any(-1).sum(), np.isfinite(in_box).all(-1).sum()
    if 2 * far > known:
        logger.warning(
            "%s: %d of %d keypoints lie outside their crop by more than its size: in frame pixels already?",
            predictions_csv, far, known,
        )  # fmt: skip


def remap(predictions: Predictions, boxes: Boxes, rows: list[int], crop_hw: CropSize) -> Predictions:
    """Map keypoints from crop to frame pixels.

    Parameters
    ----------
    predictions : in crop pixels.
    boxes : in frame pixels.
    rows : the row of `boxes` of each prediction.
    crop_hw : height and width of the crops; None = each crop has the size of its box.
    """
    xywh_px = boxes.xywh_px[rows]
    if crop_hw is None:
        keypoints = predictions.keypoints_px + xywh_px[:, None, :2]
    else:
        keypoints = crop_to_frame(predictions.keypoints_px, xywh_px, crop_hw)
    return Predictions(
        index=[boxes.index[row] for row in rows],  # type: ignore[arg-type]
        keypoint_names=predictions.keypoint_names,
        keypoints_px=np.asarray(keypoints),
        confidence=predictions.confidence,
        splits=predictions.splits,
        scorer=predictions.scorer,
    )


@dataclass(frozen=True)
class VideoCrops:
    """What a video of crops shows.

    Parameters
    ----------
    boxes : of each frame, in frame pixels of the video that was cropped.
    crop_hw : height and width of the crops.
    """

    boxes: Boxes
    crop_hw: tuple[int, int]

    def remap(self, predictions: Predictions) -> Predictions:
        """Map keypoints on some of its frames from crop to frame pixels."""
        return remap(predictions, self.boxes, self._rows(predictions), self.crop_hw)

    def boxes_of(self, predictions: Predictions) -> Boxes:
        """Return the boxes of the frames predicted on."""
        return Boxes(list(predictions.index), self.boxes.xywh_px[self._rows(predictions)])  # type: ignore[arg-type]

    def _rows(self, predictions: Predictions) -> list[int]:
        return [int(number) for number in predictions.index]


def read_video_crops(video: Path) -> VideoCrops | None:
    """Return what lies beside a video of crops, None if it is none.

    Raises
    ------
    UserError
        If the video or its boxes are no longer those that were written together.
    """
    manifest, path, bbox_csv = manifest_of_video(video), video.parent / MANIFEST, video.parent / BOXES_FILE
    if manifest is None:
        return None
    told = [entry["sha256"][video.name] for entry in manifest["crops"].values() if "sha256" in entry]
    if str(video) in damaged_crops(path) or told not in ([], [sha256(video)]):
        raise UserError(
            Problem(str(video), f"the video of crops that {path} tells of (crop again)", "another")
        )
    boxes = read_bboxes(bbox_csv)
    _same_boxes(path, manifest["crops"], bbox_csv, boxes)
    return VideoCrops(boxes, tuple(manifest["crop_size"]))


def match_rows(predictions: Predictions, boxes: Boxes, predictions_csv: Path, bbox_csv: Path) -> list[int]:
    """Return the box row of each prediction.

    Rows go by image path or frame number; a crop, which is a PNG whatever the frame was, by the path without
    its suffix, if only one box has it.
    """
    exact = {str(name): row for row, name in enumerate(boxes.index)}
    names = [str(name) for name in predictions.index]
    stems = {} if all(name in exact for name in names) else _by_stem(exact)  # slow for a video's frames
    rows, problems = [], []
    taken: dict[int, int] = {}
    for number, name in enumerate(names, 4):
        candidates = [exact[name]] if name in exact else stems.get(_stem(name), [])
        row = candidates[0] if len(candidates) == 1 else -1
        rows.append(row)
        where = f"{predictions_csv}, row {number}"
        if row < 0:
            found = f"{len(candidates)} of that name" if candidates else "none"
            problems.append(Problem(where, f"one box for {name} in {bbox_csv}", found))
        elif taken.setdefault(row, number) != number:
            problems.append(Problem(where, "each image once", f"{name} of row {taken[row]} again"))
    unused = [(row, name) for name, row in exact.items() if row not in taken]
    problems += [Problem(f"{bbox_csv}, row {row + 2}", f"an image of {predictions_csv}", name)
                 for row, name in unused]  # fmt: skip
    if problems:
        raise UserError(_shortened(problems, str(bbox_csv)))
    return rows


def _by_stem(exact: dict[str, int]) -> dict[str, list[int]]:
    stems: dict[str, list[int]] = {}
    for name, row in exact.items():
        stems.setdefault(_stem(name), []).append(row)
    return stems


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).name else name


def _shortened(problems: Sequence[Problem], bbox_csv: str) -> list[Problem]:
    if len(problems) <= NAMED:
        return list(problems)
    return [*problems[:NAMED], Problem(bbox_csv, "a box for each row", f"{len(problems) - NAMED} more amiss")]


def _crop_size(bbox_csv: Path, boxes: Boxes, setting: str | None) -> CropSize:
    if setting == "native":
        return None
    if setting is not None:
        return parse_size(setting)
    path = bbox_csv.parent / MANIFEST
    manifest = read_manifest(path)
    if manifest is not None:
        _same_boxes(path, manifest["crops"], bbox_csv, boxes)
        return tuple(manifest["crop_size"])
    if path.exists():
        raise UserError(Problem(str(path), "the crops' manifest (or --crop_size)", "a damaged file"))
    logger.warning(
        "%s has no %s: taking the crops for as large as their boxes (--crop_size says otherwise)",
        bbox_csv.parent, MANIFEST,
    )  # fmt: skip
    return None


def _same_boxes(path: Path, crops: dict[str, Any], bbox_csv: Path, boxes: Boxes) -> None:
    """Refuse boxes that changed since the crops were cut: every keypoint would be misplaced."""
    problems = []
    digests = {entry["boxes"] for entry in crops.values() if "boxes" in entry}  # of a video's frames
    if digests and digests != {boxes_digest(boxes.xywh_px)}:
        problems.append(Problem(str(bbox_csv), f"the boxes that {path} tells of (crop again)", "others"))
    for row, (name, box) in enumerate(zip(boxes.index, boxes.xywh_px, strict=True), 2):
        cut = crops.get(str(name), {}).get("box")
        if cut is not None and not np.array_equal(cut, box):
            expected = "the box x, y, w, h = {:g}, {:g}, {:g}, {:g}".format(*cut) + f" of {path} (crop again)"
            found = "{:g}, {:g}, {:g}, {:g}".format(*box)
            problems.append(Problem(f"{bbox_csv}, row {row} ({name})", expected, found))
    if problems:
        raise UserError(_shortened(problems, str(bbox_csv)))
