# Everything runs from .venv in this folder; nothing is installed anywhere else.
# `make demo` and `make story` need only requirements.lock, the rest needs requirements-dev.lock.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Tests start many processes: without bytecode each of them would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
TEST_PROCESSES ?= 4
WITHOUT_A_WORLD := tests/bot tests/test_house.py tests/test_deploy.py tests/workspace/slack/test_limits.py \
	$(addprefix tests/backends/,test_choosing.py test_secrecy.py) \
	$(addprefix tests/handlers/,door/test_admission.py door/test_shapes.py web/test_plot.py web/test_readers.py web/test_run_page.py)

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
DEVELOPMENT := $(VENV)/.installed-development
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" pyproject.toml

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(DEVELOPMENT) ## .venv with everything for working on the bot

.PHONY: demo
demo: $(RUNTIME) ## a complete local workspace in the browser, no Slack account
	$(BIN)/rollback-bot demo

.PHONY: story
story: $(RUNTIME) ## the same story played in the terminal
	$(BIN)/rollback-bot demo --script

.PHONY: test
test: $(DEVELOPMENT) ## all tests
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist worksteal

.PHONY: quick
quick: lint ## lint, and the tests that touch no world: no database, no process, no network
	$(BIN)/pytest -n 2 --dist worksteal --quiet $(WITHOUT_A_WORLD)

.PHONY: lint
lint: $(DEVELOPMENT) ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict backends bot handlers rollback_bot storage workspace tests benchmarks
	$(BIN)/lint-imports --no-cache --no-logo

.PHONY: breaks
breaks: $(DEVELOPMENT) ## break ten lines of tests/kinds.md in a copy: each must turn its test red (SEED=n)
	$(BIN)/python -m tests.breaks $(if $(SEED),--seed $(SEED))

.PHONY: chaos
chaos: $(DEVELOPMENT) ## break the bot and check what never may happen (LONG=1 SEED=n)
	$(BIN)/python -m tests.chaos $(if $(LONG),--long) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: $(DEVELOPMENT) ## measure the figures (ONLY=group QUICK=1: fewer rounds, nothing is kept)
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

.PHONY: lock
lock: $(DEVELOPMENT) ## renew both locks (UPGRADE=--upgrade takes newer versions)
	$(COMPILE) --group build $(UPGRADE) --output-file requirements.lock
	$(COMPILE) --group build --extra postgres --constraint requirements.lock $(UPGRADE) \
		--output-file requirements-postgres.lock
	$(COMPILE) --group dev --extra postgres --constraint requirements-postgres.lock $(UPGRADE) --output-file requirements-dev.lock

.PHONY: clean
clean: ## remove what was made here, except the state folder
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv is many times faster than pip, but not every machine's mirror or proxy suits it: pip reads the same lock.
# The development lock holds the runtime lock's versions, so installing one over the other changes nothing.
define install
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement $(1) \
		|| $(BIN)/python -m pip install --quiet --require-hashes --requirement $(1)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
endef

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/uv
	$(call install,requirements.lock)

$(DEVELOPMENT): requirements-dev.lock pyproject.toml | $(BIN)/uv
	$(call install,requirements-dev.lock)
	touch $(RUNTIME)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

# uv's own entry of the lock, hashes included: pip checks it like everything else.
$(BIN)/uv: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--requirement <(sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock) \
		|| echo "uv is not to be had here: pip installs everything"
