"""Members without gaps, which keypoints go together, the files, and the real smoother where there is one."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lightning_pose
from lightning_pose.cli.main import main
from lightning_pose.inference import smooth, smooth_run
from lightning_pose.inference.ensemble import average_members, member_variance
from lightning_pose.inference.smooth import fill_gaps, smooth_members
from lightning_pose.io.predictions import SMOOTHED, read_predictions, write_predictions
from lightning_pose.settings import Average
from lightning_pose.types import Predictions, UserError

NAN = float("nan")
NAMES = ["beak", "tail", "beak_mirrored", "tail_mirrored"]
ROOT = Path(lightning_pose.__file__).parents[1]
SMOOTHER = shutil.which(os.environ.get("EKS_PYTHON", str(ROOT / ".venv-eks" / "bin" / "python")))
HAS_SMOOTHER = SMOOTHER is not None and not subprocess.run(
    [SMOOTHER, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('eks') is None)"]
).returncode  # fmt: skip
needs_smoother = pytest.mark.skipif(not HAS_SMOOTHER, reason="no ensemble-kalman-smoother (make eks)")


def write_members(folder: Path, keypoints_px, confidence, names=NAMES, first=0) -> list[Path]:
    paths = []
    for seed, (own, sure) in enumerate(zip(keypoints_px, confidence, strict=True)):
        paths.append(folder / f"member_{seed}.csv")
        index = list(range(first, first + len(own)))
        write_predictions(Predictions(index, names[: own.shape[1]], own, sure), paths[-1])
    return paths


def walk(frames: int, seed: int = 0) -> np.ndarray:
    """Return a walk of two points in space, seen in two views: the truth, (T, 4, 2)."""
    rng = np.random.default_rng(seed)
    points = np.cumsum(rng.normal(0, 1, (frames, 2, 3)), axis=0) + 200
    seen = [points[..., [0, 1]], points[..., [0, 2]] + 30]
    return np.concatenate(seen, axis=1)


def noisy_members(truth_px: np.ndarray, members: int = 4, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return members that are right within 2 px, in one frame of ten within 20 px, and disagree as much."""
    rng = np.random.default_rng(seed)
    spread_px = np.where(rng.random(truth_px.shape[:2]) < 0.1, 20.0, 2.0)
    keypoints_px = truth_px + rng.normal(size=(members, *truth_px.shape)) * spread_px[..., None]
    return keypoints_px, np.full(keypoints_px.shape[:3], 0.9)


# members without gaps


def test_members_that_predict_everything_stay_as_they_are() -> None:
    keypoints_px, confidence = noisy_members(walk(20))
    filled_px, trust = fill_gaps(keypoints_px, confidence)
    np.testing.assert_array_equal(filled_px, keypoints_px)
    np.testing.assert_array_equal(trust, confidence)


def test_a_gap_is_bridged_with_the_variance_of_the_whole_path() -> None:
    x = np.array([0.0, 10.0, NAN, 30.0, 40.0])
    keypoints_px = np.stack([np.stack([x, 0 * x], axis=-1)[:, None]] * 3)
    keypoints_px[:, :, 0, 0] += np.array([-1.0, 0.0, 1.0])[:, None]
    filled_px, trust = fill_gaps(keypoints_px, np.full((3, 5, 1), 0.8))
    assert np.median(filled_px[:, 2, 0, 0]) == pytest.approx(20)
    path = np.std([0, 10, 20, 30, 40])
    assert filled_px[:, 2, 0, 0].var() == pytest.approx(path**2)
    assert filled_px[:, 2, 0, 1].std() == pytest.approx(1)  # it never moves up or down
    np.testing.assert_array_equal(filled_px[:, 1], keypoints_px[:, 1])
    np.testing.assert_allclose(trust[:, [0, 1, 3, 4]], 0.8)


def test_one_members_word_counts_as_little_as_the_most_disputed_frame() -> None:
    keypoints_px = np.zeros((2, 4, 1, 2))
    keypoints_px[1, 1] = 6  # variance 9
    keypoints_px[1, 2] = 2
    keypoints_px[0, 3], keypoints_px[1, 3] = NAN, 5
    filled_px, _ = fill_gaps(keypoints_px, np.ones((2, 4, 1)))
    np.testing.assert_allclose(filled_px[:, 3].mean(0), 5)
    np.testing.assert_allclose(filled_px[:, 3].var(0), 9)


@pytest.mark.parametrize("there", [(90, 110), (90, 94, 110), (90, 91, 92, 110), (100, 100)], ids=str)
def test_members_that_predict_nothing_leave_median_and_variance_to_the_others(there) -> None:
    keypoints_px = np.full((5, 3, 1, 2), 100.0)
    keypoints_px[:, 1] = NAN
    keypoints_px[: len(there), 1, 0] = np.array(there)[:, None]
    filled_px, _ = fill_gaps(keypoints_px, np.ones((5, 3, 1)))
    np.testing.assert_allclose(filled_px[:, 1, 0].var(0), np.var(there))
    np.testing.assert_allclose(np.median(filled_px[:, 1, 0], axis=0), np.median(there))
    np.testing.assert_array_equal(filled_px[:, [0, 2]], keypoints_px[:, [0, 2]])


def test_nobody_is_less_sure_than_the_smoother_can_divide_by() -> None:
    _, trust = fill_gaps(np.zeros((2, 3, 1, 2)), np.array([[0, NAN, 0.5]] * 2)[..., None])
    np.testing.assert_array_equal(trust[0, :, 0], [smooth.LEAST_CONFIDENCE, 1.0, 0.5])


# which keypoints go together


@pytest.fixture
def told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The median stands for the smoothed position; the variance says which smoother it was."""

    def like(own, number):
        found = np.median(own[..., :2], axis=0)
        return np.stack([found, np.full_like(found, number)])

    monkeypatch.setattr(smooth, "_smooth_alone", lambda own, *_: like(own, 1))
    monkeypatch.setattr(smooth, "_smooth_views", lambda own, *_: like(own, own.shape[1]))


@pytest.mark.parametrize(
    ("views", "unseen", "together"),
    [
        ((), [], []),
        (([0, 1], [2, 3]), [], [0, 1, 2, 3]),
        (([1], [2]), [], [1, 2]),
        (([0, 1], [2, 3]), [3], [0, 2]),
        (([3, 0], [1, 2]), [0], [1, 3]),
        ((), [0, 1, 2, 3], []),
    ],
)
def test_each_keypoint_comes_back_in_its_place(told_apart, views, unseen, together) -> None:
    keypoints_px, confidence = noisy_members(walk(12))
    keypoints_px[:, :, unseen] = NAN
    smoothed_px, variance = smooth_members(keypoints_px, confidence, views)
    np.testing.assert_allclose(smoothed_px, np.median(keypoints_px, axis=0))
    expected = [NAN if k in unseen else 2 if k in together else 1 for k in range(4)]
    np.testing.assert_array_equal(variance[0, :, 0], expected)


# the files


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smoother that moves the first member by a pixel."""

    def move(keypoints_px, *_):
        return keypoints_px[0] + 1, np.full(keypoints_px.shape[1:], 0.25)

    monkeypatch.setattr(smooth_run, "smooth_members", move)
    monkeypatch.setattr(smooth_run, "_require_package", lambda _: None)


def test_the_file_has_what_the_smoother_found_and_what_the_members_said(shifted, tmp_path) -> None:
    keypoints_px, confidence = noisy_members(walk(30))
    confidence[0] = 0.3
    keypoints_px[1:, 4, 0] = NAN
    output = tmp_path / "out" / "smoothed.csv"
    paths = write_members(tmp_path, keypoints_px, confidence, first=100)
    assert main(["smooth", *map(str, paths), "--output", str(output)]) == 0
    found = read_predictions(output)
    assert found.index == list(range(100, 130)) and found.keypoint_names == NAMES
    np.testing.assert_array_equal(found.keypoints_px, keypoints_px[0] + 1)
    _, likelihood = average_members(keypoints_px, confidence, Average.median)
    np.testing.assert_allclose(found.confidence, likelihood)
    assert tuple(found.further) == SMOOTHED
    np.testing.assert_array_equal(found.further["y_posterior_var"], 0.25)
    np.testing.assert_allclose(found.further["x_ens_var"], member_variance(keypoints_px)[..., 0])
    assert found.further["x_ens_median"][4, 0] == keypoints_px[0, 4, 0, 0]
    assert np.isnan(found.further["x_ens_var"][4, 0])


def test_positions_that_nobody_predicted_have_no_confidence(monkeypatch, shifted, tmp_path) -> None:
    keypoints_px, confidence = noisy_members(walk(10))
    keypoints_px[:, 3, 1] = NAN
    zeros = np.zeros((10, 4, 2))
    monkeypatch.setattr(smooth_run, "smooth_members", lambda *_: (zeros, zeros))
    paths = write_members(tmp_path, keypoints_px, confidence)
    main(["smooth", *map(str, paths), "--output", str(tmp_path / "s.csv"), "--no_variances"])
    found = read_predictions(tmp_path / "s.csv")
    assert found.confidence[3, 1] == 0 and found.confidence[3, 0] == pytest.approx(0.9)
    assert not found.further


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--view", "0,1"], "two views or more"),
        (["--view", "0,1", "--view", "2"], "two views or more, of equally many keypoints"),
        (["--view", "0,1", "--view", "2,4"], "keypoint numbers from 0 to 3"),
        (["--view", "0,1", "--view", "1,2"], "each once"),
        (["--smooth_param", "0"], "--smooth_param: expected a number above 0, found 0.0"),
        (["--smooth_param", "nan"], "--smooth_param"),
        (["--fit_frames", "1"], "--fit_frames: expected two frames or more, found 1"),
        (["--python", "nowhere/python"], "--python nowhere/python: expected the Python of an environment"),
    ],
)
def test_impossible_options_are_named(tmp_path, capsys, arguments, expected) -> None:
    paths = write_members(tmp_path, *noisy_members(walk(5)))
    output = tmp_path / "smoothed.csv"
    assert main(["smooth", *map(str, paths), "--output", str(output), *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert not output.exists()


def one_member(paths: list[Path]) -> str:
    paths[1:] = []
    return "two members or more"


def a_frame_is_missing(paths: list[Path]) -> str:
    for path in paths:
        lines = path.read_text().splitlines()
        path.write_text("\n".join(lines[:5] + lines[6:]))
    return "row 6: expected frame 2, found 3"


def one_frame(paths: list[Path]) -> str:
    for path in paths:
        path.write_text("\n".join(path.read_text().splitlines()[:4]))
    return "expected two frames or more, found 1"


def images(paths: list[Path]) -> str:
    for path in paths:
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:3], *(f"img/{line}" for line in lines[3:])]))
    return "rows named by frame numbers, of a video"


def other_keypoints(paths: list[Path]) -> str:
    paths[1].write_text(paths[1].read_text().replace("tail", "claw"))
    return "keypoints as in"


def nothing_predicted(paths: list[Path]) -> str:
    own = read_predictions(paths[1])
    write_predictions(Predictions(own.index, NAMES, own.keypoints_px * NAN, own.confidence), paths[1])
    return "expected predicted keypoints, found empty cells only"


@pytest.mark.parametrize(
    "spoil", [one_member, a_frame_is_missing, one_frame, images, other_keypoints, nothing_predicted]
)
def test_members_that_cannot_be_smoothed_are_named(shifted, tmp_path, spoil) -> None:
    paths = write_members(tmp_path, *noisy_members(walk(6)))
    expected = spoil(paths)
    with pytest.raises(UserError, match=expected):
        smooth_run.smooth_files(paths, tmp_path / "smoothed.csv")
    assert not (tmp_path / "smoothed.csv").exists()


@pytest.mark.skipif(importlib.util.find_spec("eks") is not None, reason="the smoother is installed here")
def test_a_missing_smoother_is_named(tmp_path, capsys) -> None:
    paths = write_members(tmp_path, *noisy_members(walk(6)))
    assert main(["smooth", *map(str, paths), "--output", str(tmp_path / "smoothed.csv")]) == 2
    assert "expected the package ensemble-kalman-smoother" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("eks") is not None, reason="the smoother is installed here")
def test_another_python_gets_the_whole_command(tmp_path) -> None:
    paths = write_members(tmp_path, *noisy_members(walk(6)))
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    command = [
        "-m",
        "lightning_pose.cli.main",
        "smooth",
        *map(str, paths),
        "--output",
        str(tmp_path / "s.csv"),
    ]
    options = ["--view", "0,1", "--view", "2,3", "--smooth_param", "2", "--python", str(other)]
    done = subprocess.run([sys.executable, *command, *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert "expected the package ensemble-kalman-smoother" in done.stderr


# the real smoother


def smooth_for_real(paths: list[Path], output: Path, *options: str) -> Predictions:
    command = [sys.executable, "-m", "lightning_pose.cli.main", "smooth", *map(str, paths)]
    command += ["--output", str(output), "--python", SMOOTHER, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-4000:]
    return read_predictions(output)


def error_px(found: np.ndarray, truth_px: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.sum((found - truth_px) ** 2, axis=-1))))


@needs_smoother
@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--view=0,1", "--view=2,3")], ids=["one view", "mirrored"])
def test_smoothing_brings_keypoints_nearer_to_where_they_are(tmp_path, options) -> None:
    truth_px = walk(400)
    keypoints_px, confidence = noisy_members(truth_px)
    keypoints_px[:, 50:60, 0] = NAN
    keypoints_px[1:, 80:90, 1] = NAN
    paths = write_members(tmp_path, keypoints_px, confidence)
    found = smooth_for_real(paths, tmp_path / "smoothed.csv", *options)
    assert np.isfinite(found.keypoints_px).all()
    rows = np.r_[100:400]
    median_px = np.median(keypoints_px, axis=0)[rows]
    assert error_px(found.keypoints_px[rows], truth_px[rows]) < 0.7 * error_px(median_px, truth_px[rows])
    variance = np.stack([found.further[f"{c}_posterior_var"] for c in "xy"], axis=-1)
    assert (variance > 0).all()
    assert variance[50:60, 0].mean() > variance[100:, 0].mean()
    assert (found.confidence[50:60, 0] == 0).all()
    known = json.loads((tmp_path / "provenance.json").read_text())
    assert any("ensemble-kalman-smoother" in run["packages"] for run in known["runs"].values())


@needs_smoother
@pytest.mark.slow
def test_less_is_smoother(tmp_path) -> None:
    keypoints_px, confidence = noisy_members(walk(200)[:, :1])
    paths = write_members(tmp_path, keypoints_px, confidence)
    steps = [
        np.diff(
            smooth_for_real(paths, tmp_path / "s.csv", f"--smooth_param={own}").keypoints_px, axis=0
        ).std()
        for own in (0.01, 1, 100)
    ]
    assert steps[0] < steps[1] < steps[2]


@needs_smoother
@pytest.mark.slow
def test_members_that_always_agree_are_believed(tmp_path) -> None:
    truth_px = walk(100)
    paths = write_members(tmp_path, np.stack([truth_px] * 3), np.full((3, 100, 4), 0.9))
    found = smooth_for_real(paths, tmp_path / "s.csv", "--fit_frames=50")
    np.testing.assert_allclose(found.keypoints_px, truth_px, atol=0.05)
