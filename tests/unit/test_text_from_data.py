"""Names are text wherever they end up: in plots, SVG, shells, and folders that converters write."""

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from lightning_pose.cli.main import main
from lightning_pose.cli.options import join_names, split_names
from lightning_pose.evaluation.crop_qa import CropQa
from lightning_pose.evaluation.crop_qa_plot import draw_crop_qa
from lightning_pose.evaluation.ood import ensemble_standard_deviation
from lightning_pose.evaluation.ood_input import Comparison
from lightning_pose.evaluation.plots import draw_ood_plots, save_figure
from lightning_pose.evaluation.trajectory_plot import draw_trajectories
from lightning_pose.io.files import write_atomic
from lightning_pose.types import Boxes, Predictions, UserError

ROOT = Path(__file__).parents[2]
NAMES = [
    "$x_{",
    "$\\frac{a}{$",
    "a$b$c",
    "</text><script>alert(1)</script>",
    "=1+1",
    "é 眼",
    "two\nlines",
    "--",
]
FRAMES = 6


def points(seed=0):
    return np.random.default_rng(seed).uniform(0, 50, (FRAMES, len(NAMES), 2))


@pytest.mark.filterwarnings("ignore:Glyph")
def test_plots_show_names_as_they_are(tmp_path) -> None:
    """A dollar sign begins a formula in matplotlib, which fails on most of these."""
    both = np.stack([points(seed) for seed in range(4)])
    kinds = ["single$x_{$", "single$x_{$", "pose $\\a$", "pose $\\a$"]
    own = Comparison("OOD", [f"$f_{{{row}.png" for row in range(FRAMES)], NAMES, kinds, list("0101"),
                     np.linalg.norm(both, axis=-1), ensemble_standard_deviation(both),
                     note="$note_{$")  # fmt: skip
    draw_ood_plots([replace(own, name="InD"), own], tmp_path / "a.pdf", figures_dir=tmp_path)
    predictions = Predictions(list(range(FRAMES)), NAMES, points(), np.ones((FRAMES, len(NAMES))))
    svg = tmp_path / "a.svg"
    draw_trajectories(predictions, np.ones((FRAMES, len(NAMES))), [tmp_path / "b.pdf", svg])
    boxes = Boxes(list(range(FRAMES)), np.tile([0.0, 0.0, 50.0, 50.0], (FRAMES, 1)))
    qa = CropQa(
        [str(row) for row in range(FRAMES)],
        NAMES,
        points(),
        np.ones(points().shape[:2], bool),
        boxes,
        np.ones(points().shape[:2]),
    )
    draw_crop_qa(qa, "$title_{$", [tmp_path / "c.png"])
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(svg).iter()}
    assert "path" in tags and "script" not in tags
    assert not re.search("<script", svg.read_text())


def test_a_plot_of_no_known_format_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"ends in \.pdf, \.png, \.svg, found \.docx"):
        save_figure(Figure(), tmp_path / "a.docx", 100)


@pytest.mark.parametrize("names", [[], ["a", "b"], ["a, b", 'the "c"', "d\ne"], NAMES])
def test_names_are_one_argument(names) -> None:
    assert split_names(join_names(names)) == names


def test_names_by_hand() -> None:
    assert split_names("a, b ,c,") == ["a", "b", "c"] and split_names("") == []


# what else stands in commands: numbers, and what our own code makes of nothing but letters
PLAIN = {"params.size", "wildcards.ratio", "wildcards.start", "wildcards.stop", "params.generation"}
OF_A_JOB = {"input", "output", "log", "params", "wildcards"}


@pytest.mark.parametrize("path", sorted((ROOT / "workflow/rules").glob("*.smk")), ids=lambda path: path.stem)
def test_rules_quote_what_they_hand_to_the_shell(path) -> None:
    for command in re.findall(r"^    shell:\n((?:        .*\n)+)", path.read_text(), re.MULTILINE):
        for name in re.findall(r"\{([^}]*)\}", command):
            assert name.endswith(":q") or name in PLAIN, name
            assert re.split("[.:]", name)[0] in OF_A_JOB, "names of the workflow are gone (large_dag.smk)"


def test_every_rule_with_a_command_is_looked_at() -> None:
    texts = [path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")]
    assert sum(text.count("shell:") for text in texts) > 15
    assert all(
        text.count("shell:") == len(re.findall(r"^    shell:\n        ", text, re.MULTILINE))
        for text in texts
    )


@pytest.mark.parametrize("name", ["a'b", "$(touch x)", "`touch x`", "a\nb", "-n", "; touch x", "*", "é"])
def test_what_quoting_makes_of_it(tmp_path, name) -> None:
    """As Snakemake quotes, the shell hands over."""
    done = subprocess.run(
        f"printf %s {shlex.quote(name)}", shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == name and not list(tmp_path.iterdir())


def test_two_writers_of_one_file_do_not_meet(tmp_path) -> None:
    """Processes of two machines, or containers, may have the same number."""
    path = tmp_path / ("é" * 120 + ".csv")
    with write_atomic(path) as first, write_atomic(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


HOSTILE = ["../../evil.png", "/evil/evil.png", "a/../../evil.png", "..\\..\\evil.png", "C:\\evil\\evil.png",
           "..", "", "a/..", "labeled-data/link/evil.png"]  # fmt: skip


@pytest.fixture
def laboratory(tmp_path):
    """A source folder, an output folder with a link that leads out of it, and what lies around them."""
    import cv2

    source, output, outside = tmp_path / "in" / "source", tmp_path / "out" / "output", tmp_path / "outside"
    for folder in (source / "deep", output / "labeled-data", outside):
        folder.mkdir(parents=True)
    (output / "labeled-data" / "link").symlink_to(outside)
    for place in (source, source / "deep", tmp_path, tmp_path / "in"):
        cv2.imwrite(str(place / "evil.png"), np.zeros((8, 8, 3), np.uint8))
    return source, output, {path for path in tmp_path.rglob("*") if output not in path.parents}


def converted(tool, source, laboratory):
    """Convert; nothing outside of the output has come to be, whether it worked or not."""
    folder, output, before = laboratory
    code = main(["convert", tool, str(source), str(output), "--image_dir", str(folder)])
    top = output.parents[1]
    assert {path for path in top.rglob("*") if output not in path.parents} == before | {source}
    assert code in (0, 2)
    return code


@pytest.mark.parametrize("name", HOSTILE)
def test_sleap_files_write_inside_the_output(laboratory, name, capsys) -> None:
    sio = pytest.importorskip("sleap_io")
    skeleton = sio.Skeleton(["a", "b"])
    files = {"type": "ImageVideo", "filename": name, "filenames": [name], "shape": None, "grayscale": None}
    video = sio.Video(filename=[name], open_backend=False, backend_metadata=files)
    animal = sio.Instance.from_numpy(np.array([[1.0, 2.0], [3.0, 4.0]]), skeleton=skeleton)
    frame = sio.LabeledFrame(video=video, frame_idx=0, instances=[animal])
    source = laboratory[0] / "labels.slp"
    sio.save_slp(sio.Labels([frame], [video], [skeleton]), str(source), embed=False, verbose=False)
    converted("sleap", source, laboratory)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", [*HOSTILE, "evil.png", "deep/evil.png"])
def test_coco_files_write_inside_the_output(laboratory, name, capsys) -> None:
    import json

    source = laboratory[0] / "labels.json"
    annotation = {"id": 1, "image_id": 7, "category_id": 3, "keypoints": [1, 2, 2]}
    image = {"id": 7, "file_name": name, "width": 8, "height": 8}
    category = {"id": 3, "name": "mouse", "keypoints": ["a"]}
    source.write_text(json.dumps({"images": [image], "annotations": [annotation], "categories": [category]}))
    code = converted("coco", source, laboratory)
    assert code == (2 if name in HOSTILE else 0)
    assert (name in HOSTILE) or (laboratory[1] / name).is_file()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", HOSTILE)
def test_our_own_labels_write_inside_the_output(laboratory, name, capsys) -> None:
    source = laboratory[0] / "labels.csv"
    source.write_text(f'scorer,s,s\nbodyparts,a,a\ncoords,x,y\n"{name}",1,2\n')
    assert converted("litpose", source, laboratory) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_place_for_no_name_is_refused() -> None:
    from lightning_pose.io.formats.contents import session_path

    assert session_path("/a/b/c.png") == "labeled-data/b/c.png"
    with pytest.raises(UserError, match="the path of a file"):
        session_path("../..")
