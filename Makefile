# Every target first makes .venv hold what it needs; a second run installs nothing.
#   make demo ARGS="--help"     options for the command go into ARGS
#   make test PYTHON=python3.12 makes .venv with that Python
#   make test WORKERS=0         one process, as a debugger wants it
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?=
ARGS ?=
WORKERS ?= 3
export PYTHON

# The ament index of .venv comes before that of a sourced ROS 2, if there is one.
export AMENT_PREFIX_PATH := $(CURDIR)/.venv$(if $(AMENT_PREFIX_PATH),:$(AMENT_PREFIX_PATH))

.NOTPARALLEL:
.PHONY: help demo bench soak test test-slow test-all lint readme clean

help:
	@echo 'make demo      the main job: a simulated camera through the node, measured'
	@echo 'make bench     how fast this machine is'
	@echo 'make soak      the node under random faults for ten minutes'
	@echo 'make test      the tests, without the slow ones'
	@echo 'make test-all  the tests, then the slow ones'
	@echo 'make lint      style and types'
	@echo 'make readme    write the tables of README.md and docs/interface.md from the code'
	@echo 'make clean     remove .venv and what the tools left'
	@echo 'Options for the command go into ARGS, for example: make demo ARGS="--help"'

demo bench soak:
	@tools/install.sh demo
	@.venv/bin/mtshare $@ $(ARGS)

# A file stays in one process: its tests share the node or the model that its fixtures start.
# In the order of their names the files that take longest, those of the node, come first.
# A process that dies ends the run, red: pytest-xdist would start another one, hand files that were
# done already to it, and wait for their results for ever.
PYTEST = .venv/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 0

test:
	@tools/install.sh test
	@$(PYTEST) -m 'not slow' $(ARGS)

# Code 5 of pytest: ARGS chose no slow test.
test-slow:
	@tools/install.sh test
	@$(PYTEST) -m slow $(ARGS) || test $$? -eq 5

# `make test test-all` runs every test once.
test-all: test test-slow

lint:
	@tools/install.sh test
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m mypy

readme:
	@tools/install.sh test
	@.venv/bin/python test/readme_tables.py

clean:
	rm -rf .venv build install log .pytest_cache .ruff_cache .mypy_cache .hypothesis
