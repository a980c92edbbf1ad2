"""The report and the gallery of a real run: made by their rules, and up to date afterwards."""

import re
from pathlib import Path

import pytest

from tests.integration.conftest import snakemake

pytestmark = pytest.mark.slow

PAGE, GALLERY = "results/tiny/report.html", "results/tiny/gallery/index.html"


def test_the_report_and_the_gallery_of_a_real_run(project: Path) -> None:
    done = snakemake(project, PAGE, GALLERY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_" not in done.stderr
    text = (project / PAGE).read_text()
    assert "Unfinished" not in text and "What does not fit" not in text and "Not there yet" not in text
    assert text.count('<img src="data:image/png;base64,') == 7  # five figures, the worst crops of two sets
    assert len(re.findall(r'class="(?:line|dot) line[01]"', text)) == 8 + 2  # two kinds, seeds, tags; legend
    assert re.search(r">train_detector</th><td>2</td>", text)
    frames = list((project / "results/tiny/gallery").glob("frames/*.jpg"))
    assert len(frames) == 18 and (project / GALLERY).is_file()
    again = snakemake(project, PAGE, GALLERY)
    assert "Nothing to be done" in again.stdout + again.stderr
    told = snakemake(project, PAGE, "--report", "all.html")
    assert told.returncode == 0, told.stderr
    assert "One page about everything" in (project / "all.html").read_text()
