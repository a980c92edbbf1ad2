"""Write checksums of all labelled images and their context frames: one small file stands for them all."""

from __future__ import annotations

import argparse
from pathlib import Path

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
    from lightning_pose.data.context import existing_context
    from lightning_pose.io.files import sha256, write_json
    from lightning_pose.io.labels import read_labels
    from lightning_pose.types import UserError

    problems = check_dataset(args.data_dir, [args.labels], None)
    if problems:
        raise UserError(problems)
    context = existing_context(read_labels(args.labels).image_paths, args.data_dir)
    names = sorted({*context, *(name for neighbours in context.values() for name in neighbours)})
    with ThreadPoolExecutor(THREADS) as pool:
        digests = pool.map(lambda name: sha256(args.data_dir / name), names)
        digest_of = dict(zip(names, digests, strict=True))
    images = {
        path: {"sha256": digest_of[path], "context": {name: digest_of[name] for name in neighbours}}
        for path, neighbours in context.items()
    }
    write_json({"labels": args.labels.name, "images": images}, args.output)
