import pytest

from preprocessing.dataset.vocabulary import SEED
from preprocessing.errors import InputError
from trainer.sampling.prompt import MAX_CHARS, encode_prompt


def test_last_characters_of_a_prompt_of_ten_megabytes_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    text = "a" * 10_000_000 + "b" * MAX_CHARS
    ids = encode_prompt(text, SEED, lowercase=True, argument="--prompt-file")
    assert SEED.decode(ids) == "b" * MAX_CHARS
    message = f"all but the last {MAX_CHARS} of {len(text)} characters"
    assert capsys.readouterr().err == f"prompt-file: left out {message}\n"
    with pytest.raises(InputError, match=message):
        encode_prompt(text, SEED, lowercase=True, argument="--prompt-file", strict=True)
