"""Mean and standard error over seeds, by hand; missing members are named, not passed over."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.evaluation.ood_input import MissingMember, with_missing
from lightning_pose.evaluation.plots import draw_ood_plots
from lightning_pose.evaluation.sweep_table import as_text, cells, spread, write_sweep_table
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Labels, Predictions


def test_mean_and_standard_error_over_seeds() -> None:
    own = spread([1.0, 2.0, 6.0])
    assert own.mean == 3.0
    assert own.standard_error == pytest.approx(np.sqrt((4 + 1 + 9) / 2) / np.sqrt(3))


def test_the_interval_over_seeds_is_students() -> None:
    own = spread([1.0, 2.0, 6.0, np.nan])
    half = 4.302653 * own.standard_error  # t of two degrees of freedom, from a table
    assert own.interval() == pytest.approx((3 - half, 3 + half), rel=1e-6)


@pytest.mark.parametrize("values", [[2.0], [2.0, np.nan]])
def test_one_seed_has_no_standard_error_and_no_interval(values) -> None:
    own = spread(values)
    assert own.mean == 2.0 and np.isnan(own.standard_error)
    assert np.isnan(own.interval()).all()


@pytest.fixture
def sweep(comparison):
    """Two seeds of two kinds, whose members err by 1 and 3, and by 2 and 2 px."""
    own = comparison(kinds=("single", "single", "pose_1.8-25frames", "pose_1.8-25frames"))
    errors = np.ones_like(own.errors) * np.array([1.0, 3.0, 2.0, 2.0])[:, None, None]
    errors[:, 0, 0] = np.nan
    return replace(own, errors=errors)


def test_a_cell_for_each_kind_even_without_members(sweep) -> None:
    found = cells(sweep, [MissingMember("single", "2"), MissingMember("pose_2", "0")])
    assert [cell.kind for cell in found] == ["single", "pose_1.8-25frames", "pose_2"]
    assert (found[0].mean.mean, found[0].mean.standard_error) == (2.0, 1.0)
    assert (found[1].mean.mean, found[1].mean.standard_error) == (2.0, 0.0)
    assert (found[0].seeds, found[0].missing, found[2].seeds) == (["0", "1"], ["2"], [])
    assert np.isnan(found[2].mean.mean)


def test_the_table_says_what_a_kind_is(sweep, tmp_path) -> None:
    write_sweep_table(cells(sweep, [MissingMember("single", "2")]), tmp_path / "t.csv")
    first, second = csv.DictReader((tmp_path / "t.csv").open())
    assert (first["model"], first["missing_seeds"], float(first["mean_px"])) == ("single", "2", 2.0)
    assert (second["model"], second["crop_ratio"], second["train_frames"]) == ("pose", "1.8", "25")


def test_the_text_names_who_is_missing(sweep) -> None:
    lines = as_text(cells(sweep, [MissingMember("single", "2")])).splitlines()
    assert lines[1].split() == ["OOD", "single", "2", "of", "3", "2.00", "±", "1.00", "2.00", "±", "1.00"]
    assert lines[-1] == "missing: single, seed 2"
    assert not any("missing" in line for line in as_text(cells(sweep, [])).splitlines())


def test_a_seed_that_predicted_nothing_is_none_that_the_mean_is_over(sweep) -> None:
    sweep.errors[1] = np.nan
    lines = as_text(cells(sweep, [])).splitlines()
    assert lines[1].split() == ["OOD", "single", "1", "of", "2", "1.00", "1.00"]
    assert lines[2].split()[2] == "2"


def test_the_note_names_who_is_missing(sweep, caplog) -> None:
    missing = [MissingMember("single", "2"), MissingMember("single", "3"), MissingMember("pose_2", "0")]
    own = with_missing(replace(sweep, note="before"), missing)
    assert own.note == "before; 3 of 7 members missing: single seed 2, 3; pose_2 seed 0"
    assert "3 of 7 members missing" in caplog.text
    assert with_missing(sweep, []) is sweep


def test_a_long_note_is_drawn_on_all_pages(sweep, tmp_path) -> None:
    missing = [MissingMember(f"pose_{ratio}-semi-50frames", "4") for ratio in range(12)]
    draw_ood_plots([sweep], tmp_path / "plain.pdf", figures_dir=tmp_path / "plain")
    draw_ood_plots([with_missing(sweep, missing)], tmp_path / "noted.pdf", figures_dir=tmp_path / "noted")
    for page in (tmp_path / "plain").iterdir():
        assert page.read_bytes() != (tmp_path / "noted" / page.name).read_bytes()


@pytest.fixture
def files(tmp_path):
    """Two seeds on two sets of three images, as arguments."""
    names = [f"{number}.jpg" for number in range(3)]
    for name in ("ind", "ood"):
        labels = Labels([f"{name}/{own}" for own in names], ["beak"], np.zeros((3, 1, 2)))
        write_labels(labels, tmp_path / f"{name}.csv")
        for seed in (0, 1):
            keypoints_px = np.full((3, 1, 2), [3.0 * (seed + 1), 4.0 * (seed + 1)])
            own = Predictions(labels.image_paths, ["beak"], keypoints_px, np.ones((3, 1)), ["test"] * 3)
            write_predictions(own, tmp_path / f"{name}_{seed}.csv")
    options = [f"--{name}_labels={tmp_path / name}.csv" for name in ("ind", "ood")]
    for seed in "01":
        options += ["--member", "single", seed, *(str(tmp_path / f"{n}_{seed}.csv") for n in ("ind", "ood"))]
    return options


def test_the_command(files, tmp_path, capsys) -> None:
    output = tmp_path / "out" / "sweep_table.csv"
    texts = ["--output", str(output), "--output_text", str(output.with_suffix(".txt"))]
    assert main(["sweep_table", *files, "--missing", "single", "2", *texts]) == 0
    rows = list(csv.DictReader(output.open()))
    assert [(row["set"], float(row["mean_px"]), row["missing_seeds"]) for row in rows] == [
        ("InD", 7.5, "2"),
        ("OOD", 7.5, "2"),
    ]
    assert float(rows[0]["mean_standard_error_px"]) == 2.5
    assert capsys.readouterr().out == output.with_suffix(".txt").read_text()


@pytest.mark.parametrize("command", ["sweep_table", "plot_ood"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("1", "0"), "--member: expected each kind and seed once, found single 0 again"),
        (("ind_1.csv", "ind_0.csv"), "--member: expected each file once, found {}/ind_0.csv again"),
        (("ood.csv", "ind.csv"), "{}/ind.csv: expected other images than {}/ind.csv, found ind/0.jpg"),
    ],
)
def test_what_would_count_twice_is_refused(files, tmp_path, capsys, command, change, message) -> None:
    before, after = change
    own = [after if text == before else text.replace(f"/{before}", f"/{after}") for text in files]
    own += ["--metrics", str(tmp_path / "out" / "metrics.csv")] if command == "plot_ood" else []
    assert main([command, *own, "--output", str(tmp_path / "out" / "table.csv")]) == 2
    error = capsys.readouterr().err
    assert message.replace("{}", str(tmp_path)) in error and error.count(f"litpose {command}:") == 1
    assert not (tmp_path / "out").exists()
