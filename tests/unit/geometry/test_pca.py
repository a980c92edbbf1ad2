"""Subspaces of labelled poses, with answers anyone can see."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.geometry.pca import (
    centred_poses,
    empirical_epsilon,
    fit_subspace,
    matched_views,
    reprojection_error,
)
from lightning_pose.types import UserError

NAMES = ["a", "b", "c"]


def swinging(count: int = 40) -> np.ndarray:
    """Three keypoints, (count, 3, 2): c swings up and down beside a and b, which are fixed to each other."""
    poses = np.tile(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]), (count, 1, 1))
    poses[:, 2, 1] = np.linspace(-9, 9, count)
    return poses


def fit(observations: np.ndarray, keep: float = 1):
    return fit_subspace(observations, keep, NAMES, "losses.x")


def test_poses_like_the_labels_have_no_error() -> None:
    subspace = fit(centred_poses(swinging(), [0, 1, 2]))
    new = torch.tensor([[[5.0, 5.0], [15.0, 5.0], [25.0, 11.5]]], dtype=torch.float64)
    torch.testing.assert_close(
        reprojection_error(centred_poses(new, [0, 1, 2]), subspace),
        torch.zeros(1, 3, dtype=torch.float64),
        atol=1e-9,
        rtol=0,
    )


def test_the_error_is_the_distance_from_the_plane() -> None:
    observations = np.zeros((30, 3, 2))
    observations[:, 0, 0] = np.linspace(-1, 1, 30)
    subspace = fit(observations)
    points = torch.tensor([[[7.0, 0.0], [3.0, 4.0], [0.0, 0.0]]], dtype=torch.float64)
    torch.testing.assert_close(
        reprojection_error(points, subspace), torch.tensor([[0.0, 5.0, 0.0]], dtype=torch.float64)
    )


@given(
    st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(0, 2**32 - 1)
)  # where the animal is, and what it looks like
def test_an_animal_that_walks_is_no_news(x: float, y: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    subspace = fit(centred_poses(rng.normal(0, 10, (20, 3, 2)), [0, 1, 2]), 2)
    pose = torch.from_numpy(rng.normal(0, 10, (1, 3, 2)))
    here, there = (
        reprojection_error(centred_poses(points, [0, 1, 2]), subspace)
        for points in (pose, pose + torch.tensor([x, y]))
    )
    torch.testing.assert_close(here, there, atol=1e-7, rtol=0)


def test_views_are_matched_part_by_part() -> None:
    keypoints = np.arange(10.0).reshape(1, 5, 2)
    matched = matched_views(keypoints, [[0, 1], [3, 4]])
    np.testing.assert_array_equal(matched[0, 0], keypoints[0, [0, 3]])
    np.testing.assert_array_equal(matched[0, 1], keypoints[0, [1, 4]])


def test_a_mirror_shows_the_same_point_in_space() -> None:
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(0, 50, (3, 40))
    seen = np.stack([np.stack([x, y], -1), np.stack([z, y + 7], -1)], 1)
    subspace = fit_subspace(seen, 3, ["left view", "right view"], "losses.pca_multiview")
    error = reprojection_error(torch.from_numpy(seen[:1]), subspace)
    assert error.max() < 1e-9
    moved = torch.from_numpy(seen[:1]).clone()
    moved[0, 1, 1] += 10  # the views disagree on the height: each is wrong by half
    torch.testing.assert_close(
        reprojection_error(moved, subspace), torch.tensor([[5.0, 5.0]], dtype=torch.float64)
    )


def test_rows_with_gaps_are_left_out() -> None:
    whole = centred_poses(swinging(), [0, 1, 2])
    with_gaps = np.concatenate([whole, np.full((5, 3, 2), np.nan)])
    torch.testing.assert_close(fit(with_gaps).mean, fit(whole).mean)
    assert empirical_epsilon(with_gaps, fit(whole), 1.0, 1.0) < 1e-9


@pytest.mark.parametrize(("keep", "count"), [(0.5, 1), (0.99, 2), (0.999999, 3), (1, 1), (4, 4)])
def test_components_are_kept_by_share_or_number(keep: float, count: int) -> None:
    rng = np.random.default_rng(0)
    observations = np.zeros((2000, 3, 2))
    observations[:, :, 0] = rng.normal(0, 1, (2000, 3)) * [100, 30, 1]
    assert len(fit(observations, keep).components) == count


def test_epsilon_is_the_error_that_a_share_of_the_labels_stays_below() -> None:
    observations = np.zeros((10, 3, 2))
    observations[:, 0, 0] = np.linspace(-100, 100, 10)
    subspace = fit(observations)
    observations[:, 1, 1] = np.arange(10)
    assert empirical_epsilon(observations, subspace, 1.0, 2.0) == pytest.approx(18)
    assert empirical_epsilon(observations, subspace, 0.0, 1.0) == pytest.approx(0)


def test_too_few_complete_labels_are_counted() -> None:
    observations = np.random.default_rng(0).normal(size=(9, 3, 2))
    observations[:5, 1] = np.nan
    with pytest.raises(UserError) as caught:
        fit(observations)
    assert str(caught.value) == (
        "losses.x: expected at least 6 complete labels of a, b, c, found 4 among 9 (b is missing most often)"
    )


def test_of_centred_poses_no_keypoint_is_named_that_was_there() -> None:
    keypoints = np.random.default_rng(0).normal(size=(9, 3, 2))
    keypoints[:5, 1] = np.nan
    with pytest.raises(UserError, match=r"found 4 among 9$"):
        fit(centred_poses(keypoints, [0, 1, 2]))


def test_no_labels_at_all() -> None:
    with pytest.raises(UserError, match="found 0 among 0"):
        fit(np.empty((0, 3, 2)))


def test_components_that_leave_no_rest_are_refused() -> None:
    with pytest.raises(UserError, match=r"losses\.x\.components_to_keep: expected below 6"):
        fit(np.random.default_rng(0).normal(size=(9, 3, 2)), 6)


def test_centred_poses_are_free_in_two_numbers_less(caplog) -> None:
    poses = centred_poses(np.random.default_rng(0).normal(300, 20, (50, 3, 2)), [0, 1, 2])
    with pytest.raises(UserError, match="expected below 4, the numbers that an observation is free in"):
        fit(poses, 4)
    fit(poses, 3)
    assert not caplog.messages
    fit(poses, 0.999)
    assert caplog.messages == [
        "losses.x.components_to_keep: 0.999 of the variance of a, b, c takes all 4 components: no pose has "
        "an error"
    ]


def test_poses_without_any_variance() -> None:
    assert len(fit(np.ones((9, 3, 2)), 0.99).components) == 1
