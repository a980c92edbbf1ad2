"""The pose network: sizes, colours, and what stays frozen."""

import pytest
import torch
from torch import nn

from lightning_pose.models.heads import HeatmapHead, RegressionHead
from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import ModelSettings, ModelType, Weights

TINY = "mobilenetv3_small_050"


def network(backbone=TINY, stride=4, keypoints=3, weights=Weights.random, pretrained=True, **options):
    settings = ModelSettings(backbone=backbone, weights=weights, head_channels=8, **options)
    torch.manual_seed(0)
    return PoseNetwork(settings, keypoints, stride, pretrained, (64, 96))


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
    head = HeatmapHead([4, 6, 8], [4, 8, 16], keypoints=5, width=7, stride=4).eval()
    sizes = [(12, 20), (6, 10), (3, 5)]
    maps = [torch.randn(1, channels, *size) for channels, size in zip([4, 6, 8], sizes, strict=True)]
    first = head(maps, (48, 80))
    assert first.shape == (1, 5, 12, 20)
    for level in range(3):
        changed = [own + (i == level) * torch.randn_like(own) for i, own in enumerate(maps)]
        assert not torch.allclose(head(changed, (48, 80)), first)


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


PLAIN = ["vit_tiny_patch16_224", "vit_small_patch14_dinov2", "vit_small_patch16_dinov3"]
TRANSFORMERS = [*PLAIN, "swin_tiny_patch4_window7_224"]


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("backbone", TRANSFORMERS)
def test_transformers_take_images_of_other_sizes_and_shapes(backbone, stride) -> None:
    own = network(backbone, stride).eval()
    with torch.inference_mode():
        assert own(images(1)).shape == (1, 3, 64 // stride, 96 // stride)


@pytest.mark.parametrize(
    ("backbone", "height", "channels"),
    [("mambaout_femto", 192, 48), ("swin_tiny_patch4_window7_224", 384, 96), ("resnet18", 256, 64)],
)
def test_maps_of_as_many_rows_as_channels_are_not_mistaken(backbone, height, channels) -> None:
    """Of (48, W, 48) or (96, W, 96), which are the channels is told by the network alone."""
    settings = ModelSettings(backbone=backbone, weights=Weights.random, head_channels=8)
    own = PoseNetwork(settings, 3, 4, True, (height, 64)).eval()
    with torch.inference_mode():
        finest = own.features(images(1, height, 64))[0]
    assert finest.shape == (1, channels, height // 4, 16)


@pytest.mark.parametrize("backbone", ["vit_tiny_patch16_224", "vit_small_patch14_dinov2"])
def test_position_embeddings_have_the_size_of_the_images_patches(backbone) -> None:
    state = network(backbone).state_dict()
    patches = {"vit_tiny_patch16_224": 4 * 6, "vit_small_patch14_dinov2": 5 * 7}[backbone]
    assert state["backbone.model.pos_embed"].shape[1] == patches + 1


@pytest.mark.parametrize("backbone", [TINY, *PLAIN])
def test_what_moves_in_the_image_moves_in_the_heatmaps(backbone) -> None:
    """A bright patch changes the heatmaps most around its own place: nothing is transposed or shifted."""
    own = network(backbone, weights=Weights.random).eval()
    dark = torch.full((1, 3, 64, 96), 90.0)
    bright = dark.clone()
    bright[..., 16:32, 64:80] = 255.0
    with torch.inference_mode():
        change = (own(bright) - own(dark)).abs().mean(1)[0]
    inside = change[4:8, 16:20].mean()
    assert inside > 1.5 * change[:, :8].mean() and inside > 1.5 * change[12:].mean()


def test_every_level_of_a_plain_transformer_counts_the_same() -> None:
    head = HeatmapHead([8, 8], [16, 16], keypoints=2, width=8, stride=4).eval()
    maps = [torch.randn(1, 8, 4, 6) for _ in range(2)]
    first = head(maps, (64, 96))
    assert first.shape == (1, 2, 16, 24)
    torch.testing.assert_close(head([maps[0], 1000 * maps[1]], (64, 96)), first, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backbone", [TINY, "resnet18", "vit_tiny_patch16_224"])
def test_regressed_coordinates_are_pixels_around_the_middle_at_first(backbone) -> None:
    own = network(backbone, model_type=ModelType.regression).eval()
    with torch.inference_mode():
        output = own(images())
    keypoints_model_px, confidence = own.decode(output)
    assert keypoints_model_px.shape == (2, 3, 2) and keypoints_model_px.dtype == torch.float32
    middle = torch.tensor([47.5, 31.5])
    assert (keypoints_model_px - middle).abs().max() < 20
    assert (confidence == 1).all() and confidence.shape == (2, 3)


def test_regressed_coordinates_are_as_fine_in_half_precision() -> None:
    head = RegressionHead(32, 2)
    maps = [torch.randn(3, 32, 4, 4, generator=torch.Generator().manual_seed(0))]
    with torch.autocast("cpu", torch.bfloat16):
        found = head(maps, (256, 256))
    torch.testing.assert_close(found, head(maps, (256, 256)))


@pytest.mark.parametrize("stride", [2, 4])
def test_context_gives_two_heatmaps_of_labelled_frames(stride) -> None:
    own = network(stride=stride, model_type=ModelType.heatmap_mhcrnn).eval()
    frames = images(10).view(2, 5, 3, 64, 96)
    with torch.inference_mode():
        alone, together = own(frames)
    assert alone.shape == together.shape == (2, 3, 64 // stride, 96 // stride)


@pytest.mark.parametrize("changed_frame", range(5))
def test_only_one_head_sees_the_neighbours(changed_frame) -> None:
    own = network(model_type=ModelType.heatmap_mhcrnn).eval()
    frames = images(5).view(1, 5, 3, 64, 96)
    other = frames.clone()
    other[:, changed_frame] = 255 - other[:, changed_frame]
    with torch.inference_mode():
        before, after = own(frames), own(other)
    assert torch.allclose(before[0], after[0], atol=1e-6) is (changed_frame != 2)
    assert not torch.allclose(before[1], after[1], atol=1e-6)


def test_consecutive_frames_are_each_others_context() -> None:
    """Frame by frame the same as windows of five, whose frames beyond the ends repeat the end."""
    own = network(model_type=ModelType.heatmap_mhcrnn).eval()
    sequence = images(6)
    rows = torch.tensor([[0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [2, 3, 4, 5, 5],
                         [3, 4, 5, 5, 5]])  # fmt: skip
    with torch.inference_mode():
        together, apart = own(sequence), own(sequence[rows])
    for first, second in zip(together, apart, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_the_more_confident_heatmap_wins_keypoint_by_keypoint() -> None:
    own = network(keypoints=2, model_type=ModelType.heatmap_mhcrnn)
    alone, together = torch.zeros(1, 2, 16, 24), torch.zeros(1, 2, 16, 24)
    alone[0, 0, 3, 4], together[0, 0, 9, 9] = 20.0, 3.0
    alone[0, 1, 3, 4], together[0, 1, 9, 9] = 3.0, 20.0
    for find in (own.decode, own.soft_decode):
        keypoints_model_px, confidence = find((alone, together))
        torch.testing.assert_close(keypoints_model_px, torch.tensor([[[17.5, 13.5], [37.5, 37.5]]]))
        assert confidence.min() > 0.99


@pytest.mark.parametrize("model_type", list(ModelType))
def test_every_head_gives_gradients_to_losses_of_coordinates(model_type) -> None:
    own = network(model_type=model_type).train()
    frames = images(5).view(1, 5, 3, 64, 96) if model_type is ModelType.heatmap_mhcrnn else images()
    keypoints_model_px, confidence = own.soft_decode(own(frames))
    assert keypoints_model_px.dtype == confidence.dtype == torch.float32
    keypoints_model_px.sum().backward()
    learns = [
        parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in own.head.parameters()
    ]
    assert any(learns)
    assert any(parameter.grad is not None for parameter in own.backbone.parameters())
