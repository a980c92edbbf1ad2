# Videos: those that trainings learn from, those to predict on, and how boxes are placed.
from types import SimpleNamespace


def unlabelled_videos(wildcards, kind):
    """The videos that a training learns from besides its labels, once the data is there."""
    own = training_settings(wildcards.dataset, kind, wildcards.variant)
    if not own.model.losses_to_use:
        return []
    labels_at(wildcards, ind_csv(wildcards))
    try:
        found = find_videos(own.data.video_dir, Path(own.data.data_dir))
    except UserError as error:
        raise WorkflowError(str(error))
    see_replaced(*map(str, found))
    return found


def pose_videos(wildcards):
    return unlabelled_videos(wildcards, "pose")


def detector_videos(wildcards):
    return unlabelled_videos(wildcards, "detector")


def crops_folder(wildcards):
    return f"results/{wildcards.dataset}/crop_{wildcards.seed}_{wildcards.ratio}"


def video_boxes(wildcards):
    """The boxes of a pose model's unlabelled videos."""
    folder = crops_folder(wildcards)
    return [f"{folder}/{path.name}/bbox.csv" for path in pose_videos(wildcards)]


def video_overrides(wildcards, kind):
    """Where a training finds its unlabelled videos, and the boxes to crop them by."""
    videos = unlabelled_videos(wildcards, kind)
    if not videos:
        return []
    listed = ",".join(override("", path).removeprefix("=") for path in videos)
    own = [f"data.video_dir=[{listed}]"]
    if kind == "pose":
        own.append(override("data.bbox_dir", crops_folder(wildcards)))
    return own


def video_file(wildcards):
    """The unlabelled video of this name."""
    kinds = {"": ("pose",)}
    for name, variant in variants_of(wildcards.dataset).items():
        kinds[f"-{name}"] = models_of(variant)
    found = set()
    for name, models in kinds.items():
        for model in models:
            kind = "detector" if model == "single" else "pose"
            training = training_settings(wildcards.dataset, kind, name)
            if training.data.video_dir and training.model.losses_to_use:
                found |= set(
                    find_videos(training.data.video_dir, Path(training.data.data_dir))
                )
    paths = [str(path) for path in sorted(found) if path.name == wildcards.video]
    if len(paths) != 1:
        raise WorkflowError(
            f"config/{wildcards.dataset}.yaml: expected one unlabelled video {wildcards.video}, "
            f"found {', '.join(paths) or 'none'}"
        )
    return paths[0]


def named_video(wildcards):
    """The video of this name among those that the config says to predict on."""
    name = listed_videos(wildcards.dataset).get(wildcards.video, "")
    if is_remote(name):
        return storage(name)
    labels_at(wildcards, ind_csv(wildcards))
    return video_path(wildcards.dataset, wildcards.video)


@cache  # jobs of all seeds and crop ratios ask for the same one
def video_path(dataset, video):
    """Where the video of this name lies, once the data is there."""
    where = f"config/{dataset}.yaml: workflow.videos"
    if video not in listed_videos(dataset):
        there = ", ".join(listed_videos(dataset).values()) or "none"
        raise WorkflowError(f"{where}: expected {video}, found {there}")
    folder = Path(settings(dataset).data.data_dir)
    try:
        path = str(find_videos([listed_videos(dataset)[video]], folder, where)[0])
    except UserError as error:
        raise WorkflowError(str(error))
    see_replaced(path)
    return path


@cache
def listed_videos(dataset):
    """The videos of a config by the names of their files."""
    return {Path(name).name: name for name in settings(dataset).workflow.videos}


SHARDED = {
    name
    for name in filter(has_settings, DATASETS)
    if settings(name).workflow.shard_frames is not None
}


def one_of(names):
    """A pattern for some names; one that nothing matches if there are none."""
    return "|".join(re.escape(name) for name in sorted(names)) or "(?!)"


@cache
def frames_of(video):
    """How many frames a video has, as its header says, or by counting; raises FileNotFoundError before it is there."""
    Path(video).stat()
    try:
        return stated_frames(Path(video)) or probe_video(Path(video)).frame_count
    except UserError as error:
        raise WorkflowError(str(error))


def shards(wildcards, name):
    """The files that jobs write of stretches of a video; the last one is open, since headers may be wrong."""
    frames = frames_of(named_video(wildcards))
    length = settings(wildcards.dataset).workflow.shard_frames
    starts = range(0, frames, length)
    stops = [str(start + length) for start in starts[:-1]] + [""]
    folder = f"results/{wildcards.dataset}/cropzoom_{wildcards.seed}_{wildcards.ratio}"
    return [
        f"{folder}/video_preds/{wildcards.video}/{name}_{start}-{stop}.csv"
        for start, stop in zip(starts, stops)
    ]


def of_all_videos(name):
    """A file of the cropzoom models' results for each video that the configs name."""
    return [
        f"results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{Path(video).name}/{name}"
        for dataset in DATASETS
        for own in [settings(dataset).workflow]
        for seed in own.seeds
        for ratio in own.crop_ratios
        for video in own.videos
    ]


def video_targets(wildcards):
    """Predictions on all videos that the configs name."""
    return of_all_videos("predictions.csv")


def video_metrics_targets(wildcards):
    """The metrics of all those predictions."""
    return of_all_videos("predictions_metrics.csv")


def pca_options(wildcards):
    """What PCA errors are of, as options: a model keeps the settings of its training, which no weights depend on."""
    own = training_settings(wildcards.dataset, "pose", "")
    named = {
        f"data.{key}": getattr(own.data, key)
        for key in ("columns_for_singleview_pca", "mirrored_column_matches")
    }
    if any(named.values()):
        for loss in ("pca_singleview", "pca_multiview"):
            kept = getattr(own.losses, loss).components_to_keep
            named[f"losses.{loss}.components_to_keep"] = kept
    texts = {key: "null" if value is None else value for key, value in named.items()}
    return ["--overrides", *(f"{key}={text}" for key, text in texts.items())]


def labeled_video_targets(wildcards):
    """All those videos with their predictions drawn in."""
    return of_all_videos("labeled.mp4")


def drawn_settings(wildcards):
    """The settings that a labelled video depends on."""
    own = settings(wildcards.dataset)
    return repr([own.data.skeleton, own.eval])


def changed_box_options(wildcards, *names):
    """The settings of boxes that are not as by default, as options of the command."""
    own, default = settings(wildcards.dataset).workflow.boxes, BoxSettings()
    changed = [name for name in names if getattr(own, name) != getattr(default, name)]
    return [text for name in changed for text in box_option(name, getattr(own, name))]


def box_option(name, value):
    return [f"--{name}", "null" if value is None else str(value)]


def all_box_options(wildcards):
    own = asdict(settings(wildcards.dataset).workflow.boxes)
    return [text for name, value in own.items() for text in box_option(name, value)]


def box_size(wildcards):
    """The size of the boxes, as an option of the command."""
    fixed = settings(wildcards.dataset).workflow.boxes.fixed_size
    return (
        ["--crop_ratio", wildcards.ratio]
        if fixed is None
        else ["--crop_size", str(fixed)]
    )


def labelled_box_options(wildcards):
    """How boxes of labelled frames are placed."""
    own = changed_box_options(wildcards, "min_confidence", "min_size")
    return [*box_size(wildcards), *own]


def video_box_options(wildcards):
    """How boxes of videos are placed."""
    names = ("window", "max_speed", "min_cutoff", "beta")
    return [*labelled_box_options(wildcards), *changed_box_options(wildcards, *names)]


def labelled_frames(wildcards, input):
    """Where the keypoints and images of a labelled set are, as options of `litpose crop_qa`."""
    return ["--labels", str(input.labels), "--data_dir", data_dir(wildcards)]


def video_frames(wildcards, input):
    return ["--video", str(input.video)]


def checked_boxes(wildcards):
    """What boxes were asked to be over the span of all keypoints, as options of `litpose crop_qa`."""
    own = settings(wildcards.dataset).workflow
    by_all = own.boxes.fixed_size is None and not own.anchor_keypoints
    ratio = ["--crop_ratio", wildcards.ratio] if by_all else []
    return [*ratio, "--min_confidence", str(own.boxes.min_confidence)]


def crop_qa_targets(wildcards):
    """The crop QA of all labelled sets and videos of the datasets whose plots are made without asking."""
    return [
        table
        for dataset in DATASETS
        if settings(dataset).workflow.default_target
        for table in crop_qa_tables(dataset)
    ]


def crop_qa_tables(dataset):
    """One table for each labelled set or video of each detector and crop ratio."""
    own = settings(dataset).workflow
    names = [*labelled_csvs(dataset), *unlabelled_names(dataset)]
    videos = [Path(video).name for video in own.videos]
    return [
        f"results/{dataset}/{folder}/crop_qa.csv"
        for seed in own.seeds
        for ratio in own.crop_ratios
        for folder in (
            *(f"crop_{seed}_{ratio}/{name}" for name in names),
            *(f"cropzoom_{seed}_{ratio}/video_preds/{name}" for name in videos),
        )
    ]


def unlabelled_names(dataset):
    """The names of the videos that pose models learn from besides their labels, once the data is there."""
    variants = settings(dataset).workflow.variants
    poses = [
        f"-{name}"
        for name, variant in variants.items()
        if variant.get("model", "pose") == "pose"
    ]
    trainings = [
        SimpleNamespace(dataset=dataset, variant=name) for name in ["", *poses]
    ]
    found = [path.name for training in trainings for path in pose_videos(training)]
    return list(dict.fromkeys(found))
