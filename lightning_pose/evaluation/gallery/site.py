"""Put the gallery together: pictures, data, and the page, whose files lie in ``page/``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_pose.evaluation.colors import kind_colors
from lightning_pose.evaluation.gallery.clips import CLIPS, VideoMember, cut_clips, read_videos
from lightning_pose.evaluation.gallery.data_file import clips_script, data_script
from lightning_pose.evaluation.gallery.frames import GalleryFrames
from lightning_pose.evaluation.gallery.pictures import draw_pictures, remove_others
from lightning_pose.io.files import read_json, write_atomic, write_json
from lightning_pose.types import Problem, UserError

PAGE_DIR = Path(__file__).parent / "page"
INDEX, DATA, CLIP_DATA, MANIFEST = "index.html", "data.js", "clips.js", "manifest.json"
CLIP_NAME = re.compile(r"[0-9a-f]{16}\.mp4")


@dataclass(frozen=True)
class ClipChoice:
    """Which clips of videos there shall be: of whose predictions, how many a video, how long."""

    members: Sequence[VideoMember] = ()
    count: int = 6
    seconds: float = 3.0


@dataclass(frozen=True)
class GallerySummary:
    """How many frames were drawn anew, how many there are, and the size of everything."""

    drawn: int
    total: int
    bytes: int


def write_gallery(
    frames: GalleryFrames,
    data_dir: Path,
    index: Path,
    title: str,
    largest_side: int,
    skeleton: Sequence[Sequence[str]] = (),
    colors: Mapping[str, str] | None = None,
    choice: ClipChoice | None = None,
) -> GallerySummary:
    """Write the site, drawing only frames that changed since it was last written.

    Parameters
    ----------
    frames : what is shown.
    data_dir : folder that image paths are relative to.
    index : the page, named ``index.html``; everything else goes beside it.
    title, skeleton, colors : see `data_script`.
    largest_side : of the frames' JPEGs, pixels; larger ones are scaled down.
    choice : of clips; None = no clips.

    Raises
    ------
    UserError
        If the page has another name, or images or videos cannot be read; the page is then left as it was.
    """
    if index.name != INDEX:
        raise UserError(Problem("--output", f"a file named {INDEX}", str(index)))
    folder = index.parent
    known, choice = _known(folder, "frames"), choice or ClipChoice()
    found = read_videos(choice.members)
    pictures = draw_pictures(frames.paths, frames.labels_px, data_dir, folder, known, largest_side)
    videos = cut_clips(found, folder, _known(folder, CLIPS), choice.count, choice.seconds)
    clips = {clip.file: clip.bytes for video in videos for clip in video.clips}
    entries = dict(zip(frames.paths, pictures.entries, strict=True))
    script = data_script(frames, pictures, title, skeleton, colors)
    # a kind has one colour everywhere, though clips are of some kinds only
    clip_script = clips_script(videos, skeleton, {**(colors or {}), **kind_colors(frames.kinds, colors)})
    _write_text(script, folder / DATA)
    _write_text(clip_script, folder / CLIP_DATA)
    pages = sorted(PAGE_DIR.iterdir(), key=lambda path: path.name == INDEX)  # the index last
    for page in pages:
        _write_text(page.read_text(encoding="utf-8"), folder / page.name)
    write_json({"frames": entries, CLIPS: clips}, folder / MANIFEST)
    remove_others(folder, pictures.entries)
    for path in (folder / CLIPS).glob("*.mp4"):
        if CLIP_NAME.fullmatch(path.name) and path.name not in clips:
            path.unlink()
    size = pictures.bytes + sum(clips.values()) + len(script) + len(clip_script)
    size += sum(page.stat().st_size for page in pages)
    return GallerySummary(pictures.drawn, len(frames.paths), size)


def _known(folder: Path, key: str) -> dict[str, Any]:
    """Return what an earlier run noted in the manifest; nothing without one."""
    content = read_json(folder / MANIFEST)
    entries = content.get(key) if isinstance(content, dict) else None
    return entries if isinstance(entries, dict) else {}


def _write_text(text: str, path: Path) -> None:
    with write_atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
