"""Labels, predictions, boxes and scores as a data set that FiftyOne opens: two JSON files, no images.

Written by ourselves, in the format that ``fiftyone.types.FiftyOneDataset`` reads; FiftyOne is not needed. Its
coordinates are shares of the image: the left edge of the first pixel is 0, the right edge of the last one 1.

Axes: M members, N frames, K keypoints.

References
----------
https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonedataset
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.evaluation.gallery.frames import FALLBACK, OUTSIDE, GalleryFrames
from lightning_pose.evaluation.ood_input import ALL
from lightning_pose.io.files import write_atomic, write_json
from lightning_pose.io.images import image_size, refuse_outside

SAMPLES, METADATA = "samples.json", "metadata.json"
FORMAT = "1.0.0"  # of FiftyOne: any later one reads it
LABELS, DEVIATION = "ground_truth", "deviation"
TAGS = {FALLBACK: "no detection", OUTSIDE: "labels outside a box"}
ANIMAL = "animal"  # what a label of FiftyOne is called
DIGITS = 7  # of shares of an image

logger = logging.getLogger(__name__)
Record = dict[str, Any]


def write_fiftyone(
    frames: GalleryFrames, data_dir: Path, folder: Path, name: str, skeleton: Sequence[Sequence[str]] = ()
) -> None:
    """Write the data set; images stay where they are, named as seen from the folder.

    Parameters
    ----------
    frames : what there is of each image.
    data_dir : folder that image paths are relative to.
    folder : to write into.
    name : of the data set.
    skeleton : pairs of keypoints to join.

    Raises
    ------
    UserError
        If an image is missing or lies outside the data folder.
    """
    refuse_outside(frames.paths, data_dir)
    sizes_px = [image_size(data_dir / path)[::-1] for path in frames.paths]  # width, height
    with write_atomic(folder / SAMPLES) as temporary, open(temporary, "w", encoding="utf-8") as file:
        separator = '{"samples": [\n'
        for sample in _samples(frames, data_dir, folder, sizes_px):
            file.write(f"{separator}{json.dumps(sample, allow_nan=False)}")
            separator = ",\n"
        file.write("\n]}\n")
    write_json(_metadata(frames, name, skeleton), folder / METADATA)
    logger.info("%s: %d images, fields %s", folder, len(frames.paths), ", ".join(field_names(frames)))


def field_names(frames: GalleryFrames) -> list[str]:
    """Return the name of each member's fields, of letters, digits and _, which FiftyOne asks for."""
    names: list[str] = []
    for kind, seed in zip(frames.kinds, frames.seeds, strict=True):
        plain = re.sub(r"\W+", "_", f"{kind}_{seed}").strip("_")
        names.append(plain if plain not in names else f"{plain}_{len(names)}")
    return names


def _samples(
    frames: GalleryFrames, data_dir: Path, folder: Path, sizes_px: Sequence[tuple[int, int]]
) -> Iterator[Record]:
    names, errors = field_names(frames), frames.errors
    deviation = frames.deviation(ALL)
    for n, path in enumerate(frames.paths):
        size_px = sizes_px[n]
        sample: Record = {
            "_id": _identity(path),
            "_media_type": "image",
            "_rand": int(_digest(path), 16) / 16**24,
            "filepath": Path(os.path.relpath(data_dir / path, folder)).as_posix(),
            "tags": [frames.sets[n], *(tag for bit, tag in TAGS.items() if frames.failures[n] & bit)],
            "metadata": {"_cls": "ImageMetadata", "width": size_px[0], "height": size_px[1]},
            "session": Path(path).parent.name,
            DEVIATION: _mean(deviation[n]),
            LABELS: _keypoints(f"{path} {LABELS}", frames.labels_px[n], size_px),
        }
        for m, own in enumerate(names):
            key = f"{path} {own}"
            scores = {"confidence": frames.confidence[m, n], "error_px": errors[m, n]}
            sample[own] = _keypoints(key, frames.keypoints_px[m, n], size_px, **scores)
            sample[f"{own}_error_px"] = _mean(errors[m, n])
            if np.isfinite(frames.xywh_px[m]).any():
                sample[f"{own}_box"] = _box(f"{key} box", frames.xywh_px[m, n], size_px)
        yield sample


def _keypoints(
    key: str, points_px: np.ndarray, size_px: tuple[int, int], **scores: np.ndarray
) -> Record | None:
    """Return one animal's keypoints, (K, 2), with values of each; None without any."""
    if not np.isfinite(points_px).all(-1).any():
        return None
    shares = (points_px + 0.5) / size_px
    animal = {
        "_id": _identity(key),
        "_cls": "Keypoint",
        "attributes": {},
        "tags": [],
        "label": ANIMAL,
        "points": [[_number(x, DIGITS), _number(y, DIGITS)] for x, y in shares],
        **{name: [_number(value, 4) for value in values] for name, values in scores.items()},
    }
    return {"_cls": "Keypoints", "keypoints": [animal]}


def _box(key: str, xywh_px: np.ndarray, size_px: tuple[int, int]) -> Record | None:
    if not np.isfinite(xywh_px).all():
        return None
    shares = xywh_px / [*size_px, *size_px]
    animal = {
        "_id": _identity(key),
        "_cls": "Detection",
        "attributes": {},
        "tags": [],
        "label": ANIMAL,
        "bounding_box": [_number(share, DIGITS) for share in shares],
    }
    return {"_cls": "Detections", "detections": [animal]}


def _number(value: float, digits: int) -> float | Record:
    """Return a rounded number, as MongoDB writes it into JSON."""
    return round(float(value), digits) if math.isfinite(value) else {"$numberDouble": "NaN"}


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 4) if known.size else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _identity(text: str) -> Record:
    """Return an identity that stays the same when the data set is written again."""
    return {"$oid": _digest(text)}


def _metadata(frames: GalleryFrames, name: str, skeleton: Sequence[Sequence[str]]) -> Record:
    places = {own: k for k, own in enumerate(frames.keypoint_names)}
    edges = [[places[one], places[other]] for one, other in skeleton if one in places and other in places]
    members = dict(zip(field_names(frames), zip(frames.kinds, frames.seeds, strict=True), strict=True))
    return {
        "name": name,
        "version": FORMAT,
        "media_type": "image",
        "info": {"members": {own: list(member) for own, member in members.items()}, "notes": frames.notes},
        "default_skeleton": {"labels": frames.keypoint_names, "edges": edges},
        "sample_fields": [*_own_fields(), *_our_fields(frames)],
    }


def _own_fields() -> list[Record]:
    """Return the fields that every data set of FiftyOne has."""
    size = [_field("width", "IntField"), _field("height", "IntField")]
    return [
        _field("id", "ObjectIdField", db_field="_id"),
        _field("filepath", "StringField"),
        _list("tags", "StringField"),
        _document("metadata", "fiftyone.core.metadata.ImageMetadata", size),
        _field("_media_type", "StringField"),
        _field("_rand", "FloatField"),
        _field("_dataset_id", "ObjectIdField"),
        _field("created_at", "DateTimeField"),
        _field("last_modified_at", "DateTimeField"),
    ]


def _our_fields(frames: GalleryFrames) -> list[Record]:
    fields = [_field("session", "StringField"), _field(DEVIATION, "FloatField"), _keypoints_field(LABELS)]
    for m, own in enumerate(field_names(frames)):
        fields += [_keypoints_field(own, "error_px"), _field(f"{own}_error_px", "FloatField")]
        if np.isfinite(frames.xywh_px[m]).any():
            box = [*_label_fields(), _list("bounding_box", "FloatField"), _field("confidence", "FloatField")]
            fields.append(_labels(f"{own}_box", "Detection", "detections", box))
    return fields


def _keypoints_field(name: str, *scores: str) -> Record:
    own = [
        _field("points", "KeypointsField"),
        *(_list(score, "FloatField") for score in ("confidence", *scores)),
    ]
    return _labels(name, "Keypoint", "keypoints", [*_label_fields(), *own])


def _label_fields() -> list[Record]:
    return [
        _field("id", "ObjectIdField", db_field="_id"),
        _list("tags", "StringField"),
        _field("label", "StringField"),
        _field("index", "IntField"),
    ]


def _labels(name: str, label: str, key: str, fields: list[Record]) -> Record:
    """Return the field of a list of labels."""
    documents = _list(key, "EmbeddedDocumentField")
    documents |= {"embedded_doc_type": f"fiftyone.core.labels.{label}", "fields": fields}
    return _document(name, f"fiftyone.core.labels.{label}s", [documents])


def _document(name: str, kind: str, fields: list[Record]) -> Record:
    return _field(name, "EmbeddedDocumentField") | {"embedded_doc_type": kind, "fields": fields}


def _list(name: str, kind: str) -> Record:
    return _field(name, "ListField") | {"subfield": f"fiftyone.core.fields.{kind}"}


def _field(name: str, kind: str, db_field: str | None = None) -> Record:
    return {
        "name": name,
        "ftype": f"fiftyone.core.fields.{kind}",
        "embedded_doc_type": None,
        "subfield": None,
        "fields": [],
        "db_field": db_field or name,
        "description": None,
        "info": None,
        "read_only": False,
    }
