"""One command at a time writes a file; no lock outlives who held it."""

import logging
import multiprocessing
import os
import signal

import pytest

from lightning_pose.io.files import alone, write_atomic
from lightning_pose.io.provenance import read_provenance, recorded

FORK = multiprocessing.get_context("fork")
MODULE = "lightning_pose.cli.score"
PATIENCE_S = 20


def hold(path, is_held, ends=None):
    with alone(path):
        is_held.set()
        (ends or FORK.Event()).wait()


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a file until it is told to end."""
    is_held, ends = FORK.Event(), FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path / "new" / "a.csv", is_held, ends))
    process.start()
    assert is_held.wait(PATIENCE_S)
    yield process, ends
    process.kill()
    process.join()


def test_nothing_is_left_of_a_lock(tmp_path) -> None:
    with alone(tmp_path / "new" / "a.csv") as waited:
        assert not waited and list((tmp_path / "new").iterdir())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_got_files_stays(tmp_path) -> None:
    with alone(tmp_path / "new" / "a.csv"):
        (tmp_path / "new" / "a.csv").write_text("")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.csv"]


def test_who_holds_a_lock_may_take_it_again(tmp_path) -> None:
    with alone(tmp_path / "a.csv"), alone(tmp_path / "a.csv") as waited:
        assert not waited
    with alone(tmp_path / "a.csv") as waited:
        assert not waited


def test_another_is_waited_for_and_that_is_said(tmp_path, holder, caplog) -> None:
    class End(logging.Handler):
        def emit(self, record):
            holder[1].set()

    logger = logging.getLogger("lightning_pose.io.files")
    handler = End()
    logger.addHandler(handler)
    try:
        with alone(tmp_path / "new" / "a.csv") as waited:
            assert waited
    finally:
        logger.removeHandler(handler)
    assert "waiting for another command that writes" in caplog.text
    assert not list((tmp_path / "new").iterdir())


def test_other_files_of_the_folder_are_free(tmp_path, holder) -> None:
    with alone(tmp_path / "new" / "b.csv") as waited:
        assert not waited


def test_a_lock_ends_with_who_was_killed(tmp_path, holder) -> None:
    process, _ = holder
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert list((tmp_path / "new").iterdir())
    with alone(tmp_path / "new" / "a.csv"):
        pass
    assert not list((tmp_path / "new").iterdir())


def test_where_no_lock_can_be_made_all_goes_on(tmp_path) -> None:
    (tmp_path / "a").write_text("")
    with alone(tmp_path / "a" / "b.csv") as waited:
        assert not waited


def test_a_folder_that_takes_no_files_is_given_up(tmp_path, monkeypatch) -> None:
    def refuse(*_):
        raise FileNotFoundError

    monkeypatch.setattr(os, "open", refuse)
    with alone(tmp_path / "a.csv") as waited:
        assert not waited


def test_what_another_command_put_in_place_meanwhile_is_not_told_as_ours(tmp_path) -> None:
    with recorded(["litpose", "score"], MODULE):
        for name in ("a.csv", "b.csv"):
            with write_atomic(tmp_path / name) as temporary:
                temporary.write_text("ours")
        (tmp_path / "theirs").write_text("more")
        os.replace(tmp_path / "theirs", tmp_path / "a.csv")
    assert set(read_provenance(tmp_path)["files"]) == {"b.csv"}
