"""Calibrations in files: from labelled frames to ``calibration.json``, and from it to errors of a video."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.evaluation.calibration import (
    FEWEST_FRAMES,
    LEVEL,
    Calibration,
    Evidence,
    Steps,
    fit_calibration,
    held_out_coverage,
)
from lightning_pose.evaluation.metrics import pixel_error
from lightning_pose.evaluation.ood_input import ALL, match_predictions
from lightning_pose.evaluation.pose_shapes import MOVES, PoseShapes, fit_shapes, poses_about, shape_errors
from lightning_pose.evaluation.set_checks import check_sets, repeated
from lightning_pose.io.files import read_json, write_json
from lightning_pose.io.labels import read_labels
from lightning_pose.io.predictions import VARIANCES, read_predictions
from lightning_pose.io.tables import KeypointTable, write_keypoint_table
from lightning_pose.traces import note_read
from lightning_pose.types import Labels, Predictions, Problem, Split, UserError

logger = logging.getLogger(__name__)

SIGNALS = ("of_deviation", "of_confidence", "of_pca_error")
COLUMNS = ("expected_px", "low_px", "high_px")


@dataclass(frozen=True)
class LabelledSet:
    """An ensemble's predictions on labelled frames.

    Parameters
    ----------
    name : such as ``InD`` or ``OOD``.
    labels_csv, predictions_csv : both in frame pixels; the ensemble's columns of variance are needed.
    """

    name: str
    labels_csv: Path
    predictions_csv: Path


@dataclass(frozen=True)
class FileCalibration:
    """A calibration with what it takes to apply it to other predictions.

    Parameters
    ----------
    model : the calibration.
    keypoint_names : that it was learned from, in the order of the shapes.
    shapes : of labelled poses; None = the PCA error is not part of the model.
    """

    model: Calibration
    keypoint_names: list[str]
    shapes: PoseShapes | None


@dataclass(frozen=True)
class _SetContent:
    """Labelled frames in the order of the labels: what was predicted, and which frames a member had seen.

    `is_told` is whether the predictions say which these are.
    """

    labels: Labels
    predictions: Predictions
    evidence: Evidence
    seen: np.ndarray
    is_told: bool


def evidence_of(predictions: Predictions, path: Path) -> Evidence:
    """Return deviation and confidence of an ensemble's predictions.

    Raises
    ------
    UserError
        If the file has no columns of variance, or they are all empty, as of one member.
    """
    if not all(name in predictions.further for name in VARIANCES):
        found = "none (litpose ensemble writes them)"
        raise UserError(Problem(f"{path}, header", f"columns {', '.join(VARIANCES)} of each keypoint", found))
    deviation = np.sqrt([predictions.further[name] for name in VARIANCES]).mean(0)
    if not np.isfinite(deviation).any():
        found = "empty cells only, as of an ensemble of one member"
        raise UserError(Problem(f"{path}, {VARIANCES[0]}", "variances over two members or more", found))
    return Evidence(deviation, predictions.confidence)


def calibrate_files(sets: Sequence[LabelledSet], output: Path) -> None:
    """Calibrate by labelled frames, and write the calibration with the coverage that it reaches.

    Parameters
    ----------
    sets : frames that a member was trained on, or chose its weights by, tell what poses look like; all others
        how wrong predictions are.
    output : the JSON to write.

    Raises
    ------
    UserError
        If files do not fit together, names or images are there twice, or too few frames are left.
    """
    problems = [
        Problem("--set", "each name once", f"{name} again") for name in repeated([own.name for own in sets])
    ]
    if any(own.name == ALL for own in sets):
        problems.append(Problem("--set", f"a name other than {ALL}, which is all together", ALL))
    if problems:
        raise UserError(problems)
    contents = [_read_set(own) for own in sets]
    check_sets([(own.labels_csv, _told(read.labels)) for own, read in zip(sets, contents, strict=True)])
    keypoint_names = _same_keypoints(sets, contents)
    names = [
        own.name for own, content in zip(sets, contents, strict=True) for _ in range((~content.seen).sum())
    ]
    errors = np.concatenate([_errors(own)[~own.seen] for own in contents])
    deviation = np.concatenate([own.evidence.deviation[~own.seen] for own in contents])
    known = (np.isfinite(errors) & np.isfinite(deviation)).any(1)
    if known.sum() < FEWEST_FRAMES:
        where = ", ".join(str(own.predictions_csv) for own in sets)
        expected = (
            f"{FEWEST_FRAMES} labelled frames or more that two members predicted and none was trained on"
        )
        raise UserError(Problem(where, expected, str(int(known.sum()))))
    for own, content in zip(sets, contents, strict=True):
        if not content.is_told:
            logger.warning("%s: no column set: all its frames count as frames that no member was trained on",
                           own.predictions_csv)  # fmt: skip
    shapes = fit_shapes(np.concatenate([own.labels.keypoints_px[own.seen] for own in contents]))
    if shapes is None:
        logger.warning("too few labelled frames that a member was trained on: calibrated without PCA error")
    evidence = _joined(
        [_with_pca_error(own.evidence, own.predictions, shapes)[~own.seen] for own in contents]
    )
    calibration = FileCalibration(fit_calibration(errors, evidence), keypoint_names, shapes)
    inside = held_out_coverage(errors, evidence)
    coverage = {name: _coverage(inside[[own == name for own in names]]) for name in dict.fromkeys(names)}
    coverage[ALL] = _coverage(inside)
    for name, reached in coverage.items():
        logger.info("%s: %.1f %% of %d errors on held-out frames lie in their %g %% interval",
                    name, 100 * reached["share"], reached["n"], 100 * LEVEL)  # fmt: skip
    of_keypoints = {name: _coverage(inside[:, k]) for k, name in enumerate(keypoint_names)}
    write_json(_content(calibration, coverage, of_keypoints), output)


def _told(labels: Labels) -> dict[str, bytes]:
    """Return the label of each image: of one name in two data folders, that is not the same."""
    return {path: row.tobytes() for path, row in zip(labels.image_paths, labels.keypoints_px, strict=True)}


def _read_set(own: LabelledSet) -> _SetContent:
    labels, predictions = read_labels(own.labels_csv), read_predictions(own.predictions_csv)
    rows, columns = match_predictions(predictions, labels, own.predictions_csv, own.labels_csv)
    evidence = evidence_of(predictions, own.predictions_csv)
    used = (Split.TRAIN.value, Split.VALIDATION.value)
    splits = predictions.splits or [""] * len(rows)
    aligned = Predictions(
        list(labels.image_paths),
        labels.keypoint_names,
        predictions.keypoints_px[rows][:, columns],
        predictions.confidence[rows][:, columns],
    )
    seen = np.array([splits[row] in used for row in rows], bool)
    return _SetContent(
        labels,
        aligned,
        Evidence(evidence.deviation[rows][:, columns], aligned.confidence),
        seen,
        predictions.splits is not None,
    )


def _same_keypoints(sets: Sequence[LabelledSet], contents: Sequence[_SetContent]) -> list[str]:
    names = contents[0].labels.keypoint_names
    for own, content in zip(sets, contents, strict=True):
        if content.labels.keypoint_names != names:
            found = str(content.labels.keypoint_names)
            raise UserError(Problem(f"{own.labels_csv}, header", f"keypoints {names}", found))
    return names


def _errors(own: _SetContent) -> np.ndarray:
    return pixel_error(own.predictions.keypoints_px, own.labels.keypoints_px)


def _with_pca_error(evidence: Evidence, predictions: Predictions, shapes: PoseShapes | None) -> Evidence:
    if shapes is None:
        return evidence
    errors = shape_errors(predictions.keypoints_px, predictions.confidence, shapes)
    return replace(evidence, pca_error=errors)


def _joined(parts: Sequence[Evidence]) -> Evidence:
    pca_errors = [own.pca_error for own in parts if own.pca_error is not None]
    return Evidence(
        np.concatenate([own.deviation for own in parts]),
        np.concatenate([own.confidence for own in parts]),
        np.concatenate(pca_errors) if pca_errors else None,
    )


def _coverage(inside: np.ndarray) -> dict[str, Any]:
    known = inside[np.isfinite(inside)]
    return {"share": float(known.mean()) if known.size else float("nan"), "n": int(known.size)}


def _content(
    calibration: FileCalibration, coverage: dict[str, Any], of_keypoints: dict[str, Any]
) -> dict[str, Any]:
    model, shapes = calibration.model, calibration.shapes
    signals = {
        name: {**_steps_content(steps), "weight": float(weight)}
        for name, steps, weight in zip(SIGNALS, model.of_signals, model.weights, strict=False)
    }
    return {
        "keypoint_names": calibration.keypoint_names,
        **signals,
        "of_joined": _steps_content(model.of_joined),
        "shapes": None if shapes is None else _shapes_content(shapes),
        "interval": {"level": LEVEL, "low": model.low, "high": model.high},
        "held_out_coverage": coverage,
        "held_out_coverage_of_keypoints": of_keypoints,
    }


def _steps_content(steps: Steps) -> dict[str, Any]:
    return {"at": steps[0].tolist(), "error_px": steps[1].tolist()}


def _shapes_content(shapes: PoseShapes) -> dict[str, Any]:
    return {
        "mean": shapes.mean.tolist(),
        "components": shapes.components[MOVES:].tolist(),
        "variances": shapes.variances[MOVES:].tolist(),
        "noise": shapes.noise,
    }


def read_calibration(path: Path) -> FileCalibration:
    """Read a calibration.

    Raises
    ------
    UserError
        If the file is missing or another.
    """
    note_read(path)
    content = read_json(path)
    try:
        signals = [content[name] for name in SIGNALS if name in content]
        model = Calibration(
            [_read_steps(own) for own in signals],
            np.array([float(own["weight"]) for own in signals]),
            _read_steps(content["of_joined"]),
            float(content["interval"]["low"]),
            float(content["interval"]["high"]),
        )
        names, shapes = [str(name) for name in content["keypoint_names"]], _read_shapes(content["shapes"])
        if len(signals) != (2 if shapes is None else 3):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise _no_calibration(path) from None
    return FileCalibration(model, names, shapes)


def read_coverage(path: Path) -> dict[str, tuple[float, int]]:
    """Return the share of errors on held-out frames that lie in their interval, and their number, by set.

    Raises
    ------
    UserError
        If the file is missing or another.
    """
    content = read_json(path)
    try:
        entries = content["held_out_coverage"].items()
        return {str(name): (float(own["share"]), int(own["n"])) for name, own in entries}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _no_calibration(path) from None


def _no_calibration(path: Path) -> UserError:
    found = "another or damaged file" if path.is_file() else "no such file"
    return UserError(Problem(str(path), "a calibration by litpose calibrate", found))


def _read_steps(content: Any) -> Steps:
    return np.array(content["at"], float), np.array(content["error_px"], float)


def _read_shapes(content: Any) -> PoseShapes | None:
    if content is None:
        return None
    mean, components = np.array(content["mean"], float), np.array(content["components"], float)
    return poses_about(mean, components, np.array(content["variances"], float), float(content["noise"]))


def expected_errors(predictions_csv: Path, calibration: FileCalibration) -> tuple[Predictions, np.ndarray]:
    """Return an ensemble's predictions and the expected error, (N, K), of each keypoint, in pixels.

    Raises
    ------
    UserError
        If the predictions are of other keypoints than the calibration, or have no variances.
    """
    predictions = read_predictions(predictions_csv)
    names = calibration.keypoint_names
    if sorted(predictions.keypoint_names) != sorted(names):
        found = str(predictions.keypoint_names)
        raise UserError(Problem(f"{predictions_csv}, header", f"keypoints {names} of the calibration", found))
    evidence = evidence_of(predictions, predictions_csv)
    if calibration.shapes is not None:
        columns = [predictions.keypoint_names.index(name) for name in names]
        errors = shape_errors(
            predictions.keypoints_px[:, columns], predictions.confidence[:, columns], calibration.shapes
        )
        evidence = replace(evidence, pca_error=errors[:, np.argsort(columns)])
    return predictions, calibration.model.expected_error(evidence)


def write_expected_errors(
    predictions: Predictions, expected: np.ndarray, calibration: Calibration, path: Path
) -> None:
    """Write expected error and both ends of its interval, in pixels, as columns of each keypoint."""
    columns = dict(zip(COLUMNS, (expected, *calibration.interval(expected)), strict=True))
    index = [str(name) for name in predictions.index]
    table = KeypointTable(predictions.scorer, index, predictions.keypoint_names, columns, None)
    write_keypoint_table(table, path)
