"""A checksum of the code that a command runs, for deciding whether its results are stale.

Comments, docstrings and formatting do not count. Standard library only: the workflow calls this while it
builds the DAG. What counts of a source file is kept in the user's cache, by the file's checksum: to parse a
hundred of them takes half a second, which every command would wait for.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import platform
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lightning_pose.machine import cache_dir

PACKAGE = "lightning_pose"
ROOT = Path(__file__).parent

# what steps are told by parameters or arguments, and trainings by their settings
SETTINGS_CODE = tuple(
    f"lightning_pose.{name}" for name in ("config", "settings", "settings_checks", "yaml_bombs")
)
# what a training shows on its way makes no other weights
SHOWN_CODE = tuple(f"lightning_pose.training.callbacks.{name}" for name in ("curves", "progress"))
# run where there are losses on unlabelled video, as is what only these import
VIDEO_LOSSES_CODE = ("lightning_pose.training.unsupervised", "lightning_pose.data.unlabeled")


def training_fingerprint(has_video_losses: bool) -> str:
    """Return the checksum of the code that a training's weights depend on."""
    not_run = () if has_video_losses else VIDEO_LOSSES_CODE
    return fingerprint("lightning_pose.training.fit", *SETTINGS_CODE, *SHOWN_CODE, *not_run)


@cache
def fingerprint(module: str, *left_out: str) -> str:
    """Return the checksum of a module and of all modules of ours that it imports, directly or not.

    Parameters
    ----------
    module : dotted name, such as ``lightning_pose.cli.crop``.
    left_out : modules that do not count, nor what only they import: a step may not use them, or what they do
        may be known from elsewhere.
    """
    digest = hashlib.sha256()
    for name in sorted(reachable(module, left_out)):
        digest.update(name.encode())
        digest.update(_source(name).checksum.encode())
    _keep()
    return digest.hexdigest()[:16]


@cache
def files_fingerprint(module: str, folder: str) -> str:
    """Return the checksum of the files in a folder beside a module, which are copied as they are."""
    digest = hashlib.sha256()
    for path in sorted((module_file(module).parent / folder).iterdir()):
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def reachable(module: str, left_out: Sequence[str] = ()) -> set[str]:
    """Return the names of the modules of ours that `module` imports, inside functions too, and its own."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in left_out:
            found.add(name)
            waiting += _source(name).imports
    return found


def module_file(module: str) -> Path:
    """Return the source file of a module of ours."""
    path = ROOT.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name: str) -> bool:
    return name.split(".")[0] == PACKAGE and module_file(name).is_file()


class _Source(NamedTuple):
    """What counts of a module: a checksum of its code, and names of ours that it imports, modules or not."""

    checksum: str
    names: tuple[str, ...]

    @property
    def imports(self) -> list[str]:
        """The modules of ours among the names."""
        return [name for name in self.names if _is_module(name)]


_new: dict[str, _Source] = {}  # by checksum of the file: what the cache lacks


@cache
def _source(module: str) -> _Source:
    content = module_file(module).read_bytes()
    key = hashlib.sha256(content).hexdigest()
    kept = _kept().get(key)
    if kept is None:
        tree = ast.parse(content)
        names = tuple(dict.fromkeys(_find_imports(tree)))
        code = ast.dump(_without_docstrings(tree))
        kept = _new[key] = _Source(hashlib.sha256(code.encode()).hexdigest(), names)
    return kept


@cache
def _kept() -> dict[str, _Source]:
    try:
        found = json.loads(_cache_file().read_text())
        return {key: _Source(str(checksum), tuple(names)) for key, (checksum, names) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # none yet, or damaged
        return {}


def _keep() -> None:
    """Put what was parsed into the cache; one that cannot be written to is no mistake."""
    if not _new:
        return
    path = _cache_file()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as file:
            json.dump(_kept() | _new, file)
        Path(file.name).replace(path)
    _kept().update(_new)
    _new.clear()


@cache
def _cache_file() -> Path:
    """Return the file for this way of taking a checksum, and this Python, whose syntax trees are its own."""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    return cache_dir() / "sources" / f"{platform.python_version()}-{own}.json"


def _find_imports(tree: ast.Module) -> Iterator[str]:
    """Yield names in our package that are imported, which need not all be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body
        if body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                node.body = body[1:]
    return tree
