import random

from preprocessing.pipeline.blocks import REVIEW_BYTES, BlockBuffer, pack_block, unpack_block
from preprocessing.pipeline.keys import KeyedReview, SourceLine, add_keys, choose_shard


def some(count: int) -> list[KeyedReview]:
    texts = ["Good soup.", "café", "寿司 \U0001f600", "x" * 10_000, "\x00\n"]
    return [
        add_keys(review_id=f"r{n}", text=f"{texts[n % 5]}{n}", source_line=SourceLine(7, 2, n * 3_000_000_000))
        for n in range(count)
    ]


def test_a_block_comes_back_as_it_was_packed() -> None:
    for count in (1, 2, 100):
        assert list(unpack_block(pack_block(some(count)))) == some(count)


def test_the_order_of_keyed_reviews_is_that_of_keys_then_characters_then_place() -> None:
    same = add_keys(review_id="a", text="Soup", source_line=SourceLine(0, 0, 2))
    ordered = [
        same._replace(text_key=b"\x00" * 16),
        same._replace(text_key=b"\x01" * 16, id_key=b"\x00" * 16),
        same._replace(text_key=b"\x01" * 16, id_key=b"\x01" * 16, text=b"z"),
        same._replace(text_key=b"\x01" * 16, id_key=b"\x01" * 16, text="\uffff".encode()),
        same._replace(
            text_key=b"\x01" * 16, id_key=b"\x01" * 16, text="\U0001f600".encode(), source_line=SourceLine(0, 0, 9)
        ),
        same._replace(
            text_key=b"\x01" * 16, id_key=b"\x01" * 16, text="\U0001f600".encode(), source_line=SourceLine(0, 1, 1)
        ),
        same._replace(
            text_key=b"\x01" * 16, id_key=b"\x01" * 16, text="\U0001f600".encode(), source_line=SourceLine(1, 0, 1)
        ),
    ]
    assert sorted(random.Random(1).sample(ordered, len(ordered))) == ordered


def test_a_partition_has_all_reviews_of_its_shards_and_no_others() -> None:
    buffer = BlockBuffer(shard_count=7, partition_count=3)
    for review in some(200):
        buffer.add(review)
    assert buffer.bytes == sum(len(review.text) + REVIEW_BYTES for review in some(200))
    drained = dict(buffer.drain())
    assert sorted(review for reviews in drained.values() for review in reviews) == sorted(some(200))
    shards = {partition: {choose_shard(r.text_key, 7) for r in reviews} for partition, reviews in drained.items()}
    assert shards == {0: {0, 3, 6}, 1: {1, 4}, 2: {2, 5}}


def test_what_was_taken_is_gone() -> None:
    buffer = BlockBuffer(shard_count=1, partition_count=1)
    buffer.add(some(1)[0])
    assert len(list(buffer.drain())) == 1
    assert (list(buffer.drain()), buffer.bytes) == ([], 0)
