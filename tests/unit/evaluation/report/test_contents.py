"""What a folder of results has is read as it is; what is missing, damaged or foreign is told."""

import math

import numpy as np
import pytest

from lightning_pose.evaluation.report.contents import read_contents
from lightning_pose.io.files import write_json
from lightning_pose.types import UserError
from tests.unit.evaluation.report.made_up import (
    FRAMES,
    IND,
    KEYPOINTS,
    LEFT_OVER,
    MEANS,
    OOD,
    make_results,
    write_errors,
)


def test_finished_results(results) -> None:
    found = read_contents(results)
    assert found.kinds == ["single", "pose_1.8"]
    assert [own.dir.path.name for own in found.models] == list(MEANS)
    assert not any(own.missing for own in found.models) and not found.problems
    assert found.others == [LEFT_OVER]
    assert found.models[0].splits == {"train": 4, "validation": 2, "test": 3}
    assert found.models[0].settings["model.backbone"] == "resnet18"
    assert [(own.name, own.csv, own.images) for own in found.sets] == [("InD", IND, 9), ("OOD", OOD, 12)]
    assert [own.statuses for own in found.crops] == [
        {"detected": 8, "fallback": 1},
        {"detected": 11, "fallback": 1},
    ]


def test_errors_are_those_of_the_files_on_the_frames_of_the_plots(results) -> None:
    ind, ood = (own.comparison for own in read_contents(results).sets)
    assert ind.frames == FRAMES[IND][6:]  # no training saw them
    assert ood.frames == FRAMES[OOD] and ood.keypoint_names == KEYPOINTS
    np.testing.assert_allclose(ood.errors.mean((1, 2)), list(MEANS.values()))


def test_members_in_another_order_are_aligned(results) -> None:
    write_errors(results / "single_1", OOD, 11.0, FRAMES[OOD][::-1])
    comparison = read_contents(results).sets[1].comparison
    path = results / "single_1" / "image_preds" / OOD / "predictions_pixel_error.csv"
    of_first = float(path.read_text().splitlines()[-1].split(",")[1])  # the last row is the first frame
    assert comparison.errors[1, 0, 0] == pytest.approx(of_first)


def test_what_is_missing_is_told_up_to_what_follows(tmp_path) -> None:
    results = make_results(tmp_path, ("single_0", "single_1", "pose_0_1.8"))
    (results / "single_1" / "model.safetensors").unlink()
    status = {"state": "training", "step": 12, "total_steps": 30}
    write_json(status, results / "single_1" / "train_status.json")
    folder = results / "pose_0_1.8" / "image_preds" / f"cropped_{OOD}"
    (folder / "remapped_predictions_pixel_error.csv").unlink()
    missing = {own.dir.path.name: own.missing for own in read_contents(results).models}
    assert missing == {
        "single_0": [],
        "single_1": ["not trained (training at step 12 of 30)"],
        "pose_0_1.8": [f"no pixel errors on {OOD}"],
        "pose_1_1.8": ["not trained"],
    }
    (folder / "remapped_predictions.csv").unlink()
    assert read_contents(results).models[2].missing == [f"no predictions on {OOD}"]


def test_the_config_says_what_there_should_be(results, tmp_path) -> None:
    config = tmp_path / "bird.yaml"
    text = (
        "workflow: {ind_csv: ind.csv, ood_csv: ood.csv, seeds: [0, 7], crop_ratios: [1.8], train_frames: [3]}"
    )
    config.write_text(text)
    found = read_contents(results, config)
    assert found.kinds == ["single", "single-3frames", "pose_1.8", "pose_1.8-3frames"]
    assert sum(own.missing == ["not trained"] for own in found.models) == 6
    assert found.others == [LEFT_OVER, "pose_1_1.8", "single_1"]


def test_nothing_trained_yet(tmp_path) -> None:
    results = make_results(tmp_path, ())
    (results / LEFT_OVER).rmdir()
    with pytest.raises(UserError, match=r"expected results of a data set.*found none"):
        read_contents(results)
    config = tmp_path / "bird.yaml"
    config.write_text("workflow: {ind_csv: ind.csv, ood_csv: ood.csv, seeds: [0], crop_ratios: [1.8]}")
    assert [own.missing for own in read_contents(results, config).models] == [["not trained"]] * 2
    with pytest.raises(UserError, match="no such folder"):
        read_contents(tmp_path / "elsewhere", config)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (",beak\na.png,1\n", "of other frames"),
        (",beak,tail\n" + "".join(f"{name},1,1\n" for name in FRAMES[OOD]), "of other keypoints"),
        (",beak,tail\na.png,oops,1\n", "expected a number"),
        ("", "a header row"),
    ],
)
def test_a_member_that_does_not_fit_is_left_out_and_named(results, text, told) -> None:
    path = results / "single_1" / "image_preds" / OOD / "predictions_pixel_error.csv"
    path.write_text(text)
    found = read_contents(results)
    assert found.sets[1].comparison.kinds == ["single", "pose_1.8", "pose_1.8"]
    assert len(found.problems) == 1 and str(path) in found.problems[0] and told in found.problems[0]


def test_a_member_that_predicted_nothing_is_named(results) -> None:
    path = results / "single_1" / "image_preds" / OOD / "predictions_pixel_error.csv"
    path.write_text(f",{','.join(KEYPOINTS)}\n" + "".join(f"{name},,\n" for name in FRAMES[OOD]))
    found = read_contents(results)
    assert "no errors at all" in found.problems[0]
    assert math.isnan(found.sets[1].comparison.errors[1].max())


def test_images_that_a_training_saw_are_told_among_ood_ones(results) -> None:
    path = results / "single_0" / "image_preds" / OOD / "predictions_pixel_error.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{rows[0]},set", f"{rows[1]},train", *(f"{row},test" for row in rows[2:])]))
    assert read_contents(results).problems == [f"{OOD}: 1 images of it were seen in trainings"]


def test_what_another_tool_predicted_is_one_more_kind(results, tmp_path) -> None:
    for number, mean in enumerate((6.0, 8.0)):
        for csv in (IND, OOD):
            write_errors(results / "external" / f"our_dlc_{number}", csv, mean)
    config = tmp_path / "bird.yaml"
    external = "{our_dlc: {ind: [a, b, c], ood: [d, e, f]}}"
    config.write_text(
        f"workflow: {{ind_csv: ind.csv, ood_csv: ood.csv, seeds: [0, 1], external: {external}}}"
    )
    found = read_contents(results, config)
    assert found.kinds == ["single", "pose_1.8"] and len(found.models) == 4
    assert [(own.kind, own.seed) for own in found.externals] == [("our_dlc", number) for number in "012"]
    ood = found.sets[1].comparison
    assert ood.kinds[4:] == ["our_dlc", "our_dlc"]
    np.testing.assert_allclose(ood.of_kind("our_dlc").mean((1, 2)), [6, 8])
    assert not found.problems


def test_without_settings_other_tools_are_those_that_were_scored(results) -> None:
    for folder in results.glob("*_[01]*"):
        (folder / "config.yaml").unlink(missing_ok=True)
    write_errors(results / "external" / "our_dlc_0", OOD, 6.0)
    assert [(own.kind, own.seed) for own in read_contents(results).externals] == [("our_dlc", "0")]


@pytest.mark.parametrize("name", ["splits.json", "config.yaml"])
def test_damaged_files_are_told(results, name) -> None:
    (results / "single_1" / name).write_text("{: damaged")
    found = read_contents(results)
    assert any(str(results / "single_1" / name) in problem for problem in found.problems)
    assert len(found.models) == 4


def test_an_ensemble_counts_on_the_frames_that_are_compared(results) -> None:
    folder = results / "ensemble" / "single"
    write_errors(folder, IND, 2.0)
    found = read_contents(results).sets[0]
    path = folder / "image_preds" / IND / "predictions_pixel_error.csv"
    held_out = [float(line.split(",")[1]) for line in path.read_text().splitlines()[7:]]
    assert found.ensembles == {"single": pytest.approx(sum(held_out) / 3)}


def test_errors_that_name_a_frame_twice_are_told_and_left_out(results) -> None:
    path = results / "single_0" / "image_preds" / OOD / "predictions_pixel_error.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    found = read_contents(results)
    assert found.sets[1].comparison.seeds == ["1", "0", "1"]
    row = len(lines) + 1
    assert found.problems == [f"{path}, row {row}: expected each frame once, found {FRAMES[OOD][-1]} again"]
