# Two commands matter: `make demo` runs the main job, `make test` passes the tests. Each sets everything up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test lint docs clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	touch $(STAMP)

demo: $(STAMP)  ## preview, approve and buy sandbox labels for the bundled orders
	$(BIN)/shipkit demo

test: $(STAMP) lint  ## everything the gate runs
	$(BIN)/python -m pytest -n 4 --reruns 2 --reruns-delay 1 --cov --cov-report=term $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## the site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist
