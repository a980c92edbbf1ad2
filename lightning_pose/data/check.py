"""Find everything wrong with labels and images before hours are spent on them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from lightning_pose.data.context import context_paths, find_context
from lightning_pose.io.crop_manifest import crops_dir, not_as_cropped
from lightning_pose.io.images import (
    JPEG,
    PNG,
    TAIL_BYTES,
    damage_of_image,
    decode_image,
    image_size,
    is_inside,
    read_bytes,
)
from lightning_pose.io.labels import read_labels
from lightning_pose.types import Labels, Problem, UserError

OUTSIDE_SHARE = 0.1  # a label may lie this share of the image's size outside it


def check_dataset(
    data_dir: Path,
    csv_files: list[Path],
    keypoint_names: list[str] | None,
    needs_context: bool = False,
) -> list[Problem]:
    """Check labels CSVs and the images they name.

    Parameters
    ----------
    data_dir : folder that image paths are relative to.
    csv_files : labels CSVs; all need the same keypoints.
    keypoint_names : of the config, None = whatever the first CSV has.
    needs_context : the model sees the neighbours in time of each image.

    Returns
    -------
    list of Problem
        Everything found, in the order of the files.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        return [Problem("data.data_dir", "a folder", f"{data_dir}, which is none")]
    problems: list[Problem] = []
    expected, source = keypoint_names, "the config's keypoint_names"
    first: dict[str, str] = {}
    for csv_file in csv_files:
        try:
            labels = read_labels(csv_file)
        except UserError as error:
            problems += error.problems
            continue
        problems += _unusable_names(csv_file, labels.keypoint_names)
        if expected is None:
            expected, source = labels.keypoint_names, str(csv_file)
        elif labels.keypoint_names != expected:
            problems.append(_names_differ(csv_file, labels.keypoint_names, expected, source))
        problems += _duplicates(csv_file, labels, first)
        problems += [*_images(csv_file, labels, data_dir), *not_as_cropped(csv_file, data_dir)]
        problems += _context(csv_file, labels, data_dir) if needs_context else []
    return problems


def _context(csv_file: Path, labels: Labels, data_dir: Path) -> list[Problem]:
    """Refuse labels whose images have no context at all, a few may have none; and context that is damaged."""
    paths = [path for path in labels.image_paths if is_inside(path, data_dir)]
    sources = [source.path for path in paths for source in find_context(path, data_dir) or []]
    if sources:
        neighbours = sorted(set(sources) - set(paths))
        with ThreadPoolExecutor(4) as pool:
            damages = pool.map(lambda name: _unreadable(data_dir / name), neighbours)
            return [
                replace(problem, where=f"{csv_file}, context of its images, {name}")
                for name, problem in zip(neighbours, damages, strict=True)
                if problem is not None
            ]
    example = next((names[2] for path in paths if (names := context_paths(path))), "img0011.png")
    expected = f"images with their neighbours in time beside them, such as {example}, for heatmap_mhcrnn"
    return [Problem(str(csv_file), expected, f"none for any of {len(labels.image_paths)} images")]


def _names_differ(csv_file: Path, found: list[str], expected: list[str], source: str) -> Problem:
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    parts = [f"no {', '.join(missing)}"] if missing else []
    parts += [f"unknown {', '.join(unknown)}"] if unknown else []
    return Problem(f"{csv_file}, header", f"the keypoints of {source}", "; ".join(parts) or "another order")


def _unusable_names(csv_file: Path, names: list[str]) -> list[Problem]:
    """Refuse names that a model's own config could not be read with."""
    expected = "names that are not empty and without ${, which begins a reference in configs"
    return [
        Problem(f"{csv_file}, header", expected, repr(name)) for name in names if not name or "${" in name
    ]


def _duplicates(csv_file: Path, labels: Labels, first: dict[str, str]) -> list[Problem]:
    """Return images that were there before, in this CSV or in another, whose set must share none."""
    problems = []
    for number, path in enumerate(labels.image_paths, 4):
        if path in first:
            found = f"{path} of {first[path]} again"
            problems.append(Problem(f"{csv_file}, row {number}", "each image once", found))
        first.setdefault(path, f"{csv_file.name}, row {number}")
    return problems


def _images(csv_file: Path, labels: Labels, data_dir: Path) -> list[Problem]:
    if crops_dir(csv_file) is not None:  # a box that misses part of the animal is no mistake of the labels
        labels = replace(labels, keypoints_px=np.full_like(labels.keypoints_px, np.nan))
    with ThreadPoolExecutor(4) as pool:
        checked = pool.map(
            lambda item: _image(csv_file, labels, item[0], item[1], data_dir),
            enumerate(labels.image_paths),
        )
        return [problem for found in checked for problem in found]


def _image(csv_file: Path, labels: Labels, row: int, path: str, data_dir: Path) -> list[Problem]:
    where = f"{csv_file}, row {row + 4}"
    if not is_inside(path, data_dir):
        return [Problem(where, f"an image path inside {data_dir}", path)]
    problem = _unreadable(data_dir / path)
    if problem is not None:
        return [replace(problem, where=f"{where}, {path}")]
    height, width = image_size(data_dir / path)
    keypoints = labels.keypoints_px[row]
    problems = [
        Problem(f"{where}, {labels.keypoint_names[k]}", "x and y, or neither", "one of them")
        for k in np.flatnonzero(np.isnan(keypoints).sum(-1) == 1)
    ]
    margin = OUTSIDE_SHARE * np.array([width, height])
    with np.errstate(invalid="ignore"):
        outside = ((keypoints < -margin) | (keypoints > np.array([width, height]) + margin)).any(-1)
    return problems + [
        Problem(
            f"{where}, {labels.keypoint_names[k]}",
            f"a label inside the image of {width}x{height} px",
            f"x={keypoints[k, 0]:g}, y={keypoints[k, 1]:g}",
        )
        for k in np.flatnonzero(outside)
    ]


def _unreadable(path: Path) -> Problem | None:
    """Return why an image cannot be trained with, None if it can."""
    try:
        image_size(path)
    except UserError as error:
        return error.problems[0]
    damage = _damage(path)
    return None if damage is None else Problem(str(path), "a whole image", damage)


def _damage(path: Path) -> str | None:
    """Return what is wrong with an image, as a training would find; of a JPEG its end is looked at."""
    with open(path, "rb") as file:
        if file.read(len(JPEG)) == JPEG:
            file.seek(max(path.stat().st_size - TAIL_BYTES, 0))
            return damage_of_image(JPEG + file.read())
    content = read_bytes(path)
    if content.startswith(PNG):
        return damage_of_image(content)
    try:
        decode_image(path, content)
    except UserError as error:
        return error.problems[0].found
    return None
