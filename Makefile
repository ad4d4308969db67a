# Every target sets up what it needs; a fresh machine has Python 3.11 or newer, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JS := tests/js
DIFFUSERS_VENV := .venv-diffusers
TORCH ?= torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: help demo lab notebooks test test-diffusers lint bench weights chromium postgres clean

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 22

demo: weights ## Execute the quickstart notebook; leaves it, with its pictures, in build/.
	@$(BIN)/nbkit demo notebooks/01-quickstart.ipynb --out build

lab: weights ## Open JupyterLab on the notebooks.
	$(BIN)/jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

notebooks: weights ## Execute the notebooks and keep their outputs, in their places.
	$(BIN)/python -m tests.save_notebook

# Two processes hold each other up, which some tests about time do not stand: what failed is run again, alone, and decides.
test: lint weights chromium postgres $(JS)/node_modules ## Run everything that decides whether a change is good: lint, types, tests.
	rm -rf build/screenshots
	$(BIN)/pytest --numprocesses=2 --dist=worksteal || \
	$(BIN)/pytest --last-failed --last-failed-no-failures=none

lint: $(READY) ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch is large, so what needs it is tested apart, in an environment of its own. TORCH says which build is taken:
# TORCH='torch==2.13.0 --index-url ADDRESS' takes one for CPUs alone from PyTorch's own index.
test-diffusers: ## Run the tests of a user's own weights, with torch, diffusers and transformers.
	@test -d $(DIFFUSERS_VENV) || $(PYTHON) -m venv $(DIFFUSERS_VENV)
	@$(DIFFUSERS_VENV)/bin/python -m pip install --quiet --upgrade pip
	@$(DIFFUSERS_VENV)/bin/python -m pip install --quiet $(TORCH)
	@$(DIFFUSERS_VENV)/bin/python -m pip install --quiet --editable '.[all,diffusers]' --group test
	OMP_WAIT_POLICY=PASSIVE $(DIFFUSERS_VENV)/bin/pytest tests/engines/diffusion tests/server/test_own_weights.py

bench: $(READY) ## Measure speed, as ratios within one run.
	$(BIN)/python -m tests.bench

weights: $(READY)
	@$(BIN)/nbkit models pull

# A browser for the tests, and letters for what they write in it. Elsewhere than on Debian, installing them is the user's.
chromium:
	@for name in "$${NBKIT_CHROMIUM:-chromium}" chromium-browser google-chrome; do \
	  command -v "$$name" >/dev/null && exit; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
	  chromium fonts-noto-cjk >/dev/null; \
	else echo "no chromium here: the tests that use a browser are left out"; fi

# PostgreSQL's programs, for the tests of several servers; no database of the machine's own is made or started.
postgres:
	@command -v initdb >/dev/null || ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  mkdir -p /etc/postgresql-common/createcluster.d && \
	  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/nbkit.conf && \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
	  postgresql >/dev/null; \
	else echo "no PostgreSQL here: the tests of several servers are left out"; fi

clean: ## Remove what the other targets made.
	rm -rf $(VENV) $(DIFFUSERS_VENV) $(JS)/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group lint --group test
	@touch $@

# fal's JavaScript client, which the tests let talk to the server; where it cannot be had they say so and are skipped.
$(JS)/node_modules: $(JS)/package.json $(JS)/package-lock.json
	@npm ci --prefix $(JS) --no-audit --no-fund --silent && touch $@ || \
	echo "fal's JavaScript client could not be installed: its tests are left out"
