"""Preprocessing and training between gs:// URLs give the bytes that they give between local folders."""

from pathlib import Path
from typing import Any

import pytest

from jobs import score, train
from preprocessing.sources.find import find_sources, split_sources
from preprocessing.sources.reader import read_part
from preprocessing.sources.review import Review
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.streams import open_stream
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore, write_encoded
from tests.support.inputs import gzipped, json_line, kaggle_zip, reviews, small_dataset, yelp_tar
from tests.support.runs import arguments

DIFFERENT = ("config", "tensorboard", "report", "starts")  # contain a URL, a time or the machine


def test_run_in_cloud_storage_equals_run_in_a_folder(
    store: str, dataset: Path, reviews_file: Path, tmp_path: Path
) -> None:
    open_bucket(store).upload(reviews_file, "in/reviews.jsonl")
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    remote, local = open_bucket(f"{store}/dataset"), open_bucket(str(dataset))
    assert contents(remote) == contents(local)
    before = remote.read_versioned("manifest.json")
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    assert remote.read_versioned("manifest.json") == before

    # One checkpoint, at the end: which steps a checkpoint every few seconds saves depends on the clock.
    short: dict[str, Any] = {"max_chars": 64 * 16 * 10, "checkpoint__every_seconds": 3600}
    train.main(arguments(dataset, tmp_path, **short))
    train.main(arguments(f"{store}/dataset", f"{store}/runs", **short))
    assert contents(open_bucket(f"{store}/runs/small")) == contents(open_bucket(str(tmp_path / "small")))


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("name", ["reviews.jsonl", "reviews.json.gz", "reviews.zip"])
def test_source_that_arrives_damaged_is_worth_a_retry_and_makes_no_dataset(
    store: str, name: str, encoded: bool
) -> None:
    lines = b"".join(reviews(300))
    data = {"reviews.jsonl": lines, "reviews.json.gz": gzipped(lines), "reviews.zip": kaggle_zip(lines)}[name]
    bucket = open_bucket(store)
    if encoded:
        write_encoded(f"{store}/{name}", data)
    else:
        bucket.write(name, data)
    FaultyStore.faults.append(Fault(f"GET /download/.*{name}", "flip", 99))
    with pytest.raises(OSError, match=f"gs://reviews/{name}: arrived damaged, or changed while it was read: CRC-32C "):
        small_dataset(f"{store}/{name}", f"{store}/dataset")
    assert bucket.names() == [name]


def test_block_file_that_arrives_damaged_is_read_again(store: str, dataset: Path, reviews_file: Path) -> None:
    bucket = open_bucket(store)
    bucket.upload(reviews_file, "in/reviews.jsonl")
    fault = Fault("GET /download/.*building-[0-9a-f]+(%2F|/)[0-9a-f]{32}", "flip")
    FaultyStore.faults.append(fault)
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    assert fault.count == 0, [r[:200] for r in FaultyStore.requests if "building" in r and "GET" in r][:4]
    assert contents(open_bucket(f"{store}/dataset")) == contents(open_bucket(str(dataset)))


def test_files_of_a_glob_take_two_listings_and_one_download_each(store: str) -> None:
    bucket = open_bucket(store)
    lines = list(reviews(300))
    for number in range(30):
        bucket.write(f"in/{number:02}.jsonl", b"".join(lines[number::30]))
    FaultyStore.requests.clear()
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    about_input = [request.partition("?")[0] for request in FaultyStore.requests if "in%2F" in request]
    listing, downloads = "GET /storage/v1/b/reviews/o", "GET /download/storage/v1/b/reviews/o/in%2F"
    # The second listing tells whether a file was changed during the build.
    assert sorted(about_input) == [*(f"{downloads}{number:02}.jsonl" for number in range(30)), listing, listing]


def contents(bucket: Bucket) -> dict[str, bytes]:
    """Return the objects that do not depend on time and place, by name."""
    return {name: bucket.read(name) for name in bucket.names() if not name.startswith(DIFFERENT)}


def test_reviews_of_the_content_encoding_gzip_are_read_and_scored_as_plain_ones(
    store: str, dataset: Path, reviews_file: Path, small_run: Path, tmp_path: Path
) -> None:
    lines = reviews_file.read_bytes()
    write_encoded(f"{store}/in/{reviews_file.name}", lines)
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    found = open_bucket(f"{store}/dataset")
    shards = [name for name in found.names() if name.endswith(".tfrecord")]
    plain = sorted(path.read_bytes() for path in dataset.glob("*.tfrecord"))
    assert sorted(found.read(name) for name in shards) == plain

    few = b"".join(reviews(5))
    write_encoded(f"{store}/few/few.jsonl", few)
    (tmp_path / "few.jsonl").write_bytes(few)
    for url, output in ((f"{store}/few/few.jsonl", "remote"), (str(tmp_path / "few.jsonl"), "local")):
        score.main([str(small_run), url, "--output", str(tmp_path / output)])
    assert (tmp_path / "remote").read_bytes() == (tmp_path / "local").read_bytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("reviews.csv", b"review_id,text\n1,Good soup.\n"),
        ("reviews.json.gz", gzipped(json_line("Good soup.", review_id="1"))),
        ("yelp.tar", yelp_tar(json_line("Good soup.", review_id="1"))),
        ("reviews.json", b'[{"review_id": "1", "text": "Good soup."}]'),
    ],
)
def test_each_format_is_read_below_the_content_encoding_gzip(store: str, name: str, data: bytes) -> None:
    stored = write_encoded(f"{store}/{name}", data)
    sources = find_sources(f"{store}/*")
    assert [source.bytes for source in sources] == [len(stored)]
    [part] = split_sources(sources)
    with open_stream(part.url, size=part.bytes) as stream:
        lines = list(read_part(stream, part))
    assert [(line.id, line.text) for line in lines if isinstance(line, Review)] == [("1", "Good soup.")]
