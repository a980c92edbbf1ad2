"""A whole training: check everything first, make crops where asked for, fit, predict."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from lightning_pose.data.check import check_dataset
from lightning_pose.data.check_settings import check_training_settings
from lightning_pose.data.frame_labels import labels_path
from lightning_pose.inference.run import crops_for, predict
from lightning_pose.inference.video_boxes import boxes_for_videos
from lightning_pose.io.files import alone, sha256, write_atomic
from lightning_pose.io.labels import read_labels
from lightning_pose.io.model_dir import CONFIG_FILE, SPLITS_FILE, WEIGHTS_FILE
from lightning_pose.io.provenance import read_provenance
from lightning_pose.io.video import find_videos
from lightning_pose.settings import Settings, takes_context
from lightning_pose.traces import is_own_work, note_written
from lightning_pose.training.eval_videos import eval_videos, predict_eval_videos
from lightning_pose.types import UserError

logger = logging.getLogger(__name__)


def train(
    settings: Settings,
    config_name: str,
    output_dir: Path,
    detector_dir: Path | None = None,
    predicts: bool = True,
    keeps_finished: bool = False,
) -> None:
    """Train a model and leave its folder.

    Parameters
    ----------
    settings : validated settings.
    config_name : the config file's name, for messages.
    output_dir : the model folder.
    detector_dir : a trained detector: train on its crops, made here where missing or stale.
    predicts : end with predictions on the config's own CSV and its ``_new`` sibling, and on the videos that
        ``eval`` names.
    keeps_finished : leave a finished training of the same settings, labels, images and code as it is.

    Raises
    ------
    UserError
        Everything wrong with settings and data, before anything is trained or written.
    """
    data = settings.data
    csv_files = [
        path
        for path in with_sibling(labels_path(settings))
        if path.is_file() or path == labels_path(settings)
    ]
    problems = check_training_settings(settings, config_name)
    context = takes_context(settings.model.model_type)
    problems += check_dataset(Path(data.data_dir), csv_files, data.keypoint_names, context)
    if problems:
        raise UserError(problems)
    test_videos = eval_videos(settings) if predicts else []
    if detector_dir is not None:
        cropped = crops_for(detector_dir, csv_files, Path(data.data_dir), settings.workflow)
        if settings.model.losses_to_use and data.bbox_dir is None:
            videos = [path.resolve() for path in find_videos(data.video_dir, Path(data.data_dir))]
            bbox_dir = boxes_for_videos(detector_dir, videos, settings.workflow)
            data = replace(data, video_dir=[str(path) for path in videos], bbox_dir=str(bbox_dir))
        settings = replace(
            settings,
            data=replace(data, data_dir=str(detector_dir / "cropped_images"), csv_file=str(cropped[0])),
        )
        csv_files = cropped
    from lightning_pose.training.fit import end_following, fit

    with alone(output_dir) as waited:  # for a training that may have been this very one
        labels, is_followed = read_labels(csv_files[0]), predicts or keeps_finished
        fit(settings, labels, output_dir, keeps_finished or waited, is_followed)
        _tell_of_weights(output_dir)
        if predicts:
            predict(output_dir, csv_files)
            copy_predictions(csv_files[0], output_dir)
            predict_eval_videos(settings, output_dir, test_videos, detector_dir)
        end_following(output_dir)


def _tell_of_weights(model_dir: Path) -> None:
    """Have ``provenance.json`` tell of a training that is kept, and that no command could tell of.

    As when an interrupted command finished it, and what is told is of another training before.
    """
    told = read_provenance(model_dir)["files"]
    for path in (model_dir / name for name in (CONFIG_FILE, SPLITS_FILE, WEIGHTS_FILE)):
        if not is_own_work(path) and told.get(path.name, {}).get("sha256") != sha256(path):
            note_written(path, path.stat())


def copy_predictions(labels_csv: Path, model_dir: Path) -> None:
    """Copy a CSV's predictions and their errors into the model folder's root, where older scripts look."""
    for file in (model_dir / "image_preds" / labels_csv.name).glob("predictions*.csv"):
        with write_atomic(model_dir / file.name) as temporary:
            shutil.copyfile(file, temporary)


def with_sibling(labels_csv: Path) -> list[Path]:
    """Return a labels CSV and the path that its out-of-distribution sibling would have."""
    return [labels_csv, labels_csv.with_name(f"{labels_csv.stem}_new{labels_csv.suffix}")]
