"""A data set that a tiny network learns in seconds: a white square and a red cross on a noisy background."""

from pathlib import Path

import cv2
import numpy as np

from lightning_pose.io.labels import write_labels
from lightning_pose.settings import (
    DataSettings,
    HeatmapLoss,
    ImageDims,
    InferenceSettings,
    ModelSettings,
    OptimizerParams,
    RuntimeName,
    Schedule,
    Settings,
    TrainingSettings,
    Weights,
    WorkflowSettings,
)
from lightning_pose.types import Labels

NAMES = ["square", "cross"]
MARGIN, ARM = 8, 4  # pixels from the border, and from a shape's centre to its edge


def make_squares(
    folder: Path, count: int = 10, width: int = 96, height: int = 80, csv: str = "labels.csv", seed: int = 0
) -> Labels:
    """Write images under ``images_<seed>/`` and their labels CSV into a folder."""
    rng = np.random.default_rng(seed)
    low, high = np.array([MARGIN, MARGIN]), np.array([width - MARGIN, height - MARGIN])
    paths, keypoints = [], []
    (folder / f"images_{seed}").mkdir(parents=True)
    for row in range(count):
        square = rng.integers(low, high)
        cross = square
        while np.abs(cross - square).max() < 3 * ARM:
            cross = rng.integers(low, high)
        paths.append(f"images_{seed}/img{row:02d}.png")
        keypoints.append([square, cross])
        cv2.imwrite(str(folder / paths[-1]), draw(rng, width, height, square, cross))
    labels = Labels(paths, NAMES, np.array(keypoints, dtype=float))
    write_labels(labels, folder / csv)
    return labels


def draw(
    rng: np.random.Generator, width: int, height: int, square: np.ndarray, cross: np.ndarray
) -> np.ndarray:
    """Draw one image, BGR."""
    image = rng.integers(20, 70, (height, width, 3)).astype(np.uint8)
    (left, top), (x, y) = square - ARM, cross
    image[top : top + 2 * ARM + 1, left : left + 2 * ARM + 1] = 255
    image[y - 1 : y + 2, x - ARM : x + ARM + 1] = (30, 30, 230)
    image[y - ARM : y + ARM + 1, x - 1 : x + 2] = (30, 30, 230)
    return image


def tiny_settings(folder: Path, csv: str = "labels.csv", **training: object) -> Settings:
    """Return settings of a network of 64x64 pixels that starts from random weights."""
    own = {
        "imgaug": "default",
        "train_batch_size": 4,
        "train_prob": 0.8,
        "val_prob": 0.2,
        "max_steps": 4,
        "check_val_every_n_epoch": 1,
        "lr_scheduler": Schedule.cosine,
        "optimizer_params": OptimizerParams(learning_rate=1e-2),
    }
    return Settings(
        data=DataSettings(ImageDims(64, 64), data_dir=str(folder), csv_file=csv),
        training=TrainingSettings(**{**own, **training}),
        model=ModelSettings(
            backbone="mobilenetv3_small_050",
            weights=Weights.random,
            heatmap_loss_type=HeatmapLoss.kl,
            head_channels=16,
        ),
        inference=InferenceSettings(RuntimeName.torch),
        workflow=WorkflowSettings(crop_size=ImageDims(64, 64)),
    )
