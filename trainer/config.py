"""TrainConfig: each key of training with its type, range, default and help text."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from preprocessing.settings import REQUIRED, STRICT, Seed, Url, key


@dataclass(frozen=True, config=STRICT, kw_only=True)
class StagingConfig:
    """Copies of shards on the local disk."""

    max_bytes: PositiveInt = key(
        4_000_000_000, "bytes of shards on the local disk at once; at least two blocks; no effect on the order"
    )


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ModelConfig:
    """The network; the defaults are the seed script's."""

    lstm_units: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = key((1024, 512), "units of each LSTM layer")
    embedding_units: NonNegativeInt = key(0, "units of the embedding; 0: one-hot")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class SampleConfig:
    """Samples after each epoch."""

    diversities: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = key(
        (0.2, 0.4, 0.6, 0.8), "temperatures, for one sample each after an epoch; 0: argmax"
    )
    chars: PositiveInt = key(400, "characters in a sample")
    prompt_chars: PositiveInt = key(256, "characters of held-out text before a sample, at most those of a window")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CheckpointConfig:
    """When checkpoints are saved, and which are kept."""

    every_seconds: PositiveFloat = key(60.0, "seconds between two checkpoints: the most work that a lost node costs")
    keep: int = key(2, "newest checkpoints kept, beside the best; 2 so that a damaged checkpoint costs no run", ge=2)
    keep_every_epochs: NonNegativeInt = key(0, "epochs between two checkpoints that are kept for good; 0: none")
    give_up_seconds: PositiveFloat = key(
        1800.0, "seconds of failed saves, or of failed reads, until the run exits with 1, for a retry"
    )


CheckpointChoice = Literal["newest", "best"] | PositiveInt  # best: the lowest validation loss; a number: a step


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ProfileConfig:
    """A trace for TensorBoard's profile tab."""

    first: PositiveInt = key(10, "steps of this start before the trace begins")
    steps: NonNegativeInt = key(0, "steps in the trace; 0: no trace")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TrainConfig:
    """Configuration of jobs.train. Model and optimizer are the seed script's by default."""

    dataset: Url = key(REQUIRED, "URL of a folder written by jobs.preprocess")
    runs: Url = key(REQUIRED, "URL of the folder of runs; this run writes runs/NAME")
    epochs: PositiveInt = key(20, "passes over the training windows")
    max_chars: NonNegativeInt = key(0, "predicted characters until training ends, if sooner; 0: epochs alone decide")
    validate_every_chars: NonNegativeInt = key(
        0, "predicted characters between two validations, each with samples; 0: only at the ends of epochs"
    )
    stop_after_worse: NonNegativeInt = key(
        0, "validations in a row without a lower loss after which training ends; 0: epochs and max_chars decide"
    )
    batch_windows: PositiveInt = key(128, "windows in one step, over all replicas; their number changes no result")
    optimizer: Literal["adam", "muon"] = key(
        "adam", "adam, as in the seed script, or muon: orthogonal updates of the recurrent matrices, Adam for the rest"
    )
    learning_rate: PositiveFloat = key(
        0.002, "the optimizer's learning rate, as in the seed script; the peak if schedule=cosine"
    )
    schedule: Literal["constant", "cosine"] = key(
        "constant", "constant, as in the seed script, or cosine: decay to a tenth at the last step"
    )
    warmup_steps: NonNegativeInt = key(0, "steps over which the learning rate rises from 0")
    clip_norm: NonNegativeFloat = key(5.0, "global norm at which gradients are clipped; 0: not clipped")
    objective: Literal["every", "last"] = key(
        "every", "every: each position predicts its next character; last: only the final position (seed script)"
    )
    carry_windows: PositiveInt = key(
        1, "neighbouring windows in a segment, through which the LSTM's state is carried; 1: each starts from zero"
    )
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = key(
        "auto",
        "auto: mixed_float16 on a GPU, mixed_bfloat16 on a CPU that is faster in it, else float32 (TF32 on a GPU)",
    )
    cpu_replicas: PositiveInt = key(
        2, "replicas on a machine without GPUs, which share its cores and each batch; for several workers, one each"
    )
    deterministic: Literal["auto"] | bool = key(
        "auto", "true: the same steps give the same bits; auto: true on CPUs, false on GPUs, where it costs speed"
    )
    seed: Seed = key(1, "seed of weights, order and samples")
    warm_start: str = key("", "URL of a run, or of Keras weights (.h5, .keras), to start from; empty: random weights")
    warm_start_vocabulary: Url = key("seed", "symbols of a .h5 file, which holds none: seed, or URL of a symbol table")
    log_every_steps: PositiveInt = key(10, "steps between two rows of metrics.jsonl")
    block_windows: PositiveInt = key(2_000_000, "windows shuffled together; bounds the shards in use at once")
    grace_seconds: PositiveFloat = key(
        15.0, "seconds from SIGTERM to the exit: 143 if all is saved, else 1; a spot machine has about 15"
    )
    stall_seconds: NonNegativeFloat = key(
        600.0, "seconds without a step, batch, sampled character or shard before a stack trace and exit code 1; 0: off"
    )
    min_gpus: NonNegativeInt = key(0, "GPUs that this machine must have; with fewer the run exits with 1, for a retry")
    metrics_port: int = key(0, "port of Prometheus's /metrics and of the probe's /healthz; 0: none", ge=0, le=65535)
    report: Literal["never", "end", "epoch", "checkpoint"] = key(
        "end",
        "when report.html is written: never, at the end, or also after each validation (epoch) or each checkpoint",
    )
    staging: StagingConfig = StagingConfig()
    model: ModelConfig = ModelConfig()
    sample: SampleConfig = SampleConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    profile: ProfileConfig = ProfileConfig()


# A run may continue with other values of these keys and sections, because they change no result.
# The dataset may move, for instance; its fingerprint must stay the same. `deterministic` decides only whether a
# restart repeats the bits, and replicas on a CPU change only the rounding of sums, as the number of GPUs does.
CHANGEABLE = frozenset(
    {
        *("dataset", "runs", "staging", "checkpoint", "report", "profile"),
        *("grace_seconds", "stall_seconds", "min_gpus", "metrics_port", "deterministic", "cpu_replicas"),
    }
)
