"""Sheets of several pictures in one, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lightning_pose.io.files import write_atomic

COLUMNS = 4


def write_sheet(tiles: Sequence[np.ndarray], path: Path) -> None:
    """Write pictures of one size, (H, W, 3) uint8, RGB, side by side and below one another."""
    columns = min(COLUMNS, len(tiles))
    missing = -len(tiles) % columns
    filled = [*tiles, *[np.zeros_like(tiles[0])] * missing]
    rows = [np.hstack(filled[start : start + columns]) for start in range(0, len(filled), columns)]
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    with write_atomic(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())
