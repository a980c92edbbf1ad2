"""Facts about image files that need no decoding."""

from __future__ import annotations

from pathlib import Path

from lightning_pose.types import Problem, UserError

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
