"""Files of weights: read without running anything they hold, and loaded in full or not at all.

safetensors, or what torch saves of a state dict (``.pth``, ``.pt``, ``.ckpt``, ``.bin``).
"""

from __future__ import annotations

import hashlib
import pickle
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from lightning_pose.io.changed import have_looked_into
from lightning_pose.io.files import write_atomic
from lightning_pose.traces import note_read
from lightning_pose.types import Problem, UserError, first_line

SAFE_SUFFIX = ".safetensors"
TORCH_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin")
WRAPPERS = (
    "state_dict",
    "model",
    "teacher",
    "model_state",
    "module",
)  # keys that state dicts are saved under
CHECKSUM = "sha256"  # key of the header of a safetensors file
# what torch's and Python's readers raise over damaged bytes, besides `pickle.UnpicklingError`
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError,
              ArithmeticError, MemoryError)  # fmt: skip
NAMED = 3  # differences named one by one

State = Mapping[str, torch.Tensor]


def read_state(path: Path, key: str) -> dict[str, torch.Tensor]:
    """Read the tensors of a file of weights.

    Parameters
    ----------
    path : the file.
    key : the setting that names it, for messages.

    Raises
    ------
    UserError
        If it is missing, damaged, holds more than tensors, or is of an unknown kind.
    """
    where = f"{key} {path}" if key else str(path)
    if path.suffix not in (SAFE_SUFFIX, *TORCH_SUFFIXES):
        expected = f"a file of weights ({', '.join((SAFE_SUFFIX, *TORCH_SUFFIXES))})"
        raise UserError(Problem(where, expected, "a folder" if path.is_dir() else path.suffix or "no suffix"))
    if not path.is_file():
        raise UserError(Problem(where, "a file of weights", "no such file"))
    note_read(path)
    try:
        content = _read_safe(path) if path.suffix == SAFE_SUFFIX else _read_torch(path)
    except (SafetensorError, *UNREADABLE) as error:
        have_looked_into(path)
        raise UserError(Problem(where, "readable weights", first_line(error))) from None
    except pickle.UnpicklingError:
        found = "other Python objects, or a damaged file"
        raise UserError(Problem(where, "readable weights: a state dict of tensors", found)) from None
    state = _unwrapped(content)
    if not state:
        raise UserError(Problem(where, "readable weights: a state dict of tensors", "no tensors"))
    return state


def write_weights(weights: State, path: Path) -> None:
    """Write a safetensors file, with a checksum of its tensors in the header."""
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    with write_atomic(path) as temporary:
        temporary.write_bytes(save(tensors, {CHECKSUM: tensors_digest(tensors)}))


def are_finite(weights: State) -> bool:
    """Say whether all weights are numbers."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())


def tensors_digest(tensors: State) -> str:
    """Return a checksum of tensors, their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def damage_of_archive(path: Path) -> str | None:
    """Return what is wrong with an archive of torch, None if nothing is, by checksums that torch ignores.

    Files of before torch 1.6 are no archives and have no checksums.
    """
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, *UNREADABLE) as error:
        return f"damaged: {first_line(error)}"
    return None if damaged is None else f"damaged: the checksum of {damaged} in it is wrong"


def load_fully(module: nn.Module, state: State, where: str, expected: str) -> None:
    """Copy all tensors into a module, or none.

    Parameters
    ----------
    module : what they are for.
    state : the tensors by their names.
    where, expected : for the message: the file, and what it should hold.

    Raises
    ------
    UserError
        If a name is missing, unknown or of another shape: the first few, and how many there are.
    """
    refuse_differences(differences(module.state_dict(), state), where, expected)
    module.load_state_dict(dict(state))


def differences(own: State, found: State) -> list[str]:
    """Return what keeps tensors from being loaded: missing, of another shape, unknown; in this order."""
    missing = [f"{name} (missing)" for name in own if name not in found]
    shapes = [
        f"{name} ({_shape(found[name])}, not {_shape(tensor)})"
        for name, tensor in own.items()
        if name in found and found[name].shape != tensor.shape
    ]
    return shapes + missing + [f"{name} (unknown)" for name in found if name not in own]


def refuse_differences(names: list[str], where: str, expected: str) -> None:
    """Raise a `UserError` that names the first few differences, if there are any."""
    if names:
        rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise UserError(Problem(where, expected, f"differences in {', '.join(names[:NAMED])}{rest}"))


def without_prefix(state: State, prefixes: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return the state without the first of the prefixes that all its names share."""
    for prefix in prefixes:
        if all(name.startswith(prefix) for name in state):
            return {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return dict(state)


def _read_safe(path: Path) -> dict[str, torch.Tensor]:
    tensors = load_file(str(path))
    with safe_open(str(path), "pt") as file:
        told = (file.metadata() or {}).get(CHECKSUM)
    if told is not None and told != tensors_digest(tensors):
        raise ValueError("damaged: the tensors are not those that were written, by their checksum")
    return tensors


def _read_torch(path: Path) -> object:
    damage = damage_of_archive(path)
    if damage is not None:
        raise ValueError(damage)
    return torch.load(path, map_location="cpu", weights_only=True)


def _unwrapped(content: object) -> dict[str, torch.Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for name in WRAPPERS:
        if isinstance(content.get(name), Mapping):
            return _unwrapped(content[name])
    return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
