"""No frame is shifted: positions of the frame before or after fit worse than those of the frame itself."""

import numpy as np
import pytest

from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.inference.film_run import predict_film
from lightning_pose.inference.video import film_of
from lightning_pose.io.video_facts import probe_video
from tests.unit.inference.fakes import Fake, joined
from tests.unit.io.barcodes import HEIGHT, WIDTH, write_codes

COUNT, RADIUS = 90, 4
FILMS = {
    "even.mp4": {},
    "uneven.mp4": {"times": [*range(30), *range(40, 70), *range(71, 131, 2)]},
    "late.mp4": {"times": range(45, 45 + COUNT)},
    "hevc.mp4": {"codec": "libx265"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "h264.avi": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
}


def positions(numbers) -> np.ndarray:
    """Return where the spot is in frames, (N, 2): it runs in a loop, at up to 6 px a frame."""
    turns = 2 * np.pi * np.asarray(numbers, float)
    return np.stack([WIDTH / 2 + 60 * np.sin(turns / 60), HEIGHT / 2 + 14 * np.cos(turns / 45)], -1)


def draw_spot(number: int) -> np.ndarray:
    x, y = positions(number)
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (RADIUS / 2) ** 2))
    return np.repeat((30 + 200 * spot)[..., None], 3, axis=2).astype(np.uint8)


class FindsSpot(Fake):
    """Takes the place of a network: finds the bright spot, to a fraction of a pixel."""

    def predict_batch(self, images, sizes):
        grey = images.mean(1)
        light = np.clip(
            grey - grey.max((1, 2), keepdims=True) / 2 - grey.min((1, 2), keepdims=True) / 2, 0, None
        )
        total = light.sum((1, 2))
        x = (light.sum(1) * np.arange(light.shape[2])).sum(1) / total
        y = (light.sum(2) * np.arange(light.shape[1])).sum(1) / total
        whole = np.column_stack([np.zeros_like(sizes), sizes[:, ::-1]])
        keypoints_px = crop_to_frame(np.stack([x, y], -1)[:, None], whole, (64, 64))
        return keypoints_px, np.ones((len(images), 1))


def median_errors(found: np.ndarray, frames: range) -> dict[int, float]:
    """Return the median distance to the positions of the frames themselves (0), before (-1) and after (1)."""
    return {
        shift: float(np.median(np.linalg.norm(found - positions(np.array(frames) + shift), axis=1)))
        for shift in (-1, 0, 1)
    }


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("frames", [None, range(37, 80)], ids=["all", "a stretch"])
@pytest.mark.parametrize("detect_every", [1, 4])
def test_predictions_are_of_their_own_frames(tmp_path, name, frames, detect_every) -> None:
    facts = probe_video(write_codes(tmp_path / name, COUNT, draw=draw_spot, **FILMS[name]))
    model = joined(FindsSpot(7, False), FindsSpot(7, False), detect_every=detect_every)
    predictions, boxes = predict_film(model.film(facts, frames))
    wanted = range(COUNT) if frames is None else frames
    assert predictions.index == list(wanted)
    errors = median_errors(predictions.keypoints_px[:, 0], wanted)
    assert errors[0] < 0.5 < 2 < min(errors[-1], errors[1])
    centers = boxes.xywh_px[:, :2] + (boxes.xywh_px[:, 2:] - 1) / 2
    around = median_errors(centers, wanted)
    assert around[0] < min(around[-1], around[1])  # nor do the boxes lag behind


@pytest.mark.parametrize("name", ["even.mp4", "h264.avi"])
def test_a_single_network_sees_its_own_frames(tmp_path, name) -> None:
    facts = probe_video(write_codes(tmp_path / name, COUNT, draw=draw_spot, **FILMS[name]))
    predictions, _ = predict_film(film_of(FindsSpot(16, False), facts))
    errors = median_errors(predictions.keypoints_px[:, 0], range(COUNT))
    assert errors[0] < 1 < 2 < min(errors[-1], errors[1])
