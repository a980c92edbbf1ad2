"""Context frames: the neighbours in time of a labelled frame, found by the number in its file name."""

from __future__ import annotations

import re

OFFSETS = (-2, -1, 1, 2)


def context_paths(image_path: str) -> list[str] | None:
    """Return the paths of the two frames before and after; None if the name has no or too low a number."""
    match = re.match(r"(.*?)(\d+)(\.\w+)$", image_path)
    if not match:
        return None
    stem, digits, suffix = match.groups()
    if int(digits) + OFFSETS[0] < 0:
        return None
    return [f"{stem}{int(digits) + offset:0{len(digits)}d}{suffix}" for offset in OFFSETS]
