# What several rules need: configs, names, input functions, shares of the machine.
import hashlib
import math
import os
import re
import sys
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from lightning_pose.cli.options import join_names
from lightning_pose.config import load_config, override
from lightning_pose.data.context import existing_context
from lightning_pose.fingerprint import (
    SETTINGS_CODE,
    files_fingerprint,
    fingerprint,
    training_fingerprint,
)
from lightning_pose.io.changed import (
    PROVENANCE_FILE,
    REFUSED_IN,
    changed_files,
    not_replaced,
    set_aside,
)
from lightning_pose.io.crop_manifest import MANIFEST, examine_crops
from lightning_pose.io.files import read_json, write_json
from lightning_pose.io.labels import read_labels
from lightning_pose.io.model_dir import WEIGHTS_FILE
from lightning_pose.io.put_back import renew_put_back, renew_replaced, stamp_of
from lightning_pose.io.results_tree import MODEL_DIR
from lightning_pose.io.video import SUFFIXES, find_videos
from lightning_pose.io.video_facts import probe_video, stated_frames
from lightning_pose.machine import usable_cores
from lightning_pose.settings import (
    VIDEO_BATCHES,
    BoxSettings,
    DataSource,
    takes_context,
)
from lightning_pose.settings_checks import is_remote
from lightning_pose.sweep import all_variants, declared_models, models_of
from lightning_pose.types import UserError

# where envs/environment.post-deploy.sh finds the project that it installs, wherever Snakemake runs it
PROJECT = str(Path(workflow.basedir).resolve())
# a container brings the packages; the code that its jobs run is this project's, whose fingerprints are in the rules
CODE = os.pathsep.join(filter(None, [PROJECT, os.environ.get("PYTHONPATH")]))
os.environ.update(CROPZOOM_SOURCE=PROJECT, PYTHONPATH=CODE)
DATASETS = sorted(
    path.stem
    for path in Path("config").glob("*.yaml")
    if not path.name.startswith(".")  # what macOS and editors leave
)
REAL_CORES = usable_cores()
try:
    CORES = workflow.cores or REAL_CORES  # as --cores says
except WorkflowError:  # nothing is run, as for a report
    CORES = REAL_CORES
TRAINING_CORES, CROPPING_CORES, LABELING_CORES = 4, 8, 2
# then jobs run on other machines than this one, each with the cores that it asks for
ON_CLUSTER = workflow.nodes is not None or workflow.remote_exec
if ON_CLUSTER:
    CORES = CROPPING_CORES
PREDICT_CODE = [
    fingerprint(f"lightning_pose.{module}", *SETTINGS_CODE)
    for module in ("inference.predict", "io.predictions")
]
OOD_PAGES = (
    "error_vs_deviation",
    "risk_coverage",
    "error_per_keypoint",
    "error_scatter",
    "numbers",
)
# what else `litpose predict` can write of a video, which no rule asks it for
VIDEO_OUTPUT = "lightning_pose.inference.video_output"
VIDEO_CODE = [
    fingerprint(f"lightning_pose.{module}", *SETTINGS_CODE, VIDEO_OUTPUT)
    for module in ("inference.video", "io.predictions")
]
TRAININGS = ("lightning_pose.training.run", "lightning_pose.training.cropzoom")
CROPZOOM_CODE = [
    fingerprint(f"lightning_pose.{module}", *SETTINGS_CODE, *TRAININGS, VIDEO_OUTPUT)
    for module in ("inference.cropzoom", "io.predictions", "io.bboxes")
]
CSV = r"[^/]+\.csv"
# cameras write MP4 as well as mp4
VIDEO = r"[^/]+\.(?i:" + "|".join(suffix.removeprefix(".") for suffix in SUFFIXES) + ")"
# predictions that may be compared with labels of frames: a detector's own, a pose model's remapped ones, ensembles'
IN_FRAME_PX = (
    r"single[^/]*/image_preds/[^/]+/predictions"
    r"|pose[^/]*/image_preds/cropped_[^/]+/remapped_predictions"
    r"|ensemble/[^/]+/image_preds/[^/]+/predictions"
)


def is_set(name):
    """Whether a switch of the command line is on: --config name=true."""
    return str(config.get(name, False)).lower() in ("true", "1", "yes")


wildcard_constraints:
    dataset=r"[^/]+",
    seed=r"\d+",
    ensemble=r"[^/]+",
    ratio=r"\d+(\.\d+)?",
    variant=r"(-[^/_]+)?",
    csv=CSV,
    kind=r"[^/]+",
    number=r"\d+",
    video=VIDEO,
    in_frame_px=IN_FRAME_PX,


@cache
def settings(dataset):
    """The validated settings of a dataset."""
    if dataset not in DATASETS:
        raise WorkflowError(
            f"no config/{dataset}.yaml; there are: {', '.join(DATASETS)}"
        )
    try:
        loaded = load_config(f"config/{dataset}.yaml", warn=False)
    except UserError as error:
        raise WorkflowError(str(error))
    if not loaded.workflow.ind_csv:
        raise WorkflowError(
            f"config/{dataset}.yaml: workflow.ind_csv: expected a labels CSV, found none"
        )
    for key in ("ind_csv", "ood_csv"):
        refuse_unusable(
            getattr(loaded.workflow, key) or "",
            f"config/{dataset}.yaml: workflow.{key}",
        )
    refuse_unusable(loaded.data.data_dir, f"config/{dataset}.yaml: data.data_dir")
    for video in loaded.workflow.videos:
        refuse_unusable(Path(video).name, f"config/{dataset}.yaml: workflow.videos")
    return loaded


def has_settings(dataset):
    """Whether a config can be used; mistakes in it are told where it is asked for, and are in no other's way."""
    try:
        settings(dataset)
    except WorkflowError:
        return False
    return True


def default_targets(wildcards):
    """The plots that are made without asking for them."""
    names = [name for name in DATASETS if settings(name).workflow.default_target]
    return [f"results/{name}/ood_plots.pdf" for name in names]


@cache
def training_settings(dataset, kind, variant):
    """The settings that a detector or pose model, or a variant of it, is trained with."""
    settings(dataset)  # names what is wrong with them
    path, name = f"config/{dataset}.yaml", variant.removeprefix("-") or None
    try:
        return load_config(path, kind=kind, variant=name, warn=False)
    except UserError as error:
        raise WorkflowError(str(error))


def variants_of(dataset):
    """The variants of a dataset by name, those of other training-set sizes too."""
    own = settings(dataset).workflow
    return all_variants(own.variants, own.train_frames)


def runtime(wildcards):
    """What computes the networks of predictions, as an option of the command."""
    return settings(wildcards.dataset).inference.runtime.value


def data_dir(wildcards):
    return settings(wildcards.dataset).data.data_dir


def labels_at(wildcards, csv):
    """A labels CSV, once the data is there."""
    if settings(wildcards.dataset).workflow.data.source is not None:
        checkpoints.prepare_data.get(dataset=wildcards.dataset)
    return f"{data_dir(wildcards)}/{csv}"


def labels_csv(wildcards):
    return labels_at(wildcards, wildcards.csv)


def labelled_csvs(dataset):
    """The labels CSVs, InD and, if there is one, OOD."""
    own = settings(dataset).workflow
    return (own.ind_csv, own.ood_csv) if own.ood_csv else (own.ind_csv,)


def images_of(wildcards):
    """The labelled images and their context frames, one by one, once the data is there."""
    folder = Path(data_dir(wildcards))
    try:
        labelled = read_labels(labels_csv(wildcards)).image_paths
    except UserError as error:
        raise WorkflowError(str(error))
    for path in labelled:
        refuse_unusable(path, labels_csv(wildcards))
    context = existing_context(labelled, folder)
    names = [*labelled, *(name for path in labelled for name in context[path])]
    images = [str(folder / name) for name in dict.fromkeys(names)]
    see_put_back(wildcards, images)
    return images


def prepare_command(wildcards):
    """The command that makes the data folder."""
    source, folder = settings(wildcards.dataset).workflow.data, data_dir(wildcards)
    if source.source is DataSource.demo:
        numbers = {"seed": source.seed, "ind_frames": source.ind_frames}
        numbers |= {
            "ood_frames": source.ood_frames,
            "video_frames": source.video_frames,
        }
        options = [
            text
            for name, value in numbers.items()
            for text in (f"--{name}", str(value))
        ]
        return ["litpose", "create_demo_data", folder, *options]
    start = [] if source.ood_start is None else ["--ood_start", str(source.ood_start)]
    return ["litpose", "convert", "dlc", str(source.project_dir), folder, *start]


def project_files(wildcards):
    """The labels, images and videos of another tool's project, where it is there."""
    source = settings(wildcards.dataset).workflow.data
    if source.source is not DataSource.dlc or source.project_dir is None:
        return []
    files = sorted(
        str(path)
        for pattern in ("labeled-data/*/*", "videos/*")
        for path in Path(source.project_dir).glob(pattern)
        if path.is_file() and not path.name.startswith(".")
    )
    see_replaced(*files)
    return files


def data_generation(wildcards):
    """What data there will be: another generation when files that were made are gone.

    The name lies in the rule's output, so that it settles once the data is there again.
    """
    done = Path(f"results/{wildcards.dataset}/data/prepared.txt")
    if not done.is_file():
        return "1"
    own, folder = done.read_text().strip(), Path(data_dir(wildcards))
    return (
        hashlib.sha256(own.encode()).hexdigest()[:12]
        if is_lost(wildcards.dataset, folder)
        else own
    )


def is_lost(dataset, folder):
    """Whether labels or labelled images are missing."""
    paths = [folder / csv for csv in labelled_csvs(dataset)]
    if not all(path.is_file() for path in paths):
        return True
    try:
        names = [name for path in paths for name in read_labels(path).image_paths]
    except UserError:  # which the next step names
        return False
    return not all((folder / name).is_file() for name in names)


def prepare_code(wildcards):
    demo = settings(wildcards.dataset).workflow.data.source is DataSource.demo
    return fingerprint(
        f"lightning_pose.cli.{'create_demo_data' if demo else 'convert'}"
    )


def variant_option(wildcards):
    """The variant of a model, as an option of the command."""
    name = wildcards.variant.removeprefix("-")
    return ["--variant", name] if name else []


# of a training on its way: no weights depend on them, and no step that follows reads them
WITHOUT_INFLUENCE = dict.fromkeys(
    (
        "num_workers",
        "log_every_n_steps",
        "ckpt_every_n_epochs",
        "checkpoint_every_s",
        "compile",
    )
)


def training_params(wildcards, kind):
    """Everything a training depends on besides its files."""
    own = training_settings(wildcards.dataset, kind, wildcards.variant)
    # for drawing, and of other tools: the labels are among the files
    data = replace(own.data, skeleton=[], csv_file="")
    sections = [replace(own.training, **WITHOUT_INFLUENCE), own.model]
    if own.model.losses_to_use:
        sections += [own.dali, own.losses, own.callbacks]
    else:
        data = replace(data, video_dir=None, bbox_dir=None)
        data = replace(
            data, mirrored_column_matches=None, columns_for_singleview_pca=None
        )
    return repr([data, *sections])


def train_code(wildcards, kind):
    """The code of a training."""
    model = training_settings(wildcards.dataset, kind, wildcards.variant).model
    return training_fingerprint(bool(model.losses_to_use))


def first_weights(wildcards, kind):
    """The files of weights that a training starts from, where its settings name any."""
    model = training_settings(wildcards.dataset, kind, wildcards.variant).model
    named = [weights_at(model.checkpoint)] if model.checkpoint else []
    if model.backbone_checkpoint:
        named.append(model.backbone_checkpoint)
    see_replaced(*(path for path in named if not is_result(path)))
    return named


def is_result(path):
    """Whether the DAG makes a file, and looks after it."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath("results"))


def weights_at(checkpoint):
    """The file of weights that a path means: itself, or a model's folder, whose name may end as a file's: pose_0_1.8."""
    path = Path(checkpoint)
    is_folder = path.is_dir() or not path.suffix or MODEL_DIR.fullmatch(path.name)
    return str(path / WEIGHTS_FILE if is_folder else path)


def plot_members(wildcards):
    """(kind, seed, InD predictions, OOD predictions) of each model in the plots."""
    dataset, own = wildcards.dataset, settings(wildcards.dataset).workflow
    models = declared_models(own.seeds, own.crop_ratios, variants_of(dataset))
    return [
        (
            model.kind,
            model.seed,
            *(predictions_of(dataset, model, csv) for csv in labelled_csvs(dataset)),
        )
        for model in models
    ]


def predictions_of(dataset, model, csv):
    """A model's predictions on a labelled set, in frame pixels."""
    is_detector = model.kind.startswith("single")
    name = (
        f"{csv}/predictions" if is_detector else f"cropped_{csv}/remapped_predictions"
    )
    return f"results/{dataset}/{model.folder}/image_preds/{name}.csv"


# snakemake --config allow_missing=true: go on with the members that there are predictions of
ALLOW_MISSING = is_set("allow_missing")


def members_there(wildcards):
    """The members that are compared: all, or those that are there already."""
    members = plot_members(wildcards)
    if not ALLOW_MISSING:
        return members
    there = [
        member for member in members if all(Path(file).is_file() for file in member[2:])
    ]
    if not there:
        raise WorkflowError(
            f"results/{wildcards.dataset}: no member has predictions yet"
        )
    return there


def member_predictions(wildcards):
    return [file for member in members_there(wildcards) for file in member[2:]]


def member_options(wildcards):
    """The members, and those that are missing, as options of a command."""
    there = members_there(wildcards)
    missing = [member[:2] for member in plot_members(wildcards) if member not in there]
    options = [("--member", *member) for member in there] + [
        ("--missing", *member) for member in missing
    ]
    return [str(part) for option in options for part in option]


def external_members(wildcards):
    """(kind, number, InD predictions, OOD predictions) of what other tools predicted."""
    members = [
        (kind, number, *files[: len(labelled_csvs(wildcards.dataset))])
        for kind, own in settings(wildcards.dataset).workflow.external.items()
        for number, files in enumerate(zip(own["ind"], own["ood"]))
    ]
    see_replaced(*(file for member in members for file in member[2:]))
    return members


def plotted_predictions(wildcards):
    """Predictions of the members and of other tools."""
    own = [file for member in external_members(wildcards) for file in member[2:]]
    return [*member_predictions(wildcards), *own]


def plotted_options(wildcards):
    """The members, other tools' and those that are missing, as options of a command."""
    own = [
        str(part)
        for member in external_members(wildcards)
        for part in ("--member", *member)
    ]
    return [*member_options(wildcards), *own]


def external_predictions(wildcards):
    """What another tool predicted on a labelled set."""
    place = labelled_csvs(wildcards.dataset).index(wildcards.csv)
    return {
        (kind, str(number)): files[place]
        for kind, number, *files in external_members(wildcards)
    }[wildcards.kind, wildcards.number]


def external_errors(wildcards):
    """The scores of other tools' predictions."""
    return [
        f"results/{wildcards.dataset}/external/{kind}_{number}/image_preds/{csv}/predictions_pixel_error.csv"
        for kind, number, *_ in external_members(wildcards)
        for csv in labelled_csvs(wildcards.dataset)
    ]


def share_of(cores):
    """Threads to ask for, so that jobs that use so many real cores never crowd them.

    With --cores above the machine's own, as on a laptop with two, each job asks for its part of the larger
    number. On a cluster, nothing is shared.
    """
    if ON_CLUSTER:
        return cores
    used = min(cores, REAL_CORES)
    return max(1, math.ceil(CORES * used / REAL_CORES)) if CORES > REAL_CORES else used


# OMP_NUM_THREADS comes from each rule's threads; commands never use more than the real cores. A shell that is asked to
# end waits for its command, which is asked too, and saves its state first; its exit code is the command's.
shell.prefix("set -euo pipefail; trap : TERM; ")


def ind_csv(wildcards):
    return settings(wildcards.dataset).workflow.ind_csv


def ind_labels(wildcards):
    return labels_at(wildcards, labelled_csvs(wildcards.dataset)[0])


def ood_labels(wildcards):
    """The OOD labels, where the config names any."""
    return [labels_at(wildcards, csv) for csv in labelled_csvs(wildcards.dataset)[1:]]


def ood_option(wildcards, input):
    """The OOD labels, as an option of the command."""
    return ["--ood_labels", str(input.ood_labels)] if input.ood_labels else []


def ind_index(wildcards):
    return f"results/{wildcards.dataset}/data/{ind_csv(wildcards)}/images.json"


def ind_crops(wildcards):
    name = ind_csv(wildcards)
    return f"results/{wildcards.dataset}/crop_{wildcards.seed}_{wildcards.ratio}/{name}/cropped_{name}"


def ind_manifest(wildcards):
    return f"results/{wildcards.dataset}/crop_{wildcards.seed}_{wildcards.ratio}/{ind_csv(wildcards)}/crops.json"


def anchor_keypoints(wildcards):
    """The keypoints that boxes are placed around, as an option of the command."""
    return join_names(settings(wildcards.dataset).workflow.anchor_keypoints)


def crop_size(wildcards):
    size = settings(wildcards.dataset).workflow.crop_size
    return f"{size.height}x{size.width}"


def scored_labels(wildcards):
    """The labels that predictions in frame pixels are scored against."""
    predictions = Path(wildcards.in_frame_px)
    is_remapped = predictions.name.startswith("remapped_")
    return labels_at(
        wildcards,
        predictions.parent.name.removeprefix("cropped_" if is_remapped else ""),
    )


def plot_errors(wildcards):
    """The scores, which belong to the finished job too."""
    return [
        file.replace("predictions.csv", "predictions_pixel_error.csv")
        for file in member_predictions(wildcards)
    ]


def plot_colors(wildcards):
    return [
        f"{kind}={color}"
        for kind, color in settings(wildcards.dataset).workflow.plots.colors.items()
    ]
