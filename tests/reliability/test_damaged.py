"""A flipped bit or a cut in a file between two commands: refused, warned of by name, or without effect."""

import random
from pathlib import Path

import pytest

from tests.reliability.bench import FULL, final_files, lasting

pytestmark = pytest.mark.reliability

# what reads -> the file, from the laboratory
READ = (
    ("predict", "detector/model.safetensors"),
    ("predict", "detector/splits.json"),
    ("predict", "detector/config.yaml"),
    ("predict_video", "detector/model.safetensors"),
    ("create_bbox", "detector/image_preds/labels.csv/predictions.csv"),
    ("crop_images", "bbox_32.csv"),
    ("predict_crops", "crops/labels.csv/cropped_labels.csv"),
    ("predict_crops", "crops/labels.csv/crops.json"),
    ("predict_crops", "crops/cropped_images/images_0/img03.png"),
    ("predict_cropped_film", "crops/film.mp4/crops.json"),
    ("predict_cropped_film", "crops/film.mp4/cropped_film.mp4"),
    ("remap", "detector/image_preds/labels.csv/predictions.csv"),
    ("remap", "bbox_32.csv"),
    ("remap_crops", "crops/labels.csv/crops.json"),
    ("score", "detector/image_preds/labels.csv/predictions.csv"),
    ("plot_ood", "detector/image_preds/labels_new.csv/predictions.csv"),
    ("ensemble", "other_predictions.csv"),
)
ATTEMPTS = 8 if FULL else 1


def damaged(content: bytes, dice: random.Random, is_cut: bool) -> bytes:
    """Return all up to somewhere, or all with one bit flipped."""
    place = dice.randrange(len(content))
    if is_cut:
        return content[:place]
    return content[:place] + bytes([content[place] ^ 1 << dice.randrange(8)]) + content[place + 1 :]


@pytest.mark.parametrize("attempt", range(ATTEMPTS))
@pytest.mark.parametrize(("name", "file"), READ)
def test_damage_is_named_or_changes_nothing(
    name, file, attempt, steps, lab, zygote, undisturbed, tmp_path, tally
) -> None:
    whole, _, _ = undisturbed(name)
    path = lab / file
    content = path.read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    is_cut = (attempt + READ.index((name, file))) % 2 == 1
    path.write_bytes(damaged(content, random.Random(f"{name} {file} {attempt}"), is_cut))
    try:
        answer = zygote.run(steps[name], out)
    finally:
        path.write_bytes(content)
    tally["files cut" if is_cut else "bits flipped"] += 1
    assert answer["code"] in (0, 2) and "Traceback" not in answer["messages"], answer["messages"]
    if Path(file).name in answer["messages"]:
        tally["damage refused" if answer["code"] else "damage warned of"] += 1
        assert answer["code"] == 2 or "WARNING" in answer["messages"]
        return
    assert answer["code"] == 0 and lasting(final_files(out)) == lasting(whole), answer["messages"]
    tally["damage without effect"] += 1
