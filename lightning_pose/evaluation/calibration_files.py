"""Calibrations in files: from labelled frames to ``calibration.json``, and from it to errors of a video."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.evaluation.calibration import (
    FEWEST_FRAMES,
    LEVEL,
    Calibration,
    Evidence,
    fit_calibration,
    held_out_coverage,
)
from lightning_pose.evaluation.metrics import pixel_error
from lightning_pose.evaluation.ood_input import match_predictions
from lightning_pose.io.files import read_json, write_json
from lightning_pose.io.labels import read_labels
from lightning_pose.io.predictions import VARIANCES, read_predictions
from lightning_pose.io.tables import KeypointTable, write_keypoint_table
from lightning_pose.traces import note_read
from lightning_pose.types import Predictions, Problem, Split, UserError

logger = logging.getLogger(__name__)

REGRESSIONS = ("of_deviation", "of_confidence", "of_both")
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
    sets : frames that a member was trained on, or chose its weights by, are left out.
    output : the JSON to write.

    Raises
    ------
    UserError
        If files do not fit together, or too few frames are left.
    """
    errors, evidence, names = [], [], []
    for own in sets:
        own_errors, own_evidence = _read_set(own)
        errors.append(own_errors)
        evidence.append(own_evidence)
        names += [own.name] * len(own_errors)
    all_errors = np.concatenate(errors)
    known = np.isfinite(all_errors).any(1)
    if known.sum() < FEWEST_FRAMES:
        where = ", ".join(str(own.predictions_csv) for own in sets)
        expected = f"{FEWEST_FRAMES} labelled frames or more that no member was trained on"
        raise UserError(Problem(where, expected, str(int(known.sum()))))
    joined = Evidence(
        np.concatenate([own.deviation for own in evidence]),
        np.concatenate([own.confidence for own in evidence]),
    )
    calibration = fit_calibration(all_errors, joined)
    inside = held_out_coverage(all_errors, joined)
    coverage = {name: _coverage(inside[[own == name for own in names]]) for name in dict.fromkeys(names)}
    coverage["all"] = _coverage(inside)
    for name, reached in coverage.items():
        logger.info("%s: %.1f %% of %d errors on held-out frames lie in their %g %% interval",
                    name, 100 * reached["share"], reached["n"], 100 * LEVEL)  # fmt: skip
    write_json(_content(calibration, coverage), output)


def _read_set(own: LabelledSet) -> tuple[np.ndarray, Evidence]:
    """Return errors, (N, K), and evidence of the frames that no member was trained on."""
    labels, predictions = read_labels(own.labels_csv), read_predictions(own.predictions_csv)
    rows, columns = match_predictions(predictions, labels, own.predictions_csv, own.labels_csv)
    evidence = evidence_of(predictions, own.predictions_csv)
    errors = pixel_error(predictions.keypoints_px[rows][:, columns], labels.keypoints_px)
    seen = (Split.TRAIN.value, Split.VALIDATION.value)
    splits = predictions.splits or [""] * len(rows)
    keep = np.array([splits[row] not in seen for row in rows])
    aligned = Evidence(evidence.deviation[rows][:, columns], evidence.confidence[rows][:, columns])
    return errors[keep], aligned[keep]


def _coverage(inside: np.ndarray) -> dict[str, Any]:
    known = inside[np.isfinite(inside)]
    return {"share": float(known.mean()) if known.size else float("nan"), "n": int(known.size)}


def _content(calibration: Calibration, coverage: dict[str, Any]) -> dict[str, Any]:
    steps = {
        name: {
            "at": getattr(calibration, name)[0].tolist(),
            "error_px": getattr(calibration, name)[1].tolist(),
        }
        for name in REGRESSIONS
    }
    interval = {"level": LEVEL, "low": calibration.low, "high": calibration.high}
    return {**steps, "interval": interval, "held_out_coverage": coverage}


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises
    ------
    UserError
        If the file is missing or another.
    """
    note_read(path)
    content = read_json(path)
    try:
        first, second, both = (
            (np.array(content[name]["at"], float), np.array(content[name]["error_px"], float))
            for name in REGRESSIONS
        )
        interval = content["interval"]
        return Calibration(first, second, both, float(interval["low"]), float(interval["high"]))
    except (KeyError, TypeError, ValueError):
        found = "another or damaged file" if path.is_file() else "no such file"
        raise UserError(Problem(str(path), "a calibration by litpose calibrate", found)) from None


def expected_errors(predictions_csv: Path, calibration: Calibration) -> tuple[Predictions, np.ndarray]:
    """Return an ensemble's predictions and the expected error, (N, K), of each keypoint, in pixels."""
    predictions = read_predictions(predictions_csv)
    return predictions, calibration.expected_error(evidence_of(predictions, predictions_csv))


def write_expected_errors(
    predictions: Predictions, expected: np.ndarray, calibration: Calibration, path: Path
) -> None:
    """Write expected error and both ends of its interval, in pixels, as columns of each keypoint."""
    columns = dict(zip(COLUMNS, (expected, *calibration.interval(expected)), strict=True))
    index = [str(name) for name in predictions.index]
    table = KeypointTable(predictions.scorer, index, predictions.keypoint_names, columns, None)
    write_keypoint_table(table, path)
