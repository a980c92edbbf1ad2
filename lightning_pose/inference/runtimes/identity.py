"""What tells networks and machines apart, for what is remembered about them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata


def digest(*parts: object) -> str:
    """Return a short checksum of the parts' texts."""
    text = "\0".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def package_version(package: str) -> str:
    """Return the version of an installed package; empty = it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
