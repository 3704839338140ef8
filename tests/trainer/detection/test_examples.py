from pathlib import Path

import pytest

from jobs import preprocess
from preprocessing.dataset.folder import open_dataset
from tests.support.inputs import SMALL_WINDOWS, reviews, sets
from trainer.detection.examples import read_split_ids


@pytest.mark.parametrize("stride", [5, 16])
def test_whole_reviews_of_a_split_are_read_from_its_windows(tmp_path: Path, stride: int) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"".join(reviews(400)))
    settings = SMALL_WINDOWS | {"stride_chars": stride, "input": tmp_path / "in.jsonl", "output": tmp_path / "dataset"}
    preprocess.main(sets(**settings))
    dataset = open_dataset(str(tmp_path / "dataset"))
    found = read_split_ids(dataset, "train")
    texts = {dataset.manifest.symbols().decode(ids) for ids in found}
    assert texts < {f"{{visit {n:04}: the soup was hot, so good.}}" for n in range(400)}
    shards = len(dataset.shards("train"))
    assert dataset.manifest.splits["train"]["reviews"] - shards <= len(found)  # the last review of a shard may be cut
