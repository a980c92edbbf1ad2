"""Films in parts: what is cut, interrupted or shared among machines ends up exactly as in one run."""

import shutil
from itertools import pairwise

import numpy as np
import pytest

from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.inference import film_run
from lightning_pose.inference.film_run import predict_film, store_beside
from lightning_pose.inference.part_store import PartStore
from lightning_pose.io.files import sha256
from lightning_pose.io.video_facts import probe_video
from tests.unit.inference.conftest import COUNT
from tests.unit.inference.fakes import Fake, joined
from tests.unit.io.films import write_film

FRAMES = 60


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(film_run, "FilmParts", lambda count: FilmParts(count, 16, 6))
    monkeypatch.setattr(film_run, "sha256", str)  # of files of weights that the fakes do not have


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return probe_video(write_film(tmp_path_factory.mktemp("films") / "film.mp4", FRAMES))


def model(size=4, context=False, every=1):
    return joined(Fake(size, context, 4.0), Fake(size, context), detect_every=every, window=5)


@pytest.mark.parametrize("every", [1, 3, 0])
@pytest.mark.parametrize(("size", "context"), [(4, False), (5, True)])
@pytest.mark.parametrize("cuts", [(0, 16, 60), (0, 7, 33, 34, 60), (0, 48, 59, 60)])
def test_stretches_fit_together_to_what_one_run_gives(facts, size, context, every, cuts) -> None:
    whole, boxes = predict_film(model(size, context, every).film(facts))
    for start, stop in pairwise(cuts):
        found, placed = predict_film(model(size, context, every).film(facts, range(start, stop)))
        assert found.index == placed.index == list(range(start, stop))
        np.testing.assert_array_equal(found.keypoints_px, whole.keypoints_px[start:stop])
        np.testing.assert_array_equal(placed.xywh_px, boxes.xywh_px[start:stop])
        assert placed.status == boxes.status[start:stop]
        np.testing.assert_array_equal(placed.confidence, boxes.confidence[start:stop])


@pytest.mark.parametrize(("start", "stop", "posed"), [(0, 3, 4), (0, 5, 8), (2, 10, 10), (20, 23, 8)])
def test_a_short_stretch_is_not_paid_for_with_its_whole_part(facts, start, stop, posed) -> None:
    own = model()
    predict_film(own.film(facts, range(start, stop)))
    assert own.pose.seen == posed  # from the part's beginning to the end of the last batch
    assert own.detector.seen <= posed + 6 + 3 * 4  # warm-up, look-ahead, and what is decoded ahead


def test_the_log_counts_the_frames_that_are_asked_for(facts, caplog) -> None:
    caplog.set_level("INFO", "lightning_pose")
    predict_film(model().film(facts, range(20, 40)))
    told = [record.getMessage().split(": ")[1] for record in caplog.records if " frames" in record.message]
    assert told == ["12 of 20 frames", "20 of 20 frames"]


class Killed(Exception):
    """Takes the place of a power cut."""


def interrupted(own, frames):
    """Let the pose model of a cropzoom model die once it has seen some frames."""
    predict = own.pose.predict_batch

    def dying(images, sizes):
        if own.pose.seen >= frames:
            raise Killed
        return predict(images, sizes)

    own.pose.predict_batch = dying
    return own


@pytest.mark.parametrize("frames", [3, 20, 45, 58])
def test_an_interrupted_run_goes_on_where_it_was(facts, tmp_path, frames) -> None:
    expected, boxes = predict_film(model().film(facts))
    csv, first = tmp_path / "predictions.csv", interrupted(model(), frames)
    film = first.film(facts)
    with pytest.raises(Killed):
        predict_film(film, store_beside(film, csv))
    again = model()
    film = again.film(facts)
    found, placed = predict_film(film, store_beside(film, csv))
    np.testing.assert_array_equal(found.keypoints_px, expected.keypoints_px)
    np.testing.assert_array_equal(placed.xywh_px, boxes.xywh_px)
    assert placed.status == boxes.status
    np.testing.assert_array_equal(placed.confidence, boxes.confidence)
    assert again.pose.seen == FRAMES - first.pose.seen // 16 * 16
    assert again.detector.seen <= again.pose.seen + 6 + 4


def test_what_several_interruptions_left_is_used(facts, tmp_path) -> None:
    film = model().film(facts)
    expected, _ = predict_film(film, PartStore(tmp_path, {"a": 1}, FilmParts(FRAMES, 16, 6)))
    (tmp_path / "part_000001.npz").unlink()
    damaged = tmp_path / "part_000003.npz"
    damaged.write_bytes(damaged.read_bytes()[:200])
    again = model()
    found, _ = predict_film(again.film(facts), PartStore(tmp_path, {"a": 1}, FilmParts(FRAMES, 16, 6)))
    np.testing.assert_array_equal(found.keypoints_px, expected.keypoints_px)
    assert again.pose.seen == 16 + 12


def test_parts_of_something_else_are_not_used(facts, tmp_path, caplog) -> None:
    film = model().film(facts)
    predict_film(film, PartStore(tmp_path, {"weights": "a", "boxes": "b"}, FilmParts(FRAMES, 16, 6)))
    again = model()
    predict_film(
        again.film(facts), PartStore(tmp_path, {"weights": "c", "boxes": "b"}, FilmParts(FRAMES, 16, 6))
    )
    assert again.pose.seen == FRAMES
    assert "starting afresh, since this changed: weights" in caplog.text


def test_a_part_depends_on_models_video_and_boxes(facts) -> None:
    own = [model(), model(every=2)]
    origins = [film_run.origin_of_film(one.film(facts)) for one in own]
    assert {key for key in origins[0] if origins[0][key] != origins[1][key]} == {"boxes"}
    assert {"weights of the detector", "weights of the pose model", "the video", "the code"} <= set(
        origins[0]
    )


@pytest.mark.parametrize("kind", ["cropzoom", "single"])
def test_the_command_shares_a_video_among_machines(trained, film, tmp_path, kind) -> None:
    folder = tmp_path / kind
    if kind == "single":
        shutil.copytree(trained.detector, folder)
    else:
        assert trained.run("create_cropzoom", trained.detector, trained.pose, "--output_dir", folder) == 0
    assert trained.run("predict", folder, film[0]) == 0
    own = folder / "video_preds" / "film.mp4"
    names = ("predictions", "bbox") if kind == "cropzoom" else ("predictions",)
    whole = {name: sha256(own / f"{name}.csv") for name in names}
    for frames in ("4:9", ":4", "9:"):
        assert trained.run("predict", folder, film[0], "--frames", frames) == 0
    for name in names:
        parts = [own / f"{name}_{part}.csv" for part in ("9-11", "0-4", "4-9")]
        output = tmp_path / f"{name}.csv"
        assert trained.run("merge", *parts, "--video", film[0], "--output", output) == 0
        assert sha256(output) == whole[name]
    assert not list(own.glob(".*"))


@pytest.mark.parametrize("frames", ["5", "5:5", "7:3", f"0:{COUNT + 1}", "a:b", "-1:3"])
def test_impossible_stretches(trained, film, tmp_path, capsys, frames) -> None:
    assert trained.run("predict", trained.detector, film[0], f"--frames={frames}") == 2
    assert f"--frames: expected start:stop within 0:{COUNT}" in capsys.readouterr().err


def test_stretches_make_no_boxes_of_whole_videos(trained, film, capsys) -> None:
    assert trained.run("predict", trained.detector, film[0], "--frames", "0:4", "--detector_mode") == 2
    assert "--frames: expected none with --detector_mode" in capsys.readouterr().err
