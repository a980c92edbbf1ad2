"""SLEAP's files (``.slp``, ``.pkg.slp``), through the package sleap-io.

Videos that a file names are not opened on reading, so that nothing is fetched from elsewhere. Points that
SLEAP shows as not visible count as not labelled, as in SLEAP's own training.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from lightning_pose.geometry.sides import mirror_order
from lightning_pose.io.extras import require
from lightning_pose.io.files import write_atomic
from lightning_pose.io.formats.contents import (
    Animal,
    Contents,
    ImageSource,
    as_labels,
    as_predictions,
    check_unique,
    choose,
    keep_one,
    rows_of,
    say_what_is_left,
    session_path,
    stays_inside,
)
from lightning_pose.io.formats.data_folder import with_images
from lightning_pose.io.images import image_size
from lightning_pose.io.tables import own_path
from lightning_pose.traces import note_read
from lightning_pose.types import Labels, Predictions, Problem, UserError, Visibility, first_line

logger = logging.getLogger(__name__)

PACKAGE_SUFFIX = ".pkg.slp"  # with the images inside


@dataclass(frozen=True)
class Finder:
    """Tells where the images of a file's videos come from.

    Parameters
    ----------
    source : the ``.slp`` file.
    image_dir : where images and videos are looked for first; None = only where the file says, and beside it.
    sessions : folder of each video's frames, by the video's name.
    """

    source: Path
    image_dir: Path | None
    sessions: dict[str, str]
    _used: dict[Path, str] = field(default_factory=dict)

    def file(self, name: str) -> Path:
        """Return where a file lies that SLEAP knows by a name.

        Raises
        ------
        UserError
            If it would stand for a file of another folder too.
        """
        own = Path(name)
        folders = [folder for folder in (self.image_dir, self.source.parent) if folder is not None]
        places = [*(folder / name for folder in folders), own]
        places += [folder / end for end in (Path(own.parent.name, own.name), own.name) for folder in folders]
        found = next((place for place in places if place.is_file()), places[0])
        other = self._used.setdefault(found, name) if found.is_file() else name
        if other != name:
            expected = f"a file for each of {other} and {name} (such as {own.parent.name}/{own.name} there)"
            raise UserError(Problem(str(found), expected, "one for both"))
        return found

    def image(self, video: Any, frame: int) -> tuple[str, ImageSource]:
        """Return the path in a data folder of a frame, and where its image comes from."""
        known = video.source_video or video
        if isinstance(known.filename, list):
            name = own_path(known.filename[frame])
            path = name if stays_inside(name) else session_path(name)
        else:
            path = f"labeled-data/{self.sessions[_film(video)]}/img{frame:08d}.png"
        if video.backend_metadata.get("has_embedded_images"):
            return path, partial(_embedded, video, frame)
        if isinstance(known.filename, list):
            return path, self.file(known.filename[frame])
        film = self.file(known.filename)
        return path, partial(_filmed, film, frame) if film.is_file() else film


def read_slp(
    path: Path, image_dir: Path | None = None, skeleton: str | None = None, video: str | None = None
) -> Contents:
    """Read labels, or predictions if nobody labelled anything.

    Parameters
    ----------
    path : ``.slp`` or ``.pkg.slp``.
    image_dir : where images and videos are looked for first.
    skeleton : its name; None = that of the most animals.
    video : name of the file whose predictions are wanted; None = there is only one.

    Raises
    ------
    UserError
        If it is no such file or holds nothing of what is asked for.
    """
    content = _load(path)
    is_labels = any(_is_labelled(animal) for frame in content for animal in frame.instances)
    wanted = [(frame, [a for a in frame.instances if _is_labelled(a) == is_labels]) for frame in content]
    if is_labels:
        _say_predicted(path, content)
    counts: dict[str, int] = {}
    for _, animals in wanted:
        for animal in animals:
            counts[animal.skeleton.name or "unnamed"] = counts.get(animal.skeleton.name or "unnamed", 0) + 1
    if not counts:
        raise UserError(Problem(str(path), "a labelled or predicted animal", "none"))
    name = choose(path, "skeleton", counts, skeleton)
    frames = []
    for frame, animals in wanted:
        own = [animal for animal in animals if (animal.skeleton.name or "unnamed") == name]
        if own:
            frames.append((frame, own))
    names = _keypoint_names(path, frames)
    if is_labels:
        _say_what_flips_miss(path, frames[0][1][0].skeleton)
    best = keep_one(path, [[_animal(animal) for animal in animals] for _, animals in frames])
    scorer = str(content.provenance.get("scorer", "sleap"))
    if not is_labels:
        return Contents(_predictions(path, [frame for frame, _ in frames], best, names, scorer, video))
    finder = Finder(path, image_dir, _sessions(path, [frame.video for frame, _ in frames]))
    found = [finder.image(frame.video, int(frame.frame_idx)) for frame, _ in frames]
    paths = [name for name, _ in found]
    check_unique(path, paths)
    return Contents(as_labels(paths, names, best, scorer, False), dict(found))


def write_slp(contents: Contents, path: Path, video: str | None = None, skip_missing: bool = False) -> None:
    """Write labels or predictions that `read_slp` reads back exactly.

    Parameters
    ----------
    contents : labels with their images, or predictions.
    path : ``.slp``, where images are named by their paths in the data folder; ``.pkg.slp`` holds them too.
    video : the video that predictions were made on.
    skip_missing : whether a ``.pkg.slp`` leaves out frames without an image.

    Raises
    ------
    UserError
        If sleap-io is not installed, or an image for a ``.pkg.slp`` is missing.
    """
    require(str(path), "sleap-io", "formats", "sleap_io")
    import sleap_io as sio

    poses = contents.poses
    embed = path.name.endswith(PACKAGE_SUFFIX)
    if embed:
        if isinstance(poses, Predictions):
            raise UserError(Problem(str(path), "a .slp file, for predictions", "a .pkg.slp"))
        poses = with_images(poses, contents, skip_missing)
    say_what_is_left(poses, path, "SLEAP")
    skeleton = sio.Skeleton(list(poses.keypoint_names), name="animal")
    index = rows_of(poses)
    places = _image_videos(index, contents, embed) if isinstance(index[0], str) else None
    if places is None:
        film = sio.Video(filename=video or f"{path.stem}.mp4", open_backend=False)
        if video is None:
            logger.warning("%s: the video is named %s (--video names another)", path, film.filename)
        places = [(film, frame) for frame in index]
    frames = [
        sio.LabeledFrame(video=place, frame_idx=frame, instances=[_instance(poses, row, skeleton)])
        for row, (place, frame) in enumerate(places)
    ]
    videos = list({id(place): place for place, _ in places}.values())
    content = sio.Labels(labeled_frames=frames, videos=videos, skeletons=[skeleton])
    content.provenance["scorer"] = poses.scorer
    with write_atomic(path) as temporary:
        sio.save_slp(content, str(temporary), embed=embed, verbose=False)


def _load(path: Path) -> Any:
    require(str(path), "sleap-io", "formats", "sleap_io")
    import sleap_io as sio

    note_read(path)
    if not path.is_file():
        raise UserError(Problem(str(path), "a SLEAP file", "no such file"))
    try:
        return sio.load_slp(str(path), open_videos=False)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise UserError(Problem(str(path), "a SLEAP file (.slp)", first_line(error))) from None


def _is_labelled(animal: Any) -> bool:
    import sleap_io as sio

    return not isinstance(animal, sio.PredictedInstance)


def _say_predicted(path: Path, content: Any) -> None:
    left = sum(not _is_labelled(animal) for frame in content for animal in frame.instances)
    if left:
        logger.warning("%s: %d predicted animals are left beside the labelled ones", path, left)


def _say_what_flips_miss(path: Path, skeleton: Any) -> None:
    """Name pairs that are symmetric in SLEAP and change no places in a flip here, where names tell sides."""
    names = list(skeleton.node_names)
    mirrored = [names[i] for i in mirror_order(names)]
    pairs = sorted(sorted(names.index(name) for name in pair) for pair in skeleton.symmetry_names)
    lost = [f"{names[one]} and {names[other]}" for one, other in pairs if mirrored[one] != names[other]]
    if lost:
        told = "%s: %s are symmetric, and change no places in a flip here: name them ..._left and ..._right"
        logger.warning(told, path, ", ".join(lost))


def _keypoint_names(path: Path, frames: list) -> list[str]:
    names = frames[0][1][0].skeleton.node_names
    for frame, animals in frames:
        for animal in animals:
            if animal.skeleton.node_names != names:
                where = f"{path}, frame {frame.frame_idx}"
                raise UserError(Problem(where, f"keypoints {names}", str(animal.skeleton.node_names)))
    return [str(name) for name in names]


def _animal(animal: Any) -> Animal:
    keypoints_px = np.asarray(animal.numpy(), float)
    if _is_labelled(animal):
        return Animal(keypoints_px)
    return Animal(
        keypoints_px, confidence=np.asarray(animal.points["score"], float), score=float(animal.score)
    )


def _film(video: Any) -> str:
    """Return what tells films apart: the file, or the place in a package that names none; "" of images."""
    known = video.source_video or video
    if isinstance(known.filename, list):
        return ""
    if known is video and video.backend_metadata.get("has_embedded_images"):
        return f"{known.filename}/{str(video.backend_metadata.get('dataset')).partition('/')[0]}"
    return str(known.filename)


def _sessions(path: Path, videos: list[Any]) -> dict[str, str]:
    """Return a folder for the frames of each film: its name, with its own folder's where several share it."""
    names = dict.fromkeys(_film(video) for video in videos)
    films = {name: PureWindowsPath(name) for name in names if name}
    stems = [film.stem for film in films.values()]
    sessions = {
        name: film.stem if stems.count(film.stem) == 1 else f"{film.parent.name}-{film.stem}"
        for name, film in films.items()
    }
    if len(set(sessions.values())) < len(sessions):
        raise UserError(Problem(f"{path}, videos", "names, or folders, that differ", ", ".join(sessions)))
    return sessions


def _predictions(
    path: Path, frames: list, animals: list[Animal], names: list[str], scorer: str, video: str | None
) -> Predictions:
    if all(isinstance(frame.video.filename, list) for frame in frames):
        index = [frame.video.filename[frame.frame_idx] for frame in frames]
        check_unique(path, index)
        return as_predictions(index, names, animals, scorer)
    films = {str(frame.video.filename): None for frame in frames}
    own = [name for name in films if video in (None, name, Path(name).name)]
    if len(own) != 1:
        raise UserError(Problem(f"{path}, --video", f"one of {', '.join(films)}", str(video)))
    check_unique(path, [f"frame {f.frame_idx}" for f in frames if f.video.filename == own[0]])
    found = {int(f.frame_idx): a for f, a in zip(frames, animals, strict=True) if f.video.filename == own[0]}
    nothing = np.full((len(names), 2), np.nan)
    gap = Animal(nothing, confidence=nothing[:, 0])
    count = max(max(found) + 1, _frame_count(next(f.video for f in frames if f.video.filename == own[0])))
    if count > len(found):
        logger.warning("%s: nothing in %d of %d frames; left empty", path, count - len(found), count)
    return as_predictions(list(range(count)), names, [found.get(i, gap) for i in range(count)], scorer)


def _frame_count(video: Any) -> int:
    """Return how many frames a video has, as far as the file tells; 0 where it does not."""
    shape = video.backend_metadata.get("shape")
    return int(shape[0]) if shape and not video.backend_metadata.get("has_embedded_images") else 0


def _image_videos(names: list[str], contents: Contents, embed: bool) -> list[tuple[Any, int]]:
    """Return video and frame of each image: the images of one folder are one video."""
    import sleap_io as sio

    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    videos = {}
    for folder, own in folders.items():
        if embed:
            videos[folder] = sio.Video.from_filename([str(contents.images[name]) for name in own])
        else:
            videos[folder] = sio.Video(
                filename=own, open_backend=False, backend_metadata=_metadata(own, contents)
            )
    numbers = {name: i for own in folders.values() for i, name in enumerate(own)}
    return [(videos[name.rpartition("/")[0]], numbers[name]) for name in names]


def _metadata(names: list[str], contents: Contents) -> dict:
    image = contents.images.get(names[0])
    height, width = image_size(image) if isinstance(image, Path) and image.is_file() else (None, None)
    shape = None if height is None else [len(names), height, width, 3]
    sizes = {"shape": shape, "height_": height, "width_": width, "channels_": 3}
    files = {"type": "ImageVideo", "filename": names[0], "filenames": names}
    return {**files, **sizes, "grayscale": None if shape is None else False, "fps": None}


def _instance(poses: Labels | Predictions, row: int, skeleton: Any) -> Any:
    import sleap_io as sio

    keypoints_px = poses.keypoints_px[row]
    if isinstance(poses, Labels):
        if poses.visible is not None:
            keypoints_px = np.where((poses.visible[row] == Visibility.VISIBLE)[:, None], keypoints_px, np.nan)
        return sio.Instance.from_numpy(keypoints_px, skeleton=skeleton)
    scores = poses.confidence[row]
    score = float(np.nanmean(scores)) if np.isfinite(scores).any() else 0.0
    return sio.PredictedInstance.from_numpy(keypoints_px, skeleton=skeleton, point_scores=scores, score=score)


def _embedded(video: Any, frame: int) -> np.ndarray:
    if not video.is_open:
        video.open()
    return np.asarray(video[frame])


def _filmed(path: Path, frame: int) -> np.ndarray:
    from lightning_pose.io.video import open_video

    film = open_video(path)
    try:
        if frame >= film.frame_count:
            raise UserError(Problem(str(path), f"a video with frame {frame}", f"{film.frame_count} frames"))
        return film.read(frame, 1)[0]
    finally:
        film.close()
