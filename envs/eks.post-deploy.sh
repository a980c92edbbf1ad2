#!/usr/bin/env bash
# Install the Ensemble Kalman Smoother and, without its dependencies, the project into the environment whose python
# comes first: `make eks` calls it, and Snakemake after it has made the conda environment of the same name.
# Usage: [CROPZOOM_SOURCE=project folder] bash envs/eks.post-deploy.sh
set -euo pipefail
project=${CROPZOOM_SOURCE:-.}

python -m pip install --quiet --requirement "$project/envs/eks-requirements.txt"
python -m pip install --quiet --no-deps --editable "$project"
