"""Files that other projects could not read, in ../shared/cases: each is read, or refused by its name."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobs import preprocess, score, train
from preprocessing.dataset import manifest
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from tests.support.inputs import sets, small_dataset
from tests.support.runs import arguments
from trainer.training.keras_weights import read_keras_weights
from trainer.training.warm_start import is_keras_file

CASES = Path(__file__).parents[3] / "shared/cases"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="needs the files in ../shared/cases, which are not part of the project"
)


def build(source: object, folder: Path) -> Manifest:
    small_dataset(source, folder / "dataset", shards=1)
    return manifest.parse_manifest((folder / "dataset/manifest.json").read_bytes(), where="manifest")


def test_array_with_commas_between_its_lines_is_read(tmp_path: Path) -> None:
    dataset = build(CASES / "01-array-lines/*.json", tmp_path)
    reviews = sum(len(json.loads(path.read_text())) for path in CASES.glob("01-array-lines/*.json"))
    assert dataset.counts["kept"] + dataset.counts["duplicate"] == reviews


def test_open_quote_costs_its_own_row(tmp_path: Path) -> None:
    dataset = build(CASES / "02-open-quote.csv", tmp_path)
    lines = (CASES / "02-open-quote.csv").read_text().count("\n") - 1  # without the header
    assert dataset.counts["rejected"] == {"not CSV": 1}
    assert dataset.counts["read"] == lines
    assert dataset.counts["kept"] + dataset.counts["duplicate"] == lines - 1


def test_gzip_named_json_is_read_beside_a_plain_file(tmp_path: Path) -> None:
    dataset = build(CASES / "03-mixed/*.json", tmp_path)
    assert dataset.counts["rejected"] == {}
    assert dataset.counts["read"] > 3000


@pytest.mark.parametrize("name", ["04a-gzipped.tar", "05a-yelp_review.csv.zip"])
def test_archive_is_read(name: str, tmp_path: Path) -> None:
    dataset = build(CASES / name, tmp_path)
    assert dataset.counts["rejected"] == {}
    assert dataset.counts["kept"] > 0


def test_key_that_is_given_twice_is_named(tmp_path: Path) -> None:
    text = (CASES / "06-duplicate-keys.yaml").read_text()
    keys = Counter(line.split(":")[0].strip() for line in text.splitlines() if ":" in line and line[0] != "#")
    repeated = next(key for key, count in keys.items() if count > 1)
    with pytest.raises(InputError, match=repeated):
        preprocess.main(["--config", str(CASES / "06-duplicate-keys.yaml"), *sets(input="i", output=tmp_path)])


def test_table_of_another_column_is_refused_or_scored_row_by_row(small_run: Path, tmp_path: Path) -> None:
    data = (CASES / "07a-reviews.tsv").read_bytes()
    column = data.split(b"\n")[0].split(b"\t")[0].decode().strip()
    with pytest.raises(InputError, match=f"a tab-separated table with the columns .*{column}"):
        score.main([str(small_run)], stdin=io.BytesIO(data))
    output = tmp_path / "scores.jsonl"
    score.main([str(small_run), "--output", str(output), "--text-column", column], stdin=io.BytesIO(data))
    assert len(output.read_text().splitlines()) == data.count(b"\n") - 1


@pytest.mark.parametrize("name", ["08-transfer_weights", "08b-UPPER.H5", "09-cudnnlstm.h5", "12-keras-v3.weights.h5"])
def test_weights_are_a_warm_start(name: str, dataset: Path, tmp_path: Path) -> None:
    assert is_keras_file(str(CASES / name))
    weights = read_keras_weights(CASES / name, where=name)
    units = [len(array) for key, array in sorted(weights.items()) if key.endswith("recurrent_kernel")]
    changes: dict[str, Any] = {
        "model__lstm_units": units,
        "warm_start": CASES / name,
        "max_chars": 64 * 16,
        "report": "never",
    }
    train.main(arguments(dataset, tmp_path, **changes))
    assert (tmp_path / "small/checkpoint.json").exists()
