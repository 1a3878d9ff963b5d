# Two commands do what a newcomer wants: `make demo` and `make test`. Each target installs what
# it needs into .venv, once, and again when pyproject.toml changes.

PYTHON ?= python3
PORT ?= 8888
BENCH ?=
TESTS ?=

BIN := .venv/bin

# Tests start many programs, which would be compiled anew each time where somebody has forbidden
# to keep what was compiled.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check lint types coverage test-system system-programs test-peers autobahn features fuzz bench clean

demo: .venv/installed-demo
	$(BIN)/python -m demos.showcase --port=$(PORT)

test: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal $(TESTS)

check: lint types coverage test

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

# The protocol machines are covered by their own tests alone, every branch of them.
coverage: .venv/installed-test
	$(BIN)/python -m coverage run --source=toolkit/wire -m pytest -q tests/wire
	$(BIN)/python -m coverage report --fail-under=100

test-system: .venv/installed-test system-programs
	$(BIN)/python -m pytest -m system tests/system

system-programs:
	tests/system/install.sh

# Programs of other frameworks here, and ours below other servers, in a venv of their own.
test-peers: .venv-peers/installed
	.venv-peers/bin/python -m pytest -n 2 -m peers tests/peers

# All 517 cases of the Autobahn test suite, for server and client; it takes half an hour.
autobahn: .venv/installed-test
	tests/system/install_autobahn.sh
	$(BIN)/python -m tests.system.autobahn --all

# What a run has shown counts also where another one failed; a run that broke off leaves nothing.
FEATURES := build/features
features: .venv/installed-test system-programs .venv-peers/installed
	rm -rf $(FEATURES)
	-$(BIN)/python -m pytest -q --feature-report=$(FEATURES)/own.json
	-$(BIN)/python -m pytest -q -m system --feature-report=$(FEATURES)/system.json tests/system
	-.venv-peers/bin/python -m pytest -q -m peers --feature-report=$(FEATURES)/peers.json tests/peers
	$(BIN)/python -m tests.feature_report docs/features.md $(FEATURES)/own.json \
	  $(FEATURES)/system.json $(FEATURES)/peers.json

# A million mutated requests and frames for the machines, and 100,000 for a live server; 10,000
# random interleavings of what is awaited and cancelled. It takes a quarter of an hour.
fuzz: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --hypothesis-profile=long \
	  tests/loop/test_cancellation.py tests/streams/test_cancellation.py
	$(BIN)/python -m tests.wire.fuzz --count 1000000
	$(BIN)/python -m tests.wire.websocket_fuzz --count 1000000
	$(BIN)/python -m tests.http.battery.fuzz --count 100000

bench:
	benchmarks/setup.sh
	benchmarks/.venv/bin/python -m benchmarks.run $(BENCH)

clean:
	rm -rf .venv .venv-peers .venv-autobahn .venv-tornado benchmarks/.venv build dist .pytest_cache .mypy_cache .ruff_cache .coverage

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; choose one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv-peers/installed: pyproject.toml
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --editable '.[peers]'
	touch $@

.venv/installed-demo: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[fast]'
	touch $@

.venv/installed-test: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[fast,test]'
	touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[fast,dev]'
	touch $@
