"""Verification of a dataset's files against its manifest, and of the manifest itself."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest, Shard, fingerprint_of
from preprocessing.errors import InputError
from preprocessing.storage.checksum import Crc32c, hash_file

CHUNK_BYTES = 1 << 20  # of records, checked at once


def check_file(path: Path, shard: Shard, *, where: str) -> None:
    """Raise InputError, which names `where`, unless the file has the manifest's length and SHA-256 of the shard."""
    _check_digest(path.stat().st_size, hash_file(path), shard, where)


def check_shard(file: BinaryIO, shard: Shard, manifest: Manifest, *, where: str) -> None:
    """Raise InputError, with record number and byte offset, for the first record with a wrong frame, CRC or symbol.

    Raises InputError also if all records are valid, and the SHA-256 or CRC-32C of the file is another.
    """
    step = max(1, CHUNK_BYTES // manifest.record_bytes) * manifest.record_bytes
    digest, checksum, start = hashlib.sha256(), Crc32c(), 0
    while data := file.read(step):
        complete = len(data) // manifest.record_bytes
        _check_records(data[: complete * manifest.record_bytes], start // manifest.record_bytes, manifest, where)
        if complete * manifest.record_bytes < len(data):
            record = start // manifest.record_bytes + complete
            raise InputError(f"{where}: record {record} at byte {record * manifest.record_bytes}: cut short")
        digest.update(data)
        checksum.update(data)
        start += len(data)
    _check_digest(start, digest.hexdigest(), shard, where)
    if str(checksum) != shard.crc32c:
        raise InputError(f"{where}: the manifest's crc32c {shard.crc32c} does not match the shard's bytes")


def check_manifest(manifest: Manifest, *, where: str) -> None:
    """Raise InputError unless the manifest agrees with itself: fingerprint, settings, names, counts, characters."""
    settings, counts = manifest.settings, manifest.counts
    if manifest.fingerprint != fingerprint_of(settings, manifest.sources):
        raise InputError(f"{where}: the fingerprint does not match its settings and sources")
    for key in ("window_chars", "stride_chars", "vocabulary"):
        if getattr(manifest, key) != settings.get(key) and (key, settings.get(key)) != ("vocabulary", "auto"):
            raise InputError(f"{where}: {key} differs from its settings")
    names = [shard.name for shard in manifest.shards]
    if len(set(names)) < len(names) or not all(s.name.startswith(f"{s.split}-") for s in manifest.shards):
        raise InputError(f"{where}: two shards have the same name, or a shard's name begins with another split")
    if counts["read"] != manifest.accounted_for:
        raise InputError(f"{where}: {counts['read']} lines read, {manifest.accounted_for} accounted for")
    reviews = sum(split["reviews"] for split in manifest.splits.values())
    if counts["kept"] != reviews:
        raise InputError(f"{where}: {counts['kept']} reviews kept, {reviews} in the splits")
    for name, split in manifest.splits.items():
        shards = manifest.shards_of(name)
        chars = sum((s.records - 1) * manifest.stride_chars + manifest.window_chars + 1 for s in shards)
        if split["characters"] != chars + split["tail"]:
            raise InputError(
                f"{where}: {name}: {split['characters']} characters, "
                f"its shards hold {chars} and {split['tail']} are left"
            )


def _check_digest(size: int, digest: str, shard: Shard, where: str) -> None:
    if size != shard.bytes:
        raise InputError(f"{where}: {size} bytes, expected {shard.bytes}: the shard is cut or altered")
    if digest != shard.sha256:
        raise InputError(f"{where}: SHA-256 {digest}, expected {shard.sha256}: the shard is altered")


def _check_records(data: bytes, first: int, manifest: Manifest, where: str) -> None:
    """Check complete records. The first has the number `first` in its shard."""
    size, ids, dtype = manifest.record_bytes, manifest.window_chars + 1, manifest.id_dtype()
    prefix = np.frombuffer(records.prefix(ids * dtype.itemsize), np.uint8)
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    is_wrong = {
        "frame": (rows[:, : len(prefix)] != prefix).any(axis=1),
        "CRC": (rows[:, -records.CRC_BYTES :] != records.checksums(rows)).any(axis=1),
        "symbol": (records.payload(rows, dtype, ids) >= len(manifest.vocabulary)).any(axis=1),
    }
    faults = [(first + int(wrong.argmax()), fault) for fault, wrong in is_wrong.items() if wrong.any()]
    if faults:
        record, fault = min(faults, key=lambda fault: fault[0])  # of one record's faults the first explains the rest
        raise InputError(f"{where}: record {record} at byte {record * size}: wrong {fault}")
