"""Averages over members against loops over plain floats, and the files that they go into."""

import math
import statistics
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.cli.main import main
from lightning_pose.inference.ensemble import average_members, joint_splits, member_variance
from lightning_pose.inference.ensemble_run import ensemble_files
from lightning_pose.io import table_blocks
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.settings import Average
from lightning_pose.types import Predictions

NAN = float("nan")
NAMES = ["beak", "tail"]


def average_by_loops(points, confidences, average):
    """Return x, y, likelihood and the variances of one keypoint of one row."""
    known = [(*map(float, p), float(c)) for p, c in zip(points, confidences, strict=True)
             if math.isfinite(p[0]) and math.isfinite(p[1])]  # fmt: skip
    if not known:
        return [NAN] * 5
    confidence = math.fsum(own[2] for own in known) / len(known)
    found, variances = [], []
    for axis in (0, 1):
        values = [own[axis] for own in known]
        mean = math.fsum(values) / len(values)
        variances.append(math.fsum((v - mean) ** 2 for v in values) / len(values) if len(values) > 1 else NAN)
        weights = [own[2] for own in known]
        if average is Average.median:
            found.append(statistics.median(values))
        elif average is Average.confidence_weighted and sum(weights) > 0:
            weighted = math.fsum(v * w for v, w in zip(values, weights, strict=True))
            found.append(weighted / math.fsum(weights))
        else:
            found.append(mean)
    return [*found, confidence, *variances]


def random_members(seed, members=None, rows=6):
    """Return keypoints (M, N, K, 2) and confidence (M, N, K) with NaNs and confidences of 0."""
    rng = np.random.default_rng(seed)
    shape = (members or int(rng.integers(1, 6)), rows, len(NAMES))
    keypoints, confidence = rng.normal(300, 50, (*shape, 2)), rng.random(shape).round(1)
    keypoints[rng.random(shape) < 0.2] = NAN
    keypoints[0, 0, 0, 0] = NAN  # x alone
    confidence[:, -1] = 0
    return keypoints, confidence


@pytest.mark.parametrize("average", Average)
@pytest.mark.parametrize("seed", range(10))
def test_everything_equals_the_loops(seed, average) -> None:
    keypoints, confidence = random_members(seed)
    averaged, likelihood = average_members(keypoints, confidence, average)
    found = np.concatenate([averaged, likelihood[..., None], member_variance(keypoints)], axis=-1)
    for row, k in product(range(keypoints.shape[1]), range(len(NAMES))):
        expected = average_by_loops(keypoints[:, row, k], confidence[:, row, k], average)
        np.testing.assert_allclose(found[row, k], expected, rtol=1e-12, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.integers(-500, 500), average=st.sampled_from(Average))
def test_moving_all_members_moves_the_ensemble_and_no_variance(seed, shift, average) -> None:
    keypoints, confidence = random_members(seed)
    own, _ = average_members(keypoints, confidence, average)
    moved, _ = average_members(keypoints + shift, confidence, average)
    np.testing.assert_allclose(moved, own + shift, atol=1e-9)
    np.testing.assert_allclose(member_variance(keypoints + shift), member_variance(keypoints), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), average=st.sampled_from(Average), random=st.randoms(use_true_random=False)
)
def test_the_order_of_members_does_not_matter_and_the_ensemble_lies_between_them(
    seed, average, random
) -> None:
    keypoints, confidence = random_members(seed)
    order = random.sample(range(len(keypoints)), len(keypoints))
    own, likelihood = average_members(keypoints, confidence, average)
    mixed, _ = average_members(keypoints[order], confidence[order], average)
    np.testing.assert_allclose(mixed, own, atol=1e-9)
    there = np.isfinite(keypoints).all(-1)
    known = there.any(0)
    low = np.where(there[..., None], keypoints, np.inf).min(0)[known]
    high = np.where(there[..., None], keypoints, -np.inf).max(0)[known]
    assert (own[known] >= low - 1e-9).all() and (own[known] <= high + 1e-9).all()
    assert np.isnan(own[~known]).all() and np.isnan(likelihood[~known]).all()


def test_a_frame_that_any_member_was_trained_on_is_a_training_frame() -> None:
    splits = [["train", "test", "test"], ["test", "validation", "test"], ["validation", "train", "test"]]
    assert joint_splits(splits) == ["train", "train", "test"]


def table(index, seed, names=NAMES, splits=None):
    rng = np.random.default_rng(seed)
    shape = (len(index), len(names))
    keypoints = rng.normal(300, 50, (*shape, 2))
    keypoints[rng.random(shape) < 0.2] = NAN
    return Predictions(list(index), list(names), keypoints, rng.random(shape), splits)


def write_members(folder, index, count=3, **more):
    paths = [folder / f"run_{seed}" / "predictions.csv" for seed in range(count)]
    for seed, path in enumerate(paths):
        write_predictions(table(index, seed, **more), path)
    return paths


def expected_of(paths, average):
    tables = [read_predictions(path) for path in paths]
    keypoints = np.stack([own.keypoints_px for own in tables])
    averaged = average_members(keypoints, np.stack([own.confidence for own in tables]), average)
    return *averaged, member_variance(keypoints)


@pytest.mark.parametrize("variances", [True, False])
@pytest.mark.parametrize("index", [range(37), range(1), [f"a/img{i}.png" for i in range(9)]])
def test_files_hold_what_the_arrays_say_to_the_last_bit(tmp_path, monkeypatch, index, variances) -> None:
    monkeypatch.setattr(table_blocks, "BLOCK_KEYPOINTS", 8 * len(NAMES))
    splits = None if isinstance(index, range) else ["train"] * 4 + ["test"] * 5
    paths = write_members(tmp_path, index, splits=splits)
    ensemble_files(paths, tmp_path / "new" / "ensemble.csv", Average.median, variances)
    found = read_predictions(tmp_path / "new" / "ensemble.csv")
    keypoints, confidence, variance = expected_of(paths, Average.median)
    assert (found.index, found.keypoint_names, found.splits) == (list(index), NAMES, splits)
    np.testing.assert_array_equal(found.keypoints_px, keypoints)
    np.testing.assert_array_equal(found.confidence, confidence)
    assert list(found.further) == (["x_ens_var", "y_ens_var"] if variances else [])
    if variances:
        np.testing.assert_array_equal(found.further["y_ens_var"], variance[..., 1])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ensemble.csv"]


def test_blocks_of_many_keypoints_have_few_rows(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(table_blocks, "BLOCK_KEYPOINTS", 8 * len(NAMES))
    [path] = write_members(tmp_path, range(37), count=1)
    blocks = list(table_blocks.read_blocks(path, table_blocks.read_header(path)[0]))
    assert [len(own) for own in blocks] == [8, 8, 8, 8, 5]
    assert np.concatenate([own.frames for own in blocks]).tolist() == list(range(37))


def test_a_member_that_tells_no_sets_hides_not_those_of_the_others(tmp_path, caplog) -> None:
    index, splits = ["a.png", "b.png", "c.png"], ["train", "validation", "test"]
    told, silent = tmp_path / "told.csv", tmp_path / "silent.csv"
    write_predictions(table(index, 0, splits=splits), told)
    write_predictions(table(index, 1), silent)
    for members in ([told, silent], [silent, told]):
        ensemble_files(members, tmp_path / "ensemble.csv")
        assert read_predictions(tmp_path / "ensemble.csv").splits == splits
        assert caplog.messages[-1].endswith(f"the column set tells of the others alone: {silent}")
    ensemble_files([silent], tmp_path / "ensemble.csv")
    assert read_predictions(tmp_path / "ensemble.csv").splits is None


@pytest.mark.parametrize("average", Average)
def test_the_command_averages_as_it_is_asked(tmp_path, average) -> None:
    paths, output = write_members(tmp_path, range(5)), tmp_path / "out" / "predictions.csv"
    options = ["--average", average.value, "--output", str(output)]
    assert main(["ensemble", *map(str, paths), *options]) == 0
    np.testing.assert_array_equal(read_predictions(output).keypoints_px, expected_of(paths, average)[0])
    assert (output.parent / "provenance.json").is_file()


def test_an_ensemble_may_be_a_member_and_is_read_by_other_commands(tmp_path) -> None:
    paths, output = write_members(tmp_path, range(6)), tmp_path / "first" / "predictions.csv"
    ensemble_files(paths, output)
    ensemble_files([output, paths[0]], tmp_path / "second.csv")
    assert main(["video_metrics", str(output)]) == 0
    assert output.with_name("predictions_temporal_norm.csv").is_file()
    written = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path, frames in zip(written, (range(3), range(3, 6)), strict=True):
        part = table(frames, 0)
        part.further.update(x_ens_var=np.ones((3, 2)), y_ens_var=np.full((3, 2), float(frames.start)))
        write_predictions(part, path)
    assert main(["merge", *map(str, written), "--output", str(tmp_path / "all.csv")]) == 0
    assert read_predictions(tmp_path / "all.csv").further["y_ens_var"][:, 0].tolist() == [0, 0, 0, 3, 3, 3]


def broken(folder, wrong):
    """Write members of a video, the last of which is wrong; return their paths."""
    paths = write_members(folder, range(20))
    own, last = table(range(20), 2), paths[-1]
    if wrong == "missing":
        last.unlink()
    elif wrong == "twice":
        paths[-1] = paths[0]
    elif wrong == "other keypoints":
        write_predictions(table(range(20), 2, ["beak", "foot"]), last)
    elif wrong == "other order of keypoints":
        write_predictions(table(range(20), 2, NAMES[::-1]), last)
    elif wrong == "fewer frames":
        write_predictions(table(range(19), 2), last)
    elif wrong == "more frames":
        write_predictions(table(range(21), 2), last)
    elif wrong == "other order":
        write_predictions(table([*range(17), 18, 17, 19], 2), last)
    elif wrong == "nothing":
        own.keypoints_px[:] = NAN
        write_predictions(own, last)
    elif wrong == "images":
        write_predictions(table([f"a/{i}.png" for i in range(20)], 2), last)
    else:
        last.write_text(last.read_text().replace("\n19,", f"\n19,{wrong}", 1))
    return paths


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("missing", "run_2/predictions.csv: expected a CSV file, found no such file"),
        ("twice", "run_0/predictions.csv: expected each member once, found it again"),
        ("other keypoints", "predictions.csv: beak, tail, found beak, foot"),
        ("other order of keypoints", "predictions.csv: beak, tail, found tail, beak"),
        ("fewer frames", "run_2/predictions.csv, row 23: expected 19, as in "),
        ("more frames", "run_2/predictions.csv, row 24: expected no further row, as in "),
        ("other order", "run_2/predictions.csv, row 21: expected 17, as in "),
        ("nothing", "run_2/predictions.csv: expected predicted keypoints, found empty cells only"),
        ("images", "run_2/predictions.csv: expected rows named by frame numbers, as in "),
        (
            "nonsense",
            "run_2/predictions.csv, row 23, beak x: expected a number or an empty cell, found 'nonsense",
        ),
        ("1e999", "run_2/predictions.csv, row 23, beak x: expected a number"),
        ("7,", "run_2/predictions.csv, row 23: expected 7 cells, found 8"),
    ],
)
def test_members_that_do_not_fit_are_named_in_one_line(tmp_path, monkeypatch, capsys, wrong, message) -> None:
    monkeypatch.setattr(table_blocks, "BLOCK_KEYPOINTS", 8 * len(NAMES))
    paths = broken(tmp_path, wrong)
    if wrong == "1e999":
        text = paths[-1].read_text()
        start = text.index("\n19,1e999") + 4
        paths[-1].write_text(text[:start] + "1e999" + text[text.index(",", start) :])
    assert main(["ensemble", *map(str, paths), "--output", str(tmp_path / "out" / "all.csv")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_labelled_frames_in_another_order_are_named(tmp_path, capsys) -> None:
    paths = write_members(tmp_path, ["a/0.png", "a/1.png"])
    write_predictions(table(["a/1.png", "a/0.png"], 1), paths[1])
    assert main(["ensemble", *map(str, paths), "--output", str(tmp_path / "all.csv")]) == 2
    assert "run_1/predictions.csv, row 4: expected a/0.png, as in " in capsys.readouterr().err


def test_one_member_has_no_variance_and_it_is_said(tmp_path, caplog) -> None:
    paths = write_members(tmp_path, range(5), count=1)
    ensemble_files(paths, tmp_path / "all.csv")
    assert "one member only: its variance is undefined" in caplog.text
    found = read_predictions(tmp_path / "all.csv")
    assert np.isnan(found.further["x_ens_var"]).all()
    np.testing.assert_array_equal(found.keypoints_px, read_predictions(paths[0]).keypoints_px)


def test_a_keypoint_that_a_member_never_predicts_is_told(tmp_path, caplog) -> None:
    paths = write_members(tmp_path, range(5))
    own = read_predictions(paths[1])
    own.keypoints_px[:, 1] = NAN
    write_predictions(own, paths[1])
    ensemble_files(paths, tmp_path / "all.csv")
    assert f"{paths[1]}: left out of keypoints that it never predicts: tail" in caplog.text


def test_tables_with_boxes_sets_and_rows_of_commas_are_read(tmp_path) -> None:
    own = table(range(12), 0, splits=["test"] * 12)
    boxed = Predictions(own.index, own.keypoint_names, own.keypoints_px, own.confidence, own.splits,
                        xywh_frame_px=np.ones((12, 4)))  # fmt: skip
    write_predictions(boxed, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    lines.insert(3, "," * lines[0].count(","))
    (tmp_path / "b.csv").write_text("\n".join(lines) + "\n")
    for name in ("a.csv", "b.csv"):
        header, first = table_blocks.read_header(tmp_path / name)
        blocks = list(table_blocks.read_blocks(tmp_path / name, header))
        assert first == "0" and sum(map(len, blocks)) == 12
        np.testing.assert_array_equal(blocks[0].keypoints_px, own.keypoints_px)
        np.testing.assert_array_equal(blocks[0].confidence, own.confidence)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch, capsys) -> None:
    def append(self, frames, columns):
        raise OSError(28, "No space left on device")

    paths, output = write_members(tmp_path, range(5)), tmp_path / "out" / "all.csv"
    monkeypatch.setattr(table_blocks.BlockWriter, "_append", append)
    assert main(["ensemble", *map(str, paths), "--output", str(output)]) == 2
    assert "all.csv: expected a disk that takes it, found No space left on device" in capsys.readouterr().err
    assert not output.parent.exists()
