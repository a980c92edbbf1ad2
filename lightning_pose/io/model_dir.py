"""A trained model's folder: the names of its files, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.config import load_config
from lightning_pose.io.changed import check_unchanged, have_looked_into
from lightning_pose.io.files import read_json, unseal
from lightning_pose.settings import Settings
from lightning_pose.types import Problem, Split, UserError

CONFIG_FILE = "config.yaml"  # the complete settings it was trained with
WEIGHTS_FILE = "model.safetensors"  # those of the lowest validation error, written last
ORIGIN_FILE = "origin.json"  # what a finished training depended on
SPLITS_FILE = "splits.json"  # what each labelled image was used for


def read_splits(model_dir: Path) -> dict[str, str]:
    """Return what each labelled image was used for in the training: image path to split.

    Raises
    ------
    UserError
        If the file is missing or damaged.
    """
    splits = unseal(read_json(model_dir / SPLITS_FILE))
    known = {split.value for split in Split}
    if splits is None or not set(splits.values()) <= known:
        have_looked_into(model_dir / SPLITS_FILE)
        found = "a damaged file" if (model_dir / SPLITS_FILE).is_file() else "no such file"
        raise UserError(Problem(str(model_dir / SPLITS_FILE), "the splits of a training", found))
    return splits


def weights_of(model_dir: Path) -> Path:
    """Return the file of a trained model's weights.

    Raises
    ------
    UserError
        If there is none.
    """
    refuse_upstreams(model_dir)
    file = model_dir / WEIGHTS_FILE
    if not file.is_file():
        raise UserError(Problem(str(file), "trained weights (the training has not finished)", "no such file"))
    return file


def refuse_upstreams(model_dir: Path, key: str = "") -> None:
    """Refuse the folder of a model that upstream trained; `key` is the setting that names it."""
    theirs = next(model_dir.glob("tb_logs/**/*.ckpt"), None)
    if theirs is None or (model_dir / WEIGHTS_FILE).is_file():
        return
    where = f"{key} {model_dir}".strip()
    found = f"one of Lightning Pose ({theirs.name}), whose network is another: train it here anew"
    raise UserError(Problem(where, f"a trained model's folder with {WEIGHTS_FILE}", found))


def read_model_settings(model_dir: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read the settings that a model was trained with.

    Raises
    ------
    UserError
        If it is no model's folder.
    """
    if not (model_dir / CONFIG_FILE).is_file():
        raise UserError(
            Problem(str(model_dir), f"a trained model's folder with {CONFIG_FILE}", "no such file")
        )
    check_unchanged(model_dir / CONFIG_FILE)
    return load_config(model_dir / CONFIG_FILE, overrides, warn=False)
