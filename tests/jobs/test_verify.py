"""`python -m jobs.verify`, and TFRecord readers that are independent of this project."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from jobs import verify
from preprocessing.dataset import manifest, records
from preprocessing.dataset.folder import open_dataset
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.errors import InputError
from tests.support.inputs import small_dataset


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    """Copy the small dataset, for tests that damage a dataset."""
    return Path(shutil.copytree(dataset, tmp_path / "copy"))


def of(folder: Path) -> Manifest:
    return open_dataset(str(folder)).manifest


def error(folder: Path | str) -> str:
    with pytest.raises(InputError) as raised:
        verify.main([str(folder)])
    return str(raised.value)


def test_a_whole_dataset_is_in_order(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify.main([str(dataset)])
    shards = of(dataset).shards
    count, size = sum(shard.records for shard in shards), sum(shard.bytes for shard in shards)
    assert capsys.readouterr().out == f"{dataset}: {len(shards)} shards, {count} records, {size} bytes: all in order\n"


def test_the_first_of_several_faults_is_named_with_shard_record_and_byte(copy: Path) -> None:
    size = of(copy).record_bytes
    for shard, record in ((of(copy).shards[4], 1), (of(copy).shards[2], 7), (of(copy).shards[2], 3)):
        path = copy / shard.name
        data = bytearray(path.read_bytes())
        data[(record + 1) * size - 10] ^= 1  # one id of the record
        path.write_bytes(data)
    assert error(copy) == f"{copy}/{of(copy).shards[2].name}: record 3 at byte {3 * size}: wrong CRC"


def test_a_shard_of_another_dataset_is_a_fault(copy: Path) -> None:
    one, other = of(copy).shards_of("validation")[:2]
    shutil.copy(copy / other.name, copy / one.name)
    assert error(copy).startswith(f"{copy}/{one.name}: ")


def test_a_shard_that_the_manifest_does_not_name_is_a_fault(copy: Path) -> None:
    shutil.copy(copy / of(copy).shards[0].name, copy / "train-99999-of-99999-deadbeef.tfrecord")
    expected = f"{copy}/train-99999-of-99999-deadbeef.tfrecord: not named in manifest.json, but a reader may take it"
    assert error(copy) == expected


def test_a_missing_shard_is_a_fault(copy: Path) -> None:
    name = of(copy).shards[1].name
    (copy / name).unlink()
    assert error(copy) == f"{copy}/{name}: missing, but named in manifest.json"


def test_counts_that_do_not_add_up_are_a_fault(copy: Path) -> None:
    path = copy / manifest.NAME
    path.write_bytes(path.read_bytes().replace(b'"duplicate": 0', b'"duplicate": 1'))
    assert error(copy) == f"{copy}/manifest.json: 300 lines read, 301 accounted for"


def test_a_dataset_in_cloud_storage_is_verified(
    reviews_file: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small_dataset(reviews_file, f"{store}/in/dataset", stride_chars=4)
    verify.main([f"{store}/in/dataset"])
    assert capsys.readouterr().out.endswith("all in order\n")
    dataset = open_dataset(f"{store}/in/dataset")
    shard = dataset.manifest.shards[0]
    dataset.bucket.write(shard.name, dataset.bucket.read(shard.name)[:-1])
    last = shard.records - 1
    expected = f"{store}/in/dataset/{shard.name}: record {last} at byte {last * dataset.manifest.record_bytes}"
    assert error(f"{store}/in/dataset") == f"{expected}: cut short"


def ours(folder: Path, shard: Shard) -> list[bytes]:
    """Return the ids of each record of a shard, read with this project's code."""
    data = np.frombuffer((folder / shard.name).read_bytes(), np.uint8).reshape(-1, of(folder).record_bytes)
    return [row.tobytes() for row in records.payload(data, of(folder).id_dtype(), of(folder).window_chars + 1)]


def test_tensorflow_reads_every_record_as_we_do(dataset: Path) -> None:
    for shard in of(dataset).shards:
        feature = {"ids": tf.io.FixedLenFeature([], tf.string)}
        # TFRecordDataset checks both CRCs of each record.
        found = [
            tf.io.parse_single_example(r, feature)["ids"].numpy()
            for r in tf.data.TFRecordDataset(str(dataset / shard.name))
        ]
        assert found == ours(dataset, shard)
        assert len(found) == shard.records


READ = """
import json, sys
from tfrecord.reader import tfrecord_loader
shards = [tfrecord_loader(path, None, {"ids": "byte"}) for path in sys.argv[1:]]
print(json.dumps([[bytes(record["ids"]).hex() for record in shard] for shard in shards]))
"""


def test_a_package_that_reads_tfrecords_without_tensorflow_reads_every_record_as_we_do(dataset: Path) -> None:
    # A separate process, because the package declares tf.train.Example again, which conflicts with TensorFlow's.
    paths = [str(dataset / shard.name) for shard in of(dataset).shards]
    done = subprocess.run([sys.executable, "-c", READ, *paths], capture_output=True, text=True, check=True)
    expected = [[ids.hex() for ids in ours(dataset, shard)] for shard in of(dataset).shards]
    assert json.loads(done.stdout) == expected


def test_tensorflow_finds_a_damaged_record_as_we_do(copy: Path) -> None:
    shard = of(copy).shards[0]
    data = bytearray((copy / shard.name).read_bytes())
    data[5 * of(copy).record_bytes + 30] ^= 1
    (copy / shard.name).write_bytes(data)
    read: list[bytes] = []
    with pytest.raises(tf.errors.DataLossError):
        read.extend(tf.data.TFRecordDataset(str(copy / shard.name)).as_numpy_iterator())
    assert len(read) == 5
    assert "record 5 at byte" in error(copy)
