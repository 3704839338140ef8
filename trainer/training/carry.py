"""The conditions under which state can be carried through windows."""

from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from trainer.config import TrainConfig


def window_stride(objective: str, manifest: Manifest) -> int:
    """Return the stride at which windows share no predicted character; 1 for the objective `last`."""
    return 1 if objective == "last" else -(-manifest.window_chars // manifest.stride_chars)


def can_carry(dataset: Dataset, split: str, *, objective: str, max_bytes: int) -> bool:
    """Return whether a split can be evaluated with carried state.

    The windows that `window_stride` chooses must follow each other without a gap. The lanes read all shards of the
    split at once: copies of shards must fit in `max_bytes` together.
    """
    manifest = dataset.manifest
    fits = not dataset.is_remote or sum(shard.bytes for shard in dataset.shards(split)) <= max_bytes
    return fits and objective == "every" and manifest.window_chars % manifest.stride_chars == 0


def require_carried_windows(config: TrainConfig, dataset: Dataset) -> None:
    """Raise InputError if state is to be carried, and the windows do not follow each other or are not all predicted."""
    carry, manifest = config.carry_windows, dataset.manifest
    if carry == 1:
        return
    if manifest.stride_chars != manifest.window_chars:
        raise InputError(
            f"carry_windows={carry}: needs windows that follow each other, but the dataset has stride_chars="
            f"{manifest.stride_chars} and window_chars={manifest.window_chars}: build one where they are equal"
        )
    if config.objective != "every":
        raise InputError(f"carry_windows={carry}: needs objective=every, not {config.objective}")
    max_bytes = config.staging.max_bytes
    if not can_carry(dataset, "validation", objective=config.objective, max_bytes=max_bytes):
        raise InputError(
            f"staging.max_bytes={max_bytes}: with carry_windows={carry} the whole validation split must fit"
        )
