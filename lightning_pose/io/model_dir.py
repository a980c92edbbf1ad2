"""A trained model's folder: the names of its files, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_pose.config import load_config
from lightning_pose.settings import Settings
from lightning_pose.types import Problem, UserError

CONFIG_FILE = "config.yaml"  # the complete settings it was trained with
WEIGHTS_FILE = "model.safetensors"  # those of the lowest validation error, written last
SPLITS_FILE = "splits.json"  # what each labelled image was used for


def read_model_settings(model_dir: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read the settings that a model was trained with.

    Raises
    ------
    UserError
        If it is no model's folder.
    """
    for name in (CONFIG_FILE, SPLITS_FILE):
        if not (model_dir / name).is_file():
            raise UserError(Problem(str(model_dir), f"a trained model's folder with {name}", "no such file"))
    return load_config(model_dir / CONFIG_FILE, overrides, warn=False)
