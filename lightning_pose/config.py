"""Load settings: YAML, overrides, validation, dataclass. The only user of hydra and omegaconf.

A file of upstream Lightning Pose loads as it is: keys that have no effect here are accepted with a
warning, a misspelt key is refused with the nearest right spelling.
"""

from __future__ import annotations

import copy
import difflib
import io
import logging
import os
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from omegaconf import AnyNode, BooleanNode, DictConfig, FloatNode, IntegerNode, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightning_pose.settings import Schedule, Settings
from lightning_pose.settings_checks import impossible_values
from lightning_pose.sweep import all_variants, is_size_name
from lightning_pose.traces import note_read
from lightning_pose.types import Problem, UserError, first_line
from lightning_pose.yaml_bombs import refuse_bomb

logger = logging.getLogger(__name__)

# Keys of upstream Lightning Pose that mean nothing here.
WITHOUT_EFFECT = (
    "creation_datetime",
    "callbacks.anneal_weight.attr_name", "dali.base.predict", "dali.context", "dali.general", "hydra",
    "eval.colormap", "eval.create_labeled_video", "eval.fiftyone", "eval.hydra_paths",
    "eval.pred_csv_files_to_plot", "eval.saved_vid_preds_dir", "eval.video_file_to_plot",
    "losses.pca_multiview.centering_method", "losses.pca_singleview.centering_method", "losses.unimodal_js",
    "losses.pca_multiview.error_metric", "losses.pca_singleview.error_metric",
    "model.lightning_pose_version", "model.model_name", "data.image_orig_dims",
    "data.view_names", "data.camera_params_file", "data.bbox_file", "data.header_rows",
    "model.backbone_pretrained", "model.head",
    "model.do_context", "model.learn_weights", "model.resnet_version", "model.image_size",
    "training.dropout_rate", "training.gpu_id",
    "training.imgaug_3d", "training.limit_train_batches", "training.multiple_trainloader_mode",
    "training.patch_mask", "training.profiler", "training.rng_seed_data_dali", "training.save_heatmaps",
    "training.unlabeled_sequence_length", "training.train_batch_size_per_gpu",
)  # fmt: skip
KINDS = ("detector", "pose")
TRAINED_SECTIONS = (
    "data",
    "training",
    "model",
    "dali",
    "losses",
    "callbacks",
)  # that workflow.detector, .pose and .variants may change
# Mappings whose keys are the user's own.
FREE_FORM = (
    "workflow.detector", "workflow.pose", "workflow.variants", "workflow.external", "workflow.plots.colors",
    "workflow.ensemble.pooled", "training.imgaug",
)  # fmt: skip

_loaded: dict[tuple[object, ...], Settings] = {}  # a command reads the settings of its model several times


def find_config(name: str | Path) -> Path:
    """Return the path of a config file, looking in ``config/`` too.

    Raises
    ------
    UserError
        If there is none; the message lists those in ``config/``.
    """
    for candidate in (Path(name), Path("config") / name, Path("config") / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    there = ", ".join(sorted(path.name for path in Path("config").glob("*.yaml"))) or "no files"
    raise UserError(Problem(str(name), "a config file, here or in config/", f"none; config/ has {there}"))


def load_config(
    path: str | Path,
    overrides: Sequence[str] = (),
    kind: str | None = None,
    warn: bool = True,
    variant: str | None = None,
) -> Settings:
    """Load, override and validate the settings of a YAML file.

    Parameters
    ----------
    path : path of the YAML file.
    overrides : ``key=value`` in hydra's grammar.
    kind : ``detector`` or ``pose``: apply ``workflow.<kind>`` of the file over the file's own settings.
    warn : log keys that have no effect.
    variant : apply the settings of ``workflow.variants.<variant>`` over those of the kind.

    Raises
    ------
    UserError
        Everything wrong with the file, each with its full key.
    """
    note_read(path)
    content = Path(path).read_bytes()
    key = (str(path), content, tuple(overrides), kind, variant)
    is_lasting = not warn and b"${" not in content  # no reference to the environment, nothing to tell
    if is_lasting and key in _loaded:
        return copy.deepcopy(_loaded[key])
    settings = _load(content, str(path), overrides, kind, warn, variant)
    if is_lasting:
        _loaded[key] = copy.deepcopy(settings)
    return settings


def _load(
    content: bytes, path: str, overrides: Sequence[str], kind: str | None, warn: bool, variant: str | None
) -> Settings:
    raw = _parse_yaml(content, path)
    _apply_overrides(raw, overrides)
    if kind is not None:
        workflow = OmegaConf.to_container(raw).get("workflow")  # type: ignore[union-attr]
        for _, settings in _layers(workflow, kind, variant, path):
            raw.merge_with(OmegaConf.create(settings))
        _apply_overrides(raw, overrides)  # which go over what the workflow lays over them
    of_hydra = raw.pop("hydra", None)  # its references are for hydra alone to resolve
    try:
        container: Any = OmegaConf.to_container(raw, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(Problem(path, "resolvable ${...} references", first_line(error))) from None
    if of_hydra is not None:
        container["hydra"] = {}
    return _build(container, path, warn)


def override(key: str, value: Any) -> str:
    """Return a setting over the file's in hydra's grammar, whatever characters it has but ``${``."""
    text = re.sub(r"(\\+)('|\Z)", r"\1\1\2", str(value)).replace("'", "\\'")
    return f"{key}='{text}'"


def to_yaml(settings: Settings) -> str:
    """Return the complete settings as YAML that `load_config` reads back."""
    return OmegaConf.to_yaml(OmegaConf.structured(settings))


def _parse_yaml(content: bytes, path: str) -> DictConfig:
    if not OmegaConf.has_resolver("LP_ROOT_PATH"):
        OmegaConf.register_new_resolver(
            "LP_ROOT_PATH", lambda *_: os.environ.get("LP_ROOT_PATH", os.getcwd())
        )
    try:
        text = content.decode()
        refuse_bomb(text, path)
        raw = OmegaConf.load(io.StringIO(text))
    except (yaml.YAMLError, ValueError, RecursionError, OSError, OmegaConfBaseException) as error:
        raise UserError(Problem(path, "a readable YAML file", first_line(error))) from None
    if not isinstance(raw, DictConfig):
        raise UserError(Problem(path, "a mapping of sections", "a list or an empty file"))
    if len(raw) == 1 and re.search(r"\s", str(next(iter(raw)))):  # what omegaconf makes of a text
        raise UserError(Problem(path, "a mapping of sections", "plain text"))
    return raw


def _layers(workflow: Any, kind: str, variant: str | None, where: str) -> list[tuple[str, dict]]:
    """Return the settings that ``workflow`` lays over the file's own for a kind of model and a variant.

    Each with its key. Only sections that a training uses may be in them.
    """
    workflow = workflow if isinstance(workflow, dict) else {}
    found = [(f"workflow.{kind}", workflow.get(kind) or {})]
    if variant is not None:
        key = f"workflow.variants.{variant}"
        there_are = _all_variants(workflow)
        named = workflow.get("variants")
        chosen = there_are.get(variant, named.get(variant) if isinstance(named, dict) else None)
        if not isinstance(chosen, dict):
            there = ", ".join(there_are) or "none"
            raise UserError(Problem(f"{where}: {key}", f"a variant of the config ({there})", repr(chosen)))
        found.append((f"{key}.settings", chosen.get("settings") or {}))
    for key, settings in found:
        if not isinstance(settings, dict) or set(settings) - set(TRAINED_SECTIONS):
            expected = f"a mapping with {', '.join(TRAINED_SECTIONS)}"
            raise UserError(Problem(f"{where}: {key}", expected, repr(settings)))
    return found


def _all_variants(workflow: dict) -> dict[str, dict[str, Any]]:
    """Return the variants of a section that is not validated yet: those that are none do not count."""
    named, sizes = workflow.get("variants"), workflow.get("train_frames")
    variants = {name: own for name, own in (named if isinstance(named, dict) else {}).items()
                if isinstance(own, dict) and isinstance(own.get("settings"), dict)}  # fmt: skip
    sizes = [size for size in sizes if isinstance(size, int | float)] if isinstance(sizes, list) else []
    return all_variants(variants, sizes)


def _apply_overrides(raw: DictConfig, overrides: Sequence[str]) -> None:
    if not overrides:
        return
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    problems = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except (HydraException, RecursionError) as error:
            problems.append(Problem(f"--overrides {text}", "key=value", first_line(error)))
            continue
        key = override.key_or_group
        if override.is_delete() or override.is_sweep_override() or not key:
            found = "a deletion" if override.is_delete() else "several values" if key else "no key"
            quotes = ", with quotes around a value that has commas" if override.is_sweep_override() else ""
            problems.append(Problem(f"--overrides {text}", f"key=value{quotes}", found))
            continue
        try:
            OmegaConf.update(raw, key, override.value(), force_add=True, merge=False)
        except (OmegaConfBaseException, ValueError) as error:  # an element that a list lacks
            problems.append(Problem(f"--overrides {text}", "a known key", first_line(error)))
    if problems:
        raise UserError(problems)


def _build(container: dict, where: str, warn: bool, is_layered: bool = False) -> Settings:
    """Turn a plain dict into `Settings`, collecting every problem.

    `is_layered`: the settings of a kind or variant lie over the file's own already.
    """
    workflow = container.get("workflow") or {}
    if not isinstance(workflow, dict):
        raise UserError(Problem(f"{where}: workflow", "a mapping", repr(workflow)))
    _refuse_views(container.get("data"), where)
    tree = OmegaConf.structured(Settings)
    problems, without_effect, empty = [], set(), []
    for key, value in _leaves(container):
        ignored = next((name for name in WITHOUT_EFFECT if key == name or key.startswith(name + ".")), None)
        if ignored == "model.backbone_pretrained" and value is False:
            problems.append(Problem(f"{where}: {key}", "model.weights: random in its place", "false"))
        if ignored:
            without_effect.add(ignored)
            continue
        problem = _unknown_key(tree, key, where)
        if problem is None and value is None and not _takes_null(tree, key):
            empty.append(key)  # as in templates, whose user fills it in or leaves it alone
            continue
        problem = problem or _set_leaf(tree, key, _as_here(key, value), where)
        if problem:
            problems.append(problem)
    if without_effect and warn:
        logger.warning("%s: accepted, but without effect here: %s", where, ", ".join(sorted(without_effect)))
    if empty and warn:
        defaults = ", ".join(f"{key} = {OmegaConf.select(tree, key)}" for key in sorted(empty))
        logger.warning("%s: null, so that the defaults hold: %s", where, defaults)
    if not problems:
        settings: Any = OmegaConf.to_object(tree)
        problems = impossible_values(settings, where)
    if not problems and not is_layered:
        problems = _check_layers(container, where)
    if problems:
        raise UserError(problems)
    if warn:
        _tell_of_whole_share(settings, where)
    return settings


def _tell_of_whole_share(settings: Settings, where: str) -> None:
    """Say that 1 is all of the labels' errors here: above, a value is told from upstream's of a hundred."""
    for name in settings.model.losses_to_use or []:
        own = getattr(settings.losses, name)
        if getattr(own, "empirical_epsilon_percentile", None) == 1 and own.epsilon is None:
            logger.warning(
                "%s: losses.%s.empirical_epsilon_percentile: 1 is a share here, so that even the labels' "
                "largest error costs nothing; Lightning Pose takes it for 1 %% (0.01 here)", where, name
            )  # fmt: skip


def _refuse_views(data: Any, where: str) -> None:
    """Refuse upstream's data of several views in one line: what else is wrong follows from it."""
    csv_files = data.get("csv_file") if isinstance(data, dict) else None
    if isinstance(csv_files, list):
        found = f"{len(csv_files)} of them (data of several views are not supported)"
        raise UserError(Problem(f"{where}: data.csv_file", "one labels CSV", found))


def _leaves(node: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value and key not in FREE_FORM:
            yield from _leaves(value, key + ".")
        else:
            yield key, value


def _unknown_key(tree: DictConfig, key: str, where: str) -> Problem | None:
    node: Any = tree
    parts = key.split(".")
    for depth, part in enumerate(parts):
        known = [str(name) for name in node] if isinstance(node, DictConfig) else []
        if part not in known:
            known += _ignored_names(".".join(parts[:depth]))
            nearest = _nearest(part, known)
            hint = f"did you mean {nearest}?" if nearest else f"known: {', '.join(known) or 'none'}"
            return Problem(f"{where}: {key}", "a known key", f"{part} ({hint})")
        if ".".join(parts[: depth + 1]) in FREE_FORM:
            return None
        node = node[part]
    return None


def _nearest(name: str, known: list[str]) -> str | None:
    """Return the key that a name is a slip of the pen for, or has the words of, or some of them; or None."""
    words = set(name.split("_"))
    close = difflib.get_close_matches(name, known, 1)
    of_words = [own for own in known if words <= set(own.split("_")) or words >= set(own.split("_"))]
    close = close or difflib.get_close_matches(name, of_words, 1, 0)
    return close[0] if close else None


def _takes_null(tree: DictConfig, key: str) -> bool:
    """Say whether null is a value of a known key, or its default."""
    node = _node(tree, key)
    return OmegaConf.select(tree, key) is None or (node._is_optional() and not isinstance(node, AnyNode))


def _node(tree: DictConfig, key: str) -> Any:
    """Return what holds the value of a known key, and knows its type."""
    section, _, name = key.rpartition(".")
    return (OmegaConf.select(tree, section) if section else tree)._get_node(name)


def _ignored_names(section: str) -> list[str]:
    prefix = f"{section}." if section else ""
    rest = (name[len(prefix) :] for name in WITHOUT_EFFECT if name.startswith(prefix))
    return [name for name in rest if "." not in name]


def _as_here(key: str, value: Any) -> Any:
    """Return a value that upstream writes another way as it is written here."""
    if key.endswith(".empirical_epsilon_percentile") and isinstance(value, int | float) and value > 1:
        return value / 100  # of a hundred there
    if key == "training.lr_scheduler" and value == "multistep_lr":
        return Schedule.multisteplr.value
    if key == "model.losses_to_use" and isinstance(value, list):
        return [name for name in value if name != ""]  # [''] is none there
    return value


def _set_leaf(tree: DictConfig, key: str, value: Any, where: str) -> Problem | None:
    if value == {}:
        return None
    node = _node(tree, key)
    if isinstance(node, IntegerNode) and isinstance(value, float) and value.is_integer():
        value = int(value)  # as of 1e3
    try:
        OmegaConf.update(tree, key, value, merge=False)
    except OmegaConfBaseException as error:
        found = f"{value!r} ({first_line(error)})"
        return Problem(f"{where}: {key}", _expected(OmegaConf.select(tree, key), node), found)
    return None


def _expected(default: Any, node: Any) -> str:
    if isinstance(default, Enum):
        return f"one of {', '.join(member.name for member in type(default))}"
    if default is not None:
        return f"a value like {default!r}"
    named = {IntegerNode: "a whole number", FloatNode: "a number", BooleanNode: "true, false"}
    return f"{named.get(type(node), 'another type')}, or null"


def _check_layers(container: dict, where: str) -> list[Problem]:
    """Check what ``workflow.detector``, ``.pose`` and ``.variants`` make of the settings."""
    workflow = container.get("workflow") or {}
    variants = workflow.get("variants") or {}
    if not isinstance(variants, dict):
        return [Problem(f"{where}: workflow.variants", "a mapping of names", repr(variants))]
    problems = [problem for name, variant in variants.items() for problem in _variant(name, variant, where)]
    if problems:
        return problems
    models: list[tuple[str, str | None]] = [(kind, None) for kind in KINDS]
    for name, own in variants.items():
        models.append(("detector" if own.get("model") == "single" else "pose", name))
    for kind, name in models:
        try:
            layers = _layers(workflow, kind, name, where)
            base = {key: value for key, value in container.items() if key != "workflow"}
            merged = OmegaConf.merge(base, *(settings for _, settings in layers))
            plain: Any = OmegaConf.to_container(merged)
            _build(plain, f"{where}: {layers[-1][0]}", warn=False, is_layered=True)
        except UserError as error:
            problems += error.problems
    return list(dict.fromkeys(problems))


def _variant(name: Any, variant: Any, where: str) -> list[Problem]:
    key = f"{where}: workflow.variants.{name}"
    if not re.fullmatch(r"[^/_\s]+", str(name)):
        return [Problem(key, "a name without _, / and blanks, since it becomes a folder's", str(name))]
    if is_size_name(str(name)):
        return [Problem(key, "a name without a size at its end, as workflow.train_frames gives", str(name))]
    if not isinstance(variant, dict) or set(variant) - {"model", "settings"} or "settings" not in variant:
        return [Problem(key, "{model: single|pose, settings: {...}}", repr(variant))]
    if variant.get("model", "pose") not in ("single", "pose"):
        return [Problem(f"{key}.model", "single or pose", str(variant["model"]))]
    return []
