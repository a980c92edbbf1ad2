# Which models are the members of an ensemble: the seeds of one kind, or of several kinds that the config pools.


def image_kinds(dataset):
    """(kind, predictions on InD frames, those on OOD frames if there are any) of each model, and of other tools."""
    own = SimpleNamespace(dataset=dataset)
    members = [*plot_members(own), *external_members(own)]
    return [(kind, *files) for kind, _, *files in members]


def video_kinds(dataset):
    """(kind, folder) of each cropzoom model."""
    own = settings(dataset).workflow
    return [
        (f"cropzoom_{ratio}", f"results/{dataset}/cropzoom_{seed}_{ratio}")
        for ratio in own.crop_ratios
        for seed in own.seeds
    ]


def pooled_kinds(dataset, name, known):
    """The kinds that an ensemble is of, and those that there are."""
    there = list(dict.fromkeys(known))
    kinds = settings(dataset).workflow.ensemble.pooled.get(name, [name])
    unknown = [kind for kind in kinds if kind not in there]
    if unknown:
        raise WorkflowError(
            f"config/{dataset}.yaml: ensemble {name}: expected one of {', '.join(there)}, found {unknown[0]}"
        )
    return kinds


def image_members(wildcards):
    """The predictions of an ensemble's members on a labelled set."""
    members = image_kinds(wildcards.dataset)
    known = [kind for kind, *_ in members]
    kinds = pooled_kinds(wildcards.dataset, wildcards.ensemble, known)
    place = labelled_csvs(wildcards.dataset).index(wildcards.csv)
    return [files[place] for kind, *files in members if kind in kinds]


def video_members(wildcards):
    """The predictions of an ensemble's members on a video."""
    members = video_kinds(wildcards.dataset)
    known = [kind for kind, _ in members]
    kinds = pooled_kinds(wildcards.dataset, wildcards.ensemble, known)
    return [
        f"{folder}/video_preds/{wildcards.video}/predictions.csv"
        for kind, folder in members
        if kind in kinds
    ]


def names_of(dataset, known):
    """Every kind, and those names of pools whose kinds are all among them."""
    pooled = settings(dataset).workflow.ensemble.pooled
    pools = [name for name, kinds in pooled.items() if set(kinds) <= set(known)]
    return list(dict.fromkeys([*known, *pools]))


def ensemble_targets(wildcards):
    """The ensembles of the datasets whose plots are made without asking."""
    return [
        file
        for dataset in DATASETS
        if settings(dataset).workflow.default_target
        for file in ensembles_of(dataset)
    ]


def refuse_unknown_kinds(dataset):
    """Raise if a pool is of kinds that there are none of, or of images' and videos' at once."""
    of_images, of_videos = (
        [kind for kind, *_ in kinds]
        for kinds in (image_kinds(dataset), video_kinds(dataset))
    )
    for name, kinds in settings(dataset).workflow.ensemble.pooled.items():
        pooled_kinds(dataset, name, of_videos if kinds[0] in of_videos else of_images)


def ensembles_of(dataset):
    """All ensembles on labelled sets, with their errors, and on the videos of the config."""
    folder = f"results/{dataset}/ensemble"
    refuse_unknown_kinds(dataset)
    images = [
        f"{folder}/{name}/image_preds/{csv}/{file}.csv"
        for name in names_of(dataset, [kind for kind, *_ in image_kinds(dataset)])
        for csv in labelled_csvs(dataset)
        for file in ("predictions", "predictions_pixel_error")
    ]
    videos = [
        f"{folder}/{name}/video_preds/{Path(video).name}/predictions.csv"
        for name in names_of(dataset, [kind for kind, _ in video_kinds(dataset)])
        for video in settings(dataset).workflow.videos
    ]
    return images + videos


def ensemble_options(wildcards):
    """How keypoints are averaged, as options of the command."""
    own = settings(wildcards.dataset).workflow.ensemble
    variances = [] if own.variances else ["--no_variances"]
    return ["--average", own.average.value, *variances]


def ensemble_on(wildcards, csv):
    folder = f"results/{wildcards.dataset}/ensemble/{wildcards.ensemble}"
    return f"{folder}/image_preds/{csv}/predictions.csv"


def ensemble_on_ind(wildcards):
    return ensemble_on(wildcards, labelled_csvs(wildcards.dataset)[0])


def ensemble_on_ood(wildcards):
    return [ensemble_on(wildcards, csv) for csv in labelled_csvs(wildcards.dataset)[1:]]


def ood_set_option(wildcards, input):
    """The OOD labels and what an ensemble found there, as an option of the command."""
    return (
        ["--set", "OOD", str(input.ood_labels), str(input.ood)]
        if input.ood_labels
        else []
    )


def expected_error_targets(wildcards):
    """Expected errors on all videos that the configs name."""
    return [
        f"results/{dataset}/ensemble/cropzoom_{ratio}/video_preds/{Path(video).name}/expected_error.csv"
        for dataset in DATASETS
        for own in [settings(dataset).workflow]
        for ratio in own.crop_ratios
        for video in own.videos
    ]
