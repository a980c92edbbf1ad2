"""The demo data: geometry that drawing and labels share, files that are whole and repeat with their seed."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lightning_pose.data.context import context_paths
from lightning_pose.data.demo import write
from lightning_pose.data.demo.bird import KEYPOINT_NAMES, SKELETON, Pose, keypoints
from lightning_pose.data.demo.motion import poses
from lightning_pose.data.demo.render import BEAK, Plumage, draw_bird
from lightning_pose.data.demo.scene import HEIGHT, WIDTH, build_scene
from lightning_pose.data.demo.write import create_demo_data
from lightning_pose.io.labels import read_labels
from lightning_pose.types import Labels, UserError

TINY = {"ind_frames": 12, "ood_frames": 6, "video_frames": 7}
CSVS = ("CollectedData_merged", "CollectedData_merged_new")
GREY = 160


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    create_demo_data(folder, seed=3, jobs=2, **TINY)
    return folder


@pytest.fixture(scope="module")
def film() -> list[Pose]:
    """Every fourth pose of a minute and a half of each of three sessions."""
    scenes = [build_scene(np.random.default_rng(seed), seed == 2) for seed in range(3)]
    return [
        pose
        for seed, scene in enumerate(scenes)
        for pose in islice(poses(scene.perches, np.random.default_rng(seed)), 0, 2700, 4)
    ]


def both(data_dir: Path, name: str) -> tuple[Labels, Labels]:
    return read_labels(data_dir / f"{name}.csv"), read_labels(data_dir / f"{name}_exact.csv")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def drawn(pose: Pose, plumage: Plumage | None = None) -> np.ndarray:
    frame = np.full((300, 300, 3), GREY, np.uint8)
    draw_bird(frame, pose, plumage or Plumage(), light=1.2)
    return frame


def nearest_px(mask: np.ndarray, point: np.ndarray) -> float:
    rows, columns = np.nonzero(mask)
    return float(np.hypot(columns - point[0], rows - point[1]).min(initial=np.inf))


def test_skeleton_joins_all_eighteen_keypoints() -> None:
    assert len(KEYPOINT_NAMES) == len(set(KEYPOINT_NAMES)) == 18
    assert {name for pair in SKELETON for name in pair} == set(KEYPOINT_NAMES)


def test_same_seed_same_bytes_with_any_number_of_jobs(data_dir: Path, tmp_path: Path) -> None:
    create_demo_data(tmp_path, seed=3, jobs=1, **TINY)
    assert contents(tmp_path) == contents(data_dir)


def test_another_seed_gives_other_data(data_dir: Path, tmp_path: Path) -> None:
    create_demo_data(tmp_path, seed=4, jobs=1, ind_frames=1, ood_frames=1, video_frames=0)
    ours, theirs = (read_labels(folder / f"{CSVS[0]}.csv") for folder in (data_dir, tmp_path))
    assert ours.image_paths[0] == theirs.image_paths[0]
    assert not np.allclose(ours.keypoints_px[0], theirs.keypoints_px[0], equal_nan=True)


@pytest.mark.parametrize(("name", "frames", "sessions"), [(CSVS[0], 12, 6), (CSVS[1], 6, 3)])
def test_labels_are_the_exact_positions_within_about_a_pixel(
    data_dir: Path, name: str, frames: int, sessions: int
) -> None:
    labels, exact = both(data_dir, name)
    assert labels.image_paths == exact.image_paths and len(labels.image_paths) == frames
    assert len({path.split("/")[1] for path in labels.image_paths}) == sessions
    error = np.linalg.norm(labels.keypoints_px - exact.keypoints_px, axis=-1)
    assert 0.7 < np.nanmean(error) < 1.3
    np.testing.assert_array_equal(np.isnan(labels.keypoints_px), np.isnan(exact.keypoints_px))
    seen = labels.keypoints_px[~np.isnan(labels.keypoints_px).any(-1)]
    assert (seen >= 0).all() and (seen <= [WIDTH - 1, HEIGHT - 1]).all()


def test_hidden_keypoints_are_empty_cells(data_dir: Path) -> None:
    row = (data_dir / f"{CSVS[0]}.csv").read_text().splitlines()[3].split(",")
    labels = read_labels(data_dir / f"{CSVS[0]}.csv")
    hidden = np.isnan(labels.keypoints_px[0]).all(-1)
    assert hidden.any()
    assert [row[1 + 2 * k] == row[2 + 2 * k] == "" for k in range(18)] == hidden.tolist()


@pytest.mark.parametrize("name", CSVS)
def test_every_labelled_image_has_four_neighbours_of_its_own(data_dir: Path, name: str) -> None:
    images = read_labels(data_dir / f"{name}.csv").image_paths
    every = [path for image in images for path in [image, *context_paths(image)]]
    assert len(every) == len(set(every)) == 5 * len(images)
    for path in every:
        assert cv2.imread(str(data_dir / path)).shape == (HEIGHT, WIDTH, 3)


def test_videos_have_exact_positions_of_every_frame(data_dir: Path) -> None:
    videos = sorted((data_dir / "videos").glob("*.mp4"))
    assert [video.stem[:3] for video in videos] == ["ind", "ind", "ood"]
    for video in videos:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context
            assert (codec.name, codec.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 30)
            assert sum(1 for _ in container.decode(video=0)) == 7
        exact = read_labels(video.with_name(f"{video.stem}_exact.csv"))
        assert exact.image_paths == [str(number) for number in range(7)]


def test_the_bird_is_about_50_to_170_px(film: list[Pose]) -> None:
    sizes = [np.ptp(keypoints(pose)[0], axis=0).max() for pose in film]
    low, high = np.percentile(sizes, [5, 99])
    assert 45 < low < 65 and 130 < high < 180
    assert max(sizes) < 180
    assert min(sizes) > 30  # a far bird, heading for the camera in flight, its legs drawn in


def test_every_seen_keypoint_is_in_the_frame(film: list[Pose]) -> None:
    for pose in film:
        positions, seen = keypoints(pose)
        assert seen.sum() >= 6
        assert (positions[seen] > 3).all() and (positions[seen] < [WIDTH - 4, HEIGHT - 4]).all()


def test_the_bird_turns_all_round_and_flies(film: list[Pose]) -> None:
    headings, _ = np.histogram([pose.yaw % (2 * np.pi) for pose in film], 8, (0, 2 * np.pi))
    assert headings.min() > 0.01 * len(film)
    assert 0.05 < np.mean([pose.wings != 0 for pose in film]) < 0.4


@pytest.mark.parametrize("size", [30, 60, 88])
@pytest.mark.parametrize("yaw", np.linspace(0, 2 * np.pi, 12, endpoint=False))
@pytest.mark.parametrize("head_yaw", [-0.6, 0.0, 0.6])
def test_keypoints_lie_on_what_is_drawn(size: float, yaw: float, head_yaw: float) -> None:
    pose = Pose((150.3, 149.6), size, yaw, pitch=-0.2, head_yaw=head_yaw)
    positions, seen = keypoints(pose)
    bird = (drawn(pose) != GREY).any(-1)
    for name, point in zip(np.array(KEYPOINT_NAMES)[seen], positions[seen], strict=True):
        assert nearest_px(bird, point) <= max(2, 0.05 * size), name


@pytest.mark.parametrize("size", [30, 60, 88])
@pytest.mark.parametrize("yaw", [0.1, 0.5, -0.5, -1.2, np.pi, np.pi + 0.6])
@pytest.mark.parametrize("head", [(0.0, 0.0), (0.5, 0.2), (-0.5, -0.4)])
def test_the_beak_is_drawn_where_its_keypoints_are(
    size: float, yaw: float, head: tuple[float, float]
) -> None:
    white = (250.0, 250.0, 250.0)
    plumage = Plumage(*[white] * 7)  # the beak and the eyes alone are dark
    pose = Pose((150.3, 149.6), size, yaw, head_yaw=head[0], head_pitch=head[1])
    positions, seen = keypoints(pose)
    dark = (drawn(pose, plumage) < np.array(BEAK) + 60).all(-1)
    for name in ("beak_top", "beak_bot"):
        k = KEYPOINT_NAMES.index(name)
        if seen[k]:
            assert nearest_px(dark, positions[k]) <= 2, name


@pytest.mark.parametrize(
    ("yaw", "seen_side"), [(0.0, "right"), (0.7, "right"), (-0.7, "right"), (np.pi, "left"), (2.4, "left")]
)
def test_the_far_side_is_hidden(yaw: float, seen_side: str) -> None:
    _, seen = keypoints(Pose((150, 150), 80, yaw))
    for part in ("eye", "bib", "shoulder"):
        for side in ("left", "right"):
            assert seen[KEYPOINT_NAMES.index(f"{part}_{side}")] == (side == seen_side), (part, side)


def test_from_the_front_both_eyes_and_from_behind_neither() -> None:
    eyes = [KEYPOINT_NAMES.index(name) for name in ("eye_left", "eye_right")]
    front, behind = Pose((150, 150), 80, -np.pi / 2), Pose((150, 150), 80, np.pi / 2)
    assert keypoints(front)[1][eyes].all()
    assert not keypoints(behind)[1][eyes].any()
    assert keypoints(replace(behind, head_yaw=np.pi / 2))[1][eyes].tolist() == [True, False]


def test_motion_blur_leaves_the_background_alone() -> None:
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    frame = stripes.copy()
    draw_bird(frame, Pose((150, 150), 60, 0.0), Plumage(), 1.2, smear_px=(12.0, 5.0))
    positions, _ = keypoints(Pose((150, 150), 60, 0.0))
    far = np.ones((300, 300), bool)
    left, top = (int(value) for value in positions.min(0) - 25)
    right, bottom = (int(value) for value in positions.max(0) + 25)
    far[top:bottom, left:right] = False
    np.testing.assert_array_equal(frame[far], stripes[far])
    assert not np.array_equal(frame, stripes)


def test_backgrounds_differ_between_sessions_and_more_out_of_distribution() -> None:
    def mean_color(out: bool, i: int) -> np.ndarray:
        scene = build_scene(np.random.default_rng((0, int(out), i, 0)), out)
        return (scene.background * scene.lighting).mean((0, 1))

    inside = np.array([mean_color(False, i) for i in range(6)])
    outside = np.array([mean_color(True, i) for i in range(3)])
    assert outside.mean(1).max() < inside.mean(1).min()  # darker
    assert len(np.unique(inside.round(3), axis=0)) == 6


def test_an_interrupted_run_leaves_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_demo_data(tmp_path, jobs=1, ind_frames=1, ood_frames=1, video_frames=0)
    assert len(list(tmp_path.glob("*.csv"))) == 4

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "draw_frame", interrupt)
    with pytest.raises(KeyboardInterrupt):
        create_demo_data(tmp_path, seed=1, jobs=1, ind_frames=1, ood_frames=1, video_frames=0)
    assert not (tmp_path / "CollectedData_merged.csv").exists()
    assert not (tmp_path / "CollectedData_merged_new.csv").exists()


def test_numbers_out_of_range_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        create_demo_data(tmp_path, seed=-1, ind_frames=0, ood_frames=-2, video_frames=-1, jobs=0)
    assert [problem.where for problem in raised.value.problems] == [
        "--seed", "--ind_frames", "--ood_frames", "--video_frames", "--jobs",
    ]  # fmt: skip
    assert not list(tmp_path.iterdir())
