PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCKED := requirements/locked
TORCH := requirements/torch_cpu.txt $(LOCKED)/torch.txt
INSTALL := pip install --quiet --require-hashes --no-deps

# The build of torch without CUDA where pip finds it, else the default one, which brings gigabytes on Linux.
define torch
	$(1)/$(INSTALL) -r requirements/torch_cpu.txt 2>/dev/null || $(1)/$(INSTALL) -r $(LOCKED)/torch.txt
endef

.PHONY: help install run test check format docs bench signals accuracy reliability lock sbom clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(VENV)/installed  ## what `make run` needs, into .venv, each package checked against its SHA-256

run: $(VENV)/installed  ## the whole job: generate, split, train, evaluate, serve on 127.0.0.1:8000
	$(BIN)/python main.py

test: $(VENV)/installed-dev  ## the test suite
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev  ## lint, format and type checks, and whether docs/ builds without a warning
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file deploy/mkdocs.yml --strict --quiet

format: $(VENV)/installed-dev  ## put the code into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev  ## docs/ as a site on 127.0.0.1:8001, built again at each change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --config-file deploy/mkdocs.yml --dev-addr 127.0.0.1:8001

bench: $(VENV)-bench/installed  ## speed and memory beside what people would use instead, as a table
	$(VENV)-bench/bin/python -m benchmarks.speed $(BENCH)

signals: $(VENV)/installed  ## how well signals are found in sentences, as a table
	$(BIN)/python -m benchmarks.accuracy.signals

accuracy: $(VENV)/installed  ## the tables of docs/accuracy.md; DATA=FILE for your own conversations
	$(BIN)/python -m benchmarks.accuracy $(if $(DATA),--data $(DATA))
	$(BIN)/python -m benchmarks.accuracy.representations $(if $(DATA),--data $(DATA))

reliability: $(VENV)/installed-dev  ## what operators may rely on, with real kills; about an hour; RELIABILITY="--only NAME" for a part
	$(BIN)/python -m benchmarks.reliability $(RELIABILITY)

lock: $(VENV)/installed-dev  ## requirements/locked/ anew, after a change of a requirements file; LOCK=--upgrade for newer versions
	$(BIN)/python -m requirements.locks $(LOCK)

sbom: $(VENV)/installed-dev  ## what a user installs, as CycloneDX, from the locks: artifacts/sbom/
	$(BIN)/python -m requirements.sbom

clean:  ## remove what runs and tools left (not the virtual environment)
	rm -rf artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python $(LOCKED)/run.txt $(TORCH)
	$(call torch,$(BIN))
	$(BIN)/$(INSTALL) -r $(LOCKED)/run.txt
	touch $@

$(VENV)-bench/installed: $(LOCKED)/bench.txt $(TORCH)
	$(PYTHON) -m venv $(VENV)-bench
	$(call torch,$(VENV)-bench/bin)
	$(VENV)-bench/bin/$(INSTALL) -r $(LOCKED)/bench.txt
	touch $@

$(VENV)/installed-dev: $(VENV)/installed $(LOCKED)/dev.txt requirements/voices.txt
	$(BIN)/$(INSTALL) -r $(LOCKED)/dev.txt -r requirements/voices.txt
	touch $@
