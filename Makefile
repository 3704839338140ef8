# `make demo` and `make test` install what they need in .venv.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo
REVIEWS ?= $(DEMO)/reviews.jsonl
# Short windows, whose state is carried: twice as many steps for the same number of characters.
DEMO_WINDOWS := --set window_chars=32 --set stride_chars=32
# A smaller model learns the synthetic reviews in half the time.
DEMO_MODEL := $(if $(filter $(DEMO)/%,$(REVIEWS)),--set model.lstm_units=[256])

.PHONY: setup demo screenshots test test-slow test-all test-cluster lint image lock clean
.PHONY: bench-train bench-quality bench-checkpoint bench-data bench-sample bench-detect bench-start

setup: .venv/tools

# --no-deps: the lock names every package. Otherwise pip picks newer releases of some, and fails because they have no hash.
.venv/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	touch $@

# Packages for the tests and checks.
.venv/tools: .venv/installed tests/requirements.lock
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r tests/requirements.lock
	touch $@

$(DEMO)/reviews.jsonl: .venv/installed
	$(BIN)/python -m jobs.demo_reviews --set output=$@

demo: .venv/installed $(filter $(DEMO)/%,$(REVIEWS))
	$(BIN)/python -m jobs.preprocess --set input=$(REVIEWS) --set output=$(DEMO)/dataset $(DEMO_WINDOWS)
	rm -rf $(DEMO)/runs/demo
	$(BIN)/python -m jobs.train --config jobs/demo.yaml --run demo --set dataset=$(DEMO)/dataset --set runs=$(DEMO)/runs $(DEMO_MODEL)
	$(BIN)/python -m jobs.evaluate $(DEMO)/runs/demo --set split=test
	@cat "$$(ls $(DEMO)/runs/demo/samples/*.txt | tail -n 1)"

# The README's pictures show the demo's run: run `make demo` first.
screenshots: .venv/tools
	$(BIN)/python -m tests.support.screenshots

# loadfile: all tests of a file run in one process, so that few processes import TensorFlow.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/cluster

test: .venv/tools
	$(PYTEST)

# What `make test` skips or shortens: kill and mutation series, a browser, the commands in the documentation.
test-slow: .venv/tools
	$(PYTEST) --slow

test-all: test test-slow

# Needs a cluster in KUBECONFIG whose nodes have IMAGE or can pull it. Each test creates and deletes a namespace.
# Three tests run at once, because they mostly wait for Kubernetes.
test-cluster: .venv/tools
	$(BIN)/python -m pytest tests/cluster --image $(IMAGE) --numprocesses 3 --maxschedchunk 1 --durations 0 --durations-min 1 -v

lint: .venv/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# PyTorch, for the benchmarks' comparisons, in its own virtual environment: 5 GB.
.peers/installed: benchmarks/requirements.lock
	$(PYTHON) -m venv .peers
	.peers/bin/pip install --disable-pip-version-check --require-hashes --no-deps -r benchmarks/requirements.lock
	touch $@

bench-train: .venv/installed .peers/installed
	$(BIN)/python -m benchmarks.train

bench-quality: .venv/installed .peers/installed
	$(BIN)/python -m benchmarks.quality

bench-checkpoint: .venv/tools
	$(BIN)/python -m benchmarks.checkpoint

bench-data: .venv/installed
	$(BIN)/python -m benchmarks.data

bench-sample: .venv/installed
	$(BIN)/python -m benchmarks.sample

bench-start: .venv/tools
	$(BIN)/python -m benchmarks.start

bench-detect: .venv/installed
	$(BIN)/python -m benchmarks.detection

# Uses docker or podman. To push the image, name your registry: make image IMAGE=REGISTRY/review-trainer:1
FLAVOUR ?= gpu
IMAGE ?= review-trainer:$(FLAVOUR)
BUILDER ?= $(shell command -v docker || command -v podman || echo docker)
image:
	$(BUILDER) build --build-arg FLAVOUR=$(FLAVOUR) --build-arg REVISION=$(shell git rev-parse HEAD) $(BUILD_FLAGS) --tag $(IMAGE) .

# Needs uv: pip install uv. The locks for GPUs and for tests pin the same versions as requirements.lock.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
lock:
	$(COMPILE) setup.py --extra preprocess --extra train --extra describe --extra detect --extra cpu -o requirements.lock
	$(COMPILE) setup.py --extra preprocess --extra train --extra describe --extra detect --extra gpu -c requirements.lock -o requirements-gpu.lock
	$(COMPILE) tests/requirements.in -c requirements.lock -o tests/requirements.lock
	$(COMPILE) benchmarks/requirements.in -o benchmarks/requirements.lock

clean:
	rm -rf .venv .peers $(DEMO) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
