# make demo   sets up everything and runs the main job
# make test   sets up everything and passes the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.installed-demo
STAMP := $(VENV)/.installed-all
BENCHED := $(VENV)/.installed-bench
BROWSED := $(VENV)/.installed-browser
# A lock is complete, so pip takes what it names and resolves nothing: a package released tomorrow changes nothing.
INSTALL := -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes --requirement
COMPILE := .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-abuse test-browser test-dashboard test-security audit sizing test-all check check-alerts check-deploy render vendor-schemas test-docs docs reference bench bench-scale bench-limits bench-load bench-replay bench-api soak profile faults year campaign campaign-convergence campaign-api explore format lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## install everything the other targets need into .venv

$(DEMO): requirements/demo.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the demo needs into $(VENV): about a minute."
	@$(BIN)/python $(INSTALL) requirements/demo.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $(DEMO)

$(STAMP): $(DEMO) requirements/all.lock
	@echo "Installing what tests and checks need into $(VENV): about a minute."
	@$(BIN)/python $(INSTALL) requirements/all.lock
	@touch $(STAMP)

demo: $(DEMO)  ## run the main job on an embedded Kafka and Postgres
	@$(BIN)/unenroll demo

# More processes than processors: most tests wait for what other processes do.
SIDE_BY_SIDE := -n 4 --dist loadfile --no-loadscope-reorder

test: $(STAMP)  ## pass the tests; the core's branches are covered in full
	$(BIN)/python -m pytest tests/core --cov --cov-report=
	$(BIN)/python -m coverage report --fail-under=100
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --ignore=tests/core

check: $(STAMP)  ## formatting, lint, types, import direction, the documentation's links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m documents.site

docs: $(STAMP)  ## build the documentation as a site, strictly, into .cache/site/site
	$(BIN)/python -m documents.site

reference: $(STAMP)  ## make the pages of docs/reference again from the code
	$(BIN)/python -m documents.reference

test-docs: $(STAMP)  ## run every shell block of every page, but for those that say why not
	$(BIN)/python -m pytest tests/docs -m "thorough or not thorough"

$(BENCHED): $(STAMP) requirements/bench.lock
	@echo "Installing what the benchmarks compare with into $(VENV)."
	@$(BIN)/python $(INSTALL) requirements/bench.lock
	@touch $(BENCHED)

ARGS ?=
bench: $(BENCHED)  ## measure the worker beside others that do the same; ARGS=--quick for a first look
	@$(BIN)/python -m benchmarks $(ARGS)

bench-scale: $(BENCHED)  ## measure it with more processes, partitions, accounts, and more than it can do
	@$(BIN)/python -m benchmarks.scale $(ARGS)

profile: $(BENCHED)  ## sample where the time of a worker that drains a backlog goes
	@$(BIN)/python -m benchmarks.profiling $(ARGS)

bench-limits: $(BENCHED)  ## measure unknown names, a large account, a producer quota, and appended cycles that many accounts wait for
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.limits $(ARGS)

bench-load: $(STAMP)  ## measure lines per second and memory of a load
	@$(BIN)/python -m benchmarks.load $(ARGS)

bench-replay: $(STAMP)  ## measure replays, and what live requests notice of them
	@$(BIN)/python -m benchmarks.replay $(ARGS)

soak: $(STAMP)  ## load, rolling restarts, replays and troubles for half an hour; ARGS="--minutes N"
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.soak $(ARGS)

sizing: $(STAMP)  ## calculate partitions, workers, Postgres servers and disk; ARGS="--measure 20000" measures first
	@$(BIN)/python -m benchmarks.sizing $(ARGS)

bench-api: $(STAMP)  ## measure calls at the HTTP API, 50 a second
	@$(BIN)/python -m benchmarks.api $(ARGS)

test-all: $(STAMP)  ## all tests, also those that take longer than every run has time for
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not browser and not prometheus"

faults: $(STAMP)  ## let every single fault befall workers at every phase of a batch, and servers go away under the HTTP API
	$(BIN)/python -m pytest tests/chaos tests/e2e/test_api_outages.py -m "thorough or not thorough"

year: $(STAMP)  ## what happens in a year of operation: erasures, two versions, old backups, a lost Kafka
	$(BIN)/python -m pytest tests/e2e/test_erase.py tests/e2e/test_two_versions.py tests/e2e/test_old_backup.py tests/e2e/test_kafka_lost.py tests/chaos/test_erase_during_faults.py -m "thorough or not thorough"

test-abuse: $(STAMP)  ## try the limits and the authentication of the HTTP API, also while 500 addresses guess secrets
	$(BIN)/python -m pytest tests/api/auth -m "thorough or not thorough"

$(BROWSED): $(STAMP) requirements/browser.lock
	@echo "Installing what drives a browser into $(VENV)."
	@$(BIN)/python $(INSTALL) requirements/browser.lock
	@touch $(BROWSED)

CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || echo /usr/bin/chromium)
$(CHROMIUM):
	@echo "installing Debian's chromium; set CHROMIUM=/path/to/chromium to use another"
	apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium fonts-liberation

test-browser: $(BROWSED) $(CHROMIUM)  ## look at the pages in headless Chromium, with axe-core; pictures go to .cache/pages
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest -m browser tests/browser

PROMTOOL ?= $(shell command -v promtool || echo /usr/bin/promtool)
$(PROMTOOL):
	@echo "installing Debian's prometheus; set PROMTOOL=/path/to/promtool to use another"
	apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends prometheus

check-alerts: $(PROMTOOL)  ## try the alerts with promtool
	$(PROMTOOL) check rules deploy/prometheus/rules.yaml
	$(PROMTOOL) test rules deploy/prometheus/rules_test.yaml

test-dashboard: $(STAMP) $(PROMTOOL)  ## let a real Prometheus answer all panels; SCRAPE=host:port,… of real processes
	PATH="$(dir $(PROMTOOL)):$$PATH" SCRAPE=$(SCRAPE) $(BIN)/python -m pytest -m prometheus tests/deploy/test_answered.py

# kustomize, or a kubectl, which carries one. Where neither is there, Go's own client makes the one that is named here.
KUSTOMIZE_VERSION := v5.8.0
KUSTOMIZE ?= $(shell command -v kustomize || (command -v kubectl > /dev/null && echo kubectl kustomize) || echo .cache/bin/kustomize)
.cache/bin/kustomize:
	GOBIN=$(CURDIR)/.cache/bin go install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)

render: $(STAMP) $(filter .cache/%,$(KUSTOMIZE))  ## make the manifests that are applied, in deploy/kubernetes/rendered
	KUSTOMIZE="$(KUSTOMIZE)" PYTHONPATH=tests $(BIN)/python tests/deploy/rendering.py

check-deploy: $(STAMP) $(filter .cache/%,$(KUSTOMIZE))  ## hold the rendered manifests against what kustomize makes now
	KUSTOMIZE="$(KUSTOMIZE)" PYTHONPATH=tests $(BIN)/python tests/deploy/rendering.py --check

vendor-schemas:  ## make tests/deploy/kubernetes.json again from the packages that carry all of Kubernetes' schemas
	@$(PYTHON) -m venv .cache/schemas
	@.cache/schemas/bin/python $(INSTALL) requirements/schemas.lock
	.cache/schemas/bin/python tests/deploy/vendoring.py

POSTGRES_TLS ?= $(or $(firstword $(wildcard /usr/lib/postgresql/*/bin/postgres)),/usr/lib/postgresql/any/bin/postgres)
$(POSTGRES_TLS):
	@echo "installing Debian's postgresql, which speaks TLS: the embedded one does not"
	apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends postgresql

test-security: $(STAMP) $(POSTGRES_TLS)  ## try every way in to Kafka and Postgres, every right that is missing, and passwords that change
	$(BIN)/python -m pytest tests/security -m "thorough or not thorough"

AUDITED := .cache/audit/.installed
$(AUDITED): requirements/audit.lock
	@$(PYTHON) -m venv .cache/audit
	@.cache/audit/bin/python $(INSTALL) requirements/audit.lock
	@touch $(AUDITED)

SHIPPED := run all
audit: $(AUDITED)  ## look for known weaknesses in the locked packages, and list these as CycloneDX in .cache/sbom
	@mkdir -p .cache/sbom
	@for lock in $(SHIPPED); do .cache/audit/bin/python -W ignore -m cyclonedx_py requirements requirements/$$lock.lock \
		--pyproject pyproject.toml --output-reproducible --output-format JSON --output-file .cache/sbom/$$lock.cdx.json || exit 1; done
	@for lock in $(SHIPPED); do .cache/audit/bin/pip-audit --strict --disable-pip --require-hashes \
		--requirement requirements/$$lock.lock || exit 1; done

MINUTES ?= 10
campaign: $(STAMP)  ## try faults by chance for MINUTES; SEED=n begins with the round of that seed
	PYTHONPATH=tests $(BIN)/python tests/chaos/fault_campaign.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

campaign-convergence: $(STAMP)  ## try crowds in many orders of arrival for MINUTES
	PYTHONPATH=tests $(BIN)/python tests/chaos/convergence_campaign.py --minutes $(MINUTES)

CONFORMED := $(VENV)/.installed-conform
$(CONFORMED): $(STAMP) requirements/conform.lock
	@echo "Installing schemathesis into $(VENV)."
	@$(BIN)/python $(INSTALL) requirements/conform.lock
	@touch $(CONFORMED)

campaign-api: $(CONFORMED)  ## compare the HTTP API with its own OpenAPI document
	PYTHONPATH=tests $(BIN)/python tests/chaos/api_campaign.py $(ARGS)

RECORDS ?= aba
SIZES ?= 1,2
WORKERS ?= 2
DEPTH ?= 1000
explore: $(STAMP)  ## search every interleaving of the lane protocol, to DEPTH, and tell what each guard is for
	PYTHONPATH=tests $(BIN)/python -m model_check --records $(RECORDS) --sizes $(SIZES) --workers $(WORKERS) --depth $(DEPTH)

format: $(STAMP)  ## let the formatter and the linter mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

LOCKING := .cache/lock/bin/python
WITH_ALL := --constraint requirements/all.lock
lock:  ## make the locks again from pyproject.toml
	@$(PYTHON) -m venv .cache/lock && $(LOCKING) $(INSTALL) requirements/lock.lock
	$(COMPILE) pyproject.toml --all-extras --group test --group check --group build --output-file requirements/all.lock
	$(COMPILE) pyproject.toml --extra api --extra otel $(WITH_ALL) --output-file requirements/run.lock
	$(COMPILE) pyproject.toml --all-extras --group build $(WITH_ALL) --output-file requirements/demo.lock
	$(COMPILE) pyproject.toml --group bench $(WITH_ALL) --output-file requirements/bench.lock
	$(COMPILE) pyproject.toml --group browser $(WITH_ALL) --output-file requirements/browser.lock
	$(COMPILE) pyproject.toml --group conform $(WITH_ALL) --output-file requirements/conform.lock
	$(COMPILE) --group build $(WITH_ALL) --output-file requirements/build.lock
	$(COMPILE) --group audit --output-file requirements/audit.lock
	$(COMPILE) --group schemas --output-file requirements/schemas.lock
	$(COMPILE) --group lock --output-file requirements/lock.lock
	$(LOCKING) -m documents.lock_metadata

clean:  ## remove what the other targets made
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
