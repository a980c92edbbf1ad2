"""Predictions on videos as a netCDF file with the poses data set of the `movement` package, an xarray.

``position`` (time, space, keypoints, individuals) in pixels of the predictions and ``confidence`` (time,
keypoints, individuals); NaN = nothing predicted. What an ensemble has besides becomes ``ensemble_variance``,
``ensemble_median`` and ``posterior_variance``, shaped as ``position``. Several files of the same frames and
keypoints lie along a dimension ``source`` in front; NaN = a file has no such columns.

References
----------
Sirmpilatze et al., "movement", https://movement.neuroinformatics.dev: the layout of a data set of poses.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.predictions import MEDIANS, POSTERIOR_VARIANCES, VARIANCES, read_predictions
from lightning_pose.types import Predictions, Problem, UserError

if TYPE_CHECKING:
    from scipy.io import netcdf_file

SUFFIX = ".nc"
LARGEST = 2**31 - 1  # bytes of a variable, as far as scipy writes them
DIMS = ("time", "space", "keypoints", "individuals")
INDIVIDUAL = "individual_0"  # as movement names that of a Lightning Pose file
FURTHER = {
    "ensemble_variance": VARIANCES,
    "ensemble_median": MEDIANS,
    "posterior_variance": POSTERIOR_VARIANCES,
}


def write_movement(sources: Mapping[str, Path], output: Path, fps: float | None = None) -> None:
    """Write predictions as a data set of poses that `movement`, and xarray, open.

    Parameters
    ----------
    sources : predictions CSVs of videos by the names that tell them apart.
    output : the netCDF file.
    fps : frames a second, by which time is in seconds; None = time is the frame number.

    Raises
    ------
    UserError
        If one is not of a video, or several differ in frames or keypoints.
    """
    tables = {name: read_predictions(path) for name, path in sources.items()}
    problems = _problems(sources, tables)
    size = sum(own.keypoints_px.nbytes for own in tables.values())
    if size > LARGEST:
        expected = f"positions of at most {LARGEST} bytes (fewer files at once, or .parquet)"
        problems.append(Problem(str(output), expected, str(size)))
    if problems:
        raise UserError(problems)
    first = next(iter(tables.values()))
    frames = np.asarray(first.index, np.int32)
    time = frames if fps is None else frames / fps
    attributes: dict[str, str | float] = {
        "source_software": "LightningPose",
        "ds_type": "poses",
        "time_unit": "frames" if fps is None else "seconds",
        "source_file": "; ".join(str(path) for path in sources.values()),
    }
    if fps is not None:
        attributes["fps"] = float(fps)
    texts = {"space": ["x", "y"], "keypoints": first.keypoint_names, "individuals": [INDIVIDUAL]}
    texts |= {"source": list(sources)} if len(sources) > 1 else {}
    arrays = [_arrays(own) for own in tables.values()]
    names = dict.fromkeys(name for own in arrays for name in own)
    with write_atomic(output) as temporary:
        with _open_file(temporary) as file:
            for name, value in attributes.items():
                setattr(file, name, value.encode() if isinstance(value, str) else value)
            file.createDimension("time", len(time))
            _put(file, "time", np.asarray(time), ("time",))
            for name, own in texts.items():
                file.createDimension(name, len(own))
                _put_texts(file, name, own)
            for name in names:
                unknown = np.full_like(arrays[0]["position"], np.nan)  # of a file without such columns
                values = np.stack([own.get(name, unknown) for own in arrays])
                dims = DIMS if values[0].ndim == len(DIMS) else (DIMS[0], *DIMS[2:])
                if len(sources) == 1:
                    _put(file, name, values[0], dims)
                else:
                    _put(file, name, values, ("source", *dims))


def _problems(sources: Mapping[str, Path], tables: Mapping[str, Predictions]) -> list[Problem]:
    paths, own = list(sources.values()), list(tables.values())
    found = []
    for path, table in zip(paths, own, strict=True):
        if not isinstance(table.index[0], int):
            found.append(Problem(str(path), "frame numbers, of a video", f"{table.index[0]}"))
        elif table.keypoint_names != own[0].keypoint_names:
            expected = f"keypoints as in {paths[0]}: {', '.join(own[0].keypoint_names)}"
            found.append(Problem(f"{path}, header", expected, ", ".join(table.keypoint_names)))
        elif table.index != own[0].index:
            expected = f"frames as in {paths[0]}: {own[0].index[0]} to {own[0].index[-1]}"
            found.append(Problem(str(path), expected, f"{table.index[0]} to {table.index[-1]}"))
    return found


def _arrays(predictions: Predictions) -> dict[str, np.ndarray]:
    """Return the variables by name, with one individual as last axis."""
    arrays = {
        "position": predictions.keypoints_px.transpose(0, 2, 1)[..., None],
        "confidence": predictions.confidence[..., None],
    }
    for name, columns in FURTHER.items():
        if all(column in predictions.further for column in columns):
            pair = [predictions.further[column] for column in columns]
            arrays[name] = np.stack(pair, axis=1)[..., None]
    return arrays


def _open_file(path: Path) -> netcdf_file:
    from scipy.io import netcdf_file

    return netcdf_file(path, "w", mmap=False, version=2)  # netCDF 3, which all readers of netCDF take


def _put(file: Any, name: str, values: np.ndarray, dims: tuple[str, ...]) -> None:
    file.createVariable(name, values.dtype.char, dims)[:] = values


def _put_texts(file: Any, name: str, texts: list[str]) -> None:
    """Add texts as netCDF 3 has them, in characters along a dimension of their own."""
    encoded = [text.encode() for text in texts]
    width = max(map(len, encoded))
    length = f"length_of_{name}"
    file.createDimension(length, width)
    variable = file.createVariable(name, "c", (name, length))
    variable._Encoding = b"utf-8"  # xarray's attribute
    variable[:] = np.array([list(text.ljust(width, b"\0")) for text in encoded], np.uint8).view("S1")
