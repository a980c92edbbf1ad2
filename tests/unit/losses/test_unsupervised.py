"""Losses on unlabelled video, with values that can be worked out by hand."""

import pytest
import torch

from lightning_pose.geometry.heatmaps import gaussian_targets, soft_decode
from lightning_pose.losses import unsupervised
from lightning_pose.settings import AnnealWeight

SURE = torch.ones(5, 2)


def straight(step: float, frames: int = 5) -> torch.Tensor:
    """Two keypoints, (frames, 2, 2), of which the first moves to the right."""
    keypoints = torch.zeros(frames, 2, 2)
    keypoints[:, 0, 0] = step * torch.arange(frames)
    return keypoints


@pytest.mark.parametrize(("step", "epsilon", "expected"), [(3, 5, 0), (5, 5, 0), (7, 5, 1), (7, 0, 3.5)])
def test_jumps_beyond_epsilon_cost_their_excess(step: float, epsilon: float, expected: float) -> None:
    assert float(unsupervised.temporal(straight(step), SURE, epsilon, 0.1)) == pytest.approx(expected)


def test_epsilon_may_differ_by_keypoint() -> None:
    keypoints = straight(7) + straight(7).flip(1)
    assert float(unsupervised.temporal(keypoints, SURE, torch.tensor([7.0, 3.0]), 0)) == pytest.approx(2)


def test_a_jump_from_or_to_an_unsure_keypoint_costs_nothing() -> None:
    confidence = SURE.clone()
    confidence[1, 0] = 0.05
    whole, masked = (unsupervised.temporal(straight(8), sure, 0, 0.1) for sure in (SURE, confidence))
    assert float(whole) == pytest.approx(4)
    assert float(masked) == pytest.approx(2)  # two of the four jumps are left


def test_a_resting_animal_has_no_gradient_and_no_nan() -> None:
    keypoints = straight(0).requires_grad_()
    unsupervised.temporal(keypoints, SURE, 0, 0).backward()
    assert (keypoints.grad == 0).all()


def uniform(count: int) -> torch.Tensor:
    """Distributions, (count, 1, 4, 4), over 16 cells."""
    return torch.full((count, 1, 4, 4), 1 / 16)


def halved(count: int) -> torch.Tensor:
    """Distributions over half of the cells only."""
    half = torch.zeros(count, 1, 4, 4)
    half[..., :2, :] = 1 / 8
    return half


ALL = torch.ones(3, 1, dtype=torch.bool)


def test_equal_heatmaps_cost_nothing() -> None:
    for loss in (unsupervised.temporal_heatmap_mse, unsupervised.temporal_heatmap_kl):
        assert float(loss(halved(3), halved(3), ALL, 0)) == pytest.approx(0, abs=1e-7)


def test_different_heatmaps_cost_what_can_be_worked_out() -> None:
    mse = unsupervised.temporal_heatmap_mse(halved(3), uniform(3), ALL, 0)
    assert float(mse) == pytest.approx((1 / 16) ** 2)
    kl = unsupervised.temporal_heatmap_kl(halved(3), uniform(3), ALL, 0)
    assert float(kl) == pytest.approx(float(torch.log(torch.tensor(2.0))))
    beyond = unsupervised.temporal_heatmap_mse(halved(3), uniform(3), ALL, 0.25 / 16**2)
    assert float(beyond) == pytest.approx(0.75 / 16**2)
    assert float(unsupervised.temporal_heatmap_mse(halved(3), uniform(3), ~ALL, 0)) == 0


def test_pca_counts_what_lies_beyond_epsilon() -> None:
    errors = torch.tensor([[1.0, 4.0], [9.0, 2.0]])
    confidence = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert float(unsupervised.pca(errors, torch.ones(2, 2), 3, 0.1)) == pytest.approx((1 + 6) / 4)
    assert float(unsupervised.pca(errors, confidence, 3, 0.1)) == pytest.approx(1 / 4)


@pytest.mark.parametrize("kind", ["mse", "kl"])
def test_a_second_hill_costs_and_a_single_one_does_not(kind: str) -> None:
    spots = torch.tensor([[[30.0, 30.0]], [[90.0, 90.0]]])
    hills, _ = gaussian_targets(spots, (32, 32), 4, 1.25)

    def loss(heatmap: torch.Tensor) -> float:
        logits = heatmap.clamp(min=1e-12).log()
        decoded, confidence = soft_decode(logits, 4)
        return float(unsupervised.unimodal(kind, logits, decoded, confidence, 4, 1.25, 0, 0.05))

    cells = 32 * 32 if kind == "mse" else 1  # of which mse is the mean
    assert cells * loss(hills[:1]) < 0.0001
    assert cells * loss(0.7 * hills[:1] + 0.3 * hills[1:]) > 0.008


def test_weights_are_those_of_a_gaussian_likelihood() -> None:
    assert unsupervised.weight(0.0) == 0.5
    assert unsupervised.weight(5.0) == pytest.approx(0.5 * 2.718281828**-5)


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 0.0), (2, 0.0), (3, 0.1), (7, 0.5), (12, 1.0), (1000, 1.0)]
)
def test_weights_rise_to_their_final_value(epoch: int, expected: float) -> None:
    anneal = AnnealWeight(increase_factor=0.1, freeze_until_epoch=2)
    assert unsupervised.importance(epoch, anneal) == pytest.approx(expected)
    assert unsupervised.importance(epoch, AnnealWeight(init_val=1.0)) == 1.0


def test_soft_keypoints_are_where_the_hill_is_and_carry_gradients() -> None:
    spot = torch.tensor([[[50.3, 61.9]]])
    heatmap, _ = gaussian_targets(spot, (32, 32), 4, 1.0)
    logits = heatmap.clamp(min=1e-20).log().requires_grad_()
    keypoints, confidence = soft_decode(logits, 4)
    assert (keypoints - spot).abs().max() < 0.2
    assert confidence.min() > 0.99
    keypoints.sum().backward()
    assert torch.isfinite(logits.grad).all() and logits.grad.abs().max() > 0
