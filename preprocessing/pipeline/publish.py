"""A dataset in the making, and how it takes the place of what stands in its output folder.

All that a build writes goes to a folder of its own, `building-*/`. It is published by moving the files to their
names, which hold the dataset's fingerprint, and then writing the manifest on the condition that it is still
the one that stood there when the build began. So of several builds into one output the first to end wins, the
others change nothing, and at each instant the manifest's shards are whole. What was in the way when it was
published is deleted last; a build that is killed leaves its folder for the next one to delete.
"""

import math
import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from preprocessing.dataset import manifest
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.errors import InputError
from preprocessing.storage.bucket import ABSENT, Bucket, Version

THREADS = 8
# All that a build writes beside the manifest, and all that it may delete: a user's files may lie there too.
OURS = re.compile(
    rf"({'|'.join(manifest.SPLITS)})-\d{{5}}-of-\d{{5}}-[0-9a-f]{{8}}\.tfrecord"
    r"|rejected/[0-9a-f]{8}-\d+-\d+-\d+\.jsonl|building-[0-9a-f]{32}/[^/]+"
)


class Build:
    """One attempt to make the dataset of a fingerprint; `url` is the folder that its pipeline may write to.

    InputError if what stands in the output as a manifest is none, or one of a newer version.
    """

    def __init__(self, output: Bucket, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._output, self._folder = output, f"building-{uuid.uuid4().hex}"
        self.url = f"{output.url}/{self._folder}"
        self._outdated: list[str] = []
        # Asked before the manifest is read: if another takes its place meanwhile, all of that one is newer.
        self._published = _written(output, manifest.NAME)
        self.standing, self._version = _standing(output)

    def is_done(self) -> bool:
        """Whether the dataset stood there, whole, when this build began."""
        standing = self.standing
        if standing is None or standing.fingerprint != self.fingerprint:
            return False
        return damaged_shard(self._output, standing.shards) is None

    def sweep(self) -> None:
        """Deletes what is older than the manifest and not of its dataset: of builds that were killed or overtaken.

        What is newer may be of a build that is at work.
        """
        assert self.standing
        kept = {shard.name for shard in self.standing.shards}
        rejected = f"rejected/{self.fingerprint[:8]}-"
        others = [n for n in self._output.names() if OURS.fullmatch(n) and n not in kept and not n.startswith(rejected)]
        delete(self._output, [name for name in others if _written(self._output, name) < self._published])

    def open(self) -> None:
        """Shows that the output can be written, before the work and not after it."""
        self._output.write(f"{self._folder}/started", b"")

    def read(self, file: str) -> bytes:
        """A file that the pipeline wrote."""
        return self._output.read(f"{self._folder}/{file}")

    def publish(self, dataset: Manifest, files: Iterable[Mapping[str, str]]) -> None:
        """The `files` of the build under their names, and the manifest over them.

        Raises Conflict if another build was published meanwhile, OSError if the store does not hold what was written.
        """
        in_the_way = [name for name in self._output.names() if OURS.fullmatch(name)]
        moves = {f"{self._folder}/{file['file']}": file["name"] for file in files}
        published = set(moves.values())
        try:
            with ThreadPoolExecutor(THREADS) as threads:
                list(threads.map(self._output.move, moves.keys(), moves.values()))
            damaged = damaged_shard(self._output, dataset.shards)
            if damaged:
                raise OSError(f"{self._output.url}/{damaged}: not what was written there")
            self._output.write(manifest.NAME, dataset.to_json(), if_version=self._version)
        except BaseException:
            self._take_back(published)
            raise
        self._outdated = [name for name in in_the_way if name not in published]

    def _take_back(self, published: Collection[str]) -> None:
        """Deletes what was moved to its name, unless it is of the dataset that stands there by now.

        While nothing new stands there and another build is at work, which may be about to publish the same names,
        they are left for that one to use or to delete.
        """
        standing, version = _standing(self._output)
        if standing is not None and standing.fingerprint == self.fingerprint:
            return
        builds = {name.partition("/")[0] for name in self._output.names("building-")} - {self._folder}
        if version != self._version or not builds:
            delete(self._output, published)

    def was_overtaken(self) -> bool:
        """Whether another build was published since this one began, and deleted what was in its way."""
        return _standing(self._output)[1] != self._version

    def clear(self) -> None:
        """Deletes what the published dataset replaces, and all in the build's folder: a worker may still be writing."""
        delete(self._output, self._outdated)
        while names := self._output.names(f"{self._folder}/"):
            delete(self._output, names)


def _standing(output: Bucket) -> tuple[Manifest | None, Version]:
    """The manifest that stands in the output, and its version."""
    try:
        data, version = output.read_versioned(manifest.NAME)
    except FileNotFoundError:
        return None, ABSENT
    try:
        return manifest.parse_manifest(data, where=manifest.NAME), version
    except InputError as error:
        raise InputError(f"output={output.url}: {error}; remove it, or choose another folder") from None


def whole(output: Bucket) -> Manifest | None:
    """The dataset that stands in the output, if all its shards do. InputError as for Build."""
    standing, _ = _standing(output)
    return standing if standing and damaged_shard(output, standing.shards) is None else None


def _written(bucket: Bucket, name: str) -> float:
    """When an object was written; for ever from now if it is gone."""
    try:
        return bucket.stat(name).written_seconds
    except FileNotFoundError:
        return math.inf


def damaged_shard(bucket: Bucket, shards: Sequence[Shard]) -> str | None:
    """The name of the first shard that is missing, or not what the manifest says by the store's own checksum."""

    def is_whole(shard: Shard) -> bool:
        try:
            return bucket.stat(shard.name).crc32c() == shard.crc32c
        except FileNotFoundError:
            return False

    with ThreadPoolExecutor(THREADS) as threads:
        whole = list(threads.map(is_whole, shards))
    return next((shard.name for shard, fine in zip(shards, whole, strict=True) if not fine), None)


def delete(bucket: Bucket, names: Iterable[str]) -> None:
    """Deletes the objects, several at a time."""
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(bucket.delete, names))
