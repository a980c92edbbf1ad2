"""Predict on a video or a stretch of it, going on from what is kept of it already."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.fingerprint import fingerprint
from lightning_pose.geometry.boxes import join_boxes, warn_of_lost
from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.inference.film import FilmPart, predict_parts
from lightning_pose.inference.film_boxes import BoxSource
from lightning_pose.inference.part_store import PartStore
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.runtimes.registry import version_of
from lightning_pose.io.files import sha256
from lightning_pose.io.model_dir import WEIGHTS_FILE
from lightning_pose.io.video import Video, open_video
from lightning_pose.io.video_facts import VideoFacts
from lightning_pose.traces import RUNTIME_FACT, note_fact
from lightning_pose.types import Boxes, Predictions

logger = logging.getLogger(__name__)

LARGEST_CHUNK = 128 << 20  # bytes of frames decoded at a time; about four times as much is held
STRETCH, STRETCHES = 16, 4  # frames, and how many times, that networks look at to choose a runtime
LEAST_SHARE = 4  # of a short film no more than one frame in so many

MakeBoxes = Callable[[Video, FilmParts, range, int], BoxSource]


@dataclass(frozen=True)
class Film:
    """A video, and how it is predicted on.

    Parameters
    ----------
    facts : of the video.
    networks : what looks at it, by name; the last one finds the keypoints.
    make_boxes : gives the boxes for an open video, how it is cut, the parts wanted and the size of a batch.
    boxes_origin : tells what the boxes depend on, besides the video and the networks.
    frames : a stretch of the video; None = all of it.
    """

    facts: VideoFacts
    networks: Mapping[str, Predictor]
    make_boxes: MakeBoxes
    boxes_origin: Callable[[], str]
    frames: range | None = None

    @property
    def pose(self) -> Predictor:
        """The network that finds the keypoints."""
        return list(self.networks.values())[-1]

    @property
    def wanted(self) -> range:
        """The frames that are asked for."""
        return range(self.facts.frame_count) if self.frames is None else self.frames


def predict_film(film: Film, store: PartStore | None = None) -> tuple[Predictions, Boxes]:
    """Predict on the frames asked for.

    Parameters
    ----------
    film : what and how.
    store : where finished parts are, and are kept; None = nowhere.

    Returns
    -------
    predictions : Predictions
        In frame pixels; the index counts the video's frames.
    boxes : Boxes
    """
    video = _open(film)
    try:
        found = list(_parts(film, video, store))
    finally:
        video.close()
    return _joined(film, found)


def settle_runtimes(film: Film) -> None:
    """Have networks whose runtime is open choose one by some frames; say what computes each.

    The frames take the way of all frames, so that a pose model sees the crops that its detector makes.
    """
    if any(own.is_open for own in film.networks.values()):
        _look_around(film)
    for name, own in film.networks.items():
        own.settle_runtime()
        logger.info("%s: %s is computed by %s", film.facts.path, name, own.runtime.value)
        note_fact(f"{RUNTIME_FACT}{own.model_dir.name}", own.runtime.value)


def _look_around(film: Film) -> None:
    """Predict on some stretches of a film, from its beginning to its end."""
    count = film.facts.frame_count
    parts = FilmParts(count, STRETCH, warm_up=0)
    stretches = min(max(count // (LEAST_SHARE * STRETCH), 1), STRETCHES)
    video = _open(film)
    try:
        size = min(STRETCH // 2, _most_frames(video))
        for start in np.linspace(0, max(count // STRETCH - 1, 0), stretches).astype(int).tolist():
            chosen = range(start, start + 1)
            boxes = film.make_boxes(video, parts, chosen, size)
            deque(predict_parts(film.pose, boxes, video, parts, chosen, size), maxlen=0)
    finally:
        video.close()


def _open(film: Film) -> Video:
    return open_video(film.facts, film.pose.settings.dali.library, film.pose.device.type == "cuda")


def _most_frames(video: Video) -> int:
    """Return how many frames of this size may be decoded at a time."""
    return max(LARGEST_CHUNK // (3 * math.prod(video.frame_hw())), 1)


def origin_of_film(film: Film) -> dict[str, Any]:
    """Return what the parts of a film depend on."""
    file = film.facts.path.stat()
    video = [film.facts.path.name, file.st_size, file.st_mtime_ns, film.facts.frame_count]
    found = {"the video": video, "the code": fingerprint("lightning_pose.inference.film_run")}
    for name, predictor in film.networks.items():
        found |= _origin_of_network(name, predictor)
    return {**found, "boxes": film.boxes_origin()}


def _origin_of_network(name: str, predictor: Predictor) -> dict[str, Any]:
    settings = predictor.settings
    own = (settings.data.image_resize_dims, settings.training.test_batch_size)
    return {
        f"weights of {name}": sha256(predictor.model_dir / WEIGHTS_FILE),
        f"settings of {name}": repr((*own, settings.dali.library, settings.model)),
        f"runtime of {name}": f"{predictor.runtime.value} {version_of(predictor.runtime)}",
    }


def store_beside(film: Film, predictions_csv: Path) -> PartStore:
    """Return where parts are kept until the predictions are whole."""
    folder = predictions_csv.with_name(f".{predictions_csv.stem}.parts")
    return PartStore(folder, origin_of_film(film), FilmParts(film.facts.frame_count))


def _parts(film: Film, video: Video, store: PartStore | None) -> Iterator[FilmPart]:
    """Yield the parts that have the frames asked for; those that are not kept are predicted."""
    parts = FilmParts(film.facts.frame_count)
    size = min(film.pose.settings.training.test_batch_size, _most_frames(video))
    kept = {number: store.read(number) if store else None for number in parts.touching(film.wanted)}
    told = [number for number, own in kept.items() if own is not None]
    if told:
        logger.info("%s: %d of %d parts are there from before", film.facts.path, len(told), len(kept))
    for chosen, is_kept in _runs([own is not None for own in kept.values()], min(kept)):
        if is_kept:
            yield from (own for number in chosen if (own := kept[number]) is not None)
            continue
        boxes = film.make_boxes(video, parts, chosen, size)
        stop = film.wanted.stop if len(kept) == 1 else None  # parts that are kept are whole
        found = predict_parts(film.pose, boxes, video, parts, chosen, size, stop)
        for number, part in zip(chosen, found, strict=True):
            if store is not None and len(kept) > 1:
                store.write(number, part)
            done = min(part.frames.stop, film.wanted.stop) - film.wanted.start
            logger.info("%s: %d of %d frames", film.facts.path, done, len(film.wanted))
            yield part


def _runs(values: list[bool], start: int) -> Iterator[tuple[range, bool]]:
    """Yield stretches of equal values, counted from `start`."""
    changes = [row for row in range(1, len(values)) if values[row] != values[row - 1]]
    for first, last in pairwise([0, *changes, len(values)]):
        yield range(start + first, start + last), values[first]


def _joined(film: Film, found: list[FilmPart]) -> tuple[Predictions, Boxes]:
    first, wanted = found[0].frames.start, film.wanted
    rows = slice(wanted.start - first, wanted.stop - first)
    keypoints_px, confidence = (
        np.concatenate([getattr(part, name) for part in found])[rows]
        for name in ("keypoints_frame_px", "confidence")
    )
    boxes = join_boxes([part.boxes for part in found]).rows(range(rows.start, rows.stop))
    names = list(film.pose.settings.data.keypoint_names or [])
    if boxes.status is not None:
        warn_of_lost(boxes.index, boxes.status)
    return Predictions(list(wanted), names, keypoints_px, confidence), boxes
