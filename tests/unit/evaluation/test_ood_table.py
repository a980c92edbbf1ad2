"""Whoever has the CSV can draw the plots again."""

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lightning_pose.evaluation.kind_comparison import kind_differences
from lightning_pose.evaluation.metrics import summarize
from lightning_pose.evaluation.ood import auroc, error_curve, spearman
from lightning_pose.evaluation.ood_table import (
    COLUMNS,
    FIGURES,
    curves,
    risks,
    summary,
    write_table,
)
from lightning_pose.evaluation.risk_coverage import risk_curve

KEY = tuple(name for name in COLUMNS if name not in ("value", "n"))


def number(text):
    return float(text) if text else np.nan


@pytest.fixture
def written(tmp_path):
    def write(*comparisons):
        write_table(list(comparisons), tmp_path / "deep" / "ood_metrics.csv")
        with open(tmp_path / "deep" / "ood_metrics.csv", newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            assert tuple(reader.fieldnames) == COLUMNS
            return list(reader)

    return write


def rows_of(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def samples_of(rows, own):
    """Rebuild errors and deviation from the rows."""
    errors, deviation = np.full(own.errors.shape, np.nan), np.full(own.deviation.shape, np.nan)
    member = {pair: m for m, pair in enumerate(zip(own.kinds, own.seeds, strict=True))}
    for row in rows_of(rows, figure="samples", set=own.name):
        place = own.frames.index(row["frame"]), own.keypoint_names.index(row["keypoint"])
        if row["statistic"] == "pixel_error":
            errors[(member[row["kind"], row["seed"]], *place)] = number(row["value"])
        else:
            deviation[place] = number(row["value"])
    return errors, deviation


def of_kind(errors, kinds, kind):
    """Return a kind's errors of the keypoints that every kind predicted."""
    there = [np.isfinite(errors[[name == own for name in kinds]]).any(0) for own in dict.fromkeys(kinds)]
    return np.where(np.logical_and.reduce(there), errors[[name == kind for name in kinds]], np.nan)


def test_samples_read_back_to_the_last_bit(written, comparison) -> None:
    both = [comparison("InD"), comparison("OOD")]
    rows = written(*both)
    for own in both:
        errors, deviation = samples_of(rows, own)
        np.testing.assert_array_equal(errors, own.errors)
        np.testing.assert_array_equal(deviation, own.deviation)


def test_curves_follow_from_the_samples(written, comparison) -> None:
    own = comparison()
    rows = written(own)
    errors, deviation = samples_of(rows, own)
    for kind in ("single", "pose"):
        chosen = rows_of(rows, figure="curve", set="OOD", kind=kind)
        thresholds = np.array([number(row["threshold"]) for row in chosen if row["statistic"] == "mean"])
        curve = error_curve(of_kind(errors, own.kinds, kind), deviation, thresholds)
        for statistic in ("mean", "standard_error", "share"):
            mine = [row for row in chosen if row["statistic"] == statistic]
            values = [number(row["value"]) for row in mine]
            np.testing.assert_array_equal(values, getattr(curve, statistic))
            np.testing.assert_array_equal([int(row["n"]) for row in mine], curve.count)


def test_all_that_a_curve_draws_is_there(written, comparison) -> None:
    own = comparison()
    rows = written(own)
    for kind, curve in curves(own).items():
        mine = rows_of(rows, figure="curve", kind=kind)
        assert len(mine) == 3 * len(curve.thresholds)


def test_risks_and_differences_follow_from_the_samples(written, comparison) -> None:
    own = comparison()
    rows = written(own)
    errors, deviation = samples_of(rows, own)
    for kind in ("single", "pose"):
        found = rows_of(rows, figure="risk_coverage", kind=kind)
        coverage = np.array([number(row["coverage"]) for row in found])
        curve = risk_curve(of_kind(errors, own.kinds, kind), deviation, coverage)
        np.testing.assert_array_equal([number(row["value"]) for row in found], curve.mean)
        np.testing.assert_array_equal([int(row["n"]) for row in found], curve.count)
    (expected,) = kind_differences(own)
    found = rows_of(rows, figure="comparison", kind="pose", versus="single")
    values = {row["statistic"]: number(row["value"]) for row in found}
    assert values == {
        "difference": expected.mean, "interval_low": expected.low, "interval_high": expected.high
    }  # fmt: skip
    assert expected.low < expected.mean < expected.high and {row["n"] for row in found} == {"7"}


def test_a_kind_that_leaves_out_what_is_hard_looks_no_better(comparison) -> None:
    own = comparison(frames=60, known=1.0)
    errors = np.concatenate([own.errors[:2], own.errors[:2]])  # as good as one another
    errors[2:, own.deviation > np.median(own.deviation)] = np.nan
    silent = np.full((1, *own.deviation.shape), np.nan)
    own = replace(
        own, kinds=[*own.kinds, "silent"], seeds=[*own.seeds, "0"], errors=np.vstack([errors, silent])
    )
    for found in (curves(own), risks(own)):
        np.testing.assert_array_equal(found["single"].mean, found["pose"].mean)
        np.testing.assert_array_equal(found["single"].count, found["pose"].count)
        assert found["single"].count.max() == 2 * 90 and np.isnan(found["silent"].mean).all()
    assert 0.015 < curves(own)["pose"].share.min() < 0.03  # thresholds end where 2 % are left


def test_boxes_of_keypoints_follow_from_the_samples(written, comparison) -> None:
    own = comparison()
    rows = written(own)
    errors, _ = samples_of(rows, own)
    levels = {"p5": 5, "p25": 25, "median": 50, "p75": 75, "p95": 95}
    for row in rows_of(rows, figure="keypoints"):
        mine = errors[[kind == row["kind"] for kind in own.kinds]]
        values = mine[..., own.keypoint_names.index(row["keypoint"])]
        known = values[np.isfinite(values)]
        assert number(row["value"]) == pytest.approx(np.percentile(known, levels[row["statistic"]]))
        assert int(row["n"]) == known.size
    assert len(rows_of(rows, figure="keypoints")) == 2 * len(own.keypoint_names) * len(levels)


def test_each_figure_has_its_part_of_the_table(written, comparison, tmp_path) -> None:
    both = [comparison("InD"), comparison("OOD")]
    rows = written(*both)
    write_table(both, tmp_path / "again.csv", tmp_path / "figures")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "deep" / "ood_metrics.csv").read_bytes()
    parts = {"error_vs_deviation": ["curve"], "risk_coverage": ["risk_coverage"],
             "error_per_keypoint": ["keypoints"], "error_scatter": ["samples"],
             "numbers": ["summary", "comparison"]}  # fmt: skip
    assert parts.keys() == FIGURES.keys()
    for name, figures in parts.items():
        with open(tmp_path / "figures" / f"{name}.csv", newline="", encoding="utf-8") as file:
            own = list(csv.DictReader(file, strict=True))
        expected = [row for row in rows if row["figure"] in figures]
        assert sorted(map(str, own)) == sorted(map(str, expected)) and own


def mine_averaged(errors):
    averages = np.full((1, *errors.shape[1:]), np.nan)
    for frame, keypoint in np.ndindex(errors.shape[1:]):
        known = [value for value in errors[:, frame, keypoint] if np.isfinite(value)]
        if known:
            averages[0, frame, keypoint] = sum(known) / len(known)
    return averages


def test_summaries_are_those_of_each_kind_and_of_all(written, comparison) -> None:
    own = comparison()
    rows = written(own)
    errors, deviation = samples_of(rows, own)
    for kind in ("single", "pose", "all"):
        mine = errors[[kind in (name, "all") for name in own.kinds]]
        found = {row["statistic"]: number(row["value"]) for row in rows_of(rows, figure="summary", kind=kind)}
        expected = {
            **summarize(mine),
            "spearman": spearman(mine, deviation),
            "spearman_of_mean": spearman(mine_averaged(mine), deviation),
            "auroc_5px": auroc(mine, deviation, 5),
            "auroc_10px": auroc(mine, deviation, 10),
        }
        assert found == pytest.approx(expected)
        assert expected["auroc_5px"] == expected["auroc_5px"]


def test_one_number_a_row(written, comparison) -> None:
    rows = written(comparison("InD"), comparison("OOD"))
    repeated = [
        key for key, count in Counter(tuple(row[k] for k in KEY) for row in rows).items() if count > 1
    ]
    assert not repeated
    figures = {"curve", "risk_coverage", "keypoints", "comparison", "summary", "members", "samples"}
    assert {row["figure"] for row in rows} == figures
    for row in rows:
        assert int(row["n"]) >= 0 and row["set"] in ("InD", "OOD")
        assert (row["figure"] == "curve") == bool(row["threshold"])
        assert (row["figure"] == "risk_coverage") == bool(row["coverage"])
        assert (row["figure"] == "comparison") == bool(row["versus"])
        assert (row["figure"] == "samples") == bool(row["frame"])
        assert (row["figure"] in ("samples", "keypoints")) == bool(row["keypoint"])


@pytest.mark.parametrize("frames", [0, 3])
def test_nothing_known_is_empty_cells(written, comparison, frames) -> None:
    rows = written(comparison(frames=frames, known=0.0))
    assert not rows_of(rows, statistic="pixel_error")
    empty = [row for row in rows if row["statistic"] not in ("share", "n", "diverged", "missing")]
    assert empty and all(row["value"] == "" for row in empty)
    assert {row["value"] for row in rows_of(rows, statistic="n")} == {"0"}


def test_frames_with_commas_and_quotes_survive(written, comparison) -> None:
    own = comparison(frames=1)
    own.frames[0] = 'a "b", c\u00e9.png'
    assert {row["frame"] for row in rows_of(written(own), figure="samples")} == {'a "b", c\u00e9.png'}


def test_a_single_member_has_errors_and_no_ranks(comparison) -> None:
    numbers = summary(comparison(kinds=("single",)), "single")
    assert numbers["n"] > 0 and numbers["mean"] > 0
    assert np.isnan(numbers["spearman"]) and np.isnan(numbers["auroc_5px"])
