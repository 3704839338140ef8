"""Objects in a local folder or in Google Cloud Storage, behind the same few methods.

A write is whole or not at all, in both. It may be made conditional on the version that the object has; that
is how two processes that want one run, or one model, find out about each other. Names are relative to the
bucket's URL, with / between their parts.
"""

import re
from pathlib import Path
from typing import Protocol

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Store
from preprocessing.storage.gcs import GoogleBucket
from preprocessing.storage.local import Folder


class Bucket(Store, Protocol):
    """A folder of objects. FileNotFoundError with the object's URL where there is none of a name.

    `names` are all that begin with the prefix; not `below`: those without a / after it.
    InputError where the place itself is wrong: no such bucket, no permission, a file where a folder should be.
    """

    def read(self, name: str) -> bytes: ...
    def names(self, prefix: str = "", *, below: bool = True) -> list[str]: ...
    def size(self, name: str) -> int: ...
    def checksum(self, name: str) -> str: ...
    def written(self, name: str) -> float: ...
    def local(self, name: str, scratch: Path) -> Path: ...
    def move(self, name: str, to: str) -> None: ...


def open_bucket(url: str) -> Bucket:
    """A folder by its path, or `gs://bucket/prefix`; nothing in it is read or made yet. InputError for other URLs."""
    if not is_local(url):
        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        if not bucket:
            raise InputError(f"{url}: expected gs://bucket/path")
        return GoogleBucket(bucket, prefix.strip("/"))
    if "\0" in url:
        raise InputError(f"{url!r}: expected a path without NUL")
    if not url.strip() or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", url):
        raise InputError(f"{url!r}: expected a local path or gs://bucket/path")
    return Folder(Path(url).expanduser())  # as a shell does, but not behind --set key=


def is_local(url: str) -> bool:
    """Whether its objects are files, to be read where they are."""
    return not url.startswith("gs://")


def exists(bucket: Bucket, name: str) -> bool:
    """Return whether the bucket has an object of this name."""
    try:
        bucket.size(name)
    except FileNotFoundError:
        return False
    return True


def absolute(url: str) -> str:
    """The URL as a process in another folder may use it."""
    return str(Path(url).absolute()) if is_local(url) else url
