"""Metrics of video predictions: a bird on a straight line, poses within the labels' space and beyond."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.evaluation.video_metrics import measure_video, temporal_norm
from lightning_pose.io.files import write_json
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import read_pixel_errors, write_predictions
from lightning_pose.settings import DataSettings, Settings
from lightning_pose.types import Labels, Predictions, UserError

NAMES = ["beak", "back", "tail", "post"]
POSE = np.array([[0.0, 0], [10, 0], [30, 0], [7, 7]])


@given(speed=st.tuples(*[st.floats(-50, 50)] * 2), frames=st.integers(2, 9))
def test_on_a_straight_line_the_norm_is_the_speed(speed, frames) -> None:
    keypoints = POSE + np.arange(frames)[:, None, None] * np.array(speed)
    moved = temporal_norm(keypoints)
    assert np.isnan(moved[0]).all()
    np.testing.assert_allclose(moved[1:], np.hypot(*speed), atol=1e-9)


def test_a_gap_has_no_norm_before_and_after() -> None:
    keypoints = np.tile(POSE, (5, 1, 1))
    keypoints[2, 1] = np.nan
    moved = temporal_norm(keypoints)
    assert np.isnan(moved[:, 1]).tolist() == [True, False, True, True, False]
    assert np.isnan(moved[:, 0]).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(("index", "row"), [([0, 1, 3], "row 6"), (["a.png"], "row 4"), ([4, 3], "row 5")])
def test_rows_must_be_consecutive_frames(tmp_path, index, row) -> None:
    keypoints = np.tile(POSE, (len(index), 1, 1))
    predictions = Predictions(index, NAMES, keypoints, np.ones(keypoints.shape[:2]))
    with pytest.raises(UserError, match=rf"p\.csv, {row}: expected consecutive frames"):
        measure_video(predictions, tmp_path / "p.csv")


@pytest.fixture
def model(tmp_path):
    """What there is of a training: settings, splits, and labels of an animal that stretches and walks."""

    def create(split="train", keypoints=None, **data):
        rng = np.random.default_rng(0)
        stretch, place = rng.uniform(0.5, 2, (30, 1, 1)), rng.uniform(0, 500, (30, 1, 2))
        if keypoints is None:
            keypoints = place + stretch * POSE
            keypoints[:, 3] = rng.uniform(0, 500, (30, 2))  # which is no part of it
        paths = [f"img{number}.png" for number in range(30)]
        write_labels(Labels(paths, NAMES, keypoints), tmp_path / "data" / "labels.csv")
        settings = Settings(
            DataSettings(data_dir=str(tmp_path / "data"), csv_file="labels.csv", keypoint_names=NAMES, **data)
        )
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "config.yaml").write_text(to_yaml(settings))
        write_json(dict.fromkeys(paths, split), tmp_path / "model" / "splits.json")
        return tmp_path / "model"

    return create


@pytest.fixture
def film(tmp_path):
    """Predictions of six frames: the tail is 20 px off in frame 3, the beak is missing in frame 4."""
    keypoints = np.array([100.0, 50]) + np.linspace(0.5, 1.5, 6)[:, None, None] * POSE
    keypoints[3, 2, 1] += 20
    keypoints[4, 0] = np.nan
    confidence = np.full((6, 4), 0.75)
    write_predictions(Predictions(list(range(6)), NAMES, keypoints, confidence), tmp_path / "film.csv")
    return tmp_path / "film.csv"


def run(*arguments: object) -> int:
    return main(["video_metrics", *map(str, arguments)])


def test_the_command_writes_what_needs_no_model(film) -> None:
    assert run(film) == 0
    index, names, moved, _ = read_pixel_errors(film.with_name("film_temporal_norm.csv"))
    assert index == [str(number) for number in range(6)] and names == NAMES
    assert moved[1, 2] == pytest.approx(0.2 * 30)
    assert sorted(path.name for path in film.parent.glob("film*")) == [
        "film.csv", "film_metrics.csv", "film_temporal_norm.csv",
    ]  # fmt: skip
    rows = list(csv.DictReader(film.with_name("film_metrics.csv").open()))
    confidence = next(row for row in rows if (row["metric"], row["keypoint"]) == ("confidence", "all"))
    assert (confidence["n"], confidence["median"], confidence["p10"]) == ("24", "0.75", "0.75")


def test_poses_within_the_space_of_the_labels_have_no_error(film, model) -> None:
    folder = model(columns_for_singleview_pca=[0, 1, 2])
    assert run(film, "--model_dir", folder) == 0
    _, _, errors, _ = read_pixel_errors(film.with_name("film_pca_singleview_error.csv"))
    assert np.isnan(errors[:, 3]).all()  # not among the columns
    assert np.isnan(errors[4]).all()  # its pose has a gap
    np.testing.assert_allclose(errors[[0, 1, 2, 5], :3], 0, atol=1e-6)
    assert errors[3, :3].argmax() == 2 and errors[3, 2] > 10


def mirrored(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Beak and back as a camera sees them, then as a mirror does: at the same height, elsewhere across."""
    camera = rng.uniform(0, 500, (frames, 2, 2))
    mirror = np.stack([rng.uniform(0, 500, (frames, 2)), camera[..., 1]], -1)
    return np.concatenate([camera, mirror], 1)


def test_views_that_fit_together_have_no_error(film, model) -> None:
    rng = np.random.default_rng(1)
    folder = model(keypoints=mirrored(rng, 30), mirrored_column_matches=[[0, 1], [2, 3]])
    keypoints = mirrored(rng, 5)
    keypoints[3, 2, 1] += 20  # the beak in the mirror
    write_predictions(Predictions(list(range(5)), NAMES, keypoints, np.ones((5, 4))), film)
    assert run(film, "--model_dir", folder) == 0
    _, _, errors, _ = read_pixel_errors(film.with_name("film_pca_multiview_error.csv"))
    assert (errors[3, [0, 2]] > 5).all()
    errors[3, [0, 2]] = 0
    np.testing.assert_allclose(errors, 0, atol=1e-6)


def test_no_columns_no_pca(film, model) -> None:
    earlier = film.with_name("film_pca_singleview_error.csv")
    earlier.write_text("of other predictions, or columns")
    assert run(film) == 0 and earlier.exists()  # nothing is known of the columns
    assert run(film, "--model_dir", model()) == 0
    assert not list(film.parent.glob("film_pca*"))


@pytest.mark.parametrize(
    ("split", "columns", "message"),
    [
        ("test", [0, 1, 2], "at least 6 complete labels of beak, back, tail, found 0"),
        (
            "train",
            [0, 1, 9],
            "columns_for_singleview_pca: expected keypoint numbers from 0 to 3, found 9",
        ),
    ],
)
def test_impossible_pcas_are_refused_and_nothing_is_written(
    film, model, capsys, split, columns, message
) -> None:
    folder = model(split, columns_for_singleview_pca=columns)
    assert run(film, "--model_dir", folder) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in film.parent.glob("film*")] == ["film.csv"]
