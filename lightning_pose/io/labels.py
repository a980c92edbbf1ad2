"""Labels CSV: image path, then x, y and, as an option, COCO visibility of each keypoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lightning_pose.io.changed import check_unchanged
from lightning_pose.io.crop_manifest import MANIFEST
from lightning_pose.io.tables import (
    HEADER_ROWS,
    KeypointTable,
    iterate_rows,
    own_path,
    parse_keypoint_rows,
    write_keypoint_table,
)
from lightning_pose.types import RESERVED_NAMES, Labels, Problem, UserError, Visibility

VISIBILITIES = (0, 1, 2)
NOT_LABELLED = 0  # whatever coordinates stand there, as in COCO's files


def read_labels(path: str | Path) -> Labels:
    """Read a labels CSV.

    Raises
    ------
    UserError
        Every broken header, row and cell.
    """
    if (Path(path).parent / MANIFEST).is_file():  # of crops: nobody's own work, as labels of frames are
        check_unchanged(path)
    return parse_labels(Path(path), iterate_rows(Path(path)))


def parse_labels(path: Path, rows: Iterable[list[str]]) -> Labels:
    """Parse the rows of a labels CSV; `path` is for messages."""
    table = parse_keypoint_rows(path, rows, (("x", "y"), ("x", "y", "visible")))
    reserved = [name for name in table.keypoint_names if name in RESERVED_NAMES]
    if reserved:
        expected = f"keypoints of other names than {' and '.join(RESERVED_NAMES)}, which predictions need"
        raise UserError(Problem(f"{path}, header", expected, ", ".join(reserved)))
    visible = table.columns.get("visible")
    if visible is not None:
        wrong = ~np.isin(np.nan_to_num(visible), VISIBILITIES)
        problems = [
            Problem(
                f"{path}, {table.index[i]}, {table.keypoint_names[k]} visible",
                "0, 1 or 2",
                str(visible[i, k]),
            )
            for i, k in np.argwhere(wrong)
        ]
        if problems:
            raise UserError(problems)
    keypoints_px = np.stack([table.columns["x"], table.columns["y"]], axis=-1)
    if visible is not None:  # an empty cell says no more than x and y do
        there = np.isfinite(keypoints_px).any(-1)
        untold = np.where(there, Visibility.VISIBLE, Visibility.NOT_LABELLED)
        visible = np.where(np.isnan(visible), untold, visible).astype(np.int8)
        keypoints_px[visible == NOT_LABELLED] = np.nan
    return Labels(
        image_paths=[own_path(name) for name in table.index],
        keypoint_names=table.keypoint_names,
        keypoints_px=keypoints_px,
        visible=visible,
        scorer=table.scorer,
    )


def refuse_repeated(labels: Labels, path: str | Path) -> None:
    """Refuse labels of which an image has several: it would count as often.

    Raises
    ------
    UserError
        Naming the first row of an image that is there before.
    """
    seen: set[str] = set()
    for number, name in enumerate(labels.image_paths, HEADER_ROWS + 1):
        if name in seen:
            raise UserError(Problem(f"{path}, row {number}", "each image once", f"{name} again"))
        seen.add(name)


def write_labels(labels: Labels, path: str | Path) -> None:
    """Write a labels CSV that `read_labels` reads back exactly."""
    columns = {"x": labels.keypoints_px[..., 0], "y": labels.keypoints_px[..., 1]}
    if labels.visible is not None:
        columns["visible"] = labels.visible.astype(float)
    write_keypoint_table(
        KeypointTable(labels.scorer, list(labels.image_paths), labels.keypoint_names, columns, None), path
    )
