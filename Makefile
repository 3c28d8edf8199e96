# Two commands do all: `make run` shows what chainrule is for, `make test` runs its tests
# (`make test-all` those too that run every benchmark and train for a while).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := hatch_build.py $(wildcard src/chainrule/kernels/native/*.c src/chainrule/kernels/native/simd/*.[ch])
PUBLIC := chainrule chainrule.testing chainrule.training chainrule.tasks.compression \
  $(addprefix chainrule.models.,ngram recurrent online contexts mixture series)
PIP := $(BIN)/python -m pip --disable-pip-version-check install

.PHONY: run test test-all check format reference clean

run: $(VENV)/.run
	$(BIN)/chainrule compare --force

test: $(VENV)/.test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-all: $(VENV)/.test
	EXAMPLES=50 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(VENV)/.check
	$(BIN)/ruff check src tests benchmarks hatch_build.py
	$(BIN)/ruff format --check src tests benchmarks hatch_build.py
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.check
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

reference: $(VENV)/.test
	$(BIN)/python -m pdoc -d markdown -o build/reference $(PUBLIC)

clean:
	rm -rf $(VENV) dist build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "chainrule: expected Python 3.11 or newer, got $$($(PYTHON) --version); set PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml $(NATIVE)
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt $(NATIVE)
	$(PIP) -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/.check: $(VENV)/bin/python pyproject.toml constraints.txt $(NATIVE)
	$(PIP) -c constraints.txt -e '.[test,check]'
	@touch $(VENV)/.test $@
