"""Reviews through a model, and the line of JSON that each becomes; the same here and on Beam's workers."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from preprocessing.dataset.encoder import Encoder
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.vocabulary import CLOSE, OPEN
from preprocessing.sources.review import Rejected
from trainer.scoring.detector import Detector
from trainer.scoring.review_texts import Text
from trainer.scoring.scores import RANK_NAMES, Scores

if TYPE_CHECKING:
    from trainer.scoring.scorer import Scorer

TEXTS_AT_ONCE = 512  # among which those of like length are found
EMPTY = "no symbol of the vocabulary"


@dataclass(frozen=True)
class Alphabet:
    """How a run's dataset has its texts written: in which symbols, and whether in lower case."""

    manifest: Manifest

    def encode(self, text: str) -> tuple[npt.NDArray[Any], int]:
        """The ids of {text} as training saw it, [n + 2], and how many characters were left out."""
        vocabulary = self.manifest.symbols()
        encoder = Encoder(vocabulary, lowercase=self.manifest.settings["lowercase"])
        inside = np.frombuffer(encoder.encode(text.encode()), vocabulary.dtype)
        opening, closing = (vocabulary.encode(brace)[0] for brace in (OPEN, CLOSE))
        return np.concatenate([opening, inside, closing]), encoder.dropped.total()

    def decode(self, ids: npt.NDArray[Any]) -> str:
        return self.manifest.symbols().decode(ids)


@dataclass(frozen=True)
class Scored:
    """A text through the model. ids: [n + 2] of {text}; scores: [n + 1] of all but the first."""

    text: Text
    ids: npt.NDArray[Any]
    scores: Scores
    dropped: int


@dataclass(frozen=True)
class Unread:
    """A text that has no scores, and why."""

    text: Text
    error: str


def scored(texts: Iterable[Text], scorer: "Scorer", alphabet: Alphabet) -> Iterator[Scored | Unread]:
    """What becomes of each text, in order."""
    left = iter(texts)
    while some := list(islice(left, TEXTS_AT_ONCE)):
        yield from _together(some, scorer, alphabet)


def _together(texts: Sequence[Text], scorer: "Scorer", alphabet: Alphabet) -> Iterator[Scored | Unread]:
    encoded = [_encoded(text, alphabet) for text in texts]
    found = iter(scorer([one[0] for one in encoded if not isinstance(one, Unread)]))
    for text, one in zip(texts, encoded, strict=True):
        yield one if isinstance(one, Unread) else Scored(text, one[0], next(found), dropped=one[1])


def _encoded(text: Text, alphabet: Alphabet) -> tuple[npt.NDArray[Any], int] | Unread:
    if isinstance(text.found, Rejected):
        return Unread(text, text.found.reason)
    ids, dropped = alphabet.encode(text.found.text)
    return (ids, dropped) if len(ids) > 2 else Unread(text, EMPTY)


def as_line(
    found: Scored | Unread, alphabet: Alphabet, *, detector: Detector | None = None, per_char: bool = False
) -> str:
    """One JSON object. Shares and means are rounded to 4 digits after the point."""
    line = _values(found, alphabet, detector=detector, per_char=per_char)
    # An id may have half a surrogate pair in it, which is no text but in JSON's own writing.
    return json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace").decode()


def _values(found: Scored | Unread, alphabet: Alphabet, *, detector: Detector | None, per_char: bool) -> dict[str, Any]:
    text = found.text
    line: dict[str, Any] = {} if isinstance(text.found, Rejected) else {"id": text.found.id}
    line |= {"source": text.source, "line": text.found.line}
    if isinstance(found, Unread):
        return line | {"error": found.error}
    scores = found.scores
    line |= {"chars": len(scores), "dropped": found.dropped, "bits_per_char": round(scores.bits_per_char, 4)}
    line |= {"mean_log_rank": round(scores.mean_log_rank, 4)}
    shares = scores.histogram / len(scores)
    line["ranks"] = {name: round(float(share), 4) for name, share in zip(RANK_NAMES, shares, strict=True)}
    if detector:
        line |= detector.verdict(scores.first(len(scores) - 1))  # a text that is cut off has no closing brace
    if per_char:
        line["text"] = alphabet.decode(found.ids[1:])
        line["bits"] = [round(bits, 4) for bits in scores.bits.tolist()]
        line["rank"] = scores.ranks.tolist()
    return line
