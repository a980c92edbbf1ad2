"""The pose network: sizes, colours, and what stays frozen."""

import pytest
import torch
from torch import nn

from lightning_pose.models.network import HeatmapHead, PoseNetwork
from lightning_pose.settings import ModelSettings, Weights

TINY = "mobilenetv3_small_050"


def network(backbone=TINY, stride=4, keypoints=3, weights=Weights.random, pretrained=True, **options):
    settings = ModelSettings(backbone=backbone, weights=weights, head_channels=8, **options)
    torch.manual_seed(0)
    return PoseNetwork(settings, keypoints, stride, pretrained)


def images(batch=2, height=64, width=96):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("backbone", [TINY, "resnet18", "tf_efficientnet_lite0"])
def test_a_heatmap_cell_is_stride_pixels(backbone, stride) -> None:
    own = network(backbone, stride).eval()
    assert own.stride == stride
    with torch.inference_mode():
        assert own(images()).shape == (2, 3, 64 // stride, 96 // stride)


def test_the_head_merges_what_it_is_given_at_the_finest_resolution() -> None:
    head = HeatmapHead([4, 6, 8], keypoints=5, width=7).eval()
    sizes = [(12, 20), (6, 10), (3, 5)]
    maps = [torch.randn(1, channels, *size) for channels, size in zip([4, 6, 8], sizes, strict=True)]
    first = head(maps)
    assert first.shape == (1, 5, 12, 20)
    for level in range(3):
        changed = [own + (i == level) * torch.randn_like(own) for i, own in enumerate(maps)]
        assert not torch.allclose(head(changed), first)


def test_bytes_and_floats_are_the_same_image() -> None:
    own = network().eval()
    with torch.inference_mode():
        torch.testing.assert_close(own(images()), own(images().float()), rtol=0, atol=0)


@pytest.mark.parametrize("backbone", [TINY, "tf_efficientnet_lite0"])
def test_the_backbone_sees_colours_of_zero_mean(backbone) -> None:
    own, seen = network(backbone).eval(), []
    own.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    own(own.mean.expand(1, 3, 32, 32))
    own((own.mean + own.std).expand(1, 3, 32, 32))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(seen[1], torch.ones(1, 3, 32, 32))
    assert own.mean.min() > 100 and own.mean.max() < 128  # of 255


def test_packaged_weights_differ_from_random_and_are_left_out_for_a_trained_model() -> None:
    packaged = network("tf_efficientnet_lite0", weights=Weights.auto).state_dict()
    random = network("tf_efficientnet_lite0", weights=Weights.random).state_dict()
    trained = network("tf_efficientnet_lite0", weights=Weights.auto, pretrained=False).state_dict()
    key = "backbone.conv_stem.weight"
    assert not torch.equal(packaged[key], random[key])
    assert not torch.equal(packaged[key], trained[key])
    assert packaged.keys() == random.keys() == trained.keys()


def take_a_step(own):
    """Train one step on noise; return all tensors before and after."""
    before = {key: value.clone() for key, value in own.state_dict().items()}
    trainable = [parameter for parameter in own.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=1.0)
    own.train()(images()).square().sum().backward()
    optimizer.step()
    return before, own.state_dict()


def changed(before, after):
    return {key for key in before if not torch.equal(before[key], after[key])}


def test_frozen_stages_keep_their_weights() -> None:
    before, after = take_a_step(network(freeze_stages=2, freeze_batch_norm=True))
    moved = changed(before, after)
    still = ("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0.", "backbone.blocks.1.")
    assert not [key for key in moved if key.startswith(still)]
    assert any(key.startswith("backbone.blocks.2.") for key in moved)
    assert any(key.startswith("head.") for key in moved)


@pytest.mark.parametrize(
    ("setting", "weights", "frozen"),
    [
        (True, Weights.random, True),
        (False, Weights.random, False),
        (None, Weights.random, False),
        (None, Weights.auto, True),
        (False, Weights.auto, False),
    ],
)
def test_frozen_batch_norm_keeps_its_statistics_while_it_trains(setting, weights, frozen) -> None:
    own = network("tf_efficientnet_lite0", weights=weights, freeze_batch_norm=setting)
    moved = changed(*take_a_step(own))
    statistics = {key for key in moved if key.startswith("backbone.") and "running_" in key}
    assert bool(statistics) is not frozen
    assert any(key.startswith("head.") and "running_" in key for key in moved)


def test_frozen_batch_norm_survives_a_change_of_modes() -> None:
    own = network(freeze_batch_norm=True)

    def modes(part):
        return {module.training for module in part.modules() if isinstance(module, nn.BatchNorm2d)}

    own.eval()
    assert own.train() is own
    assert (modes(own.backbone), modes(own.head), own.training) == ({False}, {True}, True)
    own.eval()
    assert (modes(own.backbone), modes(own.head)) == ({False}, {False})


def test_batches_do_not_mix() -> None:
    own = network().eval()
    with torch.inference_mode():
        together, alone = own(images(3)), own(images(3)[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)
