"""Threads and number formats follow what the job was given and what the machine has."""

import os

import pytest
import torch
from torch import nn

from lightning_pose.models import hardware
from lightning_pose.models.hardware import (
    pick_device,
    resolve_precision,
    set_threads,
    train_depthwise_in_float32,
)
from lightning_pose.settings import Precision
from lightning_pose.traces import traced

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("1", 1), ("3", 3), ("4", 4), ("64", 4), ("0", 4), ("", 4), ("-2", 4), ("all", 4), (None, 4)],
)
def test_threads_are_those_of_the_job_up_to_its_cores(four_cores, monkeypatch, given, expected) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert set_threads() == expected
    assert torch.get_num_threads() == expected


@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize("setting", [Precision.fp32, Precision.bf16])
def test_a_precision_that_was_asked_for_is_kept(setting, device) -> None:
    assert resolve_precision(setting, device) is setting


@pytest.mark.parametrize(("has_units", "expected"), [(True, Precision.bf16), (False, Precision.fp32)])
def test_auto_goes_by_the_units_of_the_hardware(monkeypatch, has_units, expected) -> None:
    monkeypatch.setattr(hardware, "cpu_has_bf16", lambda: has_units)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_units)
    assert resolve_precision(Precision.auto, CPU) is expected
    assert resolve_precision(Precision.auto, CUDA) is expected


@pytest.mark.parametrize(
    ("avx512", "amx", "expected"),
    [(True, False, Precision.bf16), (False, True, Precision.bf16), (False, False, Precision.fp32)],
)
def test_avx512_or_amx_has_the_units(monkeypatch, avx512, amx, expected) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert resolve_precision(Precision.auto, CPU) is expected


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_taken_where_there_is_one(monkeypatch, there, expected) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    with traced() as trace:
        assert pick_device().type == expected
    assert trace.facts["device"] == ("A100" if there else "cpu")


def test_depthwise_convolutions_are_trained_in_float32_and_predict_in_bfloat16() -> None:
    torch.manual_seed(0)
    depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    model = nn.Sequential(nn.Conv2d(3, 8, 1), depthwise)
    train_depthwise_in_float32(model)
    images = torch.randn(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        trained = model(images)
        with torch.no_grad():
            predicted = model(images)
    assert (trained.dtype, predicted.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(trained, predicted.float(), atol=0.02, rtol=0.02)
    trained.sum().backward()
    assert depthwise.weight.grad.dtype == torch.float32
    assert model(images).dtype == torch.float32
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


@pytest.mark.parametrize(("given", "device", "expected"), [("", "cuda", 3), ("1", "cuda", 1), ("", "cpu", 0)])
def test_spare_cores_load_images_beside_a_gpu(four_cores, monkeypatch, given, device, expected) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert hardware.loading_threads(torch.device(device)) == expected
