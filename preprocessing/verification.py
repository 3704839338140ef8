"""A shard's bytes held against the manifest."""

import hashlib
from pathlib import Path

import numpy as np

from preprocessing import records
from preprocessing.errors import InputError
from preprocessing.manifest import Manifest, Shard


def check_file(path: Path, shard: Shard, *, place: str) -> None:
    """InputError unless the file's length and SHA-256 are what the manifest says of the shard."""
    with path.open("rb") as file:
        _check(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest(), shard, place)


def check_digest(data: bytes, shard: Shard, *, place: str) -> None:
    """InputError unless the bytes' length and SHA-256 are what the manifest says of the shard."""
    _check(len(data), hashlib.sha256(data).hexdigest(), shard, place)


def _check(size: int, digest: str, shard: Shard, place: str) -> None:
    if size != shard.bytes:
        raise InputError(f"{place}: {size} bytes, expected {shard.bytes}: the shard is cut or altered")
    if digest != shard.sha256:
        raise InputError(f"{place}: SHA-256 {digest}, expected {shard.sha256}: the shard is altered")


def check_records(data: bytes, manifest: Manifest, *, place: str) -> None:
    """InputError, with record and byte offset, at the first record whose frame, CRC or symbols are wrong."""
    size, ids, dtype = manifest.record_bytes, manifest.window_chars + 1, manifest.id_dtype()
    prefix = np.frombuffer(records.prefix(ids * dtype.itemsize), np.uint8)
    if len(data) % size:
        raise InputError(f"{place}: {len(data)} bytes are not whole records of {size}")
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    faults = {
        "frame": (rows[:, : len(prefix)] != prefix).any(axis=1),
        "CRC": (rows[:, -records.CRC_BYTES :] != records.checksums(rows)).any(axis=1),
        "symbol": (records.payload(rows, dtype, ids) >= len(manifest.vocabulary)).any(axis=1),
    }
    first = [(int(wrong.argmax()), what) for what, wrong in faults.items() if wrong.any()]
    if first:
        record, what = min(first, key=lambda fault: fault[0])  # of one record's, what comes first explains the rest
        raise InputError(f"{place}: record {record} at byte {record * size}: wrong {what}")
