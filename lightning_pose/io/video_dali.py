"""Videos decoded by NVIDIA DALI: h264 and others on a GPU, VP8, VP9 and MJPEG also on the CPU.

DALI decodes from a file's bytes, which are mapped into memory, not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lightning_pose.io.video import Video
from lightning_pose.io.video_facts import VideoFacts
from lightning_pose.types import Problem, UserError

CPU_CODECS = ("vp8", "vp9", "mjpeg", "libvpx", "libvpx-vp9")
THREADS = 2
SEED = 0


class DaliVideo(Video):
    """A video decoded by DALI; each reading is a run of its pipeline.

    Parameters
    ----------
    facts : of the file.
    on_gpu : decode on the GPU.
    """

    def __init__(self, facts: VideoFacts, on_gpu: bool) -> None:
        super().__init__(facts)
        if not on_gpu and facts.codec not in CPU_CODECS:
            expected = "a video that DALI decodes without a GPU (VP8, VP9, MJPEG), or dali.library: pyav"
            raise UserError(Problem(str(facts.path), expected, facts.codec))
        self._bytes = np.memmap(facts.path, np.uint8, "r")
        self._on_gpu = on_gpu
        self._pipeline = _build(on_gpu)

    def frame_hw(self) -> tuple[int, int]:
        """Return height and width of the frames as they are read."""
        return self.facts.height, self.facts.width

    def _read(self, start: int, count: int) -> np.ndarray:
        if count == 0:
            return np.empty((0, *self.frame_hw(), 3), np.uint8)
        self._pipeline.feed_input("encoded", [self._bytes])
        self._pipeline.feed_input("start", [np.array(start, np.int32)])
        self._pipeline.feed_input("count", [np.array(count, np.int32)])
        try:
            (frames,) = self._pipeline.run()
        except RuntimeError as error:
            found = f"DALI cannot decode it ({str(error).strip().splitlines()[-1]})"
            raise UserError(Problem(f"{self.facts.path} ({self.facts.codec})", "a video", found)) from None
        return np.array((frames.as_cpu() if self._on_gpu else frames).at(0))


def _build(on_gpu: bool) -> Any:
    """Build a pipeline of one sample: a file's bytes, the first frame and their number in, frames out."""
    from nvidia.dali import fn, pipeline_def

    @pipeline_def(batch_size=1, num_threads=THREADS, device_id=0 if on_gpu else None, seed=SEED,
                  prefetch_queue_depth=1, exec_async=False, exec_pipelined=False)  # fmt: skip
    def decode() -> Any:
        return fn.decoders.video(
            fn.external_source(name="encoded", no_copy=True),
            start_frame=fn.external_source(name="start"),
            sequence_length=fn.external_source(name="count"),
            pad_mode="none",
            device="mixed" if on_gpu else "cpu",
        )

    pipeline = decode()
    pipeline.build()
    return pipeline
