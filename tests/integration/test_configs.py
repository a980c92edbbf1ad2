"""What configs make of the DAG, and what of them is refused before anything runs."""

import re
from pathlib import Path

import pytest

from lightning_pose.config import to_yaml
from tests.integration.conftest import ROOT, lay_out, snakemake
from tests.unit.io.films import write_film
from tests.unit.training.squares import make_squares, tiny_settings

pytestmark = pytest.mark.slow

TINY = (ROOT / "tests" / "fixtures" / "tiny.yaml").read_text()


def said_of(folder: Path, *targets: str, fails: bool = False) -> str:
    done = snakemake(folder, *targets, "--dry-run")
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def in_workflow(line: str) -> str:
    return TINY.replace("  seeds:", f"  {line}\n  seeds:")


def test_a_training_may_start_from_a_model_of_the_dag(tmp_path) -> None:
    start = "results/tiny/pose_0_1.8"
    lay_out(
        tmp_path,
        "tiny",
        in_workflow(f"variants: {{tuned: {{settings: {{model: {{checkpoint: {start}}}}}}}}}"),
    )
    output = said_of(tmp_path, "results/tiny/pose-tuned_1_1.8/model.safetensors")
    assert output.count("rule train_pose:") == 2
    assert f"{start}/model.safetensors" in output


def test_two_configs_fill_one_folder_with_the_same_data_only(tmp_path) -> None:
    lay_out(tmp_path, "tiny", TINY)
    other = tmp_path / "config" / "other.yaml"
    other.write_text(TINY.replace("max_steps: 3", "max_steps: 4"))
    said_of(tmp_path, "results/tiny/data/prepared.txt")
    other.write_text(TINY.replace("ind_frames: 12", "ind_frames: 14"))
    output = said_of(tmp_path, "results/tiny/data/prepared.txt", fails=True)
    assert "found data/tiny, that of config/other.yaml" in output


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("model: {model_type: heatmap}\n", "workflow.ind_csv: expected a labels CSV, found none"),
        (TINY.replace("seeds:", "seed:"), "workflow.seed: expected a known key, found seed"),
    ],
    ids=["of Lightning Pose", "misspelt"],
)
def test_a_config_that_cannot_be_used_is_in_no_others_way(tmp_path, text, mistake) -> None:
    lay_out(tmp_path, "tiny", TINY)
    (tmp_path / "config" / "other.yaml").write_text(text)
    said_of(tmp_path, "results/tiny/ood_plots.pdf")
    for targets in (["results/other/ood_plots.pdf"], ["videos"], []):
        assert f"config/other.yaml: {mistake}" in said_of(tmp_path, *targets, fails=True)


@pytest.mark.parametrize("kinds", ["single, pose_1.9", "single, cropzoom_1.8"])
def test_a_pool_of_unknown_kinds_is_not_left_out(tmp_path, kinds) -> None:
    lay_out(tmp_path, "tiny", in_workflow(f"ensemble: {{pooled: {{mine: [{kinds}]}}}}"))
    output = said_of(tmp_path, "ensembles", fails=True)
    assert f"ensemble mine: expected one of single, pose_1.8, found {kinds.split(', ')[1]}" in output


def test_time_for_epochs_with_unlabelled_video(tmp_path) -> None:
    make_squares(tmp_path / "data", 10)
    write_film(tmp_path / "data" / "film.mp4", 40)
    minutes = [minutes_of_training(tmp_path / str(i), limit) for i, limit in enumerate(("epochs", "steps"))]
    assert minutes[0] == minutes[1] > 20


def minutes_of_training(folder: Path, limit: str) -> int:
    """Return what is asked for 3,000 epochs, or 30,000 steps: there are ten in each of few images."""
    folder.mkdir()
    own = tiny_settings(folder.parent / "data")
    own.workflow.ind_csv = "labels.csv"
    own.data.video_dir, own.model.losses_to_use = [str(folder.parent / "data" / "film.mp4")], ["temporal"]
    own.training.max_steps = 30_000 if limit == "steps" else None
    own.training.max_epochs = 3_000
    lay_out(folder, "tiny", to_yaml(own))
    output = said_of(folder, "results/tiny/single_0/model.safetensors")
    found = re.search(r"rule train_detector:.*?runtime=(\d+)", output, re.DOTALL)
    assert found is not None
    return int(found[1])
