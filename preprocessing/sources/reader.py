"""Reader of source files: splits a file into parts, and chooses the parser by the file's name.

Each line becomes a Review or a Rejected, with its number. A file that is not in the format that its name says
raises InputError.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources.archives import inner_name, open_innermost
from preprocessing.sources.compression import BUFFER_BYTES
from preprocessing.sources.csv_rows import read_csv
from preprocessing.sources.json_lines import read_json_lines, read_json_lines_between
from preprocessing.sources.review import Rejected, Review
from preprocessing.sources.text_files import begins_with_brace, read_braces, read_plain_text

PART_BYTES = 32 << 20
FORMATS = ".json, .jsonl, .csv or .txt, plain or as .gz, .bz2 or .zst, or a .zip, .tar or .tgz"


@dataclass(frozen=True)
class FilePart:
    """The lines of a file that begin at bytes `start` to `stop` - 1 of its `bytes`.

    source: the file's number. part: the part's number in the file.
    """

    source: int
    part: int
    url: str
    name: str
    bytes: int
    start: int
    stop: int


def split_file(source: int, *, url: str, name: str, size: int, part_bytes: int = PART_BYTES) -> list[FilePart]:
    """Return a file's parts in order. A file has one part, unless its lines are found from any position."""
    is_splittable = PurePosixPath(name).suffix.lower() in (".json", ".jsonl")
    starts = range(0, size, part_bytes) if is_splittable else [0]
    stops = [*starts[1:], size]
    return [
        FilePart(source, number, url, name, size, start, stop)
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


def read_part(stream: IO[bytes], part: FilePart, *, plain: bool = False) -> Iterator[Review | Rejected]:
    """Yield the reviews and rejected lines of one part of a file in order.

    With `plain`, a .txt file that does not begin with a brace is one review.
    Raises InputError, with the file's name, if the file is damaged or not in the format of its name.
    """
    if part.start or part.stop < part.bytes:
        buffered = io.BufferedReader(stream, BUFFER_BYTES)  # type: ignore[type-var]
        yield from read_json_lines_between(buffered, part.start, part.stop)
        return
    with open_innermost(stream, name=part.name, size=part.bytes) as (inner, innermost):
        match _format(part.name, innermost):
            case ".csv":
                yield from read_csv(inner, name=part.name)
            case ".txt" if plain and not begins_with_brace(inner):
                yield from read_plain_text(inner, name=part.name)
            case ".txt":
                yield from read_braces(inner, name=part.name)
            case _:
                yield from read_json_lines(inner)


def check_name(name: str) -> None:
    """Raise InputError unless the file's name has the suffix of a known format."""
    inner = inner_name(name)
    if inner is not None:
        _format(name, inner)


def _format(name: str, inner: str) -> str:
    suffix = PurePosixPath(inner).suffix.lower()
    if suffix in (".json", ".jsonl", ".csv", ".txt"):
        return suffix
    raise InputError(f"{name}: {f'unknown format {suffix!r}' if suffix else 'no suffix'}, expected {FORMATS}")
