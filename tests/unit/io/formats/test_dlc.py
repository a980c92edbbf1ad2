"""DeepLabCut projects in both index layouts."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.data.check import check_dataset
from lightning_pose.io.formats.data_folder import IND_CSV, OOD_CSV
from lightning_pose.io.formats.dlc import convert_dlc
from lightning_pose.io.labels import read_labels
from lightning_pose.types import UserError

HEADS = (["scorer", "s", "s"], ["bodyparts", "nose", "nose"], ["coords", "x", "y"])


def make_session(project: Path, session: str, split_index: bool, first: int = 0, text: str = "1.5") -> None:
    folder = project / "labeled-data" / session
    folder.mkdir(parents=True)
    lines = [",".join([head[0], *["", ""] * split_index, *head[1:]]) for head in HEADS]
    for i in range(first, first + 3):
        Image.new("RGB", (20, 10), (i, 0, 0)).save(folder / f"img{i:04d}.png")
        separator = "," if split_index else "/"
        lines.append(separator.join(["labeled-data", session, f"img{i:04d}.png"]) + f",{i},{text}")
    (folder / "CollectedData_s.csv").write_text("\n".join(lines) + "\n")


def test_both_layouts_in_one_project(tmp_path):
    project, output = tmp_path / "project", tmp_path / "data"
    make_session(project, "a", split_index=False)
    make_session(project, "b", split_index=True, first=3)
    (project / "videos").mkdir()
    (project / "videos" / "v.mp4").write_bytes(b"film")
    before = sorted(project.rglob("*"))
    convert_dlc(project, output, ood_start=4)
    ind, ood = read_labels(output / "CollectedData.csv"), read_labels(output / "CollectedData_new.csv")
    assert ind.image_paths[3] == "labeled-data/b/img0003.png" and len(ood.image_paths) == 2
    np.testing.assert_array_equal(ood.keypoints_px[:, 0], [[4, 1.5], [5, 1.5]])
    assert all((output / path).is_file() for path in ind.image_paths + ood.image_paths)
    assert (output / "videos" / "v.mp4").read_bytes() == b"film"
    assert sorted(project.rglob("*")) == before


def test_identical_images_are_left_alone(tmp_path):
    make_session(tmp_path / "p", "a", split_index=True)
    convert_dlc(tmp_path / "p", tmp_path / "d")
    image = tmp_path / "d" / "labeled-data" / "a" / "img0000.png"
    os.utime(image, (1, 1))
    convert_dlc(tmp_path / "p", tmp_path / "d")
    assert image.stat().st_mtime == 1


def test_errors_name_the_projects_own_files_all_at_once(tmp_path):
    make_session(tmp_path, "a", split_index=True, text="x")
    make_session(tmp_path, "b", split_index=False, text="x")
    with pytest.raises(UserError) as error:
        convert_dlc(tmp_path, tmp_path / "d")
    assert len(error.value.problems) == 6
    assert f"{tmp_path}/labeled-data/a/CollectedData_s.csv, row 4" in str(error.value)
    assert not (tmp_path / "d").exists()


def test_several_animals_are_refused(tmp_path):
    make_session(tmp_path, "a", split_index=False)
    path = tmp_path / "labeled-data" / "a" / "CollectedData_s.csv"
    head, rest = path.read_text().split("\n", 1)
    path.write_text(f"{head}\nindividuals,m1,m1\n{rest}")
    with pytest.raises(UserError, match="single animal"):
        convert_dlc(tmp_path, tmp_path / "d")


@pytest.mark.parametrize("ood_start", [0, 3, -1])
def test_a_start_beyond_the_frames_is_refused(tmp_path, ood_start):
    make_session(tmp_path, "a", split_index=False)
    with pytest.raises(UserError, match="--ood_start"):
        convert_dlc(tmp_path, tmp_path / "d", ood_start)


def test_missing_images_and_paths_that_leave_the_project_are_refused(tmp_path):
    make_session(tmp_path, "a", split_index=False)
    (tmp_path / "labeled-data" / "a" / "img0001.png").unlink()
    with pytest.raises(UserError, match=r"img0001.png: expected a labelled image"):
        convert_dlc(tmp_path, tmp_path / "d")
    path = tmp_path / "labeled-data" / "a" / "CollectedData_s.csv"
    path.write_text(path.read_text().replace("labeled-data/a/img0001", "../img0001"))
    Image.new("RGB", (2, 2)).save(tmp_path.parent / "img0001.png")
    with pytest.raises(UserError, match="inside"):
        convert_dlc(tmp_path, tmp_path / "d")


def test_two_files_that_label_one_image_are_refused(tmp_path):
    make_session(tmp_path, "a", split_index=False)
    folder = tmp_path / "labeled-data" / "a"
    (folder / "CollectedData_t.csv").write_text((folder / "CollectedData_s.csv").read_text())
    with pytest.raises(UserError, match=r"labeled-data/a/img0000.png twice"):
        convert_dlc(tmp_path, tmp_path / "d")


@pytest.mark.parametrize("source", ["project", "project/labeled-data/a/CollectedData_s.csv"])
def test_images_may_lie_elsewhere(tmp_path, source):
    project, images = tmp_path / "project", tmp_path / "images" / "labeled-data"
    make_session(project, "a", split_index=True)
    (images / "a").mkdir(parents=True)
    for image in (project / "labeled-data" / "a").glob("*.png"):
        image.rename(images / "a" / image.name)
    command = ["convert", "dlc", str(tmp_path / source), str(tmp_path / "d")]
    assert main([*command, "--image_dir", str(images.parent)]) == 0
    assert (tmp_path / "d" / "labeled-data" / "a" / "img0002.png").is_file()


def test_frames_that_are_left_out_move_no_other_to_another_set(tmp_path):
    make_session(tmp_path, "a", split_index=False)
    make_session(tmp_path, "b", split_index=False, first=3)
    (tmp_path / "labeled-data" / "a" / "img0001.png").unlink()
    command = ["convert", "dlc", str(tmp_path), str(tmp_path / "d"), "--skip_missing", "--ood_start", "3"]
    assert main(command) == 0
    sets = [read_labels(tmp_path / "d" / name).image_paths for name in (IND_CSV, OOD_CSV)]
    assert sets[0] == ["labeled-data/a/img0000.png", "labeled-data/a/img0002.png"]
    assert sets[1] == [f"labeled-data/b/img000{i}.png" for i in (3, 4, 5)]
    for name in ("img0000.png", "img0002.png"):
        (tmp_path / "labeled-data" / "a" / name).unlink()
    assert main(command) == 2


def test_a_start_without_two_sets_to_write_is_refused(tmp_path, capsys):
    make_session(tmp_path, "a", split_index=False)
    assert main(["convert", "dlc", str(tmp_path), str(tmp_path / "all.csv"), "--ood_start", "1"]) == 2
    assert "--ood_start: expected a data folder" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [".csv", ".h5"])
def test_labels_in_a_project_are_not_written_over(tmp_path, capsys, kept):
    project, labels = tmp_path / "project", tmp_path / "next" / "CollectedData.csv"
    make_session(tmp_path / "next", "a", split_index=False)
    os.replace(tmp_path / "next" / "labeled-data" / "a" / "CollectedData_s.csv", labels)
    convert = ["convert", "litpose", str(labels), str(project), "--to", "dlc"]
    assert main(convert) == 0 and main(convert) == 0  # the same labels again
    (file,) = (project / "labeled-data" / "a").glob(f"*{kept}")
    for other in {".csv", ".h5"} - {kept}:
        file.with_suffix(other).unlink()
    before = file.read_bytes()
    first, *others = labels.read_text().splitlines()[3:]
    labels.write_text("\n".join([",".join(head) for head in HEADS] + [f"{first.split(',')[0]},,", *others]))
    capsys.readouterr()
    assert main(convert) == 2
    error = capsys.readouterr().err
    assert file.name in error
    assert "1 labelled frames that would be lost, such as labeled-data/a/img0000.png" in error
    assert file.read_bytes() == before


def test_labels_in_a_data_folder_are_not_written_over(tmp_path, capsys):
    make_session(tmp_path / "all", "a", split_index=True)
    make_session(tmp_path / "next", "b", split_index=True)
    folder = tmp_path / "data"
    convert = ["convert", "dlc", str(tmp_path / "next"), str(folder)]
    assert main(["convert", "dlc", str(tmp_path / "all"), str(folder), "--ood_start", "2"]) == 0
    assert main(convert) == 0 and not (folder / OOD_CSV).exists()  # the others can be converted again
    with open(folder / IND_CSV, "a") as file:
        file.write("labeled-data/b/img0009.png,4,5\n")  # labelled by hand
    before = (folder / IND_CSV).read_bytes()
    assert main(convert) == 2
    assert f"{IND_CSV}: expected no labels but those to be written" in capsys.readouterr().err
    assert (folder / IND_CSV).read_bytes() == before


@pytest.mark.parametrize(("ood_start", "shared"), [("3", False), ("4", True)])
def test_a_session_in_both_sets_is_told(tmp_path, capsys, ood_start, shared):
    for session in "ab":
        make_session(tmp_path, session, split_index=True)
    assert main(["convert", "dlc", str(tmp_path), str(tmp_path / "data"), "--ood_start", ood_start]) == 0
    told = "labeled-data/b: 1 frames in distribution and 2 out of it"
    assert (told in capsys.readouterr().err) is shared


@pytest.mark.skipif("OPENFIELD_DIR" not in os.environ, reason="OPENFIELD_DIR names no DeepLabCut project")
def test_the_open_field_of_the_examples(tmp_path):
    """A real project: every frame is converted, nothing is wrong with it, and no frame is in both sets."""
    names = ["snout", "leftear", "rightear", "tailbase"]
    convert_dlc(Path(os.environ["OPENFIELD_DIR"]), tmp_path, ood_start=45)
    csvs = [tmp_path / "CollectedData.csv", tmp_path / "CollectedData_new.csv"]
    assert check_dataset(tmp_path, csvs, names) == []
    ind, ood = (read_labels(csv) for csv in csvs)
    assert len(ind.image_paths) == 45 and len(ood.image_paths) >= 35
    assert not set(ind.image_paths) & set(ood.image_paths)
    assert np.isfinite(ind.keypoints_px).mean() > 0.9
