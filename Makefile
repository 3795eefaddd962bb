# Two commands set everything up: `make workbench` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= derm-kit-run
LECTURE := notebooks/10_how_to_read_a_map.ipynb

.DEFAULT_GOAL := help
.PHONY: help workbench test check coverage bench soak lock sbom release clean

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

check: $(VENV)/.dev ## Style, types, the laws of the house, and known vulnerabilities where they can be asked for
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/audit.py

coverage: export OMP_NUM_THREADS := 1
coverage: $(VENV)/.dev ## Lines and branches of derm_kit that the tests run, kernels and commands among them
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report term:skip-covered --cov-report html

bench: $(VENV)/.dev ## Every speed, beside its peer where there is one, into docs/benchmarks.md (needs DERM_KIT_DATA)
	$(BIN)/python -m tests.benchmarks

soak: $(VENV)/.dev ## Hostile inputs, killed writers (PostgreSQL too: DERM_KIT_TEST_DATABASE_URL), faults, load
	$(BIN)/python -m tests.fuzz --write
	DERM_KIT_SOAK=1 $(BIN)/python -m pytest tests/records/test_writers.py
	$(BIN)/python -m tests.soak.faults --write
	$(BIN)/python -m tests.soak.load --write

COMPILE := $(BIN)/uv pip compile pyproject.toml --constraints constraints.txt --generate-hashes --universal \
	  --python-version 3.11 --no-annotate --no-header --no-emit-index-url
lock: $(VENV)/.dev ## Renew requirements.lock, what an installed wheel needs, with hashes, and Binder's part of it
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --constraints requirements.lock --overrides binder/without-torch.txt \
	  --output-file binder/requirements.txt

sbom: $(VENV)/.dev ## Write the software bill of materials (CycloneDX) of the lock
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/sbom dist/derm-kit.cdx.json

release: $(VENV)/.dev ## Make wheel, source, lock, bill of materials and checksums in dist/VERSION; publishes nothing
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/release

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
