"""Predictions as a parquet table: ``frame``, ``<keypoint>_x``, ``_y``, ``_likelihood``, ``bbox_x``, ..."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lightning_pose.io.files import write_atomic
from lightning_pose.io.predictions import box_columns
from lightning_pose.io.tables import BOX_COORDS, BOX_NAME
from lightning_pose.types import Predictions


def write_parquet(predictions: Predictions, path: Path) -> None:
    """Write predictions; NaN, which is no prediction, becomes null."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"frame": pa.array(predictions.index)}
    for k, name in enumerate(predictions.keypoint_names):
        x, y = predictions.keypoints_px[:, k].T
        for coord, values in (("x", x), ("y", y), ("likelihood", predictions.confidence[:, k])):
            columns[f"{name}_{coord}"] = pa.array(np.ascontiguousarray(values), from_pandas=True)
        for coord, cells in predictions.further.items():
            columns[f"{name}_{coord}"] = pa.array(np.ascontiguousarray(cells[:, k]), from_pandas=True)
    if predictions.xywh_frame_px is not None:
        for coord, values in zip(BOX_COORDS, box_columns(predictions.xywh_frame_px).T, strict=True):
            columns[f"{BOX_NAME}_{coord}"] = pa.array(np.ascontiguousarray(values), from_pandas=True)
    with write_atomic(path) as temporary:
        parquet.write_table(pa.table(columns), temporary)


def holds_predictions(path: Path) -> bool:
    """Say whether a file is a table that `write_parquet` wrote, and not another command's or tool's."""
    from pyarrow import parquet

    try:
        names = parquet.read_schema(path).names
    except (OSError, ValueError):
        return False
    return names[:1] == ["frame"] and any(name.endswith("_likelihood") for name in names)
