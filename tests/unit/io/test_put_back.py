"""Files with other contents and old times are found, copies are left alone."""

import json
import os
import shutil
from pathlib import Path

import pytest

from lightning_pose.io.files import sha256
from lightning_pose.io.put_back import renew_put_back, renew_replaced

LONG_AGO = 946684800


@pytest.fixture
def seen(tmp_path):
    """Two files that were seen, with their digests."""
    for name in "ab":
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    digests = {str(tmp_path / name): sha256(tmp_path / name) for name in "ab"}
    assert renew_put_back(digests, tmp_path / "seen.json") == []
    return digests, tmp_path / "seen.json"


def put_back(path: str, text: str) -> None:
    Path(path).write_text(text)
    os.utime(path, (LONG_AGO, LONG_AGO))


def test_nothing_happened(seen) -> None:
    assert renew_put_back(*seen) == []
    assert all(os.stat(path).st_mtime == LONG_AGO for path in seen[0])


def test_another_content_of_the_same_size_and_time(seen) -> None:
    first, other = seen[0]
    put_back(first, "c")
    assert renew_put_back(*seen) == [first]
    assert os.stat(first).st_mtime > LONG_AGO and os.stat(other).st_mtime == LONG_AGO
    assert renew_put_back(*seen) == []


def test_without_a_digest_who_asks_looks_into_it(seen) -> None:
    first = next(iter(seen[0]))
    put_back(first, "a")
    assert renew_put_back({**seen[0], first: None}, seen[1]) == [first]


def test_a_copy_is_left_alone(seen, tmp_path) -> None:
    (tmp_path / "copy").mkdir()
    for path in (*seen[0], seen[1]):
        shutil.copy2(path, tmp_path / "copy")
        Path(path).unlink()
        shutil.copy2(tmp_path / "copy" / Path(path).name, path)
    before = json.loads(seen[1].read_text())
    assert renew_put_back(*seen) == []
    assert json.loads(seen[1].read_text()) != before  # whose contents need not be looked at again
    assert all(os.stat(path).st_mtime == LONG_AGO for path in seen[0])


def test_what_is_gone_or_new_is_no_matter(seen, tmp_path) -> None:
    first, _ = seen[0]
    Path(first).unlink()
    (tmp_path / "new").write_text("")
    assert renew_put_back({**seen[0], str(tmp_path / "new"): None}, seen[1]) == []


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_index_is_written_anew(seen, text) -> None:
    seen[1].write_text(text)
    assert renew_put_back(*seen) == []
    assert set(json.loads(seen[1].read_text())) == set(seen[0])


def test_a_time_that_cannot_be_set_is_told_of_each_time(seen, monkeypatch, caplog) -> None:
    def refuse(path):
        raise PermissionError(1, "Operation not permitted")

    put_back(next(iter(seen[0])), "c")
    monkeypatch.setattr(os, "utime", refuse)
    for _ in range(2):
        assert renew_put_back(*seen) == []
    assert caplog.text.count("changed, and it cannot be given the present time") == 2


@pytest.fixture
def replaceable(tmp_path):
    """Two files that were seen, and the index of them."""
    paths, index = [str(tmp_path / name) for name in "ab"], tmp_path / "index.json"
    for path in paths:
        put_back(path, "content")
        assert renew_replaced([path], index) == []
    return paths, index


@pytest.mark.parametrize("seconds", [LONG_AGO - 7, LONG_AGO + 7])
def test_another_file_in_the_place_of_one_counts_as_new_once(replaceable, seconds) -> None:
    (first, other), index = replaceable
    os.utime(first, (seconds, seconds))
    assert renew_replaced([other, first], index) == [first]
    assert os.stat(first).st_mtime > seconds and os.stat(other).st_mtime == LONG_AGO
    assert renew_replaced([first], index) == renew_replaced([other], index) == []


def test_links_and_files_that_are_gone_do_not_count(replaceable, tmp_path) -> None:
    (first, other), index = replaceable
    os.link(first, tmp_path / "link")
    os.chmod(first, 0o600)
    os.unlink(other)
    assert renew_replaced([first, other], index) == []
