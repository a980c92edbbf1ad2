"""Films whose every frame tells its own number by its brightness and the place of a square."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, SIDE = 96, 64, 8
LONGEST = 200
OPTIONS = {
    "libx264": {"crf": "16", "preset": "veryfast", "threads": "1", "g": "30", "bf": "2"},
    "libvpx-vp9": {"crf": "20", "b": "0", "cpu-used": "8", "g": "30"},
    "mjpeg": {"qmin": "1", "qmax": "2"},
}


def draw(number: int) -> np.ndarray:
    """Draw frame `number` of a film, RGB (HEIGHT, WIDTH, 3)."""
    frame = np.full((HEIGHT, WIDTH, 3), 20 + number % LONGEST, np.uint8)
    x, y = place(number)
    frame[y : y + SIDE, x : x + SIDE] = 255
    return frame


def place(number: int) -> tuple[int, int]:
    """Return the corner of the square, x and y."""
    return 4 + number % 80, 4 + (3 * number) % 48


def write_film(
    path: Path, count: int, codec: str = "libx264", times: list[int] | None = None, **options: str
) -> Path:
    """Write a film, whose frames differ up to `LONGEST` of them; `times`, in 1/30 s, default to 0, 1, 2..."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=30, options=OPTIONS[codec])
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            frame.pts, frame.time_base = (times[number] if times else number), Fraction(1, 30)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def number_of(frame: np.ndarray) -> int:
    """Return the number that a frame tells by its brightness."""
    return int(np.median(frame)) - 20
