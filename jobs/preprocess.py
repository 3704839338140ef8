"""Reviews into a dataset of TFRecord character windows.

    python -m jobs.preprocess --set input=URL --set output=URL [Beam options]

A URL is a local path or gs://bucket/path. Options that are not keys go to Beam: --runner=DataflowRunner and
what it needs. The same source with the same settings, already there: nothing to do. Otherwise the new
shards are written beside the old ones, the manifest takes their place in one write, and the old ones go.
Lines that are no reviews go to OUTPUT/rejected with their number and reason.
"""

import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jobs.cli import command
from jobs.terminal.table import table
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import Conflict, InputError, Stopped
from preprocessing.pipeline.publish import Build, whole
from preprocessing.pipeline.recipe import Recipe, read_recipe, read_sources
from preprocessing.pipeline.shard_count import partition_count
from preprocessing.pipeline.summary import check_counts, summed_up
from preprocessing.sources.find import changes, described
from preprocessing.storage.urls import absolute, open_bucket
from trainer import config as schema

log = logging.getLogger(__name__)

DEFAULT = Path(__file__).with_name("preprocess.yaml")
# Their lines say what ports they open and, of an error, what the exception that follows says, three times.
NOISY = (
    "apache_beam.runners.common",
    "apache_beam.runners.worker",
    "apache_beam.runners.portability.fn_api_runner",
    "apache_beam.runners.portability.local_job_service",
)
DEFAULTS = (
    # Not DirectRunner, Beam's own default, which hands over to a program that it downloads.
    "--runner=FnApiRunner",
    "--direct_running_mode=multi_threading",
    "--direct_num_workers=0",
    # Of a job on another machine: Beam's own default gives up after 300 s, however well the job goes.
    "--job_server_timeout=604800",
)


def main(argv: Sequence[str] | None = None) -> None:
    config, _, beam_options = command.configured(command.parser(__doc__), schema.Preprocess, DEFAULT, argv)
    preprocess(config, beam_options)


def preprocess(config: schema.Preprocess, beam_options: Sequence[str]) -> None:
    """Makes the dataset, if it is not there already; Conflict if another run published one meanwhile."""
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    started = time.monotonic()
    output = open_bucket(config.output)
    standing = None if config.replace else whole(output)
    if standing:
        log.info("%s: kept, as replace=false; %s", config.output, since(standing, config))
        return
    recipe = read_recipe(config)
    sources = recipe.sources
    build = Build(output, recipe.fingerprint)
    if build.is_done():
        log.info("%s: these sources with these settings are there already, nothing to do", config.output)
        build.sweep()
        return
    if build.standing:
        log.info("%s: %s", config.output, changes(build.standing, recipe.settings, sources))
    log.info("%s: reading %d file(s), %.1f MB", config.input, len(sources), sum(s.bytes for s in sources) / 1e6)
    try:
        build.open()
        dataset, files = _made(build, recipe, beam_options)
        if read_sources(config) != sources:
            raise OSError(f"{config.input}: changed while it was read")
        build.publish(dataset, files)
    except Stopped:
        build.clear()
        command.leave_at_once()  # or a thread of the runner's would write another file
    except Exception as error:
        with suppress(OSError):  # a store that is down can be asked nothing: the next run clears up
            build.clear()
            if isinstance(error, InputError):
                raise
            if Build(output, recipe.fingerprint).is_done():
                log.info("%s: another run has made the same dataset meanwhile", config.output)
                return
            if build.was_overtaken():
                raise Conflict(f"{config.output}: another run was published while this one was at work") from error
        raise
    build.clear()
    _report(dataset, config.output, time.monotonic() - started)


def since(standing: Manifest, config: schema.Preprocess) -> str:
    """What has changed since a dataset was made, in words; its reviews may be gone."""
    try:
        recipe = read_recipe(config)
    except InputError as error:
        return str(error)
    if recipe.fingerprint == standing.fingerprint:
        return "its sources and settings are the same"
    return changes(standing, recipe.settings, recipe.sources)


def _made(build: Build, recipe: Recipe, beam_options: Sequence[str]) -> tuple[Manifest, list[dict[str, str]]]:
    """Runs the pipeline and holds what it did against what it read; the dataset, and the files that make it."""
    from preprocessing.pipeline import graph  # Beam takes a second to import: not before the checks above
    from preprocessing.sources.reader import parts

    sources, shards = recipe.sources, recipe.settings["shards"]
    plan = graph.Plan(
        parts=[
            part
            for number, source in enumerate(sources)
            for part in parts(number, url=absolute(source.url), name=source.name, size=source.bytes)
        ],
        names=[source.name for source in sources],
        folder=absolute(build.url),
        tag=build.fingerprint[:8],
        cut=recipe.cut,
        vocabulary=recipe.vocabulary,
        shard_count=shards,
        partitions=partition_count(sources, shards),
    )
    graph.run(plan, [*DEFAULTS, *beam_options])
    summary = json.loads(build.read(graph.SUMMARY))
    if summary["faults"]:
        raise InputError(summary["faults"][0])
    dataset = summed_up(
        summary,
        settings=recipe.settings,
        shard_rule=recipe.shard_rule,
        fingerprint=build.fingerprint,
        sources=described(sources),
    )
    check_counts(dataset, place=", ".join(source.name for source in sources[:3]))
    return dataset, [*summary["shards"], *summary["rejected"]]


def _report(dataset: Manifest, url: str, seconds: float) -> None:
    counts = dataset.counts
    log.info(
        "%d lines read = %d reviews kept + %d duplicate + %d rejected; %d characters dropped",
        *(counts["read"], counts["kept"], counts["duplicate"], dataset.rejected, sum(counts["dropped"].values())),
    )
    columns = ("reviews", "characters", "windows")
    rows = [(name, *(f"{split[column]:,}" for column in columns)) for name, split in dataset.splits.items()]
    for line in table("<>>>", [("", *columns), *rows]):
        log.info(line)
    log.info("%s: %d shards, %d symbols, %.1f s", url, len(dataset.shards), len(dataset.vocabulary), seconds)


if __name__ == "__main__":
    command.run(main)
