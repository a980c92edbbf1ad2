"""What made the files of a folder can be told from its provenance.json."""

import hashlib
import importlib.metadata
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.io import provenance
from lightning_pose.io.files import write_atomic
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.io.provenance import PROVENANCE_FILE, add_run, checksum, read_provenance, recorded
from lightning_pose.traces import note_fact, note_images, note_read
from lightning_pose.types import Labels, Predictions, UserError

MODULE = "lightning_pose.cli.score"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(path: Path, text: str) -> None:
    with write_atomic(path) as temporary:
        temporary.write_text(text)


def run_of(folder: Path, name: str) -> dict:
    own = read_provenance(folder)
    return own["runs"][own["files"][name]["run"]]


@pytest.fixture
def scored(tmp_path):
    labels, predicted = tmp_path / "data" / "labels.csv", tmp_path / "out" / "predictions.csv"
    write_labels(Labels(["a.jpg"], ["beak"], np.zeros((1, 1, 2))), labels)
    write_predictions(Predictions(["a.jpg"], ["beak"], np.ones((1, 1, 2)), np.ones((1, 1))), predicted)
    return ["score", str(predicted), str(labels)]


def test_a_command_tells_what_made_its_output(scored) -> None:
    assert main(scored) == 0
    folder = Path(scored[1]).parent
    run = run_of(folder, "predictions_pixel_error.csv")
    assert run["command"] == ["litpose", *scored]
    assert run["code"]["fingerprint"] == provenance.fingerprint(MODULE)
    assert run["packages"]["numpy"] == np.__version__
    assert {path: own["sha256"] for path, own in run["inputs"].items()} == {
        path: digest(Path(path).read_bytes()) for path in scored[1:]
    }
    content = (folder / "predictions_pixel_error.csv").read_bytes()
    known = read_provenance(folder)["files"]["predictions_pixel_error.csv"]
    assert (known["sha256"], known["bytes"]) == (digest(content), len(content))
    assert set(read_provenance(folder)["files"]) == {"predictions_pixel_error.csv"}
    assert not (Path(scored[2]).parent / PROVENANCE_FILE).exists()


@pytest.mark.parametrize("name", ["poses.parquet", "poses.csv"])
def test_long_tables_are_told_in_every_format(scored, name) -> None:
    output = Path(scored[1]).with_name(name)
    assert main(["export_poses", scored[1], "--output", str(output)]) == 0
    assert read_provenance(output.parent)["files"][name]["sha256"] == digest(output.read_bytes())


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_versions_of_what_computes_networks_are_told(tmp_path, name) -> None:
    package = pytest.importorskip(name)
    with recorded(["litpose"], MODULE):
        write(tmp_path / "a.csv", "a")
    told = run_of(tmp_path, "a.csv")["packages"]
    assert told[name] == importlib.metadata.version(name) and package.__version__.startswith(told[name])


def test_a_command_that_fails_tells_nothing(scored) -> None:
    Path(scored[2]).unlink()
    assert main(scored) == 2
    assert not (Path(scored[1]).parent / PROVENANCE_FILE).exists()


def test_what_was_noted_is_told_in_each_folder_with_results(tmp_path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"a")
    with recorded(["litpose", "x"], MODULE):
        note_fact("seeds", {"model": 3})
        note_images(tmp_path / "images", ["a.jpg"])
        note_read(tmp_path / "images" / "a.jpg")
        for name in ("one/a.csv", "two/b.json", "pictures/c.png", "one/.hidden/d.json", "checkpoints/e.json"):
            write(tmp_path / name, name)
    assert sorted(path.parent.name for path in tmp_path.rglob(PROVENANCE_FILE)) == ["one", "two"]
    run = run_of(tmp_path / "two", "b.json")
    assert run == run_of(tmp_path / "one", "a.csv")
    assert run["seeds"] == {"model": 3}
    assert run["images"][str(tmp_path / "images")]["files"] == 1


def test_what_a_command_reads_of_its_own_is_no_input(tmp_path) -> None:
    with recorded(["litpose", "x"], MODULE):
        write(tmp_path / "a.csv", "1")
        note_read(tmp_path / "a.csv")
    assert run_of(tmp_path, "a.csv")["inputs"] == {}


def entry(name: str, inputs=()) -> dict:
    return {"command": [name], "inputs": {str(path): {} for path in inputs}}


def test_several_commands_share_a_folder(tmp_path) -> None:
    for name in ("a.csv", "b.csv"):
        write(tmp_path / name, name)
        add_run(tmp_path, entry(name), [name])
    assert run_of(tmp_path, "a.csv")["command"] == ["a.csv"]
    assert run_of(tmp_path, "b.csv")["command"] == ["b.csv"]
    write(tmp_path / "a.csv", "again")
    add_run(tmp_path, entry("other"), ["a.csv"])
    assert run_of(tmp_path, "a.csv")["command"] == ["other"]
    assert len(read_provenance(tmp_path)["runs"]) == 2


def test_runs_that_something_came_after_are_kept_when_their_files_go(tmp_path) -> None:
    for name in ("part_0.csv", "part_1.csv", "unused.csv"):
        write(tmp_path / name, name)
        add_run(tmp_path, entry(name), [name])
    parts = [tmp_path / "part_0.csv", tmp_path / "part_1.csv"]
    write(tmp_path / "whole.csv", "")
    add_run(tmp_path, entry("merge", parts), ["whole.csv"])
    for path in [*parts, tmp_path / "unused.csv"]:
        path.unlink()
    write(tmp_path / "last.csv", "")
    add_run(tmp_path, entry("last"), ["last.csv"])
    own = read_provenance(tmp_path)
    assert set(own["files"]) == {"whole.csv", "last.csv"}
    before = [own["runs"][key]["command"][0] for key in run_of(tmp_path, "whole.csv")["after"]]
    assert sorted(before) == ["part_0.csv", "part_1.csv"]
    assert len(own["runs"]) == 4


def test_commands_at_the_same_time_lose_nothing(tmp_path) -> None:
    names = [f"{number}.csv" for number in range(24)]
    for name in names:
        write(tmp_path / name, name)
    start = threading.Barrier(len(names))

    def work(name: str) -> None:
        start.wait()
        add_run(tmp_path, entry(name), [name])

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_provenance(tmp_path)["files"]) == set(names)


ODD = (
    '{"files": {"a": 1}, "runs": {}}',
    '{"files": {"a": {"run": []}}, "runs": {}}',
    '{"files": {}, "runs": {"b": 1}}',
)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 1, "runs": {}}', '{"files": {"a": {}}}', *ODD])
def test_a_damaged_file_tells_nothing_and_is_written_anew(tmp_path, text) -> None:
    (tmp_path / PROVENANCE_FILE).write_text(text)
    assert read_provenance(tmp_path)["files"] == {}
    write(tmp_path / "a.csv", "")
    add_run(tmp_path, entry("x"), ["a.csv"])
    assert list(read_provenance(tmp_path)["files"]) == ["a.csv"]


def test_of_a_large_video_size_and_ends_count(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(provenance, "LARGE_VIDEO", 100)
    monkeypatch.setattr(provenance, "VIDEO_END", 10)
    path = tmp_path / "film.mp4"

    def of(content: bytes) -> str:
        path.write_bytes(content)
        return checksum(path)["sha256_of_size_and_ends"]

    first = of(bytes(200))
    assert of(b"\1" + bytes(199)) != first
    assert of(bytes(199) + b"\1") != first
    assert of(bytes(201)) != first
    assert of(bytes(100) + b"\1" + bytes(99)) == first  # which the name admits
    path.write_bytes(bytes(100))
    assert checksum(path) == {"bytes": 100, "sha256": digest(bytes(100))}


@pytest.mark.parametrize("limit", [1 << 20, 0])
def test_images_have_one_checksum(tmp_path, monkeypatch, limit) -> None:
    monkeypatch.setattr(provenance, "LARGE_SET", limit)

    def of() -> dict:
        return provenance._images(tmp_path, ["b.jpg", "a.jpg", "gone.jpg"], [])

    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(bytes(20000))
    before = of()
    assert (before["files"], before["bytes"]) == (2, 40000)
    assert ("sha256" in before) is (limit > 0)
    (tmp_path / "b.jpg").write_bytes(bytes(19999) + b"\1")
    assert of() != before


def test_crops_are_told_by_their_manifest(tmp_path) -> None:
    manifest = {"source": "l.csv", "images_dir": "../crops", "crop_size": [8, 8], "crops": {}}
    (tmp_path / "l.csv").mkdir()
    (tmp_path / "l.csv" / "crops.json").write_text(json.dumps(manifest))
    own = provenance._images(tmp_path / "crops", ["a.png"], [tmp_path / "l.csv" / "cropped_l.csv"])
    assert own["sha256"] == digest((tmp_path / "l.csv" / "crops.json").read_bytes())
    assert own["files"] == 1


def test_files_that_are_gone_when_the_command_ends_are_named(tmp_path) -> None:
    with pytest.raises(UserError, match=r"a\.csv: expected the file that was just written, found none"):
        with recorded(["litpose", "x"], MODULE):
            for name in ("a.csv", "b.csv", ".parts/c.json", "checkpoints/d.ckpt"):
                write(tmp_path / name, name)
            for name in ("a.csv", ".parts/c.json", "checkpoints/d.ckpt"):
                (tmp_path / name).unlink()
    assert list(read_provenance(tmp_path)["files"]) == ["b.csv"]
