# All commands in one image: `docker run IMAGE jobs.train --help`. `make image` builds it.
#
#   --build-arg FLAVOUR=cpu    TensorFlow without CUDA, a fraction of the size; any other machine than a GPU node
#   --build-arg BASE=IMAGE     a Python 3.11 to 3.13 on Debian other than the hub's
#
# Code is the last layer, and dependencies come from the lock alone: after a change of code a build takes seconds,
# and kilobytes travel.
ARG BASE=python:3.11-slim-bookworm
ARG FLAVOUR=gpu

FROM ${BASE} AS cpu
COPY requirements.lock /requirements.lock

FROM ${BASE} AS gpu
COPY requirements-gpu.lock /requirements.lock

FROM ${FLAVOUR} AS dependencies
# pip compiles what it installs: without .pyc files, which a read-only root cannot take, a start would last half as long again.
RUN ["python", "-m", "pip", "install", "--disable-pip-version-check", "--root-user-action=ignore", "--no-cache-dir", \
     "--require-hashes", "--no-deps", "--requirement=/requirements.lock"]

FROM dependencies
# Nothing but /tmp is ever written; a cluster mounts something there and keeps the rest read-only.
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=1
# Where GKE mounts the node's driver, and what other nodes' runtimes are to bring of it.
ENV LD_LIBRARY_PATH=/usr/local/nvidia/lib64 NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
COPY . .
# By content, not by time: a file's time changes with each checkout.
RUN ["python", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "."]
RUN ["chmod", "-R", "a+rX", "."]
USER 65532:65532
ENTRYPOINT ["python", "-m"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="review-trainer" \
      org.opencontainers.image.description="Trains a character LSTM on reviews, as a Kubernetes Job" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
