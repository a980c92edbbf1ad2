"""Crops show what the geometry says, and only stale ones are made anew."""

import logging

import cv2
import numpy as np
import pytest

from lightning_pose.data.context import find_context
from lightning_pose.data.crops import crop_labeled_images
from lightning_pose.data.cut import crop_image
from lightning_pose.geometry.crop_space import frame_to_crop
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.crop_manifest import damaged_crops, read_manifest
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.types import Boxes, Labels, UserError

HEIGHT, WIDTH = 96, 128


def blob(x: float, y: float, sigma: float = 4.0) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    bell = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.round(250 * bell)[..., None], 3, -1).astype(np.uint8)


def center_of_light(image: np.ndarray) -> np.ndarray:
    light = image[..., 0].astype(float)
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


BOXES = [
    (30, 20, 60, 60),
    (20, 10, 71, 71),  # odd
    (-40, -60, 200, 200),  # beyond the frame on all sides
    (40, 25, 40, 40),
    (30.4, 19.7, 60.3, 61.2),  # fractions, growing and shrinking
    (-20.5, -33.25, 150.5, 150.5),
    (20, 5, 90, 70),  # not square
]


@pytest.mark.parametrize("crop_hw", [(64, 64), (128, 128), (33, 47), (200, 30), (256, 256)], ids=str)
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_a_spot_lands_where_the_geometry_says(box, crop_hw) -> None:
    spot = np.array([60.3, 45.8])
    seen = center_of_light(crop_image(blob(*spot, sigma=3.0), box, crop_hw))
    expected = frame_to_crop(spot[None, None], np.array([box]), crop_hw)[0, 0]
    off_frame_px = (seen - expected) * np.array(box[2:]) / np.array(crop_hw[::-1])
    assert np.abs(off_frame_px).max() < 0.1


def test_a_crop_of_the_boxs_own_size_is_a_copy_with_black_beyond_the_frame() -> None:
    image = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    crop = crop_image(image, (-5, 90, 20, 20), (20, 20))
    np.testing.assert_array_equal(crop[:6, 5:], image[90:, :15])
    assert not crop[6:].any() and not crop[:, :5].any()


@pytest.mark.parametrize("box", [(500, 0, 10, 10), (-10, 0, 10, 10), (0, -900.5, 10, 10.5)], ids=str)
def test_a_box_wholly_outside_is_black(box) -> None:
    assert not crop_image(blob(60, 45), box, (32, 32)).any()


def test_a_very_small_box_is_enlarged() -> None:
    crop = crop_image(blob(60, 45), (60, 45, 1, 1), (8, 8))
    assert (crop == 250).all()


@pytest.mark.parametrize("box", [(0, 0, 96, 96), (0.5, 0.5, 95, 95)], ids=str)
def test_shrinking_averages(box) -> None:
    """Stripes of one pixel become grey, not stripes of another width."""
    stripes = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crop_image(stripes, box, (12, 12))[1:-1, 1:-1]
    assert np.abs(crop.astype(int) - 127).max() < 20


class Project:
    """Three labelled frames with their context, labels and boxes."""

    def __init__(self, root, frames=(2, 10, 20), context=True):
        self.root, self.data, self.out = root, root / "data", root / "out"
        self.images = self.out / "cropped_images"
        self.names = [f"labeled-data/a/img{number:04d}.jpg" for number in frames]
        for number in frames:
            for near in range(number - 2, number + 3) if context else [number]:
                self.draw(f"labeled-data/a/img{near:04d}.jpg", 40 + near, 50)
        keypoints = np.array([[[40.0 + n, 50], [np.nan, np.nan], [500, 50]] for n in frames])
        visible = np.tile(np.array([2, 0, 1], np.int8), (len(frames), 1))
        write_labels(Labels(self.names, ["beak", "tail", "far"], keypoints, visible), root / "labels.csv")
        self.box([(10 + n, 20, 64, 64) for n in frames])

    def draw(self, name, x, y):
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), blob(x, y), [cv2.IMWRITE_JPEG_QUALITY, 100])

    def box(self, xywh, names=None):
        write_bboxes(Boxes(names or self.names, np.array(xywh, float)), self.root / "bbox.csv")

    @property
    def manifest(self):
        return self.out / "labels.csv" / "crops.json"

    def crop(self, size=(32, 32), jobs=1):
        csv = self.out / "labels.csv" / "cropped_labels.csv"
        return crop_labeled_images(
            self.root / "labels.csv", self.root / "bbox.csv", self.data, self.images, csv, size, jobs
        )


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_labels_follow_into_the_crop(project) -> None:
    project.crop()
    labels = read_labels(project.out / "labels.csv" / "cropped_labels.csv")
    assert labels.image_paths == [name.replace(".jpg", ".png") for name in project.names]
    np.testing.assert_array_equal(labels.visible, [[2, 0, 1]] * 3)
    np.testing.assert_allclose(labels.keypoints_px[:, 0], 3 * [[14.75, 14.75]])
    assert np.isnan(labels.keypoints_px[:, 1]).all()
    assert (labels.keypoints_px[:, 2, 0] > 32).all()  # outside the crop, and still there
    for name, keypoint in zip(labels.image_paths, labels.keypoints_px[:, 0], strict=True):
        crop = cv2.imread(str(project.images / name))
        assert crop.shape == (32, 32, 3)
        assert np.abs(center_of_light(np.where(crop > 20, crop, 0)) - keypoint).max() < 0.2


def test_context_frames_share_the_box_of_their_labelled_frame(project) -> None:
    project.crop()
    stack = cv2.imread(str(project.images / "labeled-data/a/img0010.context.png"))
    assert stack.shape == (4 * 32, 32, 3)
    for place, offset in enumerate((-2, -1, 1, 2)):
        crop = stack[place * 32 : (place + 1) * 32]
        expected = 14.75 + offset / 2
        assert center_of_light(np.where(crop > 20, crop, 0))[0] == pytest.approx(expected, abs=0.2)


def test_the_nearest_frame_stands_for_one_that_is_missing(project, caplog) -> None:
    (project.data / "labeled-data/a/img0008.jpg").unlink()
    (project.data / "labeled-data/a/img0011.jpg").unlink()
    project.crop()
    stack = cv2.imread(str(project.images / "labeled-data/a/img0010.context.png"))
    for place, offset in enumerate((-1, -1, 0, 2)):
        crop = stack[place * 32 : (place + 1) * 32]
        assert center_of_light(np.where(crop > 20, crop, 0))[0] == pytest.approx(14.75 + offset / 2, abs=0.2)
    assert cropped(project, caplog) == 0
    project.draw("labeled-data/a/img0011.jpg", 51, 50)
    assert cropped(project, caplog) == 1


def test_a_frame_without_its_context_has_no_context_file(tmp_path) -> None:
    project = Project(tmp_path, context=False)
    project.crop()
    assert not list(project.images.rglob("*.context.png"))


def test_crops_of_neighbours_that_are_gone_go_too(project) -> None:
    project.crop()
    for number in (8, 9, 11, 12):
        (project.data / f"labeled-data/a/img{number:04d}.jpg").unlink()
    change(project, "box")
    project.crop()
    assert find_context("labeled-data/a/img0010.png", project.images) is None
    assert not damaged_crops(project.manifest)


def cropped(project, caplog, **options):
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="lightning_pose"):
        summary = project.crop(**options)
    assert f"cropped {summary.cropped} of 3 frames, {3 - summary.cropped} unchanged" in caplog.text
    return summary.cropped


def change(project, what):
    name = project.names[1]
    crop = (project.images / name).with_suffix(".png")
    if what == "source":
        project.draw(name, 90, 30)
    elif what == "context":
        project.draw("labeled-data/a/img0011.jpg", 90, 30)
    elif what == "box":
        project.box([(12, 20, 64, 64), (21, 20, 64, 64), (30, 20, 64, 64)])
    elif what == "missing":
        crop.unlink()
    elif what == "truncated":
        crop.write_bytes(crop.read_bytes()[:50])
    elif what == "damaged":
        content = bytearray(crop.read_bytes())
        content[60] ^= 255
        crop.write_bytes(content)
    elif what == "touched":
        (project.data / name).touch()
    elif what == "manifest":
        project.manifest.write_text("{")


CHANGES = [("nothing", 0), ("source", 1), ("context", 1), ("box", 1), ("missing", 1), ("truncated", 1),
           ("damaged", 1), ("touched", 0), ("manifest", 3)]  # fmt: skip


@pytest.mark.parametrize(("what", "count"), CHANGES)
def test_only_stale_crops_are_made_anew(project, caplog, what, count) -> None:
    assert cropped(project, caplog) == 3
    before = read_manifest(project.manifest)
    change(project, what)
    assert cropped(project, caplog) == count
    assert not damaged_crops(project.manifest)
    if what in ("missing", "truncated", "damaged", "manifest"):
        assert read_manifest(project.manifest) == before
    assert cropped(project, caplog) == 0


def test_one_broken_image_leaves_all_crops_as_they_were(project) -> None:
    project.crop()
    files = [path for path in project.out.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    change(project, "box")
    broken = project.data / "labeled-data/a/img0022.jpg"  # context of the last frame
    broken.write_bytes(broken.read_bytes()[:99])
    with pytest.raises(UserError, match="truncated"):
        project.crop()
    after = [path for path in project.out.rglob("*") if path.is_file()]
    assert {path: path.read_bytes() for path in after} == before


def test_another_crop_size_makes_all_anew(project, caplog) -> None:
    project.crop()
    assert cropped(project, caplog, size=(48, 32)) == 3


def test_other_code_makes_all_anew(project, caplog, monkeypatch) -> None:
    project.crop()
    monkeypatch.setattr("lightning_pose.data.crops.fingerprint", lambda module, *left_out: "other")
    assert cropped(project, caplog) == 3
    assert cropped(project, caplog) == 0


@pytest.mark.parametrize(("what", "count"), [("nothing", 0), ("missing", 1), ("truncated", 1)])
def test_damaged_crops_are_seen_without_reading_them(project, what, count) -> None:
    project.crop()
    change(project, what)
    assert len(damaged_crops(project.manifest)) == count


def test_processes_make_the_same_files(tmp_path) -> None:
    frames = range(2, 200, 6)
    one, two = Project(tmp_path / "one", frames), Project(tmp_path / "two", frames)
    one.crop(jobs=1), two.crop(jobs=2)
    files = sorted(path.relative_to(one.out) for path in one.out.rglob("*.*") if path.is_file())
    assert len(files) == 2 * len(frames) + 2
    for file in files:
        assert (one.out / file).read_bytes() == (two.out / file).read_bytes()


def test_a_box_outside_the_frame_is_warned_of(project, caplog) -> None:
    project.box([(10, 20, 64, 64), (1000, 20, 64, 64), (30, 20, 64, 64)])
    project.crop()
    assert "img0010.jpg" in caplog.text and "black" in caplog.text


def spoil(project, what):
    first, second, third = project.names
    square = [(10, 20, 64, 64)] * 3
    path = project.data / second
    if what == "missing image":
        path.unlink()
    elif what == "text for an image":
        path.write_text("no image")
    elif what == "empty image":
        path.write_bytes(b"")
    elif what == "truncated image":
        path.write_bytes(path.read_bytes()[:-200])
    elif what == "other rows":
        project.box(square, [first, second, "labeled-data/b/img0020.jpg"])
    elif what == "missing row":
        project.box(square[:2], [first, second])
    elif what == "frame numbers":
        project.box(square, [0, 1, 2])
    elif what == "huge box":
        project.box([square[0], (0, 0, 1e6, 1e6), square[2]])
    elif what == "NaN box":
        project.box([square[0], (np.nan, 0, 10, 10), square[2]])
    elif what == "zero box":
        project.box([square[0], (0, 0, 0, 10), square[2]])
    else:
        bad = {"leaves the folder": "../x.jpg", "one crop file for two": first.replace(".jpg", ".png"),
               "same row twice": first}[what]  # fmt: skip
        write_labels(Labels([first, bad, third], ["beak"], np.zeros((3, 1, 2))), project.root / "labels.csv")
        project.box(square, None if bad == first else [first, bad, third])


BAD = {
    "missing image": "img0010.jpg: expected an image",
    "text for an image": "img0010.jpg: expected an image",
    "empty image": "img0010.jpg: expected an image",
    "truncated image": "img0010.jpg: expected a whole image",
    "other rows": r"row 4: expected an image of .*labels.csv, found labeled-data/b/img0020.jpg",
    "missing row": "expected a box for labeled-data/a/img0020.jpg",
    "frame numbers": "expected a box for labeled-data/a/img0002.jpg",
    "huge box": "expected at most 512 px a side",
    "NaN box": "row 3 .*expected numbers",
    "zero box": "row 3 .*h and w above 0",
    "leaves the folder": "row 5: expected an image path inside",
    "one crop file for two": "row 5 .*expected a crop file of its own",
    "same row twice": "row 5 .*expected a crop file of its own",
}


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_named_and_leaves_nothing_half_written(project, what, again) -> None:
    csv = project.out / "labels.csv" / "cropped_labels.csv"
    if again:
        project.crop()
    before = [path.read_bytes() if path.exists() else None for path in (project.manifest, csv)]
    spoil(project, what)
    with pytest.raises(UserError, match=BAD[what]):
        project.crop()
    assert [path.read_bytes() if path.exists() else None for path in (project.manifest, csv)] == before
    assert not list(project.root.rglob("*.tmp*"))


def test_every_broken_image_is_named(project) -> None:
    for name in project.names[1:]:
        (project.data / name).write_text("no image")
    with pytest.raises(UserError) as caught:
        project.crop()
    assert len(caught.value.problems) == 2


def test_crops_never_overwrite_their_sources(project) -> None:
    project.images = project.data
    with pytest.raises(UserError, match="another folder than the images'"):
        project.crop()


def test_jobs_below_one_are_refused(project) -> None:
    with pytest.raises(UserError, match="jobs: expected a number above 0"):
        project.crop(jobs=0)
