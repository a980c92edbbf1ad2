"""A labelled video shows each frame with what was found in that very frame."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.evaluation.draw import BOX, UNSURE_BOX, keypoint_colors
from lightning_pose.evaluation.label_video import FramePainter, LabelStyle
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.predictions import write_predictions
from lightning_pose.io.provenance import read_provenance
from lightning_pose.io.video import open_video
from lightning_pose.settings import VideoLibrary
from lightning_pose.types import Boxes, Predictions
from tests.unit.io.films import HEIGHT, WIDTH, number_of, place, write_film

FRAMES, NAMES = 30, ["square", "rest"]
REST = (70.0, 8.0)
GREY = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


def keypoints() -> np.ndarray:
    """The square's middle, and a point that rests, (FRAMES, 2, 2)."""
    moving = np.array([place(number) for number in range(FRAMES)]) + 3.5
    return np.stack([moving, np.tile(REST, (FRAMES, 1))], axis=1)


def predictions(**other) -> Predictions:
    own = {"keypoints_px": keypoints(), "confidence": np.full((FRAMES, 2), 0.95)}
    return Predictions(list(range(FRAMES)), NAMES, **{**own, **other})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_film(tmp_path / "film.mp4", FRAMES)
    write_predictions(predictions(), tmp_path / "predictions.csv")
    corners = keypoints()[:, 0] - 9.5
    write_bboxes(
        Boxes(list(range(FRAMES)), np.hstack([corners, np.full((FRAMES, 2), 20.0)])), tmp_path / "b.csv"
    )
    (tmp_path / "config.yaml").write_text(
        "data: {keypoint_names: [square, rest], skeleton: [[square, rest]]}"
    )
    return tmp_path


def run(folder: Path, *options: object, target: str = "predictions.csv") -> int:
    own = ["label_video", folder / "film.mp4", folder / target, "--output", folder / "out.mp4"]
    return main([str(argument) for argument in (*own, *options)])


def frames_of(path: Path) -> np.ndarray:
    video = open_video(path, VideoLibrary.opencv)
    return video.read(0, video.frame_count)


def is_like(pixel: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - color).max() < 60)


def test_each_frame_has_its_own_keypoints(files) -> None:
    assert run(files, "--radius", 4) == 0
    source, labelled = frames_of(files / "film.mp4"), frames_of(files / "out.mp4")
    assert [number_of(frame) for frame in labelled] == pytest.approx(list(range(FRAMES)), abs=2)
    for number, frame in enumerate(labelled):
        for (x, y), color in zip(keypoints()[number].astype(int), keypoint_colors(2), strict=True):
            assert is_like(frame[y + 1, x + 1], color), number
        assert np.abs(frame[50:, 88:].astype(int) - source[number, 50:, 88:]).mean() < 3, (
            "elsewhere as it was"
        )
    np.testing.assert_allclose(
        open_video(files / "out.mp4").facts.times_s, open_video(files / "film.mp4").facts.times_s, atol=1e-4
    )


def test_a_stretch_has_its_frames_and_no_others(files) -> None:
    part = predictions()
    write_predictions(
        Predictions(list(range(8, 20)), NAMES, part.keypoints_px[8:20], part.confidence[8:20]),
        files / "part.csv",
    )
    assert run(files, "--frames", "10:18", target="part.csv") == 0
    labelled = frames_of(files / "out.mp4")
    assert [number_of(frame) for frame in labelled] == pytest.approx(list(range(10, 18)), abs=2)
    x, y = keypoints()[12, 0].astype(int)
    assert is_like(labelled[2, y, x], keypoint_colors(2)[0])


def painted(style: LabelStyle, number: int = 5, boxes: Boxes | None = None, **other) -> np.ndarray:
    frame = GREY.copy()
    FramePainter(predictions(**other), boxes, style, GREY.shape).paint(frame, number)
    return frame


def test_a_skeleton_joins_keypoints_unless_one_is_unsure() -> None:
    middle = keypoints()[5].mean(0).round().astype(int)
    style = LabelStyle([["square", "rest"]], radius=2)
    assert (painted(style)[middle[1], middle[0]] > 150).all()
    unsure = np.tile([0.95, 0.5], (FRAMES, 1))
    frame = painted(style, confidence=unsure)
    assert (frame[middle[1], middle[0]] == 90).all() and (frame[8, 70] == 90).all()
    lower = LabelStyle([["square", "rest"]], radius=2, min_confidence=0.4)
    assert (painted(lower, confidence=unsure)[middle[1], middle[0]] > 150).all()


def test_unsure_keypoints_are_rings_where_they_are_asked_for() -> None:
    unsure = np.tile([0.95, 0.5], (FRAMES, 1))
    frame = painted(LabelStyle(marks_unsure=True, radius=5), confidence=unsure)
    assert (frame[8, 70] == 90).all() and not (frame[8, 75] == 90).all()
    missing = keypoints()
    missing[5, 1] = np.nan
    frame = painted(LabelStyle(marks_unsure=True, radius=5), keypoints_px=missing)
    assert (frame[:, 60:] == 90).all() and (frame[0, 0] == 90).all()


def test_trails_follow_the_last_frames_back_to_the_last_gap() -> None:
    def drawn(length: int, number: int, confidence: np.ndarray) -> list[bool]:
        frame = painted(LabelStyle(trails=length, radius=0.5), number, confidence=confidence)
        return [not (frame[round(y), round(x)] == 90).all() for x, y in keypoints()[: number + 1, 0]]

    sure = np.full((FRAMES, 2), 0.95)
    assert drawn(0, 8, sure) == [False] * 8 + [True]
    assert drawn(3, 8, sure) == [False] * 5 + [True] * 4
    assert drawn(100, 8, sure) == [True] * 9
    gap = sure.copy()
    gap[4, 0] = 0.1
    assert drawn(100, 8, gap) == [False] * 5 + [True] * 4
    gap[8, 0] = 0.1
    assert drawn(100, 8, gap) == [False] * 9


def test_boxes_that_were_carried_on_look_different() -> None:
    boxes = Boxes(
        list(range(FRAMES)), np.tile([20.5, 10.5, 30, 20], (FRAMES, 1)), ["detected"] * 6 + ["carried"] * 24
    )
    for number, color in ((5, BOX), (6, UNSURE_BOX)):
        assert tuple(painted(LabelStyle(radius=1), number, boxes)[20, 20]) == color


def test_a_contact_sheet_shows_evenly_spaced_frames(files) -> None:
    sheet = files / "sheet.png"
    own = ["label_video", files / "film.mp4", files / "predictions.csv", "--contact_sheet", sheet]
    assert main([str(text) for text in (*own, "--sheet_frames", 6)]) == 0
    assert not (files / "out.mp4").exists()
    image = cv2.imread(str(sheet))[..., ::-1]
    height = round(320 * HEIGHT / WIDTH)
    assert image.shape == (2 * height, 4 * 320, 3)
    tiles = [image[row * height : (row + 1) * height, column * 320 : (column + 1) * 320]
             for row in range(2) for column in range(4)]  # fmt: skip
    expected = np.linspace(0, FRAMES - 1, 6).round()
    assert [number_of(tile) for tile in tiles[:6]] == pytest.approx(expected.tolist(), abs=2)
    assert not tiles[6].any()
    assert main([str(text) for text in (*own, "--sheet_frames", 3, "--bbox", files / "b.csv")]) == 0
    crops = cv2.imread(str(sheet))[..., ::-1]
    assert crops.shape == (320, 3 * 320, 3)
    for start in (0, 320, 640):  # the box is around the square, whose middle is a keypoint
        assert is_like(crops[160, start + 160], keypoint_colors(2)[0])


def test_a_model_folder_knows_where_everything_is(files) -> None:
    model = files / "model"
    folder = model / "video_preds" / "film.mp4"
    folder.mkdir(parents=True)
    for source, target in (("predictions.csv", "predictions.csv"), ("b.csv", "bbox.csv")):
        (folder / target).write_bytes((files / source).read_bytes())
    (model / "config.yaml").write_text((files / "config.yaml").read_text())
    assert main(["label_video", str(model), str(files / "film.mp4")]) == 0
    assert run(files, "--bbox", files / "b.csv", "--config", files / "config.yaml") == 0
    assert (folder / "labeled.mp4").read_bytes() == (files / "out.mp4").read_bytes()
    assert run(files, "--config", files / "config.yaml") == 0
    without_box = (files / "out.mp4").read_bytes()
    assert run(files) == 0
    assert without_box not in ((folder / "labeled.mp4").read_bytes(), (files / "out.mp4").read_bytes())
    assert main(["label_video", str(model), str(files / "film.mp4"), "--skip_bbox"]) == 0
    assert (folder / "labeled.mp4").read_bytes() == without_box


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--frames", "5:99"], "--frames: expected start:stop within 0:30"),
        (["--radius", "inf"], "--radius: expected a number above 0, found inf"),
        (["--trails", "-1"], "--trails: expected a number of frames from 0 on, found -1"),
        (["--confidence_thresh_for_vid", "2"], "--confidence_thresh_for_vid: expected a number from 0 to 1"),
        (["--output", "x.avi"], "--output: expected a file named *.mp4"),
        (["--contact_sheet", "x.jpg"], "--contact_sheet: expected a file named *.png"),
        (["--bbox", "FEW"], "few.csv: expected a row for each of the frames 0 to 29"),
        (["--bbox", "NONE"], "none.csv: expected a CSV file, found no such file"),
        (["--output", "FILM"], "film.mp4: expected a file to write other than those that are read"),
    ],
)
def test_bad_input_leaves_nothing(files, capsys, options, message) -> None:
    write_bboxes(Boxes([0, 1], np.full((2, 4), 9.0)), files / "few.csv")
    names = {"FEW": "few.csv", "NONE": "none.csv", "FILM": "film.mp4"}
    before = sorted(path.name for path in files.iterdir())
    assert run(files, *(files / names[text] if text in names else text for text in options)) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert sorted(path.name for path in files.iterdir()) == before


def test_predictions_of_images_or_with_gaps_are_refused(files, capsys) -> None:
    own = predictions()
    names = [f"{number}.png" for number in range(FRAMES)]
    images = Predictions(names, NAMES, own.keypoints_px, own.confidence)
    write_predictions(images, files / "images.csv")
    assert run(files, target="images.csv") == 2
    assert "found 0.png, which is no frame number" in capsys.readouterr().err
    gap = [*range(10), *range(11, FRAMES + 1)]
    write_predictions(Predictions(gap, NAMES, own.keypoints_px, own.confidence), files / "gap.csv")
    assert run(files, target="gap.csv") == 2
    assert "found frame 11 after frame 9" in capsys.readouterr().err
    assert main(["label_video", str(files), str(files / "predictions.csv")]) == 2
    assert (
        "expected a video and a predictions CSV, or a model's folder and a video" in capsys.readouterr().err
    )


def test_predictions_on_a_longer_video_are_refused(files, capsys) -> None:
    write_film(files / "film.mp4", FRAMES - 4)
    for options in ((), ("--frames", "2:9")):
        assert run(files, *options) == 2
        expected = f"predictions.csv: expected frames 0 to {FRAMES - 5} of {files / 'film.mp4'}, found 29"
        assert expected in capsys.readouterr().err and not (files / "out.mp4").exists()
    count = FRAMES - 4
    few = Predictions(list(range(count)), NAMES, keypoints()[:count], np.full((count, 2), 0.95))
    write_predictions(few, files / "predictions.csv")
    assert run(files, "--bbox", files / "b.csv") == 2
    assert "b.csv: expected frames 0 to" in capsys.readouterr().err
    assert run(files, "--bbox", files / "b.csv", "--allow_truncated") == 0


def test_of_a_damaged_video_what_is_there_is_drawn_if_that_is_asked_for(files, capsys) -> None:
    film = write_film(files / "film.mp4", FRAMES, movflags="faststart")
    film.write_bytes(film.read_bytes()[:-200])
    assert run(files) == 2
    error = capsys.readouterr().err
    assert error.count("litpose label_video:") == 1 and str(film) in error
    assert not (files / "out.mp4").exists()
    assert run(files, "--allow_truncated") == 0
    labelled = frames_of(files / "out.mp4")
    assert 5 < len(labelled) < FRAMES
    assert [number_of(frame) for frame in labelled] == pytest.approx(list(range(len(labelled))), abs=2)


def test_what_is_drawn_is_told_with_what_made_it(files) -> None:
    assert run(files) == 0
    assert set(read_provenance(files)["files"]) == {"out.mp4"}
