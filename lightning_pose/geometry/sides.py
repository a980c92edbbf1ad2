"""Which keypoints change places in a mirror, as their names tell."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

SIDE_WORD = re.compile("left|right", re.IGNORECASE)
SIDE_LETTER = re.compile(r"(?<![^_\-. ])[LRlr](?![^_\-. ])")
OTHER_SIDE = {"left": "right", "right": "left", "L": "R", "R": "L", "l": "r", "r": "l"}


def mirror_order(keypoint_names: list[str]) -> np.ndarray:
    """Return, for each keypoint, the index of the keypoint it becomes in a mirror, where left is right.

    Sides are told by the words left and right in any case, anywhere in the name, or by L and R (or l and r)
    set off by ``_``, ``-``, ``.`` or a space: ``eye_left``, ``RightEar``, ``paw_L``, ``l-wing``; or by such a
    letter anywhere, where two names differ by it alone: ``earL``, ``LForepaw``, ``FL_paw``.
    """
    index = {name: i for i, name in enumerate(keypoint_names)}
    order = np.array([index[_other_side(name, index)] for name in keypoint_names])
    own = np.arange(len(order))
    return np.where(order[order] == own, order, own)


def without_partner(keypoint_names: list[str]) -> list[str]:
    """Return the keypoints that are named for a side whose other side has no keypoint."""
    order = mirror_order(keypoint_names)
    return [name for i, name in enumerate(keypoint_names) if _mirrored(name) != name and order[i] == i]


def _other_side(name: str, names: Collection[str]) -> str:
    """Return which of the names a keypoint has in a mirror: its own, where none or more than one could be."""
    mirrored = _mirrored(name)
    if mirrored in names and mirrored != name:
        return mirrored
    swapped = [
        other
        for i, letter in enumerate(name)
        if letter in OTHER_SIDE and (other := name[:i] + OTHER_SIDE[letter] + name[i + 1 :]) in names
    ]
    return swapped[0] if len(swapped) == 1 else name


def _mirrored(name: str) -> str:
    swapped = SIDE_WORD.sub(lambda match: _in_case_of(match[0], OTHER_SIDE[match[0].lower()]), name)
    return swapped if swapped != name else SIDE_LETTER.sub(lambda match: OTHER_SIDE[match[0]], name)


def _in_case_of(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
