"""Errors of all models on one labelled set, from their pixel-error files: no labels are needed.

Axes: M members, N frames, K keypoints; NaN = not labelled or not predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from lightning_pose.evaluation.metrics import summarize
from lightning_pose.evaluation.ood_input import Comparison, describe_frames, gaps_note, held_out_frames
from lightning_pose.io.predictions import read_pixel_errors
from lightning_pose.io.results_tree import ExternalDir, ModelDir
from lightning_pose.types import Split, UserError

IND, OOD = "InD", "OOD"
Errors = tuple[list[str], list[str], np.ndarray, list[str] | None]
Result = TypeVar("Result")
Member = ModelDir | ExternalDir


def attempt(problems: list[str], read: Callable[[], Result]) -> Result | None:
    """Return what a reader returns; None if it refuses, which is added to the problems."""
    try:
        return read()
    except UserError as error:
        problems += [str(problem) for problem in error.problems]
        return None


def compare_errors(name: str, models: Sequence[Member], csv: str, problems: list[str]) -> Comparison | None:
    """Gather the errors of the models, and of other tools, that were scored on a set; None if none was.

    What cannot be read, or is of other frames or keypoints than the first model's, is left out and told in
    `problems`. Standard deviations, which need the predictions, are NaN.

    Parameters
    ----------
    name : ``InD``, where frames that any training saw are left out as in the plots, or ``OOD``.
    """
    scored = [model for model in models if model.pixel_errors(csv).is_file()]
    known = [(model, _read(model.pixel_errors(csv), problems)) for model in scored]
    readable = [(model, errors) for model, errors in known if errors is not None]
    if not readable:
        return None
    frames, keypoint_names = readable[0][1][:2]
    aligned = [
        (model, own)
        for model, errors in readable
        if (own := _aligned(errors, frames, keypoint_names, model.pixel_errors(csv), problems)) is not None
    ]
    errors = np.stack([own for _, (own, _) in aligned])
    splits = [own for _, (_, own) in aligned]
    trained, chose = (_any_split(splits, split, len(frames)) for split in (Split.TRAIN, Split.VALIDATION))
    seen = int((trained | chose).sum())
    if name != IND and seen:
        problems.append(f"{csv}: {seen} images of it were seen in trainings")
    keep = held_out_frames(trained, chose) if name == IND else np.ones_like(trained)
    silent = [model.kind for model, (_, own) in aligned if own is None]
    note = describe_frames(name == IND, silent, int(keep.sum()), len(aligned), bool((keep & chose).any()))
    kinds = [model.kind for model, _ in aligned]
    note = "; ".join(text for text in (note, gaps_note(kinds, errors[:, keep])) if text)
    return Comparison(
        name=name,
        frames=[frame for frame, kept in zip(frames, keep, strict=True) if kept],
        keypoint_names=keypoint_names,
        kinds=kinds,
        seeds=[model.seed for model, _ in aligned],
        errors=errors[:, keep],
        deviation=np.full((int(keep.sum()), len(keypoint_names)), np.nan),
        note=note,
    )


def ensemble_errors(folder: Path, comparison: Comparison, csv: str, problems: list[str]) -> dict[str, float]:
    """Return the mean error of each ensemble that was made, on the frames that are compared."""
    found = {}
    for path in sorted(folder.glob(f"ensemble/*/image_preds/{csv}/predictions_pixel_error.csv")):
        errors = _read(path, problems)
        if errors is not None:
            index, _, values, _ = errors
            rows = np.isin(index, comparison.frames)
            found[path.parents[2].name] = summarize(values[rows])["mean"]
    return found


def _read(path: Path, problems: list[str]) -> Errors | None:
    return attempt(problems, lambda: read_pixel_errors(path))


def _aligned(
    errors: Errors, frames: list[str], keypoint_names: list[str], path: Path, problems: list[str]
) -> tuple[np.ndarray, list[str] | None] | None:
    """Return errors and splits in the order of the frames and keypoints; None if they are others."""
    index, names, values, splits = errors
    if sorted(index) != sorted(frames):
        problems.append(f"{path}: of other frames than the first model's, left out")
        return None
    if sorted(names) != sorted(keypoint_names):
        problems.append(f"{path}: of other keypoints than the first model's, left out")
        return None
    places = {frame: row for row, frame in enumerate(index)}
    rows = [places[frame] for frame in frames]
    columns = [names.index(name) for name in keypoint_names]
    if not np.isfinite(values).any():
        problems.append(f"{path}: no errors at all: nothing predicted, or nothing labelled")
    return values[rows][:, columns], None if splits is None else [splits[row] for row in rows]


def _any_split(splits: Sequence[list[str] | None], split: Split, count: int) -> np.ndarray:
    """Return which frames any member used so, (N,)."""
    used = np.zeros(count, bool)
    for own in splits:
        if own is not None:
            used |= np.array(own) == split.value
    return used
