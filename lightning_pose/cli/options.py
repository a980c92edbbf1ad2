"""Arguments that several subcommands share."""

from __future__ import annotations

import argparse


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add ``--overrides``, as users of Lightning Pose know it."""
    parser.add_argument(
        "--overrides",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="settings over those of the config file, such as training.max_steps=100 (hydra's grammar)",
    )
