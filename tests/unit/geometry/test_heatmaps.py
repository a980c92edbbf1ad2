"""A Gaussian at (x, y) decodes to (x, y), anywhere on the grid."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lightning_pose.geometry.heatmaps import (
    cell_to_model,
    decode,
    flat_where,
    gaussian_targets,
    model_to_cell,
    soft_decode,
)

STRIDE = 4
HEIGHT, WIDTH = 24, 32  # cells


def logits_of(x, y, sigma=1.25, stride=STRIDE, floor=1e-30):
    """Return the heatmap logits, (1, 1, h, w), that say exactly that a keypoint is at a model pixel."""
    keypoints_model_px = torch.tensor([[[x, y]]], dtype=torch.float64)
    targets, valid = gaussian_targets(keypoints_model_px, (HEIGHT, WIDTH), stride, sigma)
    assert valid.all()
    return targets.clamp(min=floor).log(), keypoints_model_px


@settings(deadline=None)
@given(
    x=st.floats(0, 127),
    y=st.floats(0, 95),
    sigma=st.sampled_from([0.5, 0.8, 1.0, 1.25, 2.0]),
)
def test_gaussian_decodes_to_its_place(x: float, y: float, sigma: float) -> None:
    logits, keypoints = logits_of(x, y, sigma)
    decoded, confidence = decode(logits, STRIDE)
    assert (decoded - keypoints).abs().max() / STRIDE < 0.05
    assert confidence.item() > 0.75


@settings(deadline=None)
@given(
    along=st.floats(-0.5, WIDTH - 0.5),
    depth=st.floats(-0.5, 2.0),
    side=st.sampled_from(["left", "right", "top", "bottom"]),
    sigma=st.sampled_from([0.5, 0.8, 1.0, 1.25, 2.0]),
    stride=st.sampled_from([2, 4, 8]),
)
@example(along=0.0, depth=-0.5, side="top", sigma=1.25, stride=4)
@example(along=WIDTH - 0.5, depth=-0.5, side="bottom", sigma=2.0, stride=2)
@example(along=5.0, depth=-0.5, side="left", sigma=0.5, stride=4)
def test_the_border_pulls_no_keypoint(along, depth, side, sigma, stride) -> None:
    """Within two cells of the border, where half of the Gaussian or more is cut off."""
    along = min(along, (WIDTH if side in ("top", "bottom") else HEIGHT) - 0.5)
    cell = {
        "left": (depth, along), "right": (WIDTH - 1 - depth, along),
        "top": (along, depth), "bottom": (along, HEIGHT - 1 - depth),
    }[side]  # fmt: skip
    x, y = cell_to_model(torch.tensor(cell, dtype=torch.float64), stride).tolist()
    logits, keypoints = logits_of(x, y, sigma, stride)
    decoded, _ = decode(logits, stride)
    assert (decoded - keypoints).abs().max() / stride < 0.05


@pytest.mark.parametrize(
    ("shares", "expected"), [((1.0,), 0.0), ((0.5, 0.5), 0.5), ((0.9, 0.1), 0.0), ((0.6, 0.4), 0.3)]
)
def test_one_or_two_cells_are_no_gaussian(shares, expected) -> None:
    """The keypoint lies among them, nearer to the one that is sure of it."""
    logits = torch.full((1, 1, HEIGHT, WIDTH), -50.0)
    logits[0, 0, 7, 5 : 5 + len(shares)] = torch.tensor(shares).log()
    decoded, confidence = decode(logits, STRIDE)
    x, y = model_to_cell(decoded, STRIDE)[0, 0].tolist()
    assert y == 7 and confidence.item() == pytest.approx(1)
    assert x - 5 == pytest.approx(expected, abs=0.02)


@settings(deadline=None)
@given(x=st.floats(12, 115), y=st.floats(12, 83), sigma=st.sampled_from([0.8, 1.0, 1.25]))
def test_the_mean_around_the_peak_is_close_to_it(x, y, sigma) -> None:
    logits, keypoints = logits_of(x, y, sigma)
    decoded, confidence = soft_decode(logits, STRIDE)
    assert (decoded - keypoints).abs().max() / STRIDE < 0.1
    assert confidence.item() > 0.75


@pytest.mark.parametrize("find", [decode, soft_decode])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_results_are_float32_whatever_the_heatmaps_are(find, layout, dtype) -> None:
    logits, keypoints = logits_of(50.0, 30.0)
    several = logits.float().repeat(3, 2, 1, 1).clamp(min=-30).to(dtype, memory_format=layout)
    decoded, confidence = find(several, STRIDE)
    assert decoded.dtype == confidence.dtype == torch.float32
    assert decoded.shape == (3, 2, 2) and confidence.shape == (3, 2)
    assert (decoded - keypoints).abs().max() / STRIDE < 0.1
    torch.testing.assert_close(decoded[0, 0], decoded[2, 1])


@pytest.mark.parametrize("find", [decode, soft_decode])
def test_no_images_no_keypoints(find) -> None:
    decoded, confidence = find(torch.zeros(0, 3, HEIGHT, WIDTH), STRIDE)
    assert decoded.shape == (0, 3, 2) and confidence.shape == (0, 3)


@pytest.mark.parametrize("place", [(50.0, 30.0), (0.0, 0.0), (127.0, 95.0)])
def test_the_gradient_is_that_of_the_mean(place) -> None:
    """More logit to the right of the keypoint moves it to the right; checked against finite differences."""
    logits, _ = logits_of(*place, floor=1e-6)
    logits = logits.float().requires_grad_()
    decoded, confidence = soft_decode(logits, STRIDE)
    (decoded.sum() + confidence.sum()).backward()
    gradient = logits.grad[0, 0]
    assert gradient.isfinite().all() and gradient.abs().sum() > 0
    column, row = model_to_cell(torch.tensor(place), STRIDE).round().long().clamp(min=0).tolist()
    for cell in [(row, column), (max(row - 1, 0), column), (row, max(column - 1, 0))]:
        step = torch.zeros_like(logits)
        step[0, 0, cell[0], cell[1]] = 1e-2
        with torch.no_grad():
            up, down = soft_decode(logits + step, STRIDE), soft_decode(logits - step, STRIDE)
        slope = (
            sum((first.sum() - second.sum()).item() for first, second in zip(up, down, strict=True)) / 2e-2
        )
        assert gradient[cell].item() == pytest.approx(slope, abs=2e-3)


def test_a_loss_of_the_mean_moves_the_keypoint() -> None:
    logits, keypoints = logits_of(50.0, 30.0, floor=1e-6)
    logits, goal = logits.float().requires_grad_(), keypoints.float() + 3.0
    optimizer = torch.optim.SGD([logits], lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        decoded, _ = soft_decode(logits, STRIDE)
        (decoded - goal).square().sum().backward()
        optimizer.step()
    assert (soft_decode(logits, STRIDE)[0] - goal).abs().max() < 0.1


@pytest.mark.parametrize("keypoint", [[float("nan"), 3.0], [-40.0, 3.0], [3.0, 500.0]])
def test_keypoints_that_are_not_in_the_image_have_no_target(keypoint: list[float]) -> None:
    targets, valid = gaussian_targets(torch.tensor([[keypoint]]), (24, 32), STRIDE, 1.0)
    assert not valid.any()
    assert targets.abs().sum() == 0


def test_occluded_keypoints_have_a_flat_target_with_or_without_coordinates() -> None:
    keypoints = torch.tensor([[[50.0, 30.0], [50.0, 30.0], [float("nan")] * 2, [float("nan")] * 2]])
    targets, valid = gaussian_targets(keypoints, (HEIGHT, WIDTH), STRIDE, 1.0)
    flat, counts = flat_where(torch.tensor([[False, True, True, False]]), targets, valid)
    assert counts.tolist() == [[True, True, True, False]]
    torch.testing.assert_close(flat[0, 0], targets[0, 0])
    torch.testing.assert_close(flat[0, 1:3], torch.full((2, HEIGHT, WIDTH), 1 / (HEIGHT * WIDTH)))
    assert flat[0, 3].abs().sum() == 0


@pytest.mark.parametrize("find", [decode, soft_decode])
def test_flat_heatmap_has_low_confidence(find) -> None:
    _, confidence = find(torch.zeros(1, 1, 24, 32), STRIDE)
    assert confidence.item() < 0.1


@pytest.mark.parametrize("find", [decode, soft_decode])
def test_nothing_waits_for_the_accelerator(find) -> None:
    """Tensors without values refuse whatever would have to read one on the host."""
    decoded, confidence = find(torch.zeros(2, 3, HEIGHT, WIDTH, device="meta"), STRIDE)
    assert decoded.device.type == confidence.device.type == "meta"
    assert decoded.shape == (2, 3, 2)
    with pytest.raises((RuntimeError, NotImplementedError)):
        decoded[0, 0, 0].item()


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("batch", [1, 5])
def test_confidence_is_the_mass_about_the_peak_for_logits_of_any_size(scale, batch) -> None:
    logits = scale * torch.randn(batch, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    mass = logits.double().flatten(2).softmax(-1).view(logits.shape)
    _, confidence = decode(logits, 4)
    for row, column in np.ndindex(batch, 3):
        y, x = np.unravel_index(int(logits[row, column].argmax()), (24, 40))
        window = mass[row, column, max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
        assert confidence[row, column] == pytest.approx(float(window.sum()), abs=1e-4)
