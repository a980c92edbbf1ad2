"""`litpose crop`."""

import json

import numpy as np
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.types import Boxes, Labels

IMAGES = ["x/a.jpg", "x/b.jpg"]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "data/x").mkdir(parents=True)
    for name in IMAGES:
        Image.new("RGB", (64, 48), "red").save(tmp_path / "data" / name)
    write_labels(Labels(IMAGES, ["beak"], np.full((2, 1, 2), 9.5)), tmp_path / "data/labels.csv")
    boxes = Boxes(IMAGES, np.array([[0, 0, 20, 20], [-6, 0, 32, 32]]))
    write_bboxes(boxes, tmp_path / "bbox.csv")
    folder = tmp_path / "model/image_preds/labels.csv"
    write_bboxes(boxes, folder / "bbox.csv")
    own = {"labels": "data/labels.csv", "bbox": "bbox.csv", "data_dir": "data"}
    return tmp_path, [text for key, value in own.items() for text in (f"--{key}", str(tmp_path / value))]


def assert_cropped(csv, images, size):
    labels = read_labels(csv)
    assert labels.image_paths == ["x/a.png", "x/b.png"]
    np.testing.assert_allclose(labels.keypoints_px[0, 0], [(9.5 + 0.5) * size[1] / 20 - 0.5,
                                                           (9.5 + 0.5) * size[0] / 20 - 0.5])  # fmt: skip
    with Image.open(images / "x/b.png") as crop:
        assert crop.size == size[::-1]
    assert json.loads((csv.parent / "crops.json").read_text())["crop_size"] == list(size)


def test_output_dir(files) -> None:
    root, inputs = files
    assert main(["crop", *inputs, "--output_dir", str(root / "out"), "--crop_size", "32x40"]) == 0
    assert_cropped(root / "out/labels.csv/cropped_labels.csv", root / "out/cropped_images", (32, 40))


def test_places_of_their_own(files) -> None:
    root, inputs = files
    places = ["--output_csv", str(root / "here/c.csv"), "--images_dir", str(root / "there")]
    assert main(["crop", *inputs, *places, "--jobs", "1"]) == 0
    assert_cropped(root / "here/c.csv", root / "there", (256, 256))


def test_upstreams_form(files) -> None:
    root, _ = files
    assert main(["crop", str(root / "model"), "labels.csv", "--data_dir", str(root / "data")]) == 0
    folder = root / "model/image_preds/labels.csv"
    assert_cropped(folder / "cropped_labels.csv", root / "model/cropped_images", (256, 256))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output_dir", "OUT", "--crop_size", "32"], "--crop_size: expected HxW"),
        (["--output_dir", "OUT", "--crop_size", "0x32"], "--crop_size: expected HxW"),
        (["--output_dir", "OUT", "--crop_size", "²x2"], "--crop_size: expected HxW"),
        (["--output_dir", "OUT", "--jobs", "0"], "jobs: expected a number above 0"),
        (["--output_csv", "OUT/c.csv"], "neither in full"),
        ([], "neither in full"),
        (["--output_dir", "OUT", "MODEL", "labels.csv"], "found both"),
    ],
)
def test_impossible_arguments(files, capsys, options, message) -> None:
    root, inputs = files
    options = [option.replace("OUT", str(root / "out")) for option in options]
    assert main(["crop", *inputs, *options]) == 2
    captured = capsys.readouterr().err
    assert message in captured and "Traceback" not in captured
    assert not (root / "out").exists()


def test_an_unreadable_image_is_one_line(files, capsys) -> None:
    root, inputs = files
    (root / "data/x/b.jpg").write_text("no image")
    assert main(["crop", *inputs, "--output_dir", str(root / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (root / "out/labels.csv").exists()
