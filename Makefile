# kwhub: the only commands to remember. Each sets up what it needs; a fresh machine needs Python 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST_ARGS ?=
# Compiled modules are kept, whatever the machine says: tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
# Every extra but pcsc, which is compiled on the machine and wants a compiler, swig and libpcsclite-dev there.
EXTRAS := bench ble concentrator gpio handheld headend infrared pkcs11 postgres prepay

.PHONY: help install demo test check lint types imports bench docs lock clean

help:
	@echo "make demo     two concentrators, sixty meters, one head-end: see it work, then open the page it names"
	@echo "make test     run the tests"
	@echo "make check    style, types, import contracts, tidy"
	@echo "make bench    measure against peers and physical limits"
	@echo "make docs     write the generated reference pages"
	@echo "make install  make .venv with every extra and the developer tools"
	@echo "make lock     renew the exact versions in requirements/"

install: $(STAMP)

$(STAMP): pyproject.toml requirements/uv.txt requirements/dev.txt web/package.json web/package-lock.json tools/web_assets.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "kwhub needs Python 3.11 or later; '$(PYTHON)' is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked dependencies into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/dev.txt
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	@$(BIN)/kwhub demo

test: install
	@$(BIN)/pytest -n auto --dist worksteal $(PYTEST_ARGS)

check: lint types imports tidy

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/vulture
	$(BIN)/deptry .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

.PHONY: tidy
tidy: install
	$(BIN)/pytest -q tests/test_tidy.py tests/test_public.py

# What needs modules of the kernel, in an emulated machine.
.PHONY: kernel
kernel: install
	@bash tools/kernel_tests.sh $(PYTEST_ARGS)

# Card readers: only where the headers of PC/SC are.
.PHONY: pcsc
pcsc: install
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes -r requirements/pcsc.txt

# Two peers share one import name: the second is kept in a folder of its own.
.venv/peers: requirements/peers.txt | install
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --upgrade --target $@ -r $<
	@touch $@

bench: install .venv/peers
	@$(BIN)/python -m benchmarks

docs: install
	@$(BIN)/python -m tools.reference

lock: install
	VIRTUAL_ENV=.venv $(BIN)/uv pip compile --upgrade --quiet --generate-hashes --no-emit-index-url --no-header --universal \
		--python-version 3.11 $(addprefix --extra ,$(EXTRAS)) --group dev pyproject.toml -o requirements/dev.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip compile --upgrade --quiet --generate-hashes --no-emit-index-url --no-header --universal \
		--python-version 3.11 --extra pcsc -c requirements/dev.txt pyproject.toml -o requirements/pcsc.txt

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
