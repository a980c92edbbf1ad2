"""Print the errors of a finished run and whether they reach the project's goals.

    snakemake --cores 8 results/chickadee/ood_plots.pdf results/openfield/ood_plots.pdf
    python benchmarks/accuracy.py chickadee openfield

Numbers come from results/<dataset>/ood_metrics.csv: pixel errors in frame pixels over all labelled keypoints
and ensemble members, and Spearman's rho of error and ensemble standard deviation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

STATISTICS = ("n", "mean", "median", "p90", "spearman", "spearman_of_mean", "auroc_5px", "auroc_10px")
MEDIAN_RATIO, RHO = 0.5, 0.5  # demo: pose over detector at most; at least
OPENFIELD_MEAN_PX = 4.0


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
        for line in goals(dataset, numbers):
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


def goals(dataset: str, numbers: pd.DataFrame) -> list[str]:
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
    if dataset.startswith("openfield"):
        mean, other = ood.loc[pose, "mean"], ood.loc[single, "mean"]
        return [
            judge(f"OOD mean of {pose}, px", mean, mean <= OPENFIELD_MEAN_PX, f"<= {OPENFIELD_MEAN_PX}"),
            judge(f"OOD mean of {pose}, px", mean, mean < other, f"< {other:.2f} of {single}"),
        ]
    return []


def judge(what: str, value: float, holds: bool, goal: str) -> str:
    return f"- {what}: {value:.2f} (goal {goal}): {'reached' if holds else 'NOT reached'}"


if __name__ == "__main__":
    main()
