"""A build of a dataset, and how it replaces the dataset in its output folder.

A build writes to a folder of its own, `building-*/`. To publish it, the files move to their final names, which hold
the dataset's fingerprint. Then the manifest is written, on the condition that it is still the manifest from the
start of the build. So the first of several builds into one output wins, and the others change nothing. At each
instant all shards of the manifest are there. The files of the replaced dataset are deleted last. A killed build
leaves its folder, which the next build deletes.
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
# The files that a build may write or delete, all but the manifest. A user's own files may be in the folder, too.
BUILD_FILES = re.compile(
    rf"({'|'.join(manifest.SPLITS)})-\d{{5}}-of-\d{{5}}-[0-9a-f]{{8}}\.tfrecord"
    r"|rejected/[0-9a-f]{8}-\d+-\d+-\d+\.jsonl|building-[0-9a-f]{32}/[^/]+"
)


class DatasetBuild:
    """An attempt to build the dataset of a fingerprint.

    url: the folder to which the pipeline writes. published: the manifest in the output when the build began.
    Raises InputError if the output's manifest is damaged or of a newer version.
    """

    def __init__(self, output: Bucket, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._output, self._folder = output, f"building-{uuid.uuid4().hex}"
        self.url = f"{output.url}/{self._folder}"
        self._outdated: list[str] = []
        # Before the manifest is read: if another build publishes between the two, all its files are newer.
        self._published_at = _write_time(output, manifest.NAME)
        self.published, self._version = _read_manifest(output)

    def is_done(self) -> bool:
        """Return whether the complete dataset was in the output when this build began."""
        if self.published is None or self.published.fingerprint != self.fingerprint:
            return False
        return find_damaged_shard(self._output, self.published.shards) is None

    def sweep(self) -> None:
        """Delete files of killed and overtaken builds: all that are older than the manifest and not of its dataset.

        Newer files may belong to a build that is running.
        """
        assert self.published
        kept = {shard.name for shard in self.published.shards}
        rejected = f"rejected/{self.fingerprint[:8]}-"
        files = ((name, stat) for name, stat in self._output.stats().items() if BUILD_FILES.fullmatch(name))
        stray = [(name, stat) for name, stat in files if name not in kept and not name.startswith(rejected)]
        delete_objects(self._output, [name for name, stat in stray if stat.written_seconds < self._published_at])

    def open(self) -> None:
        """Write a file to the build's folder. Raises InputError here, before the work, if it cannot be written."""
        self._output.write(f"{self._folder}/started", b"")

    def read(self, name: str) -> bytes:
        """Return a file in the build's folder."""
        return self._output.read(f"{self._folder}/{name}")

    def publish(self, dataset: Manifest, files: Iterable[Mapping[str, str]]) -> None:
        """Move each of the files from its name in the build's folder, `file`, to `name`. Then write the manifest.

        Raises Conflict if another build was published meanwhile, and OSError if a moved shard is damaged.
        """
        replaced = [name for name in self._output.names() if BUILD_FILES.fullmatch(name)]
        moves = {f"{self._folder}/{file['file']}": file["name"] for file in files}
        moved = set(moves.values())
        try:
            with ThreadPoolExecutor(THREADS) as threads:
                list(threads.map(self._output.move, moves.keys(), moves.values()))
            damaged = find_damaged_shard(self._output, dataset.shards)
            if damaged:
                raise OSError(f"{self._output.url}/{damaged}: damaged: not the bytes that were written")
            self._output.write(manifest.NAME, dataset.to_json(), if_version=self._version)
        except BaseException:
            self._delete_moved(moved)
            raise
        self._outdated = [name for name in replaced if name not in moved]

    def _delete_moved(self, moved: Collection[str]) -> None:
        """Delete the moved files, unless the dataset that is published by now has the same files.

        Leave them, too, while the manifest is unchanged and another build is running: that build may be about to
        publish files of these names, and uses or deletes them.
        """
        published, version = _read_manifest(self._output)
        if published is not None and published.fingerprint == self.fingerprint:
            return
        builds = {name.partition("/")[0] for name in self._output.names("building-")} - {self._folder}
        if version != self._version or not builds:
            delete_objects(self._output, moved)

    def was_overtaken(self) -> bool:
        """Return whether another build was published since this build began."""
        return _read_manifest(self._output)[1] != self._version

    def clear(self) -> None:
        """Delete the files of the replaced dataset, and the build's folder, to which a worker may still write."""
        delete_objects(self._output, self._outdated)
        while names := self._output.names(f"{self._folder}/"):
            delete_objects(self._output, names)


def read_complete_manifest(output: Bucket) -> Manifest | None:
    """Return the manifest in a folder, or None if there is none or a shard is missing or damaged.

    Raises InputError if the manifest is damaged or of a newer version.
    """
    published, _ = _read_manifest(output)
    return published if published and find_damaged_shard(output, published.shards) is None else None


def find_damaged_shard(bucket: Bucket, shards: Sequence[Shard]) -> str | None:
    """Return the name of the first shard that is missing, or whose CRC-32C in the bucket is not the manifest's."""

    stats = bucket.stats(recursive=False)

    def is_intact(shard: Shard) -> bool:
        try:
            return shard.name in stats and stats[shard.name].crc32c() == shard.crc32c
        except FileNotFoundError:  # deleted since
            return False

    with ThreadPoolExecutor(THREADS) as threads:
        intact = list(threads.map(is_intact, shards))
    return next((shard.name for shard, ok in zip(shards, intact, strict=True) if not ok), None)


def delete_objects(bucket: Bucket, names: Iterable[str]) -> None:
    """Delete objects, several at a time."""
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(bucket.delete, names))


def _read_manifest(output: Bucket) -> tuple[Manifest | None, Version]:
    """Return the output's manifest and its version."""
    try:
        data, version = output.read_versioned(manifest.NAME)
    except FileNotFoundError:
        return None, ABSENT
    try:
        return manifest.parse_manifest(data, where=manifest.NAME), version
    except InputError as error:
        raise InputError(f"output={output.url}: {error}; remove it, or choose another folder") from None


def _write_time(bucket: Bucket, name: str) -> float:
    """Return the time at which an object was written, or infinity if there is none."""
    try:
        return bucket.stat(name).written_seconds
    except FileNotFoundError:
        return math.inf
