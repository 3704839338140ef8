"""The pipeline's summary: made into the dataset's manifest, and its counts checked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from preprocessing.dataset import manifest, records
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError

# By ("read",), ("kept",), ("duplicate",), ("rejected", reason), ("dropped", symbol), (split, name of a count), or, of a
# source by its number, ("source", number, "read") and ("source", number, "rejected").
PipelineCounts = Counter[tuple[str, ...]]


def count_rejected(counts: PipelineCounts, reason: str, *, source: int) -> None:
    """Count a rejected line by its reason, and in its source."""
    counts["rejected", reason] += 1
    counts["source", str(source), "rejected"] += 1


def build_manifest(
    summary: Mapping[str, Any],
    *,
    settings: Mapping[str, Any],
    fingerprint: str,
    sources: Sequence[Mapping[str, Any]],
    shard_rule: str,
) -> Manifest:
    """Return the manifest of the shards and counts in the pipeline's summary."""
    counts: PipelineCounts = Counter({tuple(key): count for key, count in summary["counts"]})
    vocabulary, shards = Vocabulary(summary["vocabulary"]), summary["shards"]
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
            **{name: counts[(name,)] for name in ("read", "kept", "duplicate")},
            **{name: _select(counts, name) for name in ("rejected", "dropped")},
        },
        splits={
            split: {name: counts[split, name] for name in ("reviews", "characters", "tail")}
            | {"windows": sum(shard["bytes"] // size for shard in shards if shard["split"] == split)}
            for split in manifest.SPLITS
        },
        shards=tuple(
            Shard(records=shard["bytes"] // size, **{key: shard[key] for key in shard if key != "file"})
            for shard in shards
        ),
    )


def check_counts(dataset: Manifest, *, where: str) -> None:
    """Raise InputError, which names `where`, if no review was kept or a split has no window.

    Raises RuntimeError, for our own mistake, if the counts of kept, duplicate and rejected lines do not add up.
    """
    counts = dataset.counts
    if counts["read"] != dataset.accounted_for:
        raise RuntimeError(f"{counts['read']} lines were read, {dataset.accounted_for} accounted for: {counts}")
    reasons = ", ".join(f"{reason} ({count})" for reason, count in counts["rejected"].items())
    if not counts["kept"]:
        raise InputError(f"{where}: none of its {counts['read']} lines is a review: {reasons or 'no lines'}")
    for name, split in dataset.splits.items():
        is_needed = name == "train" or dataset.settings[f"{name}_fraction"]
        if is_needed and not split["windows"]:
            raise InputError(
                f"{where}: the {name} split has {split['characters']} characters in {split['reviews']} "
                f"reviews, expected at least window_chars + 1 = {dataset.window_chars + 1} in one of "
                f"{dataset.settings['shards']} shard(s): lower window_chars or shards, or raise the split's fraction"
                + (f"; rejected: {reasons}" if reasons else "")
            )


def find_rejected_source(summary: Mapping[str, Any], names: Sequence[str], *, limit: float) -> tuple[int, str] | None:
    """Return the number and the name of the first source that is mostly rejected, with its counts, or None.

    limit: the share of a source's lines that may be rejected. Below 1, each source must have a line that is not.
    """
    counts: PipelineCounts = Counter({tuple(key): count for key, count in summary["counts"]})
    for number, name in enumerate(names):
        read, rejected = (counts["source", str(number), kind] for kind in ("read", "rejected"))
        if rejected > limit * read or (read == rejected and limit < 1):
            return number, f"{name}: {f'{rejected} of its {read} lines are no reviews' if read else 'no lines'}"
    return None


def _select(counts: PipelineCounts, name: str) -> dict[str, int]:
    return {key[1]: counts[key] for key in sorted(counts) if key[0] == name}
