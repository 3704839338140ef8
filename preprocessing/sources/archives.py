"""The one file of reviews inside a source's layers: compression, a zip, a tar.

The layers are told by the file's name (`reviews.json.gz`, `yelp_dataset.tgz`). Everything is streamed: no member
is ever written to disk, so its name can do no harm, and one that would elsewhere is refused all the same.
"""

import bz2
import errno
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import IO, Any

from backports import zstd

from preprocessing.errors import InputError

BUFFER_BYTES = 1 << 20


class _Bz2(io.RawIOBase):
    """bz2.open takes whatever follows a whole stream for padding, so damage there would drop the rest unseen."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._decompressor = stream, bz2.BZ2Decompressor()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            given = b""
            if self._decompressor.eof:
                given = self._decompressor.unused_data or self._stream.read(BUFFER_BYTES)
                if not given:
                    return 0
                self._decompressor = bz2.BZ2Decompressor()
            elif self._decompressor.needs_input:
                given = self._stream.read(BUFFER_BYTES)
                if not given:
                    raise EOFError("ended before the end-of-stream marker")
            data = self._decompressor.decompress(given, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)


COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".bz2": _Bz2, ".zst": zstd.open}
TAR_OF = {".tgz": ".gz", ".tbz2": ".bz2", ".tzst": ".zst"}
TARS = (".tar", *TAR_OF, *(f".tar{suffix}" for suffix in COMPRESSED))
SUFFIXES = (*COMPRESSED, *TAR_OF, ".tar", ".zip")

# Reviews shrink to a third, at best to a sixth; a file that grows more than this is made to fill memory or time.
MAX_GROWTH = 100
FREE_BYTES = 64 << 20  # that any file may grow to: a small one may repeat itself

_BZ2_DAMAGED = "Invalid data stream"
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstd.ZstdError, tarfile.TarError, EOFError, ValueError)


def inner_name(name: str) -> str | None:
    """A file's name without its compression; None if its archive alone knows the name."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in COMPRESSED:
        return inner_name(path.stem)
    return None if suffix in SUFFIXES else path.name


def is_plain(name: str) -> bool:
    """Whether the file has no layer, so that reading may start anywhere in it."""
    return PurePosixPath(name).suffix.lower() not in SUFFIXES


@contextmanager
def opened(stream: IO[bytes], *, name: str, size: int) -> Iterator[tuple[IO[bytes], str]]:
    """The file in the innermost layer as a buffered stream, and its name there.

    `stream`, of `size` bytes, must be seekable if it is a zip. What is wrong with the layers, also while they are
    read in the block, is an InputError that names the file; errors of the disk or the network pass.
    """
    with ExitStack() as layers:
        with _translated(name):
            peeled = _peeled(stream, name, size, layers)
        yield peeled
        with _translated(name):
            layers.close()


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """What a layer's library says of damage, as InputError."""
    try:
        yield
    except InputError:
        raise
    except (NotImplementedError, RuntimeError) as error:  # zipfile's words for other methods and for encryption
        raise InputError(f"{name}: a zip that cannot be read: {error}") from None
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile) and not _is_damage(error):
            raise
        suffix = PurePosixPath(name).suffix.lower()
        raise InputError(f"{name}: damaged or truncated, expected a whole {suffix[1:]} file: {error}") from None


def _is_damage(error: OSError) -> bool:
    """bz2 has no other error; and zipfile seeks to whatever a damaged directory says, also to before the start."""
    return str(error) == _BZ2_DAMAGED or error.errno == errno.EINVAL


def _peeled(stream: Any, name: str, size: int, layers: ExitStack) -> tuple[IO[bytes], str]:
    """The innermost file and its name. What an archive holds may be compressed, or a zip's member a tar."""

    def limited(layer: Any) -> Any:
        return io.BufferedReader(_Limited(layer, name=name, limit=size * MAX_GROWTH + FREE_BYTES), BUFFER_BYTES)

    inner = PurePosixPath(name).name
    while (suffix := PurePosixPath(inner).suffix.lower()) in SUFFIXES:
        if suffix == ".zip" and inner != PurePosixPath(name).name:  # a zip is read from its end
            raise InputError(f"{name}: holds a zip, {inner}, expected reviews")
        if suffix in COMPRESSED:
            stream = limited(layers.enter_context(COMPRESSED[suffix](stream)))
            inner = PurePosixPath(inner).stem
        elif suffix in TAR_OF:
            stream = limited(layers.enter_context(COMPRESSED[TAR_OF[suffix]](stream)))
            inner = PurePosixPath(inner).stem + ".tar"
        else:
            open_member = _tar_member if suffix == ".tar" else _zip_member
            member, inner = layers.enter_context(open_member(stream, name))
            stream = limited(member)
    return io.BufferedReader(stream, BUFFER_BYTES), inner


@contextmanager
def _zip_member(stream: IO[bytes], name: str) -> Iterator[tuple[IO[bytes], str]]:
    with zipfile.ZipFile(stream) as archive:
        members = [m for m in archive.namelist() if _is_reviews(m)] or [m for m in archive.namelist() if _is_tar(m)]
        if len(members) != 1:
            found = ", ".join(members or archive.namelist()[:5]) or "nothing"
            raise InputError(f"{name}: expected one member named *review.json, found {found}")
        _check_member(members[0], name)
        if archive.getinfo(members[0]).external_attr >> 28 == 0o12:
            raise InputError(f"{name}: member {members[0]!r} is a link, expected a file")
        with archive.open(members[0]) as member:
            yield member, members[0]


@contextmanager
def _tar_member(stream: IO[bytes], name: str) -> Iterator[tuple[IO[bytes], str]]:
    """Read on to the tar's end even after the member, so that a second one, and damage, are found."""
    with tarfile.open(fileobj=stream, mode="r|", bufsize=BUFFER_BYTES) as archive:
        seen: list[str] = []
        members = iter(archive)
        for member in members:
            seen.append(member.name)
            if not _is_reviews(member.name):
                continue
            _check_member(member.name, name)
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise InputError(f"{name}: member {member.name!r} is a link or a folder, expected a file")
            yield content, member.name
            break
        else:
            found = ", ".join(seen[:5]) or "nothing"
            raise InputError(f"{name}: expected one member named *review.json, found {found}")
        for other in members:
            if _is_reviews(other.name):
                raise InputError(f"{name}: expected one member named *review.json, found {member.name}, {other.name}")
        while stream.read(BUFFER_BYTES):  # to the end of the compression around it, and its checksum
            pass


def _check_member(member: str, name: str) -> None:
    if member.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member) or ":" in member:
        raise InputError(f"{name}: member {member!r} points outside the archive")


def _is_reviews(member: str) -> bool:
    return re.search(r"reviews?\.jsonl?$", member) is not None and not _is_shadow(member)


def _is_tar(member: str) -> bool:
    return member.lower().endswith(TARS) and not _is_shadow(member)


def _is_shadow(member: str) -> bool:
    """Of the kind that macOS puts into a zip: a ._NAME beside each NAME, in a folder of its own."""
    return PurePosixPath(member).name.startswith("._")


class _Limited(io.RawIOBase):
    """A stream that is refused once it is longer than its source can honestly be."""

    def __init__(self, stream: IO[bytes], *, name: str, limit: int) -> None:
        self._stream, self._name, self._limit = stream, name, limit
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _translated(self._name):
            data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise InputError(f"{self._name}: holds over {self._limit} bytes, more than {MAX_GROWTH} times its own size")
        buffer[: len(data)] = data
        return len(data)
