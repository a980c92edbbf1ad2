"""At which frames of a film the detector looks: all, every k-th, or as its animal's speed asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lightning_pose.geometry.film_parts import FilmParts

AUTO = 0  # `detect_every`: as the animal's speed allows
RAREST = 8  # frames from one look to the next, at most
DRIFT = 0.15  # box sides that an animal may move between two looks

Seen = tuple[int, np.ndarray | None]  # frame number; (x, y, side) in frame pixels, if seen


class Looks:
    """Chooses the frames that a detector looks at.

    What is chosen depends only on what was seen since the segment of the frame began, so that parts of a film
    stand for themselves.

    Parameters
    ----------
    every : frames from one look to the next; `AUTO` adapts it.
    parts : of the film.
    """

    def __init__(self, every: int, parts: FilmParts) -> None:
        self.every, self.parts = every, parts
        self._current = max(every, 1)
        self._last: tuple[int, np.ndarray] | None = None  # sighting since the segment began

    @property
    def spacing(self) -> int:
        """Most frames from one look to the next."""
        return self.every or RAREST

    def choose(self, batch: range) -> list[int]:
        """Return the frames of a batch that the detector looks at."""
        segment = self.parts.segment_start(batch.start)
        if self.every == AUTO and batch.start == segment:
            self._current, self._last = 1, None
        is_last = batch.stop == self.parts.count
        wanted = [number for number in batch if (number - segment) % self._current == 0]
        return wanted if not is_last or wanted[-1:] == [batch[-1]] else [*wanted, batch[-1]]

    def learn(self, seen: Sequence[Seen]) -> None:
        """Adapt to how fast an animal moved in the last batch; where it was lost, look at every frame."""
        if self.every != AUTO or not seen:
            return
        found = [] if self._last is None else [self._last]
        found += [(number, measure) for number, measure in seen if measure is not None]
        self._last = found[-1] if found else None
        if len(found) < 2 or any(measure is None for _, measure in seen):
            self._current = 1
            return
        numbers = np.array([number for number, _ in found])
        measures = np.array([measure for _, measure in found])
        moved = np.abs(np.diff(measures, axis=0)).max(1) / measures[1:, 2] / np.diff(numbers)
        speed = max(float(np.quantile(moved, 0.9)), 1e-6)
        self._current = next(every for every in (RAREST, 4, 2, 1) if every * speed <= DRIFT or every == 1)
