"""Input files in the formats that users have, and a small dataset."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import yaml

KAGGLE = "yelp_training_set/yelp_training_set_review.json"


class Endless(io.RawIOBase):
    """A file that repeats one byte `size` times, without holding it in memory."""

    def __init__(self, size: int, byte: bytes = b"x") -> None:
        self._left, self._byte = size, byte

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        count = min(len(buffer), self._left)
        buffer[:count] = self._byte * count
        self._left -= count
        return count


def sets(**settings: object) -> list[str]:
    """Return settings as `--set` arguments of a command."""
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Expand dotted keys to a nested configuration: `a.b: value` is {a: {b: value}}. A text value is read as YAML."""
    config: dict[str, Any] = {}
    for key, value in settings.items():
        *parents, last = key.split(".")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = yaml.safe_load(value) if isinstance(value, str) else value
    return config


SMALL_WINDOWS = {"window_chars": 16, "stride_chars": 16, "shards": 3}


def small_dataset(reviews: object, output: object, **changes: object) -> None:
    """Build a dataset with jobs.preprocess: windows of 16 characters, three shards in each split."""
    from jobs import preprocess

    settings = SMALL_WINDOWS | {"input": reviews, "output": output}
    preprocess.main(sets(**settings | changes))


def json_line(text: object, **more: object) -> bytes:
    """Return a review as a line of Kaggle's file. `more` holds other keys, such as `review_id`."""
    return json.dumps({"text": text} | more).encode() + b"\n"


def reviews(count: int, *, first: int = 0) -> list[bytes]:
    """Return lines of distinct reviews with the ids r0000, r0001 ... Each text has 38 characters."""
    numbers = range(first, first + count)
    return [json_line(f"Visit {n:04}: the soup was hot, so good.", review_id=f"r{n:04}") for n in numbers]


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a compressed zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def kaggle_zip(lines: bytes) -> bytes:
    """Return Kaggle's download: reviews among other members, and the members that macOS adds."""
    return zipped(
        {
            "yelp_training_set/": b"",
            "yelp_training_set/yelp_training_set_business.json": b'{"business_id": "b"}\n',
            "yelp_training_set/yelp_training_set_checkin.json": b'{"checkin_info": {}}\n',
            KAGGLE: lines,
            "yelp_training_set/yelp_training_set_user.json": b'{"user_id": "u"}\n',
            "__MACOSX/yelp_training_set/._yelp_training_set_review.json": b"\x00\x05\x16\x07",
            "yelp_training_set/READ_FIRST-Phoenix_Academic_Dataset_Agreement.pdf": b"%PDF",
        }
    )


def tarred(members: Mapping[str, bytes]) -> bytes:
    """Return an uncompressed tar of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def yelp_tar(lines: bytes) -> bytes:
    """Return Yelp's download: reviews among other members."""
    return tarred(
        {
            "Dataset_User_Agreement.pdf": b"%PDF",
            "yelp_academic_dataset_business.json": b'{"business_id": "b"}\n',
            "yelp_academic_dataset_review.json": lines,
            "yelp_academic_dataset_tip.json": b'{"text": "a tip"}\n',
        }
    )


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
