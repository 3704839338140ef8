"""The file of reviews inside a source's layers: compression, a zip, a tar.

The file's name tells the layers (`reviews.json.gz`, `yelp_dataset.tgz`). Compression that the name does not tell is
found by the first bytes. Everything is streamed. No member is ever
written to disk, so its name can do no harm; a member whose name points elsewhere is refused all the same.
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


def _unwrap(stream: Any, name: str, size: int, layers: ExitStack) -> tuple[IO[bytes], str]:
    """Return the innermost file and its name. An archive's member may be compressed, and a zip's member a tar."""

    def limit(layer: Any) -> Any:
        return io.BufferedReader(LimitedStream(layer, name=name, compressed_bytes=size), BUFFER_BYTES)

    def decompress_unnamed(stream: Any, suffix: str) -> Any:
        """Return the stream without a compression that the name does not tell, as of a .tar that is gzip inside."""
        if suffix in (".zip", *DECOMPRESSORS, *COMPRESSED_TARS):
            return stream
        buffered = io.BufferedReader(stream, BUFFER_BYTES)
        compression = find_compression(buffered.peek(4))
        return limit(layers.enter_context(DECOMPRESSORS[compression](buffered))) if compression else buffered

    inner = PurePosixPath(name).name
    stream = decompress_unnamed(stream, PurePosixPath(inner).suffix.lower())
    while (suffix := PurePosixPath(inner).suffix.lower()) in LAYERS:
        if suffix == ".zip" and inner != PurePosixPath(name).name:  # a zip is read from its end
            raise InputError(f"{name}: holds a zip, {inner}, expected reviews")
        if suffix in DECOMPRESSORS:
            stream = limit(layers.enter_context(DECOMPRESSORS[suffix](stream)))
            inner = PurePosixPath(inner).stem
        elif suffix in COMPRESSED_TARS:
            stream = limit(layers.enter_context(DECOMPRESSORS[COMPRESSED_TARS[suffix]](stream)))
            inner = PurePosixPath(inner).stem + ".tar"
        else:
            open_member = _open_tar_member if suffix == ".tar" else _open_zip_member
            member, inner = layers.enter_context(open_member(stream, name))
            stream = limit(member)
        stream = decompress_unnamed(stream, PurePosixPath(inner).suffix.lower())
    return io.BufferedReader(stream, BUFFER_BYTES), inner


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
            if not _is_reviews(member.name):
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
            if _is_reviews(later.name):
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


def _is_resource_fork(member: str) -> bool:
    """Return whether macOS added the member: it puts a ._NAME for each NAME into a zip."""
    return PurePosixPath(member).name.startswith("._")


def _is_table(member: str) -> bool:
    return re.search(r"\.(csv|jsonl)(\.gz)?$", member, re.IGNORECASE) is not None and not _is_resource_fork(member)


KINDS = (_is_reviews, _is_tar, _is_table)  # of a zip's members; the first kind of which there are any holds the reviews
