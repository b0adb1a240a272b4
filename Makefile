# Each target says what it does: make help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A process for each core; a test goes to whichever is free. JOBS=0 runs them one after the other.
JOBS ?= $(shell nproc 2> /dev/null || echo 2)
PYTEST = $(BIN)/python -m pytest -q -n $(JOBS) --dist load --maxschedchunk 1

.DEFAULT_GOAL := help
.PHONY: help run test check fast faults bench static frontend docs audit lock clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

run: $(VENV)/.run ## start the server with the built-in demo; HOST, PORT, WORKERS and all settings are honoured
	@ASSISTANT_GREETING=1 ASSISTANT_GUESTS=$${ASSISTANT_GUESTS:-1} ASSISTANT_DEVTOOLS=$${ASSISTANT_DEVTOOLS:-1} exec $(BIN)/gunicorn wsgi:app

test: $(VENV)/.dev ## check and test everything
	@! command -v npm > /dev/null || $(MAKE) --no-print-directory docs/node_modules/.installed
	@$(MAKE) --no-print-directory check
	@set -o pipefail; $(PYTEST) | tee .pytest.log
	@PYTHON=$(CURDIR)/$(BIN)/python frontend/scripts/test.sh
	@echo "pytest: $$(tail -n 1 .pytest.log)"

check: $(VENV)/.dev ## lint, types, imports
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy --no-error-summary && { $(BIN)/lint-imports > .lint-imports.log || { cat .lint-imports.log; exit 1; }; }

fast: $(VENV)/.dev ## the tests that start no server
	@$(PYTEST) -m "not system"

faults: $(VENV)/.dev ## the fault tests of workers over Redis at full size: 20 kills of 200 requests, 1,000 requests through nginx
	@FAULT_RUNS=$${FAULT_RUNS:-20} FAULT_REQUESTS=$${FAULT_REQUESTS:-200} LOAD_REQUESTS=$${LOAD_REQUESTS:-1000} $(BIN)/python -m pytest -q tests/system/redis

bench: $(VENV)/.dev ## 1,000 concurrent requests beside other servers; exits 1 when a budget is missed; ARGS="--goals --write" for all
	@$(BIN)/python -m bench $(ARGS)

static: ## build what the server delivers from frontend/ (Node >= 20)
	@cd frontend && npm ci --silent --no-audit --no-fund && touch node_modules/.installed && npm run --silent build:static

frontend: $(VENV)/.dev ## the tests of the TypeScript client and its windows (Node >= 20, Chromium for the browser part)
	@PYTHON=$(CURDIR)/$(BIN)/python frontend/scripts/test.sh

docs: $(VENV)/.dev docs/node_modules/.installed ## the documentation as a site in build/site; a warning is an error
	@$(BIN)/python docs/generate.py --check
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean

audit: $(VENV)/.dev ## known vulnerabilities of what is installed with the server and with the client; asks the registries
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.txt
	@cd frontend && npm audit --audit-level=high
	@cd docs && npm audit --audit-level=high

lock: $(VENV)/.dev ## compile the requirements anew from pyproject.toml
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --upgrade --all-extras pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --upgrade --all-extras --group pyproject.toml:dev pyproject.toml -o requirements-dev.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) build docs/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .lint-imports.log

docs/node_modules/.installed: docs/package-lock.json
	@cd docs && npm ci --silent --no-audit --no-fund
	@touch $@

# A stamp for each set of requirements: a second run starts at once.
$(VENV)/.python:
	@command -v $(PYTHON) > /dev/null || { echo "make: $(PYTHON) not found; set PYTHON=... to Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed; set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements.txt | $(VENV)/.python
	@echo "installing the server's requirements ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(VENV)/.python
	@echo "installing the requirements for tests ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/.run
