# Two commands set everything up: `make workbench` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= derm-kit-run
LECTURE := notebooks/10_how_to_read_a_map.ipynb

.DEFAULT_GOAL := help
.PHONY: help workbench test check bench soak lock clean

help: ## Say what each command does
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' Makefile

workbench: $(VENV)/.runtime ## Install, score the demo cohort of phantoms, then open the workbench (in a terminal)
	$(BIN)/derm-kit score --out $(RUN)
	$(BIN)/derm-kit show $(RUN)
	@if [ -t 1 ]; then $(BIN)/derm-kit serve; else echo "$(BIN)/derm-kit serve opens the workbench in a browser."; fi

# One worker a core: threads of torch or BLAS beside it would spin, each waiting for a core.
test: export OMP_NUM_THREADS := 1
test: $(VENV)/.dev ## Run the tests (real images: DERM_KIT_DATA=FOLDER make test)
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(BIN)/python -m pytest --nbval-lax notebooks --ignore $(LECTURE)
	$(BIN)/python -m pytest --nbval $(LECTURE)

check: $(VENV)/.dev ## Style, types and the laws of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Every speed, beside its peer where there is one, into docs/benchmarks.md (needs DERM_KIT_DATA)
	$(BIN)/python -m tests.benchmarks

soak: $(VENV)/.dev ## 20,000 hostile inputs, then hours of killed writers (PostgreSQL too: DERM_KIT_TEST_DATABASE_URL)
	$(BIN)/python -m tests.fuzz --write
	DERM_KIT_SOAK=1 $(BIN)/python -m pytest tests/records/test_writers.py

lock: $(VENV)/.dev ## Renew requirements.lock: what an installed wheel needs, with hashes
	$(BIN)/uv pip compile pyproject.toml --constraints constraints.txt --generate-hashes --universal \
	  --python-version 3.11 --no-annotate --no-header --no-emit-index-url --output-file requirements.lock

$(VENV)/.runtime: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("derm-kit needs Python 3.11 or newer: make PYTHON=python3.11 workbench" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install -c constraints.txt --index-url $(TORCH_INDEX) torch torchvision)
	$(BIN)/python -m pip install -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/python -m pip install -c constraints.txt -e '.[train,dev]'
	touch $@

clean: ## Remove the environment and the demo run
	rm -rf $(VENV) $(RUN)
