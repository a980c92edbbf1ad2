"""A member that found nothing says so in the table, the plots and the gallery."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.evaluation.divergence import divergence, guess_error
from lightning_pose.evaluation.ood_input import MemberFiles, MissingMember, compare, with_missing
from lightning_pose.evaluation.ood_table import table_rows, write_table
from lightning_pose.evaluation.plots import draw_ood_plots
from lightning_pose.evaluation.sweep_table import as_text, cells
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Labels, Predictions

FRAMES, NAMES = [f"{row}.png" for row in range(8)], ["beak", "tail"]
LABELLED_PX = np.random.default_rng(0).uniform(0, 200, (8, 2, 2))
GOOD, NOTHING = LABELLED_PX + 3.0, np.full_like(LABELLED_PX, np.nan)
MEAN = np.broadcast_to(LABELLED_PX.mean(0), LABELLED_PX.shape)
CORNER = np.zeros_like(LABELLED_PX)
BEYOND = np.full_like(LABELLED_PX, 1e300)


def half_missing(rows):
    found = GOOD.copy()
    found[:rows] = np.nan
    return found


def test_a_guess_is_the_mean_of_the_other_frames() -> None:
    labelled = LABELLED_PX.copy()
    labelled[2, 1] = np.nan
    guess = guess_error(labelled)
    for row, k in np.ndindex(8, 2):
        others = [labelled[i, k] for i in range(8) if i != row and np.isfinite(labelled[i, k]).all()]
        expected = np.linalg.norm(np.mean(others, 0) - labelled[row, k])
        assert guess[row, k] == pytest.approx(expected, nan_ok=True)


def test_nothing_is_guessed_from_few_frames() -> None:
    assert np.isnan(guess_error(LABELLED_PX[:4])).all()
    assert divergence(CORNER[:4], LABELLED_PX[:4]) == ""


@pytest.mark.parametrize("found", [GOOD, LABELLED_PX, MEAN, half_missing(4)])
def test_members_of_use(found) -> None:
    assert divergence(found, LABELLED_PX) == ""


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (NOTHING, "predicts 0 of 16 labelled keypoints"),
        (half_missing(5), "predicts 6 of 16 labelled keypoints"),
        (CORNER, "median error"),
        (BEYOND, "median error inf px"),
        (GOOD + 500, "always guessing each keypoint's mean place"),
    ],
)
def test_members_of_no_use(found, reason) -> None:
    with np.errstate(over="ignore"):
        assert reason in divergence(found, LABELLED_PX)


def test_without_labels_nothing_is_said() -> None:
    assert divergence(GOOD, NOTHING) == ""


@pytest.fixture
def members(tmp_path):
    """Write labels and four members' predictions on both sets, the last one's as asked for."""

    def write(last):
        files = []
        for name in ("ind", "ood"):
            own = [f"{name}/{frame}" for frame in FRAMES]
            write_labels(Labels(own, NAMES, LABELLED_PX), tmp_path / f"{name}.csv")
            for number, found in enumerate([GOOD, GOOD + 1, GOOD - 2, last]):
                predictions = Predictions(own, NAMES, found, np.ones((8, 2)), ["test"] * 8)
                write_predictions(predictions, tmp_path / f"{name}_{number}.csv")
        for number in range(4):
            places = [tmp_path / f"{name}_{number}.csv" for name in ("ind", "ood")]
            files.append(MemberFiles("single" if number < 2 else "pose_2.0", str(number % 2), *places))
        return files, tmp_path

    return write


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("last", [NOTHING, CORNER, BEYOND], ids=["NaN", "corner", "beyond"])
def test_table_plots_and_sweep_name_it(members, last, caplog) -> None:
    files, folder = members(last)
    both = [compare("InD", folder / "ind.csv", files, True), compare("OOD", folder / "ood.csv", files, False)]
    for own in both:
        assert own.note == "1 of 4 members diverged, which widens every deviation: pose_2.0 seed 1"
        assert [bool(reason) for reason in own.diverged] == [False, False, False, True]
    assert "OOD: pose_2.0 seed 1 diverged: " in caplog.text
    write_table(both, folder / "metrics.csv")
    rows = [row for row in csv.DictReader((folder / "metrics.csv").open()) if row["figure"] == "members"]
    told = {(row["set"], row["kind"], row["seed"]) for row in rows
            if row["statistic"] == "diverged" and row["value"] == "1"}  # fmt: skip
    assert told == {("InD", "pose_2.0", "1"), ("OOD", "pose_2.0", "1")}
    draw_ood_plots(both, folder / "plots.pdf", figures_dir=folder / "noted")
    draw_ood_plots([replace(own, note="") for own in both], folder / "p.pdf", figures_dir=folder / "plain")
    for page in (folder / "plain").iterdir():
        assert page.read_bytes() != (folder / "noted" / page.name).read_bytes()
    found = cells(both[1], [])
    assert [(cell.kind, cell.diverged) for cell in found] == [("single", []), ("pose_2.0", ["1"])]
    assert as_text(found).splitlines()[-1] == "diverged: pose_2.0, seed 1 (OOD)"


def test_members_of_use_are_in_the_table_too(members) -> None:
    files, folder = members(GOOD)
    own = with_missing(compare("OOD", folder / "ood.csv", files, False), [MissingMember("single", "7")])
    rows = [row for row in table_rows(own) if row[0] == "members"]
    told = {(row[2], row[4], row[9]): row[10] for row in rows}
    assert {value for (_, _, statistic), value in told.items() if statistic == "diverged"} == {"0"}
    assert told["single", "7", "missing"] == "1" and told["single", "0", "missing"] == "0"
    assert float(told["single", "0", "median"]) == pytest.approx(np.hypot(3, 3))


def test_the_commands_name_it(members, capsys) -> None:
    files, folder = members(NOTHING)
    options = [f"--{name}_labels={folder / name}.csv" for name in ("ind", "ood")]
    for own in files:
        options += ["--member", own.kind, own.seed, str(own.ind_csv), str(own.ood_csv)]
    assert main(["sweep_table", *options, "--output", str(folder / "sweep.csv")]) == 0
    assert "diverged: pose_2.0, seed 1 (InD)" in capsys.readouterr().out
    rows = list(csv.DictReader((folder / "sweep.csv").open()))
    assert [(row["kind"], row["diverged_seeds"]) for row in rows if row["set"] == "InD"] == [
        ("single", ""), ("pose_2.0", "1"),
    ]  # fmt: skip
