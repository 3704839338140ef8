"""Reader of source files: splits a file into parts, and chooses the parser by the file's name.

Each line becomes a Review or a Rejected, with its number. A file that is not in the format that its name says
raises InputError.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources.archives import HEAD_BYTES, find_layer, inner_name, open_innermost
from preprocessing.sources.compression import BUFFER_BYTES
from preprocessing.sources.csv_rows import read_csv
from preprocessing.sources.json_lines import read_json_lines, read_json_lines_between
from preprocessing.sources.json_values import has_json_values, read_json_values
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns, Rejected, Review
from preprocessing.sources.text_files import begins_with_brace, read_braces, read_plain_text

PART_BYTES = 32 << 20
FORMATS = ".json, .jsonl, .csv, .tsv or .txt, plain or as .gz, .bz2 or .zst, or a .zip, .tar or .tgz"
FORMAT_BYTES = 1 << 16  # of a JSON file, which tell whether its objects stand one to a line
# The first bytes of files that are no reviews, whatever their name says.
OTHERS = {
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with `git lfs pull`",
    b"<!doctype html": "an HTML page, perhaps of a failed download",
    b"<html": "an HTML page, perhaps of a failed download",
    b"\xff\xfe": "UTF-16; convert it to UTF-8",
    b"\xfe\xff": "UTF-16; convert it to UTF-8",
    b"pk\x03\x04": "a zip; name it .zip",
    b"\x1f\x8b": "gzip; name it .gz",
    b"bzh": "bzip2; name it .bz2",
    b"\x28\xb5\x2f\xfd": "Zstandard; name it .zst",
    b"par1": "Parquet",
    b"%pdf": "a PDF",
    b"7z\xbc\xaf": "a 7z archive",
    b"rar!": "a RAR archive",
}


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
    columns: Columns = DEFAULT_COLUMNS


def is_splittable(name: str, size: int, read_head: Callable[[], bytes]) -> bool:
    """Return whether the lines of a file are found from any position. Only the head of a large JSON file is read."""
    if PurePosixPath(name).suffix.lower() not in (".json", ".jsonl"):
        return False
    if size <= PART_BYTES:
        return True
    head = read_head()
    return find_layer(head) is None and not has_json_values(head)


def split_file(
    source: int,
    *,
    url: str,
    name: str,
    size: int,
    lines: bool,
    part_bytes: int = PART_BYTES,
    columns: Columns = DEFAULT_COLUMNS,
) -> list[FilePart]:
    """Return a file's parts in order. A file has one part, unless its `lines` are found from any position."""
    starts = range(0, size, part_bytes) if lines else [0]
    stops = [*starts[1:], size]
    return [
        FilePart(source, number, url, name, size, start, stop, columns)
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


def read_part(stream: IO[bytes], part: FilePart, *, plain: bool = False) -> Iterator[Review | Rejected]:
    """Yield the reviews and rejected lines of one part of a file in order.

    With `plain`, a .txt file that does not begin with a brace is one review.
    Raises InputError, with the file's name, if the file is damaged or not in the format of its name.
    """
    if part.start or part.stop < part.bytes:
        buffered = io.BufferedReader(stream, BUFFER_BYTES)  # type: ignore[type-var]
        if part.start == 0:
            _refuse_others(buffered.peek(HEAD_BYTES), part.name)
        yield from read_json_lines_between(buffered, part.start, part.stop, part.columns)
        return
    with open_innermost(stream, name=part.name, size=part.bytes) as (inner, innermost):
        _refuse_others(inner.peek(HEAD_BYTES), part.name)  # type: ignore[attr-defined]
        match _format(part.name, innermost, inner.peek(HEAD_BYTES)):  # type: ignore[attr-defined]
            case ".csv" | ".tsv":
                yield from read_csv(inner, name=part.name, columns=part.columns)
            case ".txt" if plain and not begins_with_brace(inner):
                yield from read_plain_text(inner, name=part.name)
            case ".txt":
                yield from read_braces(inner, name=part.name)
            case _ if has_json_values(inner.peek(FORMAT_BYTES)):  # type: ignore[attr-defined]
                yield from read_json_values(inner, part.columns)
            case _:
                yield from read_json_lines(inner, columns=part.columns)


def check_name(name: str, read_head: Callable[[], bytes]) -> None:
    """Raise InputError unless the file's name has the suffix of a known format, or its first bytes are an archive's."""
    inner = inner_name(name)
    if inner is None:
        return
    try:
        _format(name, inner)
    except InputError:
        if find_layer(read_head()) is None:
            raise


def _format(name: str, inner: str, head: bytes = b"") -> str:
    """Return the suffix of the format. The first bytes tell JSON in an archive whose name tells nothing."""
    suffix = PurePosixPath(inner).suffix.lower()
    if re.match(rb'\s*\[?\s*\{\s*"', head) and inner != PurePosixPath(name).name and not suffix:
        return ".json"
    if suffix in (".json", ".jsonl", ".csv", ".tsv", ".txt"):
        return suffix
    raise InputError(f"{name}: {f'unknown format {suffix!r}' if suffix else 'no suffix'}, expected {FORMATS}")


def _refuse_others(head: bytes, name: str) -> None:
    """Raise InputError if a file's first bytes are those of a format that holds no reviews, with its name."""
    for signature, what in OTHERS.items():
        if head.lstrip(b" \r\n\t").lower().startswith(signature):
            raise InputError(f"{name}: is {what}; expected {FORMATS}")
