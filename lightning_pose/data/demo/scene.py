"""The aviary of a session: wall, wire mesh, perches, feeders, leaves, light. RGB, 768 x 1024, uint8."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lightning_pose.data.demo.render import Plumage

HEIGHT, WIDTH = 768, 1024
GRAIN_SHIFT = 128  # pixels that the window into the grain can move
WALLS_IND = ((148, 142, 130), (128, 136, 128), (156, 150, 146))
WALLS_OOD = ((116, 104, 92), (104, 118, 132), (138, 128, 96))
WOOD = ((104, 78, 52), (126, 98, 66), (88, 72, 58))


@dataclass(frozen=True)
class Perch:
    """A branch from (x0, y0) to (x1, y1), frame pixels."""

    x0: float
    y0: float
    x1: float
    y1: float
    width: int

    def height_at(self, x: float) -> float:
        """Return the y of the branch's upper edge at x."""
        share = (x - self.x0) / (self.x1 - self.x0)
        return self.y0 + share * (self.y1 - self.y0) - self.width / 2


@dataclass(frozen=True)
class Scene:
    """Everything of a session that does not move.

    Parameters
    ----------
    background : array, (768, 1024, 3), uint8
    lighting : array, (768, 1024, 3), float32
        What each pixel is multiplied by: brightness and colour of the light, wire mesh in front.
    grain : array, (768 + GRAIN_SHIFT, 1024 + GRAIN_SHIFT, 3), int8
        Noise of the sensor; every frame takes another window of it.
    perches : where the bird can sit.
    light : radians, where the light comes from.
    blur : motion blur, share of the bird's step between frames.
    plumage : of the session's bird.
    """

    background: np.ndarray
    lighting: np.ndarray
    grain: np.ndarray
    perches: tuple[Perch, ...]
    light: float
    blur: float
    plumage: Plumage


def build_scene(rng: np.random.Generator, shift: float) -> Scene:
    """Furnish an aviary.

    Parameters
    ----------
    rng : random numbers of the session.
    shift : how far wall, clutter, light, camera and bird are from those of the training sessions: 0 = not at
        all, about 1 = out of distribution; more is harder.
    """
    walls = WALLS_OOD if shift else WALLS_IND
    wall = np.array(walls[rng.integers(len(walls))], float) + rng.uniform(-10, 10, 3)
    picture = _wall(rng, wall, shift > 0)
    perches = tuple(_perch(rng, level) for level in (0.34, 0.58, 0.82))
    for _ in range(rng.integers(3, 6) + round(3 * shift)):
        _leaf_cluster(picture, rng)
    _shadows(picture, perches, rng)
    for perch in perches:
        _draw_perch(picture, perch, rng)
    for _ in range(rng.integers(1, 3)):
        _feeder(picture, rng)
    shade = _light_gradient(rng)
    background = np.clip(cv2.GaussianBlur(picture, (0, 0), 1.1).astype(np.float32) * shade, 0, 255).astype(
        np.uint8
    )
    tint = _shifted(rng, (0.95, 1.05), (0.86, 1.1), shift, 3)
    mesh = _mesh(rng, 0.10 + 0.06 * shift)
    light = float(rng.uniform(0.6, 2.5))
    noise = float(_shifted(rng, (2, 5), (5, 8), shift)[0])
    blur = float(_shifted(rng, (0.1, 0.4), (0.3, 0.7), shift)[0])
    gain = float(_shifted(rng, (0.9, 1.08), (0.68, 0.85), shift)[0])
    return Scene(
        background=background,
        lighting=((1 - mesh[..., None]) * (gain * tint)).astype(np.float32),
        grain=_grain(rng, noise),
        perches=perches,
        light=light,
        blur=blur,
        plumage=_plumage(rng, 8 + 10 * shift),
    )


def _shifted(
    rng: np.random.Generator,
    near: tuple[float, float],
    far: tuple[float, float],
    shift: float,
    count: int = 1,
) -> np.ndarray:
    """Draw numbers from a range between, or beyond, that of a shift of 0 and that of a shift of 1."""
    low, high = (own + shift * (other - own) for own, other in zip(near, far, strict=True))
    return rng.uniform(low, high, count)


def finish(clean: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Put wire mesh, light and sensor noise over a drawn frame."""
    y, x = rng.integers(0, GRAIN_SHIFT, 2)
    lit = cv2.multiply(clean, scene.lighting, dtype=cv2.CV_8U)
    return cv2.add(lit, scene.grain[y : y + HEIGHT, x : x + WIDTH], dtype=cv2.CV_8U)


def _grain(rng: np.random.Generator, noise: float) -> np.ndarray:
    """Return grey noise of grains two pixels wide; `noise` is the grains' standard deviation, grey levels."""
    height, width = HEIGHT + GRAIN_SHIFT, WIDTH + GRAIN_SHIFT
    small = rng.standard_normal((height // 2, width // 2), dtype=np.float32) * noise
    grain = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.merge([np.clip(np.round(grain), -127, 127).astype(np.int8)] * 3)


def _wall(rng: np.random.Generator, wall: np.ndarray, planks: bool) -> np.ndarray:
    texture = np.zeros((HEIGHT, WIDTH), np.float32)
    for cells, strength in ((6, 14), (24, 8), (96, 6)):
        coarse = rng.standard_normal((cells, cells), dtype=np.float32)
        texture += strength * cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(wall + texture[..., None], 0, 255).astype(np.uint8)
    step = int(rng.integers(70, 120))
    for place in range(int(rng.integers(0, step)), WIDTH if planks else HEIGHT, step):
        line = ((place, 0), (place, HEIGHT)) if planks else ((0, place), (WIDTH, place))
        cv2.line(picture, *line, tuple(0.75 * wall), 2, cv2.LINE_AA)
    floor = int(rng.uniform(0.90, 0.95) * HEIGHT)
    picture[floor:] = (picture[floor:] * np.array([0.72, 0.64, 0.52])).astype(np.uint8)
    return picture


def _perch(rng: np.random.Generator, level: float) -> Perch:
    y = level * HEIGHT + rng.uniform(-30, 30)
    tilt = rng.uniform(-40, 40)
    return Perch(rng.uniform(-60, 160), y, rng.uniform(820, 1090), y + tilt, int(rng.integers(10, 22)))


def _draw_perch(picture: np.ndarray, perch: Perch, rng: np.random.Generator) -> None:
    wood = np.array(WOOD[rng.integers(len(WOOD))], float)
    ends = (int(perch.x0), int(perch.y0)), (int(perch.x1), int(perch.y1))
    for share, gain in ((1.0, 0.7), (0.7, 1.0), (0.3, 1.2)):
        width = max(int(perch.width * share), 1)
        cv2.line(picture, *ends, tuple(np.clip(wood * gain, 0, 255)), width, cv2.LINE_AA)
    for _ in range(int(rng.integers(2, 5))):
        x = rng.uniform(max(perch.x0, 0), min(perch.x1, WIDTH))
        start = (int(x), int(perch.height_at(x)))
        end = (int(x + rng.uniform(-70, 70)), int(start[1] - rng.uniform(20, 90)))
        cv2.line(picture, start, end, tuple(0.8 * wood), int(rng.integers(2, 5)), cv2.LINE_AA)


def _leaf_cluster(picture: np.ndarray, rng: np.random.Generator) -> None:
    x, y = rng.uniform(0, WIDTH), rng.uniform(0, 0.8 * HEIGHT)
    green = np.array([72, 92, 52]) + rng.uniform(-20, 20, 3)
    for _ in range(int(rng.integers(6, 16))):
        at = int(x + rng.normal(0, 40)), int(y + rng.normal(0, 34))
        size = int(rng.uniform(8, 22)), int(rng.uniform(3, 8))
        shade = tuple(np.clip(green * rng.uniform(0.6, 1.2), 0, 255))
        cv2.ellipse(picture, at, size, rng.uniform(0, 180), 0, 360, shade, -1, cv2.LINE_AA)


def _shadows(picture: np.ndarray, perches: tuple[Perch, ...], rng: np.random.Generator) -> None:
    dark = np.zeros((HEIGHT, WIDTH), np.float32)
    dx, dy = rng.uniform(-30, 30), rng.uniform(18, 40)
    for perch in perches:
        ends = (int(perch.x0 + dx), int(perch.y0 + dy)), (int(perch.x1 + dx), int(perch.y1 + dy))
        cv2.line(dark, *ends, 0.3, perch.width)
    for _ in range(4):
        at = int(rng.uniform(0, WIDTH)), int(rng.uniform(0, HEIGHT))
        cv2.ellipse(dark, at, (int(rng.uniform(20, 60)), int(rng.uniform(12, 40))), 0, 0, 360, 0.35, -1)
    picture[:] = (picture * (1 - cv2.GaussianBlur(dark, (0, 0), 7))[..., None]).astype(np.uint8)


def _feeder(picture: np.ndarray, rng: np.random.Generator) -> None:
    x, y = int(rng.uniform(60, WIDTH - 120)), int(rng.uniform(60, HEIGHT - 260))
    width, height = int(rng.uniform(34, 60)), int(rng.uniform(80, 140))
    body = tuple(np.array([96, 62, 56]) + rng.uniform(-30, 40, 3))
    cv2.line(picture, (x + width // 2, 0), (x + width // 2, y), (70, 70, 70), 2, cv2.LINE_AA)
    cv2.rectangle(picture, (x, y), (x + width, y + height), body, -1)
    cv2.rectangle(picture, (x + 6, y + 22), (x + width - 6, y + height - 18), (168, 156, 130), -1)
    cv2.rectangle(picture, (x - 10, y + height - 8), (x + width + 10, y + height + 4), (46, 42, 42), -1)
    roof = np.array([[x - 8, y + 4], [x + width // 2, y - 18], [x + width + 8, y + 4]], np.int32)
    cv2.fillPoly(picture, [roof], (44, 40, 40), cv2.LINE_AA)


def _light_gradient(rng: np.random.Generator) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.22)
    return (1 + strength * (np.cos(angle) * x + np.sin(angle) * y))[..., None].astype(np.float32)


def _mesh(rng: np.random.Generator, strength: float) -> np.ndarray:
    mesh = np.zeros((HEIGHT, WIDTH), np.float32)
    step = int(rng.integers(46, 70))
    start = int(rng.integers(0, step))
    for x in range(start - HEIGHT, WIDTH + HEIGHT, step):
        cv2.line(mesh, (x, 0), (x + HEIGHT // 3, HEIGHT), strength, 2, cv2.LINE_AA)
        cv2.line(mesh, (x, 0), (x - HEIGHT // 3, HEIGHT), strength, 2, cv2.LINE_AA)
    return cv2.GaussianBlur(mesh, (0, 0), 0.8)


def _plumage(rng: np.random.Generator, spread: float) -> Plumage:
    plain = Plumage()

    def near(color: tuple[float, float, float]) -> tuple[float, float, float]:
        red, green, blue = np.clip(np.array(color) + rng.uniform(-spread, spread), 4, 245)
        return float(red), float(green), float(blue)

    return Plumage(**{name: near(getattr(plain, name)) for name in plain.__dataclass_fields__})
