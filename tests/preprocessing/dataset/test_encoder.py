"""The encoder's fast path for ASCII and slow path for other text, compared with a plain definition."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.dataset.encoder import Encoder
from preprocessing.dataset.vocabulary import SEED, Vocabulary

WIDE = Vocabulary("".join(map(chr, range(0x4E00, 0x4E00 + 300))) + "ab {}")


def defined(text: str, vocabulary: Vocabulary, *, lowercase: bool) -> tuple[list[int], Counter[str]]:
    symbols = text.lower() if lowercase else text
    kept = [symbol for symbol in symbols if symbol in vocabulary.symbols and symbol not in "{}"]
    return [vocabulary.symbols.index(symbol) for symbol in kept], Counter(symbols) - Counter(kept)


CHARACTERS = st.one_of(st.characters(exclude_categories=["Cs"]), st.characters(max_codepoint=127))


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("vocabulary", [SEED, Vocabulary("abcXY é{}"), WIDE], ids=["seed", "mixed", "wide"])
@given(
    texts=st.lists(
        st.text(alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.characters(max_codepoint=127)))
    )
)
def test_the_ids_and_the_dropped_are_as_defined(texts: list[str], vocabulary: Vocabulary, lowercase: bool) -> None:
    encoder = Encoder(vocabulary, lowercase=lowercase)
    dropped: Counter[str] = Counter()
    for text in texts:
        ids, left_out = defined(text, vocabulary, lowercase=lowercase)
        assert np.frombuffer(encoder.encode(text.encode()), vocabulary.dtype).tolist() == ids
        dropped += left_out
    assert encoder.dropped == dropped


def test_a_capital_is_dropped_as_the_letter_that_it_is_read_as() -> None:
    encoder = Encoder(Vocabulary("b{}"), lowercase=True)
    assert encoder.encode(b"BaAb{}") == b"\x00\x00"
    assert encoder.dropped == {"a": 2, "{": 1, "}": 1}
