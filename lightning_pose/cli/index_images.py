"""Write checksums of all labelled images and their context frames: one small file that stands for them all."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write checksums of a data set's images"
THREADS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--labels", type=Path, required=True, help="labels CSV")
    parser.add_argument(
        "--data_dir", type=Path, required=True, help="folder that image paths are relative to"
    )
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")


def run(args: argparse.Namespace) -> None:
    """Write the index."""
    from concurrent.futures import ThreadPoolExecutor

    from lightning_pose.data.check import check_dataset
    from lightning_pose.data.context import context_paths
    from lightning_pose.io.files import sha256, write_json
    from lightning_pose.io.labels import read_labels
    from lightning_pose.types import UserError

    problems = check_dataset(args.data_dir, [args.labels], None)
    if problems:
        raise UserError(problems)
    paths = read_labels(args.labels).image_paths
    neighbours = [
        name for path in paths for name in context_paths(path) or [] if (args.data_dir / name).is_file()
    ]
    names = sorted({*paths, *neighbours})
    with ThreadPoolExecutor(THREADS) as pool:
        digests = list(pool.map(lambda name: sha256(args.data_dir / name), names))
    write_json({"labels": args.labels.name, "images": dict(zip(names, digests, strict=True))}, args.output)
