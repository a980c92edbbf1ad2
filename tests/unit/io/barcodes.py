"""Films that carry the number of each frame as a bar code: exact, whatever the codec does to grey levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS, BAR = 10, 16
WIDTH, HEIGHT = BITS * BAR, 64
RATE = 30
DARK, LIGHT = 40, 220
OPTIONS = {
    "libx264": {"g": "20", "bf": "3", "b-pyramid": "normal", "sc_threshold": "0", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "keyint=20:bframes=3:log-level=none:pools=1"},
    "mpeg4": {"g": "15", "bf": "2"},
    "mpeg2video": {"g": "15", "bf": "2"},
    "libvpx-vp9": {"g": "20", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "10"},
    "libsvtav1": {"preset": "12", "g": "20", "svtav1-params": "lp=1"},
    "mjpeg": {},
}


def draw_code(number: int) -> np.ndarray:
    """Draw the bar code of a number, RGB (HEIGHT, WIDTH, 3), above a strip of colours that moves."""
    bits = [number >> place & 1 for place in range(BITS)]
    grey = np.repeat([LIGHT if bit else DARK for bit in bits], BAR).astype(np.uint8)
    frame = np.repeat(np.tile(grey, (HEIGHT, 1))[..., None], 3, axis=2)
    strip = np.linspace(0, 255, WIDTH).astype(np.uint8)
    frame[-16:] = np.stack([np.roll(strip, 5 * number), strip, strip[::-1]], -1)
    return frame


def read_code(frame: np.ndarray) -> int:
    """Return the number of a frame's bar code."""
    columns = np.arange(BITS) * BAR + BAR // 2
    bars = frame[8:40, columns[:, None] + np.arange(-2, 3)].mean((0, 2, 3))
    return sum(1 << place for place, bar in enumerate(bars) if bar > (DARK + LIGHT) / 2)


def write_codes(
    path: Path,
    count: int,
    codec: str = "libx264",
    times: Sequence[int] | None = None,
    pix_fmt: str | None = None,
    degrees: int = 0,
    flips: tuple[bool, bool] = (False, False),
    container_options: dict[str, str] | None = None,
    draw: Callable[[int], np.ndarray] = draw_code,
    **options: str,
) -> Path:
    """Write a film of frames 0, 1, 2..., of bar codes.

    `times` are in 1/30 s, 0, 1, 2... by default; `flips` are those of columns and of rows, once turned.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=RATE, options={**OPTIONS.get(codec, {}), **options})
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = pix_fmt or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        if degrees or any(flips):
            stream.set_display_rotation(degrees, *flips)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            frame.pts, frame.time_base = number if times is None else times[number], Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
