from pathlib import Path

import pytest

from jobs.inputs import Source, find, fingerprint_of, load_vocabulary, shard_count, split_url
from preprocessing.errors import InputError
from preprocessing.vocabulary import SEED

MIB = 1 << 20


def source(size: int, name: str = "r.json", crc32c: str = "AAAAAA==") -> Source:
    return Source(f"in/{name}", name, size, crc32c)


@pytest.mark.parametrize(
    ("url", "folder", "name"),
    [
        ("data/r.json", "data", "r.json"),
        ("r.json", ".", "r.json"),
        ("/r.json", "/", "r.json"),
        ("/data/*.json", "/data", "*.json"),
        ("data/2024-*/r.json", "data", "2024-*/r.json"),
        ("data/part[12]/r?.json", "data", "part[12]/r?.json"),
        ("*.json", ".", "*.json"),
    ],
)
def test_a_url_is_a_folder_and_a_name(url: str, folder: str, name: str) -> None:
    bucket, found = split_url(url)
    assert (bucket.url, found) == (folder, name)


@pytest.mark.parametrize("url", ["data/", "/", ".", "..", "data/..", ""])
def test_a_folder_is_no_file(url: str) -> None:
    with pytest.raises(InputError, match="a folder, expected a file$"):
        split_url(url)


def test_a_glob_finds_files_by_name_and_part_by_part(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.jsonl", "x/a.json", "y/a.json", "x/z/a.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert [s.name for s in find(f"{tmp_path}/*.json")] == ["a.json", "b.json"]
    assert [s.name for s in find(f"{tmp_path}/*/a.json")] == ["x/a.json", "y/a.json"]
    assert [s.name for s in find(f"{tmp_path}/[bc].json*")] == ["b.json", "c.jsonl"]
    assert [s.url for s in find(f"{tmp_path}/x/?.json")] == [f"{tmp_path}/x/a.json"]


def test_a_source_is_known_by_its_name_size_and_checksum(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"123456789")
    assert find(f"{tmp_path}/r.json") == [Source(f"{tmp_path}/r.json", "r.json", 9, "4waSgw==")]  # 0xE3069283


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
    assert shard_count(sources, record_bytes=300, stride_chars=300) == shards


def test_a_smaller_stride_makes_more_shards() -> None:
    assert shard_count([source(32 * MIB)], record_bytes=300, stride_chars=3) == 100


def test_the_fingerprint_changes_with_settings_names_and_content() -> None:
    base = fingerprint_of({"a": 1}, [source(5)])
    assert base == fingerprint_of({"a": 1}, [Source("elsewhere/r.json", "r.json", 5, "AAAAAA==")])
    others = [
        fingerprint_of({"a": 2}, [source(5)]),
        fingerprint_of({"a": 1}, [source(6)]),
        fingerprint_of({"a": 1}, [source(5, "s.json")]),
        fingerprint_of({"a": 1}, [source(5, crc32c="BBBBBB==")]),
        fingerprint_of({"a": 1}, [source(5), source(5)]),
    ]
    assert len({base, *others}) == 6


def test_the_names_of_the_vocabularies() -> None:
    assert load_vocabulary("seed") == SEED
    assert load_vocabulary("auto") is None
