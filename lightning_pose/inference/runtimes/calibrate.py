"""Try the runtimes on frames of a video, and remember the fastest of those that are exact.

What is remembered lies in the user's cache, a file for each network, machine, and version of the libraries
and of our code.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from lightning_pose.fingerprint import fingerprint
from lightning_pose.inference.runtimes.base import Found, Session, TrainedNetwork
from lightning_pose.inference.runtimes.identity import digest, package_version
from lightning_pose.inference.runtimes.parity import Parity, compare
from lightning_pose.inference.runtimes.registry import missing, runtime_of
from lightning_pose.io.files import read_json, write_json
from lightning_pose.machine import cache_dir, cpu_model, job_cores
from lightning_pose.settings import RuntimeName
from lightning_pose.types import first_line

logger = logging.getLogger(__name__)

MOST_IMAGES, FEWEST_IMAGES = 96, 16  # whose keypoints are compared
COMPARED_S = 1.5  # seconds of float32 for them
BATCH = 16
PASS_S = 0.3  # seconds of float32 for the images of the race
RACE_S, LEAST_ROUNDS = 1.0, 2  # of the race between the runtimes that are exact
ENOUGH = 16  # keypoints below which nothing can be said
TOO_SLOW = 2.0  # times as slow as torch in float32: bfloat16 on a CPU without units for it, not compared
GAIN = 1.05  # another runtime must be faster than torch in float32 by this factor
# of each library, the formats to try: the fastest first, and all others only where it is not exact
CANDIDATES = (
    (RuntimeName.torch_bf16, RuntimeName.torch_mixed),
    (RuntimeName.openvino_bf16, RuntimeName.openvino_mixed, RuntimeName.openvino),
)


def remembered(trained: TrainedNetwork) -> RuntimeName | None:
    """Return the runtime that was found for a network on this machine; None = it was never tried."""
    kept = read_json(_memory(trained))
    name = kept.get("runtime") if isinstance(kept, dict) else None
    known = RuntimeName.__members__.get(str(name))
    if known in (None, RuntimeName.auto) or missing(known, trained.device) is not None:
        return None
    return known


def calibrate(trained: TrainedNetwork, images: np.ndarray) -> RuntimeName | None:
    """Return the fastest runtime whose keypoints are those of float32 by torch; None = they are too few.

    Parameters
    ----------
    trained : the network, on a CPU.
    images : array, (B, 3, H, W) or (B, 5, 3, H, W), uint8
        What it sees in the video.
    """
    begin = time.perf_counter()
    reference = runtime_of(RuntimeName.torch).build(trained)
    reference(images[:1])  # warms up
    each = _pace(reference, images[:BATCH])
    images = _spread(images[:MOST_IMAGES], max(int(COMPARED_S / each), FEWEST_IMAGES))
    exact = _in_batches(reference, images)
    seen = compare(exact, exact)
    if seen.keypoints < ENOUGH:
        return None
    sessions, parity = {RuntimeName.torch: reference}, {RuntimeName.torch: seen}
    for library in CANDIDATES:
        for name in library:
            session = _session(name, trained)
            if session is None or _pace(session, images[:BATCH]) > TOO_SLOW * each:
                continue
            parity[name] = compare(exact, _in_batches(session, images))
            if parity[name].is_close:
                sessions[name] = session
            if library[0] in sessions:
                break
    rates = _race(sessions, images[: min(max(int(PASS_S / each), 1), BATCH)])
    chosen = _fastest(rates)
    told = ", ".join(f"{name.value} {rate:.0f}" for name, rate in rates.items())
    took = time.perf_counter() - begin
    logger.info("tried runtimes for %.1f s: %s images/s; chose %s", took, told, chosen.value)
    _remember(trained, chosen, rates, parity)
    return chosen


def _spread(images: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of the images, from the first to the last."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]


def _pace(session: Session, images: np.ndarray) -> float:
    """Return the seconds that each of some images takes."""
    start = time.perf_counter()
    session(images)
    return (time.perf_counter() - start) / len(images)


def _in_batches(session: Session, images: np.ndarray) -> Found:
    parts = [session(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return np.concatenate([own[0] for own in parts]), np.concatenate([own[1] for own in parts])


def _session(name: RuntimeName, trained: TrainedNetwork) -> Session | None:
    """Return a runtime's session that has computed something; None = it cannot."""
    lacks = missing(name, trained.device)
    if lacks is not None:
        logger.debug("%s is not tried: %s", name.value, lacks)
        return None
    try:
        session = runtime_of(name).build(trained)
        session(np.zeros((1, *trained.image_shape), np.uint8))
    except Exception as error:  # whatever another library may fail with
        logger.debug("%s failed: %s", name.value, first_line(error))
        return None
    return session


def _race(sessions: Mapping[RuntimeName, Session], images: np.ndarray) -> dict[RuntimeName, float]:
    """Return the images/s of each, medians of turns, so that a busy machine slows all of them."""
    paces: dict[RuntimeName, list[float]] = {name: [] for name in sessions}
    begin = time.perf_counter()
    while min(map(len, paces.values())) < LEAST_ROUNDS or time.perf_counter() - begin < RACE_S:
        for name, session in sessions.items():
            paces[name].append(_pace(session, images))
    return {name: 1 / statistics.median(own) for name, own in paces.items()}


def _fastest(rates: Mapping[RuntimeName, float]) -> RuntimeName:
    best = max(rates, key=lambda name: rates[name])
    return best if rates[best] >= GAIN * rates[RuntimeName.torch] else RuntimeName.torch


def _memory(trained: TrainedNetwork) -> Path:
    versions = [package_version(name) for name in ("torch", "openvino", "timm")]
    code = fingerprint("lightning_pose.inference.runtimes.registry")
    key = digest(trained.identity, trained.image_shape, cpu_model(), job_cores(), code, *versions)
    return cache_dir() / "runtimes" / f"{key}.json"


def _remember(
    trained: TrainedNetwork,
    chosen: RuntimeName,
    rates: Mapping[RuntimeName, float],
    parity: Mapping[RuntimeName, Parity],
) -> None:
    content = {
        "runtime": chosen.value,
        "images_per_s": {name.value: round(own, 2) for name, own in rates.items()},
        "parity": {name.value: asdict(own) for name, own in parity.items()},
        "cpu": cpu_model(),
        "threads": job_cores(),
        "image_shape": list(trained.image_shape),
    }
    try:
        write_json(content, _memory(trained))
    except OSError as error:
        logger.debug("%s: what was found could not be kept (%s)", _memory(trained), error)
