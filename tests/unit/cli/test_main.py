"""What the command does around every subcommand."""

import subprocess
import sys
import threading

import pytest

from lightning_pose.cli import index_images
from lightning_pose.cli.main import main
from lightning_pose.types import UserError


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


@pytest.mark.parametrize(
    "arguments", [["--debug", "remap", "a.csv", "b.csv"], ["remap", "a.csv", "b.csv", "--debug"]]
)
def test_the_traceback_may_be_asked_for_before_or_behind_the_command(arguments) -> None:
    with pytest.raises(UserError, match=r"a\.csv: expected a CSV file, found no such file"):
        main(arguments)
    assert main([argument for argument in arguments if argument != "--debug"]) == 2


@pytest.fixture
def score(tmp_path, monkeypatch):
    """Run `litpose score` on files of two frames, with options that it shall refuse before it reads any."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("predictions.csv", "labels.csv"):
        (folder / name).write_text(name)

    def run(*options) -> int:
        monkeypatch.setattr("lightning_pose.cli.score.run", lambda args: pytest.fail("it worked"))
        own = ["score", folder / "predictions.csv", folder / "labels.csv", *options]
        return main([str(argument) for argument in own])

    return folder, run


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("{}", "{}: expected a file to write, found a folder"),
        ("{}/labels.csv", "{}/labels.csv: expected a file to write other than those that are read, found"),
        ("{}/../files/labels.csv", "other than those that are read, found {}/labels.csv"),
        ("{}/link.csv", "{}/link.csv: expected a file to write other than those that are read, found"),
        ("{}/labels.csv/new.csv", "{}/labels.csv/new.csv: expected a folder to write into"),
        ("/proc/1/x.csv", "/proc/1/x.csv: expected a folder that can be written, found /proc/1"),
    ],
)
def test_outputs_are_looked_at_before_any_work(score, capsys, output, message) -> None:
    folder, run = score
    (folder / "link.csv").symlink_to(folder / "labels.csv")
    before = sorted(path.name for path in folder.iterdir())
    assert run("--output", output.format(folder)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message.format(folder) in lines[0]
    assert sorted(path.name for path in folder.iterdir()) == before
    assert (folder / "labels.csv").read_text() == "labels.csv"


def test_two_outputs_in_one_file_are_refused(tmp_path, capsys) -> None:
    for name in ("a.csv", "./x/../a.csv"):
        outputs = ["--output", str(tmp_path / "a.csv"), "--output_bbox", str(tmp_path / name)]
        assert main(["predict", "model", "film.mp4", *outputs]) == 2
        assert "--output_bbox: expected another file than --output, found" in capsys.readouterr().err


def test_files_in_lists_of_arguments_are_read_too(tmp_path, capsys) -> None:
    for name in ("labels.csv", "predictions.csv"):
        (tmp_path / name).write_text("")
    files = [str(tmp_path / name) for name in ("labels.csv", "predictions.csv")]
    assert main(["calibrate", "--set", "InD", *files, "--output", files[1]]) == 2
    assert f"{files[1]}: expected a file to write other than those" in capsys.readouterr().err


def test_a_working_folder_that_was_removed_is_told(tmp_path) -> None:
    lines = (
        "import os, sys",
        "from lightning_pose.cli.main import main",
        "os.rmdir(os.getcwd())",
        "sys.exit(main(['score', 'a.csv', 'b.csv', '--output', 'c.csv']))",
    )
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path / "gone", capture_output=True, text=True
    )
    assert done.returncode == 2
    assert (
        done.stderr
        == "litpose score: working folder: expected one that is there, found none: it was removed\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smooth", "--view", "0,a"], "--view: expected numbers of keypoints, such as 0,1,2, found a"),
        (["smooth", "--fit_frames", "x"], "--fit_frames: expected a whole number, or null, found x"),
        (["create_bbox", "--max_speed", "x"], "--max_speed: expected a number, or null, found x"),
        (["predict", "--detect_every", "x"], "--detect_every: expected a whole number of frames, or auto"),
    ],
)
def test_arguments_that_are_no_numbers_are_told_as_a_user_knows_them(arguments, message, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert f"argument {message}" in capsys.readouterr().err
