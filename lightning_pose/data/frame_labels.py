"""Where a training's labels are, and labels in frame pixels, whether they were made on frames or on crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.io.crop_manifest import CROPPED, MANIFEST, crop_name, crops_dir, read_manifest
from lightning_pose.io.images import image_size
from lightning_pose.io.labels import read_labels
from lightning_pose.settings import Settings
from lightning_pose.types import Labels, Problem, UserError


def labels_path(settings: Settings) -> Path:
    """Return the path of the labels CSV: as it stands, or in the data folder."""
    path = Path(settings.data.csv_file)
    inside = Path(settings.data.data_dir) / path
    return path if path.is_file() and not inside.is_file() else inside


def is_of_crops(settings: Settings) -> bool:
    """Say whether a training's labels are of crops, as the manifest beside them tells."""
    csv = Path(settings.data.csv_file)
    return any(crops_dir(path) is not None for path in (csv, Path(settings.data.data_dir) / csv))


def frame_hw_trained_on(settings: Settings) -> tuple[int, int] | None:
    """Return height and width of the first image that a model was trained on.

    None if it is a crop, or that cannot be told: labels or images are gone, or are named as crops are, whose
    manifest may be gone. Crops that another tool made are taken for frames, but have another size than these.
    """
    csv = labels_path(settings)
    if is_of_crops(settings) or csv.name.startswith(CROPPED) or not csv.is_file():
        return None
    try:
        return image_size(Path(settings.data.data_dir) / read_labels(csv).image_paths[0])
    except UserError:
        return None


def is_other_shape(frame_hw: tuple[int, int] | None, crop_hw: tuple[int, int]) -> bool:
    """Say whether images that a model was trained on, if they are known, are surely no such crops."""
    return frame_hw is not None and frame_hw[0] * crop_hw[1] != frame_hw[1] * crop_hw[0]


def labels_in_frame_px(labels: Labels, labels_csv: Path) -> Labels:
    """Map labels of crops to frame pixels by the boxes in ``crops.json`` beside their CSV.

    Labels of whole frames come back as they are.

    Parameters
    ----------
    labels : some or all rows of the CSV, in image pixels.
    labels_csv : where they were read from.

    Raises
    ------
    UserError
        If there is no box for one of them.
    """
    if crops_dir(labels_csv) is None:
        return labels
    path = labels_csv.parent / MANIFEST
    manifest = read_manifest(path) or {"crops": {}, "crop_size": [1, 1]}
    boxes = {crop_name(source): entry["box"] for source, entry in manifest["crops"].items()}
    missing = [name for name in labels.image_paths if name not in boxes]
    if missing:
        raise UserError(Problem(str(path), f"a box for each crop of {labels_csv}", f"none for {missing[0]}"))
    xywh_px = np.array([boxes[name] for name in labels.image_paths], dtype=float).reshape(-1, 4)
    return replace(labels, keypoints_px=crop_to_frame(labels.keypoints_px, xywh_px, manifest["crop_size"]))
