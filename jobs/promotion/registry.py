"""Which model is in production: current.json, in a folder of models.

    current.json    {"format": 1, "models": [{...}, ...]}, newest first; the first is production
    reports/        what was decided of each candidate, and why (decision.py)

current.json is written on the condition that it still is as it was read: of two promotions at once one gets a
Conflict and has changed nothing. Nothing is ever dropped from it, so it is the history as well. The weights stay
in the runs' folders, each checkpoint named by its file and SHA-256.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from preprocessing.errors import InputError
from preprocessing.json_format import encode_json, parse_json
from preprocessing.settings import STRICT
from preprocessing.storage.bucket import VersionedObject
from preprocessing.storage.urls import open_bucket
from trainer.runtime.machine import utc_now

CURRENT = "current.json"
FORMAT = 1


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Model:
    """One promotion. `dataset` is the fingerprint of that whose `split` the checkpoint was judged on, over `chars`
    characters; `gain_bits` by how many bits per character it was better than production, None where nothing was
    compared; `promoted` a time in UTC; `previous` the number that a rollback from it goes back to."""

    number: int
    run: str
    checkpoint: Annotated[str, Field(pattern=r"^checkpoints/\w[-.\w]*$")]
    sha256: str
    step: int
    dataset: str
    split: str
    chars: int
    bits_per_char: float
    gain_bits: float | None
    reason: str
    promoted: str
    previous: int | None


@dataclass(frozen=True, config=STRICT)
class _Current:
    format: int
    models: Annotated[tuple[Model, ...], Field(min_length=1)]


class Models:
    """The models as they were when this was made; `history` is newest first, () before the first promotion.

    InputError if current.json is damaged or of a newer format.
    """

    def __init__(self, url: str) -> None:
        self.bucket = open_bucket(url)
        self.url = self.bucket.url
        self._current = VersionedObject(self.bucket, CURRENT)
        data = self._current.read()
        self.history: tuple[Model, ...] = () if data is None else parse(data, where=f"{self.url}/{CURRENT}")

    @property
    def production(self) -> Model | None:
        """The newest; None before the first promotion."""
        return self.history[0] if self.history else None

    def add(self, model: Model) -> None:
        """Makes it production. Raises Conflict, with nothing changed, if another process was first."""
        history = (model, *self.history)
        self._current.write(to_json(history))
        self.history = history

    def roll_back(self) -> Model:
        """Makes what production replaced production again, as a new entry; a second time goes further back.

        InputError if it replaced nothing, or its checkpoint is no longer there; Conflict as for `add`.
        """
        now = self.production
        if now is None or now.previous is None:
            found = f"number {now.number} replaced no other" if now else f"no {CURRENT}"
            raise InputError(f"{self.url}: nothing to go back to: {found}")
        target = next(model for model in self.history if model.number == now.previous)
        try:
            open_bucket(target.run).stat(target.checkpoint)
        except FileNotFoundError as error:
            raise InputError(f"{error}: missing: no way back to number {target.number}") from None
        reason = f"rolled back from number {now.number}"
        model = replace(target, number=now.number + 1, reason=reason, promoted=utc_now())
        self.add(model)
        return model


def to_json(history: Sequence[Model]) -> bytes:
    """The content of current.json for these models, newest first."""
    return encode_json(_Current(FORMAT, tuple(history)))


def parse(data: bytes, *, where: str) -> tuple[Model, ...]:
    """Return the models that current.json names, newest first. Raises InputError, which names `where`, otherwise."""
    what = "an index of promoted models"
    return parse_json(_Current, data, what=what, where=where, newest_format=FORMAT, check=_check_numbers).models


def _check_numbers(current: _Current) -> None:
    models = current.models
    if [model.number for model in models] != list(range(len(models), 0, -1)):
        raise ValueError("its models are not numbered one after the other")
    if any(model.previous is not None and not 0 < model.previous < model.number for model in models):
        raise ValueError("a model's previous one is not before it")
