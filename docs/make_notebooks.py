"""Run the notebooks on a finished run of the demo.

    snakemake --cores 8 results/chickadee/ood_plots.pdf videos
    python docs/make_notebooks.py

Their outputs are kept in them.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).with_name("notebooks")


def main() -> None:
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        folder = {"metadata": {"path": str(FOLDER)}}
        NotebookClient(notebook, record_timing=False, resources=folder).execute()
        notebook.metadata["language_info"] = {"name": "python"}  # without the version
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
