# What a reader needs. Runs with GNU make 3.81 (macOS) and newer; everything is installed into .venv, once.

PYTHON   ?= python3
VENV     := .venv
RUN      := $(VENV)/bin/python
# One thread: the same numbers whatever else the machine does, and small networks are no slower for it.
ONE      := OMP_NUM_THREADS=1
PYTEST   := $(ONE) $(RUN) -m pytest
NBVAL    := --nbval --nbval-current-env --nbval-sanitize-with=tests/nbval_sanitize.cfg --nbval-cell-timeout=120
# What a notebook is stored with: its cells, their outputs and their tags; no clock times, no widget state.
EXECUTE  := $(ONE) $(RUN) -m nbconvert --execute --ExecutePreprocessor.record_timing=False \
            --ClearMetadataPreprocessor.enabled=True --ClearMetadataPreprocessor.clear_cell_metadata=False \
            --ClearMetadataPreprocessor.preserve_nb_metadata_mask='["kernelspec","language_info"]'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help tour lab test test-slow notebooks runs lint format types bench clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 | /p' Makefile | column -t -s '|' 2>/dev/null || sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

tour: $(VENV)/.notebooks  ## execute the tour: runs/tour.html, its Runs under runs/tour/, and their table
	@rm -rf runs/tour runs/tour.html && mkdir -p runs
	$(EXECUTE) --to html --template classic --output-dir=runs --output=tour notebooks/00_tour.ipynb  # this template reads alt texts
	$(RUN) -m cltoolkit show runs/tour/*
	@echo "The page is runs/tour.html"

lab: $(VENV)/.notebooks  ## open the notebooks in JupyterLab, for this machine only
	$(RUN) -m cltoolkit lab

test: $(VENV)/.browser  ## the whole suite: unit tests, doctests, notebooks, and views in a browser
	$(PYTEST) -n 2 --dist loadfile $(NBVAL)

test-slow: $(VENV)/.dev  ## the heavy checks
	$(PYTEST) -m slow --timeout=3600

notebooks: $(VENV)/.dev  ## execute every notebook in place, as it is stored
	@for notebook in notebooks/*.ipynb; do $(EXECUTE) --to notebook --inplace "$$notebook" || exit 1; done
	$(RUN) -m cltoolkit notebooks check --fix notebooks

# Eleven learners, three seeds each (HopSupSup needs batch norm); then one in six ways, five seeds each.
COMPARED := finetune joint separate hypernet hembedding hyperinterval intercontinet supsup exssnet taskfreesupsup hopsupsup
GUIDED := none decoder distance initialization "initialization shuffled=true" "initialization near=mean"
STORE := $(ONE) $(RUN) -m cltoolkit run --overwrite
runs: $(VENV)/.notebooks  ## train the Runs that notebooks open, in data/runs; some six minutes
	@for learner in $(COMPARED); do $(STORE) --learner $$learner --sequence split_digits --seed 0 1 2 --out data/runs/compare \
	  --set epochs=10 log_every=5 snapshots=false network.hidden=300,100 \
	  $$(test $$learner != hopsupsup || echo network.batch_norm=true) || exit 1; done
	@for way in $(GUIDED); do $(STORE) --learner hembedding --sequence rotated_digits --seed 0 1 2 3 4 \
	  --out data/runs/guidance/$$(echo $$way | tr ' =' '--') \
	  --set angles=0,90,10,100,20 epochs=2 log_every=20 snapshots=false network.hidden=64 guidance=$$way || exit 1; done
	@find data/runs -name states -prune -exec rm -r {} +  # what it takes to go on training is not kept

lint: $(VENV)/.dev  ## ruff: rules and format; what stored notebooks are held to
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m cltoolkit notebooks check notebooks

format: $(VENV)/.dev  ## put the format right, and what else can be, of code and notebooks
	$(RUN) -m ruff check --fix
	$(RUN) -m ruff format
	$(RUN) -m cltoolkit notebooks check --fix notebooks

types: $(VENV)/.dev  ## mypy on the package
	$(RUN) -m mypy

bench: $(VENV)/.benchmarks  ## the benchmarks: a table of ratios
	$(RUN) -m benchmarks

clean:  ## remove what the other commands made, data and runs excepted
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. Each file below is written when its step has succeeded; a step that was interrupted is done again.
# An environment that does not start, or that stood in another folder, is made anew.
PLACE := $(shell $(RUN) -c '' 2>/dev/null && cat $(VENV)/.place 2>/dev/null)
ifneq ($(PLACE),$(CURDIR))
.PHONY: $(VENV)/.place
endif

$(VENV)/.place:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cltoolkit needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 | head -n 1)"; \
	  echo "Name a newer one, for example: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@printf '%s\n' "$(CURDIR)" > $@

$(VENV)/.notebooks: $(VENV)/.place pyproject.toml
	$(RUN) -m pip install --disable-pip-version-check -e '.[notebooks]'
	@touch $@

$(VENV)/.dev: $(VENV)/.notebooks
	$(RUN) -m pip install --disable-pip-version-check -e '.[notebooks,dev]'
	@touch $@

# A machine's own Chromium will do, and so will the one that CHROMIUM names. Where none comes, its tests are skipped.
$(VENV)/.browser: $(VENV)/.dev
	@$(RUN) tests/find_chromium.py && touch $@ || true

$(VENV)/.benchmarks: $(VENV)/.dev
	$(RUN) -m pip install --disable-pip-version-check -e '.[notebooks,dev,benchmarks]'
	@touch $@
