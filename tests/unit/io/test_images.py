"""Images from others: inside the data folder, of a bearable size, whole, or refused by name."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.io.images import decode_image, image_size, is_inside, read_image
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import write_predictions
from lightning_pose.types import Labels, Predictions, UserError

SECRET = "secret.png"


@pytest.fixture
def data(tmp_path):
    """A data folder, and a picture beside it that is none of its business."""
    folder = tmp_path / "data"
    (folder / "s").mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / "s" / "img.png"), picture)
    cv2.imwrite(str(tmp_path / SECRET), picture)
    (folder / "s" / "link.png").symlink_to(tmp_path / SECRET)
    (folder / "out").symlink_to(tmp_path)
    (folder / "s" / "again.png").symlink_to(folder / "s" / "img.png")
    return folder


LEADING_OUT = [
    f"../{SECRET}", f"s/../../{SECRET}", "s/link.png", f"out/{SECRET}", "/etc/hostname", "s/img.png\0", "",
    ".",
]  # fmt: skip


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pixels_lie_as_they_are_stored_whatever_a_camera_noted(tmp_path, suffix) -> None:
    picture = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    noted = picture.getexif()
    noted[0x0112] = 6  # turn by 90 degrees to see it upright
    picture.save(tmp_path / f"a{suffix}", exif=noted)
    path = tmp_path / f"a{suffix}"
    assert read_image(path).shape[:2] == image_size(path) == (40, 60)


@pytest.mark.parametrize("path", LEADING_OUT)
def test_paths_that_lead_out_are_outside(data, path) -> None:
    assert not is_inside(path, data)


def test_links_are_followed_and_the_folder_may_be_one(data, tmp_path) -> None:
    assert is_inside("s/img.png", data) and is_inside("s/again.png", data)
    (tmp_path / "linked").symlink_to(data)
    assert is_inside("s/img.png", tmp_path / "linked")
    assert not is_inside("s/link.png", tmp_path / "linked")


@pytest.mark.parametrize("path", [f"../{SECRET}", "s/link.png", f"out/{SECRET}"])
@pytest.mark.parametrize("command", ["check_data", "crop", "index_images", "create_bbox", "crop_qa"])
def test_commands_refuse_paths_that_lead_out(data, tmp_path, capsys, path, command) -> None:
    nowhere = np.full((1, 2, 2), np.nan)
    write_labels(Labels([path], ["a", "b"], nowhere), tmp_path / "labels.csv")
    write_predictions(Predictions([path], ["a", "b"], nowhere, np.zeros((1, 2))), tmp_path / "p.csv")
    (tmp_path / "bbox.csv").write_text(f",x,y,h,w\n{path},1,2,16,16\n")
    labels, boxes, folder = (str(own) for own in (tmp_path / "labels.csv", tmp_path / "bbox.csv", data))
    output = tmp_path / "output"
    arguments = {
        "check_data": ["index_images", "--labels", labels, "--output", str(output / "images.json")],
        "index_images": ["index_images", "--labels", labels, "--output", str(output)],
        "crop": ["crop", "--labels", labels, "--bbox", boxes, "--output_dir", str(output)],
        "create_bbox": ["create_bbox", "--predictions", str(tmp_path / "p.csv"), "--output", str(output)],
        "crop_qa": ["crop_qa", "--bbox", boxes, "--predictions", str(tmp_path / "p.csv"), "--labels", labels,
                    "--output", str(output / "qa.csv"), "--sheet", str(output / "sheet.png")],
    }  # fmt: skip
    assert main([*arguments[command], "--data_dir", folder]) == 2
    assert "inside" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*sheet*")) and not output.is_file()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_bomb(width, height):
    """A PNG of a few bytes that claims to be huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(100_000, 100_000), (12_000, 12_000), (1 << 30, 1)])
def test_a_bomb_is_not_unpacked(tmp_path, size) -> None:
    (tmp_path / "bomb.png").write_bytes(png_bomb(*size))
    for read in (image_size, read_image):
        with pytest.raises(UserError, match=r"bomb\.png: expected an image of at most \d+ pixels"):
            read(tmp_path / "bomb.png")


def encoded(suffix, quality=()):
    picture = np.random.default_rng(1).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    return cv2.imencode(suffix, picture, quality)[1].tobytes()


PNG = encoded(".png", [cv2.IMWRITE_PNG_COMPRESSION, 0])  # as crops are


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 8 * len(PNG) - 1))
def test_any_flipped_bit_of_a_png_is_found(bit) -> None:
    damaged = bytearray(PNG)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(UserError, match=r"crop\.png: expected"):
        decode_image(Path("crop.png"), bytes(damaged))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([".png", ".jpg"]), st.floats(0, 0.999))
def test_a_truncated_picture_is_refused(suffix, share) -> None:
    whole = encoded(suffix)
    with pytest.raises(UserError, match="expected"):
        decode_image(Path("image"), whole[: int(share * len(whole))])


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200) | st.builds(lambda head, rest: head + rest,
       st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0", b"P6\n", b"GIF89a"]),
       st.binary(max_size=100)))  # fmt: skip
def test_nothing_but_a_user_error_comes_out(content) -> None:
    try:
        assert decode_image(Path("image"), content).dtype == np.uint8
    except UserError as error:
        assert str(error).startswith("image: expected")


def test_whole_pictures_are_read_as_they_are(tmp_path) -> None:
    picture = np.random.default_rng(2).integers(0, 255, (30, 20, 3)).astype(np.uint8)
    for suffix in ("png", "bmp", "tiff"):
        cv2.imwrite(str(tmp_path / f"a.{suffix}"), picture)
        np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), picture[..., ::-1])
    assert image_size(tmp_path / "a.png") == (30, 20)
