"""Cut a box out of an image and resize it: the picture's side of `lightning_pose.geometry.crop_space`."""

from __future__ import annotations

import math

import numpy as np

Box = tuple[float, float, float, float]
LARGEST_BOX = 4  # times the frame's larger side; more is a mistake, and its padding would fill the memory


def crop_image(image: np.ndarray, box: Box, crop_hw: tuple[int, int]) -> np.ndarray:
    """Cut a box out of an image and resize it; black beyond the image.

    Averages along an axis that shrinks, interpolates along one that grows.

    Parameters
    ----------
    image : array, (H, W, C), uint8
    box : x, y, w, h in the image's pixels; may have fractions and reach beyond the image.
    crop_hw : height and width of the crop.

    Returns
    -------
    array, (crop height, crop width, C), uint8
    """
    if misses(image.shape[:2], box):
        return np.zeros((*crop_hw, *image.shape[2:]), image.dtype)
    whole_pixels = all(float(value).is_integer() for value in box)
    return resize_each_way(_cut(image, box) if whole_pixels else _warp(image, box, crop_hw), crop_hw)


def misses(image_hw: tuple[int, ...], box: Box) -> bool:
    """Say whether a box lies wholly outside an image."""
    x, y, w, h = box
    return x >= image_hw[1] or y >= image_hw[0] or x + w <= 0 or y + h <= 0


def _cut(image: np.ndarray, box: Box) -> np.ndarray:
    import cv2

    x, y, w, h = (int(value) for value in box)
    height, width = image.shape[:2]
    cut = image[max(y, 0) : y + h, max(x, 0) : x + w]
    left, right = max(-x, 0), max(x + w - width, 0)
    top, bottom = max(-y, 0), max(y + h - height, 0)
    if left or right or top or bottom:
        return cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_CONSTANT)
    return cut


def _warp(image: np.ndarray, box: Box, crop_hw: tuple[int, int]) -> np.ndarray:
    """Shift by fractions of a pixel, without making the box any coarser than it is."""
    import cv2

    x, y, w, h = box
    columns, rows = max(crop_hw[1], math.ceil(w)), max(crop_hw[0], math.ceil(h))
    across, down = w / columns, h / rows
    back = np.array([[across, 0, x - 0.5 + 0.5 * across], [0, down, y - 0.5 + 0.5 * down]])
    return cv2.warpAffine(image, back, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def resize_each_way(image: np.ndarray, to_hw: tuple[int, int]) -> np.ndarray:
    """Resize with pixel centres at integers.

    Averages along an axis that shrinks, interpolates along one that grows, one way at a time: OpenCV's area
    averaging shifts the picture along an axis that grows.
    """
    import cv2

    shrunk = min(image.shape[0], to_hw[0]), min(image.shape[1], to_hw[1])
    if shrunk != image.shape[:2]:
        image = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if shrunk != to_hw:
        image = cv2.resize(image, to_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return image
