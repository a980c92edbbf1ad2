"""The models that a dataset's YAML declares besides the plain ones: variants, and sizes of the training set.

A name becomes part of a folder's (``pose-semi_0_1.8``) and of a line's in the plots (``pose_1.8-semi``). A
size of the training set is a variant of every model: ``50frames``, or ``25percent`` for a share; of the
variant ``semi`` it is ``semi-50frames``. Imports nothing of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SIZE = re.compile(r"(?:(?P<variant>.+)-)?(?P<number>\d+(?:\.\d+)?)(?P<unit>frames|percent)")
KIND = re.compile(r"(?P<model>single|pose)(?:_(?P<crop_ratio>\d+(?:\.\d+)?))?(?:-(?P<rest>.+))?")
MODELS = ("single", "pose")


@dataclass(frozen=True)
class Kind:
    """What the name of a line in the plots says; an empty text where it says nothing."""

    model: str
    crop_ratio: str
    variant: str
    train_frames: str


@dataclass(frozen=True)
class DeclaredModel:
    """A model that a dataset's settings ask for: the line of the plots it is in, its seed, its folder."""

    kind: str
    seed: int
    folder: str


def declared_models(
    seeds: Sequence[int], crop_ratios: Sequence[float], variants: Mapping[str, Any]
) -> list[DeclaredModel]:
    """Return every model that there shall be, kind by kind, detectors first.

    Parameters
    ----------
    seeds, crop_ratios : of ``workflow``.
    variants : those of `all_variants`.
    """
    names: dict[str, list[str]] = {model: [""] for model in MODELS}
    for name, variant in variants.items():
        for model in models_of(variant):
            names[model].append(f"-{name}")
    found = []
    for seed in seeds:
        found += [DeclaredModel(f"single{name}", seed, f"single{name}_{seed}") for name in names["single"]]
        found += [
            DeclaredModel(f"pose_{ratio}{name}", seed, f"pose{name}_{seed}_{ratio}")
            for ratio in crop_ratios
            for name in names["pose"]
        ]
    return sorted(found, key=lambda own: (not own.kind.startswith("single"), own.kind))


def all_variants(variants: Mapping[str, Any], train_frames: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Return all variants by name, those of other training-set sizes too.

    Parameters
    ----------
    variants : ``workflow.variants``: name to ``model`` and ``settings``.
    train_frames : ``workflow.train_frames``. A variant that has its own ``training.train_frames`` keeps it.

    Returns
    -------
    dict
        Name to ``settings`` and ``model``, which is missing (a pose model), ``single``, ``pose`` or ``both``.
    """
    found = {str(name): dict(own) for name, own in variants.items()}
    for size in train_frames:
        found[size_name(size)] = {"model": "both", "settings": {"training": {"train_frames": size}}}
        for name, own in variants.items():
            training = own["settings"].get("training") or {}
            if "train_frames" not in training:
                sized = {**own["settings"], "training": {**training, "train_frames": size}}
                found[f"{name}-{size_name(size)}"] = {**own, "settings": sized}
    return found


def models_of(variant: Mapping[str, Any]) -> tuple[str, ...]:
    """Return whether a variant is one of detectors (``single``), of pose models (``pose``) or of both."""
    model = variant.get("model", "pose")
    return MODELS if model == "both" else (model,)


def size_name(size: float) -> str:
    """Return the name of a training-set size: a number of frames, up to 1 a share of them."""
    return f"{100 * size:.12g}percent" if size <= 1 else f"{size:.12g}frames"


def is_size_name(name: str) -> bool:
    """Say whether a variant's name means a size, or ends in one."""
    return SIZE.fullmatch(name) is not None


def parse_kind(text: str) -> Kind:
    """Return what the name of a line in the plots says; one of another form is a variant as a whole."""
    found = KIND.fullmatch(text)
    if found is None:
        return Kind("", "", text, "")
    rest = found["rest"] or ""
    size = SIZE.fullmatch(rest)
    variant = rest if size is None else size["variant"] or ""
    number = "" if size is None else size["number"] + ("" if size["unit"] == "frames" else " %")
    return Kind(found["model"], found["crop_ratio"] or "", variant, number)
