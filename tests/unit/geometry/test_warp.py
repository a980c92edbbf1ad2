"""Heatmaps seen in another image's cells."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.geometry.heatmaps import gaussian_targets, model_to_cell
from lightning_pose.geometry.warp import cells_to_frame, warp_heatmaps

STRIDE = 4


def hill(x: float, y: float, sigma: float = 2.0) -> torch.Tensor:
    return gaussian_targets(torch.tensor([[[x, y]]]), (32, 32), STRIDE, sigma)[0]


def center(heatmap: torch.Tensor) -> torch.Tensor:
    rows, columns = torch.arange(32.0), torch.arange(32.0)
    return torch.stack([(heatmap[0, 0].sum(0) * columns).sum(), (heatmap[0, 0].sum(1) * rows).sum()])


def test_the_identity_changes_nothing() -> None:
    warped, valid = warp_heatmaps(hill(60, 70), torch.eye(3)[None])
    torch.testing.assert_close(warped, hill(60, 70), atol=1e-6, rtol=0)
    assert valid.all()


@given(st.floats(50, 70), st.floats(50, 70), st.floats(0.8, 1.25), st.floats(-12, 12))
def test_a_hill_lands_where_its_keypoint_does(x: float, y: float, zoom: float, shift: float) -> None:
    to_frame = torch.tensor([[[zoom, 0, shift], [0, zoom, -shift], [0, 0, 1]]], dtype=torch.float64)
    own, other = (
        cells_to_frame(torch.eye(3, dtype=torch.float64)[None], STRIDE),
        cells_to_frame(to_frame, STRIDE),
    )
    warped, valid = warp_heatmaps(hill(x, y), torch.linalg.inv(own) @ other)
    there = torch.linalg.inv(to_frame[0]) @ torch.tensor([x, y, 1.0], dtype=torch.float64)
    expected = model_to_cell(there[:2].float(), STRIDE)
    assert valid.all()
    assert (center(warped) - expected).abs().max() < 0.05
    assert float(warped.sum()) == pytest.approx(1, abs=1e-5)


def test_what_lies_outside_is_marked() -> None:
    away = torch.eye(3)[None].clone()
    away[0, 0, 2] = 40
    warped, valid = warp_heatmaps(hill(60, 60), away)
    assert not valid.any()
    assert torch.isfinite(warped).all()
