"""Loss, validation error, optimizer and schedule, with a network whose answer is known."""

import math

import pytest
import torch
from torch import nn

from lightning_pose.geometry.heatmaps import decode, gaussian_targets
from lightning_pose.settings import (
    CosineParams,
    HeatmapLoss,
    ModelSettings,
    MultiStepParams,
    Optimizer,
    OptimizerParams,
    Schedule,
    ScheduleParams,
    TrainingSettings,
)
from lightning_pose.training.module import Plan, PoseModule

STRIDE, SIGMA = 4, 1.25
NAN = float("nan")


class Oracle(nn.Module):
    """Draws the heatmaps of the keypoints it was told, whatever the images show."""

    def __init__(self, keypoints_model_px=((0.0, 0.0),)):
        super().__init__()
        self.backbone, self.head, self.stride = nn.Linear(2, 2), nn.Linear(2, 1), STRIDE
        self.keypoints_model_px = torch.tensor([keypoints_model_px])

    def forward(self, images):
        shape = images.shape[-2] // STRIDE, images.shape[-1] // STRIDE
        targets, _ = gaussian_targets(self.keypoints_model_px, shape, STRIDE, SIGMA)
        return targets.clamp(min=1e-20).log().expand(len(images), -1, -1, -1)

    def decode(self, output):
        return decode(output, STRIDE)


def module(network=None, total_steps=100, steps_per_epoch=10, **training):
    model = ModelSettings(heatmap_loss_type=HeatmapLoss.kl, heatmap_sigma=SIGMA)
    plan = Plan(total_steps, steps_per_epoch)
    return PoseModule(network or Oracle(), model, TrainingSettings(**training), plan, 1)


def batch(keypoints_model_px, keypoints_px, size=(64, 64), count=1):
    """Return a batch of images of 64x64 that were `size` (width, height)."""
    return {
        "images": torch.zeros(count, 3, 64, 64, dtype=torch.uint8),
        "keypoints_model_px": torch.tensor([keypoints_model_px] * count),
        "keypoints_px": torch.tensor([keypoints_px] * count),
        "visible": torch.full((count, len(keypoints_px)), 2, dtype=torch.int8),
        "image_size": torch.tensor([size] * count, dtype=torch.float32),
    }


@pytest.mark.parametrize("learned", [[[20.0, 30.0], [40.5, 10.0]], [[20.0, 30.0], [NAN, NAN]]])
def test_the_right_heatmaps_cost_nothing(learned) -> None:
    oracle = Oracle(((20.0, 30.0), (40.5, 10.0)))
    cost = module(oracle).training_step(batch(learned, learned), 0)["loss"]
    assert cost.item() == pytest.approx(0, abs=1e-3)
    moved = [[20.0, 46.0], learned[1]]
    assert module(oracle).training_step(batch(moved, moved), 0)["loss"].item() > 1


@pytest.mark.parametrize(
    ("size", "labelled_px", "error"),
    [
        ((64, 64), (23.0, 34.0), 5.0),  # three to the right, four down
        ((64, 64), (20.0, 30.0), 0.0),
        ((128, 64), (40.5, 30.0), 0.0),  # the centre of the 20th of columns twice as wide
        ((128, 64), (43.5, 34.0), 5.0),
        ((32, 640), (9.75, 304.5), 0.0),
    ],
)
def test_validation_errors_are_in_pixels_of_the_labelled_image(size, labelled_px, error) -> None:
    own = module(Oracle(((20.0, 30.0),)))
    errors, _ = own.pixel_errors(batch([[20.0, 30.0]], [list(labelled_px)], size))
    assert errors.item() == pytest.approx(error, abs=0.02 * max(size) / 64)


def test_what_is_not_labelled_has_no_error() -> None:
    labelled = [[20.0, 30.0], [NAN, NAN]]
    errors, found = module(Oracle(((20.0, 30.0), (40.0, 10.0)))).pixel_errors(batch(labelled, labelled))
    assert errors[0, 0] == pytest.approx(0, abs=0.02) and errors[0, 1].isnan()
    assert found[0, 1].tolist() == pytest.approx([40.0, 10.0], abs=0.02)


def schedule(kind, total_steps=100, steps_per_epoch=10, **params):
    return module(
        total_steps=total_steps,
        steps_per_epoch=steps_per_epoch,
        lr_scheduler=kind,
        lr_scheduler_params=ScheduleParams(**params),
    )


def test_cosine_warms_up_and_falls_to_zero() -> None:
    own = schedule(Schedule.cosine, cosine=CosineParams(warmup=0.2))
    factors = [own.rate_factor(step) for step in range(101)]
    assert factors[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert factors[20] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[40] == pytest.approx(0.5 + math.sqrt(0.125))
    assert factors[100] == pytest.approx(0, abs=1e-12)
    assert factors[:21] == sorted(factors[:21]) and factors[20:] == sorted(factors[20:], reverse=True)


def test_cosine_without_warm_up_starts_at_the_top() -> None:
    own = schedule(Schedule.cosine, total_steps=1, cosine=CosineParams(warmup=0.0))
    assert (own.rate_factor(0), own.rate_factor(1)) == (1.0, pytest.approx(0))


def test_multistep_falls_at_its_epochs() -> None:
    multistep = MultiStepParams(milestones=[2, 5], gamma=0.1)
    own = schedule(Schedule.multisteplr, multisteplr=multistep)
    steps = [0, 19, 20, 49, 50, 99]
    assert [own.rate_factor(step) for step in steps] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_multistep_may_warm_up_too() -> None:
    own = schedule(Schedule.multisteplr, multisteplr=MultiStepParams(milestones=[2], gamma=0.1, warmup=0.04))
    assert [own.rate_factor(step) for step in (0, 3, 4, 20)] == pytest.approx([0.2, 0.8, 1, 0.1])


@pytest.mark.parametrize(("start", "accumulate", "index", "steps"), [
    (0, 1, 0, 1), (0, 1, 4, 5), (6, 1, 0, 7), (0, 3, 0, None), (0, 3, 1, None), (0, 3, 2, 1), (6, 3, 2, 3),
])  # fmt: skip
def test_steps_are_counted_over_interruptions(start, accumulate, index, steps) -> None:
    own = PoseModule(Oracle(), ModelSettings(), TrainingSettings(), Plan(10, 4, accumulate), 1)
    own.start = start
    assert own.steps_done(index) == steps


@pytest.mark.parametrize(("name", "kind"), [("Adam", torch.optim.Adam), ("AdamW", torch.optim.AdamW)])
def test_the_backbone_learns_at_its_own_rate(name, kind) -> None:
    params = OptimizerParams(learning_rate=1e-2, weight_decay=0.3, backbone_factor=0.1)
    own = module(
        optimizer=Optimizer(name),
        optimizer_params=params,
    )
    built = own.configure_optimizers()["optimizer"]
    assert type(built) is kind
    rates = {id(p): group["initial_lr"] for group in built.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in own.network.head.parameters()] == [1e-2] * 2
    assert [rates[id(p)] for p in own.network.backbone.parameters()] == pytest.approx([1e-3] * 2)
    assert {group["weight_decay"] for group in built.param_groups} == {0.3}


@pytest.mark.parametrize(("name", "decay"), [("Adam", 0.0), ("AdamW", 0.01)])
def test_weights_decay_as_the_optimizer_lets_them_where_nothing_is_said(name, decay) -> None:
    built = module(optimizer=Optimizer(name)).configure_optimizers()["optimizer"]
    assert {group["weight_decay"] for group in built.param_groups} == {decay}


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 900), (2, 450), (4, 225)])
def test_an_epoch_shows_every_image_once_however_batches_are_joined(accumulate, steps) -> None:
    assert Plan(1, 3, accumulate).steps_of(300) == steps


def test_what_is_frozen_is_not_optimized() -> None:
    oracle = Oracle()
    oracle.backbone.weight.requires_grad_(False)
    optimized = [
        p
        for group in module(oracle).configure_optimizers()["optimizer"].param_groups
        for p in group["params"]
    ]
    assert any(p is oracle.backbone.bias for p in optimized)
    assert not any(p is oracle.backbone.weight for p in optimized)
    oracle.backbone.requires_grad_(False)
    assert len(module(oracle).configure_optimizers()["optimizer"].param_groups) == 1
