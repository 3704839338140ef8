"""A file that a command writes bit by bit, on the disk or in Cloud Storage."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from preprocessing.sources.find import split_url
from preprocessing.storage.atomic import replacing
from preprocessing.storage.urls import is_local


@contextmanager
def writing(url: str) -> Iterator[BinaryIO]:
    """A file that is at `url`, whole, after the block; after an error what was there before still is.

    InputError where none can be written: before the block, whose work would be in vain.
    """
    bucket, name = split_url(url)
    if is_local(url):
        with replacing(Path(bucket.url, name)) as file:
            yield file
        return
    bucket.names(name, below=False)  # the bucket is there and may be used
    with tempfile.TemporaryDirectory(prefix="output-") as scratch:
        path = Path(scratch, "output")
        with path.open("wb") as file:
            yield file
        bucket.upload(path, name)
