"""Threads load what was asked for, in order, and pass on what goes wrong."""

import threading
import time

import pytest
import torch

from lightning_pose.data.threads import AHEAD, ThreadedLoader


class Squares:
    def __init__(self):
        self.asked, self.threads = [], set()

    def __getitem__(self, index):
        self.asked.append(index)
        self.threads.add(threading.get_ident())
        time.sleep(0.002 * (index % 3))  # later ones may be done first
        if index == 13:
            raise ValueError("thirteen")
        return {"square": torch.tensor(index**2)}


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_come_in_order(threads) -> None:
    samples, batches = Squares(), [[0, 1, 2], [5, 4], [6], [7, 8, 9], [3]]
    loader = ThreadedLoader(samples, batches, threads)
    assert len(loader) == 5
    for _ in range(2):
        found = [batch["square"].tolist() for batch in loader]
        assert found == [[index**2 for index in batch] for batch in batches]
    assert len(samples.threads) <= 2 * threads


def test_a_sample_may_be_a_batch() -> None:
    loader = ThreadedLoader(Squares(), [[2], [3]], 1, collates=False)
    assert [batch["square"].item() for batch in loader] == [4, 9]


def test_no_more_is_loaded_than_soon_needed() -> None:
    samples = Squares()
    batches = iter(ThreadedLoader(samples, [[index] for index in range(10)], 2))
    next(batches)
    time.sleep(0.1)
    assert max(samples.asked) == AHEAD
    batches.close()


def test_what_goes_wrong_is_told() -> None:
    loader = iter(ThreadedLoader(Squares(), [[1], [12, 13]], 2))
    next(loader)
    with pytest.raises(ValueError, match="thirteen"):
        next(loader)
