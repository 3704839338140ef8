import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from preprocessing.errors import InputError
from trainer.check.check import SkippedError
from trainer.check.machine import check_dataset, check_scratch, check_shared_memory


def test_scratch_has_room_for_the_staged_shards(tmp_path: Path) -> None:
    assert "GB free" in check_scratch(tmp_path, needed_bytes=1)
    with pytest.raises(InputError, match="less than staging.max_bytes=1000000000000000"):
        check_scratch(tmp_path, needed_bytes=10**15)


def test_full_scratch_is_an_error(small_disk: Callable[[int], Path]) -> None:
    with pytest.raises(InputError, match="0.0 GB free"):
        check_scratch(small_disk(64), needed_bytes=10**9)


def test_several_gpus_need_shared_memory(small_disk: Callable[[int], Path]) -> None:
    folder = small_disk(64)
    assert check_shared_memory(folder, gpus=1).endswith(": 0 MiB")
    with pytest.raises(InputError, match="0 MiB, expected 256"):
        check_shared_memory(folder, gpus=2)


def test_system_without_shared_memory_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(SkippedError):
        check_shared_memory(tmp_path / "absent", gpus=2)


def test_first_shard_of_a_dataset_is_compared(dataset: Path, tmp_path: Path) -> None:
    assert "SHA-256 as in the manifest" in check_dataset(str(dataset))
    damaged = shutil.copytree(dataset, tmp_path / "damaged")
    for shard in damaged.glob("*.tfrecord"):
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    with pytest.raises(InputError, match="SHA-256"):
        check_dataset(str(damaged))
