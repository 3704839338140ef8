"""Several runs beside each other: what differs between them, and what each came to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from jobs.cli import config
from jobs.history import run_history
from jobs.history.figures import Figures, figures
from jobs.history.run_history import History
from jobs.history.summary import chars_trained
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from preprocessing.storage.urls import absolute
from trainer.data.plan import Plan
from trainer.runs.folder import Run, open_run, plan_of
from trainer.runs.metric_rows import Row
from trainer.runs.samples import Sample


@dataclass(frozen=True)
class Compared:
    """One of the runs, with the name that tells it from the others."""

    name: str
    run: Run
    plan: Plan
    history: History

    @property
    def figures(self) -> Figures:
        return figures(self.run, self.plan, self.history)

    def chars(self, row: Row) -> int:
        """The characters that were trained until the row."""
        return chars_trained(self.run, self.plan, row.step)


def compared(urls: Sequence[str]) -> list[Compared]:
    """The runs at these URLs; InputError, naming it, for one given twice or that has no row of metrics yet."""
    places = [absolute(url).rstrip("/") for url in urls]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{urls[number]}: given twice: name another run to compare it with")
    last = [place.rpartition("/")[2] for place in places]
    names = last if len(set(last)) == len(last) else places
    return [_compared(url, name) for url, name in zip(urls, names, strict=True)]


def _compared(url: str, name: str) -> Compared:
    run = open_run(url)
    found = run_history.read(run.bucket)
    if not found.trained and not found.validated:
        raise InputError(f"{url}: no row of metrics yet: wait for its first, or leave the run out")
    return Compared(name, run, plan_of(run.config, run.manifest), found)


def configurations(runs: Sequence[Compared]) -> dict[str, list[Any]]:
    """Each key of the configuration whose value is not the same in all runs, with the value of each."""
    return _different([dict(config.keys(yaml.safe_load(config.as_yaml(one.run.config)))) for one in runs])


def datasets(runs: Sequence[Compared]) -> dict[str, list[Any]]:
    """The same of what the manifests say of their datasets."""
    return _different([_facts(one.run.manifest) for one in runs])


def _facts(manifest: Manifest) -> dict[str, Any]:
    sizes = {f"{split}.{name}": count for split, counts in manifest.splits.items() for name, count in counts.items()}
    sources = ", ".join(str(source["name"]) for source in manifest.sources)
    more = {"fingerprint": manifest.fingerprint[:8], "symbols": len(manifest.vocabulary), "sources": sources}
    return {**more, **manifest.settings, **sizes}


def _different(values: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    keys = dict.fromkeys(key for one in values for key in one)
    found = {key: [one.get(key) for one in values] for key in keys}
    return {key: row for key, row in found.items() if any(value != row[0] for value in row)}


def samples(runs: Sequence[Compared]) -> dict[int, dict[float, list[Sample]]]:
    """By epoch, the last first, and by diversity: a sample of each run, where all have one."""
    of = [
        {epoch.epoch: {sample.diversity: sample for sample in epoch.samples} for epoch in one.history.samples}
        for one in runs
    ]
    epochs = sorted(set.intersection(*(set(one) for one in of)), reverse=True)
    shared = {epoch: sorted(set.intersection(*(set(one[epoch]) for one in of))) for epoch in epochs}
    return {
        epoch: {diversity: [one[epoch][diversity] for one in of] for diversity in diversities}
        for epoch, diversities in shared.items()
        if diversities
    }


def numbers(runs: Sequence[Compared]) -> dict[str, Any]:
    """All of it but the texts, for a script."""
    return {
        "runs": [
            {
                "name": one.name,
                "url": one.run.bucket.url,
                **asdict(one.figures),
                "validation": [vars(row) | {"chars_trained": one.chars(row)} for row in one.history.validated],
            }
            for one in runs
        ],
        "configuration": configurations(runs),
        "dataset": datasets(runs),
        "common_epochs": sorted(samples(runs)),
    }
