"""A dataset's folder of results, as the workflow lays it out: which models there are, and their files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.io.bundle import MANIFEST_NAME
from lightning_pose.io.files import read_json
from lightning_pose.io.model_dir import CONFIG_FILE, ORIGIN_FILE, WEIGHTS_FILE

MODEL_DIR = re.compile(
    r"(?P<model>single|pose)(?P<variant>-[^/_]+)?_(?P<seed>\d+)(?:_(?P<ratio>\d+(?:\.\d+)?))?"
)
EXTERNAL_DIR = re.compile(r"(?P<kind>.+)_(?P<number>\d+)")
CROP_DIR = re.compile(r"(?P<model>crop|cropzoom)_\d+_\d+(?:\.\d+)?")
INDEX_FILE = "images.json"  # of a labelled set: its images, with their checksums
CURVES_DIR, STATUS_FILE = "tb_logs", "train_status.json"


@dataclass(frozen=True)
class ModelDir:
    """The folder of a detector or a pose model.

    Parameters
    ----------
    kind : its line in the plots.
    seed : str
    path : of the folder, which need not be there.
    """

    kind: str
    seed: str
    path: Path

    @property
    def is_trained(self) -> bool:
        """Whether there are weights, or were when an unpacked bundle was packed."""
        done = WEIGHTS_FILE
        if any((folder / MANIFEST_NAME).is_file() for folder in self.path.absolute().parents[:2]):
            done = ORIGIN_FILE  # bundles have no weights, unless they are asked for
        return (self.path / done).is_file() and (self.path / CONFIG_FILE).is_file()

    def predictions(self, csv: str) -> Path:
        """Return where its predictions on a labelled set are, in frame pixels."""
        folder = self.path / "image_preds"
        if self.kind.startswith("single"):
            return folder / csv / "predictions.csv"
        return folder / f"cropped_{csv}" / "remapped_predictions.csv"

    def pixel_errors(self, csv: str) -> Path:
        """Return where the errors of those predictions are."""
        predictions = self.predictions(csv)
        return predictions.with_name(f"{predictions.stem}_pixel_error.csv")


@dataclass(frozen=True)
class ExternalDir:
    """The folder of what another tool predicted: its errors only, the predictions lie elsewhere.

    Parameters
    ----------
    kind : its line in the plots.
    seed : str
        The number of the member.
    path : of the folder, which need not be there.
    """

    kind: str
    seed: str
    path: Path

    def pixel_errors(self, csv: str) -> Path:
        """Return where the errors of its predictions on a labelled set are."""
        return self.path / "image_preds" / csv / "predictions_pixel_error.csv"


def external_dir(folder: Path, kind: str, number: int) -> ExternalDir:
    """Return the folder of a member that the settings declare."""
    return ExternalDir(kind, str(number), folder / "external" / f"{kind}_{number}")


def find_models(folder: Path) -> list[ModelDir]:
    """Return the models whose folders are there."""
    found = []
    for path in _folders(folder):
        name = MODEL_DIR.fullmatch(path.name)
        if name is None or (name["model"] == "pose") != (name["ratio"] is not None):
            continue
        ratio = "" if name["ratio"] is None else f"_{name['ratio']}"
        found.append(ModelDir(f"{name['model']}{ratio}{name['variant'] or ''}", name["seed"], path))
    return found


def find_externals(folder: Path) -> list[ExternalDir]:
    """Return what other tools predicted, as far as it was scored."""
    names = [EXTERNAL_DIR.fullmatch(path.name) for path in _folders(folder / "external")]
    return [external_dir(folder, name["kind"], int(name["number"])) for name in names if name is not None]


def find_crops(folder: Path) -> list[Path]:
    """Return the folders of what was cropped, one for each detector, crop ratio and labelled set or video."""
    found = []
    for path in _folders(folder):
        name = CROP_DIR.fullmatch(path.name)
        if name is not None:
            parent = path if name["model"] == "crop" else path / "video_preds"
            found += [own for own in _folders(parent) if (own / "bbox.csv").is_file()]
    return found


def count_images(folder: Path, csv: str) -> int | None:
    """Return how many labelled images a set has, None where that is not known."""
    content = read_json(folder / "data" / csv / INDEX_FILE)
    images = content.get("images") if isinstance(content, dict) else None
    return len(images) if isinstance(images, dict) else None


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir()) if folder.is_dir() else iter(())
