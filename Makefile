# `make` alone prints the targets. Every target sets up what it needs; nothing has to be done by hand before.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STATE ?= .baton
ENV ?= .env
PROFILE ?= compose
COMPOSE = docker compose --env-file $(ENV)
BATON_DATA ?= ../shared/data
export BATON_DATA
TESTS := tests/unit tests/integration tests/contract tests/e2e tests/promises tests/chaos
REPORTS ?= build/reports

.DEFAULT_GOAL := help
.PHONY: help demo run stop status logs reset test test-data test-faults test-containers test-deployment bench lint format contracts lock clean
.PHONY: compose-up compose-down compose-logs smoke promises chaos chaos-full alerts

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Baton needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	@if [ -e $(VENV)/.installing ]; then echo "an earlier set-up was cut short: beginning anew"; rm -rf $(VENV); fi
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV) && touch $(VENV)/.installing
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt \
		&& $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . \
		|| { echo "the packages could not be installed: is there space on the disk, and is the package registry reachable (PIP_INDEX_URL, HTTPS_PROXY)? Then run make again" >&2; exit 1; }
	@rm $(VENV)/.installing && touch $(READY)

demo: $(READY) ## set up, start everything, play a market through it, show what happened
	@$(BIN)/baton up --state $(STATE)
	@$(BIN)/baton demo --state $(STATE)

run: $(READY) ## start PostgreSQL, Kafka and the four services on this machine
	@$(BIN)/baton up --state $(STATE)

stop: $(READY) ## stop what `make run` or `make demo` started
	@$(BIN)/baton stop --state $(STATE)

status: $(READY) ## show each process with port, pid, readiness and log file
	@$(BIN)/baton status --state $(STATE)

logs: $(READY) ## show the end of the log files
	@$(BIN)/baton logs --state $(STATE)

reset: $(READY) ## stop everything and remove all databases and events
	@$(BIN)/baton reset --yes --state $(STATE)

compose-up: $(READY) ## in containers: make the secrets, build the images, start everything, wait until it is ready
	@$(BIN)/baton secrets --env $(ENV)
	@deploy/up.sh $(ENV)
	@$(COMPOSE) ps

compose-down compose-logs: | $(ENV)
$(ENV):
	@echo "there is no $(ENV): nothing was set up in containers yet (make compose-up)" && exit 1

compose-down: ## stop and remove the containers; the data stay (docker compose down --volumes removes them, too)
	@$(COMPOSE) down --remove-orphans

compose-logs: ## follow the logs of all containers
	@$(COMPOSE) logs --follow --tail 20

smoke: $(READY) ## carry one lead from POST to delivery through the running containers
	@$(BIN)/baton --profile $(PROFILE) smoke

test: $(READY) ## unit, integration, contract and end-to-end tests on real PostgreSQL and Kafka
	@tests/tools.sh
	@$(BIN)/pytest -q -n 2 --dist loadfile $(TESTS)

test-containers: $(READY) ## the same tests on postgres:17 and apache/kafka in containers
	@tests/tools.sh
	@BATON_TEST_BACKEND=containers TESTCONTAINERS_RYUK_DISABLED=true $(BIN)/pytest -q -n 2 --dist loadfile $(TESTS)

test-deployment: $(READY) ## the images, the compose file, kills, restarts, upgrade and wrong settings, on containers
	@BATON_TEST_BACKEND=containers TESTCONTAINERS_RYUK_DISABLED=true $(BIN)/pytest -q tests/deployment
	@BATON_TEST_BACKEND=containers TESTCONTAINERS_RYUK_DISABLED=true $(BIN)/pytest -q tests/faults

test-data: $(READY) ## import real data and compare every figure (folder: BATON_DATA)
	@$(BIN)/pytest -q tests/data

test-faults: $(READY) ## kill and stop parts under load and compare the figures
	@$(BIN)/pytest -q tests/faults

promises: $(READY) ## every promise of the backbone, kept by the code and broken by each broken variant of it (report: build/reports)
	@tests/tools.sh
	@$(BIN)/python -m tests.promises --report $(REPORTS)/promises

chaos: $(READY) ## every fail-point and eight faults under load, judged by the checker; needs root, ip and iptables
	@tests/tools.sh
	@$(BIN)/python -m tests.chaos --gate --report $(REPORTS)/chaos

chaos-full: $(READY) ## every fault with three seeds, every planted bug, ten clean runs
	@tests/tools.sh
	@$(BIN)/python -m tests.chaos --full --report $(REPORTS)/chaos-full

alerts: $(READY) ## the alert rules, by Prometheus' own tests; needs Docker
	@BATON_TEST_BACKEND=containers TESTCONTAINERS_RYUK_DISABLED=true $(BIN)/pytest -q tests/deployment/test_alerts.py

bench: $(READY) ## measure start, throughput, cost of a lead and memory, with a Baton of its own
	@$(BIN)/python -m tests.benchmark

lint: $(READY) ## format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

format: $(READY) ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

contracts: $(READY) ## write the generated API documents, event schemas and catalogue anew
	@$(BIN)/python -m tests.contract.write

lock: $(READY) ## resolve the requirements files anew, with hashes
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --no-header --no-emit-index-url pyproject.toml --output-file requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --no-header --no-emit-index-url pyproject.toml --extra command --group dev --output-file requirements-dev.txt

clean: ## remove the virtual environment and caches (the state stays: see `make reset`)
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info build
