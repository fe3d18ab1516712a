# `make` lists the targets. Everything runs in .venv, made by the first target that needs it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One environment for everything, the tools of the checks included. Measured on two cores: 33 s and 660 MB;
# without those tools 13 s and 470 MB. Twenty seconds, once, are not worth a second environment.
SETUP := .venv/.setup
COMPILE = .venv/bin/uv pip compile --quiet --universal --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)

.PHONY: help setup demo demo-clean prove bench run-checks soak test format lock package plan deploy destroy clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(SETUP) ## Make .venv with starlift in it (Python 3.11 or newer; PYTHON=... chooses one)

$(SETUP): requirements/dev.lock pyproject.toml scripts/make_venv.sh
	@PYTHON="$(PYTHON)" scripts/make_venv.sh
	@touch $@

demo: setup ## The whole pipeline on this machine, with a PostgreSQL of its own; state in .demo/
	@.venv/bin/starlift demo

demo-clean: ## Stop the demo's PostgreSQL and remove .demo/
	@if [ -d .demo ]; then $(MAKE) --no-print-directory setup && .venv/bin/starlift demo --clean; fi

prove: setup ## No row is lost: two minutes of writers, kills and two peers; ONLY=stress runs one section
	@.venv/bin/python scripts/prove.py $(addprefix --only ,$(ONLY))

bench: setup ## Time and memory beside sling, dlt and bare COPY: bench/RESULTS.md; ARGS='--orders 100000' prints a smaller run
	@.venv/bin/python -m bench.speed $(or $(ARGS),--lake s3 --write)

run-checks: setup ## Everything CI runs; ONLY=lint runs one section
	@.venv/bin/python scripts/run_checks.py $(addprefix --only ,$(ONLY))

soak: setup ## The long runs: PostgreSQL 13 to 18, a load of millions, writers for ten minutes; ONLY=postgres-14 runs one section
	@.venv/bin/python scripts/soak.py $(addprefix --only ,$(ONLY))

test: setup ## The tests alone; ARGS='-k watermark' goes to pytest
	@.venv/bin/python -m pytest $(ARGS)

format: setup ## Format the code, and fix what lint can fix
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

package: setup ## The zips of the functions for AWS, in dist/lambda; SQL=sql is what they run, CA_BUNDLE=ca.pem goes along
	@.venv/bin/python scripts/package_lambdas.py $(if $(SQL),--sql "$(SQL)") $(if $(CA_BUNDLE),--ca-bundle "$(CA_BUNDLE)")

lock: setup ## Make the locks anew (UPGRADE=--upgrade: with the newest versions)
	@$(COMPILE) --python-version 3.11 pyproject.toml --output-file requirements/runtime.lock >/dev/null
	@$(COMPILE) --python-version 3.11 requirements.txt --constraint requirements/runtime.lock \
		--output-file requirements/dev.lock >/dev/null
	@for function in extract transform load; do \
		$(COMPILE) --python-version 3.13 requirements/lambda-$$function.in \
			--constraint requirements/dev.lock --output-file requirements/lambda-$$function.lock >/dev/null; \
	done

plan: setup ## In AWS: say what would be deployed, and keep that plan; docs/deploying.md comes first
	@.venv/bin/python scripts/deploy.py plan

deploy: setup ## In AWS: deploy the plan that was made
	@.venv/bin/python scripts/deploy.py deploy

destroy: setup ## In AWS: take the pipeline away; lakes that hold objects stay
	@.venv/bin/python scripts/deploy.py destroy

clean: ## Remove what the checks leave behind; .venv and .demo stay
	@rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
