"""What was trained on what: kinds of models, the settings in which they differ, images, what made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning_pose.evaluation.report.contents import Contents, Model
from lightning_pose.evaluation.report.html import Cell, Markup, details, element, join, table
from lightning_pose.evaluation.report.text import UNKNOWN, counted, describe_kind, listed
from lightning_pose.types import Split

# what differs from seed to seed by design
OF_SEEDS = (
    "training.rng_seed_model_pt", "data.csv_file", "data.data_dir", "data.video_dir", "data.bbox_dir",
)  # fmt: skip
OF_WORKFLOW = "workflow."  # settings of the whole data set, not of a training


def trained(contents: Contents) -> Markup:
    """Return the section."""
    return join([_data(contents), _kinds(contents), _differing(contents), *_unlike_seeds(contents),
                 _settings(contents), _made_with(contents)])  # fmt: skip


def _data(contents: Contents) -> Markup | None:
    own = contents.workflow
    if own is None:
        return None
    images = [
        f"{one.csv} ({UNKNOWN if one.images is None else one.images} labelled images, {one.name})"
        for one in contents.sets
    ]
    facts = {
        "Labels": listed(images),
        "Seeds": listed(map(str, own.seeds)),
        "Crop ratios": listed(map(str, own.crop_ratios)),
        "Crops": f"{own.crop_size.width} x {own.crop_size.height} px",
        "Variants": listed(own.variants),
        "Videos": listed(own.videos),
        "Other tools' predictions": listed(own.external),
    }
    known = {name: text for name, text in facts.items() if text != UNKNOWN}
    return element("dl", *(part for name, text in known.items()
                           for part in (element("dt", name), element("dd", text))))  # fmt: skip


def _kinds(contents: Contents) -> Markup:
    header = ["kind", "what it is", "seeds", "images: training", "validation", "test", "backbone",
              "input, px", "length", "images a step"]  # fmt: skip
    rows: list[list[Cell]] = [
        [kind, (describe_kind(kind), "long"), *_kind_cells(contents.of_kind(kind))] for kind in contents.kinds
    ]
    return table("Models", header, rows)


def _kind_cells(models: Sequence[Model]) -> list[str]:
    done = sum(own.dir.is_trained for own in models)
    splits = [listed(str(own.splits[split.value]) for own in models if split.value in own.splits)
              for split in Split]  # fmt: skip
    known = [own.settings for own in models if own.settings]
    size = [f"{_of(own, 'data.image_resize_dims.width')} x {_of(own, 'data.image_resize_dims.height')}"
            for own in known]  # fmt: skip
    seeds = listed(own.dir.seed for own in models)
    return [
        seeds if done == len(models) else f"{seeds} ({done} of {len(models)} trained)",
        *splits,
        listed(_of(own, "model.backbone") for own in known),
        listed(size),
        listed(map(_length, known)),
        listed(_of(own, "training.train_batch_size") for own in known),
    ]


def _of(settings: Mapping[str, str], key: str) -> str:
    return settings.get(key, UNKNOWN)


def _length(settings: Mapping[str, str]) -> str:
    steps = settings.get("training.max_steps", "null")
    return f"{_of(settings, 'training.max_epochs')} epochs" if steps == "null" else f"{steps} steps"


def _of_training(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in settings.items() if not key.startswith(OF_WORKFLOW)}


def _differing(contents: Contents) -> Markup | None:
    """Return the settings in which kinds differ, but for what differs among seeds too."""
    first = {}
    for kind in contents.kinds:
        known = [own.settings for own in contents.of_kind(kind) if own.settings]
        if known:
            first[kind] = _of_training(known[0])
    keys = [key for own in first.values() for key in own if key not in OF_SEEDS]
    rows = [
        [key, *(_of(own, key) for own in first.values())]
        for key in dict.fromkeys(keys)
        if len({_of(own, key) for own in first.values()}) > 1
    ]
    return table("Settings in which kinds differ", ["setting", *first], rows) if rows else None


def _unlike_seeds(contents: Contents) -> list[Markup]:
    """Return a warning for each kind whose seeds were not trained alike."""
    found = []
    for kind in contents.kinds:
        known = [_of_training(own.settings) for own in contents.of_kind(kind) if own.settings]
        keys = dict.fromkeys(key for own in known for key in own if key not in OF_SEEDS)
        unlike = [key for key in keys if len({own.get(key) for own in known}) > 1]
        if unlike:
            text = f"Seeds of {kind} were trained with different settings: {', '.join(unlike)}."
            found.append(element("p", text, class_="notice"))
    return found


def _settings(contents: Contents) -> Markup | None:
    """Return all settings of each kind, as its first seed has them."""
    parts = []
    for kind in contents.kinds:
        known = next((own for own in contents.of_kind(kind) if own.settings), None)
        if known is not None:
            text = "\n".join(f"{key}: {value}" for key, value in _of_training(known.settings).items())
            label = f"Settings of {known.dir.path.name}"
            parts += [element("h3", known.dir.path.name),
                      element("pre", text, tabindex=0, role="group", aria_label=label)]  # fmt: skip
    return details("All settings", *parts) if parts else None


def _made_with(contents: Contents) -> Markup | None:
    """Return the code, the packages and the device of each training, where provenance.json tells."""
    known = [own for own in contents.models if own.run]
    if not known:
        return None
    rows: list[list[Cell]] = [[own.dir.path.name, *_run_cells(own.run)] for own in known]
    header = ["model", "begun (UTC)", "device", "precision", "litpose", "versions"]
    return details(f"What made {counted(len(rows), 'model')}", table("Trainings", header, rows))


def _run_cells(run: Mapping[str, Any]) -> list[Cell]:
    packages, code = run.get("packages") or {}, run.get("code") or {}
    versions = [f"Python {run.get('python', UNKNOWN)}", *(f"{name} {own}" for name, own in packages.items())]
    facts = [str(run.get(name, UNKNOWN)) for name in ("started", "device", "precision")]
    return [
        *facts,
        f"{code.get('version', UNKNOWN)} ({code.get('fingerprint', UNKNOWN)})",
        (", ".join(versions), "long"),
    ]
