"""How far poses lie from labelled shapes: exact on shapes that are known, with half the labels gone."""

import numpy as np
import pytest

from lightning_pose.evaluation import pose_shapes
from lightning_pose.evaluation.pose_shapes import fit_shapes, shape_errors

KEYPOINTS = 6
BODY = np.random.default_rng(1).uniform(-30, 30, (KEYPOINTS, 2))
NOD = np.random.default_rng(2).normal(size=(KEYPOINTS, 2))


def poses(seed: int, frames: int) -> np.ndarray:
    """Return a body anywhere in the frame that nods more or less, exactly."""
    rng = np.random.default_rng(seed)
    return BODY + rng.normal(0, 8, (frames, 1, 1)) * NOD + rng.uniform(0, 500, (frames, 1, 2))


@pytest.fixture(scope="module")
def shapes():
    labelled = poses(0, 120)
    labelled[np.random.default_rng(3).random(labelled.shape[:2]) < 0.4] = np.nan  # no pose is complete
    return fit_shapes(labelled)


def test_a_body_that_nods_has_one_component_besides_its_place(shapes) -> None:
    assert len(shapes.components) == 3
    flat = shapes.components.reshape(3, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(3), atol=1e-9)
    assert shapes.noise < 0.05  # of 64 times as much along the component


def test_poses_of_that_shape_have_no_error_wherever_they_are(shapes) -> None:
    found = poses(9, 40)
    assert shape_errors(found, np.ones(found.shape[:2]), shapes).max() < 0.5


def test_a_keypoint_off_its_place_is_found_the_more_the_less_it_is_believed(shapes) -> None:
    found, confidence = poses(9, 1), np.ones((1, KEYPOINTS))
    found[0, 2] += [30, 40]
    doubted = confidence.copy()
    doubted[0, 2] = 0
    believed, unbelieved = (shape_errors(found, own, shapes)[0] for own in (confidence, doubted))
    assert believed.argmax() == unbelieved.argmax() == 2
    assert unbelieved[2] == pytest.approx(50, abs=2) and np.delete(unbelieved, 2).max() < 1.5
    assert believed[2] < unbelieved[2]


def test_what_is_not_predicted_has_no_error_and_bends_nothing(shapes) -> None:
    found = poses(9, 2)
    found[0, 3] = np.nan
    found[1] = np.nan
    errors = shape_errors(found, np.full(found.shape[:2], 0.9), shapes)
    assert np.isnan(errors[0, 3]) and np.delete(errors[0], 3).max() < 0.5
    assert np.isnan(errors[1]).all()


def test_of_two_keypoints_no_error_is_known_since_any_shape_fits(shapes) -> None:
    found = np.random.default_rng(4).uniform(0, 500, (4, KEYPOINTS, 2))
    for frame, count in enumerate((1, 2, 3)):
        found[frame, count:] = np.nan
    known = np.isfinite(shape_errors(found, np.full(found.shape[:2], 0.9), shapes))
    assert known.sum(1).tolist() == [0, 0, 3, KEYPOINTS]


@pytest.mark.parametrize("wrong", ["few", "a keypoint never labelled", "none"])
def test_too_few_labels_have_no_shapes(wrong) -> None:
    labelled = poses(0, 60)
    if wrong == "few":
        labelled = labelled[: 2 * KEYPOINTS - 1]
    elif wrong == "a keypoint never labelled":
        labelled[:, 4] = np.nan
    else:
        labelled[:] = np.nan
    assert fit_shapes(labelled) is None


def test_a_long_film_is_fitted_in_parts_to_the_same_errors(shapes, monkeypatch) -> None:
    film = poses(4, 100)
    film[np.random.default_rng(5).random(film.shape[:2]) < 0.2] = np.nan
    confidence = np.random.default_rng(6).random(film.shape[:2])
    whole = shape_errors(film, confidence, shapes)
    monkeypatch.setattr(pose_shapes, "POSES_AT_ONCE", 7)
    np.testing.assert_allclose(shape_errors(film, confidence, shapes), whole, rtol=1e-9)
