"""Detector and pose model as one: the same as their commands one after the other, in one pass."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest

from lightning_pose.data.context import context_of_all
from lightning_pose.data.crops import crop_labeled_images
from lightning_pose.data.dataset import read_image, read_with_context
from lightning_pose.geometry.boxes import box_rule
from lightning_pose.geometry.film_track import track_boxes
from lightning_pose.inference.cropzoom import CropZoomModel, open_model
from lightning_pose.inference.film import Held
from lightning_pose.inference.film_run import predict_film
from lightning_pose.inference.model import Model
from lightning_pose.inference.video import film_of
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.cropzoom_dir import CropZoom
from lightning_pose.io.files import seal, unseal
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import read_pixel_errors, read_predictions
from lightning_pose.io.video_facts import probe_video
from lightning_pose.io.video_pyav import PyAvVideo
from lightning_pose.settings import (
    BoxSettings,
)
from lightning_pose.types import Boxes, Labels
from tests.unit.inference.conftest import COUNT, HEIGHT, WIDTH
from tests.unit.inference.fakes import Fake, joined
from tests.unit.io.films import write_film

RATIO = 2.5


@pytest.fixture
def cropzoom(trained, tmp_path):
    """A folder that joins the two models, and another one's name for its options."""

    def create(*options, name="cropzoom"):
        folder = tmp_path / name
        arguments = (trained.detector, trained.pose, "--output_dir", folder, *options)
        assert trained.run("create_cropzoom", *arguments) == 0
        return folder

    return create


def chain(trained, folder, csv, size):
    """Run the commands one after the other; return predictions in frame pixels."""
    own = folder / "crops" / csv
    assert trained.run("predict", trained.detector, csv, "--output", folder / "detector.csv") == 0
    bbox = (
        "--predictions",
        folder / "detector.csv",
        "--data_dir",
        trained.data,
        "--output",
        own / "bbox.csv",
    )
    assert trained.run("create_bbox", *bbox, "--crop_ratio", RATIO) == 0
    places = ("--data_dir", trained.data, "--output_dir", folder / "crops", "--crop_size", size)
    assert trained.run("crop", "--labels", trained.data / csv, "--bbox", own / "bbox.csv", *places) == 0
    crops = ("--data_dir", folder / "crops" / "cropped_images", "--output", folder / "pose.csv")
    assert trained.run("predict", trained.pose, own / f"cropped_{csv}", *crops) == 0
    assert trained.run("remap", folder / "pose.csv", own / "bbox.csv", "--output", folder / "all.csv") == 0
    return read_predictions(folder / "all.csv"), read_bboxes(own / "bbox.csv")


@pytest.mark.parametrize("csv", ["labels.csv", "labels_new.csv"])
@pytest.mark.parametrize("size", ["64x64", "96x80"])
def test_frames_are_predicted_as_by_the_commands_one_after_the_other(
    trained, cropzoom, tmp_path, csv, size
) -> None:
    folder = cropzoom("--crop_size", size)
    assert trained.run("predict", folder, csv) == 0
    own = folder / "image_preds" / csv
    found, boxes = read_predictions(own / "predictions.csv"), read_bboxes(own / "bbox.csv")
    expected, expected_boxes = chain(trained, tmp_path / "chain", csv, size)
    np.testing.assert_allclose(found.keypoints_px, expected.keypoints_px, atol=1e-3)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    assert found.index == expected.index and found.splits == expected.splits
    np.testing.assert_array_equal(boxes.xywh_px, expected_boxes.xywh_px)
    assert boxes.status == expected_boxes.status
    _, names, errors, splits = read_pixel_errors(own / "predictions_pixel_error.csv")
    assert names == found.keypoint_names and splits == found.splits and np.isfinite(errors).all()


def test_a_video_is_predicted_as_by_the_commands_one_after_the_other(
    trained, film, cropzoom, tmp_path
) -> None:
    folder, path = cropzoom(), film[0]
    assert trained.run("predict", folder, path, "labels_new.csv") == 0
    own = folder / "video_preds" / "film.mp4"
    detector = shutil.copytree(trained.detector, tmp_path / "detector")
    assert trained.run("predict", detector, path) == 0
    bbox = tmp_path / "bbox.csv"
    source = detector / "video_preds" / "film.mp4" / "predictions.csv"
    options = ("--crop_ratio", RATIO, "--video", path, "--output", bbox)
    assert trained.run("create_bbox", "--predictions", source, *options) == 0
    output = tmp_path / "pose.csv"
    assert trained.run("predict", trained.pose, path, "--bbox", bbox, "--output", output) == 0
    found, expected = read_predictions(own / "predictions.csv"), read_predictions(output)
    assert found.index == list(range(COUNT))
    np.testing.assert_allclose(found.keypoints_px, expected.keypoints_px, atol=1e-3)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    np.testing.assert_array_equal(read_bboxes(own / "bbox.csv").xywh_px, read_bboxes(bbox).xywh_px)
    assert (folder / "image_preds" / "labels_new.csv" / "predictions.csv").is_file()


def test_boxes_that_are_given_take_the_place_of_the_detectors(trained, film, cropzoom, tmp_path) -> None:
    folder, (path, places) = cropzoom(), film
    corners = np.round(places.mean(1)) - 45
    boxes = Boxes(list(range(COUNT)), np.column_stack([corners, np.full((COUNT, 2), 90.0)]))
    write_bboxes(boxes, tmp_path / "boxes" / "film_bbox.csv")
    assert trained.run("predict", folder, path, "--bbox_dir", tmp_path / "boxes") == 0
    own = folder / "video_preds" / "film.mp4"
    np.testing.assert_array_equal(read_bboxes(own / "bbox.csv").xywh_px, boxes.xywh_px)
    output = tmp_path / "pose.csv"
    assert (
        trained.run("predict", trained.pose, path, "--bbox_dir", tmp_path / "boxes", "--output", output) == 0
    )
    assert (own / "predictions.csv").read_bytes() == output.read_bytes()
    one_by_one = ("--bbox", tmp_path / "boxes" / "film_bbox.csv", "--detect_every", 2)
    assert trained.run("predict", folder, path, *one_by_one) == 2


def test_one_output_takes_predictions_and_another_boxes(trained, film, cropzoom, tmp_path) -> None:
    folder = cropzoom()
    output = ("--output", tmp_path / "a.csv", "--output_bbox", tmp_path / "b.csv")
    assert trained.run("predict", folder, film[0], *output) == 0
    assert read_predictions(tmp_path / "a.csv").index == read_bboxes(tmp_path / "b.csv").index
    assert trained.run("predict", folder, "labels_new.csv", "--output", tmp_path / "c.csv") == 0
    assert len(read_predictions(tmp_path / "c.csv").index) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["cropzoom.json", "provenance.json"]


def test_python_feeds_frames_one_by_one(trained, cropzoom) -> None:
    paths = [f"images_1/img{row:02d}.png" for row in range(4)]
    for folder in (cropzoom(), trained.detector):
        model = open_model(folder)
        expected = model.predict_frames(paths, trained.data)
        for row, path in enumerate(paths):
            keypoints_px, confidence = model.predict_frame(read_image(trained.data / path))
            np.testing.assert_allclose(keypoints_px, expected.keypoints_px[row], atol=1e-3)
            np.testing.assert_allclose(confidence, expected.confidence[row], atol=1e-4)
        with pytest.raises(ValueError, match="a frame is"):
            model.predict_frame(np.zeros((4, 4), np.uint8))


def test_folders_open_as_what_they_are(trained, film, cropzoom) -> None:
    single, joined = open_model(trained.detector), open_model(cropzoom())
    assert isinstance(single, Model) and isinstance(joined, CropZoomModel)
    assert single.keypoint_names == joined.keypoint_names == ["square", "cross"]
    for model in (single, joined):
        predictions = model.predict_video(film[0])
        assert predictions.index == list(range(COUNT)) and predictions.keypoints_px.shape == (COUNT, 2, 2)


@pytest.mark.parametrize("size", [1, 3, 4, 200])
@pytest.mark.parametrize("detector_context", [False, True])
@pytest.mark.parametrize("pose_context", [False, True])
def test_one_pass_gives_what_two_give(tmp_path, size, detector_context, pose_context) -> None:
    facts = probe_video(write_film(tmp_path / "film.mp4", 20))
    detector, pose = Fake(5, detector_context, 4.0), Fake(size, pose_context)
    names = list(detector.settings.data.keypoint_names)
    rule = box_rule(names, crop_size=30)
    seen, _ = predict_film(film_of(detector, facts))
    boxes = track_boxes(seen.keypoints_px, seen.confidence, lambda: (64, 96), rule, BoxSettings())
    expected, _ = predict_film(film_of(pose, facts, boxes.xywh_px))
    detector.seen = pose.seen = 0
    found, found_boxes = predict_film(joined(detector, pose).film(facts))
    assert detector.seen == pose.seen == 20
    np.testing.assert_array_equal(found_boxes.xywh_px, boxes.xywh_px)
    assert found_boxes.status == boxes.status
    np.testing.assert_allclose(found.keypoints_px, expected.keypoints_px, atol=1e-6)


def test_context_models_see_the_crops_that_would_lie_on_disk(tmp_path) -> None:
    """Of frames 0 to 6, frame 3 is missing, and 2 and 6 are labelled; crops have a size of their own."""
    rng, names = np.random.default_rng(0), [f"a/img{number:02d}.png" for number in (2, 6)]
    (tmp_path / "data" / "a").mkdir(parents=True)
    for number in (0, 1, 2, 4, 5, 6):
        picture = rng.integers(0, 255, (80, 96, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "data" / "a" / f"img{number:02d}.png"), picture)
    labels = Labels(names, list("abcde"), np.full((2, 5, 2), 40.0))
    write_labels(labels, tmp_path / "labels.csv")
    joins = CropZoom(tmp_path, tmp_path, 2.0, (48, 40), boxes=BoxSettings(fixed_size=33))
    detector, pose = Fake(1, True, 4.0), Fake(1, True)
    _, boxes = CropZoomModel(detector, pose, joins).predict_frames_and_boxes(names, tmp_path / "data")
    write_bboxes(boxes, tmp_path / "bbox.csv")
    crops, csv = tmp_path / "crops", tmp_path / "cropped_labels.csv"
    crop_labeled_images(
        tmp_path / "labels.csv", tmp_path / "bbox.csv", tmp_path / "data", crops, csv, (48, 40)
    )
    for seen, around in zip(pose.images, context_of_all(names, crops), strict=True):
        expected, _ = read_with_context(around, crops, 64, 64)
        np.testing.assert_array_equal(seen[0].transpose(0, 2, 3, 1), expected)


def test_a_long_film_is_decoded_once_and_never_held_whole(tmp_path, monkeypatch) -> None:
    facts = probe_video(write_film(tmp_path / "film.mp4", 200))
    read, held, extend, wanted = [], [], Held.extend, PyAvVideo._read

    def reading(self, start, count):
        read.extend(range(start, start + count))
        return wanted(self, start, count)

    def extending(self, pictures):
        extend(self, pictures)
        held.append(len(self._frames))

    monkeypatch.setattr(PyAvVideo, "_read", reading)
    monkeypatch.setattr(Held, "extend", extending)
    pose = Fake(8, True)
    predict_film(joined(Fake(8, False), pose).film(facts))
    assert read == list(range(200))
    assert max(held) <= 3 * 8 + 4


def test_paths_in_the_folder_are_relative(trained, cropzoom, tmp_path) -> None:
    for kind in ("detector", "pose"):
        shutil.copytree(getattr(trained, kind), tmp_path / kind)
    folder = tmp_path / "a" / "cropzoom"
    options = ("--crop_ratio", 3, "--anchor_keypoints", "cross,square", "--window", 5, "--max_speed", "null")
    arguments = (tmp_path / "detector", tmp_path / "pose", "--output_dir", folder, *options)
    assert trained.run("create_cropzoom", *arguments) == 0
    content = json.loads((folder / "cropzoom.json").read_text())
    assert (content["detector"], content["pose"]) == (os.path.join("..", "..", "detector"), "../../pose")
    assert content["crop_ratio"] == 3 and content["anchor_keypoints"] == ["cross", "square"]
    assert content["boxes"]["window"] == 5 and content["boxes"]["max_speed"] is None
    shutil.move(tmp_path / "a", tmp_path / "b")
    own = CropZoomModel.from_dir(tmp_path / "b" / "cropzoom")
    assert own.cropzoom.boxes == BoxSettings(window=5, max_speed=None)
    assert own.rule.columns == [1, 0] and own.rule.crop_ratio == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cropzoom.json: expected a cropzoom model"),
        ("[]", "a damaged file"),
        ({"detector": 3}, "detector: expected the path of a model's folder, found 3"),
        ({"pose": None}, "pose: expected the path of a model's folder, found None"),
        ({"pose": "nowhere"}, "expected a trained model's folder"),
        ({"crop_ratio": -1}, "crop_ratio: expected a number above 0, found -1"),
        ({"crop_ratio": "2"}, "crop_ratio: expected a number above 0, found '2'"),
        ({"crop_size": [64]}, "crop_size: expected height and width in pixels, found [64]"),
        ({"crop_size": [64, 0]}, "crop_size: expected height and width in pixels"),
        ({"anchor_keypoints": "cross"}, "anchor_keypoints: expected a list of names"),
        ({"anchor_keypoints": ["croos", "square"]}, "nearest: cross"),
        ({"boxes": {"windows": 3}}, "boxes: expected settings"),
        ({"boxes": {"window": 4}}, "boxes.window: expected an odd number of frames, found 4"),
        ({"boxes": {"window": "9"}}, "boxes.window: expected a number, found '9'"),
        ({"boxes": {"window": None}}, "boxes.window: expected a number, found None"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_refused(trained, film, cropzoom, capsys, content, message) -> None:
    file = cropzoom() / "cropzoom.json"
    if not isinstance(content, str):
        content = json.dumps(seal({**unseal(json.loads(file.read_text())), **content}))
    file.write_text(content)
    assert trained.run("predict", file.parent, film[0]) == 2
    captured = capsys.readouterr().err
    assert message in captured and "Traceback" not in captured
    assert not (file.parent / "video_preds").exists()


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        (("pose", "detector"), (), "a detector, trained on whole frames, found a model of crops"),
        (("detector", "detector"), (), "a pose model, trained on crops, found a model of whole frames"),
        (("data", "pose"), (), "a trained model's folder with config.yaml"),
        (("detector", "data"), (), "a trained model's folder"),
        (("detector", "pose"), ("--anchor_keypoints", "x,cross"), "anchor_keypoints: expected names among"),
        (("detector", "pose"), ("--crop_ratio", "0"), "crop_ratio: expected a number above 0"),
        (("detector", "pose"), ("--crop_size", "64"), "--crop_size: expected HxW"),
        (("detector", "pose"), ("--window", "2"), "--window: expected an odd number of frames"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_joined(trained, tmp_path, capsys, models, options, message) -> None:
    folders = [getattr(trained, name) for name in models]
    assert trained.run("create_cropzoom", *folders, "--output_dir", tmp_path / "new", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_another_detector_is_no_pose_model(trained, tmp_path, capsys) -> None:
    other = shutil.copytree(trained.detector, tmp_path / "other")
    assert trained.run("create_cropzoom", trained.detector, other, "--output_dir", tmp_path / "new") == 2
    assert "other: expected a pose model, trained on crops" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["detector", "pose"])
def test_the_folder_of_a_model_takes_no_other(trained, capsys, kind) -> None:
    folder = getattr(trained, kind)
    assert trained.run("create_cropzoom", trained.detector, trained.pose, "--output_dir", folder) == 2
    assert "a folder of its own for the cropzoom model, found model.safetensors" in capsys.readouterr().err
    assert not (folder / "cropzoom.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("labels.csv", "--frames", "0:2"), "--frames: expected videos among the inputs, found none"),
        (("labels.csv", "--detect_every", "auto"), "--detect_every: expected videos among the inputs"),
        (("{film}", "a/film.mp4"), "a/film.mp4: expected inputs of different names"),
        (("labels.csv", "{data}/labels.csv"), "labels.csv: expected inputs of different names"),
        (("labels.csv", "--detector_mode"), "--detector_mode: expected none with a cropzoom model"),
        (("{film}", "--bbox", "b.csv"), "b.csv: expected a CSV file, found no such file"),
        (("{film}", "--bbox_dir", "{pose}"), "film_bbox.csv, found none"),
        (("labels.csv", "--bbox_dir", "{pose}"), "pose: expected the boxes of labels.csv: labels.csv/"),
        (
            ("{film}", "--bbox", "{pose}/boxes.csv", "--bbox_dir", "{pose}"),
            "--bbox, --bbox_dir: expected one of the two, found both",
        ),
        (("labels.csv", "--output_bbox", "b.csv"), "--output: expected one with --output_bbox"),
        (("{film}", "nothing.mp4"), "nothing.mp4: expected a video, found no such file"),
        (("{film}", "nothing.csv"), "nothing.csv: expected a labels CSV"),
        (("{film}", "{pose}/labels"), "labels: expected a labels CSV"),
        (
            ("{film}", "--overrides", "training.test_batch_size=2", "workflow.boxes.window=1"),
            "makes a folder with others, by its options), found workflow.boxes.window=1",
        ),
    ],
)
def test_impossible_inputs_are_refused_before_anything_is_predicted(
    trained, film, cropzoom, capsys, arguments, message
) -> None:
    folder = cropzoom()
    own = [argument.format(film=film[0], pose=trained.pose, data=trained.data) for argument in arguments]
    assert trained.run("predict", folder, *own) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["cropzoom.json", "provenance.json"]


def test_crops_are_no_frames(trained, cropzoom, tmp_path, capsys) -> None:
    chain(trained, tmp_path / "chain", "labels_new.csv", "64x64")
    crops = tmp_path / "chain" / "crops" / "labels_new.csv" / "cropped_labels_new.csv"
    assert trained.run("predict", cropzoom(), crops) == 2
    assert "expected a CSV of frames, which the model crops itself" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["cropzoom", "detector"])
def test_images_that_are_labelled_twice_are_refused(trained, cropzoom, tmp_path, capsys, kind) -> None:
    lines = (trained.data / "labels.csv").read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([*lines, lines[3]]))
    folder = cropzoom() if kind == "cropzoom" else trained.detector
    assert trained.run("predict", folder, tmp_path / "twice.csv", "--data_dir", trained.data) == 2
    assert f"twice.csv, row {len(lines) + 1}: expected each image once" in capsys.readouterr().err
    assert not (folder / "image_preds" / "twice.csv").exists()


def test_boxes_go_beside_a_cropzoom_models_predictions_alone(trained, film, tmp_path, capsys) -> None:
    output = ("--output", tmp_path / "a.csv", "--output_bbox", tmp_path / "b.csv")
    assert trained.run("predict", trained.detector, film[0], *output) == 2
    assert "--output_bbox: expected a cropzoom model" in capsys.readouterr().err


def test_boxes_lie_within_reach_of_the_film(trained, film, cropzoom) -> None:
    predictions, boxes = predict_film(CropZoomModel.from_dir(cropzoom()).film(probe_video(film[0])))
    assert (boxes.xywh_px[:, 2] >= 8).all() and (boxes.xywh_px[:, 2] <= 3 * max(WIDTH, HEIGHT)).all()
    assert np.median(np.linalg.norm(predictions.keypoints_px - film[1], axis=-1)) < 8


@pytest.mark.parametrize("kind", ["cropzoom", "detector"])
def test_what_is_there_of_a_truncated_film_is_predicted_if_that_is_asked_for(
    trained, cropzoom, tmp_path, capsys, kind
) -> None:
    film = write_film(tmp_path / "film.mp4", 60, movflags="faststart")
    whole = film.read_bytes()
    film.write_bytes(whole[: len(whole) * 2 // 3])
    folder = cropzoom() if kind == "cropzoom" else shutil.copytree(trained.detector, tmp_path / "detector")
    assert trained.run("predict", folder, film) == 2
    assert "(litpose predict --allow_truncated predicts these)" in capsys.readouterr().err
    assert not (folder / "video_preds").exists()
    assert trained.run("predict", folder, film, "--allow_truncated") == 0
    assert "truncated or damaged: only" in capsys.readouterr().err
    own = folder / "video_preds" / "film.mp4"
    rows = len(read_predictions(own / "predictions.csv").index)
    assert 10 < rows < 60
    content = json.loads((own / "predictions.json").read_text())
    assert content == {"frames_predicted": rows, "frames_stated": 60, "first_bad_frame": rows}
    assert trained.run("predict", folder, film, "--allow_truncated", "--frames", "2:9") == 0
    content = json.loads((own / "predictions_2-9.json").read_text())
    assert content == {"frames_predicted": 7, "frames_stated": 60, "first_bad_frame": rows}
    film.write_bytes(whole)
    assert trained.run("predict", folder, film) == 0
    assert len(read_predictions(own / "predictions.csv").index) == 60
    assert not (own / "predictions.json").exists()  # of the truncated one
