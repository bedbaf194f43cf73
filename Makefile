# Every command of the book. Each first puts into .venv what is missing there.
#   make book PYTHON=python3.12    picks the Python that .venv is made with
#   make book TORCH=cpu            takes a PyTorch without CUDA, much smaller on Linux

PYTHON ?= python3
TORCH ?=
BIN := .venv/bin
# Added to uv's own: `make lock UV_FLAGS=--upgrade` moves every pin to its newest version.
UV_FLAGS ?=

# What a reader has set for Python elsewhere (PYTHONPATH, PYTHONOPTIMIZE) is not meant for the book.
unexport $(filter-out PYTHON,$(filter PYTHON%,$(.VARIABLES)))

.DELETE_ON_ERROR:
.PHONY: help install book test test-site lint lint-python lint-front bench sweep serve lock engine front clean

help:
	@echo 'make book    execute the chapters and render the site into _site/'
	@echo 'make serve   the same, then serve it on 127.0.0.1'
	@echo 'make test    lint, types, tests, every chapter, the site, the browser tests'
	@echo 'make test-site  the browser tests on the site as it is in _site/, by either renderer'
	@echo 'make lint    ruff and mypy, and where npm is at hand tsc and biome'
	@echo 'make sweep   run every recorded experiment into data/results/ (hours)'
	@echo 'make bench   measure training and rendering against the usual way'
	@echo 'make lock    renew requirements.lock from pyproject.toml'
	@echo 'make engine  compile the engine of the lab on the page, where a C compiler can'
	@echo 'make front   bundle the front end of the labs, where Node is at hand'
	@echo 'make install put the pinned packages into .venv, as the others do where they have to'
	@echo 'make clean   remove what was built; keeps .venv and data/'

# A Python in a folder with blanks is one word, and a tilde is the home folder.
install: export CHOSEN = $(patsubst ~/%,$(HOME)/%,$(PYTHON))
install: export ASKED = $(if $(filter file,$(origin TORCH)),,--torch=$(TORCH))
install:
	@# As long as no other Python is asked for, the one in .venv looks after it.
	@if [ '$(origin PYTHON)' = file ] && $(BIN)/python -I -S -c '' 2>/dev/null; then \
	  exec $(BIN)/python -I install.py $$ASKED; fi; \
	command -v "$$CHOSEN" >/dev/null || { \
	  echo "make: $$CHOSEN not found; install Python 3.11 or newer, or say: make PYTHON=..." >&2; exit 2; }; \
	"$$CHOSEN" -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(None if sys.version_info >= (3, 11) else \
	  "make: " + sys.argv[1] + " is Python " + v + ", the book needs 3.11 or newer; say: make PYTHON=python3.12")' \
	  "$$CHOSEN" || exit; \
	exec "$$CHOSEN" -I install.py $(if $(filter file,$(origin PYTHON)),,--python) $$ASKED

book: install
	@$(BIN)/bnbook render

serve: book
	@$(BIN)/bnbook serve

# Side by side, a core each.
lint: install
	@$(MAKE) --silent --no-print-directory --jobs=2 lint-python lint-front

lint-python:
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@echo 'Lint: ruff and mypy found nothing'

lint-front:
	@if ! $(MAKE) --silent $(WEB)/node_modules 2>/dev/null; then \
	  echo 'Lint: tsc and biome did not run, which need npm and, once, a network'; \
	else cd $(WEB) && npm run --silent check && echo 'Lint: tsc and biome found nothing'; fi

# One thread a process: two processes of two threads each would fight over two cores.
test: export OMP_NUM_THREADS = 1
test: lint
	$(BIN)/pytest -n 2 -m 'not browser and not site'
	$(BIN)/bnbook render --stage
	@# The longest first; the claims page takes over what it found.
	@# In the work folder is the kernel of `bnbook render`, which the reader's settings do not reach.
	JUPYTER_PATH="$$PWD/_work" BNBOOK_RENDER=1 $(BIN)/pytest -n 2 --nbmake --overwrite _work/book/chapters/08-from-scratch.ipynb _work/book/index.ipynb _work/book/chapters
	$(BIN)/bnbook render
	$(BIN)/pytest -n 2 -m 'browser or site'
	@echo 'Test: everything passed; the site is in _site/'

test-site: export OMP_NUM_THREADS = 1
test-site: install
	$(BIN)/pytest -n 2 -m site
	@echo 'Test: the site in _site/ passed'

# What is measured against has a venv of its own, which sees .venv's packages and keeps their pins.
BENCH := .venv/bench
$(BENCH)/installed: benchmarks/requirements.txt requirements.lock pyproject.toml | install
	@$(BIN)/python -m venv $(BENCH)
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > $$($(BENCH)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth
	@# Hashes would be asked of every package then, and skorch and Lightning are in no lock.
	@sed '/^ .*--hash/d; s/ *\\$$//' requirements.lock > $(BENCH)/pins.txt
	@$(BENCH)/bin/python -m pip install -qq --disable-pip-version-check \
	  -c $(BENCH)/pins.txt -r benchmarks/requirements.txt
	@touch $@

# Jupyter looks for its templates and kernels beside the interpreter: those of .venv are meant.
bench: export JUPYTER_PATH = $(CURDIR)/.venv/share/jupyter
bench: $(BENCH)/installed
	@$(BENCH)/bin/python -m benchmarks

sweep: install
	@$(BIN)/bnbook sweep --all
	@echo 'Sweep: records are in data/results/'

# Not after `install`: the lock may be what keeps that from working.
UV := $(or $(wildcard $(BIN)/uv),uv)
lock:
	@command -v $(UV) >/dev/null || { echo 'make: uv not found; install it with: pip install uv' >&2; exit 2; }
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra test pyproject.toml \
	  -o requirements.lock --no-header --no-annotate $(UV_FLAGS)
	@echo 'Lock: requirements.lock pins what pyproject.toml asks for'

# Whoever can compile to WebAssembly; which of them has no influence on the results, to the last bit.
ENGINE := bnbook/lab/engine/engine.wasm
WASM_COMPILERS := clang $(foreach version,22 21 20 19 18 17 16,clang-$(version)) \
  '$(BIN)/python -m ziglang cc'
# -Os: the kernels are unrolled by hand, and more of it makes them larger, not faster.
WASM_FLAGS := --target=wasm32-freestanding -std=c11 -Os -msimd128 -mbulk-memory -ffp-contract=off \
  -nostdlib -Wl,--no-entry -Wl,--strip-all

engine:
	@for compiler in $(WASM_COMPILERS); do \
	  echo '#include <wasm_simd128.h>' | $$compiler $(WASM_FLAGS) -x c - -o /dev/null 2>/dev/null || continue; \
	  $$compiler $(WASM_FLAGS) -Wall -Wextra bnbook/lab/engine/engine.c -o $(ENGINE) && chmod 644 $(ENGINE) || exit; \
	  echo "Engine: $(ENGINE), compiled by $$($$compiler --version | head -n 1)"; exit; \
	done; \
	echo 'make: no compiler for WebAssembly found; install clang with lld (Debian: apt install clang lld)' >&2; \
	echo '      or the Python package ziglang: $(BIN)/python -m pip install ziglang' >&2; exit 2

# The bundle is committed, so that readers need no Node.
WEB := bnbook/lab/web
$(WEB)/node_modules: $(WEB)/package-lock.json
	@command -v npm >/dev/null || { echo 'make: npm not found; install Node 20 or newer' >&2; exit 2; }
	@cd $(WEB) && npm ci --silent --no-audit --no-fund && touch node_modules

front: $(WEB)/node_modules
	@cd $(WEB) && npm run --silent check && npm test --silent && npm run --silent build
	@echo 'Front end: bundled into bnbook/lab/built/'

clean:
	@rm -rf _work _site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find bnbook tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo 'Clean: removed _work/, _site/ and caches; .venv and data/ stay'
