"""Small datasets made by hand, and a reader that counts their characters one by one."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.dataset import manifest, records
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.dataset.vocabulary import SEED, Vocabulary


def make_dataset(
    texts: Sequence[tuple[str, str]], *, symbols: str = SEED.symbols, window: int = 4, stride: int = 4, **fields: Any
) -> tuple[Manifest, list[bytes]]:
    """Make a dataset with one shard for each (split, text). `fields` change the manifest."""
    vocabulary = Vocabulary(symbols)
    record_bytes = records.record_bytes((window + 1) * vocabulary.dtype.itemsize)
    data, shards = [], []
    for k, (split, text) in enumerate(texts):
        rows = records.cut_windows(vocabulary.encode(text)[0], window_chars=window, stride_chars=stride)
        data.append(records.frame(rows).tobytes())
        digest = hashlib.sha256(data[-1]).hexdigest()
        name, size = f"{split}-{k}.tfrecord", len(data[-1])
        shards.append(Shard(name, split, records=len(rows), bytes=size, sha256=digest, crc32c=""))
    values: dict[str, Any] = {
        "fingerprint": "f00df00df00d",
        "settings": {"window_chars": window, "stride_chars": stride, "vocabulary": symbols, "lowercase": True},
        "sources": ({"name": "r.json", "bytes": 1234, "crc32c": "AAAAAA=="},),
        "counts": {"read": 3, "kept": 3, "duplicate": 0, "rejected": {}, "dropped": {}},
        "splits": {
            split: {
                "reviews": sum(text.count("{") for name, text in texts if name == split),
                "characters": sum(len(text) for name, text in texts if name == split),
                "tail": 0,
                "windows": sum(shard.records for shard in shards if shard.split == split),
            }
            for split in manifest.SPLITS
        },
    }
    dataset = Manifest(
        format=1,
        shard_rule="as asked for",
        vocabulary=symbols,
        window_chars=window,
        stride_chars=stride,
        dtype=vocabulary.dtype.name,
        record_bytes=record_bytes,
        shards=tuple(shards),
        **(values | fields),
    )
    return dataset, data


def write_dataset(folder: Path, dataset: Manifest, data: list[bytes]) -> Path:
    """Write a dataset's shards and manifest to a new folder."""
    folder.mkdir()
    for shard, content in zip(dataset.shards, data, strict=True):
        (folder / shard.name).write_bytes(content)
    (folder / manifest.NAME).write_bytes(dataset.to_json())
    return folder


def count_naively(dataset: Manifest, shards: Sequence[bytes]) -> tuple[Counter[str], list[int], int]:
    """Count symbols, list the sorted lengths of whole reviews, and count cut reviews, character by character."""
    symbols: Counter[str] = Counter()
    whole, cut = [], 0
    for data in shards:
        text = ""
        for start in range(0, len(data), dataset.record_bytes):
            record = data[start : start + dataset.record_bytes - 4]
            ids = np.frombuffer(record[-(dataset.window_chars + 1) * dataset.id_dtype().itemsize :], dataset.dtype)
            window = "".join(dataset.vocabulary[k] for k in ids)
            text += window[-dataset.stride_chars :] if text else window
        length = None
        for symbol in text:
            symbols[symbol] += 1
            if symbol == "{":
                length = 0
            elif symbol == "}":
                assert length is not None
                whole.append(length)
                length = None
            elif length is not None:
                length += 1
        cut += length is not None
    return symbols, sorted(whole), cut
