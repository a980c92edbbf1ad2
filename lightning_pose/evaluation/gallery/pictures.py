"""The gallery's JPEGs: each labelled frame, and a thumbnail of what is around its labels.

Skeletons are drawn by the page, so a picture depends on nothing but its image and labels. Its name is made of
their checksum: a picture that is up to date is kept, and a browser never shows an old one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.data.cut import crop_image
from lightning_pose.io.files import write_atomic
from lightning_pose.io.images import decode_image, read_bytes, refuse_outside
from lightning_pose.machine import job_cores
from lightning_pose.traces import note_images
from lightning_pose.types import UserError

FRAMES, THUMBS = "frames", "thumbs"  # folders
THUMB_PX = 192  # a side
QUALITY, THUMB_QUALITY = 88, 80
AROUND = 1.8  # a thumbnail shows so many times the labels' span
LEAST_PX = 48  # of the frame that a thumbnail shows at least, a side
NAME = re.compile(r"[0-9a-f]{16}\.jpg")

Entry = dict[str, Any]


@dataclass(frozen=True)
class Pictures:
    """What was drawn.

    Parameters
    ----------
    entries : list, one a frame
        ``stamp`` (what the pictures depend on), ``size`` (width and height of the frame), ``region`` (the
        square that the thumbnail shows: x, y, side in frame pixels), ``frame`` and ``thumb`` (file names),
        ``bytes`` (sizes of both).
    drawn : how many were drawn anew.
    """

    entries: list[Entry]
    drawn: int

    @property
    def bytes(self) -> int:
        """The size of all pictures."""
        return sum(sum(entry["bytes"]) for entry in self.entries)


def draw_pictures(
    paths: Sequence[str],
    labels_px: np.ndarray,
    data_dir: Path,
    folder: Path,
    known: dict[str, Entry],
    largest_side: int,
) -> Pictures:
    """Write the pictures of all frames, but for those that are up to date.

    Parameters
    ----------
    paths : of the images, relative to `data_dir`.
    labels_px : array, (N, K, 2), frame pixels; NaN = not labelled
    folder : of the gallery.
    known : entries of an earlier run, by path.
    largest_side : of a frame, pixels; larger ones are scaled down.

    Raises
    ------
    UserError
        Every image that cannot be read.
    """
    refuse_outside(paths, data_dir)

    def draw(row: int) -> tuple[Entry, bool] | UserError:
        region = region_of(labels_px[row])
        try:
            return _draw_one(paths[row], region, data_dir, folder, known.get(paths[row]), largest_side)
        except UserError as error:  # handed back, so that every broken image is named
            return error

    with ThreadPoolExecutor(job_cores()) as pool:
        done = list(pool.map(draw, range(len(paths))))
    note_images(data_dir, paths)
    problems = [problem for own in done if isinstance(own, UserError) for problem in own.problems]
    if problems:
        raise UserError(problems)
    results = [own for own in done if not isinstance(own, UserError)]
    return Pictures([entry for entry, _ in results], sum(fresh for _, fresh in results))


def region_of(labels_px: np.ndarray) -> tuple[int, int, int] | None:
    """Return the square around the labels of a frame, (K, 2): x, y, side; None = fewer than two labels."""
    known = labels_px[np.isfinite(labels_px).all(-1)]
    if len(known) < 2:
        return None
    low, high = known.min(0), known.max(0)
    side = max(round(AROUND * float((high - low).max())), LEAST_PX)
    x, y = np.round((low + high) / 2 - (side - 1) / 2).astype(int)
    return int(x), int(y), side


def remove_others(folder: Path, entries: Sequence[Entry]) -> None:
    """Remove pictures of the gallery that no entry names any more."""
    wanted = {(FRAMES, entry["frame"]) for entry in entries} | {(THUMBS, entry["thumb"]) for entry in entries}
    for kind in (FRAMES, THUMBS):
        for path in (folder / kind).glob("*.jpg"):
            if NAME.fullmatch(path.name) and (kind, path.name) not in wanted:
                path.unlink()


def _draw_one(
    path: str,
    region: tuple[int, int, int] | None,
    data_dir: Path,
    folder: Path,
    known: Entry | None,
    largest_side: int,
) -> tuple[Entry, bool]:
    """Return the entry of a frame, and whether its pictures were drawn anew."""
    content = read_bytes(data_dir / path)
    stamp = {
        "source": hashlib.sha256(content).hexdigest(),
        "around": None if region is None else list(region),
        "drawing": [largest_side, THUMB_PX, QUALITY, THUMB_QUALITY],
    }
    if known is not None and known.get("stamp") == stamp and _is_there(folder, known):
        return known, False
    image = decode_image(data_dir / path, content)
    height, width = image.shape[:2]
    x, y, side = region or _whole(height, width)
    thumb = crop_image(image, (x, y, side, side), (THUMB_PX, THUMB_PX))
    name = hashlib.sha256(json.dumps([path, stamp]).encode()).hexdigest()[:16] + ".jpg"
    sizes = [
        _write_jpeg(_scaled_down(image, largest_side), folder / FRAMES / name, QUALITY),
        _write_jpeg(thumb, folder / THUMBS / name, THUMB_QUALITY),
    ]
    entry = {"stamp": stamp, "size": [width, height], "region": [x, y, side], "bytes": sizes}
    return {**entry, "frame": name, "thumb": name}, True


def _whole(height: int, width: int) -> tuple[int, int, int]:
    side = max(height, width)
    return (width - side) // 2, (height - side) // 2, side


def _scaled_down(image: np.ndarray, largest_side: int) -> np.ndarray:
    height, width = image.shape[:2]
    scale = largest_side / max(height, width)
    if scale >= 1:
        return image
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    return crop_image(image, (0, 0, width, height), size)


def _write_jpeg(image: np.ndarray, path: Path, quality: int) -> int:
    """Write an image in OpenCV's channel order; return the size of the file."""
    import cv2

    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    with write_atomic(path) as temporary:
        temporary.write_bytes(jpeg)
    return len(jpeg)


def _is_there(folder: Path, entry: Entry) -> bool:
    """Say whether both files have the size that they were written with."""
    files = (folder / FRAMES / entry["frame"], folder / THUMBS / entry["thumb"])
    return all(
        path.is_file() and path.stat().st_size == size
        for path, size in zip(files, entry["bytes"], strict=True)
    )
