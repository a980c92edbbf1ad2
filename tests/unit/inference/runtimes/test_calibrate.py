"""The fastest runtime is chosen of those that are exact, and remembered."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.inference import film_run
from lightning_pose.inference.film_run import origin_of_film, settle_runtimes
from lightning_pose.inference.predict import Predictor, VideoPredictor
from lightning_pose.inference.runtimes import calibrate as calibration
from lightning_pose.inference.runtimes.base import TrainedNetwork
from lightning_pose.inference.runtimes.calibrate import calibrate, remembered
from lightning_pose.inference.runtimes.choose import runtime_for_images, runtime_for_video
from lightning_pose.inference.runtimes.parity import compare
from lightning_pose.inference.video import film_of
from lightning_pose.io.files import write_json
from lightning_pose.io.video import Video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.machine import cache_dir
from lightning_pose.settings import RuntimeName
from lightning_pose.types import UserError
from tests.unit.inference.fakes import Fake, joined

TRAINED = TrainedNetwork(lambda: None, torch.device("cpu"), (3, 32, 32), "weights")
IMAGES = np.zeros((8, 3, 32, 32), np.uint8)
NAMES = [name for name in RuntimeName if name is not RuntimeName.auto]


class Clock:
    """Goes on as far as the runtimes take, however busy the machine is."""

    now = 0.0

    def perf_counter(self):
        return self.now


CLOCK = Clock()


class FakeRuntime:
    """Finds keypoints that are off by `shift_px`, after `seconds`; fails without any."""

    def __init__(self, seconds=None, shift_px=0.0, confidence=1.0, count=4):
        self.seconds, self.shift_px, self.confidence, self.count = seconds, shift_px, confidence, count

    def build(self, trained):
        if self.seconds is None:
            raise RuntimeError("cannot translate aten::thing\nin many lines")
        return self

    def __call__(self, images):
        CLOCK.now += self.seconds
        keypoints = np.full((len(images), self.count, 2), 10.0, np.float32) + [self.shift_px, 0]
        return keypoints, np.full((len(images), self.count), self.confidence, np.float32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(calibration, "time", CLOCK)
    monkeypatch.setattr(calibration, "RACE_S", 0.0)
    monkeypatch.setattr(calibration, "missing", lambda name, device: None)


@pytest.fixture
def runtimes(monkeypatch):
    """Set what each runtime is; those that are not named fail."""

    def use(**own):
        there = {name: own.get(name.value, FakeRuntime()) for name in NAMES}
        monkeypatch.setattr(calibration, "runtime_of", there.__getitem__)

    return use


def test_the_fastest_is_chosen_of_those_that_are_exact(runtimes) -> None:
    runtimes(
        torch=FakeRuntime(0.05),
        torch_bf16=FakeRuntime(0.001, 0.06),  # beyond 0.05 px
        torch_mixed=FakeRuntime(0.01, 0.04),
        openvino_bf16=FakeRuntime(0.001, 3.0),
        openvino_mixed=FakeRuntime(0.004, 0.04),
        openvino=FakeRuntime(0.006),
    )
    assert calibrate(TRAINED, IMAGES) is RuntimeName.openvino_mixed
    (file,) = cache_dir().glob("runtimes/*.json")
    content = json.loads(file.read_text())
    assert content["runtime"] == "openvino_mixed"
    assert set(content["images_per_s"]) == {"torch", "torch_mixed", "openvino_mixed", "openvino"}
    assert content["parity"]["torch_bf16"]["median_px"] == pytest.approx(0.06, abs=1e-5)
    assert remembered(TRAINED) is RuntimeName.openvino_mixed


@pytest.mark.parametrize(("exact", "expected"), [(True, "openvino_bf16"), (False, "openvino")])
def test_other_formats_are_tried_only_where_the_first_is_not_exact(runtimes, exact, expected) -> None:
    runtimes(
        torch=FakeRuntime(0.05),
        openvino_bf16=FakeRuntime(0.001, 0.0 if exact else 3.0),
        openvino_mixed=FakeRuntime(0.008, 0.01),
        openvino=FakeRuntime(0.004),  # mixed is slower than it for some networks
    )
    assert calibrate(TRAINED, IMAGES) is RuntimeName(expected)
    (file,) = cache_dir().glob("runtimes/*.json")
    others = {"openvino_mixed", "openvino"} & set(json.loads(file.read_text())["parity"])
    assert bool(others) is not exact


FLIPPED = 200  # grey level


class Flips(FakeRuntime):
    """Misses the only keypoint of images whose first pixel says so, and notes what it was given."""

    def __init__(self, seconds):
        super().__init__(seconds, count=1)
        self.batches = []

    def __call__(self, images):
        first = images[:, 0, 0, 0]
        self.batches.append(first.copy())
        keypoints, confidence = super().__call__(images)
        keypoints[first == FLIPPED] += 30
        return keypoints, confidence


@pytest.mark.parametrize(
    ("flipped", "expected"), [((), "openvino"), ((10, 95), "torch"), ((96,), "openvino")]
)
def test_images_from_the_first_to_the_last_are_compared(runtimes, flipped, expected) -> None:
    images = np.zeros((240, 3, 32, 32), np.uint8)
    images[list(flipped), 0, 0, 0] = FLIPPED
    fast = Flips(0.001)
    runtimes(torch=FakeRuntime(0.01, count=1), openvino=fast)
    assert calibrate(TRAINED, images) is RuntimeName(expected)
    compared = np.concatenate(fast.batches[2:8])  # after one that warms up, and one that is timed
    assert max(map(len, fast.batches)) <= calibration.BATCH and len(compared) == calibration.MOST_IMAGES


def test_a_slow_machine_compares_fewer_images(runtimes) -> None:
    slow, fast = Flips(10.0), FakeRuntime(1.0, count=1)
    runtimes(torch=slow, openvino=fast)
    images = np.arange(96, dtype=np.uint8)[:, None, None, None] * np.ones((3, 32, 32), np.uint8)
    calibrate(TRAINED, images)
    compared = slow.batches[2]  # after one that warms up, and one that is timed
    assert len(compared) == calibration.FEWEST_IMAGES
    assert (compared[0], compared[-1]) == (0, 95)


def test_a_runtime_that_is_far_slower_is_given_up_after_a_batch(runtimes) -> None:
    slow = Flips(0.05)
    runtimes(torch=FakeRuntime(0.02, count=1), torch_bf16=slow, openvino=FakeRuntime(0.01, count=1))
    assert calibrate(TRAINED, np.zeros((64, 3, 32, 32), np.uint8)) is RuntimeName.openvino
    assert list(map(len, slow.batches)) == [1, calibration.BATCH]


@pytest.mark.parametrize("seconds", [0.02, 0.04])
def test_torch_stays_where_nothing_is_faster(runtimes, seconds) -> None:
    runtimes(torch=FakeRuntime(0.02), openvino=FakeRuntime(seconds))
    assert calibrate(TRAINED, IMAGES) is RuntimeName.torch
    assert remembered(TRAINED) is RuntimeName.torch


def test_a_runtime_that_fails_is_not_chosen(runtimes, caplog) -> None:
    runtimes(torch=FakeRuntime(0.001))
    with caplog.at_level("DEBUG", logger="lightning_pose"):
        assert calibrate(TRAINED, IMAGES) is RuntimeName.torch
    assert "openvino failed: cannot translate aten::thing" in caplog.text


@pytest.mark.parametrize(("count", "confidence"), [(8, 0.01), (3, 1.0), (1, 1.0)])
def test_too_few_keypoints_say_nothing(runtimes, count, confidence) -> None:
    runtimes(torch=FakeRuntime(0.01, 0.0, confidence), openvino=FakeRuntime(1e-4, 0.0, confidence))
    assert calibrate(TRAINED, IMAGES[:count]) is None
    assert remembered(TRAINED) is None


def test_what_is_remembered_is_of_this_network_and_machine(runtimes, monkeypatch) -> None:
    runtimes(torch=FakeRuntime(0.02), openvino=FakeRuntime(1e-4))
    assert calibrate(TRAINED, IMAGES) is RuntimeName.openvino
    others = [("weights", (3, 64, 64)), ("others", (3, 32, 32))]
    for identity, shape in others:
        assert remembered(TrainedNetwork(lambda: None, TRAINED.device, shape, identity)) is None
    for name, value in (("cpu_model", "another"), ("job_cores", 99), ("package_version", "0")):
        with monkeypatch.context() as patch:
            patch.setattr(calibration, name, lambda *_, value=value: value)
            assert remembered(TRAINED) is None
    assert remembered(TRAINED) is RuntimeName.openvino


@pytest.mark.parametrize("content", [{"runtime": "tensorrt"}, {"runtime": "auto"}, {}, [], "text"], ids=str)
def test_a_damaged_memory_is_none(content) -> None:
    write_json(content, calibration._memory(TRAINED))
    assert remembered(TRAINED) is None


def test_a_runtime_that_is_gone_is_not_remembered(monkeypatch) -> None:
    write_json({"runtime": "openvino"}, calibration._memory(TRAINED))
    assert remembered(TRAINED) is RuntimeName.openvino
    monkeypatch.setattr(calibration, "missing", lambda name, device: "not installed")
    assert remembered(TRAINED) is None


def test_images_are_left_to_torch_and_gpus_are_not_tried(monkeypatch) -> None:
    assert runtime_for_images(RuntimeName.auto, TRAINED.device) is RuntimeName.torch
    assert runtime_for_images(RuntimeName.torch_bf16, TRAINED.device) is RuntimeName.torch_bf16
    assert runtime_for_video(RuntimeName.auto, TRAINED) is None
    on_gpu = TrainedNetwork(lambda: None, torch.device("cuda"), (3, 32, 32), "weights")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert runtime_for_video(RuntimeName.auto, on_gpu) is RuntimeName.torch_mixed
    with pytest.raises(UserError, match="openvino: it computes on CPUs alone"):
        runtime_for_video(RuntimeName.openvino, on_gpu)


@given(st.floats(0, 2), st.integers(1, 60))
def test_distances_are_those_of_confident_keypoints(shift_px, count) -> None:
    rng = np.random.default_rng(count)
    keypoints, confidence = rng.normal(50, 20, (count, 3, 2)), np.tile([0.9, 0.01, 0.06], (count, 1))
    moved = keypoints + [0, shift_px]
    moved[:, 1] = np.nan  # of keypoints that are not seen
    parity = compare((keypoints, confidence), (moved, confidence))
    assert parity.keypoints == 2 * count and parity.max_confidence == 0
    assert parity.median_px == pytest.approx(shift_px) and parity.max_px == pytest.approx(shift_px)
    assert parity.is_close == (parity.median_px <= 0.05)


def test_one_keypoint_in_a_hundred_may_jump_and_none_may_be_lost() -> None:
    keypoints, confidence = np.zeros((300, 1, 2)), np.ones((300, 1))
    moved = keypoints.copy()
    moved[:2] = 30
    assert compare((keypoints, confidence), (moved, confidence)).is_close
    moved[:9] = np.nan
    assert not compare((keypoints, confidence), (moved, confidence)).is_close
    assert not compare((keypoints[:0], confidence[:0]), (keypoints[:0], confidence[:0])).is_close


@pytest.mark.parametrize("frames", [3, 40, 200, 3000])
def test_networks_look_at_a_film_from_its_beginning_to_its_end(monkeypatch, frames) -> None:
    model = joined(Fake(16, context=False), Fake(16, context=True))
    looked = []
    facts = SimpleNamespace(path=Path("film.mp4"), frame_count=frames)
    monkeypatch.setattr(film_run, "open_video", lambda *_: Film(facts, looked))
    for own in (model.detector, model.pose):
        monkeypatch.setattr(own, "is_open", True)
    settle_runtimes(model.film(facts))
    assert min(looked) == 0 and max(looked) >= frames - 2 * film_run.STRETCH
    assert model.pose.seen == min(max(frames // 64, 1), 4) * min(frames, film_run.STRETCH)
    assert model.detector.seen <= 3 * model.pose.seen


class Film(Video):
    """Frames of one grey each; notes which were read."""

    def __init__(self, facts, looked):
        super().__init__(facts)
        self.looked = looked

    def frame_hw(self):
        return 48, 64

    def _read(self, start, count):
        self.looked += range(start, start + count)
        return np.full((count, 48, 64, 3), 100, np.uint8)

    def close(self):
        """Nothing is open."""


@pytest.mark.slow
def test_a_network_that_sees_single_frames_keeps_no_more_than_are_compared(trained) -> None:
    own = Predictor(trained.detector, ["inference.runtime=auto"]).for_video()
    image, size = np.zeros((1, 3, 64, 64), np.uint8), np.array([[64.0, 64.0]])
    for _ in range(calibration.MOST_IMAGES + 5):
        own.predict_batch(image, size)
    assert len(own._seen) == calibration.MOST_IMAGES


@pytest.mark.slow
def test_a_film_settles_the_runtime_once_and_its_parts_depend_on_it(trained, film, monkeypatch) -> None:
    tried = []

    def fake(network, images):
        tried.append(images.shape)
        return RuntimeName.torch_bf16

    monkeypatch.setattr("lightning_pose.inference.predict.calibrate", fake)
    own = Predictor(trained.detector, ["inference.runtime=auto"])
    facts = probe_video(film[0])
    assert own.for_video(is_shared=True) is own and own.runtime is RuntimeName.torch
    first = film_of(own, facts)
    assert isinstance(first.pose, VideoPredictor) and first.pose.is_open
    before = origin_of_film(first)
    settle_runtimes(first)
    assert tried == [(11, 3, 64, 64)] and first.pose.runtime is RuntimeName.torch_bf16
    after = origin_of_film(first)
    assert {key for key in before if before[key] != after[key]} == {"runtime of the model"}
    settle_runtimes(film_of(own, facts))
    assert len(tried) == 1 and own.runtime is RuntimeName.torch
