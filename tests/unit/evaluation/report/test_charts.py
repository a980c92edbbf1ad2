"""Lines and dots lie where their numbers say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.evaluation.report.charts import (
    HEIGHT,
    LEFT,
    MOST_POINTS,
    RIGHT,
    WIDTH,
    ErrorRow,
    _log_ticks,
    _ticks,
    error_panel,
    line_panel,
)

NAN = float("nan")
FINITE = {"allow_nan": False, "allow_infinity": False}


def points(svg: str) -> list[list[tuple[float, float]]]:
    """Return the corners of each line."""
    found = re.findall(r'points="([^"]*)"', svg)
    return [[tuple(map(float, pair.split(","))) for pair in own.split()] for own in found]


def test_a_line_falls_as_its_values_do_and_decades_are_alike() -> None:
    (line,) = points(line_panel({"seed 0": {0: 100.0, 50: 10.0, 100: 1.0}}, "step", "px", "told"))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert (x0, x2) == (LEFT, WIDTH - RIGHT) and x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2) and 0 < y0 < y1 < y2 < HEIGHT


def test_what_is_no_number_is_left_out_and_one_point_is_a_dot() -> None:
    svg = line_panel({"a": {1: 2.0, 2: NAN, 3: 4.0}, "b": {1: 3.0}, "c": {}}, "step", "px", "told")
    assert [len(line) for line in points(svg)] == [2]
    assert svg.count('class="dot line1"') == 1 and "line2" not in svg
    assert "No points" in line_panel({"a": {1: NAN}}, "step", "px", "told")


def test_long_lines_are_thinned_and_keep_their_ends() -> None:
    (line,) = points(line_panel({"a": {step: 1.0 + step for step in range(5000)}}, "step", "px", "told"))
    assert len(line) == MOST_POINTS and line[-1][0] == WIDTH - RIGHT


@pytest.mark.parametrize("largest", [0, 1, 501, 580, 1999, 30_000, 100_000])
def test_numbers_of_steps_are_whole(largest) -> None:
    svg = line_panel({"a": {0: 1.0, largest: 2.0}}, "step", "px", "told")
    marks = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">([\d.]+)</text>', svg)
    assert marks[0][1] == "0" and float(marks[-1][1]) <= largest
    assert all(float(x) + 3.3 * len(text) <= WIDTH for x, text in marks)  # a digit is 6.6 wide


@pytest.mark.parametrize("low", [0.0, 10.0])
def test_a_loss_at_zero_or_that_hardly_falls_has_a_linear_axis(low) -> None:
    (line,) = points(line_panel({"a": {0: low, 1: low + 1, 2: low + 2}}, "step", "loss", "told"))
    (_, y0), (_, y1), (_, y2) = line
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)


@given(st.floats(-1e6, 1e6, **FINITE), st.floats(1e-3, 1e6, **FINITE))
def test_ticks_span_what_is_shown(low: float, span: float) -> None:
    ticks = _ticks(low, low + span)
    assert 2 <= len(ticks) <= 12 and ticks == sorted(ticks)
    assert ticks[0] <= low + 1e-6 * span and ticks[-1] >= low + span * (1 - 1e-6)


@given(st.floats(1e-6, 1e6, **FINITE), st.floats(1, 1e6, **FINITE))
def test_logarithmic_ticks_span_what_is_shown(low: float, factor: float) -> None:
    ticks = _log_ticks(low, low * factor)
    assert ticks == sorted(set(ticks)) and 1 <= len(ticks) <= 14
    assert ticks[0] <= low * (1 + 1e-9) and ticks[-1] >= low * factor * (1 - 1e-9)


def test_a_row_has_seeds_mean_and_interval_in_their_places() -> None:
    rows = [
        ErrorRow("single <a>", [4.0, 6.0, NAN], 5.0, (1.0, 9.0)),
        ErrorRow("pose", [NAN], NAN, (NAN, NAN)),
    ]
    svg = error_panel(rows, "told")
    xs = {name: [float(x) for x in re.findall(rf'<circle cx="([\d.]+)"[^>]*class="{name}"', svg)]
          for name in ("seed", "mean")}  # fmt: skip
    assert len(xs["seed"]) == 2 and len(xs["mean"]) == 1
    assert xs["mean"][0] == pytest.approx(sum(xs["seed"]) / 2, abs=0.1)
    start, end = map(float, re.search(r'd="M([\d.]+) 27H([\d.]+)" class="interval"', svg).groups())
    assert (start + end) / 2 == pytest.approx(xs["mean"][0], abs=0.1)
    assert "single &lt;a&gt;" in svg and "pose" in svg
    assert "No errors" in error_panel(rows[1:], "told")
