"""Every runtime finds what torch finds in float32, for any batch and every type of network."""

import builtins
import ctypes
import gc
import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.runtimes import openvino_runtime
from lightning_pose.inference.runtimes.base import TrainedNetwork
from lightning_pose.inference.runtimes.registry import all_names, check_runtime, missing, runtime_of
from lightning_pose.io.labels import read_labels
from lightning_pose.machine import cache_dir
from lightning_pose.models import hardware
from lightning_pose.models.network import PoseNetwork, image_shape
from lightning_pose.settings import ModelSettings, ModelType, RuntimeName, Weights
from lightning_pose.types import UserError

CPU = torch.device("cpu")
EXACT = [RuntimeName.torch, RuntimeName.openvino]
ROUNDED = [name for name in RuntimeName if name not in (*EXACT, RuntimeName.auto)]


def network_of(kind, backbone="mobilenetv3_small_050", size=(64, 96), stride=4):
    torch.manual_seed(0)
    settings = ModelSettings(backbone, Weights.random, model_type=kind, head_channels=16)
    network = PoseNetwork(settings, 3, stride, pretrained=False, image_hw=size).eval()
    return TrainedNetwork(lambda: network, CPU, image_shape(kind, size), f"{kind} {backbone} {size} {stride}")


def skip_where_missing(runtime):
    lacks = runtime.missing(CPU)
    if lacks:
        pytest.skip(lacks)


@pytest.mark.parametrize("kind", ModelType)
@pytest.mark.parametrize("name", [name for name in RuntimeName if name is not RuntimeName.auto])
def test_batches_of_any_size_give_what_the_network_gives(kind, name) -> None:
    own, runtime = network_of(kind), runtime_of(name)
    skip_where_missing(runtime)
    session = runtime.build(own)
    rng = np.random.default_rng(0)
    for count in (1, 5, 2):
        images = rng.integers(0, 256, (count, *own.image_shape), dtype=np.uint8)
        with torch.inference_mode():
            expected = own.network.decode(own.network(torch.from_numpy(images)))
        keypoints_model_px, confidence = session(images)
        assert keypoints_model_px.dtype == confidence.dtype == np.float32
        assert keypoints_model_px.shape == (count, 3, 2) and confidence.shape == (count, 3)
        if name in EXACT:
            np.testing.assert_allclose(keypoints_model_px, expected[0].numpy(), atol=0.02)
            np.testing.assert_allclose(confidence, expected[1].numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "stride"),
    [("resnet18", 2), ("resnet18", 8), pytest.param("vit_small_patch14_dinov2", 2, marks=pytest.mark.slow)],
)
def test_openvino_takes_other_backbones_and_strides(backbone, stride) -> None:
    own = network_of(ModelType.heatmap, backbone, (64, 64), stride)
    images = np.random.default_rng(1).integers(0, 256, (2, *own.image_shape), dtype=np.uint8)
    exact, found = (runtime_of(name).build(own)(images) for name in EXACT)
    np.testing.assert_allclose(found[0], exact[0], atol=0.05)


@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_numbers_move_keypoints_by_little(trained, name) -> None:
    skip_where_missing(runtime_of(name))
    labels = read_labels(trained.data / "labels.csv")
    exact = Predictor(trained.detector)
    other = Predictor(trained.detector, [f"inference.runtime={name.value}"])
    assert (exact.runtime, other.runtime) == (RuntimeName.torch, name)
    first, second = (own.predict_images(labels.image_paths, trained.data) for own in (exact, other))
    distance = np.linalg.norm(first.keypoints_px - second.keypoints_px, axis=-1)
    assert 0 < np.median(distance) < 0.5


def test_images_that_are_views_of_others_are_read_right() -> None:
    own = network_of(ModelType.heatmap)
    images = np.random.default_rng(2).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8).transpose(0, 3, 1, 2)
    session = runtime_of(RuntimeName.openvino).build(own)
    np.testing.assert_array_equal(session(images)[0], session(images.copy())[0])


def test_what_a_session_gave_stays_as_it_was() -> None:
    own = network_of(ModelType.heatmap)
    session = runtime_of(RuntimeName.openvino).build(own)
    first = session(np.zeros((2, *own.image_shape), np.uint8))[0]
    kept = first.copy()
    session(np.full((2, *own.image_shape), 200, np.uint8))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("name", [name for name in RuntimeName if name is not RuntimeName.auto])
def test_threads_that_share_a_session_get_their_own_keypoints(name) -> None:
    own, runtime = network_of(ModelType.heatmap), runtime_of(name)
    skip_where_missing(runtime)
    session = runtime.build(own)
    images = np.random.default_rng(4).integers(0, 256, (60, 1, *own.image_shape), dtype=np.uint8)
    expected = [session(image)[0] for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: session(image)[0], images))
    np.testing.assert_allclose(np.stack(found), np.stack(expected), atol=1e-3)


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_dir() / "openvino"


def test_a_network_is_translated_once(fresh_cache, monkeypatch) -> None:
    own = network_of(ModelType.heatmap)
    images = np.zeros((1, *own.image_shape), np.uint8)
    expected = runtime_of(RuntimeName.openvino).build(own)(images)
    assert len(list(fresh_cache.iterdir())) == 1
    monkeypatch.setattr(openvino_runtime, "_translate", None)  # would fail
    found = runtime_of(RuntimeName.openvino).build(own)(images)
    np.testing.assert_array_equal(found[0], expected[0])


def test_a_network_of_another_timm_is_translated_anew(fresh_cache, monkeypatch) -> None:
    own = network_of(ModelType.regression)
    runtime_of(RuntimeName.openvino).build(own)
    version = openvino_runtime.package_version
    monkeypatch.setattr(
        openvino_runtime, "package_version", lambda name: "0.1" if name == "timm" else version(name)
    )
    runtime_of(RuntimeName.openvino).build(own)
    assert len(list(fresh_cache.iterdir())) == 2


def flipped(content: bytes) -> bytes:
    """Make a weight of a translated network huge, as one bit does."""
    return content[:5003] + bytes([content[5003] ^ 0x40]) + content[5004:]


@pytest.mark.parametrize(
    ("files", "spoil"),
    [("*", lambda content: content[:100]), ("*.bin", flipped), ("*.json", lambda content: b"[]")],
)
def test_a_damaged_cache_is_made_anew(fresh_cache, files, spoil) -> None:
    own = network_of(ModelType.heatmap)
    images = np.zeros((1, *own.image_shape), np.uint8)
    expected = runtime_of(RuntimeName.openvino).build(own)(images)
    whole = {file: file.read_bytes() for file in fresh_cache.glob("*/*")}
    for file in fresh_cache.glob(f"*/{files}"):
        file.write_bytes(spoil(whole[file]))
    found = runtime_of(RuntimeName.openvino).build(own)(images)
    np.testing.assert_array_equal(found[0], expected[0])
    (weights,) = fresh_cache.glob("*/*.bin")
    assert weights.read_bytes() == whole[weights]


def test_a_cache_that_cannot_be_written_to_is_done_without(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    own = network_of(ModelType.heatmap)
    assert runtime_of(RuntimeName.openvino).build(own)(np.zeros((1, *own.image_shape), np.uint8))


def test_old_translations_are_thrown_away(fresh_cache, monkeypatch) -> None:
    monkeypatch.setattr(openvino_runtime, "LARGEST_CACHE", 1)
    for size in (32, 64):
        runtime_of(RuntimeName.openvino).build(network_of(ModelType.regression, size=(size, 64)))
    assert len(list(fresh_cache.iterdir())) == 1


def without_openvino(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "openvino" else find(name, *rest)
    )


def test_a_runtime_that_is_not_there_is_refused_by_name(monkeypatch) -> None:
    without_openvino(monkeypatch)
    expected = r"inference\.runtime: expected one that works here \(torch, torch_mixed, torch_bf16\), found "
    with pytest.raises(UserError, match=expected + "openvino: the package openvino is not installed"):
        check_runtime(RuntimeName.openvino, CPU)


def test_bfloat16_by_openvino_needs_units_for_it(monkeypatch) -> None:
    monkeypatch.setattr(hardware, "cpu_has_bf16", lambda: False)
    assert runtime_of(RuntimeName.openvino).missing(CPU) is None
    assert "bfloat16" in runtime_of(RuntimeName.openvino_mixed).missing(CPU)


def test_openvino_leaves_gpus_to_torch() -> None:
    there = [name for name in all_names() if missing(name, torch.device("cuda")) is None]
    assert there == [RuntimeName.torch, RuntimeName.torch_mixed, RuntimeName.torch_bf16]


def test_openvino_is_only_imported_where_it_computes(monkeypatch) -> None:
    load, asked = builtins.__import__, []
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: asked.append(name) or load(name, *rest))
    own = network_of(ModelType.regression)
    for name in sys.modules.keys() & {"openvino"}:
        monkeypatch.delitem(sys.modules, name)
    runtime_of(RuntimeName.torch_mixed).build(own)(np.zeros((1, *own.image_shape), np.uint8))
    assert "openvino" not in asked


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_signals_are_still_handled_after_networks_have_come_and_gone() -> None:
    """OpenVINO replaces the stack of the thread's signal handlers, and has to put the right one back."""
    built = [runtime_of(RuntimeName.openvino).build(network_of(ModelType.regression)) for _ in range(3)]
    built.pop(0)
    built.clear()
    gc.collect()
    stack = SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    if stack.place is not None:
        assert any(first <= stack.place < end for first, end in mapped())


class SignalStack(ctypes.Structure):
    """C's `stack_t`."""

    _fields_ = (("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def mapped() -> list[tuple[int, int]]:
    """Return the places of this process' memory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [tuple(int(place, 16) for place in line.split()[0].split("-")) for line in lines]


def test_the_command_names_a_runtime(trained, tmp_path, capsys) -> None:
    csv = tmp_path / "predictions.csv"
    arguments = ("predict", trained.detector, "labels_new.csv", "--output", csv)
    assert trained.run(*arguments, "--runtime", "torch-mixed") == 0
    mixed = csv.read_text()
    assert trained.run(*arguments) == 0
    assert csv.read_text() != mixed
    assert trained.run(*arguments, "--runtime", "tensorrt") == 2
    assert "inference.runtime: expected one of auto, torch, torch_mixed" in capsys.readouterr().err
