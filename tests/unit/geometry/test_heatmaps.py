"""A Gaussian at (x, y) decodes to (x, y), anywhere on the grid."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.geometry.heatmaps import decode, gaussian_targets

STRIDE = 4


@settings(deadline=None)
@given(
    x=st.floats(0, 127),
    y=st.floats(0, 95),
    sigma=st.sampled_from([0.8, 1.0, 1.25, 2.0]),
)
def test_gaussian_decodes_to_its_place(x: float, y: float, sigma: float) -> None:
    keypoints = torch.tensor([[[x, y]]], dtype=torch.float64)
    targets, valid = gaussian_targets(keypoints, (24, 32), STRIDE, sigma)
    decoded, confidence = decode(targets.clamp(min=1e-30).log(), STRIDE)
    assert valid.all()
    assert (decoded - keypoints).abs().max() / STRIDE < 0.05
    assert confidence.item() > 0.75


@pytest.mark.parametrize("keypoint", [[float("nan"), 3.0], [-40.0, 3.0], [3.0, 500.0]])
def test_keypoints_that_are_not_in_the_image_have_no_target(keypoint: list[float]) -> None:
    targets, valid = gaussian_targets(torch.tensor([[keypoint]]), (24, 32), STRIDE, 1.0)
    assert not valid.any()
    assert targets.abs().sum() == 0


def test_flat_heatmap_has_low_confidence() -> None:
    _, confidence = decode(torch.zeros(1, 1, 24, 32), STRIDE)
    assert confidence.item() < 0.1
