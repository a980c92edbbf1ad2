"""The `litpose` command: finds the subcommand's module, and turns a user's mistakes into one line each.

Only the module of the subcommand that was asked for is imported, so that ``litpose --help`` starts fast.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lightning_pose import __version__
from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

# threads of OpenMP that spin while they wait starve those of other jobs; these spin for a moment only
# (read when torch is loaded, which a subcommand does)
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}

# name -> one line of help, in the order in which a user meets them
COMMANDS = {
    "create_demo_data": "draw the synthetic chickadee data set",
    "convert": "convert labels and predictions of other tools, and back",
    "check": "validate a config file and its data without training",
    "train": "train a detector, or a pose model on a detector's crops",
    "predict": "predict keypoints on labelled frames and videos",
    "create_bbox": "compute bounding boxes from a detector's predictions",
    "smooth_bbox": "smooth the boxes of videos over time",
    "crop": "crop labelled frames around their bounding boxes",
    "remap": "map a pose model's predictions back to frame coordinates",
    "merge": "join what was found in stretches of a video",
    "ensemble": "join several models' predictions on the same frames: mean, median, variance",
    "smooth": "smooth several models' predictions on a video: Ensemble Kalman Smoother",
    "create_cropzoom": "join a detector and a pose model to one model",
    "label_video": "draw predictions into a video",
    "export": "write a trained network as ONNX",
    "export_poses": "export predictions for analysis: a long table, or netCDF for movement",
    "score": "compute pixel errors of predictions against labels",
    "crop_qa": "say whether the crops can be trusted: table, plot, worst frames",
    "video_metrics": "measure motion, PCA errors and confidence of a video's predictions",
    "plot_ood": "plot pixel error against the ensemble's standard deviation",
    "gallery": "write a static site of every labelled frame and what all models found in it",
    "export_fiftyone": "export labelled frames and what all models found in them for FiftyOne",
    "report": "write one page about a folder of results: errors, curves, crops, timings, figures",
    "calibrate": "learn how wrong an ensemble's keypoints are, from labelled frames",
    "expected_error": "say how wrong a video's keypoints probably are, and which frames to label next",
    "diff": "compare two folders of results",
    "bundle": "pack a folder of results into one file",
    "sweep_table": "sum up a sweep over seeds, crop ratios, training-set sizes and variants",
    "index_images": "write checksums of a data set's images",
}
OUTPUTS = ("output", "output_csv", "output_dir")  # arguments; what else a command writes belongs to these
OUTPUT_FILES = ("output", "output_csv", "output_bbox")  # arguments that name files, but for these commands
OUTPUT_FOLDERS = ("convert", "export_fiftyone")
USER_ERROR_CODE = 2
SIGNAL_CODE = 128  # exit code of a command that a signal ended, less the signal's number


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """Build the parser; only `command`'s own module is imported for its arguments."""
    parser = argparse.ArgumentParser(
        prog="litpose",
        description="Estimate the pose of small animals in large frames. Each step works by itself; "
        "`snakemake results/<dataset>/ood_plots.pdf` chains them all.",
    )
    parser.add_argument("--version", action="version", version=f"litpose {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == command:
            module = importlib.import_module(f"lightning_pose.cli.{name}")
            sub.description = module.__doc__
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
        sub.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return the exit code: 2 after a user's mistake, else what the subcommand says."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((argument for argument in arguments if not argument.startswith("-")), None)
    args = build_parser(command).parse_args(arguments)
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("lightning_pose").setLevel(logging.INFO)
    try:
        from lightning_pose.io.provenance import recorded

        module = f"lightning_pose.cli.{args.command}"
        _check_working_folder()
        _check_outputs(args)
        with (
            _leaving_when_asked(),
            _threads_told(args.debug),
            _alone_with_output(args),
            _asked_first(),
            recorded(["litpose", *arguments], module),
        ):
            code = args.run(args)
    except UserError as error:
        if args.debug:
            raise
        for problem in error.problems:
            print(f"litpose {args.command}: {problem}", file=sys.stderr)
        return USER_ERROR_CODE
    except OSError as error:
        if args.debug or error.filename is None:
            raise
        print(f"litpose {args.command}: {os.fsdecode(error.filename)}: {error.strerror}", file=sys.stderr)
        return USER_ERROR_CODE
    except KeyboardInterrupt:
        print(f"litpose {args.command}: interrupted", file=sys.stderr)
        return 130
    return code or 0


@contextlib.contextmanager
def _leaving_when_asked() -> Iterator[None]:
    """Make SIGTERM, which a scheduler sends before it kills, an exit that leaves nothing half-written."""

    def leave(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a scheduler may send it to each process, and those pass it on
        raise SystemExit(SIGNAL_CODE + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is leave:  # who was asked to leave is on the way out
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _asked_first() -> Iterator[None]:
    """End as the command was asked to, whatever came of that: a pool of processes that starts fails."""
    try:
        yield
    except Exception as error:
        before = error.__context__
        while before is not None and not isinstance(before, (KeyboardInterrupt, SystemExit)):
            before = before.__context__
        if before is None:
            raise
        raise before from None


@contextlib.contextmanager
def _threads_told(debug: bool) -> Iterator[None]:
    """Say in one line what ended a thread; where that matters to the command, it fails by itself."""

    def tell(failure: threading.ExceptHookArgs) -> None:
        name = failure.thread.name if failure.thread else "a thread"
        logger.warning("%s ended: %s: %s", name, failure.exc_type.__name__, failure.exc_value)

    before = threading.excepthook
    threading.excepthook = before if debug else tell
    try:
        yield
    finally:
        threading.excepthook = before


def _check_working_folder() -> None:
    """Refuse to start where relative paths mean nothing."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UserError(Problem("working folder", "one that is there", "none: it was removed")) from None


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse, before any work, outputs that cannot be written, are read, or would replace one another."""
    from lightning_pose.io.destination import check_destinations, refuse_inputs

    named = {name: path for name in OUTPUT_FILES if (path := getattr(args, name, None)) is not None}
    outputs = list(named.values())
    first: dict[Path, str] = {}
    for name, path in named.items():
        if first.setdefault(path.resolve(), name) != name:
            raise UserError(Problem(f"--{name}", f"another file than --{first[path.resolve()]}", str(path)))
    takes_folder = args.command in OUTPUT_FOLDERS
    check_destinations(path for path in outputs if not (takes_folder and path.is_dir()))
    refuse_inputs(outputs, _paths(value for name, value in vars(args).items() if name not in OUTPUT_FILES))


def _paths(values: Iterable[object]) -> Iterator[Path]:
    """Yield the paths among arguments; those that are given more than once or with others are in lists."""
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _paths(Path(own) if isinstance(own, str) else own for own in value)


@contextlib.contextmanager
def _alone_with_output(args: argparse.Namespace) -> Iterator[None]:
    """Wait for another command that writes what the arguments say is written."""
    from lightning_pose.io.files import alone

    paths = {path for name in OUTPUTS if (path := getattr(args, name, None)) is not None}
    with contextlib.ExitStack() as stack:
        for path in sorted(paths):
            stack.enter_context(alone(path))
        yield


if __name__ == "__main__":
    sys.exit(main())
