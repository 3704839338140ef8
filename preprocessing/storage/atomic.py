"""Object names, and the atomic replacement of a file."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from preprocessing.errors import InputError

NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)


def checked(name: str) -> str:
    """The object's name; ValueError if it is none or leads outside its bucket."""
    # a//b and ./b are one file with a/b and b in a folder, but other objects in Cloud Storage.
    if any(part in ("", ".", "..") for part in name.split("/")) or hidden(name):
        raise ValueError(f"object name {name!r}: expected a relative path without empty parts, . or ..")
    return name


def hidden(name: str) -> bool:
    """Is it a file that is still being written?"""
    last = name.rpartition("/")[2]
    return last.startswith(".") and last.endswith(".tmp")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` at the end of the block; after an error it is gone.

    InputError if `path` can never be written; the block's own errors pass.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: cannot be written: not a file")  # as root one would put a file over a device
    if path.is_dir():
        raise InputError(f"{path}: cannot be written: {os.strerror(errno.EISDIR)}")
    # Without the name in it, which may be as long as a name can be.
    beside = path.with_name(f".{uuid.uuid4().hex}.tmp")
    with as_input_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = beside.open("xb")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with as_input_error(path):
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def as_input_error(path: Path) -> Iterator[None]:
    """A place that can never be written is the user's mistake; a full disk is not."""
    wrong = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EROFS, *NO_PATH)
    try:
        yield
    except OSError as error:
        if error.errno not in wrong:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
