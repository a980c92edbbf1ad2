"""Trainings with losses on unlabelled video, of every type of model."""

import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_pose.geometry.heatmaps import gaussian_targets
from lightning_pose.models.build import build_network
from lightning_pose.settings import HeatmapLoss, ModelSettings, ModelType, Precision
from lightning_pose.training.callbacks.resume import Checkpoints
from lightning_pose.training.fit import fit
from lightning_pose.training.module import Plan, PoseModule
from lightning_pose.training.origin import origin_of
from lightning_pose.training.supervised import upstream_unit
from lightning_pose.training.unsupervised import UnsupervisedLosses
from lightning_pose.types import UserError
from tests.unit.io.films import write_film
from tests.unit.training.squares import make_squares, tiny_settings

STEPS = 5


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with ten labelled images and a video, and the labels."""
    folder = tmp_path_factory.mktemp("squares")
    write_film(folder / "videos" / "a.mp4", 12, "libx264")
    return folder, make_squares(folder)


@pytest.fixture
def train(data, tmp_path, monkeypatch):
    """Train into a folder of this name on the CPU."""
    monkeypatch.setattr("lightning_pose.training.fit.pick_device", lambda: torch.device("cpu"))

    def run(name, losses=("temporal",), model_type=ModelType.heatmap, log_weight=0.0, **training):
        options = {"precision": Precision.fp32, "max_steps": STEPS, "checkpoint_every_s": 0, **training}
        settings = tiny_settings(data[0], **options)
        settings = replace(
            settings,
            data=replace(settings.data, video_dir="videos"),
            model=replace(settings.model, losses_to_use=list(losses), model_type=model_type),
        )
        settings.dali.base.train.sequence_length = 4
        settings.losses.temporal.log_weight = log_weight
        settings.losses.temporal.epsilon = 0.0
        settings.callbacks.anneal_weight.init_val = 1.0
        fit(settings, data[1], tmp_path / name)
        return tmp_path / name

    return run


def weights_of(folder):
    return load_file(folder / "model.safetensors")


def scalars(folder, name):
    events = EventAccumulator(str(folder / "tb_logs"))
    events.Reload()
    return [(point.step, point.value) for point in events.Scalars(name)]


@pytest.mark.parametrize("model_type", list(ModelType))
def test_every_model_learns_from_video(train, model_type) -> None:
    folder = train("model", model_type=model_type, log_every_n_steps=1)
    values = dict(scalars(folder, "train_temporal"))
    assert list(values) == [1, 2, 3, 4, 5]
    assert all(value >= 0 for value in values.values()) and max(values.values()) > 0
    total, supervised = dict(scalars(folder, "train_loss")), dict(scalars(folder, "train_supervised"))
    settings = ModelSettings(model_type=model_type, heatmap_loss_type=HeatmapLoss.kl)
    weight = 0.5 * upstream_unit(settings, (64, 64), 4)  # its logarithm is zero
    for step, value in values.items():
        assert total[step] == pytest.approx(supervised[step] + weight * value, rel=1e-4)


def test_each_head_of_a_context_model_is_compared_with_its_own_keypoints(data) -> None:
    """Two perfect heatmaps in different places cost nothing, whichever is surer."""
    kind = ModelType.heatmap_mhcrnn
    settings = replace(
        tiny_settings(data[0]), model=ModelSettings(model_type=kind, losses_to_use=["unimodal_kl"])
    )
    losses = UnsupervisedLosses(settings, data[1], 4)
    network = build_network(
        replace(settings, model=replace(tiny_settings(data[0]).model, model_type=kind)), 2
    )
    module = PoseModule(network, settings.model, settings.training, Plan(1, 1), 2, losses)

    def peaks(place, sigma):
        targets, _ = gaussian_targets(torch.full((4, 2, 2), place), (16, 16), 4, sigma)
        return targets.clamp(min=1e-9).log()

    video = {"images": None, "model_to_frame": torch.eye(3).repeat(4, 1, 1)}
    for alone, joint in ((1.2, 1.3), (1.3, 1.2)):
        heads = peaks(14.0, alone), peaks(46.0, joint)
        network.forward = lambda _, heads=heads: heads
        assert float(module.video_losses(network, video)["unimodal_kl"]) < 0.1


def test_the_losses_change_the_weights(train) -> None:
    without = weights_of(train("without", losses=()))
    assert any(not torch.equal(value, without[key]) for key, value in weights_of(train("with")).items())


@pytest.mark.parametrize("losses", [
    ("temporal_heatmap_mse", "temporal_heatmap_kl", "unimodal_mse", "unimodal_kl"),
    ("temporal", "pca_singleview"),
])  # fmt: skip
def test_losses_go_together(train, losses) -> None:
    folder = train("model", losses=losses, log_every_n_steps=1, max_steps=2)
    for name in losses:
        assert len(scalars(folder, f"train_{name}")) == 2


@pytest.mark.parametrize("training", [{}, {"accumulate_grad_batches": 2, "imgaug": "dlc"}], ids=str)
def test_cut_off_the_weights_come_out_the_same(train, monkeypatch, caplog, training) -> None:
    undisturbed = weights_of(train("undisturbed", **training))
    original = Checkpoints.on_train_batch_end

    def interrupted(self, trainer, module, outputs, batch, index):
        original(self, trainer, module, outputs, batch, index)
        if module.start + index + 1 == 3:
            raise KeyError("power cut")

    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(Checkpoints, "on_train_batch_end", interrupted)
        train("cut", **training)
    found = weights_of(train("cut", **training))
    assert all(torch.equal(value, found[key]) for key, value in undisturbed.items())
    assert "afresh" not in caplog.text


def test_another_weight_of_a_loss_starts_afresh(train, monkeypatch, caplog) -> None:
    def fail(*_):
        raise KeyError("power cut")

    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr("lightning_pose.training.callbacks.resume.Checkpoints.on_train_end", fail)
        train("cut")
    assert "afresh" not in caplog.text
    train("cut", log_weight=1.0)
    assert "was made with other losses.temporal.log_weight: starting afresh" in caplog.text


@pytest.mark.parametrize("name", ["a.mp4/bbox.csv", "a/bbox.csv", "a_bbox.csv"])
def test_boxes_that_changed_start_afresh_whatever_their_name(data, tmp_path, name) -> None:
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("boxes")
    settings = tiny_settings(data[0])
    settings.data.video_dir, settings.data.bbox_dir = "videos", str(tmp_path)
    settings.model.losses_to_use = ["temporal"]
    before = origin_of(settings, data[1], data[0])
    assert origin_of(settings, data[1], data[0]) == before
    own.write_text("others")
    os.utime(own, ns=(0, 0))
    after = origin_of(settings, data[1], data[0])
    assert [key for key in before if after[key] != before[key]] == ["unlabelled videos"]


def test_a_video_too_short_stops_before_anything_is_written(data, tmp_path) -> None:
    settings = tiny_settings(data[0])
    settings = replace(
        settings,
        data=replace(settings.data, video_dir="videos"),
        model=replace(settings.model, losses_to_use=["temporal"]),
    )
    settings.dali.base.train.sequence_length = 99
    with pytest.raises(UserError, match=r"a\.mp4: expected at least 99 frames .*, found 12"):
        fit(settings, data[1], tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_threads_that_load_ahead_change_nothing(train, monkeypatch) -> None:
    first = train("none", imgaug="dlc")
    monkeypatch.setattr("lightning_pose.training.data.loading_threads", lambda _: 3)
    other = train("threads", imgaug="dlc")
    assert all(torch.equal(value, weights_of(other)[key]) for key, value in weights_of(first).items())
