"""SIGTERM, which schedulers send before they kill."""

import os
import signal

import pytest

from lightning_pose.cli import index_images
from lightning_pose.cli.main import main
from lightning_pose.io.files import write_atomic


def test_sigterm_leaves_nothing_half_written(tmp_path, monkeypatch) -> None:
    output = tmp_path / "images.json"

    def run(args):
        with write_atomic(args.output) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("still here")

    monkeypatch.setattr(index_images, "run", run)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        main(["index_images", "--labels", "a.csv", "--data_dir", ".", "--output", str(output)])
    assert left.value.code == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # until the process has ended
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_comes_of_the_signal_is_no_error(tmp_path, monkeypatch, number) -> None:
    """A pool of processes that is just starting raises an error of its own when it is left."""

    def run(args):
        try:
            os.kill(os.getpid(), number)
        finally:
            raise RuntimeError("cannot join thread before it is started")

    monkeypatch.setattr(index_images, "run", run)
    before = signal.getsignal(signal.SIGTERM)
    arguments = ["index_images", "--labels", "a.csv", "--data_dir", ".", "--output", str(tmp_path / "a.json")]
    try:
        code = main(arguments)
    except SystemExit as left:
        code = left.code
    finally:
        signal.signal(signal.SIGTERM, before)
    assert code == 128 + number
