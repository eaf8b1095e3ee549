# Two commands: `make benchmark` and `make test`. `make help` lists the others.
# PYTHON=python3.12 chooses the interpreter, VENV=DIR another environment, ARGS="--workers 4" goes to the command.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests and commands start many processes: none should have to compile all modules again.
unexport PYTHONDONTWRITEBYTECODE
# As many tests at once as there are processors, each with one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
FAST := $(PYTEST) -n auto --dist worksteal
# Two files at once, in their order: the longest have few tests and would come last.
SLOW := $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -m 'slow and not gpu' --timeout 900
# For what installs nothing: PYTHON where it is given, else the environment's, else python3.
GIVEN := $(filter command environment,$(origin PYTHON))
PRESENT := $(if $(GIVEN),$(PYTHON),$(or $(wildcard $(BIN)/python),$(PYTHON)))

.DEFAULT_GOAL := help
.PHONY: help benchmark bench gpu test check fast format lint types slow docs chaos clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

benchmark: $(VENV)/.installed ## install what is missing, then run the full benchmark
	$(BIN)/swagflow run full-benchmark $(ARGS)

test: $(VENV)/.installed-dev ## the complete gate: format, lint, types, the site, all tests, and how much of the code the fast ones run
	$(MAKE) -j2 format lint types docs
	$(FAST) --cov --cov-report= $(ARGS)
	$(BIN)/coverage report --skip-covered --fail-under 95
	$(SLOW) $(ARGS)

check: format lint types fast ## the same without the slow tests

format: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

fast: $(VENV)/.installed-dev
	$(FAST) $(ARGS)

slow: $(VENV)/.installed-dev
	$(SLOW) $(ARGS)

docs: $(VENV)/.installed-dev ## build the site into build/site; EXAMPLE=RUN shows that run's report in it
	$(if $(EXAMPLE),,$(BIN)/swagflow run example --config website/example.yaml --run-dir build/example --workers 0)
	$(if $(EXAMPLE),SWAGFLOW_EXAMPLE=$(EXAMPLE)) $(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees -c website . build/site

bench: $(VENV)/.installed-dev ## time what must not become slower, into build/bench.json; benchmarks.compare tells two such files apart
	@mkdir -p build
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.suite --json build/bench.json $(ARGS)

gpu: ## measure what is asked of a GPU, into build/gpu.json; installs nothing, PYTHON=python3 chooses who runs it
	@mkdir -p build
	@$(PRESENT) -m benchmarks.gpu --json build/gpu.json $(ARGS)

chaos: $(VENV)/.installed-dev ## kill every process of a run in every way and phase, and run it again: hours
	SWAGFLOW_CHAOS=2 $(BIN)/pytest -m slow tests/chaos $(ARGS)

clean: ## remove the environment and all caches; run folders stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

# A stamp is newer than what it was installed from, so a second call installs nothing.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, $(PYTHON) is " + v + "; choose another: make PYTHON=python3.12")'
	@echo "Installing into $(VENV): PyTorch is a download of several GB, a few minutes the first time."
	$(PYTHON) -m venv $(VENV)
