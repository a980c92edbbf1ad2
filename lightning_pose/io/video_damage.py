"""Look at videos before hours are spent on them: what is there of each, and where the damage begins.

Every video is scanned packet by packet, and its first frame decoded. One that may be damaged is decoded to
its end as well, which takes longer and sees what the scan cannot: damage within a packet.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.io.files import read_json, write_json
from lightning_pose.io.video_facts import PREDICTS_THESE, VideoFacts, probe_video
from lightning_pose.io.video_pyav import PyAvVideo
from lightning_pose.types import UserError

logger = logging.getLogger(__name__)

PREDICTED, STATED, FIRST_BAD = "frames_predicted", "frames_stated", "first_bad_frame"


@dataclass(frozen=True)
class WholePart:
    """The frames of a video up to the first that cannot be decoded.

    Parameters
    ----------
    facts : of these frames alone.
    stated : frames that there should be, as the header or the packets in the file tell.
    """

    facts: VideoFacts
    stated: int

    @property
    def first_bad(self) -> int | None:
        """Number of the first frame that cannot be decoded; None = all can."""
        return self.facts.frame_count if self.facts.frame_count < self.stated else None


def check_videos(paths: Sequence[Path], allow_truncated: bool = False) -> list[WholePart]:
    """Look at videos, see `check_video`.

    Raises
    ------
    UserError
        Whatever is wrong with any of them.
    """
    wholes, problems = [], []
    for path in paths:
        try:
            wholes.append(check_video(path, allow_truncated))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return wholes


def check_video(path: Path, allow_truncated: bool = False, advice: str = PREDICTS_THESE) -> WholePart:
    """Scan a video, and decode its first frame, or all of it if it may be damaged.

    Parameters
    ----------
    path : the file.
    allow_truncated : whether it may be damaged; what is there of it is then returned, and a warning logged.
    advice : what to do about a damaged one, for the message.

    Raises
    ------
    UserError
        If it is no video, cannot be decoded, or is damaged though it may not be.
    """
    facts = probe_video(path, allow_truncated, advice)
    video = PyAvVideo(facts)
    count = video.count_decodable() if allow_truncated else facts.frame_count
    video.close()
    whole = WholePart(facts.first(count), facts.stated)
    if whole.first_bad is not None:
        logger.warning(
            "%s is truncated or damaged: only %d of %d frames can be predicted, those before frame %d",
            path, count, whole.stated, whole.first_bad,
        )  # fmt: skip
    return whole


def write_whole_part(whole: WholePart, predictions_csv: Path, frames: range | None = None) -> None:
    """Write beside predictions how much of the video they are of: a JSON file of the same name.

    Parameters
    ----------
    whole : what is there of the video.
    predictions_csv : where the predictions lie.
    frames : those predicted on; None = all that are there.
    """
    predicted = whole.facts.frame_count if frames is None else len(frames)
    content = {PREDICTED: predicted, STATED: whole.stated, FIRST_BAD: whole.first_bad}
    write_json(content, predictions_csv.with_suffix(".json"))


def remove_whole_part(predictions_csv: Path) -> None:
    """Remove what `write_whole_part` wrote beside earlier predictions; a JSON file of another's stays."""
    path = predictions_csv.with_suffix(".json")
    content = read_json(path)
    if isinstance(content, dict) and set(content) == {PREDICTED, STATED, FIRST_BAD}:
        path.unlink()
