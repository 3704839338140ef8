from collections.abc import Sequence

import numpy as np

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest, Shard
from trainer.data.windows import Windows, pad_batch

MANIFEST = Manifest(
    format=1,
    fingerprint="0",
    settings={},
    sources=(),
    shard_rule="as asked for",
    vocabulary="ab{}",
    window_chars=2,
    stride_chars=2,
    dtype="uint8",
    record_bytes=records.record_bytes(3),
    counts={},
    splits={},
    shards=(),
)


def windows(*shards: np.ndarray, manifest: Manifest = MANIFEST) -> Windows:
    """Build Windows over shards that hold these ids."""
    named = [
        Shard(name=str(number), split="train", records=len(rows), bytes=0, sha256="", crc32c="")
        for number, rows in enumerate(shards)
    ]
    return Windows(named, manifest, lambda shard, _: records.frame(shards[int(shard.name)]).reshape(-1))


TWO = (
    np.array([[0, 1, 2], [3, 0, 1]], np.uint8),
    np.array([[2, 2, 2], [1, 1, 1], [0, 0, 0]], np.uint8),
)


def test_windows_are_read_in_the_order_asked_for() -> None:
    found = windows(*TWO)
    assert found.counts == [2, 3]
    read = found.read(np.array([1, 0, 1, 0]), np.array([2, 1, 0, 1]))
    assert read.tolist() == [[0, 0, 0], [3, 0, 1], [2, 2, 2], [3, 0, 1]]
    assert read.dtype == np.uint8


def test_stride_starts_anew_in_each_shard() -> None:
    shards, rows = windows(*TWO).strided_rows(2)
    assert list(zip(shards.tolist(), rows.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 2)]


def test_short_batch_is_padded_with_rows_of_weight_0() -> None:
    batch = pad_batch(np.array([[1, 2], [3, 4]]), 4)
    assert batch.ids.tolist() == [[1, 2], [3, 4], [1, 2], [1, 2]]
    assert batch.weights.tolist() == [1, 1, 0, 0]


def test_full_batch_stays_as_it_is() -> None:
    batch = pad_batch(np.array([[1, 2], [3, 4]]), 2)
    assert batch.ids.tolist() == [[1, 2], [3, 4]]
    assert batch.weights.tolist() == [1, 1]


def test_ids_of_two_bytes_are_read() -> None:
    rows = np.array([[300, 1, 2], [3, 0, 256]], "<u2")
    wide = Manifest(**(vars(MANIFEST) | {"dtype": "uint16", "record_bytes": records.record_bytes(6)}))
    assert windows(rows, manifest=wide).read(np.array([0]), np.array([1])).tolist() == [[3, 0, 256]]


def test_each_read_names_the_shards_to_fetch_ahead() -> None:
    taken: list[tuple[str, list[str]]] = []

    def map_shard(shard: Shard, prefetch: Sequence[Shard]) -> np.ndarray:
        taken.append((shard.name, [one.name for one in prefetch]))
        return records.frame(TWO[int(shard.name)]).reshape(-1)

    named = [Shard(name=str(k), split="train", records=2, bytes=0, sha256="", crc32c="") for k in range(2)]
    Windows(named, MANIFEST, map_shard).read(np.array([1, 0, 1]), np.array([0, 0, 1]), prefetch=[1, 0])
    assert taken == [("0", ["1", "0"]), ("1", ["1", "0"])]
