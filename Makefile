# make run        the dashboard on http://localhost:8501 (PORT=9000 make run for another port)
# make test       lint, import rules and every test but the slow ones
# make test-full  the slow ones too
# make bench      speed and memory against their limits
# make audits     measure every run's heatmaps anew and store it (DATA=folders with the manifests)
# make notebooks  run notebooks/*.py again and put each into its shipped run
#
# The first call makes .venv from the pinned requirements; later calls need no network.

SHELL := /bin/sh
PORT ?= 8501
# Tests at work at once; a file's tests stay together, for they share what they set up.
JOBS ?= 2
# This machine only: Streamlit asks an outside service for its own address when it listens on every interface.
ADDRESS ?= localhost
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: run test test-full bench audits notebooks environment environment-dev checks clean

run: environment
	@$(BIN)/python -m streamlit run Home.py --server.port $(PORT) --server.address $(ADDRESS)

test: environment-dev checks
	@$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile

test-full: environment-dev checks
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

bench: environment-dev
	@$(BIN)/python -m tests.bench.bench

audits: environment
	@LESIONLENS_DATA="$(DATA)" $(BIN)/python -m xai audits --measure

notebooks: environment-dev
	@$(BIN)/python -m notebooks.build

checks:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

environment:
	@PYTHON="$(PYTHON)" sh .ci/environment $(VENV) requirements.txt

environment-dev:
	@PYTHON="$(PYTHON)" sh .ci/environment $(VENV) requirements.txt requirements-ray.txt requirements-dev.txt

clean:
	rm -rf $(VENV)
