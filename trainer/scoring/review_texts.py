"""The reviews that a command is given to look at: files behind URLs and what comes on stdin."""

import gzip
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from preprocessing.errors import InputError
from preprocessing.sources.find import Source, find_sources
from preprocessing.sources.reader import FilePart, read_part
from preprocessing.sources.review import Rejected, Review
from preprocessing.storage.bucket import local_file
from preprocessing.storage.urls import split_url

STDIN = "-"
HEAD_BYTES = 1 << 16


class Text(NamedTuple):
    """A review, or a line that is none, and the name of the file that it is in."""

    source: str
    found: Review | Rejected


def named(urls: Sequence[str], stdin: IO[bytes], scratch: Path) -> list[Source]:
    """The files; what comes on stdin, for which `-` stands, becomes one in `scratch`, named by its content.

    InputError for a file that is not there or of no use, and for an empty stdin.
    """
    if STDIN not in urls:
        return find_sources(urls)
    path = scratch / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(stdin, file)
    if not path.stat().st_size:
        raise InputError(f"{STDIN}: stdin is empty: pipe reviews into it, or name a file")
    path = path.rename(f"{path}{_suffix(path)}")
    return find_sources([str(path) if url == STDIN else url for url in urls])


def read(files: Sequence[Source], scratch: Path) -> Iterator[Text]:
    """The reviews and rejected lines of all files, in order. InputError for one that is damaged or binary."""
    for number, source in enumerate(files):
        folder, name = split_url(source.url)
        whole = FilePart(number, 0, source.url, source.name, source.bytes, start=0, stop=source.bytes)
        with local_file(folder, name, scratch) as path, path.open("rb") as stream:
            for found in read_part(stream, whole, plain=True):
                yield Text(source.name, found)


def _suffix(path: Path) -> str:
    """What a file's name should end in, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return ".zip"
    if head.startswith(b"\x1f\x8b"):
        head = b""
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as inner:  # whoever reads it says what is wrong
            head = inner.read(HEAD_BYTES)
        return f"{_plain_suffix(head)}.gz"
    return _plain_suffix(head)


def _plain_suffix(head: bytes) -> str:
    text = head.removeprefix("\ufeff".encode()).lstrip()
    if re.match(rb'\[?\s*\{\s*"[^"\n]*"\s*:', text):  # a list is none, which its lines' errors then say
        return ".jsonl"
    header = text.partition(b"\n")[0].replace(b'"', b"").strip()
    columns = header.split(b",")
    return ".csv" if len(columns) > 1 and b"text" in columns and b" " not in header else ".txt"
