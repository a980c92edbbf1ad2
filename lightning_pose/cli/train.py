"""Train a detector, or with --detector_model a pose model on that detector's crops.

The model folder gets config.yaml (the complete settings), model.safetensors (the weights of the lowest
validation error), splits.json and tb_logs/. Training ends with predictions on the config's own labels CSV
and on its sibling named *_new, where there is one.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from lightning_pose.cli.options import add_overrides


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config_file", type=Path, help="a config file; a bare name is found in config/ too")
    parser.add_argument(
        "--output_dir", type=Path, help="the model folder to write (default: outputs/<date>/<time>)"
    )
    parser.add_argument(
        "--detector_model",
        type=Path,
        help="train a pose model on this detector's crops, which are made first where missing or stale",
    )
    parser.add_argument(
        "--kind",
        choices=("detector", "pose"),
        help="which of the config's workflow.detector and workflow.pose settings apply "
        "(default: pose with --detector_model, else detector)",
    )
    parser.add_argument("--variant", help="apply the settings of this one of the config's workflow.variants")
    parser.add_argument("--skip_predict", action="store_true", help="leave out the predictions at the end")
    add_overrides(parser)


def run(args: argparse.Namespace) -> None:
    """Train."""
    from lightning_pose.config import find_config, load_config
    from lightning_pose.training.run import train

    now = datetime.datetime.now()
    kind = args.kind or ("pose" if args.detector_model else "detector")
    config = find_config(args.config_file)
    train(
        settings=load_config(config, args.overrides, kind, variant=args.variant),
        config_name=str(config),
        output_dir=args.output_dir or Path("outputs") / now.strftime("%Y-%m-%d") / now.strftime("%H-%M-%S"),
        detector_dir=args.detector_model,
        predicts=not args.skip_predict,
    )
