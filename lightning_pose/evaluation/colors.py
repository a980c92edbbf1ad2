"""Colours of the kinds that are compared: the same in plots and in the gallery."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lightning_pose.types import Problem, UserError

# Okabe & Ito's colours, which colour-blind readers tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def kind_colors(kinds: Sequence[str], chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the hex colour of each kind: the chosen one, or else the palette's."""
    distinct = dict.fromkeys(kinds)
    return {kind: (chosen or {}).get(kind, PALETTE[i % len(PALETTE)]) for i, kind in enumerate(distinct)}


def parse_colors(texts: Sequence[str]) -> dict[str, str]:
    """Return the colours that an option tells as ``KIND=#rrggbb``.

    Raises
    ------
    UserError
        For anything else.
    """
    wrong = [text for text in texts if not re.fullmatch(r"[^=]+=#[0-9a-fA-F]{6}", text)]
    if wrong:
        raise UserError(Problem("--colors", "KIND=#rrggbb", wrong[0]))
    return dict(text.split("=", 1) for text in texts)
