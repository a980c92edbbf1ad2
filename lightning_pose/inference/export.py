"""Write a trained network as ONNX, decoding included, and say how far its keypoints lie from torch's."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_pose.inference.predict import Predictor
from lightning_pose.inference.run import resolve_input, same_keypoints
from lightning_pose.inference.runtimes.base import Found, TrainedNetwork
from lightning_pose.inference.runtimes.parity import LARGEST_MEDIAN, LARGEST_P99, Parity, compare
from lightning_pose.inference.runtimes.registry import runtime_of
from lightning_pose.io.crop_manifest import crops_dir
from lightning_pose.io.cropzoom_dir import is_cropzoom_dir
from lightning_pose.io.files import write_atomic, write_json
from lightning_pose.io.labels import read_labels
from lightning_pose.models.parts import Whole
from lightning_pose.settings import RuntimeName
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18
INPUT, OUTPUTS = "images", ("keypoints_model_px", "confidence")
EXAMPLES = 2  # images that the network is traced with; the batch stays open


def export_onnx(
    model_dir: Path,
    output: Path,
    labels_csv: Path | None = None,
    data_dir: Path | None = None,
    frames: int = 32,
    overrides: Sequence[str] = (),
) -> Parity:
    """Write the network of a folder as ONNX, and a report of its parity beside it.

    The network takes `images` (B, 3, H, W), or (B, 5, 3, H, W) with context, RGB, uint8, resized to what it
    was trained with, and gives `keypoints_model_px` (B, K, 2), in pixels of those images with centres at
    integers, and `confidence` (B, K).

    Parameters
    ----------
    model_dir : the trained model's folder.
    output : the file to write; ``<its name>.parity.json`` is the report.
    labels_csv : whose images are compared; None = those of the training.
    data_dir : folder that image paths are relative to; None = that of the crops, or of the training.
    frames : how many of the images are compared.
    overrides : ``key=value`` over the settings of the training.

    Raises
    ------
    UserError
        If packages or images are missing, or the keypoints are not torch's: then nothing is written.
    """
    _check_packages()
    if is_cropzoom_dir(model_dir):
        raise UserError(Problem(str(model_dir), "the folder of one network, not of two", "a cropzoom model"))
    predictor = Predictor(model_dir, overrides)
    data = predictor.settings.data
    csv = resolve_input(labels_csv or Path(data.csv_file), data_dir or Path(data.data_dir))
    labels = read_labels(csv)
    same_keypoints(csv, labels, predictor.settings)
    folder = data_dir or crops_dir(csv) or Path(data.data_dir)
    batches = [images for images, _ in predictor.batches(_spread(labels.image_paths, frames), folder)]
    with write_atomic(output) as temporary:
        _write(predictor.trained, list(data.keypoint_names or []), temporary)
        parity = compare(_by_torch(predictor.trained, batches), _by_onnx(temporary, batches))
        _check_parity(output, parity)
    report = {"images": sum(map(len, batches)), "labels": str(csv), "opset": OPSET, **asdict(parity)}
    write_json(report, report_of(output))
    return parity


def report_of(output: Path) -> Path:
    """Return where the report of an exported network is."""
    return output.with_name(f"{output.stem}.parity.json")


def _check_packages() -> None:
    lacking = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if lacking:
        expected = "the packages of pip install 'lightning-pose-cropzoom[onnx]'"
        raise UserError(Problem("export to ONNX", expected, f"no {', '.join(lacking)}"))


def _spread(paths: list[str], count: int) -> list[str]:
    """Return some of the images, from all over the set."""
    rows = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return [paths[row] for row in rows]


@torch.no_grad()
def _write(trained: TrainedNetwork, names: list[str], path: Path) -> None:
    whole = Whole(trained.network).eval()
    images = torch.zeros(EXAMPLES, *trained.image_shape, dtype=torch.uint8, device=trained.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        program: Any = torch.onnx.export(
            whole,
            (images,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch", min=1)}},
            verbose=False,
        )
    program.model.metadata_props["keypoint_names"] = ",".join(names)
    program.save(str(path), external_data=False)


def _by_torch(trained: TrainedNetwork, batches: Sequence[np.ndarray]) -> Found:
    session = runtime_of(RuntimeName.torch).build(trained)
    return _joined([session(images) for images in batches])


def _by_onnx(path: Path, batches: Sequence[np.ndarray]) -> Found:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return _joined([session.run(OUTPUTS, {INPUT: np.ascontiguousarray(images)}) for images in batches])


def _joined(found: Sequence[Sequence[np.ndarray]]) -> Found:
    keypoints_model_px, confidence = (np.concatenate(own) for own in zip(*found, strict=True))
    return keypoints_model_px, confidence


def _check_parity(output: Path, parity: Parity) -> None:
    if parity.keypoints == 0:
        expected = "images in which the network is confident of a keypoint, to compare by"
        raise UserError(Problem("--labels_csv", expected, "none"))
    if not parity.is_close:
        expected = f"torch's keypoints to {LARGEST_MEDIAN} px (median) and {LARGEST_P99} px (99 %)"
        found = f"{parity.median_px:.3f} px and {parity.p99_px:.3f} px"
        raise UserError(Problem(str(output), expected, found))
