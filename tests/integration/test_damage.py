"""Every kind of file between two steps, damaged: snakemake names it, makes it again, and keeps it beside."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from lightning_pose.io.files import read_json, write_json
from lightning_pose.io.put_back import stamp_of
from tests.integration.conftest import TARGET, planned, snakemake
from tests.integration.test_again import results_of
from tests.integration.test_staleness import IND, OOD, change_first_cell

pytestmark = pytest.mark.slow

RESULTS, SEEN = "results/tiny", ".snakemake/whole.json"
POSE = f"{RESULTS}/pose_1_1.8"
CROPS = f"{RESULTS}/crop_1_1.8/{IND}"
PREDICTIONS = f"{RESULTS}/single_0/image_preds/{IND}/predictions.csv"
# file -> the rule that makes it; some are made of others among them
MADE_BY = {
    f"{RESULTS}/data/{IND}/images.json": "index_images",
    f"{RESULTS}/single_0/model.safetensors": "train_detector",
    PREDICTIONS: "predict_detector",
    f"{RESULTS}/single_1/image_preds/{IND}/predictions_pixel_error.csv": "score",
    f"{CROPS}/bbox.csv": "create_bbox",
    f"{CROPS}/cropped_{IND}": "crop_images",
    f"{RESULTS}/crop_0_1.8/{OOD}/crops.json": "crop_images",
    f"{POSE}/splits.json": "train_pose",
    f"{POSE}/config.yaml": "train_pose",
    f"{POSE}/image_preds/cropped_{IND}/remapped_predictions.csv": "remap",
    f"{RESULTS}/ood_metrics.csv": "plot_ood",
}
# the two are of one training
JOBS = Counter(MADE_BY.values()) - Counter(["train_pose"]) + Counter(["crop_images"])


def flip(content: bytes) -> bytes:
    return bytes([*content[:-3], content[-3] ^ 1, *content[-2:]])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def said_by(done) -> str:
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def jobs_run(said: str) -> Counter:
    return Counter(re.findall(r"^(?:local)?rule (\w+):", said, re.MULTILINE))


def first_crop(project: Path) -> Path:
    """Return one of the crops."""
    return min((project / RESULTS / "crop_0_1.8/cropped_images").rglob("*.png"))


def decay(project: Path, name: str) -> None:
    """Change a file that was seen whole, so that its size and times tell nothing, as a failing disk does."""
    path, before = project / name, (project / name).stat()
    path.write_bytes(flip(path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    seen = read_json(project / SEEN)
    if path.name in seen.get(str(Path(name).parent), {}):
        seen[str(Path(name).parent)][path.name] = stamp_of(path)
        write_json(seen, project / SEEN)


@pytest.mark.parametrize("damage", [flip, cut])
def test_damaged_results_are_made_again_and_nothing_else(project, damage) -> None:
    """Nothing that depends on them, either: they turn out the same."""
    before, crop = results_of(project), first_crop(project)
    damaged = [*MADE_BY, str(crop.relative_to(project))]
    whole = {name: (project / name).read_bytes() for name in damaged}
    for name in damaged:
        (project / name).write_bytes(damage(whole[name]))
    said = said_by(snakemake(project, TARGET))
    assert [name for name in MADE_BY if f"{name}: not what its command wrote" not in said] == []
    assert f"{damaged[-1]}: missing, or not what was cropped" in said
    assert jobs_run(said) == JOBS
    after = results_of(project)
    kept = {f"{name}.changed".removeprefix(f"{RESULTS}/"): damage(whole[name]) for name in MADE_BY}
    assert after == before | kept
    assert planned(project) == {}
    assert "not what its command wrote" not in said_by(snakemake(project, TARGET, "--dry-run"))


def test_what_was_just_made_need_not_be_read(finished) -> None:
    seen = read_json(finished / SEEN)
    unknown = [name for name in MADE_BY if Path(name).name not in seen.get(str(Path(name).parent), {})]
    assert unknown == []


def test_a_dry_run_tells_and_changes_nothing(project) -> None:
    change_first_cell(project / PREDICTIONS)
    before = results_of(project)
    said = said_by(snakemake(project, TARGET, "--dry-run"))
    assert f"{PREDICTIONS}: not what its command wrote" in said
    assert jobs_run(said)["predict_detector"] == 1 and "reason: Forced execution" in said
    assert results_of(project) == before


def test_what_was_changed_by_hand_is_used_if_asked_for(project) -> None:
    change_first_cell(project / PREDICTIONS)
    said = said_by(snakemake(project, TARGET, "--dry-run", "--config", "keep_changed=true"))
    assert f"{PREDICTIONS}: not what its command wrote: changed by hand, or damaged; used as it is" in said
    jobs = jobs_run(said)
    assert jobs["predict_detector"] == 0 and jobs["create_bbox"] == 1


def test_what_a_run_that_was_killed_had_set_aside_is_made(project) -> None:
    path = project / PREDICTIONS
    before = path.read_bytes()
    path.rename(f"{path}.changed")
    assert jobs_run(said_by(snakemake(project, TARGET))) == {"predict_detector": 1}
    assert path.read_bytes() == before


def test_results_that_were_not_asked_for_are_left_as_they_are(project) -> None:
    metrics = project / f"{RESULTS}/ood_metrics.csv"
    metrics.write_bytes(cut(metrics.read_bytes()))
    before = results_of(project)
    said = said_by(snakemake(project, PREDICTIONS))
    assert "ood_metrics.csv: not what its command wrote" in said and results_of(project) == before


def test_what_only_a_reader_finds_damaged_is_made_again_at_the_next_start(project) -> None:
    """Decay changes no times, so that snakemake looks into nothing; readers refuse, and set a new time."""
    said_by(snakemake(project, TARGET))
    before = results_of(project)
    ask = [f"{RESULTS}/single_0/image_preds/{IND}/predictions_pixel_error.csv",
           f"{RESULTS}/single_1/image_preds/{OOD}/predictions.csv",
           f"{RESULTS}/single_0/image_preds/{OOD}/predictions.csv",
           f"{RESULTS}/pose_0_1.8/image_preds/cropped_{IND}/predictions.csv"]  # fmt: skip
    crop = min((project / RESULTS / "crop_0_1.8/cropped_images").rglob("*ind*/*[0-9].png"))
    damaged = [PREDICTIONS, f"{RESULTS}/single_1/model.safetensors", f"{RESULTS}/single_0/splits.json",
               str(crop.relative_to(project))]  # fmt: skip
    for name in damaged:
        decay(project, name)
    for name in ask:
        (project / name).unlink()
    done = snakemake(project, *ask, "--keep-going")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "not what its command wrote" not in said
    assert [name for name in damaged if f"{name}: expected" not in said] == []
    said_by(snakemake(project, *ask))
    after = results_of(project)
    assert {name: own for name, own in after.items() if not name.endswith(".changed")} == before
    assert len(after) == len(before) + len(damaged) - 1  # crops are not kept
