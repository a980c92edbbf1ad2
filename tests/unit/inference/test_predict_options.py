"""Options of `litpose predict` that stand for settings of the model."""

import pytest

from lightning_pose.cli.main import main


@pytest.fixture
def predictions(trained, tmp_path):
    """Predict on the labels with options, and return the file."""
    output = tmp_path / "predictions.csv"

    def predict(*options: str) -> str:
        assert trained.run("predict", trained.detector, "labels_new.csv", "--output", output, *options) == 0
        return output.read_text()

    return predict


def test_options_known_from_lightning_pose_are_settings(predictions) -> None:
    exact, rounded = predictions(), predictions("--overrides", "inference.runtime=torch_bf16")
    assert rounded != exact
    assert predictions("--precision", "bf16", "--batch_size", "32") == rounded
    assert predictions("--precision", "fp32", "--compile", "--skip_viz") == exact
    assert predictions("--runtime", "eager", "--reader", "opencv") == exact


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch_size", "0"], "training.test_batch_size: expected"),
        (["--reader", "pynvvc"], "dali.library: expected one of auto, pyav, opencv, dali"),
        (
            ["--runtime", "torch", "--precision", "bf16"],
            "--runtime, --precision: expected one of the two, found both",
        ),
    ],
)
def test_options_that_cannot_be(trained, capsys, options, message) -> None:
    assert trained.run("predict", trained.detector, "labels_new.csv", *options) == 2
    assert message in capsys.readouterr().err


def test_a_precision_that_there_is_none_of(capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "model", "labels.csv", "--precision", "fp16"])
    assert "'fp16' (choose from" in capsys.readouterr().err
