"""Draw the bird: shaded ellipsoids, wings, tail, legs and face, farthest part first.

Drawn at a higher resolution around the bird only, then averaged down into the frame, which gives smooth
edges. All coordinates are frame pixels unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from lightning_pose.data.demo.bird import KEYPOINT_NAMES, Pose, keypoints, move_head, posed_points, project

OVERSAMPLING = 3
MARGIN = 0.35  # around the bird, in body units
LONGEST_SMEAR_PX = 15
BEAK: tuple[float, float, float] = (38, 36, 38)

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Plumage:
    """Colours of one bird, RGB 0..255."""

    cap: Color = (28, 26, 28)
    cheek: Color = (226, 224, 218)
    back: Color = (112, 112, 108)
    flank: Color = (196, 170, 138)
    wing: Color = (84, 86, 90)
    tail: Color = (70, 72, 78)
    leg: Color = (58, 60, 68)


@dataclass(frozen=True)
class Blob:
    """An ellipsoid of the body: center and radii in body coordinates, tilted about y.

    `nearer` is how much nearer than its center it counts when parts are sorted, so that the cap, say, always
    lies over the cheek.
    """

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt: float
    color: str
    on_head: bool = False
    nearer: float = 0.0


BLOBS = (
    Blob((-0.05, 0.0, 0.05), (0.52, 0.29, 0.32), 0.45, "back"),
    Blob((0.06, 0.0, -0.05), (0.42, 0.27, 0.26), 0.5, "flank", nearer=0.05),
    Blob((0.45, 0.0, 0.52), (0.26, 0.21, 0.23), 0.0, "cheek", True),
    Blob((0.44, 0.0, 0.64), (0.27, 0.20, 0.13), 0.1, "cap", True, nearer=0.15),
    Blob((0.55, 0.0, 0.36), (0.14, 0.15, 0.09), 0.2, "cap", True, nearer=0.06),
)


def draw_bird(
    frame: np.ndarray,
    pose: Pose,
    plumage: Plumage,
    light: float,
    smear_px: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Draw the bird into an RGB frame, (H, W, 3) uint8, in place.

    Parameters
    ----------
    light : where the light comes from, radians, 0 = right, pi/2 = above.
    smear_px : the bird's way during the exposure, whose middle is `pose`.
    """
    x, y, side = _region(pose)
    canvas = _Canvas(side, pose, (x, y))
    points = posed_points(pose)
    named = dict(zip(KEYPOINT_NAMES, points, strict=True))
    seen = dict(zip(KEYPOINT_NAMES, keypoints(pose)[1], strict=True))
    parts = [
        (canvas.depth(part_points) - nearer, draw)
        for part_points, nearer, draw in _parts(named, pose, plumage, light)
    ]
    for _, draw in sorted(parts, key=lambda part: -part[0]):
        draw(canvas)
    for name in ("eye_left", "eye_right"):
        if seen[name]:
            _eye(canvas, named[name])
    canvas.paste(frame, smear_px)


def _region(pose: Pose) -> tuple[int, int, int]:
    reach = pose.size * (1.6 + MARGIN)
    return int(pose.center[0] - reach), int(pose.center[1] - reach), int(2 * reach)


class _Canvas:
    """A square of the frame at a higher resolution, with coverage."""

    def __init__(self, side: int, pose: Pose, corner: tuple[int, int]) -> None:
        self.pose, self.corner, self.side = pose, corner, side
        shape = (side * OVERSAMPLING, side * OVERSAMPLING)
        self.color = np.zeros((*shape, 3), np.uint8)
        self.cover = np.zeros(shape, np.uint8)

    def place(self, points_body: np.ndarray) -> np.ndarray:
        """Project body coordinates to canvas pixels."""
        frame_px = project(np.atleast_2d(points_body), self.pose)[:, :2]
        return (frame_px - self.corner + 0.5) * OVERSAMPLING - 0.5

    def depth(self, points_body: np.ndarray) -> float:
        """Return the mean depth of points."""
        return float(project(np.atleast_2d(points_body), self.pose)[:, 2].mean())

    def scale(self) -> float:
        """Return canvas pixels a body length."""
        return self.pose.size * OVERSAMPLING

    def polygon(self, points_body: np.ndarray, color: Color) -> None:
        """Fill a polygon given in body coordinates."""
        corners = np.round(self.place(points_body)).astype(np.int32)
        cv2.fillPoly(self.color, [corners], color)
        cv2.fillPoly(self.cover, [corners], 255)

    def solid(self, points_body: np.ndarray, color: Color) -> None:
        """Fill the outline of the convex solid with these corners."""
        outline = cv2.convexHull(np.round(self.place(points_body)).astype(np.int32))
        cv2.fillPoly(self.color, [outline], color)
        cv2.fillPoly(self.cover, [outline], 255)

    def line(self, points_body: np.ndarray, width: float, color: Color) -> None:
        """Draw a line of `width` body lengths."""
        corners = np.round(self.place(points_body)).astype(np.int32)
        thickness = max(int(width * self.scale()), 1)
        cv2.polylines(self.color, [corners], False, color, thickness)
        cv2.polylines(self.cover, [corners], False, 255, thickness)

    def blob(self, center: np.ndarray, covariance: np.ndarray, color: Color, light: float) -> None:
        """Fill the outline of an ellipsoid, lit from one side."""
        middle = self.place(center)[0]
        values, vectors = np.linalg.eigh(covariance)
        axes = np.sqrt(np.maximum(values, 1e-9)) * self.scale()
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        toward = np.array([np.cos(light), -np.sin(light)])
        for step, gain in enumerate((0.74, 0.88, 1.0, 1.1)):
            shrink = 1 - 0.2 * step
            offset = toward * axes[0] * 0.14 * step  # stays inside: the shorter axis shrinks by more
            at = tuple(int(round(value)) for value in middle + offset)
            size = (max(int(axes[1] * shrink), 1), max(int(axes[0] * shrink), 1))
            shaded = tuple(float(np.clip(channel * gain, 0, 255)) for channel in color)
            cv2.ellipse(self.color, at, size, angle, 0, 360, shaded, -1)
            if step == 0:
                cv2.ellipse(self.cover, at, size, angle, 0, 360, 255, -1)

    def paste(self, frame: np.ndarray, smear_px: tuple[float, float]) -> None:
        """Average down, smear and lay over the frame."""
        height, width = frame.shape[:2]
        x, y = self.corner
        top, left = max(-y, 0), max(-x, 0)
        bottom, right = min(height - y, self.side), min(width - x, self.side)
        if bottom <= top or right <= left:
            return
        size = (self.side, self.side)
        drawn = cv2.bitwise_and(self.color, self.color, mask=self.cover)
        color = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(self.cover, size, interpolation=cv2.INTER_AREA)
        if np.hypot(*smear_px) > 3:
            kernel = _smear_kernel(smear_px)
            color, cover = cv2.filter2D(color, -1, kernel), cv2.filter2D(cover, -1, kernel)
        cover = cover.astype(np.float32)[..., None] / 255
        window = frame[y + top : y + bottom, x + left : x + right]
        part = slice(top, bottom), slice(left, right)
        window[:] = np.clip(color[part] + window * (1 - cover[part]), 0, 255).astype(np.uint8)


Part = tuple[np.ndarray, float, Callable[[_Canvas], None]]


def _smear_kernel(smear_px: tuple[float, float]) -> np.ndarray:
    """Return a line through the middle of an odd square, sum 1."""
    way = np.hypot(*smear_px)
    length = int(min(way, LONGEST_SMEAR_PX)) | 1
    middle = (length - 1) / 2
    ends = [tuple(int(round(middle + sign * middle * value / way)) for value in smear_px) for sign in (-1, 1)]
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return kernel / kernel.sum()


def _parts(named: dict[str, np.ndarray], pose: Pose, plumage: Plumage, light: float) -> Iterator[Part]:
    """Yield (points that set the depth, how much nearer it counts, how to draw) for each part."""
    yield from _legs(named, plumage)
    tail = _tail(named)
    yield tail, 0.0, lambda canvas: canvas.polygon(tail, plumage.tail)
    for blob in BLOBS:
        center, covariance = _posed_blob(blob, pose)
        color = getattr(plumage, blob.color)
        draw = partial(_Canvas.blob, center=center, covariance=covariance, color=color, light=light)
        yield center, blob.nearer, draw
    for side in (1, -1):
        wing = _wing(side, pose)
        yield wing, 0.0, partial(_Canvas.polygon, points_body=wing, color=plumage.wing)
    base = move_head(np.array([[0.63, y, z] for y in (-0.05, 0.05) for z in (0.43, 0.53)]), pose)
    beak = np.stack([named["beak_top"], named["beak_bot"], *base])
    yield beak, 0.0, lambda canvas: canvas.solid(beak, BEAK)


def _posed_blob(blob: Blob, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    center = np.array(blob.center)
    cosine, sine = np.cos(blob.tilt), np.sin(blob.tilt)
    axes = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]]) * np.array(blob.radii)
    tips = center + axes.T
    if blob.on_head:
        center, tips = move_head(center[None], pose)[0], move_head(tips, pose)
    origin = Pose((0, 0), 1.0, pose.yaw, pose.pitch, pose.roll)
    spread = project(tips, origin)[:, :2] - project(center[None], origin)[:, :2]
    return center, spread.T @ spread


def _legs(named: dict[str, np.ndarray], plumage: Plumage) -> Iterator[Part]:
    for side in ("left", "right"):
        hip = np.array([0.0, named[f"ankle_{side}"][1] * 0.9, -0.18])
        ankle, foot = named[f"ankle_{side}"], named[f"foot_{side}"]
        leg = np.stack([hip, ankle, foot])
        toes = np.stack([foot + [0.10, 0, 0], foot - [0.06, 0, 0]])
        for points, width in ((leg, 0.045), (toes, 0.04)):
            yield points, 0.0, partial(_Canvas.line, points_body=points, width=width, color=plumage.leg)


def _tail(named: dict[str, np.ndarray]) -> np.ndarray:
    base, tip = named["tail_base"], named["tail_tip"]
    return np.stack([base + [0.1, 0.07, 0.05], tip + [0, 0.10, 0], tip + [0.02, -0.10, -0.02],
                     base + [0.1, -0.07, -0.07]])  # fmt: skip


def _wing(side: int, pose: Pose) -> np.ndarray:
    if abs(pose.wings) < 1e-6:
        y = 0.27 * side
        return np.array([[0.22, y, 0.16], [0.05, y, 0.30], [-0.45, 0.7 * y, 0.10], [-0.72, 0.3 * y, -0.02],
                         [-0.35, y, -0.08], [0.02, y, -0.06]])  # fmt: skip
    lift = 0.75 * pose.wings
    return np.array([[0.25, 0.22 * side, 0.18], [0.28, 0.75 * side, 0.18 + 0.6 * lift],
                     [0.0, 1.15 * side, 0.18 + lift],
                     [-0.28, 0.8 * side, 0.14 + 0.7 * lift], [-0.25, 0.2 * side, 0.12]])  # fmt: skip


def _eye(canvas: _Canvas, eye: np.ndarray) -> None:
    at = tuple(int(round(value)) for value in canvas.place(eye)[0])
    radius = max(int(0.035 * canvas.scale()), 1)
    cv2.circle(canvas.color, at, radius + 1, (58, 52, 50), -1)
    cv2.circle(canvas.color, at, radius, (8, 8, 10), -1)
    cv2.circle(
        canvas.color, (at[0] + radius // 3, at[1] - radius // 3), max(radius // 3, 1), (235, 235, 235), -1
    )
