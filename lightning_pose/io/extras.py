"""Packages that only some users need: asked for where they are used."""

from __future__ import annotations

import importlib.util

from lightning_pose.types import Problem, UserError


def require(where: str, package: str, extra: str, module: str | None = None) -> None:
    """Refuse to go on without a package.

    Parameters
    ----------
    where : what needs it, for the message.
    package : its name in registries.
    extra : the optional dependencies of ours that bring it.
    module : the name it is imported by, if another.

    Raises
    ------
    UserError
        If it is not installed.
    """
    if importlib.util.find_spec(module or package) is None:
        found = f"none (pip install lightning-pose-cropzoom[{extra}])"
        raise UserError(Problem(where, f"the package {package}", found))
