"""Videos that are damaged: what is there of them, found by decoding all of it once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_pose.io.files import write_json
from lightning_pose.io.video import VideoFacts, open_video, probe_video
from lightning_pose.settings import VideoLibrary

logger = logging.getLogger(__name__)


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


def find_whole_part(path: Path) -> WholePart:
    """Decode a video to the end, or to its first damage, and say so if there is any.

    Raises
    ------
    UserError
        If not even the first frame can be decoded.
    """
    facts = probe_video(path, allow_truncated=True)
    video = open_video(facts, VideoLibrary.opencv)
    count = video.count_decodable()
    video.close()
    if count == 0:
        open_video(facts, VideoLibrary.opencv).read(0, 1)  # says what is wrong
    whole = WholePart(replace(facts, times_s=facts.times_s[:count]), max(facts.stated, facts.frame_count))
    if whole.first_bad is not None:
        logger.warning(
            "%s is truncated or damaged: only %d of %d frames can be predicted, those before frame %d",
            path, count, whole.stated, whole.first_bad,
        )  # fmt: skip
    return whole


def write_whole_part(whole: WholePart, predictions_csv: Path) -> None:
    """Write beside predictions how much of the video they are of: a JSON file of the same name."""
    content = {
        "frames_predicted": whole.facts.frame_count,
        "frames_stated": whole.stated,
        "first_bad_frame": whole.first_bad,
    }
    write_json(content, predictions_csv.with_suffix(".json"))
