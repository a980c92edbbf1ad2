"""Write the demo data: labelled frames with context, exact positions, videos. One seed, one data set."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lightning_pose.data.context import OFFSETS
from lightning_pose.data.demo.bird import KEYPOINT_NAMES, Pose, keypoints
from lightning_pose.data.demo.motion import poses
from lightning_pose.data.demo.scene import HEIGHT, WIDTH, Scene, build_scene, finish
from lightning_pose.io.files import write_atomic
from lightning_pose.io.labels import write_labels
from lightning_pose.machine import end_with_parent, job_cores
from lightning_pose.types import Labels, Problem, UserError

logger = logging.getLogger(__name__)

IND_SESSIONS = 6
OOD_SHIFTS = (2.6, 1.8, 1.4)  # of each OOD session: some are harder than others, as in the field
IND_VIDEOS, OOD_VIDEOS = 2, 1
LABEL_STEP = 37  # frames between labelled ones
LABEL_ERROR_PX = 0.8  # standard deviation in x and in y: about 1 px of distance
JPEG_QUALITY = 92
FPS = 30
IND_CSV, OOD_CSV = "CollectedData_merged.csv", "CollectedData_merged_new.csv"


@dataclass(frozen=True)
class Session:
    """One film of one bird; all its random numbers come from `seed`."""

    name: str
    seed: tuple[int, ...]
    shift: float  # 0 = in distribution; see `build_scene`
    frames: int  # labelled ones, or of the video
    is_video: bool = False


def create_demo_data(
    output_dir: Path,
    seed: int = 0,
    ind_frames: int = 240,
    ood_frames: int = 120,
    video_frames: int = 300,
    jobs: int | None = None,
) -> None:
    """Write the data set; label files come last, so that an interrupted run leaves none.

    Parameters
    ----------
    output_dir : data folder.
    seed : same seed, same data.
    ind_frames, ood_frames : labelled frames, spread over six and three sessions.
    video_frames : frames of each video; 0 = no videos.
    jobs : parallel processes; None = the cores at hand. The data are the same for any number.

    Raises
    ------
    UserError
        A number out of range.
    """
    _check_numbers(
        seed=seed, ind_frames=ind_frames, ood_frames=ood_frames, video_frames=video_frames, jobs=jobs
    )
    for name in (IND_CSV, OOD_CSV):  # of an earlier run: they would outlive an interruption of this one
        (output_dir / name).unlink(missing_ok=True)
    sessions = _sessions(seed, ind_frames, ood_frames, video_frames)
    count = min(jobs or job_cores(), len(sessions))
    if count <= 1:
        written = [_write_session(session, output_dir) for session in sessions]
    else:
        with ProcessPoolExecutor(
            count, mp_context=get_context("forkserver"), initializer=end_with_parent
        ) as pool:
            written = list(pool.map(_write_session, sessions, [output_dir] * len(sessions)))
    for session, (_, exact) in zip(sessions, written, strict=True):
        if session.is_video:
            write_labels(exact, output_dir / "videos" / f"{session.name}_exact.csv")
    for out_of_distribution, name in ((True, OOD_CSV), (False, IND_CSV)):
        chosen = [
            pair for session, pair in zip(sessions, written, strict=True)
            if not session.is_video and bool(session.shift) is out_of_distribution and session.frames
        ]  # fmt: skip
        write_labels(_merge([exact for _, exact in chosen]), output_dir / name.replace(".csv", "_exact.csv"))
        write_labels(_merge([labels for labels, _ in chosen]), output_dir / name)
    logger.info("%s: %d InD and %d OOD labelled frames", output_dir, ind_frames, ood_frames)


def _check_numbers(**numbers: int | None) -> None:
    lowest = {"seed": 0, "ind_frames": 1, "ood_frames": 1, "video_frames": 0, "jobs": 1}
    problems = [
        Problem(f"--{name}", f"{lowest[name]} or more", str(number))
        for name, number in numbers.items()
        if number is not None and number < lowest[name]
    ]
    if problems:
        raise UserError(problems)


def _sessions(seed: int, ind_frames: int, ood_frames: int, video_frames: int) -> list[Session]:
    sessions = []
    for out, total, count, videos in (
        (False, ind_frames, IND_SESSIONS, IND_VIDEOS),
        (True, ood_frames, len(OOD_SHIFTS), OOD_VIDEOS),
    ):
        prefix = "ood" if out else "ind"
        for i, part in enumerate(np.array_split(np.arange(total), count)):
            name, shift = f"{prefix}_session{i}", OOD_SHIFTS[i] if out else 0.0
            sessions.append(Session(name, (seed, int(out), i), shift, len(part)))
            if i < videos and video_frames:
                sessions.append(Session(name, (seed, int(out), i), shift, video_frames, is_video=True))
    return sorted(sessions, key=lambda session: -session.frames)


def _write_session(session: Session, output_dir: Path) -> tuple[Labels, Labels]:
    import cv2

    cv2.setNumThreads(1)
    scene = build_scene(np.random.default_rng((*session.seed, 0)), session.shift)
    if session.is_video:
        return _write_video(session, scene, output_dir)
    return _write_frames(session, scene, output_dir)


def _write_frames(session: Session, scene: Scene, output_dir: Path) -> tuple[Labels, Labels]:
    import cv2

    film = list(
        islice(
            poses(scene.perches, np.random.default_rng((*session.seed, 1))), LABEL_STEP * (session.frames + 1)
        )
    )
    folder = f"labeled-data/{session.name}"
    (output_dir / folder).mkdir(parents=True, exist_ok=True)
    numbers = [LABEL_STEP * (i + 1) - LABEL_STEP // 2 for i in range(session.frames)]
    for number in numbers:
        for offset in (0, *OFFSETS):
            frame = draw_frame(scene, film, number + offset, session.seed)
            with write_atomic(output_dir / folder / f"img{number + offset:08d}.jpg") as temporary:
                cv2.imwrite(str(temporary), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    names = [f"{folder}/img{number:08d}.jpg" for number in numbers]
    exact = _label([film[number] for number in numbers], names)
    error = np.random.default_rng((*session.seed, 2)).normal(0, LABEL_ERROR_PX, exact.keypoints_px.shape)
    noisy = np.round(exact.keypoints_px + error, 2)
    return Labels(names, list(KEYPOINT_NAMES), noisy, scorer="demo"), exact


def _write_video(session: Session, scene: Scene, output_dir: Path) -> tuple[Labels, Labels]:
    import av

    film = list(islice(poses(scene.perches, np.random.default_rng((*session.seed, 3))), session.frames + 1))
    with write_atomic(output_dir / "videos" / f"{session.name}.mp4") as temporary:
        with av.open(str(temporary), "w") as container:
            stream = container.add_stream(
                "libx264", rate=FPS, options={"crf": "20", "preset": "veryfast", "threads": "1"}
            )
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(session.frames):
                frame = draw_frame(scene, film, number, (*session.seed, 4))
                for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
    exact = _label(film[: session.frames], [str(number) for number in range(session.frames)])
    return exact, exact


def draw_frame(scene: Scene, film: list[Pose], number: int, seed: tuple[int, ...]) -> np.ndarray:
    """Draw one frame of a film, RGB (768, 1024, 3) uint8: bird with motion blur, mesh, light, noise."""
    from lightning_pose.data.demo.render import draw_bird

    pose, after = film[number], film[min(number + 1, len(film) - 1)]
    clean = scene.background.copy()
    smear = tuple(scene.blur * (np.subtract(after.center, pose.center)))
    draw_bird(clean, pose, scene.plumage, scene.light, smear)
    return finish(clean, scene, np.random.default_rng((*seed, 5, number)))


def _label(film: list[Pose], names: list[str]) -> Labels:
    positions = np.full((len(film), len(KEYPOINT_NAMES), 2), np.nan)
    for i, pose in enumerate(film):
        points, seen = keypoints(pose)
        inside = ((points >= 0) & (points <= [WIDTH - 1, HEIGHT - 1])).all(-1)
        positions[i, seen & inside] = points[seen & inside]
    return Labels(names, list(KEYPOINT_NAMES), positions, scorer="demo")


def _merge(parts: list[Labels]) -> Labels:
    order = sorted(parts, key=lambda labels: labels.image_paths[0])
    return Labels(
        image_paths=[path for labels in order for path in labels.image_paths],
        keypoint_names=list(KEYPOINT_NAMES),
        keypoints_px=np.concatenate([labels.keypoints_px for labels in order]),
        scorer="demo",
    )
