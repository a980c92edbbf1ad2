# What the gallery and the report need: boxes of their members, checksums of images, settings.

GALLERY = "lightning_pose.evaluation.gallery.site"
GALLERY_CODE = [
    fingerprint("lightning_pose.cli.gallery", *SETTINGS_CODE),
    files_fingerprint(GALLERY, "page"),
]
REPORT_CODE = [
    fingerprint("lightning_pose.cli.report", *SETTINGS_CODE),
    files_fingerprint("lightning_pose.evaluation.report.page", "assets"),
]


def gallery_members(wildcards):
    """(kind, seed, InD boxes, OOD boxes) of each member that cropped."""
    members = []
    for kind, seed, *_ in members_there(wildcards):
        if kind.startswith("pose_"):
            ratio = kind.removeprefix("pose_").partition("-")[0]
            folder = f"results/{wildcards.dataset}/crop_{seed}_{ratio}"
            boxes = [
                f"{folder}/{csv}/bbox.csv" for csv in labelled_csvs(wildcards.dataset)
            ]
            members.append((kind, seed, *boxes))
    return members


def gallery_boxes(wildcards):
    return list(
        dict.fromkeys(file for own in gallery_members(wildcards) for file in own[2:])
    )


def gallery_box_options(wildcards):
    """The boxes, as options of the command."""
    return [
        str(part) for own in gallery_members(wildcards) for part in ("--bbox", *own)
    ]


def gallery_indexes(wildcards):
    """The checksums of the labelled images."""
    return [
        f"results/{wildcards.dataset}/data/{csv}/images.json"
        for csv in labelled_csvs(wildcards.dataset)
    ]


def gallery_videos(wildcards):
    """(video, kind, seed, predictions) of each member's cropzoom model and video here that the config names."""
    dataset, own = wildcards.dataset, settings(wildcards.dataset).workflow
    named = listed_videos(dataset)
    names = [name for name in named if not is_remote(named[name])]
    if names:
        labels_at(wildcards, ind_csv(wildcards))
    there = {(kind, str(seed)) for kind, seed, *_ in members_there(wildcards)}
    return [
        (
            video_path(dataset, name),
            f"pose_{ratio}",
            seed,
            f"results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{name}/predictions.csv",
        )
        for name in names
        for ratio in own.crop_ratios
        for seed in own.seeds
        if (f"pose_{ratio}", str(seed)) in there
    ]


def gallery_video_files(wildcards):
    return list(
        dict.fromkeys(
            file for own in gallery_videos(wildcards) for file in (own[0], own[3])
        )
    )


def gallery_video_options(wildcards):
    """The videos and their predictions, as options of the command."""
    return [
        str(part)
        for own in gallery_videos(wildcards)
        for part in ("--video_member", *own)
    ]


def gallery_minutes(wildcards, input, attempt):
    frames = rows_of(input.ind_labels)
    if input.ood_labels:
        frames += rows_of(input.ood_labels)
    return minutes(frames / DRAWN_PER_S, attempt)


def member_configs(wildcards):
    """The settings that the members were trained with."""
    folders = [Path(member[2]).parents[2] for member in members_there(wildcards)]
    return [f"{folder}/config.yaml" for folder in folders]


def member_crop_tables(wildcards):
    """Whether the crops of the members' labelled sets can be trusted."""
    return [
        str(Path(boxes).with_name("crop_qa.csv")) for boxes in gallery_boxes(wildcards)
    ]
