# `make book` builds the book, `make test` checks everything. Both make the environment first, in .venv, with pip, from
# requirements.lock; a second call does only what changed. PYTHON=... picks the Python that .venv is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

export PYTHON PIPFLAGS

# An environment that was moved with its folder, or whose Python is gone, does not run: forget it, and it is made anew.
ifneq ($(wildcard $(VENV)/.locked),)
ifneq ($(shell [ "$$(cat $(VENV)/.locked)" = "$$(pwd -P)" ] && $(BIN)/python -c '' && echo runs),runs)
$(shell rm -f $(VENV)/.locked)
endif
endif

.NOTPARALLEL:
.PHONY: help setup book pdf test lint lock neurolibre citation clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: $(VENV)/.ready ## Make the environment

$(VENV)/.locked: requirements.lock
	@sh tools/setup.sh lock

$(VENV)/.ready: $(VENV)/.locked pyproject.toml
	@sh tools/setup.sh project

book: setup ## Execute the notebooks and build the book into _build/html (PROFILE=smoke: train everything at toy scale)
	@$(BIN)/lifroles book $(if $(PROFILE),--profile $(PROFILE))

pdf: setup ## The book as one PDF, too, in _build/pdf (needs Chromium: tools/install-browser.sh)
	@$(BIN)/lifroles book --pdf

# Files side by side, one a processor, each whole: its tests share what is slow to make, such as the built book.
test: lint book ## Check the code, build the book, run the tests
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile $(PYTESTFLAGS)

lint: setup ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --warnings

lock: ## Resolve requirements.lock and environment.yml from pyproject.toml (UPGRADE=1: newest versions)
	@$(PYTHON) tools/lock.py $(if $(UPGRADE),--upgrade)

neurolibre: setup ## Write content/, the book in NeuroLibre's layout, after a change to _config.yml or _toc.yml
	@$(BIN)/python tools/neurolibre.py

citation: ## Check CITATION.cff with cffconvert
	@sh tools/check-citation.sh

clean: ## Remove what was built; the environment and the trained runs stay
	rm -rf _build book/notebooks build lifroles.egg-info .pytest_cache .ruff_cache .hypothesis .coverage htmlcov
	find lifroles tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
