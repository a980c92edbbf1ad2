"""Keypoints are drawn where they are."""

import numpy as np
import pytest

from lightning_pose.evaluation.draw import draw_box, draw_skeleton, keypoint_colors

NAMES = ["beak", "back", "tail"]
GREY = np.full((60, 80, 3), 90, np.uint8)


def changed(image: np.ndarray) -> np.ndarray:
    """The middle (x, y) of what was drawn."""
    rows, columns = np.nonzero((image != 90).any(-1))
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("point", [(20.0, 30.0), (40.5, 10.25), (70.0, 50.0)])
def test_a_keypoint_lies_where_it_is(point) -> None:
    drawn = draw_skeleton(GREY, np.array([point]), ["beak"])
    np.testing.assert_allclose(changed(drawn), point, atol=0.5)
    assert (drawn[round(point[1]), round(point[0])] == keypoint_colors(1)[0]).all()


def test_lines_join_only_what_is_there() -> None:
    keypoints = np.array([[10.0, 30.0], [40.0, 30.0], [np.nan, np.nan]])
    skeleton = [("beak", "back"), ("back", "tail")]
    drawn = draw_skeleton(GREY, keypoints, NAMES, skeleton)
    assert (drawn[30, 25] != 90).all()
    assert (drawn[:, 50:] == 90).all()


def test_uncertain_keypoints_and_the_input_are_left_alone() -> None:
    image = GREY.copy()
    confidence = np.array([0.1, 0.9, 0.1])
    keypoints = np.array([[10.0, 10.0], [40.0, 30.0], [70.0, 50.0]])
    drawn = draw_skeleton(image, keypoints, NAMES, confidence=confidence, min_confidence=0.5)
    np.testing.assert_allclose(changed(drawn), [40, 30], atol=0.5)
    assert (image == GREY).all()


def test_a_box_runs_along_its_edge() -> None:
    drawn = draw_box(GREY, np.array([20.5, 10.5, 30, 20]), width=1)
    rows, columns = np.nonzero((drawn != 90).any(-1))
    assert abs(columns.min() - 20) <= 1 and abs(columns.max() - 50) <= 1
    assert abs(rows.min() - 10) <= 1 and abs(rows.max() - 30) <= 1
    assert (drawn[20, 35] == 90).all()
    draw_box(GREY, np.array([-30.0, -30, 300, 300]))  # beyond the image


def test_colours_differ() -> None:
    assert len(set(keypoint_colors(18))) == 18
