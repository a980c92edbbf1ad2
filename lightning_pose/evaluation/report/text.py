"""Numbers and names as the report writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lightning_pose.sweep import parse_kind

UNKNOWN = "–"


def px(value: float) -> str:
    """Return pixels, a dash for NaN."""
    return f"{value:.2f}" if math.isfinite(value) else UNKNOWN


def interval_px(low: float, high: float) -> str:
    """Return both ends of an interval in pixels, a dash where it is undefined."""
    return f"{low:.2f} to {high:.2f}" if math.isfinite(low) and math.isfinite(high) else UNKNOWN


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def listed(texts: Iterable[str]) -> str:
    """Return the distinct texts in their order, a dash for none."""
    return ", ".join(dict.fromkeys(texts)) or UNKNOWN


def counted(number: int, name: str) -> str:
    """Return a number of things."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def describe_kind(kind: str) -> str:
    """Return what a line in the plots is, in words."""
    own = parse_kind(kind)
    if own.model == "single":
        parts = ["detector, on whole frames"]
    elif own.model == "pose":
        parts = [f"pose model, on crops of ratio {own.crop_ratio}"]
    else:
        parts = []
    if own.variant:
        parts.append(f"variant {own.variant}")
    if own.train_frames:
        is_share = own.train_frames.endswith("%")
        parts.append(
            f"{own.train_frames} of the training frames"
            if is_share
            else f"{own.train_frames} training frames"
        )
    return "; ".join(parts)
