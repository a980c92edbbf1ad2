"""Parts of a long prediction, kept until all of it is there: an interruption costs one part at most."""

from __future__ import annotations

import logging
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.inference.film import FilmPart
from lightning_pose.io.files import read_json, write_atomic, write_json
from lightning_pose.types import Boxes

logger = logging.getLogger(__name__)

ORIGIN_FILE = "origin.json"


class PartStore:
    """A folder with a file a part.

    Parameters
    ----------
    folder : it is made when there is something to keep, and removed with `remove`.
    origin : what the parts depend on; those of anything else are thrown away.
    parts : how the film is cut.
    """

    def __init__(self, folder: Path, origin: dict[str, Any], parts: FilmParts) -> None:
        self.folder, self.origin, self.parts = folder, origin, parts
        kept = read_json(folder / ORIGIN_FILE)
        if folder.is_dir() and kept != origin:
            changed = [key for key in origin if not isinstance(kept, dict) or kept.get(key) != origin[key]]
            logger.warning("%s: starting afresh, since this changed: %s", folder, ", ".join(changed))
            self.remove()

    def write(self, number: int, part: FilmPart) -> None:
        """Keep a part; not if the folder vanishes meanwhile, as when another process ends with the same."""
        with suppress(FileNotFoundError):
            if not (self.folder / ORIGIN_FILE).is_file():
                write_json(self.origin, self.folder / ORIGIN_FILE)
            with write_atomic(self._file(number)) as temporary:
                np.savez(temporary, **_arrays(part))  # type: ignore[arg-type]

    def read(self, number: int) -> FilmPart | None:
        """Return a part that was kept; None if it was not, or its file is damaged."""
        frames = self.parts.frames(range(number, number + 1))
        try:
            with np.load(self._file(number), allow_pickle=False) as file:
                status = [str(own) for own in file["status"]] if "status" in file else None
                sure = file.get("box_confidence")
                boxes = Boxes(list(frames), file["xywh_px"], status, sure)
                keypoints_px, confidence = file["keypoints_frame_px"], file["confidence"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        whole = len(confidence) == len(frames)
        return FilmPart(frames, keypoints_px, confidence, boxes) if whole else None

    def remove(self) -> None:
        """Throw everything away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"part_{number:06d}.npz"


def _arrays(part: FilmPart) -> dict[str, np.ndarray]:
    known = {"keypoints_frame_px": part.keypoints_frame_px, "confidence": part.confidence,
             "xywh_px": part.boxes.xywh_px, "status": part.boxes.status,
             "box_confidence": part.boxes.confidence}  # fmt: skip
    return {name: np.asarray(values) for name, values in known.items() if values is not None}
