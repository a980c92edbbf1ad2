"""A step reruns when, and only when, what it depends on changed: one change at a time, then a dry run."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import lightning_pose
from tests.integration.conftest import TARGET, lay_out, planned, snakemake

pytestmark = pytest.mark.slow

CONFIG = "config/tiny.yaml"
LONG_AGO = 946684800
IND, OOD = "CollectedData_merged.csv", "CollectedData_merged_new.csv"
AFTER_POSE = {"predict_pose": 4, "remap": 4, "score": 4, "plot_ood": 1}
AFTER_BOXES = {"crop_images": 4, "train_pose": 2, **AFTER_POSE}
EVERYTHING = {"train_detector": 2, "predict_detector": 4, "create_bbox": 4, **AFTER_BOXES, "score": 8}


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def set_in_config(old: str, new: str) -> Callable[[Path], None]:
    return lambda project: replace_text(project / CONFIG, old, new)


def first_image(project: Path, csv: str) -> Path:
    return project / "data/tiny" / (project / "data/tiny" / csv).read_text().splitlines()[3].split(",")[0]


def first_crop(project: Path) -> Path:
    crops = project / "results/tiny/crop_0_1.8"
    manifest = json.loads((crops / OOD / "crops.json").read_text())
    name = next(name for entry in manifest["crops"].values() for name in entry["files"])
    return crops / "cropped_images" / name


def change_image(project: Path, csv: str) -> None:
    path = first_image(project, csv)
    time.sleep(0.01)
    path.write_bytes(path.read_bytes()[:-2] + b"\x00\xff\xd9")


def change_label(project: Path) -> None:
    change_first_cell(project / "data/tiny" / IND)


def change_first_cell(path: Path) -> None:
    rows = path.read_text().splitlines()
    cells = rows[3].split(",")
    place = next(i for i, cell in enumerate(cells[1:], 1) if cell)
    cells[place] = str(float(cells[place]) + 1)
    path.write_text("\n".join([*rows[:3], ",".join(cells), *rows[4:]]) + "\n")


def change_weights(project: Path) -> None:
    path = project / "results/tiny/single_0/model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def touch_everything(project: Path) -> None:
    for path in [
        first_image(project, IND),
        project / "data/tiny" / IND,
        project / "results/tiny/single_0/model.safetensors",
    ]:
        os.utime(path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, int]]] = {
    "nothing": (lambda project: None, {}),
    "touched": (touch_everything, {}),
    "labelled image": (
        lambda project: change_image(project, IND),
        {"index_images": 1, **EVERYTHING},
    ),
    "OOD image": (
        lambda project: change_image(project, OOD),
        {"index_images": 1, "predict_detector": 2, "create_bbox": 2, "crop_images": 2, "predict_pose": 2,
         "remap": 2, "score": 4, "plot_ood": 1},
    ),
    "label": (change_label, {"index_images": 1, **EVERYTHING}),
    "anchor keypoints": (
        set_in_config("crop_ratios:", "anchor_keypoints: [back, belly]\n  crop_ratios:"),
        {"create_bbox": 4, **AFTER_BOXES},
    ),
    "crop ratio": (
        set_in_config("[1.8]", "[1.5]"),
        {"create_bbox": 4, **AFTER_BOXES},
    ),
    "pose training": (
        set_in_config("  pose:\n", "  pose:\n    training: {max_steps: 2}\n"),
        {"train_pose": 2, **AFTER_POSE},
    ),
    "progress of trainings": (
        set_in_config("  max_steps: 3", "  max_steps: 3\n  log_every_n_steps: 5\n  checkpoint_every_s: 9"),
        {},
    ),
    "variant added": (
        set_in_config("  seeds:", "  variants: {few: {settings: {training: {train_frames: 2}}}}\n  seeds:"),
        {"train_pose": 2, **AFTER_POSE},
    ),
    "colour": (
        set_in_config("  seeds:", "  plots: {colors: {single: '#123456'}}\n  seeds:"),
        {"plot_ood": 1},
    ),
    "detector weights": (
        change_weights,
        {"train_detector": 1, "predict_detector": 2, "create_bbox": 2, "crop_images": 2, "train_pose": 1,
         "predict_pose": 2, "remap": 2, "score": 4, "plot_ood": 1},
    ),
    "crop deleted": (
        lambda project: first_crop(project).unlink(),
        {"crop_images": 1, "predict_pose": 1, "remap": 1, "score": 1, "plot_ood": 1},
    ),
    "crop truncated": (
        lambda project: truncate(first_crop(project)),
        {"crop_images": 1, "predict_pose": 1, "remap": 1, "score": 1, "plot_ood": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_exactly_what_is_stale_reruns(project: Path, change: str) -> None:
    act, expected = CHANGES[change]
    act(project)
    assert planned(project) == expected


CODE = [
    ("cli/crop.py", "# a comment", {}),
    ("cli/crop.py", "EXTRA = 1", AFTER_BOXES),
    ("data/crops.py", "EXTRA = 1", AFTER_BOXES),
    ("geometry/boxes.py", "EXTRA = 1", {"create_bbox": 4, **AFTER_BOXES}),
    ("inference/remap.py", "EXTRA = 1", {"remap": 4, "score": 4, "plot_ood": 1}),
    ("evaluation/plots.py", "EXTRA = 1", {"plot_ood": 1}),
    ("training/fit.py", "EXTRA = 1", EVERYTHING),
    ("training/callbacks/validation.py", "EXTRA = 1", EVERYTHING),
    ("losses/heatmap.py", "EXTRA = 1", EVERYTHING),
    ("losses/unsupervised.py", "EXTRA = 1", {}),  # of no model here
    ("training/callbacks/progress.py", "EXTRA = 1", {}),
    ("io/predictions.py", "EXTRA = 1", {"predict_detector": 4, "create_bbox": 4, **AFTER_BOXES, "score": 8}),
    ("settings.py", "EXTRA = 1", {}),
    ("settings_checks.py", "EXTRA = 1", {}),
]


@pytest.mark.parametrize(("module", "line", "expected"), CODE, ids=lambda value: str(value)[:40])
def test_source_code_of_a_step(
    project: Path, tmp_path: Path, module: str, line: str, expected: dict[str, int]
) -> None:
    package = tmp_path / "source"
    shutil.copytree(Path(lightning_pose.__file__).parent, package / "lightning_pose")
    path = package / "lightning_pose" / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    assert planned(project, package) == expected


def test_labels_of_another_tool_are_converted_anew(tmp_path: Path) -> None:
    images = tmp_path / "dlc" / "labeled-data" / "session"
    images.mkdir(parents=True)
    rows = ["scorer,me,me", "bodyparts,nose,nose", "coords,x,y"]
    for name in ("img01.png", "img02.png", "img03.png"):
        Image.new("RGB", (40, 30)).save(images / name)
        rows.append(f"labeled-data/session/{name},5,6")
    labels = images / "CollectedData_me.csv"
    labels.write_text("\n".join(rows) + "\n")
    source = "{source: dlc, project_dir: dlc, ood_start: 2}"
    csvs = "ind_csv: CollectedData.csv, ood_csv: CollectedData_new.csv"
    lay_out(tmp_path, "mouse", f"data: {{data_dir: data}}\nworkflow: {{data: {source}, {csvs}}}\n")
    target = "results/mouse/data/prepared.txt"
    assert snakemake(tmp_path, target).returncode == 0
    (images / ".DS_Store").write_bytes(b"a folder that was looked at")
    assert "Nothing to be done" in snakemake(tmp_path, target, "--dry-run").stdout
    replace_text(labels, "5,6", "7,6")
    os.utime(labels, (LONG_AGO, LONG_AGO))  # as of a backup
    done = snakemake(tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "CollectedData.csv").read_text().splitlines()[3].endswith("7,6")
    (tmp_path / "dlc" / "videos").mkdir()
    (tmp_path / "dlc" / "videos" / "new.mp4").write_bytes(b"film")
    assert snakemake(tmp_path, target).returncode == 0
    assert (tmp_path / "data" / "videos" / "new.mp4").read_bytes() == b"film"


def test_mending_a_crop_redoes_that_one_and_settles(project: Path) -> None:
    crop = first_crop(project)
    whole = crop.read_bytes()
    truncate(crop)
    done = snakemake(project, TARGET)
    assert done.returncode == 0, done.stdout + done.stderr
    log = (project / "results/tiny/logs" / f"crop_images.0_1.8.{OOD}.log").read_text()
    assert "cropped 1 of 6 frames, 5 unchanged" in log
    assert crop.read_bytes() == whole
    assert planned(project) == {}


def test_a_lost_data_folder_comes_back(project: Path) -> None:
    shutil.rmtree(project / "data")
    assert planned(project)["prepare_data"] == 1
    done = snakemake(project, TARGET)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert set(re.findall(r"(?:rule|checkpoint) (\w+):", said)) == {"prepare_data"}
    assert planned(project) == {}


def test_the_default_profile_is_used_without_asking(project: Path) -> None:
    done = snakemake(project, TARGET, "--dry-run")
    assert "Using workflow specific profile profiles/default" in done.stdout + done.stderr
    profile = (project / "profiles" / "default" / "config.yaml").read_text()
    assert profile == (project / "workflow" / "profiles" / "default" / "config.yaml").read_text()


def test_dataset_without_config_names_those_there_are(project: Path) -> None:
    done = snakemake(project, "results/nothing/ood_plots.pdf", "--dry-run")
    assert done.returncode != 0
    assert "tiny" in done.stdout + done.stderr
    assert "nothing" in done.stdout + done.stderr
