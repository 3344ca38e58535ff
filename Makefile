# `make demo` runs the main job, `make test` runs what the gate runs. Each sets everything up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Bytecode is kept even where the environment forbids it: without it each of the test processes
# compiles every test again, which is six of its eleven seconds before the first test.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick coverage lint docs clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	touch $(STAMP)

demo: $(STAMP)  ## preview, approve and buy sandbox labels for the bundled orders
	$(BIN)/shipkit demo

test: $(STAMP) lint  ## everything the gate runs
	$(BIN)/python -m pytest -n 4 --dist loadgroup --no-loadscope-reorder $(ARGS)

quick: $(STAMP) lint  ## lint, types, contracts and the fast tests: about a minute
	$(BIN)/python -m pytest -n 3 -q -m "not long and not slow" $(ARGS)

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
