"""`litpose score` and `remap` against loops over plain floats, and under changes of known effect."""

import math
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lightning_pose.cli.main import main
from lightning_pose.evaluation.metrics import summarize
from lightning_pose.io.bboxes import write_bboxes
from lightning_pose.io.labels import write_labels
from lightning_pose.io.predictions import read_pixel_errors, read_predictions, write_predictions
from lightning_pose.types import Boxes, Labels, Predictions

NAN = float("nan")
coordinate = st.one_of(st.just(NAN), st.floats(-500, 2000, width=32), st.sampled_from([0.0, 1.0, 640.0]))


@st.composite
def cases(draw):
    """Draw predicted and labelled keypoints, (N, K, 2) each, with gaps and ties."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 4), st.just(2)))
    return [draw(hnp.arrays(float, shape, elements=coordinate)) for _ in range(2)]


def names_of(array):
    return [f"s/img{i:03d}.png" for i in range(array.shape[0])], [f"k{k}" for k in range(array.shape[1])]


def score(predicted, labelled, frames=None, columns=None):
    """Return the errors that the command writes, (N, K), in the order of the labels.

    `frames` and `columns` are the order in which the predictions are listed.
    """
    paths, names = names_of(labelled)
    frames = list(range(len(paths))) if frames is None else frames
    columns = list(range(len(names))) if columns is None else columns
    mixed = predicted[frames][:, columns]
    with TemporaryDirectory() as folder:
        labels_csv, predictions_csv = Path(folder) / "labels.csv", Path(folder) / "predictions.csv"
        write_labels(Labels(paths, names, labelled), labels_csv)
        listed = [paths[i] for i in frames], [names[k] for k in columns]
        write_predictions(Predictions(*listed, mixed, np.ones(mixed.shape[:2])), predictions_csv)
        assert main(["score", str(predictions_csv), str(labels_csv)]) == 0
        index, own, errors, _ = read_pixel_errors(Path(folder) / "predictions_pixel_error.csv")
    assert (index, own) == (paths, names)
    return errors


def errors_by_loops(predicted, labelled):
    result = []
    for own, other in zip(predicted.tolist(), labelled.tolist(), strict=True):
        row = []
        for (x, y), (u, v) in zip(own, other, strict=True):
            known = all(math.isfinite(value) for value in (x, y, u, v))
            row.append(math.hypot(x - u, y - v) if known else NAN)
        result.append(row)
    return result


def summary_by_loops(errors):
    known = sorted(value for row in errors for value in row if not math.isnan(value))
    if not known:
        return {"n": 0, "mean": NAN, "median": NAN, "p90": NAN}
    place = 0.9 * (len(known) - 1)
    low = math.floor(place)
    high = min(low + 1, len(known) - 1)
    return {
        "n": len(known),
        "mean": math.fsum(known) / len(known),
        "median": statistics.median(known),
        "p90": known[low] + (place - low) * (known[high] - known[low]),
    }


@settings(deadline=None, max_examples=40)
@given(cases())
def test_errors_are_those_of_the_loops(case) -> None:
    expected = errors_by_loops(*case)
    np.testing.assert_allclose(score(*case), expected, rtol=1e-12, atol=1e-12)
    own = summarize(np.array(expected))
    assert own == pytest.approx(summary_by_loops(expected), rel=1e-12, abs=1e-12, nan_ok=True)


@settings(deadline=None, max_examples=30)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_keypoints_does_not_matter(case, random) -> None:
    predicted, labelled = case
    frames, columns = (random.sample(range(size), size) for size in predicted.shape[:2])
    np.testing.assert_array_equal(score(predicted, labelled, frames, columns), score(predicted, labelled))


@settings(deadline=None, max_examples=30)
@given(cases())
def test_a_frame_twice_as_large_has_errors_twice_as_large(case) -> None:
    predicted, labelled = case
    np.testing.assert_array_equal(score(2 * predicted, 2 * labelled), 2 * score(predicted, labelled))


@settings(deadline=None, max_examples=30)
@given(cases(), st.integers(-300, 300))
def test_shifting_or_mirroring_everything_changes_no_error(case, shift) -> None:
    predicted, labelled = case
    errors = score(predicted, labelled)
    np.testing.assert_allclose(score(predicted + shift, labelled + shift), errors, atol=1e-9)
    mirror, width = np.array([-1.0, 1.0]), np.array([639.0, 0.0])
    mirrored = score(predicted * mirror + width, labelled * mirror + width)
    np.testing.assert_allclose(mirrored, errors, atol=1e-9)


def remap(keypoints_crop_px, xywh, crop_hw):
    paths, names = names_of(keypoints_crop_px)
    with TemporaryDirectory() as folder:
        predictions_csv, bbox_csv = Path(folder) / "predictions.csv", Path(folder) / "bbox.csv"
        confidence = np.ones(keypoints_crop_px.shape[:2])
        write_predictions(Predictions(paths, names, keypoints_crop_px, confidence), predictions_csv)
        write_bboxes(Boxes(paths, xywh), bbox_csv)
        output = Path(folder) / "remapped.csv"
        size = "{}x{}".format(*crop_hw)
        arguments = [str(predictions_csv), str(bbox_csv), "--output", str(output), "--crop_size", size]
        assert main(["remap", *arguments]) == 0
        return read_predictions(output).keypoints_px


def remap_by_loops(keypoints_crop_px, xywh, crop_hw):
    height, width = crop_hw
    result = []
    for points, (x, y, w, h) in zip(keypoints_crop_px.tolist(), xywh.tolist(), strict=True):
        result.append([[x - 0.5 + (u + 0.5) * w / width, y - 0.5 + (v + 0.5) * h / height]
                       for u, v in points])  # fmt: skip
    return result


@st.composite
def crops(draw):
    """Draw keypoints in crops (N, K, 2), boxes (N, 4), and the size of the crops."""
    keypoints = draw(cases())[0]
    corner, side = st.floats(-50, 900, width=32), st.floats(8, 700, width=32)
    xywh = [draw(st.tuples(corner, corner, side, side)) for _ in range(len(keypoints))]
    return keypoints, np.array(xywh), draw(st.tuples(*[st.sampled_from([32, 64, 100, 256])] * 2))


@settings(deadline=None, max_examples=30)
@given(crops())
def test_remapping_is_that_of_the_loops(case) -> None:
    keypoints, xywh, crop_hw = case
    found = remap(keypoints, xywh, crop_hw)
    expected = np.array(remap_by_loops(*case))
    unknown = ~np.isfinite(expected)
    np.testing.assert_array_equal(np.isnan(found), unknown)
    np.testing.assert_allclose(found[~unknown], expected[~unknown], rtol=1e-12, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(crops(), st.sampled_from([1.25, 1.5, 2.0, 3.0]))
def test_a_larger_crop_ratio_gives_the_same_labels_back(case, ratio) -> None:
    """The same animal in a larger box lies elsewhere in its crop, and at the same place in the frame."""
    keypoints, xywh, crop_hw = case
    frame = np.array(remap_by_loops(keypoints, xywh, crop_hw))
    margin = xywh[:, 2:] * (ratio - 1) / 2
    larger = np.concatenate([xywh[:, :2] - margin, xywh[:, 2:] * ratio], axis=1)
    in_larger = [
        [[(x + 0.5 - left) * crop_hw[1] / w - 0.5, (y + 0.5 - top) * crop_hw[0] / h - 0.5] for x, y in points]
        for points, (left, top, w, h) in zip(frame.tolist(), larger.tolist(), strict=True)
    ]
    np.testing.assert_allclose(remap(np.array(in_larger), larger, crop_hw), frame, atol=1e-6)
