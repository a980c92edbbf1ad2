"""Charts of the report as SVG: training curves, and errors with their intervals.

They are drawn in the page's own colours, so that they are seen in dark mode too, and named in words beside
the lines, so that nobody has to tell colours apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lightning_pose.evaluation.report.html import Markup, element

WIDTH, HEIGHT = 340, 220  # units of a panel; about CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 20, 26, 34  # margins; half a tick of six digits is right of the last step
ROW = 40  # height of a row of errors
LEAST_SPAN = 0.02  # of the larger end: an interval that is shorter is not shown larger
LOG_FROM = 4.0  # largest over least value, from which an axis is logarithmic
LINES = 6  # distinct ones: as many as style.css has classes
MOST_POINTS = 400  # of a line; more are not seen


@dataclass(frozen=True)
class ErrorRow:
    """One kind's error: of each seed, their mean, and its interval, in pixels; NaN = undefined."""

    name: str
    seeds: Sequence[float]
    mean: float
    interval: tuple[float, float]


def line_panel(lines: Mapping[str, Mapping[int, float]], x_label: str, y_label: str, told: str) -> Markup:
    """Draw lines over steps, the y axis logarithmic where values differ by much and are above 0.

    Parameters
    ----------
    lines : name to step to value; values that are no numbers are left out.
    x_label, y_label : of the axes.
    told : what there is to see, for who cannot.
    """
    known = {name: _thinned(points) for name, points in lines.items()}
    values = [value for points in known.values() for _, value in points]
    if not values:
        return element("p", "No points yet.", class_="faint")
    is_log = min(values) > 0 and max(values) / min(values) >= LOG_FROM
    largest = max(max(step for step, _ in points) for points in known.values() if points)
    x = _linear(0, max(largest, 1), LEFT, WIDTH - RIGHT)
    ticks = _log_ticks(min(values), max(values)) if is_log else _ticks(min(values), max(values))
    low, high = min(*values, *ticks), max(*values, *ticks)
    scale = math.log10 if is_log else float
    y = _linear(scale(low), scale(high), HEIGHT - BOTTOM, TOP)
    parts = [_grid(y(scale(tick)), f"{tick:g}") for tick in ticks]
    parts += [_mark(x(tick), f"{tick:g}") for tick in _ticks(0, largest) if tick <= largest]
    parts += [
        _line([(x(step), y(scale(value))) for step, value in points], i % LINES, name)
        for i, (name, points) in enumerate(known.items())
        if points
    ]
    parts.append(_label(x_label, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4))
    parts.append(element("text", y_label, x=0, y=11))
    return _svg(HEIGHT, told, parts)


def line_legend(names: Sequence[str]) -> Markup:
    """Return what each line's look means."""
    entries = [element("li", _sample(i % LINES), f" {name}") for i, name in enumerate(names)]
    return element("ul", *entries, class_="legend")


def error_panel(rows: Sequence[ErrorRow], told: str) -> Markup:
    """Draw each kind's errors in a row: seeds as rings, their mean as a dot, the interval as a bar."""
    ends = [value for row in rows for value in (*row.seeds, row.mean, *row.interval) if math.isfinite(value)]
    if not ends:
        return element("p", "No errors yet.", class_="faint")
    height = ROW * len(rows) + BOTTOM
    ticks = _ticks(0, max(ends))
    x = _linear(0, max(*ends, *ticks), 8, WIDTH - 14)
    parts = [element("path", d=f"M{x(tick):.1f} 0V{height - BOTTOM}", class_="grid") for tick in ticks]
    parts += [_mark(x(tick), f"{tick:g}", height - BOTTOM) for tick in ticks]
    for number, row in enumerate(rows):
        parts += _error_row(row, x, number * ROW)
    parts.append(_label("mean pixel error (frame px)", WIDTH / 2, height - 4))
    return _svg(height, told, parts)


def _error_row(row: ErrorRow, x: Callable[[float], float], top: float) -> list[Markup]:
    middle = top + 27
    parts = [element("text", row.name, x=8, y=top + 14, class_="name")]
    low, high = row.interval
    if math.isfinite(low) and math.isfinite(high):
        parts.append(element("path", d=f"M{x(max(low, 0)):.1f} {middle}H{x(high):.1f}", class_="interval"))
    known = [value for value in row.seeds if math.isfinite(value)]
    parts += [element("circle", cx=f"{x(value):.1f}", cy=middle, r=3.5, class_="seed") for value in known]
    if math.isfinite(row.mean):
        parts.append(element("circle", cx=f"{x(row.mean):.1f}", cy=middle, r=4.5, class_="mean"))
    return parts


def _svg(height: float, told: str, parts: Sequence[Markup]) -> Markup:
    return element(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=told, class_="chart"
    )


def _thinned(points: Mapping[int, float]) -> list[tuple[int, float]]:
    """Return the points that are numbers, evenly chosen of too many, the last among them."""
    known = [(step, value) for step, value in points.items() if math.isfinite(value)]
    if len(known) <= MOST_POINTS:
        return known
    return [known[int(row)] for row in np.linspace(0, len(known) - 1, MOST_POINTS).round()]


def _linear(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers that span an interval."""
    span = max(high - low, LEAST_SPAN * max(abs(low), abs(high))) or 1.0
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers that span an interval above 0: 1, 2, 5, 10 ..., fewer over many decades."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    start = max((number for number, tick in enumerate(ticks) if tick <= low), default=0)
    end = next((number for number, tick in enumerate(ticks) if tick >= high), len(ticks) - 1)
    return ticks[start : end + 1]


def _grid(y: float, text: str) -> Markup:
    line = element("path", d=f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}", class_="grid")
    return Markup(line + element("text", text, x=LEFT - 5, y=f"{y + 4:.1f}", text_anchor="end"))


def _mark(x: float, text: str, bottom: float = HEIGHT - BOTTOM) -> Markup:
    return element("text", text, x=f"{x:.1f}", y=bottom + 14, text_anchor="middle")


def _label(text: str, x: float, y: float) -> Markup:
    return element("text", text, x=f"{x:.0f}", y=f"{y:.0f}", text_anchor="middle")


def _line(points: Sequence[tuple[float, float]], number: int, name: str) -> Markup:
    """Draw a line, or a dot where there is one point alone."""
    title = element("title", name)
    if len(points) == 1:
        ((x, y),) = points
        return element("circle", title, cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, class_=f"dot line{number}")
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", title, points=told, class_=f"line line{number}")


def _sample(number: int) -> Markup:
    line = element("path", d="M0 5H34", class_=f"line line{number}")
    return element("svg", line, viewBox="0 0 34 10", width=34, height=10, aria_hidden="true")
