"""The samples after an epoch, as objects for the run's folder."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import keras
import numpy as np

from preprocessing.dataset.vocabulary import Vocabulary
from trainer.config import TrainConfig
from trainer.data.order import hashed
from trainer.data.windows import Windows
from trainer.runs.samples import Sample, as_json, as_text, name_of
from trainer.sampling.sampler import continue_prompts, draws, stepper


class Shown(Protocol):
    """Told the samples of each epoch, as TensorBoard is."""

    def __call__(self, samples: Sequence[Sample], *, step: int) -> None: ...


class SampleWriter:
    """Continues one held-out prompt, another each epoch, at all diversities in one batch."""

    def __init__(
        self,
        model: keras.Model,
        held_out: Windows,
        vocabulary: Vocabulary,
        config: TrainConfig,
        should_stop: Callable[[], bool],
        *,
        show: Shown,
    ) -> None:
        self._model, self._held_out, self._vocabulary = model, held_out, vocabulary
        self._config, self._should_stop, self._show = config, should_stop, show

    def __call__(self, epoch: int, step: int) -> Mapping[str, bytes]:
        seed, sample = self._config.seed, self._config.sample
        prompt = self._prompt(epoch)[: sample.prompt_chars]
        rows = len(sample.diversities)
        ids = continue_prompts(
            *stepper(self._model, rows),
            np.repeat(prompt[None], rows, axis=0),
            diversities=sample.diversities,
            drawn=draws(seed, epoch, rows=rows, chars=sample.chars),
            should_stop=self._should_stop,
        )
        decode = self._vocabulary.decode
        samples = [Sample(d, decode(prompt), decode(row)) for d, row in zip(sample.diversities, ids, strict=True)]
        self._show(samples, step=step)
        name = name_of(epoch)
        return {
            f"{name}.txt": as_text(samples, title=f"epoch {epoch}, step {step}").encode(),
            f"{name}.json": as_json(samples, epoch=epoch, step=step),
        }

    def _prompt(self, epoch: int) -> np.ndarray:
        shards, rows = self._held_out.every(1)
        chosen = int(hashed((self._config.seed, epoch), 1)[0] % np.uint64(len(rows)))
        window: np.ndarray = self._held_out.read(shards[chosen : chosen + 1], rows[chosen : chosen + 1])[0]
        return window
