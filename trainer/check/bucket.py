"""Checks of a bucket: all that a run asks of its store, in a folder that is deleted at the end."""

import logging
import os
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.bucket import ABSENT, Bucket
from trainer.check.check import Check, SkippedError

log = logging.getLogger(__name__)

BYTES = 16 << 20  # written and read back; above 8 MiB Cloud Storage takes an upload in a session, as for a checkpoint
MAX_SKEW_SECONDS = 60.0  # tokens and signatures fail at a few minutes


def bucket_checks(open_bucket: Callable[[], Bucket]) -> Generator[Check, None, None]:
    """Yield the checks of a bucket. The first check opens the bucket, without a request."""
    opened = []

    def find() -> str:
        opened.append(open_bucket())
        return opened[0].url

    yield Check("bucket: open", find)
    if opened:
        yield from BucketChecks(opened[0])


class BucketChecks:
    """The checks of an open bucket, in this order: later checks use what earlier checks wrote."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self._folder = bucket, f"check-{uuid.uuid4().hex}"
        self._data = os.urandom(BYTES)
        self._names: list[str] = []  # of objects that may exist
        self._is_written = False

    def __iter__(self) -> Iterator[Check]:
        try:
            yield Check("bucket: write", self.write)
            if self._is_written:
                yield Check("bucket: conditional write", self.write_on_condition)
                yield Check("bucket: list", self.list)
                yield Check("bucket: read", self.read)
                yield Check("bucket: clock", self.compare_clocks)
                yield Check("bucket: delete", self.delete)
            else:
                yield Check("bucket: other checks", self.skip)
        finally:  # also if the command is stopped
            if self._names:
                log.info("deleting what is left in %s/%s", self._bucket.url, self._folder)
                with suppress(OSError, InputError):
                    self.delete()

    def write(self) -> str:
        """Write an object of BYTES."""
        began = time.monotonic()
        self._bucket.write(self._name("large"), self._data)
        self._is_written = True
        return f"{self._bucket.url}: {_rate(began)}"

    def skip(self) -> str:
        """Skip all other checks: a store that does not answer would cost two minutes for each request."""
        self._names.clear()
        raise SkippedError(f"nothing could be written; {self._folder}/large may be left there")

    def write_on_condition(self) -> str:
        """Write an object twice on the condition that it does not exist. The second write must be refused."""
        name = self._name("small.json")
        self._bucket.write(name, b"{}", if_version=ABSENT)
        try:
            self._bucket.write(name, b"[]", if_version=ABSENT)
        except Conflict:
            return "the second of two writers is refused"
        raise InputError("the second of two writers was not refused: two pods could overwrite each other's run")

    def list(self) -> str:
        """List the objects of the folder."""
        names = self._bucket.names(f"{self._folder}/")
        if names != self._names:
            raise InputError(
                f"expected the {len(self._names)} objects just written, found {len(names)}: lists are out of date"
            )
        return f"{len(names)} objects"

    def read(self) -> str:
        """Read the large object back and compare it."""
        began = time.monotonic()
        data = self._bucket.read(self._name("large"))
        rate = _rate(began)
        if data != self._data:
            raise OSError("the bytes read are not the bytes written")
        return rate

    def compare_clocks(self) -> str:
        """Compare the store's time of the last write with this machine's clock."""
        name = self._name("small.json")
        self._bucket.write(name, b"{}")
        skew = time.time() - self._bucket.stat(name).written_seconds
        if abs(skew) > MAX_SKEW_SECONDS:
            raise OSError(
                f"this machine's clock is {skew:+.0f} s off the store's: tokens will be refused; set the clock"
            )
        return f"{skew:+.1f} s off the store's"

    def delete(self) -> str:
        """Delete the folder."""
        while self._names:
            self._bucket.delete(self._names.pop())
        left = self._bucket.names(f"{self._folder}/")
        if left:
            raise InputError(f"{self._bucket.url}/{left[0]} is still there: objects cannot be deleted")
        return "nothing is left"

    def _name(self, name: str) -> str:
        """Return the name of an object of the folder, which is deleted at the end from now on."""
        name = f"{self._folder}/{name}"
        if name not in self._names:
            self._names.append(name)
        return name


def _rate(began: float) -> str:
    return f"{BYTES / 1e6 / max(1e-9, time.monotonic() - began):.0f} MB/s"
