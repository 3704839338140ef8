"""The content of an object that is stored with a content encoding."""

import gzip
import zlib

from preprocessing.errors import InputError

GZIP_SIGNATURE = b"\x1f\x8b"


def decode_content(stored: bytes, encoding: str | None, *, url: str) -> bytes:
    """Return an object's content. `encoding` is the object's content encoding.

    Stored bytes that are not gzip are returned as they are: a content encoding is a label, which may be wrong.
    Raises InputError, with the URL, for damaged gzip, which a retry cannot mend.
    """
    if encoding != "gzip" or not stored.startswith(GZIP_SIGNATURE):
        return stored
    try:
        return gzip.decompress(stored)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{url}: damaged or truncated, expected the content encoding gzip: {error}") from None
