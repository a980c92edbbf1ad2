"""Make the README's pictures from a finished run of the demo.

    snakemake --cores 8 results/chickadee/ood_plots.pdf
    python docs/make_pictures.py

The picture of the DAG needs graphviz's `dot`; without it, the one there is stays.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

from lightning_pose.config import load_config
from lightning_pose.data.cut import crop_image
from lightning_pose.data.dataset import read_image
from lightning_pose.evaluation.draw import draw_box, draw_skeleton
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.predictions import read_predictions

PICTURES = Path(__file__).with_name("images")
RESULTS, CONFIG = Path("results/chickadee"), Path("config/chickadee.yaml")
OOD_VIDEO = Path("data/chickadee/videos/ood_session0.mp4")
EXAMPLES = (0.35, 0.72, 0.88)  # which OOD frames, as a share of all
HEIGHT = 480


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    shutil.copyfile(RESULTS / "figures/error_vs_deviation.png", PICTURES / "error_vs_deviation.png")
    rgb = np.vstack([example(share) for share in EXAMPLES])
    cv2.imwrite(str(PICTURES / "predictions.jpg"), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    draw_sheet(PICTURES / "video_sheet.jpg")
    draw_dag(PICTURES / "dag.png")


def draw_sheet(path: Path) -> None:
    """Draw frames of the OOD video with what the first seed's detector and pose model together predict."""
    parts = [RESULTS / f"{kind}_0{ratio}" for kind, ratio in (("single", ""), ("pose", "_1.8"))]
    with tempfile.TemporaryDirectory() as folder:
        zoom, sheet = Path(folder, "cropzoom"), Path(folder, "sheet.png")
        unsure = ["--confidence_thresh_for_vid", "0.5", "--mark_unsure"]
        for arguments in (
            ["create_cropzoom", *parts, "--output_dir", zoom],
            ["predict", zoom, OOD_VIDEO],
            ["label_video", zoom, OOD_VIDEO, "--contact_sheet", sheet, *unsure],
        ):
            subprocess.run(["litpose", *map(str, arguments)], check=True)
        cv2.imwrite(str(path), cv2.imread(str(sheet)), [cv2.IMWRITE_JPEG_QUALITY, 85])


def example(share: float) -> np.ndarray:
    """Return an OOD frame with its box, and beside it the crop with the predicted skeleton."""
    settings = load_config(CONFIG, warn=False)
    csv = settings.workflow.ood_csv
    predictions = read_predictions(RESULTS / f"pose_0_1.8/image_preds/cropped_{csv}/remapped_predictions.csv")
    boxes = read_bboxes(RESULTS / f"crop_0_1.8/{csv}/bbox.csv")
    row = round(share * (len(predictions.index) - 1))
    name = predictions.index[row]
    frame = read_image(Path(settings.data.data_dir) / str(name))
    x, y, _, h = box = boxes.xywh_px[boxes.index.index(name)]
    zoom = HEIGHT / h
    crop = crop_image(frame, tuple(map(float, box)), (HEIGHT, HEIGHT))
    on_crop = (predictions.keypoints_px[row] + 0.5 - [x, y]) * zoom - 0.5
    crop = draw_skeleton(
        crop, on_crop, predictions.keypoint_names, settings.data.skeleton, predictions.confidence[row], 0.3, 5
    )
    frame = draw_box(frame, box)
    width = round(frame.shape[1] * HEIGHT / frame.shape[0])
    return np.hstack([cv2.resize(frame, (width, HEIGHT), interpolation=cv2.INTER_AREA), crop])


def draw_dag(path: Path) -> None:
    """Draw the rules and what they wait for."""
    if shutil.which("dot") is None:
        print(f"no dot: {path} is left as it is")
        return
    target = "results/chickadee/ood_plots.pdf"
    command = ["snakemake", target, "--forceall", "--rulegraph"]
    graph = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    graph = graph[graph.index("digraph") :]
    subprocess.run(["dot", "-Tpng", "-Gdpi=90", "-o", str(path)], input=graph, check=True, text=True)


if __name__ == "__main__":
    main()
