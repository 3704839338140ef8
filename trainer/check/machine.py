"""Checks of a pod's volumes and of a dataset's first shard."""

import shutil
import tempfile
from pathlib import Path

from preprocessing.dataset.folder import open_dataset
from preprocessing.dataset.verification import check_file
from preprocessing.errors import InputError
from trainer.check.check import SkippedError

SHARED_MEMORY = Path("/dev/shm")
MIN_SHARED_BYTES = 256 << 20  # a container's default, 64 MiB, is too little for NCCL


def check_scratch(folder: Path, *, needed_bytes: int) -> str:
    """Check that `folder` can be written and has room for the staged shards."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise InputError(
            f"{folder}: {free / 1e9:.1f} GB free, less than staging.max_bytes={needed_bytes}: give it a larger "
            "volume, or lower the key"
        )
    return f"{folder}: {free / 1e9:.1f} GB free"


def check_shared_memory(folder: Path = SHARED_MEMORY, *, gpus: int) -> str:
    """Check the shared memory, by which NCCL sums between the GPUs of a machine."""
    if not folder.is_dir():
        raise SkippedError(f"no {folder} on this system")
    total = shutil.disk_usage(folder).total
    if gpus > 1 and total < MIN_SHARED_BYTES:
        raise InputError(f"{folder}: {total >> 20} MiB, expected {MIN_SHARED_BYTES >> 20}: mount an emptyDir in memory")
    return f"{folder}: {total >> 20} MiB"


def check_dataset(url: str) -> str:
    """Compare the first shard of a dataset with its SHA-256 in the manifest."""
    dataset = open_dataset(url)
    if not dataset.manifest.shards:
        raise InputError(f"{url}: a dataset without shards")
    shard = dataset.manifest.shards[0]
    with (
        tempfile.TemporaryDirectory(prefix="check-") as scratch,
        dataset.local_shard(shard, Path(scratch)) as path,
    ):
        check_file(path, shard, where=dataset.shard_url(shard))
    return f"{dataset.shard_url(shard)}: {shard.bytes / 1e6:.1f} MB, SHA-256 as in the manifest"
