# `make demo` and `make test` do all their set-up themselves, in .venv.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo
REVIEWS ?= $(DEMO)/reviews.jsonl
# Half the default's length: twice the steps from as many characters.
DEMO_WINDOWS := --set window_chars=128 --set stride_chars=128

.PHONY: setup demo screenshots test test-all test-cluster lint image lock clean
.PHONY: bench-train bench-quality bench-checkpoint bench-data bench-sample bench-detect bench-start

setup: .venv/tools

# --no-deps: the lock names all there is; left to itself pip looks for newer releases of some, and stops at their hash.
.venv/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	touch $@

# What tests and checks need beside it.
.venv/tools: .venv/installed tests/requirements.lock
	$(BIN)/pip install --disable-pip-version-check --require-hashes --no-deps -r tests/requirements.lock
	touch $@

$(DEMO)/reviews.jsonl: .venv/installed
	$(BIN)/python -m jobs.demo_reviews --set output=$@

demo: .venv/installed $(filter $(DEMO)/%,$(REVIEWS))
	$(BIN)/python -m jobs.preprocess --set input=$(REVIEWS) --set output=$(DEMO)/dataset $(DEMO_WINDOWS)
	rm -rf $(DEMO)/runs/demo
	$(BIN)/python -m jobs.train --config jobs/demo.yaml --run demo --set dataset=$(DEMO)/dataset --set runs=$(DEMO)/runs
	$(BIN)/python -m jobs.evaluate $(DEMO)/runs/demo --set split=test
	@cat "$$(ls $(DEMO)/runs/demo/samples/*.txt | tail -n 1)"

# README's pictures, of the demo's run: make demo first.
screenshots: .venv/tools
	$(BIN)/python -m tests.support.screenshots

# The tests of one file go to one process, which imports TensorFlow once.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/cluster

test: .venv/tools
	$(PYTEST)

# Beside `make test`, what it leaves out or shortens: series of kills and mutations, a browser, the documentation typed.
test-all: test
	$(PYTEST) --slow

# On the cluster that KUBECONFIG names, whose nodes have or can pull IMAGE; in namespaces that it makes and deletes.
# Much of it is waiting, for Kubernetes' own delays: so three tests at once.
test-cluster: .venv/tools
	$(BIN)/python -m pytest tests/cluster --image $(IMAGE) --numprocesses 3 --maxschedchunk 1 --durations 0 --durations-min 1 -v

lint: .venv/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# An interpreter of its own for what the benchmarks compare with: PyTorch and what it brings take 5 GB.
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

# Docker or podman; for a cluster push it to a registry of yours: make image IMAGE=REGISTRY/review-trainer:1, docker push.
FLAVOUR ?= gpu
IMAGE ?= review-trainer:$(FLAVOUR)
BUILDER ?= $(shell command -v docker || command -v podman || echo docker)
image:
	$(BUILDER) build --build-arg FLAVOUR=$(FLAVOUR) --build-arg REVISION=$(shell git rev-parse HEAD) $(BUILD_FLAGS) --tag $(IMAGE) .

# Needs uv, the lock tool: pip install uv. The other locks hold the same versions of what they share with the first.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
lock:
	$(COMPILE) setup.py --extra preprocess --extra train --extra describe --extra detect --extra cpu -o requirements.lock
	$(COMPILE) setup.py --extra preprocess --extra train --extra describe --extra detect --extra gpu -c requirements.lock -o requirements-gpu.lock
	$(COMPILE) tests/requirements.in -c requirements.lock -o tests/requirements.lock
	$(COMPILE) benchmarks/requirements.in -o benchmarks/requirements.lock

clean:
	rm -rf .venv .peers $(DEMO) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
