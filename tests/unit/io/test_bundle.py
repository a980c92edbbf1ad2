"""A folder of results in one file: complete, checked, the same bytes for the same results."""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from lightning_pose.cli.main import main
from lightning_pose.io import bundle as module
from lightning_pose.io.bundle import bundle

PACKED = {
    "ood_plots.pdf": b"%PDF", "figures/numbers.png": b"png", "single_0/config.yaml": b"training: {}",
    "single_0/image_preds/l.csv/predictions.csv": b"a,1\n" * 1000, "single_0/provenance.json": b"{}",
}  # fmt: skip
LEFT = ["single_0/checkpoints/last.json", "single_0/tb_logs/events", "crop_0_1.8/cropped_images/a.png",
        "logs/train.log", "single_0/.hidden.csv", "single_0/.parts/origin.json"]  # fmt: skip
WEIGHTS = "single_0/model.safetensors"


@pytest.fixture
def results(tmp_path) -> Path:
    folder = tmp_path / "results" / "bird"
    for name, content in [*PACKED.items(), (WEIGHTS, b"w"), *((name, b"x") for name in LEFT)]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_results_come_back_and_the_checksums_are_theirs(results, tmp_path) -> None:
    assert main(["bundle", str(results), "--output", str(tmp_path / "bird.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "bird.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "out")
    there = {str(path.relative_to(tmp_path / "out" / "bird")): path.read_bytes()
             for path in (tmp_path / "out").rglob("*") if path.is_file()}  # fmt: skip
    manifest = json.loads(there.pop("bundle.json"))["files"]
    assert there == PACKED
    assert {name: own["sha256"] for name, own in manifest.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in PACKED.items()
    }


def test_weights_on_demand(results, tmp_path) -> None:
    assert bundle(results, tmp_path / "all.zip", weights=True) == len(PACKED) + 1
    assert f"bird/{WEIGHTS}" in zipfile.ZipFile(tmp_path / "all.zip").namelist()


def test_the_same_results_give_the_same_bytes(results, tmp_path) -> None:
    bundle(results, tmp_path / "a.zip")
    other = tmp_path / "moved" / "bird"
    shutil.copytree(results, other)
    for path in other.rglob("*"):
        os.utime(path, (1e9, 1e9))
    (other / "ood_plots.pdf").chmod(0o600)
    bundle(other, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_bundle_is_not_replaced_unasked(results, tmp_path, capsys) -> None:
    output = tmp_path / "a.zip"
    output.write_bytes(b"mine")
    command = ["bundle", str(results), "--output", str(output)]
    assert main(command) == 2
    assert "expected no such file yet, or --overwrite" in capsys.readouterr().err
    assert output.read_bytes() == b"mine"
    assert main([*command, "--overwrite"]) == 0
    assert zipfile.is_zipfile(output)


def test_a_bundle_within_the_results_does_not_pack_itself(results) -> None:
    for _ in range(2):
        bundle(results, results / "bird.zip", overwrite=True)
    assert "bird/bird.zip" not in zipfile.ZipFile(results / "bird.zip").namelist()


def test_a_failure_leaves_nothing(results, tmp_path, monkeypatch) -> None:
    def fail(*_) -> None:
        raise OSError(28, "No space left on device", "a.zip")

    monkeypatch.setattr(module, "_add", fail)
    assert main(["bundle", str(results), "--output", str(tmp_path / "a.zip")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


@pytest.mark.parametrize(("name", "output"), [("nothing", "a.zip"), ("results/bird", "a.tar")])
def test_what_cannot_be_packed_is_refused(results, tmp_path, name, output, capsys) -> None:
    assert main(["bundle", str(tmp_path / name), "--output", str(tmp_path / output)]) == 2
    assert "expected" in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_large_files_fit(results, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "LARGE", 100)
    bundle(results, tmp_path / "a.zip")
    name = "bird/single_0/image_preds/l.csv/predictions.csv"
    assert zipfile.ZipFile(tmp_path / "a.zip").read(name) == b"a,1\n" * 1000
