"""Every kind of file between two steps, damaged: snakemake names it, and makes it again."""

import pytest

from tests.integration.conftest import TARGET, planned, snakemake
from tests.integration.test_staleness import IND

pytestmark = pytest.mark.slow

RESULTS = "results/tiny"
POSE = f"{RESULTS}/pose_1_1.8"
CROPS = f"{RESULTS}/crop_1_1.8/{IND}"
# file -> the rule that makes it
MADE_BY = {
    f"{RESULTS}/single_0/model.safetensors": "train_detector",
    f"{RESULTS}/single_0/image_preds/{IND}/predictions.csv": "predict_detector",
    f"{RESULTS}/single_1/image_preds/{IND}/predictions_pixel_error.csv": "score",
    f"{CROPS}/bbox.csv": "create_bbox",
    f"{CROPS}/cropped_{IND}": "crop_images",
    f"{POSE}/splits.json": "train_pose",
    f"{POSE}/config.yaml": "train_pose",
    f"{POSE}/image_preds/cropped_{IND}/remapped_predictions.csv": "remap",
    f"{RESULTS}/ood_metrics.csv": "plot_ood",
}


def flip(content: bytes) -> bytes:
    return bytes([*content[:-3], content[-3] ^ 1, *content[-2:]])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [flip, cut])
def test_damaged_results_are_named_and_made_again_once_deleted(project, damage) -> None:
    for name in MADE_BY:
        (project / name).write_bytes(damage((project / name).read_bytes()))
    done = snakemake(project, TARGET, "--dry-run")
    said = done.stdout + done.stderr
    assert [name for name in MADE_BY if f"{name}: not what its command wrote" not in said] == []
    for name in MADE_BY:
        (project / name).unlink()
    again = snakemake(project, *MADE_BY, "--dry-run")
    said = again.stdout + again.stderr
    assert (
        again.returncode == 0 and {rule for rule in MADE_BY.values() if f"rule {rule}:" not in said} == set()
    )


def test_nothing_is_said_of_what_is_whole(project) -> None:
    done = snakemake(project, TARGET, "--dry-run")
    assert "not what its command wrote" not in done.stdout + done.stderr


def test_a_damaged_manifest_is_made_again_on_its_own(project) -> None:
    path = project / CROPS / "crops.json"
    path.write_bytes(cut(path.read_bytes()))
    assert "crop_images" in planned(project)
