"""Figures with what is behind each, crops, timings, and links to everything else."""

from __future__ import annotations

import base64
import math
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from lightning_pose.evaluation.crop_qa import FLAGS
from lightning_pose.evaluation.report.contents import CROP_SHEET, Contents, Crops
from lightning_pose.evaluation.report.html import Cell, Markup, element, join, table
from lightning_pose.evaluation.report.text import UNKNOWN, counted, duration
from lightning_pose.io.benchmarks import JobCost
from lightning_pose.types import BoxStatus

PDF, NUMBERS = "ood_plots.pdf", "ood_metrics.csv"
PNG_START = b"\x89PNG\r\n\x1a\n"


class FigureText(NamedTuple):
    """What a figure is called, and what is to be seen in it."""

    title: str
    told: str


# in the order of the PDF's pages
FIGURES = {
    "error_vs_deviation": FigureText(
        "Error against ensemble standard deviation",
        "Mean pixel error of the keypoints whose ensemble standard deviation lies above a threshold",
    ),
    "risk_coverage": FigureText(
        "Risk and coverage",
        "Mean pixel error of what remains when the least certain keypoints are dropped",
    ),
    "error_per_keypoint": FigureText(
        "Errors of each keypoint", "Box plots of the pixel errors of each keypoint and kind"
    ),
    "error_scatter": FigureText(
        "Error and standard deviation of each keypoint",
        "Scatter of pixel error over ensemble standard deviation, with Spearman's rho",
    ),
    "numbers": FigureText("Numbers", "Table of errors, rank statistics and differences between kinds"),
}
# files of a finished data set: name, and what it is
FURTHER = (
    ("gallery/index.html", "gallery: every labelled frame, with what all models found in it"),
    (PDF, "all figures, as vectors"),
    (NUMBERS, "every number of the figures, one a row"),
    ("sweep_table.csv", "errors of all kinds over their seeds"),
)
# of each ensemble and video
OF_ENSEMBLES = {
    "expected_error.pdf": "trajectories in bands of their expected error",
    "smoothed_predictions.csv": "smoothed trajectories",
}


class Linker:
    """Names files as seen from where the report lies.

    Parameters
    ----------
    output : the report.
    """

    def __init__(self, output: Path) -> None:
        self.folder = output.resolve().parent

    def link(self, path: Path, text: str | None = None) -> Markup:
        """Return a link to a file, or its name alone where it is not there."""
        name = os.path.relpath(path.resolve(), self.folder).replace(os.sep, "/")
        if not path.is_file():
            return join([text or name, " (not there yet)"])
        return element("a", text or name, href=quote(name))


def figures(contents: Contents, links: Linker) -> Markup:
    """Return the section of the figures that are there."""
    parts = []
    for name, own in FIGURES.items():
        path = contents.folder / "figures" / f"{name}.png"
        image = _image(path, own.told, contents.problems)
        if image is None:
            continue
        caption = element(
            "figcaption", element("strong", own.title), ": ", links.link(path), "; as vectors ",
            links.link(path.with_suffix(".pdf")), "; numbers ", links.link(path.with_suffix(".csv")),
        )  # fmt: skip
        parts.append(element("figure", image, caption, class_="wide"))
    lacking = [name for name in FIGURES if not (contents.folder / "figures" / f"{name}.png").is_file()]
    if lacking:
        text = f"Not there yet: {', '.join(lacking)}. {PDF} and its figures are made by litpose plot_ood."
        parts.append(element("p", text, class_="faint"))
    return join(parts)


def crops(contents: Contents, links: Linker) -> Markup:
    """Return the section of the crop QA: a table, and the worst frames of each labelled set."""
    if not contents.crops:
        return element("p", "Nothing was cropped yet.", class_="faint")
    header = ["boxes", "of", "frames", "nothing detected", "carried over", "keypoints outside",
              "near the border", "of odd size", "keypoints outside in all", "worst frames"]  # fmt: skip
    parts: list[Markup | None] = [
        table(
            "Frames by what may be amiss with their crops",
            header,
            [_crop_row(own, links) for own in contents.crops],
        )
    ]
    if any(not own.table for own in contents.crops):
        text = "A dash: not looked at yet. litpose crop_qa says where keypoints lie in their boxes."
        parts.append(element("p", text, class_="faint"))
    for name in dict.fromkeys(own.path.name for own in contents.crops):
        parts.append(_worst(name, contents, links))
    return join(parts)


def _crop_row(own: Crops, links: Linker) -> list[Cell]:
    flags = {name: own.table.get(("flag", name), {}).get("n", UNKNOWN) for name in FLAGS}
    every = own.table.get(("set", "all"), {})
    statuses = own.statuses
    frames = str(sum(statuses.values())) if statuses else UNKNOWN
    sheet = own.path / CROP_SHEET
    return [
        own.path.relative_to(own.path.parents[_depth(own)]).parts[0], own.path.name, frames,
        str(statuses.get(BoxStatus.FALLBACK.value, 0)) if statuses else UNKNOWN,
        str(statuses.get(BoxStatus.CARRIED.value, 0)) if statuses else UNKNOWN,
        flags["outside"], flags["near_border"], flags["odd_size"],
        f"{every['outside']} of {every['n']}" if every else UNKNOWN,
        links.link(sheet, "picture") if sheet.is_file() else UNKNOWN,
    ]  # fmt: skip


def _depth(own: Crops) -> int:
    """Return how many folders a crop's lies below the folder of results, less one."""
    return 2 if own.path.parent.name == "video_preds" else 1


def _worst(name: str, contents: Contents, links: Linker) -> Markup | None:
    """Return the picture of the worst frames of one set, of the boxes with most of them."""
    own = [crop for crop in contents.crops if crop.path.name == name and (crop.path / CROP_SHEET).is_file()]
    if not own:
        return None
    worst = max(own, key=lambda crop: int(crop.table.get(("flag", "outside"), {}).get("n", 0) or 0))
    image = _image(worst.path / CROP_SHEET, f"The least trustworthy crops of {name}", contents.problems)
    if image is None:
        return None
    caption = element("figcaption", element("strong", f"Least trustworthy crops of {name}"), ": ",
                      links.link(worst.path / CROP_SHEET))  # fmt: skip
    return element("figure", image, caption, class_="wide")


def timings(contents: Contents) -> Markup:
    """Return the section of what jobs took, by rule."""
    if not contents.costs:
        return element("p", "No benchmark files: these results were not made by Snakemake.", class_="faint")
    rules: dict[str, list[JobCost]] = {}
    for cost in contents.costs:
        rules.setdefault(cost.rule, []).append(cost)
    by_time = sorted(rules.items(), key=lambda own: -_total(own[1]))
    rows: list[list[Cell]] = [[rule, *_cost_cells(own)] for rule, own in by_time]
    rows.append(["all", *_cost_cells(contents.costs)])
    header = ["rule", "jobs", "in all", "longest", "cores on average", "most memory, MB"]
    about = "The last run of each job, added up: jobs that ran side by side count in full."
    return join([table("Time by rule", header, rows), element("p", about, class_="faint")])


def _total(costs: Sequence[JobCost]) -> float:
    return sum(cost.seconds for cost in costs)


def _cost_cells(costs: Sequence[JobCost]) -> list[str]:
    memory = [cost.memory_mb for cost in costs if math.isfinite(cost.memory_mb)]
    measured = [cost for cost in costs if math.isfinite(cost.cpu_seconds) and cost.seconds > 0]
    cores = sum(cost.cpu_seconds for cost in measured) / _total(measured) if measured else math.nan
    return [
        str(len(costs)),
        duration(_total(costs)),
        duration(max(cost.seconds for cost in costs)),
        f"{cores:.1f}" if math.isfinite(cores) else UNKNOWN,
        f"{max(memory):,.0f}" if memory else UNKNOWN,
    ]


def further(contents: Contents, links: Linker) -> Markup:
    """Return links to what else was made."""
    entries = [
        element("li", links.link(contents.folder / name), f": {told}")
        for name, told in FURTHER
        if (contents.folder / name).is_file()
    ]
    videos = sorted(contents.folder.glob("cropzoom_*/video_preds/*/labeled.mp4"))
    entries += [element("li", links.link(path), ": video with predictions") for path in videos]
    for name, told in OF_ENSEMBLES.items():
        paths = sorted(contents.folder.glob(f"ensemble/*/video_preds/*/{name}"))
        entries += [element("li", links.link(path), f": {told}") for path in paths]
    if not entries:
        return element("p", "Nothing yet.", class_="faint")
    about = f"{counted(len(entries), 'file')}, linked from where this page was written."
    return join([element("ul", *entries), element("p", about, class_="faint")])


def _image(path: Path, told: str, problems: list[str]) -> Markup | None:
    """Return a PNG inside the page; None if there is none."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    if not content.startswith(PNG_START) or len(content) < 24:
        problems.append(f"{path}: expected a PNG, found another file")
        return None
    width, height = struct.unpack_from(">II", content, 16)
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return element("img", src=source, alt=told, width=width, height=height, loading="lazy")
