"""Map a pose model's predictions from crop pixels back to frame pixels."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from lightning_pose.data.crops import crop_name
from lightning_pose.geometry.boxes import crop_to_frame
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.crop_manifest import MANIFEST, read_manifest
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.types import Boxes, Predictions, Problem, UserError

logger = logging.getLogger(__name__)

CropSize = tuple[int, int] | None


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
    """
    predictions, boxes = read_predictions(predictions_csv), read_bboxes(bbox_csv)
    rows = match_rows(predictions, boxes, predictions_csv, bbox_csv)
    size = _crop_size(bbox_csv, crop_size)
    remapped = remap(predictions, boxes, rows, size)
    write_predictions(remapped, output)
    return remapped


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
        index=[boxes.index[row] for row in rows],
        keypoint_names=predictions.keypoint_names,
        keypoints_px=np.asarray(keypoints),
        confidence=predictions.confidence,
        splits=predictions.splits,
        scorer=predictions.scorer,
    )


def match_rows(predictions: Predictions, boxes: Boxes, predictions_csv: Path, bbox_csv: Path) -> list[int]:
    """Return the box row of each prediction; an image's crop goes by the image's path, as PNG."""
    own = {str(name): row for row, name in enumerate(boxes.index)}
    own.update({crop_name(str(name)): row for row, name in enumerate(boxes.index) if isinstance(name, str)})
    missing = [str(name) for name in predictions.index if str(name) not in own]
    if missing or len(predictions.index) != len(boxes.index):
        found = f"no box for {missing[0]}" if missing else f"{len(boxes.index)} boxes"
        raise UserError(
            Problem(
                str(bbox_csv), f"a box for each of {len(predictions.index)} rows of {predictions_csv}", found
            )
        )
    return [own[str(name)] for name in predictions.index]


def parse_size(text: str) -> tuple[int, int]:
    """Parse ``HxW``."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UserError(Problem("--crop_size", "HxW, such as 256x256", text))
    return int(parts[0]), int(parts[1])


def _crop_size(bbox_csv: Path, setting: str | None) -> CropSize:
    if setting == "native":
        return None
    if setting is not None:
        return parse_size(setting)
    manifest = read_manifest(bbox_csv.parent / MANIFEST)
    if manifest is None:
        logger.warning(
            "%s has no %s: taking the crops for as large as their boxes (--crop_size says otherwise)",
            bbox_csv.parent, MANIFEST,
        )  # fmt: skip
        return None
    return tuple(manifest["crop_size"])
