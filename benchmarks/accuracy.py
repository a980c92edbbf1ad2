"""Print the errors of a finished run and whether they reach the project's goals.

    snakemake --cores 8 results/chickadee/ood_plots.pdf results/openfield/ood_plots.pdf
    python benchmarks/accuracy.py chickadee openfield

Numbers come from results/<dataset>/ood_metrics.csv: pixel errors in frame pixels over all labelled keypoints
and ensemble members, and Spearman's rho of error and ensemble standard deviation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from lightning_pose.config import load_config
from lightning_pose.io.labels import read_labels
from lightning_pose.io.predictions import read_predictions

STATISTICS = ("n", "mean", "median", "p90", "spearman", "spearman_of_mean", "auroc_5px", "auroc_10px")
MEDIAN_RATIO, RHO = 0.5, 0.5  # demo: pose over detector at most; at least
OPENFIELD_MEAN_PX, OPENFIELD_ENSEMBLE_PX = 3.0, 2.7


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--results", type=Path, default=Path("results"))
    args = parser.parse_args()
    for dataset in args.datasets:
        numbers = summary(args.results / dataset / "ood_metrics.csv")
        print(f"### {dataset}\n\n{table(numbers)}\n")
        ensembles = ensemble_means(args.results / dataset, dataset)
        for kind, error in ensembles.items():
            print(f"- OOD mean of the ensemble of {kind} (mean keypoints over the seeds): {error:.2f} px")
        for line in goals(dataset, numbers, ensembles):
            print(line)
        print()


def summary(path: Path) -> pd.DataFrame:
    """Return one row for each set and kind of model, one column a statistic."""
    rows = pd.read_csv(path, dtype={"value": float}, low_memory=False)
    rows = rows[rows["figure"] == "summary"]
    return rows.pivot(index=["set", "kind"], columns="statistic", values="value")[list(STATISTICS)]


def table(numbers: pd.DataFrame) -> str:
    head = ["set", "model", *STATISTICS]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for (name, kind), row in numbers.iterrows():
        values = [f"{row['n']:.0f}", *(f"{row[statistic]:.2f}" for statistic in STATISTICS[1:])]
        lines.append(f"| {name} | {kind} | {' | '.join(values)} |")
    return "\n".join(lines)


def ensemble_means(root: Path, dataset: str) -> dict[str, float]:
    """Return the OOD mean error of the members' mean keypoints, by kind of model."""
    config = load_config(f"config/{dataset}.yaml", warn=False)
    name = str(config.workflow.ood_csv)
    labels_px = read_labels(Path(config.data.data_dir) / name).keypoints_px
    members: dict[str, list[np.ndarray]] = {}
    for path in sorted(root.glob(f"*/image_preds/*{name}/*predictions.csv")):
        kind, _, *ratio = path.parts[-4].split("_")
        if kind.startswith("pose") == path.name.startswith("remapped_"):
            members.setdefault("_".join([kind, *ratio]), []).append(read_predictions(path).keypoints_px)
    return {
        kind: float(np.nanmean(np.linalg.norm(np.mean(own, 0) - labels_px, axis=-1)))
        for kind, own in members.items()
    }


def goals(dataset: str, numbers: pd.DataFrame, ensembles: dict[str, float]) -> list[str]:
    ood = numbers.loc["OOD"]
    pose, single = next(kind for kind in ood.index if kind.startswith("pose")), "single"
    if dataset == "chickadee":
        ratio = ood.loc[pose, "median"] / ood.loc[single, "median"]
        lines = [
            judge(f"OOD median of {pose} over {single}", ratio, ratio <= MEDIAN_RATIO, f"<= {MEDIAN_RATIO}")
        ]
        for kind in ("all", single, pose):
            rho = ood.loc[kind, "spearman"]
            lines.append(judge(f"OOD Spearman's rho of {kind}", rho, rho >= RHO, f">= {RHO}"))
        return lines
    if dataset == "openfield":
        mean, other = ood.loc[pose, "mean"], ood.loc[single, "mean"]
        return [
            judge(f"OOD mean of {pose}, px", mean, mean <= OPENFIELD_MEAN_PX, f"<= {OPENFIELD_MEAN_PX}"),
            judge(f"OOD mean of {pose}, px", mean, mean < other, f"< {other:.2f} of {single}"),
            judge(
                f"OOD mean of the ensemble of {pose}, px",
                ensembles[pose],
                ensembles[pose] <= OPENFIELD_ENSEMBLE_PX,
                f"<= {OPENFIELD_ENSEMBLE_PX}",
            ),
        ]
    return []


def judge(what: str, value: float, holds: bool, goal: str) -> str:
    return f"- {what}: {value:.2f} (goal {goal}): {'reached' if holds else 'NOT reached'}"


if __name__ == "__main__":
    main()
