"""The loss of coordinates is a share of the image's size, and blind to what is not labelled."""

import pytest
import torch

from lightning_pose.losses.regression import regression_loss

NAN = float("nan")


@pytest.mark.parametrize(
    ("predicted", "labelled", "expected"),
    [
        ([[10.0, 20.0]], [[10.0, 20.0]], 0.0),
        ([[10.0, 20.0]], [[20.0, 20.0]], 0.01),  # a tenth of the width
        ([[10.0, 20.0]], [[10.0, 25.0]], 0.01),  # a tenth of the height
        ([[10.0, 20.0], [0.0, 0.0]], [[20.0, 25.0], [NAN, NAN]], 0.02),
        ([[10.0, 20.0], [0.0, 0.0]], [[20.0, 25.0], [0.0, 0.0]], 0.01),
        ([[10.0, 20.0]], [[NAN, NAN]], 0.0),
        ([[10.0, 20.0]], [[10.0, NAN]], 0.0),
    ],
)
def test_values(predicted, labelled, expected) -> None:
    own = torch.tensor([predicted], requires_grad=True)
    loss = regression_loss(own, torch.tensor([labelled]), (100, 50))
    assert loss.item() == pytest.approx(expected, abs=1e-7)
    loss.backward()
    assert own.grad.isfinite().all()
    assert (own.grad[torch.tensor([labelled]).isnan()] == 0).all()
