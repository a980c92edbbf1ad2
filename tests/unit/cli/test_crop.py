"""`litpose crop`."""

import json

import numpy as np
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
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


def test_boxes_of_a_folder_take_the_place_of_the_models(files, capsys) -> None:
    root, _ = files
    own = root / "model/image_preds/labels.csv/bbox.csv"
    before, given = own.read_bytes(), Boxes(IMAGES[::-1], np.array([[2, 0, 30, 30], [0, 0, 20, 20]]))
    arguments = ["crop", str(root / "model"), "labels.csv", "--data_dir", str(root / "data"), "--bbox_dir"]
    for name in ("bbox.csv", "labels.csv/bbox.csv"):  # the second one is found first
        write_bboxes(given, root / "other" / name)
        assert main([*arguments, str(root / "other")]) == 0
        assert_cropped(own.with_name("cropped_labels.csv"), root / "model/cropped_images", (256, 256))
        found = read_bboxes(own)
        assert found.index == IMAGES and found.xywh_px[:, 0].tolist() == [0, given.xywh_px[0, 0]]
        given = Boxes(given.index, given.xywh_px + [[3, 0, 0, 0], [0, 0, 0, 0]])
    assert own.with_name("bbox.csv.changed").read_bytes() == before
    assert "the crops are cut with; before: " in capsys.readouterr().err
    kept = sorted(path.name for path in own.parent.iterdir())
    assert main([*arguments, str(root / "other")]) == 0
    assert main([*arguments, str(own.parent)]) == 0  # the very file
    assert sorted(path.name for path in own.parent.iterdir()) == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL", "labels.csv"], "other: expected the boxes of labels.csv: labels.csv/bbox.csv or bbox.csv"),
        (["MODEL", "film.mp4"], "other: expected the boxes of film.mp4: one of film.mp4/bbox.csv"),
        (["MODEL"], "arguments with --bbox_dir: expected MODEL_DIR and CSVs or videos, found neither"),
        (["MODEL", "labels.csv", "--output_dir", "OUT"], "found files that are named one by one"),
    ],
)
def test_folders_of_boxes_that_cannot_be_used(files, capsys, options, message) -> None:
    root, _ = files
    before = sorted(root.rglob("*"))
    own = [text.replace("OUT", str(root / "out")).replace("MODEL", str(root / "model")) for text in options]
    assert main(["crop", *own, "--data_dir", str(root / "data"), "--bbox_dir", str(root / "other")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("fault", ["rows", "image"])
def test_after_a_mistake_boxes_and_crops_are_as_before(files, fault) -> None:
    root, _ = files
    arguments = ["crop", str(root / "model"), "labels.csv", "--data_dir", str(root / "data")]
    assert main(arguments) == 0
    if fault == "image":
        (root / "data/x/b.jpg").write_text("no image")
    names = IMAGES[:1] if fault == "rows" else IMAGES
    write_bboxes(Boxes(names, np.tile([1, 1, 30, 30], (len(names), 1))), root / "other" / "bbox.csv")
    before = {path: path.read_bytes() for path in (root / "model").rglob("*.*") if path.is_file()}
    assert main([*arguments, "--bbox_dir", str(root / "other")]) == 2
    assert {path: path.read_bytes() for path in (root / "model").rglob("*.*") if path.is_file()} == before
