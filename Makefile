# Everything that a fresh machine needs: Python >= 3.11, git, make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STUDY ?= quick
QUESTIONS := fixed_rate polynomial cosine warmup langevin
BUDGET ?= 12m
COSINE_BUDGET ?= 20m
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help study answers unit test test-without-numba lint data bench bench-verdicts chaos bench-distributed test-wheel clean

help: ## list these targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

# A fixed plan, so that a slower machine trains the same runs.
PLAN := {"budget": 240, "trials": 12, "top": 1, "seeds": 4, "looks": [5, 10]}
study: data ## answer one small question: does cosine beat a constant rate? Search, confirm, test, report
	@$(BIN)/lrstudy answer cosine --study $(STUDY) --set schedule=cosine,constant --plan '$(PLAN)'
	@echo "open reports/$(STUDY)/report.html in a browser; next: $(BIN)/lrstudy --help"

# Question 3 tunes the most schedules. Interrupted, it goes on: a study that is there has its plan.
answers: export LRSTUDY_STORAGE = sqlite:///answers.db
answers: data ## answer questions 1 to 5, in less than one and a half hours on two CPU cores
	@for question in $(QUESTIONS); do \
	  if $(BIN)/lrstudy status $$question >/dev/null 2>&1; then $(BIN)/lrstudy answer $$question; \
	  else case $$question in \
	    cosine) $(BIN)/lrstudy answer $$question --budget $(COSINE_BUDGET) ;; \
	    langevin) $(BIN)/lrstudy answer $$question --budget $(BUDGET) --epochs 6 ;; \
	    *) $(BIN)/lrstudy answer $$question --budget $(BUDGET) ;; esac; fi || exit; \
	  [ $$question != langevin ] || for problem in gaussian mixture; do \
	    $(BIN)/lrstudy sample $$problem --into langevin || exit; \
	  done; \
	done
	@$(BIN)/lrstudy report $(QUESTIONS) --out reports/answers
	@echo "open reports/answers/report.html in a browser"

test: data ## run all tests and print the coverage of branches
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --cov --cov-report=term-missing:skip-covered

# The package numba of that folder cannot be imported, here or in a worker.
test-without-numba: $(INSTALLED) ## run the tests of training again, as where numba is not installed
	PYTHONPATH=$(CURDIR)/tests/without_numba $(BIN)/python -m pytest --numprocesses auto --dist loadfile \
	  tests/study/training tests/study/trials tests/study/workers tests/study/tasks tests/study/export

unit: $(INSTALLED) ## run the unit tests alone, in under two minutes
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile -m "not integration and not end_to_end"

lint: $(INSTALLED) ## check style, types and the one-way imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: data ## measure both kernels, training against the chapter's own loop, and a large report
	@$(BIN)/python -W ignore -m tests.benchmarks

chaos: data ## kill, hold and cut off the workers of a study and print its ledger: make chaos SEED=1
	@$(BIN)/python -W ignore -m tests.chaos --seed $(SEED)

bench-verdicts: $(INSTALLED) ## how often verdicts and intervals are wrong, by simulation: make bench-verdicts SEED=1
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.verdicts --seed $(SEED)

bench-distributed: data ## measure 1 to 64 workers on one PostgreSQL server, as JSON
	@$(BIN)/python -W ignore -m tests.benchmarks.bench_distributed

test-wheel: $(INSTALLED) ## build the wheel and try it in an empty environment
	PYTHON=$(BIN)/python tests/end_to_end/try_wheel.sh

# The mirrors first; then Debian's package, which needs no root to download and unpack.
data: $(INSTALLED) ## get Fashion-MNIST unless it is there
	@$(BIN)/lrstudy data where >/dev/null 2>&1 || $(BIN)/lrstudy data fetch || { \
	  echo "trying Debian's package dataset-fashion-mnist"; \
	  { [ "$$(id -u)" != 0 ] || apt-get update -qq; } && \
	  rm -rf .data && mkdir .data && (cd .data && apt-get download -qq dataset-fashion-mnist && \
	  dpkg-deb -x dataset-fashion-mnist_*.deb .) && \
	  $(BIN)/lrstudy data fetch --from .data/usr/share/datasets/fashion-mnist && rm -rf .data; }

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lrstudy needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,fast]'
	@touch $@

clean: ## remove the environment and what tools left behind; studies and reports stay
	rm -rf $(VENV) .data build dist *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
