"""Batches that threads of this process load ahead of the training.

Beside a GPU the cores are idle. Threads begin at once and share the images in memory, where processes take
half a minute to start and each reads all images anew; OpenCV, FFmpeg and NumPy let them run side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Protocol

from torch.utils.data import default_collate

AHEAD = 3  # batches


class Samples(Protocol):
    """What gives a sample for each index."""

    def __getitem__(self, index: Any) -> Any:
        """Return a sample; may be called from several threads at once."""


class Batches(Sized, Protocol):
    """Lists of indices, one a batch."""

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield them in order."""


class ThreadedLoader:
    """Batches in order, `AHEAD` of them loaded before they are asked for.

    Parameters
    ----------
    samples : of tensors.
    batches : the indices of each batch.
    threads : how many samples are loaded at a time.
    collates : whether samples are stacked to a batch; else a batch is its only sample.
    """

    def __init__(self, samples: Samples, batches: Batches, threads: int, collates: bool = True) -> None:
        self.samples, self.batches, self.threads, self.collates = samples, batches, threads, collates

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        with ThreadPoolExecutor(self.threads) as pool:

            def load(indices: list[Any]) -> list[Future[Any]]:
                return [pool.submit(self.samples.__getitem__, index) for index in indices]

            rest = iter(self.batches)
            ahead = deque(load(indices) for indices in islice(rest, AHEAD))
            try:
                while ahead:
                    loaded = [future.result() for future in ahead.popleft()]
                    ahead.extend(load(indices) for indices in islice(rest, 1))
                    yield default_collate(loaded) if self.collates else loaded[0]
            finally:
                pool.shutdown(cancel_futures=True)
