"""Prompts and stop texts as ids of a model's vocabulary."""

import sys
from collections import Counter
from collections.abc import Iterable

from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError

# The model was trained on windows of some hundred characters, each from an empty state. It has learned nothing about
# text that is many windows back, and reading that text takes a millisecond or more for each character.
MAX_CHARS = 4096
MAX_NAMED_SYMBOLS = 10


def decode_utf8(data: bytes, *, where: str) -> str:
    """Decode a text. Raises InputError, which names `where`, if the bytes are not UTF-8 or contain NUL."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not text in UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from None
    if "\0" in text:
        raise InputError(f"{where}: binary: character {text.index(chr(0))} is NUL, expected text in UTF-8")
    return text


def encode_prompt(
    text: str, vocabulary: Vocabulary, *, lowercase: bool, argument: str, strict: bool = False
) -> list[int]:
    """Encode a prompt as at most MAX_CHARS ids. The list is empty if the vocabulary has none of the symbols.

    Symbols outside the vocabulary and all but the last MAX_CHARS characters are left out, with a note on stderr.
    Raises InputError, which names the `argument`, if the text is not Unicode, or if `strict` forbids to leave out.
    """
    ids, dropped = _encode(text, vocabulary, lowercase=lowercase, argument=argument)
    left_out = []
    if dropped:
        left_out.append(f"{_list_symbols(dropped)}, not in the vocabulary")
    if len(ids) > MAX_CHARS:
        left_out.append(f"all but the last {MAX_CHARS} of {len(ids)} characters")
    for part in left_out:
        if strict:
            raise InputError(f"{argument}: would leave out {part}: change it, or go without --strict")
        print(f"{argument.removeprefix('--')}: left out {part}", file=sys.stderr)
    return ids[-MAX_CHARS:]


def encode_stop_texts(
    texts: Iterable[str], vocabulary: Vocabulary, *, lowercase: bool, argument: str
) -> tuple[list[int], ...]:
    """Encode stop texts. Raises InputError for an empty text, and for a text that the model can never write."""
    encoded = []
    for text in texts:
        ids, dropped = _encode(text, vocabulary, lowercase=lowercase, argument=argument)
        if dropped:
            raise InputError(f"{argument} {text!r}: {_list_symbols(dropped)}, not in the vocabulary: never generated")
        if not ids:
            raise InputError(f"{argument} '': expected a text")
        encoded.append(ids)
    return tuple(encoded)


def _encode(text: str, vocabulary: Vocabulary, *, lowercase: bool, argument: str) -> tuple[list[int], Counter[str]]:
    """Return the text's ids, and the symbols outside the vocabulary. Raises InputError if the text is not Unicode."""
    try:
        ids, dropped = vocabulary.encode(text.lower() if lowercase else text)
    except UnicodeEncodeError:
        raise InputError(f"{argument} {text!r}: not text") from None
    return [int(i) for i in ids], dropped


def _list_symbols(symbols: Counter[str]) -> str:
    names = ", ".join(repr(symbol) for symbol in sorted(symbols)[:MAX_NAMED_SYMBOLS])
    more = len(symbols) - MAX_NAMED_SYMBOLS
    return f"{names} and {more} more" if more > 0 else names
