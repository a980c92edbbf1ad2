"""Trainings of a few steps: what they leave behind, and what it depends on."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lightning_pose.config import load_config
from lightning_pose.inference.predict import Predictor
from lightning_pose.io.model_dir import read_splits
from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import OptimizerParams, Precision
from lightning_pose.training.callbacks.validation import Validation
from lightning_pose.training.fit import fit
from lightning_pose.types import UserError
from tests.unit.training.squares import NAMES, make_squares, tiny_settings


@pytest.fixture
def train(data, tmp_path, monkeypatch):
    """Train into a folder of this name on the CPU, which repeats itself to the bit; return the folder."""
    monkeypatch.setattr("lightning_pose.training.fit.pick_device", lambda: torch.device("cpu"))

    def run(name="model", model=(), keeps_finished=False, **training):
        settings = tiny_settings(data[0], **{"precision": Precision.fp32, **training})
        settings = replace(settings, model=replace(settings.model, **dict(model)))
        fit(settings, data[1], tmp_path / name, keeps_finished)
        return tmp_path / name

    return run


def weights(folder):
    return load_file(folder / "model.safetensors")


def splits(folder):
    return read_splits(folder)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("precision", [Precision.fp32, Precision.bf16, Precision.auto])
def test_the_model_folder_is_complete(train, data, precision) -> None:
    folder = train(precision=precision)
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml", "splits.json", "model.safetensors", "tb_logs", "train_status.json", "origin.json"
    }  # fmt: skip
    settings = load_config(folder / "config.yaml")
    assert (settings.data.keypoint_names, settings.data.num_keypoints) == (NAMES, 2)
    assert (settings.training.max_steps, settings.training.precision) == (4, precision)
    own = splits(folder)
    assert list(own) == data[1].image_paths
    assert sorted(own.values()) == ["train"] * 8 + ["validation"] * 2
    assert all(value.isfinite().all() for value in weights(folder).values())
    assert all(value.dtype != torch.bfloat16 for value in weights(folder).values())
    assert len(list((folder / "tb_logs").glob("events.*"))) == 1


def test_seeds_decide_everything(train) -> None:
    options = {"imgaug": "dlc-lr", "max_steps": 3}
    first = train("first", **options)
    torch.manual_seed(99)
    np.random.seed(99)
    assert (train("again", **options) / "model.safetensors").read_bytes() == (
        first / "model.safetensors"
    ).read_bytes()
    other = train("other", rng_seed_model_pt=1, **options)
    assert splits(other) == splits(first)
    assert not same(weights(other), weights(first))


def test_the_number_of_workers_changes_nothing(train) -> None:
    first, other = (train(f"{count}", imgaug="dlc", num_workers=count) for count in (0, 1))
    assert same(weights(first), weights(other))


def test_threads_that_load_ahead_change_nothing(train, monkeypatch) -> None:
    first = train("none", imgaug="dlc")
    monkeypatch.setattr("lightning_pose.training.data.loading_threads", lambda _: 3)
    assert same(weights(first), weights(train("threads", imgaug="dlc")))


def test_the_data_seed_decides_the_split(train) -> None:
    first, other = train("first", max_steps=1), train("other", max_steps=1, rng_seed_data_pt=1)
    assert splits(other) != splits(first)
    assert sorted(splits(other).values()) == sorted(splits(first).values())


def test_training_frames_that_are_left_out_are_test_frames(train) -> None:
    all_of_them, few = train("all", max_steps=1), train("few", max_steps=1, train_frames=3)
    assert sorted(splits(few).values()) == ["test"] * 5 + ["train"] * 3 + ["validation"] * 2
    for path, split in splits(few).items():
        assert split == splits(all_of_them)[path] or (split, splits(all_of_them)[path]) == ("test", "train")


def logged_errors(caplog):
    found = re.findall(r"\bstep (\d+): validation error ([\d.]+) px", caplog.text)
    return {int(step): float(error) for step, error in found}


def test_the_file_holds_the_best_weights_seen(train, data, caplog) -> None:
    caplog.set_level(logging.INFO)
    folder = train(max_steps=10, optimizer_params=OptimizerParams(learning_rate=0.3))
    errors = logged_errors(caplog)
    assert list(errors) == [2, 4, 6, 8, 10]
    assert errors[10] > min(errors.values())  # else the last weights would do
    predictions = Predictor(folder).predict_images(data[1].image_paths, data[0])
    held_out = np.array([split == "validation" for split in predictions.splits])
    distance = np.linalg.norm(predictions.keypoints_px - data[1].keypoints_px, axis=-1)[held_out]
    assert distance.mean() == pytest.approx(min(errors.values()), abs=0.02)


def test_the_last_steps_are_validated_too(train, caplog) -> None:
    caplog.set_level(logging.INFO)
    train(max_steps=5, check_val_every_n_epoch=2)
    assert list(logged_errors(caplog)) == [4, 5]


def test_early_stopping_that_never_comes_is_told_of(train, caplog) -> None:
    train(max_steps=2, early_stopping=True)
    assert "early_stopping: without effect" in caplog.text
    caplog.clear()
    train(max_steps=2, early_stopping=True, min_steps=1)
    assert "without effect" not in caplog.text


def test_the_status_of_another_training_is_gone(train, monkeypatch) -> None:
    folder = train(max_steps=2)
    monkeypatch.setattr("lightning_pose.training.fit._trainer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(max_steps=3)
    assert not (folder / "train_status.json").exists()


@pytest.mark.parametrize("min_epochs", [1, 12])
def test_training_stops_early_once_validation_stalls(train, caplog, min_epochs) -> None:
    caplog.set_level(logging.INFO)
    train(
        model={"freeze_batch_norm": True, "freeze_stages": 100},
        optimizer_params=OptimizerParams(learning_rate=1e-30),
        early_stopping=True,
        early_stop_patience=1,
        max_steps=None,
        min_epochs=min_epochs,
        max_epochs=20,
    )
    errors = list(logged_errors(caplog).values())
    stalls = [epoch for epoch in range(1, len(errors)) if errors[epoch] >= min(errors[:epoch])]
    assert len(errors) == max(stalls[0] + 1, min_epochs) < 20  # one validation an epoch


@pytest.mark.parametrize("unfreezing", [{"unfreezing_epoch": 2}, {"unfreezing_step": 4}])
def test_the_backbone_is_unchanged_before_it_learns(train, monkeypatch, unfreezing) -> None:
    seen = {}

    def record(_, trainer, module, step):
        named = module.network.named_parameters()
        seen[step] = {name: value.detach().clone() for name, value in named}

    monkeypatch.setattr(Validation, "measure", record)
    train(max_steps=8, model={"freeze_stages": 1}, **unfreezing)
    changed = {
        step: {name for name in seen[2] if not torch.equal(seen[2][name], seen[step][name])}
        for step in (4, 6, 8)
    }
    assert changed[4] and all(name.startswith("head.") for name in changed[4])
    assert any(name.startswith("backbone.blocks.4") for name in changed[6])
    frozen = ("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0.")
    assert not [name for name in changed[8] if name.startswith(frozen)]


def test_another_training_in_the_folder_leaves_nothing_of_the_first(train) -> None:
    first = weights(train(max_steps=2))
    folder = train(max_steps=2, rng_seed_model_pt=5)
    assert not same(weights(folder), first)
    assert len(list((folder / "tb_logs").glob("events.*"))) == 1


def test_what_a_finished_training_lacks_is_written(train) -> None:
    """As when Snakemake, which was killed and goes on, removed it while the training went on, too."""
    folder = train()
    before = {name: (folder / name).read_bytes() for name in ("config.yaml", "splits.json")}
    own = (folder / "model.safetensors").stat().st_ino
    (folder / "config.yaml").unlink()
    (folder / "splits.json").write_bytes(before["splits.json"][:-9])
    train(keeps_finished=True)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert (folder / "model.safetensors").stat().st_ino == own


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_training_whose_weights_are_damaged_is_not_finished(train, damage) -> None:
    path = train(max_steps=2) / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage == "flip" else whole[:-9])
    train(keeps_finished=True, max_steps=2)
    assert path.read_bytes() == whole


def test_a_training_that_fails_leaves_no_weights(train, data, tmp_path) -> None:
    folder = train(max_steps=1)
    lost = replace(data[1], image_paths=["nowhere.png", *data[1].image_paths[1:]])
    with pytest.raises(UserError, match=r"nowhere\.png: expected an image, found no such file"):
        fit(tiny_settings(data[0]), lost, folder)
    with pytest.raises(UserError, match="training has not finished"):
        Predictor(folder)


@pytest.mark.parametrize("count", [1, 2])
def test_very_few_images_train_too(tmp_path, count, caplog) -> None:
    labels = make_squares(tmp_path, count)
    fit(tiny_settings(tmp_path, max_steps=2), labels, tmp_path / "model")
    assert "train" in splits(tmp_path / "model").values()
    assert ("no validation error was measured" in caplog.text) == (count == 1)


def test_a_tiny_network_learns_squares_and_crosses(train, data) -> None:
    folder = train(max_steps=120, check_val_every_n_epoch=10)
    predictions = Predictor(folder).predict_images(data[1].image_paths, data[0])
    trained = np.array([split == "train" for split in predictions.splits])
    labelled_px = data[1].keypoints_px[trained]
    errors = np.linalg.norm(predictions.keypoints_px[trained] - labelled_px, axis=-1)
    trivial = np.linalg.norm(labelled_px.mean(0) - labelled_px, axis=-1)
    assert errors.mean() < 0.1 * trivial.mean()
    assert errors.mean() < 2
    assert predictions.confidence[trained].mean() > 0.5


def test_nothing_flows_back_through_a_frozen_backbone(train, monkeypatch) -> None:
    flows = []
    original = PoseNetwork.features

    def record(self, images):
        maps = original(self, images)
        if torch.is_grad_enabled():
            flows.append(any(one.requires_grad for one in maps))
        return maps

    monkeypatch.setattr(PoseNetwork, "features", record)
    train(max_steps=4, unfreezing_step=2)
    assert flows == [False, False, True, True]
