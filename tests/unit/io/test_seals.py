"""A flipped bit in a file that a command reads back is found, and the file is named."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.cli.main import main
from lightning_pose.io.crop_manifest import damaged_crops, read_manifest, write_manifest
from lightning_pose.io.cropzoom_dir import CropZoom, read_cropzoom, write_cropzoom
from lightning_pose.io.files import seal, unseal
from lightning_pose.io.labels import write_labels
from lightning_pose.io.model_dir import read_splits
from lightning_pose.io.predictions import write_predictions
from lightning_pose.models.weights_file import read_state, write_weights
from lightning_pose.settings import BoxSettings
from lightning_pose.training.callbacks.resume import read_state as read_checkpoint
from lightning_pose.training.data import write_splits
from lightning_pose.types import Labels, Predictions, Split, UserError

LABELS = Labels(["a.png", "b.png"], ["beak"], np.zeros((2, 1, 2)))
MANIFEST = {"crop_size": [256, 256], "images_dir": "images", "source": "l.csv",
            "crops": {"a.png": {"box": [1.0, 2.5, 64.0, 64.0], "files": {}}}}  # fmt: skip
WEIGHTS = {"head.weight": torch.randn(5, 3), "head.steps": torch.tensor(7), "half": torch.ones(3).bfloat16()}


def flip(path, bit):
    """Flip a bit, counted round and round."""
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


def splits(folder):
    write_splits(LABELS, [Split.TRAIN, Split.TEST], folder)
    return folder / "splits.json", lambda: read_splits(folder)


def cropzoom(folder):
    write_cropzoom(CropZoom(folder / "d", folder / "p", 1.8, (256, 256), ["beak"], BoxSettings()), folder)
    return folder / "cropzoom.json", lambda: read_cropzoom(folder)


def weights(folder):
    path = folder / "model.safetensors"
    write_weights(WEIGHTS, path)
    return path, lambda: {name: own.tolist() for name, own in read_state(path, "").items()}


def torch_weights(folder):
    path = folder / "model.pth"
    torch.save(WEIGHTS, path)
    return path, lambda: {name: own.tolist() for name, own in read_state(path, "").items()}


@settings(deadline=None, max_examples=120)
@given(st.sampled_from([splits, cropzoom, weights, torch_weights]), st.integers(0, 1 << 20))
def test_a_flipped_bit_is_refused_or_changes_nothing(kind, bit) -> None:
    """It changes nothing in the name of the checksum itself, in padding, or in what torch does not read."""
    with TemporaryDirectory() as folder:
        path, read = kind(Path(folder))
        whole = read()
        flip(path, bit)
        try:
            assert read() == whole
        except UserError as error:
            assert path.name in str(error)


@pytest.mark.parametrize("kind", [splits, cropzoom, weights, torch_weights])
def test_flipped_bits_are_mostly_refused(kind, tmp_path) -> None:
    """Lest the test above pass for nothing."""
    path, read = kind(tmp_path)
    whole, refused = path.read_bytes(), 0
    for bit in range(3, 8 * len(whole), max(8 * len(whole) // 50, 1)):
        flip(path, bit)
        try:
            read()
        except UserError:
            refused += 1
        path.write_bytes(whole)
    assert refused >= 15


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 1 << 20))
def test_crops_with_a_damaged_manifest_are_made_again(bit) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "crops.json"
        write_manifest(MANIFEST, path)
        assert read_manifest(path) == MANIFEST
        flip(path, bit)
        found = read_manifest(path)
        if found is None:
            assert damaged_crops(path) == [str(path)]
        else:  # a bit of the checksum's own name
            assert {key: found[key] for key in MANIFEST} == MANIFEST


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 20))
def test_a_damaged_checkpoint_starts_afresh(bit) -> None:
    with TemporaryDirectory() as folder:
        path, content = Path(folder) / "last.ckpt", {"origin": {}, "module": {"a": torch.arange(50.0)}}
        torch.save(content, path)
        flip(path, bit)
        found = read_checkpoint(path, {})
        assert found is None or torch.equal(found["module"]["a"], content["module"]["a"])


def test_seals_hold_and_are_not_needed() -> None:
    content = {"b": 1.5, "a": [1, {"c": None}], "é": "x"}
    assert unseal(json.loads(json.dumps(seal(content)))) == content
    assert unseal(content) == content
    assert unseal({**seal(content), "b": 1.6}) is None
    assert unseal([1]) is None


@pytest.fixture
def scored(tmp_path):
    """Predictions that a command scored, so that a folder tells of the errors."""
    write_labels(LABELS, tmp_path / "labels.csv")
    predictions = Predictions(LABELS.image_paths, ["beak"], np.full((2, 1, 2), 3.25), np.ones((2, 1)))
    write_predictions(predictions, tmp_path / "predictions.csv")
    (tmp_path / "bbox.csv").write_text(",x,y,h,w\na.png,1,2,16,16\nb.png,1,2,16,16\n")
    run = ["remap", str(tmp_path / "predictions.csv"), str(tmp_path / "bbox.csv"), "--crop_size", "32x32"]
    assert main([*run, "--output", str(tmp_path / "remapped.csv")]) == 0
    return tmp_path


def test_predictions_that_changed_since_are_named(scored, capsys) -> None:
    score = ["score", str(scored / "remapped.csv"), str(scored / "labels.csv")]
    assert main(score) == 0
    assert "damaged" not in capsys.readouterr().err
    text = (scored / "remapped.csv").read_text()
    (scored / "remapped.csv").write_text(text.replace("2.375", "2.5", 1))
    assert main(score) == 0
    assert "remapped.csv: not what the command wrote" in capsys.readouterr().err


def test_what_a_command_writes_anew_is_its_own(scored, capsys) -> None:
    (scored / "remapped.csv").write_text("damaged")
    run = ["remap", str(scored / "predictions.csv"), str(scored / "bbox.csv"), "--crop_size", "16x16"]
    assert main([*run, "--output", str(scored / "remapped.csv")]) == 0
    assert main(["score", str(scored / "remapped.csv"), str(scored / "labels.csv")]) == 0
    assert "not what the command wrote" not in capsys.readouterr().err
