# Everything a new machine needs is made here: a virtual environment with pinned, hash-checked requirements, and for
# the tests also Chromium with a Chinese font, and Node with the packages of a Wechaty gateway.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo run test lint audit bench eval screenshots gateway clean

demo: $(VENV)/.ready $(if $(findstring wechaty,$(ARGS)),gateway)
	@$(BIN)/python bot.py demo $(ARGS)

run: $(VENV)/.ready
	@$(BIN)/python bot.py run $(ARGS)

test: lint browser gateway accessibility
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r bot content db handlers bot.py
	$(BIN)/python -m pip check

# Known weaknesses of the pinned packages: asks pypi.org, so only where there is an internet (docs/security.md).
audit: $(VENV)/.ready-dev
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --disable-pip --require-hashes -r requirements.txt

bench: $(VENV)/.ready-dev gateway
	$(BIN)/python -m benchmarks $(ARGS)

eval: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.eval_answers $(ARGS)

screenshots: $(VENV)/.ready-dev browser
	$(BIN)/python docs/take_screenshots.py

.PHONY: browser
browser: $(VENV)/.ready-dev
	@sh tests/install-browser.sh

# A real Wechaty gateway over a mock puppet, for the tests of that channel and for its demo.
gateway: tests/gateway/node_modules/.ready

tests/gateway/node_modules/.ready: tests/gateway/package-lock.json
	@sh tests/gateway/install.sh
	@touch $@

# The rules of axe-core, which the browser tests run over every page.
.PHONY: accessibility
accessibility: tests/browser/node_modules/.ready

tests/browser/node_modules/.ready: tests/browser/package-lock.json | gateway
	@sh tests/browser/install.sh
	@touch $@

$(VENV)/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing requirements (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	@echo "Installing development requirements (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) tests/gateway/node_modules tests/browser/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
