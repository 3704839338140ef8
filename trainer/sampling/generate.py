"""Many texts that continue one prompt, each of its own length.

The texts are made side by side, AT_ONCE at a time. A text that has ended leaves its place to a waiting text at once, so
a text costs no more than it is long. A place takes only texts of its own row: text n always stands in row
n % GROUP_ROWS of a group, because a row's rounding may depend on its position (sampler.stepper). So the texts
of one row may be some way ahead of the texts of another.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, tee

import keras
import numpy as np
import numpy.typing as npt

from trainer.sampling.sampler import GROUP_ROWS, choose, draws, stepper, with_rows_of
from trainer.sampling.truncation import ALL, Limits

AT_ONCE = 64  # eight groups of rows: twice as many are hardly faster, and take twice as long to trace


@dataclass
class Text:
    """One of them: its ids so far, and why it has ended, `length` or `stop`, once it has."""

    number: int
    diversity: float
    drawn: npt.NDArray[np.float64]
    ids: list[int] = field(default_factory=list)
    ended: str = ""


def texts(
    model: keras.Model,
    prompt: Sequence[int],
    diversities: Iterable[float],
    *,
    chars: int,
    seed: int,
    limits: Limits = ALL,
    reached: Callable[[Sequence[int]], bool] = lambda _: False,
) -> Iterator[Text]:
    """Each text, one at each of the diversities, whenever it has grown by a character, up to `chars` or to where its
    ids have `reached` an end.

    Text number n is that of row n that `generate` makes of draws(seed, 0, ...), whatever the others are.
    """
    # Each row's own texts. `tee` keeps what some rows have passed and others have not: eight bytes a text.
    waiting = [
        _texts(islice(enumerate(every), row, None, GROUP_ROWS), chars=chars, seed=seed)
        for row, every in enumerate(tee(diversities, GROUP_ROWS))
    ]
    begin = (next(waiting[place % GROUP_ROWS], None) for place in range(AT_ONCE))
    places: list[Text | None] = [text for text in begin if text]
    rows = len(places)
    step, state = stepper(model, GROUP_ROWS)  # the prompt, once for each row of a group
    for symbol in prompt:
        logits, state = step(np.full(GROUP_ROWS, symbol, np.int32), state)
    groups = -(-rows // GROUP_ROWS)
    logits, state = np.tile(logits, (groups, 1))[:rows], state * groups
    first_logits, first_state = logits, state
    while any(places):
        drawn = np.array([text.drawn[len(text.ids)] if text else 0.0 for text in places])
        temperatures = np.array([text.diversity if text else 1.0 for text in places])
        ids = choose(logits, temperatures, drawn, limits)
        ended = np.zeros(rows, bool)
        for place, text in enumerate(places):
            if text is None:
                continue
            text.ids.append(int(ids[place]))
            if reached(text.ids):
                text.ended = "stop"
            elif len(text.ids) == chars:
                text.ended = "length"
            if text.ended:
                ended[place], places[place] = True, next(waiting[place % GROUP_ROWS], None)
            yield text
        if any(places):
            logits, state = step(ids, state)
        if ended.any():
            logits = np.where(ended[:, None], first_logits, logits)
            state = with_rows_of(first_state, state, ended)


def _texts(numbered: Iterable[tuple[int, float]], *, chars: int, seed: int) -> Iterator[Text]:
    """Yield a new Text for each number and diversity."""
    for number, diversity in numbered:
        yield Text(number, diversity, draws(seed, 0, rows=1, chars=chars, first=number)[0])


def in_order(found: Iterable[Text]) -> Iterator[Text]:
    """The texts that have ended, by their numbers, which begin at 0 and leave none out."""
    waiting: dict[int, Text] = {}
    turn = 0
    for text in found:
        if text.ended:
            waiting[text.number] = text
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1
