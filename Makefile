# Two commands do everything on a machine with Python >= 3.11 and make:
#   make demo   the whole job against a simulated 1C, with a report to open
#   make test   format, lint, types, tests
# make test-all adds the tests that take longer; .ci/run runs these and the system tests.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MINUTES ?= 10
SECONDS ?= 60
PYTEST_ARGS ?=
IMAGE_ARGS ?=
# Images of Python often forbid bytecode. Tests start hundreds of processes, and each one would
# compile everything again.
unexport PYTHONDONTWRITEBYTECODE
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

.PHONY: demo lint check test test-long test-all test-slow test-system explore fuzz bench format lock \
	screenshots docs deb image release clean

demo: $(VENV)/.run
	@$(BIN)/zvirka demo

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The inner loop: unit tests, without the laws that try many examples.
check: lint
	$(BIN)/pytest $(PARALLEL) -m "not slow and not long and not hypothesis" tests/unit $(PYTEST_ARGS)

test: lint
	$(BIN)/pytest $(PARALLEL) -m "not system and not slow and not long" $(PYTEST_ARGS)

# What takes more than two seconds: kills, floods, browsers, histories, every command in a process.
test-long: $(VENV)/.dev
	$(BIN)/pytest $(PARALLEL) -m "long and not system and not slow" $(PYTEST_ARGS)

test-all: test test-long

# Whole matrices and a timed search for new histories, before a release.
test-slow: $(VENV)/.dev
	$(BIN)/pytest $(PARALLEL) -m "slow and not system" $(PYTEST_ARGS)

test-system: $(VENV)/.dev
	$(BIN)/pytest -m system $(PYTEST_ARGS)

# Searches new histories for the law of nights: make explore MINUTES=10
explore: $(VENV)/.dev
	ZVIRKA_EXPLORE_SECONDS=$$(($(MINUTES) * 60)) $(BIN)/pytest -m slow tests/property/test_nights_law.py $(PYTEST_ARGS)

# Each decoder of outside bytes against mutated samples, the decoders side by side on all cores:
# make fuzz SECONDS=60
fuzz: $(VENV)/.dev
	ZVIRKA_FUZZ_SECONDS=$(SECONDS) $(BIN)/pytest -n auto --dist worksteal -m slow -rP tests/fuzz $(PYTEST_ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

# The pictures in the README, from a run made for it; needs Chromium.
screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.screenshots

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.dev
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group docs --group release -c requirements-dev.lock pyproject.toml -o requirements-docs.lock

# The documentation, as a site in build/site; a broken link fails.
docs: $(VENV)/.docs
	$(BIN)/python packaging/reference.py
	$(BIN)/mkdocs build --strict --quiet

# dist/zvirka_VERSION_ARCH.deb for the Debian this runs on; installs without network.
deb: $(VENV)/.dev
	$(BIN)/python packaging/build_deb.py

image:
	@command -v podman >/dev/null || { echo "podman is not installed: sudo apt install podman" >&2; exit 1; }
	podman build --tag localhost/zvirka:latest $(IMAGE_ARGS) --file packaging/Containerfile .

# dist/: wheel, sdist, .deb, changes, SBOM, checksums. make release VERSION=0.2.0
release: $(VENV)/.dev $(VENV)/.docs
	$(BIN)/python packaging/release.py $(VERSION)

# Without python3-venv a half of the environment is left behind: it counts only once pip runs in it.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zvirka needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python cannot make environments; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip --version >/dev/null
	@touch $@

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.docs: requirements-docs.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

clean:
	rm -rf $(VENV) build dist
