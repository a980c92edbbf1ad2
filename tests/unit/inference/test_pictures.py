"""Pictures as a network sees them: cut by several threads, each once, and in their places."""

from types import SimpleNamespace

import numpy as np
import pytest

from lightning_pose.data.cut import crop_image
from lightning_pose.inference import pictures
from lightning_pose.inference.pictures import as_images
from lightning_pose.settings import ModelType

SIZE = (12, 16)


def looking(kind=ModelType.heatmap):
    return SimpleNamespace(settings=SimpleNamespace(model=SimpleNamespace(model_type=kind)))


def cut(frame, box):
    return crop_image(frame, box, SIZE)


@pytest.fixture
def film(monkeypatch):
    monkeypatch.setattr(pictures, "job_cores", lambda: 4)
    return np.random.default_rng(0).integers(0, 256, (24, 40, 50, 3), dtype=np.uint8)


def boxes_of(rng, count):
    return [tuple(float(own) for own in rng.integers((0, 0, 8, 8), (30, 20, 30, 30))) for _ in range(count)]


def test_each_frame_is_cut_by_its_own_box(film) -> None:
    boxes = boxes_of(np.random.default_rng(1), len(film))
    images = as_images(looking(), [[frame] for frame in film], boxes, cut)
    assert images.shape == (len(film), 3, *SIZE) and images.dtype == np.uint8
    for image, frame, box in zip(images, film, boxes, strict=True):
        np.testing.assert_array_equal(image, cut(frame, box).transpose(2, 0, 1))


@pytest.mark.parametrize("as_arrays", [False, True])
def test_windows_show_the_right_frames_in_their_order(film, as_arrays) -> None:
    boxes = boxes_of(np.random.default_rng(2), len(film) - 4)
    frames = list(film)
    windows = [film[start : start + 5] if as_arrays else frames[start : start + 5] for start in range(20)]
    images = as_images(looking(ModelType.heatmap_mhcrnn), windows, boxes, cut)
    assert images.shape == (20, 5, 3, *SIZE)
    for start, box in enumerate(boxes):
        for place in range(5):
            expected = cut(film[start + place], box).transpose(2, 0, 1)
            np.testing.assert_array_equal(images[start, place], expected)


def test_the_middle_of_a_window_is_seen_by_a_network_without_context(film) -> None:
    images = as_images(looking(), [list(film[:5])], [(0.0, 0.0, 50.0, 40.0)], cut)
    np.testing.assert_array_equal(images[0], cut(film[2], (0, 0, 50, 40)).transpose(2, 0, 1))


def test_a_frame_of_several_windows_is_cut_once_for_a_place(film) -> None:
    asked = []

    def count(frame, place):
        asked.append(place)
        return frame

    frames = list(film)
    windows = [frames[start : start + 5] for start in range(20)]
    as_images(looking(ModelType.heatmap_mhcrnn), windows, ["all"] * 20, count)
    assert len(asked) == 24
    as_images(looking(ModelType.heatmap_mhcrnn), windows, range(20), count)
    assert len(asked) == 24 + 100


def test_an_error_while_cutting_is_raised(film) -> None:
    def fail(frame, place):
        raise ValueError(place)

    with pytest.raises(ValueError, match="here"):
        as_images(looking(), [[frame] for frame in film], ["here"] * len(film), fail)
