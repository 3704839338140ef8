import io
import json
from pathlib import Path

import pytest

from preprocessing.sources.find import find_sources, split_sources
from preprocessing.sources.json_values import has_json_values, read_json_values
from preprocessing.sources.reader import PART_BYTES, is_splittable, read_part
from preprocessing.sources.review import MAX_LINE_BYTES, Rejected, Review
from tests.preprocessing.sources.test_reader import memory_below, read
from tests.support.inputs import gzipped

OBJECTS = [
    {"review_id": "a", "votes": {"useful": 1}, "text": "Good } { soup."},
    {"review_id": "b", "text": "caf\u00e9"},
]
BOTH = [Review(1, "a", "Good } { soup."), Review(2, "b", "caf\u00e9")]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, ensure_ascii=False, separators=(",", ":")) + "\n",
        json.dumps(OBJECTS, indent=2),
        "\ufeff" + json.dumps(OBJECTS, indent="\t").replace("\n", "\r\n"),
        "\n".join(json.dumps(each, indent=4) for each in OBJECTS),
        "".join(json.dumps(each) for each in OBJECTS),
    ],
    ids=["one line", "compact", "pretty", "tabs and CRLF", "pretty objects", "objects in one line"],
)
@pytest.mark.parametrize("name", ["r.json", "r.jsonl.gz"])
def test_objects_that_do_not_stand_one_to_a_line_are_read(text: str, name: str) -> None:
    data = text.encode()
    assert read(gzipped(data) if name.endswith(".gz") else data, name) == BOTH


@pytest.mark.parametrize(
    "text", [b'{"text": "a"}\n{"text": "b"}\n', b'[\n{"text": "a"},\n{"text": "b"}\n]', b"x", b"[]"]
)
def test_objects_of_one_line_each_are_read_as_lines(text: bytes) -> None:
    assert not has_json_values(text)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b'{"text": "a "quoted" word"}', "not JSON"),
        (b'{"text": "never closed}', "not JSON"),
        (b'{"text": 3}', "text is not a string"),
        (b'{"text": "caf\xe9"}', "not UTF-8"),
        (b'{"text": "\\ud83d"}', "text has a lone surrogate"),
        (b'{"text": "' + b"x" * MAX_LINE_BYTES + b'"}', "over 1000000 bytes"),
        (b'{"text": "' + b"x" * 9_000_000 + b'"}', "over 1000000 bytes"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "not JSON"),
    ],
    ids=["quote", "open", "number", "UTF-8", "surrogate", "long", "longer", "deep"],
)
def test_bad_object_is_rejected_alone(damaged: bytes, reason: str) -> None:
    found = list(read_json_values(io.BytesIO(b'[{"text": "first"}, ' + damaged + b', {"text": "last"}]')))
    assert found[1] == Rejected(2, reason)
    assert [(unit.line, unit.text) for unit in found if isinstance(unit, Review)] == [(1, "first"), (3, "last")]


def test_array_that_is_cut_off_loses_its_last_object() -> None:
    data = json.dumps(OBJECTS).encode()
    assert read(data[:-5], "r.json") == [BOTH[0], Rejected(2, "not JSON")]


def test_array_of_other_values_is_counted() -> None:
    found = read(b'[{"text": "a"}, {"text": "b"}, 3, null, "x"]', "r.json")
    assert [unit.reason for unit in found if isinstance(unit, Rejected)] == ["not a JSON object"] * 3


def test_array_of_a_hundred_megabytes_in_one_line_needs_little_memory() -> None:
    class Array:
        left = 400
        block = b", ".join([b'{"text": "' + b"x" * 500 + b'"}'] * 500) + b", "

        def read(self, _: int) -> bytes:
            self.left -= 1
            return self.block if self.left >= 0 else b""

    with memory_below(40_000_000):
        found = read_json_values(Array())  # type: ignore[arg-type]
        assert sum(isinstance(unit, Review) for unit in found) == 400 * 500


@pytest.mark.parametrize("compress", [gzipped, bytes], ids=["gzip", "plain"])
def test_large_array_or_compressed_file_is_one_part(tmp_path: Path, compress) -> None:  # type: ignore[no-untyped-def]
    head = compress(json.dumps(OBJECTS).encode())
    assert not is_splittable("r.json", PART_BYTES + 1, lambda: head)
    path = tmp_path / "r.json"
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(PART_BYTES + 1)  # zeros behind the data: padding for gzip
    [part] = split_sources(find_sources(str(path)))
    with path.open("rb") as stream:
        assert list(read_part(stream, part))[:2] == BOTH


def test_many_spaces_after_a_damaged_object_take_no_time() -> None:
    found = read(b'[{"text": "a"}, {damaged}' + b" " * 200_000 + b"x]", "r.json")
    assert [type(unit) for unit in found] == [Review, Rejected]
    # With time quadratic in the spaces this test takes four minutes.
