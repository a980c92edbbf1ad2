"""Curves are read as TensorBoard reads them, pictures stepped over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from lightning_pose.io.curves import _events, read_curves


@pytest.fixture
def folder(tmp_path):
    """A training of 100 steps with pictures, that was interrupted and went on from step 60."""
    rng = np.random.default_rng(0)
    for number, (steps, purge) in enumerate(((range(0, 101, 10), None), (range(60, 201, 10), 60))):
        part = tmp_path / f"part {number}"
        writer = SummaryWriter(str(part), purge_step=purge)
        for step in steps:
            writer.add_scalar("train_loss", rng.normal(), step)
            writer.add_scalar("val_pixel_error_of/beak", 1e6 * rng.normal(), step)
            writer.add_image("validation", rng.random((3, 40, 50)), step)
        writer.close()
        (path,) = part.iterdir()
        path.rename(tmp_path / f"events.out.tfevents.{number}")
    return tmp_path


def test_points_are_those_that_tensorboard_reads(folder) -> None:
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()["scalars"]
    own = read_curves(folder)
    assert sorted(own) == sorted(tags) == ["train_loss", "val_pixel_error_of/beak"]
    for tag in tags:
        assert own[tag] == {point.step: point.value for point in events.Scalars(tag)}
        assert list(own[tag]) == list(range(0, 201, 10))


def test_a_file_that_is_being_written_counts_up_to_its_last_whole_record(folder) -> None:
    last = folder / "events.out.tfevents.1"
    whole = read_curves(folder)["train_loss"]
    last.write_bytes(last.read_bytes()[:-40_000])
    cut = read_curves(folder)["train_loss"]
    assert 0 < len(cut) < len(whole) and cut.items() <= whole.items()


def test_no_folder_and_no_file_have_no_curves(tmp_path) -> None:
    assert read_curves(tmp_path / "elsewhere") == read_curves(tmp_path) == {}


def test_a_step_backwards_without_a_restart_replaces_the_point(tmp_path) -> None:
    writer = SummaryWriter(str(tmp_path))
    for value in (1.0, 2.0):
        writer.add_scalar("loss", value, 5)
    writer.close()
    assert read_curves(tmp_path) == {"loss": {5: 2.0}}


@given(st.binary(max_size=200), st.integers(0, 3))
def test_whatever_is_in_a_file_ends(content: bytes, kind: int) -> None:
    if kind:  # a whole record of it
        content = len(content).to_bytes(8, "little") + b"\0" * 4 + content + b"\0" * 4
    for step, values, starts in _events(content):
        assert isinstance(step, int) and isinstance(starts, bool)
        assert all(isinstance(tag, str) and isinstance(value, float) for tag, value in values)
