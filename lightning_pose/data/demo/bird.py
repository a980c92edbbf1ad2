"""An articulated bird: keypoints in three dimensions, moved by a pose, seen by a camera.

Body coordinates, in units of the body's size: x forward, y to the bird's left, z up. The camera is
orthographic, scaled by the bird's distance. At a yaw of 0 the bird heads to the right of the image and shows
its right side; at pi/2 it heads away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# name -> (x, y, z) of the bird standing, belly near the origin
_MIDLINE = {
    "beak_top": (0.80, 0.00, 0.50),
    "beak_bot": (0.79, 0.00, 0.46),
    "head_top": (0.48, 0.00, 0.74),
    "head_back": (0.25, 0.00, 0.60),
    "belly": (0.05, 0.00, -0.27),
    "back": (-0.08, 0.00, 0.36),
    "tail_base": (-0.52, 0.00, 0.06),
    "tail_tip": (-1.12, 0.00, -0.12),
}
_LEFT = {
    "eye": (0.58, 0.13, 0.58),
    "bib": (0.52, 0.13, 0.36),
    "shoulder": (0.18, 0.25, 0.20),
    "ankle": (0.02, 0.13, -0.42),
    "foot": (0.10, 0.14, -0.62),
}
KEYPOINT_NAMES = [*_MIDLINE, *(f"{part}_left" for part in _LEFT), *(f"{part}_right" for part in _LEFT)]
SKELETON = [
    ("beak_top", "head_top"), ("beak_bot", "beak_top"), ("head_top", "head_back"), ("head_back", "back"),
    ("back", "tail_base"), ("tail_base", "tail_tip"), ("tail_base", "belly"),
    ("eye_left", "bib_left"), ("bib_left", "shoulder_left"), ("shoulder_left", "ankle_left"),
    ("ankle_left", "foot_left"), ("eye_right", "bib_right"), ("bib_right", "shoulder_right"),
    ("shoulder_right", "ankle_right"), ("ankle_right", "foot_right"),
]  # fmt: skip
HEAD = ("beak_top", "beak_bot", "head_top", "head_back", "eye", "bib")
LEG = ("ankle", "foot")
NECK = np.array([0.28, 0.0, 0.35])
LENGTH = _MIDLINE["beak_top"][0] - _MIDLINE["tail_tip"][0]
# The way the skin faces (the left one's, if sided), and how far it may face away and still be seen. Points of
# the midline lie on the outline of a bird seen from its side; only a bird seen end-on hides them.
_FACES = {
    "beak_top": ((1.0, 0.0, 0.0), 0.75),
    "beak_bot": ((1.0, 0.0, 0.0), 0.75),
    "belly": ((1.0, 0.0, 0.0), 0.75),
    "head_back": ((-1.0, 0.0, 0.0), 0.75),
    "back": ((-1.0, 0.0, 0.0), 0.75),
    "tail_base": ((-1.0, 0.0, 0.0), 0.75),
    "tail_tip": ((-1.0, 0.0, 0.0), 0.75),
    "eye": ((0.4, 0.9, 0.0), 0.1),
    "bib": ((0.5, 0.85, 0.0), 0.1),
    "shoulder": ((0.0, 1.0, 0.0), 0.1),
}


@dataclass(frozen=True)
class Pose:
    """One moment of the bird.

    Parameters
    ----------
    center : frame pixels of the body's origin.
    size : pixels of one unit of body coordinates; beak to tail is `LENGTH` of them.
    yaw, pitch, roll : radians; yaw 0 heads to the image's right, pi/2 away from the camera.
    head_yaw, head_pitch : radians, of the head against the body.
    legs : 1 standing, 0 drawn in for flight.
    wings : 0 folded, else the wings' lift, -1 to 1, in flight.
    """

    center: tuple[float, float]
    size: float
    yaw: float
    pitch: float = 0.0
    roll: float = 0.0
    head_yaw: float = 0.0
    head_pitch: float = 0.0
    legs: float = 1.0
    wings: float = 0.0


def rest_points() -> np.ndarray:
    """Return the standing bird's keypoints, (18, 3), in body coordinates."""
    right = {name: (x, -y, z) for name, (x, y, z) in _LEFT.items()}
    return np.array([*_MIDLINE.values(), *_LEFT.values(), *right.values()])


def project(points_body: np.ndarray, pose: Pose) -> np.ndarray:
    """Return (N, 3): frame pixels x, y, and depth in body lengths (larger is farther away)."""
    rotated = points_body @ _rotation(pose.yaw, pose.pitch, pose.roll).T
    x = pose.center[0] + pose.size * rotated[:, 0]
    y = pose.center[1] - pose.size * rotated[:, 2]
    return np.column_stack([x, y, rotated[:, 1]])


def keypoints(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Return frame pixels, (18, 2), and whether each keypoint can be seen, (18,)."""
    positions = project(posed_points(pose), pose)[:, :2]
    return positions, np.array([_is_seen(name, pose) for name in KEYPOINT_NAMES])


def _is_seen(name: str, pose: Pose) -> bool:
    """Whether the skin at a keypoint faces the camera; drawn-in legs are hidden by the belly."""
    part, side = name.removesuffix("_left").removesuffix("_right"), -1 if name.endswith("_right") else 1
    if part in LEG:
        return pose.legs >= 0.5
    if part not in _FACES:
        return True
    normal, limit = np.array(_FACES[part][0]) * [1, side, 1], _FACES[part][1]
    if part in HEAD:
        normal = normal @ _rotation(pose.head_yaw, pose.head_pitch, 0.0).T
    return bool((normal @ _rotation(pose.yaw, pose.pitch, pose.roll).T)[1] <= limit)


def posed_points(pose: Pose) -> np.ndarray:
    """Return keypoints in body coordinates with head and legs moved."""
    points = rest_points()
    head = np.array([name.startswith(HEAD) for name in KEYPOINT_NAMES])
    points[head] = move_head(points[head], pose)
    for i, name in enumerate(KEYPOINT_NAMES):
        if name.startswith(LEG):
            folded = np.array([-0.15, points[i, 1], -0.22])
            points[i] = pose.legs * points[i] + (1 - pose.legs) * folded
    return points


def move_head(points_body: np.ndarray, pose: Pose) -> np.ndarray:
    """Turn points of the head about the neck."""
    turn = _rotation(pose.head_yaw, pose.head_pitch, 0.0)
    return (points_body - NECK) @ turn.T + NECK


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x
