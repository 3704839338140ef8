import io

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.storage.read_checksum import ChecksummedPart, join_crc32c

DATA = bytes(range(256)) * 20


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_checksum_of_joined_parts(first: bytes, second: bytes) -> None:
    joined = join_crc32c(google_crc32c.value(first), google_crc32c.value(second), len(second))
    assert joined == google_crc32c.value(first + second)


def test_checksum_of_a_part_of_several_chunks() -> None:
    zeros = bytes(3_000_000)
    assert join_crc32c(google_crc32c.value(DATA), google_crc32c.value(zeros), 3_000_000) == google_crc32c.value(
        DATA + zeros
    )


@pytest.mark.parametrize("reads", [[], [(0, 5120)], [(99, 1), (100, 50), (150, 5000)], [(5000, 50), (0, 300)]])
def test_part_is_checksummed_whatever_was_read_of_it(reads: list[tuple[int, int]]) -> None:
    part = ChecksummedPart(io.BytesIO(DATA), start=100, stop=4000)
    for position, count in reads:
        part.seek(position)
        assert part.read(count) == DATA[position : position + count]
    assert part.finish() == google_crc32c.value(DATA[100:4000])
