"""The files that reviews come in: which part of one is read in one go, and how, by its name.

Each line ends as a Review or as a Rejected with its number and reason; a file that cannot be read as what its
name says is an InputError.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources import archives, csv_rows, json_lines, text_files
from preprocessing.sources.review import Rejected, Review

PART_BYTES = 32 << 20
FORMATS = ".json, .jsonl, .csv or .txt, plain or as .gz, .bz2 or .zst, or a .zip, .tar or .tgz"


@dataclass(frozen=True)
class Part:
    """What is read in one go: the lines of a file that begin at bytes `start` to `stop` - 1 of its `bytes`."""

    source: int
    part: int
    url: str
    name: str
    bytes: int
    start: int
    stop: int


def parts(source: int, *, url: str, name: str, size: int, part_bytes: int = PART_BYTES) -> list[Part]:
    """A file's parts, in order: one, if its lines can only be told from the file's start."""
    plain = PurePosixPath(name).suffix.lower() in (".json", ".jsonl")
    starts = range(0, size, part_bytes) if plain else [0]
    stops = [*starts[1:], size]
    return [
        Part(source, number, url, name, size, start, stop)
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


def read(stream: IO[bytes], part: Part, *, plain: bool = False) -> Iterator[Review | Rejected]:
    """The reviews and rejected lines of one part of a file, in order.

    With `plain` a .txt that does not begin with a brace is one review.
    Raises InputError, naming the file, if it is damaged or not of the format that its name says.
    """
    if part.start or part.stop < part.bytes:
        buffered = io.BufferedReader(stream, archives.BUFFER_BYTES)  # type: ignore[type-var]
        yield from json_lines.read_between(buffered, part.start, part.stop)
        return
    with archives.opened(stream, name=part.name, size=part.bytes) as (inner, innermost):
        match _format(part.name, innermost):
            case ".csv":
                yield from csv_rows.read(inner, name=part.name)
            case ".txt" if plain and not text_files.begins_with_brace(inner):
                yield from text_files.read_plain_text(inner, name=part.name)
            case ".txt":
                yield from text_files.read_braces(inner, name=part.name)
            case _:
                yield from json_lines.read(inner)


def check_name(name: str) -> None:
    """InputError unless the file's name says a format that `read` knows."""
    inner = archives.inner_name(name)
    if inner is not None:
        _format(name, inner)


def _format(name: str, inner: str) -> str:
    suffix = PurePosixPath(inner).suffix.lower()
    if suffix in (".json", ".jsonl", ".csv", ".txt"):
        return suffix
    raise InputError(f"{name}: {f'unknown format {suffix!r}' if suffix else 'no suffix'}, expected {FORMATS}")
