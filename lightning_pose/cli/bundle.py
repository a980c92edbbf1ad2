"""Pack a folder of results into a ZIP: predictions, metrics, figures, settings, provenance, checksums.

litpose bundle results/chickadee --output chickadee.zip

The same results give the same bytes. Crops, checkpoints and logs stay, weights too without --weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, help="results of a data set, or a folder of them")
    parser.add_argument("--output", type=Path, required=True, help="the ZIP to write")
    parser.add_argument("--weights", action="store_true", help="pack the weights of the models too")
    parser.add_argument("--overwrite", action="store_true", help="replace a ZIP that is there")


def run(args: argparse.Namespace) -> None:
    """Pack."""
    import logging

    from lightning_pose.io.bundle import bundle

    count = bundle(args.folder, args.output, args.weights, args.overwrite)
    logging.getLogger(__name__).info("packed %d files into %s", count, args.output)
