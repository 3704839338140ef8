"""Check a machine, its bucket and a dataset before they are needed.

    python -m jobs.check
    python -m jobs.check --set bucket=gs://BUCKET --set dataset=gs://BUCKET/dataset --set min_gpus=1 --json

Prints a line for each check: its outcome, what was found, its seconds. The bucket's checks write below a folder of
their own, and delete it. Exit code 0 if all is well. Otherwise the exit code of the first check that failed: 2 if a
retry cannot help, else 1. Several workers check together, as in jobs.train.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt
from pydantic.dataclasses import dataclass

from jobs.cli import command
from preprocessing.json_format import encode_json
from preprocessing.settings import STRICT, key
from preprocessing.storage.urls import open_bucket
from trainer.check.bucket import BucketChecks
from trainer.check.check import Check, Result, SkippedError, run_checks
from trainer.check.machine import check_dataset, check_scratch, check_shared_memory
from trainer.runtime.workers import Workers, read_workers


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CheckConfig:
    """Configuration of jobs.check."""

    bucket: str = key("", "URL of the folder that runs are written to; empty: the bucket is not checked")
    dataset: str = key("", "URL of a dataset, of which the first shard is checked; empty: none")
    min_gpus: NonNegativeInt = key(0, "GPUs that this machine must have, as for jobs.train")
    deterministic: Literal["auto"] | bool = key(
        "auto", "as for jobs.train: true: a step that is repeated gives the same bits"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON list of all results at the end")
    config, args = command.parse_args(parser, CheckConfig, argv)
    results = []
    for result in run_checks(list_checks(config, read_workers(os.environ))):
        results.append(result)
        if not args.json:
            print(format_result(result), flush=True)
    if args.json:
        sys.stdout.write(encode_json([asdict(result) for result in results]).decode())
    sys.exit(next((result.exit_code for result in results if result.outcome == "failed"), 0))


def list_checks(config: CheckConfig, workers: Workers) -> Iterator[Check]:
    """Yield all checks in order: volumes, bucket, dataset, devices."""
    scratch = Path(tempfile.gettempdir())
    yield Check("scratch", lambda: check_scratch(scratch))
    yield Check("shared memory", lambda: check_shared_memory(gpus=config.min_gpus))
    if config.bucket:
        yield from BucketChecks(open_bucket(config.bucket))
    else:
        yield Check("bucket", lambda: _skip("no --set bucket=URL"))
    yield Check("dataset", lambda: check_dataset(config.dataset) if config.dataset else _skip("no --set dataset=URL"))

    # TensorFlow takes seconds to import: import it only after everything else is checked.
    from trainer.check.devices import DeviceChecks

    yield from DeviceChecks(workers, min_gpus=config.min_gpus, deterministic=config.deterministic)


def format_result(result: Result) -> str:
    """Return the line of a check, in columns."""
    outcome = result.outcome.upper() if result.exit_code else result.outcome
    return f"{outcome:<8}{result.name:<26}{result.seconds:7.2f} s  {result.found}"


def _skip(reason: str) -> str:
    raise SkippedError(reason)


if __name__ == "__main__":
    command.run(main)
