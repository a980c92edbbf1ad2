"""Places for output are looked at without leaving anything."""

from collections import namedtuple

import pytest

from lightning_pose.io.destination import check_destinations
from lightning_pose.types import UserError

Usage = namedtuple("Usage", "total used free")


def test_places_that_can_be_written_stay_as_they_are(tmp_path) -> None:
    (tmp_path / "old.csv").write_text("old")
    check_destinations([tmp_path / "old.csv", tmp_path / "new" / "folder" / "a.csv"], 1)
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "old"


def test_a_relative_path_is_looked_for_here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    check_destinations([type(tmp_path)("a.csv")])
    with pytest.raises(UserError, match="a folder to write into"):
        check_destinations([type(tmp_path)("file/a.csv")])


def test_everything_wrong_is_told_once(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught:
        check_destinations([tmp_path / "file" / "a", tmp_path / "file" / "b", tmp_path])
    assert [problem.found for problem in caught.value.problems] == [
        f"{tmp_path / 'file'}, a file",
        "a folder",
    ]
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, 1_500_000))
    check_destinations([tmp_path / "a"], 1_400_000)
    with pytest.raises(UserError, match=r"room for about 1\.6 MB, found 1\.5 MB on the disk of"):
        check_destinations([tmp_path / "a", tmp_path / "b"], 1_600_000)
