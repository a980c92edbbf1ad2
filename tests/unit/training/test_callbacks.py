"""What a training writes beside its weights, and what stops it."""

import contextlib
import json
import logging
import math
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from lightning_pose.config import to_yaml
from lightning_pose.models.network import PoseNetwork
from lightning_pose.settings import CosineParams, OptimizerParams, Precision, ScheduleParams, TrainingSettings
from lightning_pose.training.average import MovingAverage
from lightning_pose.training.callbacks.finite import FiniteLoss
from lightning_pose.training.callbacks.validation import Validation
from lightning_pose.training.fit import count_processes, fit, make_plan
from lightning_pose.training.module import PoseModule
from lightning_pose.types import UserError
from tests.unit.training.squares import NAMES, tiny_settings


@pytest.fixture
def train(data, tmp_path, monkeypatch):
    """Train into a folder on the CPU."""
    monkeypatch.setattr("lightning_pose.training.fit.pick_device", lambda: torch.device("cpu"))

    def run(name="model", labels=data[1], **training):
        fit(tiny_settings(data[0], **{"precision": Precision.fp32, **training}), labels, tmp_path / name)
        return tmp_path / name

    return run


def curves(folder):
    events = EventAccumulator(str(folder / "tb_logs"))
    events.Reload()
    return events


def test_the_status_says_how_it_ended(train) -> None:
    status = json.loads((train(max_steps=5) / "train_status.json").read_text())
    assert status["state"] == "finished"
    assert (status["step"], status["total_steps"], status["epoch"]) == (5, 5, 2)
    assert 0 < status["best_validation_error_px"] < 100 and status["loss"] > 0
    assert status["images_per_s"] > 0 and status["seconds_left"] == 0


def test_the_loss_that_is_shown_is_that_of_a_batch_however_many_make_a_step(train) -> None:
    still = {"optimizer_params": OptimizerParams(learning_rate=1e-12), "max_steps": 2}
    found = [
        json.loads((train(name, **still, accumulate_grad_batches=batches) / "train_status.json").read_text())
        for name, batches in (("one", 1), ("four", 4))
    ]
    assert found[1]["loss"] == pytest.approx(found[0]["loss"], rel=0.1)


@pytest.mark.parametrize("precision", [Precision.fp32, Precision.bf16])
def test_gradients_are_clipped_in_any_precision(train, precision) -> None:
    status = train(max_steps=2, gradient_clip_val=0.5, precision=precision) / "train_status.json"
    assert json.loads(status.read_text())["state"] == "finished"


def test_epochs_with_unlabelled_video_have_ten_batches_at_least() -> None:
    training = TrainingSettings(train_batch_size=16, max_epochs=300)
    assert make_plan(training, 40, 1).steps == 900
    assert make_plan(training, 40, 1, sees_video=True).steps == 3000
    assert make_plan(training, 400, 1, sees_video=True).steps == 7500


def test_the_log_says_how_far_it_is(train, monkeypatch, caplog) -> None:
    monkeypatch.setattr("lightning_pose.training.callbacks.progress.LOG_EVERY_S", 0.0)
    monkeypatch.setattr("lightning_pose.training.callbacks.progress.STATUS_EVERY_S", 0.0)
    caplog.set_level(logging.INFO)
    train(max_steps=4)
    assert "step 2 of 4: loss " in caplog.text
    assert " images/s, 0:00:" in caplog.text


def test_curves_are_there_for_loss_rates_errors_and_images(train) -> None:
    cosine = ScheduleParams(cosine=CosineParams(warmup=0.0))
    options = {"max_steps": 6, "log_every_n_steps": 2, "lr_scheduler_params": cosine}
    events = curves(train(**options))
    assert set(events.Tags()["scalars"]) == {
        "train_loss", "learning_rate_head", "learning_rate_backbone", "val_pixel_error",
        *(f"val_pixel_error_of/{name}" for name in NAMES),
    }  # fmt: skip
    assert [point.step for point in events.Scalars("train_loss")] == [2, 4, 6]
    assert [point.step for point in events.Scalars("val_pixel_error")] == [2, 4, 6]
    assert [image.step for image in events.Images("validation")] == [2, 4, 6]
    expected = [1e-2 * 0.5 * (1 + math.cos(math.pi * done / 6)) for done in (1, 3, 5)]  # before the step
    rates = [point.value for point in events.Scalars("learning_rate_head")]
    assert rates == pytest.approx(expected)
    panel = events.Images("validation")[0]
    assert (panel.width, panel.height) == (2 * 64, 64)


def test_a_training_that_diverges_names_the_images(train, data) -> None:
    with pytest.raises(
        UserError, match=r"training step \d+, images images_0/img\d\d\.png, .*: expected a finite"
    ):
        train(optimizer_params=OptimizerParams(learning_rate=1e30), max_steps=20, gradient_clip_val=None)


@pytest.fixture
def diverging(train, monkeypatch):
    """Train with a loss that is NaN at the fourth step; return the message, and the weights then."""
    calls, known = [], {}
    original = PoseModule.training_step

    def training_step(self, batch, index):
        calls.append(index)
        output = original(self, batch, index)
        if len(calls) == 4:
            known.update({key: value.clone() for key, value in self.network.state_dict().items()})
            output["loss"] = output["loss"] * float("nan")
        return output

    monkeypatch.setattr(PoseModule, "training_step", training_step)

    def run(**options):
        with pytest.raises(UserError, match="training step 4, images") as caught:
            train(max_steps=8, checkpoint_every_s=0, **options)
        return str(caught.value), known

    return run


def test_the_weights_before_a_nan_loss_are_kept(diverging, tmp_path) -> None:
    message, before = diverging()
    kept = load_file(tmp_path / "model" / "last_good.safetensors")
    assert "found nan; the weights before it are kept in" in message
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[key], before[key]) for key in before if "running" not in key)
    assert not (tmp_path / "model" / "model.safetensors").exists()
    state = torch.load(tmp_path / "model" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["batches"] == 3


def test_weights_that_are_no_numbers_are_never_kept(diverging, tmp_path, monkeypatch, caplog) -> None:
    original = PoseModule.optimizer_step

    def step(self, epoch, index, *others):
        original(self, epoch, index, *others)
        if index == 2:
            self.network.head.predict.linear.weight.data.fill_(float("inf"))

    monkeypatch.setattr(PoseModule, "optimizer_step", step)
    message, _ = diverging(val_check_interval=1)
    kept = load_file(tmp_path / "model" / "last_good.safetensors")
    assert all(value.isfinite().all() for value in kept.values())
    assert "the best weights, of step " in message and "step 3" not in message
    state = torch.load(tmp_path / "model" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["batches"] == 2 and "the last state with others is kept" in caplog.text


def test_a_training_that_ends_without_numbers_says_so(train, monkeypatch) -> None:
    original = PoseModule.optimizer_step

    def step(self, *others):
        original(self, *others)
        self.network.head.predict.linear.weight.data.fill_(float("nan"))

    monkeypatch.setattr(PoseModule, "optimizer_step", step)
    with pytest.raises(UserError, match="expected finite weights"):
        train(max_steps=1)


def test_weights_kept_of_another_training_are_gone_once_one_ends_well(train, tmp_path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "last_good.safetensors").touch()
    assert not (train(max_steps=1) / "last_good.safetensors").exists()


class OneBatch:
    """A module on a GPU, as far as the check can see."""

    start = 0
    device = torch.device("cuda")
    plan = make_plan(TrainingSettings(max_steps=3), 4, 1)
    result = nn.Linear(1, 1)


class OneProcess:
    is_global_zero = True


def test_on_a_gpu_the_loss_before_is_checked(tmp_path) -> None:
    check, run = FiniteLoss(["a.png", "b.png"], None, tmp_path / "good.safetensors"), OneProcess()
    batch, other = {"row": torch.tensor([1])}, {"row": torch.tensor([0])}
    check.on_before_backward(run, OneBatch(), torch.tensor(float("inf")))
    check.on_train_batch_end(run, OneBatch(), {"loss": torch.tensor(float("inf"))}, batch, 0)
    with pytest.raises(UserError, match=r"training step 1, images b\.png: .* found inf"):
        check.on_train_batch_end(run, OneBatch(), {"loss": torch.tensor(1.0)}, other, 1)
    assert load_file(tmp_path / "good.safetensors").keys() == {"weight", "bias"}


def test_the_average_is_that_of_the_formula() -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    values = [3.0, -1.0, 4.0, 1.5, 0.5]
    with torch.no_grad():
        network[0].weight.fill_(2.0)
    average, expected = MovingAverage(network, 0.3), 2.0
    for step, value in enumerate(values):
        with torch.no_grad():
            network[0].weight.fill_(value)
            network[1].running_mean.fill_(value)
        average.follow(network, step)
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert average.network[0].weight.item() == pytest.approx(expected, rel=1e-6)
    assert average.network[1].running_mean.item() == values[-1]
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_the_average_becomes_the_model(train, monkeypatch) -> None:
    last = {}
    original = PoseModule.optimizer_step

    def record(self, *arguments, **named):
        original(self, *arguments, **named)
        last["plain"] = self.network.state_dict()["head.predict.linear.weight"].clone()
        last["average"] = self.average.network.state_dict()["head.predict.linear.weight"].clone()

    monkeypatch.setattr(PoseModule, "optimizer_step", record)
    weights = load_file(train(max_steps=2, ema_decay=0.9) / "model.safetensors")
    assert torch.equal(weights["head.predict.linear.weight"], last["average"])
    assert not torch.equal(last["plain"], last["average"])


def test_two_batches_a_step_learn_as_one_of_twice_the_size(train, monkeypatch) -> None:
    gradients = []

    def record(_, module, _optimizer):
        gradients.append(module.network.head.predict.linear.weight.grad.clone())

    monkeypatch.setattr(Validation, "on_before_optimizer_step", lambda self, *other: record(*other))
    monkeypatch.setattr(PoseNetwork, "train", lambda self, mode=True: nn.Module.train(self, False))
    for name, size, count in (("whole", 8, 1), ("halves", 4, 2)):
        train(name, train_batch_size=size, accumulate_grad_batches=count, imgaug="default", max_steps=1)
    whole, halves = gradients
    assert whole.abs().max() > 0
    assert torch.allclose(whole, halves, rtol=1e-4, atol=1e-7)


def test_clipping_bounds_the_step(train) -> None:
    free = load_file(train("free", max_steps=1) / "model.safetensors")
    clipped = load_file(train("clipped", max_steps=1, gradient_clip_val=1e-9) / "model.safetensors")
    assert any(not torch.equal(free[key], clipped[key]) for key in free)


@pytest.mark.parametrize(
    "found",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA out of memory."),
        MemoryError("Unable to allocate 9.31 GiB for an array"),
    ],
    ids=str,
)
def test_too_little_memory_says_what_to_lower(train, monkeypatch, found) -> None:
    def fail(*_):
        raise found

    monkeypatch.setattr(PoseModule, "training_step", fail)
    with pytest.raises(UserError, match=r"lower training\.train_batch_size.*4 images of 64x64"):
        train()


def test_other_errors_stay_what_they_are(train, monkeypatch) -> None:
    def fail(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(PoseModule, "training_step", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train()


def test_more_gpus_than_there_are_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [count_processes(TrainingSettings(num_gpus=count)) for count in (0, 1, 2)] == [1, 1, 2]
    with pytest.raises(UserError, match="num_gpus: expected at most 2, found 3"):
        count_processes(TrainingSettings(num_gpus=3))
    with pytest.raises(
        UserError, match=r"num_gpus: expected at most training\.train_batch_size, 1, .* found 2"
    ):
        count_processes(TrainingSettings(num_gpus=2, train_batch_size=1))


def test_half_precision_needs_a_gpu(train) -> None:
    with pytest.raises(UserError, match=r"training\.precision: expected auto, fp32 or bf16 without a GPU"):
        train(precision=Precision.fp16)


@pytest.mark.parametrize(("training", "steps"), [
    ({"max_epochs": 3}, 9), ({"max_epochs": 3, "accumulate_grad_batches": 2}, 5), ({"max_steps": 7}, 7),
])  # fmt: skip
def test_budgets_are_in_epochs_or_steps(training, steps) -> None:
    assert make_plan(TrainingSettings(train_batch_size=4, **training), 10, 1).steps == steps


TRAIN_ON_TWO = """
import sys
from pathlib import Path
import torch
import lightning_pose.training.fit as module
from tests.unit.training.test_callbacks import settings_of_two
from lightning_pose.io.labels import read_labels

if __name__ == "__main__":
    data, output, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    module.pick_device = lambda: torch.device("cpu")
    module.count_processes = lambda _: processes
    module.fit(settings_of_two(data), read_labels(data / "labels.csv"), output)
"""


def settings_of_two(folder):
    settings = tiny_settings(folder, precision=Precision.fp32, max_steps=3, imgaug="default", ema_decay=0.5)
    return replace(settings, model=replace(settings.model, freeze_batch_norm=True))


@pytest.mark.slow
def test_two_processes_train_one_model(data, tmp_path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TRAIN_ON_TWO)
    for processes in ("1", "2"):
        command = [sys.executable, str(script), str(data[0]), str(tmp_path / processes), processes]
        environment = os.environ | {"PYTHONPATH": os.getcwd()}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        assert done.returncode == 0, done.stderr
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in "12")
    assert one.keys() == two.keys()
    # batch norm of the head sees other shares of a batch, so that weights come out close, not the same
    distance = [float((one[key].float() - two[key].float()).abs().max()) for key in one]
    assert 0 < max(distance) < 0.1
    status = json.loads((tmp_path / "2" / "train_status.json").read_text())
    assert (status["state"], status["step"]) == ("finished", 3)


ONE_OF_TWO = """
import os, signal, sys
from pathlib import Path
import torch
import lightning_pose.training.fit as module
from lightning_pose.cli.main import main
from lightning_pose.training.module import PoseModule
from lightning_pose.types import Problem, UserError


class Ended(PoseModule):
    def training_step(self, batch, index):
        output = super().training_step(batch, index)
        if index == 1 and sys.argv[1] == "fails":
            output["loss"] = output["loss"] * float("nan")
        elif index == 1 and self.global_rank == 1 and sys.argv[1] == "fails alone":
            raise UserError(Problem("rank 1", "luck", "none"))
        elif index == 1 and self.global_rank == 1:
            os.kill(os.getppid(), signal.SIGTERM)
        return output


if __name__ == "__main__":
    module.pick_device = lambda: torch.device("cpu")
    module.count_processes = lambda _: 2
    module.PoseModule = Ended
    sys.exit(main(["train", *sys.argv[2:]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("what", "code"), [("asked", 143), ("fails", 2), ("fails alone", 2)])
def test_what_ends_one_of_two_processes_ends_both(data, tmp_path, what, code) -> None:
    script, config = tmp_path / "train.py", tmp_path / "tiny.yaml"
    script.write_text(ONE_OF_TWO)
    config.write_text(to_yaml(tiny_settings(data[0], max_steps=10**6)))
    command = [sys.executable, str(script), what, str(config), "--output_dir", str(tmp_path / "model")]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment)
    assert done.returncode == code
    status = json.loads((tmp_path / "model" / "train_status.json").read_text())
    assert status["state"] == ("interrupted" if what == "asked" else "failed")
    if what == "fails":
        assert done.stderr.splitlines()[-1].startswith("litpose train: training step 2, images images_0/")
        assert (tmp_path / "model" / "last_good.safetensors").is_file()


def test_compiling_that_fails_is_left_out(train, monkeypatch, caplog) -> None:
    def fail(*_, **__):
        raise RuntimeError("no compiler")

    plain = load_file(train("plain") / "model.safetensors")
    monkeypatch.setattr(nn.Module, "compile", fail)
    compiled = load_file(train("compiled", compile=True) / "model.safetensors")
    assert "torch.compile failed (no compiler): training without it" in caplog.text
    assert all(torch.equal(plain[key], compiled[key]) for key in plain)


@pytest.mark.slow
def test_in_a_terminal_a_bar_shows_how_far_it_is_below_the_log(data, tmp_path) -> None:
    config = tmp_path / "squares.yaml"
    config.write_text(
        f"data: {{data_dir: {data[0]}, csv_file: labels.csv, image_resize_dims: {{height: 64, width: 64}}}}\n"
        "training: {max_steps: 30, train_batch_size: 4, train_prob: 0.8, val_prob: 0.2}\n"
        "model: {backbone: mobilenetv3_small_050, weights: random, head_channels: 16}\n"
    )
    command = [sys.executable, "-m", "lightning_pose.cli.main", "train", str(config), "--skip_predict"]
    shown = b""
    master, slave = pty.openpty()
    options = {"stdin": slave, "stdout": slave, "stderr": slave, "env": os.environ | {"COLUMNS": "120"}}
    process = subprocess.Popen([*command, "--output_dir", str(tmp_path / "model")], **options)
    os.close(slave)
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(master, 4096):
            shown += part
    assert process.wait(60) == 0
    lines = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode().replace("\r", "\n").splitlines()
    assert any(
        re.search(r"30/30 loss [\d.]+, validation [\d.]+ px, [\d.]+ images/s, 0:00:00", line)
        for line in lines
    )
    assert any(re.fullmatch(r"INFO: step 30: validation error [\d.]+ px *", line) for line in lines)
