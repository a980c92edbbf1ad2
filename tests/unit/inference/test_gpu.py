"""On a GPU, networks find what they find on the CPU, and trainings end as well."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_pose.inference import predict
from lightning_pose.inference.cropzoom import CropZoomModel
from lightning_pose.inference.cropzoom_run import create_cropzoom
from lightning_pose.io.labels import read_labels
from lightning_pose.settings import Precision, VideoLibrary
from lightning_pose.training.fit import fit
from tests.unit.io.films import write_film
from tests.unit.training.squares import tiny_settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
NEAR_PX = 0.05


def on(monkeypatch, device: str) -> None:
    monkeypatch.setattr(predict, "pick_device", lambda: torch.device(device))


def test_a_video_has_the_same_keypoints(trained, film, tmp_path, monkeypatch) -> None:
    create_cropzoom(trained.detector, trained.pose, tmp_path / "cropzoom")
    found = {}
    for device in ("cpu", "cuda"):
        on(monkeypatch, device)
        found[device] = CropZoomModel.from_dir(tmp_path / "cropzoom").predict_video(film[0])
    assert np.abs(found["cuda"].keypoints_px - found["cpu"].keypoints_px).max() < NEAR_PX
    np.testing.assert_allclose(found["cuda"].confidence, found["cpu"].confidence, atol=0.01)


def test_images_have_the_same_keypoints(trained, monkeypatch) -> None:
    labels = read_labels(trained.data / "labels_new.csv")
    found = []
    for device in ("cpu", "cuda"):
        on(monkeypatch, device)
        own = predict.Predictor(trained.detector)
        assert own.device.type == device
        found.append(own.predict_images(labels.image_paths, trained.data).keypoints_px)
    assert np.abs(found[1] - found[0]).max() < NEAR_PX


def test_a_detector_learns_in_bfloat16(trained, tmp_path) -> None:
    labels = read_labels(trained.data / "labels.csv")
    settings = tiny_settings(trained.data, precision=Precision.bf16, max_steps=100, check_val_every_n_epoch=5)
    fit(settings, labels, tmp_path / "model")
    new = read_labels(trained.data / "labels_new.csv")
    found = predict.Predictor(tmp_path / "model").predict_images(new.image_paths, trained.data)
    errors = np.linalg.norm(found.keypoints_px - new.keypoints_px, axis=-1)
    own = predict.Predictor(trained.detector).predict_images(new.image_paths, trained.data)
    on_cpu = np.linalg.norm(own.keypoints_px - new.keypoints_px, axis=-1)
    assert np.median(errors) < 2 * np.median(on_cpu) + 1


@pytest.mark.parametrize("library", [VideoLibrary.opencv, VideoLibrary.dali])
@pytest.mark.parametrize("workers", [None, 0, 2])
def test_unlabelled_video_is_learned_from(trained, tmp_path, library, workers) -> None:
    if library is VideoLibrary.dali:
        pytest.importorskip("nvidia.dali", reason="DALI is not installed (the gpu extra)")
    data = shutil.copytree(trained.data, tmp_path / "data")
    write_film(data / "videos" / "a.mp4", 12)
    settings = tiny_settings(data, precision=Precision.bf16, max_steps=5, num_workers=workers)
    settings = replace(
        settings,
        data=replace(settings.data, video_dir="videos"),
        model=replace(settings.model, losses_to_use=["temporal"]),
    )
    settings.dali.library = library
    settings.dali.base.train.sequence_length = 4
    fit(settings, read_labels(data / "labels.csv"), tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").is_file()
