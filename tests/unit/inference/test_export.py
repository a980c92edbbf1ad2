"""An exported network gives torch's keypoints, or nothing is written."""

import importlib.util
import json

import numpy as np
import pytest
import torch

from lightning_pose.cli.main import main
from lightning_pose.inference import export
from lightning_pose.inference.export import INPUT, OPSET, OUTPUTS, _by_onnx, _by_torch, _write
from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.runtimes.base import TrainedNetwork
from lightning_pose.io.labels import read_labels
from lightning_pose.io.provenance import read_provenance
from lightning_pose.models.network import PoseNetwork, image_shape
from lightning_pose.settings import ModelSettings, ModelType, Weights


@pytest.mark.slow
@pytest.mark.parametrize("kind", ModelType)
def test_every_type_of_network_takes_batches_of_any_size(kind, tmp_path) -> None:
    torch.manual_seed(0)
    settings = ModelSettings("mobilenetv3_small_050", Weights.random, model_type=kind, head_channels=8)
    network = PoseNetwork(settings, 3, 4, pretrained=False, image_hw=(64, 96)).eval()
    own = TrainedNetwork(lambda: network, torch.device("cpu"), image_shape(kind, (64, 96)), "")
    _write(own, ["a", "b", "c"], tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (count, *own.image_shape), dtype=np.uint8) for count in (1, 5, 2)]
    exact, found = _by_torch(own, batches), _by_onnx(tmp_path / "model.onnx", batches)
    assert found[0].shape == (8, 3, 2) and found[1].shape == (8, 3)
    np.testing.assert_allclose(found[0], exact[0], atol=0.02)  # flat heatmaps of random weights
    np.testing.assert_allclose(found[1], exact[1], atol=1e-4)


@pytest.mark.slow
def test_heatmaps_of_one_cell_have_a_keypoint_too(tmp_path) -> None:
    """The exporter leaves out additions of next to nothing, which a division may have depended on."""
    torch.manual_seed(0)
    settings = ModelSettings("mobilenetv3_small_050", Weights.random, head_channels=8)
    network = PoseNetwork(settings, 3, 4, pretrained=False, image_hw=(64, 96)).eval()
    network.head.predict.linear.weight.data *= 1e6
    own = TrainedNetwork(lambda: network, torch.device("cpu"), (3, 64, 96), "")
    _write(own, ["a", "b", "c"], tmp_path / "model.onnx")
    batches = [np.random.default_rng(0).integers(0, 256, (3, 3, 64, 96), dtype=np.uint8)]
    exact, found = _by_torch(own, batches), _by_onnx(tmp_path / "model.onnx", batches)
    assert exact[1].min() > 0.99
    np.testing.assert_allclose(found[0], exact[0], atol=0.02)


@pytest.mark.slow
def test_the_command_exports_and_reports(trained, tmp_path, capsys) -> None:
    import onnx
    import onnxruntime

    output = tmp_path / "square.onnx"
    assert trained.run("export", trained.detector, "--output", output, "--frames", 5) == 0
    shown, report = capsys.readouterr().out, json.loads((tmp_path / "square.parity.json").read_text())
    assert report["images"] == 5 and report["keypoints"] > 5 and report["opset"] == OPSET
    assert report["median_px"] < 0.001 and f"| {report['keypoints']} | {report['median_px']:.5f} |" in shown
    assert set(read_provenance(tmp_path)["files"]) == {"square.onnx", "square.parity.json"}
    model = onnx.load(output)
    assert {own.key: own.value for own in model.metadata_props}["keypoint_names"] == "square,cross"
    assert [own.version for own in model.opset_import if own.domain == ""] == [OPSET]
    names, folder = read_labels(trained.data / "labels_new.csv").image_paths, trained.data
    predictor = Predictor(trained.detector)
    expected, session = predictor.predict_images(names, folder), onnxruntime.InferenceSession(str(output))
    found = [
        session.run(OUTPUTS, {INPUT: np.ascontiguousarray(own)})
        for own, _ in predictor.batches(names, folder)
    ]
    keypoints_model_px = np.concatenate([own[0] for own in found])
    keypoints_px = (keypoints_model_px + 0.5) * [96 / 64, 80 / 64] - 0.5
    np.testing.assert_allclose(keypoints_px, expected.keypoints_px, atol=0.01)


@pytest.mark.slow
def test_a_network_that_finds_other_keypoints_is_not_written(trained, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(export, "_write", lambda trained, names, path: path.write_bytes(b"onnx"))
    exact = export._by_torch
    shifted = {"px": 0.06}

    def found(_, batches):
        keypoints, confidence = exact(Predictor(trained.detector).trained, batches)
        return keypoints + [shifted["px"], 0], confidence

    monkeypatch.setattr(export, "_by_onnx", found)
    output = tmp_path / "a.onnx"
    assert trained.run("export", trained.detector, "--output", output) == 2
    expected = "a.onnx: expected torch's keypoints to 0.05 px (median) and 0.5 px (99 %), found 0.060 px"
    assert expected in capsys.readouterr().err and not list(tmp_path.iterdir())
    shifted["px"] = 0.04
    assert trained.run("export", trained.detector, "--output", output) == 0
    assert json.loads((tmp_path / "a.parity.json").read_text())["max_px"] == pytest.approx(0.04, abs=1e-4)


def test_missing_packages_are_named(tmp_path, capsys, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "onnxscript" else find(name, *rest)
    )
    assert main(["export", str(tmp_path), "--output", str(tmp_path / "a.onnx")]) == 2
    shown = capsys.readouterr().err
    assert "pip install 'lightning-pose-cropzoom[onnx]', found no onnxscript" in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "model.pt"], "--output: expected a name that ends in .onnx, found model.pt"),
        (["--output", "a.onnx", "--frames", "0"], "--frames: expected at least 1, found 0"),
        (["--output", "a.onnx"], "expected a trained model's folder with config.yaml"),
    ],
)
def test_bad_input(tmp_path, capsys, arguments, message) -> None:
    assert main(["export", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_cropzoom_model_is_two_networks(tmp_path, capsys) -> None:
    (tmp_path / "cropzoom.json").write_text("{}")
    assert main(["export", str(tmp_path), "--output", str(tmp_path / "a.onnx")]) == 2
    assert "expected the folder of one network, not of two" in capsys.readouterr().err
