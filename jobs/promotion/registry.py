"""The model registry: current.json in a folder of models, which names the model in production.

    current.json    {"format": 1, "models": [{...}, ...]}, newest first; the first is production
    reports/        the decision on each candidate (decision.py)

current.json is written with compare-and-swap: if two promotions run at once, one raises Conflict and changes nothing.
No entry is ever deleted, so current.json is also the history. The weights stay in the runs' folders. An entry names
its checkpoint by file and SHA-256.
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
from trainer.runs.checkpoint_index import CheckpointFile
from trainer.runtime.machine import utc_now

CURRENT = "current.json"
FORMAT = 1


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PromotedModel:
    """An entry of current.json: one promotion.

    The checkpoint was evaluated on `chars` characters of a `split` of the dataset with fingerprint `dataset`.
    `gain_bits` are bits per character gained over the model before, None without comparison. `promoted` is a time in
    UTC. `previous` is the number of the model that a rollback returns to.
    """

    number: int
    run: str
    checkpoint: CheckpointFile
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
    models: Annotated[tuple[PromotedModel, ...], Field(min_length=1)]


class ModelRegistry:
    """The promoted models as of construction. `history` is newest first, () before the first promotion.

    Raises InputError if current.json is damaged or has a newer format.
    """

    def __init__(self, url: str) -> None:
        self.bucket = open_bucket(url)
        self.url = self.bucket.url
        self._current = VersionedObject(self.bucket, CURRENT)
        data = self._current.read()
        self.history = () if data is None else parse_models(data, where=f"{self.url}/{CURRENT}")

    @property
    def production(self) -> PromotedModel | None:
        """The newest model, None before the first promotion."""
        return self.history[0] if self.history else None

    def promote(self, model: PromotedModel) -> None:
        """Make a model production. Raises Conflict, and changes nothing, if another process promoted meanwhile."""
        history = (model, *self.history)
        self._current.write(encode_models(history))
        self.history = history

    def roll_back(self) -> PromotedModel:
        """Make the model before production production again, as a new entry. Repeated rollbacks go further back.

        Raises InputError if there is no model before, or if its checkpoint is missing; Conflict as promote.
        """
        production = self.production
        if production is None or production.previous is None:
            reason = f"number {production.number} replaced no model" if production else f"no {CURRENT}"
            raise InputError(f"{self.url}: nothing to roll back to: {reason}")
        target = next(model for model in self.history if model.number == production.previous)
        try:
            open_bucket(target.run).stat(target.checkpoint)
        except FileNotFoundError as error:
            raise InputError(f"{error}: missing: cannot roll back to number {target.number}") from None
        reason = f"rolled back from number {production.number}"
        model = replace(target, number=production.number + 1, reason=reason, promoted=utc_now())
        self.promote(model)
        return model


def encode_models(history: Sequence[PromotedModel]) -> bytes:
    """Return the content of current.json for these models, newest first."""
    return encode_json(_Current(FORMAT, tuple(history)))


def parse_models(data: bytes, *, where: str) -> tuple[PromotedModel, ...]:
    """Return the models of current.json, newest first. Raises InputError, which names `where`, for other data."""
    what = "an index of promoted models"
    return parse_json(_Current, data, what=what, where=where, newest_format=FORMAT, check=_check_numbers).models


def _check_numbers(current: _Current) -> None:
    models = current.models
    if [model.number for model in models] != list(range(len(models), 0, -1)):
        raise ValueError("its models are not numbered in sequence")
    if any(model.previous is not None and not 0 < model.previous < model.number for model in models):
        raise ValueError("the `previous` of a model is not an earlier number")
