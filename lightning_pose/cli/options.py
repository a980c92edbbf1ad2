"""Arguments that several subcommands share."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lightning_pose.settings import BoxSettings

T = TypeVar("T")


def parsed(text: str, kind: Callable[[str], T], expected: str) -> T:
    """Parse an argument's text; argparse tells what is wrong, which it does by the parser's name else."""
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text}") from None


def number_or_null(text: str) -> float | None:
    """Parse a number, or ``null``."""
    return None if text == "null" else parsed(text, float, "a number, or null")


def size_or_null(text: str) -> int | None:
    """Parse a whole number, or ``null``."""
    return None if text == "null" else parsed(text, int, "a whole number, or null")


def frames_or_auto(text: str) -> int:
    """Parse a number of frames, or ``auto``, which the setting has as 0."""
    return 0 if text == "auto" else parsed(text, int, "a whole number of frames, or auto")


def join_names(names: Iterable[str]) -> str:
    """Return names as one argument: separated by commas, quoted as in a CSV where they have any."""
    text = io.StringIO()
    csv.writer(text).writerow(names)
    return text.getvalue().removesuffix("\r\n")


def split_names(text: str) -> list[str]:
    """Return the names that `join_names` joined."""
    names = next(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True), [])
    return [name.strip() for name in names if name.strip()]


def is_video(path: Path) -> bool:
    """Say whether a path is named as videos are."""
    from lightning_pose.io.video import SUFFIXES

    return path.suffix.lower() in SUFFIXES


# as in the settings workflow.boxes, which have the defaults
BOX_OPTIONS: dict[str, tuple[Callable[[str], float | None], str]] = {
    "min_confidence": (float, "ignore keypoints below"),
    "min_size": (int, "least side of a box in pixels"),
    "window": (int, "video: frames whose median is a box (1: none)"),
    "max_speed": (
        number_or_null,
        "video: box sides a frame; a faster detection is not believed (null: all are)",
    ),
    "min_cutoff": (
        number_or_null,
        "video: cycles a frame that pass the one-euro filter at rest (null: all do)",
    ),
    "beta": (float, "video: cycles a frame that pass besides, at a speed of one box side a frame"),
}


# of a cropzoom model alone: commands that place boxes by finished predictions have no detector to spare
LOOK_OPTION: dict[str, tuple[Callable[[str], float | None], str]] = {
    "detect_every": (
        frames_or_auto,
        "video: frames from one look of the detector to the next; auto: as the animal's speed allows",
    ),
}


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add ``--overrides``, as users of Lightning Pose know it."""
    parser.add_argument(
        "--overrides",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="settings over those of the config file, such as training.max_steps=100 (hydra's grammar)",
    )


def add_box_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how boxes are placed, besides their size."""
    _add_numbers(parser, BOX_OPTIONS)


def add_look_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--detect_every``."""
    _add_numbers(parser, LOOK_OPTION)


def _add_numbers(
    parser: argparse.ArgumentParser, options: dict[str, tuple[Callable[[str], float | None], str]]
) -> None:
    for name, (kind, text) in options.items():
        parser.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS, metavar="NUMBER", help=text)


def box_settings(args: argparse.Namespace, own: BoxSettings) -> BoxSettings:
    """Return the settings that the options lay over `own`.

    Raises
    ------
    UserError
        For impossible ones.
    """
    from lightning_pose.settings_checks import box_problems
    from lightning_pose.types import Problem, UserError

    names = [name for name in (*BOX_OPTIONS, *LOOK_OPTION) if hasattr(args, name)]
    settings = replace(own, **{name: getattr(args, name) for name in names})
    problems = [Problem(f"--{key}", *rest) for key, *rest in box_problems(settings)]
    if problems:
        raise UserError(problems)
    return settings
