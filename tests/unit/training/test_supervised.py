"""The loss of labelled images for every head, with outputs whose loss is known."""

from types import SimpleNamespace

import pytest
import torch

from lightning_pose.geometry.heatmaps import gaussian_targets
from lightning_pose.losses.heatmap import heatmap_loss
from lightning_pose.losses.regression import regression_loss
from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import HeatmapLoss, ModelSettings, ModelType, Weights
from lightning_pose.training.supervised import supervised_loss, upstream_unit

NAN = float("nan")
NETWORK = SimpleNamespace(stride=4)
PLACES = [[20.0, 30.0], [40.0, 10.0]]


def batch(keypoints_model_px=PLACES, visible=(2, 2)):
    return {
        "images": torch.zeros(1, 3, 64, 96, dtype=torch.uint8),
        "keypoints_model_px": torch.tensor([keypoints_model_px]),
        "visible": torch.tensor([visible], dtype=torch.int8),
    }


def heatmaps(keypoints_model_px=PLACES):
    targets, _ = gaussian_targets(torch.tensor([keypoints_model_px]), (16, 24), 4, 1.25)
    return targets.clamp(min=1e-20).log()


def loss_of(output, model_type=ModelType.heatmap, kind=HeatmapLoss.kl, **labels):
    settings = ModelSettings(model_type=model_type, heatmap_loss_type=kind)
    return supervised_loss(output, batch(**labels), NETWORK, settings)


@pytest.mark.parametrize("kind", list(HeatmapLoss))
def test_the_right_output_costs_nothing_and_a_wrong_one_does(kind) -> None:
    assert loss_of(heatmaps(), kind=kind).item() == pytest.approx(0, abs=1e-4)
    assert loss_of(heatmaps([[20.0, 46.0], PLACES[1]]), kind=kind).item() > 0.1


@pytest.mark.parametrize("kind", HeatmapLoss)
def test_losses_on_video_weigh_as_much_beside_heatmaps_as_in_upstream(kind) -> None:
    """Upstream: half of the mean over keypoints of the sum of squares (mse), or of the divergence."""
    settings = ModelSettings(heatmap_loss_type=kind)
    keypoints = torch.tensor([[[20.0, 30.0], [41.0, 17.0]]])
    targets, valid = gaussian_targets(keypoints, (16, 16), 4, 1.25)
    logits = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    probabilities = logits.flatten(2).softmax(-1)
    flat = targets.flatten(2).clamp(min=1e-12)
    middle = (flat + probabilities) / 2

    def divergence(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (one * (one / other).log()).sum(-1)

    theirs = {
        HeatmapLoss.mse: ((probabilities - flat) ** 2).sum(-1),
        HeatmapLoss.kl: divergence(flat, probabilities),
        HeatmapLoss.js: (divergence(flat, middle) + divergence(probabilities, middle)) / 2,
    }[kind].mean()
    ours = heatmap_loss(kind, logits, targets, valid)
    assert float(ours) == pytest.approx(float(0.5 * theirs) * upstream_unit(settings, (64, 64), 4), rel=1e-4)


def test_losses_on_video_weigh_as_much_beside_coordinates_as_in_upstream() -> None:
    """Upstream: half of the mean square of x and of y in pixels."""
    settings = ModelSettings(model_type=ModelType.regression)
    found, labels = torch.tensor([[[10.0, 20.0], [30.0, 5.0]]]), torch.tensor([[[13.0, 16.0], [31.0, 7.0]]])
    theirs = 0.5 * ((found - labels) ** 2).mean()
    ours = regression_loss(found, labels, (128, 128))
    assert float(ours) == pytest.approx(float(theirs) * upstream_unit(settings, (128, 128), 4))


def test_both_heads_of_a_context_network_are_trained() -> None:
    right, wrong = heatmaps(), heatmaps([[20.0, 46.0], PLACES[1]])
    single = loss_of(wrong).item()
    for output in ((right, wrong), (wrong, right)):
        assert loss_of(output, ModelType.heatmap_mhcrnn).item() == pytest.approx(single, rel=1e-4)
    assert loss_of((wrong, wrong), ModelType.heatmap_mhcrnn).item() == pytest.approx(2 * single, rel=1e-4)


def test_coordinates_are_compared_as_they_are() -> None:
    assert loss_of(torch.tensor([PLACES]), ModelType.regression).item() == 0
    moved = torch.tensor([[[20.0 + 9.6, 30.0], PLACES[1]]])
    assert loss_of(moved, ModelType.regression).item() == pytest.approx(0.01 / 2, rel=1e-4)


@pytest.mark.parametrize("kind", list(HeatmapLoss))
@pytest.mark.parametrize("place", [PLACES[1], [NAN, NAN]])
def test_an_occluded_keypoint_shall_be_flat_wherever_its_label_is(kind, place) -> None:
    labels = {"keypoints_model_px": [PLACES[0], place], "visible": (2, 1)}
    flat = heatmaps()
    flat[:, 1] = 0
    assert loss_of(flat, kind=kind, **labels).item() == pytest.approx(0, abs=1e-4)
    assert loss_of(heatmaps(), kind=kind, **labels).item() > 0.1


def test_what_is_not_labelled_teaches_nothing() -> None:
    labels = {"keypoints_model_px": [PLACES[0], [NAN, NAN]], "visible": (2, 0)}
    flat = heatmaps()
    flat[:, 1] = 0
    assert loss_of(flat, **labels) == loss_of(heatmaps(), **labels)


@pytest.mark.parametrize("model_type", list(ModelType))
def test_every_type_of_network_learns_a_few_places(model_type) -> None:
    """A bright spot at other places of four images: the error falls to a fraction of what it was."""
    torch.manual_seed(0)
    settings = ModelSettings(
        "mobilenetv3_small_050", Weights.random, model_type=model_type, heatmap_loss_type=HeatmapLoss.kl
    )
    network = PoseNetwork(settings, 1, 4, image_hw=(64, 64)).train()
    places = torch.tensor([[[12.0, 12.0]], [[52.0, 14.0]], [[14.0, 50.0]], [[48.0, 46.0]]])
    images = torch.randint(0, 60, (4, 3, 64, 64)).float()
    for image, (x, y) in zip(images, places[:, 0].int().tolist(), strict=True):
        image[:, y - 4 : y + 5, x - 4 : x + 5] = 250
    if model_type is ModelType.heatmap_mhcrnn:
        images = images[:, None].expand(-1, 5, -1, -1, -1)
    labels = {"images": images, "keypoints_model_px": places, "visible": torch.full((4, 1), 2)}
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    errors = []
    for _ in range(60):
        output = network(images)
        errors.append((network.decode(output)[0] - places).norm(dim=-1).mean().item())
        optimizer.zero_grad()
        supervised_loss(output, labels, network, settings).backward()
        optimizer.step()
    assert errors[-1] < 0.25 * errors[0] and errors[-1] < 5
