"""The export for FiftyOne has everything where it belongs; FiftyOne itself reads it, where it is there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.predictions import read_predictions
from tests.unit.evaluation.gallery.made_up import (
    FALLBACK_ROW,
    KEYPOINTS,
    OUTSIDE_ROW,
    SIZE,
    MadeUp,
    make_results,
)

FIELDS = ["single_0", "single_1", "pose_1_8_0", "pose_1_8_1"]
CONFIG = "data: {keypoint_names: [beak, 'eye <b>left</b>', tail], skeleton: [[tail, beak]]}"
# FiftyOne's own importer, with a database in memory: the program of MongoDB is not needed
IMPORT = """
import json, sys
import mongoengine, mongomock, pymongo
from mongomock.store import ServerStore

store = ServerStore()

class Client(mongomock.MongoClient):
    _closed = False

    def __init__(self, *arguments, appname=None, **options):
        super().__init__(*arguments, _store=store, **options)

connect = mongoengine.connect
pymongo.MongoClient = Client
mongoengine.connect = lambda *arguments, **options: connect(*arguments, mongo_client_class=Client, **options)
import fiftyone

data = fiftyone.Dataset.from_dir(sys.argv[1], dataset_type=fiftyone.types.FiftyOneDataset, name="read")
schema = data.get_field_schema()
samples = list(data)
print("JSON" + json.dumps({
    "count": len(data),
    "skeleton": data.default_skeleton.to_dict(),
    "fields": {name: type(field).__name__ for name, field in schema.items()},
    "nested": sorted(data.get_field("pose_1_8_0.keypoints").field.get_field_schema()),
    "paths": [own.filepath for own in samples],
    "tags": [own.tags for own in samples],
    "points": [own.pose_1_8_1.keypoints[0].points for own in samples],
    "confidence": [own.pose_1_8_1.keypoints[0].confidence for own in samples],
    "errors": [own.pose_1_8_1_error_px for own in samples],
    "boxes": [own.pose_1_8_1_box.detections[0].bounding_box for own in samples],
    "labels": [own.ground_truth.keypoints[0].points for own in samples],
}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> MadeUp:
    """Made-up results, exported."""
    own = make_results(tmp_path_factory.mktemp("fiftyone"))
    (own.folder / "bird.yaml").write_text(CONFIG)
    arguments = own.arguments(own.folder / "out" / "bird")[1:]
    assert main(["export_fiftyone", *arguments, "--config", str(own.folder / "bird.yaml")]) == 0
    return own


@pytest.fixture(scope="module")
def samples(made) -> list[dict]:
    return json.loads((made.folder / "out" / "bird" / "samples.json").read_text())["samples"]


@pytest.fixture(scope="module")
def metadata(made) -> dict:
    return json.loads((made.folder / "out" / "bird" / "metadata.json").read_text())


def points_px(sample: dict, field: str) -> np.ndarray:
    """Return keypoints in pixels whose centres are integers; NaN stays NaN."""
    (animal,) = sample[field]["keypoints"]
    shares = [[float("nan") if isinstance(x, dict) else x for x in point] for point in animal["points"]]
    return np.array(shares) * SIZE - 0.5


def test_every_image_is_there_with_its_set_and_where_it_lies(made, samples) -> None:
    folder = made.folder / "out" / "bird"
    paths = [folder / own["filepath"] for own in samples]
    assert [path.resolve() for path in paths] == [
        (made.folder / name).resolve() for name in made.ind.image_paths + made.ood.image_paths
    ]
    assert not any(Path(own["filepath"]).is_absolute() for own in samples)
    assert [own["tags"][0] for own in samples[:4]] == ["train", "validation", "test", "train"]
    assert samples[6]["tags"] == ["OOD"] and samples[6]["session"] == "day 2"
    assert "no detection" in samples[6 + FALLBACK_ROW]["tags"]
    assert "labels outside a box" in samples[6 + OUTSIDE_ROW]["tags"]
    assert samples[0]["metadata"] == {"_cls": "ImageMetadata", "width": SIZE[0], "height": SIZE[1]}


def test_keypoints_boxes_and_scores_are_those_of_the_files(made, samples) -> None:
    for n, own in enumerate(samples[6:]):
        np.testing.assert_allclose(points_px(own, "ground_truth"), made.ood.keypoints_px[n], atol=1e-4)
    predictions = read_predictions(made.folder / "pose_1.8_1" / "ood.csv")
    boxes = read_bboxes(made.folder / "pose_1.8_1" / "bbox_ood.csv")
    errors = np.linalg.norm(predictions.keypoints_px - made.ood.keypoints_px, axis=-1)
    for n, own in enumerate(samples[6:]):
        np.testing.assert_allclose(points_px(own, "pose_1_8_1"), predictions.keypoints_px[n], atol=1e-4)
        (animal,) = own["pose_1_8_1"]["keypoints"]
        assert animal["confidence"] == pytest.approx(list(predictions.confidence[n]))
        known = [value for value in animal["error_px"] if not isinstance(value, dict)]
        assert known == pytest.approx([value for value in errors[n] if np.isfinite(value)], abs=1e-4)
        assert own["pose_1_8_1_error_px"] == pytest.approx(np.nanmean(errors[n]), abs=1e-4)
        (box,) = own["pose_1_8_1_box"]["detections"]
        np.testing.assert_allclose(
            np.array(box["bounding_box"]) * [*SIZE, *SIZE], boxes.xywh_px[n], atol=1e-4
        )


def test_the_corner_of_an_image_is_the_corner_of_its_pixel(made, samples) -> None:
    """The centre of a pixel is half a pixel from its edge, which is where a box begins."""
    whole = samples[6 + FALLBACK_ROW]["pose_1_8_0_box"]["detections"][0]["bounding_box"]
    assert whole == [0, 0, 1, 1]
    at_px = made.ood.keypoints_px[0, 0]
    (animal,) = samples[6]["ground_truth"]["keypoints"]
    assert animal["points"][0] == pytest.approx(list((at_px + 0.5) / SIZE), abs=1e-6)


def test_the_description_has_every_field_and_the_skeleton(samples, metadata) -> None:
    declared = {own["db_field"] for own in metadata["sample_fields"]}
    assert set().union(*samples) <= declared
    assert {*FIELDS, *(f"{own}_error_px" for own in FIELDS), "pose_1_8_0_box"} <= declared
    assert metadata["default_skeleton"] == {"labels": KEYPOINTS, "edges": [[2, 0]]}
    assert metadata["info"]["members"]["pose_1_8_1"] == ["pose_1.8", "1"]


def test_written_again_it_is_the_same(made) -> None:
    folder = made.folder / "out" / "bird"
    before = [(folder / name).read_bytes() for name in ("samples.json", "metadata.json")]
    arguments = made.arguments(folder)[1:]
    assert main(["export_fiftyone", *arguments, "--config", str(made.folder / "bird.yaml")]) == 0
    assert [(folder / name).read_bytes() for name in ("samples.json", "metadata.json")] == before


def test_names_that_fiftyone_refuses_are_changed_and_stay_apart(made, tmp_path) -> None:
    arguments = made.arguments(tmp_path / "out")[1:]
    arguments[arguments.index("pose_1.8")] = "single:"  # with its seed, the same letters as single_0
    arguments[arguments.index("pose_1.8")] = "single:"
    assert main(["export_fiftyone", *arguments]) == 0
    content = json.loads((tmp_path / "out" / "metadata.json").read_text())
    members = content["info"]["members"]
    assert sorted(map(tuple, members.values())) == sorted(
        [("single", "0"), ("single", "1"), ("single:", "0"), ("pose_1.8", "1")]
    )
    assert all(re.fullmatch(r"[^\W_]\w*", name) for name in members)


def test_an_image_that_is_gone_is_named(made, tmp_path, capsys) -> None:
    arguments = made.arguments(tmp_path / "out")[1:]
    arguments[arguments.index("--data_dir") + 1] = str(tmp_path)
    assert main(["export_fiftyone", *arguments]) == 2
    assert "img000.png: expected an image, found no such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_fiftyone_itself_reads_what_was_written(made, samples, tmp_path) -> None:
    pytest.importorskip("fiftyone", reason="needs FiftyOne: pip install fiftyone mongomock")
    pytest.importorskip("mongomock", reason="needs mongomock, as FiftyOne's database")
    own = {"HOME": str(tmp_path), "FIFTYONE_DO_NOT_TRACK": "1", "FIFTYONE_DATABASE_VALIDATION": "false"}
    environment = {**os.environ, **own, "FIFTYONE_DATABASE_URI": "mongodb://localhost"}
    command = [sys.executable, "-c", IMPORT, str(made.folder / "out" / "bird")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout[done.stdout.index("JSON") + 4 :])
    assert read["count"] == 15 and read["skeleton"]["edges"] == [[2, 0]]
    assert all(Path(path).is_file() for path in read["paths"])
    assert read["tags"] == [own["tags"] for own in samples]
    assert read["fields"]["pose_1_8_1_error_px"] == read["fields"]["deviation"] == "FloatField"
    assert {"points", "confidence", "error_px", "label"} <= set(read["nested"])
    predictions = read_predictions(made.folder / "pose_1.8_1" / "ood.csv")
    found_px = np.array(read["points"][6:], float) * SIZE - 0.5
    np.testing.assert_allclose(found_px, predictions.keypoints_px, atol=1e-4)
    np.testing.assert_allclose(read["confidence"][6:], predictions.confidence)
    assert read["errors"] == [own["pose_1_8_1_error_px"] for own in samples]
    boxes = read_bboxes(made.folder / "pose_1.8_1" / "bbox_ood.csv")
    np.testing.assert_allclose(np.array(read["boxes"][6:]) * [*SIZE, *SIZE], boxes.xywh_px, atol=1e-4)
    labels_px = np.array(read["labels"][6:], float) * SIZE - 0.5
    np.testing.assert_allclose(labels_px, made.ood.keypoints_px, atol=1e-4)
