"""Expected errors and intervals: what must be true of made-up errors, and the files of the two commands."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.evaluation.calibration import Evidence, _ends, fit_calibration, held_out_coverage
from lightning_pose.evaluation.label_next import select_frames
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.io.tables import parse_keypoint_rows, read_rows
from lightning_pose.types import Labels, Predictions
from tests.unit.io.films import write_film

NAN, NAMES = float("nan"), ["beak", "tail", "foot"]


def made_up(seed, frames, keypoints=3):
    """Return errors that a deviation tells of, more or less, and a confidence that falls with it."""
    rng = np.random.default_rng(seed)
    deviation = rng.lognormal(0.5, 1, (frames, keypoints))
    errors = deviation * rng.lognormal(0, 0.5, deviation.shape) * rng.lognormal(0, 0.2, (frames, 1))
    confidence = np.exp(-deviation / 10) * rng.uniform(0.7, 1, deviation.shape)
    errors[rng.random(errors.shape) < 0.1] = NAN
    return errors, Evidence(deviation, confidence)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_hold_nine_in_ten_errors_of_frames_never_seen(seed) -> None:
    calibration = fit_calibration(*made_up(seed, 150))
    errors, evidence = made_up(seed + 100, 2000)
    low, high = calibration.interval(calibration.expected_error(evidence))
    known = np.isfinite(errors)
    assert ((low <= errors) & (errors <= high))[known].mean() == pytest.approx(0.9, abs=0.03)
    assert (errors > high)[known].mean() == pytest.approx(0.05, abs=0.025)


def test_the_coverage_that_is_stated_is_that_of_frames_never_seen() -> None:
    errors, evidence = made_up(5, 200)
    inside = held_out_coverage(errors, evidence)
    np.testing.assert_array_equal(np.isnan(inside), np.isnan(errors))
    assert np.nanmean(inside) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("count", "ranks"), [(18, (0, 18)), (19, (1, 19)), (39, (2, 38)), (40, (2, 39)), (99, (5, 95))]
)
def test_the_ends_are_the_ratios_whose_ranks_allow_for_their_number(count, ranks) -> None:
    assert _ends(np.random.default_rng(0).permutation(count) + 1.0) == ranks  # of 0: the least error there is


def test_a_signal_that_says_nearly_the_same_of_all_keypoints_gets_no_weight() -> None:
    errors = np.tile([1.0, 3.0, 2.0, 2.0002], 10)[:, None]  # of equal means, not of equal logarithms
    confidence = np.tile([0.9, 0.9, 0.5, 0.5], 10)[:, None]
    calibration = fit_calibration(errors, Evidence(np.ones_like(errors), confidence))
    assert calibration.weights.sum() == pytest.approx(1)
    expected = calibration.expected_error(Evidence(np.ones((1, 2)), np.array([[0.9, 0.5]])))
    np.testing.assert_allclose(expected, 2.0, atol=1e-3)


def test_the_expected_error_is_right_on_average_and_rises_with_the_deviation() -> None:
    calibration = fit_calibration(*made_up(0, 300))
    errors, evidence = made_up(9, 3000)
    expected, known = calibration.expected_error(evidence), np.isfinite(errors)
    assert expected[known].mean() == pytest.approx(errors[known].mean(), rel=0.15)
    rising = Evidence(np.linspace(0.1, 20, 50)[:, None], np.full((50, 1), 0.8))
    assert (np.diff(calibration.expected_error(rising)[:, 0]) >= 0).all()
    falling = Evidence(np.full((50, 1), 2.0), np.linspace(0, 1, 50)[:, None])
    assert (np.diff(calibration.expected_error(falling)[:, 0]) <= 0).all()
    assert np.isnan(calibration.expected_error(Evidence(np.array([[NAN]]), np.array([[0.5]])))).all()


def test_the_pca_error_counts_by_what_it_tells_of_errors() -> None:
    errors, evidence = made_up(0, 300)
    unknown = np.isnan(errors)
    telling = np.where(unknown, 1.0, errors * np.random.default_rng(1).lognormal(0, 0.1, errors.shape))
    useless = np.random.default_rng(2).uniform(0, 9, errors.shape)
    calibrations = [fit_calibration(errors, replace(evidence, pca_error=own)) for own in (telling, useless)]
    assert calibrations[0].weights[2] > 0.7 and max(calibrations[0].weights[:2]) < 0.3
    assert calibrations[1].weights[2] < 0.5 * calibrations[1].weights[0]
    rising = Evidence(np.full((40, 1), 2.0), np.full((40, 1), 0.8), np.linspace(0.1, 20, 40)[:, None])
    expected = calibrations[0].expected_error(rising)[:, 0]
    assert (np.diff(expected) >= 0).all() and expected[-1] > 3 * expected[5]
    gap = replace(rising, pca_error=np.full((40, 1), NAN))
    assert np.isfinite(calibrations[0].expected_error(gap)).all()


def selected(expected, keypoints_px=None, count=4, apart_s=1.0, labelled=()):
    poses = np.zeros((*expected.shape, 2)) if keypoints_px is None else keypoints_px
    return select_frames(expected, poses, np.arange(len(expected)) / 10, count, apart_s, labelled)


def test_no_second_is_labelled_twice() -> None:
    expected = np.ones((100, 2))
    expected[40:45], expected[80], expected[81] = 9.0, 5.0, NAN
    frames = selected(expected)
    assert frames[:2] == [40, 80] and len(frames) == 4
    assert min(abs(a - b) for a in frames for b in frames if a != b) >= 10
    assert 81 not in selected(expected, count=100, apart_s=0.0)
    assert selected(np.full((3, 2), NAN)) == []


def test_frames_with_labels_are_as_if_chosen_before() -> None:
    expected = np.ones((100, 2))
    expected[40:45], expected[80] = 9.0, 5.0
    assert selected(expected, count=1, labelled={35, 99}) == [80]
    assert selected(expected, labelled=range(100)) == []
    poses = np.zeros((100, 2, 2))
    poses[40:45, 1], poses[80, 1], poses[10, 1] = 30.0, 20.0, 30.0
    assert selected(expected, poses, count=1) == [40]
    assert selected(expected, poses, count=1, labelled={10}) == [80]


def test_poses_that_were_chosen_are_not_chosen_again_while_there_are_others() -> None:
    """An animal that stands still for most of a film, and turns for a moment."""
    rng = np.random.default_rng(0)
    standing, turned = rng.uniform(0, 50, (2, 4, 2))
    poses = standing + rng.normal(0, 1, (100, 4, 2)) + rng.uniform(0, 300, (100, 1, 2))  # wherever it is
    poses[60:64] += turned - standing
    expected = np.full((100, 4), 8.0)
    expected[60:64] = 6.0
    poses[10, 2] = NAN
    frames = selected(expected, poses)
    assert 60 <= frames[1] < 64 and len(frames) == 4
    expected[60:64] = 0.1  # nothing to learn there
    assert not any(60 <= frame < 64 for frame in selected(expected, poses))


def write_set(folder, name, frames, seed, splits=None):
    """Write labels, and an ensemble's predictions that are as far off as its deviation says."""
    errors, evidence = made_up(seed, frames)
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, errors.shape)
    labelled = rng.uniform(50, 400, (*errors.shape, 2))
    labelled[np.isnan(errors)] = NAN
    off = np.nan_to_num(errors)[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    names = [f"{name}/img{i:03d}.png" for i in range(frames)]
    write_labels(Labels(names, NAMES, labelled), folder / f"{name}.csv")
    variance = {column: evidence.deviation**2 for column in ("x_ens_var", "y_ens_var")}
    keypoints = np.nan_to_num(labelled, nan=9.0) + off
    predictions = Predictions(names, NAMES, keypoints, evidence.confidence, splits, further=variance)
    write_predictions(predictions, folder / f"{name}_ensemble.csv")
    return ["--set", name, str(folder / f"{name}.csv"), str(folder / f"{name}_ensemble.csv")]


def calibrated(folder):
    sets = [
        *write_set(folder, "InD", 60, 1, ["train"] * 20 + ["test"] * 40),
        *write_set(folder, "OOD", 60, 2),
    ]
    assert main(["calibrate", *sets, "--output", str(folder / "calibration.json")]) == 0
    return folder / "calibration.json"


def test_plots_of_another_format_are_refused_before_anything_is_written(tmp_path, capsys) -> None:
    calibration = calibrated(tmp_path)
    film = write_film(tmp_path / "film.mp4", 40)
    write_video_predictions(tmp_path, 40)
    before = sorted(tmp_path.rglob("*"))
    files = [calibration, tmp_path / "video.csv", "--output", tmp_path / "out.csv"]
    more = ["--plot", tmp_path / "a.pdf", tmp_path / "a.txt", "--video", film, "--label_next", tmp_path / "n"]
    assert main(["expected_error", *map(str, [*files, *more])]) == 2
    assert "a.txt: expected a name that ends in .pdf, .png, .svg, found .txt" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("InD", "OOD", "--set: expected each name once, found InD again"),
        ("OOD", "InD", "copy.csv: expected other images than"),
        ("all", "OOD", "--set: expected a name other than all, which is all together, found all"),
    ],
)
def test_sets_that_count_twice_are_refused(tmp_path, capsys, name, file, message) -> None:
    sets = write_set(tmp_path, "InD", 60, 1)
    _, _, labels, predictions = write_set(tmp_path, file, 60, 1)
    shutil.copyfile(labels, tmp_path / "copy.csv")
    sets += ["--set", name, str(tmp_path / "copy.csv"), predictions]
    assert main(["calibrate", *sets, "--output", str(tmp_path / "calibration.json")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("litpose calibrate:") == 1
    assert not (tmp_path / "calibration.json").exists()


def test_sets_that_do_not_tell_what_was_trained_on_are_named(tmp_path, capsys) -> None:
    calibrated(tmp_path)
    silent = [line for line in capsys.readouterr().err.splitlines() if "no column set" in line]
    assert len(silent) == 1 and silent[0].startswith(f"WARNING: {tmp_path / 'OOD_ensemble.csv'}: ")


def write_video_predictions(folder, frames):
    _, evidence = made_up(7, frames)
    variance = {name: evidence.deviation**2 for name in ("x_ens_var", "y_ens_var")}
    keypoints = np.random.default_rng(0).uniform(5, 30, (frames, 3, 2))
    predictions = Predictions(list(range(frames)), NAMES, keypoints, evidence.confidence, further=variance)
    write_predictions(predictions, folder / "video.csv")
    return predictions


def test_from_labelled_frames_to_the_frames_to_label_next(tmp_path, capsys) -> None:
    calibration = calibrated(tmp_path)
    coverage = json.loads(calibration.read_text())["held_out_coverage"]
    assert set(coverage) == {"InD", "OOD", "all"}
    assert coverage["all"]["share"] == pytest.approx(0.9, abs=0.06)
    assert (
        coverage["all"]["n"] == coverage["InD"]["n"] + coverage["OOD"]["n"] and coverage["InD"]["n"] <= 40 * 3
    )
    film = write_film(tmp_path / "film.mp4", 40)
    write_video_predictions(tmp_path, 40)
    output, plot, folder = tmp_path / "out.csv", tmp_path / "plot.pdf", tmp_path / "next"
    command = ["expected_error", str(calibration), str(tmp_path / "video.csv"), "--output", str(output)]
    options = ["--plot", str(plot), "--video", str(film), "--label_next", str(folder), "--count", "3",
               "--apart_s", "0.3"]  # fmt: skip
    assert main([*command, *options]) == 0
    table = parse_keypoint_rows(output, read_rows(output), (("expected_px", "low_px", "high_px"),))
    expected = table.columns["expected_px"]
    assert table.index == [str(i) for i in range(40)] and table.keypoint_names == NAMES
    assert (table.columns["low_px"] <= expected).all() and (expected <= table.columns["high_px"]).all()
    assert plot.read_bytes().startswith(b"%PDF")
    labels = read_labels(folder / "CollectedData.csv")
    assert len(labels.image_paths) == 3 and labels.keypoint_names == NAMES
    assert np.isnan(labels.keypoints_px).all()
    worst = int(expected.mean(1).argmax())
    assert labels.image_paths[0] == f"labeled-data/film/img{worst:08d}.png"
    for name in labels.image_paths:
        with Image.open(folder / name) as image:
            assert image.format == "PNG"
    assert main([*command, *options]) == 2  # labels may be in there by now
    options[options.index(str(folder))] = str(tmp_path / "later")
    options[options.index("0.3")] = "0.1"
    assert main([*command, *options, "--labels", str(folder / "CollectedData.csv")]) == 0
    later = [
        int(Path(name).stem[3:]) for name in read_labels(tmp_path / "later" / "CollectedData.csv").image_paths
    ]
    before = [int(Path(name).stem[3:]) for name in labels.image_paths]
    assert later and min(abs(a - b) for a in later for b in before) >= 3  # 0.1 s at 30 frames/s
    write_labels(Labels(["elsewhere/film/img0040.png"], NAMES, np.zeros((1, 3, 2))), tmp_path / "other.csv")
    options[options.index(str(tmp_path / "later"))] = str(tmp_path / "never")
    assert main([*command, *options, "--labels", str(tmp_path / "other.csv")]) == 2
    assert "img0040.png: expected a frame of" in capsys.readouterr().err


@pytest.mark.parametrize("apart", ["nan", "inf", "-1"])
def test_frames_to_label_next_are_a_real_time_apart(tmp_path, capsys, apart) -> None:
    command = ["expected_error", "calibration.json", "video.csv", "--output", str(tmp_path / "out.csv")]
    assert main([*command, "--apart_s", apart]) == 2
    assert f"expected 1 or more, 0 or more, found 20, {float(apart)}" in capsys.readouterr().err


def write_birds(path: Path, frames: int, seed: int, splits=None) -> np.ndarray:
    """Write labels of a rigid body, and predictions that are wrong of one keypoint in every fourth frame."""
    rng = np.random.default_rng(seed)
    body = np.array([[0, 0], [40, 5], [12, 30]])
    labels = Labels(
        [f"{path.stem}/{i}.png" for i in range(frames)], NAMES, body + rng.uniform(50, 400, (frames, 1, 2))
    )
    found = labels.keypoints_px + rng.normal(0, 0.5, (frames, 3, 2))
    found[::4, 1] += 30
    write_labels(labels, path)
    blind = {name: np.full((frames, 3), 1.0) for name in ("x_ens_var", "y_ens_var")}  # the members agree
    predictions = Predictions(
        labels.image_paths, NAMES, found, np.full((frames, 3), 0.9), splits, further=blind
    )
    write_predictions(predictions, path.with_name(f"{path.stem}_ensemble.csv"))
    return found


def test_a_pose_that_no_label_has_is_expected_to_be_wrong_though_all_members_agree(tmp_path) -> None:
    write_birds(tmp_path / "InD.csv", 60, 0, ["train"] * 40 + ["test"] * 20)
    write_birds(tmp_path / "OOD.csv", 60, 1)
    sets = [part for name in ("InD", "OOD") for part in ("--set", name, str(tmp_path / f"{name}.csv"),
                                                         str(tmp_path / f"{name}_ensemble.csv"))]  # fmt: skip
    calibration, output = tmp_path / "calibration.json", tmp_path / "expected.csv"
    assert main(["calibrate", *sets, "--output", str(calibration)]) == 0
    content = json.loads(calibration.read_text())
    assert set(content["held_out_coverage_of_keypoints"]) == set(NAMES)
    assert content["held_out_coverage"]["all"]["share"] == pytest.approx(0.9, abs=0.06)
    film = read_predictions(tmp_path / "OOD_ensemble.csv")
    order = [2, 0, 1]  # another model may name keypoints in another order
    shuffled = Predictions(
        list(range(60)),
        [NAMES[k] for k in order],
        film.keypoints_px[:, order],
        film.confidence,
        further=film.further,
    )
    write_predictions(shuffled, tmp_path / "film.csv")
    command = ["expected_error", str(calibration), str(tmp_path / "film.csv"), "--output", str(output)]
    assert main(command) == 0
    table = parse_keypoint_rows(output, read_rows(output), (("expected_px", "low_px", "high_px"),))
    assert table.keypoint_names == shuffled.keypoint_names
    tail = table.columns["expected_px"][:, table.keypoint_names.index("tail")]
    assert tail[::4].min() > 10 > 3 > np.delete(tail, np.s_[::4]).max()


def broken(folder, wrong):
    """Return a command that is wrong."""
    if wrong == "few":
        return ["calibrate", *write_set(folder, "OOD", 9, 2), "--output", str(folder / "c.json")]
    if wrong == "few deviations":
        command = ["calibrate", *write_set(folder, "OOD", 12, 2), "--output", str(folder / "c.json")]
        own = read_predictions(folder / "OOD_ensemble.csv")
        for name in ("x_ens_var", "y_ens_var"):
            own.further[name][8:] = NAN
        write_predictions(own, folder / "OOD_ensemble.csv")
        return command
    calibration = calibrated(folder)
    predictions = write_video_predictions(folder, 12)
    if wrong == "no variances":
        predictions.further.clear()
    elif wrong == "one member":
        predictions.further.update(x_ens_var=np.full((12, 3), NAN), y_ens_var=np.full((12, 3), NAN))
    elif wrong == "other keypoints":
        predictions = replace(predictions, keypoint_names=["ear", *NAMES[1:]])
    elif wrong == "images":
        predictions = replace(predictions, index=[f"img{number}.png" for number in predictions.index])
    elif wrong == "damaged":
        calibration.write_text("{}")
    write_predictions(predictions, folder / "video.csv")
    command = [
        "expected_error",
        str(calibration),
        str(folder / "video.csv"),
        "--output",
        str(folder / "c.json"),
    ]
    if wrong == "images":
        command += ["--plot", str(folder / "plot.png")]
    if wrong in ("no video", "other video"):
        command += ["--label_next", str(folder / "next")]
    if wrong == "other video":
        write_film(folder / "film.mp4", 20)
        command += ["--video", str(folder / "film.mp4")]
    return command


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("few deviations", "more that two members predicted and none was trained on, found 8"),
        (
            "few",
            "expected 10 labelled frames or more that two members predicted and none was trained on, found 9",
        ),
        (
            "no variances",
            "video.csv, header: expected columns x_ens_var, y_ens_var of each keypoint, found none",
        ),
        (
            "one member",
            "video.csv, x_ens_var: expected variances over two members or more, found empty cells",
        ),
        (
            "damaged",
            "calibration.json: expected a calibration by litpose calibrate, found another or damaged file",
        ),
        (
            "other keypoints",
            "video.csv, header: expected keypoints ['beak', 'tail', 'foot'] of the calibration",
        ),
        ("images", "video.csv, for --plot: expected frames of a video, found image paths"),
        ("no video", "--label_next: expected --video too, found none"),
        ("other video", "video.csv: expected a row for each of 20 frames"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, capsys, wrong, message) -> None:
    command = broken(tmp_path, wrong)
    capsys.readouterr()
    assert main(command) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "c.json").exists() and not (tmp_path / "next").exists()
