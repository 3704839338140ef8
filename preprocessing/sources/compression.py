"""Compressed streams: decompressors, a limit on their size, and their errors as InputError."""

import bz2
import errno
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any

from backports import zstd

from preprocessing.errors import InputError

BUFFER_BYTES = 1 << 20
# Compression shrinks reviews to a third, at best to a sixth. A file that grows more is made to fill memory or time.
MAX_GROWTH = 100
FREE_BYTES = 64 << 20  # to which any file may grow: a small file may repeat itself

_BZ2_DAMAGED = "Invalid data stream"
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstd.ZstdError, tarfile.TarError, EOFError, ValueError)


class _Bz2Stream(io.RawIOBase):
    """Decompresses bzip2. bz2.open would take damage after a whole stream for padding, and drop the rest silently."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._decompressor = stream, bz2.BZ2Decompressor()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            compressed = b""
            if self._decompressor.eof:
                compressed = self._decompressor.unused_data or self._stream.read(BUFFER_BYTES)
                if not compressed:
                    return 0
                self._decompressor = bz2.BZ2Decompressor()
            elif self._decompressor.needs_input:
                compressed = self._stream.read(BUFFER_BYTES)
                if not compressed:
                    raise EOFError("ended before the end-of-stream marker")
            data = self._decompressor.decompress(compressed, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)


SIGNATURES = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}  # first bytes of compressed data
DECOMPRESSORS: dict[str, Any] = {".gz": gzip.open, ".bz2": _Bz2Stream, ".zst": zstd.open}


def find_compression(head: bytes) -> str | None:
    """Return the suffix of the compression that data with these first bytes has, or None."""
    return next((suffix for signature, suffix in SIGNATURES.items() if head.startswith(signature)), None)


class LimitedStream(io.RawIOBase):
    """A decompressed stream. Reading raises InputError once it is longer than honest reviews of its size can be."""

    def __init__(self, stream: IO[bytes], *, name: str, compressed_bytes: int) -> None:
        self._stream, self._name = stream, name
        self._left = self._limit = compressed_bytes * MAX_GROWTH + FREE_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with translate_errors(self._name):
            data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise InputError(f"{self._name}: holds over {self._limit} bytes, more than {MAX_GROWTH} times its own size")
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def translate_errors(name: str) -> Iterator[None]:
    """Raise InputError, with the file's name, where a library raises for damaged data. Other errors pass."""
    try:
        yield
    except InputError:
        raise
    except (NotImplementedError, RuntimeError) as error:  # from zipfile, for an unknown method and for encryption
        raise InputError(f"{name}: zip is not readable: {error}") from None
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile) and not _is_damage(error):
            raise
        suffix = PurePosixPath(name).suffix.lower()
        raise InputError(f"{name}: damaged or truncated, expected a whole {suffix[1:]} file: {error}") from None


def _is_damage(error: OSError) -> bool:
    """Return whether an OSError means damaged data: bz2 has no other error, and zipfile may seek before the start."""
    return str(error) == _BZ2_DAMAGED or error.errno == errno.EINVAL
