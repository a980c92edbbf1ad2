"""What a folder of results has, and what of it is not there yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_pose.config import load_config
from lightning_pose.evaluation.calibration_files import read_coverage
from lightning_pose.evaluation.crop_qa_table import read_crop_qa
from lightning_pose.evaluation.diff import flat_settings
from lightning_pose.evaluation.ood_input import Comparison
from lightning_pose.evaluation.report.numbers import (
    IND,
    OOD,
    Member,
    attempt,
    compare_errors,
    ensemble_errors,
)
from lightning_pose.io.bboxes import read_bboxes
from lightning_pose.io.benchmarks import JobCost, read_benchmarks
from lightning_pose.io.curves import Points, read_curves
from lightning_pose.io.files import read_json
from lightning_pose.io.model_dir import CONFIG_FILE, SPLITS_FILE, WEIGHTS_FILE, read_splits
from lightning_pose.io.provenance import read_provenance
from lightning_pose.io.results_tree import (
    CURVES_DIR,
    STATUS_FILE,
    ExternalDir,
    ModelDir,
    count_images,
    external_dir,
    find_crops,
    find_externals,
    find_models,
)
from lightning_pose.settings import WorkflowSettings
from lightning_pose.sweep import all_variants, declared_models
from lightning_pose.types import Problem, UserError

CROP_TABLE, CROP_SHEET = "crop_qa.csv", "crop_qa_worst.png"


@dataclass(frozen=True)
class Model:
    """A model that there is, or should be.

    Parameters
    ----------
    dir : its folder.
    missing : what of it is not there, in words.
    splits : how many labelled images were for what.
    settings : that it was trained with, as text by full key.
    curves : of its training, by tag.
    run : what made its weights, as provenance.json tells.
    """

    dir: ModelDir
    missing: list[str]
    splits: dict[str, int]
    settings: dict[str, str]
    curves: dict[str, Points]
    run: dict[str, Any]


@dataclass(frozen=True)
class LabelledSet:
    """A set of labelled images, and the errors on it; `ensembles` are mean errors by name."""

    name: str
    csv: str
    images: int | None
    comparison: Comparison | None
    ensembles: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Crops:
    """What was cropped from one labelled set or video; `table` is empty without a crop QA."""

    path: Path
    statuses: dict[str, int]
    table: dict[tuple[str, str], dict[str, str]]


@dataclass(frozen=True)
class Contents:
    """Everything that a report tells of.

    Parameters
    ----------
    folder : the results.
    workflow : settings that say what there should be; None = unknown.
    models : those that there should be, and without settings those that there are.
    externals : what other tools predicted.
    others : names of folders of further models.
    sets : InD and OOD, where the settings name them.
    problems : files that cannot be read, and what does not fit together.
    coverages : of the intervals of expected errors, by ensemble and set, as `read_coverage` has them.
    """

    folder: Path
    workflow: WorkflowSettings | None
    models: list[Model]
    externals: list[ExternalDir]
    others: list[str]
    sets: list[LabelledSet]
    crops: list[Crops]
    costs: list[JobCost]
    problems: list[str]
    coverages: dict[str, dict[str, tuple[float, int]]] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        """The kinds of models, in the order of the plots."""
        return list(dict.fromkeys(model.dir.kind for model in self.models))

    @property
    def compared(self) -> list[Member]:
        """What there should be errors of."""
        return [*(model.dir for model in self.models), *self.externals]

    def of_kind(self, kind: str) -> list[Model]:
        """Return the models of one kind."""
        return [model for model in self.models if model.dir.kind == kind]


def read_contents(folder: Path, config: Path | None = None) -> Contents:
    """Read a folder of results.

    Parameters
    ----------
    folder : as the workflow lays it out.
    config : the data set's config file, which says what models there should be; None = as the model says
        that was trained last.

    Raises
    ------
    UserError
        If there are no results, or the config cannot be read.
    """
    there = find_models(folder)
    if not there and (config is None or not folder.is_dir()):
        found = "none" if folder.is_dir() else "no such folder"
        expected = "results of a data set, with folders single_<seed>, pose_<seed>_<ratio>"
        raise UserError(Problem(str(folder), expected, found))
    problems: list[str] = []
    workflow = _workflow(there, config, problems)
    dirs = there if workflow is None else _declared(folder, workflow)
    externals = find_externals(folder) if workflow is None else _declared_externals(folder, workflow)
    csvs = {} if workflow is None else {IND: workflow.ind_csv, OOD: workflow.ood_csv}
    named = {name: csv for name, csv in csvs.items() if csv}
    return Contents(
        folder=folder,
        workflow=workflow,
        models=[_model(own, list(named.values()), problems) for own in dirs],
        externals=externals,
        others=sorted({own.path.name for own in there} - {own.path.name for own in dirs}),
        sets=[_labelled_set(folder, name, csv, [*dirs, *externals], problems) for name, csv in named.items()],
        crops=[own for path in find_crops(folder) if (own := _crops(path, problems)) is not None],
        costs=read_benchmarks(folder / "benchmarks"),
        problems=problems,
        coverages=_coverages(folder, problems),
    )


def _coverages(folder: Path, problems: list[str]) -> dict[str, dict[str, tuple[float, int]]]:
    found = {}
    for path in sorted(folder.glob("ensemble/*/calibration.json")):
        own = attempt(problems, lambda path=path: read_coverage(path))  # type: ignore[misc]
        if own is not None:
            found[path.parent.name] = own
    return found


def _workflow(
    models: Sequence[ModelDir], config: Path | None, problems: list[str]
) -> WorkflowSettings | None:
    """Return the settings of the config, or else of the model that was trained last."""
    if config is not None:
        return load_config(config, warn=False).workflow
    paths = [path for model in models if (path := model.path / CONFIG_FILE).is_file()]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        own = attempt([], lambda path=path: load_config(path, warn=False))  # type: ignore[misc]
        if own is not None:
            return own.workflow
    problems.append("no settings that say which models there should be: those that are there are shown")
    return None


def _declared(folder: Path, workflow: WorkflowSettings) -> list[ModelDir]:
    variants = all_variants(workflow.variants, workflow.train_frames)
    models = declared_models(workflow.seeds, workflow.crop_ratios, variants)
    return [ModelDir(own.kind, str(own.seed), folder / own.folder) for own in models]


def _declared_externals(folder: Path, workflow: WorkflowSettings) -> list[ExternalDir]:
    kinds = workflow.external.items()
    return [external_dir(folder, kind, number) for kind, own in kinds for number in range(len(own["ood"]))]


def _model(own: ModelDir, csvs: Sequence[str], problems: list[str]) -> Model:
    config = own.path / CONFIG_FILE
    settings = attempt(problems, lambda: flat_settings(config)) if config.is_file() else None
    has_splits = (own.path / SPLITS_FILE).is_file()
    splits = attempt(problems, lambda: read_splits(own.path)) if has_splits else None
    provenance = read_provenance(own.path)
    made = provenance["files"].get(WEIGHTS_FILE)
    return Model(
        dir=own,
        missing=_missing(own, csvs),
        splits=dict(Counter((splits or {}).values())),
        settings=settings or {},
        curves=read_curves(own.path / CURVES_DIR),
        run={} if made is None else provenance["runs"][made["run"]],
    )


def _missing(own: ModelDir, csvs: Sequence[str]) -> list[str]:
    """Return what is not there, up to what follows from it."""
    if not own.is_trained:
        return [f"not trained{_progress(own.path / STATUS_FILE)}"]
    missing = []
    for csv in csvs:
        if not own.predictions(csv).is_file():
            missing.append(f"no predictions on {csv}")
        elif not own.pixel_errors(csv).is_file():
            missing.append(f"no pixel errors on {csv}")
    return missing


def _progress(path: Path) -> str:
    """Return how far a training is that has begun."""
    status = read_json(path)
    if not isinstance(status, dict):
        return ""
    return f" ({status.get('state')} at step {status.get('step')} of {status.get('total_steps')})"


def _labelled_set(
    folder: Path, name: str, csv: str, members: Sequence[Member], problems: list[str]
) -> LabelledSet:
    comparison = compare_errors(name, members, csv, problems)
    ensembles = {} if comparison is None else ensemble_errors(folder, comparison, csv, problems)
    return LabelledSet(name, csv, count_images(folder, csv), comparison, ensembles)


def _crops(path: Path, problems: list[str]) -> Crops | None:
    """Read what is known of crops; None of a video without a crop QA, whose boxes alone say little."""
    own = path / CROP_TABLE
    table = attempt(problems, lambda: read_crop_qa(own)) if own.is_file() else None
    if table is not None:
        statuses = {name: int(row["n"]) for (kind, name), row in table.items() if kind == "status"}
        return Crops(path, statuses, table)
    if path.suffix != ".csv":
        return None
    boxes = attempt(problems, lambda: read_bboxes(path / "bbox.csv"))
    return None if boxes is None else Crops(path, dict(Counter(boxes.status or [])), {})
