"""Settings: what loads, and what is refused with its full key."""

from pathlib import Path

import pytest

from lightning_pose.config import load_config, to_yaml
from lightning_pose.types import UserError

ROOT = Path(__file__).parents[2]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("config", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
@pytest.mark.parametrize("kind", [None, "detector", "pose"])
def test_every_shipped_config_loads(config: Path, kind: str | None) -> None:
    assert load_config(config, kind=kind).workflow.seeds


def test_complete_settings_read_back_the_same(tmp_path: Path) -> None:
    settings = load_config(ROOT / "config" / "chickadee.yaml", ["training.max_steps=7"], "pose")
    again = load_config(write(tmp_path / "config.yaml", to_yaml(settings)))
    assert again == settings
    assert again.training.max_steps == 7


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("training: {max_epoch: 3}", "training.max_epoch", "did you mean max_epochs?"),
        ("trainning: {max_epochs: 3}", "trainning", "did you mean training?"),
        ("training: {train_prob: abc}", "training.train_prob", "abc"),
        ("training: {train_prob: 1.5}", "training.train_prob", "1.5"),
        ("data: {image_resize_dims: {height: 100}}", "data.image_resize_dims.height", "100"),
        ("data: {keypoint_names: [a, a]}", "data.keypoint_names", "a twice"),
        ("data: {keypoint_names: [a, b], num_keypoints: 3}", "data.num_keypoints", "3"),
        ("training: {optimizer: SGDX}", "training.optimizer", "SGDX"),
        ("workflow: {pose: {training: {max_step: 3}}}", "workflow.pose: training.max_step", "max_steps"),
        ("workflow: {seeds: [0, 0]}", "workflow.seeds", "[0, 0]"),
        ("data: {data_dir: '${nothing.there}'}", "bad.yaml", "nothing"),
        ("a: [", "bad.yaml", "expected"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, key: str, found: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config(write(tmp_path / "bad.yaml", text))
    message = str(caught.value)
    assert key in message
    assert found in message
    assert "bad.yaml" in message


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_config(
            write(tmp_path / "bad.yaml", "training: {max_epoch: 3, train_prob: x}\nmodel: {bacbone: r}")
        )
    assert len(caught.value.problems) == 3


def test_keys_of_upstream_without_effect_are_accepted_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LP_ROOT_PATH", "/somewhere")
    text = """
data: {data_dir: "${LP_ROOT_PATH:}/data/x", mirrored_column_matches: [[0], [1]], keypoint_names: [a, b]}
losses: {pca_singleview: {log_weight: 5.0}}
dali: {general: {seed: 1}}
model: {losses_to_use: [], backbone: resnet50_animal_ap10k}
eval: {hydra_paths: [" "], fiftyone: {port: 5151}}
callbacks: {anneal_weight: {final_val: 1.0}}
"""
    settings = load_config(write(tmp_path / "config.yaml", text))
    assert settings.data.data_dir == "/somewhere/data/x"
    assert "losses" in caplog.text
    assert "data.mirrored_column_matches" in caplog.text


@pytest.mark.parametrize("override", ["training.max_steps", "=3", "~training.max_steps"])
def test_bad_overrides_are_named(override: str) -> None:
    with pytest.raises(UserError, match="--overrides"):
        load_config(ROOT / "config" / "chickadee.yaml", [override])
