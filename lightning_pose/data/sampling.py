"""Which images are in which batch: a function of the seed and the batch's number alone.

So a training that goes on from its hundredth batch sees what it would have seen, with any number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

MIXED = 1  # keeps the order apart from other draws of the same seed


class EpochBatches(Sampler):
    """The batches of a whole training: rows shuffled anew each epoch.

    Parameters
    ----------
    rows : number of images.
    batch_size : images a batch; an epoch's last batch may have fewer.
    seed : of the order.
    batches : number of batches of the whole training.
    start : number of batches that were done before.
    share : rank and number of processes; each takes its part of every batch.

    Yields
    ------
    list of (epoch, row)
    """

    def __init__(
        self,
        rows: int,
        batch_size: int,
        seed: int,
        batches: int,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.batches, self.start, self.share = batches, start, share
        self.per_epoch = batches_per_epoch(rows, batch_size, share[1])

    def __len__(self) -> int:
        return self.batches - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rank, processes = self.share
        order, shuffled = np.empty(0, int), -1
        for number in range(self.start, self.batches):
            epoch, index = divmod(number, self.per_epoch)
            if epoch != shuffled:
                order = np.random.default_rng((self.seed, epoch, MIXED)).permutation(self.rows)
                shuffled = epoch
            batch = order[index * self.batch_size : (index + 1) * self.batch_size]
            yield [(epoch, int(row)) for row in batch[rank::processes]]


def batches_per_epoch(rows: int, batch_size: int, processes: int = 1) -> int:
    """Return the number of batches of an epoch.

    A rest of one image is left out, since batch norm learns nothing from it, and so is one that not every
    process has a part of.
    """
    rest = rows % batch_size
    if rows > batch_size and rest and (rest == 1 or rest < processes):
        return rows // batch_size
    return math.ceil(rows / batch_size)
