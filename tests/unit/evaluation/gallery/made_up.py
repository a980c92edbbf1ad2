"""Made-up results: labelled frames of two sessions, three kinds of members, boxes of one of them."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Boxes, BoxStatus, Labels, Predictions
from tests.unit.io.films import SIDE, place, write_film

KEYPOINTS = ["beak", "eye <b>left</b>", "tail"]  # a name that must not become a tag
SIZE = 160, 120  # width and height of frames, pixels
MEMBERS = (("single", "0"), ("single", "1"), ("pose_1.8", "0"), ("pose_1.8", "1"))
FILM_FRAMES, UNSURE_FRAME = 90, 50
FALLBACK_ROW, OUTSIDE_ROW = 2, 3  # of the OOD frames, by pose seed 0


@dataclass(frozen=True)
class MadeUp:
    """Where the files lie."""

    folder: Path
    ind: Labels
    ood: Labels

    def arguments(self, output: Path | None = None, members=MEMBERS) -> list[str]:
        """Return the command line of `litpose gallery`."""
        folder = self.folder
        made = ["gallery", "--ind_labels", f"{folder}/ind.csv", "--ood_labels", f"{folder}/ood.csv"]
        made += ["--data_dir", str(folder), "--output", str(output or folder / "gallery" / "index.html")]
        for kind, seed in members:
            made += [
                "--member",
                kind,
                seed,
                *(f"{folder}/{kind}_{seed}/{name}.csv" for name in ("ind", "ood")),
            ]
            if kind.startswith("pose"):
                boxes = (f"{folder}/{kind}_{seed}/bbox_{name}.csv" for name in ("ind", "ood"))
                made += ["--bbox", kind, seed, *boxes]
        return made


def make_results(folder: Path, ind: int = 6, ood: int = 9) -> MadeUp:
    """Write images, labels, predictions and boxes; errors of OOD frames grow with their number."""
    rng = np.random.default_rng(0)
    labels = {"ind": _labels(rng, "day 1", ind), "ood": _labels(rng, "day 2", ood)}
    for name, own in labels.items():
        write_labels(own, folder / f"{name}.csv")
        for path, points in zip(own.image_paths, own.keypoints_px, strict=True):
            write_image(folder / path, points)
        for kind, seed in MEMBERS:
            _write_member(folder / f"{kind}_{seed}", name, own, int(seed), 4.0 if kind == "single" else 1.0)
    return MadeUp(folder, labels["ind"], labels["ood"])


def add_videos(made: MadeUp, rows: int = FILM_FRAMES) -> list[str]:
    """Write a film and two members' predictions, who disagree around one frame; return the options."""
    film = write_film(made.folder / "film.mp4", FILM_FRAMES)
    options = []
    for seed in ("0", "1"):
        at = np.array([place(i) for i in range(rows)], float)[:, None] + [[0, 0], [SIDE, 0], [SIDE, SIDE]]
        apart = 10 * np.exp(-(((np.arange(rows) - UNSURE_FRAME) / 5) ** 2))
        keypoints_px = at + (apart[:, None, None] if seed == "1" else 0)
        csv = made.folder / f"film_{seed}.csv"
        confidence = np.full((rows, 3), 0.9)
        write_predictions(Predictions(list(range(rows)), KEYPOINTS, keypoints_px, confidence), csv)
        options += ["--video_member", str(film), "pose_1.8", seed, str(csv)]
    return options


def write_image(path: Path, keypoints_px: np.ndarray, brightness: int = 60) -> None:
    """Write a dark frame with a bright disc at each keypoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((SIZE[1], SIZE[0], 3), brightness, np.uint8)
    for x, y in np.nan_to_num(keypoints_px):
        cv2.circle(image, (round(x), round(y)), 4, (90, 200, 230), -1)
    cv2.imwrite(str(path), image)


def _labels(rng: np.random.Generator, session: str, count: int) -> Labels:
    middle = rng.uniform(45, 75, (count, 1, 2))
    keypoints_px = np.round(middle + np.array([[-18, 0], [-8, -6], [20, 5]]), 1)
    keypoints_px[0, 2] = np.nan
    return Labels([f"{session}/img{i:03d}.png" for i in range(count)], KEYPOINTS, keypoints_px)


def _write_member(folder: Path, name: str, labels: Labels, seed: int, scale: float) -> None:
    rows = len(labels.image_paths)
    offset = np.zeros((rows, 1, 2))
    offset[..., 0] = (1 if seed else -0.5) * scale * np.arange(1, rows + 1)[:, None]
    splits = ["train", "validation", "test"] * rows if name == "ind" else None
    confidence = np.full((rows, 3), 0.9)
    confidence[-1] = 0.02
    keypoints_px = np.nan_to_num(labels.keypoints_px, nan=50.0) + offset
    predictions = Predictions(
        labels.image_paths, KEYPOINTS, keypoints_px, confidence, splits[:rows] if splits else None
    )
    write_predictions(predictions, folder / f"{name}.csv")
    low, high = np.nanmin(labels.keypoints_px, 1), np.nanmax(labels.keypoints_px, 1)
    boxes = np.concatenate([low - 15, high - low + 30], 1).round()
    status = [BoxStatus.DETECTED.value] * rows
    if name == "ood" and seed == 0 and rows > OUTSIDE_ROW:
        boxes[FALLBACK_ROW], status[FALLBACK_ROW] = [0, 0, *SIZE], BoxStatus.FALLBACK.value
        boxes[OUTSIDE_ROW] = [0, 0, 20, 20]
    write_bboxes(Boxes(labels.image_paths, boxes, status), folder / f"bbox_{name}.csv")
