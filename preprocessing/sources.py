"""Reviews out of files: Kaggle's zip, JSON lines, gzip of them, and {review}{review} text.

A format is told by the file's name. Each line ends as a Review or as a Rejected with its number and reason;
a file that cannot be read as what its name says is an InputError.
"""

import gzip
import hashlib
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from preprocessing.errors import InputError

MAX_LINE_BYTES = 1_000_000
BZ2_DAMAGED = "Invalid data stream"
FORMATS = ".json, .jsonl, .txt, .gz of one of them, or .zip"


@dataclass(frozen=True)
class Review:
    """One review; `line` counts from 1 in its file (for {review}{review} text it counts reviews)."""

    line: int
    id: str
    text: str


@dataclass(frozen=True)
class Rejected:
    """A line that is no review, and why."""

    line: int
    reason: str


def read(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """The reviews and rejected lines of one file, in order. `stream` must be seekable if it is a zip.

    Raises InputError, naming the file, if it is damaged or not of the format that its name says.
    """
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".zip":
            with (
                zipfile.ZipFile(stream) as archive,
                archive.open(reviews_member(archive, name=name)) as member,
            ):
                yield from _read_lines(member)
        elif suffix == ".gz":
            with gzip.GzipFile(fileobj=stream) as inner:
                yield from _reader(name, PurePosixPath(name).stem)(inner)
        else:
            yield from _reader(name, name)(stream)
    except InputError:
        raise
    except (NotImplementedError, RuntimeError) as error:  # zipfile's words for other methods and for encryption
        raise InputError(f"{name}: a zip that cannot be read: {error}") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OSError) as error:
        # zipfile seeks to whatever a damaged directory says, a ValueError; bz2's only error is an OSError. Any
        # other OSError is the disk's or the network's.
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile) and str(error) != BZ2_DAMAGED:
            raise
        raise InputError(f"{name}: damaged or truncated, expected a whole {suffix[1:]} file: {error}") from None


def check_name(name: str) -> None:
    """InputError unless the file's name says a format that `read` knows."""
    path = PurePosixPath(name)
    if path.suffix.lower() != ".zip":
        _reader(name, path.stem if path.suffix.lower() == ".gz" else name)


def parse(line: bytes, number: int) -> Review | Rejected:
    """A JSON line with the keys of Kaggle's reviews, of which `review_id` and `text` are read."""
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Rejected(number, "not UTF-8")
    except (ValueError, RecursionError):
        return Rejected(number, "not JSON")
    if not isinstance(record, dict):
        return Rejected(number, "not a JSON object")
    if "text" not in record:
        return Rejected(number, "no text")
    return _review(number, record.get("review_id"), record["text"])


def reviews_member(archive: zipfile.ZipFile, *, name: str) -> str:
    """The one member of the zip that holds reviews, `.../yelp_training_set_review.json` in Kaggle's."""
    members = [member for member in archive.namelist() if _is_reviews(member)]
    if len(members) != 1:
        found = ", ".join(members or archive.namelist()[:5]) or "nothing"
        raise InputError(f"{name}: expected one member named *review.json, found {found}")
    if members[0].startswith(("/", "\\")) or ".." in re.split(r"[/\\]", members[0]) or ":" in members[0]:
        raise InputError(f"{name}: member {members[0]!r} points outside the zip")
    return members[0]


def _is_reviews(member: str) -> bool:
    # macOS puts a ._NAME beside each NAME, in a folder of its own.
    return re.search(r"reviews?\.jsonl?$", member) is not None and not PurePosixPath(member).name.startswith("._")


def _reader(name: str, inner: str):  # type: ignore[no-untyped-def]
    suffix = PurePosixPath(inner).suffix.lower()
    if suffix in (".json", ".jsonl"):
        return _read_lines
    if suffix == ".txt":
        return lambda stream: _read_braces(stream, name=name)
    raise InputError(f"{name}: {f'unknown format {suffix!r}' if suffix else 'no suffix'}, expected {FORMATS}")


def _read_lines(stream: IO[bytes]) -> Iterator[Review | Rejected]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) - line.endswith(b"\n") > MAX_LINE_BYTES:  # a zip's member may give more than it was asked for
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES)
            yield Rejected(number, f"over {MAX_LINE_BYTES} bytes")
        else:
            yield parse(line, number)


def _read_braces(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """`{review}{review}`: ends where a closing brace meets an opening one, so a lone brace stays inside."""
    try:
        text = stream.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}") from None
    if not text:
        return
    if not (text.startswith("{") and text.endswith("}")):
        raise InputError(f"{name}: expected {{review}}{{review}}, found {len(text)} characters without both ends")
    for number, review in enumerate(re.split(r"\}\s*\{", text[1:-1]), start=1):
        yield _review(number, None, review)


def _review(number: int, identity: object, text: object) -> Review | Rejected:
    if not isinstance(text, str):
        return Rejected(number, "text is not a string")
    if not text.strip():
        return Rejected(number, "text is empty")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return Rejected(number, "text has a lone surrogate")
    if isinstance(identity, str) and identity:
        return Review(number, identity, text)
    return Review(number, "text:" + hashlib.blake2b(encoded, digest_size=16).hexdigest(), text)
