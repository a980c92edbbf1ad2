# make demo   environment, then labelled frames to OOD plots on the synthetic chickadee
# make test   environment if missing, then the whole test suite
# make eks    the Ensemble Kalman Smoother in an environment of its own, .venv-eks: snakemake smoothed
# make slurm  the DAG on a SLURM of its own: as root, with Debian's slurm-wlm and munge
# make reliability   real commands killed, asked to end, and left without room, 240 kills in all
VENV := .venv
PYTHON ?= python3.11
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
CORES ?= 8

.PHONY: env eks demo test slurm lint reliability clean

env: $(VENV)/ready

$(VENV)/ready: pyproject.toml envs/constraints.txt envs/environment.post-deploy.sh
	@command -v $(PYTHON) > /dev/null && $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(RUN) CROPZOOM_EXTRAS=cluster,dev bash envs/environment.post-deploy.sh
	touch $@

eks: $(VENV)-eks/ready

$(VENV)-eks/ready: envs/eks-requirements.txt envs/eks.post-deploy.sh
	@command -v $(PYTHON) > /dev/null && $(PYTHON) -m venv $(VENV)-eks || python3 -m venv $(VENV)-eks
	PATH="$(CURDIR)/$(VENV)-eks/bin:$$PATH" bash envs/eks.post-deploy.sh
	touch $@

demo: env
	$(RUN) snakemake --cores $(CORES) results/chickadee/ood_plots.pdf

test: env
	$(RUN) OMP_NUM_THREADS=1 python -m pytest -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

slurm: env
	$(RUN) OMP_NUM_THREADS=1 python -m pytest -m slurm tests/slurm

# kills, signals, full disks, damaged files; numbers go to results/reliability.json
reliability: env
	mkdir -p results
	$(RUN) RELIABILITY_FULL=1 RELIABILITY_REPORT="$(CURDIR)/results/reliability.json" python -m pytest tests/reliability tests/integration/test_again.py

lint: env
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) codespell
	$(RUN) mypy
	$(RUN) snakemake --lint

clean:
	rm -rf results data/chickadee
