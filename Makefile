# Every target first makes .venv hold what it needs; a second run installs nothing.
#   make demo ARGS="--help"     options for the command go into ARGS
#   make test PYTHON=python3.12 makes .venv with that Python
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?=
ARGS ?=
export PYTHON

# The ament index of .venv comes before that of a sourced ROS 2, if there is one.
export AMENT_PREFIX_PATH := $(CURDIR)/.venv$(if $(AMENT_PREFIX_PATH),:$(AMENT_PREFIX_PATH))

.PHONY: help demo bench soak test lint readme clean

help:
	@echo 'make demo    the main job: a simulated camera through the node, measured'
	@echo 'make bench   how fast this machine is'
	@echo 'make soak    the node under random faults for ten minutes'
	@echo 'make test    the whole test suite'
	@echo 'make lint    style and types only'
	@echo 'make readme  write the tables of README.md anew from the code'
	@echo 'make clean   remove .venv and what the tools left'
	@echo 'Options for the command go into ARGS, for example: make demo ARGS="--help"'

demo bench soak:
	@tools/install.sh demo
	@.venv/bin/mtshare $@ $(ARGS)

test:
	@tools/install.sh test
	@.venv/bin/python -m pytest $(ARGS)

lint:
	@tools/install.sh test
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m mypy

readme:
	@tools/install.sh test
	@.venv/bin/python test/readme_tables.py

clean:
	rm -rf .venv build install log .pytest_cache .ruff_cache .mypy_cache .hypothesis
