"""A dataset's files held against its manifest."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest, Shard, fingerprint_of
from preprocessing.errors import InputError
from preprocessing.storage.checksum import Crc32c

CHUNK_BYTES = 1 << 20  # of records, checked at a time


def check_file(path: Path, shard: Shard, *, place: str) -> None:
    """InputError unless the file's length and SHA-256 are what the manifest says of the shard."""
    with path.open("rb") as file:
        _check_digest(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest(), shard, place)


def check_shard(file: BinaryIO, shard: Shard, manifest: Manifest, *, place: str) -> None:
    """InputError at the first record whose frame, CRC or symbols are wrong, with its number and its byte offset.

    Records that are all in order but not those that the manifest means, as their SHA-256 tells, are one, too.
    """
    step = max(1, CHUNK_BYTES // manifest.record_bytes) * manifest.record_bytes
    digest, checksum, start = hashlib.sha256(), Crc32c(), 0
    while data := file.read(step):
        whole = len(data) // manifest.record_bytes
        _check_records(data[: whole * manifest.record_bytes], start // manifest.record_bytes, manifest, place)
        if whole * manifest.record_bytes < len(data):
            first = start // manifest.record_bytes + whole
            raise InputError(f"{place}: record {first} at byte {first * manifest.record_bytes}: cut short")
        digest.update(data)
        checksum.update(data)
        start += len(data)
    _check_digest(start, digest.hexdigest(), shard, place)
    if str(checksum) != shard.crc32c:
        raise InputError(f"{place}: the manifest's crc32c {shard.crc32c} is not that of the shard's bytes")


def check_manifest(manifest: Manifest, *, place: str) -> None:
    """InputError unless what the manifest says of itself agrees: fingerprint, settings, names and counts.

    Its shards have room for its characters, and no more.
    """
    settings, counts = manifest.settings, manifest.counts
    if manifest.fingerprint != fingerprint_of(settings, manifest.sources):
        raise InputError(f"{place}: the fingerprint is not that of its settings and sources")
    for key in ("window_chars", "stride_chars", "vocabulary"):
        if getattr(manifest, key) != settings.get(key) and (key, settings.get(key)) != ("vocabulary", "auto"):
            raise InputError(f"{place}: {key} is another in its settings")
    names = [shard.name for shard in manifest.shards]
    if len(set(names)) < len(names) or not all(s.name.startswith(f"{s.split}-") for s in manifest.shards):
        raise InputError(f"{place}: a shard is named twice, or for another split than its own")
    if counts["read"] != manifest.accounted_for:
        raise InputError(f"{place}: {counts['read']} lines read, {manifest.accounted_for} accounted for")
    reviews = sum(split["reviews"] for split in manifest.splits.values())
    if counts["kept"] != reviews:
        raise InputError(f"{place}: {counts['kept']} reviews kept, {reviews} in the splits")
    for name, split in manifest.splits.items():
        held = sum((s.records - 1) * manifest.stride_chars + manifest.window_chars + 1 for s in manifest.of(name))
        if split["characters"] != held + split["tail"]:
            raise InputError(
                f"{place}: {name}: {split['characters']} characters, "
                f"its shards hold {held} and {split['tail']} are left"
            )


def _check_digest(size: int, digest: str, shard: Shard, place: str) -> None:
    if size != shard.bytes:
        raise InputError(f"{place}: {size} bytes, expected {shard.bytes}: the shard is cut or altered")
    if digest != shard.sha256:
        raise InputError(f"{place}: SHA-256 {digest}, expected {shard.sha256}: the shard is altered")


def _check_records(data: bytes, first: int, manifest: Manifest, place: str) -> None:
    """Of whole records, `first` being the number of the first of them."""
    size, ids, dtype = manifest.record_bytes, manifest.window_chars + 1, manifest.id_dtype()
    prefix = np.frombuffer(records.prefix(ids * dtype.itemsize), np.uint8)
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    faults = {
        "frame": (rows[:, : len(prefix)] != prefix).any(axis=1),
        "CRC": (rows[:, -records.CRC_BYTES :] != records.checksums(rows)).any(axis=1),
        "symbol": (records.payload(rows, dtype, ids) >= len(manifest.vocabulary)).any(axis=1),
    }
    wrong = [(first + int(rows.argmax()), what) for what, rows in faults.items() if rows.any()]
    if wrong:
        record, what = min(wrong, key=lambda fault: fault[0])  # of one record's, what comes first explains the rest
        raise InputError(f"{place}: record {record} at byte {record * size}: wrong {what}")
