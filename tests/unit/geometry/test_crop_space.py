"""The maps between frame and crop pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.geometry.crop_space import crop_to_frame, frame_to_crop

corner = st.floats(-3000, 3000)
side = st.floats(0.3, 5000) | st.integers(1, 2001).map(float)
crop_side = st.integers(1, 600)


@given(corner, corner, side, side, crop_side, crop_side, st.floats(-500, 5000), st.floats(-500, 5000))
def test_frame_to_crop_and_back_is_the_identity(x, y, w, h, crop_h, crop_w, u, v) -> None:
    box, point = np.array([[x, y, w, h]]), np.array([[[u, v]]])
    there = frame_to_crop(point, box, (crop_h, crop_w))
    np.testing.assert_allclose(crop_to_frame(there, box, (crop_h, crop_w)), point, atol=1e-3)
    back = crop_to_frame(point, box, (crop_h, crop_w))
    np.testing.assert_allclose(frame_to_crop(back, box, (crop_h, crop_w)), point, atol=1e-3)


def test_pixel_edges_map_to_pixel_edges() -> None:
    """A box covers the stretch from x - 0.5 to x + w - 0.5, and so does its crop."""
    box = np.array([[10, 20, 40, 80]])
    edges = np.array([[[9.5, 19.5], [49.5, 99.5]]])
    np.testing.assert_allclose(frame_to_crop(edges, box, (256, 128)), [[[-0.5, -0.5], [127.5, 255.5]]])


def test_a_crop_of_the_boxs_own_size_is_a_shift() -> None:
    np.testing.assert_allclose(
        frame_to_crop(np.array([[[12.0, 25.0]]]), np.array([[10, 20, 32, 32]]), (32, 32)), [[[2, 5]]]
    )
