"""Facts about image files, and whole images out of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning_pose.types import Problem, UserError

if TYPE_CHECKING:
    import numpy as np

# by the first bytes of the file, since names lie
ENDINGS = {b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82", b"\xff\xd8": b"\xff\xd9"}
TAIL_BYTES = 4096


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width, from the file's header.

    Raises
    ------
    UserError
        If the file is missing or no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.height, image.width
    except FileNotFoundError:
        raise UserError(Problem(str(path), "an image", "no such file")) from None
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(Problem(str(path), "an image", f"unreadable ({error})")) from None


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
        raise UserError(Problem(str(path), "an image", error.strerror or "unreadable")) from None


def decode_image(path: Path, content: bytes) -> np.ndarray:
    """Decode an image, (H, W, 3) uint8 in OpenCV's channel order; `path` is for messages.

    Raises
    ------
    UserError
        If it is no image, or half of one, which a decoder would fill up.
    """
    import cv2
    import numpy as np

    endings = [ending for magic, ending in ENDINGS.items() if content.startswith(magic)]
    if endings and endings[0] not in content[-TAIL_BYTES:]:
        raise UserError(Problem(str(path), "a whole image", "a truncated file"))
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise UserError(Problem(str(path), "an image", "unreadable"))
    return image
