"""Reviews into a dataset of TFRecord character windows.

    python -m jobs.preprocess --set input=URL --set output=URL [Beam options]

A URL is a local path or gs://bucket/path. Options that are not keys go to Beam: --runner=DataflowRunner and
what it needs. The same source with the same settings, already there: nothing to do. Otherwise the new
shards are written beside the old ones, the manifest takes their place in one write, and the old ones go.
Lines that are no reviews go to OUTPUT/rejected with their number and reason.
"""

import json
import logging
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobs import command, schema
from jobs.inputs import Source, find, fingerprint_of, load_vocabulary, shard_count
from jobs.storage import Bucket, open_bucket
from preprocessing import manifest, records
from preprocessing.errors import InputError
from preprocessing.manifest import Manifest, Shard
from preprocessing.shards import SPLIT_RULE, Cut
from preprocessing.summary import check_counts, summed_up
from preprocessing.verification import check_digest, check_records
from preprocessing.vocabulary import Vocabulary

log = logging.getLogger(__name__)

DEFAULT = Path(__file__).with_name("preprocess.yaml")
# All that a run writes beside the manifest, and all that it may delete: a user's files may lie there too.
OURS = re.compile(
    rf"(({'|'.join(manifest.SPLITS)})-\d{{5}}-of-\d{{5}}-TAG\.tfrecord|rejected/TAG-\d+-\d+\.jsonl|summary-TAG\.json"
    r"|building-TAG)(\.[0-9a-f]{32}\.partial)?".replace("TAG", "[0-9a-f]{8}")
)


def main(argv: Sequence[str] | None = None) -> None:
    config, _, beam_options = command.configured(__doc__, schema.Preprocess, DEFAULT, argv)
    started = time.monotonic()
    if config.stride_chars > config.window_chars:
        raise InputError(
            f"stride_chars={config.stride_chars}: expected at most window_chars={config.window_chars}, "
            "or characters between the windows would be lost"
        )
    vocabulary = load_vocabulary(config.vocabulary)
    sources = find(config.input)
    settings = _settings(config, vocabulary, sources)
    fingerprint = fingerprint_of(settings, sources)
    output = open_bucket(config.output)
    old = _read_manifest(output)
    if old is not None and old.fingerprint == fingerprint:
        if _is_whole(output, old):
            log.info("%s: these sources with these settings are there already, nothing to do", config.output)
            return
        output.delete(manifest.NAME)  # its shards are about to be written again, under the same names
    log.info("%s: reading %d file(s), %.1f MB", config.input, len(sources), sum(s.bytes for s in sources) / 1e6)
    tag = fingerprint[:8]
    output.write(f"building-{tag}", b"")  # shows that the output can be written, before the work and not after it
    try:
        dataset = _build(config, settings, vocabulary, sources, fingerprint, tag, output, beam_options)
        output.write(manifest.NAME, dataset.to_json())
    except BaseException:
        _sweep(output, [name for name in output.names() if tag in name])
        raise
    kept = {shard.name for shard in dataset.shards}
    _sweep(output, [n for n in output.names() if n not in kept and not n.startswith(f"rejected/{tag}-")])
    _report(dataset, config.output, time.monotonic() - started)


def _settings(config: schema.Preprocess, vocabulary: Vocabulary | None, sources: Sequence[Source]) -> dict[str, Any]:
    """All that, with the sources, decides the dataset's bytes."""
    ids = config.window_chars + 1
    itemsize = vocabulary.dtype.itemsize if vocabulary else 1
    return {
        "window_chars": config.window_chars,
        "stride_chars": config.stride_chars,
        "vocabulary": vocabulary.symbols if vocabulary else "auto",
        "lowercase": config.lowercase,
        "validation_fraction": config.validation_fraction,
        "test_fraction": config.test_fraction,
        "split_rule": SPLIT_RULE,
        "shards": shard_count(sources, records.record_bytes(ids * itemsize), config.stride_chars)
        if config.shards == "auto"
        else config.shards,
    }


def _read_manifest(output: Bucket) -> Manifest | None:
    """The manifest that stands in the output; one that cannot be read is as good as none."""
    try:
        return manifest.from_json(output.read(manifest.NAME), place=manifest.NAME)
    except FileNotFoundError:
        return None
    except InputError as error:
        log.warning("%s: %s; writing the dataset anew", output.url, error)
        return None


def _is_whole(output: Bucket, dataset: Manifest) -> bool:
    names = set(output.names())
    return all(s.name in names and output.size(s.name) == s.bytes for s in dataset.shards)


def _build(
    config: schema.Preprocess,
    settings: dict[str, Any],
    vocabulary: Vocabulary | None,
    sources: Sequence[Source],
    fingerprint: str,
    tag: str,
    output: Bucket,
    beam_options: Sequence[str],
) -> Manifest:
    """Runs the pipeline and holds what it wrote against what it says it wrote."""
    from preprocessing import pipeline  # Beam takes a second to import: not before the checks above

    cut = Cut(
        window_chars=config.window_chars,
        stride_chars=config.stride_chars,
        lowercase=config.lowercase,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
    )
    pipeline.run(
        urls=[source.url for source in sources],
        names=[source.name for source in sources],
        output=output.url,
        tag=tag,
        cut=cut,
        vocabulary=vocabulary,
        shard_count=settings["shards"],
        # Not DirectRunner, Beam's default, which hands over to a program that it downloads.
        options=["--runner=FnApiRunner", *beam_options],
    )
    summary = json.loads(output.read(pipeline.summary_name(tag)))
    if summary["faults"]:
        raise InputError(summary["faults"][0])
    content = [{"name": source.name, "bytes": source.bytes, "crc32c": source.crc32c} for source in sources]
    dataset = summed_up(summary, settings=settings, fingerprint=fingerprint, sources=content)
    check_counts(dataset, place=config.input)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda shard: _verify(output, dataset, shard), dataset.shards))
    return dataset


def _verify(output: Bucket, dataset: Manifest, shard: Shard) -> None:
    data = output.read(shard.name)
    place = f"{output.url}/{shard.name}"
    check_digest(data, shard, place=place)
    check_records(data, dataset, place=place)


def _sweep(output: Bucket, names: Sequence[str]) -> None:
    for name in names:
        if OURS.fullmatch(name):
            output.delete(name)


def _report(dataset: Manifest, url: str, seconds: float) -> None:
    counts, rejected = dataset.counts, sum(dataset.counts["rejected"].values())
    log.info(
        "%d lines read = %d reviews kept + %d duplicate + %d rejected; %d characters dropped",
        *(counts["read"], counts["kept"], counts["duplicate"], rejected, sum(counts["dropped"].values())),
    )
    for split, found in dataset.splits.items():
        log.info(
            "%-10s %8d reviews %12d characters %10d windows",
            split,
            found["reviews"],
            found["characters"],
            found["windows"],
        )
    log.info("%s: %d shards, %d symbols, %.1f s", url, len(dataset.shards), len(dataset.vocabulary), seconds)


if __name__ == "__main__":
    command.run(main)
