#!/usr/bin/env bash
# Install the project and its pinned dependencies into the environment whose python comes first. The one place that
# does: `make env`, Snakemake (after it has made the conda environment of the same name) and the containers call it.
# Usage: [CROPZOOM_SOURCE=project folder] [CROPZOOM_EXTRAS=cluster,dev] bash envs/environment.post-deploy.sh
set -euo pipefail
project=${CROPZOOM_SOURCE:-.}
constraints=$project/envs/constraints.txt
extras=${CROPZOOM_EXTRAS:+[$CROPZOOM_EXTRAS]}
torch=$(grep '^torch==' "$constraints")

# torch first: a torchvision that comes along must find it there
python -m pip install --quiet --constraint "$constraints" "$torch"
python -m pip install --quiet --constraint "$constraints" --editable "$project$extras"
