# Unlabelled videos that trainings learn from: which, and their boxes.


def unlabelled_videos(wildcards, kind):
    """The videos that a training learns from besides its labels, once the data is there."""
    own = training_settings(wildcards.dataset, kind, wildcards.variant)
    if not own.model.losses_to_use:
        return []
    labels_at(wildcards, ind_csv(wildcards))
    try:
        return find_videos(own.data.video_dir, Path(own.data.data_dir))
    except UserError as error:
        raise WorkflowError(str(error))


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
    own = settings(wildcards.dataset).workflow
    found = set()
    for name in ["", *(f"-{name}" for name in own.variants)]:
        kind = own.variants.get(name.removeprefix("-"), {}).get("model", "pose")
        training = training_settings(
            wildcards.dataset, "detector" if kind == "single" else "pose", name
        )
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
