"""Data folders as this project reads them: labels, the images that they name, videos."""

from __future__ import annotations

import filecmp
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lightning_pose.io.changed import is_as_written
from lightning_pose.io.files import write_atomic
from lightning_pose.io.formats.contents import Contents, ImageSource, refuse_to_lose, stays_inside
from lightning_pose.io.images import is_inside
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.types import Labels, Predictions, Problem, UserError

logger = logging.getLogger(__name__)

IND_CSV, OOD_CSV = "CollectedData.csv", "CollectedData_new.csv"


def write_data_folder(
    contents: Contents, output_dir: Path, ood_start: int | None = None, skip_missing: bool = False
) -> None:
    """Write labels, labelled images and videos.

    Parameters
    ----------
    contents : labels with their images.
    output_dir : data folder; an image that lies there unchanged is left alone.
    ood_start : first row that goes to ``CollectedData_new.csv``, counted before any are left out.
    skip_missing : whether frames without an image are left out rather than refused.

    Raises
    ------
    UserError
        If there are predictions, an image is missing, a path leaves the folder, or labels of the folder that
        no command wrote would be lost.
    """
    if isinstance(contents.poses, Predictions):
        raise UserError(Problem(str(output_dir), "a .csv file, since these are predictions", "a folder"))
    _check_paths(contents.poses, output_dir)
    labels = with_images(contents.poses, contents, skip_missing)
    count = len(labels.image_paths)
    end = count if ood_start is None else _rows_before(ood_start, contents.poses, labels)
    refuse_to_lose(_labels_of_people(output_dir), labels)
    _warn_of_shared_sessions(labels, end)
    copy_images(labels, contents, output_dir)
    for video in contents.videos:
        _put(video, output_dir / "videos" / video.name)
    if ood_start is None:  # of an earlier conversion: its frames are in the other file now
        (output_dir / OOD_CSV).unlink(missing_ok=True)
    else:
        write_labels(take_rows(labels, range(end, count)), output_dir / OOD_CSV)
    write_labels(take_rows(labels, range(end)), output_dir / IND_CSV)
    logger.info("%s: %d frames, %d of them out of distribution", output_dir, count, count - end)


def _rows_before(ood_start: int, whole: Labels, kept: Labels) -> int:
    """Return how many of the labels that are kept lie before a row of the whole labels."""
    count, there = len(whole.image_paths), set(kept.image_paths)
    if not 0 < ood_start < count:
        expected = f"1 to {count - 1}, within the labelled frames"
        raise UserError(Problem("--ood_start", expected, str(ood_start)))
    before = sum(path in there for path in whole.image_paths[:ood_start])
    if not 0 < before < len(kept.image_paths):
        found = f"{before} before it, {len(kept.image_paths) - before} from it on"
        raise UserError(Problem(f"--ood_start {ood_start}", "images on either side", found))
    return before


def _labels_of_people(output_dir: Path) -> dict[Path, Labels]:
    """Return the labels that are in a data folder, but for those that can be converted again."""
    there: dict[Path, Labels] = {}
    for path in (output_dir / IND_CSV, output_dir / OOD_CSV):
        if path.is_file() and not is_as_written(path):
            with suppress(UserError):  # no labels any more
                there[path] = read_labels(path)
    return there


def _warn_of_shared_sessions(labels: Labels, end: int) -> None:
    """Say which sessions have frames on both sides of the first frame of the OOD set; one alone must have."""
    ind, ood = (Counter(str(PurePosixPath(path).parent) for path in part)
                for part in (labels.image_paths[:end], labels.image_paths[end:]))  # fmt: skip
    if len(ind | ood) > 1:
        for session in sorted(set(ind) & set(ood)):
            logger.warning(
                "%s: %d frames in distribution and %d out of it: a session that models are trained on",
                session, ind[session], ood[session],
            )  # fmt: skip


def with_images(labels: Labels, contents: Contents, skip_missing: bool) -> Labels:
    """Return the labels whose images are there.

    Raises
    ------
    UserError
        Every image that is missing, unless they are skipped; or if none is there.
    """
    missing = {path: name for path in labels.image_paths if (name := _missing(contents.images.get(path)))}
    if not missing:
        return labels
    if not skip_missing or len(missing) == len(labels.image_paths):
        raise UserError([Problem(name, "a labelled image", "no such file") for name in missing.values()])
    first = next(iter(missing.values()))
    logger.warning("%d frames are left, whose images are missing: %s, ...", len(missing), first)
    return take_rows(labels, [i for i, path in enumerate(labels.image_paths) if path not in missing])


def copy_images(labels: Labels, contents: Contents, output_dir: Path) -> None:
    """Put the images of the labels into a folder; those that lie there unchanged are left alone."""
    for path in labels.image_paths:
        _put(contents.images[path], output_dir / path)


def take_rows(labels: Labels, rows: range | list[int]) -> Labels:
    """Return some rows of labels."""
    return replace(
        labels,
        image_paths=[labels.image_paths[row] for row in rows],
        keypoints_px=labels.keypoints_px[list(rows)],
        visible=None if labels.visible is None else labels.visible[list(rows)],
    )


def _check_paths(labels: Labels, output_dir: Path) -> None:
    outside = [
        path for path in labels.image_paths if not (stays_inside(path) and is_inside(path, output_dir))
    ]
    if outside:
        raise UserError([Problem(path, f"an image path inside {output_dir}", path) for path in outside])


def _missing(image: ImageSource | None) -> str | None:
    if image is None:
        return "(no file named)"
    return str(image) if isinstance(image, Path) and not image.is_file() else None


def _put(image: ImageSource, target: Path) -> None:
    if isinstance(image, Path):
        if target.is_file() and filecmp.cmp(image, target, shallow=False):
            return
        with write_atomic(target) as temporary:
            shutil.copyfile(image, temporary)
    else:
        _save(image, target)


def _save(image: Callable, target: Path) -> None:
    from PIL import Image

    picture = image()
    with write_atomic(target) as temporary:  # the options are of JPEG, which loses least that way
        Image.fromarray(picture.squeeze()).save(temporary, quality=100, subsampling=0)
