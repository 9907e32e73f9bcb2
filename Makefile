# One line of help per target: `make` prints them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.installed
PACKAGES := connectors/google connectors/http connectors/microsoft connectors/singer connectors/zoho simulator
MANIFESTS := pyproject.toml $(PACKAGES:=/pyproject.toml) requirements.lock
TESTS ?= tests connectors simulator

.DEFAULT_GOAL := help
.PHONY: help setup demo test taps check official bench nightly lock clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP)  ## make .venv with everything in it, from pinned dependencies

$(STAMP): $(MANIFESTS) Makefile
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip sync --quiet --compile-bytecode requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --no-deps -e . $(PACKAGES:%=-e %) uv==0.13.8
	@$(BIN)/python -m compileall -q syncd connectors simulator
	@touch $(STAMP)

demo: setup  ## mirror a simulated organisation in front of you
	@$(BIN)/syncd demo

test: setup taps  ## run all tests
	$(BIN)/pytest -n 2 --dist worksteal -m "not nightly" $(TESTS)

taps: setup  # two Singer taps, each in an environment of its own: the bridge is tested with them
	@PATH=$(CURDIR)/$(BIN):$$PATH sh connectors/singer/tests/taps/install.sh

check: setup  ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

official: setup  ## drive the simulators with the providers' own clients (large downloads)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet -r requirements-official.lock
	$(BIN)/pytest -n 2 -W default tests/official

bench: setup  ## measure against the bare floor (prints ratios and peak memory)
	$(BIN)/python -m bench

nightly: setup  ## the long kill tests and random walks
	$(BIN)/pytest -n 2 --dist worksteal --timeout 3600 -m nightly $(TESTS)

lock: setup  ## resolve the pinned dependencies again
	@$(UV) lock --quiet --upgrade
	@$(UV) export --quiet --all-extras --no-emit-workspace --no-header --no-annotate -o requirements.lock
	@$(UV) export --quiet --no-dev --extra notify --extra web --no-emit-workspace --no-header --no-annotate -o requirements-runtime.lock
	@$(UV) export --quiet --only-group official --no-emit-workspace --no-header --no-annotate -o requirements-official.lock

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
