"""Files that the pipeline's workers read and write, wherever Beam can."""

import hashlib
import uuid
from collections.abc import Iterable
from typing import IO, NamedTuple

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from preprocessing.storage.checksum import Crc32c


class Written(NamedTuple):
    """A file in the folder of a build: under a name that no other attempt at the same work has."""

    file: str
    bytes: int
    sha256: str
    crc32c: str  # base64, as Cloud Storage gives it


def open_to_read(url: str) -> IO[bytes]:
    """A file's bytes as they are, whatever its name says of compression."""
    stream: IO[bytes] = FileSystems.open(url, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream


def read(folder: str, file: str) -> bytes:
    """A whole file."""
    with open_to_read(FileSystems.join(folder, file)) as stream:
        return stream.read()


def write(folder: str, chunks: Iterable[bytes]) -> Written | None:
    """A new file of the chunks; none if there is nothing in them."""
    file = uuid.uuid4().hex
    size, sha256, crc32c, stream = 0, hashlib.sha256(), Crc32c(), None
    try:
        for chunk in chunks:
            stream = stream or create(folder, file)
            stream.write(chunk)
            sha256.update(chunk)
            crc32c.update(chunk)
            size += len(chunk)
    finally:
        if stream:
            stream.close()
    return Written(file, size, sha256.hexdigest(), str(crc32c)) if size else None


def create(folder: str, file: str) -> IO[bytes]:
    """A file to write, in place of any of its name."""
    url = FileSystems.join(folder, file)
    stream: IO[bytes] = FileSystems.create(url, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream
