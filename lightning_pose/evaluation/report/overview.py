"""The report's beginning: the result in a sentence each, and what is not there yet."""

from __future__ import annotations

import math

from lightning_pose.evaluation.kind_comparison import Difference, kind_differences
from lightning_pose.evaluation.report.contents import Contents
from lightning_pose.evaluation.report.html import Markup, element, join
from lightning_pose.evaluation.report.numbers import IND, OOD
from lightning_pose.evaluation.report.text import counted, interval_px, px

FRAMES = {IND: "held-out InD", OOD: "OOD"}


def overview(contents: Contents) -> Markup:
    """Return what a reader wants to know first."""
    return join([_missing(contents), _problems(contents), _findings(contents)])


def verdict(own: Difference) -> str:
    """Return what a difference comes to in a word or two, so that nobody calls noise a gain."""
    if not math.isfinite(own.mean):
        return "nothing to compare"
    if not math.isfinite(own.low):
        return "too few frames to tell"
    if not own.is_clear:
        return "not told apart"
    return "better" if own.high < 0 else "worse"


def _findings(contents: Contents) -> Markup | None:
    found = []
    for own in contents.sets:
        if own.comparison is None:
            continue
        first = own.comparison.kinds[0]
        against = [pair for pair in kind_differences(own.comparison) if pair.versus == first]
        found += [element("li", _sentence(own.name, pair)) for pair in against]
    return element("ul", *found, class_="findings") if found else None


def _sentence(name: str, own: Difference) -> Markup:
    frames = counted(own.frames, f"{FRAMES[name]} frame")
    told = {
        "better": f"errs {px(-own.mean)} px less than {own.versus} "
        f"(95 % interval {interval_px(-own.high, -own.low)} px).",
        "worse": f"errs {px(own.mean)} px more than {own.versus} "
        f"(95 % interval {interval_px(own.low, own.high)} px).",
        "not told apart": f"is not told apart from {own.versus} (difference {px(own.mean)} px, "
        f"95 % interval {interval_px(own.low, own.high)} px).",
    }
    rest = told.get(verdict(own), f"and {own.versus}: {verdict(own)}.")
    return join([f"On {frames}, ", element("strong", own.kind), f" {rest}"])


def _missing(contents: Contents) -> Markup | None:
    lacking = [model for model in contents.models if model.missing]
    notes = []
    if contents.workflow is not None and not contents.sets:
        notes.append("The settings name no labelled sets (workflow.ind_csv, workflow.ood_csv): no numbers.")
    unscored = [
        f"{own.kind} {own.seed} on {one.csv}"
        for own in contents.externals
        for one in contents.sets
        if not own.pixel_errors(one.csv).is_file()
    ]
    if unscored:
        notes.append(f"Predictions of other tools that were not scored yet: {', '.join(unscored)}.")
    if contents.others:
        notes.append(f"Not in the present settings, left out: {', '.join(contents.others)}.")
    if not lacking and not notes:
        return None
    entries = [
        element(
            "li", element("strong", f"{own.dir.kind}, seed {own.dir.seed}"), f": {', '.join(own.missing)}"
        )
        for own in lacking
    ]
    title = f"Unfinished: {len(lacking)} of {counted(len(contents.models), 'model')} incomplete"
    return element(
        "section",
        element("h2", title if lacking else "To know"),
        element("ul", *entries) if entries else None,
        *(element("p", note) for note in notes),
        class_="notice",
    )


def _problems(contents: Contents) -> Markup | None:
    if not contents.problems:
        return None
    entries = [element("li", problem) for problem in contents.problems]
    return element("section", element("h2", "What does not fit"), element("ul", *entries), class_="notice")
