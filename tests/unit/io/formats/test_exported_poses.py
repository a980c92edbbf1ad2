"""Long tables and netCDF: everything is where it should be, read by the tools that analyses use."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_pose.cli.main import main
from lightning_pose.io.formats import movement_dataset
from lightning_pose.io.predictions import SMOOTHED, VARIANCES, read_predictions, write_predictions
from lightning_pose.types import Predictions

NAN = float("nan")
NAMES = ["beak", "tail"]
FORMULAS = ["=1+1", "@SUM(A1)", "-2", "+x", "böse,;\"'"]


def made_up(frames: int = 5, seed: int = 0, further=(), first: int = 0, names=NAMES) -> Predictions:
    rng = np.random.default_rng(seed)
    shape = (frames, len(names))
    keypoints_px = rng.normal(300, 100, (*shape, 2))
    keypoints_px[1, 0] = NAN
    columns = {name: rng.random(shape) for name in further}
    index = list(range(first, first + frames))
    return Predictions(index, list(names), keypoints_px, rng.random(shape), further=columns)


def written(folder: Path, *tables: Predictions) -> list[str]:
    paths = [folder / f"predictions_{i}.csv" for i in range(len(tables))]
    for table, path in zip(tables, paths, strict=True):
        write_predictions(table, path)
    return [str(path) for path in paths]


def exported(folder: Path, name: str, paths: list[str], *options: str) -> Path:
    output = folder / "out" / name
    assert main(["export_poses", *paths, "--output", str(output), *options]) == 0
    return output


def long_rows(output: Path) -> list[dict[str, object]]:
    """Return the rows of a long table; None is nothing."""
    if output.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        return parquet.read_table(output).to_pylist()
    with open(output, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = ("source", "keypoint", "image", "set")

    def parsed(key: str, value: str) -> object:
        return None if value == "" else value if key in texts else float(value)

    return [{key: parsed(key, value) for key, value in row.items()} for row in rows]


def cells(table: Predictions, row: int, k: int) -> dict[str, object]:
    numbers = {"x": table.keypoints_px[row, k, 0], "y": table.keypoints_px[row, k, 1]}
    numbers |= {"likelihood": table.confidence[row, k]}
    numbers |= {name: own[row, k] for name, own in table.further.items()}
    return {key: None if np.isnan(value) else float(value) for key, value in numbers.items()}


# long tables


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_long_table_has_a_row_for_each_keypoint_of_each_frame(tmp_path, suffix) -> None:
    tables = [made_up(5, 0, VARIANCES), made_up(3, 1, first=7, names=["claw", "tail", "eye"])]
    paths = written(tmp_path, *tables)
    rows = long_rows(exported(tmp_path, f"poses{suffix}", paths, "--names", "seed 0", "seed 1"))
    expected = [
        {"source": source, "frame": frame, "keypoint": name, **dict.fromkeys(VARIANCES), **cells(own, i, k)}
        for source, own in zip(("seed 0", "seed 1"), tables, strict=True)
        for i, frame in enumerate(own.index)
        for k, name in enumerate(own.keypoint_names)
    ]
    assert rows == expected


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(2, 9), seed=st.integers(0, 1000), smoothed=st.booleans())
def test_numbers_are_exactly_those_of_the_predictions(tmp_path_factory, frames, seed, smoothed) -> None:
    folder = tmp_path_factory.mktemp("long")
    table = made_up(frames, seed, SMOOTHED if smoothed else ())
    paths = written(folder, table)
    both = [long_rows(exported(folder, f"poses{suffix}", paths)) for suffix in (".parquet", ".csv")]
    assert both[0] == both[1]
    assert [row["x"] for row in both[0]] == [cells(table, i, k)["x"] for i in range(frames) for k in range(2)]
    assert set(both[0][0]) == {"source", "frame", "keypoint", *cells(table, 0, 0)}
    assert both[0][0]["source"] == paths[0]


def test_labelled_frames_keep_their_images_and_sets(tmp_path) -> None:
    own = made_up(2)
    splits = ["train", "test"]
    labelled = Predictions(["a/1.png", "=b/2.png"], NAMES, own.keypoints_px, own.confidence, splits)
    paths = written(tmp_path, labelled)
    rows = long_rows(exported(tmp_path, "poses.parquet", paths))
    assert [(row["image"], row["set"]) for row in rows] == [("a/1.png", "train")] * 2 + [
        ("=b/2.png", "test")
    ] * 2
    assert "frame" not in rows[0]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_boxes_stand_beside_each_keypoint(tmp_path, suffix) -> None:
    tables = replace(made_up(2), xywh_frame_px=np.array([[1.0, 2, 30, 40], [5, NAN, 70, 80]])), made_up(2)
    rows = long_rows(exported(tmp_path, f"poses{suffix}", written(tmp_path, *tables)))
    boxes = [tuple(row[f"bbox_{name}"] for name in "xyhw") for row in rows]
    expected = [(1, 2, 40, 30)] * 2 + [(5, None, 80, 70)] * 2 + [(None,) * 4] * 4
    assert boxes == expected


def test_in_csv_what_looks_like_a_formula_stays_text(tmp_path) -> None:
    table = made_up(2, names=FORMULAS)
    paths = written(tmp_path, table)
    output = exported(tmp_path, "poses.csv", paths, "--names==cmd")
    shown = [row["keypoint"] for row in long_rows(output)][: len(FORMULAS)]
    assert shown == ["'=1+1", "'@SUM(A1)", "'-2", "'+x", FORMULAS[-1]]
    assert long_rows(output)[0]["source"] == "'=cmd"
    exact = long_rows(exported(tmp_path, "poses.parquet", paths))
    assert [row["keypoint"] for row in exact][: len(FORMULAS)] == FORMULAS


# netCDF


def read_netcdf(path: Path) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]], dict[str, object]]:
    """Return arrays, their dimensions and the attributes of a file, with scipy alone."""
    from scipy.io import netcdf_file

    with netcdf_file(path, mmap=False) as file:
        arrays = {}
        for name, variable in file.variables.items():
            own = np.array(variable[:])
            is_text = own.dtype.kind == "S"
            arrays[name] = [b"".join(row).rstrip(b"\0").decode() for row in own] if is_text else own
        dims = {name: variable.dimensions for name, variable in file.variables.items()}
        return arrays, dims, dict(file._attributes)


@pytest.mark.parametrize("fps", [None, 50.0])
def test_netcdf_has_positions_by_time_space_keypoint_and_individual(tmp_path, fps) -> None:
    table = made_up(6, 2, SMOOTHED, first=10, names=["bec", "Füße"])
    options = [] if fps is None else ["--fps", str(fps)]
    arrays, dims, attributes = read_netcdf(exported(tmp_path, "poses.nc", written(tmp_path, table), *options))
    assert dims["position"] == ("time", "space", "keypoints", "individuals")
    assert dims["confidence"] == ("time", "keypoints", "individuals")
    np.testing.assert_array_equal(arrays["position"][:, 1, 0, 0], table.keypoints_px[:, 0, 1])
    np.testing.assert_array_equal(arrays["confidence"][..., 0], table.confidence)
    expected = table.further["y_posterior_var"]
    np.testing.assert_array_equal(arrays["posterior_variance"][:, 1, :, 0], expected)
    frames = np.arange(10, 16)
    np.testing.assert_array_equal(arrays["time"], frames if fps is None else frames / fps)
    assert arrays["keypoints"] == ["bec", "Füße"] and arrays["space"] == ["x", "y"]
    assert attributes["time_unit"] == (b"frames" if fps is None else b"seconds")
    assert attributes.get("fps") == fps


def test_several_files_lie_along_a_further_dimension(tmp_path) -> None:
    tables = [made_up(4, 0, VARIANCES), made_up(4, 1)]
    options = ["--names", "seed_0", "the_ensemble"]
    arrays, dims, _ = read_netcdf(exported(tmp_path, "poses.nc", written(tmp_path, *tables), *options))
    assert dims["position"] == ("source", "time", "space", "keypoints", "individuals")
    assert arrays["source"] == ["seed_0", "the_ensemble"]
    np.testing.assert_array_equal(arrays["position"][1, :, 0, :, 0], tables[1].keypoints_px[..., 0])
    variance = arrays["ensemble_variance"]  # of one only
    np.testing.assert_array_equal(variance[0, :, 0, :, 0], tables[0].further[VARIANCES[0]])
    assert np.isnan(variance[1]).all()


def test_more_than_the_format_takes_is_refused(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(movement_dataset, "LARGEST", 4 * 2 * 2 * 8 - 1)
    paths = written(tmp_path, made_up(4))
    assert main(["export_poses", *paths, "--output", str(tmp_path / "poses.nc")]) == 2
    assert "expected positions of at most 127 bytes" in capsys.readouterr().err


COMPARE = """
import sys
import numpy as np
import xarray
from movement.io import load_poses
from movement.kinematics import compute_velocity

netcdf, plain, fps = sys.argv[1:]
fps = None if fps == "None" else float(fps)
own, theirs = xarray.open_dataset(netcdf), load_poses.from_lp_file(plain, fps=fps)
for name in ("position", "confidence"):
    assert own[name].dims == theirs[name].dims, (own[name].dims, theirs[name].dims)
    np.testing.assert_array_equal(own[name], theirs[name])
for name, coordinate in theirs.coords.items():
    assert own.coords[name].to_numpy().tolist() == coordinate.to_numpy().tolist(), name
for key in ("source_software", "ds_type", "time_unit", "fps"):
    assert own.attrs.get(key) == theirs.attrs.get(key), key
own_velocity, their_velocity = (compute_velocity(data.position) for data in (own, theirs))
np.testing.assert_allclose(own_velocity, their_velocity)
assert np.isfinite(own_velocity).any()
print("the same", theirs.sizes)
"""


@pytest.mark.parametrize("fps", [None, 50.0])
def test_movement_reads_from_the_file_what_it_reads_from_the_predictions(tmp_path, fps) -> None:
    python = os.environ.get("MOVEMENT_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import movement"], capture_output=True).returncode:
        pytest.skip("no movement (pip install movement; MOVEMENT_PYTHON names the Python that has it)")
    table = made_up(20, 3, SMOOTHED, names=["bec", "Füße", "tail"])
    (path,) = written(tmp_path, table)
    output = exported(tmp_path, "poses.nc", [path], *([] if fps is None else ["--fps", str(fps)]))
    plain = tmp_path / "plain.csv"
    write_predictions(replace(table, further={}), plain)
    command = [python, "-c", COMPARE, str(output), str(plain), str(fps)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "the same" in done.stdout, done.stderr[-3000:]


# what cannot be exported


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("poses.xlsx", [], "expected a name that ends in .parquet or .csv or .nc, found .xlsx"),
        ("poses.nc", ["--fps", "0"], "--fps: expected a number above 0, found 0.0"),
        ("poses.csv", ["--names", "a"], "--names: expected 2 different names, one for each file, found a"),
        ("poses.csv", ["--names", "a", "a"], "--names: expected 2 different names"),
    ],
)
def test_impossible_options_are_named(tmp_path, capsys, name, options, expected) -> None:
    paths = written(tmp_path, made_up(), made_up(seed=1))
    assert main(["export_poses", *paths, "--output", str(tmp_path / name), *options]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("other", "name", "expected"),
    [
        (made_up(4), "poses.nc", "expected frames as in"),
        (made_up(5, first=2), "poses.nc", "0 to 4, found 2 to 6"),
        (made_up(names=["beak", "claw"]), "poses.nc", "header: expected keypoints as in"),
        (replace(made_up(2), index=["a.png", "b.png"]), "poses.nc", "expected frame numbers"),
        (replace(made_up(2), index=["a.png", "b.png"]), "poses.csv", "expected rows named by frame numbers"),
    ],
)
def test_files_that_do_not_go_together_are_named(tmp_path, capsys, other, name, expected) -> None:
    paths = written(tmp_path, made_up(), other)
    assert main(["export_poses", *paths, "--output", str(tmp_path / name)]) == 2
    message = capsys.readouterr().err
    assert expected in message and paths[1] in message
    assert not (tmp_path / name).exists()


def test_an_image_among_frames_is_named(tmp_path, capsys) -> None:
    paths = written(tmp_path, replace(made_up(2), index=["0", "a.png"]))
    assert main(["export_poses", *paths, "--output", str(tmp_path / "poses.csv")]) == 2
    assert "expected a frame number in each row" in capsys.readouterr().err


def test_no_file_is_no_traceback(tmp_path, capsys) -> None:
    assert main(["export_poses", str(tmp_path / "no.csv"), "--output", str(tmp_path / "poses.csv")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_tables_read_back_by_pandas(tmp_path) -> None:
    pandas = pytest.importorskip("pandas")
    table = made_up(5)
    (path,) = written(tmp_path, table)
    frame = pandas.read_csv(exported(tmp_path, "poses.csv", [path]))
    wide = frame.pivot(index="frame", columns="keypoint", values="x")[NAMES]
    np.testing.assert_array_equal(wide.to_numpy(), read_predictions(path).keypoints_px[..., 0])
