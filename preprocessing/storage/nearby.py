"""What a folder is, and what the URL of one that is not what was asked for may have meant."""

import difflib
from collections.abc import Callable
from contextlib import suppress

from preprocessing.dataset import manifest
from preprocessing.errors import InputError
from preprocessing.storage.urls import Bucket, is_local, open_bucket

CONFIG = "config.yaml"  # of a run's folder alone
LOOKED_AT = 20  # of the most similar names: each is a request to a store


def holds(bucket: Bucket, name: str) -> bool:
    """Whether there is an object of this name in the folder."""
    try:
        bucket.size(name)
    except FileNotFoundError:
        return False
    return True


def is_run(bucket: Bucket) -> bool:
    """Whether it is a run's folder, one that has begun."""
    return holds(bucket, CONFIG)


def is_dataset(bucket: Bucket) -> bool:
    """Whether it is a dataset's folder, and not a run's, which has a manifest too."""
    return holds(bucket, manifest.NAME) and not is_run(bucket)


def nearest(url: str, is_one: Callable[[Bucket], bool]) -> str:
    """The end of a message, "; the nearest is URL": of the folders in `url`, or else beside it, for which `is_one`
    holds, the one of the most similar name. Empty if there is none."""
    url = url.rstrip("/")
    for place in (f"{url}/{url.rpartition('/')[2]}", url):
        parent, slash, name = place.rpartition("/")
        if not is_local(place) and parent.count("/") < 2:
            continue  # beside a bucket of Cloud Storage are other people's
        # It is said beside an error, which a second one, as of a folder that may not be listed, must not replace.
        with suppress(InputError, OSError):
            folders = open_bucket(parent or slash or ".").folders()
            for found in difflib.get_close_matches(name, folders, n=LOOKED_AT, cutoff=0.0):
                if is_one(open_bucket(f"{parent}{slash}{found}")):
                    return f"; the nearest is {parent}{slash}{found}"
    return ""
