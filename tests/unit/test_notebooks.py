"""The notebooks run on a small folder of results, use public names only, and show what is in it."""

import ast
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_pixel_errors, write_predictions
from lightning_pose.io.results_tree import find_models
from lightning_pose.types import Boxes, Labels, Predictions

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KEYPOINTS = ["beak", "tail"]
CSVS = {"ind.csv": 6, "ood.csv": 5}  # labelled frames
SPLITS = ["train"] * 2 + ["validation"] + ["test"] * 3
CONFIG = "{data: {data_dir: data}, workflow: {ind_csv: ind.csv, ood_csv: ood.csv}}"
# how far each is off in the first frame, twice that in the second, and so on: errors of 10, 10, 5 and 3 px
OFFSETS = {"single_0": (6, 8), "single_1": (-6, -8), "pose_0_2": (3, 4), "pose_1_2": (-1.8, -2.4)}


def names(csv: str) -> list[str]:
    return [f"images/{csv[:3]}_{number}.png" for number in range(CSVS[csv])]


def labels_of(csv: str) -> Labels:
    place = np.arange(CSVS[csv])[:, None, None] * [90, 60] + [[20.0, 30.0], [60.0, 45.0]]
    return Labels(names(csv), KEYPOINTS, place)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A finished project: labels, images, two seeds of two kinds, a video."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "config").mkdir()
    (folder / "config" / "bird.yaml").write_text(CONFIG)
    results = folder / "results" / "bird"
    for csv in CSVS:
        write_labels(labels_of(csv), folder / "data" / csv)
        (folder / "data" / "images").mkdir(exist_ok=True)
        for name in names(csv):
            Image.new("RGB", (640, 480)).save(folder / "data" / name)
        boxes = Boxes(names(csv), np.tile([10.0, 10, 40, 30], (CSVS[csv], 1)), ["detected"] * CSVS[csv])
        for seed in (0, 1):
            write_bboxes(boxes, results / f"crop_{seed}_2" / csv / "bbox.csv")
    for name in OFFSETS:
        (results / name).mkdir()
        (results / name / "model.safetensors").touch()
        (results / name / "config.yaml").write_text(CONFIG)
    for model in find_models(results):
        for csv in CSVS:
            predict(csv, OFFSETS[model.path.name], model.predictions(csv), model.pixel_errors(csv))
    film = results / "cropzoom_0_2" / "video_preds" / "film.mp4"
    moving_px = np.repeat(np.arange(9.0)[:, None, None], 2, axis=1) * [2, 1]
    write_predictions(
        Predictions(list(range(9)), KEYPOINTS, moving_px, np.full((9, 2), 0.5)), film / "predictions.csv"
    )
    write_bboxes(Boxes(list(range(9)), np.tile([10.0, 10, 40, 30], (9, 1)), None), film / "bbox.csv")
    return folder


def predict(csv: str, offset_px: tuple[float, float], predictions: Path, pixel_errors: Path) -> None:
    own = labels_of(csv)
    off_px = np.arange(1, CSVS[csv] + 1)[:, None, None] * np.array(offset_px)
    splits = SPLITS if csv == "ind.csv" else ["test"] * CSVS[csv]
    found = Predictions(
        own.image_paths, KEYPOINTS, own.keypoints_px + off_px, np.ones((CSVS[csv], 2)), splits
    )
    write_predictions(found, predictions)
    errors = np.repeat(np.linalg.norm(off_px, axis=-1), 2, axis=1)
    write_pixel_errors(pixel_errors, own.image_paths, KEYPOINTS, errors, splits)


@pytest.fixture
def execute(project, tmp_path, monkeypatch):
    """Return a runner of a notebook on the project, and of an expression then: text, figures, its value."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))

    def run(name: str, code: str) -> tuple[str, int, dict]:
        notebook = nbformat.read(FOLDER / name, as_version=4)
        parameters = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        assert len(parameters) == 1
        names = f"project = Path({str(project)!r})\ndataset = 'bird'"
        parameters[0].source = f"from pathlib import Path\n\n{names}"
        notebook.cells.append(nbformat.v4.new_code_cell(f"import json\n\nprint(json.dumps({code}))"))
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
        outputs = [own for cell in notebook.cells for own in cell.get("outputs", [])]
        assert not [own.text for own in outputs if own.get("name") == "stderr"]
        texts = [own.text for own in outputs if own.get("name") == "stdout"]
        figures = [own for own in outputs if "data" in own and any("image/" in kind for kind in own.data)]
        return "".join(texts[:-1]), len(figures), json.loads(texts[-1])

    return run


def test_ood_analysis(execute) -> None:
    curves = "{own.get_label(): [own.get_ydata()[0], max(own.get_ydata())] for own in axes[1].lines}"
    medians = "{own.get_label(): list(own.get_ydata()) for own in axis.lines}"
    text, figures, drawn = execute("ood_analysis.ipynb", f"[{curves}, {medians}]")
    assert figures == 2
    rows = [re.split(r"  +", line.strip()) for line in text.splitlines()]
    # held-out frames are the last three of six: 5 times the first one's error; OOD frames: 3 times
    assert ["InD", "single", "2", "50.00 ± 0.00", "50.00 ± 0.00"] in rows
    assert ["OOD", "pose_2", "2", "12.00 ± 3.00", "12.00 ± 3.00"] in rows
    assert "pose_2 less single: -18.00 px" in text
    assert text.count("Spearman 1.00") == 4
    assert "OOD  single      Spearman 1.00  AUROC above 10 px: 1.00" in text
    worst = text.splitlines()[-5:]
    assert [line.split()[-1] for line in worst] == names("ood.csv")[::-1]
    assert worst[0].split()[1] == "35.0"  # five times (10 + 10 + 5 + 3) / 4
    curves, medians = drawn
    assert curves == {"single": pytest.approx([30, 50]), "pose_2": pytest.approx([12, 20])}
    assert medians["single"] == pytest.approx([30, 30]) and len(medians) == 3


def test_browsing_predictions(execute) -> None:
    of_frame = "(show(1), [own.get_xydata().tolist() for own in plt.gcf().axes[1].lines])[1]"
    film = "[list(own.lines[0].get_ydata()) for own in axes]"
    text, figures, (frame, film) = execute("browse_predictions.ipynb", f"[{of_frame}, {film}]")
    assert figures == 4  # two frames, a video, and the one that is drawn here
    assert "single_0       5 frames, mean error on ood.csv: 30.0 px" in text
    assert "mean of 2 pose models: 3.0 px" in text and "1 predictions on videos" in text
    assert len(frame) == 4 + 2  # models, their mean, labels
    label_px = labels_of("ood.csv").keypoints_px[1]
    np.testing.assert_allclose(frame[-1], label_px)
    np.testing.assert_allclose(frame[-2], label_px + [1.2, 1.6])
    np.testing.assert_allclose(frame[0], label_px + [12, 16])
    assert film == [[2.0 * n for n in range(9)], [float(n) for n in range(9)], [0.5] * 9]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_import_public_names_only(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    lines = [line for cell in cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    imported = []
    for node in ast.walk(ast.parse("\n".join(line for line in lines if not line.startswith("%")))):
        if isinstance(node, ast.Import):
            imported += [own.name for own in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported += [f"{node.module}.{own.name}" for own in node.names]
    assert any(name.startswith("lightning_pose.") for name in imported)
    assert not [name for name in imported if "._" in name]
    assert {name.split(".")[0] for name in imported} <= {"lightning_pose", "matplotlib", "numpy", "pathlib"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_as_run_from_top_to_bottom_and_small(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [own for cell in cells for own in cell.outputs]
    assert outputs and not [
        own for own in outputs if own.output_type == "error" or own.get("name") == "stderr"
    ]
    assert path.stat().st_size < 300_000
    assert not re.search(r"/(home|tmp|work|Users|root)/", json.dumps(cells))
