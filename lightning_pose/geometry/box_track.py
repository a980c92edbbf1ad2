"""Boxes around the animal from frame to frame of a video, in frame pixels.

A box is a centre and a side, (x, y, side). Each frame goes through four steps: the keypoints of the detector
give a box; one that is too far from the last credible one is not believed; a weighted median over a window of
frames takes out what flickers; a one-euro filter takes out what trembles. Frames with no credible box get one
from their neighbours. The window looks ahead: a box is finished half a window after its frame came in.

`geometry.film_track` runs one tracker for each part of a film.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lightning_pose.geometry.boxes import BoxRule, whole_frame
from lightning_pose.geometry.film_parts import WARM_UP
from lightning_pose.settings import BoxSettings
from lightning_pose.types import BoxStatus

SURER = 2.0  # a sighting this many times as sure as the last credible one needs not be near it
JUMP = 0.5  # box sides from the median about it, beyond which nothing is interpolated from a sighting
SPEED_CUTOFF = 0.2  # cycles a frame that pass in the speed that the one-euro filter adapts to


class TrackedBox(NamedTuple):
    """A finished box: x, y, w, h in frame pixels, (4,), and how it came about, one of `BoxStatus`.

    With the detector's confidence in what it saw there; NaN = it did not look, or saw nothing credible.
    """

    xywh_px: np.ndarray
    status: str
    confidence: float = np.nan


class Sighting(NamedTuple):
    """What the detector saw in a frame: the frame's number, (x, y, side) and its confidence from 0 to 1."""

    number: int
    measure: np.ndarray
    weight: float


class BoxTracker:
    """Places boxes in a video whose frames come one by one.

    Parameters
    ----------
    rule : which keypoints a box is placed around, and how large it is.
    frame_size : gives the (height, width) of the frames; asked only where the animal was not seen yet.
    settings : BoxSettings
    spacing : most frames from one that the detector looks at to the next.
    """

    def __init__(
        self,
        rule: BoxRule,
        frame_size: Callable[[], tuple[int, int]],
        settings: BoxSettings,
        spacing: int = 1,
    ) -> None:
        self.rule, self.frame_size = rule, frame_size
        self.reach = look_ahead(settings, spacing)
        self.max_speed = settings.max_speed
        self._window = settings.window
        self._filter = OneEuro(settings.min_cutoff, settings.beta)
        self._seen: deque[Sighting] = deque()  # those that a window may still ask for, in order
        self._unlooked: set[int] = set()  # frames that the detector did not look at
        self._last: Sighting | None = None
        self._followed = -1  # the last frame whose box came from a sighting
        self._added = self._finished = 0

    def add(self, keypoints_frame_px: np.ndarray, confidence: np.ndarray) -> list[TrackedBox]:
        """Take the detector's keypoints (K, 2) of the next frame, NaN = none predicted, and confidence (K,).

        Returns the boxes that are finished now, in order of the frames: none at first, one later on.
        """
        used = self.rule.usable(keypoints_frame_px, confidence)
        if len(used):
            measure = self.rule.measure(keypoints_frame_px[used])
            sighting = Sighting(self._added, measure, float(confidence[used].mean()))
            if self._is_credible(sighting):
                self._last = sighting
                self._seen.append(sighting)
        self._added += 1
        return list(self._finish(self._added - self.reach))

    def skip(self) -> list[TrackedBox]:
        """Take the next frame as one that the detector did not look at; returns as `add` does."""
        self._unlooked.add(self._added)
        self._added += 1
        return list(self._finish(self._added - self.reach))

    def finish(self) -> list[TrackedBox]:
        """Return the boxes that are left when the video has ended."""
        return list(self._finish(self._added))

    def _is_credible(self, new: Sighting) -> bool:
        """Say whether an animal can have come from where it was seen last; the longer ago, the farther."""
        if self._last is None or self.max_speed is None or new.number - self._last.number > WARM_UP:
            return True
        is_surer = new.weight > SURER * self._last.weight
        return is_surer or is_near(
            new.measure, self._last.measure, self.max_speed * (new.number - self._last.number)
        )

    def _finish(self, end: int) -> Iterator[TrackedBox]:
        while self._finished < end:
            number = self._finished
            while self._seen and self._seen[0].number < number - self.reach:
                self._seen.popleft()
            yield self._box(number)
            self._unlooked.discard(number)
            self._finished += 1

    def _box(self, number: int) -> TrackedBox:
        near = [own for own in self._seen if own.number <= number + self.reach]
        sure = next((own.weight for own in near if own.number == number), np.nan)
        is_seen = not np.isnan(sure)
        if is_seen:
            target = self._steady(near, number)
        elif near:
            target = self._between(near, number)
        elif self._filter.value is not None and number - self._followed <= WARM_UP:
            target = self._filter.value
        else:
            self._filter.value = None  # what was so long ago says nothing
            return TrackedBox(whole_frame(self.frame_size()), BoxStatus.FALLBACK.value)
        self._followed = number if near else self._followed
        missing = BoxStatus.INTERPOLATED if number in self._unlooked else BoxStatus.CARRIED
        status = BoxStatus.DETECTED if is_seen else missing
        return TrackedBox(self.rule.square(self._filter(target)), status.value, sure)

    def _steady(self, near: list[Sighting], number: int) -> np.ndarray:
        """Return the median about a sighting: of the settings' window, or of it and those next to it.

        As many from before as from behind: a moving animal is not where more of them are.
        """
        place = next(row for row, own in enumerate(near) if own.number == number)
        before, behind = near[:place][::-1], near[place + 1 :]
        gaps = [abs(own[0].number - number) for own in (before, behind) if own]
        half = max([self._window // 2, *gaps])
        count = min(sum(abs(own.number - number) <= half for own in side) for side in (before, behind))
        return _weighted_median([*before[:count], near[place], *behind[:count]])

    def _between(self, near: list[Sighting], number: int) -> np.ndarray:
        """Return what lies between the sightings next to a frame, or their medians where they jump."""
        before = [own for own in near if own.number < number][-1:]
        behind = [own for own in near if own.number > number][:1]
        measures = []
        for own in before + behind:
            median = self._steady(near, own.number)
            measures.append(own.measure if is_near(own.measure, median, JUMP) else median)
        numbers = [own.number for own in before + behind]
        return np.array([np.interp(number, numbers, column) for column in np.array(measures).T])


def is_near(measure: np.ndarray, other: np.ndarray, sides: float) -> bool:
    """Say whether the centres of two (x, y, side) are at most some sides of the larger box apart."""
    distance = float(np.linalg.norm(measure[:2] - other[:2]))
    return distance <= sides * float(max(measure[2], other[2]))


def look_ahead(settings: BoxSettings, spacing: int = 1) -> int:
    """Return how many frames ahead of a box the detector must have seen, for a spacing of its looks.

    As far as the next look, and from there as far as the window about it.
    """
    half = settings.window // 2
    return half if spacing == 1 else spacing - 1 + max(half, spacing)


class OneEuro:
    """Smooths what is slow and follows what is fast.

    Parameters
    ----------
    min_cutoff : cycles a frame that pass at rest; None = everything passes.
    beta : cycles a frame more for a speed of one box side a frame.

    References
    ----------
    Casiez, Roussel and Vogel, 1€ filter, CHI 2012, algorithm 1: with one frame as the unit of time, and
    speeds in box sides, so that it acts alike on animals of any size.
    """

    def __init__(self, min_cutoff: float | None, beta: float) -> None:
        self.min_cutoff, self.beta = min_cutoff, beta
        self.value: np.ndarray | None = None
        self._speed = np.zeros(3)

    def __call__(self, target: np.ndarray) -> np.ndarray:
        """Return the next smoothed (x, y, side)."""
        if self.value is None or self.min_cutoff is None:
            self.value, self._speed = target, np.zeros(3)
            return target
        speed = (target - self.value) / self.value[2]
        self._speed = self._speed + _gain(np.array(SPEED_CUTOFF)) * (speed - self._speed)
        gain = _gain(self.min_cutoff + self.beta * np.abs(self._speed))
        self.value = self.value + gain * (target - self.value)
        return self.value


def _gain(cutoff: np.ndarray) -> np.ndarray:
    """Return the share of a new value in a low-pass filter of a cutoff in cycles a frame."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff))


def _weighted_median(sightings: list[Sighting]) -> np.ndarray:
    """Return the median of x, y and side, (3,), each sighting counted by its confidence."""
    values = np.array([own.measure for own in sightings])
    weights = np.array([own.weight for own in sightings])
    found = np.empty(3)
    for column in range(3):
        order = np.argsort(values[:, column], kind="stable")
        passed = np.cumsum(weights[order])
        half = int(np.searchsorted(passed, passed[-1] / 2))
        found[column] = values[order[min(half, len(order) - 1)], column]
    return found
