"""Names of backbones, told without importing timm, which takes torch and seconds."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lightning_pose.types import Problem

PACKAGED = re.compile(r"(?:tf_)?efficientnet_lite([012])")
# Upstream's names for what timm calls otherwise.
UPSTREAM_NAMES = {
    "efficientnet_b0": "tf_efficientnet_b0",
    "efficientnet_b1": "tf_efficientnet_b1",
    "vits_dino": "vit_small_patch16_224.dino",
    "vitb_dino": "vit_base_patch16_224.dino",
    "vits_dinov2": "vit_small_patch14_dinov2.lvd142m",
    "vitb_dinov2": "vit_base_patch14_dinov2.lvd142m",
    "vits_dinov3": "vit_small_patch16_dinov3.lvd1689m",
    "vitb_dinov3": "vit_base_patch16_dinov3.lvd1689m",
    "vitb_imagenet": "vit_base_patch16_224.mae",
    "vitb_sam": "samvit_base_patch16.sa1b",
    "vitt_sam2": "sam2_hiera_tiny.fb_r896_2pt1",
    "vits_sam2": "sam2_hiera_small.fb_r896_2pt1",
    "vitb_sam2": "sam2_hiera_base_plus.fb_r896_2pt1",
}
# ResNets that upstream trained on other data: the same networks, but their first weights are ImageNet's here.
UPSTREAM_RESNETS = re.compile(r"(resnet(?:18|34|50|101|152))_(?:animal|human|contrastive)")
# In timm's source: its functions that build networks, and the older names of networks.
REGISTERED = re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
OLDER = re.compile(r"^register_model_deprecations\(__name__, \{(.*?)^\}\)", re.MULTILINE | re.DOTALL)
OLDER_NAME = re.compile(r"^\s*['\"](\w+)[^'\"]*['\"]\s*:", re.MULTILINE)


def possible_names(name: str) -> list[str]:
    """Return the names that timm may have for a backbone; the first that it knows is meant."""
    candidate = UPSTREAM_NAMES.get(name, name)
    if PACKAGED.fullmatch(candidate) and not candidate.startswith("tf_"):
        candidate = f"tf_{candidate}"
    plain = UPSTREAM_RESNETS.match(candidate)
    return [candidate, plain.group(1)] if plain else [candidate]


def unknown_backbone(name: str, known: Iterable[str]) -> Problem:
    """Say that timm has no such network, and the nearest that it has."""
    nearest = difflib.get_close_matches(name, [*known, *UPSTREAM_NAMES], n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    return Problem("model.backbone", "a network that timm knows", f"{name}{hint}")


def backbone_problem(name: str) -> Problem | None:
    """Return what is wrong with the name of a backbone, as building it would find; None if nothing is."""
    known = timm_names()
    if not known or any(candidate.split(".")[0] in known for candidate in possible_names(name)):
        return None
    return unknown_backbone(name, known)


@cache
def timm_names() -> frozenset[str]:
    """Return the names of timm's networks, without their weights' tags, as its source tells them.

    Empty where there is no timm, or none with a source.
    """
    spec = importlib.util.find_spec("timm")
    found: set[str] = set()
    if spec is None or spec.origin is None:
        return frozenset()
    for path in (Path(spec.origin).parent / "models").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        found.update(REGISTERED.findall(text))
        for older in OLDER.findall(text):
            found.update(OLDER_NAME.findall(older))
    return frozenset(found)
