"""The gallery on the disk: complete, incremental, or not there."""

import base64
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.evaluation.gallery.pictures import LEAST_PX, region_of
from lightning_pose.io.predictions import read_predictions, write_predictions
from tests.unit.evaluation.gallery.made_up import SIZE, MadeUp, write_image


def manifest(made: MadeUp) -> dict:
    return json.loads((made.folder / "gallery" / "manifest.json").read_text())["frames"]


def pictures(made: MadeUp) -> dict[Path, int]:
    """Return the time at which each picture was written."""
    return {path: path.stat().st_mtime_ns for path in (made.folder / "gallery").glob("*/*.jpg")}


def age(made: MadeUp) -> None:
    """Make the pictures old, so that a new one is told by its time."""
    for path in pictures(made):
        os.utime(path, (1, 1))


def test_everything_is_there_and_shows_the_frame(results) -> None:
    assert main(results.arguments()) == 0
    folder = results.folder / "gallery"
    assert (folder / "index.html").is_file() and len(pictures(results)) == 2 * 15
    entry = manifest(results)["day 2/img004.png"]
    frame = cv2.imread(str(folder / "frames" / entry["frame"]))
    assert frame.shape == (SIZE[1], SIZE[0], 3) and entry["size"] == list(SIZE)
    x, y = np.round(results.ood.keypoints_px[4, 1]).astype(int)
    assert frame[y, x, 2] > 180 and frame[5, 5, 2] < 90
    # the thumbnail has the same disc where its region says
    left, top, side = entry["region"]
    thumb = cv2.imread(str(folder / "thumbs" / entry["thumb"]))
    u, v = (round((value + 0.5) * thumb.shape[0] / side - 0.5) for value in (x - left, y - top))
    assert thumb[v, u, 2] > 180


def test_one_changed_frame_redraws_that_frame(results, caplog) -> None:
    assert main(results.arguments()) == 0
    before = manifest(results)
    age(results)
    write_image(results.folder / "day 2/img004.png", results.ood.keypoints_px[4], brightness=120)
    assert main(results.arguments()) == 0
    after = manifest(results)
    assert [path for path in after if after[path] != before[path]] == ["day 2/img004.png"]
    assert sum(time > 10**9 for time in pictures(results).values()) == 2
    assert len(pictures(results)) == 2 * 15  # the old ones are gone


def test_other_predictions_redraw_no_picture(results) -> None:
    assert main(results.arguments()) == 0
    data = (results.folder / "gallery" / "data.js").read_text()
    age(results)
    path = results.folder / "single_0" / "ood.csv"
    own = read_predictions(path)
    own.keypoints_px[:] += 1
    write_predictions(own, path)
    assert main(results.arguments()) == 0
    assert max(pictures(results).values()) <= 10**9
    assert (results.folder / "gallery" / "data.js").read_text() != data


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"half")])
def test_a_damaged_picture_is_drawn_again(results, damage) -> None:
    assert main(results.arguments()) == 0
    path = results.folder / "gallery" / "frames" / manifest(results)["day 1/img001.png"]["frame"]
    whole = path.read_bytes()
    damage(path)
    assert main(results.arguments()) == 0
    assert path.read_bytes() == whole


def test_a_damaged_manifest_means_that_all_is_drawn_again(results) -> None:
    assert main(results.arguments()) == 0
    (results.folder / "gallery" / "manifest.json").write_text("{")
    assert main(results.arguments()) == 0
    assert len(manifest(results)) == 15


def test_the_error_of_the_mean_is_exact_wherever_it_lies(results) -> None:
    for seed in "01":
        path = results.folder / f"single_{seed}" / "ood.csv"
        own = read_predictions(path)
        # apart by less than positions tell, and far beyond what they tell
        own.keypoints_px[:] = np.nan_to_num(results.ood.keypoints_px) + [0.003 + 0.002 * int(seed), 0]
        own.keypoints_px[1] += [5000, 0]
        own.keypoints_px[2, 1] = np.nan if seed == "1" else own.keypoints_px[2, 1]
        write_predictions(own, path)
    assert main(results.arguments()) == 0
    text = (results.folder / "gallery" / "data.js").read_text()
    data = json.loads(text.removeprefix("window.galleryData = ").rstrip(";\n"))
    found = np.frombuffer(base64.b64decode(data["meanErrors"]), "<f4").reshape(2, 15, 3)[0, 6:]
    expected = np.full((9, 3), 0.004)
    expected[1], expected[2, 1] = 5000.004, 0.003
    expected[0, 2] = np.nan  # not labelled
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


def test_large_frames_are_scaled_down(results) -> None:
    assert main([*results.arguments(), "--largest_side", "80"]) == 0
    entry = manifest(results)["day 2/img004.png"]
    frame = cv2.imread(str(results.folder / "gallery" / "frames" / entry["frame"]))
    assert frame.shape[:2] == (60, 80) and entry["size"] == list(SIZE)


def test_every_broken_image_is_named_and_the_page_stays_as_it_was(results, capsys) -> None:
    assert main(results.arguments()) == 0
    before = {path: path.read_bytes() for path in (results.folder / "gallery").iterdir() if path.is_file()}
    (results.folder / "day 1/img001.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (results.folder / "day 2/img002.png").unlink()
    assert main(results.arguments()) == 2
    told = capsys.readouterr().err
    assert "img001.png: expected a whole image, found a truncated file" in told
    assert "img002.png: expected an image, found no such file" in told
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--output", "gallery.html"], "--output: expected a file named index.html, found gallery.html"),
        (["--largest_side", "8"], "--largest_side: expected 64 pixels or more, found 8"),
        (["--colors", "single=red"], "--colors: expected KIND=#rrggbb, found single=red"),
        (["--config", "no.yaml"], "no.yaml"),
    ],
)
def test_wrong_options_are_refused_in_one_line(results, capsys, arguments, told) -> None:
    assert main([*results.arguments(), *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("litpose")]
    assert len(lines) == 1 and told in lines[0]
    assert not (results.folder / "gallery").exists()


def test_the_region_of_a_thumbnail_is_a_square_around_the_labels() -> None:
    labels = np.array([[100.0, 40.0], [200.0, 60.0], [np.nan, np.nan]])
    x, y, side = region_of(labels)
    assert side == 180
    assert x + (side - 1) / 2 == pytest.approx(150, abs=0.5)
    assert y + (side - 1) / 2 == pytest.approx(50, abs=0.5)
    assert region_of(np.full((3, 2), np.nan)) is None
    assert region_of(np.array([[5.0, 5.0], [6.0, 6.0]]))[2] == LEAST_PX
