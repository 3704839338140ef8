"""What a model is to continue: an argument, a file or standard input, as ids of its vocabulary."""

import sys
from collections import Counter
from collections.abc import Iterable

from preprocessing.errors import InputError
from preprocessing.storage.urls import split_url
from trainer.runs.folder import Run

STDIN = "-"
MAX_BYTES = 100_000_000  # of a file; more is none that was meant as a prompt
# A model is trained on windows of some hundred characters, each from an empty state: what lies further back than many
# of them it holds nothing of, and to read it takes a millisecond or more a character.
MAX_CHARS = 4096
NAMED = 10


def read(place: str) -> str:
    """The text of a file, or of standard input for `-`, but for a newline at its end; InputError if there is none."""
    if place == STDIN:
        place, data = "standard input", sys.stdin.buffer.read(MAX_BYTES + 1)
        size = len(data)
    else:
        folder, name = split_url(place)
        try:
            size = folder.stat(name).bytes
            data = folder.read(name) if size <= MAX_BYTES else b""
        except FileNotFoundError:
            raise InputError(f"--prompt-file {place}: no such file") from None
    if size > MAX_BYTES:
        raise InputError(f"{place}: more than {MAX_BYTES} bytes, expected a prompt")
    text = as_text(data, place=place).removesuffix("\n").removesuffix("\r")
    if not text:
        raise InputError(f"{place}: empty, expected the text to continue")
    return text


def as_text(data: bytes, *, place: str) -> str:
    """The text of these bytes; InputError, naming `place`, if they are none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not text in UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from None
    if "\0" in text:
        raise InputError(f"{place}: binary: character {text.index(chr(0))} is NUL, expected text in UTF-8")
    return text


def encoded(text: str, run: Run, *, argument: str, strict: bool = False) -> list[int]:
    """The ids of a text as the run's model reads it, none of them if all is outside its vocabulary.

    What is left out is named on stderr, or with `strict` an InputError: symbols that the vocabulary has not, and of
    more than MAX_CHARS all but the last. InputError, naming the `argument`, for what is not text.
    """
    try:
        ids, dropped = run.manifest.symbols().encode(text.lower() if run.manifest.settings["lowercase"] else text)
    except UnicodeEncodeError:
        raise InputError(f"{argument} {text!r}: not text") from None
    left_out = []
    if dropped:
        left_out.append(f"{_named(dropped)}, not in the vocabulary")
    if len(ids) > MAX_CHARS:
        left_out.append(f"all but the last {MAX_CHARS} of {len(ids)} characters")
    for what in left_out:
        if strict:
            raise InputError(f"{argument}: would leave out {what}: change it, or go without --strict")
        print(f"{argument.removeprefix('--')}: left out {what}", file=sys.stderr)
    return [int(i) for i in ids[-MAX_CHARS:]]


def endings(texts: Iterable[str], run: Run, *, argument: str) -> tuple[list[int], ...]:
    """The ids of texts that a sample may end at; InputError for one that the model can never write."""
    found = []
    for text in texts:
        if not text:
            raise InputError(f"{argument} '': expected a text")
        found.append(encoded(text, run, argument=argument, strict=True))
    return tuple(found)


def _named(symbols: Counter[str]) -> str:
    named = ", ".join(repr(symbol) for symbol in sorted(symbols)[:NAMED])
    return f"{named} and {len(symbols) - NAMED} more" if len(symbols) > NAMED else named
