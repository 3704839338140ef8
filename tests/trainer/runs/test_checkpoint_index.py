import pytest

from preprocessing.errors import InputError
from trainer.runs.checkpoint_index import CheckpointEntry, encode_index, parse_index

NAME = "checkpoints/step-00000009-ab.safetensors"
SAVED = CheckpointEntry(step=9, epoch=1, losses=(0.5,), validation=None, file=NAME, bytes=7, sha256="ab")
TEXT = f"""{{
 "format": 2,
 "checkpoints": [
  {{
   "step": 9,
   "epoch": 1,
   "losses": [
    0.5
   ],
   "validation": null,
   "file": "{NAME}",
   "bytes": 7,
   "sha256": "ab"
  }}
 ]
}}"""


def test_index_has_the_bytes_that_earlier_versions_wrote_and_is_read_back() -> None:
    assert encode_index([SAVED]).decode() == TEXT
    assert parse_index(TEXT.encode(), where="checkpoint.json") == [SAVED]


def test_index_of_format_1_is_read() -> None:
    text = TEXT.replace('"format": 2', '"format": 1').replace('   "validation": null,\n', "")
    assert parse_index(text.encode(), where="checkpoint.json") == [SAVED]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"step": 9', '"step": 9.0', "checkpoints.0.step=9.0: expected a valid integer"),
        ("0.5", '"a"', "checkpoints.0.losses.0='a': expected a valid number"),
        ('"validation": null', '"validation": true', "checkpoints.0.validation=True: expected a valid number"),
        (NAME, "checkpoints/../x", "checkpoints.0.file='checkpoints/../x': expected to match pattern"),
        ('"bytes": 7', '"bytes": 7, "colour": 1', "checkpoints.0.colour=1: unknown key"),
    ],
)
def test_wrong_value_is_named(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match="^gs://b/checkpoint.json: not a checkpoint index: ") as raised:
        parse_index(TEXT.replace(old, new).encode(), where="gs://b/checkpoint.json")
    assert expected in str(raised.value)
