"""Variants and sizes of the training set: their names say what they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.config import load_config
from lightning_pose.sweep import (
    DeclaredModel,
    Kind,
    all_variants,
    declared_models,
    is_size_name,
    models_of,
    parse_kind,
    size_name,
)
from lightning_pose.types import UserError

SEMI = {"settings": {"model": {"losses_to_use": ["temporal"]}, "training": {"max_steps": 3}}}
FEW = {"model": "single", "settings": {"training": {"train_frames": 7}}}
names = st.text("abcxyz.0123456789-", min_size=1).filter(lambda text: not is_size_name(text))
sizes = st.one_of(st.integers(2, 10**6), st.integers(1, 99).map(lambda percent: percent / 100))


def test_a_size_is_a_variant_of_every_model_but_those_that_have_their_own() -> None:
    found = all_variants({"semi": SEMI, "few": FEW}, [50, 0.25])
    assert list(found) == ["semi", "few", "50frames", "semi-50frames", "25percent", "semi-25percent"]
    assert found["semi"] == SEMI and found["few"] == FEW
    assert models_of(found["50frames"]) == ("single", "pose")
    assert models_of(found["semi-50frames"]) == ("pose",) and models_of(FEW) == ("single",)
    settings = found["semi-25percent"]["settings"]
    assert settings["training"] == {"max_steps": 3, "train_frames": 0.25}
    assert settings["model"] == SEMI["settings"]["model"]
    assert SEMI["settings"]["training"] == {"max_steps": 3}


def test_models_are_declared_kind_by_kind_detectors_first() -> None:
    found = declared_models([0, 3], [1.8], {"semi": SEMI, "few": FEW})
    assert found == [
        DeclaredModel("single", 0, "single_0"),
        DeclaredModel("single", 3, "single_3"),
        DeclaredModel("single-few", 0, "single-few_0"),
        DeclaredModel("single-few", 3, "single-few_3"),
        DeclaredModel("pose_1.8", 0, "pose_0_1.8"),
        DeclaredModel("pose_1.8", 3, "pose_3_1.8"),
        DeclaredModel("pose_1.8-semi", 0, "pose-semi_0_1.8"),
        DeclaredModel("pose_1.8-semi", 3, "pose-semi_3_1.8"),
    ]


@given(names, sizes, st.sampled_from(["single", "pose_1.8"]))
def test_what_a_name_says_comes_back(variant: str, size: float, model: str) -> None:
    plain, sized = parse_kind(f"{model}-{variant}"), parse_kind(f"{model}-{variant}-{size_name(size)}")
    assert (plain.variant, plain.train_frames) == (variant, "")
    assert sized.variant == variant
    number, _, unit = sized.train_frames.partition(" ")
    assert float(number) == pytest.approx(100 * size if unit == "%" else size)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("single", Kind("single", "", "", "")),
        ("pose_1.8", Kind("pose", "1.8", "", "")),
        ("pose_2-50frames", Kind("pose", "2", "", "50")),
        ("pose_1.8-semi-25percent", Kind("pose", "1.8", "semi", "25 %")),
        ("my own model", Kind("", "", "my own model", "")),
    ],
)
def test_names_of_lines(text, expected) -> None:
    assert parse_kind(text) == expected


def test_settings_of_a_size_load(tmp_path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "workflow: {train_frames: [50], variants: {long: {settings: {training: {max_epochs: 9}}}}}"
    )
    assert load_config(path, kind="detector", variant="50frames").training.train_frames == 50
    both = load_config(path, kind="pose", variant="long-50frames").training
    assert (both.train_frames, both.max_epochs) == (50, 9)
    with pytest.raises(UserError, match=r"a variant of the config \(long, 50frames, long-50frames\)"):
        load_config(path, kind="pose", variant="60frames")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train_frames: [0]", "workflow.train_frames: expected different numbers"),
        ("train_frames: [1.5]", "workflow.train_frames: expected different numbers"),
        ("train_frames: [5, 5]", "workflow.train_frames: expected different numbers"),
        ("train_frames: [1]", "all frames are always trained on too"),
        ("train_frames: many", "workflow.train_frames"),
        ("variants: {x-5frames: {settings: {}}}", "a name without a size at its end"),
    ],
)
def test_impossible_sweeps_are_refused(tmp_path, text, message) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"workflow: {{{text}}}")
    with pytest.raises(UserError, match=message):
        load_config(path)
