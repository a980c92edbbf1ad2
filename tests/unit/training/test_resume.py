"""Interrupted trainings go on to the very weights of an undisturbed one."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from lightning_pose.cli.main import main
from lightning_pose.config import to_yaml
from lightning_pose.io.files import sha256
from lightning_pose.io.provenance import read_provenance
from lightning_pose.settings import OptimizerParams, Precision
from lightning_pose.training.callbacks.resume import Checkpoints
from lightning_pose.training.callbacks.validation import Validation
from lightning_pose.training.fit import end_following, fit
from tests.unit.training.squares import tiny_settings

STEPS = 9
EVERYTHING = {
    "ema_decay": 0.9,
    "accumulate_grad_batches": 2,
    "gradient_clip_val": 0.5,
    "unfreezing_step": 4,
    "imgaug": "dlc-lr",
}


class PowerCut(BaseException):
    """Nothing that anybody handles."""


@pytest.fixture
def train(data, tmp_path, monkeypatch):
    """Train into a folder of this name, with a state after each step; stop with `trouble` after a batch."""
    monkeypatch.setattr("lightning_pose.training.fit.pick_device", lambda: torch.device("cpu"))
    original = Checkpoints.on_train_batch_end

    def run(name, stop_after=None, trouble=None, labels=data[1], is_followed=False, columns=None, **training):
        def interrupted(self, trainer, module, outputs, batch, index):
            original(self, trainer, module, outputs, batch, index)
            if module.start + index + 1 == stop_after:
                trouble()

        monkeypatch.setattr(Checkpoints, "on_train_batch_end", interrupted)
        options = {"precision": Precision.fp32, "max_steps": STEPS, "checkpoint_every_s": 0, **training}
        settings = tiny_settings(data[0], **options)
        settings.data.columns_for_singleview_pca = columns
        fit(settings, labels, tmp_path / name, is_followed=is_followed)
        return tmp_path / name

    return run


def cut_off():
    raise PowerCut


def files_of(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("training", [{}, EVERYTHING, {"precision": Precision.bf16}], ids=str)
def test_cut_off_anywhere_the_weights_come_out_the_same(train, caplog, training) -> None:
    undisturbed = files_of(train("undisturbed", **training))
    batches = STEPS * training.get("accumulate_grad_batches", 1)
    for stop_after in (1, 2, batches // 2, batches - 1, batches):
        with pytest.raises(PowerCut):
            train("cut", stop_after, cut_off, **training)
        assert files_of(train("cut", **training)) == undisturbed, stop_after
    assert "afresh" not in caplog.text


def test_cut_off_again_and_again(train, tmp_path, caplog) -> None:
    undisturbed = files_of(train("undisturbed", **EVERYTHING))
    for stop_after in range(3, 2 * STEPS + 1, 3):
        with pytest.raises(PowerCut):
            train("cut", stop_after, cut_off, **EVERYTHING)
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    assert files_of(train("cut", **EVERYTHING)) == undisturbed
    assert not (tmp_path / "cut" / "checkpoints" / "last.ckpt").exists()
    assert "afresh" not in caplog.text


def test_going_on_starts_where_it_stopped(train, caplog) -> None:
    with pytest.raises(PowerCut):
        train("cut", 5, cut_off)
    caplog.set_level(logging.INFO)
    train("cut")
    assert f"going on from step 5 of {STEPS}" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_save_the_state_and_leave(train, tmp_path, number) -> None:
    undisturbed = files_of(train("undisturbed"))
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as left:
        train("cut", 3, lambda: os.kill(os.getpid(), number), checkpoint_every_s=1e6)
    assert left.value.code == 128 + number
    assert signal.getsignal(number) is before
    status = json.loads((tmp_path / "cut" / "train_status.json").read_text())
    assert (status["state"], status["step"]) == ("interrupted", 4)
    assert files_of(train("cut", checkpoint_every_s=1e6)) == undisturbed


def test_a_scheduler_that_asks_twice_gets_the_state_saved(train, tmp_path) -> None:
    undisturbed = files_of(train("undisturbed"))

    def ask():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as left:
        train("cut", 3, ask, checkpoint_every_s=1e6)
    assert left.value.code == 143
    assert (tmp_path / "cut" / "checkpoints" / "last.ckpt").is_file()
    assert files_of(train("cut", checkpoint_every_s=1e6)) == undisturbed


def test_a_person_who_asks_twice_is_heard_at_once(train, tmp_path) -> None:
    def ask():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(SystemExit) as left:
        train("cut", 3, ask, checkpoint_every_s=1e6)
    assert left.value.code == 130
    assert not (tmp_path / "cut" / "checkpoints" / "last.ckpt").exists()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["on_train_batch_end", "on_train_end"])
def test_a_signal_in_the_last_moments_loses_nothing(train, tmp_path, monkeypatch, moment, number) -> None:
    undisturbed = files_of(train("undisturbed"))
    original = getattr(Validation, moment)

    def asked(self, trainer, module, *batch):
        if not batch or module.steps_done(batch[-1]) == STEPS:
            os.kill(os.getpid(), number)
        original(self, trainer, module, *batch)

    monkeypatch.setattr(Validation, moment, asked)
    with pytest.raises(SystemExit) as left:
        train("asked", checkpoint_every_s=1e6, is_followed=True)
    assert left.value.code == 128 + number
    assert files_of(tmp_path / "asked") == undisturbed
    written = (tmp_path / "asked" / "model.safetensors").stat().st_mtime_ns
    train("asked", checkpoint_every_s=1e6, is_followed=True)
    assert (tmp_path / "asked" / "model.safetensors").stat().st_mtime_ns == written
    end_following(tmp_path / "asked")
    assert not (tmp_path / "asked" / "checkpoints").exists()
    assert files_of(train("alone", checkpoint_every_s=1e6)) == undisturbed  # nothing follows: it just ends


def test_a_step_that_takes_too_long_is_given_up(train, monkeypatch, caplog) -> None:
    undisturbed = files_of(train("undisturbed"))
    monkeypatch.setattr("lightning_pose.training.callbacks.resume.STEP_S", 0.1)
    before = signal.getsignal(signal.SIGALRM)

    def ask():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    with pytest.raises(SystemExit) as left:
        train("cut", 3, ask)
    assert left.value.code == 143
    assert "stopped within a step" in caplog.text
    assert signal.getsignal(signal.SIGALRM) is before
    assert files_of(train("cut")) == undisturbed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"optimizer_params": OptimizerParams(learning_rate=3e-3)},
            "training.optimizer_params.learning_rate",
        ),
        ({"max_steps": STEPS + 1}, "training.max_steps"),
        ({"rng_seed_model_pt": 4}, "training.rng_seed_model_pt"),
    ],
)
def test_a_changed_setting_starts_afresh_and_says_so(train, caplog, change, named) -> None:
    with pytest.raises(PowerCut):
        train("cut", 5, cut_off)
    folder = train("cut", **change)
    assert f"was made with other {named}: starting afresh" in caplog.text
    assert files_of(folder) == files_of(train("fresh", **change))


def test_changed_labels_start_afresh_and_say_so(train, data, caplog) -> None:
    with pytest.raises(PowerCut):
        train("cut", 5, cut_off)
    moved = replace(data[1], keypoints_px=data[1].keypoints_px + 1)
    folder = train("cut", labels=moved)
    assert "was made with other labels: starting afresh" in caplog.text
    assert files_of(folder) == files_of(train("fresh", labels=moved))


@pytest.mark.parametrize("change", [{"num_workers": 1}, {"columns": [0, 1]}], ids=str)
def test_what_no_weights_depend_on_starts_nothing_afresh(train, caplog, change) -> None:
    undisturbed = files_of(train("undisturbed"))
    with pytest.raises(PowerCut):
        train("cut", 5, cut_off)
    assert files_of(train("cut", **change)) == undisturbed
    assert "afresh" not in caplog.text


@pytest.mark.parametrize("damage", [b"", b"no archive", "half"])
def test_a_damaged_state_starts_afresh_and_says_so(train, tmp_path, caplog, damage) -> None:
    undisturbed = files_of(train("undisturbed"))
    with pytest.raises(PowerCut):
        train("cut", 5, cut_off)
    state = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
    assert files_of(train("cut")) == undisturbed
    assert "cannot be read" in caplog.text and "starting afresh" in caplog.text


def test_a_state_with_code_in_it_is_not_run(train, tmp_path, caplog) -> None:
    with pytest.raises(PowerCut):
        train("cut", 5, cut_off)
    trace = tmp_path / "trace"
    torch.save({"origin": Harmful(trace)}, tmp_path / "cut" / "checkpoints" / "last.ckpt")
    train("cut")
    assert "cannot be read" in caplog.text
    assert not trace.exists()


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_weights_are_kept_at_intervals(train) -> None:
    folder = train("kept", ckpt_every_n_epochs=2)  # of two steps
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert kept == ["step_4.safetensors", "step_8.safetensors"]
    weights = load_file(folder / "checkpoints" / "step_8.safetensors")
    assert weights.keys() == load_file(folder / "model.safetensors").keys()


def test_early_stopping_is_remembered(train) -> None:
    training = {
        "early_stopping": True, "early_stop_patience": 2, "max_steps": 40, "min_epochs": 1,
        "optimizer_params": OptimizerParams(learning_rate=0.3),
    }  # fmt: skip
    undisturbed = train("undisturbed", **training)
    status = json.loads((undisturbed / "train_status.json").read_text())
    assert status["step"] < 40
    for stop_after in (status["step"], status["step"] - 1):
        with pytest.raises(PowerCut):
            train("cut", stop_after, cut_off, **training)
        assert files_of(train("cut", **training)) == files_of(undisturbed)


def test_interrupted_in_its_predictions_a_command_goes_on_with_these(
    data, tmp_path, monkeypatch, caplog
) -> None:
    config, folder = tmp_path / "tiny.yaml", tmp_path / "model"
    config.write_text(to_yaml(tiny_settings(data[0])))
    command = ["train", str(config), "--output_dir", str(folder)]
    assert main([*command, "--overrides", "training.max_steps=2"]) == 0  # what is told of is of this one
    with monkeypatch.context() as patch:
        patch.setattr("lightning_pose.training.run.predict", lambda *_: signal.raise_signal(signal.SIGINT))
        assert main(command) == 130
    weights = folder / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert main(command) == 0
    assert weights.stat().st_mtime_ns == written
    assert read_provenance(folder)["files"][weights.name]["sha256"] == sha256(weights)
    assert main(["predict", str(folder), "labels.csv"]) == 0
    assert "changed by hand" not in caplog.text
    assert main(command) == 0  # nothing was interrupted: asked for again, it is done again
    assert weights.stat().st_mtime_ns != written


@pytest.mark.slow
def test_killed_at_random_moments_the_command_ends_with_the_same_weights(data, tmp_path) -> None:
    config = tmp_path / "squares.yaml"
    config.write_text(
        f"data: {{data_dir: {data[0]}, csv_file: labels.csv, image_resize_dims: {{height: 64, width: 64}}}}\n"
        "training: {max_steps: 150, train_batch_size: 4, train_prob: 0.8, val_prob: 0.2, imgaug: dlc,\n"
        "  checkpoint_every_s: 0}\n"
        "model: {backbone: mobilenetv3_small_050, weights: random, head_channels: 16}\n"
    )

    def start(folder):
        command = [sys.executable, "-m", "lightning_pose.cli.main", "train", str(config), "--skip_predict"]
        return subprocess.Popen([*command, "--output_dir", str(folder)], stderr=subprocess.PIPE, text=True)

    undisturbed = start(tmp_path / "undisturbed")
    assert undisturbed.wait(120) == 0
    state = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    for delay in (0.0, 0.35, 0.7):
        process = start(tmp_path / "killed")
        before = state.stat().st_mtime_ns if state.exists() else 0
        while process.poll() is None and not (state.exists() and state.stat().st_mtime_ns > before):
            time.sleep(0.01)
        time.sleep(delay)
        process.kill()
        process.wait()
        assert not (tmp_path / "killed" / "model.safetensors").exists()
    last = start(tmp_path / "killed")
    assert "going on from step" in last.communicate(timeout=120)[1]
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "undisturbed")
