"""Losses of one training: they act in frame pixels, follow the labels, and can be learned from."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_pose.geometry.heatmaps import gaussian_targets
from lightning_pose.io.labels import write_labels
from lightning_pose.settings import DataSettings, ModelSettings, Settings
from lightning_pose.training.unsupervised import UnsupervisedLosses, build_sequences
from lightning_pose.types import Labels, UserError
from tests.unit.io.films import write_film

NAMES = ["a", "b", "c", "d"]
STRIDE, CELLS = 4, 32


def labels(count: int = 40, names=NAMES) -> Labels:
    """Two views of two points in space: a and b of the first, c and d of the second."""
    rng = np.random.default_rng(0)
    points = rng.uniform(30, 90, (count, 2, 3))
    first, second = points[..., [0, 1]], points[..., [2, 1]]
    paths = [f"images/{row}.png" for row in range(count)]
    return Labels(paths, list(names), np.concatenate([first, second], 1))


def settings(*losses: str, **data) -> Settings:
    data = {"video_dir": "videos", "mirrored_column_matches": [[0, 1], [2, 3]]} | data
    return Settings(data=DataSettings(**data), model=ModelSettings(losses_to_use=list(losses)))


def logits_at(keypoints_model_px: np.ndarray) -> torch.Tensor:
    points = torch.from_numpy(keypoints_model_px).float()
    return gaussian_targets(points, (CELLS, CELLS), STRIDE, 1.25)[0].clamp(min=1e-20).log()


def shifted(offsets: np.ndarray) -> torch.Tensor:
    """Matrices of boxes of the model's size whose corners lie at `offsets`, (T, 2)."""
    matrices = torch.eye(3).repeat(len(offsets), 1, 1)
    matrices[:, :2, 2] = torch.from_numpy(offsets).float()
    return matrices


def values(own: Settings, keypoints_frame_px: np.ndarray, offsets: np.ndarray) -> dict[str, float]:
    losses = UnsupervisedLosses(own, labels(), STRIDE)
    found = losses(logits_at(keypoints_frame_px - offsets[:, None]), shifted(offsets))
    return {name: float(value) for name, value in found.items()}


def test_a_moving_box_is_no_motion_of_the_animal() -> None:
    own = settings("temporal", "temporal_heatmap_mse", "temporal_heatmap_kl")
    own.losses.temporal.epsilon = 0.5  # soft keypoints lie within a tenth of a cell
    still = np.tile(labels().keypoints_px[:1], (6, 1, 1))
    jumping = np.array([[0, 0], [8, 4], [-6, 2], [4, -8], [0, 12], [-4, -4]], float)
    moved = values(own, still, jumping)
    assert moved["temporal"] == pytest.approx(0, abs=1e-3)
    assert moved["temporal_heatmap_mse"] < 1 / CELLS**4
    assert moved["temporal_heatmap_kl"] < 0.1
    walking = still + jumping[:, None]
    followed = values(own, walking, jumping)  # still in the crops, moving in the frame
    assert followed["temporal"] > 5
    assert followed["temporal_heatmap_mse"] > 5 / CELLS**4
    assert followed["temporal_heatmap_kl"] > 0.5


def test_poses_of_the_labels_cost_nothing_wherever_the_box_is() -> None:
    own = settings("pca_multiview")
    own.losses.pca_multiview.epsilon = 0.5
    poses = labels().keypoints_px[:5]
    for corner in (0.0, 15.0, -20.0):
        assert values(own, poses, np.full((5, 2), corner))["pca_multiview"] == pytest.approx(0, abs=0.05)
    torn = poses.copy()
    torn[:, 2, 1] += 20
    assert values(own, torn, np.zeros((5, 2)))["pca_multiview"] > 2


def test_the_single_view_pca_depends_neither_on_box_nor_on_place() -> None:
    own = settings("pca_singleview")
    own.losses.pca_singleview.components_to_keep = 2
    poses = labels().keypoints_px[:5]
    here = values(own, poses, np.zeros((5, 2)))["pca_singleview"]
    boxed = values(own, poses, np.full((5, 2), 16.0))["pca_singleview"]
    elsewhere = values(own, poses + 200, np.full((5, 2), 200.0))["pca_singleview"]
    assert here == pytest.approx(boxed, abs=0.05)
    assert here == pytest.approx(elsewhere, abs=0.05)


def test_epsilon_comes_from_the_labels_where_none_is_given() -> None:
    own = settings("pca_singleview", "pca_multiview")
    own.losses.pca_singleview.components_to_keep = 2
    fits = UnsupervisedLosses(own, labels(), STRIDE).fits
    assert fits["pca_multiview"].epsilon == pytest.approx(0, abs=1e-6)
    assert 5 < fits["pca_singleview"].epsilon < 60


def test_weights_are_annealed() -> None:
    own = settings("temporal", "unimodal_kl")
    losses = UnsupervisedLosses(own, labels(), STRIDE)
    found = {"temporal": torch.tensor(10.0), "unimodal_kl": torch.tensor(2.0)}
    whole = 12 / (2 * np.exp(5))
    assert float(losses.total(found, 0)) == 0
    assert float(losses.total(found, 50)) == pytest.approx(0.5 * whole)
    assert float(losses.total(found, 500)) == pytest.approx(whole)


def test_labels_of_crops_are_taken_to_the_frame(tmp_path) -> None:
    own_labels = labels()
    boxes = [[7 * row, 3 * row, 200, 100] for row in range(40)]
    scale = np.array([64 / 200, 64 / 100])
    corners = np.array(boxes, float)[:, None, :2]
    cropped = (own_labels.keypoints_px + 0.5 - corners) * scale - 0.5
    write_labels(replace(own_labels, keypoints_px=cropped), tmp_path / "cropped_a.csv")
    crops = {path: {"box": box, "files": {}} for path, box in zip(own_labels.image_paths, boxes, strict=True)}
    manifest = {"source": "a.csv", "images_dir": "crops", "crop_size": [64, 64], "crops": crops}
    (tmp_path / "crops.json").write_text(json.dumps(manifest))
    own = settings("pca_singleview", csv_file=str(tmp_path / "cropped_a.csv"))
    on_crops = UnsupervisedLosses(own, replace(own_labels, keypoints_px=cropped), STRIDE)
    on_frames = UnsupervisedLosses(settings("pca_singleview"), own_labels, STRIDE)
    torch.testing.assert_close(on_crops.fits["pca_singleview"].mean, on_frames.fits["pca_singleview"].mean)
    del manifest["crops"]["images/3.png"]
    (tmp_path / "crops.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"found none for images/3\.png"):
        UnsupervisedLosses(own, replace(own_labels, keypoints_px=cropped), STRIDE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"columns_for_singleview_pca": [0, 4]},
            "columns_for_singleview_pca: expected keypoint numbers from 0 to 3",
        ),
        ({"mirrored_column_matches": [[0], [9]]}, "mirrored_column_matches: expected keypoint numbers"),
    ],
)
def test_columns_that_the_labels_do_not_have_are_named(change, message) -> None:
    with pytest.raises(UserError, match=message):
        UnsupervisedLosses(settings("temporal", **change), labels(), STRIDE)


def test_too_few_complete_labels_are_named() -> None:
    few = labels(7)
    few.keypoints_px[2:, 1] = np.nan
    with pytest.raises(
        UserError, match=r"losses\.pca_singleview: expected at least 8 complete labels.* found 2 among 7"
    ):
        UnsupervisedLosses(settings("pca_singleview"), few, STRIDE)


def test_an_epsilon_for_each_keypoint_has_to_be_one_for_each() -> None:
    own = settings("temporal")
    own.losses.temporal.epsilon = [1.0, 2.0]
    with pytest.raises(UserError, match="each of 4 keypoints, found 2 numbers"):
        UnsupervisedLosses(own, labels(), STRIDE)


@pytest.mark.parametrize(
    "name",
    ["temporal", "temporal_heatmap_mse", "temporal_heatmap_kl", "pca_singleview", "pca_multiview",
     "unimodal_mse", "unimodal_kl"],
)  # fmt: skip
def test_each_loss_falls_when_it_is_learned_from(name) -> None:
    own = settings(name)
    own.losses.temporal.epsilon = 1.0
    own.losses.pca_singleview.components_to_keep = 2
    for loss in ("temporal", "pca_singleview", "pca_multiview"):
        getattr(own.losses, loss).prob_threshold = 0.0
    losses = UnsupervisedLosses(own, labels(), STRIDE)
    spots = np.random.default_rng(1).uniform(20, 100, (4, 4, 2))
    blurred = torch.from_numpy(np.random.default_rng(2).normal(0, 0.5, (4, 4, CELLS, CELLS))).float()
    logits = (logits_at(spots).clamp(min=-8) + blurred).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.2)
    course = []
    for _ in range(60):
        value = losses(logits, torch.eye(3).repeat(4, 1, 1))[name]
        optimizer.zero_grad()
        value.backward()
        assert torch.isfinite(logits.grad).all()
        optimizer.step()
        course.append(value.item())
    assert course[-1] < 0.8 * course[0]


@pytest.mark.parametrize("name", ["temporal", "pca_singleview", "pca_multiview"])
def test_half_precision_of_a_training_does_not_reach_frame_pixels(name) -> None:
    own = settings(name)
    own.losses.temporal.epsilon = 0.0
    losses = UnsupervisedLosses(own, labels(), STRIDE)
    spots = np.random.default_rng(1).uniform(20, 100, (4, 4, 2))
    boxes = shifted(np.array([[801, 603], [905, 611], [777, 590], [850, 650]], float))
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(logits_at(spots), boxes)[name]
    assert float(found) == float(losses(logits_at(spots), boxes)[name]) > 0


def test_a_network_learns_from_sequences_of_a_film(tmp_path) -> None:
    write_film(tmp_path / "videos" / "a.mp4", 40)
    own = settings("temporal", data_dir=str(tmp_path))
    own.data.image_resize_dims.height, own.data.image_resize_dims.width = 64, 96
    own.dali.base.train.sequence_length = 6
    sequences = build_sequences(own)
    sample = sequences[0]
    assert sample["images"].shape == (6, 3, 64, 96)
    network = torch.nn.Conv2d(3, 4, STRIDE, STRIDE)
    losses = UnsupervisedLosses(own, labels(), STRIDE)
    found = losses(network(sample["images"].float() / 255), sample["model_to_frame"])
    losses.total(found, 10).backward()
    assert torch.isfinite(network.weight.grad).all()
