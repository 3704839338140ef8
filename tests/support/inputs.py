"""Inputs as users have them, written by hand: JSON lines, Kaggle's zip and Yelp's tar; and a small dataset of them."""

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
    """A file of one byte, `size` times, made as it is read."""

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
    """Settings as a command's arguments."""
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a configuration's mapping: `a.b: value` is {a: {b: value}}, and a text is read as YAML."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        *parents, last = key.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = yaml.safe_load(value) if isinstance(value, str) else value
    return found


SMALL_WINDOWS = {"window_chars": 16, "stride_chars": 16, "shards": 3}


def small_dataset(reviews: object, output: object, **changes: object) -> None:
    """Windows of 16 characters in three shards a split, made by the real command."""
    from jobs import preprocess

    settings = SMALL_WINDOWS | {"input": reviews, "output": output}
    preprocess.main(sets(**settings | changes))


def json_line(text: object, **more: object) -> bytes:
    """A review as a line of Kaggle's file, `review_id` among `more`."""
    return json.dumps({"text": text} | more).encode() + b"\n"


def reviews(count: int, *, first: int = 0) -> list[bytes]:
    """Lines of distinct reviews, 38 characters of text each, with the ids r0000, r0001 ..."""
    numbers = range(first, first + count)
    return [json_line(f"Visit {n:04}: the soup was hot, so good.", review_id=f"r{n:04}") for n in numbers]


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip of these members, deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def kaggle_zip(lines: bytes) -> bytes:
    """Kaggle's download: the reviews among other members, with what macOS adds to a zip."""
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
    """A tar of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def yelp_tar(lines: bytes) -> bytes:
    """Yelp's own download: the reviews among other members."""
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
