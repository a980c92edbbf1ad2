"""What the gallery shows: all labelled frames, and what every member found in them.

Axes: M members, N frames (InD, then OOD), K keypoints. Everything is in frame pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.crop_qa import CropQa
from lightning_pose.evaluation.divergence import divergence
from lightning_pose.evaluation.metrics import pixel_error
from lightning_pose.evaluation.ood import ensemble_mean, ensemble_standard_deviation
from lightning_pose.evaluation.ood_input import (
    ALL,
    MemberFiles,
    MissingMember,
    match_predictions,
    order_keypoints,
)
from lightning_pose.evaluation.set_checks import check_members, check_sets, repeated
from lightning_pose.io.bboxes import read_matching_boxes
from lightning_pose.io.labels import read_labels
from lightning_pose.io.predictions import read_predictions
from lightning_pose.types import Boxes, BoxStatus, Labels, Problem, Split, UserError

IND, OOD = "InD", "OOD"
FALLBACK, OUTSIDE = 1, 2  # bits: the detector saw nothing; labels lie outside the box


@dataclass(frozen=True)
class BoxFiles(MemberFiles):
    """The boxes that one member cropped by."""


@dataclass(frozen=True)
class GalleryFrames:
    """Labelled frames and what was found in them.

    Parameters
    ----------
    paths, keypoint_names : lists of str, N and K
    sets : list of str, N
        ``OOD``, or what the frame was used for by any member: ``train``, ``validation``, ``test``; ``InD``
        where that is unknown.
    kinds, seeds : lists of str, one a member
    labels_px : array, (N, K, 2)
        NaN = not labelled.
    keypoints_px : array, (M, N, K, 2)
        NaN = not predicted.
    confidence : array, (M, N, K)
    xywh_px : array, (M, N, 4)
        NaN = the member has no boxes.
    failures : array, (N,), uint8
        `FALLBACK`, `OUTSIDE` or both, by any member's box.
    notes : list of str
        What a reader has to know.
    """

    paths: list[str]
    sets: list[str]
    keypoint_names: list[str]
    kinds: list[str]
    seeds: list[str]
    labels_px: np.ndarray
    keypoints_px: np.ndarray
    confidence: np.ndarray
    xywh_px: np.ndarray
    failures: np.ndarray
    notes: list[str]

    @property
    def errors(self) -> np.ndarray:
        """Pixel errors, (M, N, K); NaN = not labelled or not predicted."""
        return pixel_error(self.keypoints_px, self.labels_px)

    def deviation(self, kind: str) -> np.ndarray:
        """Return the standard deviation, (N, K), of a kind's members, or of all (`ALL`)."""
        return ensemble_standard_deviation(self._of(kind))

    def mean_errors(self, kind: str) -> np.ndarray:
        """Return the pixel errors, (N, K), of the mean of a kind's members."""
        return pixel_error(ensemble_mean(self._of(kind)), self.labels_px)

    def _of(self, kind: str) -> np.ndarray:
        return self.keypoints_px[[kind in (own, ALL) for own in self.kinds]]


def read_gallery(
    ind_labels: Path,
    ood_labels: Path | None,
    members: Sequence[MemberFiles],
    boxes: Sequence[BoxFiles] = (),
    missing: Sequence[MissingMember] = (),
) -> GalleryFrames:
    """Read labels, predictions and boxes of all frames.

    Raises
    ------
    UserError
        If images or keypoints differ, a member is named twice, or boxes are of no member.
    """
    _check_members(members, boxes)
    labels = read_labels(ind_labels)
    ind = _read_set(IND, ind_labels, labels, members, boxes)
    sets = [ind]
    if ood_labels is not None:
        wanted = order_keypoints(read_labels(ood_labels), ood_labels, labels.keypoint_names)
        sets.append(_read_set(OOD, ood_labels, wanted, members, boxes))
        check_sets(
            [
                (csv, dict.fromkeys(own.paths, b""))
                for csv, own in zip((ind_labels, ood_labels), sets, strict=True)
            ]
        )
    return GalleryFrames(
        paths=[path for own in sets for path in own.paths],
        sets=[name for own in sets for name in own.sets],
        keypoint_names=ind.keypoint_names,
        kinds=ind.kinds,
        seeds=ind.seeds,
        labels_px=np.concatenate([own.labels_px for own in sets]),
        keypoints_px=np.concatenate([own.keypoints_px for own in sets], 1),
        confidence=np.concatenate([own.confidence for own in sets], 1),
        xywh_px=np.concatenate([own.xywh_px for own in sets], 1),
        failures=np.concatenate([own.failures for own in sets]),
        notes=[f"{own.kind} seed {own.seed} is missing" for own in missing]
        + [note for own in sets for note in _diverged_notes(own)]
        + member_notes([member.kind for member in members]),
    )


def _diverged_notes(frames: GalleryFrames) -> list[str]:
    reasons = [divergence(own, frames.labels_px) for own in frames.keypoints_px]
    return [
        f"{kind} seed {seed} diverged: {reason}"
        for kind, seed, reason in zip(frames.kinds, frames.seeds, reasons, strict=True)
        if reason
    ]


def _check_members(members: Sequence[MemberFiles], boxes: Sequence[BoxFiles]) -> None:
    check_members(members)
    names = [(member.kind, member.seed) for member in members]
    problems = [
        Problem("--bbox", "the kind and seed of a --member", f"{own.kind} {own.seed}")
        for own in boxes
        if (own.kind, own.seed) not in names
    ]
    problems += [
        Problem("--bbox", "each kind and seed once", f"{name} again")
        for name in repeated([f"{own.kind} {own.seed}" for own in boxes])
    ]
    if problems:
        raise UserError(problems)


def _read_set(
    name: str, labels_csv: Path, labels: Labels, members: Sequence[MemberFiles], boxes: Sequence[BoxFiles]
) -> GalleryFrames:
    """Read one of the two sets."""
    keypoints, confidence, splits = [], [], []
    for member in members:
        path = member.file(is_ood=name == OOD)
        predictions = read_predictions(path)
        order, columns = match_predictions(predictions, labels, path, labels_csv)
        keypoints.append(predictions.keypoints_px[order][:, columns])
        confidence.append(predictions.confidence[order][:, columns])
        splits.append([predictions.splits[row] if predictions.splits else "" for row in order])
    rows = len(labels.image_paths)
    xywh_px, failures = np.full((len(members), rows, 4), np.nan), np.zeros(rows, np.uint8)
    places = {(member.kind, member.seed): m for m, member in enumerate(members)}
    for own in boxes:
        path = own.file(is_ood=name == OOD)
        found = read_matching_boxes(path, labels.image_paths, labels_csv)
        m = places[own.kind, own.seed]
        xywh_px[m] = found.xywh_px
        failures |= _failures(labels, found, confidence[m])
    return GalleryFrames(
        paths=list(labels.image_paths),
        sets=[OOD] * rows if name == OOD else [_used_for(of_frame) for of_frame in zip(*splits, strict=True)],
        keypoint_names=labels.keypoint_names,
        kinds=[member.kind for member in members],
        seeds=[member.seed for member in members],
        labels_px=labels.keypoints_px,
        keypoints_px=np.stack(keypoints),
        confidence=np.stack(confidence),
        xywh_px=xywh_px,
        failures=failures,
        notes=[],
    )


def _used_for(splits: Sequence[str]) -> str:
    """Return what a frame was used for by the members, training before validation before test."""
    return next((own.value for own in Split if own.value in splits), IND)


def _failures(labels: Labels, boxes: Boxes, confidence: np.ndarray) -> np.ndarray:
    known = np.isfinite(labels.keypoints_px).all(-1)
    qa = CropQa(
        labels.image_paths, labels.keypoint_names, labels.keypoints_px, known, boxes, confidence=confidence
    )
    fallback = np.array([own == BoxStatus.FALLBACK.value for own in boxes.status or [""] * len(known)], bool)
    return (FALLBACK * fallback + OUTSIDE * qa.outside.any(1)).astype(np.uint8)


def member_notes(kinds: Sequence[str]) -> list[str]:
    """Return what cannot be told of these members."""
    if len(kinds) < 2:
        return ["One member only: the standard deviation is undefined."]
    alone = [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) == 1]
    return [f"{kind} has one member: no standard deviation of its own." for kind in alone]
