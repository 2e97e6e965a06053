# Words for people and for CI. Each sets up .venv by itself; needs Python 3.11 to 3.13 and make.
#   make train [TASK=...] [ARGS="--num_envs 1024 ppo.gamma=0.98"]   train, evaluate the last two checkpoints, and the last one on the full contact model
#   make play [ARGS="--video walk.mp4"]   show the newest run in the browser
#   make test  [ARGS="tests/unit -k manifest"]                      all tests
#   make test-isaaclab [PHYSICS="newton_mjwarp ovphysx"] [ARGS="-k crosscheck"]   the tests on Isaac Lab 3.0; needs Python 3.12
#   make test-isaaclab2   what users of Isaac Lab 2.3 need, on a double of Isaac Sim; needs Python 3.11
#   make check    lint, formatting, types, import contracts, Docker files
#   make docs     build the documentation into site/; a link that leads nowhere is an error
#   make format   apply formatting and safe fixes
#   make bench    every benchmark; tables go into docs/performance.md
#   make chaos [ARGS="--minutes 60 --seed 0"]   break runs in many ways, resume them, compare; prints the table of docs/robustness.md
#   make fuzz [ARGS="--inputs 20000 --run RUN"]   give changed files to every reader; prints the other table of docs/robustness.md
# Without a GPU, TORCH_INDEX=https://download.pytorch.org/whl/cpu spares the download of CUDA libraries.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: train play test test-isaaclab test-isaaclab2 check docs format bench chaos fuzz setup setup-isaaclab setup-isaaclab2

TASK ?= Surefoot-Velocity-Flat-Unitree-Go1-v0
RUNS ?= runs
RUN ?= latest
ARGS ?=
PYTHON ?=
TORCH_INDEX ?=
PHYSICS ?= newton_mjwarp ovphysx
SYSTEM ?= ovphysx

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.surefoot-installed

# mjlab and each Isaac Lab pin another MuJoCo: an environment each. Of mjlab and mjviser those of Isaac Lab take the files alone.
VENV_ISAACLAB := .venv-isaaclab
BIN_ISAACLAB := $(VENV_ISAACLAB)/bin
STAMP_ISAACLAB := $(VENV_ISAACLAB)/.surefoot-installed
VENV_ISAACLAB2 := .venv-isaaclab2
BIN_ISAACLAB2 := $(VENV_ISAACLAB2)/bin
STAMP_ISAACLAB2 := $(VENV_ISAACLAB2)/.surefoot-installed
ISAACLAB2 := isaaclab==2.3.2.post1
MJCF := mjlab==1.6.0
MJVISER := mjviser==0.0.14

train: $(STAMP)
	$(BIN)/python scripts/train.py --task $(TASK) --runs $(RUNS) $(ARGS)
	set -e; last=$$(ls -t $(RUNS)/$(TASK)/*/model_*.pt | head -n 1); \
	for checkpoint in $$(ls -t "$$(dirname "$$last")"/model_*.pt | head -n 2 | tac); do $(BIN)/python scripts/evaluate.py --checkpoint "$$checkpoint"; done; \
	$(BIN)/python scripts/evaluate.py --checkpoint "$$last" simulation=full

play: $(STAMP)
	$(BIN)/python scripts/play.py $(RUN) $(ARGS)

# An engine that is named must be there: without it the tests fail instead of being skipped.
test: $(STAMP)
	SUREFOOT_TEST_ENGINES=mujoco $(BIN)/python -m pytest $(ARGS)

# One process for each backend: a simulation owns its process. The system tests, most of whose time is the start of processes, run on
# those of SYSTEM.
test-isaaclab: $(STAMP_ISAACLAB)
	status=0; for physics in $(PHYSICS); do \
	  OMP_NUM_THREADS=1 SUREFOOT_TEST_ENGINES=isaaclab:$$physics $(BIN_ISAACLAB)/python -m pytest \
	    tests/engine_isaaclab tests/engine_isaaclab3 tests/every_engine \
	    $$(case " $(SYSTEM) " in *" $$physics "*) echo tests/system;; esac) $(ARGS) || status=$$?; \
	done; exit $$status

test-isaaclab2: $(STAMP_ISAACLAB2)
	SUREFOOT_TEST_ENGINES=isaaclab $(BIN_ISAACLAB2)/python -m pytest tests/isaaclab_double tests/engine_isaaclab $(ARGS)

# Changed files for every reader of what strangers give: docs/robustness.md. ARGS="--run RUN_FOLDER" adds those of a run.
fuzz: $(STAMP)
	nice -n 10 $(BIN)/python tests/fuzz.py $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile.*
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml

# The theme's message about its successor is no warning of ours.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	set -e; for file in benchmarks/bench_*.py; do $(BIN)/python "$$file" $(ARGS); done

chaos: $(STAMP)
	nice -n 10 $(BIN)/python tests/chaos/chaos.py $(ARGS)

setup: $(STAMP)

setup-isaaclab: $(STAMP_ISAACLAB)

setup-isaaclab2: $(STAMP_ISAACLAB2)

# torch goes first and alone: resolved together with the rest, pip may take a build for another device.
$(STAMP): pyproject.toml constraints.txt
	@python="$(PYTHON)"; \
	for name in $${python:-python3.11 python3.12 python3.13 python3}; do \
	  if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then found="$$name"; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "error: surefoot needs Python 3.11, 3.12 or 3.13; looked for: $${python:-python3.11 python3.12 python3.13 python3}." >&2; \
	  echo "       Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$found" --version) (once; a few minutes)"; \
	if ! [ -x $(BIN)/python ]; then "$$found" -m venv $(VENV); fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mujoco,wandb,docs,dev]'
	@touch $(STAMP)

$(STAMP_ISAACLAB): pyproject.toml constraints-isaaclab.txt
	@python="$(or $(PYTHON),python3.12)"; \
	if ! "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then \
	  python="$$(ls -d $$HOME/.pyenv/versions/3.12*/bin/python3.12 2>/dev/null | tail -n 1)"; \
	fi; \
	if [ -z "$$python" ]; then \
	  echo "error: Isaac Lab 3.0 needs Python 3.12; looked for: $(or $(PYTHON),python3.12)." >&2; \
	  echo "       Install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV_ISAACLAB) with $$("$$python" --version) (once; 9 GB, a few minutes)"; \
	if ! [ -x $(BIN_ISAACLAB)/python ]; then "$$python" -m venv $(VENV_ISAACLAB); fi
	$(BIN_ISAACLAB)/python -m pip install --quiet --disable-pip-version-check -c constraints-isaaclab.txt -e '.[isaaclab,test]'
	$(BIN_ISAACLAB)/python -m pip install --quiet --disable-pip-version-check --no-deps $(MJCF) $(MJVISER)
	@touch $(STAMP_ISAACLAB)

# What 2.3 asks for is chosen in requirements.txt.
$(STAMP_ISAACLAB2): pyproject.toml constraints-isaaclab2.txt tests/isaaclab_double/requirements.txt
	@python="$(or $(PYTHON),python3.11)"; \
	if ! "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
	  echo "error: Isaac Lab 2.3 needs Python 3.11; looked for: $$python." >&2; \
	  echo "       Install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV_ISAACLAB2) with $$("$$python" --version) (once; a few minutes)"; \
	if ! [ -x $(BIN_ISAACLAB2)/python ]; then "$$python" -m venv $(VENV_ISAACLAB2); fi
	$(BIN_ISAACLAB2)/python -m pip install --quiet --disable-pip-version-check -c constraints-isaaclab2.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN_ISAACLAB2)/python -m pip install --quiet --disable-pip-version-check --no-deps $(ISAACLAB2) $(MJCF) $(MJVISER)
	$(BIN_ISAACLAB2)/python -m pip install --quiet --disable-pip-version-check -c constraints-isaaclab2.txt -r tests/isaaclab_double/requirements.txt -e .
	@touch $(STAMP_ISAACLAB2)
