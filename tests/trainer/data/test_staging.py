"""Staging of shards for a reader: fetch order, disk limit, and failed fetches."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Shard
from preprocessing.errors import InputError, Stopped
from tests.trainer.data.test_windows import MANIFEST
from trainer.data.order import Order
from trainer.data.staging import Staging
from trainer.data.windows import Windows, read_batch

BYTES = 100
SHARDS = [Shard(name=f"{k}", split="train", records=1, bytes=BYTES, sha256="", crc32c="") for k in range(10)]


class Store:
    """A fake remote store that records the fetched shards in order, and the peak size of the folder."""

    def __init__(self, fail: Callable[[Shard], None] = lambda _: None) -> None:
        self.fetched: list[int] = []
        self.most_bytes = 0
        self._fail, self._alone = fail, threading.Lock()

    def fetch(self, shard: Shard, folder: Path) -> Path:
        with self._alone:
            self.fetched.append(int(shard.name))
            path = folder / shard.name
            path.write_bytes(bytes([int(shard.name)]) * (BYTES // 2))
            self._fail(shard)
            path.write_bytes(bytes([int(shard.name)]) * BYTES)
            self.most_bytes = max(self.most_bytes, BYTES * len(list(folder.iterdir())))
            return path


def staging(store: Store, folder: Path, shards: int | None, stop: Callable[[], bool] = lambda: False) -> Staging:
    """Build a Staging with room for `shards` shards, or without a limit if None."""
    return Staging(store.fetch, folder, max_bytes=None if shards is None else shards * BYTES, should_stop=stop)


def there(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir())


def settled(staged: Staging, prefetch: list[int], first: int) -> list[int]:
    """Read shard `first`, then each shard of `prefetch`. Each read waits for its shard."""
    wanted = tuple(SHARDS[k] for k in prefetch)
    return [int(staged.map_shard(SHARDS[k], wanted)[0]) for k in (first, *prefetch)]


def test_next_shard_is_fetched_before_it_is_read(tmp_path: Path) -> None:
    arrived = {str(k): threading.Event() for k in range(10)}
    store = Store(lambda shard: arrived[shard.name].set())
    with staging(store, tmp_path, 10) as staged:
        staged.map_shard(SHARDS[4], (SHARDS[7], SHARDS[2]))
        assert all(arrived[name].wait(60) for name in "472")
    assert sorted(store.fetched) == [2, 4, 7]


def test_shards_are_fetched_in_order_of_need_as_far_as_max_bytes_goes(tmp_path: Path) -> None:
    store = Store()
    with staging(store, tmp_path, 1) as staged:
        assert settled(staged, [3, 1, 4, 1, 5], 9) == [9, 3, 1, 4, 1, 5]
    assert store.fetched[:2] == [9, 3]
    assert store.most_bytes == BYTES


def test_shards_that_fit_are_fetched_once_and_kept(tmp_path: Path) -> None:
    store = Store()
    with staging(store, tmp_path, 10) as staged:
        for _ in range(3):
            settled(staged, list(range(10)), 0)
    assert sorted(store.fetched) == list(range(10))
    assert there(tmp_path) == list(range(10))


@pytest.mark.parametrize("room", [1, 2, 3, 5, 9])
def test_copies_never_exceed_max_bytes(tmp_path: Path, room: int) -> None:
    store = Store()
    with staging(store, tmp_path, room) as staged:
        for _ in range(3):
            for k in range(10):
                prefetch = tuple(SHARDS[(k + more) % 10] for more in range(4))
                data = staged.map_shard(SHARDS[k], prefetch)
                assert data.tolist() == [k] * BYTES
                del data
    assert store.most_bytes <= room * BYTES


def test_copies_no_longer_needed_are_deleted_first_the_longest_unread_first(tmp_path: Path) -> None:
    store = Store()
    with staging(store, tmp_path, 4) as staged:
        for k in (0, 1, 2, 3, 0):
            staged.map_shard(SHARDS[k])
        staged.map_shard(SHARDS[7], (SHARDS[2],))
        assert there(tmp_path) == [0, 2, 3, 7]
        staged.map_shard(SHARDS[8], (SHARDS[3],))
        assert there(tmp_path) == [0, 3, 7, 8]


def test_shard_needed_now_takes_the_room_of_the_shard_needed_last(tmp_path: Path) -> None:
    store = Store()
    with staging(store, tmp_path, 3) as staged:
        settled(staged, [1, 2], 0)
        staged.map_shard(SHARDS[3], (SHARDS[0], SHARDS[1], SHARDS[2]))
        assert there(tmp_path) == [0, 1, 3]
        assert sorted(store.fetched) == [0, 1, 2, 3]


def test_local_file_is_read_where_it_is_and_never_deleted(tmp_path: Path) -> None:
    originals = tmp_path / "dataset"
    originals.mkdir()
    for shard in SHARDS:
        (originals / shard.name).write_bytes(bytes(BYTES))

    def fetch(shard: Shard, _: Path) -> Path:
        if shard is SHARDS[3]:
            raise OSError("the disk")
        return originals / shard.name

    for limit in (None, BYTES):  # a limit must not delete local files either
        with Staging(fetch, tmp_path / "copies", max_bytes=limit) as staged:
            for shard in SHARDS:
                if shard is SHARDS[3]:
                    with pytest.raises(OSError, match="the disk"):
                        staged.map_shard(shard)
                else:
                    staged.map_shard(shard)
    assert there(originals) == list(range(10))


@pytest.mark.parametrize("error", [OSError("the store is down"), InputError("the shard is altered")])
def test_failed_fetch_is_an_error_only_for_the_read_of_that_shard(tmp_path: Path, error: Exception) -> None:
    failed = threading.Event()

    def fail(shard: Shard) -> None:
        if shard is SHARDS[2]:
            failed.set()
            raise error

    with staging(Store(fail), tmp_path, 10) as staged:
        prefetch = (SHARDS[1], SHARDS[2], SHARDS[3])
        staged.map_shard(SHARDS[1], prefetch)
        assert failed.wait(60)
        staged.map_shard(SHARDS[3], prefetch)
        with pytest.raises(type(error), match=str(error)):
            staged.map_shard(SHARDS[2], prefetch)
        assert there(tmp_path) == [1, 3]  # no partial file of the failed shard
        staged.map_shard(SHARDS[1], prefetch)


def test_shard_that_failed_ahead_of_use_is_fetched_again(tmp_path: Path) -> None:
    failures = [OSError("the store is down")]
    after = threading.Event()

    def fail(shard: Shard) -> None:
        if shard is SHARDS[2] and failures:
            raise failures.pop()
        if shard is SHARDS[3]:
            after.set()

    with staging(Store(fail), tmp_path, 2) as staged:
        staged.map_shard(SHARDS[1], (SHARDS[2], SHARDS[3]))
        assert after.wait(60)  # shard 3 has room only after shard 2 has failed
        assert staged.map_shard(SHARDS[2], ()).tolist() == [2] * BYTES


def test_reader_that_waits_can_be_stopped(tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hang(_: Shard) -> None:
        asked.set()
        go_on.wait(60)

    with staging(Store(hang), tmp_path, 1, stop=asked.is_set) as staged:
        with pytest.raises(Stopped):
            staged.map_shard(SHARDS[0])
        go_on.set()


def test_wait_for_data_is_measured_and_a_staged_shard_costs_no_wait(tmp_path: Path) -> None:
    with staging(Store(), tmp_path, 10) as staged:
        staged.map_shard(SHARDS[0])
        waited = staged.waited_seconds
        assert waited > 0
        staged.map_shard(SHARDS[0])
        assert staged.waited_seconds == waited


def test_after_its_end_nothing_is_fetched(tmp_path: Path) -> None:
    store = Store()
    with staging(store, tmp_path, 10) as staged:
        staged.map_shard(SHARDS[0])
    threads = [thread for thread in threading.enumerate() if thread.name == "staging"]
    assert threads == []
    assert np.array_equal(store.fetched, [0])


@pytest.mark.parametrize("at", ["the epoch's start", "its middle", "its end"])
def test_shards_fetched_before_the_first_step_do_not_grow_with_the_dataset(tmp_path: Path, at: str) -> None:
    for scale in (1, 4, 16):
        rows = np.zeros((10, 3), np.uint8)
        data = records.frame(rows).tobytes()
        shards = [Shard(f"{scale}-{k}", "train", 10, len(data), "", "") for k in range(8 * scale)]
        fetched: list[str] = []

        def fetch(shard: Shard, folder: Path, data: bytes = data, fetched: list[str] = fetched) -> Path:
            fetched.append(shard.name)
            path = folder / shard.name
            path.write_bytes(data)
            return path

        order = Order([10] * len(shards), batch_windows=4, block_windows=20, seed=1)
        steps = order.steps_per_epoch
        step = {"the epoch's start": 0, "its middle": steps // 2, "its end": steps - 1}[at]
        with Staging(fetch, tmp_path, max_bytes=10**6) as staged:
            windows = Windows(shards, MANIFEST, staged.map_shard)
            assert read_batch(windows, order, 0, step).ids.shape == (4, 3)
        assert set(fetched) <= {shards[k].name for k in order.prefetch_shards(0, step)}
        # At most three blocks of two shards: a step spans two blocks, and one block is next.
        assert len(set(fetched)) == len(fetched) <= 6
