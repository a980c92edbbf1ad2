"""What the command does around every subcommand."""

import threading

import pytest

from lightning_pose.cli import index_images
from lightning_pose.cli.main import main


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("debug", [False, True])
def test_a_thread_that_fails_is_told_in_one_line(tmp_path, monkeypatch, capsys, debug) -> None:
    def fail():
        raise OSError("the disk is gone")

    def run(args):
        thread = threading.Thread(target=fail, name="writer")
        thread.start()
        thread.join()

    monkeypatch.setattr(index_images, "run", run)
    before = threading.excepthook
    arguments = ["index_images", "--labels", "a.csv", "--data_dir", ".", "--output", str(tmp_path / "a.json")]
    assert main([*arguments, *(["--debug"] if debug else [])]) == 0
    assert threading.excepthook is before
    if not debug:
        told = capsys.readouterr().err
        assert "writer ended: OSError: the disk is gone" in told and "Traceback" not in told
