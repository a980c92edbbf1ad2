"""Predictions and labels meet image by image, whatever their order."""

import numpy as np
import pytest

from lightning_pose.evaluation.ood_input import Comparison, MemberFiles, aligned_keypoints, compare
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Labels, Predictions, UserError

FRAMES, NAMES = ["a/1.jpg", "a/2.jpg", "b/1.jpg"], ["beak", "tail"]
LABELLED_PX = np.arange(12.0).reshape(3, 2, 2)
SPLITS = ["train", "validation", "test"]
HELD_OUT = ["train", "test", "test"]


def labels(frames=FRAMES, names=NAMES, keypoints_px=LABELLED_PX):
    return Labels(list(frames), list(names), keypoints_px)


def predictions(frames=FRAMES, names=NAMES, keypoints_px=LABELLED_PX, splits=SPLITS):
    confidence = np.ones(keypoints_px.shape[:2])
    return Predictions(list(frames), list(names), keypoints_px, confidence, splits and list(splits))


def aligned(own, wanted=None):
    return aligned_keypoints(own, wanted or labels(), "p.csv", "l.csv")


def test_rows_and_keypoints_in_another_order_are_put_in_the_order_of_the_labels() -> None:
    order = [2, 0, 1]
    own = predictions(
        [FRAMES[row] for row in order],
        NAMES[::-1],
        LABELLED_PX[order][:, ::-1],
        [SPLITS[row] for row in order],
    )
    keypoints_px, splits = aligned(own)
    np.testing.assert_array_equal(keypoints_px, LABELLED_PX)
    assert splits == SPLITS


def test_without_splits_none_come_out() -> None:
    assert aligned(predictions(splits=None))[1] is None


def test_frame_numbers_of_a_video_match_as_text() -> None:
    own = predictions([1, 0, 2])
    keypoints_px, _ = aligned(own, labels(["0", "1", "2"]))
    np.testing.assert_array_equal(keypoints_px, LABELLED_PX[[1, 0, 2]])


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (predictions(FRAMES[:2], NAMES, LABELLED_PX[:2]), "no row for b/1.jpg"),
        (predictions([*FRAMES[:2], "b/1.png"]), "no row for b/1.jpg"),
        (
            predictions([*FRAMES, "c/1.jpg"], NAMES, np.zeros((4, 2, 2)), [*SPLITS, "test"]),
            "a row for c/1.jpg too",
        ),
        (predictions([*FRAMES[:2], FRAMES[0], FRAMES[2]], NAMES, np.zeros((4, 2, 2)), None), "a/1.jpg again"),
        (predictions(names=["beak", "foot"]), r"p.csv, header: expected keypoints \['beak', 'tail'\]"),
        (predictions(names=["beak"], keypoints_px=LABELLED_PX[:, :1]), r"found \['beak'\]"),
        (predictions(names=["beak", "tail", "foot"], keypoints_px=np.zeros((3, 3, 2))), "foot"),
    ],
)
def test_other_images_or_keypoints_are_refused(own, message) -> None:
    with pytest.raises(UserError, match=message) as caught:
        aligned(own)
    assert str(caught.value).startswith("p.csv")


def test_an_image_that_is_labelled_twice_is_refused() -> None:
    twice = labels([*FRAMES[:2], FRAMES[0]])
    with pytest.raises(UserError, match=r"l.csv, row 6: expected each image once, found a/1.jpg again"):
        aligned(predictions(FRAMES[:2], keypoints_px=LABELLED_PX[:2], splits=None), twice)


@pytest.fixture
def run(tmp_path):
    """Write labels and each member's predictions, then compare; a member is (kind, offset, splits)."""

    def compared(members, held_out_only=True, labelled=None):
        write_labels(labelled or labels(), tmp_path / "labels.csv")
        files = []
        for seed, (kind, offset, splits) in enumerate(members):
            path, other = tmp_path / f"{seed}.csv", tmp_path / "none.csv"
            write_predictions(predictions(keypoints_px=LABELLED_PX + offset, splits=splits), path)
            pair = (path, other) if held_out_only else (other, path)
            files.append(MemberFiles(kind, str(seed), *pair))
        return compare("InD" if held_out_only else "OOD", tmp_path / "labels.csv", files, held_out_only)

    return compared


def test_frames_that_any_member_trained_on_are_left_out(run) -> None:
    own = run([("single", 0, ["train", "test", "test"]), ("pose", 0, ["test", "test", "train"])])
    assert own.frames == ["a/2.jpg"]
    assert own.errors.shape == (2, 1, 2) and own.deviation.shape == (1, 2)
    assert own.note == ""


def test_frames_that_chose_weights_are_left_out_too(run) -> None:
    own = run([("single", 0, SPLITS), ("single", 0, SPLITS)])
    assert own.frames == FRAMES[2:] and own.note == ""


def test_without_test_frames_those_that_chose_weights_have_to_do(run) -> None:
    own = run([("single", 0, ["train", "validation", "validation"])] * 2)
    assert own.frames == FRAMES[1:]
    assert "there are no test frames" in own.note


@pytest.mark.parametrize("split", ["train", "validation"])
def test_no_ood_frame_may_have_been_trained_on(run, split) -> None:
    own = run([("single", 0, ["test"] * 3), ("single", 0, None)], held_out_only=False)
    assert own.frames == FRAMES and own.note == ""
    with pytest.raises(
        UserError, match=r"labels\.csv: expected images that no member was trained on, found a/2"
    ):
        run([("single", 0, ["test", split, "test"])], held_out_only=False)


def test_errors_and_deviation_are_those_of_the_frames_kept(run) -> None:
    own = run([("single", [3.0, 4.0], HELD_OUT), ("pose", [0.0, 0.0], HELD_OUT)])
    np.testing.assert_allclose(own.errors, [[[5, 5]] * 2, [[0, 0]] * 2], atol=1e-12)
    np.testing.assert_allclose(own.deviation, (1.5 + 2) / 2)
    assert (own.kinds, own.seeds, own.keypoint_names) == (["single", "pose"], ["0", "1"], NAMES)
    np.testing.assert_array_equal(own.of_kind("pose"), own.errors[1:])


def test_what_is_not_labelled_has_a_deviation_and_no_error(run) -> None:
    keypoints_px = LABELLED_PX.copy()
    keypoints_px[1, 0] = np.nan
    own = run([("single", 1, HELD_OUT), ("single", 0, HELD_OUT)], labelled=labels(keypoints_px=keypoints_px))
    np.testing.assert_array_equal(np.isnan(own.errors[0]), [[True, False], [False, False]])
    assert np.isfinite(own.deviation).all()


@pytest.mark.parametrize(
    ("members", "note"),
    [
        ([("single", 0, None), ("single", 0, None)], "splits unknown: training frames included"),
        ([("single", 0, SPLITS), ("sleap", 0, None)], "it is unknown what sleap was trained on"),
        ([("single", 0, SPLITS)], "one member only: standard deviation undefined"),
        ([("single", 0, ["train"] * 3)] * 2, "every frame was trained on"),
    ],
)
def test_what_a_reader_has_to_know_is_noted_and_logged(run, caplog, members, note) -> None:
    assert run(members).note == note
    assert note in caplog.text


def test_several_notes_stand_beside_each_other(run) -> None:
    assert run([("single", 0, None)]).note.count(";") == 1


def test_a_member_that_predicted_nothing_is_warned_of(run, caplog) -> None:
    run([("single", np.nan, SPLITS), ("single", 0, SPLITS)])
    assert "InD: single seed 0 diverged: it predicts 0 of 2 labelled keypoints" in caplog.text


def test_kinds_that_predict_different_keypoints_are_noted(run) -> None:
    gap = np.zeros((len(FRAMES), len(NAMES), 1))
    gap[2, 0] = np.nan
    members = [("single", gap, HELD_OUT), ("single", 0, HELD_OUT), ("pose", 0, HELD_OUT)]
    assert run(members).note == ""
    own = run([("single", 0, HELD_OUT), ("pose", gap, HELD_OUT), ("pose", gap, HELD_OUT)])
    assert own.note.startswith("of 4 labelled keypoints, kinds predict different ones (single 4, pose 3): ")
    assert own.shared().sum() == 3


def test_a_member_of_other_frames_is_named(run) -> None:
    with pytest.raises(UserError, match=r"0\.csv: expected a row for each image of"):
        run([("single", 0, SPLITS)], labelled=labels(["x.jpg", *FRAMES[1:]]))


def test_of_kind_takes_all_members_of_it() -> None:
    errors = np.arange(3.0).reshape(3, 1, 1)
    own = Comparison("OOD", ["a"], ["k"], ["x", "y", "x"], ["0", "0", "1"], errors, np.zeros((1, 1)))
    assert own.of_kind("x").ravel().tolist() == [0, 2]


def test_keypoints_come_in_the_order_wanted(tmp_path) -> None:
    write_labels(labels(names=NAMES[::-1], keypoints_px=LABELLED_PX[:, ::-1]), tmp_path / "labels.csv")
    own = predictions(keypoints_px=LABELLED_PX + [3.0, 4.0], splits=None)
    write_predictions(own, tmp_path / "p.csv")
    member = MemberFiles("single", "0", tmp_path / "p.csv", tmp_path / "p.csv")
    own = compare("OOD", tmp_path / "labels.csv", [member], False, NAMES)
    assert own.keypoint_names == NAMES
    np.testing.assert_allclose(own.errors, 5.0)
    with pytest.raises(UserError, match=r"labels\.csv, header: expected keypoints \['beak', 'wing'\]"):
        compare("OOD", tmp_path / "labels.csv", [member], False, ["beak", "wing"])


def test_no_kind_may_be_named_like_all_together(run) -> None:
    with pytest.raises(UserError, match="a name other than all"):
        run([("all", 0.0, SPLITS)])
