from pathlib import Path

import numpy as np

from preprocessing import manifest, records
from preprocessing.manifest import Manifest
from trainer.data import Windows, fill_up

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


def windows(folder: Path) -> Windows:
    shards = [np.array([[0, 1, 2], [3, 0, 1]], np.uint8), np.array([[2, 2, 2], [1, 1, 1], [0, 0, 0]], np.uint8)]
    paths = []
    for number, rows in enumerate(shards):
        paths.append(folder / f"{number}.tfrecord")
        paths[-1].write_bytes(records.frame(rows).tobytes())
    return Windows(paths, MANIFEST)


def test_windows_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    found = windows(tmp_path)
    assert found.counts == [2, 3]
    assert len(found) == 5
    read = found.read(np.array([1, 0, 1, 0]), np.array([2, 1, 0, 1]))
    assert read.tolist() == [[0, 0, 0], [3, 0, 1], [2, 2, 2], [3, 0, 1]]
    assert read.dtype == np.uint8


def test_every_second_window_starts_anew_in_each_shard(tmp_path: Path) -> None:
    shards, rows = windows(tmp_path).every(2)
    assert list(zip(shards.tolist(), rows.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 2)]


def test_a_short_batch_is_filled_up_with_rows_that_do_not_count() -> None:
    batch = fill_up(np.array([[1, 2], [3, 4]]), 4)
    assert batch.ids.tolist() == [[1, 2], [3, 4], [1, 2], [1, 2]]
    assert batch.weights.tolist() == [1, 1, 0, 0]


def test_a_full_batch_stays_as_it_is() -> None:
    batch = fill_up(np.array([[1, 2], [3, 4]]), 2)
    assert batch.ids.tolist() == [[1, 2], [3, 4]]
    assert batch.weights.tolist() == [1, 1]


def test_ids_of_two_bytes_are_read(tmp_path: Path) -> None:
    rows = np.array([[300, 1, 2], [3, 0, 256]], "<u2")
    (tmp_path / "x").write_bytes(records.frame(rows).tobytes())
    wide = manifest.Manifest(**(vars(MANIFEST) | {"dtype": "uint16", "record_bytes": records.record_bytes(6)}))
    assert Windows([tmp_path / "x"], wide).read(np.array([0]), np.array([1])).tolist() == [[3, 0, 256]]
