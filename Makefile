PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test check format docs bench signals accuracy reliability clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: $(VENV)/installed  ## the whole job: generate, split, train, evaluate, serve on 127.0.0.1:8000
	$(BIN)/python main.py

test: $(VENV)/installed-dev  ## the test suite
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev  ## lint, format and type checks, and whether docs/ builds without a warning
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(VENV)/installed-dev  ## put the code into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev  ## docs/ as a site on 127.0.0.1:8001, built again at each change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8001

bench: $(VENV)-bench/installed  ## speed and memory beside what people would use instead, as a table
	$(VENV)-bench/bin/python -m benchmarks.speed $(BENCH)

signals: $(VENV)/installed  ## how well signals are found in sentences, as a table
	$(BIN)/python -m benchmarks.accuracy.signals

accuracy: $(VENV)/installed  ## the tables of docs/accuracy.md; DATA=FILE for your own conversations
	$(BIN)/python -m benchmarks.accuracy $(if $(DATA),--data $(DATA))
	$(BIN)/python -m benchmarks.accuracy.representations $(if $(DATA),--data $(DATA))

reliability: $(VENV)/installed-dev  ## what operators may rely on, with real kills; about an hour; RELIABILITY="--only NAME" for a part
	$(BIN)/python -m benchmarks.reliability $(RELIABILITY)

clean:  ## remove what runs and tools left (not the virtual environment)
	rm -rf artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python requirements.txt
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

$(VENV)-bench/installed: requirements.txt requirements/bench.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install --quiet -r requirements/bench.txt
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/dev.txt requirements/langchain.txt requirements/scale.txt
	$(BIN)/pip install --quiet -r requirements/dev.txt
	touch $@
