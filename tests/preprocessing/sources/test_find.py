import os
from pathlib import Path

import pytest

from preprocessing.errors import InputError
from preprocessing.sources.find import Source, find_sources

MIB = 1 << 20


def source(size: int, name: str = "r.json", crc32c: str = "AAAAAA==") -> Source:
    return Source(f"in/{name}", name, size, crc32c)


def test_a_glob_finds_files_by_name_and_part_by_part(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.jsonl", "x/a.json", "y/a.json", "x/z/a.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert [s.name for s in find_sources(f"{tmp_path}/*.json")] == ["a.json", "b.json"]
    assert [s.name for s in find_sources(f"{tmp_path}/*/a.json")] == ["x/a.json", "y/a.json"]
    assert [s.name for s in find_sources(f"{tmp_path}/[bc].json*")] == ["b.json", "c.jsonl"]
    assert [s.url for s in find_sources(f"{tmp_path}/x/?.json")] == [f"{tmp_path}/x/a.json"]


def test_a_source_is_known_by_its_name_size_and_checksum(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"123456789")
    assert find_sources(f"{tmp_path}/r.json") == [Source(f"{tmp_path}/r.json", "r.json", 9, "4waSgw==")]  # 0xE3069283


def test_several_inputs_are_read_by_name_each_once(tmp_path: Path) -> None:
    for name in ("b/two.json", "a/three.json", "a/one.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = find_sources([f"{tmp_path}/b/two.json", f"{tmp_path}/a/*.json", f"{tmp_path}/a/one.json"])
    assert [s.name for s in found] == ["one.json", "three.json", "two.json"]


def test_two_inputs_of_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.json").write_text("{}")
    with pytest.raises(InputError) as raised:
        find_sources([f"{tmp_path}/b/r.json", f"{tmp_path}/a/r.json"])
    assert str(raised.value) == (
        f"input: {tmp_path}/b/r.json and {tmp_path}/a/r.json have the same name, expected different names"
    )


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    for name in ("r[1].json", "r1.json"):
        (tmp_path / name).write_text("{}")
    assert [s.name for s in find_sources(f"{tmp_path}/r[1].json")] == ["r[1].json"]
    (tmp_path / "r[1].json").unlink()
    assert [s.name for s in find_sources(f"{tmp_path}/r[1].json")] == ["r1.json"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".r.tmp", "object name '.r.tmp'"),
        ("a\0b.json", "'a\\x00b.json': expected a printable name"),
        ("x" * 300 + ".json", "File name too long"),
        ("pipe.json", "cannot be read: not a file"),
        ("loop.json", "Too many levels of symbolic links"),
        ("new\nline.json", "expected a printable name"),
    ],
    ids=lambda value: value[:12],
)
def test_a_name_that_cannot_be_read_is_an_error(name: str, expected: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    with pytest.raises(InputError) as raised:
        find_sources(f"{tmp_path}/{name}")
    assert expected in str(raised.value)


def test_a_name_that_is_not_utf8_is_an_error_before_the_work(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.json")).write_text("{}")
    with pytest.raises(InputError, match="expected a printable name"):
        find_sources(f"{tmp_path}/*.json")


def test_one_file_named_in_two_ways_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert [s.name for s in find_sources(["r.json", f"{tmp_path}/r.json"])] == ["r.json"]
