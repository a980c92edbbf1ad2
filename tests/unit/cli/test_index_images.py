"""`litpose index_images`."""

import json

import numpy as np
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.io.files import sha256
from lightning_pose.io.labels import write_labels
from lightning_pose.types import Labels


def test_labelled_images_and_the_context_that_exists(tmp_path):
    for i in (1, 2, 4):
        Image.new("L", (9, 9), i).save(tmp_path / f"img{i}.png")
    write_labels(Labels(["img2.png"], ["n"], np.ones((1, 1, 2))), tmp_path / "a.csv")
    command = ["index_images", "--labels", str(tmp_path / "a.csv"), "--data_dir", str(tmp_path)]
    assert main([*command, "--output", str(tmp_path / "i.json")]) == 0
    context = {name: sha256(tmp_path / name) for name in ("img1.png", "img4.png")}
    assert json.loads((tmp_path / "i.json").read_text()) == {
        "labels": "a.csv",
        "images": {"img2.png": {"sha256": sha256(tmp_path / "img2.png"), "context": context}},
    }
