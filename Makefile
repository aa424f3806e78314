# `make demo` runs an example; `make test` checks the code in at most five minutes, `make test-full` with everything that
# there is. Each target makes its own environment (.venv) first. For daily work: quick lint format types laws soak bench
# docs test-pythons clean.

VENV ?= .venv
# The first Python on the path that runs and is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.15 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done; true)
# The interpreters of `make test-pythons`; PYTHONS="..." chooses others.
PYTHONS ?= $(shell for v in 3.11 3.12 3.13 3.14 3.15; do \
	for p in python$$v $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$v.*/bin/python; do \
	$$p -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "'$$v'")' 2>/dev/null && echo $$p && break; done; done; true)

BIN = $(VENV)/bin
CORE = $(VENV)/.installed-core
DEV = $(VENV)/.installed-dev
PEERS = $(VENV)/.installed-bench
SITE = $(VENV)/.installed-docs
# Pyright brings its own node (the extra `nodejs`); one that lies around on the machine must not change the answer.
PYRIGHT = PYRIGHT_PYTHON_GLOBAL_NODE=0 PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/python -m pyright
# Tests draw the same examples each time; `make laws` searches with others.
export HYPOTHESIS_PROFILE ?= ci
# Processes that run tests side by side: most tests wait for workers, so there are more of them than processors.
JOBS ?= 4
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.PHONY: bench clean demo docs format laws lint mypy quick soak test test-cuts test-full test-pythons test-ray \
	test-ray-cuts test-rest types venv
.NOTPARALLEL:

demo: $(CORE)
	$(BIN)/python examples/census.py

# For every change: the tests that start few processes, in less than a minute.
quick: lint
	$(PYTEST) -m "not full" tests/unit tests/test_architecture.py

# For every commit. `tests/conftest.py` says which tests are left to `make test-full`.
test: lint mypy
	$(PYTEST) -m "not full"

# Everything: what `make test` does and what it leaves out.
test-full: test test-rest test-ray

test-rest: types
	$(PYTEST) -m full

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

mypy: $(DEV)
	$(BIN)/mypy

# Mypy again with the plugin of daglite, then the other checkers.
types: mypy
	sed 's/^\[tool\.mypy\]$$/&\nplugins = ["daglite.mypy_plugin"]/' pyproject.toml > .mypy-plugin.toml
	$(BIN)/mypy --config-file .mypy-plugin.toml --cache-dir .mypy_cache/plugin
	$(PYRIGHT) --pythonpath $(BIN)/python
	MYPYPATH=stubs $(BIN)/python -m mypy.stubtest --ignore-missing-stub multiprocess dill

# Ray takes more room than all else together, so it has an environment of its own. No `ray stop`: it ends every Ray here.
test-ray: $(VENV)-ray/.installed
	RAY_USAGE_STATS_ENABLED=0 DAGLITE_ENGINES=ray $(VENV)-ray/bin/python -m pytest tests/engines/conformance
	RAY_USAGE_STATS_ENABLED=0 DAGLITE_ENGINES=ray $(VENV)-ray/bin/python -m pytest tests/engines/ray

$(VENV)-ray/.installed: pyproject.toml
	$(MAKE) --no-print-directory venv VENV=$(VENV)-ray
	$(VENV)-ray/bin/python -m pip install --quiet --editable '.[ray]' hypothesis numpy pytest pytest-timeout
	@touch $@

# Machines of a cluster cut off, in network namespaces: for root only. `python -m tests.faults.cuts.figures` makes the table.
test-cuts: $(DEV)
	DAGLITE_CUTS=dask $(BIN)/python -m pytest tests/faults/cuts

# The same with Ray: `python -m tests.faults.cuts.ray_figures`. Each fault has a cluster of its own, which takes a while.
test-ray-cuts: $(VENV)-ray/.installed
	DAGLITE_CUTS=ray $(VENV)-ray/bin/python -m pytest tests/faults/cuts

laws: $(DEV)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/properties --timeout=3600

# Random pipelines under random kills; SECONDS=... chooses how long they go on, beside what is always done.
SECONDS ?= 600

soak: $(DEV)
	$(BIN)/python -m tests.faults.soak.soak --seconds $(SECONDS)

# Options of the command, for example BENCH="--quick --only trivial".
BENCH ?=

bench: $(PEERS)
	$(BIN)/python -m benchmarks $(BENCH)

# The site, in build/site. Fails where a link leads nowhere, and where a page would fetch something from elsewhere.
docs: $(SITE)
	$(BIN)/python -m website

test-pythons:
	@test -n "$(strip $(PYTHONS))" || { echo 'no Python >= 3.11 found; give PYTHONS="..."' >&2; exit 1; }
	@for python in $(PYTHONS); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 1; \
		echo "== Python $$version"; \
		$(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$version || exit 1; \
	done

clean:
	rm -rf .venv .venv-3.* .cache .mypy_cache .mypy-plugin.toml .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -prune -exec rm -rf {} +

venv:
	@test -n "$(PYTHON)" || { echo 'daglite needs Python >= 3.11 and found none; give PYTHON=...' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
			$(PYTHON) -c 'import sys; print("%s cannot make a virtual environment with pip in it; on Debian and Ubuntu: apt install python%d.%d-venv" % (sys.executable, *sys.version_info[:2]), file=sys.stderr)'; \
			exit 1; }; \
		echo "making $(VENV) with $(PYTHON)"; \
		$(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo '$(VENV) holds a Python older than 3.11; remove it and try again' >&2; exit 1; }

# The stamps are newer than pyproject.toml when what it asks for is installed.
$(CORE): pyproject.toml | venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(DEV): pyproject.toml | venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(CORE) $@

$(PEERS): pyproject.toml | venv
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $(CORE) $@

$(SITE): pyproject.toml | venv
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $(CORE) $@
