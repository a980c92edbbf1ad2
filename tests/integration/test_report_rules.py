"""Report, gallery and export for FiftyOne of a real run: made by their rules, and up to date afterwards."""

import json
import re
from pathlib import Path

import pytest

from tests.integration.conftest import snakemake

pytestmark = pytest.mark.slow

PAGE, GALLERY = "results/tiny/report.html", "results/tiny/gallery/index.html"
FIFTYONE = "results/tiny/fiftyone/samples.json"


def test_the_report_the_gallery_and_the_export_of_a_real_run(project: Path) -> None:
    done = snakemake(project, PAGE, GALLERY, FIFTYONE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_" not in done.stderr
    text = (project / PAGE).read_text()
    assert "Unfinished" not in text and "What does not fit" not in text and "Not there yet" not in text
    assert text.count('<img src="data:image/png;base64,') == 7  # five figures, the worst crops of two sets
    assert len(re.findall(r'class="(?:line|dot) line[01]"', text)) == 8 + 2  # two kinds, seeds, tags; legend
    assert re.search(r">train_detector</th><td>2</td>", text)
    frames = list((project / "results/tiny/gallery").glob("frames/*.jpg"))
    assert len(frames) == 18 and (project / GALLERY).is_file()
    samples = json.loads((project / FIFTYONE).read_text())["samples"]
    assert len(samples) == 18 and all(own["pose_1_8_1"] and own["pose_1_8_1_box"] for own in samples)
    again = snakemake(project, PAGE, GALLERY, FIFTYONE)
    assert "Nothing to be done" in again.stdout + again.stderr
    told = snakemake(project, PAGE, "--report", "all.html")
    assert told.returncode == 0, told.stderr
    assert "One page about everything" in (project / "all.html").read_text()
