"""A detector and a pose model, trained once for all tests by the command line, and a film for them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.settings import Precision
from tests.unit.training.squares import draw, make_squares, tiny_settings

COUNT, WIDTH, HEIGHT = 11, 96, 80  # of the film


@dataclass(frozen=True)
class Trained:
    """Where everything lies. Tests that write use a copy, or a folder of their own."""

    data: Path
    config: Path
    detector: Path
    pose: Path

    def run(self, *arguments: object) -> int:
        """Run `litpose`."""
        return main([str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train on squares and crosses: labels.csv with 16 images, labels_new.csv with 4 others."""
    root = tmp_path_factory.mktemp("trained")
    own = Trained(root / "data", root / "tiny.yaml", root / "detector", root / "pose")
    make_squares(own.data, 16)
    make_squares(own.data, 4, csv="labels_new.csv", seed=1)
    settings = tiny_settings(
        own.data, precision=Precision.fp32, max_steps=100, check_val_every_n_epoch=5, test_batch_size=3
    )
    settings.workflow.pose = {"training": {"max_steps": 150}}
    settings.workflow.crop_ratios = [2.5]
    own.config.write_text(to_yaml(settings))
    assert own.run("train", own.config, "--output_dir", own.detector) == 0
    pose = ("--output_dir", own.pose, "--detector_model", own.detector)
    assert own.run("train", own.config, *pose) == 0
    return own


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A square that moves to the right above a cross that rests, and where both are, (COUNT, 2, 2)."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("film") / "film.mp4"
    places = np.array([[[20 + 4 * number, 20], [60, 60]] for number in range(COUNT)])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for number, (square, cross) in enumerate(places):
            image = draw(rng, WIDTH, HEIGHT, square, cross)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path, places
