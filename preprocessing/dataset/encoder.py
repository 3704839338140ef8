"""Texts into the ids of a vocabulary, one review at a time."""

import functools
from collections import Counter

from preprocessing.dataset.vocabulary import CLOSE, OPEN, Vocabulary


class Encoder:
    """Leaves out what the vocabulary does not have, and braces, which would look like a review's end; counts both."""

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool) -> None:
        self.dropped: Counter[str] = Counter()
        self._vocabulary, self._lowercase = vocabulary, lowercase

    def encode(self, text: bytes) -> bytes:
        """The ids, in the bytes of the vocabulary's dtype, of a text in UTF-8."""
        if self._vocabulary.dtype.itemsize > 1 or not text.isascii():
            return self._ids(text.decode())
        # 49 reviews of 50 are ASCII: mapped by one table, in half a microsecond.
        table, known, unknown = _ascii_table(self._vocabulary, self._lowercase)
        ids = text.translate(table, unknown)
        if len(ids) < len(text):
            left_out = text.translate(None, known).decode()
            self.dropped.update(left_out.lower() if self._lowercase else left_out)
        return ids

    def _ids(self, text: str) -> bytes:
        if self._lowercase:
            text = text.lower()
        for brace in (OPEN, CLOSE):
            if brace in text:
                self.dropped[brace] += text.count(brace)
                text = text.replace(brace, "")
        ids, dropped = self._vocabulary.encode(text)
        self.dropped.update(dropped)
        return ids.tobytes()


@functools.lru_cache(maxsize=2)
def _ascii_table(vocabulary: Vocabulary, lowercase: bool) -> tuple[bytes, bytes, bytes]:
    """The id of each ASCII byte that has one, as bytes.translate takes it; the bytes that have one, and the others."""
    table, known = bytearray(256), bytearray()
    for byte in range(128):
        symbol = chr(byte).lower() if lowercase else chr(byte)
        if symbol not in (OPEN, CLOSE) and symbol in vocabulary.symbols:
            table[byte] = vocabulary.symbols.index(symbol)
            known.append(byte)
    return bytes(table), bytes(known), bytes(set(range(128)) - set(known))
