"""The keys of each job's configuration, with their types and ranges; the defaults stand in `<job>.yaml`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=0.5)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Url = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Preprocess:
    input: Url | Annotated[tuple[Url, ...], Field(min_length=1)]
    output: Url
    window_chars: Annotated[int, Field(ge=2, le=65536)]
    stride_chars: Annotated[int, Field(ge=1, le=65536)]
    vocabulary: Url
    lowercase: bool
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]
    test_fraction: Fraction
    replace: bool
    shards: Literal["auto"] | Annotated[int, Field(ge=1, le=99999)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Model:
    lstm_units: Annotated[tuple[Count, ...], Field(min_length=1)]
    embedding_units: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Sample:
    diversities: Annotated[tuple[NotNegative, ...], Field(min_length=1)]
    chars: Count
    prompt_chars: Count


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Checkpoint:
    every_seconds: Positive
    keep: Annotated[int, Field(ge=2)]
    keep_every_epochs: Annotated[int, Field(ge=0)]
    give_up_seconds: Positive


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Staging:
    max_bytes: Count


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Profile:
    first: Count
    steps: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Train:
    dataset: Url
    runs: Url
    epochs: Count
    max_chars: Annotated[int, Field(ge=0)]
    batch_windows: Count
    learning_rate: Positive
    schedule: Literal["constant", "cosine"]
    warmup_steps: Annotated[int, Field(ge=0)]
    clip_norm: NotNegative
    objective: Literal["every", "last"]
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
    seed: Seed
    warm_start: str
    warm_start_vocabulary: Url
    log_every_steps: Count
    block_windows: Count
    grace_seconds: Positive
    stall_seconds: NotNegative
    min_gpus: Annotated[int, Field(ge=0)]
    metrics_port: Annotated[int, Field(ge=0, le=65535)]
    report: Literal["never", "end", "epoch", "checkpoint"]
    staging: Staging
    model: Model
    sample: Sample
    checkpoint: Checkpoint
    profile: Profile


@dataclass(frozen=True, config=STRICT, kw_only=True)
class DemoReviews:
    output: Url
    reviews: Count
    seed: Seed


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Evaluate:
    dataset: str
    split: Literal["train", "validation", "test"]
    batch_windows: Count


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Promote(Evaluate):
    min_gain_bits: NotNegative


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Retrain:
    reviews: Url | Annotated[tuple[Url, ...], Field(min_length=1)]
    bucket: Url
    preprocess: str
    train: str
    promote: str
