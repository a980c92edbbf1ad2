"""A checksum of the code that a command runs, for deciding whether its results are stale.

Comments, docstrings and formatting do not count. Standard library only: the workflow calls this while it
builds the DAG.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "lightning_pose"
ROOT = Path(__file__).parent


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
        digest.update(_source(name).checksum)
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
    """What counts of a module: a checksum of its code, and the modules of ours that it imports."""

    checksum: bytes
    imports: tuple[str, ...]


@cache
def _source(module: str) -> _Source:
    tree = ast.parse(module_file(module).read_text())
    imports = tuple(_find_imports(tree))
    return _Source(hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).digest(), imports)


def _find_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and _is_module(node.module):
            yield node.module
            yield from (
                f"{node.module}.{alias.name}"
                for alias in node.names
                if _is_module(f"{node.module}.{alias.name}")
            )
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_module(alias.name))


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
