"""Many samples from one prompt, each of its own length; and a conversation between a person and a model.

The samples are generated side by side, AT_ONCE at a time. When a sample ends, a waiting sample takes its slot at once,
so a sample costs no more than its length. A slot takes only samples of its own row: sample n always stands in row
n % GROUP_ROWS of a group, because a row's rounding may depend on its position (sampler.build_stepper). So the samples
of one row may be ahead of the samples of another row.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, tee

import keras
import numpy as np
import numpy.typing as npt

from trainer.sampling.sampler import GROUP_ROWS, State, Step, build_stepper, choose, draw_numbers, replace_rows
from trainer.sampling.truncation import NO_TRUNCATION, Truncation

AT_ONCE = 64  # eight groups of rows: twice as many are hardly faster, and take twice as long to trace

Reached = Callable[[Sequence[int]], bool]  # whether a sample with these ids ends


@dataclass
class GeneratedSample:
    """A sample that grows.

    drawn: [N] random numbers in [0, 1), one for each character.
    ended: "" while the sample grows, then "stop" or "length".
    """

    number: int
    diversity: float
    drawn: npt.NDArray[np.float64]
    ids: list[int] = field(default_factory=list)
    ended: str = ""

    def append(self, symbol: int, reached: Reached) -> None:
        """Append an id, and note whether the sample ends with it."""
        self.ids.append(symbol)
        if reached(self.ids):
            self.ended = "stop"
        elif len(self.ids) == len(self.drawn):
            self.ended = "length"


def generate_samples(
    model: keras.Model,
    prompt: Sequence[int],
    diversities: Iterable[float],
    *,
    chars: int,
    seed: int,
    truncation: Truncation = NO_TRUNCATION,
    reached: Reached = lambda _: False,
) -> Iterator[GeneratedSample]:
    """Yield each sample, one for each diversity, whenever it has grown by a character.

    A sample ends after `chars` characters, or earlier where its ids have `reached` an end.
    Sample n equals row n of `continue_prompts` with draw_numbers(seed, 0, ...), whatever the other samples are.
    """
    waiting = _queue_by_row(diversities, chars=chars, seed=seed)
    first = (next(waiting[slot % GROUP_ROWS], None) for slot in range(AT_ONCE))
    slots: list[GeneratedSample | None] = [sample for sample in first if sample]
    step, logits, state = _read_prompt(model, prompt, rows=len(slots))
    prompt_logits, prompt_state = logits, state
    while any(slots):
        drawn = np.array([sample.drawn[len(sample.ids)] if sample else 0.0 for sample in slots])
        temperatures = np.array([sample.diversity if sample else 1.0 for sample in slots])
        ids = choose(logits, temperatures, drawn, truncation)
        replaced = np.zeros(len(slots), bool)
        for slot, sample in enumerate(slots):
            if sample:
                sample.append(int(ids[slot]), reached)
                if sample.ended:
                    replaced[slot], slots[slot] = True, next(waiting[slot % GROUP_ROWS], None)
                yield sample
        if any(slots):
            logits, state = step(ids, state)
        if replaced.any():
            logits = np.where(replaced[:, None], prompt_logits, logits)
            state = replace_rows(prompt_state, state, replaced)


def whole_samples(samples: Iterable[GeneratedSample]) -> Iterator[GeneratedSample]:
    """Yield the samples that have ended, in order of their numbers. The numbers start at 0 and have no gap."""
    waiting: dict[int, GeneratedSample] = {}
    number = 0
    for sample in samples:
        if sample.ended:
            waiting[sample.number] = sample
        while number in waiting:
            yield waiting.pop(number)
            number += 1


def _queue_by_row(diversities: Iterable[float], *, chars: int, seed: int) -> list[Iterator[GeneratedSample]]:
    """Return for each row of a group its samples, in order. The samples are created only when they are taken."""

    def create(numbered: Iterable[tuple[int, float]]) -> Iterator[GeneratedSample]:
        for number, diversity in numbered:
            yield GeneratedSample(number, diversity, draw_numbers(seed, 0, rows=1, chars=chars, first=number)[0])

    # `tee` keeps the diversities that some rows have taken and others have not: eight bytes for each sample.
    copies = tee(diversities, GROUP_ROWS)
    return [create(islice(enumerate(copy), row, None, GROUP_ROWS)) for row, copy in enumerate(copies)]


def _read_prompt(
    model: keras.Model, prompt: Sequence[int], *, rows: int
) -> tuple[Step, npt.NDArray[np.float32], State]:
    """Return the model as a step function, and its logits [rows, V] and state after the prompt."""
    step, state = build_stepper(model, GROUP_ROWS)  # the prompt is read once for each row of a group
    for symbol in prompt:
        logits, state = step(np.full(GROUP_ROWS, symbol, np.int32), state)
    groups = -(-rows // GROUP_ROWS)
    return step, np.tile(logits, (groups, 1))[:rows], state * groups


class Conversation:
    """A text that a person and a model write in turns. The model's state continues from turn to turn."""

    def __init__(self, model: keras.Model, start: Sequence[int]) -> None:
        """Begin the text with the ids `start`, at least one."""
        self._step, self._state = build_stepper(model, 1)
        self.read(start)

    def read(self, ids: Sequence[int]) -> None:
        """Append the ids of the person's turn."""
        for symbol in ids:
            self._logits, self._state = self._step(np.array([symbol], np.int32), self._state)

    def write(
        self, drawn: npt.NDArray[np.float64], *, diversity: float, truncation: Truncation, reached: Reached
    ) -> Iterator[list[int]]:
        """Yield the ids of the model's turn each time it has grown by one id.

        The random numbers drawn [N] decide the ids. The turn ends after N ids, or where it has `reached` an end.
        """
        ids: list[int] = []
        for number in drawn:
            ids.append(int(choose(self._logits, np.array([diversity]), np.array([number]), truncation)[0]))
            self.read(ids[-1:])
            yield ids
            if reached(ids):
                return
