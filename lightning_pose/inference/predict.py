"""Predict keypoints of labelled images with a trained model folder.

Keypoints come out in pixels of the image predicted on. Labelled images are computed in float32 by torch,
unless another runtime is asked for; videos by what is faster and as exact: see
`lightning_pose.inference.runtimes`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from lightning_pose.data.context import context_of_all
from lightning_pose.data.dataset import read_with_context, resize_image
from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.inference.runtimes.base import Found, Session, TrainedNetwork
from lightning_pose.inference.runtimes.calibrate import MOST_IMAGES, calibrate
from lightning_pose.inference.runtimes.choose import runtime_for_images, runtime_for_video
from lightning_pose.inference.runtimes.registry import runtime_of
from lightning_pose.io.files import sha256
from lightning_pose.io.images import read_image, refuse_outside
from lightning_pose.io.model_dir import WEIGHTS_FILE, read_model_settings, read_splits, weights_of
from lightning_pose.machine import reuse_memory
from lightning_pose.models.build import described, empty_network
from lightning_pose.models.hardware import pick_device, set_threads
from lightning_pose.models.network import PoseNetwork, image_shape
from lightning_pose.models.weights_file import load_fully, read_state
from lightning_pose.settings import RuntimeName, Settings, takes_context
from lightning_pose.traces import RUNTIME_FACT, note_fact, note_images
from lightning_pose.types import Predictions, Split

logger = logging.getLogger(__name__)

READERS = 2  # threads that decode images ahead of the network


class Predictor:
    """A trained network, ready to predict.

    The network is built when it is needed, which some runtimes never do (`TrainedNetwork.load`): weights of
    another architecture are refused then, before the first image is read.

    Parameters
    ----------
    model_dir : folder with ``config.yaml``, ``model.safetensors`` and ``splits.json``.
    overrides : ``key=value`` over the settings of the training.

    Raises
    ------
    UserError
        If a file is missing or damaged.
    """

    def __init__(self, model_dir: Path, overrides: Sequence[str] = ()) -> None:
        self.model_dir = Path(model_dir)
        self.settings = read_model_settings(self.model_dir, overrides)
        read_state(weights_of(self.model_dir), "")
        self.splits = read_splits(self.model_dir)
        set_threads()
        reuse_memory()
        self.device = pick_device()
        self.runtime = runtime_for_images(self.settings.inference.runtime, self.device)
        self._session: Session | None = None
        self._view: VideoPredictor | None = None
        self.is_open = False  # whether the runtime is yet to be chosen

    @property
    def network(self) -> PoseNetwork:
        """The network, in evaluation mode.

        Raises
        ------
        UserError
            If the weights are of another architecture.
        """
        return self.trained.network

    def for_video(self, is_shared: bool = False) -> Predictor:
        """Return the same network for frames of a video, computed by what is fastest and as exact.

        Parameters
        ----------
        is_shared : several machines work on the video, which must not differ in how they compute: float32 by
            torch, unless a runtime is asked for.
        """
        if is_shared:
            self._get_ready()
            return self
        if self._view is None:
            self._view = VideoPredictor(self)
        return self._view

    def settle_runtime(self) -> None:
        """Choose a runtime by the images seen so far, if that is open."""

    @cached_property
    def trained(self) -> TrainedNetwork:
        """The network, for runtimes."""
        data, model = self.settings.data, self.settings.model
        dims = data.image_resize_dims
        shape = image_shape(model.model_type, (dims.height, dims.width))
        identity = f"{sha256(self.model_dir / WEIGHTS_FILE)} {model} {data.downsample_factor}"
        return TrainedNetwork(self._load, self.device, shape, identity)

    def _load(self) -> PoseNetwork:
        return _load_network(self.model_dir, self.settings).to(self.device)

    def predict_images(self, image_paths: list[str], data_dir: Path) -> Predictions:
        """Predict on image files, paths relative to `data_dir` and inside it."""
        refuse_outside(image_paths, Path(data_dir))
        self._get_ready()
        note_images(data_dir, image_paths)
        parts = [self.predict_batch(*batch) for batch in self.batches(image_paths, Path(data_dir))]
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

    def batches(self, image_paths: list[str], data_dir: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
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

    def predict_batch(self, images: np.ndarray, sizes: np.ndarray) -> Found:
        """Predict on images (B, 3, H, W) uint8 that were of `sizes` (B, 2), height and width.

        Returns keypoints (B, K, 2), in pixels of the images before they were resized, and confidence (B, K).
        """
        keypoints_model_px, confidence = self._compute(images)
        whole = np.column_stack([np.zeros_like(sizes), sizes[:, ::-1]])
        keypoints_px = crop_to_frame(keypoints_model_px.astype(float), whole, images.shape[-2:])
        return keypoints_px, confidence.astype(float)

    def _compute(self, images: np.ndarray) -> Found:
        """Return keypoints_model_px (B, K, 2) and confidence (B, K)."""
        return self._get_ready()(images)

    def _get_ready(self) -> Session:
        """Return what computes; weights that are damaged or of another network are noticed here."""
        if self._session is None:
            self._session = runtime_of(self.runtime).build(self.trained)
            note_fact(f"{RUNTIME_FACT}{self.model_dir.name}", self.runtime.value)
        return self._session

    def _splits(self, image_paths: list[str]) -> list[str]:
        """Return what each image was used for in the training; one that it never saw is a test image."""
        return [self.splits.get(path, Split.TEST.value) for path in image_paths]


class VideoPredictor(Predictor):
    """A network for frames of videos, whose runtime may be open until it has seen some.

    Parameters
    ----------
    whole : the network as it was loaded.
    """

    def __init__(self, whole: Predictor) -> None:
        vars(self).update(vars(whole))
        self._session, self._view = None, self
        self._seen: list[np.ndarray] = []  # images, while the runtime is open
        self._take(runtime_for_video(self.settings.inference.runtime, self.trained))

    def settle_runtime(self) -> None:
        """Choose a runtime by the images seen so far, if that is open."""
        if self.is_open and self._seen:
            self._take(calibrate(self.trained, np.concatenate(self._seen)))

    def _take(self, name: RuntimeName | None) -> None:
        """Be computed by a runtime; None = by torch in float32, until more is known."""
        self.runtime, self.is_open = name or RuntimeName.torch, name is None
        self._session, self._seen = None, []
        self._get_ready()

    def _compute(self, images: np.ndarray) -> Found:
        if self.is_open and sum(map(len, self._seen)) < MOST_IMAGES:
            self._seen.append(images)
        return super()._compute(images)


def _load_network(model_dir: Path, settings: Settings) -> PoseNetwork:
    file = model_dir / WEIGHTS_FILE
    count = len(settings.data.keypoint_names or [])
    network = empty_network(settings, count)
    load_fully(network, read_state(file, ""), str(file), described(settings, count))
    return network.eval()
