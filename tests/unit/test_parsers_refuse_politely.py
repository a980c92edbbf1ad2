"""Whatever a file holds, its reader returns what it is for or raises the error that names what is wrong."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.config import load_config
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.crop_manifest import damaged_crops, read_manifest
from lightning_pose.io.cropzoom_dir import read_cropzoom
from lightning_pose.io.labels import read_labels
from lightning_pose.io.model_dir import read_splits
from lightning_pose.io.predictions import read_pixel_errors, read_predictions
from lightning_pose.types import UserError

READERS = {
    "labels.csv": read_labels,
    "predictions.csv": read_predictions,
    "bbox.csv": read_bboxes,
    "errors.csv": read_pixel_errors,
    "a.yaml": load_config,
    "splits.json": lambda path: read_splits(path.parent),
    "cropzoom.json": lambda path: read_cropzoom(path.parent),
    "crops.json": read_manifest,
}
LABELS = "scorer,s,s\nbodyparts,beak,beak\ncoords,x,y\na.png,1,2\nb.png,,\n"
SEEDS = {
    "labels.csv": LABELS,
    "predictions.csv": "scorer,s,s,s,\nbodyparts,a,a,a,set\ncoords,x,y,likelihood,\na.png,1,2,0.5,train\n",
    "bbox.csv": ",x,y,h,w,status\na.png,1,2,3,4,detected\n0,1,2,3,4,\n",
    "errors.csv": ",beak,set\na.png,1.5,train\n",
    "a.yaml": "data: {data_dir: a, keypoint_names: [a, b]}\nworkflow: {seeds: [0, 1], variants: {}}\n",
    "splits.json": '{"a.png": "train"}',
    "cropzoom.json": '{"detector": "d", "pose": "p", "crop_ratio": 2, "crop_size": [8, 8], '
    '"anchor_keypoints": [], "boxes": {"fixed_size": null}}',
    "crops.json": '{"crop_size": [8, 8], "images_dir": "i", "source": "l.csv", '
    '"crops": {"a": {"files": {"a.png": 5}}}}',
}  # fmt: skip
PIECES = ["", ",", "\n", '"', "'", "\0", "\r", "=", "nan", "inf", "1e999", "-1", "99999999999999999999", "²",
          "é", "\ufeff", "[", "]", "{", "}", ":", "null", "true", "&a", "*a", "!!python/name:os", "${a}",
          "${oc.env:HOME}", "scorer", "coords", "x", "0", "- ", "  "]  # fmt: skip


@st.composite
def mutated(draw, seed):
    """Draw a text near a good one: parts cut out, doubled, or replaced by what parsers stumble over."""
    text = seed
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        middle = draw(st.sampled_from([*PIECES, text[start:end] * 2]) | st.text(max_size=3))
        text = text[:start] + middle + text[end:]
    return text


def read(name, content):
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return READERS[name](path)
        except UserError as error:
            assert error.problems
            assert all(name in problem.where or "overrides" in problem.where for problem in error.problems)
            return None


@pytest.mark.parametrize("name", READERS)
def test_the_seeds_are_read(name) -> None:
    assert read(name, SEEDS[name].encode()) is not None


@pytest.mark.parametrize("name", READERS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_nearly_right_files(name, data) -> None:
    read(name, data.draw(mutated(SEEDS[name])).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", READERS)
@settings(deadline=None, max_examples=40)
@given(content=st.binary(max_size=60))
def test_any_bytes(name, content) -> None:
    read(name, content)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_manifest_of_any_shape_never_stops_the_planning(data) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "crops.json"
        path.write_text(data.draw(mutated(SEEDS["crops.json"])), "utf-8", "surrogatepass")
        damaged_crops(path)


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_labels_that_are_read_are_numbers(data) -> None:
    found = read("labels.csv", data.draw(mutated(LABELS)).encode("utf-8", "surrogatepass"))
    if found is not None:
        assert found.keypoints_px.shape == (len(found.image_paths), len(found.keypoint_names), 2)
        assert not np.isinf(found.keypoints_px).any()
