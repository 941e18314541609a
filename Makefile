# make demo   sets up everything and runs the main job
# make test   sets up everything and passes the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCHED := $(VENV)/.installed-bench
BROWSED := $(VENV)/.installed-browser
UV := uv==0.13.9
COMPILE := .cache/lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-cells test-abuse test-browser check bench bench-scale bench-load bench-replay bench-front sizing profile faults campaign campaign-convergence campaign-api explore format lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## install everything the other targets need into .venv

$(STAMP): requirements/all.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV)"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements/all.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP)  ## run the main job on an embedded Kafka and Postgres
	@$(BIN)/unenroll demo

test: $(STAMP)  ## pass the tests; the core's branches are covered in full
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term
	$(BIN)/python -m coverage report --fail-under=100

check: $(STAMP)  ## formatting, lint, types, import direction
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BENCHED): $(STAMP) requirements/bench.lock
	@echo "installing what the benchmarks compare with into $(VENV)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/bench.lock
	@touch $(BENCHED)

ARGS ?=
bench: $(BENCHED)  ## measure the worker beside others that do the same; ARGS=--quick for a first look
	@$(BIN)/python -m benchmarks $(ARGS)

bench-scale: $(BENCHED)  ## measure it with more processes, partitions, accounts, and more than it can do
	@$(BIN)/python -m benchmarks.scale $(ARGS)

profile: $(BENCHED)  ## sample where the time of a worker that drains a backlog goes
	@$(BIN)/python -m benchmarks.profiling $(ARGS)

bench-load: $(STAMP)  ## measure lines per second and memory of a load
	@$(BIN)/python -m benchmarks.load $(ARGS)

bench-replay: $(STAMP)  ## measure replays, and what live requests notice of them
	@$(BIN)/python -m benchmarks.replay $(ARGS)

sizing: $(STAMP)  ## calculate partitions, workers, Postgres servers and disk; ARGS="--measure 20000" measures first
	@$(BIN)/python -m benchmarks.sizing $(ARGS)

bench-front: $(STAMP)  ## measure calls at the front door, 50 a second
	@$(BIN)/python -m benchmarks.front $(ARGS)

faults: $(STAMP)  ## let every single fault befall workers at every phase of a batch, and servers go away under the front door
	$(BIN)/python -m pytest tests/faults tests/e2e/test_front_troubles.py -m "thorough or not thorough"

test-abuse: $(STAMP)  ## abuse the guards of the front door, also with 10,000 connections at once
	$(BIN)/python -m pytest tests/front/guards -m "thorough or not thorough"

test-cells: $(STAMP)  ## move lanes between two Postgres servers under load, also killed at each step
	$(BIN)/python -m pytest tests/cells -m "thorough or not thorough"

$(BROWSED): $(STAMP) requirements/browser.lock
	@echo "installing what drives a browser into $(VENV)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/browser.lock
	@touch $(BROWSED)

CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || echo /usr/bin/chromium)
$(CHROMIUM):
	@echo "installing Debian's chromium; set CHROMIUM=/path/to/chromium to use another"
	apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium fonts-liberation

test-browser: $(BROWSED) $(CHROMIUM)  ## look at the pages in headless Chromium, with axe-core; pictures go to .cache/pages
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest -m browser tests/browser

MINUTES ?= 10
campaign: $(STAMP)  ## try faults by chance for MINUTES; SEED=n begins with the round of that seed
	PYTHONPATH=tests $(BIN)/python tests/campaigns/faults.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

campaign-convergence: $(STAMP)  ## try crowds in many orders of arrival for MINUTES
	PYTHONPATH=tests $(BIN)/python tests/campaigns/convergence.py --minutes $(MINUTES)

campaign-api: $(STAMP)  ## hold the front door against its own OpenAPI document
	PYTHONPATH=tests $(BIN)/python tests/campaigns/front_door.py $(ARGS)

RECORDS ?= aba
SIZES ?= 1,2
WORKERS ?= 2
DEPTH ?= 1000
explore: $(STAMP)  ## search every interleaving of the lane protocol, to DEPTH, and tell what each guard is for
	PYTHONPATH=tests $(BIN)/python -m explore --records $(RECORDS) --sizes $(SIZES) --workers $(WORKERS) --depth $(DEPTH)

format: $(STAMP)  ## let the formatter and the linter mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## make the locks again from pyproject.toml
	@$(PYTHON) -m venv .cache/lock && .cache/lock/bin/python -m pip install --quiet $(UV)
	$(COMPILE) --extra api --extra sandbox --group test --group check --group build --output-file requirements/all.lock
	$(COMPILE) --constraint requirements/all.lock --output-file requirements/run.lock
	$(COMPILE) --group bench --constraint requirements/all.lock --output-file requirements/bench.lock
	$(COMPILE) --group browser --constraint requirements/all.lock --output-file requirements/browser.lock

clean:  ## remove what the other targets made
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
