# The whole interface of this project. Each target sets up what it needs; a second call is fast.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
# What `make image` makes, and what it hands to the engine beside the file.
IMAGE ?= truto-groups:latest
IMAGE_ARGS ?=
# The sandbox's port in `make demo` and `make ui`, which show the same tables.
PORT ?= 8790
# Dagster's port in `make ui`.
UI_PORT ?= 3000
# The histories of `make simulate`: how many, and the first one's seed.
SEEDS ?= 10000
FIRST ?= 0

BIN := $(VENV)/bin
# By file, for what a file's tests share; the slowest files first, not those with the most tests.
PYTEST = $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
STAMP := $(VENV)/.installed
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed
LOCK_OPTIONS := --universal --python-version 3.11 \
	--custom-compile-command "make lock" --no-emit-index-url --no-emit-find-links --quiet
# What tests need, and what the image in deploy/ holds; in both each package has one version.
LOCK_HERE := $(LOCK_OPTIONS) --extra ui --extra cluster --extra telemetry --group dev --group browser
LOCK_IMAGE := $(LOCK_OPTIONS) --extra ui --extra cluster --extra k8s --extra docker --extra celery \
	--extra telemetry --constraint requirements.lock --no-annotate

# `dg` looks for its telemetry switch here and not in dagster.yaml, which turns off that of all the rest.
export DG_CLI_CONFIG := $(CURDIR)/$(VENV)/dg.toml
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The UI opens on the sandbox's week, which is replayed first where its tables are still empty.
# A .env file in the folder that Dagster is started in wins over variables that are set, and would
# send what runs on the sandbox to the tables of your own.
AFTER_THE_WEEK = sh -c '"$$0" -m truto_groups.cli.demo --week-only && cd "$$DAGSTER_HOME" && exec "$$@"' \
	'$(abspath $(BIN))/python'
UI_SOON = It says when it is ready, as a rule in some 20 seconds.
# Dagster's own lines of each tick would drown what somebody should act on.
UI_OPTIONS = --port $(UI_PORT) --log-level warning
# An activated environment must not be taken for ours.
unexport VIRTUAL_ENV
# Where compiled code is not kept, each start of a program compiles hundreds of modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: FORCE help setup demo ui test test-fast ui-test screenshots soak cluster-test simulate simulate-scale check format bench drift-score lock check-lock wheel image clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## Replay a week of some twenty connected apps through Dagster and show the tables. No account needed. PORT=8790
	@exec $(BIN)/truto-groups sandbox --port $(PORT) -- $(BIN)/python -m truto_groups.cli.demo

ui: $(STAMP) ## Open Dagster on the sandbox, or on Truto when TRUTO_API_TOKEN is set (or in .env). UI_PORT=3000 PORT=8790
	@! $(BIN)/python -c 'import socket; socket.create_connection(("127.0.0.1", $(UI_PORT)))' 2>/dev/null || { \
		echo "Port $(UI_PORT) is taken. If Dagster runs there already, use it: a second daemon on the same" \
			"history would request everything twice. Else take another: make ui UI_PORT=$$(($(UI_PORT) + 1))" >&2; exit 1; }
	@if [ -n "$$TRUTO_API_TOKEN" ] || grep -Eqs '^ *(export +)?TRUTO_API_TOKEN *= *[^ #]' .env; then \
		echo "Starting Dagster on Truto. $(UI_SOON)"; \
		$(BIN)/python -m truto_groups.cli.ui_ready $(UI_PORT) $$$$ & \
		exec $(BIN)/dg dev -w workspace.yaml $(UI_OPTIONS); \
	else \
		echo "Starting Dagster on the sandbox (no token set); where that is empty, its week is replayed first. $(UI_SOON)"; \
		$(BIN)/python -m truto_groups.cli.ui_ready $(UI_PORT) $$$$ & \
		exec $(BIN)/truto-groups sandbox --port $(PORT) -- $(AFTER_THE_WEEK) \
			'$(abspath $(BIN))/dg' dev -w '$(CURDIR)/workspace.yaml' $(UI_OPTIONS); \
	fi

test: $(STAMP) ## Run all tests on every core, in under five minutes on two; PYTEST_ARGS="-k name -x" chooses.
	@$(PYTEST) $(PYTEST_ARGS)

test-fast: $(STAMP) ## Run the tests that need less than a second each: no Dagster runs, no other programs.
	@$(PYTEST) -m 'not slow and not long' $(PYTEST_ARGS)

ui-test: $(STAMP) ## Do in the real UI, in chromium, what a person does there at nine in the morning.
	@$(BIN)/python -m pytest -m browser truto_groups_tests/browser $(PYTEST_ARGS)

screenshots: $(STAMP) ## Draw the pictures of the UI and of the command in docs/images/ anew.
	@$(BIN)/python -m truto_groups_tests.browser.screenshots

soak: $(STAMP) ## A daemon over a flapping sandbox for 20 minutes: does anything grow? SOAK_ARGS="--minutes 5"
	@$(BIN)/python -m truto_groups_tests.faults.soak $(SOAK_ARGS)

cluster-test: $(STAMP) ## Dagster on hosts without a shared disk, while parts crash and links are cut; needs root. CLUSTER_ARGS=--help
	@$(BIN)/python -m truto_groups_tests.cluster $(CLUSTER_ARGS)

check: $(STAMP) ## Lint, format, types, and which folder may import which.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports --no-logo --no-cache

format: $(STAMP) ## Put the code into shape, as `make check` wants it.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(BENCH_STAMP) ## The figures on speed in docs/, measured here; PYTHON=python3.12 adds a peer. BENCH_ARGS=--help
	@$(BENCH_VENV)/bin/python -m truto_groups_tests.benchmark $(BENCH_ARGS)

drift-score: $(STAMP) ## The figures on drift in docs/, measured here.
	@$(BIN)/python -m truto_groups_tests.drift_corpus.score

simulate: $(STAMP) ## Play the pipeline's histories out of seeds, with every fault; an hour (SEEDS=500: minutes). SEEDS=10000 FIRST=0
	@$(BIN)/python -m truto_groups_tests.simulation --seeds $(SEEDS) --first $(FIRST)

simulate-scale: $(STAMP) ## Plan a week of 250, 2,500 and 25,000 accounts on a fake clock: runs, requests, CPU. SCALE_ARGS=--help
	@$(BIN)/python -m truto_groups_tests.scale_simulation $(SCALE_ARGS)

lock: $(STAMP) ## Refresh both requirements.lock; what still fits keeps its version. LOCK_ARGS=--upgrade takes the newest.
	@$(BIN)/uv pip compile pyproject.toml $(LOCK_HERE) --generate-hashes -o requirements.lock $(LOCK_ARGS) >/dev/null
	@$(BIN)/uv pip compile pyproject.toml $(LOCK_IMAGE) --generate-hashes -o deploy/requirements.lock $(LOCK_ARGS) >/dev/null

check-lock: $(STAMP) ## Is each requirements.lock what pyproject.toml asks for?
	$(call check_lock,requirements.lock,$(LOCK_HERE))
	$(call check_lock,deploy/requirements.lock,$(LOCK_IMAGE))

# Compared without hashes, because a release that is out can still gain files.
define check_lock
	@cp $(1) $(VENV)/lock.now
	@$(BIN)/uv pip compile pyproject.toml $(2) --no-generate-hashes -o $(VENV)/lock.now >/dev/null
	@sed -E '/^ +--hash=/d; s/ \\$$//' $(1) | diff -u - $(VENV)/lock.now \
		|| { echo '$(1) is not in step with pyproject.toml: run `make lock`.' >&2; exit 1; }
endef

wheel: $(STAMP) ## Build the wheel into dist/.
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t wheel

image: wheel ## Build the image of deploy/Dockerfile, with docker, podman or buildah. IMAGE=truto-groups:latest IMAGE_ARGS=
	@for engine in docker podman buildah; do \
		$$engine info >/dev/null 2>&1 && exec $$engine build -f deploy/Dockerfile -t $(IMAGE) $(IMAGE_ARGS) .; \
	done; echo 'None of docker, podman and buildah works here.' >&2; exit 1

clean: ## Remove environments, caches and builds; the tables and Dagster's history stay.
	@rm -rf .venv .venv-* $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .tmp_dagster_home_*
	@find truto_groups truto_groups_tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

setup: $(STAMP) ## Only set up.

# Commands in a virtual environment name its path, so one that was moved is made anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): FORCE
endif
ifneq ($(shell cat $(BENCH_STAMP) 2>/dev/null),$(CURDIR))
$(BENCH_STAMP): FORCE
endif

define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
		echo "truto-groups needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is $$($(PYTHON) -V 2>&1 | tail -n 1)." \
			"Name another: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' comes without venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(1) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv --clear $(1)
	@sed -n '/^uv==/,/^ *#/p' requirements.lock > $(1)/uv.txt
	@$(1)/bin/python -m pip install -qq --no-deps --require-hashes -r $(1)/uv.txt
	@$(1)/bin/uv pip install --quiet --compile-bytecode --python $(1)/bin/python --require-hashes -r requirements.lock
	@$(1)/bin/uv pip install --quiet --python $(1)/bin/python --no-deps --no-build-isolation --editable .
	@printf '[cli.telemetry]\nenabled = false\n' > $(1)/dg.toml
endef

$(STAMP): requirements.lock pyproject.toml
	$(call make_venv,$(VENV))
	@echo '$(CURDIR)' > $@

$(BENCH_STAMP): requirements.lock pyproject.toml
	$(call make_venv,$(BENCH_VENV))
	@$(BENCH_VENV)/bin/uv pip install --quiet --python $(BENCH_VENV)/bin/python --group bench
	@echo '$(CURDIR)' > $@
