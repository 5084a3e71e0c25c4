# `make demo` and `make test` set everything up by themselves; they need Python >= 3.11 and a C compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: demo test test-other lint type docs bench claims clean

# torch comes first and alone, so that its pinned build is the one everything else is installed beside.
$(BIN)/.installed: pyproject.toml constraints.txt setup.py seqgan/text/_conv_bank.c rl/_dense.c
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,dev]"
	touch $@

demo: $(BIN)/.installed
	rm -rf $(DEMO)
	$(BIN)/seqgan demo --out $(DEMO)

# Of pytest's plugins only those that are used: it compiles all code of each of the others first. What is
# compiled is kept, for the processes that tests start and for the next run.
test: $(BIN)/.installed
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest \
		-p xdist -p timeout -p jaxtyping --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Another Python's environment: everything is imported, a run is trained, the fast tests of the core pass.
OTHER := build/$(notdir $(PYTHON))
test-other:
	$(PYTHON) -m venv $(OTHER)
	$(OTHER)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(OTHER)/bin/python -m pip install --quiet . pytest pytest-timeout beartype hypothesis scipy
	cd $(OTHER) && bin/seqgan list papers && bin/seqgan train oracle --preset tiny --report none --out run
	$(OTHER)/bin/python -m pytest tests/test_package.py tests/image_core/adversarial -m "not slow"

lint: $(BIN)/.installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

type: $(BIN)/.installed
	$(BIN)/python -m mypy

docs: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -b html docs build/docs
	@echo "The site is in build/docs/index.html"

bench: $(BIN)/.installed
	$(BIN)/python benchmarks/seqgan_step.py

# The runs of headline figures that are missing, then the tables of docs/papers; `make claims ONLY="cartpole digits"`.
claims: $(BIN)/.installed
	$(BIN)/python -m benchmarks.claims $(if $(ONLY),--only $(ONLY))

clean:
	rm -rf $(VENV) runs build *.egg-info seqgan/text/*.so
