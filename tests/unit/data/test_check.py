"""Everything wrong with a data set is found, and all at once."""

import json

import numpy as np
import pytest
from PIL import Image

from lightning_pose.data.check import check_dataset
from lightning_pose.data.context import context_paths
from lightning_pose.io.labels import write_labels
from lightning_pose.types import Labels

NAMES = ["beak", "tail"]


def write(folder, paths, name="a.csv", names=NAMES, xy=5.0):
    write_labels(Labels(list(paths), names, np.full((len(paths), len(names), 2), xy)), folder / name)
    return folder / name


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8)
    for name in ("0.png", "1.jpg", "2.bmp"):
        Image.fromarray(noise).save(folder / name)
    Image.fromarray(noise).save(folder / "named_wrong.jpg", format="PNG")
    return folder


def found(data_dir, *files, names=NAMES):
    return [str(problem) for problem in check_dataset(data_dir, list(files), names)]


def test_good_data_has_no_problems(data_dir):
    csv = write(data_dir, ["0.png", "1.jpg", "2.bmp", "named_wrong.jpg"])
    assert found(data_dir, csv) == [] and found(data_dir, csv, names=None) == []


@pytest.mark.parametrize("path", ["./s/0.png", "s//0.png", "s/./0.png", ".\\s\\0.png"])
def test_an_image_that_another_csv_names_in_another_way(data_dir, path):
    (data_dir / "s").mkdir()
    (data_dir / "0.png").rename(data_dir / "s" / "0.png")
    (problem,) = found(data_dir, write(data_dir, ["s/0.png"]), write(data_dir, [path], "b.csv"))
    assert "b.csv, row 4: expected each image once, found s/0.png of a.csv, row 4 again" in problem


@pytest.mark.parametrize(
    ("path", "words"),
    [("none.png", "no such file"), ("../x.png", "inside"), ("/x.png", "inside"), ("link.png", "inside")],
)
def test_bad_paths(data_dir, path, words):
    Image.new("L", (9, 9)).save(data_dir.parent / "x.png")
    (data_dir / "link.png").symlink_to(data_dir.parent / "x.png")
    (problem,) = found(data_dir, write(data_dir, ["0.png", path]))
    assert "a.csv, row 5" in problem and words in problem


@pytest.mark.parametrize("name", ["0.png", "1.jpg", "2.bmp", "named_wrong.jpg"])
@pytest.mark.parametrize("share", [0, 0.5, 0.95])
def test_damaged_images(data_dir, name, share):
    content = (data_dir / name).read_bytes()
    (data_dir / name).write_bytes(content[: int(len(content) * share)])
    (problem,) = found(data_dir, write(data_dir, [name]))
    assert name in problem


def test_what_a_training_cannot_read_is_named(data_dir):
    content = bytearray((data_dir / "0.png").read_bytes())
    content[len(content) // 2] ^= 255
    (data_dir / "0.png").write_bytes(content)
    Image.fromarray(np.zeros((80, 100), np.float32)).save(data_dir / "float.tif")
    flipped, kind = found(data_dir, write(data_dir, ["0.png", "float.tif"]))
    assert "0.png: expected a whole image, found a damaged file" in flipped and "float.tif" in kind


@pytest.mark.parametrize(("x", "count"), [(109, 0), (111, 1), (-9, 0), (-11, 1)])
def test_labels_outside_the_image(data_dir, x, count):
    keypoints = np.array([[[x, 5.0], [np.nan, np.nan]]])
    write_labels(Labels(["0.png"], NAMES, keypoints), data_dir / "a.csv")
    assert len(found(data_dir, data_dir / "a.csv")) == count


@pytest.mark.parametrize("given", [[np.nan, 5.0], [5.0, np.nan]])
def test_half_a_label_is_named(data_dir, given):
    write_labels(Labels(["0.png"], NAMES, np.array([[[1.0, 2.0], given]])), data_dir / "a.csv")
    (problem,) = found(data_dir, data_dir / "a.csv")
    assert "a.csv, row 4, tail: expected x and y, or neither, found one of them" in problem


def test_duplicates_and_headers(data_dir):
    first = write(data_dir, ["0.png", "0.png"])
    other = write(data_dir, ["0.png"], "b.csv", ["beak", "wing"])
    assert any("row 5" in text and "row 4 again" in text for text in found(data_dir, first))
    (problem,) = found(data_dir, other)
    assert "no tail" in problem and "unknown wing" in problem
    assert any("b.csv, header" in text for text in found(data_dir, first, other, names=None))


@pytest.mark.parametrize("name", ["a${b}", "${HOME}", ""])
def test_names_that_configs_cannot_hold(data_dir, name):
    csv = write(data_dir, ["0.png"], names=[name, "$HOME {b}"])
    problems = found(data_dir, csv, names=None)
    assert sum("which begins a reference in configs" in text for text in problems) == 1


def test_everything_is_listed_together(data_dir):
    (data_dir / "empty.csv").write_text("")
    (data_dir / "text.csv").write_text(
        "scorer,s,s,s,s\nbodyparts,beak,beak,tail,tail\ncoords,x,y,x,y\n0.png,a,1,b,1\n1.jpg,1,1\n"
    )
    bad = write(data_dir, ["none.png", "0.png", "0.png"], xy=500)
    problems = found(data_dir, data_dir / "empty.csv", data_dir / "text.csv", bad, data_dir / "no.csv")
    assert len(problems) == 1 + 3 + (1 + 1 + 4) + 1


def test_a_missing_folder(tmp_path):
    assert "data_dir" in found(tmp_path / "none")[0]


def test_context_paths():
    assert context_paths("s1/img0010.jpg") == [f"s1/img{i:04d}.jpg" for i in (8, 9, 11, 12)]
    assert context_paths("s1/img0001.jpg") is None and context_paths("bird.png") is None


def test_labels_outside_a_crop_are_no_mistake(data_dir):
    csv = write(data_dir, ["0.png"], "cropped_a.csv", xy=500)
    assert len(found(data_dir, csv)) == 2
    (data_dir / "crops.json").write_text(
        '{"crops": {}, "crop_size": [64, 64], "source": "a.csv", "images_dir": "."}'
    )
    assert found(data_dir, csv) == []


def test_crops_of_other_boxes_are_named(data_dir):
    csv = write(data_dir, ["0.png"], "cropped_a.csv")
    entry = {"files": {"0.png": (data_dir / "0.png").stat().st_size + 1}}
    content = {"crops": {"0.jpg": entry}, "crop_size": [64, 64], "source": "a.csv", "images_dir": "."}
    (data_dir / "crops.json").write_text(json.dumps(content))
    (problem,) = found(data_dir, csv)
    assert "0.png: expected the crop that" in problem


def test_an_image_of_two_sets_is_named(data_dir):
    one, other = write(data_dir, ["0.png", "1.jpg"]), write(data_dir, ["2.bmp", "1.jpg"], "b.csv")
    (problem,) = found(data_dir, one, other)
    assert "b.csv, row 5" in problem and "1.jpg of a.csv, row 5 again" in problem


@pytest.mark.parametrize("neighbour", [None, "img0009.png", "img0012.png", "img0010.context.png"])
def test_a_context_model_needs_context(data_dir, neighbour):
    """No image with any is refused; a few without are not."""
    for name in ("img0010.png", "img0020.png", neighbour):
        if name:
            (data_dir / name).write_bytes((data_dir / "0.png").read_bytes())
    csv = write(data_dir, ["img0010.png", "img0020.png"])
    assert found(data_dir, csv) == []
    problems = [str(problem) for problem in check_dataset(data_dir, [csv], NAMES, needs_context=True)]
    if neighbour:
        assert problems == []
    else:
        (problem,) = problems
        assert str(csv) in problem and "such as img0011.png" in problem and "none for any of 2" in problem


def test_damaged_context_is_named(data_dir):
    content = (data_dir / "0.png").read_bytes()
    for name, size in (("img0010.png", None), ("img0011.png", -99), ("img0012.png", None)):
        (data_dir / name).write_bytes(content[:size])
    csv = write(data_dir, ["img0010.png"])
    assert found(data_dir, csv) == []
    (problem,) = check_dataset(data_dir, [csv], NAMES, needs_context=True)
    assert str(problem) == (
        f"{csv}, context of its images, img0011.png: expected a whole image, found a truncated file"
    )
