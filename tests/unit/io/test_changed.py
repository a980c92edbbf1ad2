"""What is not as ``provenance.json`` tells is found, without reading what has not changed."""

import os
from pathlib import Path

import pytest

from lightning_pose.io import changed
from lightning_pose.io.changed import (
    PROVENANCE_FILE,
    REFUSED_IN,
    changed_files,
    check_unchanged,
    have_looked_into,
    not_replaced,
    set_aside,
)
from lightning_pose.io.provenance import add_run
from lightning_pose.io.put_back import stamp_of
from lightning_pose.types import UserError

LONG_AGO = 946684800


@pytest.fixture
def results(tmp_path) -> Path:
    """A folder with two files, and what tells of them."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"of {name}")
    add_run(tmp_path, {"inputs": {}, "command": ["litpose"]}, ["a.csv", "b.csv"])
    return tmp_path


@pytest.fixture
def files_read(monkeypatch) -> list[str]:
    """The names of the files that were read through."""
    read = []
    digest = changed.sha256
    monkeypatch.setattr(changed, "sha256", lambda path: (read.append(Path(path).name), digest(path))[1])
    return read


def look(folder: Path, seen=None):
    now = {}
    return [path.name for path in changed_files(folder, seen or {}, now)], now


def test_changed_and_cut_files_are_found_each_time(results, files_read) -> None:
    (results / "a.csv").write_text("OF a.csv")
    (results / "b.csv").write_text("of")
    found, seen = look(results)
    assert found == ["a.csv", "b.csv"] and files_read == ["a.csv"]  # the other one by its size
    assert look(results, seen)[0] == ["a.csv", "b.csv"]


def test_a_change_is_found_whatever_was_noted_since(results) -> None:
    """Another command that writes into the folder tells of its own files only."""
    (results / "a.csv").write_text("OF a.csv")
    (results / "c.csv").write_text("c")
    add_run(results, {"inputs": {}, "command": ["litpose", "score"]}, ["c.csv"])
    assert look(results)[0] == ["a.csv"]


def test_whole_files_are_read_once(results, files_read) -> None:
    found, seen = look(results)
    assert found == [] and files_read == ["a.csv", "b.csv"]
    assert look(results, seen) == ([], seen) and len(files_read) == 2
    (results / "b.csv").write_text("OF b.csv")
    os.utime(results / "b.csv", (LONG_AGO, LONG_AGO))  # the old time, which its change time betrays
    assert look(results, seen)[0] == ["b.csv"]


def test_a_file_that_comes_back_is_looked_into(results) -> None:
    (results / "a.csv").unlink()
    found, seen = look(results)
    assert found == []
    (results / "a.csv").write_text("OF a.csv")
    assert look(results, seen)[0] == ["a.csv"]


def test_damage_that_was_noticed_by_a_reader_is_looked_into(results) -> None:
    """Decay changes no times; who reads a file and finds it damaged gives it another one."""
    _, seen = look(results)
    (results / "a.csv").write_text("OF a.csv")
    seen[str(results)]["a.csv"] = stamp_of(results / "a.csv")
    assert look(results, seen)[0] == []
    have_looked_into(results / "a.csv")
    assert look(results, seen)[0] == ["a.csv"]


@pytest.mark.parametrize("content", ["", "[1]", '{"files": 3}', '{"files": {"a.csv": 1}}'])
def test_nothing_is_said_where_nothing_is_told(results, content) -> None:
    (results / PROVENANCE_FILE).write_text(content)
    (results / "a.csv").write_text("OF a.csv")
    assert look(results)[0] == []


def test_earlier_files_that_were_set_aside_stay(results) -> None:
    kept = []
    for text in ("first", "second", "third"):
        (results / "a.csv").write_text(text)
        kept.append(set_aside(results / "a.csv"))
    assert [path.name for path in kept] == ["a.csv.changed", "a.csv.changed2", "a.csv.changed3"]
    assert [path.read_text() for path in kept] == ["first", "second", "third"]


def test_what_was_set_aside_is_waited_for(results) -> None:
    names = ["a.csv.changed", "a.csv.changed2", "b.csv", "b.csv.changed"]
    assert not_replaced(results, names) == [results / "a.csv"]


def test_readers_warn_of_changes_and_jobs_refuse_them(results, caplog, monkeypatch) -> None:
    check_unchanged(results / "a.csv")
    assert not caplog.messages
    (results / "a.csv").write_text("OF a.csv")
    check_unchanged(results / "a.csv")
    assert "a.csv: not what the command wrote" in caplog.text
    monkeypatch.setenv(REFUSED_IN, str(results / "elsewhere"))
    check_unchanged(results / "a.csv")
    monkeypatch.setenv(REFUSED_IN, str(results))
    with pytest.raises(UserError, match=r"a\.csv: expected what the command wrote"):
        check_unchanged(results / "a.csv")
