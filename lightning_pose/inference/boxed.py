"""Predict on labelled frames, each cut by its box in memory: a pose model's crops never lie on disk.

The same as `litpose crop`, `predict` and `remap` one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from lightning_pose.data.context import Source, context_of_all
from lightning_pose.data.dataset import read_source
from lightning_pose.inference.pictures import Window, predict_in_boxes, sees_context
from lightning_pose.inference.predict import READERS, Predictor
from lightning_pose.io.crop_manifest import crop_name
from lightning_pose.io.images import refuse_outside
from lightning_pose.traces import note_images
from lightning_pose.types import Boxes, Predictions, Split

PlaceBoxes = Callable[[Sequence[Window], slice], np.ndarray]


def predict_in_given_boxes(
    pose: Predictor, image_paths: list[str], data_dir: Path, boxes: Boxes, crop_hw: tuple[int, int]
) -> Predictions:
    """Predict on image files, each cut by its row of the boxes; see `predict_boxed`."""
    return predict_boxed(
        pose, image_paths, data_dir, lambda _, rows: boxes.xywh_px[rows], crop_hw, sees_context(pose)
    )


def predict_boxed(
    pose: Predictor,
    image_paths: list[str],
    data_dir: Path,
    place: PlaceBoxes,
    crop_hw: tuple[int, int],
    context: bool,
) -> Predictions:
    """Predict on what lies in a box of each image file.

    Parameters
    ----------
    pose : the network, trained on crops.
    image_paths : relative to `data_dir`, and inside it.
    data_dir : folder of the whole frames.
    place : takes some frames and which rows they are, and returns their boxes, (B, 4), in frame pixels.
    crop_hw : height and width of the crops.
    context : read the neighbours of each frame too.

    Returns
    -------
    Predictions
        In frame pixels, under the frames' own paths.
    """
    refuse_outside(image_paths, data_dir)
    note_images(data_dir, image_paths)
    names = list(pose.settings.data.keypoint_names or [])
    keypoints_px = np.empty((len(image_paths), len(names), 2))
    confidence, start = np.empty((len(image_paths), len(names))), 0
    size = pose.settings.training.test_batch_size
    for windows in _windows(image_paths, data_dir, context, size):
        rows = slice(start, start + len(windows))
        xywh_px, start = place(windows, rows), rows.stop
        keypoints_px[rows], confidence[rows] = predict_in_boxes(pose, windows, xywh_px, crop_hw)
    splits = [pose.splits.get(crop_name(path), Split.TEST.value) for path in image_paths]
    return Predictions(list(image_paths), names, keypoints_px, confidence, splits)


def _windows(image_paths: list[str], data_dir: Path, context: bool, size: int) -> Iterator[list[Window]]:
    """Yield the frames of some images at a time, reading ahead by as many."""
    sources = context_of_all(image_paths, data_dir) if context else [[Source(path)] for path in image_paths]

    def load(own: list[Source]) -> Window:
        frames = {source: read_source(source, data_dir) for source in set(own)}
        return [frames[source] for source in own]

    with ThreadPoolExecutor(READERS) as pool:
        rest = iter(sources)
        ahead = [pool.submit(load, own) for own in islice(rest, size)]
        while ahead:
            current, ahead = ahead, [pool.submit(load, own) for own in islice(rest, size)]
            yield [future.result() for future in current]
