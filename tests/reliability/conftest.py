"""A small laboratory: images, a film, a trained detector, and what each step reads."""

import json
import os
import shutil
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.settings import Precision
from lightning_pose.types import Boxes, Labels
from tests.reliability.bench import Step, Zygote, final_files
from tests.unit.training.squares import draw, make_squares, tiny_settings

FRAMES, WIDTH, HEIGHT = 30, 96, 80
FULL = "RELIABILITY_FULL" in os.environ  # as `make reliability` sets it


@pytest.fixture(scope="session")
def tally(tmp_path_factory):
    """Count what was done; RELIABILITY_REPORT names a JSON file that gets the numbers."""
    counts = Counter()
    yield counts
    if "RELIABILITY_REPORT" in os.environ:
        Path(os.environ["RELIABILITY_REPORT"]).write_text(json.dumps(dict(sorted(counts.items())), indent=1))


@pytest.fixture(scope="session")
def steps(tmp_path_factory) -> dict[str, Step]:
    """Every step by name, with its inputs in place."""
    lab = tmp_path_factory.mktemp("lab")
    make_squares(lab / "data", 16)
    make_squares(lab / "data", 4, csv="labels_new.csv", seed=1)
    settings = tiny_settings(
        lab / "data", precision=Precision.fp32, max_steps=12, checkpoint_every_s=0, test_batch_size=3
    )
    (lab / "tiny.yaml").write_text(to_yaml(settings))
    run("train", lab / "tiny.yaml", "--output_dir", lab / "detector")
    _film(lab / "film.mp4")
    rows = np.arange(FRAMES)
    write_bboxes(
        Boxes(list(rows), np.column_stack([rows, rows, 40 + 0 * rows, 40 + 0 * rows])), lab / "film.csv"
    )
    _project(lab)
    data, labels = str(lab / "data"), str(lab / "data" / "labels.csv")
    predictions = {csv: str(lab / "detector" / "image_preds" / csv / "predictions.csv")
                   for csv in ("labels.csv", "labels_new.csv")}  # fmt: skip
    boxes = str(lab / "bbox.csv")
    run("create_bbox", "--predictions", predictions["labels.csv"], "--output", boxes, "--data_dir", data,
        "--crop_size", "32")  # fmt: skip
    members = [text for seed in "01" for text in ("--member", "single", seed, *predictions.values())]
    new = str(lab / "data" / "labels_new.csv")
    every = [
        Step("train", ("train", str(lab / "tiny.yaml"), "--output_dir", "OUT", "--skip_predict")),
        Step("predict", ("predict", str(lab / "detector"), labels, "--output", "OUT/predictions.csv")),
        Step("predict_video", ("predict", str(lab / "detector"), str(lab / "film.mp4"), "--output",
                               "OUT/predictions.csv")),
        Step("create_bbox", ("create_bbox", "--predictions", predictions["labels.csv"], "--data_dir", data,
                             "--crop_size", "32", "--output", "OUT/bbox.csv")),
        Step("crop_images", ("crop", "--labels", labels, "--bbox", boxes, "--data_dir", data, "--crop_size",
                             "64x64", "--jobs", "2", "--output_dir", "OUT")),
        Step("crop_video", ("crop", str(lab / "film.mp4"), "--bbox", str(lab / "film.csv"), "--crop_size",
                            "64x64", "--output_dir", "OUT")),
        Step("remap", ("remap", predictions["labels.csv"], boxes, "--crop_size", "64x64", "--output",
                       "OUT/remapped.csv")),
        Step("score", ("score", predictions["labels.csv"], labels, "--output", "OUT/errors.csv")),
        Step("plot_ood", ("plot_ood", "--ind_labels", labels, "--ood_labels", new, *members, "--metrics",
                          "OUT/metrics.csv", "--output", "OUT/plots.pdf", "--figures_dir", "OUT/figures")),
        Step("convert", ("convert", "dlc", str(lab / "project"), "OUT", "--ood_start", "6")),
    ]  # fmt: skip
    return {step.name: step for step in every}


def run(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


def _film(path):
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for number in range(FRAMES):
            place = np.array([20 + number, 20])
            frame = av.VideoFrame.from_ndarray(draw(rng, WIDTH, HEIGHT, place, place + 30), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _project(lab):
    """Lay out a DeepLabCut project of ten of the images."""
    source, session = read_labels(lab / "data" / "labels.csv"), lab / "project" / "labeled-data" / "session"
    session.mkdir(parents=True)
    paths = []
    for path in source.image_paths[:10]:
        shutil.copy(lab / "data" / path, session)
        paths.append(f"labeled-data/session/{Path(path).name}")
    labels = Labels(paths, source.keypoint_names, source.keypoints_px[:10])
    write_labels(labels, session / "CollectedData_me.csv")


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
    own = Zygote(tmp_path_factory.mktemp("zygote"))
    yield own
    own.close()


@pytest.fixture(scope="session")
def undisturbed(steps, zygote, tmp_path_factory):
    """Return what a step leaves when nothing happens, how long it takes, and how many changes it makes."""
    known = {}

    def of(name):
        if name not in known:
            out = tmp_path_factory.mktemp(name) / "out"
            out.mkdir()
            answer = zygote.run(steps[name], out)
            assert answer["code"] == 0, answer["messages"]
            known[name] = final_files(out), answer["seconds"], answer["changes"]
        return known[name]

    return of
