"""A cropped video: frame for frame what the boxes show, and what lies beside it says which boxes."""

import json
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.data.crop_video import crop_video
from lightning_pose.data.cut import crop_image
from lightning_pose.inference.remap import read_video_crops
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.crop_manifest import manifest_of_video
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.io.video import open_video
from lightning_pose.io.video_facts import probe_video
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import Boxes, Predictions, UserError
from tests.unit.io.films import place, write_film

FRAMES, SIZE = 36, (48, 64)
TIMES = [*range(20), *range(25, 41)]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film of uneven times, and boxes of changing size around its square, some beyond the frame."""
    corners = np.array([place(number) for number in range(FRAMES)], dtype=float)
    sizes = 30 + 10 * np.sin(np.arange(FRAMES))[:, None] * [1, 1.25] + [0, 8.5]
    boxes = Boxes(list(range(FRAMES)), np.hstack([corners + 3.5 - sizes / 2, sizes]), ["detected"] * FRAMES)
    write_bboxes(boxes, tmp_path / "boxes.csv")
    return write_film(tmp_path / "film.mp4", FRAMES, times=TIMES)


def test_each_frame_is_what_its_box_shows(film, tmp_path) -> None:
    output = crop_video(film, tmp_path / "boxes.csv", tmp_path / "crops", SIZE)
    assert {path.name for path in output.parent.iterdir()} == {"cropped_film.mp4", "bbox.csv", "crops.json"}
    source, cropped = (open_video(path, VideoLibrary.opencv) for path in (film, output))
    np.testing.assert_allclose(cropped.facts.times_s, source.facts.times_s, atol=1e-4)
    boxes, frames = read_bboxes(tmp_path / "boxes.csv").xywh_px, source.read(0, FRAMES)
    expected = [crop_image(frame, tuple(box), SIZE) for frame, box in zip(frames, boxes, strict=True)]
    assert cropped.frame_hw() == SIZE
    assert np.abs(cropped.read(0, FRAMES).astype(int) - np.stack(expected)).mean((1, 2, 3)).max() < 2.5


def test_boxes_of_changing_size_are_mapped_back_exactly(film, tmp_path) -> None:
    """The square's middle is found in the crops by its brightness, and lands where it was drawn."""
    output = crop_video(film, tmp_path / "boxes.csv", tmp_path / "crops", SIZE)
    crops = read_video_crops(output)
    assert crops is not None and crops.crop_hw == SIZE
    frames = open_video(output, VideoLibrary.opencv).read(0, FRAMES)
    middles = np.array([bright_middle(frame) for frame in frames])
    found = Predictions(list(range(FRAMES)), ["square"], middles[:, None], np.ones((FRAMES, 1)))
    expected = np.array([place(number) for number in range(FRAMES)]) + 3.5
    away = np.abs(crops.remap(found).keypoints_px[:, 0] - expected)
    assert np.median(away) < 0.03 and away.max() < 0.2
    write_predictions(found, tmp_path / "predictions.csv")
    arguments = [
        tmp_path / "predictions.csv",
        output.parent / "bbox.csv",
        "--output",
        tmp_path / "remapped.csv",
    ]
    assert main(["remap", *map(str, arguments)]) == 0
    remapped = read_predictions(tmp_path / "remapped.csv").keypoints_px
    np.testing.assert_array_equal(remapped, crops.remap(found).keypoints_px)


def bright_middle(frame: np.ndarray) -> np.ndarray:
    """Return the middle of what is brighter than halfway to the square, weighted by how much."""
    weights = np.clip(frame[..., 1] - 155.0, 0, None)
    return (
        np.array([weights.sum(0) @ np.arange(SIZE[1]), weights.sum(1) @ np.arange(SIZE[0])]) / weights.sum()
    )


def test_the_command_crops_a_model_folders_videos(film, tmp_path) -> None:
    folder = tmp_path / "model" / "video_preds" / "film.mp4"
    write_bboxes(read_bboxes(tmp_path / "boxes.csv"), folder / "bbox.csv")
    before = (folder / "bbox.csv").read_bytes()
    assert main(["crop", str(tmp_path / "model"), str(film), "--crop_size", "32x32"]) == 0
    assert (folder / "bbox.csv").read_bytes() == before
    assert probe_video(folder / "cropped_film.mp4").frame_count == FRAMES
    manifest = manifest_of_video(folder / "cropped_film.mp4")
    assert manifest is not None and manifest["crop_size"] == [32, 32]
    assert manifest_of_video(film) is None


def test_what_no_longer_belongs_together_is_refused(film, tmp_path, capsys) -> None:
    arguments = ["crop", film, "--bbox", tmp_path / "boxes.csv", "--output_dir", tmp_path / "out"]
    assert main([*map(str, arguments), "--crop_size", "32x32"]) == 0
    output = tmp_path / "out" / "film.mp4" / "cropped_film.mp4"
    boxes_csv = output.with_name("bbox.csv")
    boxes = read_bboxes(boxes_csv)
    write_bboxes(Boxes(boxes.index, boxes.xywh_px + [0, 0, 1, 0]), boxes_csv)
    with pytest.raises(UserError, match=r"bbox\.csv: expected the boxes that .*crops\.json tells of"):
        read_video_crops(output)
    write_bboxes(boxes, boxes_csv)
    assert read_video_crops(output) is not None
    output.write_bytes(film.read_bytes())
    with pytest.raises(UserError, match=r"cropped_film\.mp4: expected the video of crops"):
        read_video_crops(output)
    assert capsys.readouterr().err.count("litpose crop") == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("odd", "--crop_size: expected an even height and width, as H.264 has them, found 33x32"),
        ("few", f"boxes.csv, row {FRAMES + 1}: expected frame {FRAMES - 1}"),
        ("huge", "boxes.csv, row 5: expected h and w up to 384"),
        ("outside", "boxes.csv: expected boxes that lie in frames of 96x64 px"),
        ("nan", "boxes.csv, row 5 (3): expected numbers x, y, h, w"),
        ("empty", "film.mp4: expected a video, found an empty file"),
        ("cut", "truncated or damaged (make a whole one of these: ffmpeg -i film.mp4 "),
        ("labels", "expected one video, found labels too"),
        ("file", "cropped_film.mp4: expected a folder to write into, found"),
    ],
)
def test_bad_input_leaves_nothing(film, tmp_path, capsys, change, message) -> None:
    boxes, out, more = read_bboxes(tmp_path / "boxes.csv"), tmp_path / "out", ["--crop_size", "32x32"]
    rows, xywh_px = slice(-1) if change == "few" else slice(None), boxes.xywh_px.copy()
    if change == "huge":
        xywh_px[3, 2:] = 30, 9000
    elif change == "outside":
        xywh_px[:, 0] = 96
    write_bboxes(Boxes(boxes.index[rows], xywh_px[rows]), tmp_path / "boxes.csv")
    if change == "nan":
        lines = (tmp_path / "boxes.csv").read_text().splitlines()
        (tmp_path / "boxes.csv").write_text("\n".join([*lines[:4], "3,1,,3,4", *lines[5:]]))
    elif change == "empty":
        film.write_bytes(b"")
    elif change == "cut":
        write_film(film, FRAMES, times=TIMES, movflags="faststart")
        film.write_bytes(film.read_bytes()[:-200])
    elif change == "file":
        out.write_text("")
    elif change in ("odd", "labels"):
        more = {"odd": ["--crop_size", "33x32"], "labels": ["--labels", "labels.csv"]}[change]
    arguments = [film, "--bbox", tmp_path / "boxes.csv", "--output_dir", out]
    assert main(["crop", *map(str, arguments), *more]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not out.is_dir()


def test_a_folder_of_the_videos_name_would_be_in_its_own_place(film, tmp_path, capsys) -> None:
    arguments = [film, "--bbox", tmp_path / "boxes.csv", "--output_dir", film.parent]
    assert main(["crop", *map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert f"cropped_film.mp4: expected a folder to write into, found {film}, a file" in error


def test_a_manifest_in_json_tells_source_and_size(film, tmp_path) -> None:
    output = crop_video(film, tmp_path / "boxes.csv", tmp_path / "crops", SIZE)
    manifest = json.loads((output.parent / "crops.json").read_text())
    assert manifest["source"] == "film.mp4"
    assert manifest["crops"]["film.mp4"]["files"] == {"cropped_film.mp4": output.stat().st_size}
