# The Ensemble Kalman Smoother has an environment of its own: of --sdm conda, or of `make eks`, or any other whose
# Python is named:  snakemake --config eks_python=path/to/python --cores 8 smoothed
import shutil
import subprocess

from snakemake.logging import logger

EKS_PYTHON = str(config.get("eks_python", ".venv-eks/bin/python"))
DEPLOYMENT = workflow.deployment_settings
BY_CONDA = DEPLOYMENT is not None and "conda" in {
    str(method) for method in DEPLOYMENT.deployment_method
}
EKS_OPTIONS = [] if BY_CONDA else ["--python", EKS_PYTHON]


@cache
def missing_smoother():
    """What is missing for smoothing; None if nothing is."""
    if BY_CONDA:
        return None
    if shutil.which(EKS_PYTHON) is None:
        return f"a Python at {EKS_PYTHON}"
    check = (
        "import importlib.util, sys; sys.exit(importlib.util.find_spec('eks') is None)"
    )
    done = subprocess.run([EKS_PYTHON, "-c", check], capture_output=True)
    return f"ensemble-kalman-smoother for {EKS_PYTHON}" if done.returncode else None


def smoothed_targets(wildcards):
    """What all seeds find in the videos of the configs, smoothed; joined only, where there is no smoother."""
    missing = missing_smoother()
    if missing is not None:
        logger.warning(
            f"smoothing is left out: expected {missing}, found none"
            " (make eks, or --config eks_python=PYTHON, or --sdm conda)"
        )
    file = "smoothed_predictions" if missing is None else "predictions"
    return [
        f"results/{dataset}/ensemble/{name}/video_preds/{Path(video).name}/{file}.csv"
        for dataset in DATASETS
        for name in names_of(dataset, [kind for kind, _ in video_kinds(dataset)])
        for video in settings(dataset).workflow.videos
    ]


def smoothing_options(wildcards):
    """How a video is smoothed, as options of the command."""
    own = settings(wildcards.dataset).workflow.ensemble
    views = settings(wildcards.dataset).data.mirrored_column_matches or []
    walk = [] if own.smooth_param is None else [f"--smooth_param={own.smooth_param}"]
    return [
        *(f"--view={','.join(map(str, view))}" for view in views),
        *walk,
        f"--fit_frames={'null' if own.fit_frames is None else own.fit_frames}",
        *([] if own.variances else ["--no_variances"]),
    ]


def smoothing_mb(wildcards, input, attempt):
    """Memory for all rows of all members, and the smoother's matrices of each frame and keypoint."""
    return again(2 * STEP_MB + 4 * TABLE_MB * table_megabytes(input), attempt)


def smoothing_minutes(wildcards, input, attempt):
    return minutes(60 * table_megabytes(input), attempt)
