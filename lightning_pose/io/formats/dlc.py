"""DeepLabCut's files: projects of one animal, and tables of labels or predictions in CSV and HDF5.

A project has ``labeled-data/<session>/CollectedData_<scorer>.csv``; its HDF5 files are what pandas writes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.io.extras import require
from lightning_pose.io.files import write_atomic
from lightning_pose.io.formats.contents import (
    Contents,
    check_unique,
    refuse_to_lose,
    rows_of,
    say_what_is_left,
    session_path,
)
from lightning_pose.io.formats.data_folder import copy_images, take_rows, with_images, write_data_folder
from lightning_pose.io.labels import parse_labels
from lightning_pose.io.predictions import parse_predictions
from lightning_pose.io.tables import HEADER_ROWS, INDEX_PARTS, iterate_rows, own_path, read_rows
from lightning_pose.traces import note_read
from lightning_pose.types import Labels, Predictions, Problem, UserError

logger = logging.getLogger(__name__)

HEADER = ["scorer", "bodyparts", "coords"]
HDF5_KEY = "df_with_missing"
HDF5_SUFFIXES = (".h5", ".hdf5")


def convert_dlc(project_dir: Path, output_dir: Path, ood_start: int | None = None) -> None:
    """Convert a project into a data folder: labels, labelled images and videos; see `write_data_folder`.

    Raises
    ------
    UserError
        If it is no project, has several animals, or an image is missing.
    """
    write_data_folder(read_project(project_dir), output_dir, ood_start)


def read_project(project_dir: Path, image_dir: Path | None = None) -> Contents:
    """Read the labels of all sessions of a project.

    Parameters
    ----------
    project_dir : with a folder ``labeled-data``.
    image_dir : what image paths are relative to; None = the project.

    Raises
    ------
    UserError
        If it is no project or has several animals, an image lies outside, or two files label one.
    """
    labels = _merge(_read_sessions(_session_files(project_dir)))
    check_unique(project_dir, labels.image_paths)  # of two people, say: neither is the right one
    image_dir = image_dir or project_dir
    root = image_dir.resolve()
    outside = [path for path in labels.image_paths if not (root / path).resolve().is_relative_to(root)]
    if outside:
        raise UserError([Problem(path, f"an image path inside {image_dir}", path) for path in outside])
    videos = [
        path
        for path in sorted((project_dir / "videos").glob("*"))
        if path.is_file() and not path.name.startswith(".")  # what macOS leaves
    ]
    return Contents(labels, {path: image_dir / path for path in labels.image_paths}, videos)


def read_dlc_table(path: Path, image_dir: Path | None = None) -> Contents:
    """Read one table of labels or predictions; predictions if there is a likelihood.

    HDF5 as pandas writes it may hold pickled objects, which are run when they are read.

    Parameters
    ----------
    path : the table.
    image_dir : what image paths are relative to; None = the project that the table lies in.

    Raises
    ------
    UserError
        Every broken header, row and cell; several animals.
    """
    poses = _from_hdf5(path) if path.suffix.lower() in HDF5_SUFFIXES else _from_csv(path)
    if isinstance(poses, Predictions):
        return Contents(poses)
    root = image_dir or path.absolute().parents[min(2, len(path.absolute().parents) - 1)]
    return Contents(poses, {name: root / name for name in poses.image_paths})


def write_project(contents: Contents, project_dir: Path, skip_missing: bool = False) -> None:
    """Write labels as a project has them: for each session its images, CSV and HDF5.

    Raises
    ------
    UserError
        If there are predictions, an image is missing, or labels that are there already would be lost.
    """
    if isinstance(contents.poses, Predictions):
        raise UserError(Problem(str(project_dir), "a .csv or .h5 file, for predictions", "a folder"))
    labels = with_images(contents.poses, contents, skip_missing)
    if "/" in labels.scorer or "\\" in labels.scorer:  # it becomes part of the files' names
        raise UserError(Problem("scorer", "a name without slashes", labels.scorer))
    say_what_is_left(labels, project_dir, "DeepLabCut")
    images = dict(zip(_session_paths(labels.image_paths, project_dir), labels.image_paths, strict=True))
    placed = replace(labels, image_paths=list(images))
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(placed.image_paths):
        rows.setdefault(name.split("/")[1], []).append(row)
    sessions = {
        project_dir / "labeled-data" / session / f"CollectedData_{labels.scorer}": take_rows(placed, own)
        for session, own in rows.items()
    }
    refuse_to_lose(_labels_there(sessions), placed)
    copy_images(
        placed, Contents(placed, {new: contents.images[old] for new, old in images.items()}), project_dir
    )
    for target, session_labels in sessions.items():
        for suffix in (".csv", ".h5"):
            _write(session_labels, target.with_name(target.name + suffix))


def _labels_there(targets: Iterable[Path]) -> dict[Path, Labels]:
    """Return the labels of the tables that are there, which are named without suffix."""
    there: dict[Path, Labels] = {}
    for target in targets:
        csv, hdf5 = (target.with_name(target.name + suffix) for suffix in (".csv", ".h5"))
        if csv.is_file():
            there[csv] = parse_labels(csv, _plain_rows(csv))
        elif hdf5.is_file() and isinstance(own := _from_hdf5(hdf5), Labels):
            there[hdf5] = own
    return there


def write_dlc_table(poses: Labels | Predictions, path: Path) -> None:
    """Write one table, CSV or HDF5, as DeepLabCut does.

    Parameters
    ----------
    poses : labels or predictions; image paths become ``labeled-data/<session>/<image>``.
    path : by its suffix a ``.csv`` or a ``.h5`` file.
    """
    say_what_is_left(poses, path, "DeepLabCut")
    if isinstance(poses, Labels):
        placed: Labels | Predictions = replace(poses, image_paths=_session_paths(poses.image_paths, path))
    elif isinstance(poses.index[0], str):
        placed = replace(poses, index=_session_paths([str(name) for name in poses.index], path))
    else:
        placed = poses
    _write(placed, path)


def _write(poses: Labels | Predictions, path: Path) -> None:
    require(str(path), "pandas", "formats")
    if path.suffix.lower() in HDF5_SUFFIXES:
        require(str(path), "tables", "formats")
    import pandas as pd

    arrays, coords = [poses.keypoints_px], ["x", "y"]
    if isinstance(poses, Predictions):
        arrays, coords = [*arrays, poses.confidence[..., None]], [*coords, "likelihood"]
    columns = pd.MultiIndex.from_product([[poses.scorer], poses.keypoint_names, coords], names=HEADER)
    index: Any = rows_of(poses)
    if isinstance(index[0], str):
        index = pd.MultiIndex.from_tuples([tuple(name.split("/")) for name in index])
    cells = np.concatenate(arrays, axis=-1).reshape(len(index), -1)
    table = pd.DataFrame(cells, columns=columns, index=index)
    with write_atomic(path) as temporary:
        if path.suffix.lower() in HDF5_SUFFIXES:
            # not "table": what pandas 3 writes so, pandas 2 cannot read, which DeepLabCut has
            table.to_hdf(temporary, key=HDF5_KEY, mode="w", format="fixed")
        else:
            table.to_csv(temporary)


def _session_paths(names: list[str], target: Path) -> list[str]:
    """Return the names as ``labeled-data/<session>/<image>``."""
    placed = [
        name
        if name.startswith("labeled-data/") and len(name.split("/")) == INDEX_PARTS and ".." not in name
        else session_path(name)
        for name in names
    ]
    changed = [old for old, new in zip(names, placed, strict=True) if old != new]
    if changed:
        first = session_path(changed[0])
        logger.warning(
            "%s: %d images get other paths: %s becomes %s, ...", target, len(changed), changed[0], first
        )
    check_unique(target, placed)
    return placed


def _from_csv(path: Path) -> Labels | Predictions:
    rows = _plain_rows(path)
    if any("likelihood" in row for row in read_rows(path, HEADER_ROWS)):
        return parse_predictions(path, rows)
    return parse_labels(path, rows)


def _from_hdf5(path: Path) -> Labels | Predictions:
    require(str(path), "pandas", "formats")
    require(str(path), "tables", "formats")
    import pandas as pd

    note_read(path)
    if not path.is_file():
        raise UserError(Problem(str(path), "an HDF5 file", "no such file"))
    try:
        table = pd.read_hdf(path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        found = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(Problem(str(path), "an HDF5 file of DeepLabCut", found)) from None
    levels = list(getattr(table, "columns", pd.Index([])).names)
    if levels != HEADER:
        raise UserError(Problem(str(path), f"columns by {', '.join(HEADER)} (one animal)", str(levels)))
    scorer, names, coords = (list(dict.fromkeys(table.columns.get_level_values(level))) for level in HEADER)
    expected = [(scorer[0], name, coord) for name in names for coord in coords]
    if set(expected) != set(table.columns) or coords not in (["x", "y"], ["x", "y", "likelihood"]):
        wanted = "x, y or x, y, likelihood of each keypoint, of one scorer"
        raise UserError(Problem(f"{path}, columns", wanted, f"{scorer}, {coords}"))
    cells = table[expected].to_numpy(float).reshape(len(table), len(names), len(coords))
    index = ["/".join(name) if isinstance(name, tuple) else name for name in table.index]
    infinite = [
        Problem(f"{path}, {index[i]}, {names[k]} {coords[c]}", "a number or none", str(cells[i, k, c]))
        for i, k, c in np.argwhere(np.isinf(cells))
    ]
    if infinite:
        raise UserError(infinite)
    if coords == ["x", "y"]:
        paths = [own_path(str(name)) for name in index]
        return Labels(paths, names, cells, scorer=str(scorer[0]))
    frames: Any = [own_path(name) if isinstance(name, str) else int(name) for name in index]
    return Predictions(frames, names, cells[..., :2], cells[..., 2], scorer=str(scorer[0]))


def _session_files(project_dir: Path) -> list[Path]:
    files = sorted((project_dir / "labeled-data").glob("*/CollectedData_*.csv"))
    if not files:
        expected = "a DeepLabCut project with labeled-data/<session>/CollectedData_<scorer>.csv"
        raise UserError(Problem(str(project_dir), expected, "no such file"))
    return files


def _read_sessions(files: list[Path]) -> list[Labels]:
    sessions, problems = [], []
    for path in files:
        try:
            sessions.append(parse_labels(path, _plain_rows(path)))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return sessions


def _plain_rows(path: Path) -> Iterator[list[str]]:
    """Return the rows of a CSV of one animal."""
    if any(row[:1] == ["individuals"] for row in read_rows(path, HEADER_ROWS + 1)):
        raise UserError(Problem(str(path), "labels of a single animal", "a row 'individuals'"))
    return iterate_rows(path)


def _merge(sessions: list[Labels]) -> Labels:
    first = sessions[0]
    for other in sessions[1:]:
        if other.keypoint_names != first.keypoint_names:
            where = f"{other.image_paths[0]} and its session"
            raise UserError(Problem(where, f"keypoints {first.keypoint_names}", str(other.keypoint_names)))
    return replace(
        first,
        image_paths=[path for session in sessions for path in session.image_paths],
        keypoints_px=np.concatenate([session.keypoints_px for session in sessions]),
        visible=None,
    )
