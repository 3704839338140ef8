import pytest

from preprocessing.pipeline.shard_count import partition_count, shard_count
from preprocessing.sources.find import Source
from tests.preprocessing.sources.test_find import MIB, source


@pytest.mark.parametrize(
    ("sources", "shards"),
    [
        ([source(1)], 1),
        ([source(32 * MIB)], 1),
        ([source(32 * MIB + 1)], 2),
        ([source(20 * MIB), source(20 * MIB)], 2),
        ([source(32 * MIB, "r.json.gz")], 3),
        ([source(32 * MIB, "Y.ZIP")], 3),
        ([source(32 * MIB * 200_000)], 99_999),
    ],
)
def test_auto_makes_shards_of_32_mib(sources: list[Source], shards: int) -> None:
    count, rule = shard_count("auto", sources, record_bytes=300, stride_chars=300)
    assert count == shards
    assert rule == "source bytes (x 3 if compressed) x record_bytes 300 / stride_chars 300 / 33554432, rounded up"


def test_a_smaller_stride_makes_more_shards() -> None:
    assert shard_count("auto", [source(32 * MIB)], record_bytes=300, stride_chars=3)[0] == 100


def test_shards_may_be_asked_for() -> None:
    assert shard_count(7, [source(32 * MIB)], record_bytes=300, stride_chars=3) == (7, "as asked for")


@pytest.mark.parametrize(("size", "shards", "partitions"), [(1, 1, 1), (100, 100, 4), (100, 3, 3), (32, 100, 1)])
def test_a_worker_holds_32_mib_of_reviews_whatever_the_stride(size: int, shards: int, partitions: int) -> None:
    assert partition_count([source(size * MIB)], shards) == partitions
