"""Coordinates from the label to the remapped prediction: a drawn spot comes back where it was drawn.

The network is a perfect one: its heatmap is the picture that it is shown.
"""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lightning_pose.data.cut import crop_image
from lightning_pose.data.dataset import resize_image
from lightning_pose.geometry.crop_space import crop_to_frame, frame_to_crop
from lightning_pose.geometry.heatmaps import decode, gaussian_targets

CLOSE_PX = 0.1  # of the frame
BLUR = 1.3  # heatmap cells: about what networks are trained to draw


def draw_spot(frame_hw, xy_frame_px, sigma_px):
    rows, columns = np.ogrid[: frame_hw[0], : frame_hw[1]]
    squares = (columns - xy_frame_px[0]) ** 2 + (rows - xy_frame_px[1]) ** 2
    spot = np.round(255 * np.exp(-squares / (2 * sigma_px**2))).astype(np.uint8)
    return np.repeat(spot[..., None], 3, axis=-1)


def heatmap_of(image, stride):
    """Average the picture over the cells of a heatmap, and return the logits that a network would give."""
    height, width = (size // stride for size in image.shape[:2])
    cells = image[..., 0].astype(float).reshape(height, stride, width, stride).mean((1, 3))
    return torch.from_numpy(np.log(cells + 1e-9))[None, None]


def found_in_frame(keypoints_model_px, model_side, crop_side, box):
    """Map model pixels through the crop to the frame, as prediction and remapping do one after the other."""
    whole = np.array([[0.0, 0.0, crop_side, crop_side]])
    keypoints_crop_px = crop_to_frame(keypoints_model_px, whole, (model_side, model_side))
    return crop_to_frame(keypoints_crop_px, np.array([box]), (crop_side, crop_side))


@st.composite
def setups(draw):
    """Draw a frame, a square box in it or over its edge, sizes, and where in the box the spot lies."""
    frame_hw = draw(st.tuples(*[st.integers(160, 720)] * 2))
    side = draw(st.integers(40, min(frame_hw)))
    corner = [draw(st.integers(-8, size - side + 8)) for size in frame_hw[::-1]]
    fraction = draw(st.sampled_from([0.0, 0.25, 0.5, 0.77]))  # boxes of other tools are of no whole pixels
    box = (corner[0] + fraction, corner[1] - fraction, side + fraction, side + fraction)
    sizes = draw(st.sampled_from([48, 64, 96, 128, 256, 320])), draw(st.sampled_from([64, 128, 192, 256]))
    place = draw(st.tuples(*[st.floats(0.35, 0.65)] * 2))
    return frame_hw, box, *sizes, draw(st.sampled_from([2, 4])), place


@settings(deadline=None, max_examples=60)
@given(setups())
@example(((480, 640), (100.0, 100.0, 64.0, 64.0), 64, 64, 4, (0.5, 0.5)))  # nothing is resized
@example(((480, 640), (-8.0, 300.0, 188.0, 188.0), 256, 128, 2, (0.35, 0.65)))
@example(((700, 700), (0.0, 0.0, 700.0, 700.0), 48, 256, 4, (0.61, 0.39)))  # shrunk, then enlarged
def test_a_drawn_spot_comes_back_where_it_was(setup) -> None:
    frame_hw, box, crop_side, model_side, stride, place = setup
    xy_frame_px = np.array(box[:2]) + np.array(place) * box[2] - 0.5
    coarsest = max(stride * box[2] / model_side, box[2] / crop_side, 1.0)  # frame pixels
    frame = draw_spot(frame_hw, xy_frame_px, BLUR * coarsest)
    crop = crop_image(frame, box, (crop_side, crop_side))
    image = resize_image(crop, model_side, model_side)
    keypoints_model_px = decode(heatmap_of(image, stride), stride)[0].double().numpy()
    found = found_in_frame(keypoints_model_px, model_side, crop_side, box)[0, 0]
    assert np.abs(found - xy_frame_px).max() < CLOSE_PX


@settings(deadline=None, max_examples=60)
@given(setups())
def test_a_label_comes_back_through_its_target(setup) -> None:
    """Without a picture: label -> crop -> model -> heatmap that is trained on -> decode -> remap."""
    _, box, crop_side, model_side, stride, place = setup
    xy_frame_px = np.array(box[:2]) + np.array(place) * box[2] - 0.5
    label_crop_px = frame_to_crop(xy_frame_px[None, None], np.array([box]), (crop_side, crop_side))
    whole = np.array([[0.0, 0.0, crop_side, crop_side]])
    label_model_px = frame_to_crop(label_crop_px, whole, (model_side, model_side))
    cells = (model_side // stride, model_side // stride)
    targets, valid = gaussian_targets(torch.from_numpy(label_model_px), cells, stride, 1.25)
    assert valid.all()
    keypoints_model_px = decode(targets.clamp(min=1e-30).log(), stride)[0].double().numpy()
    found = found_in_frame(keypoints_model_px, model_side, crop_side, box)[0, 0]
    assert np.abs(found - xy_frame_px).max() < CLOSE_PX


def centroid(image):
    weights = image[..., 0].astype(float)
    rows, columns = np.indices(weights.shape)
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("pixel", [(40, 30), (41, 33), (57, 48)])
def test_a_single_pixel_is_where_its_label_is(scale, pixel) -> None:
    """Enlarged, as a small animal is; to the pixel of the frame, and in both the picture and the label."""
    frame = np.zeros((80, 90, 3), np.uint8)
    frame[pixel[1], pixel[0]] = 255
    box, side = (25.0, 16.0, 44.0, 44.0), 44 * scale
    crop = crop_image(frame, box, (side, side))
    label_crop_px = frame_to_crop(np.array([[pixel]], float), np.array([box]), (side, side))[0, 0]
    assert np.abs(centroid(crop) - label_crop_px).max() / scale < CLOSE_PX
    back = crop_to_frame(centroid(crop)[None, None], np.array([box]), (side, side))[0, 0]
    assert np.abs(back - pixel).max() < CLOSE_PX


@pytest.mark.parametrize("shrink", [2, 4, 5])
def test_a_shrunk_block_is_where_its_label_is(shrink) -> None:
    """A bright square of exactly one crop pixel: its middle is that pixel's."""
    frame = np.zeros((200, 240, 3), np.uint8)
    box, side = (20.0, 10.0, 160.0, 160.0), 160 // shrink
    left, top = 20 + 7 * shrink, 10 + 9 * shrink
    frame[top : top + shrink, left : left + shrink] = 255
    crop = crop_image(frame, box, (side, side))
    middle = np.array([left, top]) + (shrink - 1) / 2
    label_crop_px = frame_to_crop(middle[None, None], np.array([box]), (side, side))[0, 0]
    np.testing.assert_allclose(label_crop_px, [7, 9], atol=1e-9)
    np.testing.assert_allclose(centroid(crop), [7, 9], atol=1e-9)
