"""`litpose predict` on what is no video, no box, or no place to write: one line, exit 2, nothing written."""

import builtins
import errno
import os
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.io.files import write_json
from lightning_pose.models.build import build_network
from tests.unit.io.barcodes import HEIGHT, WIDTH, write_codes
from tests.unit.training.squares import NAMES, tiny_settings

COUNT = 12
KINDS = ("single", "cropzoom")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of models that were never trained, and a film."""
    root = tmp_path_factory.mktemp("models")
    settings = tiny_settings(root)
    settings.data.keypoint_names = NAMES
    for name in ("single", "pose"):
        (root / name).mkdir()
        (root / name / "config.yaml").write_text(to_yaml(settings))
        state = build_network(settings, len(NAMES)).state_dict()
        save_file(
            {key: value.contiguous() for key, value in state.items()}, root / name / "model.safetensors"
        )
        write_json({}, root / name / "splits.json")
    arguments = (root / "single", root / "pose", "--output_dir", root / "cropzoom", "--min_confidence", 0)
    assert run("create_cropzoom", *arguments) == 0
    write_codes(root / "film.mp4", COUNT)
    return root


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(models, tmp_path, capsys):
    """Run `litpose predict`, which must refuse its arguments and leave every folder as it was."""

    def predict(kind, *arguments) -> str:
        before = files_below(models), files_below(tmp_path)
        assert run("predict", models / kind, *arguments) == 2
        lines = capsys.readouterr().err.splitlines()
        told = [line for line in lines if line.startswith("litpose predict: ")]
        assert len(told) == 1 and lines[-1] == told[0], lines
        assert (files_below(models), files_below(tmp_path)) == before
        return told[0]

    return predict


def make_input(name: str, path: Path, film: Path) -> None:
    match name:
        case "empty":
            path.touch()
        case "image folder":
            path.mkdir()
            Image.new("L", (9, 9)).save(path / "img0000.png")
        case "folder":
            path.mkdir()
        case "text":
            path.write_text("no video " * 99)
        case "truncated":
            path.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
        case "renamed":
            path.write_bytes(film.read_bytes())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("empty", "a.mp4", "a.mp4: expected a video, found an empty file"),
        ("empty", "a.csv", "a.csv"),
        ("image folder", "images", "images: expected a labels CSV or a video (.mp4, .avi, "),
        ("folder", "a.mp4", "a.mp4: expected a labels CSV or a video"),
        ("renamed", "film.txt", "film.txt: expected a labels CSV or a video (.mp4, .avi, "),
        ("renamed", "film", "found a nameless file"),
        ("text", "a.avi", "a.avi: expected a video, found unreadable or truncated"),
        ("truncated", "a.mp4", "truncated"),
        ("missing", "a.mp4", "a.mp4: expected a video, found no such file"),
        ("missing", "a.csv", "a.csv: expected a labels CSV, here or in"),
        ("missing", "a", "a: expected a labels CSV or a video"),
    ],
)
def test_what_is_no_video(models, refused, tmp_path, kind, name, file, message) -> None:
    make_input(name, tmp_path / file, models / "film.mp4")
    assert message in refused(kind, tmp_path / file)
    assert message in refused(kind, models / "film.mp4", tmp_path / file)  # nor is the good one begun


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], f"row 13: expected frame {COUNT - 1}"),
        (lambda rows: [*rows, f"{COUNT},1,1,9,9"], "row 14: expected the end of the file"),
        (lambda rows: [*rows[:3], "3,1,,9,9", *rows[4:]], "row 5 (3): expected numbers x, y, h, w"),
        (lambda rows: [*rows[:3], "3,nan,1,9,9", *rows[4:]], "row 5 (3): expected numbers x, y, h, w"),
        (
            lambda rows: [*rows[:3], "3,1,1,-9,9", *rows[4:]],
            "row 5 (3): expected h and w above 0, found h=-9",
        ),
        (lambda rows: [*rows[:3], "3,1,1,9,0", *rows[4:]], "row 5 (3): expected h and w above 0"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "row 2: expected frame 0"),
        (lambda rows: [], "row 2: expected frame 0"),
    ],
)
def test_boxes_that_are_none(models, refused, tmp_path, kind, change, message) -> None:
    rows = [f"{number},1,1,30,30" for number in range(COUNT)]
    csv = tmp_path / "bbox.csv"
    csv.write_text("\n".join([",x,y,h,w", *change(rows)]) + "\n")
    assert f"{csv}, {message}" in refused(kind, models / "film.mp4", "--bbox", csv)


def unwritable(*_, **__):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "somewhere")


@pytest.mark.parametrize("kind", KINDS)
def test_places_that_take_no_output(models, refused, tmp_path, monkeypatch, kind) -> None:
    film = models / "film.mp4"
    (tmp_path / "file").touch()
    told = refused(kind, film, "--output", tmp_path / "file" / "new" / "a.csv")
    assert told.endswith(f"a.csv: expected a folder to write into, found {tmp_path}/file, a file")
    assert refused(kind, film, "--output", tmp_path).endswith(
        f"{tmp_path}: expected a file to write, found a folder"
    )
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.TemporaryFile", unwritable)
        told = refused(kind, film, "--output", tmp_path / "new" / "a.csv")
        assert "expected a folder that can be written" in told and "Permission denied" in told
        assert "expected a folder that can be written" in refused(kind, film)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: Usage(9, 9, 0))
        told = refused(kind, film, "--output", tmp_path / "a.csv")
        assert "a.csv: expected room for about 0.0 MB, found 0.0 MB on the disk" in told


class FullDisk:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file, room: int) -> None:
        self.file, self.room = file, room

    def write(self, text) -> int:
        self.room -= len(text)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.file.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [0, 300])
def test_a_disk_that_is_full_at_last(models, refused, tmp_path, monkeypatch, kind, room) -> None:
    opened = builtins.open

    def on_full_disk(path, mode="r", *arguments, **options):
        file = opened(path, mode, *arguments, **options)
        return FullDisk(file, room) if "w" in mode and str(path).startswith(str(tmp_path)) else file

    monkeypatch.setattr(builtins, "open", on_full_disk)
    told = refused(kind, models / "film.mp4", "--output", tmp_path / "out" / "a.csv")
    assert "a.csv: expected a disk that takes it, found No space left on device" in told


@pytest.mark.parametrize("kind", KINDS)
def test_good_input_is_predicted(models, tmp_path, kind) -> None:
    csv = tmp_path / "bbox.csv"
    rows = [f"{number},{number - 5},1,30,{WIDTH}" for number in range(COUNT)]
    csv.write_text("\n".join([",x,y,h,w", *rows]) + "\n")
    for given in ([], ["--bbox", csv]):
        output = tmp_path / "out" / "a.csv"
        assert run("predict", models / kind, models / "film.mp4", "--output", output, *given) == 0
        table = np.genfromtxt(output, delimiter=",", skip_header=3)
        assert table.shape == (COUNT, 1 + 3 * len(NAMES)) and np.isfinite(table).all()
        assert np.abs(table[:, 1]).max() < 3 * max(WIDTH, HEIGHT)
