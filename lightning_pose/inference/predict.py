"""Predict keypoints of labelled images with a trained model folder.

Keypoints come out in pixels of the image predicted on; decoding runs in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from lightning_pose.data.context import context_of_all
from lightning_pose.data.dataset import read_image, read_with_context, resize_image
from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.io.model_dir import WEIGHTS_FILE, read_model_settings, read_splits
from lightning_pose.models.build import described, empty_network
from lightning_pose.models.hardware import pick_device, resolve_precision, set_threads
from lightning_pose.models.network import PoseNetwork
from lightning_pose.models.weights_file import load_fully, read_state
from lightning_pose.settings import Precision, Settings, takes_context
from lightning_pose.traces import note_images
from lightning_pose.types import Predictions, Problem, Split, UserError

logger = logging.getLogger(__name__)

READERS = 2  # threads that decode images ahead of the network


class Predictor:
    """A trained network, ready to predict.

    Parameters
    ----------
    model_dir : folder with ``config.yaml``, ``model.safetensors`` and ``splits.json``.
    overrides : ``key=value`` over the settings of the training.

    Raises
    ------
    UserError
        If a file is missing, damaged or of another architecture.
    """

    def __init__(self, model_dir: Path, overrides: Sequence[str] = ()) -> None:
        self.model_dir = Path(model_dir)
        self.settings = read_model_settings(self.model_dir, overrides)
        self.splits = read_splits(self.model_dir)
        set_threads()
        self.device = pick_device()
        self.network = _load_network(self.model_dir, self.settings).to(self.device)
        self.half = resolve_precision(self.settings.training.precision, self.device) is Precision.bf16

    def predict_images(self, image_paths: list[str], data_dir: Path) -> Predictions:
        """Predict on image files, paths relative to `data_dir`."""
        note_images(data_dir, image_paths)
        parts = [self.predict_batch(*batch) for batch in self._batches(image_paths, Path(data_dir))]
        names = self.settings.data.keypoint_names or []
        keypoints_px = np.concatenate([part[0] for part in parts]) if parts else np.empty((0, len(names), 2))
        confidence = np.concatenate([part[1] for part in parts]) if parts else np.empty((0, len(names)))
        return Predictions(
            index=list(image_paths),
            keypoint_names=list(names),
            keypoints_px=keypoints_px,
            confidence=confidence,
            splits=self._splits(image_paths),
        )

    def _batches(self, image_paths: list[str], data_dir: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (images (B, 3, H, W) uint8, sizes (B, 2) height and width), reading ahead by one batch.

        With context the images are (B, 5, 3, H, W).
        """
        dims = self.settings.data.image_resize_dims
        context = takes_context(self.settings.model.model_type)
        sources = context_of_all(image_paths, data_dir) if context else []
        around = dict(zip(image_paths, sources, strict=False))

        def load(path: str) -> tuple[np.ndarray, tuple[int, int]]:
            if context:
                return read_with_context(around[path], data_dir, dims.height, dims.width)
            image = read_image(data_dir / path)
            return resize_image(image, dims.height, dims.width), image.shape[:2]

        size = self.settings.training.test_batch_size
        with ThreadPoolExecutor(READERS) as pool:
            paths = iter(image_paths)
            ahead = [pool.submit(load, path) for path in islice(paths, size)]
            while ahead:
                current, ahead = ahead, [pool.submit(load, path) for path in islice(paths, size)]
                loaded = [future.result() for future in current]
                images = np.moveaxis(np.stack([image for image, _ in loaded]), -1, -3)
                yield images, np.array([shape for _, shape in loaded], dtype=float)

    @torch.inference_mode()
    def predict_batch(self, images: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict on images (B, 3, H, W) uint8 that were of `sizes` (B, 2), height and width.

        Returns keypoints (B, K, 2), in pixels of the images before they were resized, and confidence (B, K).
        """
        tensor = torch.from_numpy(images).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            output = self.network(tensor)
        keypoints_model_px, confidence = self.network.decode(output)
        whole = np.column_stack([np.zeros_like(sizes), sizes[:, ::-1]])
        keypoints = keypoints_model_px.cpu().numpy().astype(float)
        keypoints_px = crop_to_frame(keypoints, whole, images.shape[-2:])
        return keypoints_px, confidence.cpu().numpy().astype(float)

    def _splits(self, image_paths: list[str]) -> list[str]:
        """Return what each image was used for in the training; one that it never saw is a test image."""
        return [self.splits.get(path, Split.TEST.value) for path in image_paths]


def _load_network(model_dir: Path, settings: Settings) -> PoseNetwork:
    file = model_dir / WEIGHTS_FILE
    if not file.is_file():
        raise UserError(Problem(str(file), "trained weights (the training has not finished)", "no such file"))
    count = len(settings.data.keypoint_names or [])
    network = empty_network(settings, count)
    load_fully(network, read_state(file, ""), str(file), described(settings, count))
    return network.eval()
