"""Videos that the config names are predicted by the cropzoom model of each seed."""

import csv
import os
from itertools import product
from pathlib import Path

import pytest

from lightning_pose.config import to_yaml
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.predictions import read_predictions
from lightning_pose.io.video_facts import probe_video
from tests.integration.conftest import lay_out, snakemake
from tests.unit.io.films import write_film
from tests.unit.training.squares import make_squares, tiny_settings

FRAMES = 12
LONG_AGO = 946684800
FOLDER = "results/squares/cropzoom_0_2.5"
TARGET = f"{FOLDER}/video_preds/film.mp4/predictions.csv"
CHAIN = ("train_detector", "predict_detector", "create_bbox", "crop_images", "train_pose", "create_cropzoom",
         "predict_cropzoom_video")  # fmt: skip


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """A folder with a config, its labels and a film."""
    data = tmp_path / "data" / "squares"
    make_squares(data, 10)
    make_squares(data, 3, csv="labels_new.csv", seed=1)
    write_film(data / "videos" / "film.mp4", FRAMES)
    own = tiny_settings(Path("data/squares"), max_steps=3)
    own.workflow.ind_csv, own.workflow.ood_csv = "labels.csv", "labels_new.csv"
    own.workflow.seeds, own.workflow.crop_ratios = [0, 1], [2.5]
    own.workflow.videos = ["videos/film.mp4"]
    lay_out(tmp_path, "squares", to_yaml(own))
    return tmp_path


def would_run(folder: Path, target: str, *options: str) -> str:
    done = snakemake(folder, target, "--dry-run", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def python_with_smoother(folder: Path) -> Path:
    """A command that says that it has every module, which is all that a dry run asks."""
    path = folder / "python"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.slow
def test_a_dry_run_shows_the_way_from_labels_to_a_videos_predictions(squares) -> None:
    output = would_run(squares, TARGET)
    assert all(f"rule {rule}:" in output for rule in CHAIN)
    everything = would_run(squares, "videos")
    assert f"{FOLDER}/" in everything and "cropzoom_1_2.5/video_preds/film.mp4" in everything
    labelled = would_run(squares, "labeled_videos")
    assert all(f"rule {rule}:" in labelled for rule in (*CHAIN, "label_video"))
    assert "cropzoom_1_2.5/video_preds/film.mp4/labeled.mp4" in labelled
    gallery = would_run(squares, "results/squares/gallery/index.html")
    assert all(f"rule {rule}:" in gallery for rule in (*CHAIN, "index_images", "write_gallery"))
    assert "cropzoom_1_2.5/video_preds/film.mp4" in gallery
    joined = would_run(squares, "ensembles")
    assert all(f"rule {rule}:" in joined for rule in (*CHAIN, "ensemble_images", "ensemble_video"))
    for kind, labels in product(("single", "pose_2.5"), ("labels.csv", "labels_new.csv")):
        assert f"ensemble/{kind}/image_preds/{labels}/predictions_pixel_error.csv" in joined
    assert "ensemble/cropzoom_2.5/video_preds/film.mp4/predictions.csv" in joined
    expected = would_run(squares, "expected_errors")
    assert all(f"rule {rule}:" in expected for rule in ("ensemble_video", "calibrate", "expect_errors"))
    no_smoother = would_run(squares, "smoothed")
    assert "smoothing is left out: expected a Python at .venv-eks/bin/python, found none" in no_smoother
    assert "rule ensemble_video:" in no_smoother and "rule smooth_video:" not in no_smoother
    smoothed = would_run(squares, "smoothed", "--config", f"eks_python={python_with_smoother(squares)}")
    assert all(f"rule {rule}:" in smoothed for rule in (*CHAIN, "smooth_video"))
    assert "ensemble/cropzoom_2.5/video_preds/film.mp4/smoothed_predictions.csv" in smoothed
    unknown = snakemake(squares, TARGET.replace("film", "other"), "--dry-run")
    assert unknown.returncode != 0
    assert "workflow.videos: expected other.mp4, found videos/film.mp4" in unknown.stdout + unknown.stderr


@pytest.mark.slow
def test_a_gallery_without_missing_members_asks_for_none_of_their_videos(squares) -> None:
    for name in ("single_0/image_preds/", "pose_0_2.5/image_preds/cropped_"):
        stem = "remapped_predictions" if "cropped" in name else "predictions"
        for labels in ("labels.csv", "labels_new.csv"):
            path = squares / "results/squares" / f"{name}{labels}" / f"{stem}.csv"
            path.parent.mkdir(parents=True)
            path.touch()
    gallery = would_run(squares, "results/squares/gallery/index.html", "--config", "allow_missing=true")
    assert f"{FOLDER}/video_preds/film.mp4/predictions.csv" in gallery
    assert "single_1" not in gallery and "cropzoom_1_2.5" not in gallery


@pytest.mark.slow
def test_a_camera_may_write_its_names_in_capitals(squares) -> None:
    (squares / "data/squares/videos/film.mp4").rename(squares / "data/squares/videos/GOPR01.MP4")
    config = squares / "config" / "squares.yaml"
    config.write_text(config.read_text().replace("videos/film.mp4", "videos/GOPR01.MP4"))
    assert f"{FOLDER}/video_preds/GOPR01.MP4/predictions.csv" in would_run(squares, "videos")


@pytest.mark.slow
def test_a_video_is_predicted_again_when_its_boxes_are_placed_otherwise(squares) -> None:
    done = snakemake(squares, TARGET)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert read_predictions(squares / TARGET).index == list(range(FRAMES))
    assert read_bboxes((squares / TARGET).with_name("bbox.csv")).index == list(range(FRAMES))
    assert "Nothing to be done" in would_run(squares, TARGET)
    assert_seen_when_replaced(squares, squares / "data/squares/videos/film.mp4")
    assert_made_again(squares, [f"{FOLDER}/cropzoom.json", TARGET])
    config = squares / "config" / "squares.yaml"
    assert_labelled_by_what_is_drawn(squares, config)
    whole, text = (squares / TARGET).read_bytes(), config.read_text()
    config.write_text(text.replace("shard_frames: null", "shard_frames: 5"))
    done = snakemake(squares, TARGET)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (done.stdout + done.stderr).count("rule predict_cropzoom_shard:") == 3
    assert (squares / TARGET).read_bytes() == whole
    there = {path.name for path in (squares / TARGET).parent.iterdir()}
    assert there == {"predictions.csv", "predictions.csv.changed", "bbox.csv", "provenance.json"}
    config.write_text(text)
    config.write_text(config.read_text().replace("window: 9", "window: 5"))
    again = would_run(squares, TARGET)
    assert "rule create_cropzoom:" in again and "rule predict_cropzoom_video:" in again
    assert "rule train" not in again and "rule create_bbox:" not in again
    config.write_text(config.read_text().replace("min_size: 8", "min_size: 20"))
    assert "rule create_bbox:" in would_run(squares, TARGET)


@pytest.mark.slow
def test_the_crops_of_labelled_sets_and_videos_are_looked_at(squares) -> None:
    config = squares / "config" / "squares.yaml"
    text = config.read_text()
    assert "seeds:\n  - 0\n  - 1\n" in text
    config.write_text(text.replace("seeds:\n  - 0\n  - 1\n", "seeds:\n  - 0\n"))
    done = snakemake(squares, "crop_qa", "video_metrics")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    folders = ["crop_0_2.5/labels.csv", "crop_0_2.5/labels_new.csv", "cropzoom_0_2.5/video_preds/film.mp4"]
    for folder in folders:
        own = squares / "results" / "squares" / folder
        rows = list(csv.DictReader((own / "crop_qa.csv").open()))
        frames = [row["name"] for row in rows if row["kind"] == "frame"]
        assert frames == [str(name) for name in read_bboxes(own / "bbox.csv").index]
        drawn = ("crop_qa.pdf", "crop_qa.png", "crop_qa_worst.png")
        assert all((own / name).stat().st_size for name in drawn)
    film = squares / "results" / "squares" / folders[2]
    assert (film / "predictions_temporal_norm.csv").is_file()
    again = snakemake(squares, "crop_qa_squares", "video_metrics", "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr
    assert_measured_by_the_columns_at_hand(squares, film, config)
    assert snakemake(squares, "crop_qa", "--report", "report.html").returncode == 0
    report = (squares / "report.html").read_text()
    assert "crop QA" in report and "The least trustworthy frames" in report
    image = squares / "data" / "squares" / "images_1" / "img00.png"
    image.write_bytes(image.read_bytes() + b"\x00")
    output = would_run(squares, "crop_qa")
    assert "rule check_labelled_crops:" in output and "rule check_video_crops:" not in output


@pytest.mark.slow
@pytest.mark.parametrize("anchors", [[], ["cross", "square"]])
def test_what_was_asked_of_boxes_is_shown_where_it_is_what_is_measured(squares, anchors) -> None:
    config = squares / "config" / "squares.yaml"
    text = config.read_text()
    assert "anchor_keypoints: []" in text
    config.write_text(text.replace("anchor_keypoints: []", f"anchor_keypoints: {anchors}"))
    commands = [
        line for line in would_run(squares, "crop_qa_squares").splitlines() if "litpose crop_qa" in line
    ]
    assert commands and all(("--crop_ratio" in command) is not bool(anchors) for command in commands)


def assert_measured_by_the_columns_at_hand(folder: Path, film: Path, config: Path) -> None:
    """Name columns for the PCA errors after the training, which does not depend on them."""
    text = config.read_text()
    config.write_text(text.replace("columns_for_singleview_pca: null", "columns_for_singleview_pca: [0, 1]"))
    done = snakemake(folder, "video_metrics")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert "rule measure_video:" in said and "rule train" not in said and "rule predict" not in said
    assert (film / "predictions_pca_singleview_error.csv").is_file()
    config.write_text(text)


def assert_seen_when_replaced(folder: Path, film: Path) -> None:
    """Put another video of an older time in the place of one, and the first one back."""
    whole, own = film.read_bytes(), film.stat()
    film.unlink()
    write_film(film, FRAMES - 1)
    os.utime(film, (LONG_AGO, LONG_AGO))
    again = would_run(folder, TARGET)
    assert "rule predict_cropzoom_video:" in again and "rule train" not in again
    film.write_bytes(whole)
    os.utime(film, ns=(own.st_atime_ns, own.st_mtime_ns))
    assert "Nothing to be done" in would_run(folder, TARGET)


def assert_made_again(folder: Path, names: list[str]) -> None:
    """Cut files of the model and of its predictions, which come from one another."""
    whole = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).write_bytes(whole[name][:-20])
    done = snakemake(folder, TARGET)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert [name for name in names if f"{name}: not what its command wrote" not in said] == []
    assert {name: (folder / name).read_bytes() for name in names} == whole
    assert said.count("rule create_cropzoom:") == said.count("rule predict_cropzoom_video:") == 1
    assert "rule train" not in said


def assert_labelled_by_what_is_drawn(folder: Path, config: Path) -> None:
    """Make the labelled video; what is drawn makes it anew, and nothing else."""
    labelled, text = f"{FOLDER}/video_preds/film.mp4/labeled.mp4", config.read_text()
    done = snakemake(folder, labelled)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert probe_video(folder / labelled).frame_count == FRAMES
    assert (folder / labelled).with_name("contact_sheet.png").is_file()
    assert "Nothing to be done" in would_run(folder, labelled)
    changed = text.replace("skeleton: []", "skeleton: [[square, cross]]")
    assert changed != text
    config.write_text(changed)
    again = would_run(folder, labelled)
    assert "rule label_video:" in again and "rule predict_cropzoom_video:" not in again
    config.write_text(text)
    for name in ("labeled.mp4", "contact_sheet.png"):
        (folder / labelled).with_name(name).unlink()
