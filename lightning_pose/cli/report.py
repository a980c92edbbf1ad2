"""Write one page about a folder of results: what was trained, errors, curves, crops, timings, figures.

litpose report results/chickadee

The page is one file that loads nothing, to be sent to anybody. Of unfinished results it says what is missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, help="results of a data set")
    parser.add_argument(
        "--config",
        type=Path,
        help="the data set's config file, which says what models there should be (default: the settings of "
        "the model that was trained last)",
    )
    parser.add_argument("--output", type=Path, help="the page to write (default: report.html in the folder)")
    parser.add_argument("--title", help="of the page (default: the folder's name)")


def run(args: argparse.Namespace) -> None:
    """Read, write."""
    import logging

    from lightning_pose.config import find_config
    from lightning_pose.evaluation.report.contents import read_contents
    from lightning_pose.evaluation.report.page import write_report
    from lightning_pose.types import Problem, UserError

    output = args.output or args.folder / "report.html"
    if output.suffix != ".html":
        raise UserError(Problem("--output", "a name that ends in .html", str(output)))
    contents = read_contents(args.folder, None if args.config is None else find_config(args.config))
    size = write_report(contents, output, args.title or args.folder.resolve().name)
    incomplete = sum(bool(model.missing) for model in contents.models)
    logging.getLogger(__name__).info(
        "%s: %.1f MB, %d models, %d of them incomplete", output, size / 1e6, len(contents.models), incomplete
    )
