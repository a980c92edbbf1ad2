"""A sweep in the DAG: sizes of the training set are variants, and plots name a model that failed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_pose.evaluation.report.contents import read_contents
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.files import write_json
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import read_predictions, write_pixel_errors, write_predictions
from lightning_pose.types import Boxes, Labels, Predictions
from tests.integration.conftest import TARGET, lay_out, planned, snakemake

pytestmark = pytest.mark.slow

CSVS = ("labels.csv", "labels_new.csv")
TABLE = "results/tiny/sweep_table.csv"
GALLERY, FIFTYONE = "results/tiny/gallery/index.html", "results/tiny/fiftyone/samples.json"
CONFIG = """
data: {data_dir: data}
workflow:
  ind_csv: labels.csv
  ood_csv: labels_new.csv
  seeds: [0, 1]
"""
# in the order in which the DAG makes them: what is older than its inputs would be made again
MEMBERS = (
    "single_{seed}/image_preds/{csv}/predictions{end}.csv",
    "pose_{seed}_1.8/image_preds/cropped_{csv}/remapped_predictions{end}.csv",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The workflow with eight labelled images."""
    for csv_name in CSVS:
        names = [f"images/{csv_name[:-4]}_{number}.png" for number in range(4)]
        write_labels(Labels(names, ["beak", "tail"], np.full((4, 2, 2), 20.0)), tmp_path / "data" / csv_name)
        (tmp_path / "data" / "images").mkdir(exist_ok=True)
        for name in names:
            Image.new("RGB", (64, 48)).save(tmp_path / "data" / name)
    lay_out(tmp_path, "tiny", CONFIG)
    return tmp_path


def predict(folder: Path) -> None:
    """Write the predictions and errors of all models."""
    rng = np.random.default_rng(0)
    for csv_name in CSVS:
        names = [f"images/{csv_name[:-4]}_{number}.png" for number in range(4)]
        for seed in (0, 1):
            for member in MEMBERS:
                keypoints_px = 20 + rng.normal(0, 2, (4, 2, 2))
                own = Predictions(names, ["beak", "tail"], keypoints_px, np.ones((4, 2)), ["test"] * 4)
                places = {"seed": seed, "csv": csv_name}
                results = folder / "results" / "tiny"
                write_predictions(own, results / member.format(**places, end=""))
                errors = np.linalg.norm(keypoints_px - 20, axis=-1)
                target = results / member.format(**places, end="_pixel_error")
                write_pixel_errors(target, names, ["beak", "tail"], errors)


def test_sizes_are_trained_besides_everything_else(folder: Path) -> None:
    before = planned(folder)
    (folder / "config" / "tiny.yaml").write_text(f"{CONFIG}  train_frames: [4, 0.5]\n")
    after = planned(folder)
    for rule in ("train_detector", "train_pose", "predict_detector", "remap"):
        assert after[rule] == 3 * before[rule]
    assert after["crop_images"] == before["crop_images"]


def test_plots_and_table_go_on_without_a_failed_model_and_name_it(folder: Path) -> None:
    predict(folder)
    results = folder / "results" / "tiny"
    lost = results / "pose_1_1.8" / "image_preds" / "cropped_labels_new.csv" / "remapped_predictions.csv"
    lost.unlink()
    assert planned(folder)["train_pose"] == 2  # without saying that some may be missing
    done = snakemake(folder, TARGET, TABLE, "--config", "allow_missing=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_" not in done.stderr
    rows = list(csv.DictReader((folder / TABLE).open()))
    assert {(row["kind"], row["seeds"], row["missing_seeds"]) for row in rows} == {
        ("single", "0 1", ""),
        ("pose_1.8", "0", "1"),
    }
    assert "1 of 4 members missing: pose_1.8 seed 1" in (results / "logs" / "plot_ood.log").read_text()


def test_without_ood_labels_what_is_possible_is_drawn(folder: Path) -> None:
    predict(folder)
    config = CONFIG.replace("  ood_csv: labels_new.csv\n", "")
    assert config != CONFIG
    (folder / "config" / "tiny.yaml").write_text(config)
    calibration = "results/tiny/ensemble/single/calibration.json"
    assert planned(folder, targets=(TARGET, TABLE, GALLERY, FIFTYONE, calibration))["calibrate"] == 1
    rules = ("plot_ood", "sweep_table")
    done = snakemake(folder, TARGET, TABLE, "--config", "allow_missing=true", "--allowed-rules", *rules)
    assert done.returncode == 0, done.stderr
    sets = {row["set"] for row in csv.DictReader((folder / TABLE).open())}
    assert sets == {"InD"} and (folder / TARGET).is_file()


def test_predictions_of_another_tool_are_a_kind_of_plots_tables_gallery_ensemble_and_report(
    folder: Path,
) -> None:
    predict(folder)
    for csv_name in CSVS:
        names = [f"images/{csv_name[:-4]}_{number}.png" for number in range(4)]
        exact = Predictions(names, ["beak", "tail"], np.full((4, 2, 2), 23.0), np.ones((4, 2)))
        write_predictions(exact, folder / "data" / f"sleap_{csv_name}")
        boxes = Boxes(names, np.tile([10.0, 10, 20, 20], (4, 1)), ["detected"] * 4)
        results = folder / "results" / "tiny"
        for seed in (0, 1):
            write_bboxes(boxes, results / f"crop_{seed}_1.8" / csv_name / "bbox.csv")
        # made beforehand: once a checkpoint has run, --allowed-rules no longer holds
        write_json({"labels": csv_name, "images": {}}, results / "data" / csv_name / "images.json")
    files = "{ind: [data/sleap_labels.csv], ood: [data/sleap_labels_new.csv]}"
    (folder / "config" / "tiny.yaml").write_text(f"{CONFIG}  external: {{sleap: {files}}}\n")
    scores = [
        f"results/tiny/external/sleap_0/image_preds/{name}/predictions_pixel_error.csv" for name in CSVS
    ]
    ensemble = "results/tiny/ensemble/sleap/image_preds/labels_new.csv/predictions.csv"
    rules = ("plot_ood", "sweep_table", "score_external", "write_gallery", "ensemble_images")
    options = ("--config", "allow_missing=true", "--allowed-rules", *rules)
    done = snakemake(folder, TARGET, TABLE, GALLERY, ensemble, *scores, *options)
    assert done.returncode == 0, done.stderr
    metrics = (results / "ood_metrics.csv").read_text()
    assert "sleap" in metrics and "4.2426" in metrics  # 3 px off in x and in y
    table = [row for row in csv.DictReader((folder / TABLE).open()) if row["kind"] == "sleap"]
    assert [(row["set"], row["seeds"], row["mean_px"][:6]) for row in table] == [
        ("InD", "0", "4.2426"),
        ("OOD", "0", "4.2426"),
    ]
    data = json.loads((results / "gallery" / "data.js").read_text().partition(" = ")[2].rstrip(";\n"))
    assert [own["name"] for own in data["kinds"]] == ["single", "pose_1.8", "sleap"]
    np.testing.assert_array_equal(read_predictions(folder / ensemble).keypoints_px, 23)
    contents = read_contents(results, folder / "config" / "tiny.yaml")
    for own in contents.sets:
        np.testing.assert_allclose(own.comparison.of_kind("sleap"), np.sqrt(18))
