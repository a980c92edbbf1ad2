"""Train a detector, or with --detector_model a pose model on that detector's crops, or with --cropzoom both.

The model folder gets config.yaml (the complete settings), model.safetensors (the weights of the lowest
validation error), splits.json and tb_logs/. Training ends with predictions on the config's own labels CSV
and on its sibling named *_new, where there is one.

With --cropzoom the folder gets detector/, pose/ and cropzoom.json, and predictions are in frame pixels. What
is there already and up to date is not made again.
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
        "--cropzoom",
        action="store_true",
        help="train a detector and a pose model on its crops, and join them to one model",
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
    output_dir = args.output_dir or Path("outputs") / now.strftime("%Y-%m-%d") / now.strftime("%H-%M-%S")
    if args.cropzoom:
        _run_cropzoom(args, output_dir)
        return
    kind = args.kind or ("pose" if args.detector_model else "detector")
    config = find_config(args.config_file)
    train(
        settings=load_config(config, args.overrides, kind, variant=args.variant),
        config_name=str(config),
        output_dir=output_dir,
        detector_dir=args.detector_model,
        predicts=not args.skip_predict,
    )


def _run_cropzoom(args: argparse.Namespace, output_dir: Path) -> None:
    from lightning_pose.config import find_config
    from lightning_pose.training.cropzoom import train_cropzoom
    from lightning_pose.types import Problem, UserError

    for name in ("detector_model", "kind", "variant"):
        if getattr(args, name):
            raise UserError(Problem(f"--{name}", "none with --cropzoom, which trains both kinds", "one"))
    train_cropzoom(find_config(args.config_file), output_dir, args.overrides, not args.skip_predict)
