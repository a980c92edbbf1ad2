"""Stretches of a video that do not fit together are refused."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.io.provenance import add_run, checksum
from lightning_pose.types import Boxes, Predictions
from tests.unit.io.films import write_film


def write(path, start, stop, names=("a", "b")):
    rng, shape = np.random.default_rng(start), (stop - start, len(names))
    keypoints = rng.normal(50, 20, (*shape, 2))
    write_predictions(Predictions(list(range(start, stop)), list(names), keypoints, rng.random(shape)), path)
    return str(path)


@pytest.mark.parametrize(
    ("stretches", "message"),
    [
        ([(0, 4), (5, 9)], "b.csv: expected frame 4 next, after {}/a.csv, found 5"),
        ([(0, 4), (3, 9)], "b.csv: expected frame 4 next, after {}/a.csv, found 3"),
        ([(5, 9), (2, 5)], "b.csv: expected frame 0 in one of the files, found 2 first"),
    ],
)
def test_gaps_and_overlaps(tmp_path, capsys, stretches, message) -> None:
    paths = [write(tmp_path / name, *own) for name, own in zip(("a.csv", "b.csv"), stretches, strict=True)]
    assert main(["merge", *paths, "--output", str(tmp_path / "all.csv")]) == 2
    assert message.format(tmp_path) in capsys.readouterr().err
    assert not (tmp_path / "all.csv").exists()


def test_other_keypoints(tmp_path, capsys) -> None:
    paths = [write(tmp_path / "a.csv", 0, 4), write(tmp_path / "b.csv", 4, 9, ("a", "c"))]
    assert main(["merge", *paths, "--output", str(tmp_path / "all.csv")]) == 2
    assert "b.csv, header: expected keypoints a, b" in capsys.readouterr().err


def test_other_runtimes(tmp_path, capsys) -> None:
    paths, output = [], tmp_path / "all.csv"
    for name, frames, runtime in (("a", (0, 4), "torch"), ("b", (4, 9), "openvino"), ("c", (9, 11), None)):
        paths.append(write(tmp_path / name / "part.csv", *frames))
        facts = {} if runtime is None else {"runtime of pose_0": runtime}
        run = {"command": ["litpose"], "inputs": {}, "images": {}, **facts}
        add_run(tmp_path / name, run, ["part.csv"])
    assert main(["merge", *paths, "--output", str(output)]) == 2
    expected = (
        f"b/part.csv: expected networks computed as in {paths[0]} (pose_0: torch), found pose_0: openvino"
    )
    assert expected in capsys.readouterr().err and not output.exists()
    (tmp_path / "b" / "provenance.json").unlink()  # what is not known is not held against it
    assert main(["merge", *paths, "--output", str(output)]) == 0


def test_labelled_frames_are_no_stretch(tmp_path, capsys) -> None:
    one = write(tmp_path / "a.csv", 0, 2)
    other = read_predictions(one)
    write_predictions(
        Predictions(["x.png", "y.png"], other.keypoint_names, other.keypoints_px, other.confidence),
        tmp_path / "b.csv",
    )
    assert main(["merge", one, str(tmp_path / "b.csv"), "--output", str(tmp_path / "all.csv")]) == 2
    assert "b.csv: expected rows of consecutive video frames" in capsys.readouterr().err


def test_the_end_of_the_video(tmp_path, capsys) -> None:
    film, output = write_film(tmp_path / "film.mp4", 8), tmp_path / "all.csv"
    paths = [write(tmp_path / "a.csv", 0, 4), write(tmp_path / "b.csv", 4, 7)]
    arguments = ["--video", str(film), "--output", str(output)]
    assert main(["merge", *paths, *arguments]) == 2
    assert "b.csv: expected 7 as last frame" in capsys.readouterr().err
    paths.append(write(tmp_path / "c.csv", 7, 8))
    assert main(["merge", *paths, *arguments]) == 0
    assert read_predictions(output).index == list(range(8))
    write_film(film, 8, movflags="faststart")
    film.write_bytes(film.read_bytes()[:-200])
    assert main(["merge", *paths, *arguments]) == 2
    assert "truncated or damaged (without --video, the files are joined" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "nonsense\n", ",x,y\n0,1,2\n"])
def test_files_that_are_neither(tmp_path, capsys, content) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert main(["merge", str(tmp_path / "a.csv"), "--output", str(tmp_path / "all.csv")]) == 2
    assert "a.csv" in capsys.readouterr().err


def test_box_columns_are_of_all_files_or_none(tmp_path, capsys) -> None:
    paths = [write(tmp_path / "a.csv", 0, 4), write(tmp_path / "b.csv", 4, 7)]
    output = tmp_path / "all.csv"
    own = replace(read_predictions(paths[0]), xywh_frame_px=np.arange(16.0).reshape(4, 4))
    write_predictions(own, paths[0])
    assert main(["merge", *paths, "--output", str(output)]) == 2 and not output.exists()
    expected = f"b.csv, header: expected columns of boxes, as in {paths[0]}, found no columns of boxes"
    assert expected in capsys.readouterr().err
    other = replace(read_predictions(paths[1]), xywh_frame_px=np.arange(16, 28.0).reshape(3, 4))
    write_predictions(other, paths[1])
    assert main(["merge", *paths, "--output", str(output)]) == 0
    np.testing.assert_array_equal(read_predictions(output).xywh_frame_px, np.arange(28.0).reshape(7, 4))


def write_boxes(path, start, stop):
    write_bboxes(Boxes(list(range(start, stop)), np.full((stop - start, 4), 30.0)), path)
    return str(path)


def told(folder, inputs, **facts) -> None:
    """Note that `litpose predict` made part.csv of these files."""
    digests = {name: {"bytes": 1, "sha256": digest} for name, digest in inputs.items()}
    run = {"command": ["litpose", "predict"], "inputs": digests, "images": {}, **facts}
    add_run(folder, run, ["part.csv"])


INPUTS = {
    "/x/one.mp4": "v1",
    "/x/det/model.safetensors": "w1",
    "/x/pose/model.safetensors": "w2",
    "/x/cz/cropzoom.json": "c1",
}


@pytest.mark.parametrize("write_part", [write, write_boxes])
@pytest.mark.parametrize(
    ("changed", "facts", "message"),
    [
        ({"/x/one.mp4": "v2"}, {}, "the video of {}: /x/one.mp4 (v1), found /x/one.mp4 (v2)"),
        ({"/x/pose/model.safetensors": "w3"}, {}, "the model.safetensors of {}: "),
        ({"/x/cz/cropzoom.json": "c2"}, {}, "the cropzoom.json of {}: "),
        (
            {"/x/boxes.csv": "b1"},
            {"boxes of frames": ["/x/boxes.csv"]},
            "the boxes of {}: none given, found /x/boxes.csv (b1)",
        ),
        ({}, {"detect_every": 4}, "the detect_every of {}: 1, found 4"),
        ({}, {"runtime of det": "openvino"}, "networks computed as in {} (det: torch), found det: openvino"),
    ],
)
def test_other_videos_models_and_settings(tmp_path, capsys, write_part, changed, facts, message) -> None:
    paths = [write_part(tmp_path / "a" / "part.csv", 0, 4), write_part(tmp_path / "b" / "part.csv", 4, 9)]
    same = {"detect_every": 1, "boxes of frames": [], "runtime of det": "torch"}
    told(tmp_path / "a", INPUTS, **same)
    told(tmp_path / "b", {**INPUTS, **changed}, **{**same, **facts})
    assert main(["merge", *paths, "--output", str(tmp_path / "all.csv")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"b/part.csv: expected {message.format(paths[0])}" in lines[0]
    assert not (tmp_path / "all.csv").exists()


@pytest.mark.parametrize("write_part", [write, write_boxes])
def test_files_may_lie_elsewhere_and_be_of_several_videos(tmp_path, write_part) -> None:
    paths = [write_part(tmp_path / "a" / "part.csv", 0, 4), write_part(tmp_path / "b" / "part.csv", 4, 9)]
    told(tmp_path / "a", INPUTS, **{"runtime of det": "torch"})
    moved = {name.replace("/x/det/", "/y/first/").replace("/x/", "/y/"): own for name, own in INPUTS.items()}
    told(
        tmp_path / "b", {**moved, "/y/two.mp4": "v2", "/y/stretch.csv": "p2"}, **{"runtime of first": "torch"}
    )
    assert main(["merge", *paths, "--output", str(tmp_path / "all.csv")]) == 0


def test_a_stretch_that_was_put_in_the_place_of_another_is_unknown(tmp_path) -> None:
    paths = [write(tmp_path / "a" / "part.csv", 0, 4), write(tmp_path / "b" / "part.csv", 4, 9)]
    told(tmp_path / "a", INPUTS)
    told(tmp_path / "b", {**INPUTS, "/x/one.mp4": "v2"})
    write(tmp_path / "b" / "part.csv", 4, 12)
    assert main(["merge", *paths, "--output", str(tmp_path / "all.csv")]) == 0


def test_the_video_itself_is_compared(tmp_path, capsys) -> None:
    films = [write_film(tmp_path / name, 8) for name in ("one.mp4", "two.mp4")]
    path = write(tmp_path / "part.csv", 0, 8)
    told(tmp_path, {str(films[0]): checksum(films[0])["sha256"]})
    arguments = ["merge", path, "--output", str(tmp_path / "all.csv"), "--video"]
    assert main([*arguments, str(films[0])]) == 0
    (tmp_path / "all.csv").unlink()
    films[1].write_bytes(films[1].read_bytes() + bytes(8))  # other bytes, as many frames
    assert main([*arguments, str(films[1])]) == 2
    assert f"part.csv: expected the video {films[1]} (" in capsys.readouterr().err
    assert not (tmp_path / "all.csv").exists()
