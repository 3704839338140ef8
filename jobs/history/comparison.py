"""A comparison of runs: the differences of configuration and dataset, summaries, samples of equal epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jobs.history.run_history import RunHistory, read_run_history
from jobs.history.summary import summarize, summary_rows
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from preprocessing.settings import as_mapping, flatten
from preprocessing.storage.urls import absolute, last_part
from trainer.runs.folder import open_run
from trainer.runs.samples import Sample

Runs = Mapping[str, RunHistory]  # by a name that tells the runs apart


def read_runs(urls: Sequence[str]) -> Runs:
    """Read the runs to compare. A run's name is the last part of its URL, or the URL if two last parts are equal.

    Raises InputError for a URL given twice, and for a run without metric rows.
    """
    absolute_urls = [absolute(url).rstrip("/") for url in urls]
    for number, url in enumerate(absolute_urls):
        if url in absolute_urls[:number]:
            raise InputError(f"{urls[number]}: given twice: name another run to compare it with")
    last_parts = [last_part(url) for url in absolute_urls]
    names = last_parts if len(set(last_parts)) == len(urls) else absolute_urls
    return {name: _read_run(url) for url, name in zip(urls, names, strict=True)}


def _read_run(url: str) -> RunHistory:
    history = read_run_history(open_run(url))
    if not history.trained and not history.validated:
        raise InputError(f"{url}: no metric rows yet: wait for the first row, or leave the run out")
    return history


def compare_summaries(runs: Runs) -> list[tuple[str, ...]]:
    """List the numbers of the summaries: the name of the number, then its text in each run."""
    summaries = [dict(summary_rows(summarize(history))) for history in runs.values()]
    return [(name, *(texts[name] for texts in summaries)) for name in summaries[0]]


def compare_configurations(runs: Runs) -> dict[str, list[Any]]:
    """List the configuration keys that differ, each with its value in each run."""
    return _differences([dict(flatten(as_mapping(history.run.config))) for history in runs.values()])


def compare_datasets(runs: Runs) -> dict[str, list[Any]]:
    """List the facts of the dataset manifests that differ, each with its value in each run."""
    return _differences([_facts(history.run.manifest) for history in runs.values()])


def _facts(manifest: Manifest) -> dict[str, Any]:
    sizes = {f"{split}.{name}": count for split, counts in manifest.splits.items() for name, count in counts.items()}
    sources = ", ".join(str(source["name"]) for source in manifest.sources)
    facts = {"fingerprint": manifest.fingerprint[:8], "symbols": len(manifest.vocabulary), "sources": sources}
    return {**facts, **manifest.settings, **sizes}


def _differences(mappings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    values = {key: [mapping.get(key) for mapping in mappings] for key in keys}
    return {key: row for key, row in values.items() if any(value != row[0] for value in row)}


def common_samples(runs: Runs) -> dict[int, dict[float, list[Sample]]]:
    """Return one sample of each run by epoch, newest first, and by diversity, if all runs have such a sample."""
    by_run = [
        {epoch.epoch: {sample.diversity: sample for sample in epoch.samples} for epoch in history.samples}
        for history in runs.values()
    ]
    common = {}
    for epoch in sorted(set.intersection(*map(set, by_run)), reverse=True):
        diversities = sorted(set.intersection(*(set(samples[epoch]) for samples in by_run)))
        if diversities:
            common[epoch] = {d: [samples[epoch][d] for samples in by_run] for d in diversities}
    return common


def comparison_json(runs: Runs) -> dict[str, Any]:
    """Return all of a comparison but the texts, as JSON values."""
    return {
        "runs": [
            {
                "name": name,
                "url": history.run.bucket.url,
                **asdict(summarize(history)),
                "validation": [
                    vars(row) | {"chars_trained": history.chars_trained(row.step)} for row in history.validated
                ],
            }
            for name, history in runs.items()
        ],
        "configuration": compare_configurations(runs),
        "dataset": compare_datasets(runs),
        "common_epochs": sorted(common_samples(runs)),
    }
