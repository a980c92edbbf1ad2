"""What the gallery shows is what the files say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.evaluation.gallery.frames import FALLBACK, OUTSIDE, BoxFiles, read_gallery
from lightning_pose.evaluation.ood_input import ALL, MemberFiles
from lightning_pose.io.bboxes import read_bboxes, write_bboxes
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.types import Boxes, UserError
from tests.unit.evaluation.gallery.made_up import FALLBACK_ROW, MEMBERS, OUTSIDE_ROW, MadeUp


def members(folder: Path, names=MEMBERS) -> list[MemberFiles]:
    return [
        MemberFiles(kind, seed, *(folder / f"{kind}_{seed}" / f"{name}.csv" for name in ("ind", "ood")))
        for kind, seed in names
    ]


def boxes(folder: Path) -> list[BoxFiles]:
    own = folder / "pose_1.8_0"
    return [BoxFiles("pose_1.8", "0", own / "bbox_ind.csv", own / "bbox_ood.csv")]


def read(made: MadeUp, names=MEMBERS):
    folder = made.folder
    return read_gallery(folder / "ind.csv", folder / "ood.csv", members(folder, names), boxes(folder))


def test_all_frames_are_there_ind_first(results) -> None:
    frames = read(results)
    assert frames.paths == results.ind.image_paths + results.ood.image_paths
    assert frames.sets == ["train", "validation", "test"] * 2 + ["OOD"] * 9
    assert frames.errors.shape == (4, 15, 3)
    # seed 1 of the detector is off by 4 px times the number of the frame
    assert frames.errors[1, 6:, 1] == pytest.approx(4 * np.arange(1, 10), abs=1e-6)
    assert np.isnan(frames.errors[:, 0, 2]).all()  # not labelled


def test_without_ood_labels_the_others_are_shown(results) -> None:
    alone = [MemberFiles(own.kind, own.seed, own.ind_csv, None) for own in members(results.folder)]
    own_boxes = [BoxFiles(own.kind, own.seed, own.ind_csv, None) for own in boxes(results.folder)]
    own = read_gallery(results.folder / "ind.csv", None, alone, own_boxes)
    assert own.paths == results.ind.image_paths and "OOD" not in own.sets
    both = read(results)
    np.testing.assert_array_equal(own.keypoints_px, both.keypoints_px[:, : len(own.paths)])
    np.testing.assert_array_equal(own.xywh_px, both.xywh_px[:, : len(own.paths)])


def test_files_of_one_set_too_many_or_too_few_are_named(results, tmp_path, capsys) -> None:
    arguments = results.arguments(tmp_path / "out" / "index.html")
    place = arguments.index("--ood_labels")
    assert main(arguments[:place] + arguments[place + 2 :]) == 2
    assert "--member: expected KIND SEED IND without --ood_labels, found single" in capsys.readouterr().err
    place = arguments.index("--member") + 4
    assert main(arguments[:place] + arguments[place + 1 :]) == 2
    assert "--member: expected KIND SEED IND OOD with --ood_labels, found single" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_deviation_of_a_kind_is_of_its_members_only(results) -> None:
    frames = read(results)
    # two members, off by -0.5 and 1 px of pose models: half their distance in x, none in y
    assert frames.deviation("pose_1.8")[6:, 1] == pytest.approx(0.375 * np.arange(1, 10), abs=1e-6)
    assert (frames.deviation(ALL)[6:, 1] > frames.deviation("pose_1.8")[6:, 1]).all()


def test_one_member_has_no_deviation_and_a_note_says_so(results) -> None:
    frames = read(results, [("pose_1.8", "0")])
    assert np.isnan(frames.deviation(ALL)).all()
    assert frames.notes == ["One member only: the standard deviation is undefined."]


def test_failures_of_the_detector_are_told_apart(results) -> None:
    failures = read(results).failures[6:]
    assert failures[FALLBACK_ROW] == FALLBACK and failures[OUTSIDE_ROW] == OUTSIDE
    assert not np.delete(failures, [FALLBACK_ROW, OUTSIDE_ROW]).any()


def test_rows_and_keypoints_in_another_order_are_the_same_gallery(results) -> None:
    before = read(results)
    path = results.folder / "single_1" / "ood.csv"
    own = read_predictions(path)
    turned = replace(
        own,
        index=own.index[::-1],
        keypoint_names=own.keypoint_names[::-1],
        keypoints_px=own.keypoints_px[::-1, ::-1],
        confidence=own.confidence[::-1, ::-1],
    )
    write_predictions(turned, path)
    box_path = results.folder / "pose_1.8_0" / "bbox_ood.csv"
    found = read_bboxes(box_path)
    write_bboxes(Boxes(found.index[::-1], found.xywh_px[::-1], found.status[::-1]), box_path)
    after = read(results)
    np.testing.assert_array_equal(after.errors, before.errors)
    np.testing.assert_array_equal(after.xywh_px, before.xywh_px)
    np.testing.assert_array_equal(after.failures, before.failures)


def test_members_that_do_not_belong_together_are_refused(results) -> None:
    folder = results.folder
    with pytest.raises(UserError, match=r"--member: expected each kind and seed once, found single 0 again"):
        read(results, [*MEMBERS, ("single", "0")])
    with pytest.raises(UserError, match=r"--bbox: expected each kind and seed once, found pose_1.8 0 again"):
        read_gallery(folder / "ind.csv", folder / "ood.csv", members(folder), boxes(folder) * 2)
    with pytest.raises(
        UserError, match=r"--bbox: expected the kind and seed of a --member, found pose_1.8 0"
    ):
        read(results, [("single", "0")])
    own = read_predictions(folder / "single_0" / "ood.csv")
    write_predictions(replace(own, keypoint_names=["beak", "eye", "tail"]), folder / "single_0" / "ood.csv")
    with pytest.raises(UserError, match=r"single_0/ood.csv, header: expected keypoints"):
        read(results)


def test_a_missing_box_and_an_image_of_both_sets_are_refused(results) -> None:
    path = results.folder / "pose_1.8_0" / "bbox_ood.csv"
    found = read_bboxes(path)
    write_bboxes(Boxes(found.index[1:], found.xywh_px[1:], found.status[1:]), path)
    with pytest.raises(UserError, match=r"bbox_ood.csv: expected a box for day 2/img000.png .* found none"):
        read(results)
    folder = results.folder
    write_labels(results.ind, folder / "ood.csv")
    same = [replace(own, ood_csv=own.ind_csv) for own in members(folder)]
    with pytest.raises(UserError, match=r"ood.csv: expected other images than .*, found day 1/img000.png"):
        read_gallery(folder / "ind.csv", folder / "ood.csv", same)
