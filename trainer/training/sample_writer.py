"""Samples after a validation, as objects for the run's folder."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import keras
import numpy as np

from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import Stopped
from trainer.config import TrainConfig
from trainer.data.hashing import hash_key
from trainer.data.windows import Windows
from trainer.runs.samples import EpochSamples, Sample
from trainer.runtime.stop_agreement import StopAgreement
from trainer.sampling.sampler import build_stepper, continue_prompts, draw_numbers


class ShowSamples(Protocol):
    """A display of samples, such as TensorBoard."""

    def __call__(self, samples: Sequence[Sample], *, step: int) -> None: ...


class SampleWriter:
    """Samples one held-out prompt at all diversities in one batch. The prompt changes with each epoch.

    `agreement` is the workers', `should_stop` this worker's own. `ends_epoch` tells whether an epoch ends after so many
    steps.
    """

    def __init__(
        self,
        model: keras.Model,
        held_out: Windows,
        vocabulary: Vocabulary,
        config: TrainConfig,
        agreement: StopAgreement,
        *,
        ends_epoch: Callable[[int], bool],
        chief: bool,
        should_stop: Callable[[], bool],
        show: ShowSamples,
    ) -> None:
        self._model, self._held_out, self._vocabulary, self._config = model, held_out, vocabulary, config
        self._agreement, self._chief, self._should_stop, self._show = agreement, chief, should_stop, show
        self._ends_epoch = ends_epoch

    def __call__(self, epoch: int, step: int) -> Mapping[str, bytes]:
        """Return the samples of this step as objects by name. Only the chief samples; the other workers wait for it.

        Raises Stopped if any worker must stop.
        """
        with self._agreement.barrier_at_end():
            objects = self._sample(epoch, step) if self._chief else {}
        if self._agreement():
            raise Stopped
        return objects

    def _sample(self, epoch: int, step: int) -> Mapping[str, bytes]:
        seed, config = self._config.seed, self._config.sample
        prompt = self._prompt(epoch)[: config.prompt_chars]
        rows = len(config.diversities)
        ids = continue_prompts(
            *build_stepper(self._model, rows),
            np.repeat(prompt[None], rows, axis=0),
            diversities=config.diversities,
            drawn=draw_numbers(seed, epoch, rows=rows, chars=config.chars),
            should_stop=self._should_stop,
        )
        decode = self._vocabulary.decode
        texts = zip(config.diversities, ids, strict=True)
        samples = tuple(Sample(diversity, decode(prompt), decode(row)) for diversity, row in texts)
        self._show(samples, step=step)
        return EpochSamples(epoch, step, samples).objects(within_epoch=not self._ends_epoch(step))

    def _prompt(self, epoch: int) -> np.ndarray:
        shards, rows = self._held_out.strided_rows(1)
        index = int(hash_key((self._config.seed, epoch), 1)[0] % np.uint64(len(rows)))
        window: np.ndarray = self._held_out.read(shards[index : index + 1], rows[index : index + 1])[0]
        return window
