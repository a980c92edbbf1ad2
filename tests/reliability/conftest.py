"""A small laboratory: images, a film, a trained detector, and what each step reads."""

import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import cv2
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


@pytest.fixture(scope="session")
def tally(tmp_path_factory):
    """Count what was done; RELIABILITY_REPORT names a JSON file that gets the numbers."""
    counts = Counter()
    yield counts
    if "RELIABILITY_REPORT" in os.environ:
        Path(os.environ["RELIABILITY_REPORT"]).write_text(json.dumps(dict(sorted(counts.items())), indent=1))


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Path:
    """The folder of what the steps read."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="session")
def steps(lab) -> dict[str, Step]:
    """Every step by name, with its inputs in place."""
    make_squares(lab / "data", 16)
    make_squares(lab / "data", 4, csv="labels_new.csv", seed=1)
    settings = tiny_settings(
        lab / "data", precision=Precision.fp32, max_steps=12, checkpoint_every_s=0, test_batch_size=3
    )
    (lab / "tiny.yaml").write_text(to_yaml(settings))
    run("train", lab / "tiny.yaml", "--output_dir", lab / "detector")
    _film(lab / "film.mp4")
    _write_boxes(lab / "film.csv", 40)
    _project(lab)
    data, labels, new = str(lab / "data"), str(lab / "data/labels.csv"), str(lab / "data/labels_new.csv")
    other_data, other_labels = _others(lab)
    preds = lab / "detector" / "image_preds"
    found, found_new = (str(preds / csv / "predictions.csv") for csv in ("labels.csv", "labels_new.csv"))
    other_found = str(lab / "other_predictions.csv")
    run("predict", lab / "detector", labels, "--data_dir", other_data, "--output", other_found)
    boxes, other_boxes = str(lab / "bbox_32.csv"), str(lab / "bbox_40.csv")
    for size, path in (("32", boxes), ("40", other_boxes)):
        run("create_bbox", "--predictions", found, "--output", path, "--data_dir", data,
            "--crop_size", size)  # fmt: skip
    again = [shutil.copy(own, lab / f"again_{Path(own).parent.name}") for own in (found, found_new)]
    members = ["--member", "single", "0", found, found_new, "--member", "single", "1", *map(str, again)]
    run("crop", "--labels", labels, "--bbox", boxes, "--data_dir", data, "--output_dir", lab / "crops",
        "--crop_size", "64x64")  # fmt: skip
    run("crop", lab / "film.mp4", "--bbox", lab / "film.csv", "--output_dir", lab / "crops",
        "--crop_size", "64x64")  # fmt: skip
    crops, cropped_film = lab / "crops/labels.csv", lab / "crops/film.mp4/cropped_film.mp4"
    run("train", lab / "tiny.yaml", "--output_dir", lab / "pose", "--skip_predict", "--overrides",
        f"data.csv_file={crops / 'cropped_labels.csv'}",
        f"data.data_dir={lab / 'crops' / 'cropped_images'}")  # fmt: skip
    detector, film, rows = str(lab / "detector"), str(lab / "film.mp4"), str(lab / "film.csv")
    pose = str(lab / "pose")
    every = [
        _step("train", ["train", str(lab / "tiny.yaml"), "--output_dir", "OUT", "--skip_predict",
                        "--overrides", "training.rng_seed_model_pt=0"],
              {"training.rng_seed_model_pt=0": "training.rng_seed_model_pt=1"}),
        _step("predict", ["predict", detector, labels, "--data_dir", data, "--output", "OUT/predictions.csv"],
              {data: other_data}),
        _step("predict_video", ["predict", detector, film, "--output", "OUT/predictions.csv"],
              {film: str(lab / "other_film.mp4")}),
        _step("create_bbox", ["create_bbox", "--predictions", found, "--data_dir", data, "--crop_size", "32",
                              "--output", "OUT/bbox.csv"], {"32": "40"}),
        _step("crop_images", ["crop", "--labels", labels, "--bbox", boxes, "--data_dir", data, "--crop_size",
                              "64x64", "--jobs", "2", "--output_dir", "OUT"], {boxes: other_boxes}),
        _step("crop_video", ["crop", film, "--bbox", rows, "--crop_size", "64x64", "--output_dir", "OUT"],
              {rows: str(lab / "other_film.csv")}),
        _step("remap", ["remap", found, boxes, "--crop_size", "64x64", "--output", "OUT/remapped.csv"],
              {boxes: other_boxes}),
        _step("score", ["score", found, labels, "--output", "OUT/errors.csv"], {labels: other_labels}),
        _step("plot_ood", ["plot_ood", "--ind_labels", labels, "--ood_labels", new, *members, "--metrics",
                           "OUT/metrics.csv", "--output", "OUT/plots.pdf", "--figures_dir", "OUT/figures"],
              {labels: other_labels}),
        _step("convert", ["convert", "dlc", str(lab / "project"), "OUT", "--ood_start", "6"], {"6": "4"}),
        _step("ensemble", ["ensemble", found, other_found, "--output", "OUT/predictions.csv", "--average",
                           "mean"], {"mean": "confidence_weighted"}),
        _step("predict_folder", ["predict", "OUT/detector", labels, "--data_dir", data, "--detector_mode"],
              {data: other_data}, lab / "detector"),
        _step("crop_qa", ["crop_qa", "--bbox", boxes, "--labels", labels, "--predictions", found,
                          "--data_dir", data, "--output", "OUT/qa.csv"], {boxes: other_boxes}),
        _step("predict_crops", ["predict", pose, str(crops / "cropped_labels.csv"), "--output",
                                "OUT/predictions.csv"]),
        _step("predict_cropped_film", ["predict", pose, str(cropped_film), "--output",
                                       "OUT/predictions.csv"]),
        _step("remap_crops", ["remap", found, str(crops / "bbox.csv"), "--output", "OUT/remapped.csv"]),
    ]  # fmt: skip
    shutil.copy(boxes, crops / "bbox.csv")
    return {step.name: step for step in every}


def _step(name, arguments, others=MappingProxyType({}), model=None):
    """Return a step whose rival has other texts among its arguments."""
    return Step(name, tuple(arguments), tuple(others.get(text, text) for text in arguments), model)


def _others(lab):
    """Lay out the same names with other contents: images, labels, boxes of a film and a film."""
    data = lab / "other_data"
    shutil.copytree(lab / "data", data)
    for path in data.rglob("*.png"):
        cv2.imwrite(str(path), cv2.flip(cv2.imread(str(path)), 1))
    own = read_labels(data / "labels.csv")
    write_labels(replace(own, keypoints_px=own.keypoints_px + 1), data / "labels.csv")
    _film(lab / "other_film.mp4", seed=1)
    _write_boxes(lab / "other_film.csv", 44)
    return str(data), str(data / "labels.csv")


def run(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


def _write_boxes(path, side):
    rows = np.arange(FRAMES)
    write_bboxes(Boxes(list(rows), np.column_stack([rows, rows, side + 0 * rows, side + 0 * rows])), path)


def _film(path, seed=0):
    rng = np.random.default_rng(seed)
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
            out = steps[name].prepare(tmp_path_factory.mktemp(name) / "out")
            answer = zygote.run(steps[name], out)
            assert answer["code"] == 0, answer["messages"]
            known[name] = final_files(out), answer["seconds"], answer["changes"]
        return known[name]

    return of
