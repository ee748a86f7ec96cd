# Everything that is done often. Each target prints what it runs.

PYTHON ?= python3
VENV   ?= .venv
PRESET ?= small

# The version that the tests were last run with; the project itself takes any torch >= 2.4. To install a CPU build from
# elsewhere: make test TORCH=path/to/torch.whl
TORCH  ?= torch==2.13.0

# Two workers with a thread each use two cores; more threads would only fight for them.
JOBS   ?= 2

# Which random networks `make test-random` runs.
FIRST  ?= 0
SEEDS  ?= 200
export OMP_NUM_THREADS ?= 1

BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help setup sim test test-long test-random bench bench-golden lint format verilog clean distclean

help:  ## this list
	@echo "usage: make TARGET [PYTHON=python3] [VENV=.venv] [PRESET=small]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/.dev  ## make .venv with everything for development in it

sim: $(VENV)/.sim  ## compile the bundled network, run ten digits through the RTL, compare bit by bit
	$(BIN)/python -m trispike.examples.demo

test: $(VENV)/.dev  ## all tests but the long ones
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not long"

test-long: $(VENV)/.dev  ## the long tests
	$(BIN)/python -m pytest -n $(JOBS) -m long

test-random: $(VENV)/.dev  ## random networks on the RTL: SEEDS=200 of them from FIRST=0 on
	RANDOM_SEEDS=$(FIRST):$$(($(FIRST)+$(SEEDS))) $(BIN)/python -m pytest -v tests/sim/test_random_graphs.py

# What bench is given on top, for example BENCH="--lenet lenet5.onnx --lenet-data mnist_test.npz --seeds 1".
BENCH  ?=
bench: $(VENV)/.bench  ## sizes, clocks and cycles of presets and networks: bench/results/bench.json and the table of the README
	$(BIN)/python -m bench --readme README.md $(BENCH)

bench-golden: $(VENV)/.dev  ## speed of the golden model beside PyTorch; needs the networks beside the repository
	$(BIN)/python bench/golden_speed.py

lint: $(VENV)/.dev  ## linter, formatter, type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.dev  ## let the linter and the formatter change the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

verilog: $(VENV)/.sim  ## build/trispike_$(PRESET).v
	mkdir -p build
	$(BIN)/trispike verilog --preset $(PRESET) -o build/trispike_$(PRESET).v

clean:  ## remove what the other targets made, but not .venv
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find hw sw sim tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## ... and .venv too
	rm -rf $(VENV)

# A stamp per set of extras: set-up is repeated when the requirements change.
$(VENV)/.sim: pyproject.toml tools/bootstrap.py
	$(PYTHON) tools/bootstrap.py --venv $(VENV) --extras onnx,sim
	touch $@

$(VENV)/.dev: pyproject.toml tools/bootstrap.py
	$(PYTHON) tools/bootstrap.py --venv $(VENV) --extras torch,onnx,sim,dev --also "$(TORCH)"
	touch $@ $(VENV)/.sim

$(VENV)/.bench: pyproject.toml tools/bootstrap.py
	$(PYTHON) tools/bootstrap.py --venv $(VENV) --extras torch,onnx,sim,dev,fpga --also "$(TORCH)"
	touch $@ $(VENV)/.sim $(VENV)/.dev
