"""Reviews scored by a model, and the JSON line of each review. A command and Beam's workers share this code."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from preprocessing.dataset.encoder import Encoder
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.vocabulary import CLOSE, OPEN
from preprocessing.json_format import format_json
from preprocessing.sources.review import Rejected
from trainer.scoring.detector import Detector
from trainer.scoring.review_files import ReviewLine
from trainer.scoring.scores import RANK_NAMES, Scores

if TYPE_CHECKING:
    from trainer.scoring.scorer import Scorer

LINES_AT_ONCE = 512  # the scorer looks among them for reviews of similar length
EMPTY = "no symbol of the vocabulary"


@dataclass(frozen=True)
class TextCodec:
    """Encoding of reviews as a run's dataset has it: its vocabulary, and lower case if the dataset is."""

    manifest: Manifest

    def encode(self, text: str) -> tuple[npt.NDArray[Any], int]:
        """Return the ids [n + 2] of {text}, as training saw it, and the number of symbols that were dropped."""
        vocabulary = self.manifest.symbols()
        encoder = Encoder(vocabulary, lowercase=self.manifest.settings["lowercase"])
        inside = np.frombuffer(encoder.encode(text.encode()), vocabulary.dtype)
        opening, closing = (vocabulary.encode(brace)[0] for brace in (OPEN, CLOSE))
        return np.concatenate([opening, inside, closing]), encoder.dropped.total()

    def decode(self, ids: npt.NDArray[Any]) -> str:
        """Return the text of ids [n]."""
        return self.manifest.symbols().decode(ids)


@dataclass(frozen=True)
class ScoredReview:
    """A review with its scores.

    ids: [n + 2] of {text}.
    scores: [n + 1], for all ids but the first.
    dropped: number of symbols outside the vocabulary.
    """

    line: ReviewLine
    ids: npt.NDArray[Any]
    scores: Scores
    dropped: int


@dataclass(frozen=True)
class UnscoredLine:
    """A line without scores, and the reason."""

    line: ReviewLine
    error: str


LineResult = ScoredReview | UnscoredLine


def score_reviews(lines: Iterable[ReviewLine], scorer: "Scorer", codec: TextCodec) -> Iterator[LineResult]:
    """Yield the result for each line, in order."""
    remaining = iter(lines)
    while batch := list(islice(remaining, LINES_AT_ONCE)):
        yield from _score_batch(batch, scorer, codec)


def _score_batch(lines: Sequence[ReviewLine], scorer: "Scorer", codec: TextCodec) -> Iterator[LineResult]:
    encoded = [_encode(line, codec) for line in lines]
    scores = iter(scorer([result[0] for result in encoded if not isinstance(result, UnscoredLine)]))
    for line, result in zip(lines, encoded, strict=True):
        if isinstance(result, UnscoredLine):
            yield result
        else:
            yield ScoredReview(line, result[0], next(scores), dropped=result[1])


def _encode(line: ReviewLine, codec: TextCodec) -> tuple[npt.NDArray[Any], int] | UnscoredLine:
    if isinstance(line.parsed, Rejected):
        return UnscoredLine(line, line.parsed.reason)
    ids, dropped = codec.encode(line.parsed.text)
    return (ids, dropped) if len(ids) > 2 else UnscoredLine(line, EMPTY)


def format_json_line(result: LineResult, codec: TextCodec, *, detector: Detector | None, per_char: bool) -> str:
    """Format a result as one JSON object. Shares and means have 4 digits after the point."""
    values = _json_values(result, codec, detector=detector, per_char=per_char)
    # A review's id may contain a lone surrogate, which UTF-8 cannot encode. JSON can escape it.
    return format_json(values).encode(errors="backslashreplace").decode()


def _json_values(result: LineResult, codec: TextCodec, *, detector: Detector | None, per_char: bool) -> dict[str, Any]:
    source, parsed = result.line
    values: dict[str, Any] = {} if isinstance(parsed, Rejected) else {"id": parsed.id}
    values |= {"source": source, "line": parsed.line}
    if isinstance(result, UnscoredLine):
        return values | {"error": result.error}
    scores = result.scores
    values |= {"chars": len(scores), "dropped": result.dropped, "bits_per_char": round(scores.bits_per_char, 4)}
    values |= {"mean_log_rank": round(scores.mean_log_rank, 4)}
    shares = scores.histogram / len(scores)
    values["ranks"] = {name: round(float(share), 4) for name, share in zip(RANK_NAMES, shares, strict=True)}
    if detector:
        values |= detector.judge(scores.first(len(scores) - 1))  # a text that is cut off has no closing brace
    if per_char:
        values["text"] = codec.decode(result.ids[1:])
        values["bits"] = [round(bits, 4) for bits in scores.bits.tolist()]
        values["rank"] = scores.ranks.tolist()
    return values
