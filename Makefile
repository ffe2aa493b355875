# Everything runs in a virtual environment of the checkout, .venv; nothing else on the system is touched.
# Programs are called as `python -m ...`, because the first line of a script cannot hold a path with a space.

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo demo-smartsuite test lint bench soak clean purge

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null </dev/null && echo "$$p" && break; done)
TESTS ?= tests
VENV := .venv/bin/python
PIP := $(VENV) -m pip --disable-pip-version-check install --quiet --no-input

export PIP_ROOT_USER_ACTION := ignore

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

install: .venv/.installed  ## make .venv and install what the tool runs on

install-dev: .venv/.installed-dev  ## and what its tests and checks run on

demo: .venv/.installed  ## a round trip between a stand-in for monday.com and a real PostgreSQL; no account needed; DASHBOARD=1 to look at it in a browser
	@$(VENV) main.py demo $(if $(DASHBOARD),--dashboard)

demo-smartsuite: .venv/.installed  ## queries of a MariaDB, or PostgreSQL, fill tables of a stand-in for SmartSuite; no account needed
	@$(VENV) main.py demo --smartsuite

test: .venv/.installed-dev  ## the whole suite; TESTS=tests/test_config.py for a part of it
	@$(VENV) -m pytest -n 3 --dist loadgroup $(TESTS) </dev/null

lint: .venv/.installed-dev  ## ruff, its layout, and mypy
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check --quiet .
	$(VENV) -m mypy

bench: .venv/.installed-dev  ## how fast it is, on this machine
	@$(VENV) -m benchmarks </dev/null

soak: .venv/.installed-dev  ## random edits, faults and kills for a long time; both sides must end equal
	@$(VENV) -m benchmarks.soak </dev/null

clean:  ## remove .venv, caches and logs; the embedded database stays
	@rm -rf .venv cache logs monday_sync.log* webhook_handler.log* dashboard.log* .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

purge:  ## and the embedded database of this folder, with everything in it
	@if [ -d data/postgres ] && ! $(VENV) -c 'from databases.postgres.embedded import remove; remove()' </dev/null; then \
		echo "The embedded database in data/postgres may be running, so it is kept. Run: make install purge" >&2; exit 1; fi
	@rm -rf data
	@$(MAKE) clean

.venv/.made:
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.10 or newer was found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; v >= (3, 10) or sys.exit("Python 3.10 or newer is needed; %s is %d.%d. Name another: make PYTHON=/path/to/python3.12" % (sys.executable, v[0], v[1]))' </dev/null
	@rm -rf .venv
	@echo "Making .venv with $$("$(PYTHON)" --version 2>&1) ..." >&2
	@# Debian parts venv from ensurepip: then virtualenv does, or the system's own pip.
	@{ "$(PYTHON)" -m venv .venv || { rm -rf .venv; "$(PYTHON)" -m virtualenv -q .venv; } || { rm -rf .venv; \
		"$(PYTHON)" -m venv --without-pip .venv && "$(PYTHON)" -m pip --python $(VENV) install -q pip; }; } </dev/null >.venv.log 2>&1 \
		|| { cat .venv.log >&2; rm -rf .venv .venv.log; \
		echo "Python could not make a virtual environment. Install it (Debian, Ubuntu: apt install python3-venv), then run make again." >&2; exit 1; }
	@rm -f .venv.log; touch $@

.venv/.installed: .venv/.made requirements.txt
	@echo "Installing requirements.txt into .venv ..." >&2
	@$(PIP) -r requirements.txt </dev/null
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@echo "Installing requirements-dev.txt into .venv ..." >&2
	@$(PIP) -r requirements-dev.txt </dev/null
	@touch $@
