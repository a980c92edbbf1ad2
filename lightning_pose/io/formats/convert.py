"""From any tool's files to any other's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lightning_pose.io.formats.coco import read_coco, write_coco
from lightning_pose.io.formats.contents import Contents
from lightning_pose.io.formats.data_folder import write_data_folder
from lightning_pose.io.formats.dlc import read_dlc_table, read_project, write_dlc_table, write_project
from lightning_pose.io.formats.sleap import read_slp, write_slp
from lightning_pose.io.labels import parse_labels, write_labels
from lightning_pose.io.predictions import parse_predictions, write_predictions
from lightning_pose.io.tables import HEADER_ROWS, iterate_rows, read_rows
from lightning_pose.types import Labels, Problem, UserError


class Tool(str, Enum):
    """Whose files they are."""

    DLC = "dlc"
    SLEAP = "sleap"
    COCO = "coco"
    LITPOSE = "litpose"


SUFFIXES = {  # of the files that are written; "" is a folder
    Tool.LITPOSE: ("", ".csv"),
    Tool.DLC: ("", ".csv", ".h5"),
    Tool.SLEAP: (".slp",),
    Tool.COCO: (".json",),
}


@dataclass(frozen=True)
class Choices:
    """What a user may say about a conversion.

    Parameters
    ----------
    image_dir : where images lie; None = beside the source, or in the project that it belongs to.
    skeleton : name of the skeleton or category to take; None = that of the most animals.
    video : name of the video that predictions were made on.
    ood_start : first row of the out-of-distribution set of a data folder.
    skip_missing : whether frames without an image are left out rather than refused.
    """

    image_dir: Path | None = None
    skeleton: str | None = None
    video: str | None = None
    ood_start: int | None = None
    skip_missing: bool = False


def convert(tool: Tool, source: Path, output: Path, target: Tool, choices: Choices) -> None:
    """Convert `source`, a file or project of `tool`, to `output`, a file or folder for `target`.

    Raises
    ------
    UserError
        If the output is not named as `target`'s files are, and for all that is wrong with the source.
    """
    if output.suffix.lower() not in SUFFIXES[target]:
        expected = " or ".join(suffix or "a folder" for suffix in SUFFIXES[target])
        raise UserError(Problem(str(output), f"{expected}, for {target.value}", output.suffix or "a folder"))
    if choices.ood_start is not None and (target is not Tool.LITPOSE or output.suffix):
        raise UserError(Problem("--ood_start", "a data folder as output, of two sets", str(output)))
    _write(_read(tool, source, choices), output, target, choices)


def _read(tool: Tool, source: Path, choices: Choices) -> Contents:
    if tool is Tool.SLEAP:
        return read_slp(source, choices.image_dir, choices.skeleton, choices.video)
    if tool is Tool.COCO:
        return read_coco(source, choices.image_dir, choices.skeleton)
    if tool is Tool.LITPOSE:
        return _read_own(source, choices.image_dir)
    is_table = source.suffix.lower() in SUFFIXES[Tool.DLC][1:]
    return (read_dlc_table if is_table else read_project)(source, choices.image_dir)


def _read_own(source: Path, image_dir: Path | None) -> Contents:
    if any("likelihood" in row for row in read_rows(source, HEADER_ROWS)):
        return Contents(parse_predictions(source, iterate_rows(source)))
    labels = parse_labels(source, iterate_rows(source))
    return Contents(labels, {name: (image_dir or source.parent) / name for name in labels.image_paths})


def _write(contents: Contents, output: Path, target: Tool, choices: Choices) -> None:
    poses = contents.poses
    is_folder = output.suffix == ""
    if target is Tool.SLEAP:
        write_slp(contents, output, choices.video, choices.skip_missing)
    elif target is Tool.COCO:
        write_coco(contents, output)
    elif target is Tool.DLC and is_folder:
        write_project(contents, output, choices.skip_missing)
    elif target is Tool.DLC:
        write_dlc_table(poses, output)
    elif is_folder:
        write_data_folder(contents, output, choices.ood_start, choices.skip_missing)
    elif isinstance(poses, Labels):
        write_labels(poses, output)
    else:
        write_predictions(poses, output)
