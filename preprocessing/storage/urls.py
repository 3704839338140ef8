"""URLs of folders and files: a local path, or gs://bucket/path."""

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from preprocessing.errors import InputError
from preprocessing.storage.atomic import check_object_name, replace_file
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.gcs import GoogleBucket
from preprocessing.storage.local import LocalBucket

log = logging.getLogger(__name__)

UPLOADS = 2  # tries at a finished file; the client repeats each for two minutes


def open_bucket(url: str) -> Bucket:
    """Return the bucket at a folder's URL, without a request. InputError for a URL of another kind."""
    if not is_local(url):
        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        if not bucket:
            raise InputError(f"{url}: expected gs://bucket/path")
        return GoogleBucket(bucket, prefix.strip("/"))
    if "\0" in url:
        raise InputError(f"{url!r}: expected a path without NUL")
    if not url.strip() or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", url):
        raise InputError(f"{url!r}: expected a local path or gs://bucket/path")
    return LocalBucket(Path(url).expanduser())  # a shell leaves the ~ in --set key=~/folder


def split_url(url: str) -> tuple[Bucket, str]:
    """Split a file's URL into its bucket and its name there. The bucket of a glob has no wildcard.

    InputError if the URL is a folder's.
    """
    plain = re.split(r"[*?\[]", url, maxsplit=1)[0]
    folder, slash, _ = plain.rpartition("/")
    name = url[len(folder) + len(slash) :]
    if name in ("", ".", ".."):
        raise InputError(f"{url or repr(url)}: a folder, expected a file")
    try:
        check_object_name(name)
    except ValueError as error:
        raise InputError(f"{url}: {error}") from None
    return open_bucket(folder if folder else slash or "."), name


def is_local(url: str) -> bool:
    """Return whether the URL's objects are local files."""
    return not url.startswith("gs://")


def absolute(url: str) -> str:
    """Return the URL for a process in another working directory."""
    return str(Path(url).absolute()) if is_local(url) else url


def last_part(url: str) -> str:
    """Return the last part of a folder's URL, such as a run's name."""
    return absolute(url).rstrip("/").rpartition("/")[2]


def exists(bucket: Bucket, name: str) -> bool:
    """Return whether the bucket has an object of this name."""
    try:
        bucket.stat(name)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def open_for_writing(url: str) -> Iterator[BinaryIO]:
    """Open a file that appears at `url`, complete, after the block. If the block raises, nothing changes at `url`.

    InputError before the block if nothing can be written at `url`. An upload that fails is tried again, and then raises
    OSError, which names a local file that has the result.
    """
    bucket, name = split_url(url)
    if is_local(url):
        with replace_file(Path(bucket.url, name)) as file:
            yield file
        return
    bucket.names(name, recursive=False)  # raises InputError without a bucket or a permission
    with tempfile.TemporaryDirectory(prefix="output-") as scratch:
        path = Path(scratch, "output")
        with path.open("wb") as file:
            yield file
        _upload_or_keep(path, bucket, name)


def _upload_or_keep(path: Path, bucket: Bucket, name: str) -> None:
    """Upload a file. If the store refuses it twice, move it out of its temporary folder and raise OSError."""
    for attempt in range(1, UPLOADS + 1):
        try:
            return bucket.upload(path, name)
        except (OSError, InputError) as error:
            if attempt == UPLOADS:
                kept = Path(tempfile.mkdtemp(prefix="result-")) / PurePosixPath(name).name
                shutil.move(path, kept)
                raise OSError(f"{bucket.url}/{name}: not written, the result is in {kept}: {error}") from None
            log.warning("%s/%s: not written, tried again: %s", bucket.url, name, error)
