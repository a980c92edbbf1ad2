"""How the bird moves: it sits, turns, hops, pecks and flies between perches. 30 frames a second."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_pose.data.demo.bird import LENGTH, Pose
from lightning_pose.data.demo.scene import Perch

FEET_BELOW = 0.64  # of the body's origin, in body lengths
MARGIN_PX = 120
NEAR, FAR = 170 / LENGTH, 56 / LENGTH  # sizes of the nearest and the farthest bird: pixels from beak to tail


def poses(perches: tuple[Perch, ...], rng: np.random.Generator) -> Iterator[Pose]:
    """Yield one pose a frame, for ever."""
    perch, x, size, yaw = _landing(perches, rng)
    while True:
        yield from _sit(perch, x, size, yaw, rng)
        if rng.random() < 0.55:
            x_new = float(np.clip(x + rng.uniform(-90, 90), MARGIN_PX, 1024 - MARGIN_PX))
            yield from _hop(perch, x, x_new, size, yaw, rng)
            x = x_new
        else:
            target = _landing(perches, rng)
            yield from _fly((perch, x, size, yaw), target, rng)
            perch, x, size, yaw = target
        yaw = _heading(rng)


def _landing(perches: tuple[Perch, ...], rng: np.random.Generator) -> tuple[Perch, float, float, float]:
    perch = perches[rng.integers(len(perches))]
    low = max(perch.x0, 0) + MARGIN_PX
    high = min(perch.x1, 1024) - MARGIN_PX
    size = float(np.exp(rng.uniform(np.log(FAR), np.log(NEAR))))
    return perch, float(rng.uniform(low, high)), size, _heading(rng)


def _heading(rng: np.random.Generator) -> float:
    """Mostly to one side, seldom straight to or from the camera."""
    side = 0.0 if rng.random() < 0.5 else np.pi
    return float(side + rng.normal(0, 0.5))


def _standing(perch: Perch, x: float, size: float, yaw: float, **change: float) -> Pose:
    y = perch.height_at(x) - FEET_BELOW * size
    return Pose(center=(x, y + change.pop("dy", 0.0)), size=size, yaw=yaw, **change)


def _sit(perch: Perch, x: float, size: float, yaw: float, rng: np.random.Generator) -> Iterator[Pose]:
    frames = int(rng.integers(18, 45))
    turn, look = rng.normal(0, 0.5), rng.normal(0, 0.6)
    nod = rng.normal(0, 0.25)
    pecks = rng.random() < 0.3
    for frame in range(frames):
        share = frame / frames
        ease = share * share * (3 - 2 * share)
        dip = np.sin(np.pi * share) ** 4 if pecks else 0.0
        yield _standing(
            perch,
            x,
            size,
            yaw + turn * ease,
            pitch=-0.6 * dip,
            head_yaw=look * ease,
            head_pitch=nod * ease - 0.5 * dip,
        )


def _hop(
    perch: Perch, start: float, end: float, size: float, yaw: float, rng: np.random.Generator
) -> Iterator[Pose]:
    frames = int(rng.integers(6, 11))
    for frame in range(frames):
        share = (frame + 1) / frames
        rise = -0.5 * size * np.sin(np.pi * share)
        yield _standing(
            perch, start + share * (end - start), size, yaw, dy=rise, pitch=0.2 * np.cos(np.pi * share)
        )


def _fly(
    start: tuple[Perch, float, float, float], end: tuple[Perch, float, float, float], rng: np.random.Generator
) -> Iterator[Pose]:
    (perch0, x0, size0, _), (perch1, x1, size1, _) = start, end
    first, last = _standing(perch0, x0, size0, 0.0).center, _standing(perch1, x1, size1, 0.0).center
    frames = int(np.clip(np.hypot(last[0] - first[0], last[1] - first[1]) / 22, 10, 40))
    yaw = (0.0 if x1 >= x0 else np.pi) + rng.normal(0, 0.3)
    rate = rng.uniform(0.9, 1.3)
    for frame in range(frames):
        share = (frame + 1) / frames
        arc = -70 * np.sin(np.pi * share)
        center = (first[0] + share * (last[0] - first[0]), first[1] + share * (last[1] - first[1]) + arc)
        center = (float(np.clip(center[0], 90, 934)), float(np.clip(center[1], 90, 690)))
        yield Pose(
            center=center, size=size0 + share * (size1 - size0), yaw=yaw, pitch=0.3 * np.cos(np.pi * share),
            legs=float(share > 0.9), wings=float(np.sin(rate * frame)) or 1e-3,
        )  # fmt: skip
