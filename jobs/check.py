"""Check a machine, its bucket and a dataset before they are needed.

    python -m jobs.check
    python -m jobs.check --set bucket=gs://BUCKET --set dataset=gs://BUCKET/dataset --set train=train.yaml --json

Prints a line for each check: its outcome, what was found, its seconds. The bucket's checks write below a folder of
their own, and delete it. Exit code 0 if all is well. Otherwise the exit code of the first check that failed: 2 if a
retry cannot help, else 1. Several workers check together, as in jobs.train: a worker whose devices cannot be opened
leaves, and the others wait for it as in jobs.train.
"""

import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from pydantic.dataclasses import dataclass

from jobs.cli import command
from jobs.cli.config import load_config
from preprocessing.json_format import encode_json
from preprocessing.settings import STRICT, key
from preprocessing.storage.urls import open_bucket
from trainer.check.bucket import bucket_checks
from trainer.check.check import Check, Result, SkippedError, run_checks
from trainer.check.machine import check_dataset, check_scratch, check_shared_memory
from trainer.config import TrainConfig
from trainer.runtime.workers import read_workers


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CheckConfig:
    """Configuration of jobs.check."""

    bucket: str = key("", "URL of the folder that runs are written to; empty: the bucket is not checked")
    dataset: str = key("", "URL of a dataset, of which the first shard is checked; empty: none")
    train: str = key("", "path of a configuration of jobs.train, for GPUs, precision and staging; empty: its defaults")


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON list of all results at the end")
    config, args = command.parse_args(parser, CheckConfig, argv)
    train_config = load_config(
        TrainConfig, file=Path(config.train) if config.train else None, last={"dataset": ".", "runs": "."}
    )
    results = []
    with closing(list_checks(config, train_config)) as checks:  # a stopped command deletes what it wrote
        for result in run_checks(checks):
            results.append(result)
            if not args.json:
                print(format_result(result), flush=True)
    if args.json:
        sys.stdout.write(encode_json([asdict(result) for result in results]).decode())
    sys.exit(next((result.exit_code for result in results if result.outcome == "failed"), 0))


def list_checks(config: CheckConfig, train_config: TrainConfig) -> Generator[Check, None, None]:
    """Yield all checks in order: volumes, bucket, dataset, devices."""
    scratch = Path(tempfile.gettempdir())
    yield Check("scratch", lambda: check_scratch(scratch, needed_bytes=train_config.staging.max_bytes))
    yield Check("shared memory", lambda: check_shared_memory(gpus=train_config.min_gpus))
    if config.bucket:
        yield from bucket_checks(lambda: open_bucket(config.bucket))
    else:
        yield Check("bucket", lambda: _skip("no --set bucket=URL"))
    yield Check("dataset", lambda: check_dataset(config.dataset) if config.dataset else _skip("no --set dataset=URL"))

    # TensorFlow takes seconds to import: import it only after everything else is checked.
    from trainer.check.devices import DeviceChecks

    yield from DeviceChecks(lambda: read_workers(os.environ), train_config)


def format_result(result: Result) -> str:
    """Return the line of a check, in columns."""
    outcome = result.outcome.upper() if result.exit_code else result.outcome
    return f"{outcome:<8}{result.name:<26}{result.seconds:7.2f} s  {result.found}"


def _skip(reason: str) -> str:
    raise SkippedError(reason)


if __name__ == "__main__":
    command.run(main)
