"""Networks computed by OpenVINO on a CPU.

The network is translated from torch once and kept in the user's cache; it is compiled for this CPU when it
is opened, which takes a fraction of a second. A number format that differs between backbone and head takes
two models (`lightning_pose.models.parts`), with feature maps in bfloat16 between them: to put maps of
float32 into another order costs a fifth of the time. OpenVINO's own front end is called directly: its
`convert_model` reports each use to its makers.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import nn

from lightning_pose.fingerprint import fingerprint
from lightning_pose.inference.runtimes.base import (
    BFLOAT16,
    FLOAT32,
    MIXED,
    Found,
    Session,
    TrainedNetwork,
)
from lightning_pose.inference.runtimes.identity import digest, package_version
from lightning_pose.io.files import read_json, sha256
from lightning_pose.machine import cache_dir, job_cores
from lightning_pose.models.hardware import has_bf16
from lightning_pose.models.parts import Answer, Backbone, Whole
from lightning_pose.settings import RuntimeName

logger = logging.getLogger(__name__)

FORMATS = {
    RuntimeName.openvino: FLOAT32,
    RuntimeName.openvino_mixed: MIXED,
    RuntimeName.openvino_bf16: BFLOAT16,
}
EXAMPLES = 2  # images that a network is traced with; the batch stays open
WHOLE, SPLIT = ("whole",), ("backbone", "answer")  # names of the models of a network
LARGEST_CACHE = 1 << 30  # bytes of translated networks that are kept
CHECKSUMS = "sha256.json"  # of the files of a translated network


class OpenVinoRuntime:
    """OpenVINO in one of its number formats.

    Parameters
    ----------
    name : one of `FORMATS`.
    """

    def __init__(self, name: RuntimeName) -> None:
        self.name, self.format = name, FORMATS[name]

    def missing(self, device: torch.device) -> str | None:
        """Say what it lacks on this machine; None = nothing."""
        if device.type != "cpu":
            return "it computes on CPUs alone here"
        if importlib.util.find_spec("openvino") is None:
            return "the package openvino is not installed"
        if self.format.backbone_half and not has_bf16(device):
            return "the CPU has no units for bfloat16"
        return None

    def build(self, trained: TrainedNetwork) -> Session:
        """Make a network ready, from the cache if it was translated before."""
        backbone_half, head_half = self.format.backbone_half, self.format.head_half
        if backbone_half == head_half:
            (whole,) = translated(trained, WHOLE)
            return OpenVinoSession([_compiled(whole, backbone_half)])
        backbone, answer = translated(trained, SPLIT)
        return OpenVinoSession([_compiled(backbone, backbone_half), _compiled(answer, head_half)])


class OpenVinoSession:
    """A compiled network: one model, or several, each of which reads what the one before it wrote, in place.

    Threads that ask at the same time wait for one another.

    Parameters
    ----------
    models : compiled.
    """

    def __init__(self, models: Sequence[Any]) -> None:
        self._requests = [own.create_infer_request() for own in models]
        self._turn = Lock()  # what a request reads and writes is its own

    def __call__(self, images: np.ndarray) -> Found:
        """Return keypoints_model_px (B, K, 2) and confidence (B, K) of images."""
        import openvino

        found = [openvino.Tensor(np.ascontiguousarray(images), shared_memory=True)]
        with self._turn:
            for request in self._requests:
                for place, own in enumerate(found):
                    request.set_input_tensor(place, own)
                request.infer()
                found = request.output_tensors
            keypoints_model_px, confidence = (own.data.copy() for own in found)
        return keypoints_model_px, confidence


def translated(trained: TrainedNetwork, parts: Sequence[str]) -> list[Any]:
    """Return OpenVINO's models of a network, `WHOLE` or `SPLIT`; made where the cache lacks them."""
    code = fingerprint(__name__)
    versions = [package_version(name) for name in ("openvino", "torch", "timm")]
    key = digest(trained.identity, trained.image_shape, parts, code, *versions)
    folder = cache_dir() / "openvino" / key
    try:
        _check_whole(folder)
        models = _read(folder, parts)
        os.utime(folder)  # the last to be thrown away
        return models
    except (OSError, RuntimeError):  # not there, or damaged
        return _read_again(_translate(trained, parts), folder)


@functools.cache
def _core() -> Any:
    """Return the one `Core` of this process, which lives as long as the process.

    Each one that computes replaces the stack on which this thread handles signals, and puts back the stack
    it found when it goes. Of two that don't go in reverse order the last puts back freed memory, and the
    next signal ends the process.
    """
    import openvino

    return openvino.Core()


def _check_whole(folder: Path) -> None:
    """Raise a `RuntimeError` if a translated network is not as it was written: OpenVINO does not see it."""
    told = read_json(folder / CHECKSUMS)
    if not isinstance(told, dict) or any(sha256(folder / name) != own for name, own in told.items()):
        raise RuntimeError(f"{folder}: damaged")


def _read(folder: Path, parts: Iterable[str]) -> list[Any]:
    return [_core().read_model(folder / f"{part}.xml") for part in parts]


def _read_again(models: Mapping[str, Any], folder: Path) -> list[Any]:
    """Write translated models and return what is read back, which rounds a little differently.

    They are kept in the cache; one that cannot be written to is no mistake.
    """
    import openvino

    with tempfile.TemporaryDirectory() as temporary:
        for part, model in models.items():
            openvino.save_model(model, Path(temporary) / f"{part}.xml", compress_to_fp16=False)
        checksums = {file.name: sha256(file) for file in Path(temporary).iterdir()}
        (Path(temporary) / CHECKSUMS).write_text(json.dumps(checksums))
        try:
            _keep(Path(temporary), folder)
        except OSError as error:
            logger.debug("%s: a translated network could not be kept (%s)", folder, error)
        return _read(Path(temporary), models)


@torch.no_grad()
def _translate(trained: TrainedNetwork, parts: Sequence[str]) -> dict[str, Any]:
    import openvino

    images = torch.zeros(EXAMPLES, *trained.image_shape, dtype=torch.uint8)
    if parts == WHOLE:
        return {"whole": _translate_part(Whole(trained.network), [images], openvino.Type.u8)}
    backbone, answer = Backbone(trained.network), Answer(trained.network, trained.image_hw)
    maps = backbone(images)
    return {
        "backbone": _rounding(_translate_part(backbone, [images], openvino.Type.u8)),
        "answer": _widening(_translate_part(answer, maps, openvino.Type.f32)),
    }


def _rounding(model: Any) -> Any:
    """Have a model write bfloat16."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    for place in range(len(model.outputs)):
        steps.output(place).tensor().set_element_type(openvino.Type.bf16)
    return steps.build()


def _widening(model: Any) -> Any:
    """Have a model read bfloat16, and compute in float32."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    for place in range(len(model.inputs)):
        own = steps.input(place)
        own.tensor().set_element_type(openvino.Type.bf16)
        own.preprocess().convert_element_type(openvino.Type.f32)
    return steps.build()


def _translate_part(part: nn.Module, examples: Sequence[torch.Tensor], kind: Any) -> Any:
    """Translate a network or a part of one; it takes batches of any size."""
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes that are fixed by tracing are those of the images
        traced = torch.jit.trace(part.eval(), tuple(examples), check_trace=False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion
    model = frontend.convert(frontend.load(decoder))
    for parameter, example in zip(model.get_parameters(), examples, strict=True):
        parameter.set_element_type(kind)
        parameter.set_partial_shape(openvino.PartialShape([-1, *example.shape[1:]]))
    model.validate_nodes_and_infer_types()
    return model


def _compiled(model: Any, half: bool) -> Any:
    options = {
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, by all threads
        "INFERENCE_NUM_THREADS": job_cores(),
        "ENABLE_CPU_PINNING": False,  # jobs that share a machine would be pinned to the same cores
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
    }
    return _core().compile_model(model, "CPU", options)


def _keep(found: Path, folder: Path) -> None:
    """Copy a folder into the cache, whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    neighbour = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        shutil.copytree(found, neighbour, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        neighbour.rename(folder)
    finally:
        shutil.rmtree(neighbour, ignore_errors=True)
    _throw_away(folder.parent)


def _throw_away(folder: Path) -> None:
    """Remove the translated networks that were not used for the longest time, if there are too many."""
    kept = sorted((own for own in folder.iterdir() if own.is_dir()), key=lambda own: -own.stat().st_mtime)
    total = 0
    for own in kept:
        total += sum(file.stat().st_size for file in own.iterdir())
        if total > LARGEST_CACHE and own != kept[0]:
            shutil.rmtree(own, ignore_errors=True)
