"""Draw the least trustworthy frames of a crop QA: what lies in and around each box, and the keypoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from lightning_pose.data.cut import crop_image
from lightning_pose.evaluation.crop_qa import BORDER, CropQa, find_flags, flag_text, worst_first
from lightning_pose.evaluation.draw import SkeletonPainter, fixed_point, paint_box, paint_text
from lightning_pose.evaluation.sheets import write_sheet
from lightning_pose.geometry.crop_space import frame_to_crop

TILE = 320  # pixels a side
AROUND, FARTHEST = 1.3, 3.0  # sides of the box that are shown at least, and at most
RADIUS, RING = 4.0, 9.0  # pixels; rings are around keypoints that are amiss
INNER = (190, 190, 190)

ReadFrame = Callable[[int], np.ndarray]


def draw_worst_frames(qa: CropQa, read_frame: ReadFrame, count: int, path: Path) -> None:
    """Write a PNG of the worst frames, the worst first.

    Parameters
    ----------
    qa : what is known of the crops.
    read_frame : gives the frame of a row, (H, W, 3) uint8, RGB.
    count : how many.
    path : the PNG.
    """
    flags = find_flags(qa)
    tiles = []
    for row in worst_first(qa, flags)[:count]:
        tile = draw_frame(qa, int(row), read_frame(int(row)))
        name = "/".join(PurePosixPath(str(qa.names[row])).parts[-2:])
        paint_text(tile, f"{name} {flag_text(flags, int(row))}".strip(), 0.4)
        tiles.append(tile)
    write_sheet(tiles, path)


def draw_frame(qa: CropQa, row: int, frame: np.ndarray) -> np.ndarray:
    """Return what lies in and around a box, (TILE, TILE, 3), with the box, its border and the keypoints."""
    box, keypoints_px = qa.boxes.xywh_px[row], qa.keypoints_frame_px[row]
    x, y, side, _ = region = _around(box, keypoints_px)
    tile = crop_image(frame, (float(x), float(y), float(side), float(side)), (TILE, TILE))
    zoom = TILE / side
    left, top = (box[:2] - 0.5 - [x - 0.5, y - 0.5]) * zoom
    on_tile = np.array([left, top, *(box[2:] * zoom)])
    inset = BORDER * on_tile[2:]
    paint_box(tile, np.concatenate([on_tile[:2] + inset, on_tile[2:] - 2 * inset]), INNER, 1)
    paint_box(tile, on_tile)
    points = fixed_point(frame_to_crop(keypoints_px[None], region[None], (TILE, TILE))[0])
    known = np.isfinite(keypoints_px).all(-1)
    SkeletonPainter(qa.keypoint_names, (), RADIUS).paint(tile, points, known)
    amiss = qa.outside[row] | qa.near_border[row]
    SkeletonPainter(qa.keypoint_names, (), RING).paint_rings(tile, points, known & amiss)
    return tile


def _around(box: np.ndarray, keypoints_px: np.ndarray) -> np.ndarray:
    """Return the square x, y, w, h about a box that shows its keypoints too, unless they are too far off."""
    centre, side = box[:2] + (box[2:] - 1) / 2, float(box[2:].max())
    known = keypoints_px[np.isfinite(keypoints_px).all(-1)]
    reach = 2.2 * float(np.abs(known - centre).max()) if len(known) else 0.0
    shown = max(np.ceil(np.clip(reach, AROUND * side, FARTHEST * side)), 1.0)
    return np.array([*np.round(centre - (shown - 1) / 2), shown, shown])
