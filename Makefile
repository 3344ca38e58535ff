# `make demo` runs the main job, `make test` runs what the gate runs. Each sets everything up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Bytecode is kept even where the environment forbids it: without it each of the test processes
# compiles every test again, which is six of its eleven seconds before the first test.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick search pythons coverage lint docs clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	touch $(STAMP)

demo: $(STAMP)  ## preview, approve and buy sandbox labels for the bundled orders
	$(BIN)/shipkit demo

test: $(STAMP) lint  ## everything the gate runs
	$(BIN)/python -m pytest -n 4 --dist loadgroup --no-loadscope-reorder $(ARGS)

quick: $(STAMP) lint  ## lint, types, contracts and all but the long tests
	$(BIN)/python -m pytest -n 3 -q -m "not long and not slow" $(ARGS)

search: $(STAMP)  ## the tests of properties, with examples that were not tried before
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -n 3 -q \
	  $$(grep -rl "^from hypothesis" tests --include="test_*.py") $(ARGS)

pythons:  ## the fast tests on each Python from 3.11 to 3.14 that is here, with and without -O
	@for minor in 11 12 13 14; do \
	  python3.$$minor -c "" 2>/dev/null || { echo "Python 3.$$minor is not here"; continue; }; \
	  $(MAKE) VENV=.venv-3.$$minor PYTHON=python3.$$minor .venv-3.$$minor/.installed || exit 1; \
	  for flag in "" -O; do echo "== Python 3.$$minor $$flag"; \
	    .venv-3.$$minor/bin/python $$flag -m pytest -n 3 -q -m "not long and not slow" $(ARGS) \
	      || exit 1; done; done

coverage: $(STAMP)  ## the tests of the gate, with the lines they miss
	$(BIN)/python -m pytest -n 4 --dist loadgroup --cov --cov-report=term $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## the site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist
