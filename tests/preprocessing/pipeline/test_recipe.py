from preprocessing.dataset.manifest import Manifest
from preprocessing.pipeline.recipe import describe_changes, describe_sources
from preprocessing.sources.find import Source
from tests.preprocessing.sources.test_find import source


def test_what_changed_is_said() -> None:
    settings = {"stride_chars": 256, "shards": 3}
    old = Manifest(
        format=1,
        fingerprint="f",
        settings=settings,
        sources=tuple({"name": name, "bytes": 5, "crc32c": "AAAAAA=="} for name in ("r.json", "old.json")),
        shard_rule="as asked for",
        vocabulary="{}",
        window_chars=2,
        stride_chars=2,
        dtype="uint8",
        record_bytes=9,
        counts={},
        splits={},
        shards=(),
    )
    assert describe_changes(old, settings, [source(5), source(5, "old.json")]) == "a shard is missing or damaged"
    assert describe_changes(old, settings | {"stride_chars": 16}, [source(6), source(5, "new.json")]) == (
        "stride_chars=256, now 16; new.json is new; old.json is no longer read; r.json has changed"
    )


def test_what_the_manifest_says_of_a_source_is_not_where_it_was() -> None:
    elsewhere = Source("elsewhere/r.json", "r.json", 5, "AAAAAA==")
    assert (
        describe_sources([elsewhere])
        == describe_sources([source(5)])
        == [{"name": "r.json", "bytes": 5, "crc32c": "AAAAAA=="}]
    )
