"""Image files: where they may lie, how large they may be, whether all of one is there, and their pixels.

A picture is read whole or not at all. Damage is looked for before anything is decoded: decoders fill up what
is missing. Arrays are (H, W, 3) uint8.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from lightning_pose.io.changed import have_looked_into
from lightning_pose.types import Problem, UserError, first_line

if TYPE_CHECKING:
    import numpy as np

# by the first bytes of the file, since names lie
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
ENDINGS = {PNG: b"IEND\xaeB`\x82", JPEG: b"\xff\xd9"}
TAIL_BYTES = 4096
# 400 MB once decoded, four times the largest camera in sight; a small file may claim any size
LARGEST_IMAGE_PX = 1 << 27
FIRST_ROW = 4  # of a labels CSV, as an editor counts


def is_inside(image_path: str, data_dir: Path) -> bool:
    """Say whether a path names a file inside a folder, once symbolic links are followed.

    The folder itself may be a link, and so may what is in it, as long as the target is in it too.
    """
    pure = PurePosixPath(image_path)
    if "\0" in image_path or not pure.name or pure.is_absolute() or ".." in pure.parts:
        return False
    return Path(os.path.realpath(data_dir / image_path)).is_relative_to(os.path.realpath(data_dir))


def outside_problems(image_paths: Iterable[str], data_dir: Path, labels_csv: Path | None) -> list[Problem]:
    """Return a problem for each image path that leads out of the data folder.

    Parameters
    ----------
    image_paths : of a labels CSV, in the order of its rows.
    data_dir : folder that they are relative to.
    labels_csv : for the messages; None = the paths come from elsewhere.
    """
    return [
        Problem(
            f"image {row}" if labels_csv is None else f"{labels_csv}, row {row + FIRST_ROW}",
            f"an image path inside {data_dir}",
            repr(path),
        )
        for row, path in enumerate(image_paths)
        if not is_inside(path, data_dir)
    ]


def refuse_outside(image_paths: Iterable[str], data_dir: Path, labels_csv: Path | None = None) -> None:
    """Raise a `UserError` that names every image path which leads out of the data folder."""
    problems = outside_problems(image_paths, data_dir, labels_csv)
    if problems:
        raise UserError(problems)


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width, from the file's header.

    Raises
    ------
    UserError
        If the file is missing, no image, or larger than `LARGEST_IMAGE_PX`.
    """
    from PIL import UnidentifiedImageError

    try:
        with open(path, "rb") as file:
            return _stated_size(file, str(path))
    except FileNotFoundError:
        raise UserError(Problem(str(path), "an image", "no such file")) from None
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(Problem(str(path), "an image", f"unreadable ({first_line(error)})")) from None


def read_image(path: Path) -> np.ndarray:
    """Read an image as RGB.

    Raises
    ------
    UserError
        If the file is missing, damaged, too large or no image.
    """
    import cv2

    return cv2.cvtColor(decode_image(path, read_bytes(path)), cv2.COLOR_BGR2RGB)


def read_bytes(path: Path) -> bytes:
    """Return the content of an image file.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or "unreadable"
        raise UserError(Problem(str(path), "an image", found)) from None


def decode_image(path: Path, content: bytes) -> np.ndarray:
    """Decode an image file's content, in OpenCV's order of channels, BGR; `path` is for messages.

    Raises
    ------
    UserError
        If it is damaged, too large or no image.
    """
    import cv2
    import numpy as np
    from PIL import UnidentifiedImageError

    where, damage = str(path), damage_of_image(content)
    if damage is not None:
        have_looked_into(path)
        raise UserError(Problem(where, "a whole image", damage))
    with suppress(UnidentifiedImageError, OSError):  # a kind that OpenCV alone knows, with a limit of its own
        _stated_size(io.BytesIO(content), where)
    try:
        # labels count the pixels that are stored: nothing is turned by what a camera noted of itself
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error as error:
        raise UserError(Problem(where, "an image", f"unreadable ({first_line(error)})")) from None
    if image is None:
        raise UserError(Problem(where, "an image", "unreadable"))
    return image


def damage_of_image(content: bytes) -> str | None:
    """Return what is wrong with a PNG or JPEG file by its own marks and checksums, None if nothing is."""
    endings = [ending for magic, ending in ENDINGS.items() if content.startswith(magic)]
    if endings and endings[0] not in content[-TAIL_BYTES:]:
        return "a truncated file"
    if content.startswith(PNG) and not _has_right_checksums(content):
        return "a damaged file (a checksum in it is wrong)"
    return None


def _has_right_checksums(png: bytes) -> bool:
    """Say whether all chunks of a PNG file are as their checksums tell."""
    view, place = memoryview(png), len(PNG)
    while place + 12 <= len(view):  # length, kind, checksum
        end = place + 8 + int.from_bytes(view[place : place + 4])
        if end + 4 > len(view) or zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4]):
            return False
        if view[place + 4 : place + 8] == b"IEND":
            return True
        place = end + 4
    return False


def _stated_size(file: IO[bytes], where: str) -> tuple[int, int]:
    """Return the height and width that an image's header states."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            height, width = image.height, image.width
    except Image.DecompressionBombError:
        height = width = 0
    except (ValueError, SyntaxError, OverflowError, struct.error) as error:
        raise OSError(first_line(error)) from None
    if not height or height * width > LARGEST_IMAGE_PX:
        found = f"{width} x {height}" if height else "more"
        raise UserError(Problem(where, f"an image of at most {LARGEST_IMAGE_PX} pixels", found))
    return height, width
