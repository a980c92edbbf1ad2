"""Smooth several models' predictions on a video by the Ensemble Kalman Smoother.

litpose smooth seed_0.csv seed_1.csv seed_2.csv --output smoothed.csv --python .venv-eks/bin/python

The smoother is the package ensemble-kalman-smoother (Biderman et al., Nature Methods 2024), which pins an old
jax: `make eks` puts it into an environment of its own, .venv-eks, whose Python --python names.

Members are predictions CSVs of the same video in the same pixels, two or more. Keypoints that mirrors show
several times are smoothed in the space that the views share: one --view each, as in the setting
data.mirrored_column_matches. The output is a predictions CSV. Its likelihood is the mean of the members', 0
where none predicted the keypoint. x_ens_median and x_ens_var are the median and variance over the members,
x_posterior_var is the smoother's own variance, in squared pixels (of mirrored keypoints with that of the
observation), and the same of y.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from lightning_pose.cli.options import parsed, size_or_null
from lightning_pose.settings import EnsembleSettings
from lightning_pose.types import Problem, UserError

ROOT = Path(__file__).parents[2]
OLDEST_PYTHON = (3, 11)
# packages of that environment come first, then this one; its own folder does not count as a place of packages
START = f"""
import sys
if sys.version_info < {OLDEST_PYTHON}:
    expected = "litpose smooth: --python: expected Python {".".join(map(str, OLDEST_PYTHON))} or newer, not "
    sys.exit(expected + sys.version)
sys.path.append(sys.argv.pop(1))
from lightning_pose.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("predictions", type=Path, nargs="+", help="predictions CSVs, one a member")
    parser.add_argument("--output", type=Path, required=True, help="the predictions CSV to write")
    parser.add_argument(
        "--view",
        type=_keypoints,
        action="append",
        default=[],
        metavar="0,1,2",
        help="keypoints that one mirrored view shows, by number; one --view each, points in the same order",
    )
    parser.add_argument(
        "--smooth_param", type=float, help="less is smoother (default: the most likely for each keypoint)"
    )
    parser.add_argument(
        "--fit_frames",
        type=size_or_null,
        default=EnsembleSettings.fit_frames,
        help="frames, from the first, that decide what is likely (default: %(default)s; null: all)",
    )
    parser.add_argument(
        "--no_variances", action="store_true", help="write x, y and likelihood only, as other tools expect"
    )
    parser.add_argument("--python", type=Path, help="Python of the environment that has the smoother")


def run(args: argparse.Namespace) -> None:
    """Smooth, with another Python where one is named."""
    if args.python is not None:
        _go_on_with(args.python, args)
    from lightning_pose.inference.smooth_run import smooth_files

    smooth_files(
        args.predictions, args.output, args.view, args.smooth_param, args.fit_frames, not args.no_variances
    )


def _keypoints(text: str) -> list[int]:
    return [parsed(number, int, "numbers of keypoints, such as 0,1,2") for number in text.split(",")]


def _go_on_with(python: Path, args: argparse.Namespace) -> None:
    """Become the same command of another Python; what is written, told and returned is then its own.

    Raises
    ------
    UserError
        If it cannot be started.
    """
    views = [",".join(map(str, view)) for view in args.view]
    fit_frames = "null" if args.fit_frames is None else args.fit_frames
    options = [
        *(f"--view={view}" for view in views),
        f"--fit_frames={fit_frames}",
        *([] if args.smooth_param is None else [f"--smooth_param={args.smooth_param}"]),
        *(f"--{name}" for name in ("no_variances", "debug") if getattr(args, name)),
    ]
    command = [str(python), "-c", START, str(ROOT), "smooth", *map(str, args.predictions)]
    try:
        os.execvp(python, [*command, "--output", str(args.output), *options])
    except OSError as error:
        expected = "the Python of an environment with ensemble-kalman-smoother"
        raise UserError(Problem(f"--python {python}", expected, error.strerror or str(error))) from None
