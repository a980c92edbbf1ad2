"""Put the gallery together: pictures, data, and the page, whose files lie in ``page/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.evaluation.gallery.data_file import data_script
from lightning_pose.evaluation.gallery.frames import GalleryFrames
from lightning_pose.evaluation.gallery.pictures import Entry, draw_pictures, remove_others
from lightning_pose.io.files import read_json, write_atomic, write_json
from lightning_pose.types import Problem, UserError

PAGE_DIR = Path(__file__).parent / "page"
INDEX, DATA, MANIFEST = "index.html", "data.js", "manifest.json"


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
) -> GallerySummary:
    """Write the site, drawing only frames that changed since it was last written.

    Parameters
    ----------
    frames : what is shown.
    data_dir : folder that image paths are relative to.
    index : the page, named ``index.html``; everything else goes beside it.
    title, skeleton, colors : see `data_script`.
    largest_side : of the frames' JPEGs, pixels; larger ones are scaled down.

    Raises
    ------
    UserError
        If the page has another name, or images cannot be read; the page is then left as it was.
    """
    if index.name != INDEX:
        raise UserError(Problem("--output", f"a file named {INDEX}", str(index)))
    folder = index.parent
    known = _known_entries(folder)
    pictures = draw_pictures(frames.paths, frames.labels_px, data_dir, folder, known, largest_side)
    entries = dict(zip(frames.paths, pictures.entries, strict=True))
    script = data_script(frames, pictures, title, skeleton, colors)
    _write_text(script, folder / DATA)
    pages = sorted(PAGE_DIR.iterdir(), key=lambda path: path.name == INDEX)  # the index last
    for page in pages:
        _write_text(page.read_text(encoding="utf-8"), folder / page.name)
    write_json({"frames": entries}, folder / MANIFEST)
    remove_others(folder, pictures.entries)
    size = pictures.bytes + len(script) + sum(page.stat().st_size for page in pages)
    return GallerySummary(pictures.drawn, len(frames.paths), size)


def _known_entries(folder: Path) -> dict[str, Entry]:
    """Return the entries of an earlier run by path; none without one."""
    content = read_json(folder / MANIFEST)
    entries = content.get("frames") if isinstance(content, dict) else None
    return entries if isinstance(entries, dict) else {}


def _write_text(text: str, path: Path) -> None:
    with write_atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
