# Everything a newcomer types. `make demo` and `make test` need nothing but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# GPU users: make setup TORCH="torch==2.13.0 --index-url URL", URL from PyTorch's install page for your CUDA
TORCH ?= torch==2.13.0
# What is installed beside winnow's own dependencies: `hub` is what the demo and the README's examples use (hf:// sources,
# datasets, pandas). EXTRAS=all adds optimizers, trackers, sandbox, teachers and benchmarks, and what the tests need.
EXTRAS ?= hub
STAMP := $(VENV)/.with-$(EXTRAS)
ALL := $(VENV)/.with-all
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup demo test test-fast test-long lint bench crossover clean

setup: $(STAMP)

$(VENV)/.with-%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	$(PIP) -c constraints.txt -e ".[$*]" $(if $(filter all,$*),-r requirements-dev.txt)
	touch $@ $(if $(filter all,$*),$(VENV)/.with-hub)

demo: setup
	$(BIN)/winnow run recipes/quickstart.yaml

# One process a core. Files stay together where they can, since their tests share what is slow to make.
SIDE_BY_SIDE := -n logical --maxprocesses 8 --durations 20 --dist
# A core each, and the code compiled once, for the commands that tests start.
ALONE := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

test: $(ALL)
	$(ALONE) $(BIN)/python -m pytest -m "not long" $(SIDE_BY_SIDE) worksteal

test-fast: $(ALL)
	$(ALONE) $(BIN)/python -m pytest -m "not long and not slow" $(SIDE_BY_SIDE) worksteal

test-long: $(ALL)
	$(ALONE) $(BIN)/python -m pytest -m long $(SIDE_BY_SIDE) loadfile --no-loadscope-reorder

lint: $(ALL)
	$(BIN)/ruff check src tests tools benchmarks
	$(BIN)/ruff format --check src tests tools benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(ALL)
	$(PIP) -c constraints.txt -r benchmarks/requirements.txt
	for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# The three studies behind docs/results/selection.md on real data: about 1 h 40 on two idle cores; goes on after a kill.
STUDIES := runs/crossover-clean runs/crossover-noisy runs/crossover-category
crossover: setup
	for study in $(STUDIES); do \
	  OMP_NUM_THREADS=1 $(BIN)/winnow run recipes/$${study#runs/}.yaml --out $$study --workers 2 || exit 1; \
	  $(BIN)/python tools/keep_results.py $$study || exit 1; \
	done
	$(BIN)/python tools/crossover.py $(STUDIES)

clean:
	rm -rf $(VENV) runs
