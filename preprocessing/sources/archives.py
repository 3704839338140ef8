"""The file of reviews inside a source's layers: compression, a zip, a tar.

The first bytes tell each layer. Where they do not, the name does (`reviews.json.gz`, `yelp_dataset.tgz`). Everything is
streamed. No member is ever written to disk, so its name can do no harm; a member whose name points elsewhere is refused
all the same.
"""

import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import IO, Any

from preprocessing.errors import InputError
from preprocessing.sources.compression import (
    BUFFER_BYTES,
    DECOMPRESSORS,
    LimitedStream,
    find_compression,
    translate_errors,
)

COMPRESSED_TARS = {".tgz": ".gz", ".tbz2": ".bz2", ".tzst": ".zst"}
TARS = (".tar", *COMPRESSED_TARS, *(f".tar{suffix}" for suffix in DECOMPRESSORS))
LAYERS = (*DECOMPRESSORS, *COMPRESSED_TARS, ".tar", ".zip")
ZIP_MAGIC = b"PK\x03\x04"
# Of POSIX and of GNU, each to its end: a review may have "mustard" at this position.
TAR_MAGICS, TAR_MAGIC_AT = (b"ustar\x00", b"ustar  \x00"), 257
MAX_LAYERS = 8  # a file can be made that decompresses to itself without end
HEAD_BYTES = 512  # of a file, which tell its layer: a tar's header


def inner_name(name: str) -> str | None:
    """Return a file's name without compression suffixes, or None if only its archive knows the name."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in DECOMPRESSORS:
        return inner_name(path.stem)
    return None if suffix in LAYERS else path.name


def is_plain(name: str) -> bool:
    """Return whether the file has no layer, so that reading may start at any byte."""
    return PurePosixPath(name).suffix.lower() not in LAYERS


@contextmanager
def open_innermost(stream: IO[bytes], *, name: str, size: int) -> Iterator[tuple[IO[bytes], str]]:
    """Open the file in the innermost layer. Yield it as a buffered stream, with its name.

    `stream` has `size` bytes, and is seekable if it is a zip.
    Raises InputError, with the file's name, for a damaged layer, also inside the block. Errors of the disk or the
    network pass.
    """
    with ExitStack() as layers:
        with translate_errors(name):
            inner = _unwrap(stream, name, size, layers)
        yield inner
        with translate_errors(name):
            layers.close()


def find_layer(head: bytes) -> str | None:
    """Return the suffix of the archive or compression that a file with these first bytes is, or None."""
    if head.startswith(ZIP_MAGIC):
        return ".zip"
    return ".tar" if head[TAR_MAGIC_AT:].startswith(TAR_MAGICS) else find_compression(head)


def _unwrap(stream: Any, name: str, size: int, layers: ExitStack) -> tuple[IO[bytes], str]:
    """Return the innermost file and its name. Layers may stand in any order, but a zip is read from its end."""

    def limit(layer: Any) -> Any:
        return io.BufferedReader(LimitedStream(layer, name=name, compressed_bytes=size), BUFFER_BYTES)

    inner, outermost, depth = PurePosixPath(name).name, True, 0
    stream = io.BufferedReader(stream, BUFFER_BYTES)
    while layer := find_layer(stream.peek(HEAD_BYTES)) or _named_layer(inner):
        if layer in DECOMPRESSORS:
            stream = limit(layers.enter_context(DECOMPRESSORS[layer](stream)))
            inner = _without_layer(inner)
        elif layer == ".zip" and not outermost:
            raise InputError(f"{name}: holds a zip, {inner}, expected reviews")
        else:
            open_member = _open_tar_member if layer == ".tar" else _open_zip_member
            member, inner = layers.enter_context(open_member(stream, name))
            stream = limit(member)
        outermost, depth = False, depth + 1
        if depth > MAX_LAYERS:
            raise InputError(f"{name}: over {MAX_LAYERS} archives and compressions in one another")
    return stream, inner


def _named_layer(name: str) -> str | None:
    suffix = PurePosixPath(name).suffix.lower()
    return COMPRESSED_TARS.get(suffix, suffix) if suffix in LAYERS else None


def _without_layer(name: str) -> str:
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in COMPRESSED_TARS:
        return f"{path.stem}.tar"
    return path.stem if suffix in LAYERS else path.name


@contextmanager
def _open_zip_member(stream: IO[bytes], name: str) -> Iterator[tuple[IO[bytes], str]]:
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        members = next((found for kind in KINDS if (found := [m for m in names if kind(m)])), [])
        if len(members) != 1:
            raise _wrong_members(name, members or names[:5])
        _check_member(members[0], name)
        if archive.getinfo(members[0]).external_attr >> 28 == 0o12:
            raise InputError(f"{name}: member {members[0]!r} is a link, expected a file")
        with archive.open(members[0]) as member:
            yield member, members[0]


@contextmanager
def _open_tar_member(stream: IO[bytes], name: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open the member, and after the block read on to the tar's end, to find a second member and damage."""
    with tarfile.open(fileobj=stream, mode="r|", bufsize=BUFFER_BYTES) as archive:
        names: list[str] = []
        members = iter(archive)
        for member in members:
            names.append(member.name)
            if not _may_hold_reviews(member.name):
                continue
            _check_member(member.name, name)
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise InputError(f"{name}: member {member.name!r} is a link or a folder, expected a file")
            yield content, member.name
            break
        else:
            raise _wrong_members(name, names[:5])
        for later in members:
            if _may_hold_reviews(later.name):
                raise _wrong_members(name, [member.name, later.name])
        while stream.read(BUFFER_BYTES):  # to the end of the compression around the tar, and its checksum
            pass


def _wrong_members(name: str, members: list[str]) -> InputError:
    found = ", ".join(members) or "nothing"
    return InputError(f"{name}: expected one member named *review.json, found {found}")


def _check_member(member: str, name: str) -> None:
    if member.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member) or ":" in member:
        raise InputError(f"{name}: member {member!r} points outside the archive")


def _is_reviews(member: str) -> bool:
    return re.search(r"reviews?\.jsonl?(\.gz)?$", member, re.IGNORECASE) is not None and not _is_resource_fork(member)


def _is_tar(member: str) -> bool:
    return member.lower().endswith(TARS) and not _is_resource_fork(member)


def _may_hold_reviews(member: str) -> bool:
    """Return whether a member of a tar is reviews, or a tar around them."""
    return _is_reviews(member) or _is_tar(member)


def _is_resource_fork(member: str) -> bool:
    """Return whether macOS added the member: it puts a ._NAME for each NAME into a zip."""
    return PurePosixPath(member).name.startswith("._")


def _is_table(member: str) -> bool:
    return re.search(r"\.(csv|tsv|jsonl)(\.gz)?$", member, re.IGNORECASE) is not None and not _is_resource_fork(member)


KINDS = (_is_reviews, _is_tar, _is_table)  # of a zip's members; the first kind of which there are any holds the reviews
