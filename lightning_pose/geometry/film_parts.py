"""A film cut into parts that can be worked on one by one, in any order and on any machine.

What is found in a part depends on nothing but the film: boxes are tracked from a warm-up before it, and
networks see the same frames in the same batches, whether the parts before were worked on just now or not.
So what is kept of an interrupted run, and what several machines find, fit together to what one run gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PART_FRAMES = 1024
WARM_UP = 64  # frames; a one-euro filter at its default has forgotten all but 1e-8 of what was before


@dataclass(frozen=True)
class FilmParts:
    """The parts of a film.

    Parameters
    ----------
    count : frames of the film.
    part_frames : frames of a part; the last one may have fewer.
    warm_up : frames before a part from which boxes are tracked.
    """

    count: int
    part_frames: int = PART_FRAMES
    warm_up: int = WARM_UP

    def __len__(self) -> int:
        return -(-self.count // self.part_frames)

    def frames(self, parts: range) -> range:
        """Return the frames of consecutive parts."""
        return range(parts.start * self.part_frames, min(parts.stop * self.part_frames, self.count))

    def touching(self, frames: range) -> range:
        """Return the parts that have any of consecutive frames."""
        return range(frames.start // self.part_frames, -(-frames.stop // self.part_frames))

    def warm_up_start(self, part: int) -> int:
        """Return the frame from which boxes of a part are tracked."""
        return max(part * self.part_frames - self.warm_up, 0)

    def segment_start(self, number: int) -> int:
        """Return where the segment of a frame begins: a part, or the warm-up of the next one."""
        within = number % self.part_frames
        start = number - within
        return start + self.part_frames - self.warm_up if within >= self.part_frames - self.warm_up else start

    def batch_at(self, number: int, size: int) -> range:
        """Return the batch of at most `size` frames that a frame belongs to; none crosses a segment's end."""
        segment = self.segment_start(number)
        start = segment + (number - segment) // size * size
        is_warm_up = segment % self.part_frames > 0
        length = self.warm_up if is_warm_up else self.part_frames - self.warm_up
        return range(start, min(start + size, segment + length, self.count))

    def batches(self, frames: range, size: int) -> Iterator[range]:
        """Yield the batches that have any of consecutive frames."""
        number = frames.start
        while number < frames.stop:
            batch = self.batch_at(number, size)
            yield batch
            number = batch.stop
