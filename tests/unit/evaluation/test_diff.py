"""Two folders of results: what they differ in, and nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.evaluation.diff import compare_folders
from lightning_pose.io.predictions import write_pixel_errors, write_predictions
from lightning_pose.io.provenance import add_run
from lightning_pose.settings import Settings
from lightning_pose.types import Predictions

NAMES, FRAMES = ["beak", "tail"], ["a.jpg", "b.jpg", "c.jpg"]


def predictions(offset_px=0.0, frames=FRAMES, names=NAMES) -> Predictions:
    keypoints_px = np.arange(2.0 * len(frames) * len(names)).reshape(len(frames), len(names), 2)
    keypoints_px[:, 0] += offset_px
    return Predictions(frames, names, keypoints_px, np.full((len(frames), len(names)), 0.5))


def run(**changed) -> dict:
    own = {
        "command": ["litpose", "predict"], "code": {"version": "1", "fingerprint": "abc"},
        "packages": {"numpy": "2.0"}, "device": "cpu", "seeds": {"model": 0}, "seconds": 1.0,
        "inputs": {"data/labels.csv": {"bytes": 1, "sha256": "0" * 64}}, "images": {},
    }  # fmt: skip
    return own | changed


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    first = tmp_path / "first"
    preds = first / "image_preds" / "labels.csv"
    write_predictions(predictions(), preds / "predictions.csv")
    errors = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]])
    write_pixel_errors(preds / "predictions_pixel_error.csv", FRAMES, NAMES, errors)
    (first / "config.yaml").write_text(to_yaml(Settings()))
    (first / "model.safetensors").write_bytes(b"weights")
    (first / "checkpoints").mkdir()
    (first / "checkpoints" / "model.safetensors").write_bytes(b"state")
    add_run(preds, run(), ["predictions.csv"])
    second = tmp_path / "second"
    shutil.copytree(first, second)
    return first, second


def lines(folders) -> list[str]:
    return [str(difference) for difference in compare_folders(*folders)]


def test_equal_folders_differ_in_nothing(folders, capsys) -> None:
    (folders[1] / "checkpoints" / "model.safetensors").write_bytes(b"another state")
    assert main(["diff", *map(str, folders)]) == 0
    assert capsys.readouterr().out == ""


def test_boxes_columns_and_errors_of_single_frames(folders) -> None:
    for folder, number in zip(folders, (1.0, 3.0), strict=True):
        preds = folder / "image_preds" / "labels.csv"
        own = predictions()
        further = {"x_ens_var": np.full((3, 2), number), "y_ens_var": np.ones((3, 2))}
        boxes = np.full((3, 4), 2 * number)
        write_predictions(replace(own, further=further, xywh_frame_px=boxes), preds / "predictions.csv")
        errors = np.array([[number, 2.0], [4 - number, np.nan], [5.0, 6.0]])
        write_pixel_errors(preds / "predictions_pixel_error.csv", FRAMES, NAMES, errors)
    found = "\n".join(lines(folders))
    assert "beak x_ens_var: apart by up to 2\n" in found and "y_ens_var" not in found
    assert "boxes: apart by up to 4\n" in found
    assert "predictions_pixel_error.csv: beak: apart by up to 2" in found


def test_times_and_commands_do_not_count(folders) -> None:
    preds = folders[1] / "image_preds" / "labels.csv"
    add_run(preds, run(seconds=2.0, command=["litpose", "predict", "there"]), ["predictions.csv"])
    assert lines(folders) == []


def test_a_setting(folders, capsys) -> None:
    changed = Settings()
    changed.training.max_epochs = 7
    (folders[1] / "config.yaml").write_text(to_yaml(changed))
    assert main(["diff", *map(str, folders)]) == 1
    assert capsys.readouterr().out == "config.yaml: training.max_epochs: 300 | 7\n"


def test_weights(folders) -> None:
    (folders[1] / "model.safetensors").write_bytes(b"others")
    assert lines(folders) == ["model.safetensors: weights: different"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"packages": {"numpy": "2.1"}}, "version of numpy: 2.0 | 2.1"),
        ({"code": {"version": "1", "fingerprint": "def"}}, "code fingerprint: abc | def"),
        ({"device": "A100"}, "device: cpu | A100"),
        ({"seeds": {"model": 1}}, "seeds: {'model': 0} | {'model': 1}"),
        (
            {"inputs": {"elsewhere/labels.csv": {"bytes": 1, "sha256": "1" * 64}}},
            "input labels.csv: 000000000000 | 111111111111",
        ),
    ],
)
def test_what_made_the_files(folders, changed, expected) -> None:
    add_run(folders[1] / "image_preds" / "labels.csv", run(**changed), ["predictions.csv"])
    assert lines(folders) == [f"image_preds/labels.csv/provenance.json (predictions.csv): {expected}"]


def test_positions_keypoint_by_keypoint(folders) -> None:
    moved = predictions()
    moved.keypoints_px[:, 0] += [[3, 4], [0, 0], [6, 8]]
    moved.keypoints_px[2, 1] = np.nan
    write_predictions(moved, folders[1] / "image_preds" / "labels.csv" / "predictions.csv")
    assert lines(folders) == [
        "image_preds/labels.csv/predictions.csv: beak: apart by 5 px (median), 10 px (maximum)",
        "image_preds/labels.csv/predictions.csv: tail: predicted by one alone in 1 rows",
    ]


def test_rows_are_matched_by_name(folders) -> None:
    own = predictions()
    order = [2, 0, 1]
    shuffled = Predictions([FRAMES[i] for i in order], NAMES, own.keypoints_px[order], own.confidence[order])
    write_predictions(shuffled, folders[1] / "image_preds" / "labels.csv" / "predictions.csv")
    assert lines(folders) == ["image_preds/labels.csv/predictions.csv: rows: in another order"]


def test_other_rows_and_keypoints_are_named(folders) -> None:
    target = folders[1] / "image_preds" / "labels.csv" / "predictions.csv"
    write_predictions(predictions(frames=["a.jpg", "b.jpg", "d.jpg"], names=["beak", "wing"]), target)
    found = lines(folders)
    assert found[0].endswith("keypoints: 1 of its own (tail) | 1 of its own (wing)")
    assert found[1].endswith("rows: 1 of its own (c.jpg) | 1 of its own (d.jpg)")


def test_pixel_errors(folders) -> None:
    target = folders[1] / "image_preds" / "labels.csv" / "predictions_pixel_error.csv"
    write_pixel_errors(target, FRAMES, NAMES, np.array([[1.0, 2.0], [3.0, np.nan], [8.0, 6.0]]))
    assert lines(folders) == [
        "image_preds/labels.csv/predictions_pixel_error.csv: all keypoints: "
        "mean 3.400 px, median 3.000 px | mean 4.000 px, median 3.000 px",
        "image_preds/labels.csv/predictions_pixel_error.csv: beak: "
        "mean 3.000 px, median 3.000 px | mean 4.000 px, median 3.000 px",
    ]


def test_a_file_that_one_lacks(folders) -> None:
    (folders[1] / "model.safetensors").unlink()
    assert lines(folders) == ["model.safetensors: the file: there | none"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_no_results_are_refused(folders, tmp_path, capsys, make) -> None:
    make(tmp_path / "other")
    assert main(["diff", str(folders[0]), str(tmp_path / "other")]) == 2
    assert "other: expected a folder with results" in capsys.readouterr().err


def test_the_table_of_plots(folders) -> None:
    header = "figure,set,kind,seed,frame,keypoint,threshold,statistic,value,n\n"
    for folder, value in zip(folders, ("1.5", "1.75"), strict=True):
        (folder / "ood_metrics.csv").write_text(f"{header}summary,OOD,single,,,,,mean,{value},3\n")
    assert lines(folders) == ["ood_metrics.csv: OOD single mean: 1.5 | 1.75"]


def test_the_table_of_plots_tells_kinds_from_members_pairs_and_points_of_curves(folders) -> None:
    header = "figure,set,kind,versus,seed,frame,keypoint,threshold,coverage,statistic,value,n\n"
    for folder, kind, member, pair, point in zip(folders, "12", "34", "56", "78", strict=True):
        rows = [
            f"risk_coverage,OOD,single,,,,,,0.5,mean,{point},9",
            f"comparison,OOD,pose,single,,,,,,difference,{pair},9",
            "comparison,OOD,pose,large,,,,,,difference,0,9", f"summary,OOD,single,,,,,,,mean,{kind},9",
            "members,OOD,single,,0,,,,,mean,0,9", f"members,OOD,single,,1,,,,,mean,{member},9",
        ]  # fmt: skip
        (folder / "ood_metrics.csv").write_text(header + "\n".join(rows) + "\n")
    assert lines(folders) == [
        "ood_metrics.csv: OOD pose less single difference: 5 | 6",
        "ood_metrics.csv: OOD single mean: 1 | 2",
        "ood_metrics.csv: OOD single seed 1 mean: 3 | 4",
    ]


def test_what_shows_neither_in_positions_nor_in_mean_errors_is_a_difference_too(folders) -> None:
    preds = Path("image_preds") / "labels.csv"
    for folder, variance, errors in zip(folders, (1.0, 4.0), ([1.0, 2.0], [2.0, 1.0]), strict=True):
        own = predictions()
        further = {name: np.full(own.confidence.shape, variance) for name in ("x_ens_var", "y_ens_var")}
        write_predictions(replace(own, further=further), folder / preds / "predictions.csv")
        swapped = np.array(errors)[:, None]
        write_pixel_errors(
            folder / preds / "predictions_pixel_error.csv", FRAMES[:2], NAMES[:1], swapped, None
        )
    found = lines(folders)
    variances = [
        f"{preds}/predictions.csv: {name} {axis}_ens_var: apart by up to 3" for name in NAMES for axis in "xy"
    ]
    assert found[:-1] == variances
    assert found[-1] == f"{preds}/predictions_pixel_error.csv: {NAMES[0]}: apart by up to 1"


def test_files_that_differ_in_what_is_not_measured_are_named(folders) -> None:
    path = Path("image_preds") / "labels.csv" / "predictions.csv"
    write_predictions(predictions(), folders[1] / path)
    text = (folders[1] / path).read_text()
    (folders[1] / path).write_text(text.replace("lightning_pose", "another"))
    write_predictions(predictions(), folders[0] / path)
    assert lines(folders) == [f"{path}: columns besides x, y and likelihood, or text: different"]
