"""What is fuzzed: readers of files that others wrote. Only their own error may come out of them."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning_pose.config import load_config
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.labels import read_labels
from lightning_pose.io.predictions import read_predictions
from lightning_pose.types import UserError

CORPUS = Path(__file__).parent / "corpus"
READERS: dict[str, tuple[str, Callable]] = {
    "labels": ("labels.csv", read_labels),
    "predictions": ("predictions.csv", read_predictions),
    "boxes": ("bbox.csv", read_bboxes),
    "config": ("a.yaml", load_config),
}
SEEDS = {
    "labels": [
        "scorer,s,s\nbodyparts,beak,beak\ncoords,x,y\na.png,1,2\nb.png,,\n",
        "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,visible\na.png,1,2,1\nb.png,nan,,0\n",
    ],
    "predictions": [
        "scorer,s,s,s,\nbodyparts,a,a,a,set\ncoords,x,y,likelihood,\na.png,1,2,0.5,train\n",
        "scorer,s,s,s,s,s\nbodyparts,a,a,a,a,a\ncoords,x,y,likelihood,x_ens_var,y_ens_var\n0,1,2,1,0,0\n",
        "scorer,s,s,s,s,s,s,s\nbodyparts,a,a,a,bbox,bbox,bbox,bbox\n"
        "coords,x,y,likelihood,x,y,h,w\n0,1,2,1,3,4,5,6\n",
    ],
    "boxes": [",x,y,h,w,status\na.png,1,2,3,4,detected\n", ",x,y,h,w\n0,1,2,3,4\n1,-1.5,0,8,8\n"],
    "config": [
        "data: {data_dir: a, keypoint_names: [a, b], skeleton: [[a, b]]}\nworkflow: {seeds: [0, 1]}\n",
        "data: {data_dir: a}\ntraining: {imgaug: dlc, optimizer_params: {learning_rate: 1e-3}}\n"
        "workflow:\n  variants: {b: {model: single, settings: {model: {backbone: x}}}}\n"
        "  train_frames: [25, 0.5]\n"
        "  external: {o: {ind: [a.csv], ood: [b.csv]}}\n  videos: ['${data.data_dir}/a.mp4']\n",
    ],
}


def read(name: str, content: bytes) -> bool:
    """Read a file of this content; say whether it was taken."""
    with TemporaryDirectory() as folder:
        return read_at(name, Path(folder) / READERS[name][0], content)


def read_at(name: str, path: Path, content: bytes) -> bool:
    """Read a file of this content that is written to `path`."""
    path.write_bytes(content)
    try:
        READERS[name][1](path)
    except UserError as error:
        assert error.problems and all(str(problem) for problem in error.problems)
        return False
    return True
