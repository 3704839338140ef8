# One image for all commands: `docker run IMAGE jobs.train --help`. `make image` builds the image.
#
#   --build-arg FLAVOUR=cpu    TensorFlow without CUDA: a third of the size, for machines without a GPU
#   --build-arg BASE=IMAGE     another base image: Debian with Python 3.11 to 3.13
#
# Dependencies come from the lock file, in a layer before the code. So a change of code rebuilds and pushes only the
# small last layers.
ARG BASE=python:3.11-slim-bookworm
ARG FLAVOUR=gpu

FROM ${BASE} AS cpu
COPY requirements.lock /requirements.lock

# NVIDIA's wheels are most of the image. A layer of their own is pulled beside the other packages, and stays the same
# when another package changes. The file is cut from the lock in a stage of its own, so that it alone decides.
FROM ${BASE} AS nvidia
COPY requirements-gpu.lock /requirements.lock
RUN ["awk", "/^[a-z]/ {nvidia = /^nvidia-/} nvidia {print > \"/nvidia.lock\"}", "/requirements.lock"]

FROM ${BASE} AS gpu
COPY --from=nvidia /nvidia.lock /nvidia.lock
RUN ["python", "-m", "pip", "install", "--disable-pip-version-check", "--root-user-action=ignore", "--no-cache-dir", \
     "--require-hashes", "--no-deps", "--requirement=/nvidia.lock"]
COPY requirements-gpu.lock /requirements.lock

FROM ${FLAVOUR} AS dependencies
# pip also writes .pyc files. Later the root is read-only, and a start without .pyc files takes 1.5 times as long.
RUN ["python", "-m", "pip", "install", "--disable-pip-version-check", "--root-user-action=ignore", "--no-cache-dir", \
     "--require-hashes", "--no-deps", "--requirement=/requirements.lock"]
# Commands write to /tmp only. The manifests mount a volume at /tmp and make the root read-only.
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=1
# GKE mounts the GPU driver at /usr/local/nvidia. NVIDIA's container runtime reads NVIDIA_DRIVER_CAPABILITIES.
ENV LD_LIBRARY_PATH=/usr/local/nvidia/lib64 NVIDIA_DRIVER_CAPABILITIES=compute,utility PATH=$PATH:/usr/local/nvidia/bin
WORKDIR /app

# The code becomes one layer: GKE's image streaming takes no image that has empty layers.
FROM dependencies AS code
COPY . .
# unchecked-hash: Python must not compare modification times, which each checkout changes.
RUN ["python", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "."]
RUN ["chmod", "-R", "a+rX", "."]

FROM dependencies
COPY --from=code /app .
USER 65532:65532
ENTRYPOINT ["python", "-m"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="review-trainer" \
      org.opencontainers.image.description="Trains a character LSTM on reviews, as a Kubernetes Job" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
