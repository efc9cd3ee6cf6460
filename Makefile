# Every target but clean sets up .venv first; only python3 (>= 3.11, with venv) is needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

# Compiled modules are kept, even where the environment says otherwise: tests start hundreds of processes,
# and each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install demo test acceptance soak fuzz dss tlog conformance check bench lock format clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q relay
	@touch $(STAMP)

demo: install
	@$(BIN)/relay demo $(ARGS)

test: install
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

# Nine experiments with faults, a line each; tests/acceptance/experiments says what they do.
acceptance: install
	@$(BIN)/python -m tests.acceptance.experiments $(ARGS)

soak: install
	@$(BIN)/python -m tests.acceptance.experiments --soak 10 $(ARGS)

# 200,000 spoilt signatures, certificates and documents; ARGS=--guided by coverage (needs atheris).
fuzz: install
	@$(BIN)/python -m tests.fuzz $(ARGS)

# EU DSS judges a few evidence files (needs Java 17 and Maven; fetches DSS once). ARGS may be files of yours.
dss: install
	@$(BIN)/python -m tests.evidence.dss $(ARGS)

# Other people's software reads published logs (needs Go 1.24 and its module proxy).
tlog: install
	$(BIN)/python -m pytest tests/audit/tlog/check_tlog.py tests/audit/tlog/check_witness.py $(ARGS)

# The conformance kit on this release's nodes, and every mutant before it (docs/conformance.md).
conformance: install
	ALL_MUTANTS=1 $(BIN)/python -m pytest -n 2 tests/conformance $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	@$(BIN)/python -m bench $(ARGS)

# Writes requirements.lock anew from pyproject.toml (needs uv).
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements.lock

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
