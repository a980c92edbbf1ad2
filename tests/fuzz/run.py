"""Fuzz a reader, guided by the code that its input reaches:  python -m tests.fuzz.run labels --seconds 600

It needs ``pip install atheris``, which the project does not depend on. What reaches new code is added to
``tests/fuzz/corpus/<reader>/``, which the tests replay; what fails is left as ``crash-*`` where it is run.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lightning_pose", "yaml", "omegaconf"]):
    readers = importlib.import_module("tests.fuzz.readers")

LARGEST = 4096  # bytes of an input


def main() -> None:
    """Fuzz."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reader", choices=readers.READERS)
    parser.add_argument("--seconds", type=int, default=600)
    args = parser.parse_args()
    kept = readers.CORPUS / args.reader
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        for number, text in enumerate(readers.SEEDS[args.reader]):
            (seeds / f"{number}").write_text(text)
        path = Path(folder) / readers.READERS[args.reader][0]
        options = [
            f"-max_total_time={args.seconds}",
            f"-max_len={LARGEST}",
            "-timeout=20",
            "-print_final_stats=1",
        ]
        atheris.Setup(
            [sys.argv[0], *options, str(kept), str(seeds)],
            lambda content: readers.read_at(args.reader, path, content) and None,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
