"""Compare two folders of results: settings, what made them, and the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lightning_pose.evaluation.metrics import pixel_error, summarize
from lightning_pose.io.bundle import walk_results
from lightning_pose.io.files import sha256
from lightning_pose.io.model_dir import CONFIG_FILE, WEIGHTS_FILE
from lightning_pose.io.predictions import read_pixel_errors, read_predictions
from lightning_pose.io.provenance import PROVENANCE_FILE, read_provenance
from lightning_pose.io.tables import iterate_rows
from lightning_pose.types import Predictions, Problem, UserError

PREDICTIONS, ERRORS, TABLE = "predictions.csv", "_pixel_error.csv", "ood_metrics.csv"
# of a run, besides code, packages and what was read; command and times say where and when, not what
OF_RUNS = ("python", "machine", "device", "precision", "threads", "seeds")
PLACES = ("frame", "keypoint", "threshold", "coverage")  # of samples and points of curves, in the table
SETTINGS_SUFFIXES = (".yaml", ".yml")
NONE = "none"


@dataclass(frozen=True)
class Difference:
    """One thing that two folders do not share.

    Parameters
    ----------
    file : relative to both folders.
    what : a setting's key, a package, a keypoint ...
    first, second : what there is of it in either, or `first` alone where one text tells both.
    """

    file: str
    what: str
    first: str
    second: str | None = None

    def __str__(self) -> str:
        values = self.first if self.second is None else f"{self.first} | {self.second}"
        return f"{self.file}: {self.what}: {values}"


def compare_folders(first: Path, second: Path) -> list[Difference]:
    """Return everything that two folders of results differ in.

    Raises
    ------
    UserError
        If one is no folder, has no results, or a file cannot be read.
    """
    found = [_result_files(folder) for folder in (first, second)]
    for folder, files in zip((first, second), found, strict=True):
        if not files:
            expected = f"a folder with results ({CONFIG_FILE}, {PREDICTIONS}, {PROVENANCE_FILE}, ...)"
            raise UserError(Problem(str(folder), expected, "none" if folder.is_dir() else "no such folder"))
    differences: list[Difference] = []
    for name in sorted({*found[0], *found[1]}):
        there = [name in files for files in found]
        if all(there):
            differences += _compare(name, first / name, second / name)
        else:
            differences.append(Difference(name, "the file", *("there" if own else NONE for own in there)))
    return differences


def _result_files(folder: Path) -> set[str]:
    """Return the files that are compared, relative to the folder."""
    return {path.relative_to(folder).as_posix() for path in walk_results(folder) if _is_compared(path.name)}


def _is_compared(name: str) -> bool:
    known = name in (CONFIG_FILE, WEIGHTS_FILE, PROVENANCE_FILE, TABLE)
    return known or name.endswith((PREDICTIONS, ERRORS))


def _compare(name: str, first: Path, second: Path) -> Iterator[Difference]:
    kind = Path(name).name
    if kind == PROVENANCE_FILE:
        yield from _compare_provenance(name, first.parent, second.parent)
        return
    if sha256(first) == sha256(second):
        return
    if kind == CONFIG_FILE:
        yield from _compare_values(name, flat_settings(first), flat_settings(second))
    elif kind == WEIGHTS_FILE:
        yield Difference(name, "weights", "different")
    elif kind == TABLE:
        yield from _compare_tables(name, first, second)
    elif kind.endswith(ERRORS):
        yield from _or_else(_compare_errors(name, first, second), name, "single errors, or sets")
    else:
        found = _compare_predictions(name, first, second)
        yield from _or_else(found, name, "columns besides x, y and likelihood, or text")


def _or_else(found: Iterator[Difference], name: str, what: str) -> list[Difference]:
    """Return what was found in two files that differ; if nothing was, that it is something else."""
    return list(found) or [Difference(name, what, "different")]


def _compare_provenance(name: str, first: Path, second: Path) -> Iterator[Difference]:
    """Compare what made the files that both folders have."""
    own, other = read_provenance(first), read_provenance(second)
    seen = set()
    for file in sorted({*own["files"]} & {*other["files"]}):
        pair = own["files"][file]["run"], other["files"][file]["run"]
        if pair in seen:  # one run made several files
            continue
        seen.add(pair)
        yield from _compare_values(
            f"{name} ({file})", _of_run(own["runs"][pair[0]]), _of_run(other["runs"][pair[1]])
        )


def _of_run(run: Mapping[str, Any]) -> dict[str, str]:
    """Return what counts of a run, as text by name: inputs by the names of their files."""
    found = {name: str(run[name]) for name in OF_RUNS if name in run}
    found |= {f"code {name}": text for name, text in (run.get("code") or {}).items()}
    found |= {f"version of {name}": text for name, text in (run.get("packages") or {}).items()}
    inputs: dict[str, list[str]] = {}
    for path, own in (run.get("inputs") or {}).items():
        if Path(path).suffix in SETTINGS_SUFFIXES:  # which are compared key by key
            continue
        inputs.setdefault(f"input {Path(path).name}", []).append(_short(own))
    for own in (run.get("images") or {}).values():
        inputs.setdefault("images", []).append(f"{own.get('files')} files, {_short(own)}")
    return found | {name: ", ".join(sorted(texts)) for name, texts in inputs.items()}


def _short(checksum: Mapping[str, Any]) -> str:
    """Return the beginning of a checksum, which is enough to see that two differ."""
    return next((str(text)[:12] for name, text in checksum.items() if name.startswith("sha256")), "unknown")


def flat_settings(path: Path) -> dict[str, str]:
    """Return the settings of a YAML file, as text by full key."""
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(Problem(str(path), "a readable YAML file", str(error).splitlines()[0])) from None
    return dict(_leaves(content))


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, "null" if node is None else str(node)


def _compare_values(file: str, first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        pair = first.get(name, NONE), second.get(name, NONE)
        if pair[0] != pair[1]:
            yield Difference(file, name, *pair)


def _compare_predictions(name: str, first: Path, second: Path) -> Iterator[Difference]:
    """Compare positions frame by frame: how far apart they are, in the pixels of the files."""
    own, other = read_predictions(first), read_predictions(second)
    yield from _compare_lists(name, "keypoints", own.keypoint_names, other.keypoint_names)
    yield from _compare_lists(name, "rows", own.index, other.index)
    if own.splits != other.splits:
        yield Difference(name, "sets (training, validation, test)", "different")
    rows = _places(own.index, other.index)
    for k, keypoint in enumerate(own.keypoint_names):
        if keypoint in other.keypoint_names and len(rows):
            j = other.keypoint_names.index(keypoint)
            pair = own.keypoints_px[rows[:, 0], k], other.keypoints_px[rows[:, 1], j]
            confidence = own.confidence[rows[:, 0], k] - other.confidence[rows[:, 1], j]
            yield from _compare_keypoint(name, keypoint, pair, confidence)
            for column in (column for column in own.further if column in other.further):
                cells = own.further[column][rows[:, 0], k], other.further[column][rows[:, 1], j]
                yield from _compare_cells(name, f"{keypoint} {column}", *cells)
    yield from _compare_lists(name, "columns", list(own.further), list(other.further))
    yield from _compare_boxes(name, own, other, rows)


def _compare_boxes(name: str, own: Predictions, other: Predictions, rows: np.ndarray) -> Iterator[Difference]:
    boxes = own.xywh_frame_px, other.xywh_frame_px
    if boxes[0] is not None and boxes[1] is not None:
        if len(rows):
            yield from _compare_cells(name, "boxes", boxes[0][rows[:, 0]], boxes[1][rows[:, 1]])
    elif boxes[0] is not None or boxes[1] is not None:
        yield Difference(name, "boxes", *(NONE if each is None else "there" for each in boxes))


def _compare_cells(name: str, what: str, first: np.ndarray, second: np.ndarray) -> Iterator[Difference]:
    apart = np.abs(first - second)
    apart, lone = apart[~np.isnan(apart)], int((np.isnan(first) != np.isnan(second)).sum())
    texts = [f"apart by up to {apart.max():.3g}"] if apart.size and apart.max() > 0 else []
    texts += [f"{lone} cells of one alone"] if lone else []
    if texts:
        yield Difference(name, what, ", ".join(texts))


def _compare_keypoint(
    name: str, keypoint: str, pair: tuple[np.ndarray, np.ndarray], confidence: np.ndarray
) -> Iterator[Difference]:
    distance = pixel_error(*pair)
    lone = int((np.isnan(pair[0]).any(-1) != np.isnan(pair[1]).any(-1)).sum())
    distance, confidence = distance[~np.isnan(distance)], np.abs(confidence[~np.isnan(confidence)])
    texts = []
    if distance.size and distance.max() > 0:
        texts.append(f"apart by {np.median(distance):.3g} px (median), {distance.max():.3g} px (maximum)")
    if confidence.size and confidence.max() > 0:
        texts.append(f"confidence by up to {confidence.max():.3g}")
    if lone:
        texts.append(f"predicted by one alone in {lone} rows")
    if texts:
        yield Difference(name, keypoint, ", ".join(texts))


def _compare_errors(name: str, first: Path, second: Path) -> Iterator[Difference]:
    (own_index, own_names, own, _), (other_index, other_names, other, _) = (
        read_pixel_errors(path) for path in (first, second)
    )
    yield from _compare_lists(name, "keypoints", own_names, other_names)
    yield from _compare_lists(name, "rows", own_index, other_index)
    rows = _places(own_index, other_index)
    columns = {"all keypoints": (own, other)}
    columns |= {
        keypoint: (own[:, k], other[:, other_names.index(keypoint)])
        for k, keypoint in enumerate(own_names)
        if keypoint in other_names
    }
    for keypoint, pair in columns.items():
        texts = [_error_text(errors) for errors in pair]
        if texts[0] != texts[1]:
            yield Difference(name, keypoint, *texts)
        elif keypoint in own_names and len(rows):  # other frames may be wrong by as much
            yield from _compare_cells(name, keypoint, pair[0][rows[:, 0]], pair[1][rows[:, 1]])


def _error_text(errors: np.ndarray) -> str:
    numbers = summarize(errors)
    return f"mean {numbers['mean']:.3f} px, median {numbers['median']:.3f} px"


def _compare_tables(name: str, first: Path, second: Path) -> Iterator[Difference]:
    """Compare the statistics of whole sets; single samples follow from the predictions."""
    own, other = (_statistics(path) for path in (first, second))
    yield from _compare_values(name, own, other)
    if own == other:
        yield Difference(name, "curves or samples", "different")


def _statistics(path: Path) -> dict[str, str]:
    """Return the numbers of whole sets, of kinds, pairs of kinds and single members, by what each is of."""
    rows = iterate_rows(path)  # of samples there may be millions
    header = next(rows, [])
    records = (dict(zip(header, row, strict=False)) for row in rows)
    return {
        _statistic_name(row): row.get("value", "")
        for row in records
        if not any(row.get(place) for place in PLACES)
    }


def _statistic_name(row: Mapping[str, str]) -> str:
    seed, versus = row.get("seed"), row.get("versus")
    whose = [f"seed {seed}"] if seed else [f"less {versus}"] if versus else []
    return " ".join([row.get("set", ""), row.get("kind", ""), *whose, row.get("statistic", "")])


def _compare_lists(file: str, what: str, first: list, second: list) -> Iterator[Difference]:
    if first == second:
        return
    if sorted(map(str, first)) == sorted(map(str, second)):
        yield Difference(file, what, "in another order")
        return
    known = set(first), set(second)
    lone = [own for own in first if own not in known[1]], [own for own in second if own not in known[0]]
    yield Difference(file, what, *(f"{len(names)} of its own" + _example(names) for names in lone))


def _example(names: list) -> str:
    return f" ({names[0]}, ...)" if len(names) > 1 else f" ({names[0]})" if names else ""


def _places(first: list, second: list) -> np.ndarray:
    """Return where the rows that both have are in either, (R, 2)."""
    places = {name: row for row, name in enumerate(second)}
    return np.array([(row, places[name]) for row, name in enumerate(first) if name in places], dtype=int)
