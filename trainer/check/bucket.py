"""Checks of a bucket: all that a run asks of its store, in a folder that is deleted at the end."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.bucket import ABSENT, Bucket
from trainer.check.check import Check

BYTES = 16 << 20  # written and read back; above 8 MiB Cloud Storage takes an upload in a session, as for a checkpoint
MAX_SKEW_SECONDS = 60.0  # tokens and signatures fail at a few minutes


class BucketChecks:
    """The checks of one bucket, in this order: later ones use what earlier ones wrote."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self._folder = bucket, f"check-{uuid.uuid4().hex}"
        self._large, self._small = f"{self._folder}/large", f"{self._folder}/small.json"
        self._data = os.urandom(BYTES)

    def __iter__(self) -> Iterator[Check]:
        try:
            yield Check("bucket: write", self.write)
            yield Check("bucket: conditional write", self.write_on_condition)
            yield Check("bucket: list", self.list)
            yield Check("bucket: read", self.read)
            yield Check("bucket: clock", self.compare_clocks)
            yield Check("bucket: delete", self.delete)
        finally:  # also if the command is stopped between two checks
            with suppress(OSError, InputError):
                self.delete()

    def write(self) -> str:
        """Write an object of BYTES."""
        began = time.monotonic()
        self._bucket.write(self._large, self._data)
        return f"{self._bucket.url}: {_rate(began)}"

    def write_on_condition(self) -> str:
        """Write an object twice on the condition that it does not exist. The second write must be refused."""
        self._bucket.write(self._small, b"{}", if_version=ABSENT)
        try:
            self._bucket.write(self._small, b"[]", if_version=ABSENT)
        except Conflict:
            return "the second of two writers is refused"
        raise InputError("the second of two writers was not refused: two pods could overwrite each other's run")

    def list(self) -> str:
        """List the objects of the folder."""
        names = self._bucket.names(f"{self._folder}/")
        if names != [self._large, self._small]:
            raise InputError(f"expected the 2 objects just written, found {len(names)}: lists are out of date")
        return f"{len(names)} objects"

    def read(self) -> str:
        """Read the large object back and compare it."""
        began = time.monotonic()
        data = self._bucket.read(self._large)
        rate = _rate(began)
        if data != self._data:
            raise OSError("the bytes read are not the bytes written")
        return rate

    def compare_clocks(self) -> str:
        """Compare the store's time of the last write with this machine's clock."""
        self._bucket.write(self._small, b"{}")
        skew = time.time() - self._bucket.stat(self._small).written_seconds
        if abs(skew) > MAX_SKEW_SECONDS:
            raise OSError(
                f"this machine's clock is {skew:+.0f} s off the store's: tokens will be refused; set the clock"
            )
        return f"{skew:+.1f} s off the store's"

    def delete(self) -> str:
        """Delete the folder."""
        for name in (self._large, self._small):
            self._bucket.delete(name)
        left = self._bucket.names(f"{self._folder}/")
        if left:
            raise InputError(f"{self._bucket.url}/{left[0]} is still there: objects cannot be deleted")
        return "nothing is left"


def _rate(began: float) -> str:
    return f"{BYTES / 1e6 / max(1e-9, time.monotonic() - began):.0f} MB/s"
