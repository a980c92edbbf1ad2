"""Names that shells, wildcards, HTML, formulas and plots read otherwise than people: the whole DAG."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lightning_pose.config import to_yaml
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import read_pixel_errors, read_predictions
from lightning_pose.types import Labels
from tests.integration.conftest import lay_out, snakemake
from tests.unit.io.films import write_film
from tests.unit.training.squares import make_squares, tiny_settings

pytestmark = pytest.mark.slow

DATASET = 'mouse\'s "1" $HOME & co; #é 日本 100% `id` (x)*'
DATA = "the data's $HOME é"
IND, OOD = "labels 'a' $HOME é.csv", 'labels_new "b" & c;.csv'
FILM = 'film\'s "1" $HOME 100%d é.mp4'
IMAGES = 'images\'s "1" $HOME [é] 100%02d, a'
KEYPOINTS = ['square\'s $HOME_{1}$, "é" <b>x</b>', "=cross 眼 & {x} \\frac"]
FILMED = f"results/{DATASET}/cropzoom_0_2.5/video_preds/{FILM}"
FRAMES = 12


def make_data(folder: Path) -> None:
    """Write images, labels and a film under odd names."""
    for name, count, seed in ((IND, 10, 0), (OOD, 6, 1)):
        plain = make_squares(folder, count, csv=name, seed=seed)
        images = f"{IMAGES}{seed}"
        (folder / f"images_{seed}").rename(folder / images)
        paths = [path.replace(f"images_{seed}", images) for path in plain.image_paths]
        write_labels(Labels(paths, KEYPOINTS, plain.keypoints_px), folder / name)
    write_film(folder / FILM, FRAMES)


def settings_of():
    own = tiny_settings(Path(DATA), csv=IND, max_steps=3)
    own.data.skeleton = [KEYPOINTS]
    own.workflow.ind_csv, own.workflow.ood_csv = IND, OOD
    own.workflow.seeds, own.workflow.crop_ratios = [0], [2.5]
    own.workflow.videos, own.workflow.anchor_keypoints = [FILM], KEYPOINTS
    own.workflow.plots.colors = {"single": "#123456"}
    return own


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything has been made."""
    folder = tmp_path_factory.mktemp("odd") / "my pröject's $HOME"
    folder.mkdir()
    make_data(folder / DATA)
    lay_out(folder, DATASET, to_yaml(settings_of()))
    done = snakemake(folder, *TARGETS)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


TARGETS = (f"results/{DATASET}/ood_plots.pdf", f"results/{DATASET}/gallery/index.html",
           f"results/{DATASET}/sweep_table.csv", "labeled_videos", "crop_qa",
           f"ensembles_{DATASET}")  # fmt: skip


def test_nothing_lies_elsewhere_and_nothing_is_left_to_do(odd) -> None:
    assert {path.name for path in odd.iterdir()} == {
        ".snakemake", "Snakefile", "config", DATA, "envs", "profiles", "results", "workflow",
    }  # fmt: skip
    assert [path.name for path in (odd / "results").iterdir()] == [DATASET]
    again = snakemake(odd, *TARGETS, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_names_come_out_as_they_went_in(odd) -> None:
    results = odd / "results" / DATASET
    predictions = read_predictions(odd / FILMED / "predictions.csv")
    assert predictions.keypoint_names == KEYPOINTS and predictions.index == list(range(FRAMES))
    csv_name = f"cropped_{OOD}"
    own = read_predictions(results / "pose_0_2.5/image_preds" / csv_name / "remapped_predictions.csv")
    assert own.index == read_labels(odd / DATA / OOD).image_paths
    errors = results / "pose_0_2.5/image_preds" / csv_name / "remapped_predictions_pixel_error.csv"
    assert read_pixel_errors(errors)[1] == KEYPOINTS
    with open(results / "ood_metrics.csv", newline="", encoding="utf-8") as file:
        shown = {row["keypoint"] for row in csv.DictReader(file)} - {""}
    assert shown == {KEYPOINTS[0], f"'{KEYPOINTS[1]}"}  # as text, not as a formula


def test_the_gallery_holds_names_as_data_alone(odd) -> None:
    gallery = odd / "results" / DATASET / "gallery"
    text = (gallery / "data.js").read_text(encoding="utf-8")
    data = json.loads(text.removeprefix("window.galleryData = ").rstrip(";\n"))
    assert data["title"] == DATASET and data["keypoints"] == KEYPOINTS
    assert "<b>" not in (gallery / "index.html").read_text(encoding="utf-8")


def test_a_moved_project_is_left_alone_and_goes_on(odd, tmp_path) -> None:
    moved = tmp_path / "else\\where's"
    shutil.copytree(odd, moved, symlinks=True)
    again = snakemake(moved, *TARGETS, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr
    (moved / FILMED / "labeled.mp4").unlink()
    done = snakemake(moved, f"{FILMED}/labeled.mp4")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.mark.parametrize("name", ["a\nb", "a{x}", " a", "a ", "a\tb"])
def test_names_that_cannot_work_are_refused(tmp_path, name) -> None:
    lay_out(tmp_path, name, to_yaml(settings_of()))
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert (
        f"config/: expected a name without braces, line breaks, and blanks at its ends, found {name!r}"
        in output
    )


def test_a_project_in_a_folder_that_cannot_work_is_refused(tmp_path) -> None:
    (tmp_path / "my {project}").mkdir()
    lay_out(tmp_path / "my {project}", "mouse", to_yaml(settings_of()))
    done = snakemake(tmp_path / "my {project}", "--dry-run")
    assert done.returncode != 0
    assert "the project's folder: expected a name without braces" in done.stdout + done.stderr


def test_images_that_cannot_work_are_refused(tmp_path) -> None:
    make_data(tmp_path / DATA)
    labels = read_labels(tmp_path / DATA / IND)
    write_labels(replace(labels, image_paths=["a{b}.png", *labels.image_paths[1:]]), tmp_path / DATA / IND)
    lay_out(tmp_path, "mouse", to_yaml(settings_of()))
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode != 0
    assert f"{DATA}/{IND}: expected a name without braces" in done.stdout + done.stderr


def test_a_dataset_named_as_a_rule_is_refused(tmp_path) -> None:
    lay_out(tmp_path, "score", to_yaml(settings_of()))
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode != 0
    assert "config/score.yaml: expected a name that no rule has, found score" in done.stdout + done.stderr


def test_files_that_file_browsers_leave_are_no_datasets(tmp_path) -> None:
    make_data(tmp_path / DATA)
    lay_out(tmp_path, "mouse", to_yaml(settings_of()))
    (tmp_path / "config" / "._mouse.yaml").write_bytes(b"\x00\x05\x16\x07")
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
