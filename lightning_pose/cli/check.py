"""Validate a config file and its data without training: everything wrong is listed at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_overrides


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config_file", type=Path, help="a config file; a bare name is found in config/ too")
    add_overrides(parser)


def run(args: argparse.Namespace) -> None:
    """Check."""
    from lightning_pose.config import find_config, load_config
    from lightning_pose.data.check import check_dataset
    from lightning_pose.data.check_settings import (
        check_backbones_of_workflow,
        check_keypoints_of_config,
        check_training_settings,
        check_videos_of_config,
    )
    from lightning_pose.data.frame_labels import labels_path
    from lightning_pose.io.labels import read_labels
    from lightning_pose.settings import takes_context
    from lightning_pose.types import UserError

    config = find_config(args.config_file)
    settings = load_config(config, args.overrides)
    data_dir, workflow = Path(settings.data.data_dir), settings.workflow
    own = [data_dir / name for name in (workflow.ind_csv, workflow.ood_csv) if name]
    csv_files = list(dict.fromkeys([labels_path(settings), *own]))
    problems = check_training_settings(settings, str(config))
    problems += check_backbones_of_workflow(config, args.overrides, settings)
    context = takes_context(settings.model.model_type)
    problems += check_dataset(data_dir, csv_files, settings.data.keypoint_names, context)
    problems += check_videos_of_config(settings)
    problems += check_keypoints_of_config(settings, csv_files[0], str(config))
    if problems:
        raise UserError(problems)
    for path in csv_files:
        labels = read_labels(path)
        share = float((labels.keypoints_px == labels.keypoints_px).all(-1).mean())
        counts = f"{len(labels.image_paths)} images, {len(labels.keypoint_names)} keypoints"
        print(f"{path}: {counts}, {share:.0%} labelled")
    print(f"{config}: nothing wrong found")
