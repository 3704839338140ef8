"""What the pipeline says it did, made into the dataset's manifest and added up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from preprocessing.dataset import manifest, records
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError

Counts = Counter[tuple[str, ...]]  # of ("read",), ("rejected", reason), ("dropped", symbol), (split, what)


def summed_up(
    summary: Mapping[str, Any],
    *,
    settings: Mapping[str, Any],
    fingerprint: str,
    sources: Sequence[Mapping[str, Any]],
    shard_rule: str,
) -> Manifest:
    """The manifest of what the pipeline's summary names."""
    counts: Counts = Counter({tuple(key): count for key, count in summary["counts"]})
    vocabulary, written = Vocabulary(summary["vocabulary"]), summary["shards"]
    size = records.record_bytes((settings["window_chars"] + 1) * vocabulary.dtype.itemsize)
    return Manifest(
        format=manifest.FORMAT,
        fingerprint=fingerprint,
        settings=settings,
        sources=tuple(sources),
        shard_rule=shard_rule,
        vocabulary=vocabulary.symbols,
        window_chars=settings["window_chars"],
        stride_chars=settings["stride_chars"],
        dtype=vocabulary.dtype.name,
        record_bytes=size,
        counts={
            **{what: counts[(what,)] for what in ("read", "kept", "duplicate")},
            **{what: _below(counts, what) for what in ("rejected", "dropped")},
        },
        splits={
            split: {what: counts[split, what] for what in ("reviews", "characters", "tail")}
            | {"windows": sum(shard["bytes"] // size for shard in written if shard["split"] == split)}
            for split in manifest.SPLITS
        },
        shards=tuple(
            Shard(records=shard["bytes"] // size, **{key: shard[key] for key in shard if key != "file"})
            for shard in written
        ),
    )


def check_counts(dataset: Manifest, *, place: str) -> None:
    """InputError, naming `place`, if no review was kept or a split asked for has no window.

    RuntimeError if the lines read are not those kept, duplicate and rejected: that would be our mistake.
    """
    counts = dataset.counts
    if counts["read"] != dataset.accounted_for:
        raise RuntimeError(f"{counts['read']} lines were read, {dataset.accounted_for} accounted for: {counts}")
    reasons = ", ".join(f"{reason} ({count})" for reason, count in counts["rejected"].items())
    if not counts["kept"]:
        raise InputError(f"{place}: none of its {counts['read']} lines is a review: {reasons or 'no lines'}")
    for split, found in dataset.splits.items():
        asked_for = split == "train" or dataset.settings[f"{split}_fraction"]
        if asked_for and not found["windows"]:
            raise InputError(
                f"{place}: the {split} split has {found['characters']} characters in {found['reviews']} "
                f"reviews, expected at least window_chars + 1 = {dataset.window_chars + 1} in one of "
                f"{dataset.settings['shards']} shard(s): lower window_chars or shards, or raise the split's fraction"
                + (f"; rejected: {reasons}" if reasons else "")
            )


def _below(counts: Counts, what: str) -> dict[str, int]:
    return {key[1]: counts[key] for key in sorted(counts) if key[0] == what}
