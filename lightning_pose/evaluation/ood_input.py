"""Gather the members that are compared: predictions aligned with labels, image by image."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lightning_pose.evaluation.divergence import divergence
from lightning_pose.evaluation.metrics import pixel_error
from lightning_pose.evaluation.ood import ensemble_standard_deviation
from lightning_pose.io.labels import read_labels, refuse_repeated
from lightning_pose.io.predictions import read_predictions
from lightning_pose.types import Labels, Predictions, Problem, Split, UserError

logger = logging.getLogger(__name__)

ALL = "all"  # kinds taken together


@dataclass(frozen=True)
class MemberFiles:
    """One trained model's predictions in frame pixels; `ood_csv` is None where there are no OOD labels."""

    kind: str
    seed: str
    ind_csv: Path
    ood_csv: Path | None

    def file(self, is_ood: bool) -> Path:
        """Return the file of one set.

        Raises
        ------
        ValueError
            If there is none of OOD frames.
        """
        path = self.ood_csv if is_ood else self.ind_csv
        if path is None:
            raise ValueError(f"{self.kind} {self.seed}: no file of OOD frames")
        return path


@dataclass(frozen=True)
class MissingMember:
    """One model that should be compared and has no predictions."""

    kind: str
    seed: str


# equal means the same object, so that what follows from it can be remembered
@dataclass(frozen=True, eq=False)
class Comparison:
    """All members on one set of frames.

    Parameters
    ----------
    name : ``InD`` or ``OOD``.
    frames, keypoint_names : lists of str
    kinds, seeds : lists of str, one a member
    errors : array, (M, N, K)
        Frame pixels.
    deviation : array, (N, K)
        Of all members, frame pixels.
    note : str
        What a reader of the plot has to know, or nothing.
    diverged : list of str, one a member
        Why its predictions are of no use, or nothing.
    missing : list of MissingMember
        Those that should be compared too.
    """

    name: str
    frames: list[str]
    keypoint_names: list[str]
    kinds: list[str]
    seeds: list[str]
    errors: np.ndarray
    deviation: np.ndarray
    note: str = ""
    diverged: list[str] = field(default_factory=list)
    missing: list[MissingMember] = field(default_factory=list)

    def of_kind(self, kind: str) -> np.ndarray:
        """Return the errors of one kind's members; of all members for the kind ``all``."""
        return self.errors[[kind in (own, ALL) for own in self.kinds]]

    def shared(self) -> np.ndarray:
        """Return which keypoints have an error of every kind, (N, K), but for kinds that have none at all."""
        found = list(_errors_there(self.kinds, self.errors).values())
        return np.all(found, axis=0) if found else np.zeros(self.errors.shape[1:], bool)


def aligned_keypoints(
    predictions: Predictions, labels: Labels, predictions_csv: Path, labels_csv: Path
) -> tuple[np.ndarray, list[str] | None]:
    """Return predicted keypoints, (N, K, 2), and splits in the order of the labels.

    Raises
    ------
    UserError
        If images or keypoints differ.
    """
    order, columns = match_predictions(predictions, labels, predictions_csv, labels_csv)
    splits = None if predictions.splits is None else [predictions.splits[row] for row in order]
    return predictions.keypoints_px[order][:, columns], splits


def match_predictions(
    predictions: Predictions, labels: Labels, predictions_csv: Path, labels_csv: Path
) -> tuple[list[int], list[int]]:
    """Return the row of each labelled image's predictions, and the column of each of its keypoints.

    Raises
    ------
    UserError
        If images or keypoints differ, or an image is labelled twice.
    """
    refuse_repeated(labels, labels_csv)
    rows = {str(name): row for row, name in enumerate(predictions.index)}
    if len(rows) < len(predictions.index):
        twice = next(str(name) for row, name in enumerate(predictions.index) if rows[str(name)] != row)
        raise UserError(Problem(str(predictions_csv), "each image once", f"{twice} again"))
    missing = [path for path in labels.image_paths if path not in rows]
    surplus = sorted(set(rows) - set(labels.image_paths))
    if missing or surplus:
        found = f"no row for {missing[0]}" if missing else f"a row for {surplus[0]} too"
        raise UserError(Problem(str(predictions_csv), f"a row for each image of {labels_csv}", found))
    if set(predictions.keypoint_names) != set(labels.keypoint_names):
        raise UserError(
            Problem(
                f"{predictions_csv}, header",
                f"keypoints {labels.keypoint_names}",
                str(predictions.keypoint_names),
            )
        )
    order = [rows[path] for path in labels.image_paths]
    return order, [predictions.keypoint_names.index(name) for name in labels.keypoint_names]


def compare(
    name: str,
    labels_csv: Path,
    members: list[MemberFiles],
    held_out_only: bool,
    keypoint_names: list[str] | None = None,
) -> Comparison:
    """Read all members' predictions of one labels CSV.

    Parameters
    ----------
    name : ``InD`` or ``OOD``.
    labels_csv : labels in frame pixels.
    members : who is compared.
    held_out_only : leave out frames that any member was trained on, or chose its weights by, as long as
        there are others; False: there must be none of either.
    keypoint_names : the order wanted; None = that of the labels.

    Raises
    ------
    UserError
        If images or keypoints differ, or a kind is named ``all``.
    """
    check_kinds([member.kind for member in members])
    labels = order_keypoints(read_labels(labels_csv), labels_csv, keypoint_names)
    keypoints, silent = [], []
    trained, chose = np.zeros((2, len(labels.image_paths)), bool)
    for member in members:
        path = member.file(is_ood=not held_out_only)
        keypoints_px, splits = aligned_keypoints(read_predictions(path), labels, path, labels_csv)
        keypoints.append(keypoints_px)
        silent += [member.kind] if splits is None else []
        own = np.array(splits or [""] * len(trained))
        trained |= own == Split.TRAIN.value
        chose |= own == Split.VALIDATION.value
    if not held_out_only and (trained | chose).any():
        seen = labels.image_paths[int(np.argmax(trained | chose))]
        raise UserError(Problem(f"{labels_csv}", "images that no member was trained on", seen))
    keep = held_out_frames(trained, chose) if held_out_only else np.ones_like(trained)
    stacked = np.stack(keypoints)[:, keep]
    del keypoints  # they may take gigabytes
    diverged = [divergence(own, labels.keypoints_px[keep]) for own in stacked]
    for member, reason in zip(members, diverged, strict=True):
        if reason:
            logger.warning("%s: %s seed %s diverged: %s", name, member.kind, member.seed, reason)
    note = describe_frames(held_out_only, silent, int(keep.sum()), len(members), bool((keep & chose).any()))
    kinds = [member.kind for member in members]
    errors = pixel_error(stacked, labels.keypoints_px[keep])
    notes = (note, _diverged_note(members, diverged), gaps_note(kinds, errors))
    note = "; ".join(text for text in notes if text)
    if note:
        logger.warning("%s: %s", name, note)
    return Comparison(
        name=name,
        frames=[path for path, kept in zip(labels.image_paths, keep, strict=True) if kept],
        keypoint_names=labels.keypoint_names,
        kinds=kinds,
        seeds=[member.seed for member in members],
        errors=errors,
        deviation=ensemble_standard_deviation(stacked),
        note=note,
        diverged=diverged,
    )


def check_kinds(kinds: Sequence[str], where: str = "kind of a member") -> None:
    """Refuse names of kinds that mean something else.

    Raises
    ------
    UserError
        Naming the first one.
    """
    for kind in kinds:
        if kind == ALL:
            raise UserError(Problem(where, f"a name other than {ALL}, which is all together", ALL))
        if kind.startswith("_"):
            raise UserError(Problem(where, "a name that does not begin with _, which plots leave out", kind))


def with_missing(comparison: Comparison, missing: Sequence[MissingMember]) -> Comparison:
    """Say in the note which members are missing, and that the standard deviation is of fewer."""
    if not missing:
        return comparison
    count = len(comparison.kinds) + len(missing)
    note = f"{len(missing)} of {count} members missing: {_listed(missing)}"
    logger.warning("%s: %s", comparison.name, note)
    note = "; ".join(text for text in (comparison.note, note) if text)
    return replace(comparison, note=note, missing=list(missing))


def _listed(members: Sequence[MemberFiles | MissingMember]) -> str:
    """Return kinds, each with its seeds."""
    kinds = dict.fromkeys(member.kind for member in members)
    names = [f"{kind} seed {', '.join(own.seed for own in members if own.kind == kind)}" for kind in kinds]
    return "; ".join(names)


def _diverged_note(members: Sequence[MemberFiles], diverged: Sequence[str]) -> str:
    found = [member for member, reason in zip(members, diverged, strict=True) if reason]
    if not found:
        return ""
    return f"{len(found)} of {len(members)} members diverged, which widens every deviation: {_listed(found)}"


def order_keypoints(labels: Labels, labels_csv: Path, keypoint_names: list[str] | None) -> Labels:
    """Return labels with their keypoints in the order wanted."""
    if keypoint_names is None or labels.keypoint_names == keypoint_names:
        return labels
    if set(labels.keypoint_names) != set(keypoint_names):
        raise UserError(
            Problem(f"{labels_csv}, header", f"keypoints {keypoint_names}", str(labels.keypoint_names))
        )
    columns = [labels.keypoint_names.index(name) for name in keypoint_names]
    return replace(labels, keypoint_names=keypoint_names, keypoints_px=labels.keypoints_px[:, columns])


def held_out_frames(trained: np.ndarray, chose: np.ndarray) -> np.ndarray:
    """Return the frames that had no part in any training; without any, those that chose weights."""
    untouched = ~(trained | chose)
    return untouched if untouched.any() else ~trained


def describe_frames(
    held_out_only: bool, silent: Sequence[str], frames: int, members: int, validated: bool
) -> str:
    """Return what a reader has to know of the frames that are compared, or nothing.

    Parameters
    ----------
    held_out_only : whether frames that trainings saw were to be left out.
    silent : the kind of each member that does not say which these are.
    frames, members : how many there are.
    validated : whether there are frames that chose weights.
    """
    notes = []
    if held_out_only and validated:
        notes.append("validation frames, which chose the weights: there are no test frames")
    if held_out_only and len(silent) == members:
        notes.append("splits unknown: training frames included")
    elif held_out_only and silent:
        notes.append(f"it is unknown what {', '.join(dict.fromkeys(silent))} was trained on")
    if frames == 0:
        notes.append("every frame was trained on")
    if members < 2:
        notes.append("one member only: standard deviation undefined")
    return "; ".join(notes)


def gaps_note(kinds: Sequence[str], errors: np.ndarray) -> str:
    """Return how many keypoints each kind predicted, of those that did any, where they differ, or nothing.

    Parameters
    ----------
    kinds : one a member.
    errors : array, (M, N, K)
    """
    there = _errors_there(kinds, errors)
    total = np.isfinite(errors).any(0)
    if all((own == total).all() for own in there.values()):
        return ""
    counts = ", ".join(f"{kind} {own.sum()}" for kind, own in there.items())
    return (
        f"of {total.sum()} labelled keypoints, kinds predict different ones ({counts}): curves are of those "
        "that all predict, other numbers of each kind's own"
    )


def _errors_there(kinds: Sequence[str], errors: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each kind that has errors at all of which keypoints any of its members has, (N, K)."""
    chosen = {kind: [kind == own for own in kinds] for kind in dict.fromkeys(kinds)}
    there = {kind: np.isfinite(errors[rows]).any(0) for kind, rows in chosen.items()}
    return {kind: own for kind, own in there.items() if own.any()}
