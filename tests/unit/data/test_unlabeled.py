"""Sequences of unlabelled video: the same for the same step, and mapped back to the frame exactly."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.data import unlabeled
from lightning_pose.data.augmentation import PIPELINES, Augmentation
from lightning_pose.data.clips import ClipFacts, find_clips, find_video_boxes, read_video_boxes
from lightning_pose.data.unlabeled import UnlabeledSequences, box_matrices, sequence_loader, to_frame_px
from lightning_pose.geometry.crop_space import crop_to_frame
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.video_facts import probe_video
from lightning_pose.settings import DataSettings, ModelSettings, Settings
from lightning_pose.types import Boxes, UserError
from tests.unit.io.films import HEIGHT, SIDE, WIDTH, number_of, place, write_film

COUNT = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "videos" / "a.mp4", COUNT, "libx264")


def sequences(film, boxes=None, **options) -> UnlabeledSequences:
    own = {"height": 64, "width": 96, "length": 5} | options
    return UnlabeledSequences([ClipFacts(probe_video(film), boxes)], **own)


def moving_boxes() -> np.ndarray:
    """Boxes that follow the square, of sizes that change."""
    corners = np.array([place(number) for number in range(COUNT)], float)
    return np.column_stack([corners - 14, 40 + np.arange(COUNT) % 7, 40 + np.arange(COUNT) % 5])


def square_center(image: torch.Tensor) -> np.ndarray:
    """Return where the square is in an image (3, H, W), weighted by brightness."""
    grey = np.clip(image.float().mean(0).numpy() - 190, 0, None)
    rows, columns = np.indices(grey.shape)
    return np.array([(grey * columns).sum(), (grey * rows).sum()]) / max(grey.sum(), 1)


def test_frames_are_consecutive_and_whole(film) -> None:
    sample = sequences(film)[3]
    assert sample["images"].shape == (5, 3, 64, 96)
    start = int(sample["start"])
    numbers = [number_of(image.permute(1, 2, 0).numpy()) for image in sample["images"]]
    assert numbers == pytest.approx(range(start, start + 5), abs=1)
    torch.testing.assert_close(sample["model_to_frame"], torch.eye(3).expand(5, 3, 3))


@pytest.mark.parametrize("size", [(64, 96), (128, 128), (32, 96)])
@pytest.mark.parametrize("boxes", [None, moving_boxes()], ids=["whole frames", "moving boxes"])
@pytest.mark.parametrize(
    "augmentation", [None, Augmentation(rotation=20, scale=1.2, shift=0.05), PIPELINES["dlc-lr"]]
)
def test_the_square_is_mapped_back_to_where_it_was_filmed(film, size, boxes, augmentation) -> None:
    if augmentation is not None:
        augmentation = replace(augmentation, cutout=0, noise=0, brightness=0, contrast=0, color=0)
    own = sequences(film, boxes, height=size[0], width=size[1], augmentation=augmentation)
    compared = 0
    for step in range(4):
        sample = own[step]
        found = np.stack([square_center(image) for image in sample["images"]])
        frame_px = to_frame_px(torch.from_numpy(found)[:, None].float(), sample["model_to_frame"])[:, 0]
        start = int(sample["start"])
        expected = np.array([place(number) for number in range(start, start + 5)]) + (SIDE - 1) / 2
        inside = ((found > 12) & (found < np.array(size[::-1]) - 13)).all(-1)  # not cut by the border
        compared += int(inside.sum())
        assert np.abs(frame_px.numpy() - expected)[inside].max(initial=0) < 1
    assert compared > 5


@given(
    st.tuples(*[st.floats(-500, 2000)] * 2, *[st.floats(8, 900)] * 2),
    st.tuples(st.integers(1, 16), st.integers(1, 16)),
)
def test_box_matrices_are_the_map_of_crops(box, cells) -> None:
    size = (32 * cells[0], 32 * cells[1])
    points = np.random.default_rng(0).uniform(0, 500, (1, 4, 2))
    boxes = np.array([box])
    found = to_frame_px(torch.from_numpy(points), torch.from_numpy(box_matrices(boxes, size)))
    np.testing.assert_allclose(found.numpy(), crop_to_frame(points, boxes, size), atol=1e-9)


def test_a_sample_depends_on_the_seed_and_the_step_alone(film) -> None:
    options = {"augmentation": PIPELINES["dlc"], "seed": 3}
    first, again = sequences(film, **options), sequences(film, **options)
    again[9], again[1]  # in another order
    for step in (0, 5, 1):
        torch.testing.assert_close(first[step], again[step], rtol=0, atol=0)
    other = sequences(film, augmentation=PIPELINES["dlc"], seed=4)
    assert any(int(other[step]["start"]) != int(first[step]["start"]) for step in range(5))


def test_frames_that_do_not_fit_into_memory_are_read_when_needed(film, monkeypatch) -> None:
    kept = sequences(film, moving_boxes())
    monkeypatch.setattr(unlabeled, "CACHE_BYTES", 0)
    read = sequences(film, moving_boxes())
    for step in range(6):
        torch.testing.assert_close(kept[step], read[step], rtol=0, atol=0)
    assert read.clips[0]._kept is None and kept.clips[0]._kept is not None


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_going_on_change_nothing(film, workers) -> None:
    own = sequences(film, augmentation=PIPELINES["dlc"])
    whole = [own[step] for step in range(6)]
    loader = sequence_loader(own, range(2, 6), workers)
    assert len(loader) == 4
    for expected, found in zip(whole[2:], loader, strict=True):
        torch.testing.assert_close(found["images"], expected["images"], rtol=0, atol=0)


def test_all_videos_are_drawn_from(film, tmp_path) -> None:
    other = write_film(tmp_path / "b.mp4", 6)
    own = UnlabeledSequences([ClipFacts(probe_video(path)) for path in (film, other)], 32, 32, 5)
    assert len(own) == (COUNT - 4) + 2
    drawn = {(int(own[step]["clip"]), int(own[step]["start"])) for step in range(300)}
    assert drawn == {(0, start) for start in range(COUNT - 4)} | {(1, 0), (1, 1)}


def test_a_dataset_travels_to_workers(film) -> None:
    own = sequences(film)
    torch.testing.assert_close(pickle.loads(pickle.dumps(own))[2], own[2])


def test_all_frames_of_a_sequence_go_through_the_same_draw(tmp_path, monkeypatch) -> None:
    still = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    cv2.circle(still, (40, 30), 9, (200, 30, 30), -1)
    monkeypatch.setattr("tests.unit.io.films.draw", lambda _: still)
    own = sequences(write_film(tmp_path / "a.avi", 8, "mjpeg"), augmentation=PIPELINES["dlc"])
    images = own[0]["images"]
    assert (images == images[:1]).all()


def training(film, **data) -> Settings:
    settings = Settings(
        data=DataSettings(video_dir=str(film), data_dir=str(film.parents[1]), **data),
        model=ModelSettings(losses_to_use=["temporal"]),
    )
    settings.dali.base.train.sequence_length = 8
    return settings


def write_boxes(folder, count=COUNT, first=0):
    xywh = np.tile([1.0, 2.0, 30.0, 30.0], (count, 1))
    write_bboxes(Boxes(list(range(first, first + count)), xywh), folder / "a.mp4" / "bbox.csv")


def test_clips_come_with_their_boxes(film, tmp_path) -> None:
    assert find_clips(training(film))[0].xywh_px is None
    write_boxes(tmp_path)
    clips = find_clips(training(film, bbox_dir=str(tmp_path)))
    np.testing.assert_array_equal(clips[0].xywh_px[3], [1, 2, 30, 30])


@pytest.mark.parametrize(
    ("count", "first", "found"), [(29, 0, "29 rows, 0 to 28"), (30, 1, "30 rows, 1 to 30"), (0, 0, "none")]
)
def test_boxes_of_another_video_are_refused(film, tmp_path, count, first, found) -> None:
    write_boxes(tmp_path, count, first)
    with pytest.raises(UserError, match=rf"a row for each of the frames 0 to 29 of .*{found}"):
        find_clips(training(film, bbox_dir=str(tmp_path)))


def test_missing_boxes_are_named(film, tmp_path) -> None:
    names = r"a\.mp4/bbox\.csv, a/bbox\.csv, a_bbox\.csv"
    with pytest.raises(UserError, match=rf"{tmp_path}: expected the boxes of .*{names}, found none"):
        find_clips(training(film, bbox_dir=str(tmp_path)))


@pytest.mark.parametrize("name", ["a.mp4/bbox.csv", "a/bbox.csv", "a_bbox.csv"])
def test_boxes_of_other_tools_are_found_by_the_videos_name(film, tmp_path, name) -> None:
    path = tmp_path / name
    write_bboxes(Boxes(list(range(COUNT)), np.tile([1.0, 2, 30, 30], (COUNT, 1))), path)
    assert find_video_boxes(tmp_path, film) == path
    if path.parent != tmp_path:
        write_bboxes(Boxes([0], np.ones((1, 4))), tmp_path / "a_bbox.csv")
        with pytest.raises(UserError, match=rf"found {name} and a_bbox\.csv"):
            find_video_boxes(tmp_path, film)


def spoiled(row: int, text: str) -> list[str]:
    lines = [f"{number},1,2,30,30" for number in range(COUNT)]
    lines[row] = text
    return lines


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (spoiled(3, "3,1,nan,30,30"), "row 5 (3): expected numbers x, y, h, w, found 1,nan,30,30"),
        (spoiled(3, "3,1,2,thirty,30"), "row 5 (3): expected numbers x, y, h, w, found 1,2,thirty,30"),
        (spoiled(3, "3,1,2,-30,30"), "row 5 (3): expected h and w above 0, found h=-30, w=30"),
        (spoiled(3, "3,1,2,inf,30"), "row 5 (3): expected numbers"),
        (spoiled(3, "4,1,2,30,30"), "row 6: expected each image or frame once, found 4 of row 5 again"),
        (spoiled(3, "31,1,2,30,30"), "row 5: expected frame 3, and a row for each"),
        (spoiled(3, "3,1,2,99999,30"), "row 5: expected h and w up to"),
        (spoiled(29, ""), "row 31: expected frame 29, and a row for each"),
        ([*spoiled(0, "0,1,2,30,30"), "30,1,2,30,30"], "row 32: expected the end of the file"),
        (["img0.png,1,2,30,30"], "row 2: expected frame 0, and a row for each"),
        ([f"{number},1,2,0,30" for number in range(COUNT)], "h=0, w=30 (and 29 more like it)"),
    ],
)
def test_one_line_names_the_row_that_is_amiss(film, tmp_path, lines, message) -> None:
    path = tmp_path / "a_bbox.csv"
    path.write_text("\n".join([",x,y,h,w", *lines]) + "\n")
    with pytest.raises(UserError) as caught:
        read_video_boxes(path, probe_video(film))
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(f"{path}, row ")
    assert message in str(caught.value)


def test_every_bad_video_is_named_at_once(film, tmp_path) -> None:
    (tmp_path / "empty.mp4").touch()
    write_film(tmp_path / "short.mp4", 7)
    write_film(tmp_path / "uneven.mp4", 12, times=[*range(6), *range(9, 15)])
    whole = write_film(tmp_path / "cut.mp4", 60).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:
        find_clips(training(tmp_path))
    message = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "short.mp4: expected at least 8 frames (dali.base.train.sequence_length), found 7" in message
    for text in ("empty file", "constant frame rate", "truncated"):
        assert text in message
