"""A sweep in the DAG: sizes of the training set are variants, and plots name a model that failed."""

import csv
from pathlib import Path

import pytest

from tests.integration.conftest import TARGET, planned, snakemake

pytestmark = pytest.mark.slow


def test_sizes_are_trained_besides_everything_else(project: Path) -> None:
    config = project / "config" / "tiny.yaml"
    config.write_text(config.read_text().replace("  seeds:", "  train_frames: [4, 0.5]\n  seeds:", 1))
    jobs = planned(project)
    assert jobs["train_detector"] == jobs["train_pose"] == 2 * 2
    assert jobs["plot_ood"] == 1


def test_plots_and_table_go_on_without_a_failed_model_and_name_it(project: Path) -> None:
    results = project / "results" / "tiny"
    for path in (results / "pose_1_1.8").rglob("*"):
        if path.is_file():
            path.unlink()
    assert planned(project)["train_pose"] == 1
    table = "results/tiny/sweep_table.csv"
    done = snakemake(project, TARGET, table, "--config", "allow_missing=true")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(csv.DictReader((project / table).open()))
    assert {(row["kind"], row["seeds"], row["missing_seeds"]) for row in rows} == {
        ("single", "0 1", ""),
        ("pose_1.8", "0", "1"),
    }
    assert "1 of 4 members missing: pose_1.8 seed 1" in (results / "logs" / "plot_ood.log").read_text()
    assert planned(project)["train_pose"] == 1
