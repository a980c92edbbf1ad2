"""The gallery's ``data.js`` and ``clips.js``: objects with names as JSON and numbers as base64.

A script, not JSON, since a page that is opened as a file may load scripts and nothing else. Positions are
whole multiples of a step that is small against a pixel; errors and deviations are exact to float32. What the
page makes of it is in ``page/data_reader.js``. A clip is told as frames without labels are.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lightning_pose.evaluation.colors import kind_colors
from lightning_pose.evaluation.gallery.clips import VideoClips, thinned
from lightning_pose.evaluation.gallery.frames import GalleryFrames
from lightning_pose.evaluation.gallery.pictures import Pictures
from lightning_pose.evaluation.ood_input import ALL

VERSION = 1
NOTHING = -32768  # NaN among positions
NO_CONFIDENCE = 255
LARGEST = 32767
BEYOND = 2  # positions up to so many times the frame's larger side are told exactly


def data_script(
    frames: GalleryFrames,
    pictures: Pictures,
    title: str,
    skeleton: Sequence[Sequence[str]] = (),
    colors: Mapping[str, str] | None = None,
) -> str:
    """Return the text of ``data.js``.

    Parameters
    ----------
    frames, pictures : of the same N frames.
    title : of the page.
    skeleton : pairs of keypoint names to join; others are left out.
    colors : hex colours of kinds, over the palette.
    """
    sizes = np.array([entry["size"] for entry in pictures.entries], np.int32).reshape(-1, 2)
    kinds = dict.fromkeys(frames.kinds)
    content = {
        **_content(frames, sizes, skeleton, colors),
        "title": title,
        "bytes": pictures.bytes,
        "pictures": [entry["frame"].removesuffix(".jpg") for entry in pictures.entries],
        "regions": _text(np.array([entry["region"] for entry in pictures.entries]), "<i4"),
        "meanErrors": _text(np.stack([frames.mean_errors(kind) for kind in kinds]), "<f4"),
    }
    return _script("galleryData", content)


def clips_script(
    videos: Sequence[VideoClips],
    skeleton: Sequence[Sequence[str]] = (),
    colors: Mapping[str, str] | None = None,
) -> str:
    """Return the text of ``clips.js``; parameters as of `data_script`."""
    return _script("galleryClips", [_video_content(own, skeleton, colors) for own in videos])


def _video_content(
    video: VideoClips, skeleton: Sequence[Sequence[str]], colors: Mapping[str, str] | None
) -> dict[str, Any]:
    height, width = video.frame_hw
    traces = [video.trace[clip.start : clip.start + len(clip.times_s)] for clip in video.clips]
    peaks = [int(np.nanargmax(trace)) for trace in traces]
    return {
        "name": video.name,
        "size": [width, height],
        "seconds": video.seconds,
        "count": len(video.trace),
        "measure": video.measure,
        "trace": _text(thinned(video.trace), "<f4"),
        "clips": [
            {
                **_content(clip.frames, np.tile([width, height], (len(clip.times_s), 1)), skeleton, colors),
                "file": clip.file,
                "start": clip.start,
                "times": _text(clip.times_s, "<f4"),
                "largest": float(trace[peak]),
                "peak": clip.start + peak,
                "seconds": clip.start_s + float(clip.times_s[peak]),
            }
            for clip, trace, peak in zip(video.clips, traces, peaks, strict=True)
        ],
    }


def _content(
    frames: GalleryFrames,
    sizes: np.ndarray,
    skeleton: Sequence[Sequence[str]],
    colors: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return what is told of N frames, whose widths and heights are `sizes`, (N, 2) pixels."""
    kinds = kind_colors(frames.kinds, colors)
    places = {name: k for k, name in enumerate(frames.keypoint_names)}
    step = position_step(int(sizes.max(initial=1)))
    return {
        "version": VERSION,
        "notes": frames.notes,
        "keypoints": frames.keypoint_names,
        "skeleton": [[places[a], places[b]] for a, b in skeleton if a in places and b in places],
        "kinds": [{"name": name, "color": color} for name, color in kinds.items()],
        "members": [
            {"kind": list(kinds).index(kind), "seed": seed}
            for kind, seed in zip(frames.kinds, frames.seeds, strict=True)
        ],
        "paths": frames.paths,
        "sets": frames.sets,
        "step": step,
        "sizes": _text(sizes, "<i4"),
        "labels": _text(to_steps(frames.labels_px, step), "<i2"),
        "positions": _text(to_steps(frames.keypoints_px, step), "<i2"),
        "boxes": _text(to_steps(frames.xywh_px, step), "<i2"),
        "confidence": _text(to_half_percents(frames.confidence), "u1"),
        "errors": _text(frames.errors, "<f4"),
        "deviation": _text(np.stack([frames.deviation(kind) for kind in (ALL, *kinds)]), "<f4"),
        "failures": _text(frames.failures, "u1"),
    }


def _script(name: str, content: Any) -> str:
    return f"window.{name} = {json.dumps(content, separators=(',', ':'))};\n"


def position_step(largest_side: int) -> float:
    """Return the step of positions in frames of that size, pixels: a power of two."""
    return 2.0 ** math.ceil(math.log2(BEYOND * largest_side / LARGEST))


def to_steps(values_px: np.ndarray, step: float) -> np.ndarray:
    """Return positions as numbers of steps, int; NaN becomes `NOTHING`, what lies too far away is moved."""
    steps = np.round(np.nan_to_num(values_px, nan=0.0, posinf=0.0, neginf=0.0) / step).clip(-LARGEST, LARGEST)
    return np.where(np.isfinite(values_px), steps, NOTHING).astype(int)


def to_half_percents(confidence: np.ndarray) -> np.ndarray:
    """Return confidence in half percents, 0 to 200; NaN becomes `NO_CONFIDENCE`."""
    halves = np.round(200 * np.nan_to_num(confidence, nan=0.0)).clip(0, 200)
    return np.where(np.isfinite(confidence), halves, NO_CONFIDENCE).astype(int)


def _text(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()
