"""Vocabulary: the seed's 61 symbols, a symbol table, or the frequent symbols of the reviews."""

import functools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from preprocessing.errors import InputError

Ids = npt.NDArray[Any]  # uint8, or uint16 above 256 symbols

OPEN, CLOSE = "{", "}"  # around each review, so that a model learns where reviews start and end
SEED_SYMBOLS = "\n !\"#$%&'()*+,-./0123456789:;=?[]abcdefghijklmnopqrstuvwxyz{}"
RARE_PER_MILLION = 10  # `auto` drops rarer symbols: too few examples to learn, and a wider softmax for all

_UNKNOWN = np.uint16(0xFFFF)


@dataclass(frozen=True)
class Vocabulary:
    """An ordered string of V distinct symbols. A symbol's id is its index."""

    symbols: str

    def __post_init__(self) -> None:
        repeated = [symbol for symbol, count in Counter(self.symbols).items() if count > 1]
        if repeated:
            raise InputError(f"vocabulary: symbol {repeated[0]!r} occurs twice, expected each once")
        missing = [symbol for symbol in (OPEN, CLOSE) if symbol not in self.symbols]
        if missing:
            raise InputError(f"vocabulary: no {missing[0]!r}, which marks a review's start or end")
        if len(self.symbols) >= _UNKNOWN:
            raise InputError(f"vocabulary: {len(self.symbols)} symbols, expected at most {_UNKNOWN - 1}")

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of an id in a record: uint8 up to 256 symbols, else little-endian uint16."""
        return np.dtype(np.uint8) if len(self.symbols) <= 256 else np.dtype("<u2")

    def encode(self, text: str) -> tuple[Ids, Counter[str]]:
        """Return the ids [n] of `dtype`, and the count of each symbol outside the vocabulary, which has no id."""
        points = code_points(text)
        ids = _ids_by_point(self.symbols)[points]
        known = ids != _UNKNOWN
        if known.all():
            return ids.astype(self.dtype), Counter()
        values, counts = np.unique(points[~known], return_counts=True)
        dropped = Counter({chr(value): int(count) for value, count in zip(values, counts, strict=True)})
        return ids[known].astype(self.dtype), dropped

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of ids [n]."""
        return "".join(self.symbols[i] for i in np.asarray(ids).tolist())


SEED = Vocabulary(SEED_SYMBOLS)


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return a text's Unicode code points [n]. Raises UnicodeEncodeError for a lone surrogate."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


@functools.lru_cache(maxsize=2)
def _ids_by_point(symbols: str) -> npt.NDArray[np.uint16]:
    table = np.full(0x110000, _UNKNOWN, np.uint16)
    table[code_points(symbols)] = np.arange(len(symbols))
    return table


def count_symbols(text: str) -> Counter[str]:
    """Count each character of a text."""
    counts = np.bincount(code_points(text))
    return Counter({chr(point): int(counts[point]) for point in np.flatnonzero(counts)})


def build_vocabulary(counts: Mapping[str, int]) -> Vocabulary:
    """Return the vocabulary `auto`: symbols as frequent as RARE_PER_MILLION, in the order of code points."""
    total = sum(counts.values())
    frequent = {symbol for symbol, count in counts.items() if count * 1_000_000 >= total * RARE_PER_MILLION}
    return Vocabulary("".join(sorted(frequent | {OPEN, CLOSE})))


def parse_symbol_table(text: str | bytes, *, where: str) -> Vocabulary:
    """Parse a JSON object from symbol to id, the format of the seed's script.

    Raises InputError, which names `where`, unless each id 0 .. V-1 belongs to one single character.
    """
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not a JSON table of symbols: {error}") from None
    if not isinstance(pairs, list) or not pairs or not all(isinstance(pair, tuple) for pair in pairs):
        raise InputError(f"{where}: expected a JSON object from symbol to id")
    return _from_pairs(pairs, where=where)


def _from_pairs(pairs: Sequence[tuple[str, object]], *, where: str) -> Vocabulary:
    by_id: dict[int, str] = {}
    for symbol, number in pairs:
        if len(symbol) != 1 or "\ud800" <= symbol <= "\udfff":
            raise InputError(f"{where}: symbol {symbol!r}: expected one character")
        if type(number) is not int or not 0 <= number < len(pairs):
            raise InputError(f"{where}: symbol {symbol!r} has id {number!r}, expected 0 to {len(pairs) - 1}")
        if number in by_id:
            raise InputError(f"{where}: id {number} is repeated, for {by_id[number]!r} and {symbol!r}")
        by_id[number] = symbol
    try:
        return Vocabulary("".join(by_id[i] for i in range(len(pairs))))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
