"""Object names, and the atomic replacement of a local file."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from preprocessing.errors import InputError

NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)
# A retry cannot help; on a full disk (ENOSPC) it can.
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EROFS, *NO_PATH)


def check_object_name(name: str) -> str:
    """Return the name. Raises ValueError if no object can have it, or if it leads outside its bucket."""
    # a//b and ./b are one file with a/b and b in a folder, but other objects in Cloud Storage.
    if any(part in ("", ".", "..") for part in name.split("/")) or is_temporary(name):
        raise ValueError(f"object name {name!r}: expected a relative path without empty parts, . or ..")
    return name


def is_temporary(name: str) -> bool:
    """Return whether the name is a temporary file's, which no bucket lists."""
    last = name.rpartition("/")[2]
    return last.startswith(".") and last.endswith(".tmp")


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` after the block, or disappears if the block raises.

    InputError if `path` can never be written.
    """
    with as_input_error(path):
        exists, is_folder = path.exists(), path.is_dir()
    if exists and not (path.is_file() or is_folder):
        raise InputError(f"{path}: cannot be written: not a file")  # root would replace a device by a file
    if is_folder:
        raise InputError(f"{path}: cannot be written: {os.strerror(errno.EISDIR)}")
    # The path's own name may be as long as a name can be, so the temporary name does not contain it.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    with as_input_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("xb")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with as_input_error(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def as_input_error(path: Path) -> Iterator[None]:
    """Raise InputError in place of an OSError that means: `path` can never be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
