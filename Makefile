# `make up` runs the demo gateway, `make test` the tests; both set up what they need in .venv.
.DEFAULT_GOAL := help
SPEC ?= examples/customer-support/gateway.yaml
ARGS ?=
BIN := .venv/bin

.PHONY: help up down test lint bench golden reference clean
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

up: .venv/.installed ## set up, then run the demo gateway on :8080 (ARGS="--port 9000 --detach")
	@$(BIN)/gatectl up -f $(SPEC) $(ARGS)

down: .venv/.installed ## stop what `make up ARGS=--detach` started
	@$(BIN)/gatectl down $(ARGS)

test: .venv/.dev ## set up, then run all tests against real Envoy and real Redis (ARGS="-k limits")
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/.dev ## formatting, lint, types, import directions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/.installed ## full path against bare Envoy, the cost of checks and of limits, written to docs/performance.md (needs wrk)
	@$(BIN)/python -m bench.run $(ARGS)

golden: .venv/.dev ## rewrite the golden files and docs/lint.md with what is so now
	@$(BIN)/python -m pytest -q tests/gatectl/test_golden.py tests/lint --update-golden

reference: .venv/.installed ## rewrite docs/cli.md from the commands, and draw the plots
	@$(BIN)/python -m scripts.reference
	@$(BIN)/python -m bench.adaptive

clean: ## remove the virtual environment and every cache
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/.installed: pyproject.toml constraints.txt scripts/setup
	@scripts/setup .
	@touch $@

.venv/.dev: .venv/.installed
	@scripts/setup '.[dev]'
	@touch $@
