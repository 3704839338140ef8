"""Many texts that continue one prompt, each of its own length.

They are made side by side, some at a time. One that has ended leaves its row to the next at once: so texts that end
early cost no more than they are long.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

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
    waiting = (
        Text(number, diversity, draws(seed, 0, rows=1, chars=chars, first=number)[0])
        for number, diversity in enumerate(diversities)
    )
    places: list[Text | None] = list(islice(waiting, AT_ONCE))
    rows = len(places)
    step, state = stepper(model, GROUP_ROWS)  # of which all are to begin as one does
    for symbol in prompt:
        logits, state = step(np.full(GROUP_ROWS, symbol, np.int32), state)
    logits, state = np.repeat(logits[:1], rows, axis=0), state * -(-rows // GROUP_ROWS)
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
                ended[place], places[place] = True, next(waiting, None)
            yield text
        if any(places):
            logits, state = step(ids, state)
        if ended.any():
            logits = np.where(ended[:, None], first_logits, logits)
            state = with_rows_of(first_state, state, ended)


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
